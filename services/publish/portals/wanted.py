"""A publication as every portal should hold it: URIs, stable addresses, titles. Pure."""

from __future__ import annotations

from typing import Any

from services.publish.portals.connector import Wanted, WantedFile
from services.publish.records import modified_at
from shared.card import Card
from shared.event_parts import FileRef
from shared.formats import FORMATS
from shared.keys import file as public_key


def dataset_uri(public_url: str, dataset: str) -> str:
    """The dataset's identifier: the same as in the catalogue feed, for ever."""
    return f"{public_url.rstrip('/')}/datasets/{dataset}"


def make_wanted(card: Card, publication: Any, public_url: str) -> Wanted:
    """The dataset with its data files. `publication` is a row of `publications`."""
    uri = dataset_uri(public_url, publication.dataset)
    files = tuple(
        _file(card, uri, publication, each) for each in publication.files if each["role"] == "data"
    )
    return Wanted(
        uri=uri,
        dataset=publication.dataset,
        release=publication.release,
        page=uri,
        card=card,
        modified_at=modified_at(publication),
        files=files,
    )


def _file(card: Card, uri: str, publication: Any, each: dict[str, Any]) -> WantedFile:
    key = public_key(publication.dataset, publication.release, each["name"])
    ref = FileRef.model_validate(each | {"bucket": "public", "key": key})
    facts = FORMATS.get(ref.format)
    form = facts.title if facts else ref.format.upper()
    return WantedFile(
        uri=f"{uri}#{ref.format}",
        title=f"{card.title['fr']} ({form})",
        address=f"{uri}/{ref.name}",
        file=ref,
    )
