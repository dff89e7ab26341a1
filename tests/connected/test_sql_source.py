"""A card's SELECT on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from deploy.local.postgres import PostgresServer
from services.ingest.accounts import Database
from services.ingest.download import Fetched
from services.ingest.source_to_table import ReadLimits, source_to_table
from services.ingest.sql_source import from_database
from shared.failures import EcluseError, Quarantined, SourceAway
from shared.settings import Settings
from tests.services.ingest.reading import plain

TABLE = """
create table bancs (id text primary key, places int, prix numeric(8,2), neuf bool, pose date,
                    vu timestamptz, details jsonb, agent text);
insert into bancs values
  ('B1', 3, 12.50, true, '2025-12-31', '2025-12-31T10:00:00+01', '{"bois": "chêne"}', 'canari'),
  ('B2', null, null, null, null, null, null, null);
create table many as select n as id, md5(n::text) as cle from generate_series(1, 12000) n;
"""
QUERY = "select id, places, prix, neuf, pose, vu, details from bancs order by id"


@pytest.fixture
def bancs(postgres: PostgresServer, database: str) -> str:
    """The URL of a database with benches."""
    postgres.run_sql(database, TABLE)
    return postgres.url(database)


async def run(url: str, query: str, folder: Path, **more: object) -> Fetched:
    settings = Settings.model_validate({"store": str(folder), **more})
    chosen = Database.model_validate({"name": "gestion", "url": url})
    return await from_database(chosen, query, folder / "to", settings)


async def failure(url: str, query: str, folder: Path, **more: object) -> tuple[type, str, str]:
    with pytest.raises(EcluseError) as caught:
        await run(url, query, folder, **more)
    [reason] = caught.value.reasons
    assert "canari" not in str(reason)
    return type(caught.value), reason.code, reason.detail or ""


async def test_a_query(bancs: str, tmp_path: Path) -> None:
    """The database's types arrive; the same rows are the same bytes."""
    fetched = await run(bancs, QUERY, tmp_path)
    assert (await run(bancs, QUERY, tmp_path)).sha256 == fetched.sha256
    source_to_table(fetched.path, plain("id"), tmp_path / "table.parquet", ReadLimits())
    made = pq.read_table(tmp_path / "table.parquet")
    assert {field.name: str(field.type) for field in made.schema} == {
        "id": "string", "places": "int64", "prix": "double", "neuf": "bool", "pose": "date32[day]",
        "vu": "timestamp[us, tz=UTC]", "details": "string",
    }  # fmt: skip
    assert made.to_pylist()[0]["details"] == '{"bois":"chêne"}'
    assert made.to_pylist()[1] == dict.fromkeys(made.column_names) | {"id": "B2"}


async def test_many_rows(bancs: str, tmp_path: Path) -> None:
    """They come by a cursor, chunk by chunk, all of them."""
    fetched = await run(bancs, "select * from many order by id", tmp_path)
    assert pq.read_metadata(fetched.path).num_rows == 12_000
    large = await failure(bancs, "select * from many", tmp_path, source_max_bytes=1000)
    assert large[:2] == (Quarantined, "source_too_large")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("delete from bancs", (Quarantined, "query_failed")),
        ("with x as (delete from bancs returning *) select * from x", (Quarantined, "query_failed")),
        ("select 1; drop table bancs", (Quarantined, "query_failed")),
        ("select canari from bancs", (Quarantined, "query_failed")),
        ("select 1/0", (Quarantined, "query_failed")),
        ("select agent::int from bancs", (Quarantined, "query_failed")),
        ("select 1 as a, 2 as a", (Quarantined, "header_twice")),
    ],
)  # fmt: skip
async def test_queries_that_are_refused(
    bancs: str, tmp_path: Path, query: str, told: tuple[type, str]
) -> None:
    """What writes, what is wrong: by the standard's code of the error, never in its words."""
    assert (await failure(bancs, query, tmp_path))[:2] == told
    assert (await run(bancs, "select count(*) as n from bancs", tmp_path)).bytes
    source_to_table(tmp_path / "to", plain("n"), tmp_path / "table.parquet", ReadLimits())
    assert pq.read_table(tmp_path / "table.parquet").to_pylist() == [{"n": 2}]


async def test_a_database_that_is_away_or_slow(bancs: str, tmp_path: Path) -> None:
    """Somebody else's server: the change waits and is tried again."""
    slow = await failure(bancs, "select pg_sleep(30)", tmp_path, query_seconds=0.2)
    assert slow == (SourceAway, "source_away", "too slow")
    nobody = "postgresql+psycopg://x:y@127.0.0.1:9/z"
    assert (await failure(nobody, QUERY, tmp_path))[:2] == (SourceAway, "source_away")
    assert (await failure("nothing://x", QUERY, tmp_path))[:2] == (Quarantined, "account_unknown")


async def test_no_rows(bancs: str, tmp_path: Path) -> None:
    """A query that finds nothing says so, as an empty file does."""
    await run(bancs, "select id from bancs where id = 'none'", tmp_path)
    with pytest.raises(Quarantined, match="no_rows"):
        source_to_table(tmp_path / "to", plain("id"), tmp_path / "table.parquet", ReadLimits())
