"""A policy that protects more withdraws at once what weaker ones let out, history included.

Its successor is made under the new policy and waits for a person, whatever the card says of first
releases: nothing that was public and went because it showed too much comes back by itself.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Row, Table, Text, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.decisions import write_decision
from services.publish.portals.promises import Portals
from services.publish.records import set_state, write_audit, write_ledger
from services.publish.withdrawals import take_down
from shared.card import Card
from shared.database import Database
from shared.messages import Reason
from shared.stricter_policy import Policy, is_stricter

TIGHTENED = Reason(code="policy_tightened")

# What each policy ever declared said: a publication knows its policy's digest alone.
policies = Table(
    "policies",
    t.metadata,
    Column("policy", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
)


async def withdraw_weaker(
    database: Database,
    connection: AsyncConnection,
    portals: Portals,
    public: Row[Any],
    cards: tuple[Card, Card],
    by: str,
) -> list[str]:
    """Withdraws every release that a weaker policy than the new card's let out; their ids.

    `cards` are the one before and the new one; `public` is the dataset's row, locked. A policy that
    nobody wrote down counts as weaker.
    """
    before, card = cards
    for one in cards:
        await _write_down(connection, one)
    p = t.publications.c
    shown = await connection.execute(
        select(t.publications, policies.c.body.label("said"))
        .outerjoin(policies, policies.c.policy == p.policy)
        .where(
            p.dataset == card.dataset,
            p.policy != card.policy_digest(),
            # One that is on its way out is there for whoever knows its address.
            p.state.in_(("published", "replaced", "approved")),
        )
        .order_by(p.made_at)
    )
    new, gone = Policy.of(card), {}
    for row in shown.all():
        if row.said is None or is_stricter(new, Policy.read(row.said)):
            await _withdraw(connection, row)
            await take_down(database, connection, portals, before, public, row)
            if row.state == "approved":
                # Its change has no end yet: the signature runs it again, or a later one ends it.
                await write_ledger(database, connection, row, "waiting", reasons=(TIGHTENED,))
            gone[row.release] = row
    for row in gone.values():
        await write_decision(
            database, connection, row, "withdrawn", by=by, automatic=True, reason=TIGHTENED.code
        )
        await write_audit(connection, by, "withdrawn", row.release, TIGHTENED.code)
    return list(gone)


async def _write_down(connection: AsyncConnection, card: Card) -> None:
    await connection.execute(
        insert(policies)
        .values(policy=card.policy_digest(), body=Policy.of(card).body())
        .on_conflict_do_nothing()
    )


async def _withdraw(connection: AsyncConnection, row: Row[Any]) -> None:
    await connection.execute(
        insert(t.withdrawn)
        .values(release=row.release, dataset=row.dataset)
        .on_conflict_do_nothing()
    )
    await set_state(connection, row.publication, "withdrawn")
