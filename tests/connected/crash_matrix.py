"""Where each service is killed: every point that its code names, several services in one pass."""

from __future__ import annotations

STAGE = (
    "before-work", "after-object", "after-manifest", "after-work", "after-event", "after-ledger",
    "before-commit",
)  # fmt: skip


def around(*steps: str) -> tuple[str, ...]:
    """Before, inside and after each transaction."""
    return tuple(f"{when}-{step}" for step in steps for when in ("before", "inside", "after"))


POINTS: dict[str, tuple[str, ...]] = {
    "ingest": STAGE,
    "anonymize": STAGE,
    "convert": STAGE,
    "publish": (
        "after-claim", "after-copy", *around("show", "flip"), "after-verify",
        *around("finish", "settle", "consider", "confirm", "decide", "fold", "shelve", "declare",
                "sign", "pause", "withdraw", "erase", "replay"),
        "inside-relay", "after-relay", "before-work", "after-work", "before-commit",
    ),
    "notify": (
        "before-work", *around("news"), "inside-relay", "after-relay", "after-work",
        "after-ledger", "before-commit",
    ),
}  # fmt: skip
# What the matrix does not reach, and which test does.
ELSEWHERE = {
    "capture": "tests/connected/test_captures.py: what is said again is no second change",
    "exposure": "tests/connected/test_register.py: a release that is tried again is written once",
    "later": "tests/connected/test_instances.py: a portal that is away",
    "flip-back": "tests/connected/test_instances.py: a portal that dies before the verification",
    "harvest": "tests/connected/test_harvest.py: a look that is repeated writes the same verdict",
    "harvest-later": "tests/connected/test_harvest.py: a portal that is away",
    **dict.fromkeys(
        ("claim", "write", "portal-id", "portal-arrived"),
        "tests/connected/test_portal_crashes.py: publish dies on its way to another portal",
    ),
    **dict.fromkeys(
        ("portal-away", "portal-failed"),
        "tests/connected/test_udata_portal.py: a portal that fails, and the same answer again",
    ),
    **dict.fromkeys(
        ("withdraw", "portal-copies-listed", "portal-copies-looked-at", "portal-gone"),
        "tests/connected/test_portal_crashes.py: publish dies while it takes a dataset off a portal",
    ),
    "settle-copies": "tests/connected/test_withdrawn_copies.py: answered for again, nothing is left",
    "preview": "tests/connected/test_feed_preview.py: a dry run that is repeated until it is mended",
    "back-fill": "tests/connected/test_portal_acts.py: everything promised goes out again, once",
    "tick": "tests/connected/test_sources.py: a source that is away is asked again",
}
LIVES = 3


def passes(*, whole: bool) -> list[dict[str, tuple[str, ...]]]:
    """Which points each service meets in each pass, one a life; a sample without `whole`.

    A service with fewer points than another meets its own again.
    """
    most = max(len(points) for points in POINTS.values())
    starts = range(0, most, LIVES) if whole else (0, LIVES)
    return [
        {
            name: tuple(points[at % len(points)] for at in range(start, start + LIVES))
            for name, points in POINTS.items()
        }
        for start in starts
    ]
