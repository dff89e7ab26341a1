"""The passage on a real Kafka, PostgreSQL and MinIO: what a change does to what is public."""

from __future__ import annotations

import hashlib

import pytest

from shared.card import Card
from tests.cards import card
from tests.connected.stores import ON_EVERY_STORE, objects
from tests.connected.town import Town

pytestmark = ON_EVERY_STORE
A = "id;places\nB1;3\nB2;4\n"
B = "id;places\nB1;3\nB2;5\n"
# Twice as many rows: outside the bounds that the strategy sets.
MANY = "id;places\nB1;3\nB2;4\nB3;4\nB4;4\nB5;4\n"
PUBLIC_A, PUBLIC_B = (text.replace(";", ",").replace("\n", "\r\n") for text in (A, B))


@pytest.fixture
async def open_town(town: Town) -> Town:
    """A town that runs, with the benches declared and signed."""
    await town.start()
    await town.declare(card())
    return town


def news_of(town: Town) -> list[str]:
    return [kind for (kind,) in town.rows("select kind from notify.news order by at")]


async def test_a_change_becomes_open_data(open_town: Town) -> None:
    """What a domain system sends, a citizen downloads in every format; news and feed follow."""
    town = open_town
    sent = await town.send(A)
    await town.quiet()
    assert await town.ends(sent) == ["published"]
    base = "/datasets/bancs/bancs"
    assert await town.csv() == PUBLIC_A
    assert (await town.public(f"{base}.json")).json() == [
        {"id": "B1", "places": 3},
        {"id": "B2", "places": 4},
    ]
    assert (await town.public(f"{base}.parquet")).content[:4] == b"PAR1"
    assert "Bancs publics" in (await town.public("/datasets/bancs")).text
    assert "Public benches" in (await town.public("/en/datasets/bancs")).text
    assert "Bancs publics" in (await town.public("/news.atom")).text
    assert "Bancs publics" in (await town.public("/news.rss")).text
    assert "/datasets/bancs" in (await town.public("/catalog.ttl")).text
    assert news_of(town) == ["first"]


async def test_every_stage_writes_what_it_did(open_town: Town) -> None:
    """The ledger holds each stage's start and end of a change, and one end."""
    town = open_town
    sent = await town.send(A)
    await town.quiet()
    told = {
        (row["stage"], row["state"])
        for (row,) in town.rows(f"select body from publish.ledger where change = '{sent}'")
    }
    stages = ("ingest", "anonymize", "convert")
    assert told >= {(stage, state) for stage in stages for state in ("started", "done")}
    assert ("publish", "ended") in told
    assert len([one for one in told if one[1] == "ended"]) == 1


async def test_downloads_say_what_they_are(open_town: Town) -> None:
    """Stable addresses have type, length, dates, validators, ranges, and every origin may read."""
    town = open_town
    await town.send(A)
    await town.quiet()
    answer = await town.public("/datasets/bancs/bancs.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert int(answer.headers["content-length"]) == len(PUBLIC_A)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["last-modified"].endswith("GMT")
    again = await town.public(
        "/datasets/bancs/bancs.csv", headers={"If-None-Match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    part = await town.public("/datasets/bancs/bancs.csv", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.text) == (206, PUBLIC_A[:4])
    digest = hashlib.sha256(answer.content).hexdigest()
    assert town.rows("select sha256 from publish.files where name = 'bancs.csv'") == [(digest,)]


async def test_the_same_change_twice_is_done_once(open_town: Town) -> None:
    """An event sent twice has one end, one publication and one news item."""
    town = open_town
    address = town.source("a.csv", A)
    first = await town.announce("e1", address)
    second = await town.announce("e1", address)
    await town.quiet()
    assert first == second
    assert await town.ends(first) == ["published"]
    assert town.rows("select count(*) from publish.publications") == [(1,)]
    assert news_of(town) == ["first"]
    ends = "select count(*) from publish.ledger where body->>'state' = 'ended'"
    assert town.rows(ends) == [(1,)]


async def test_data_that_come_back_are_published_again(open_town: Town) -> None:
    """A, then B, then A again: three publications, and A is public in the end."""
    town = open_town
    ends, public = [], []
    for text in (A, B, A):
        sent = await town.send(text)
        await town.quiet()
        ends += await town.ends(sent)
        public.append(await town.csv())
    assert ends == ["published"] * 3
    assert public == [PUBLIC_A, PUBLIC_B, PUBLIC_A]
    assert news_of(town) == ["first", "update", "update"]


async def test_a_late_duplicate_changes_nothing(open_town: Town) -> None:
    """An old event that comes once more does not bring old data back."""
    town = open_town
    a, b = town.source("a.csv", A), town.source("b.csv", B)
    first = await town.announce("e1", a)
    await town.quiet()
    second = await town.announce("e2", b)
    await town.quiet()
    await town.announce("e1", a)
    await town.quiet()
    assert await town.ends(first, second) == ["published", "published"]
    assert await town.csv() == PUBLIC_B
    assert news_of(town) == ["first", "update"]


async def test_the_same_data_again_are_unchanged(open_town: Town) -> None:
    """A new event about the same bytes ends as unchanged: no release, no news."""
    town = open_town
    first = await town.send(A)
    await town.quiet()
    second = await town.send(A)
    await town.quiet()
    assert await town.ends(first, second) == ["published", "unchanged"]
    assert news_of(town) == ["first"]


async def test_unchanged_behind_a_waiting_release(open_town: Town) -> None:
    """What waits is superseded when the public data are confirmed; it cannot be approved any more."""
    town = open_town
    first = await town.send(A)
    await town.quiet()
    grown = await town.send(MANY)
    await town.quiet()
    [waiting] = await town.waiting()
    assert await town.ends(grown) == ["publish: waiting"]
    again = await town.send(A)
    await town.quiet()
    assert await town.ends(first, grown, again) == ["published", "superseded", "unchanged"]
    answer = await town.call("POST", f"/releases/{waiting}/decision", {"verdict": "approved"})
    assert answer.status_code == 409
    assert await town.csv() == PUBLIC_A


async def test_a_person_approves(open_town: Town) -> None:
    """A release that waits goes out when a person lets it, and the audit says who."""
    town = open_town
    await town.send(A)
    await town.quiet()
    grown = await town.send(MANY)
    await town.quiet()
    [waiting] = await town.waiting()
    reasons = [one["code"] for one in (await town.change(grown))["reasons"]]
    assert reasons == ["waits_row_change_within_bounds"]
    assert await town.csv() == PUBLIC_A
    await town.act(f"/releases/{waiting}/decision", {"verdict": "approved"})
    await town.quiet()
    assert await town.ends(grown) == ["published"]
    assert (await town.csv() or "").count("\r\n") == 6
    audit = (await town.call("GET", "/audit")).json()["audit"]
    assert [(one["actor"], one["act"]) for one in audit if one["subject"] == waiting] == [
        ("demo-responsable", "approved")
    ]


async def test_a_person_refuses(open_town: Town) -> None:
    """A refused release ends its change; a refusal without a reason is not taken."""
    town = open_town
    await town.send(A)
    await town.quiet()
    grown = await town.send(MANY)
    await town.quiet()
    [waiting] = await town.waiting()
    path = f"/releases/{waiting}/decision"
    assert (await town.call("POST", path, {"verdict": "refused"})).status_code == 422
    await town.act(path, {"verdict": "refused", "reason": "Doublons à la source."})
    await town.quiet()
    assert await town.ends(grown) == ["refused"]
    assert await town.csv() == PUBLIC_A


def narrower() -> Card:
    """The benches' card without their places: it shapes the data differently."""
    privacy = {
        "columns": {"id": "keep", "places": {"action": "drop", "ground": "security"}},
        "decided": {"by": "responsable open data", "date": "2026-03-01", "until": "2031-03-01"},
    }
    return card(privacy=privacy)


async def test_a_card_changed_under_way(town: Town) -> None:
    """Data made under an older card do not go out: the change runs again under the new one."""
    everything_but_convert = ("portal", "publish", "notify", "anonymize", "ingest")
    await town.start(*everything_but_convert)
    await town.declare(card())
    sent = await town.send(A)
    await town.quiet()
    assert await town.ends(sent) == ["anonymize: done"]
    await town.declare(narrower())
    await town.start("convert")
    await town.quiet()
    assert await town.ends(sent) == ["published"]
    assert await town.csv() == "id\r\nB1\r\nB2\r\n"
    revisions = town.rows("select revision, state from publish.publications order by revision")
    assert [state for _, state in revisions][-1] == "published"
    assert [state for _, state in revisions].count("published") == 1


async def test_a_stricter_policy(open_town: Town) -> None:
    """What a weaker one let out is gone at once, earlier releases too, and says why in both languages.
    The latest data are made anew and wait for a person, even where first releases go out by themselves;
    once approved they are followed by updates as ever.
    """
    town = open_town
    for text in (A, B):
        await town.send(text)
        await town.quiet()
    weak = [release for (release,) in town.rows("select release from publish.publications")]
    told = await town.act("/datasets", narrower().body())
    assert set(told["withdrawn"]) == set(weak)
    [reason] = told["reasons"]
    assert reason["code"] == "policy_tightened"
    assert reason["fr"] != reason["en"]
    versions = [f"/datasets/bancs/releases/{release}/bancs.csv" for release in weak]
    for address in ("/datasets/bancs/bancs.csv", *versions):
        assert (await town.public(address)).status_code in (404, 410)
    assert "/datasets/bancs" not in (await town.public("/catalog.ttl")).text
    # Signed: before, there is nothing that could be made anew.
    await town.declare(narrower())
    assert not await objects(town, "public")
    [waiting] = await town.waiting()
    assert waiting not in weak
    [(evidence,)] = town.rows("select evidence from publish.publications where state = 'waiting'")
    assert evidence["because"] == ["policy_tightened"]
    audit = (await town.call("GET", "/audit")).json()["audit"]
    kept = {one["subject"] for one in audit if one["detail"] == "policy_tightened"}
    assert kept == set(weak)
    await town.act(f"/releases/{waiting}/decision", {"verdict": "approved"})
    await town.quiet()
    assert await town.csv() == "id\r\nB1\r\nB2\r\n"
    await town.send(A.replace("B2", "B3"))
    await town.quiet()
    assert await town.csv() == "id\r\nB1\r\nB3\r\n"


async def test_a_policy_that_shows_more(open_town: Town) -> None:
    """Nothing that is public goes; the latest data are made anew, and a person looks first."""
    town = open_town
    await town.declare(narrower())
    await town.send(A)
    await town.quiet()
    assert "withdrawn" not in await town.act("/datasets", card().body())
    await town.declare(card())
    assert await town.csv() == "id\r\nB1\r\nB2\r\n"
    [waiting] = await town.waiting()
    await town.act(f"/releases/{waiting}/decision", {"verdict": "approved"})
    await town.quiet()
    assert await town.csv() == PUBLIC_A


async def test_withdrawal(open_town: Town) -> None:
    """A withdrawn release is gone from page, files, feed and bucket; only a person puts it back."""
    town = open_town
    sent = await town.send(A)
    await town.quiet()
    release = (await town.change(sent))["release"]
    await town.act(f"/releases/{release}/decision", {"verdict": "withdrawn", "reason": "Erreur."})
    gone = await town.public("/datasets/bancs/bancs.csv")
    assert gone.status_code in (404, 410)
    await town.quiet()
    assert not await objects(town, "public")
    # Nor any older version, or deletion mark, of it.
    assert town.buckets is None or not town.buckets.versions("public")
    assert "/datasets/bancs" not in (await town.public("/catalog.ttl")).text
    assert news_of(town) == ["first", "withdrawn"]
    assert "Erreur" not in (await town.public("/news.atom")).text
    again = await town.send(A)
    await town.quiet()
    assert await town.ends(again) == ["publish: waiting"]
    assert [one["code"] for one in (await town.change(again))["reasons"]] == [
        "waits_withdrawn_before"
    ]
    [waiting] = await town.waiting()
    await town.act(f"/releases/{waiting}/decision", {"verdict": "approved"})
    await town.quiet()
    assert await town.csv() == PUBLIC_A


async def test_withdrawal_with_nothing_to_put_back(open_town: Town) -> None:
    """That no release was public before keeps nothing public: it goes, and nothing comes instead."""
    town = open_town
    await town.send(A)
    await town.quiet()
    [(release,)] = town.rows("select release from publish.datasets")
    told = await town.act(
        f"/releases/{release}/decision",
        {"verdict": "withdrawn", "reason": "essai", "motive": "personal_data", "put_back": True},
    )
    assert "put_back" not in told
    assert told["breach"]
    await town.quiet()
    assert await town.csv() is None


async def test_pause_and_resume(open_town: Town) -> None:
    """A paused dataset publishes nothing; resumed, its latest change goes on."""
    town = open_town
    await town.send(A)
    await town.quiet()
    await town.act("/pause", {"scope": "bancs"})
    await town.quiet()
    held = await town.send(B)
    await town.quiet()
    assert await town.csv() == PUBLIC_A
    assert (await town.change(held))["end"] is None
    await town.act("/resume", {"scope": "bancs"})
    await town.quiet()
    assert await town.ends(held) == ["published"]
    assert await town.csv() == PUBLIC_B


async def test_an_undeclared_dataset_waits_for_its_card(town: Town) -> None:
    """What nobody declared is parked, and runs when the card comes."""
    await town.start()
    sent = await town.send(A)
    await town.quiet()
    assert await town.ends(sent) == ["ingest: parked"]
    await town.declare(card())
    await town.quiet()
    assert await town.ends(sent) == ["published"]


async def test_an_unsigned_policy_lets_nothing_pass(town: Town) -> None:
    """A card without a signature stops its data at anonymize; the signature lets them go."""
    await town.start()
    await town.declare(card(), signed=False)
    sent = await town.send(A)
    await town.quiet()
    assert await town.ends(sent) == ["anonymize: quarantined"]
    await town.declare(card())
    await town.quiet()
    assert await town.ends(sent) == ["published"]
