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


@pytest.mark.parametrize(
    ("cell", "kind", "read"),
    [
        ("'a%s'::text", "string", "a%s"),
        ("interval '1 month'", "string", "1 mon"),
        ("interval '-26:00'", "string", "-26:00:00"),
        ("'12:00+02'::timetz", "string", "12:00:00+02"),
        ("'24:00'::time", "string", "24:00:00"),
        ("'infinity'::date", "string", "infinity"),
        ("'0044-03-15 BC'::date", "string", "0044-03-15 BC"),
        ("'-infinity'::timestamp", "string", "-infinity"),
        ("'infinity'::timestamptz", "string", "infinity"),
        ("array[1.10, 2.5]", "string", "[1.10,2.5]"),
        ("array['infinity'::date]", "string", '["infinity"]'),
        ("""'{"a": 1.10, "b": 12345678901234567890.5}'::jsonb""", "string",
         '{"a":1.10,"b":12345678901234567890.5}'),
        ("""'{"a": 1, "a": 2}'::json""", "string", '{"a": 1, "a": 2}'),
        ("'3'::json", "int64", 3),
        ("1e400::numeric", "string", f"1{'0' * 400}"),
        ("9223372036854775807", "string", "9223372036854775807"),
        ("null::uuid", "null", None),
    ],
)  # fmt: skip
async def test_values_that_python_has_not(
    bancs: str, tmp_path: Path, cell: str, kind: str, read: object
) -> None:
    """They are read as the database writes them: nothing is lost, nothing stops."""
    fetched = await run(bancs, f"select 'B1' as id, {cell} as v", tmp_path)
    table = pq.read_table(fetched.path)
    assert (str(table.schema.field("v").type), table["v"].to_pylist()) == (kind, [read])


async def test_one_endless_date_among_many(bancs: str, tmp_path: Path) -> None:
    """The column is text, every cell in the same form, whichever batch it came in."""
    query = """select n as id, case n when 11999 then 'infinity' else date '2026-03-01' end as jusque,
                      case n when 11999 then 'infinity' else timestamp '2026-03-01 06:00' end as vu
               from generate_series(1, 12000) n order by n"""
    table = pq.read_table((await run(bancs, query, tmp_path)).path)
    assert set(table["jusque"].to_pylist()) == {"2026-03-01", "infinity"}
    assert set(table["vu"].to_pylist()) == {"2026-03-01T06:00:00", "infinity"}


async def test_a_query_with_a_pattern(bancs: str, tmp_path: Path) -> None:
    """A percent sign is the query's own."""
    await run(bancs, "select id from bancs where id like 'B%' and 7 % 2 = 1 order by id", tmp_path)
    assert pq.read_table(tmp_path / "to")["id"].to_pylist() == ["B1", "B2"]


async def test_a_column_of_nulls_beside_one_of_its_name(bancs: str, tmp_path: Path) -> None:
    """A query's columns are those that it names, whatever they hold."""
    await run(bancs, """select id, null as prix, 2 as "prix.ttc" from bancs""", tmp_path)
    assert pq.read_schema(tmp_path / "to").names == ["id", "prix", "prix.ttc"]


async def test_texts_of_an_unsaid_encoding(
    postgres: PostgresServer, database: str, tmp_path: Path
) -> None:
    """UTF-8 is read, what is none is refused: the city's program never stops at it."""
    old = f"{database}_old"
    postgres.run_sql(
        database,
        f"create database {old} encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0",
    )
    try:
        url = postgres.url(old)
        await run(url, "select convert_from('\\xc3a9', 'SQL_ASCII') as id", tmp_path)
        assert pq.read_table(tmp_path / "to")["id"].to_pylist() == ["é"]
        told = await failure(url, "select convert_from('\\xe9', 'SQL_ASCII') as id", tmp_path)
        assert told == (Quarantined, "query_failed", "SQLSTATE 22021")
    finally:
        postgres.drop_database(old)


async def test_many_rows(bancs: str, tmp_path: Path) -> None:
    """They come by a cursor, chunk by chunk, all of them."""
    fetched = await run(bancs, "select * from many order by id", tmp_path)
    assert pq.read_metadata(fetched.path).num_rows == 12_000
    large = await failure(bancs, "select * from many", tmp_path, source_max_bytes=1000)
    assert large[:2] == (Quarantined, "source_too_large")
    files = "select decode(repeat('00', 5000), 'hex') as plan from generate_series(1, 10)"
    large = await failure(bancs, files, tmp_path, source_max_bytes=1000)
    assert large[:2] == (Quarantined, "source_too_large")
    # Each batch is a statement of its own for the server: the whole has its time as well.
    slow = await failure(bancs, "select * from many", tmp_path, source_timeout_seconds=1e-9)
    assert slow == (SourceAway, "source_away", "too slow")


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
    # What the library says of a port that is none would quote it: half a password, say.
    for wrong in ("nothing://x", "postgresql+psycopg://x:y@127.0.0.1:canari/z"):
        assert (await failure(wrong, QUERY, tmp_path))[:2] == (Quarantined, "account_unknown")


async def test_no_rows(bancs: str, tmp_path: Path) -> None:
    """A query that finds nothing says so, as an empty file does."""
    await run(bancs, "select id from bancs where id = 'none'", tmp_path)
    with pytest.raises(Quarantined, match="no_rows"):
        source_to_table(tmp_path / "to", plain("id"), tmp_path / "table.parquet", ReadLimits())
