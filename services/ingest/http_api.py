"""`POST /changes`: a domain system says over HTTP that a dataset changed, or sends the data.

A CloudEvent (structured or binary), a small JSON object, or the file itself with `?dataset=`; or
`PUT /datasets/<id>/file` with a file of any format, whatever its media type.
Small data are stored in `drop` at once; they never travel on Kafka.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from services.ingest.fetch_source import SENT
from shared import metrics
from shared.event_parts import ChangeKind, ObjectRef
from shared.events import CatalogDataset, DatasetChanged
from shared.failures import EcluseError, MessageInvalid, OursAway, Quarantined
from shared.identity import Identities, Identity
from shared.ids import DatasetId, EventId, change_id
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store
from shared.table import TableView

JSON_MAX = 64 * 1024
# What a refusal's reason is in HTTP; else 422.
STATUS = {
    "message_too_large": 413,
    "source_too_large": 413,
    "not_allowed": 403,
    "upload_too_slow": 408,
    "id_conflict": 409,
}
TYPE_NAME = DatasetChanged.TYPE.split(".", 2)[2]
FILE_TYPES = {
    "text/csv": "csv",
    "text/plain": "txt",
    "text/tab-separated-values": "tsv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/octet-stream": "bin",
}
_DATASET = TypeAdapter(DatasetId)
_EVENT_ID = TypeAdapter(EventId)


class Sender(Protocol):
    """Puts a change on its topic under the identity of its sender."""

    def __call__(self, change: DatasetChanged, event_id: str, source: str) -> Awaitable[None]: ...


class Announcement(BaseModel):
    """The plain JSON form: what an event says, without its envelope."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    dataset: DatasetId
    address: str | None = Field(default=None, max_length=2048)
    kind: ChangeKind = "update"
    id: EventId | None = None


class ChangesApi:
    """The HTTP way in. Every answer says what happened and, if nothing did, what to mend."""

    def __init__(
        self,
        settings: Settings,
        identities: Identities,
        store: Store,
        cards: TableView[CatalogDataset],
        send: Sender,
    ) -> None:
        self._settings = settings
        self._identities = identities
        self._store = store
        self._cards = cards
        self._send = send

    def routes(self) -> list[Route]:
        return [
            Route("/changes", self._answer, methods=["POST"]),
            Route("/datasets/{dataset}/file", self._answer, methods=["PUT"]),
        ]

    async def _answer(self, request: Request) -> JSONResponse:
        sender = self._identities.of(request.headers.get("authorization"))
        if sender is None:
            refusal = _refusal(401, Reason(code="token_unknown"))
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        try:
            return await self._take(request, sender)
        except OursAway as failure:
            return _refusal(503, *failure.reasons)
        except EcluseError as failure:
            metrics.events_received.labels(way="http", outcome="rejected").inc()
            status = STATUS.get(failure.reasons[0].code, 422)
            return _refusal(status, *failure.reasons)

    async def _take(self, request: Request, sender: Identity) -> JSONResponse:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method == "PUT" or kind in FILE_TYPES:
            change, event_id = await self._file(request, sender, FILE_TYPES.get(kind, "bin"))
        else:
            change, event_id = _announced(await _body(request, self._settings), request)
            self._allow(sender, change.dataset)
        source = f"urn:ecluse:sender:{sender.name}"
        await self._send(change, event_id, source)
        metrics.events_received.labels(way="http", outcome="accepted").inc()
        taken = change_id(source, event_id)
        follow = f"{self._settings.admin_url.rstrip('/')}/changes/{taken}"
        return JSONResponse(
            {"change": taken, "dataset": change.dataset, "follow": follow},
            202,
            headers={"Location": follow},
        )

    def _allow(self, sender: Identity, dataset: str) -> str:
        """The dataset's domain. Raises Quarantined if the sender may not send for it."""
        entry = self._cards.get(dataset)
        domain = entry.domain if entry else None
        if not sender.may("send", domain):
            raise Quarantined(Reason(code="not_allowed"))
        return domain or (sender.domains[0] if sender.domains else "undeclared")

    async def _file(
        self, request: Request, sender: Identity, suffix: str
    ) -> tuple[DatasetChanged, str]:
        try:
            named = request.path_params.get("dataset", request.query_params.get("dataset"))
            dataset = _DATASET.validate_python(named)
            kind: ChangeKind = TypeAdapter(ChangeKind).validate_python(
                request.query_params.get("kind", "update")
            )
        except ValidationError:
            raise _invalid("?dataset= and ?kind= (update, correction, backfill)") from None
        domain = self._allow(sender, dataset)
        event_id = _chosen_id(request)
        with tempfile.TemporaryDirectory(dir=self._settings.spool) as folder:
            path = Path(folder) / "upload"
            digest = await _spool(request, path, self._settings)
            # Named in the raw zone's own events alone; listed drops are told apart by this folder.
            key = f"{SENT}{domain}/{dataset}/{change_id(sender.name, event_id)}.{suffix}"
            await self._keep(key, path, digest)
        return DatasetChanged(dataset=dataset, address=f"drop:///{quote(key)}", kind=kind), event_id

    async def _keep(self, key: str, path: Path, digest: str) -> None:
        """Puts a file into `drop`; what was sent first under its key stays. Raises MessageInvalid
        (`id_conflict`) if that is another."""
        if await self._store.size("drop", key) is None:
            await self._store.put("drop", key, path, digest)
            return
        size = await asyncio.to_thread(lambda: path.stat().st_size)
        same = ObjectRef(bucket="drop", key=key, bytes=size, sha256=digest)
        if not await self._store.holds(same, deep=True):
            raise MessageInvalid(Reason(code="id_conflict"))


def _announced(body: bytes, request: Request) -> tuple[DatasetChanged, str]:
    """The change that a JSON body announces, and its CloudEvents id."""
    try:
        content = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise _invalid("the body is not JSON") from None
    if not isinstance(content, dict):
        raise _invalid("the body is not a JSON object")
    headers = request.headers
    event_id: object = headers.get("ce-id")
    if "specversion" in content:
        _check_event(content["specversion"], content.get("type"), content.get("id"))
        event_id = content.get("id")
        if "data_base64" in content:
            raise _invalid("data_base64")
        content = _with_subject(content.get("data"), content.get("subject"))
    elif event_id is not None:
        _check_event(headers.get("ce-specversion", "1.0"), headers.get("ce-type"), event_id)
        content = _with_subject(content, headers.get("ce-subject"))
    try:
        said = Announcement.model_validate(content)
    except ValidationError as error:
        wrong = {str(part) for e in error.errors() for part in e["loc"][:1]}
        known = sorted(wrong & set(Announcement.model_fields)) or ["unknown field"]
        raise _invalid(", ".join(known)) from None
    try:
        chosen = _EVENT_ID.validate_python(event_id or said.id or _chosen_id(request))
    except ValidationError:
        raise _invalid("id") from None
    return DatasetChanged(dataset=said.dataset, address=said.address, kind=said.kind), chosen


def _check_event(version: object, kind: object, event_id: object) -> None:
    """A CloudEvent of another version or type, or without an id, is not what it seems."""
    if version != "1.0":
        raise _invalid("specversion")
    if kind is not None and not str(kind).endswith(f".{TYPE_NAME}"):
        raise _invalid("type")
    if not event_id:
        raise _invalid("id")


def _with_subject(data: object, subject: object) -> dict[str, object]:
    """The event's data; `subject` names the dataset, and what the data say must agree."""
    if data is not None and not isinstance(data, dict):
        raise _invalid("data")
    fields = dict(data or {})
    if subject is not None and fields.setdefault("dataset", subject) != subject:
        raise _invalid("subject")
    return fields


def _chosen_id(request: Request) -> str:
    """The sender's own id of this change, so that sending it again changes nothing; else a new one."""
    given = request.headers.get("idempotency-key")
    try:
        return _EVENT_ID.validate_python(given) if given else secrets.token_hex(16)
    except ValidationError:
        raise _invalid("Idempotency-Key") from None


async def _body(request: Request, settings: Settings) -> bytes:
    parts: list[bytes] = []
    too_large = MessageInvalid(Reason(code="message_too_large", limit=JSON_MAX))
    await _receive(request, settings, JSON_MAX, too_large, parts.append)
    return b"".join(parts)


async def _spool(request: Request, path: Path, settings: Settings) -> str:
    digest, limit = hashlib.sha256(), settings.upload_max_bytes
    too_large = Quarantined(Reason(code="source_too_large", limit=limit))
    with path.open("wb") as file:

        def keep(part: bytes) -> None:
            digest.update(part)
            file.write(part)

        size = await _receive(request, settings, limit, too_large, keep)
    if not size:
        raise _invalid("the body is empty")
    return digest.hexdigest()


async def _receive(
    request: Request,
    settings: Settings,
    limit: int,
    too_large: EcluseError,
    keep: Callable[[bytes], object],
) -> int:
    """Takes the body as it comes; its size in bytes. Who sends more slowly than a source may holds a
    connection and room on the spool for ever: raises MessageInvalid(`upload_too_slow`), `too_large`."""
    began, size = asyncio.get_running_loop().time(), 0
    slowest, patience = settings.source_slowest_bytes, settings.source_patience_seconds
    try:
        async with asyncio.timeout_at(began + patience) as turn:
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise too_large
                keep(part)
                turn.reschedule(began + max(patience, size / slowest) if slowest else None)
    except TimeoutError:
        raise MessageInvalid(Reason(code="upload_too_slow", limit=slowest)) from None
    return size


def _invalid(detail: str) -> MessageInvalid:
    return MessageInvalid(Reason(code="request_invalid", detail=detail))


def _refusal(status: int, *reasons: Reason) -> JSONResponse:
    said = [
        {"code": reason.code, "fr": str(reason.text("fr")), "en": str(reason.text("en"))}
        for reason in reasons
    ]
    return JSONResponse({"refused": said, "at": datetime.now(UTC).isoformat()}, status)
