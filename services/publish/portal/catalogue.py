"""What the portal reads: the views of schema `portal`, as plain records."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True)
class Dataset:
    """A dataset as the public sees it. `card` holds its public fields alone."""

    dataset: str
    domain: str
    card: dict[str, Any]
    state: str
    release: str | None
    first_published_at: datetime
    published_at: datetime
    modified_at: datetime
    confirmed_at: datetime | None
    withdrawn_at: datetime | None
    rows: int | None

    def title(self, language: str) -> str:
        return str(self.card["title"].get(language) or self.card["title"]["fr"])

    def description(self, language: str) -> str:
        return str(self.card["description"].get(language) or self.card["description"]["fr"])


@dataclass(frozen=True)
class File:
    """A file of a release; `current` says that the stable address leads to it."""

    dataset: str
    release: str
    role: str
    name: str
    format: str
    media_type: str
    bytes: int
    sha256: str
    key: str
    rows: int | None
    current: bool
    modified_at: datetime


@dataclass(frozen=True)
class News:
    """A news item."""

    news: str
    dataset: str
    kind: str
    title: dict[str, str]
    body: dict[str, str]
    at: datetime


@dataclass(frozen=True)
class Copy:
    """The dataset on another portal: what the latest verification found there. `state` is pending,
    arrived, late or failed; each of `files` has a `format` and the names of the checks that went
    `wrong`; `differences` counts fields that are not as told."""

    portal: str
    state: str
    files: list[dict[str, Any]]
    differences: int
    verified_at: datetime | None


class Catalogue(Protocol):
    """Public facts."""

    async def datasets(self) -> list[Dataset]: ...
    async def dataset(self, dataset: str) -> Dataset | None: ...
    async def files(self, dataset: str) -> list[File]: ...
    async def file(self, dataset: str, name: str, release: str | None = None) -> File | None: ...
    async def all_files(self) -> list[File]: ...
    async def news(self, dataset: str | None = None, most: int = 50) -> list[News]: ...
    async def copies(self, dataset: str) -> list[Copy]: ...
    async def alive(self) -> bool: ...


class SqlCatalogue:
    """The catalogue out of PostgreSQL, by a role that may select from schema `portal`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def datasets(self) -> list[Dataset]:
        rows = await self._rows(
            f"select {_DATASET} from portal.datasets where state = 'published' order by dataset"  # noqa: S608 - constants alone
        )
        return [Dataset(**row) for row in rows]

    async def dataset(self, dataset: str) -> Dataset | None:
        rows = await self._rows(
            f"select {_DATASET} from portal.datasets where dataset = :dataset",  # noqa: S608 - constants alone
            dataset=dataset,
        )
        return Dataset(**rows[0]) if rows else None

    async def files(self, dataset: str) -> list[File]:
        rows = await self._rows(
            f"select {_FILE} from portal.files where dataset = :dataset order by name",  # noqa: S608 - constants alone
            dataset=dataset,
        )
        return [File(**row) for row in rows]

    async def file(self, dataset: str, name: str, release: str | None = None) -> File | None:
        """One file of a release; of the one now public without its name."""
        chosen = "release = :release" if release else "current"
        rows = await self._rows(
            f"select {_FILE} from portal.files"  # noqa: S608 - constants alone
            f" where dataset = :dataset and name = :name and {chosen}",
            dataset=dataset,
            name=name,
            release=release,
        )
        return File(**rows[0]) if rows else None

    async def all_files(self) -> list[File]:
        rows = await self._rows(
            f"select {_FILE} from portal.files where current order by dataset, name"  # noqa: S608 - constants alone
        )
        return [File(**row) for row in rows]

    async def news(self, dataset: str | None = None, most: int = 50) -> list[News]:
        chosen = "where dataset = :dataset" if dataset else ""
        rows = await self._rows(
            f"select news, dataset, kind, title, body, at from portal.news {chosen}"  # noqa: S608 - constants alone
            " order by at desc, news limit :most",
            dataset=dataset,
            most=most,
        )
        return [News(**row) for row in rows]

    async def copies(self, dataset: str) -> list[Copy]:
        rows = await self._rows(
            "select portal, state, files, differences, verified_at from portal.copies"
            " where dataset = :dataset order by portal",
            dataset=dataset,
        )
        return [Copy(**row) for row in rows]

    async def alive(self) -> bool:
        try:
            await self._rows("select 1 as one")
        except Exception:  # noqa: BLE001 - any failure means: not now
            return False
        return True

    async def _rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        bound = {name: value for name, value in values.items() if f":{name}" in statement}
        async with self._engine.connect() as connection:
            found = await connection.execute(text(statement), bound)
            return [dict(row._mapping) for row in found]


_DATASET = ", ".join(field.name for field in fields(Dataset))
_FILE = ", ".join(field.name for field in fields(File))
