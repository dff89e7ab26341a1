"""What a person does: declare, sign, approve, refuse, withdraw, pause, resume, replay.

Each act is one transaction with its audit row. What it gives rise to is sent from the outbox.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import captures
from services.publish import tables as t
from services.publish.decisions import approve, write_decision
from services.publish.portals.promises import (
    Portals,
    back_fill,
    promise,
    public_now,
)
from services.publish.portals.withdrawn_copies import settle
from services.publish.records import (
    card_row,
    catalog_entry,
    end_change,
    latest_change,
    lock_dataset,
    read_card,
    rerun,
    set_state,
    write_audit,
)
from services.publish.views import texts
from services.publish.weaker_releases import TIGHTENED, withdraw_weaker
from services.publish.withdrawals import PERSONAL_DATA, open_breach, predecessor, take_down
from shared.card import Card
from shared.card_parts import Signature
from shared.database import Database
from shared.failures import EcluseError, Quarantined
from shared.identity import Act, Identity
from shared.messages import Reason
from shared.policy_signature import Trusted, check_signature


class Refused(EcluseError):
    """The act cannot be done: `status` is the HTTP status that says so."""

    def __init__(self, status: int, *reasons: Reason) -> None:
        super().__init__(*reasons)
        self.status = status


@dataclass(frozen=True)
class Acts:
    """Everything that the admin API can do. `who` may do it, or Refused is raised."""

    database: Database
    trusted: Trusted
    portals: Portals = field(default_factory=dict)

    async def declare(self, who: Identity, card: Card) -> dict[str, Any]:
        """Puts a card in force. Changes of shaping fields run the latest change again.

        A stricter policy withdraws what weaker ones let out, signed or not: `withdrawn`, their ids.
        """
        _allow(who, "declare", card.domain)
        if missing := card.missing_metadata():
            raise Refused(422, *(Reason(code="metadata_missing", column=name) for name in missing))
        async with self.database.transaction("declare") as connection:
            public = await lock_dataset(connection, card.dataset)
            before = await card_row(connection, card.dataset)
            gone = []
            if before is not None:
                _allow(who, "declare", before.domain)
                cards = read_card(before), _keep_signature(card, read_card(before))
                card = cards[1]
                gone = await withdraw_weaker(
                    self.database, connection, self.portals, public, cards, who.name
                )
            done = await self._put(connection, who, "declare", card, before)
        return done | (
            {"withdrawn": gone, "reasons": texts([TIGHTENED.model_dump(exclude_none=True)])}
            if gone
            else {}
        )

    async def sign(self, who: Identity, dataset: str, signature: Signature) -> dict[str, Any]:
        """Puts a policy in force by a trusted person's signature."""
        async with self.database.transaction("sign") as connection:
            await lock_dataset(connection, dataset)
            before = await self._declared(connection, dataset)
            _allow(who, "sign", before.domain)
            if signature.by != who.name:
                raise Refused(403, Reason(code="not_allowed"))
            card = read_card(before).model_copy(update={"signature": signature})
            try:
                check_signature(card, self.trusted)
            except Quarantined as failure:
                raise Refused(422, *failure.reasons) from None
            return await self._put(connection, who, "sign", card, before)

    async def _put(
        self,
        connection: AsyncConnection,
        who: Identity,
        act: str,
        card: Card,
        before: Row[Any] | None,
    ) -> dict[str, Any]:
        digest, shaping = card.digest(), card.shaping_digest()
        if before is not None and before.digest == digest:
            return {"dataset": card.dataset, "revision": before.revision, "changed": False}
        fields = {
            "domain": card.domain,
            "revision": before.revision + 1 if before else 1,
            "digest": digest,
            "shaping": shaping,
            "body": card.body(),
            "declared_by": who.name,
            "declared_at": func.now(),
        }
        row = (
            await connection.execute(
                insert(t.cards)
                .values(dataset=card.dataset, **fields)
                .on_conflict_do_update(index_elements=["dataset"], set_=fields)
                .returning(t.cards)
            )
        ).one()
        await self.database.emit(connection, catalog_entry(row))
        await write_audit(connection, who.name, act, card.dataset, f"revision {row.revision}")
        if card.capture and (before is None or read_card(before).capture != card.capture):
            # What its topics said before somebody listened is in the source.
            await captures.stir(connection, card.dataset)
        public = await public_now(connection, card.dataset)
        if public is not None and before is not None and before.shaping == shaping:
            # What is not written inside a file goes to the portals at once.
            await promise(connection, self.portals, card, public)
        # Without a signature the data would only be stopped; the signature will run them.
        shapes = act == "sign" or before is None or before.shaping != shaping
        await self._run_what_waits(connection, row, always=shapes and card.signature is not None)
        return {"dataset": card.dataset, "revision": row.revision, "changed": True}

    async def _run_what_waits(
        self, connection: AsyncConnection, card: Row[Any], *, always: bool = False
    ) -> None:
        """Runs the dataset's latest change again if a person's act was what it waited for."""
        change = await latest_change(connection, card.dataset)
        if change is None or card.paused:
            return
        held = change.end is None and change.state in ("parked", "quarantined")
        if held or (always and change.end in (None, "published", "unchanged")):
            asked = f"card:{card.dataset}:{card.revision}:{change.change}"
            await rerun(self.database, connection, change, card.revision, asked)

    async def decide(
        self, who: Identity, release: str, verdict: str, reason: str | None
    ) -> dict[str, Any]:
        """Approves or refuses the publication of a release that waits."""
        if verdict == "refused" and not reason:
            raise Refused(422, Reason(code="reason_missing"))
        async with self.database.transaction("decide") as connection:
            row = await self._waiting(connection, release)
            await lock_dataset(connection, row.dataset)
            row = await self._waiting(connection, release)
            card = await self._declared(connection, row.dataset)
            _allow(who, "decide", card.domain)
            if verdict == "approved":
                if card.shaping != row.shaping:
                    raise Refused(409, Reason(code="card_changed"))
                await approve(
                    self.database, connection, row, by=who.name, automatic=False, reason=reason
                )
            else:
                await self._refuse(connection, who, row, reason)
            await write_audit(connection, who.name, verdict, release, reason)
        return {"release": release, "dataset": row.dataset, "verdict": verdict}

    async def _refuse(
        self, connection: AsyncConnection, who: Identity, row: Row[Any], reason: str | None
    ) -> None:
        await set_state(connection, row.publication, "refused")
        await write_decision(
            self.database, connection, row, "refused", by=who.name, automatic=False, reason=reason
        )
        await end_change(
            self.database, connection, row, "refused", Reason(code="refused_by_person")
        )

    async def withdraw(
        self,
        who: Identity,
        release: str,
        reason: str | None,
        *,
        motive: str | None = None,
        put_back: bool = False,
    ) -> dict[str, Any]:
        """Takes a release off the portal, the feed and the bucket, in whatever state it is.

        Personal data as `motive` open a breach sheet; `put_back` publishes the release of before, if
        there is one: that there is none keeps nothing public.
        """
        if not reason:
            raise Refused(422, Reason(code="reason_missing"))
        async with self.database.transaction("withdraw") as connection:
            found = await self._of_release(connection, release)
            public = await lock_dataset(connection, found[0].dataset)
            card = await self._declared(connection, found[0].dataset)
            _allow(who, "decide", card.domain)
            await connection.execute(
                insert(t.withdrawn)
                .values(release=release, dataset=public.dataset)
                .on_conflict_do_nothing()
            )
            for row in found:
                if row.state in ("waiting", "approved", "stale"):
                    await self._refuse(connection, who, row, reason)
            await connection.execute(
                update(t.publications)
                .where(
                    t.publications.c.release == release,
                    t.publications.c.state.in_(("published", "replaced")),
                )
                .values(state="withdrawn")
            )
            last = found[-1]
            await take_down(self.database, connection, self.portals, read_card(card), public, last)
            await write_decision(
                self.database,
                connection,
                last,
                "withdrawn",
                by=who.name,
                automatic=False,
                reason=reason,
            )
            await write_audit(connection, who.name, "withdrawn", release, reason)
            done = {"release": release, "dataset": last.dataset, "verdict": "withdrawn"}
            if motive == PERSONAL_DATA:
                sheet = await open_breach(connection, last.dataset, release, who.name)
                done["breach"] = str(sheet)
            if put_back and public.release == release:
                done |= await self._put_back(connection, who, last.dataset, release)
        return done

    async def _put_back(
        self, connection: AsyncConnection, who: Identity, dataset: str, release: str
    ) -> dict[str, str]:
        """Approves the release that was public before the withdrawn one; `put_back`: its id."""
        before = await predecessor(connection, dataset, release)
        if before is None:
            return {}
        await approve(self.database, connection, before, by=who.name, automatic=False)
        await write_audit(connection, who.name, "put back", before.release)
        return {"put_back": str(before.release)}

    async def settle_copies(
        self, who: Identity, dataset: str, portal: str, reason: str | None, kind: str | None
    ) -> dict[str, Any]:
        """Answers for what a portal still serves of withdrawn releases: its team was written to, say."""
        if not reason:
            raise Refused(422, Reason(code="reason_missing"))
        async with self.database.transaction("settle-copies") as connection:
            card = await self._declared(connection, dataset)
            _allow(who, "decide", card.domain)
            settled = await settle(connection, dataset, portal, who.name, kind)
            if not settled:
                raise Refused(404, Reason(code="copies_none"))
            await write_audit(connection, who.name, "copies settled", dataset, reason)
        return {"dataset": dataset, "portal": portal, "settled": settled}

    async def back_fill(self, who: Identity, portal: str, dataset: str | None) -> dict[str, Any]:
        """Brings everything that is promised to a portal there, or one dataset."""
        _allow(who, "operate", None)
        if portal not in self.portals:
            raise Refused(404, Reason(code="portal_not_promised"))
        async with self.database.transaction("back-fill") as connection:
            done = await back_fill(connection, self.portals, portal, dataset)
            await write_audit(connection, who.name, "back-fill", portal)
        return {"portal": portal, "datasets": done}

    async def pause(self, who: Identity, scope: str, *, paused: bool) -> dict[str, Any]:
        """Pauses or resumes a dataset, a domain, or all."""
        c = t.cards.c
        async with self.database.transaction("pause") as connection:
            chosen = select(t.cards).with_for_update().order_by(c.dataset)
            if scope != "all":
                chosen = chosen.where((c.dataset == scope) | (c.domain == scope))
            found = (await connection.execute(chosen)).all()
            if not found:
                raise Refused(404, Reason(code="dataset_unknown"))
            for row in found:
                _allow(who, "operate", row.domain)
            for row in found:
                if row.paused == paused:
                    continue
                await self._pause(connection, row, paused=paused)
            await write_audit(connection, who.name, "pause" if paused else "resume", scope)
        return {"datasets": [row.dataset for row in found], "paused": paused}

    async def _pause(self, connection: AsyncConnection, row: Row[Any], *, paused: bool) -> None:
        changed = (
            await connection.execute(
                update(t.cards)
                .where(t.cards.c.dataset == row.dataset)
                .values(paused=paused, revision=row.revision + 1)
                .returning(t.cards)
            )
        ).one()
        await self.database.emit(connection, catalog_entry(changed))
        if paused:
            return
        await connection.execute(
            update(t.deliveries)
            .where(
                t.deliveries.c.dataset == row.dataset,
                t.deliveries.c.state == "cancelled",
                t.deliveries.c.publication.in_(
                    select(t.publications.c.publication).where(
                        t.publications.c.dataset == row.dataset,
                        t.publications.c.state == "approved",
                    )
                ),
            )
            .values(state="pending", next_try=func.now())
        )
        await self._run_what_waits(connection, changed)

    async def replay(self, who: Identity, dataset: str, fetch: str) -> dict[str, Any]:
        """Runs a dataset's latest change again, from the kept source or fetched anew."""
        async with self.database.transaction("replay") as connection:
            card = await self._declared(connection, dataset)
            _allow(who, "operate", card.domain)
            change = await latest_change(connection, dataset)
            if change is None:
                raise Refused(404, Reason(code="change_unknown"))
            number = await connection.scalar(
                t.audit.insert()
                .values(actor=who.name, act="replay", subject=dataset, detail=change.change)
                .returning(t.audit.c.id)
            )
            await rerun(self.database, connection, change, card.revision, f"replay:{number}", fetch)
        return {"dataset": dataset, "change": change.change}

    async def _declared(self, connection: AsyncConnection, dataset: str) -> Row[Any]:
        row = await card_row(connection, dataset)
        if row is None:
            raise Refused(404, Reason(code="dataset_unknown"))
        return row

    async def _waiting(self, connection: AsyncConnection, release: str) -> Row[Any]:
        found = await self._of_release(connection, release)
        waiting = [row for row in found if row.state == "waiting"]
        if not waiting:
            raise Refused(409, Reason(code="not_waiting", detail=found[-1].state))
        return waiting[-1]

    async def _of_release(self, connection: AsyncConnection, release: str) -> list[Row[Any]]:
        """The publications of a release, oldest first."""
        p = t.publications.c
        found = await connection.execute(
            select(t.publications)
            .where(p.release == release)
            .order_by(p.generation, p.number, p.revision)
        )
        rows = list(found.all())
        if not rows:
            raise Refused(404, Reason(code="release_unknown"))
        return rows


def _allow(who: Identity, act: Act, domain: str | None) -> None:
    if not who.may(act, domain):
        raise Refused(403, Reason(code="not_allowed"))


def _keep_signature(card: Card, before: Card) -> Card:
    """A card that leaves policy and columns as they were signed keeps its signature."""
    same = card.policy_statement() == before.policy_statement()
    return card.model_copy(update={"signature": before.signature if same else None})
