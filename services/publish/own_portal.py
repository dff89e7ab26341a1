"""The city's own portal: copy, verify the versioned addresses, flip, verify the stable ones; flip
back on failure. A release is published when a citizen can download every file of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.portals.promises import promise
from services.publish.records import (
    card_row,
    end_change,
    end_overtaken,
    lock_dataset,
    may_go_out,
    modified_at,
    put_back,
    read_card,
)
from services.publish.verify_files import verify_files
from shared import keys, metrics
from shared.at_once import at_once
from shared.crash_points import crash_point
from shared.database import Database
from shared.event_parts import FileRef, Sequence, utc
from shared.events import CatalogPublished, DatasetPublished
from shared.failures import EcluseError
from shared.settings import Settings
from shared.storage import Store


@dataclass(frozen=True)
class OwnPortal:
    """Puts releases on the portal and takes them away."""

    database: Database
    store: Store
    settings: Settings
    http: httpx.AsyncClient

    async def publish(self, delivery: Row[Any]) -> bool:
        """Publishes; False if it was called off (superseded, refused, withdrawn, card changed).

        Raises OursAway; SourceAway or Quarantined when the portal does not serve what it should.
        """
        publication = await self._publication(delivery.publication)
        if publication.state == "published":
            return True
        if publication.state != "approved":
            return False
        files = [FileRef.model_validate(one) for one in publication.files]
        await at_once(*(self._copy(publication, file) for file in files))
        crash_point("after-copy")
        await self._show(publication)
        base = f"{self.settings.verify_url}/datasets/{publication.dataset}"
        try:
            await verify_files(self.http, f"{base}/releases/{publication.release}", files)
            if not await self._flip(publication):
                return False
            await verify_files(self.http, base, files)
        except EcluseError:
            await self._flip_back(publication)
            raise
        crash_point("after-verify")
        roles = {one["name"]: one["role"] for one in publication.files}
        await self._finish(publication, [one for one in files if roles[one.name] == "data"])
        return True

    async def _publication(self, publication: str) -> Row[Any]:
        async with self.database.transaction() as connection:
            found = await connection.execute(
                select(t.publications).where(t.publications.c.publication == publication)
            )
            return found.one()

    async def _copy(self, publication: Row[Any], file: FileRef) -> None:
        key = keys.file(publication.dataset, publication.release, file.name)
        if await self.store.size("public", key) != file.bytes:
            await self.store.copy(file, "public", key)

    async def _show(self, publication: Row[Any]) -> None:
        """The versioned addresses exist from here on; the stable ones do not yet lead to them."""
        told = ("name", "role", "format", "media_type", "bytes", "sha256")
        shown = [
            {
                "dataset": publication.dataset,
                "release": publication.release,
                "key": keys.file(publication.dataset, publication.release, file["name"]),
                "rows": file.get("rows"),
                "modified_at": publication.occurred_at,
                **{name: file[name] for name in told},
            }
            for file in publication.files
        ]
        async with self.database.transaction("show") as connection:
            await connection.execute(insert(t.files).values(shown).on_conflict_do_nothing())

    async def _flip(self, publication: Row[Any]) -> bool:
        """Makes the release the public one, in one instant; False if it may not go out any more."""
        async with self.database.transaction("flip") as connection:
            public = await lock_dataset(connection, publication.dataset)
            if not await may_go_out(connection, publication.publication):
                return False
            place = max(
                (publication.generation, publication.number),
                (public.generation or 0, -1 if public.number is None else public.number),
            )
            await connection.execute(
                update(t.datasets)
                .where(t.datasets.c.dataset == publication.dataset)
                .values(
                    publication=publication.publication,
                    release=publication.release,
                    # A release of before that is put back leaves the dataset's place where it was.
                    generation=place[0],
                    number=place[1],
                    revision=publication.revision,
                    published_at=func.now(),
                    modified_at=modified_at(publication),
                    first_published_at=func.coalesce(t.datasets.c.first_published_at, func.now()),
                    confirmed_at=None,
                    withdrawn_at=None,
                )
            )
            return True

    async def _flip_back(self, publication: Row[Any]) -> None:
        """Puts the last verified release back, if this one stands in its place.

        Whichever attempt put it there: one may have died between its flip and its verification.
        """
        async with self.database.transaction("flip-back") as connection:
            public = await lock_dataset(connection, publication.dataset)
            if public.publication == publication.publication:
                await put_back(connection, public)

    async def _finish(self, publication: Row[Any], data: list[FileRef]) -> None:
        """Verified: the end of the change, and the events that say so, in one transaction."""
        async with self.database.transaction("finish") as connection:
            public = await lock_dataset(connection, publication.dataset)
            if public.publication != publication.publication:
                return
            p = t.publications.c
            done = await connection.execute(
                update(t.publications)
                .where(p.publication == publication.publication, p.state == "approved")
                .values(state="published", published_at=public.published_at)
            )
            if done.rowcount == 0:
                return
            earlier = await connection.scalar(
                select(func.count())
                .select_from(t.publications)
                .where(
                    p.dataset == publication.dataset,
                    p.state.in_(("published", "replaced", "withdrawn")),
                )
            )
            await connection.execute(
                update(t.publications)
                .where(
                    p.dataset == publication.dataset,
                    p.publication != publication.publication,
                    p.state == "published",
                )
                .values(state="replaced")
            )
            await self._say(connection, publication, public, data, first=earlier == 1)
            await end_change(self.database, connection, publication, "published")
            if card := await card_row(connection, publication.dataset):
                # The change has its end: no other portal holds it back.
                await promise(connection, self.settings.portals, read_card(card), publication)
            place = publication.generation, publication.number
            await end_overtaken(self.database, connection, publication.dataset, *place)
        age = (public.published_at - publication.occurred_at).total_seconds()
        metrics.time_to_publish.observe(max(age, 0))

    async def _say(
        self,
        connection: AsyncConnection,
        publication: Row[Any],
        public: Row[Any],
        data: list[FileRef],
        *,
        first: bool,
    ) -> None:
        at = utc(public.published_at)
        told = {
            "dataset": publication.dataset,
            "change": publication.change,
            "release": publication.release,
            "publication": publication.publication,
        }
        await self.database.emit(
            connection,
            CatalogPublished.model_validate(
                told
                | {
                    "sequence": Sequence(
                        generation=publication.generation, number=publication.number
                    ),
                    "published_at": at,
                    "rows": publication.rows,
                    "columns": publication.columns,
                }
            ),
            DatasetPublished.model_validate(
                told
                | {
                    "state": "published",
                    "kind": publication.kind,
                    "first": first,
                    "at": at,
                    "files": [one.model_dump() | {"bucket": "public"} for one in data],
                    "rows": publication.rows,
                }
            ),
        )

    async def withdraw(self, delivery: Row[Any]) -> bool:
        """Deletes a withdrawn release's files; they were hidden with the decision already."""
        publication = await self._publication(delivery.publication)
        async with self.database.transaction() as connection:
            gone = await connection.scalar(
                select(t.withdrawn.c.release).where(t.withdrawn.c.release == publication.release)
            )
        if gone is None:
            return False
        for file in publication.files:
            key = keys.file(publication.dataset, publication.release, file["name"])
            await self.store.delete("public", key)
        async with self.database.transaction("erase") as connection:
            await connection.execute(
                delete(t.files).where(
                    t.files.c.dataset == publication.dataset,
                    t.files.c.release == publication.release,
                )
            )
        return True
