"""What a portal's dry run says against a dataset, from the JSON of its API."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from services.notify.harvest_verdict import Distribution, Promise
from services.notify.preview_verdict import judge_preview
from services.notify.udata_api import Preview, UdataApi
from shared.failures import SourceAway

URI = "https://data.ville.example/datasets/bancs"
PROMISE = Promise(
    name="bancs",
    identifier=URI,
    landing_page=URI,
    modified=datetime(2026, 3, 1, tzinfo=UTC),
    distributions=(
        Distribution(f"{URI}/bancs.csv", "csv", 10, "a" * 64),
        Distribution(f"{URI}/bancs.json", "json", 20, "b" * 64),
    ),
)
# As udata 17.18 answers `POST /api/1/harvest/source/preview/`, without what is not read.
ANSWER: dict[str, Any] = {
    "id": None,
    "status": "done",
    "errors": [],
    "items": [
        {
            "remote_id": URI,
            "status": "done",
            "errors": [],
            "dataset": {
                "license": "lov2",
                "resources": [
                    {"url": f"{URI}/bancs.csv", "filesize": 10,
                     "checksum": {"type": "sha256", "value": "a" * 64}, "extras": {}},
                    {"url": f"{URI}/bancs.json", "filesize": 20,
                     "checksum": {"type": "sha256", "value": "b" * 64}, "extras": {}},
                ],
            },
        }
    ],
}  # fmt: skip
Change = Callable[[dict[str, Any]], object]


def item(**fields: object) -> Change:
    return lambda told: told["items"][0].update(fields)


def dataset(**fields: object) -> Change:
    return lambda told: told["items"][0]["dataset"].update(fields)


def said(text: str) -> list[dict[str, str]]:
    return [{"message": text}]


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (lambda _: None, []),
        (lambda told: told.update(status="failed", errors=said("502 Server Error: for url: x")),
         [("preview_run_failed", "HTTP 502")]),
        (lambda told: told.update(status="failed", errors=said("Redirect (302) for x")),
         [("preview_run_failed", "HTTP 302")]),
        (lambda told: told.update(items=[]), [("preview_absent", None)]),
        (item(remote_id=f"{URI}-other"), [("preview_absent", None)]),
        # Without identifier nobody can tell which one it was; there is one alone.
        (item(remote_id=None, status="skipped", dataset=None), [("preview_skipped", None)]),
        (item(status="skipped", dataset=None), [("preview_skipped", None)]),
        (item(status="failed", dataset=None, errors=said("Item has another owner: x")),
         [("preview_refused", "owner")]),
        (item(status="failed", dataset=None, errors=said("ValidationError (title: x)")),
         [("preview_refused", "validation")]),
        (item(status="started", dataset=None), [("preview_refused", "unfinished")]),
        (dataset(license="notspecified"), [("preview_licence_unknown", None)]),
        (dataset(license=None), [("preview_licence_unknown", None)]),
        (lambda told: told["items"][0]["dataset"]["resources"].pop(),
         [("preview_file_dropped", "json")]),
        (lambda told: told["items"][0]["dataset"]["resources"][0].update(filesize=11),
         [("preview_file_dropped", "csv")]),
        (lambda told: told["items"][0]["dataset"]["resources"][0].update(checksum=None),
         [("preview_file_dropped", "csv")]),
    ],
)  # fmt: skip
def test_a_dry_run_is_judged(change: Change, reasons: list[tuple[str, str | None]]) -> None:
    """Empty when the next harvest would take the dataset as our feed means it; no text is passed on."""
    told = copy.deepcopy(ANSWER)
    change(told)
    found = judge_preview(PROMISE, Preview.model_validate(told))
    assert [(one.code, one.detail) for one in found] == reasons


async def test_a_preview_is_asked_for_in_the_organisations_name() -> None:
    """The feed's address, never with archiving; the key goes there alone."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=ANSWER)

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    found = await UdataApi("https://portal.example", http).preview(
        f"{URI}/catalog.ttl", "o1", "key"
    )
    assert judge_preview(PROMISE, found) == ()
    [request] = asked
    assert (request.method, request.url.path) == ("POST", "/api/1/harvest/source/preview/")
    assert request.headers["x-api-key"] == "key"
    body = httpx.Response(200, content=request.content).json()
    assert body == {
        "name": "Ecluse", "url": f"{URI}/catalog.ttl", "backend": "dcat", "autoarchive": False,
        "organization": "o1",
    }  # fmt: skip


@pytest.mark.parametrize("status", [401, 404, 503])
async def test_a_portal_that_does_not_try_is_asked_later(status: int) -> None:
    """No preview is no verdict."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json={}))
    api = UdataApi("https://portal.example", httpx.AsyncClient(transport=transport))
    with pytest.raises(SourceAway) as failure:
        await api.preview(f"{URI}/catalog.ttl", "o1", "key")
    assert failure.value.reasons[0].detail == f"HTTP {status}"
