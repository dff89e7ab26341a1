"""Records what a real udata says of harvests that go well or badly.

`python -m tests.peers.record_harvests` writes, beside the tests that read them, our own feed
(`feed.json`, JSON-LD) and one file a case: what the API answers to anybody who asks about the dataset
`bancs` (`source`, `job`, `items`, `dataset`). To be run again when udata's version changes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.peers.altered_feed import (
    Alter,
    AlteredFeed,
    broken,
    renamed,
    untouched,
    without_dataset,
    without_file,
    without_identifier,
    without_title,
)
from tests.peers.udata_server import Udata
from tests.services.publish.portal_town import CSV, PUBLIC, Memory, dataset, file

FOLDER = Path(__file__).parents[1] / "services" / "notify" / "harvests"
JSON = b'[{"id":"B1","places":3}]'
NAMES = ("adresses", "bancs")


class Case:
    """One city, registered at the portal as it should be."""

    def __init__(self, name: str, udata: Udata, stack: ExitStack) -> None:
        self.name, self.udata = name, udata
        # udata knows a URI wherever it comes from: each case has its own.
        self.base = PUBLIC.replace("data.", f"{name.replace('_', '-')}.")
        files = {
            file(f"{one}.{form}", dataset=one, key=f"{one}.{form}", content=content): content
            for one in NAMES
            for form, content in (("csv", CSV), ("json", JSON))
        }
        held = {replace(one, bytes=len(content)): content for one, content in files.items()}
        self._memory = Memory([dataset(one) for one in NAMES], held)
        self.feed = stack.enter_context(AlteredFeed(self.base, lambda page: self.page(page, "ttl")))
        self.node = f"{self.base}/datasets/bancs"
        self.organization = udata.make_organization(f"Ville {name}")
        self.source = ""
        self.published_at = datetime.now(UTC)

    def page(self, number: int, suffix: str) -> str:
        """A page of this case's feed."""
        answer = self._memory.client(page_size=1).get(f"/catalog.{suffix}?page={number}")
        return str(answer.text).replace(PUBLIC, self.base)

    def register(self, **options: Any) -> None:
        self.source = self.udata.make_source(self.organization, self.feed.url, **options)

    def run(self, alter: Alter = untouched) -> None:
        """A harvest after which the city publishes no more."""
        self.feed.alter = alter
        if not self.source:
            self.register()
        self.published_at = datetime.now(UTC)
        self.udata.harvest(self.source)

    def dataset(self) -> str:
        """The id of `bancs` at the portal; empty if it does not have it."""
        listed = f"/api/1/datasets/?organization={self.organization}&page_size=100"
        found = [
            str(one["id"])
            for one in self.udata.call("GET", listed)["data"]
            if one["harvest"]["remote_id"] == self.node
        ]
        return found[0] if found else ""

    def record(self, dataset: str) -> None:
        source = self.udata.public(f"/api/1/harvest/source/{self.source}/")
        job = source["last_job"]
        items = f"/api/1/harvest/job/{job['id']}/items/?page=1&page_size=200" if job else ""
        kept = {
            "base": self.base,
            "published_at": self.published_at.isoformat(),
            "organization": self.organization,
            "source": source,
            "job": self.udata.public(f"/api/1/harvest/job/{job['id']}/") if job else None,
            "items": self.udata.public(items) if items else {"data": []},
            "dataset": self.udata.public(f"/api/1/datasets/{dataset}/") if dataset else None,
        }
        _write(self.name, kept)


def _write(name: str, kept: object) -> None:
    text = json.dumps(kept, ensure_ascii=False, indent=1, sort_keys=True)
    (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def received(case: Case) -> None:
    case.run()


def not_run(case: Case) -> None:
    case.register()  # which runs it once
    case.published_at = datetime.now(UTC)


def not_accepted(case: Case) -> None:
    body = case.udata.source(case.organization, case.feed.url)
    case.source = case.udata.call("POST", "/api/1/harvest/sources/", body)["id"]


def inactive(case: Case) -> None:
    case.register()
    case.udata.call("PUT", f"/api/1/harvest/source/{case.source}/", {"active": False})
    case.published_at = datetime.now(UTC)


def page_2_fails(case: Case) -> None:
    case.run(broken(2, 502))


def page_2_redirects(case: Case) -> None:
    case.run(broken(2, 302, f"{case.feed.url}?page=1"))


def identifier_changed(case: Case) -> None:
    case.run()
    case.run(renamed(case.node, f"{case.node}-2"))


def identifier_missing(case: Case) -> None:
    case.run(without_identifier(case.node))


def identifier_twice(case: Case) -> None:
    case.run(renamed(f"{case.base}/datasets/adresses", case.node))


def title_missing(case: Case) -> None:
    case.run(without_title(case.node))


def file_missing(case: Case) -> None:
    case.run(without_file(case.node, "json"))


def file_left(case: Case) -> None:
    case.run()
    case.run(without_file(case.node, "json"))


def dataset_missing(case: Case) -> None:
    case.run(without_dataset(case.node))


def dataset_archived(case: Case) -> None:
    case.register(autoarchive=True)
    case.run()
    case.run(without_dataset(case.node))


def dataset_deleted(case: Case) -> str:
    case.run()
    found = case.dataset()
    case.udata.call("DELETE", f"/api/1/datasets/{found}/")
    return found


def other_owner(case: Case) -> None:
    other = case.udata.make_organization("Another city")
    case.udata.harvest(case.udata.make_source(other, f"{case.feed.url}?page=2"))
    case.run()


def file_twice(case: Case) -> None:
    case.run()
    body = {
        "title": "Again",
        "type": "main",
        "filetype": "remote",
        "format": "csv",
        "url": f"{case.node}/bancs.csv",
    }
    case.udata.call("POST", f"/api/1/datasets/{case.dataset()}/resources/", body)


def file_unreadable(case: Case) -> None:
    _crawled(case, {"check:available": False, "check:status": 404})


def file_read(case: Case) -> None:
    _crawled(case, {"check:available": True, "check:status": 200})


def _crawled(case: Case, said: dict[str, Any]) -> None:
    """What the crawler (udata-hydra) writes of each file, by the API that it uses."""
    case.run()
    found = case.dataset()
    for one in case.udata.public(f"/api/1/datasets/{found}/")["resources"]:
        path = f"/api/2/datasets/{found}/resources/{one['id']}/extras/"
        case.udata.call("PUT", path, said | {"check:date": datetime.now(UTC).isoformat()})


CASES: tuple[Callable[[Case], str | None], ...] = (
    received, not_run, not_accepted, inactive, page_2_fails, page_2_redirects, identifier_changed,
    identifier_missing, identifier_twice, title_missing, file_missing, file_left, dataset_missing,
    dataset_archived, dataset_deleted, other_owner, file_twice, file_unreadable, file_read,
)  # fmt: skip


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        Udata(Path(folder)) as udata,
        ExitStack() as stack,
    ):
        for act in CASES:
            case = Case(act.__name__, udata, stack)
            known = act(case)
            case.record(known or case.dataset())
        case.base = PUBLIC
        _write("feed", [json.loads(case.page(number, "jsonld")) for number in (1, 2)])


if __name__ == "__main__":
    main()
