"""HTTP's single byte ranges (RFC 9110, section 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes asked for, `end` exclusive; None for all of them (no range, or several).

    Raises ValueError when no byte of the file is in the range (416).
    """
    match = _RANGE.match((header or "").replace(" ", ""))
    if not match or match.group(1, 2) == ("", ""):
        return None
    first, last = match.group(1, 2)
    if not first:
        wanted = int(last)
        if wanted == 0 or size == 0:
            raise ValueError("no byte in range")
        return max(size - wanted, 0), size
    start, end = int(first), int(last) + 1 if last else size
    if start >= size or end <= start:
        raise ValueError("no byte in range")
    return start, min(end, size)
