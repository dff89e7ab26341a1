"""How a release differs from the one now public: rows added, removed, changed; counts, never values.

Out of core: DuckDB joins the two safe tables and spills to the spool. With a key that comes once, rows
are told apart by it; else the two tables are compared as multisets of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from services.convert.sort_table import MEMORY

BATCH = 50_000
Counts = tuple[int, int, int | None, dict[str, int]]
MOST_COLUMNS = 500  # whose changes are counted one by one
TOGETHER = 100  # columns that one join carries: DuckDB holds thousands of rows of each in memory


@dataclass(frozen=True)
class RowDifference:
    """`changed` is None without a key. `columns` counts the changed rows by column.

    `columns_added`, `columns_removed` also name columns whose type has changed.
    """

    added: int
    removed: int
    changed: int | None
    columns: dict[str, int]
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]


def compare_rows(before: Path, after: Path, key: Sequence[str], spool: Path) -> RowDifference:
    """Compares two safe tables by the columns that both have, of the same type."""
    old, new = (pq.read_schema(path) for path in (before, after))
    types = dict(zip(old.names, old.types, strict=True))
    common = [field.name for field in new if types.get(field.name) == field.type]
    gone, come = (
        tuple(name for name in schema.names if name not in common) for schema in (old, new)
    )
    usable = bool(key) and set(key) <= set(common)
    with duckdb.connect(
        config={"memory_limit": MEMORY, "threads": 2, "temp_directory": str(spool / "compare")}
    ) as engine:
        if usable and all(_once(engine, path, key) for path in (before, after)):
            counts: Counts = _by_key(engine, before, after, key, common)
        else:
            counts = _as_multisets(engine, before, after, common)
    return RowDifference(*counts, columns_added=come, columns_removed=gone)


def _show(
    engine: duckdb.DuckDBPyConnection, name: str, path: Path, columns: Sequence[str]
) -> list[str]:
    """Lets the engine read columns of a file as c0, c1, …: to it `a` and `A` are one name."""
    file = pq.ParquetFile(path, pre_buffer=False)
    given = file.schema_arrow
    kinds = [given.field(column).type for column in columns]
    shown = [f"c{place}" for place in range(len(columns))]
    # Moments are compared by their count: DuckDB's time zones need an extension of its.
    kinds = [pa.timestamp(kind.unit) if pa.types.is_timestamp(kind) else kind for kind in kinds]
    schema = pa.schema(list(zip(shown, kinds, strict=True)))
    batches = (
        pa.RecordBatch.from_arrays(
            [batch.column(column).cast(kind) for column, kind in zip(columns, kinds, strict=True)],
            schema=schema,
        )
        for batch in file.iter_batches(BATCH, columns=list(columns))
    )
    engine.register(name, pa.RecordBatchReader.from_batches(schema, batches))
    return shown


def _numbers(engine: duckdb.DuckDBPyConnection, query: str) -> list[int]:
    [row] = engine.execute(query).fetchall()
    return [int(value or 0) for value in row]


def _once(engine: duckdb.DuckDBPyConnection, path: Path, key: Sequence[str]) -> bool:
    columns = ", ".join(_show(engine, "keys", path, key))
    [repeated] = _numbers(
        engine,
        "select count(*) from (select 1 from keys"  # noqa: S608 - names of our own
        f" group by {columns} having count(*) > 1 limit 1)",
    )
    return repeated == 0


def _by_key(
    engine: duckdb.DuckDBPyConnection,
    before: Path,
    after: Path,
    key: Sequence[str],
    common: Sequence[str],
) -> Counts:
    values = [name for name in common if name not in key]
    added, removed, changed = _joined(engine, before, after, key, values)[:3]
    columns: dict[str, int] = {}
    for start in range(0, len(values[:MOST_COLUMNS]) if changed else 0, TOGETHER):
        some = values[start : min(start + TOGETHER, MOST_COLUMNS)]
        each = _joined(engine, before, after, key, some, one_by_one=True)[3:]
        columns |= {name: count for name, count in zip(some, each, strict=True) if count}
    return added, removed, changed, columns


def _joined(
    engine: duckdb.DuckDBPyConnection,
    before: Path,
    after: Path,
    key: Sequence[str],
    values: Sequence[str],
    *,
    one_by_one: bool = False,
) -> list[int]:
    """Rows added, removed, changed in any of the columns `values`; then, one by one, in each."""
    shown = _show(engine, "old", before, [*key, *values])
    _show(engine, "new", after, [*key, *values])
    keys, told = shown[: len(key)], shown[len(key) :]
    carried = told if one_by_one else ["whole"]
    whole = "" if one_by_one else f", hash({', '.join(told) or '0'}) as whole"
    same = " and ".join(f"o.{c} is not distinct from n.{c}" for c in keys)
    both = "o.here and n.here"
    differ = [f"o.{c} is distinct from n.{c}" for c in carried]
    counted = "".join(f", count(*) filter ({both} and {one})" for one in differ)
    columns = ", ".join([*keys, *told] if one_by_one else keys)
    return _numbers(
        engine,
        "select count(*) filter (o.here is null), count(*) filter (n.here is null),"  # noqa: S608 - names made by `_show`
        f" count(*) filter ({both} and ({' or '.join(differ)})) {counted}"
        f" from (select {columns}{whole}, true as here from old) o"
        f" full join (select {columns}{whole}, true as here from new) n on {same}",
    )


def _as_multisets(
    engine: duckdb.DuckDBPyConnection, before: Path, after: Path, common: Sequence[str]
) -> Counts:
    row = ", ".join(_show(engine, "old", before, common)) or "0"
    _show(engine, "new", after, common)
    added, removed = _numbers(
        engine,
        "select sum(greatest(d, 0)), sum(greatest(-d, 0)) from (select sum(d) as d from ("  # noqa: S608 - names made by `_show`
        f"select hash({row}) as h, 1 as d from new union all select hash({row}), -1 from old"
        ") group by h)",
    )
    return added, removed, None, {}
