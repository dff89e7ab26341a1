"""The rows of a JSON text (RFC 8259), streamed: an array of objects, wherever it lies, or one a line.

JSON lets a name come twice, and readers differ in what they make of it; here it is refused, and so
are numbers and depths that only an attack has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from services.ingest.json_events import (
    BEGIN,
    BOM,
    END,
    Events,
    JsonBytes,
    Object,
    build,
    limited_events,
    skip,
    stop,
)
from services.ingest.read_limits import ReadLimits
from shared.failures import Quarantined


def placed(failure: Quarantined, line: int) -> Quarantined:
    """The same reasons, with the line (or rank of the row) where they have none."""
    reasons = failure.reasons
    return Quarantined(*(r if r.line else r.model_copy(update={"line": line}) for r in reasons))


class JsonRows:
    """Objects of one JSON text, from the array that `path` (`result.records`) leads to; without it
    from the first array of objects. `crs` is GeoJSON's old member of that name, if there is one;
    `lists_unread` counts, where no path is told, the lists of objects after the first.

    Iterating raises Quarantined, with the rank of the row once there are rows: `json_invalid`,
    `json_depth`, `json_string`, `json_number`, `json_key`, `rows_missing`, and for the
    `coordinates` of `features` `geometry_too_large`.
    """

    def __init__(
        self, source: Path, path: str | None, limits: ReadLimits, *, features: bool
    ) -> None:
        self._source = source
        self._positions = limits.positions if features else None
        self._wanted = None if path is None else path.split(".")
        self._limits = limits
        self._found = False
        self.lists_unread = 0
        self.crs: object = None

    def __iter__(self) -> Iterator[tuple[Object, int]]:
        """Each object, with its rank from 1."""
        with closing(JsonBytes(self._source, self._limits)) as reader:
            events = limited_events(reader, self._limits)
            rank = 0
            try:
                for row in self._walk(next(events), events, []):
                    rank += 1
                    yield row, rank
                if next(events, None) is not None:
                    stop("json_invalid")
            except Quarantined as failure:
                raise (placed(failure, rank + 1) if self._found else failure) from None
        if not self._found:
            stop("rows_missing")

    def _walk(self, event: tuple[str, Any], events: Events, path: list[str]) -> Iterator[Object]:
        kind, _ = event
        if path == ["crs"]:
            self.crs = build(event, events, None)
        elif kind == "start_map" and not self._found:
            seen: set[str] = set()
            for inner, name in events:
                if inner == "end_map":
                    break
                if name in seen:
                    stop("json_key")
                seen.add(name)
                yield from self._walk(next(events), events, [*path, name])
        elif kind == "start_array" and not self._found and self._wanted in (None, path):
            yield from self._array(events)
        elif kind == "start_array" and self._wanted is None:
            first = next(events)
            self.lists_unread += first[0] == "start_map"
            if first[0] != "end_array":
                skip(first, events)
                skip(event, events)
        else:
            skip(event, events)

    def _array(self, events: Events) -> Iterator[Object]:
        for event in events:
            if event[0] == "end_array":
                self._found = self._found or self._wanted is not None
                return
            if event[0] != "start_map":
                if self._found or self._wanted is not None:
                    stop("rows_missing")
                # Not of objects: the rows are elsewhere.
                skip(event, events)
                skip(("start_array", None), events)
                return
            self._found = True
            row: Object = build(event, events, self._positions, row=True)
            yield row


def has_member(source: Path, name: str, limits: ReadLimits) -> bool:
    """Whether the text is an object that has this member; what cannot be read has none."""
    depth = 0
    with closing(JsonBytes(source, limits)) as reader:
        try:
            for kind, value in limited_events(reader, limits):
                depth += (kind in BEGIN) - (kind in END)
                if kind == "map_key" and depth == 1 and value == name:
                    return True
        except Quarantined:
            return False
    return False


def json_lines(source: Path, limits: ReadLimits) -> Iterator[tuple[Object, int]]:
    """Each line's object with the physical line, from 1; blank lines are passed over.

    Raises Quarantined: as `JsonRows`, with the line.
    """
    longest = limits.row_bytes + limits.json_string_bytes
    with source.open("rb") as file:
        line = 0
        while data := file.readline(longest + 1):
            line += 1
            if len(data) > longest:
                stop("json_string", limits.json_string_bytes, line)
            text = data.removeprefix(BOM).strip() if line == 1 else data.strip()
            if text:
                yield _line(text, limits, line), line


def _line(text: bytes, limits: ReadLimits, line: int) -> Object:
    def number(digits: str) -> int | Decimal:
        if len(digits) > limits.json_digits:
            stop("json_number", limits.json_digits, line)
        return Decimal(digits) if set(digits) & set(".eE") else int(digits)

    def unique(pairs: list[tuple[str, Any]]) -> Object:
        found = dict(pairs)
        if len(found) != len(pairs):
            stop("json_key", line=line)
        return found

    def constant(_: str) -> NoReturn:
        stop("json_number", limits.json_digits, line)

    try:
        row = json.loads(
            text.decode("utf-8"), object_pairs_hook=unique, parse_int=number,
            parse_float=number, parse_constant=constant,
        )  # fmt: skip
    except RecursionError:
        stop("json_depth", limits.json_depth, line)
    except ValueError:
        stop("json_invalid", line=line)
    if not isinstance(row, dict):
        stop("rows_missing", line=line)
    _check(row, limits, line, 1)
    return row


def _check(value: object, limits: ReadLimits, line: int, depth: int) -> None:
    """Depth and lengths of a value that the standard library has read."""
    if isinstance(value, dict | list):
        if depth > limits.json_depth:
            stop("json_depth", limits.json_depth, line)
        if isinstance(value, dict):
            for name in value:
                _check(name, limits, line, depth)
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, limits, line, depth + 1)
    elif isinstance(value, str):
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            stop("json_invalid", line=line)
        if size > limits.json_string_bytes:
            stop("json_string", limits.json_string_bytes, line)
