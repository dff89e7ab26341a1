"""The exposure register on a real PostgreSQL, as the role that anonymize has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from deploy.local.postgres import PostgresServer
from deploy.local.stack import DATABASE_ROLES, ROLES_SQL
from ecluse.migrate import migrate_all
from services.anonymize.exposure import Exposed, Exposure
from services.anonymize.register import Register
from shared.database import open_engine
from shared.failures import OursAway, Quarantined
from shared.settings import Settings

ONE, TWO = "r" + "1" * 31, "r" + "2" * 31


def shown(units: int) -> Exposure:
    return Exposure(
        quasi_identifiers=("age",), levels=(1,), classes=(Exposed(values=("20-29",), units=units),)
    )


@pytest.fixture
async def register(postgres: PostgresServer, database: str) -> AsyncIterator[Register]:
    owner = Settings.model_validate({"database": postgres.url(database)})
    await asyncio.to_thread(migrate_all, owner)
    await asyncio.to_thread(postgres.run_sql, database, ROLES_SQL.read_text(encoding="utf-8"))
    role = postgres.url(database, DATABASE_ROLES["anonymize"])
    made = Register(open_engine(Settings.model_validate({"database": role})))
    yield made
    await made.engine.dispose()


async def test_a_release_sees_the_others_and_not_itself(register: Register) -> None:
    """What is recorded is seen by later releases of the dataset; a repeat replaces its own entry."""
    async with register.turn("bancs", ONE) as turn:
        assert turn.earlier == ()
        await turn.record(shown(12))
    async with register.turn("bancs", TWO) as turn:
        assert turn.earlier == (shown(12),)
        await turn.record(shown(17))
    async with register.turn("bancs", ONE) as turn:
        assert turn.earlier == (shown(17),)
        await turn.record(shown(22))
    async with register.turn("bancs", TWO) as turn:
        assert turn.earlier == (shown(22),)
    async with register.turn("arbres", ONE) as turn:
        assert turn.earlier == ()


async def test_what_fails_records_nothing(register: Register) -> None:
    """A release that is stopped after its entry was written never showed anything."""

    async def stopped() -> None:
        async with register.turn("bancs", ONE) as turn:
            await turn.record(shown(12))
            raise Quarantined

    with pytest.raises(Quarantined):
        await stopped()
    async with register.turn("bancs", TWO) as turn:
        assert turn.earlier == ()


async def test_two_releases_of_a_dataset_take_turns(register: Register) -> None:
    """The second waits until the first has recorded what it shows; another dataset does not wait."""
    order: list[str] = []

    async def second() -> None:
        async with register.turn("bancs", TWO) as turn:
            order.append("second")
            assert turn.earlier == (shown(12),)

    async with register.turn("bancs", ONE) as turn:
        waiting = asyncio.create_task(second())
        async with register.turn("arbres", ONE):
            order.append("other")
        await turn.record(shown(12))
        order.append("first")
    await waiting
    assert order == ["other", "first", "second"]


async def test_an_entry_that_cannot_be_read_stops(
    register: Register, postgres: PostgresServer, database: str
) -> None:
    """A damaged entry is not taken for none."""
    postgres.run_sql(
        database, "insert into anonymize.exposures values ('bancs', 'r0', '{\"levels\": 3}')"
    )
    with pytest.raises(Quarantined):
        async with register.turn("bancs", ONE):
            pass


async def test_nothing_is_ever_forgotten(register: Register) -> None:
    """anonymize itself may not delete from the register."""
    with pytest.raises(ProgrammingError):
        async with register.engine.begin() as connection:
            await connection.execute(text("delete from anonymize.exposures"))


async def test_a_database_that_is_away_is_waited_for() -> None:
    """Without an answer nothing is compared, and nothing leaves: the message is raised again."""
    away = Register(
        open_engine(
            Settings.model_validate({"database": "postgresql+psycopg://nobody@127.0.0.1:1/none"})
        )
    )
    with pytest.raises(OursAway):
        async with away.turn("bancs", ONE):
            pass
    await away.engine.dispose()


async def test_datasets_that_share_a_quasi_identifier_take_turns(register: Register) -> None:
    """One waits for the other and then sees what it showed, whether in the same group or not; a
    dataset that shares nothing does neither."""
    entry = shown(12).model_copy(update={"words": ("age",), "linked": "familles"})
    order: list[str] = []

    async def second() -> None:
        async with register.turn("ecoles", TWO, ("Age",)) as turn:
            order.append("second")
            assert [(one.dataset, one.same_people) for one in turn.linked] == [("bancs", False)]

    async with register.turn("bancs", ONE, ("age",), "familles") as turn:
        assert turn.linked == ()
        waiting = asyncio.create_task(second())
        async with register.turn("arbres", ONE, ("commune",)) as other:
            assert other.linked == ()
        await turn.record(entry)
        order.append("first")
    await waiting
    assert order == ["first", "second"]
    async with register.turn("creches", ONE, ("commune",), "familles") as turn:
        assert [(one.dataset, one.same_people) for one in turn.linked] == [("bancs", True)]
