"""Calls a portal's JSON API, and says what its answers mean. No text of a portal is passed on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from services.publish.portals.failures import PortalAway, Unknown
from shared.failures import Quarantined
from shared.messages import Reason

USER_AGENT = "Ecluse"
MOST_WAIT = 6 * 3600.0
# Says that the portal did not see the request whole: nothing was written.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")


def open_http(seconds: float, connections: int) -> httpx.AsyncClient:
    """The client of one portal, with as many calls under way as are allowed; the others wait.

    It has no token: each call names its own, and strangers none. Redirects are not followed: a token
    goes where it was meant to.
    """
    return httpx.AsyncClient(
        headers={"User-Agent": USER_AGENT},
        timeout=httpx.Timeout(seconds, pool=None),
        limits=httpx.Limits(max_connections=connections, keepalive_expiry=2),
    )


async def send(
    http: httpx.AsyncClient, method: str, url: str, *, writes: bool, **options: object
) -> httpx.Response:
    """The answer, whatever it says, unless it says: later.

    Raises PortalAway; Unknown if it was a call that `writes` and the answer did not come.
    """
    try:
        answer = await http.request(method, url, **options)  # type: ignore[arg-type]  # passed on
    except (*_UNSENT, httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise PortalAway(Reason(code="portal_away")) from None
    except httpx.HTTPError:
        if writes:
            raise Unknown(Reason(code="portal_unanswered")) from None
        raise PortalAway(Reason(code="portal_away")) from None
    if answer.status_code in (423, 429, 503):
        raise PortalAway(
            Reason(code="portal_busy", detail=f"HTTP {answer.status_code}"),
            retry_after=retry_after(answer.headers.get("retry-after")),
        )
    if answer.status_code >= 500:
        # Its program broke off somewhere: what it wrote before is told by reading.
        failure = Unknown if writes else PortalAway
        raise failure(Reason(code="portal_failing", detail=f"HTTP {answer.status_code}"))
    return answer


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait: a number or a date (RFC 9110, 10.2.3), six hours at most; None without."""
    if not value:
        return None
    if value.strip().isdigit():
        return min(float(value), MOST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(seconds, 0.0), MOST_WAIT)


def body(answer: httpx.Response, *, writes: bool) -> object:
    """The JSON of an answer. An error page with status 200 is none: PortalAway, or Unknown."""
    try:
        return answer.json()
    except ValueError:
        failure = Unknown if writes else PortalAway
        raise failure(Reason(code="portal_unreadable")) from None


def body_or_none(answer: httpx.Response) -> bytes | None:
    """What a stranger reads there; None if that is nothing (403, 404, 410)."""
    if answer.status_code in (403, 404, 410):
        return None
    if answer.status_code != 200:
        raise PortalAway(Reason(code="portal_unreadable"))
    return answer.content


def refusal(status: int, named: object) -> Quarantined:
    """What a portal's refusal means. `named` is its JSON object of fields: names are shown, no texts."""
    if status in (401, 403):
        return Quarantined(Reason(code="portal_token_refused", detail=f"HTTP {status}"))
    names = [
        name
        for name in (named if isinstance(named, dict) else {})
        if isinstance(name, str) and _NAME.fullmatch(name)
    ]
    return Quarantined(
        Reason(code="portal_refuses", detail=", ".join([f"HTTP {status}", *sorted(names)]))
    )
