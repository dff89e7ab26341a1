"""The command line: `try`, refusals, exit codes, JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ecluse.cli import app
from shared.settings import settings

CITY = Path(__file__).parents[2] / "deploy" / "demo" / "city"
SECRET = "canari-7431"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings are read once a process: here, once a test."""
    monkeypatch.setenv("ECLUSE_ADMIN_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ECLUSE_CHANGES_URL", "http://127.0.0.1:9")
    settings.cache_clear()
    yield
    settings.cache_clear()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def try_(name: str, folder: Path, *more: str, file: Path | None = None) -> Result:
    data = file or next((CITY / name).glob("data.*"))
    return run("try", CITY / name / "card.yaml", data, "--out", folder, *more)


def test_a_trial_that_passes(tmp_path: Path) -> None:
    """One JSON object with what would be published, and the files with these checksums."""
    result = try_("arbres", tmp_path, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert set(told) == {"outcome", "reasons", "rows", "columns", "files", "not_checked"}
    assert (told["outcome"], told["rows"], told["reasons"]) == ("publishable", 2400, [])
    assert told["columns"][0] == {"name": "id", "type": "string"}
    assert "agent" not in {column["name"] for column in told["columns"]}
    assert told["not_checked"] == ["earlier_releases", "linked_datasets", "approval"]
    assert {file["format"] for file in told["files"]} >= {"csv", "json", "parquet"}
    for file in told["files"]:
        assert set(file) == {"format", "path", "bytes", "sha256", "rows"}
        content = (tmp_path / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )


def test_a_trial_that_is_stopped(tmp_path: Path) -> None:
    """Exit 3, each reason with code, stage, column, line and message; no data file is left."""
    result = try_("signalements-voirie", tmp_path, "--json")
    assert result.exit_code == 3
    told = json.loads(result.stdout)
    assert told["outcome"] == "quarantined"
    for reason in told["reasons"]:
        assert set(reason) == {"code", "stage", "column", "line", "message"}
    assert {reason["code"] for reason in told["reasons"]} == {"finding_email", "finding_phone"}
    assert {reason["stage"] for reason in told["reasons"]} == {"anonymize"}
    assert not list(tmp_path.rglob("*.csv"))
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_trial_for_a_person(tmp_path: Path) -> None:
    """Without --json: plain words, in French by default."""
    result = try_("signalements-voirie", tmp_path)
    assert result.exit_code == 3
    assert "adresses électroniques" in result.stdout
    assert "→" in result.stdout


def test_people_are_refused(tmp_path: Path) -> None:
    """A dataset about people is refused, not quarantined: no mending of the file helps."""
    card = (CITY / "subventions" / "card.yaml").read_text(encoding="utf-8")
    path = tmp_path / "card.yaml"
    path.write_text(card.replace("subject: none", "subject: people"), encoding="utf-8")
    data = CITY / "subventions" / "data.csv"
    result = run("try", path, data, "--out", tmp_path / "out", "--json")
    assert (result.exit_code, json.loads(result.stdout)["outcome"]) == (3, "refused")


def test_a_trial_quotes_nothing(tmp_path: Path) -> None:
    """Neither screen nor reports hold a cell or an undeclared header of what was stopped."""
    data = tmp_path / "data.csv"
    data.write_text(f"id;{SECRET}-h\n{SECRET};x@{SECRET}.fr\n", encoding="utf-8")
    for more in ([], ["--json"]):
        result = try_("subventions", tmp_path / "out", *more, file=data)
        assert result.exit_code == 3
        assert SECRET not in result.output
    for report in (tmp_path / "out").rglob("*"):
        assert not report.is_file() or SECRET.encode() not in report.read_bytes()


@pytest.mark.parametrize("text", ["dataset: x", "a: [", "dataset: bancs\ncolour: green"])
def test_a_bad_card(tmp_path: Path, text: str) -> None:
    """Exit 2, with everything to mend."""
    path = tmp_path / "card.yaml"
    path.write_text(text)
    result = run("try", path, CITY / "subventions" / "data.csv", "--out", tmp_path, "--json")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["problems"]


def test_a_bad_call(tmp_path: Path) -> None:
    """A file that is not there, an unknown option, no argument: exit 2."""
    assert try_("arbres", tmp_path, file=tmp_path / "none").exit_code == 2
    assert run("try", "--nothing").exit_code == 2
    assert run("send", "bancs", tmp_path / "none.csv").exit_code == 2
    assert run("replay").exit_code == 2
    assert run("declare", tmp_path).exit_code == 2


@pytest.mark.parametrize(
    "call",
    [
        ["status"],
        ["status", "bancs"],
        ["approve", "r0"],
        ["refuse", "r0", "--reason", "x"],
        ["withdraw", "r0", "--reason", "x"],
        ["pause"],
        ["resume", "bancs"],
        ["replay", "bancs"],
        ["declare", CITY / "arbres"],
        ["send", "bancs", "https://a.example/b.csv"],
    ],
    ids=lambda call: call[0],
)
def test_nobody_answers(call: list[Any]) -> None:
    """Exit 1, an error in JSON, and no traceback."""
    result = run(*call, "--json")
    assert result.exit_code == 1
    assert "does not answer" in json.loads(result.stdout)["error"]


class Refuses(BaseHTTPRequestHandler):
    """An API that refuses everything with a reason."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(409)
        self.end_headers()
        said = {"refused": [{"code": "card_changed", "fr": "La fiche a changé.", "en": "Changed."}]}
        self.wfile.write(json.dumps(said).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Silent."""


def test_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 2, with the API's reason in the chosen language."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("ECLUSE_ADMIN_URL", f"http://127.0.0.1:{server.server_address[1]}")
        settings.cache_clear()
        result = run("approve", "r0")
        assert result.exit_code == 2
        assert "La fiche a changé." in result.output
        told = json.loads(run("approve", "r0", "--json").stdout)
        assert told["refused"][0]["code"] == "card_changed"
        server.shutdown()


@pytest.mark.parametrize("name", [command.name or "" for command in app.registered_commands])
def test_help(name: str) -> None:
    """Every command says what it does."""
    if name:
        assert run(name, "--help").exit_code == 0


def test_sign_needs_a_key() -> None:
    """Without a signing key the call is a bad one, and says which setting is missing."""
    result = run("sign", CITY / "arbres" / "card.yaml", "--json")
    assert result.exit_code == 2
    assert "ECLUSE_SIGNING_KEY_FILE" in json.loads(result.stdout)["error"]
