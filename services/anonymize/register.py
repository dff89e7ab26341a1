"""The exposure register: what every release about people showed, one group of datasets at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from pydantic import ValidationError
from sqlalchemy import Text, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.anonymize.exposure import Exposure
from services.anonymize.header_lexicon import words
from services.anonymize.linked import Linked
from services.anonymize.tables import exposures
from shared.database import transaction
from shared.failures import Quarantined
from shared.ids import DatasetId, ReleaseId
from shared.messages import Reason


class Turn(Protocol):
    """A dataset's turn: what its other releases showed, what linked datasets did, and where this one's
    is written."""

    earlier: tuple[Exposure, ...]
    linked: tuple[Linked, ...]

    async def record(self, exposure: Exposure) -> None:
        """Writes what this release shows, in place of what an earlier try of it would have."""


class _Turn:
    def __init__(
        self,
        connection: AsyncConnection,
        dataset: DatasetId,
        release: ReleaseId,
        earlier: tuple[Exposure, ...],
        linked: tuple[Linked, ...],
    ) -> None:
        self.earlier, self.linked = earlier, linked
        self._connection, self._dataset, self._release = connection, dataset, release

    async def record(self, exposure: Exposure) -> None:
        body = exposure.model_dump(mode="json")
        row = insert(exposures).values(dataset=self._dataset, release=self._release, body=body)
        fresh = row.on_conflict_do_update(
            index_elements=["dataset", "release"], set_={"body": body, "at": func.now()}
        )
        await self._connection.execute(fresh)


class Register:
    """The register in PostgreSQL. Whoever cannot read it publishes nothing."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @asynccontextmanager
    async def turn(
        self,
        dataset: DatasetId,
        release: ReleaseId,
        quasi_identifiers: Sequence[str] = (),
        group: str | None = None,
    ) -> AsyncIterator[Turn]:
        """Two releases that are compared never pass each other: the second waits for the first.

        Those of one dataset, and those of datasets that share a quasi-identifier or a group of the
        card's. Raises OursAway when the database is away, Quarantined when an entry cannot be read.
        """
        names = sorted({words(name) for name in quasi_identifiers})
        async with transaction(self.engine, "exposure") as connection:
            # In one order for all, so that none waits for one that waits for it.
            locks = {f"dataset {dataset}", *(f"quasi-identifier {name}" for name in names)}
            for lock in sorted(locks | ({f"group {group}"} if group else set())):
                key = func.hashtextextended(f"ecluse-exposure {lock}", 0)
                await connection.execute(select(func.pg_advisory_xact_lock(key)))
            mine = (exposures.c.dataset == dataset) & (exposures.c.release != release)
            found = exposures.c.body["words"].has_any(cast(names, ARRAY(Text)))
            found |= exposures.c.body["linked"].astext == group
            others = (exposures.c.dataset != dataset) & found
            order = select(exposures.c.dataset, exposures.c.body).order_by(exposures.c.at)
            earlier = (await connection.execute(order.where(mine))).all()
            beside = (await connection.execute(order.where(others))).all()
            try:
                before = tuple(Exposure.model_validate(body) for _, body in earlier)
                read = [(name, Exposure.model_validate(body)) for name, body in beside]
            except ValidationError:
                raise Quarantined(Reason(code="exposure_incomparable")) from None
            linked = tuple(
                Linked(name, one, group is not None and one.linked == group) for name, one in read
            )
            yield _Turn(connection, dataset, release, before, linked)
