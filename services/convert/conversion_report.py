"""The report of a conversion, for those who decide: what was made, what was refused, what differs.

Lies in `reports`. Counts and names of published columns, never values; nothing of it is made public.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from services.convert.convert_table import ConvertedRelease
from services.convert.row_difference import RowDifference


def make_report(made: ConvertedRelease, difference: RowDifference | None) -> bytes:
    """`{"files": […], "refused": […], "guarded": {…}, "renamed": {…}, "difference": {…} or null}`."""
    content = {
        "rows": made.rows,
        "files": [
            {"name": one.name, "format": one.format, "bytes": one.bytes, "sha256": one.sha256}
            for one in (*made.files, made.datapackage, made.preview, *made.extras)
        ],
        "refused": [one.model_dump(exclude_none=True) for one in made.refused],
        "guarded": made.guarded,
        "renamed": made.renamed,
        "difference": asdict(difference) if difference else None,
    }
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
