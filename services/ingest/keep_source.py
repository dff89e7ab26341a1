"""Keeps the source bytes as they came, in the raw zone, named by their hash."""

from __future__ import annotations

from pathlib import Path

from services.ingest.accounts import load_accounts
from services.ingest.change_record import FetchedRecord, Run, read_fetched
from services.ingest.download import Fetched, Validators
from services.ingest.drops import version_of
from services.ingest.fetch_source import SENT, fetch_source
from services.ingest.gather_sources import gather_sources
from services.ingest.http_source import NotModified
from services.ingest.last_version import LastVersion
from services.ingest.schema_by_name import with_schema
from services.ingest.source_address import address_parts, drop_key
from services.ingest.sql_source import from_database
from shared import keys
from shared.card import Card
from shared.card_source import PartSource, Source
from shared.event_parts import ObjectRef
from shared.failures import Quarantined
from shared.ids import DatasetId
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import Store
from shared.workers import WorkerPool


async def keep_source(
    run: Run,
    card: Card,
    folder: Path,
    settings: Settings,
    store: Store,
    pool: WorkerPool | None = None,
) -> Fetched:
    """The run's source on the spool, and a copy of it in `raw`.

    A change whose bytes are kept is not fetched again, unless the run asks for it: a repeat sees
    what the first pass saw. Raises SourceAway, Quarantined.
    """
    path = folder / "source"
    if kept := await _kept(run, card.dataset, path, store):
        await _clear_drop(run, store)
        return kept
    if card.sources and run.record.address is None and pool is not None:
        fetched = await _gathered(card, path, settings, store, pool)
    else:
        fetched = await _fetched(run.record.address, card, card.source, path, settings, store)
    await _keep(store, card.dataset, fetched, sure=run.again)
    record = FetchedRecord(
        sha256=fetched.sha256,
        bytes=fetched.bytes,
        notes=fetched.notes,
        modified=fetched.validators.modified,
    )
    await store.put_bytes(
        "raw", keys.fetched(card.dataset, run.source_of), record.model_dump_json().encode()
    )
    await _clear_drop(run, store)
    return fetched


async def _kept(run: Run, dataset: DatasetId, path: Path, store: Store) -> Fetched | None:
    """The bytes that the change brought before; None if they are to be fetched.

    A re-run mends what is damaged where the source is still to be had. Raises Quarantined.
    """
    if run.fetch_again:
        return None
    try:
        known = await read_fetched(store, dataset, run.source_of)
        if known is None:
            return None
        key = keys.source(dataset, known.sha256)
        ref = ObjectRef(bucket="raw", key=key, bytes=known.bytes, sha256=known.sha256)
        await store.download(ref, path)
    except Quarantined:
        if not run.again or _dropped(run):
            raise
        return None
    version = Validators(modified=known.modified)
    return Fetched(path, known.bytes, known.sha256, version, known.notes)


async def _gathered(
    card: Card, path: Path, settings: Settings, store: Store, pool: WorkerPool
) -> Fetched:
    whole = await with_schema(card, path.parent, settings, store)

    async def fetch(part: PartSource, to: Path) -> Fetched:
        return await _fetched(None, card, part, to, settings, store)

    return await gather_sources(whole, path, fetch, store, pool)


async def _fetched(
    announced: str | None, card: Card, told: Source, path: Path, settings: Settings, store: Store
) -> Fetched:
    """The source at the address that the change brought, else the one that the card tells."""
    accounts = load_accounts(settings.accounts_file)
    if told.query is not None and announced is None:
        if told.database is None:
            raise Quarantined(Reason(code="source_unknown"))
        return await from_database(accounts.database(told.database), told.query, path, settings)
    address = announced or told.address
    if address is None:
        raise Quarantined(Reason(code="source_unknown"))
    _check_drop(address, card)
    version = LastVersion(store, card.dataset, address)
    known = await version.read()
    try:
        fetched = await fetch_source(
            address, path, settings, store, accounts.account(told.account),
            known.validators if known else None,
        )  # fmt: skip
    except NotModified:
        if known is None:
            raise
        try:
            await store.download(known.ref(card.dataset), path)
        except Quarantined:
            # The copy is damaged; the server still has what it was made from.
            account = accounts.account(told.account)
            fetched = await fetch_source(address, path, settings, store, account)
            await _keep(store, card.dataset, fetched, sure=True)
            return fetched
        return Fetched(path, known.bytes, known.sha256, known.validators)
    if fetched.validators:
        # The version is only worth noting with its bytes.
        await _keep(store, card.dataset, fetched)
        await version.write(fetched)
    return fetched


async def _keep(store: Store, dataset: DatasetId, fetched: Fetched, *, sure: bool = False) -> None:
    """Puts the source into `raw` unless it is there: by its size, if `sure` by its checksum too."""
    key = keys.source(dataset, fetched.sha256)
    ref = ObjectRef(bucket="raw", key=key, bytes=fetched.bytes, sha256=fetched.sha256)
    if not await store.holds(ref, deep=sure):
        await store.put("raw", key, fetched.path, fetched.sha256)


def _check_drop(address: str, card: Card) -> None:
    """A file dropped for another dataset or domain is not this one's (bad input S27)."""
    parts = address_parts(address)
    if parts.scheme != "drop":
        return
    folders = drop_key(parts).removeprefix(SENT).split("/")
    # What came over HTTP was allowed there; a dropped file is allowed by where it lies.
    wanted = (
        [folders[0], card.dataset]
        if drop_key(parts).startswith(SENT)
        else [card.domain, card.dataset]
    )
    if folders[:2] != wanted:
        raise Quarantined(Reason(code="drop_elsewhere", expected=f"{card.domain}/{card.dataset}/"))


def _dropped(run: Run) -> bool:
    return address_parts(run.record.address or "").scheme == "drop"


async def _clear_drop(run: Run, store: Store) -> None:
    """A dropped file leaves the drop bucket as soon as it is in `raw`; not one dropped since."""
    if not _dropped(run):
        return
    parts = address_parts(run.record.address or "")
    found = await store.find("drop", drop_key(parts))
    if found and parts.query in ("", f"version={version_of(found)}"):
        await store.delete("drop", drop_key(parts))
