"""Cells of a table of counts that must not be shown: small ones, and others that would give them away.

Primary: from 1 to `least` - 1 units. Secondary: while a small cell follows from what is shown, by the
margins, or small cells together are known to be few, another cell of their line is hidden, the
smallest first (Hundepool et al., Statistical Disclosure Control, 2012, ch. 4; Eurostat's handbook).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
# A block of lines that hang together is solved as one; above this, nobody waits for it.
MOST_CELLS = 1500
# Bounds that still move after so many turns move by little.
_MOST_TURNS = 50


class TooEntangled(Exception):
    """More hidden cells hang together than can be checked."""


@dataclass(frozen=True)
class Line:
    """Cells (row numbers) whose sum stands in another cell, a margin."""

    parts: tuple[int, ...]
    total: int
    dimension: str = ""

    @property
    def cells(self) -> tuple[int, ...]:
        return (*self.parts, self.total)


def lines_of(
    dimensions: Mapping[str, Sequence[object]], margins: Mapping[str, object]
) -> list[Line]:
    """The lines of a table: for each dimension with a margin, rows alike in all the others.

    Only lines whose margin is in the table: without it nothing adds up.
    """
    found = []
    names = list(dimensions)
    rows = len(next(iter(dimensions.values()), ()))
    for name, label in margins.items():
        others = [dimensions[other] for other in names if other != name]
        parts: dict[tuple[object, ...], list[int]] = {}
        totals: dict[tuple[object, ...], int] = {}
        for row in range(rows):
            key = tuple(column[row] for column in others)
            if dimensions[name][row] == label:
                totals[key] = row
            else:
                parts.setdefault(key, []).append(row)
        found += [
            Line(tuple(parts[key]), total, name) for key, total in totals.items() if key in parts
        ]
    return found


def secret_cells(
    counts: Counts, lines: Sequence[Line], least: int, also: Mask | None = None
) -> Mask:
    """Which cells are hidden: small ones, those of `also`, and what gives them away. Raises
    TooEntangled."""
    small: Mask = (counts > 0) & (counts < least)
    if also is not None:
        small = small | also
    hidden = small.copy()
    while weak := _weak_lines(counts, lines, hidden, small, least):
        before = int(hidden.sum())
        for line, most in weak:
            # Another line's new cell may have mended this one.
            if sum(bool(hidden[cell]) for cell in line.cells) <= most:
                _hide_one(counts, lines, hidden, line)
        if int(hidden.sum()) == before:
            break
    return hidden


def _hide_one(counts: Counts, lines: Sequence[Line], hidden: Mask, line: Line) -> None:
    """Hides one more cell of a line: if it can, one whose other lines have hidden cells too."""
    other_lines = [one for one in lines if one is not line]

    def rank(cell: int) -> tuple[bool, bool, bool, int, int]:
        mine = [one for one in other_lines if cell in one.cells]
        lonely = not any(any(hidden[other] for other in one.cells) for one in mine)
        # A zero hides nothing; a margin is part of other lines.
        return counts[cell] == 0, lonely, cell == line.total, int(counts[cell]), cell

    shown = [cell for cell in line.cells if not hidden[cell]]
    if shown:
        hidden[min(shown, key=rank)] = True


def _weak_lines(
    counts: Counts, lines: Sequence[Line], hidden: Mask, small: Mask, least: int
) -> list[tuple[Line, int]]:
    """Lines that want another hidden cell, while they have at most so many.

    In a block where a small cell can be worked out, those with one hidden cell; else any with shown
    ones, the small cell's own first. And lines whose hidden parts are known to be few.
    """
    known = determined(lines, hidden) & small
    weak = []
    for _, inside in _blocks(lines, hidden):
        shown = [one for one in inside if any(not hidden[cell] for cell in one.cells)]
        if any(known[cell] for line in inside for cell in line.cells):
            single = [one for one in shown if sum(bool(hidden[c]) for c in one.cells) == 1]
            own = [one for one in shown if any(known[cell] for cell in one.cells)]
            chosen = single or own[:1] or shown[:1]
            weak += [(one, sum(bool(hidden[c]) for c in one.cells)) for one in chosen]
            continue
        narrow = _narrow(counts, inside, hidden, small, least)
        own = [line for line in shown if any(cell in narrow for cell in line.cells)]
        weak += [(line, sum(bool(hidden[c]) for c in line.cells)) for line in own[:1]]
        for line in shown:
            parts = [cell for cell in line.parts if hidden[cell]]
            few = not hidden[line.total] and any(small[cell] for cell in parts)
            if few and sum(int(counts[cell]) for cell in parts) < least:
                weak.append((line, len(parts)))
    return weak


def _narrow(
    counts: Counts, lines: Sequence[Line], hidden: Mask, small: Mask, least: int
) -> set[int]:
    """Small cells that what is shown leaves fewer than `least` values for, and cannot be any more."""
    return {
        cell
        for cell, (low, high) in bounds(counts, lines, hidden).items()
        if small[cell] and high - low + 1 < least
    }


def bounds(counts: Counts, lines: Sequence[Line], hidden: Mask) -> dict[int, tuple[float, float]]:
    """Between what a reader knows each hidden cell to lie, adding up line after line; at least 0.

    A margin is never less than its parts, nor a part more than its margin.
    """
    known: dict[int, tuple[float, float]] = {
        cell: (0.0, np.inf) if hidden[cell] else (float(counts[cell]), float(counts[cell]))
        for line in lines
        for cell in line.cells
    }
    changed, turns = True, 0
    while changed and turns < _MOST_TURNS:
        changed, turns = False, turns + 1
        for line in lines:
            lows = sum(known[cell][0] for cell in line.parts)
            highs = [known[cell][1] for cell in line.parts]
            endless = sum(high == np.inf for high in highs)
            finite = sum(high for high in highs if high < np.inf)
            least, most = known[line.total]
            for cell in line.parts:
                low, high = known[cell]
                others_most = (
                    np.inf
                    if endless - (high == np.inf)
                    else finite - (0 if high == np.inf else high)
                )
                new = max(low, least - others_most), min(high, most - (lows - low))
                changed |= _moved(known, cell, new)
                lows += known[cell][0] - low
                if high == np.inf and new[1] < np.inf:
                    endless, finite = endless - 1, finite + new[1]
                elif high < np.inf:
                    finite += new[1] - high
            whole = np.inf if endless else finite
            changed |= _moved(known, line.total, (max(least, lows), min(most, whole)))
    return {cell: pair for cell, pair in known.items() if hidden[cell]}


def _moved(known: dict[int, tuple[float, float]], cell: int, new: tuple[float, float]) -> bool:
    moved = new != known[cell]
    known[cell] = new
    return moved


def determined(lines: Sequence[Line], hidden: Mask) -> Mask:
    """Which hidden cells follow exactly from the others: they vanish from the equations' null space."""
    known = np.zeros(len(hidden), np.bool_)
    for cells, inside in _blocks(lines, hidden):
        if len(cells) > MOST_CELLS:
            raise TooEntangled
        place = {cell: number for number, cell in enumerate(cells)}
        matrix = np.zeros((len(inside), len(cells)))
        for row, line in enumerate(inside):
            for cell in line.parts:
                if cell in place:
                    matrix[row, place[cell]] = 1
            if line.total in place:
                matrix[row, place[line.total]] = -1
        _, sizes, directions = np.linalg.svd(matrix, full_matrices=True)
        rank = int((sizes > 1e-9).sum())
        free = np.abs(directions[rank:]).max(axis=0, initial=0.0)
        known[[cell for cell, move in zip(cells, free, strict=True) if move < 1e-9]] = True
    return known


def _blocks(lines: Sequence[Line], hidden: Mask) -> list[tuple[list[int], list[Line]]]:
    """Hidden cells that lines join, and those lines."""
    parent: dict[int, int] = {}

    def root(cell: int) -> int:
        while parent.setdefault(cell, cell) != cell:
            parent[cell] = parent[parent[cell]]
            cell = parent[cell]
        return cell

    used = []
    for line in lines:
        inside = [cell for cell in line.cells if hidden[cell]]
        if inside:
            used.append((inside, line))
            for cell in inside[1:]:
                parent[root(cell)] = root(inside[0])
    blocks: dict[int, tuple[list[int], list[Line]]] = {}
    for inside, line in used:
        cells, joined = blocks.setdefault(root(inside[0]), ([], []))
        cells += [cell for cell in inside if cell not in cells]
        joined.append(line)
    return list(blocks.values())
