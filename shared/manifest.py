"""Manifests: what a stage made of a release. Written last and created once, so that a repeat of the
stage finds it and says again what was said before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared import keys
from shared.crash_points import crash_point
from shared.events import Stage
from shared.failures import Quarantined
from shared.ids import DatasetId, ReleaseId
from shared.messages import Reason
from shared.storage import Store

M = TypeVar("M", bound=BaseModel)


async def made_once(
    store: Store,
    stage: Stage,
    dataset: DatasetId,
    release: ReleaseId,
    model: type[M],
    make: Callable[[], Awaitable[M]],
) -> M:
    """The stage's manifest of this release: the one that is there, else what `make` makes.

    Of two makers at once the first to write the manifest wins, and both return it.
    """
    key = keys.manifest(dataset, release, stage)
    if (there := await store.get("reports", key)) is not None:
        return _read(model, there)
    made = await make()
    crash_point("after-object")
    if await store.create("reports", key, made.model_dump_json(exclude_none=True).encode()):
        crash_point("after-manifest")
        return made
    return _read(model, await store.get("reports", key) or b"")


def _read(model: type[M], data: bytes) -> M:
    try:
        return model.model_validate_json(data)
    except ValidationError:
        raise Quarantined(Reason(code="object_damaged")) from None
