"""Which portals a dataset is promised to, and the deliveries that follow. Inside the caller's
transaction, under the dataset's lock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, case, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.publish import tables as t
from services.publish.portals import tables as p
from shared.card import Card
from shared.portal_settings import PortalAccess

OWN = "own"
OPEN = ("pending", "unknown")
Portals = dict[str, PortalAccess]


def pushed_to(card: Card) -> list[str]:
    """The names of the portals that the card's dataset goes to by API."""
    return [one.name for one in card.portals or () if one.by == "api" and one.name != OWN]


async def promise(
    connection: AsyncConnection,
    portals: Portals,
    card: Card,
    publication: Any,
    *,
    only: bool = False,
) -> list[str]:
    """Deliveries of what is public now to every portal of the card; the names.

    A portal that had the dataset and is promised it no more gives it back, unless `only` these
    portals are meant.
    """
    promised = [name for name in pushed_to(card) if name in portals]
    await _deliver(connection, publication, promised, "publish")
    for name in promised:
        due = func.now() + literal(timedelta(hours=portals[name].late_hours))
        statement = insert(p.arrivals).values(
            publication=publication.publication,
            portal=name,
            dataset=publication.dataset,
            release=publication.release,
            due=due,
        )
        a = p.arrivals.c
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["publication", "portal"],
                set_={
                    # What has arrived stays arrived while its metadata are brought up to date.
                    "state": case((a.state == "arrived", "arrived"), else_="pending"),
                    "due": due,
                    "made_at": func.now(),
                },
            )
        )
    there = [] if only else await _there(connection, publication.dataset)
    left = [one for one in there if one not in promised and one in portals]
    await _deliver(connection, publication, left, "withdraw")
    return promised


async def take_back(
    connection: AsyncConnection, portals: Portals, card: Card, publication: Any
) -> list[str]:
    """Deliveries that take a withdrawn dataset off every portal that has it, or may have it.

    Portals that harvest it as well, where the settings hold the organisation's token there.
    """
    harvested = [one.name for one in card.portals or () if one.by == "harvest"]
    names = {*await _there(connection, publication.dataset), *pushed_to(card), *harvested}
    chosen = sorted(names & portals.keys())
    await _deliver(connection, publication, chosen, "withdraw")
    return chosen


async def _there(connection: AsyncConnection, dataset: str) -> list[str]:
    """The portals that we brought the dataset to."""
    c = p.portal_copies.c
    found = await connection.scalars(
        select(c.portal).where(c.dataset == dataset, c.publication.is_not(None)).order_by(c.portal)
    )
    return list(found)


async def _deliver(
    connection: AsyncConnection, publication: Any, portals: Iterable[str], act: str
) -> None:
    for name in portals:
        await connection.execute(
            insert(p.portal_copies)
            .values(dataset=publication.dataset, portal=name)
            .on_conflict_do_nothing()
        )
        again = {"state": "pending", "next_try": func.now(), "attempts": 0, "code": None}
        await connection.execute(
            insert(t.deliveries)
            .values(
                publication=publication.publication,
                dataset=publication.dataset,
                portal=name,
                act=act,
            )
            .on_conflict_do_update(index_elements=["publication", "portal", "act"], set_=again)
        )


async def public_now(connection: AsyncConnection, dataset: str) -> Row[Any] | None:
    """The publication that is verified public on the city's own portal; None if none is."""
    d = t.datasets.c
    found = await connection.execute(
        select(t.publications)
        .join(t.datasets, d.publication == t.publications.c.publication)
        .where(d.dataset == dataset, t.publications.c.state == "published")
    )
    return found.one_or_none()


async def look_again(connection: AsyncConnection, portals: Portals) -> None:
    """The rhythm: copies that are due are looked at again, what is overdue is late."""
    c, d = p.portal_copies.c, t.deliveries.c
    for name, portal in portals.items():
        due = (
            update(p.portal_copies)
            .where(c.portal == name, c.publication.is_not(None), c.next_look <= func.now())
            .values(next_look=func.now() + literal(timedelta(hours=portal.look_hours)))
            .returning(c.publication)
        )
        chosen = list(await connection.scalars(due))
        if chosen:
            await connection.execute(
                update(t.deliveries)
                .where(
                    d.portal == name,
                    d.act == "publish",
                    d.state == "done",
                    d.publication.in_(chosen),
                )
                .values(state="pending", next_try=func.now(), attempts=0)
            )


async def back_fill(
    connection: AsyncConnection, portals: Portals, portal: str, dataset: str | None
) -> list[str]:
    """Deliveries of all that is public now and promised to a portal (or of one dataset); the datasets.

    For a portal that is new in cards, or was rebuilt empty. `at_once` of the settings is its throttle.
    """
    c = t.cards.c
    chosen = select(t.cards).order_by(c.dataset)
    if dataset:
        chosen = chosen.where(c.dataset == dataset)
    done = []
    for row in (await connection.execute(chosen)).all():
        card = Card.model_validate(row.body)
        publication = await public_now(connection, row.dataset)
        if publication is None or portal not in pushed_to(card):
            continue
        await promise(connection, {portal: portals[portal]}, card, publication, only=True)
        done.append(row.dataset)
    return done
