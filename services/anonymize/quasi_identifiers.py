"""Quasi-identifiers: their values as leaves of hierarchies, the card's or made from the values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from services.anonymize.coarser import PLACES, canonical_value, date_text_part
from services.anonymize.k_anonymity.hierarchy import (
    ANY,
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

# The least number of « 30-39 », « [2.5;5[ », « 30 »; a whole range; a year or five.
_FIRST_NUMBER = re.compile(r"^\[?(-?\d+(?:\.\d+)?)")
_WIDTH = re.compile(r"(-?\d+)-(-?\d+)")
_YEARS = re.compile(r"(-?\d{4})(?:-\d{4})?")
_DATE_PARTS: tuple[DatePart, ...] = ("month", "year", "five_years")


def leaves_of(
    name: str, column: pa.Array, rule: HierarchyRule | None, known: Iterable[str | None] = ()
) -> tuple[IntArray, Hierarchy]:
    """Each cell's leaf, and the hierarchy. What differs by width, spaces or « .0 » is one value.

    `known` are values that earlier releases published, at any level: the hierarchy has them too, so
    that a value which nobody has any more can still be counted. Raises Quarantined for a value that the
    card's hierarchy lacks, without the value.
    """
    coded = column.dictionary_encode()
    cells: list[Any] = [_plain(value) for value in coded.dictionary.to_pylist()]
    texts = [cell if isinstance(cell, str) else number_text(cell) for cell in cells]
    before = list(known)
    null = column.null_count > 0 or None in before
    more = _leaves_before(before, rule, numeric=_numeric(cells))
    everything = [*texts, *(one if isinstance(one, str) else number_text(one) for one in more)]
    try:
        hierarchy = _hierarchy([*cells, *more], everything, rule, null=null)
        leaf_of = hierarchy.codes(texts)
    except KeyError:
        raise Quarantined(Reason(code="value_unknown", column=name)) from None
    except (BadHierarchy, TypeError):
        raise Quarantined(Reason(code="hierarchy_unfit", column=name)) from None
    # Of a column without nulls nobody asks for it.
    null_leaf = hierarchy.leaves - 1
    indices = coded.indices.fill_null(len(leaf_of)).to_numpy(zero_copy_only=False)
    return np.append(leaf_of, null_leaf)[indices.astype(np.int64)], hierarchy


def hierarchy_digest(rule: HierarchyRule | None, hierarchy: Hierarchy) -> str:
    """Says whether two hierarchies make values coarser the same way: by rule, else by their form."""
    if rule is not None:
        text = rule.model_dump_json(exclude_none=True)
    else:
        spans = [_WIDTH.fullmatch(labels[0] or "") for labels in hierarchy.labels[1:-1]]
        text = repr([int(one[2]) - int(one[1]) for one in spans if one])
    return sha256(text.encode()).hexdigest()[:16]


def _numeric(cells: Sequence[str | float]) -> bool:
    return bool(cells) and all(not isinstance(cell, str) for cell in cells)


def _leaves_before(
    known: Iterable[str | None], rule: HierarchyRule | None, *, numeric: bool
) -> list[str | float]:
    """A leaf for each value of earlier releases, where one can be told from it."""
    texts = [text for text in known if text is not None and text != ANY]
    if numeric:
        found = [_FIRST_NUMBER.match(text) for text in texts]
        return [float(one[1]) for one in found if one]
    if rule is None or rule.prefixes:
        return list(texts)
    return [leaf for text in texts if (leaf := _leaf_of(text, rule))] if not rule.values else []


def _leaf_of(text: str, rule: HierarchyRule) -> str | None:
    """The text itself, or for a year or five years their first day."""
    year = _YEARS.fullmatch(text)
    for leaf in (text, *([f"{year[1]}-01-01"] if year else [])):
        with suppress(KeyError):
            for way in _ways(rule):
                way(leaf)
            return leaf
    return None


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
    numeric = _numeric(cells)
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
