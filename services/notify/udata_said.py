"""What udata and its crawler say of a harvest, in words of ours: their texts may quote anything, and are
never passed on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from services.notify.udata_api import HarvestError, Resource


def trouble_with(resource: Resource, published_at: datetime) -> str | None:
    """What the crawler says against a file, in a word of ours."""
    said = resource.extras
    if not is_checked(resource, published_at):
        return None
    status = said.get("check:status")
    if isinstance(status, int) and status >= 400:
        return f"HTTP {status}"
    if said.get("check:timeout") is True:
        return "timeout"
    if said.get("check:available") is False or said.get("check:error"):
        return "unavailable"
    if said.get("analysis:error"):
        return "download"
    if said.get("analysis:parsing:error"):
        return "parsing"
    return None


def is_checked(resource: Resource, published_at: datetime) -> bool:
    """Whether the crawler has looked at the file since then."""
    try:
        moment = datetime.fromisoformat(str(resource.extras.get("check:date")))
    except ValueError:
        return False
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment >= published_at


def messages_of(errors: Iterable[HarvestError]) -> str:
    """All that was said, to look words up in."""
    return " ".join(one.message or "" for one in errors)


def failure_of(said: str) -> str:
    """Why an item failed: `duplicate`, `owner`, `validation` or `unknown`."""
    if "already exists" in said and said.startswith("Identifier"):
        return "duplicate"
    if "has another owner" in said:
        return "owner"
    return "validation" if "ValidationError" in said else "unknown"


def broken_by(errors: Iterable[HarvestError]) -> str:
    """What broke a run off: `HTTP 502`, `connection`, or the `content`."""
    said = messages_of(errors)
    if found := re.match(r"Redirect \((\d{3})\)", said) or re.match(
        r"(\d{3}) (Client|Server)", said
    ):
        return f"HTTP {found[1]}"
    if re.search(r"timed out|Max retries|Connection", said):
        return "connection"
    return "content"
