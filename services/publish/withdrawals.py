"""What a withdrawal gives rise to: copies hidden, the release of before put back, the breach sheet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Row,
    Table,
    Text,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.portals.promises import Portals, take_back
from services.publish.portals.standing import latest_arrivals
from services.publish.portals.wanted import dataset_uri
from services.publish.portals.withdrawn_copies import copies_listed
from services.publish.records import card_row, read_card
from services.publish.removal_request import removal_request
from shared.card import Card
from shared.database import Database
from shared.event_parts import utc
from shared.events import CatalogPublished, DatasetPublished

PERSONAL_DATA = "personal_data"
# RGPD, article 33: the authority is told within 72 hours of having become aware of it.
CLOCK = timedelta(hours=72)

breaches = Table(
    "breaches",
    t.metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("dataset", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)


async def take_down(
    database: Database,
    connection: AsyncConnection,
    portals: Portals,
    card: Card,
    public: Row[Any],
    row: Row[Any],
) -> None:
    """Hides a release at once, here and by deliveries elsewhere; its files are deleted by a delivery,
    tried until done.
    """
    await connection.execute(
        insert(t.deliveries)
        .values(publication=row.publication, dataset=row.dataset, portal="own", act="withdraw")
        .on_conflict_do_update(
            index_elements=["publication", "portal", "act"],
            set_={"state": "pending", "next_try": func.now()},
        )
    )
    if public.release != row.release:
        return
    await take_back(connection, portals, card, row)
    now = (await connection.execute(select(func.now()))).scalar_one()
    await connection.execute(
        update(t.datasets)
        .where(t.datasets.c.dataset == row.dataset)
        .values(publication=None, release=None, withdrawn_at=now)
    )
    await database.tombstone(connection, CatalogPublished, row.dataset)
    await database.emit(
        connection,
        DatasetPublished.model_validate(
            {
                "dataset": row.dataset,
                "change": row.change,
                "release": row.release,
                "publication": public.publication,
                "state": "withdrawn",
                "kind": row.kind,
                "first": False,
                "at": utc(now),
            }
        ),
    )


async def predecessor(connection: AsyncConnection, dataset: str, release: str) -> Row[Any] | None:
    """The latest publication that was public before, not withdrawn, under the card in force."""
    pub = t.publications.c
    card = await card_row(connection, dataset)
    gone = select(t.withdrawn.c.release).where(t.withdrawn.c.dataset == dataset)
    found = await connection.execute(
        select(t.publications)
        .where(
            pub.dataset == dataset,
            pub.release != release,
            pub.state == "replaced",
            pub.shaping == (card.shaping if card else ""),
            pub.release.not_in(gone),
        )
        .order_by(pub.published_at.desc())
        .limit(1)
    )
    return found.one_or_none()


async def open_breach(connection: AsyncConnection, dataset: str, release: str, by: str) -> int:
    """Starts the clock: the moment at which the city became aware of it. The sheet's number."""
    number = await connection.scalar(
        breaches.insert().values(dataset=dataset, release=release, opened_by=by)
        .returning(breaches.c.id)
    )  # fmt: skip
    return int(number or 0)


async def breach_sheets(
    connection: AsyncConnection,
    public_url: str,
    dataset: str | None = None,
    now: datetime | None = None,
) -> list[dict[str, Any]]:
    """The sheets for the data protection officer, newest first: facts alone, no cell value.

    RGPD, article 33, 3 and 5: nature, categories and number of records, consequences, measures.
    """
    chosen = select(breaches).order_by(breaches.c.id.desc()).limit(100)
    if dataset:
        chosen = chosen.where(breaches.c.dataset == dataset)
    rows = (await connection.execute(chosen)).all()
    return [await _sheet(connection, public_url, row, now or datetime.now(UTC)) for row in rows]


async def _sheet(
    connection: AsyncConnection, public_url: str, row: Row[Any], now: datetime
) -> dict[str, Any]:
    pub = t.publications.c
    found = (
        await connection.execute(
            select(t.publications)
            .where(pub.release == row.release)
            .order_by(pub.published_at.nulls_last())
        )
    ).all()
    card_in_force = await card_row(connection, row.dataset)
    card = read_card(card_in_force) if card_in_force else None
    due = row.opened_at + CLOCK
    since = min((one.published_at for one in found if one.published_at), default=None)
    return {
        "number": row.id,
        "dataset": row.dataset,
        "release": row.release,
        "opened_at": row.opened_at.isoformat(),
        "opened_by": row.opened_by,
        "authority_due": due.isoformat(),
        "hours_left": round(max((due - now).total_seconds(), 0) / 3600, 1),
        "rows": found[-1].rows if found else None,
        "columns": _columns(card),
        "subject": card.subject if card else None,
        "public_since": since.isoformat() if since else None,
        # The portal counts downloads by dataset and format, not by release or person.
        "downloads": "ecluse_downloads_total",
        "files": sorted({file["name"] for one in found for file in one.files}),
        "portals": _with_requests(
            await _portals(connection, row, [one.publication for one in found], card),
            card,
            dataset_uri(public_url, row.dataset),
        ),
        "acts": await _acts(connection, row),
    }


def _columns(card: Card | None) -> list[dict[str, str]]:
    """The published columns and what the policy does with each."""
    if card is None:
        return []
    return [
        {"name": name, "action": card.privacy.columns[name].action}
        for name in card.published_columns()
    ]


async def _portals(
    connection: AsyncConnection, row: Row[Any], publications: list[str], card: Card | None
) -> list[dict[str, Any]]:
    """Where copies were, whether each is gone, and whom to ask where nobody can tell."""
    d = t.deliveries.c
    told: dict[str, dict[str, Any]] = {
        one.portal: {
            "portal": one.portal,
            "by": "api",
            "gone": one.state == "withdrawn",
            "verified_at": one.verified_at.isoformat() if one.verified_at else None,
        }
        for one in await connection.execute(latest_arrivals(row.dataset))
    }
    told["own"] = {"portal": "own", "by": "own", "gone": True, "verified_at": None}
    for one in card.portals or () if card else ():
        if one.by == "harvest":
            # Without the organisation's token there, a person has to write.
            told[one.name] = {"portal": one.name, "by": "harvest", "gone": False, "ask": True}
    asked = await connection.execute(
        select(d.portal, d.state, d.code, d.done_at)
        .where(d.publication.in_(publications), d.act == "withdraw")
        .order_by(d.id)
    )
    for each in asked:
        # What became of this release, whatever has taken its place there since.
        there = told.setdefault(each.portal, {"portal": each.portal, "by": "api"})
        there["gone"] = each.state == "done"
        there["verified_at"] = each.done_at.isoformat() if each.done_at else None
        if "ask" in there:
            there["ask"] = each.code == "portal_token_refused"
    served = await copies_listed(connection, row.dataset, publications)
    for name, there in told.items():
        there["copies"] = served.get(name, [])
    return [told[name] for name in sorted(told)]


def _with_requests(
    portals: list[dict[str, Any]], card: Card | None, uri: str
) -> list[dict[str, Any]]:
    """With what to write to the teams of portals where something can still be had."""
    for one in portals:
        open_ones = [each["address"] for each in one["copies"] if each["state"] == "stands"]
        if card and not one["gone"] and (one.get("ask") or open_ones):
            one["request"] = removal_request(card.title, uri, one["portal"], open_ones)
    return portals


async def _acts(connection: AsyncConnection, row: Row[Any]) -> list[dict[str, Any]]:
    """Who did what about this release."""
    u = t.audit.c
    rows = await connection.execute(
        select(u.at, u.actor, u.act).where(u.subject.in_((row.release, row.dataset))).order_by(u.id)
    )
    return [{"at": one.at.isoformat(), "actor": one.actor, "act": one.act} for one in rows]
