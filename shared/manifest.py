"""Manifests: what a stage made of a release. Written last and created once, so that a repeat of the
stage finds it and says again what was said before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from shared import keys
from shared.crash_points import crash_point
from shared.event_parts import ObjectRef, Stage
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
    *,
    deep: bool = False,
) -> M:
    """The stage's manifest of this release: the one that is there, else what `make` makes.

    Of two makers at once the first to write the manifest wins, and both return it. What the manifest
    names may have come to the end of its retention: it is made again then. So is, with `deep`, what
    is damaged: the manifest itself, or an object that has not its checksum any more.
    """
    key = keys.manifest(dataset, release, stage)
    if (there := await store.get("reports", key)) is not None:
        known = _read_or_none(model, there) if deep else _read(model, there)
        if known is not None and await _all_there(store, known, deep):
            return known
        made = await make()
        if made != known:
            await store.put_bytes("reports", key, _written(made))
        return made
    made = await make()
    crash_point("after-object")
    if await store.create("reports", key, _written(made)):
        crash_point("after-manifest")
        return made
    return _read(model, await store.get("reports", key) or b"")


async def _all_there(store: Store, made: BaseModel, deep: bool) -> bool:
    for name in type(made).model_fields:
        value = getattr(made, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, ObjectRef) and not await store.holds(one, deep=deep):
                return False
    return True


def _written(made: BaseModel) -> bytes:
    return made.model_dump_json(exclude_none=True).encode()


def _read_or_none(model: type[M], data: bytes) -> M | None:
    try:
        return _read(model, data)
    except Quarantined:
        return None


def _read(model: type[M], data: bytes) -> M:
    try:
        return model.model_validate_json(data)
    except ValidationError:
        raise Quarantined(Reason(code="object_damaged")) from None
