"""Commands that need servers, when there are none; settings that cannot be used."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ecluse import cli, terminal
from ecluse.terminal import NO_DATABASE
from shared.settings import settings

NOBODY = "postgresql+psycopg://reader:canari@127.0.0.1:9/none"


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No broker, no database."""
    monkeypatch.setenv("ECLUSE_KAFKA", "127.0.0.1:9")
    monkeypatch.setenv("ECLUSE_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ECLUSE_LANGUAGE", "en")
    settings.cache_clear()
    yield
    settings.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, arguments)


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    """The exit code of the whole program."""
    monkeypatch.setattr(sys, "argv", ["ecluse", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return caught.value.code


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (["topics"], "Kafka does not answer."),
        (["reconcile"], "Kafka does not answer."),
        (["replay", "--dead", "dataset.changed"], "Kafka does not answer."),
        (["migrate"], "The database does not answer."),
    ],
)
def test_servers_that_are_away(monkeypatch: pytest.MonkeyPatch, call: list[str], said: str) -> None:
    """Exit 1 and one sentence: neither traceback nor password."""
    monkeypatch.setenv("ECLUSE_DATABASE", NOBODY)
    settings.cache_clear()
    result = run(*call, "--json")
    assert result.exit_code == 1, result.output
    assert json.loads(result.stdout)["error"].startswith(said)
    plain = run(*call)
    assert said in plain.output
    assert "canari" not in result.output + plain.output


@pytest.mark.parametrize("call", ["migrate", "reconcile"])
def test_no_database_is_named(call: str) -> None:
    """Exit 2: the setting is missing, and it is named."""
    result = run(call, "--json")
    assert (result.exit_code, json.loads(result.stdout)["error"]) == (2, NO_DATABASE)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ECLUSE_PARTITIONS", "canari", "ECLUSE_PARTITIONS"),
        ("ECLUSE_LOG_LEVEL", "canari", "ECLUSE_LOG_LEVEL"),
        ("ECLUSE_ALLOWED_FOLDERS", "canari", "allowed_folders"),
    ],
)
def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    said: str,
) -> None:
    """Exit 2 with the setting's name, never its value: it may be a secret."""
    monkeypatch.setenv(name, value)
    settings.cache_clear()
    assert ended(monkeypatch, "status", "--json") == 2
    shown = capsys.readouterr()
    assert said in json.loads(shown.out)["error"]
    assert "canari" not in shown.out + shown.err


def test_a_defect_anywhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, its class and place, and not its text."""

    def broken(_: object) -> None:
        raise KeyError("canari")

    monkeypatch.setattr(terminal, "Client", broken)
    assert ended(monkeypatch, "status") == 1
    shown = capsys.readouterr()
    assert "KeyError at" in " ".join(shown.err.split())
    assert "canari" not in shown.out + shown.err
    assert "Traceback" not in shown.err


@pytest.mark.parametrize("name", ["ingest", "publish", "portal", "notify"])
def test_a_process_that_cannot_start(name: str) -> None:
    """`serve` says which setting is missing."""
    result = run("serve", name)
    assert result.exit_code == 2
    assert "ECLUSE_" in result.output


def test_an_unknown_process() -> None:
    """A name that is none is a bad call."""
    assert run("serve", "canal").exit_code == 2


def test_nothing_asked() -> None:
    """The program alone shows its help."""
    assert "Usage" in run().output
    assert run("--help").exit_code == 0
