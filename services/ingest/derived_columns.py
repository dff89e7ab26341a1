"""Columns that a card's `derive:` adds from the official geographic code. See `official_codes`.

A value that means no commune, or several that differ in what is asked for, is left null and listed
by its line: it is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from services.ingest.cell_text import text_of
from services.ingest.column_types import Reading
from services.ingest.header_names import match_key
from services.ingest.official_codes import Commune, communes
from services.ingest.source_table import NO_HINTS, Batch, Dropped, SourceFacts, SourceTable
from shared.card_source import Derived
from shared.failures import Quarantined
from shared.messages import Reason

_SHOWN = 100
# Headers that a trial proposes to derive from.
_PROPOSED = {
    "commune": "name", "ville": "name", "nom_commune": "name", "com_nom": "name",
    "code_postal": "postal_code", "cp": "postal_code", "codepostal": "postal_code",
    "code_insee": "insee", "insee": "insee", "code_commune": "insee", "com_insee": "insee",
}  # fmt: skip


class WithDerived:
    """A table with the derived columns at its end. See `SourceTable`.

    Raises Quarantined: `column_missing`, `header_twice`.
    """

    def __init__(self, table: SourceTable, derived: Sequence[Derived]) -> None:
        self._table = table
        self._derived = derived
        keys = {match_key(header): at for at, header in enumerate(table.headers)}
        missing = [one.column for one in derived if match_key(one.column) not in keys]
        if missing:
            raise Quarantined(*(Reason(code="column_missing", column=name) for name in missing))
        self._at = [keys[match_key(one.column)] for one in derived]
        added = tuple(name for one in derived for name in one.add.values())
        for name in added:
            if match_key(name) in keys or added.count(name) > 1:
                raise Quarantined(Reason(code="header_twice", column=name))
        self.headers = (*table.headers, *added)
        self.facts: SourceFacts = table.facts
        self.typed = table.typed
        self.crs = table.crs
        self._unmatched: list[tuple[int, list[int]]] = []

    @property
    def dropped(self) -> Dropped:
        return self._table.dropped

    @property
    def warnings(self) -> tuple[Reason, ...]:
        """The table's, and where no commune, or no single one, was found."""
        found = list(self._table.warnings)
        for one, (count, ordinals) in zip(self._derived, self._unmatched, strict=False):
            lines = self._table.lines(ordinals) if ordinals else {}
            found += [
                Reason(code="derive_unmatched", column=one.column, line=lines.get(at), count=count)
                for at in ordinals
            ]
        return tuple(found)

    def batches(self, plain: Mapping[int, Reading] = NO_HINTS) -> Iterator[Batch]:
        """All rows, the derived columns last."""
        self._unmatched = [(0, []) for _ in self._derived]
        own = len(self._table.headers)
        theirs = {at: reading for at, reading in plain.items() if at <= own}
        for batch in self._table.batches(theirs):
            columns = list(batch.columns)
            for number, (one, at) in enumerate(zip(self._derived, self._at, strict=True)):
                made, unmatched = _columns(one, batch.columns[at])
                columns += made
                count, ordinals = self._unmatched[number]
                room = _SHOWN - len(ordinals)
                ordinals += [int(batch.ordinals[row]) for row in unmatched[:room]]
                self._unmatched[number] = (count + len(unmatched), ordinals)
            yield replace(batch, columns=tuple(columns))

    def lines(self, ordinals: Sequence[int]) -> dict[int, int]:
        return self._table.lines(ordinals)


def _columns(derived: Derived, raw: pa.Array) -> tuple[list[pa.Array], list[int]]:
    """The columns that one entry adds, and the rows where one of them could not be told."""
    coded = text_of(raw).dictionary_encode()
    texts = coded.dictionary.to_pylist()
    known = [communes().find(derived.by, text, derived.within) for text in texts]
    values = {name: [_agreed(found, name) for found in known] for name in derived.add}
    lost = [
        not all(values[name][at] is not None or _has_none(found, name) for name in derived.add)
        for at, found in enumerate(known)
    ]
    indices = coded.indices.to_pylist()
    made = [pa.array(values[name], pa.string()).take(coded.indices) for name in derived.add]
    return made, [row for row, index in enumerate(indices) if index is not None and lost[index]]


def _agreed(found: Sequence[Commune], name: str) -> str | None:
    said = {getattr(one, name) for one in found}
    return said.pop() if len(said) == 1 else None


def _has_none(found: Sequence[Commune], name: str) -> bool:
    """Some islands belong to no EPCI: null is right there."""
    return bool(found) and all(getattr(one, name) is None for one in found)


def proposals(headers: Sequence[str]) -> list[dict[str, object]]:
    """For a trial: positions (from 1) of columns that more could be derived from, and by what."""
    plain = ["_".join(match_key(header).replace("-", " ").split()) for header in headers]
    return [
        {"position": at, "by": _PROPOSED[name]}
        for at, name in enumerate(plain, 1)
        if name in _PROPOSED
    ]
