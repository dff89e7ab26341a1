"""What operators and people's programs see: the admin API, reconcile, health and metrics."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ecluse import reconcile as reconciling
from ecluse.reconcile import reconcile
from shared.policy_signature import new_key, sign_policy
from shared.settings import Settings
from tests.cards import card
from tests.connected.town import Town, eventually

A = "id;places\nB1;3\nB2;4\n"
MANY = "id;places\n" + "".join(f"B{n};4\n" for n in range(1, 9))


async def refused(town: Town, method: str, path: str, body: object, who: str) -> tuple[int, str]:
    answer = await town.call(method, path, body, who)
    return answer.status_code, answer.json()["refused"][0]["code"]


async def test_the_admin_api(town: Town) -> None:
    """Who may do what; every refusal has its status, its code and its texts."""
    await town.start("portal", "publish", "notify", "convert", "anonymize", "ingest")
    town.tokens["nobody"] = "a token that nobody has"
    body = card().body()
    assert await refused(town, "GET", "/datasets", None, "nobody") == (401, "token_unknown")
    assert await refused(town, "POST", "/datasets", body, "demo-sig") == (403, "not_allowed")
    wrong = body | {"frequency": "sometimes"}
    status, code = await refused(town, "POST", "/datasets", wrong, "demo-responsable")
    assert (status, code) == (422, "card_wrong")
    for path, content, expected in (
        ("/datasets", [], (400, "request_invalid")),
        ("/releases/r0/decision", {"verdict": "perhaps"}, (400, "request_invalid")),
        ("/releases/r0/decision", {"verdict": "approved"}, (404, "release_unknown")),
        ("/pause", {"scope": "nothing"}, (404, "dataset_unknown")),
        ("/pause", {}, (400, "request_invalid")),
        ("/replay", {"dataset": "bancs"}, (404, "dataset_unknown")),
        ("/datasets/bancs/signature", {}, (400, "request_invalid")),
    ):
        assert await refused(town, "POST", path, content, "demo-responsable") == expected, path
    assert await refused(town, "GET", "/changes/c0", None, "demo-sig") == (404, "change_unknown")
    await town.declare(card())
    await town.send(A)
    await town.quiet()
    await town.send(MANY)
    await town.quiet()
    [waiting] = await town.waiting()
    path = f"/releases/{waiting}/decision"
    for who in ("demo-sig", "demo-exploitation"):
        assert (await town.call("POST", path, {"verdict": "approved"}, who)).status_code == 403
    assert (await town.call("POST", "/pause", {"scope": "all"}, "demo-exploitation")).is_success
    inventory = (await town.call("GET", "/datasets")).json()["datasets"]
    assert [(one["dataset"], one["paused"]) for one in inventory] == [("bancs", True)]
    acts = {one["act"] for one in (await town.call("GET", "/audit")).json()["audit"]}
    assert acts >= {"declare", "sign", "pause"}


async def test_a_signature_of_somebody_else(town: Town) -> None:
    """A policy is put in force by a trusted key of the person who acts, and by nothing else."""
    await town.start("publish")
    await town.act("/datasets", card().body())
    today = datetime.now(UTC).date()
    for key, who, expected in (
        (new_key(), "demo-responsable", 422),
        (new_key(), "somebody", 403),
    ):
        signature = sign_policy(card(), key, who, today).model_dump(mode="json")
        answer = await town.call("POST", "/datasets/bancs/signature", signature)
        assert answer.status_code == expected, answer.text


async def test_reconcile_counts_everything(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """All adds up; a file that is gone or damaged, and a change that is lost, are named."""
    await town.start()
    await town.declare(card())
    await town.send(A)
    await town.quiet()
    await town.send(A)
    await town.quiet()
    account = await reconcile(town.settings, deep=True)
    assert account["ok"], account
    assert (account["announced"], account["ends"]) == (2, {"published": 1, "unchanged": 1})
    [csv] = (town.folder / "store" / "public").rglob("bancs.csv")
    whole = csv.read_bytes()
    csv.write_bytes(whole.replace(b"B1", b"B7"))
    assert (await reconcile(town.settings, deep=False))["ok"]
    deep = await reconcile(town.settings, deep=True)
    assert [one["what"] for one in deep["wrong"]] == ["file_damaged"]
    csv.unlink()
    gone = await reconcile(town.settings, deep=False)
    assert [one["what"] for one in gone["wrong"]] == ["file_missing"]
    csv.write_bytes(whole)
    await town.stop("publish")
    await town.announce("lost", "https://a.example/x.csv")
    fresh = await reconcile(town.settings, deep=True)
    assert (fresh["ok"], fresh["open"]) == (True, {"announced": 1})
    monkeypatch.setattr(reconciling, "UNDER_WAY", timedelta(0))
    lost = await reconcile(town.settings, deep=True)
    assert [one["what"] for one in lost["wrong"]] == ["change_lost"]


async def test_health_and_metrics(town: Town) -> None:
    """Every process says that it lives, that it is ready, and what it has done."""
    await town.start()
    await town.declare(card())
    await town.send(A)
    await town.quiet()
    ports = {name: getattr(town.settings, f"{name}_port") for name in PROCESSES}
    seen: dict[str, Any] = {}
    for name, port in ports.items():
        base = f"http://127.0.0.1:{port}"
        assert (await town.http.get(f"{base}/live")).text == "ok\n"
        ready = (await town.http.get(f"{base}/ready")).json()
        assert all(ready.values()), (name, ready)
        seen[name] = (await town.http.get(f"{base}/metrics")).text
    assert 'ecluse_stage_runs_total{outcome="done",stage="convert"}' in seen["convert"]
    assert "faststream_received_messages_total" in seen["publish"]
    assert "ecluse_time_to_publish_seconds_count" in seen["publish"]
    await town.stop("convert")
    assert (await town.call("GET", "/datasets")).is_success


PROCESSES = ("ingest", "anonymize", "convert", "publish", "notify", "portal_metrics")


async def test_not_ready_without_the_store(town: Town) -> None:
    """A process whose store is away says so, and which check fails."""
    away = town.settings.model_dump() | {
        "store": "s3",
        "s3_endpoint": "http://127.0.0.1:9",
        "s3_access_key": "a",
        "s3_secret_key": "b",
    }
    town.settings = Settings.model_validate(away)
    town.patience = 0
    with pytest.raises(AssertionError, match="not ready"):
        await town.start("convert")

    async def said() -> bool:
        try:
            answer = await town.http.get(f"http://127.0.0.1:{town.settings.convert_port}/ready")
        except httpx.TransportError:
            return False
        return answer.status_code == 503 and json.loads(answer.text)["store"] is False

    await eventually(said, "it does not say that the store is away")
