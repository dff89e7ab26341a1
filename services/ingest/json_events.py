"""The events of a JSON text (RFC 8259) within limits, and the values that they make.

ijson parses; what it says of a text that is wrong quotes it and goes no further than this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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
BEGIN, END = ("start_map", "start_array"), ("end_map", "end_array")
BOM = b"\xef\xbb\xbf"
_BLOCK = 1 << 18
_DIGIT_BITS = 3.33
_PYTHON_DIGITS = 4300
# A character outside the basic plane is written in two halves of six bytes.
_HALVES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
_PAIR = 12


def stop(code: str, limit: int | None = None, line: int | None = None) -> NoReturn:
    """Raises Quarantined with that reason."""
    raise Quarantined(Reason(code=code, limit=limit, line=line))


class JsonBytes:
    """The file's bytes for the parser. Refuses half a character, of which it would make a question
    mark without a word, and many bytes in which no value ends."""

    def __init__(self, source: Path, limits: ReadLimits) -> None:
        self._file = source.open("rb")
        if self._file.read(len(BOM)) != BOM:
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
            stop("json_string", self._limit)
        self._digits(data)
        seen = self._tail + data
        done = max(0, len(seen) - _PAIR + 1) if data else len(seen)
        for half in _HALVES.finditer(seen) if b"\\u" in seen else ():
            if half.start() >= done:
                break
            if len(half[0]) != _PAIR and not _is_escaped(seen, half.start()):
                stop("json_invalid")
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
            stop("json_number", self._most_digits)

    def close(self) -> None:
        self._file.close()


def _is_escaped(seen: bytes, at: int) -> bool:
    before = seen[:at]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def limited_events(reader: JsonBytes, limits: ReadLimits) -> Events:
    """The parser's events within the limits; its errors quote the text and end here."""
    depth = 0
    parser = ijson.basic_parse(reader, buf_size=_BLOCK)
    while True:
        try:
            kind, value = next(parser)
        except StopIteration:
            return
        except (JSONError, ValueError, OverflowError):
            stop("json_invalid")
        reader.silent = 0
        if kind in BEGIN:
            depth += 1
            if depth > limits.json_depth:
                stop("json_depth", limits.json_depth)
        elif kind in END:
            depth -= 1
        elif kind == "number":
            if _digits(value) > limits.json_digits:
                stop("json_number", limits.json_digits)
        elif kind in ("string", "map_key") and _is_long(value, limits.json_string_bytes):
            stop("json_string", limits.json_string_bytes)
        yield kind, value


def _is_long(text: str, limit: int) -> bool:
    return len(text) * 4 > limit and len(text.encode()) > limit


def _digits(number: int | Decimal) -> int:
    if isinstance(number, int):
        return int(number.bit_length() / _DIGIT_BITS) + 1 if number.bit_length() > 64 else 1
    return max(len(number.as_tuple().digits), abs(number.adjusted()))


def build(
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
                stop("json_key")
            first = next(events)
            most = positions if not row or name == "geometry" else None
            if most and not row and name == "coordinates" and first[0] == "start_array":
                found[name] = _coordinates(events, most)
            else:
                found[name] = build(first, events, most)
        return found
    if kind == "start_array":
        items = []
        for inner_event in events:
            if inner_event[0] == "end_array":
                break
            items.append(build(inner_event, events, positions))
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
                    stop("geometry_too_large", most)
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


def skip(event: tuple[str, Any], events: Events) -> None:
    """Passes over the value that `event` begins."""
    if event[0] not in BEGIN:
        return
    depth = 1
    for kind, _ in events:
        depth += (kind in BEGIN) - (kind in END)
        if not depth:
            return
