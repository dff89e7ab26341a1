"""Says on a terminal where datasets and changes stand, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text


def print_inventory(found: dict[str, Any], language: str, console: Console) -> None:
    """Every dataset of `GET /datasets`, and why a change of one has no end yet."""
    if not found["datasets"]:
        console.print("No dataset is known yet: declare a card, or send a change.")
        return
    _columns(
        ("dataset", "public since", "latest change"),
        [(row["dataset"], _public_since(row), _stands(row)) for row in found["datasets"]],
        console,
    )
    _portals(found.get("portals", []), console)
    for row in found["datasets"]:
        if not row["end"] and row["reasons"]:
            _reasons(row["dataset"], row["reasons"][:1], language, console)


def print_dataset(found: dict[str, Any], language: str, console: Console) -> None:
    """The dataset of `GET /datasets/<dataset>`: its publications, its changes, and what stopped them."""
    paused = ", paused" if found["paused"] else ""
    console.print(
        f"[bold]{escape(found['dataset'])}[/bold], "
        f"card revision {found['revision'] or '-'}{paused}",
        highlight=False,
        soft_wrap=True,
    )
    if found["publications"]:
        _columns(
            ("release", "state", "rows", "made at"),
            [
                (row["release"], row["state"], str(row["rows"]), row["made_at"][:16])
                for row in found["publications"]
            ],
            console,
        )
    if found["changes"]:
        _columns(
            ("change", "stands", "since"),
            [(row["change"], _stands(row), row["at"][:16]) for row in found["changes"]],
            console,
        )
    for row in found["changes"]:
        if row["end"] not in ("published", "unchanged"):
            _reasons(row["change"], row["reasons"][:5], language, console)
    _copies(found.get("portals", []), language, console)
    if "harvest" in found:
        _harvests(found["harvest"], language, console)


def _portals(portals: list[dict[str, Any]], console: Console) -> None:
    """The other portals: how many datasets stand where, and whether one is left alone for now."""
    if not portals:
        return
    states = ("arrived", "pending", "failed", "late", "withdrawn")
    _columns(
        ("portal", *states, "under way", "unknown", "left alone until"),
        [
            (
                one["portal"],
                *(str(one["datasets"].get(state, 0)) for state in states),
                *(str(one["deliveries"].get(state, 0)) for state in ("pending", "unknown")),
                f"{one['open_until'][:16]} ({one['code']})" if one["open_until"] else "-",
            )
            for one in portals
        ],
        console,
    )


def _copies(portals: list[dict[str, Any]], language: str, console: Console) -> None:
    """A dataset on each other portal: its state, what the latest verification found wrong."""
    if not portals:
        return
    _columns(
        ("portal", "state", "delivery", "files right", "verified at"),
        [
            (
                one["portal"],
                one["state"] or "-",
                ", ".join(f"{each['act']}: {each['state']}" for each in one["deliveries"]) or "-",
                f"{sum(not each['wrong'] for each in one['files'] or ())} of {len(one['files'] or ())}",
                (one["verified_at"] or "-")[:16],
            )
            for one in portals
        ],
        console,
    )
    for one in portals:
        if one["state"] != "arrived":
            _reasons(one["portal"], (one["reasons"] or [])[:5], language, console)
    standing = [
        (one["portal"], each["kind"], each["address"] or "-", (each["looked_at"] or "-")[:16])
        for one in portals
        for each in one.get("withdrawn_copies", ())
        if each["state"] == "stands"
    ]
    if standing:
        _columns(("portal", "still open there", "address", "looked at"), standing, console)


def _harvests(checks: list[dict[str, Any]] | None, language: str, console: Console) -> None:
    """What other portals made of the latest release promised to each."""
    if checks is None:
        console.print("Harvest by other portals: notify does not answer.", soft_wrap=True)
        return
    latest: dict[str, dict[str, Any]] = {}
    for one in checks:
        latest.setdefault(one["portal"], one)
    if latest:
        _columns(
            ("portal", "harvest", "looked at"),
            [
                (name, one["verdict"] or "pending", (one["checked_at"] or "-")[:16])
                for name, one in latest.items()
            ],
            console,
        )
    for name, one in latest.items():
        # Received says all; what could not be looked at comes beside what was known before.
        told = [] if one["verdict"] == "RECEIVED" else one["reasons"]
        # A dry run says what the next run will; after that one it has been said.
        tried = [] if one["verdict"] == "RECEIVED" else one.get("preview", [])
        _reasons(name, [*told, *tried, *one["away"]][:5], language, console)


def _columns(names: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    """Aligned columns. Identifiers are there to be copied: none is cut or folded to fit."""
    widths = [max(len(row[place]) for row in (names, *rows)) for place in range(len(names))]
    console.print()
    for number, row in enumerate((names, *rows)):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        style = "bold" if number == 0 else None
        console.print(line.rstrip(), style=style, markup=False, highlight=False, soft_wrap=True)
    console.print()


def _public_since(row: dict[str, Any]) -> str:
    return "withdrawn" if row["withdrawn_at"] else (row["published_at"] or "-")[:16]


def _stands(row: dict[str, Any]) -> str:
    return row["end"] or (f"{row['stage']}: {row['state']}" if row["stage"] else "-")


def _reasons(
    subject: str, reasons: Sequence[dict[str, Any]], language: str, console: Console
) -> None:
    if reasons:
        console.print(subject, style="bold", markup=False, highlight=False, soft_wrap=True)
    for reason in reasons:
        console.print(Padding(Text(reason[language]), (0, 0, 0, 2), expand=False))
