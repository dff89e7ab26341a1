"""Downloads: what HTTP promises of a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publish.portal.byte_range import parse_range
from tests.services.publish.portal_town import CSV, MODIFIED, Memory, dataset, file

STABLE = "/datasets/bancs/bancs.csv"
VERSIONED = "/datasets/bancs/releases/r1/bancs.csv"


def town() -> Memory:
    return Memory([dataset()], {file(): CSV})


@pytest.mark.parametrize("address", [STABLE, VERSIONED])
def test_a_file_is_served_whole(address: str) -> None:
    """Type, length, date, validator, name and permission for every origin."""
    answer = town().client().get(address)
    assert (answer.status_code, answer.content) == (200, CSV)
    told = answer.headers
    assert told["content-type"] == "text/csv; charset=utf-8; header=present"
    assert told["content-length"] == str(len(CSV))
    assert told["etag"] == f'"{file().sha256}"'
    assert told["last-modified"] == "Sun, 01 Mar 2026 12:30:15 GMT"
    assert told["access-control-allow-origin"] == "*"
    assert told["content-disposition"] == 'attachment; filename="bancs.csv"'
    assert told["x-content-type-options"] == "nosniff"


def test_head_says_the_same_without_a_body() -> None:
    """HEAD has GET's headers and no content."""
    client = town().client()
    whole, head = client.get(STABLE), client.head(STABLE)
    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert head.headers["etag"] == whole.headers["etag"]


def test_another_origin_may_ask_first() -> None:
    """A browser's question before a request with a range is answered."""
    answer = town().client().options(STABLE)
    assert answer.status_code == 204
    assert "Range" in answer.headers["access-control-allow-headers"]


@pytest.mark.parametrize(
    "condition",
    [
        {"If-None-Match": f'"{file().sha256}"'},
        {"If-None-Match": f'"other", W/"{file().sha256}"'},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "Sun, 01 Mar 2026 12:30:15 GMT"},
    ],
)
def test_what_is_known_is_not_sent_again(condition: dict[str, str]) -> None:
    """A client that holds the bytes is told so."""
    answer = town().client().get(STABLE, headers=condition)
    assert (answer.status_code, answer.content) == (304, b"")


@pytest.mark.parametrize(
    "condition",
    [
        {"If-None-Match": '"other"'},
        {"If-Modified-Since": "Sun, 01 Mar 2026 12:30:14 GMT"},
        {"If-Modified-Since": "yesterday"},
    ],
)
def test_what_is_not_known_is_sent(condition: dict[str, str]) -> None:
    """Another validator, an older or an unreadable date: the whole file."""
    assert town().client().get(STABLE, headers=condition).content == CSV


@pytest.mark.parametrize(
    ("asked", "status", "content"),
    [
        ("bytes=0-3", 206, CSV[:4]),
        ("bytes=4-", 206, CSV[4:]),
        ("bytes=-5", 206, CSV[-5:]),
        ("bytes=0-99999", 206, CSV),
        ("bytes=99999-", 416, b""),
        ("bytes=0-1,3-4", 200, CSV),
        ("lines=0-3", 200, CSV),
    ],
)
def test_ranges(asked: str, status: int, content: bytes) -> None:
    """Single ranges are served, others are left aside, impossible ones refused."""
    answer = town().client().get(STABLE, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (status, content)
    if status == 206:
        start = CSV.find(content)
        assert answer.headers["content-range"] == (
            f"bytes {start}-{start + len(content) - 1}/{len(CSV)}"
        )


def test_a_range_of_other_bytes_is_the_whole_file() -> None:
    """A part is only joined to a part of the same bytes (If-Range)."""
    client = town().client()
    asked = {"Range": "bytes=0-3"}
    same = client.get(STABLE, headers=asked | {"If-Range": f'"{file().sha256}"'})
    other = client.get(STABLE, headers=asked | {"If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


@given(st.text(max_size=40), st.integers(0, 10**6))
def test_no_header_breaks_a_range(header: str, size: int) -> None:
    """Whatever is asked, the bytes are within the file."""
    for asked in (header, f"bytes={header}"):
        try:
            found = parse_range(asked, size)
        except ValueError:
            continue
        if found:
            assert 0 <= found[0] < found[1] <= size


def test_what_is_not_there() -> None:
    """Unknown names are 404, what was withdrawn is 410."""
    memory = town()
    memory.known.append(dataset("gone", state="withdrawn", withdrawn_at=MODIFIED))
    client = memory.client()
    assert client.get("/datasets/bancs/other.csv").status_code == 404
    assert client.get("/datasets/nothing/nothing.csv").status_code == 404
    assert client.get("/datasets/bancs/releases/r9/bancs.csv").status_code == 404
    assert client.get("/datasets/gone/gone.csv").status_code == 410
    assert client.get("/datasets/gone").status_code == 410


def test_an_earlier_release_has_only_its_own_address() -> None:
    """The stable address leads to the current release alone."""
    old = file(release="r0", key="bancs/r0/bancs.csv", current=False, content=b"old")
    client = Memory([dataset()], {file(): CSV, old: b"old"}).client()
    assert client.get(STABLE).content == CSV
    assert client.get("/datasets/bancs/releases/r0/bancs.csv").content == b"old"


def test_a_store_that_is_away_is_said_so() -> None:
    """No half file: the answer is 503 before the first byte."""
    memory = town()
    memory.away = True
    assert memory.client().get(STABLE).status_code == 503
