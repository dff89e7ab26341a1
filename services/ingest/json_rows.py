"""The rows of a JSON text (RFC 8259), streamed: an array of objects, wherever it lies, or one a line.

JSON lets a name come twice, and readers differ in what they make of it; here it is refused, and so
are numbers and depths that only an attack has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import ijson
import numpy as np
from ijson.common import JSONError

from services.ingest.read_limits import MIB, ReadLimits
from shared.failures import Quarantined
from shared.messages import Reason

Object = dict[str, Any]
Events = Iterator[tuple[str, Any]]
_BLOCK = 1 << 18
_BEGIN, _END = ("start_map", "start_array"), ("end_map", "end_array")
_BOM = b"\xef\xbb\xbf"
_DIGIT_BITS = 3.33
_PYTHON_DIGITS = 4300
# A character outside the basic plane is written in two halves of six bytes.
_HALVES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_PAIR = 12


def _stop(code: str, limit: int | None = None, line: int | None = None) -> NoReturn:
    raise Quarantined(Reason(code=code, limit=limit, line=line))


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
        with closing(_Reader(self._source, self._limits)) as reader:
            events = _events(reader, self._limits)
            rank = 0
            try:
                for row in self._walk(next(events), events, []):
                    rank += 1
                    yield row, rank
                if next(events, None) is not None:
                    _stop("json_invalid")
            except Quarantined as failure:
                raise (placed(failure, rank + 1) if self._found else failure) from None
        if not self._found:
            _stop("rows_missing")

    def _walk(self, event: tuple[str, Any], events: Events, path: list[str]) -> Iterator[Object]:
        kind, _ = event
        if path == ["crs"]:
            self.crs = _build(event, events, None)
        elif kind == "start_map" and not self._found:
            seen: set[str] = set()
            for inner, name in events:
                if inner == "end_map":
                    break
                if name in seen:
                    _stop("json_key")
                seen.add(name)
                yield from self._walk(next(events), events, [*path, name])
        elif kind == "start_array" and not self._found and self._wanted in (None, path):
            yield from self._array(events)
        elif kind == "start_array" and self._wanted is None:
            first = next(events)
            self.lists_unread += first[0] == "start_map"
            if first[0] != "end_array":
                _skip(first, events)
                _skip(event, events)
        else:
            _skip(event, events)

    def _array(self, events: Events) -> Iterator[Object]:
        for event in events:
            if event[0] == "end_array":
                self._found = self._found or self._wanted is not None
                return
            if event[0] != "start_map":
                if self._found or self._wanted is not None:
                    _stop("rows_missing")
                # Not of objects: the rows are elsewhere.
                _skip(event, events)
                _skip(("start_array", None), events)
                return
            self._found = True
            row: Object = _build(event, events, self._positions, row=True)
            yield row


def has_member(source: Path, name: str, limits: ReadLimits) -> bool:
    """Whether the text is an object that has this member; what cannot be read has none."""
    depth = 0
    with closing(_Reader(source, limits)) as reader:
        try:
            for kind, value in _events(reader, limits):
                depth += (kind in _BEGIN) - (kind in _END)
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
                _stop("json_string", limits.json_string_bytes, line)
            text = data.removeprefix(_BOM).strip() if line == 1 else data.strip()
            if text:
                yield _line(text, limits, line), line


def _line(text: bytes, limits: ReadLimits, line: int) -> Object:
    def number(digits: str) -> int | Decimal:
        if len(digits) > limits.json_digits:
            _stop("json_number", limits.json_digits, line)
        return Decimal(digits) if set(digits) & set(".eE") else int(digits)

    def unique(pairs: list[tuple[str, Any]]) -> Object:
        found = dict(pairs)
        if len(found) != len(pairs):
            _stop("json_key", line=line)
        return found

    def constant(_: str) -> NoReturn:
        _stop("json_number", limits.json_digits, line)

    try:
        row = json.loads(
            text.decode("utf-8"), object_pairs_hook=unique, parse_int=number,
            parse_float=number, parse_constant=constant,
        )  # fmt: skip
    except RecursionError:
        _stop("json_depth", limits.json_depth, line)
    except ValueError:
        _stop("json_invalid", line=line)
    if not isinstance(row, dict):
        _stop("rows_missing", line=line)
    _check(row, limits, line, 1)
    return row


def _check(value: object, limits: ReadLimits, line: int, depth: int) -> None:
    """Depth and lengths of a value that the standard library has read."""
    if isinstance(value, dict | list):
        if depth > limits.json_depth:
            _stop("json_depth", limits.json_depth, line)
        if isinstance(value, dict):
            for name in value:
                _check(name, limits, line, depth)
        for inner in value.values() if isinstance(value, dict) else value:
            _check(inner, limits, line, depth + 1)
    elif isinstance(value, str):
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            _stop("json_invalid", line=line)
        if size > limits.json_string_bytes:
            _stop("json_string", limits.json_string_bytes, line)


class _Reader:
    """The file's bytes for the parser. Refuses half a character, of which it would make a question
    mark without a word, and many bytes in which no value ends."""

    def __init__(self, source: Path, limits: ReadLimits) -> None:
        self._file = source.open("rb")
        if self._file.read(len(_BOM)) != _BOM:
            self._file.seek(0)
        self._limit = limits.json_string_bytes
        self._most_digits = limits.json_digits
        self._run = 0
        self._tail = b""
        self.silent = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(_BLOCK if size < 0 else size)
        self.silent += len(data)
        if self.silent > self._limit + MIB:
            _stop("json_string", self._limit)
        self._digits(data)
        seen = self._tail + data
        done = max(0, len(seen) - _PAIR + 1) if data else len(seen)
        for half in _HALVES.finditer(seen) if b"\\u" in seen else ():
            if half.start() >= done:
                break
            if len(half[0]) != _PAIR and not _is_escaped(seen, half.start()):
                _stop("json_invalid")
            done = max(done, half.end())
        self._tail = seen[done:]
        return data

    def _digits(self, data: bytes) -> None:
        """More digits in a row than Python makes a number of crash the parser."""
        characters = np.frombuffer(data, np.uint8)
        others = np.flatnonzero((characters < ord("0")) | (characters > ord("9")))
        if not len(others):
            self._run += len(data)
            longest = self._run
        else:
            longest = max(self._run + int(others[0]), int(np.diff(others).max(initial=1)) - 1)
            self._run = len(data) - int(others[-1]) - 1
        if longest >= _PYTHON_DIGITS:
            _stop("json_number", self._most_digits)

    def close(self) -> None:
        self._file.close()


def _is_escaped(seen: bytes, at: int) -> bool:
    before = seen[:at]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def _events(reader: _Reader, limits: ReadLimits) -> Events:
    """The parser's events within the limits; its errors quote the text and end here."""
    depth = 0
    parser = ijson.basic_parse(reader, buf_size=_BLOCK)
    while True:
        try:
            kind, value = next(parser)
        except StopIteration:
            return
        except (JSONError, ValueError, OverflowError):
            _stop("json_invalid")
        reader.silent = 0
        if kind in ("start_map", "start_array"):
            depth += 1
            if depth > limits.json_depth:
                _stop("json_depth", limits.json_depth)
        elif kind in ("end_map", "end_array"):
            depth -= 1
        elif kind == "number":
            if _digits(value) > limits.json_digits:
                _stop("json_number", limits.json_digits)
        elif kind in ("string", "map_key") and _is_long(value, limits.json_string_bytes):
            _stop("json_string", limits.json_string_bytes)
        yield kind, value


def _is_long(text: str, limit: int) -> bool:
    return len(text) * 4 > limit and len(text.encode()) > limit


def _digits(number: int | Decimal) -> int:
    if isinstance(number, int):
        return int(number.bit_length() / _DIGIT_BITS) + 1 if number.bit_length() > 64 else 1
    return max(len(number.as_tuple().digits), abs(number.adjusted()))


def _build(
    event: tuple[str, Any], events: Events, positions: int | None, *, row: bool = False
) -> Any:
    """The value that `event` begins. Within the geometry of a `row`, coordinates are numbers and
    `positions` of them are the most; a property of that name is like any other."""
    kind, value = event
    if kind == "start_map":
        found: Object = {}
        for inner, name in events:
            if inner == "end_map":
                break
            if name in found:
                _stop("json_key")
            first = next(events)
            most = positions if not row or name == "geometry" else None
            if most and not row and name == "coordinates" and first[0] == "start_array":
                found[name] = _coordinates(events, most)
            else:
                found[name] = _build(first, events, most)
        return found
    if kind == "start_array":
        items = []
        for inner_event in events:
            if inner_event[0] == "end_array":
                break
            items.append(_build(inner_event, events, positions))
        return items
    return value


def _coordinates(events: Events, most: int) -> list[Any]:
    """Nested lists of floats: a long ring must not take a number object of arbitrary size each."""
    stack: list[list[Any]] = []
    current: list[Any] = []
    positions = 0
    for kind, value in events:
        if kind == "start_array":
            stack.append(current)
            current = []
        elif kind == "end_array":
            if not stack:
                break
            if current and not isinstance(current[0], list):
                positions += 1
                if positions > most:
                    _stop("geometry_too_large", most)
            stack[-1].append(current)
            current = stack.pop()
        elif kind == "number":
            try:
                current.append(float(value))
            except OverflowError:
                current.append(float("inf"))
        else:
            current.append(None)
    return current


def _skip(event: tuple[str, Any], events: Events) -> None:
    """Passes over the value that `event` begins."""
    if event[0] not in ("start_map", "start_array"):
        return
    depth = 1
    for kind, _ in events:
        depth += (kind in ("start_map", "start_array")) - (kind in ("end_map", "end_array"))
        if not depth:
            return
