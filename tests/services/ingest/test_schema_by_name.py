"""A schema of the national catalogue by name and version: fetched once, kept, and obeyed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest.schema_by_name import with_schema
from shared.card import Card
from shared.failures import EcluseError, Quarantined, SourceAway
from shared.settings import Settings
from shared.storage import open_store
from tests.schema_catalogue import NAME, Catalogue, running
from tests.services.ingest.reading import plain


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    with running() as there:
        yield there


def told(folder: Path, address: str) -> Settings:
    return Settings.model_validate(
        {
            "store": str(folder / "store"),
            "schema_catalogue": f"{address}/schemas.json",
            "allow_private_addresses": True,
            "source_retry_seconds": 0.001,
        }
    )


def naming(name: str = NAME, version: str = "v1.2.0") -> Card:
    return plain(schema={"name": name, "version": version})


async def get(card: Card, folder: Path, settings: Settings) -> Card:
    return await with_schema(card, folder, settings, open_store(settings, "ingest"))


async def test_fetched_once(catalogue: Catalogue, tmp_path: Path) -> None:
    """The second time it is read from the store: the catalogue may be away then."""
    settings = told(tmp_path, catalogue.address)
    card = naming()
    for _ in range(2):
        found = await get(card, tmp_path, settings)
        assert found.table_schema is not None
        assert [field.name for field in found.table_schema.fields] == ["id", "places"]
        assert found.table_schema.fields[1].kind == "year"
    assert catalogue.asked == ["/schemas.json", "/bancs.json"]
    away = told(tmp_path, "http://127.0.0.1:9")
    assert (await get(card, tmp_path, away)).table_schema == found.table_schema


@pytest.mark.parametrize(
    ("name", "version"), [(NAME, "1.3.0"), ("etalab/none", "1.2.0"), ("etalab/other", "1.2.0")]
)
async def test_what_is_not_there(
    catalogue: Catalogue, tmp_path: Path, name: str, version: str
) -> None:
    """Another version, another name, a schema that is not of a table: a person must correct it."""
    with pytest.raises(Quarantined) as caught:
        await get(naming(name, version), tmp_path, told(tmp_path, catalogue.address))
    [reason] = caught.value.reasons
    assert (reason.code, reason.expected) == ("schema_unknown", f"{name} {version}")


@pytest.mark.parametrize("schema", [[], {"fields": []}, {"fields": [{"type": "integer"}]}, "x"])
async def test_a_schema_that_is_none(catalogue: Catalogue, tmp_path: Path, schema: object) -> None:
    """It is refused and not kept: the next try asks again."""
    catalogue.schema = schema
    for _ in range(2):
        with pytest.raises(Quarantined, match="schema_unknown"):
            await get(naming(), tmp_path, told(tmp_path, catalogue.address))
    assert catalogue.asked.count("/bancs.json") == 2


async def test_the_catalogue_is_away(tmp_path: Path) -> None:
    """Somebody else's host: the change waits."""
    failures: tuple[type[EcluseError], ...] = (SourceAway,)
    with pytest.raises(failures, match="schema_away"):
        await get(naming(), tmp_path, told(tmp_path, "http://127.0.0.1:9"))


async def test_a_card_with_fields_of_its_own(tmp_path: Path) -> None:
    """Nothing is fetched."""
    card = plain(
        schema={"name": NAME, "version": "1", "fields": [{"name": "id"}, {"name": "places"}]}
    )
    assert await get(card, tmp_path, told(tmp_path, "http://127.0.0.1:9")) is card
