"""What a stricter policy withdraws, on a real PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from services.publish import tables as t
from services.publish.acts import Acts
from services.publish.fold import on_ledger
from services.publish.records import end_overtaken
from shared.card import Card
from shared.database import Database
from shared.events import LedgerRow
from shared.identity import Identity
from shared.portal_settings import PortalAccess
from tests.cards import card

WHO = Identity(name="responsable", token_sha256="0" * 64, roles=("responsable",))


def rounded(step: int) -> Card:
    """The benches' card, with their places to multiples of `step`."""
    return card(
        privacy={"columns": {"id": "keep", "places": {"round": step}}}, portals=["own", "region"]
    )


def acts(publish: Database) -> Acts:
    portals = {"region": PortalAccess.model_validate(
        {"kind": "ckan", "url": "https://region.example", "organization": "ville"}
    )}  # fmt: skip
    return Acts(publish, {}, portals)


async def made(publish: Database, number: int, under: Card, state: str) -> str:
    """Writes a publication of that card; its release."""
    release = f"r{number:031d}"
    async with publish.transaction() as connection:
        await connection.execute(
            t.publications.insert().values(
                publication=f"p{number:031d}", dataset="bancs", change=f"c{number:031d}",
                run=f"c{number:031d}", release=release, generation=1, number=number, revision=1,
                kind="update", shaping=under.shaping_digest(), policy=under.policy_digest(),
                columns="0" * 64, rows=2, files=[], state=state,
            )
        )  # fmt: skip
        if state == "published":
            await connection.execute(
                t.datasets.update().values(publication=f"p{number:031d}", release=release)
            )
    return release


async def do(publish: Database, statement: str) -> list[Any]:
    async with publish.transaction() as connection:
        done = await connection.execute(text(statement))
        return [tuple(row) for row in done.all()]


async def test_only_the_weaker_ones_go(publish: Database) -> None:
    """The public release, one that was replaced, one on its way out: each by its own policy, not by
    the last card's alone. Other portals are asked as for any withdrawal."""
    by = acts(publish)
    await by.declare(WHO, rounded(10))
    weak = await made(publish, 1, rounded(10), "replaced")
    told = await by.declare(WHO, rounded(100))
    assert told["withdrawn"] == [weak]
    strong = await made(publish, 2, rounded(100), "replaced")
    # A step back shows more, and withdraws nothing.
    assert "withdrawn" not in await by.declare(WHO, rounded(20))
    public = await made(publish, 3, rounded(20), "published")
    going = await made(publish, 4, rounded(20), "approved")
    told = await by.declare(WHO, rounded(50))
    assert told["withdrawn"] == [public, going]
    states = dict(await do(publish, "select release, state from publish.publications"))
    assert states == {weak: "withdrawn", strong: "replaced"} | dict.fromkeys(
        [public, going], "withdrawn"
    )
    assert await do(publish, "select release from publish.datasets") == [(None,)]
    asked = await do(
        publish,
        "select portal, publication from publish.deliveries where act = 'withdraw' order by id",
    )
    assert [(portal, int(one[1:])) for portal, one in asked] == [
        ("own", 1), ("own", 3), ("region", 3), ("own", 4),
    ]  # fmt: skip
    decided = await do(publish, 'select release, "by", reason from publish.decisions order by id')
    assert decided == [(one, "responsable", "policy_tightened") for one in (weak, public, going)]


async def test_the_change_of_one_on_its_way_out_has_an_end(publish: Database) -> None:
    """Its change waits, and says for what; a later one that is done ends it, as any that waits."""
    by = acts(publish)
    await by.declare(WHO, rounded(10))
    going = await made(publish, 1, rounded(10), "approved")
    told = await by.declare(WHO, rounded(100))
    assert told["withdrawn"] == [going]
    said = "select convert_from(value, 'utf8') from publish.outbox where topic like '%ledger'"
    rows = [LedgerRow.model_validate_json(body) for (body,) in await do(publish, said)]
    await on_ledger(rows, publish)
    stands = "select change, state, \"end\", reasons -> 0 ->> 'code' from publish.changes"
    change = f"c{1:031d}"
    assert await do(publish, stands) == [(change, "waiting", None, "policy_tightened")]
    async with publish.transaction() as connection:
        await end_overtaken(publish, connection, "bancs", 1, 2)
    assert await do(publish, stands) == [(change, "ended", "superseded", "superseded")]


async def test_a_policy_that_nobody_wrote_down(publish: Database) -> None:
    """Counts as weaker: what it let out is not known."""
    by = acts(publish)
    await by.declare(WHO, rounded(10))
    old = await made(publish, 1, rounded(50), "replaced")
    now = await made(publish, 2, rounded(10), "published")
    told = await by.declare(WHO, rounded(5))
    assert told["withdrawn"] == [old]
    assert await do(publish, "select release from publish.datasets") == [(now,)]


async def test_what_is_no_policy(publish: Database) -> None:
    """Another title withdraws nothing, nor does the same card again."""
    by = acts(publish)
    await by.declare(WHO, rounded(10))
    await made(publish, 1, rounded(10), "published")
    for again in (rounded(10), rounded(10).model_copy(update={"title": {"fr": "Bancs"}})):
        assert "withdrawn" not in await by.declare(WHO, again)
