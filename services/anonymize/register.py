"""The exposure register: what every release about people showed, one dataset at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.anonymize.exposure import Exposure
from services.anonymize.tables import exposures
from shared.database import transaction
from shared.failures import Quarantined
from shared.ids import DatasetId, ReleaseId
from shared.messages import Reason


class Turn(Protocol):
    """A dataset's turn: what its other releases showed, and where this one's is written."""

    earlier: tuple[Exposure, ...]

    async def record(self, exposure: Exposure) -> None:
        """Writes what this release shows, in place of what an earlier try of it would have."""


class _Turn:
    def __init__(
        self,
        connection: AsyncConnection,
        dataset: DatasetId,
        release: ReleaseId,
        earlier: tuple[Exposure, ...],
    ) -> None:
        self.earlier = earlier
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
    async def turn(self, dataset: DatasetId, release: ReleaseId) -> AsyncIterator[Turn]:
        """Two releases of one dataset never pass each other: the second waits for the first.

        Raises OursAway when the database is away, Quarantined when an entry cannot be read.
        """
        async with transaction(self.engine, "exposure") as connection:
            lock = f"ecluse-exposure-{dataset}"
            await connection.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(lock, 0)))
            )
            others = (exposures.c.dataset == dataset) & (exposures.c.release != release)
            order = select(exposures.c.body).where(others).order_by(exposures.c.at)
            rows = (await connection.execute(order)).scalars().all()
            try:
                earlier = tuple(Exposure.model_validate(body) for body in rows)
            except ValidationError:
                raise Quarantined(Reason(code="exposure_incomparable")) from None
            yield _Turn(connection, dataset, release, earlier)
