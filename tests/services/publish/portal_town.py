"""A portal on a catalogue in memory."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from starlette.testclient import TestClient

from services.publish.portal.catalogue import Copy, Dataset, File, News
from services.publish.portal.site import make_portal
from shared.event_parts import BucketName
from shared.failures import OursAway
from shared.messages import Reason

PUBLIC = "https://data.ville.example"
CSV = b"id,places\r\nB1,3\r\nB2,4\r\n"
MODIFIED = datetime(2026, 3, 1, 12, 30, 15, 250000, tzinfo=UTC)
CARD: dict[str, Any] = {
    "title": {"fr": "Bancs publics", "en": "Public benches"},
    "description": {"fr": "Les bancs.", "en": "The benches."},
    "keywords": ["banc", "mobilier urbain"],
    "legal_notes": "Aucune.",
    "licence": "lov2",
    "attribution": "Ville d'essai",
    "spatial": {
        "zones": ["fr:commune:69123"],
        "label": "Ville d'essai",
        "granularity": "point",
        "bbox": [4.7, 45.7, 4.9, 45.8],
    },
    "temporal": {"from": "2020-01-01"},
    "frequency": "monthly",
    "theme": "TRAN",
    "contact": {"name": "Espaces verts", "email": "espaces-verts@ville.example"},
    "producer": {"name": "Ville d'essai", "siren": "210000000"},
}


def dataset(name: str = "bancs", **changes: Any) -> Dataset:
    """A public dataset."""
    plain = Dataset(
        dataset=name,
        domain="espaces-verts",
        card=CARD,
        state="published",
        release="r1",
        first_published_at=datetime(2026, 1, 1, tzinfo=UTC),
        published_at=MODIFIED,
        modified_at=MODIFIED,
        confirmed_at=None,
        withdrawn_at=None,
        rows=2,
    )
    return replace(plain, **changes)


def file(name: str = "bancs.csv", content: bytes = CSV, **changes: Any) -> File:
    """A file of its release."""
    form = name.rpartition(".")[2]
    media = {"csv": "text/csv", "json": "application/json"}.get(form, "application/octet-stream")
    plain = File(
        dataset="bancs",
        release="r1",
        role="data",
        name=name,
        format=form,
        media_type=media,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        key=f"bancs/r1/{name}",
        rows=2,
        current=True,
        modified_at=MODIFIED,
    )
    return replace(plain, **changes)


@dataclass
class Memory:
    """Catalogue and store."""

    known: list[Dataset] = field(default_factory=list)
    held: dict[File, bytes] = field(default_factory=dict)
    told: list[News] = field(default_factory=list)
    there: dict[str, list[Copy]] = field(default_factory=dict)
    away: bool = False

    async def datasets(self) -> list[Dataset]:
        return [one for one in self.known if one.state == "published"]

    async def dataset(self, dataset: str) -> Dataset | None:
        return next((one for one in self.known if one.dataset == dataset), None)

    async def files(self, dataset: str) -> list[File]:
        return [one for one in self.held if one.dataset == dataset]

    async def file(self, dataset: str, name: str, release: str | None = None) -> File | None:
        found = [one for one in await self.files(dataset) if one.name == name]
        if release:
            return next((one for one in found if one.release == release), None)
        return next((one for one in found if one.current), None)

    async def all_files(self) -> list[File]:
        return [one for one in self.held if one.current]

    async def news(self, dataset: str | None = None, most: int = 50) -> list[News]:
        return [one for one in self.told if dataset in (None, one.dataset)][:most]

    async def copies(self, dataset: str) -> list[Copy]:
        return self.there.get(dataset, [])

    async def alive(self) -> bool:
        return True

    async def stream(
        self, bucket: BucketName, key: str, start: int, end: int
    ) -> AsyncIterator[bytes]:
        if self.away:
            raise OursAway(Reason(code="store_away"))
        assert bucket == "public"
        [content] = [content for one, content in self.held.items() if one.key == key]
        for place in range(start, end, 7):
            yield content[place : min(place + 7, end)]

    def client(self, **options: Any) -> TestClient:
        """A browser."""
        site = make_portal(
            self,
            self,
            public_url=PUBLIC,
            city="Ville d'essai",
            domains={"espaces-verts": {"fr": "Espaces verts", "en": "Green spaces"}},
            **options,
        )
        return TestClient(site, base_url=PUBLIC, follow_redirects=False)
