"""`ecluse status`: identifiers whole, reasons as paragraphs, nothing printed that says nothing."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from ecluse.print_status import print_dataset, print_inventory

CHANGE, RELEASE = "c" + "0" * 31, "r" + "1" * 31
LONG = "-".join(["jeu"] * 25)
WHY = "Une valeur [rouge] n'est pas du type [/integer] (colonne places, ligne 3). Corrigez-la. "


def reason(times: int = 1) -> dict[str, str]:
    return {"code": "type_mismatch", "fr": WHY * times, "en": "A value."}


def row(**more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "dataset": "bancs",
        "withdrawn_at": None,
        "published_at": "2026-03-01T10:00:00+00:00",
        "change": CHANGE,
        "stage": "publish",
        "state": "ended",
        "end": "published",
        "reasons": [],
    }
    return plain | more


def stopped(**more: Any) -> dict[str, Any]:
    why = {"end": None, "stage": "anonymize", "state": "quarantined", "reasons": [reason()]}
    return row(**(why | more))


def dataset(**more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "dataset": "bancs",
        "paused": False,
        "revision": 2,
        "publications": [
            {
                "release": RELEASE,
                "state": "superseded",
                "rows": 34_968_123,
                "made_at": "2026-03-01T10:00:00+00:00",
            }
        ],
        "changes": [stopped(at="2026-03-01T10:00:00+00:00")],
    }
    return plain | more


def harvest(**more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "portal": "data.gouv.fr",
        "verdict": "FILE_UNREADABLE",
        "checked_at": "2026-03-02T04:00:00+00:00",
        "reasons": [{"code": "harvest_file_unreadable", "fr": "Illisible.", "en": "Unreadable."}],
        "away": [],
    }
    return plain | more


def printed(show: Any, found: dict[str, Any], width: int = 80) -> str:
    file = StringIO()
    show(found, "fr", Console(file=file, width=width))
    return file.getvalue()


@pytest.mark.parametrize("width", [20, 80, 200])
def test_identifiers_are_whole(width: int) -> None:
    """On one line each, however narrow the terminal: they are there to be copied and searched."""
    text = printed(print_inventory, {"datasets": [row(), stopped(dataset=LONG)]}, width)
    assert [line.split()[0] for line in text.splitlines() if "2026-03-01" in line] == [
        "bancs",
        LONG,
    ]
    text = printed(print_dataset, dataset(dataset=LONG), width)
    assert any(line.startswith(RELEASE) for line in text.splitlines())
    assert any(line.startswith(CHANGE) for line in text.splitlines())
    assert LONG in text
    assert "…" not in text


def test_tables_fit_a_terminal() -> None:
    """Eighty columns hold a change's line and a dataset's."""
    for text in (
        printed(print_inventory, {"datasets": [stopped()]}),
        printed(print_dataset, dataset()),
    ):
        assert max(len(line.rstrip()) for line in text.splitlines()) <= 80


def test_reasons_are_paragraphs() -> None:
    """Below the table, word by word as they were given: square brackets are no markup."""
    text = printed(print_dataset, dataset(changes=[stopped(reasons=[reason(3)], at="2026-03-01")]))
    table, _, paragraphs = text.partition("anonymize: quarantined")
    assert "valeur" not in table
    assert " ".join(paragraphs.split()).count(WHY.strip()) == 3
    assert all(len(line.rstrip()) <= 80 for line in paragraphs.splitlines())


@pytest.mark.parametrize("end", ["published", "unchanged"])
def test_no_reason_is_shown_for_what_went_well(end: str) -> None:
    """What was stopped once and then passed is not told as an error."""
    ended = row(end=end, reasons=[reason()], at="2026-03-01T10:00:00")
    assert "valeur" not in printed(print_dataset, dataset(changes=[ended]))
    assert "valeur" not in printed(print_inventory, {"datasets": [ended]})


def test_nothing_is_no_table() -> None:
    """Without datasets, publications or changes there is no empty table."""
    assert printed(print_inventory, {"datasets": []}).count("\n") == 1
    text = printed(print_dataset, dataset(publications=[], changes=[], revision=None))
    assert text == "bancs, card revision -\n"


def test_a_dataset_only_heard_of() -> None:
    """Not declared, never public: dashes, and why."""
    parked = stopped(
        dataset="haies", published_at=None, stage="ingest", state="parked", change=None
    )
    line = next(
        line
        for line in printed(print_inventory, {"datasets": [parked]}).splitlines()
        if line.startswith("haies ")
    )
    assert line.split() == ["haies", "-", "ingest:", "parked"]
    nothing = row(dataset="haies", published_at=None, stage=None, state=None, end=None)
    assert "haies    -             -" in printed(print_inventory, {"datasets": [nothing]})


def test_a_withdrawn_dataset() -> None:
    """It says so where the date stood."""
    gone = row(withdrawn_at="2026-03-02T10:00:00+00:00")
    assert "withdrawn" in printed(print_inventory, {"datasets": [gone]})


def test_a_dataset_says_what_portals_made_of_it() -> None:
    """The latest release's verdict at each portal, why, and what could not be looked at."""
    away = {"code": "harvest_portal_away", "fr": "Absent.", "en": "Away."}
    checks = [
        harvest(),
        harvest(verdict="RECEIVED", reasons=[]),
        harvest(portal="autre", verdict=None, checked_at=None, reasons=[], away=[away]),
    ]
    said = printed(print_dataset, dataset(harvest=checks))
    assert "data.gouv.fr  FILE_UNREADABLE  2026-03-02T04:00" in said
    assert "Illisible." in said
    assert "RECEIVED " not in said
    assert "autre         pending" in said
    assert "Absent." in said


def test_a_dataset_that_no_portal_harvests() -> None:
    """Nothing is said of harvests; only when notify is away, that it is."""
    assert "harvest" not in printed(print_dataset, dataset(harvest=[])).lower()
    assert "notify does not answer" in printed(print_dataset, dataset(harvest=None))


def test_the_other_portals_are_told() -> None:
    """How many datasets stand where, what is under way, until when a portal is left alone, and why."""
    portals = [
        {"portal": "agglo", "datasets": {"arrived": 12, "failed": 3}, "deliveries": {"unknown": 1},
         "open_until": "2026-03-01T10:20:00+00:00", "code": "portal_away"},
        {"portal": "region", "datasets": {}, "deliveries": {}, "open_until": None, "code": None},
    ]  # fmt: skip
    text = printed(print_inventory, {"datasets": [row()], "portals": portals}, 200)
    lines = {line.split()[0]: line.split() for line in text.splitlines() if line}
    assert lines["agglo"] == [
        "agglo", "12", "0", "3", "0", "0", "0", "1", "2026-03-01T10:20", "(portal_away)",
    ]  # fmt: skip
    assert lines["region"] == ["region", *"0000000", "-"]
    copy = {
        "portal": "agglo", "state": "failed", "deliveries": [{"act": "publish", "state": "pending"}],
        "files": [{"wrong": []}, {"wrong": ["sha256"]}], "verified_at": "2026-03-01T10:00:00+00:00",
        "reasons": [{"code": "portal_file_wrong", "fr": "Un fichier est faux.", "en": "Wrong."}],
    }  # fmt: skip
    text = printed(print_dataset, dataset(portals=[copy]), 200)
    assert "agglo   failed  publish: pending  1 of 2       2026-03-01T10:00" in text
    assert "Un fichier est faux." in text


def test_what_portals_still_serve_of_a_withdrawn_release_is_told() -> None:
    """The address to write about; what is gone or settled is not shown."""
    stands = {
        "kind": "parquet", "address": "https://hydra.example/a.parquet", "state": "stands",
        "looked_at": "2026-03-01T10:00:00+00:00",
    }  # fmt: skip
    gone = {**stands, "kind": "tabular", "state": "gone"}
    copy = {
        "portal": "agglo", "state": "failed", "deliveries": [], "files": [], "verified_at": None,
        "reasons": [], "withdrawn_copies": [stands, gone],
    }  # fmt: skip
    text = printed(print_dataset, dataset(portals=[copy]), 200)
    assert "agglo   parquet           https://hydra.example/a.parquet  2026-03-01T10:00" in text
    assert "tabular" not in text


def test_a_dry_run_is_told_until_the_harvest_itself_has_spoken() -> None:
    """What the portal would refuse tonight; once it has received the release, nothing more."""
    tried = {"code": "preview_skipped", "fr": "Sauté à l'essai.", "en": "Skipped."}
    waits = harvest(verdict=None, checked_at=None, reasons=[], preview=[tried])
    assert "Sauté à l'essai." in printed(print_dataset, dataset(harvest=[waits]))
    received = harvest(verdict="RECEIVED", reasons=[], preview=[tried])
    assert "Sauté" not in printed(print_dataset, dataset(harvest=[received]))
