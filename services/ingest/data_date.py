"""When a source was last updated: what its bytes are dated by, whatever is done with them later.

Both licences ask re-users to say it. It is written into the files of a release, so the same bytes
have one date for good: a re-run, a changed card or a repeat finds the one that was noted first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared import keys
from shared.envelope import Received
from shared.ids import DatasetId
from shared.storage import Store


class DateRecord(BaseModel):
    """`reports/<dataset>/dates/<keyed identifier of the source>.json`, created once."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    updated_at: AwareDatetime


async def data_date(
    store: Store, dataset: DatasetId, source: str, modified: str | None, came: Received
) -> datetime:
    """The date of the bytes that `source` identifies (`shared.ids.source_id`), to the second.

    The host's `Last-Modified` (RFC 9110, 8.8.2), else the CloudEvents `time` of the domain system,
    else when the change came in; none is later than that.
    """
    known = (_http_date(modified), came.time)
    told = next((one for one in known if one is not None), came.at)
    try:
        date = min(told, came.at).astimezone(UTC)
    except OverflowError:
        # The first hours of the year 1, east of Greenwich: no date of any data.
        date = came.at.astimezone(UTC)
    record = DateRecord(updated_at=date.replace(microsecond=0))
    key = keys.dated(dataset, source)
    if not await store.create("reports", key, record.model_dump_json().encode()):
        try:
            noted = await store.get("reports", key)
            return DateRecord.model_validate_json(noted or b"").updated_at
        except ValidationError:
            pass  # damaged: what is known now will do
    return record.updated_at


def _http_date(text: str | None) -> datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    # "-0000" is UTC of which nothing more is known.
    return found.replace(tzinfo=found.tzinfo or UTC) if found else None
