"""Quasi-identifiers: their values as leaves of hierarchies, the card's or made from the values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from services.anonymize.coarser import PLACES, canonical_value, date_text_part
from services.anonymize.k_anonymity.hierarchy import (
    BadHierarchy,
    Hierarchy,
    IntArray,
    all_or_nothing,
    from_rows,
    number_text,
    of_numbers,
    of_prefixes,
)
from shared.card_protection import DatePart, HierarchyRule
from shared.failures import Quarantined
from shared.messages import Reason

_DATE_PARTS: tuple[DatePart, ...] = ("month", "year", "five_years")


def leaves_of(
    name: str, column: pa.Array, rule: HierarchyRule | None
) -> tuple[IntArray, Hierarchy]:
    """Each cell's leaf, and the hierarchy. What differs by width, spaces or « .0 » is one value.

    Raises Quarantined for a value that the card's hierarchy lacks, without the value.
    """
    coded = column.dictionary_encode()
    cells: list[Any] = [_plain(value) for value in coded.dictionary.to_pylist()]
    texts = [cell if isinstance(cell, str) else number_text(cell) for cell in cells]
    null = column.null_count > 0
    try:
        hierarchy = _hierarchy(cells, texts, rule, null=null)
        leaf_of = hierarchy.codes(texts)
    except KeyError:
        raise Quarantined(Reason(code="value_unknown", column=name)) from None
    except (BadHierarchy, TypeError):
        raise Quarantined(Reason(code="hierarchy_unfit", column=name)) from None
    null_leaf = hierarchy.leaves - 1
    indices = coded.indices.fill_null(len(leaf_of)).to_numpy(zero_copy_only=False)
    return np.append(leaf_of, null_leaf)[indices.astype(np.int64)], hierarchy


def _plain(value: Any) -> str | float:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "NaN" if math.isnan(value) else value
    return canonical_value(value if isinstance(value, str) else value.isoformat())


def _hierarchy(
    cells: Sequence[str | float], texts: Sequence[str], rule: HierarchyRule | None, *, null: bool
) -> Hierarchy:
    numbers = sorted({cell for cell in cells if not isinstance(cell, str)})
    numeric = bool(cells) and all(not isinstance(cell, str) for cell in cells)
    distinct = sorted(set(texts))
    if not distinct:
        # Nothing but nulls: one value, and nothing to generalise.
        return from_rows([("",)], null=null)
    if rule is None:
        if numeric:
            return of_numbers(numbers, _widths(numbers), null=null)
        return all_or_nothing(distinct, null=null)
    if rule.ranges:
        if not numeric:
            raise TypeError
        return of_numbers(numbers, rule.ranges, null=null)
    if rule.prefixes:
        return of_prefixes(distinct, rule.prefixes, null=null)
    if rule.values:
        return from_rows([(value, *groups) for value, groups in rule.values.items()], null=null)
    return from_rows([(text, *(way(text) for way in _ways(rule))) for text in distinct], null=null)


def _ways(rule: HierarchyRule) -> list[Callable[[str], str]]:
    if rule.places:
        return [PLACES[place] for place in rule.places]
    return [_dated(part) for part in rule.dates or _DATE_PARTS]


def _dated(part: DatePart) -> Callable[[str], str]:
    return lambda text: date_text_part(text, part)


def _widths(numbers: Sequence[float]) -> list[int]:
    """5, 10, 20, 40 … times a power of ten, up to half of the numbers' span: from 0, whatever the data.

    So that two releases whose numbers differ a little have the same ranges.
    """
    span = max(numbers) - min(numbers) if numbers else 0
    if not math.isfinite(span):
        raise BadHierarchy("numbers without end")
    first = 5 * 10 ** max(0, math.floor(math.log10(max(span, 1))) - 1)
    widths = [first]
    while widths[-1] * 2 <= span:
        widths.append(widths[-1] * 2)
    return widths
