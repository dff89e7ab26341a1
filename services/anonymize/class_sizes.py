"""What a published table tells of its classes: sizes, and the risks that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Classes:
    """Classes of rows that share the quasi-identifiers' published values; sizes in units.

    Risks of being found again, from 0 to 1 (El Emam and Dankar, JAMIA 2008): prosecutor, by one who
    knows that a person is in the table, at most and on average; marketer, the share found of all.
    Without a count of the whole population the journalist's risk is taken for the prosecutor's.
    `sizes` are those of all classes.
    """

    count: int
    rows: int
    units: int
    smallest: int
    histogram: dict[str, int]
    uniques: int
    prosecutor_max: float
    marketer: float
    sizes: tuple[int, ...] = ()


_EDGES = (2, 3, 5, 11, 20, 50, 100)


def classes_of(table: pa.Table, names: Sequence[str], units: pa.Array | None) -> Classes:
    """Counts the classes of `names` in a table whose rows belong to `units` (else each to its own).

    By the group-by of Arrow: another way than the engine's, so that one checks the other.
    """
    sizes = _sizes(table, names, units)
    total = sum(sizes)
    return Classes(
        count=len(sizes),
        rows=table.num_rows,
        units=total,
        smallest=min(sizes, default=0),
        histogram=_histogram(sizes),
        uniques=sizes.count(1),
        prosecutor_max=1 / min(sizes) if sizes else 0.0,
        marketer=len(sizes) / total if total else 0.0,
        sizes=tuple(sizes),
    )


def _sizes(table: pa.Table, names: Sequence[str], units: pa.Array | None) -> list[int]:
    keys = [f"k{n}" for n in range(len(names))]
    columns = [table.column(name) for name in names]
    if units is None:
        grouped = pa.table(columns, names=keys).group_by(keys).aggregate([([], "count_all")])
        return list(grouped.column("count_all").to_pylist())
    with_unit = pa.table([*columns, units], names=[*keys, "unit"])
    grouped = with_unit.group_by(keys).aggregate([("unit", "count_distinct")])
    return list(grouped.column("unit_count_distinct").to_pylist())


def _histogram(sizes: Sequence[int]) -> dict[str, int]:
    counted = {}
    for low, high in zip((1, *_EDGES), (*_EDGES, None), strict=True):
        inside = sum(1 for size in sizes if size >= low and (high is None or size < high))
        counted[f"{low}+" if high is None else f"{low}-{high - 1}"] = inside
    return counted


def least_distinct(table: pa.Table, names: Sequence[str], sensitive: str) -> int:
    """The least number of distinct values of `sensitive`, null being one, in any class."""
    keys = [f"k{n}" for n in range(len(names))]
    columns = [*(table.column(name) for name in names), table.column(sensitive)]
    pairs = pa.table(columns, names=[*keys, "s"]).group_by([*keys, "s"]).aggregate([])
    grouped = pairs.group_by(keys).aggregate([([], "count_all")])
    return int(pc.min(grouped.column("count_all")).as_py() or 0)


def least_entropy(table: pa.Table, names: Sequence[str], sensitive: str) -> float:
    """The least exponential of the entropy of `sensitive` in any class, by Arrow's sums and logarithms
    (Machanavajjhala et al., l-diversity, TKDD 2007, § 4.1)."""
    keys = [f"k{n}" for n in range(len(names))]
    columns = [*(table.column(name) for name in names), table.column(sensitive)]
    cells = (
        pa.table(columns, names=[*keys, "s"]).group_by([*keys, "s"]).aggregate([([], "count_all")])
    )
    n = cells.column("count_all").cast(pa.float64())
    weighed = cells.append_column("w", pc.multiply(n, pc.ln(n)))
    grouped = weighed.group_by(keys).aggregate([("count_all", "sum"), ("w", "sum")])
    total = grouped.column("count_all_sum").cast(pa.float64())
    # -sum(p ln p) = ln N - sum(n ln n) / N
    entropy = pc.subtract(pc.ln(total), pc.divide(grouped.column("w_sum"), total))
    return float(pc.exp(pc.min(entropy)).as_py() or 0.0)


def greatest_distance(table: pa.Table, names: Sequence[str], sensitive: str) -> float:
    """The greatest distance of a class's values of `sensitive` from the table's: half the sum of the
    differences of shares (earth mover's distance with equal ground distance)."""
    keys = [f"k{n}" for n in range(len(names))]
    columns = [*(table.column(name) for name in names), table.column(sensitive)]
    rows = pa.table(columns, names=[*keys, "s"])
    pairs = rows.group_by([*keys, "s"]).aggregate([([], "count_all")])
    whole = rows.group_by(["s"]).aggregate([([], "count_all")])
    totals = pairs.group_by(keys).aggregate([("count_all", "sum")])
    # Numbers in place of values and classes: a join of Arrow's would not match null with null.
    values, at = _numbered(pairs, ["s"]), _numbered(pairs, keys)
    of_value = dict(zip(_tuples(whole, ["s"]), whole.column("count_all").to_pylist(), strict=True))
    of_class = dict(
        zip(_tuples(totals, keys), totals.column("count_all_sum").to_pylist(), strict=True)
    )
    share = np.array([of_value[one] for one in values.names], np.float64) / rows.num_rows
    size = np.array([of_class[one] for one in at.names], np.float64)
    here = pairs.column("count_all").to_numpy() / size[at.of_row]
    shared = np.bincount(at.of_row, np.minimum(here, share[values.of_row]), minlength=len(size))
    return float(1 - shared.min()) if len(size) else 0.0


@dataclass(frozen=True)
class _Numbered:
    names: list[tuple[object, ...]]
    of_row: npt.NDArray[np.int64]


def _tuples(table: pa.Table, names: Sequence[str]) -> list[tuple[object, ...]]:
    return list(zip(*(table.column(name).to_pylist() for name in names), strict=True))


def _numbered(table: pa.Table, names: Sequence[str]) -> _Numbered:
    """A number for each distinct tuple of some columns."""
    index: dict[tuple[object, ...], int] = {}
    rows = [index.setdefault(one, len(index)) for one in _tuples(table, names)]
    return _Numbered(list(index), np.array(rows, np.int64))
