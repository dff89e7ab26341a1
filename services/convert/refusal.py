"""A format that cannot hold a table says so by name, and the others go on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from shared.failures import OursAway
from shared.formats import FORMATS
from shared.messages import Reason

# Each is a code `format_…` of `shared/texts/convert.toml`.
Why = Literal[
    "too_many_rows", "too_many_columns", "too_many_points", "cell_too_long", "control_characters",
    "no_geometry", "geometry_kind", "names_alike", "tool_failed",
]  # fmt: skip


ROOM = 64 * 2**20  # bytes; where fewer are free, a tool that failed is believed to have lacked them


class FormatRefused(Exception):
    """This format cannot hold this table; `reason` says why, for people."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(reason.code)


def refused(
    form: str,
    why: Why,
    *,
    count: int | None = None,
    limit: int | None = None,
    column: str | None = None,
) -> FormatRefused:
    """The refusal of `form`, with what a text may want to know."""
    title = FORMATS[form].title
    return FormatRefused(
        Reason(code=f"format_{why}", detail=title, count=count, limit=limit, column=column)
    )


def tool_failed(form: str, work: Path) -> FormatRefused | OursAway:
    """What it means that the program which makes `form` stopped: that the disk where it works is
    full, which passes, or else that this table is too much for it."""
    if shutil.disk_usage(work.parent).free < ROOM:
        return OursAway(Reason(code="disk_full"))
    return refused(form, "tool_failed")
