"""How a release's columns differ from those of the release now public."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from shared import keys
from shared.event_parts import Drift, ObjectRef
from shared.ids import DatasetId, ReleaseId
from shared.storage import Store


class _Columns(NamedTuple):
    """Declared columns, name → (place among the declared, type), and how many are undeclared."""

    declared: dict[str, tuple[int, str]]
    undeclared: int


async def drift_since(
    store: Store, dataset: DatasetId, public: ReleaseId | None, quality: ObjectRef
) -> Drift | None:
    """The drift from the public release to the one whose quality report is given, by both reports;
    None where there is none, or no report of the public release any more."""
    if public is None:
        return None
    before = await store.get("reports", keys.report(dataset, public, "ingest"))
    if before is None:
        return None
    return drift(json.loads(before), json.loads(await store.read(quality)))


def drift(before: dict[str, Any], now: dict[str, Any]) -> Drift | None:
    """From two quality reports. A column removed and one added in its place, of its type, is taken
    for renamed."""
    old, new = _columns(before), _columns(now)
    removed = [name for name in old.declared if name not in new.declared]
    added = [name for name in new.declared if name not in old.declared]
    places = {old.declared[name]: name for name in removed}
    renamed = {places[new.declared[name]]: name for name in added if new.declared[name] in places}
    found = Drift(
        added=tuple(name for name in added if name not in renamed.values()),
        removed=tuple(name for name in removed if name not in renamed),
        renamed=renamed,
        retyped={
            name: (kind, new.declared[name][1])
            for name, (_, kind) in old.declared.items()
            if name in new.declared and new.declared[name][1] != kind
        },
        undeclared=new.undeclared - old.undeclared,
    )
    return None if found == Drift() else found


def _columns(report: dict[str, Any]) -> _Columns:
    declared = [column for column in report["columns"] if column["declared"]]
    named = {column["name"]: (at, column["type"]) for at, column in enumerate(declared)}
    return _Columns(named, len(report["columns"]) - len(declared))
