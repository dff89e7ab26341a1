"""A card's SELECT on databases other than PostgreSQL: SQLite for real, MySQL by what it is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlalchemy.exc import DBAPIError

from services.ingest.accounts import Database
from services.ingest.download import Fetched
from services.ingest.sql_dialects import meaning, statements
from services.ingest.sql_source import from_database
from shared.failures import EcluseError, Quarantined, SourceAway
from shared.settings import Settings

ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"


@pytest.fixture
def bancs(tmp_path: Path) -> str:
    """The URL of a database with benches."""
    path = tmp_path / "bancs.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(
        "create table bancs (id text, places int, prix real);"
        "insert into bancs values ('01', 3, 12.5), ('canari', null, null);"
    )
    connection.close()
    return f"sqlite:///{path}"


async def run(url: str, query: str, folder: Path, **more: object) -> Fetched:
    settings = Settings.model_validate({"store": str(folder), **more})
    chosen = Database.model_validate({"name": "gestion", "url": url})
    return await from_database(chosen, query, folder / "to", settings)


async def test_a_query(bancs: str, tmp_path: Path) -> None:
    """Rows arrive with their types; the same rows are the same bytes."""
    query = "select * from bancs order by id"
    fetched = await run(bancs, query, tmp_path)
    assert (await run(bancs, query, tmp_path)).sha256 == fetched.sha256
    assert pq.read_table(fetched.path).to_pylist() == [
        {"id": "01", "places": 3, "prix": 12.5},
        {"id": "canari", "places": None, "prix": None},
    ]


@pytest.mark.parametrize(
    ("query", "kind", "detail"),
    [
        ("delete from bancs returning id", Quarantined, "SQLITE_READONLY"),
        ("create table x as select 1", Quarantined, "SQLITE_READONLY"),
        ("select canari from nothing", Quarantined, "SQLITE_ERROR"),
        (ENDLESS, SourceAway, "too slow"),
    ],
)
async def test_what_is_refused(
    bancs: str, tmp_path: Path, query: str, kind: type[EcluseError], detail: str
) -> None:
    """What writes, what is wrong, what takes too long; by its code, never in the database's words."""
    with pytest.raises(kind) as caught:
        await run(bancs, query, tmp_path, query_seconds=0.2)
    [reason] = caught.value.reasons
    assert reason.detail == detail
    assert "canari" not in str(reason)
    rows = (await run(bancs, "select count(*) as n from bancs", tmp_path)).path
    assert pq.read_table(rows).to_pylist() == [{"n": 2}]


async def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    """A folder that does not exist: away."""
    with pytest.raises(SourceAway, match="source_away"):
        await run(f"sqlite:///{tmp_path}/none/x.sqlite", "select 1 as a", tmp_path)


def test_what_mysql_and_mariadb_are_told() -> None:
    """Read only, and an end to each statement: milliseconds there, seconds here."""
    assert statements("mysql", 1.5) == (
        "SET SESSION max_execution_time = 1500",
        "SET SESSION TRANSACTION READ ONLY",
    )
    assert statements("mariadb", 1.5) == (
        "SET SESSION max_statement_time = 1.5",
        "SET SESSION TRANSACTION READ ONLY",
    )
    assert statements("oracle", 1.5) == ()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (3024, "source_away"),
        (1969, "source_away"),
        (2013, "source_away"),
        (1045, "account_refused"),
        (1064, "query_failed"),
    ],
)
def test_what_mysqls_errors_mean(code: int, told: str) -> None:
    """By the server's number, never in its words."""
    found = meaning(DBAPIError("select 1", None, Exception(code, "canari-7431")))
    assert found is not None
    assert found.reasons[0].code == told
    assert "canari" not in repr(found.reasons)
