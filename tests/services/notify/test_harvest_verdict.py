"""The verdict on a harvest, from what a real udata 17 said.

Its answers lie in `harvests/`; `tests/peers/record_harvests.py` makes them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.harvest_verdict import Finding, Promise, Seen, judge
from services.notify.own_feed import read_page
from services.notify.udata_api import HarvestSource, Item, RemoteDataset
from tests.services.publish.portal_town import PUBLIC

FOLDER = Path(__file__).with_name("harvests")
CASES = sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "feed")


class Case(NamedTuple):
    promise: Promise
    seen: Seen
    published_at: datetime
    organization: str

    def judge(self, *, overdue: bool = False) -> Finding | None:
        return judge(
            self.promise,
            self.seen,
            published_at=self.published_at,
            organization=self.organization,
            overdue=overdue,
        )

    def verdict(self) -> tuple[str, list[str]]:
        found = self.judge()
        assert found
        return found.verdict, [reason.code for reason in found.reasons]

    def with_files(self, **changes: Any) -> Case:
        """The portal's files changed."""
        dataset = self.seen.dataset
        assert dataset
        files = tuple(one.model_copy(update=changes) for one in dataset.resources)
        changed = dataset.model_copy(update={"resources": files})
        return self._replace(seen=replace(self.seen, dataset=changed))


@cache
def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def case(name: str) -> Case:
    told = read(name)
    feed = (FOLDER / "feed.json").read_text(encoding="utf-8").replace(PUBLIC, told["base"])
    promises: dict[str, Promise] = {}
    for page in json.loads(feed):
        promises |= read_page(page)[0]
    # The check reads the last job in full, too.
    seen = Seen(
        HarvestSource.model_validate(told["source"] | {"last_job": told["job"]}),
        tuple(Item.model_validate(one) for one in told["items"]["data"]),
        RemoteDataset.model_validate(told["dataset"]) if told["dataset"] else None,
    )
    moment = datetime.fromisoformat(told["published_at"])
    return Case(promises["bancs"], seen, moment, told["organization"])


VERDICTS = {
    "received": ("RECEIVED", ["harvest_received"]),
    "file_read": ("RECEIVED", ["harvest_received"]),
    "file_unreadable": ("FILE_UNREADABLE", ["harvest_file_unreadable"] * 2),
    "file_missing": ("RESOURCE_MISSING", ["harvest_file_missing"]),
    "file_left": ("RESOURCE_MISSING", ["harvest_file_left"]),
    "file_twice": ("DUPLICATED", ["harvest_file_twice"]),
    "page_2_fails": ("FAILED", ["harvest_run_failed"]),
    "page_2_redirects": ("FAILED", ["harvest_run_failed"]),
    "identifier_changed": ("NOT_IN_FEED", ["harvest_identifier_changed"]),
    "identifier_missing": ("NOT_IN_FEED", ["harvest_no_identifier"]),
    "identifier_twice": ("DUPLICATED", ["harvest_identifier_twice"]),
    "title_missing": ("SKIPPED", ["harvest_no_title"]),
    "dataset_missing": ("NOT_IN_FEED", ["harvest_not_in_feed"]),
    "dataset_archived": ("ARCHIVED", ["harvest_archived"]),
    "dataset_deleted": ("ARCHIVED", ["harvest_dataset_gone"]),
    "other_owner": ("OTHER_OWNER", ["harvest_other_owner"]),
    "not_accepted": ("JOB_NOT_RUN", ["harvest_source_not_accepted"]),
    "inactive": ("JOB_NOT_RUN", ["harvest_source_inactive"]),
}


def test_every_recording_is_judged() -> None:
    """No recorded case is left without an expectation."""
    assert set(VERDICTS) | {"not_run"} == set(CASES)


@pytest.mark.parametrize("name", sorted(VERDICTS))
def test_the_verdict(name: str) -> None:
    """What really happened is what is said, with its reasons."""
    assert case(name).verdict() == VERDICTS[name]


def test_a_broken_page_is_told_by_its_status() -> None:
    """Operations read what the portal got, and nothing else of its message."""
    for name, status in (("page_2_fails", "HTTP 502"), ("page_2_redirects", "HTTP 302")):
        found = case(name).judge()
        assert found
        assert [reason.detail for reason in found.reasons] == [status]


def test_a_run_that_breaks_off_takes_nothing_back() -> None:
    """What an earlier run had taken stays received when a later one fails."""
    told, failed = case("received"), case("page_2_fails").seen
    late = told._replace(seen=replace(failed, items=(), dataset=told.seen.dataset))
    assert late._replace(published_at=told.published_at).verdict()[0] == "RECEIVED"
    assert late._replace(seen=replace(late.seen, dataset=None)).verdict()[0] == "FAILED"


def test_a_run_that_has_not_been_is_waited_for() -> None:
    """Before its time is over there is no verdict; then the run is missed."""
    assert case("not_run").judge() is None
    found = case("not_run").judge(overdue=True)
    assert found
    assert (found.verdict, found.reasons[0].code) == ("JOB_NOT_RUN", "harvest_job_not_run")


def test_a_run_under_way_is_waited_for() -> None:
    """A run that has not ended says nothing yet; past the time it is stuck."""
    told = case("received")
    assert told.seen.source
    assert told.seen.source.last_job
    job = told.seen.source.last_job.model_copy(update={"status": "processing", "ended": None})
    source = told.seen.source.model_copy(update={"last_job": job})
    running = told._replace(seen=replace(told.seen, source=source))
    assert running.judge() is None
    late = running.judge(overdue=True)
    assert late
    assert (late.verdict, late.reasons[0].code) == ("JOB_NOT_RUN", "harvest_job_stuck")


def test_a_source_that_is_gone() -> None:
    """A source deleted on the portal can bring nothing: it is told at once."""
    told = case("received")
    gone = told._replace(seen=Seen(None))
    assert gone.verdict() == ("JOB_NOT_RUN", ["harvest_source_gone"])


def test_a_release_after_the_run_is_not_there_yet() -> None:
    """What the portal read before the release does not count for it."""
    told = case("received")
    assert told._replace(published_at=told.published_at + timedelta(hours=1)).judge() is None


def test_another_date_is_another_version() -> None:
    """The portal ran, but what it read bears another date than our feed."""
    told = case("received")
    late = replace(told.promise, modified=told.promise.modified + timedelta(days=1))
    verdict = told._replace(promise=late).verdict()
    assert verdict == ("RECEIVED_OLD_VERSION", ["harvest_old_version"])


@pytest.mark.parametrize("changes", [{"bytes": 1}, {"sha256": "0" * 64}])
def test_another_file_is_another_version(changes: dict[str, Any]) -> None:
    """Size and checksum that the portal holds are those of our feed, or it has an old version."""
    told = case("received")
    first, *others = told.promise.distributions
    promise = replace(told.promise, distributions=(replace(first, **changes), *others))
    verdict = told._replace(promise=promise).verdict()
    assert verdict == ("RECEIVED_OLD_VERSION", ["harvest_old_file"])


def test_another_organisation_is_not_ours() -> None:
    """A dataset that lies with somebody else is not received, even if all else is right."""
    verdict = case("received")._replace(organization="somebody").verdict()
    assert verdict == ("OTHER_OWNER", ["harvest_other_owner"])


def test_a_dataset_outside_our_own_feed() -> None:
    """Where our own feed does not hold it, no portal is to blame."""
    told = case("received")
    found = judge(None, told.seen, published_at=told.published_at)
    assert found
    assert (found.verdict, found.reasons[0].code) == ("NOT_IN_FEED", "harvest_not_in_own_feed")


def test_files_left_over_are_named() -> None:
    """A file that the feed gave once stays on the portal: received, and said."""
    told = case("received")
    promise = replace(told.promise, distributions=told.promise.distributions[:1])
    assert told._replace(promise=promise).verdict() == (
        "RECEIVED",
        ["harvest_received", "harvest_orphans"],
    )


def test_received_is_settled_once_the_crawler_has_read() -> None:
    """Until the portal's crawler has come, or the time is over, it is worth another look."""
    for name, overdue, settled in (
        ("received", False, False),
        ("received", True, True),
        ("file_read", False, True),
    ):
        found = case(name).judge(overdue=overdue)
        assert found
        assert found.settled is settled, (name, overdue)


def crawled(said: dict[str, Any], hours: int = 1) -> str:
    told = case("received")
    date = (told.published_at + timedelta(hours=hours)).astimezone(UTC)
    return told.with_files(extras=said | {"check:date": date.isoformat()}).verdict()[0]


@pytest.mark.parametrize(
    "said",
    [
        {"check:status": 503},
        {"check:timeout": True},
        {"check:available": False},
        {"check:error": "anything"},
        {"analysis:error": "File too large to download"},
        {"analysis:parsing:error": "csv_detective:…"},
    ],
)
def test_what_the_crawler_could_not_do(said: dict[str, Any]) -> None:
    """Each kind of failure counts; one from before the release says nothing of it."""
    assert crawled(said) == "FILE_UNREADABLE"
    assert crawled(said, hours=-1) == "RECEIVED"


WILD = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)
KEYS = st.sampled_from(["check:date", "check:status", "check:available", "analysis:error", "x"])


@given(st.dictionaries(KEYS, WILD))
def test_wild_extras_are_never_an_error(extras: dict[str, Any]) -> None:
    """Anybody may write extras: whatever they hold, there is a verdict."""
    assert case("received").with_files(extras=extras).verdict()[0] in (
        "RECEIVED",
        "FILE_UNREADABLE",
    )


@given(st.text(), st.sampled_from(["failed", "skipped", "pending"]))
def test_the_portals_words_are_not_passed_on(message: str, status: str) -> None:
    """Whatever the portal writes in prose, only words of ours are kept."""
    told = case("received")
    items = tuple(
        one.model_copy(update={"status": status, "errors": (*one.errors, _error(f"~{message}~"))})
        for one in told.seen.items
    )
    found = told._replace(seen=replace(told.seen, items=items)).judge()
    assert found
    assert found.verdict in ("FAILED", "SKIPPED")
    assert all("~" not in str(reason) for reason in found.reasons)


def _error(message: str) -> Any:
    return Item.model_validate({"status": "x", "errors": [{"message": message}]}).errors[0]
