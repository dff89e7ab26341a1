"""`POST /changes`: events that contradict themselves, files at the limit, what an answer tells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from services.ingest.change_record import take_up
from services.ingest.http_api import ChangesApi
from services.ingest.keep_source import keep_source
from shared.envelope import Received
from shared.event_parts import CardRef
from shared.events import CatalogDataset, DatasetChanged
from shared.failures import OursAway
from shared.identity import Identities, token_digest
from shared.ids import change_id
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store, open_store
from tests.cards import card

DATA = b"id;places\nB1;3\n"
LIMIT = 1000
ADDRESS = "https://a.example/b.csv"
EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": "urn:x",
    "type": "fr.ville.dataset.changed.v1",
    "subject": "bancs",
    "data": {"address": ADDRESS},
}


class Door:
    """The endpoint with in-memory stand-ins: what was sent, and what lay in `drop` by then."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings.model_validate(
            {"store": str(folder / "store"), "spool": folder, "upload_max_bytes": LIMIT}
        )
        self.store: Store = open_store(self.settings, "ingest")
        self.sent: list[tuple[DatasetChanged, str, str]] = []
        self.dropped_before: list[int] = []
        self.away = False
        identities = Identities.model_validate(
            {
                "identities": [
                    {
                        "name": "sig",
                        "token_sha256": token_digest("sig-token"),
                        "roles": ["sender"],
                        "domains": ["espaces-verts"],
                    }
                ]
            }
        )
        ref = CardRef(digest="0" * 64, shaping="1" * 64, revision=1)
        cards = {
            name: CatalogDataset(dataset=name, domain=domain, card=ref, body={})
            for name, domain in (("bancs", "espaces-verts"), ("trous", "voirie"))
        }
        api = ChangesApi(self.settings, identities, self.store, cast(Any, cards), self._send)
        self.client = TestClient(Starlette(routes=api.routes()))

    async def _send(self, change: DatasetChanged, event_id: str, source: str) -> None:
        if self.away:
            raise OursAway(Reason(code="broker_away"))
        self.dropped_before.append(len([one async for one in self.store.list("drop")]))
        self.sent.append((change, event_id, source))

    def post(self, content: bytes | dict[str, Any], query: str = "", /, **headers: str) -> Any:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        told = {"Authorization": "Bearer sig-token", "Content-Type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/changes{query}", content=body, headers=told)

    def refusal(self, *call: Any, **headers: str) -> tuple[int, str, str]:
        answer = self.post(*call, **headers)
        [reason] = answer.json()["refused"]
        assert reason["fr"]
        assert self.sent == []
        return answer.status_code, reason["code"], reason["en"]


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


@pytest.mark.parametrize(
    "kind", ["fr.ville.dataset.changed.v1", "fr.ecluse.dataset.changed.v1", "dataset.changed.v1"]
)
def test_a_citys_own_type(door: Door, kind: str) -> None:
    """A city may write its own reverse domain before the event's name; it has to write one."""
    status = door.post(EVENT | {"type": kind}).status_code
    assert status == (422 if kind.startswith("dataset") else 202)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"specversion": "2.0"}, "specversion"),
        ({"specversion": None}, "specversion"),
        ({"type": "fr.ville.dataset.changed.v2"}, "type"),
        ({"type": "fr.ville.dataset.deleted.v1"}, "type"),
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"id": "two words"}, "id"),
        ({"subject": "bancs", "data": {"dataset": "haies"}}, "subject"),
        ({"subject": "Bancs publics"}, "dataset"),
        ({"subject": 7}, "dataset"),
        ({"data": ADDRESS}, "data"),
        ({"data": [1]}, "data"),
        ({"data_base64": "eA=="}, "data_base64"),
        ({"data": {"adress": ADDRESS}}, "unknown field"),
        ({"data": {"address": "x" * 2049}}, "address"),
        ({"data": {"kind": "often"}}, "kind"),
        ({"data": {"rerun": {"change": "c"}}}, "unknown field"),
    ],
)
def test_an_event_that_is_not_one(door: Door, changed: dict[str, Any], named: str) -> None:
    """What an event says and would be passed over in silence is refused, and named."""
    status, code, text = door.refusal(EVENT | changed)
    assert (status, code) == (422, "request_invalid")
    assert named in text


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_subject": "haies"},
        {"ce_specversion": "0.3"},
        {"ce_type": "fr.ville.dataset.changed.v9"},
    ],
)
def test_a_binary_event_that_is_not_one(door: Door, headers: dict[str, str]) -> None:
    """The same holds for attributes in headers."""
    told = {"ce_id": "e1", "ce_subject": "bancs"} | headers
    assert door.refusal({"dataset": "bancs", "address": ADDRESS}, **told)[:2] == (
        422,
        "request_invalid",
    )


def test_an_event_in_headers(door: Door) -> None:
    """Complete and consistent, it is taken under its own id."""
    told = {"ce_id": "e1", "ce_subject": "bancs", "ce_type": EVENT["type"], "ce_specversion": "1.0"}
    assert door.post({"address": ADDRESS}, **cast(dict[str, str], told)).status_code == 202
    assert door.sent == [
        (DatasetChanged(dataset="bancs", address=ADDRESS), "e1", "urn:ecluse:sender:sig")
    ]


def test_an_event_without_data(door: Door) -> None:
    """It says that the dataset changed; the card knows where."""
    body = {name: value for name, value in EVENT.items() if name != "data"}
    assert door.post(body).status_code == 202
    assert door.sent[0][0].address is None


@pytest.mark.parametrize("content", [EVENT | {"subject": "trous"}, {"dataset": "trous"}])
def test_another_domains_dataset(door: Door, content: dict[str, Any]) -> None:
    """403, whichever way the dataset is named."""
    assert door.refusal(content)[:2] == (403, "not_allowed")


def test_who_one_has_to_be(door: Door) -> None:
    """401 says which kind of token is asked for (RFC 9110)."""
    answer = door.post(EVENT, Authorization="Basic c2lnOnNpZw==")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1])
async def test_files_at_the_limit(door: Door, size: int) -> None:
    """One byte too many is refused, told as a matter of the file, and leaves nothing behind."""
    answer = door.post(b"x" * size, "?dataset=bancs", Content_Type="text/csv")
    there = [one.bytes async for one in door.store.list("drop")]
    if size <= LIMIT:
        assert (answer.status_code, there) == (202, [size])
    else:
        assert (answer.status_code, there, door.sent) == (413, [], [])
        [reason] = answer.json()["refused"]
        assert reason["code"] == "source_too_large"
        assert str(LIMIT) in reason["en"]
    assert not [path for path in door.settings.spool.iterdir() if path.name != "store"]


@pytest.mark.parametrize("size", [64 * 1024, 64 * 1024 + 1])
def test_json_at_the_limit(door: Door, size: int) -> None:
    """A JSON body carries an address; one that is longer carries something else."""
    body = json.dumps({"dataset": "bancs"}).encode()
    answer = door.post(body + b" " * (size - len(body)))
    assert answer.status_code == (202 if size == 64 * 1024 else 413)


def test_the_file_is_there_before_the_event(door: Door) -> None:
    """Whoever reads the event finds the bytes."""
    door.post(DATA, "?dataset=bancs", Content_Type="text/csv; charset=utf-8")
    assert door.dropped_before == [1]


async def test_a_file_that_came_by_http_reaches_raw(door: Door, tmp_path: Path) -> None:
    """Its address is one that ingest can follow, and it leaves `drop` then."""
    door.post(DATA, "?dataset=bancs", Content_Type="text/csv", Idempotency_Key="mars/2026?#%")
    [(change, event_id, source)] = door.sent
    at = Received("dataset.changed", 0, 1, cast(Any, None), event_id, source, None)
    run = await take_up(change, at, door.store, 0)
    found = await keep_source(run, card(), tmp_path, door.settings, door.store)
    assert found.path.read_bytes() == DATA
    assert [one.key async for one in door.store.list("drop")] == []


def test_the_broker_is_away(door: Door) -> None:
    """503 and nothing was sent; the same key later is the same change."""
    door.away = True
    call = (DATA, "?dataset=bancs")
    told = {"Content_Type": "text/csv", "Idempotency_Key": "mars"}
    assert door.refusal(*call, **told)[:2] == (503, "broker_away")
    door.away = False
    assert door.post(*call, **told).status_code == 202
    assert [event_id for _, event_id, _ in door.sent] == ["mars"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xfe{", "application/json"),
        (b'{"dataset": canari}', "application/json"),
        (b'{"dataset": "canari espece"}', "application/json"),
        (b'{"canari": 1}', "application/json"),
        (b"--x\r\ncanari\r\n--x--", "multipart/form-data; boundary=x"),
        (b"canari", "text/html"),
        (b'{"dataset": 1' + b"0" * 5000 + b"}", "application/json"),
        (b"{" + b'"a":{' * 3000, "application/json"),
        (b'{"dataset": "\\ud800"}', "application/json"),
    ],
)
def test_a_refusal_quotes_nothing(door: Door, body: bytes, kind: str) -> None:
    """Whatever came in, the answer is JSON with our own words alone."""
    answer = door.post(body, Content_Type=kind)
    assert answer.status_code == 422
    assert "canari" not in answer.text
    assert answer.json()["refused"][0]["code"] == "request_invalid"


def test_other_methods(door: Door) -> None:
    """One method, and no listing."""
    assert door.client.get("/changes").status_code == 405


# --- PUT /datasets/<id>/file -------------------------------------------------------------------------


def put(door: Door, content: bytes, dataset: str = "bancs", **named: str) -> Any:
    told = {"Authorization": "Bearer sig-token"} | {
        name.replace("_", "-"): value for name, value in named.items()
    }
    return door.client.put(f"/datasets/{dataset}/file", content=content, headers=told)


@pytest.mark.parametrize("kind", ["application/geo+json", "text/csv", "application/json", ""])
async def test_a_file_put(door: Door, kind: str) -> None:
    """Any media type is a file here, JSON too: its format is found in its content."""
    named = {"Content_Type": kind} if kind else {}
    answer = put(door, DATA, Idempotency_Key="mars", **named)
    assert answer.status_code == 202
    [(change, event_id, source)] = door.sent
    assert (change.dataset, event_id, source) == ("bancs", "mars", "urn:ecluse:sender:sig")
    assert answer.json()["change"] == change_id(source, event_id)
    assert answer.headers["location"].endswith(f"/changes/{answer.json()['change']}")
    assert change.address is not None
    assert await door.store.get("drop", change.address.removeprefix("drop:///")) == DATA


def test_puts_that_are_refused(door: Door) -> None:
    """No token, another domain's dataset, no dataset's name, nothing in it, too much."""
    assert door.client.put("/datasets/bancs/file", content=DATA).status_code == 401
    assert put(door, DATA, "trous").status_code == 403
    assert put(door, DATA, "Bancs%20publics").status_code == 422
    assert put(door, b"").status_code == 422
    assert put(door, b"x" * (LIMIT + 1)).status_code == 413
    assert door.client.get("/datasets/bancs/file").status_code == 405
    assert door.sent == []


def test_the_same_file_put_twice(door: Door) -> None:
    """PUT again with the same key is the same change."""
    told = [put(door, DATA, Idempotency_Key="mars").json()["change"] for _ in range(2)]
    assert told[0] == told[1]
