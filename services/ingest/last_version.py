"""Which version of an http source was fetched last, so that only a newer one is fetched again."""

from __future__ import annotations

import hashlib

from pydantic import BaseModel, ConfigDict, ValidationError

from services.ingest.download import Fetched, Validators
from shared import keys
from shared.event_parts import ObjectRef
from shared.ids import DatasetId, Digest
from shared.storage import Store


class VersionRecord(BaseModel):
    """`raw/<dataset>/versions/<digest of the address>.json`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    etag: str | None
    modified: str | None
    sha256: Digest
    bytes: int

    @property
    def validators(self) -> Validators:
        return Validators(self.etag, self.modified)

    def ref(self, dataset: DatasetId) -> ObjectRef:
        """Where the bytes of that version are kept."""
        key = keys.source(dataset, self.sha256)
        return ObjectRef(bucket="raw", key=key, bytes=self.bytes, sha256=self.sha256)


class LastVersion:
    """Of one dataset's source at one address."""

    def __init__(self, store: Store, dataset: DatasetId, address: str) -> None:
        self._store = store
        self._dataset = dataset
        # The address may hold a file's name: it is not written out.
        self._key = keys.version(dataset, hashlib.sha256(address.encode()).hexdigest())

    async def read(self) -> VersionRecord | None:
        """The version fetched last, if its bytes are still kept."""
        data = await self._store.get("raw", self._key)
        if data is None:
            return None
        try:
            known = VersionRecord.model_validate_json(data)
        except ValidationError:
            return None
        kept = await self._store.size("raw", keys.source(self._dataset, known.sha256))
        return known if kept == known.bytes else None

    async def write(self, fetched: Fetched) -> None:
        """Notes what was fetched, if the server says what it is known by."""
        told = fetched.validators
        if not told:
            return
        record = VersionRecord(
            etag=told.etag, modified=told.modified, sha256=fetched.sha256, bytes=fetched.bytes
        )
        await self._store.put_bytes("raw", self._key, record.model_dump_json().encode())
