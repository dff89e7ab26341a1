"""`POST /changes`: what is taken, under which identity, and what is said of what is not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from services.ingest.http_api import ChangesApi
from shared.event_parts import CardRef
from shared.events import CatalogDataset, DatasetChanged
from shared.failures import OursAway
from shared.identity import Identities, token_digest
from shared.ids import change_id
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store, open_store
from tests.cards import card

A = b"id;places\nB1;3\n"
SIG = {"Authorization": "Bearer sig-token"}


class Endpoint:
    """The endpoint, with what it sent in `sent`."""

    def __init__(self, folder: Path, **more: object) -> None:
        told = {"store": str(folder / "store"), "spool": folder, "upload_max_bytes": 1000}
        self.settings = Settings.model_validate(told | more)
        self.store: Store = open_store(self.settings, "ingest")
        self.sent: list[tuple[DatasetChanged, str, str]] = []
        self.away = False
        identities = Identities.model_validate(
            {
                "identities": [
                    {
                        "name": name,
                        "token_sha256": token_digest(f"{name}-token"),
                        "roles": [role],
                        "domains": domains,
                    }
                    for name, role, domains in (
                        ("sig", "sender", ["espaces-verts"]),
                        ("voirie", "sender", ["voirie"]),
                        ("dpo", "dpo", []),
                    )
                ]
            }
        )
        chosen = card()
        ref = CardRef(digest=chosen.digest(), shaping=chosen.shaping_digest(), revision=1)
        cards = {
            "bancs": CatalogDataset(
                dataset="bancs", domain="espaces-verts", card=ref, body=chosen.body()
            )
        }
        api = ChangesApi(self.settings, identities, self.store, cast(Any, cards), self.send)
        self.client = TestClient(Starlette(routes=api.routes()))

    async def send(self, change: DatasetChanged, event_id: str, source: str) -> None:
        if self.away:
            raise OursAway(Reason(code="broker_away"))
        self.sent.append((change, event_id, source))

    def post(self, content: bytes = A, query: str = "?dataset=bancs", **named: str) -> Any:
        told = (
            SIG | {"Content-Type": "text/csv"} | {n.replace("_", "-"): v for n, v in named.items()}
        )
        return self.client.post(f"/changes{query}", content=content, headers=told)


@pytest.fixture
def endpoint(tmp_path: Path) -> Endpoint:
    return Endpoint(tmp_path)


async def test_a_file(endpoint: Endpoint) -> None:
    """The bytes lie in `drop` before the event is sent; the event holds their address alone."""
    answer = endpoint.post(Idempotency_Key="mars")
    assert answer.status_code == 202
    [(change, event_id, source)] = endpoint.sent
    assert (event_id, source) == ("mars", "urn:ecluse:sender:sig")
    assert answer.json()["change"] == change_id(source, event_id)
    assert answer.headers["location"].endswith(answer.json()["change"])
    assert change.address
    key = change.address.removeprefix("drop:///")
    assert await endpoint.store.get("drop", key) == A
    assert b"B1" not in change.model_dump_json().encode()


def test_the_same_key_is_the_same_change(endpoint: Endpoint) -> None:
    """Sent again after a time-out, it is not a second change; without a key it is."""
    told = [endpoint.post(Idempotency_Key="mars").json()["change"] for _ in range(2)]
    others = [endpoint.post().json()["change"] for _ in range(2)]
    assert told[0] == told[1]
    assert others[0] != others[1]


async def test_the_first_file_of_a_key_counts(endpoint: Endpoint) -> None:
    """Another one under the same key is refused, and changes nothing (S30)."""
    first = endpoint.post(Idempotency_Key="mars")
    again = endpoint.post(Idempotency_Key="mars")
    other = endpoint.post(A + b"B2;4\n", Idempotency_Key="mars")
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert other.json()["refused"][0]["code"] == "id_conflict"
    assert len(endpoint.sent) == 2
    assert endpoint.sent[0][0].address == endpoint.sent[1][0].address
    key = str(endpoint.sent[0][0].address).removeprefix("drop:///")
    assert await endpoint.store.get("drop", key) == A
    # A key is its sender's own.
    assert endpoint.post(A + b"B2;4\n", Idempotency_Key="avril").status_code == 202


@pytest.mark.parametrize("kind", [b"text/csv", b"application/json"])
async def test_who_sends_nothing_more_is_not_waited_for(tmp_path: Path, kind: bytes) -> None:
    """A body that stands still ends with 408, and leaves nothing on the spool (S35)."""
    endpoint = Endpoint(tmp_path, source_patience_seconds=0.01)
    said: list[Any] = []
    parts = [{"type": "http.request", "body": A[:5], "more_body": True}]

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/changes", "query_string": b"dataset=bancs",
        "headers": [(b"authorization", b"Bearer sig-token"), (b"content-type", kind)],
    }  # fmt: skip
    await endpoint.client.app(scope, receive, send)
    assert said[0]["status"] == 408
    assert b"upload_too_slow" in said[1]["body"]
    assert endpoint.sent == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"dataset": "bancs", "address": "https://a.example/b.csv", "id": "e1"}, {}),
        (
            {
                "specversion": "1.0",
                "id": "e1",
                "source": "urn:x",
                "type": "fr.ecluse.dataset.changed.v1",
                "subject": "bancs",
                "data": {"address": "https://a.example/b.csv"},
            },
            {"Content-Type": "application/cloudevents+json"},
        ),
        ({"address": "https://a.example/b.csv"}, {"ce-id": "e1", "ce-subject": "bancs"}),
    ],
    ids=["plain", "structured", "binary"],
)
def test_an_announcement(endpoint: Endpoint, body: dict[str, Any], named: dict[str, str]) -> None:
    """Plain JSON or a CloudEvent in either mode; the source is who sent it, whatever it says."""
    headers = SIG | {"Content-Type": "application/json"} | named
    answer = endpoint.client.post("/changes", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    [(change, event_id, source)] = endpoint.sent
    assert (change.dataset, change.address) == ("bancs", "https://a.example/b.csv")
    assert (event_id, source) == ("e1", "urn:ecluse:sender:sig")


@pytest.mark.parametrize(
    ("named", "status", "code"),
    [
        ({"Authorization": ""}, 401, "token_unknown"),
        ({"Authorization": "Bearer other"}, 401, "token_unknown"),
        ({"Authorization": "Bearer voirie-token"}, 403, "not_allowed"),
        ({"Authorization": "Bearer dpo-token"}, 403, "not_allowed"),
        ({"Idempotency-Key": "a b"}, 422, "request_invalid"),
    ],
)
def test_who_may_not(endpoint: Endpoint, named: dict[str, str], status: int, code: str) -> None:
    """Nobody, another domain's sender, one who only reads: refused, in both languages."""
    told = {name.replace("-", "_"): value for name, value in named.items()}
    answer = endpoint.post(A, "?dataset=bancs", **told)
    assert answer.status_code == status
    [refused] = answer.json()["refused"]
    assert refused["code"] == code
    assert refused["fr"]
    assert refused["en"]
    assert not endpoint.sent


@pytest.mark.parametrize(
    ("content", "query", "kind", "status"),
    [
        (b"", "?dataset=bancs", "text/csv", 422),
        (b"x" * 1001, "?dataset=bancs", "text/csv", 413),
        (A, "", "text/csv", 422),
        (A, "?dataset=Bancs", "text/csv", 422),
        (A, "?dataset=bancs&kind=often", "text/csv", 422),
        (b"{", "", "application/json", 422),
        (b"[]", "", "application/json", 422),
        (b"[" * 5000, "", "application/json", 422),
        (b"x" * 70_000, "", "application/json", 413),
        (b'{"dataset": "bancs", "canari-7431": 1}', "", "application/json", 422),
        (b'{"dataset": "canari-7431 x"}', "", "application/json", 422),
    ],
)
def test_what_is_not_taken(
    endpoint: Endpoint, content: bytes, query: str, kind: str, status: int
) -> None:
    """Each is refused with a plain text that quotes nothing, and nothing is sent."""
    answer = endpoint.post(content, query, Content_Type=kind)
    assert answer.status_code == status, answer.text
    assert "canari" not in answer.text
    assert not endpoint.sent


def test_the_broker_is_away(endpoint: Endpoint) -> None:
    """Try again: 503."""
    endpoint.away = True
    assert endpoint.post().status_code == 503


def test_an_undeclared_dataset_is_taken(endpoint: Endpoint) -> None:
    """It is parked later, not lost here."""
    assert endpoint.post(query="?dataset=haies").status_code == 202
