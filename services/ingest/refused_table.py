"""A table that was read and cannot pass: its quality report goes along with the reasons."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from shared import keys
from shared.failures import Quarantined
from shared.ids import ChangeId, DatasetId
from shared.messages import Reason
from shared.storage import Store


class TableRefused(Quarantined):
    """The data cannot pass as they are; `quality` is the report about the whole table, values
    apart, as `IngestedTable` has it."""

    def __init__(self, *reasons: Reason, quality: dict[str, Any] | None = None) -> None:
        super().__init__(*reasons)
        self.quality = quality or {}

    def __reduce__(self) -> tuple[Any, tuple[Reason, ...]]:
        return partial(TableRefused, quality=self.quality), self.reasons


def refusal_report(failure: Quarantined) -> dict[str, Any]:
    """Why the data cannot pass, and all that was seen of them: codes, counts, positions, classes."""
    seen = failure.quality if isinstance(failure, TableRefused) else {}
    return seen | {"reasons": [one.model_dump(exclude_none=True) for one in failure.reasons]}


async def keep_refusal(
    store: Store, dataset: DatasetId, change: ChangeId, failure: Quarantined
) -> None:
    """Writes the report of a change that is quarantined; one that fails again replaces it."""
    text = json.dumps(refusal_report(failure), ensure_ascii=False, sort_keys=True)
    await store.put_bytes("reports", keys.refusal(dataset, change), text.encode())
