"""Lists and structures of a source as JSON text in one cell, no digit of their numbers lost."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping
from decimal import Decimal

from services.ingest.cell_text import as_text
from shared.failures import Quarantined
from shared.messages import Reason


def json_text(value: object) -> str:
    """RFC 8259, which has neither NaN (null here, as in a column of numbers) nor infinity.

    Raises Quarantined: `value_out_of_range` for infinity, `column_unreadable` for bytes.
    """
    match value:
        case Mapping():
            pairs = (f"{_string(str(name))}:{json_text(inner)}" for name, inner in value.items())
            return "{" + ",".join(pairs) + "}"
        case list() | tuple():
            return "[" + ",".join(map(json_text, value)) + "]"
        case float() if math.isnan(value):
            return "null"
        case float() if math.isinf(value):
            raise Quarantined(Reason(code="value_out_of_range"))
        case float() | Decimal():
            return str(value)
        case dt.date() | dt.time() | dt.timedelta():
            return _string(as_text(value))
        case bytes():
            raise Quarantined(Reason(code="column_unreadable"))
        case None | bool() | int() | str():
            return _string(value)
        case _:
            return _string(str(value))


def _string(value: str | int | None) -> str:
    return json.dumps(value, ensure_ascii=False)
