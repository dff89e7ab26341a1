"""Calls of the command line: whose turn it is when one fails, and what is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from ecluse.cli import app
from ecluse.client import CallFailed, Client
from shared.settings import Settings, settings

Answer = Callable[[httpx.Request], httpx.Response]
REFUSED = {"refused": [{"code": "card_changed", "fr": "La fiche a changé.", "en": "It changed."}]}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], list[httpx.Request]]]:
    """Puts an API of one's own behind every call; what it was asked."""
    real = httpx.Client

    def serve(answer: Answer) -> list[httpx.Request]:
        asked: list[httpx.Request] = []

        def take(request: httpx.Request) -> httpx.Response:
            request.read()
            asked.append(request)
            return answer(request)

        def make(**options: Any) -> httpx.Client:
            return real(**options, transport=httpx.MockTransport(take))

        monkeypatch.setattr(httpx, "Client", make)
        return asked

    settings.cache_clear()
    yield serve
    settings.cache_clear()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (httpx.Response(409, json=REFUSED), 2, "La fiche a changé."),
        (httpx.Response(401, json=REFUSED), 2, "La fiche a changé."),
        (httpx.Response(404, text="<html>"), 2, "HTTP 404 without an explanation"),
        (httpx.Response(413, text=""), 2, "HTTP 413 without an explanation"),
        (httpx.Response(422, json={"refused": None}), 2, "HTTP 422"),
        (httpx.Response(422, json={"refused": ["x"]}), 2, "HTTP 422"),
        (httpx.Response(422, json=[]), 2, "HTTP 422"),
        (httpx.Response(503, json=REFUSED), 1, "La fiche a changé."),
        (httpx.Response(500, text="oops"), 1, "HTTP 500 without an explanation"),
        (httpx.Response(200, text="<html>"), 1, "HTTP 200 without an explanation"),
        (httpx.Response(200, json=[]), 1, "HTTP 200"),
        (httpx.Response(302, json={}), 1, "HTTP 302"),
    ],
)
def test_whose_turn_it_is(
    api: Callable[[Answer], list[httpx.Request]], answer: httpx.Response, code: int, said: str
) -> None:
    """2 when the call has to be changed, 1 when the API is away or fails; one JSON object either way."""
    api(lambda _: answer)
    result = run("status", "--json")
    assert result.exit_code == code
    told = json.loads(result.stdout)
    assert told["error"] == said
    assert isinstance(told["refused"], list)
    plain = run("status")
    assert plain.exit_code == code
    assert said in plain.output
    assert "Traceback" not in plain.output


@pytest.mark.parametrize(
    "failure",
    [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.WriteError],
)
def test_nobody_answers(
    api: Callable[[Answer], list[httpx.Request]], failure: type[httpx.TransportError]
) -> None:
    """Exit 1, with the host and none of the library's words."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise failure("canari")

    api(fail)
    result = run("status", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"error": "127.0.0.1:8104 does not answer", "refused": []}


@pytest.mark.parametrize("url", ["127.0.0.1:8104", "localhost", "ftp://a.example", "http://a b/"])
def test_an_address_written_wrong(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A setting without a scheme is said to be away, not a crash."""
    with pytest.raises(CallFailed) as caught:
        Client(Settings(admin_url=url)).get("/datasets")
    assert (caught.value.mine, "does not answer" in str(caught.value)) == (False, True)


@pytest.mark.parametrize("name", ["a/b", "../me", "a?b=c", "a#b", "é", "a b"])
def test_names_stay_within_their_path(
    api: Callable[[Answer], list[httpx.Request]], name: str
) -> None:
    """Whatever is written in the place of a dataset or release asks for nothing else."""
    asked = api(lambda _: httpx.Response(404, json=REFUSED))
    assert run("status", name).exit_code == 2
    assert run("approve", name).exit_code == 2
    paths = [request.url.raw_path.decode() for request in asked]
    assert paths[0].startswith("/datasets/")
    assert [path.count("/") for path in paths] == [2, 3]
    assert not [path for path in paths if "?" in path or "#" in path]


def test_who_asks(
    api: Callable[[Answer], list[httpx.Request]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call bears the token, and the token is never shown."""
    monkeypatch.setenv("ECLUSE_TOKEN", "canari-token")
    settings.cache_clear()
    asked = api(lambda _: httpx.Response(401, json=REFUSED))
    result = run("status", "--json")
    assert asked[0].headers["authorization"] == "Bearer canari-token"
    assert "canari" not in result.output


def test_sending_a_file(api: Callable[[Answer], list[httpx.Request]], tmp_path: Path) -> None:
    """The bytes as they are, with their type; what became of it can be followed."""
    file = tmp_path / "Données été.XLSX"
    file.write_bytes(b"PK\x03\x04")
    taken = {"change": "c" + "0" * 31, "dataset": "bancs", "follow": "http://a.example/changes/c0"}
    asked = api(lambda _: httpx.Response(202, json=taken))
    result = run("send", "bancs", file, "--kind", "correction")
    assert result.exit_code == 0
    assert taken["change"] in result.output
    [request] = asked
    assert (request.url.path, dict(request.url.params)) == (
        "/changes",
        {"dataset": "bancs", "kind": "correction"},
    )
    assert request.content == b"PK\x03\x04"
    assert request.headers["content-type"].endswith("spreadsheetml.sheet")
    assert "Donn" not in str(request.headers) + str(request.url)


def test_sending_an_address(api: Callable[[Answer], list[httpx.Request]]) -> None:
    """It goes as JSON; --json prints the answer as it came."""
    taken = {"change": "c0", "dataset": "bancs", "follow": "http://a.example"}
    asked = api(lambda _: httpx.Response(202, json=taken))
    result = run("send", "bancs", "HTTPS://a.example/b.csv", "--json")
    assert json.loads(result.stdout) == taken
    assert json.loads(asked[0].content) == {
        "dataset": "bancs",
        "address": "HTTPS://a.example/b.csv",
        "kind": "update",
    }


@pytest.mark.parametrize(
    ("call", "path", "body"),
    [
        (["approve", "r1"], "/releases/r1/decision", {"verdict": "approved", "reason": None}),
        (
            ["refuse", "r1", "--reason", "Faux"],
            "/releases/r1/decision",
            {"verdict": "refused", "reason": "Faux"},
        ),
        (
            ["withdraw", "r1", "--reason", "Faux"],
            "/releases/r1/decision",
            {"verdict": "withdrawn", "reason": "Faux"},
        ),
        (
            ["withdraw", "r1", "--reason", "Faux", "--personal-data", "--put-back"],
            "/releases/r1/decision",
            {"verdict": "withdrawn", "reason": "Faux", "motive": "personal_data", "put_back": True},
        ),
        (["pause", "voirie"], "/pause", {"scope": "voirie"}),
        (["resume"], "/resume", {"scope": "all"}),
        (["replay", "bancs"], "/replay", {"dataset": "bancs", "fetch": "kept"}),
        (["replay", "bancs", "--again"], "/replay", {"dataset": "bancs", "fetch": "again"}),
    ],
)
def test_acts(
    api: Callable[[Answer], list[httpx.Request]], call: list[str], path: str, body: dict[str, Any]
) -> None:
    """Each command asks for one act, and prints the answer as JSON when told to."""
    answer = {"dataset": "bancs", "datasets": ["bancs"], "change": "c0"}
    asked = api(lambda _: httpx.Response(200, json=answer))
    result = run(*call, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, answer)
    assert (asked[0].url.path, json.loads(asked[0].content)) == (path, body)
    assert run(*call).exit_code == 0
