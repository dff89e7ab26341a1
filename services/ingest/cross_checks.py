"""Checks across columns that schemas of schema.data.gouv.fr ask for (`custom_checks`).

Named there; each breaks a row of values, several columns of it perhaps. One that is not known here
is a warning, never taken for passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.cell_text import text_of
from services.ingest.header_names import NamedColumn
from shared.card_parts import CrossCheck
from shared.messages import Reason

_SIREN, _SIRET = 9, 14
# Its establishments were numbered before the rule: their digits add up to a multiple of five.
_LA_POSTE = "356000000"


@dataclass(frozen=True, slots=True)
class Check:
    """`broken` takes the values of `columns` (indices) and gives the rows that break the check."""

    code: str
    columns: tuple[int, ...]
    expected: str | None
    broken: Callable[[Sequence[pa.Array]], pa.Array]


def cross_checks(
    columns: Sequence[NamedColumn], wanted: Sequence[CrossCheck]
) -> tuple[list[Check], tuple[Reason, ...]]:
    """The checks over the columns that are there, and a warning for each that is not known."""
    places = {column.name: at for at, column in enumerate(columns) if column.declared}
    made, unknown = [], []
    for check in wanted:
        maker = _CHECKS.get(check.name)
        found = None if maker is None else maker(check.params, places)
        if found is not None:
            made.append(found)
        elif maker is None:
            unknown.append(Reason(code="check_unknown", expected=check.name[:64]))
    return made, tuple(unknown)


def _number(length: int) -> Callable[[dict[str, Any], dict[str, int]], Check | None]:
    def make(params: dict[str, Any], places: dict[str, int]) -> Check | None:
        at = places.get(str(params.get("column")))
        name = "SIREN" if length == _SIREN else "SIRET"
        if at is None:
            return None
        return Check("form", (at,), name, lambda values: pc.invert(_luhn(values[0], length)))

    return make


def _luhn(values: pa.Array, length: int) -> pa.Array:
    """Whether each number has its key (ISO/IEC 7812); null counts as right."""
    text = text_of(values)
    coded = text.dictionary_encode()
    bare = pc.replace_substring_regex(coded.dictionary, r"\s", "")
    right = [_has_key(number, length) for number in bare.to_pylist()]
    return pc.fill_null(pa.array(right, pa.bool_()).take(coded.indices), True)


def _has_key(number: str, length: int) -> bool:
    if len(number) != length or not (number.isascii() and number.isdigit()):
        return False
    if length == _SIRET and number.startswith(_LA_POSTE) and number != f"{_LA_POSTE}00048":
        return sum(map(int, number)) % 5 == 0
    digits = np.array([int(digit) for digit in reversed(number)])
    digits[1::2] *= 2
    return int(np.where(digits > 9, digits - 9, digits).sum()) % 10 == 0


def _two(params: dict[str, Any], places: dict[str, int]) -> tuple[int, int] | None:
    found = [places.get(str(params.get(name))) for name in ("column1", "column2")]
    first, second = found
    return None if first is None or second is None else (first, second)


def _one_of(params: dict[str, Any], places: dict[str, int]) -> Check | None:
    two = _two(params, places)
    if two is None:
        return None
    return Check(
        "one_missing",
        two,
        str(params.get("column2")),
        lambda v: pc.and_(pc.is_null(v[0]), pc.is_null(v[1])),
    )


def _together(params: dict[str, Any], places: dict[str, int]) -> Check | None:
    others = [places.get(str(name)) for name in params.get("othercolumns") or ()]
    first = places.get(str(params.get("column")))
    if first is None or None in others or not others:
        return None
    columns = (first, *(at for at in others if at is not None))

    def broken(values: Sequence[pa.Array]) -> pa.Array:
        empty = np.column_stack([pc.is_null(v).to_numpy(zero_copy_only=False) for v in values])
        return pa.array(empty.any(axis=1) & ~empty.all(axis=1))

    return Check("not_together", columns, str((params.get("othercolumns") or [""])[0]), broken)


_OPERATORS = {
    ">": pc.greater, ">=": pc.greater_equal, "<": pc.less, "<=": pc.less_equal, "==": pc.equal,
}  # fmt: skip


def _compare(params: dict[str, Any], places: dict[str, int]) -> Check | None:
    two, operator = _two({"column1": params.get("column"), **params}, places), params.get("op")
    if two is None or operator not in _OPERATORS:
        return None
    holds = _OPERATORS[operator]

    def broken(values: Sequence[pa.Array]) -> pa.Array:
        first, second = values
        if first.type != second.type:
            if pa.types.is_string(first.type) or pa.types.is_string(second.type):
                return pa.array(np.zeros(len(first), dtype=bool))
            first, second = first.cast(pa.float64()), second.cast(pa.float64())
        return pc.fill_null(pc.invert(holds(first, second)), False)

    return Check("compared", two, f"{operator} {params.get('column2')}", broken)


_CHECKS: dict[str, Callable[[dict[str, Any], dict[str, int]], Check | None]] = {
    "french-siren-value": _number(_SIREN),
    "french-siret-value": _number(_SIRET),
    "one-of-required": _one_of,
    "cohesive-columns-value": _together,
    "compare-columns-value": _compare,
}
