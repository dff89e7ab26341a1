"""A domain system under test: it writes in a journal what it will send before it sends it."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
from aiokafka.errors import KafkaError

from shared.card import Card
from shared.failures import OursAway
from tests.connected.town import Town, eventually

T = TypeVar("T")
SOURCE = "urn:example:sig"


class LoadDriver:
    """Sends changes and decides, whatever is dead at the moment: it asks until it has an answer."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.journal = town.folder / "journal.jsonl"
        self._number = 0

    def _write(self, **said: object) -> None:
        with self.journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(said) + "\n")
            journal.flush()
            os.fsync(journal.fileno())

    async def declare(self, card: Card, *, person: bool = False, settle: bool = True) -> None:
        """Puts a card in force; `person`: each of its releases waits for a decision."""
        if person:
            card = card.model_copy(
                update={
                    "approval": card.approval.model_copy(
                        update={"first": "person", "then": "person"}
                    )
                }
            )
        columns = [name for name, act in card.privacy.columns.items() if act.action == "keep"]
        fields = card.table_schema.fields if card.table_schema else ()
        integers = [one.name for one in fields if one.type == "integer"]
        self._write(
            card=card.dataset,
            columns=columns,
            integers=integers,
            approval="person" if person else "automatic",
        )
        await self.town.declare(card, settle=settle)

    async def change(self, content: str, dataset: str = "bancs", *, good: bool = True) -> str:
        """Announces a new content on the topic; `good` false: it must never be public."""
        self._number += 1
        event = f"event-{self._number}"
        name = f"{dataset}-{self._number}.csv"
        address = self.town.source(name, content)
        self._write(event=event, source=SOURCE, dataset=dataset, file=name, good=good)
        return await self._until_done(lambda: self.town.announce(event, address, dataset))

    async def again(self, event: str, file: str, dataset: str = "bancs") -> str:
        """The same event once more, as a sender does that had no answer."""
        address = (self.town.folder / "sources" / file).as_uri()
        return await self._until_done(lambda: self.town.announce(event, address, dataset))

    async def decide(self, release: str, verdict: str = "approved") -> None:
        """A decision of the responsable."""
        self._write(decision=release, verdict=verdict)

        async def decided() -> bool:
            answer = await self.town.call(
                "POST", f"/releases/{release}/decision", {"verdict": verdict, "reason": "essai"}
            )
            # 404 and 409: decided before, by a call whose answer was lost.
            return answer.is_success or answer.status_code in (404, 409)

        await self.sure(decided)

    async def describe(self, card: Card) -> None:
        """Declares a card anew, and signs it: nothing of what shapes the data has changed."""

        async def done() -> bool:
            await self.town.declare(card, settle=False)
            return True

        await self._until_done(done)

    async def act(self, path: str, body: object) -> None:
        """An act of the responsable."""

        async def done() -> bool:
            await self.town.act(path, body)
            return True

        await self._until_done(done)

    async def withdraw(self, dataset: str) -> None:
        """Takes a dataset's public release away; nothing of it may be public from then on."""
        releases = self.town.rows(
            f"select release from publish.datasets where dataset = '{dataset}'"
        )
        [(release,)] = releases
        if release is None:
            return
        self._write(withdrawn=release, dataset=dataset)
        await self.act(f"/releases/{release}/decision", {"verdict": "withdrawn", "reason": "essai"})

    async def approve_all(self) -> None:
        """Approves whatever waits."""
        waiting = await self._until_done(self.town.waiting)
        for release in waiting:
            await self.decide(release)

    async def sure(self, act: Callable[[], Awaitable[bool]]) -> None:
        """Repeats an act of HTTP until it has an answer that will do."""

        async def done() -> bool:
            try:
                return await act()
            except httpx.TransportError:
                return False

        await eventually(done, "the admin API does not answer", self.town.patience)

    async def _until_done(self, act: Callable[[], Awaitable[T]]) -> T:
        held: list[T] = []

        async def done() -> bool:
            try:
                held.append(await act())
            except (KafkaError, OursAway, httpx.TransportError, OSError):
                return False
            return True

        await eventually(done, "nobody answers", self.town.patience)
        return held[0]

    def brief(self) -> Path:
        """What the checker has to know, in a file."""
        settings = self.town.settings
        path = self.town.folder / "brief.json"
        path.write_text(
            json.dumps(
                {
                    "kafka": settings.kafka,
                    "prefix": settings.prefix,
                    "database": settings.database.get_secret_value().replace("+psycopg", ""),
                    "public_url": settings.public_url,
                    "sources": str(self.town.folder / "sources"),
                    "journal": str(self.journal),
                }
            )
        )
        return path
