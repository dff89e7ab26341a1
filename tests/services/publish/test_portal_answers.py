"""What a portal's answers mean, and what differs between told, left and seen."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from services.publish.portals import call, compare
from services.publish.portals.compare import Difference
from services.publish.portals.connector import Description, Fields, Ids, Seen
from services.publish.portals.failures import PortalAway, Unknown

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("999999", 6 * 3600.0),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_obeyed_as_number_and_as_date(
    header: str | None, seconds: float | None
) -> None:
    """Seconds or a date; never more than six hours; nonsense is no wish."""
    assert call.retry_after(header, NOW) == seconds


async def _told(answer: httpx.Response | Exception, *, writes: bool) -> httpx.Response:
    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with httpx.AsyncClient(transport=httpx.MockTransport(handle)) as http:
        return await call.send(http, "POST", "http://portal.example/", writes=writes)


@pytest.mark.parametrize(
    ("answer", "writes", "failure", "code"),
    [
        (httpx.ConnectError(""), True, PortalAway, "portal_away"),
        (httpx.ReadTimeout(""), True, Unknown, "portal_unanswered"),
        (httpx.ReadTimeout(""), False, PortalAway, "portal_away"),
        (httpx.RemoteProtocolError(""), True, Unknown, "portal_unanswered"),
        (httpx.Response(500), True, Unknown, "portal_failing"),
        (httpx.Response(500), False, PortalAway, "portal_failing"),
        (httpx.Response(429), True, PortalAway, "portal_busy"),
        (httpx.Response(503), True, PortalAway, "portal_busy"),
    ],
)
async def test_only_what_may_have_been_done_is_unknown(
    answer: httpx.Response | Exception, writes: bool, failure: type[Exception], code: str
) -> None:
    """A write without an answer is unknown; what never left, or was put off, is not."""
    with pytest.raises(failure) as raised:
        await _told(answer, writes=writes)
    assert str(raised.value) == code


def test_a_refusal_names_fields_and_passes_no_text_on() -> None:
    """Field names alone are shown: a portal's own words may quote what they are about."""
    refused = call.refusal(400, {"license": ["Unknown: a secret"], "A secret!": [], "tags": []})
    assert [one.detail for one in refused.reasons] == ["HTTP 400, license, tags"]
    assert call.refusal(403, {}).reasons[0].code == "portal_token_refused"


TOLD = Description(
    {"title": "Bancs", "license": "lov2", "extras": {"key": "x"}},
    {"u#csv": {"title": "CSV", "url": "http://ours/csv"}},
)


def seen(dataset: Fields | None = None, resources: dict[str, Fields] | None = None) -> Seen:
    return Seen(
        Ids("1", {}),
        {**TOLD.dataset, **(dataset or {})},
        TOLD.resources if resources is None else resources,
        {},
    )


def test_what_was_left_and_is_there_is_no_edit() -> None:
    """Nothing changed, nothing told; the first time there is nothing to compare with."""
    assert compare.edits(compare.left(seen()), seen()) == ()
    assert compare.edits(None, seen({"title": "Bancs!"})) == ()


def test_a_kept_edit_stays_and_the_licence_and_addresses_do_not() -> None:
    """What a person wrote is told back to the portal; law and addresses are ours."""
    theirs = seen(
        {"title": "Bancs !", "license": "none"},
        {"u#csv": {"title": "Le CSV", "url": "http://theirs/"}},
    )
    found = compare.edits(compare.left(seen()), theirs)
    assert found == (
        Difference("license"),
        Difference("title"),
        Difference("title", "u#csv"),
        Difference("url", "u#csv"),
    )
    told = compare.without(TOLD, found, theirs)
    assert (told.dataset["title"], told.dataset["license"]) == ("Bancs !", "lov2")
    assert told.resources["u#csv"] == {"title": "Le CSV", "url": "http://ours/csv"}
    # The next look still knows it for an edit.
    after = seen({"title": "Bancs !"}, told.resources)
    left = compare.left_as_before(compare.left(after), compare.left(seen()), found)
    assert compare.edits(left, after) == (Difference("title"), Difference("title", "u#csv"))


def test_a_file_too_many_or_too_few_is_a_difference() -> None:
    """Files of ours that the release has no more are left over; others' files do not count."""
    two: dict[str, Fields] = {**TOLD.resources, "u#json": {"title": "JSON"}}
    assert compare.differences(TOLD, seen(resources=two)) == (Difference("leftover", "u#json"),)
    assert compare.differences(TOLD, seen(resources={})) == (Difference("resource", "u#csv"),)
