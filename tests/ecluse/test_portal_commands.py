"""What the commands about other portals print, and what they ask for."""

from __future__ import annotations

from typing import Any

import pytest
from typer.testing import CliRunner

from ecluse import portal_commands

SHEET: dict[str, Any] = {
    "number": 3, "dataset": "bancs", "opened_at": "2026-03-01T10:00:00+00:00",
    "opened_by": "responsable", "authority_due": "2026-03-04T10:00:00+00:00", "hours_left": 70.5,
    "rows": 2, "subject": "none", "columns": [{"name": "id", "action": "keep"}],
    "public_since": "2026-02-01T10:00:00+00:00", "files": ["bancs.csv"],
    "downloads": "ecluse_downloads_total",
    "acts": [{"at": "2026-03-01T10:00:00+00:00", "actor": "responsable", "act": "withdrawn"}],
}  # fmt: skip
OPEN = {"kind": "parquet", "state": "stands", "address": "https://hydra.example/a.parquet"}


class Client:
    """Answers with what it was made with, and keeps what was asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, Any]] = []

    def get(self, path: str, **_: object) -> dict[str, Any]:
        self.asked.append((path, None))
        return self.answer

    def post(self, path: str, body: object) -> dict[str, Any]:
        self.asked.append((path, body))
        return self.answer


def run(monkeypatch: pytest.MonkeyPatch, client: Client, *argv: str) -> str:
    monkeypatch.setattr(portal_commands, "call", lambda work, _json: work(client))
    done = CliRunner().invoke(portal_commands.app, argv)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_sheet_names_what_is_open_and_what_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each copy with its state in plain words, the letter to the portal's team, no English codes."""
    portals = [
        {"portal": "own", "gone": True, "copies": []},
        {"portal": "data.gouv.fr", "gone": False, "ask": True, "request": {"fr": "Bonjour,\n\nMerci."},
         "copies": [OPEN, {**OPEN, "kind": "tabular", "address": "", "state": "settled"}]},
    ]  # fmt: skip
    client = Client({"breaches": [{**SHEET, "portals": portals}]})
    text = run(monkeypatch, client, "breaches")
    assert "own: retiré, data.gouv.fr: À DEMANDER" in text
    assert f"data.gouv.fr  parquet  OUVERTE À TOUS, À DEMANDER  {OPEN['address']}" in text
    assert "tabular  réglée par une personne  (adresse inconnue)" in text
    assert "À écrire à l'équipe de data.gouv.fr :\n    Bonjour,\n\n    Merci." in text
    assert "encore 70.5 h" in text


def test_a_sheet_without_copies_has_no_empty_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is printed that says nothing."""
    portals = [{"portal": "own", "gone": True, "copies": []}]
    text = run(monkeypatch, Client({"breaches": [{**SHEET, "portals": portals}]}), "breaches")
    assert "Copies" not in text
    assert "écrire" not in text
    assert "none" in run(monkeypatch, Client({"breaches": []}), "breaches")


def test_copies_are_answered_for_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """The portal, why, and of one kind if it is said."""
    client = Client({"settled": 2})
    text = run(
        monkeypatch,
        client,
        "settle",
        "bancs",
        "--portal",
        "agglo",
        "--reason",
        "écrit",
        "--kind",
        "tabular",
    )
    assert "bancs on agglo: 2 settled" in text
    body = {"portal": "agglo", "reason": "écrit", "kind": "tabular"}
    assert client.asked == [("/datasets/bancs/copies", body)]
