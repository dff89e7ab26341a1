"""Collects what is wrong row by row: the first cases of each kind with their place, all counted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from services.ingest.header_names import NamedColumn
from services.ingest.source_table import Ordinals
from shared.messages import Reason

Lines = Callable[[Sequence[int]], dict[int, int]]


@dataclass(slots=True)
class _Kind:
    code: str
    column: NamedColumn | None
    expected: str | None
    limit: int | None
    count: int = 0
    cases: list[tuple[int, str | None]] = field(default_factory=list)


class Findings:
    """Cases by code, column and rule; `limit` of them are kept each, all are counted."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kinds: dict[tuple[str, int, str | None], _Kind] = {}

    def __bool__(self) -> bool:
        return bool(self._kinds)

    def add(
        self,
        code: str,
        column: NamedColumn | None,
        ordinals: Ordinals,
        *,
        expected: str | None = None,
        limit: int | None = None,
        found: Callable[[int], Iterable[str]] | None = None,
    ) -> None:
        """Rows `ordinals` (ascending) are a case each. `found(n)` classes the first n of them."""
        if not len(ordinals):
            return
        position = column.position if column else 0
        kind = self._kinds.setdefault(
            (code, position, expected), _Kind(code, column, expected, limit)
        )
        room = min(self._limit - len(kind.cases), len(ordinals))
        if room > 0:
            classes = found(room) if found else [None] * room
            kind.cases += zip((int(o) for o in ordinals[:room]), classes, strict=True)
        kind.count += len(ordinals)

    def reasons(self, lines: Lines) -> tuple[Reason, ...]:
        """At most `limit` reasons of each code: every column's first case before second ones.

        `count` is that of all cases of the reason's own code, column and rule.
        """
        chosen: list[tuple[_Kind, int, str | None]] = []
        by_code: dict[str, list[tuple[int, int, _Kind, str | None]]] = {}
        for kind in self._kinds.values():
            for rank, (ordinal, found) in enumerate(kind.cases):
                by_code.setdefault(kind.code, []).append((min(rank, 1), ordinal, kind, found))
        for cases in by_code.values():
            cases.sort(key=lambda case: case[:2])
            kept = sorted(cases[: self._limit], key=lambda case: case[1])
            chosen += [(kind, ordinal, found) for _, ordinal, kind, found in kept]
        at = lines(sorted({ordinal for _, ordinal, _ in chosen}))
        return tuple(_reason(kind, at.get(ordinal), found) for kind, ordinal, found in chosen)


def _reason(kind: _Kind, line: int | None, found: str | None) -> Reason:
    facts: dict[str, int | str | None] = {
        "line": line, "count": kind.count, "expected": kind.expected, "found": found,
        "limit": kind.limit,
    }  # fmt: skip
    if kind.column is not None:
        return kind.column.reason(kind.code, **facts)
    return Reason.model_validate({"code": kind.code, **facts})
