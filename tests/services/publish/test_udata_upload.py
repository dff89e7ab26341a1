"""A file's bytes to udata: which forms are sent, and what is known of them afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publish.portals import compare
from services.publish.portals import udata_answers as answers
from services.publish.portals import udata_upload as uploads
from services.publish.portals import udata_words as words
from services.publish.portals.connector import Fields, Ids, Seen, Wanted
from services.publish.portals.udata_upload import Form, in_parts, upload
from services.publish.portals.wanted import make_wanted
from shared.failures import Quarantined
from tests.cards import card
from tests.services.publish.test_udata_words import KNOWN, Publication

CSV = b"id;places\nB1;3\n"
HOSTS = words.Known(**{**vars(KNOWN), "hosts": {"csv"}})
URI = "http://ville.example/datasets/bancs#csv"


def wanted(*forms: str) -> Wanted:
    made = Publication()
    made.files = tuple(
        {"role": "data", "format": form, "name": f"bancs.{form}", "media_type": "text/csv",
         "bytes": len(CSV), "sha256": hashlib.sha256(CSV).hexdigest(), "bucket": "staged",
         "key": "x", "rows": 1}
        for form in forms
    )  # type: ignore[assignment]  # fmt: skip
    return make_wanted(card(), made, "http://ville.example")


async def stream(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Portal:
    """Keeps what is sent; its answers can be set."""

    def __init__(self, content: bytes = CSV) -> None:
        self.said: list[tuple[str, int]] = []
        self.forms: list[Form] = []
        self.answer: Fields = {
            "filesize": len(content),
            "checksum": {"type": "sha1", "value": hashlib.sha1(content).hexdigest()},
        }

    async def send(self, form: Form) -> Fields:
        self.forms.append(form)
        return self.answer

    async def announce(self, sha1: str) -> None:
        self.said.append((sha1, len(self.forms)))


@given(st.lists(st.binary(max_size=9)), st.integers(min_value=1, max_value=5))
async def test_parts_are_the_same_bytes_and_none_is_larger(parts: list[bytes], size: int) -> None:
    """However the store gives them; all of one size but the last; no bytes are one empty part."""
    made = [part async for part in in_parts(stream(*parts), size)]
    assert b"".join(made) == b"".join(parts)
    assert all(len(part) == size for part in made[:-1])
    assert made
    assert len(made[-1]) <= size
    assert len(made) == max(-(-len(b"".join(parts)) // size), 1)


async def test_a_small_file_is_one_form() -> None:
    """Under its own name and type; the SHA-1 is told before it is sent."""
    [one] = wanted("csv").files
    portal = Portal()
    await upload(one, stream(CSV[:3], CSV[3:]), portal.send, portal.announce)
    assert portal.forms == [{"files": {"file": ("bancs.csv", CSV, "text/csv")}}]
    assert portal.said == [(hashlib.sha1(CSV).hexdigest(), 0)]


async def test_a_large_file_goes_in_parts_and_is_put_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One identifier; indices from 0 with their offsets; the last form has no file."""
    monkeypatch.setattr(uploads, "PART", 6)
    [one] = wanted("csv").files
    portal = Portal()
    await upload(one, stream(CSV), portal.send, portal.announce)
    *parts, last = portal.forms
    assert b"".join(form["files"]["file"][1] for form in parts) == CSV
    data = [form["data"] for form in portal.forms]
    assert [(one["partindex"], one["partbyteoffset"], one["chunksize"]) for one in data[:-1]] == [
        ("0", "0", "6"),
        ("1", "6", "6"),
        ("2", "12", "3"),
    ]
    assert "files" not in last
    assert data[-1] == {
        "uuid": data[0]["uuid"],
        "filename": "bancs.csv",
        "totalfilesize": "15",
        "totalparts": "3",
    }
    assert [place for _, place in portal.said] == [3]
    again = Portal()
    await upload(one, stream(CSV), again.send, again.announce)
    assert again.forms[0]["data"]["uuid"] != data[0]["uuid"]


async def test_other_bytes_at_the_portal_stop_the_delivery() -> None:
    """A size or checksum that is not the file's is said, and is no arrival."""
    [one] = wanted("csv").files
    portal = Portal(b"something else.")
    with pytest.raises(Quarantined) as stopped:
        await upload(one, stream(CSV), portal.send, portal.announce)
    assert stopped.value.reasons[0].code == "portal_file_wrong"


def test_what_the_portal_does_not_take_is_linked_and_said() -> None:
    """By the ending of its name, as the portal goes by it."""
    told = words.describe(wanted("csv", "parquet"), HOSTS)
    csv, parquet = told.resources.values()
    assert (csv["filetype"], csv["filesize"]) == ("file", len(CSV))
    # What the portal makes of a file is its own to say.
    assert csv.keys().isdisjoint({"url", "format", "mime", "checksum"})
    assert parquet["filetype"] == "remote"
    assert [(one.code, one.detail) for one in told.warnings] == [
        ("portal_format_linked", "parquet")
    ]


def seen(**resource: object) -> Fields:
    """The resource of the CSV file in our words."""
    told = {"id": "a", "filetype": "file", "filesize": len(CSV), **resource}
    return answers.seen({"id": "1", "resources": [told]}).resources[URI]


def test_a_file_replaced_by_hand_is_not_the_one_that_was_sent() -> None:
    """The portal's own checksum has to be the one that was announced."""
    marks = {words.FILE_KEY: URI, words.SENT: "256", words.SENT_SHA1: "1"}
    ours = seen(extras=marks, checksum={"type": "sha1", "value": "1"})
    theirs = seen(extras=marks, checksum={"type": "sha1", "value": "2"})
    assert ours["extras"] == {words.FILE_KEY: URI, words.SENT: "256"}
    assert theirs["extras"] == {words.FILE_KEY: URI}


def test_until_its_bytes_are_there_a_file_is_a_link_or_as_it_was() -> None:
    """No stranger meets a resource without a file, and nothing is marked as sent before it is."""
    [one] = wanted("csv").files
    [fields] = words.describe(wanted("csv"), HOSTS).resources.values()
    first = words.before_upload(one, fields, None)
    assert (first["filetype"], first["url"]) == ("remote", one.address)
    there = seen(extras={words.FILE_KEY: URI})
    again = words.before_upload(one, fields, there)
    assert (again["filetype"], again["extras"]) == ("file", {words.FILE_KEY: URI})


def test_what_others_wrote_into_extras_stays() -> None:
    """Their keys are sent back; a mark of sent bytes goes with the file it was of."""
    there = {"theirs": 1, words.FILE_KEY: "old", words.SENT: "256"}
    link = answers.with_others({"filetype": "remote", "extras": {words.FILE_KEY: URI}}, there)
    assert link["extras"] == {"theirs": 1, words.FILE_KEY: URI}
    hosted = answers.with_others({"filetype": "file", "extras": {words.FILE_KEY: URI}}, there)
    assert hosted["extras"] == {"theirs": 1, words.FILE_KEY: URI, words.SENT: "256"}


def test_the_name_of_an_uploaded_file_is_nobodys_edit() -> None:
    """publish died before it could write the title: the portal shows the file's name meanwhile."""
    marks = {words.FILE_KEY: URI, words.SENT: "256", words.SENT_SHA1: "1"}
    told = {"extras": marks, "checksum": {"type": "sha1", "value": "1"}}
    left = seen(title="Bancs (CSV)", url="http://static.example/1/bancs.csv", **told)
    now = seen(title="bancs.csv", url="http://static.example/2/bancs.csv", **told)
    theirs = seen(title="Le fichier", url="http://static.example/2/bancs.csv", **told)

    def edited(fields: Fields) -> set[str]:
        there = Seen(Ids("1", {URI: "a"}), {}, {URI: fields}, {})
        before: Fields = {"dataset": {}, "resources": {URI: left}}
        return {one.field for one in compare.edits(before, there)}

    assert edited(now) == {"url"}
    assert edited(theirs) == {"url", "title"}
    assert now["title"] != "Bancs (CSV)"
