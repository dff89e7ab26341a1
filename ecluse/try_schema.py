"""The schema of schema.data.gouv.fr that a card names, for `ecluse try`: fetched as ingest does.

The name and version are all that leaves the machine. What was fetched once is kept in
`ECLUSE_SPOOL`, under `try`: from then on a trial needs no network.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from obstore.store import LocalStore

from services.ingest.schema_by_name import with_schema
from shared.card import Card
from shared.settings import Settings
from shared.storage import Store

# A person waits at a terminal: three tries, soon after each other.
SOON = {"source_retry_seconds": 0.2, "source_timeout_seconds": 60.0}


def with_named_schema(card: Card, settings: Settings) -> Card:
    """The card with its schema in it.

    Raises Quarantined(`schema_unknown`), SourceAway(`schema_away`), OSError.
    """
    named = card.table_schema
    if named is None or named.fields:
        return card
    kept = (settings.spool / "try").absolute()
    store = Store({"reports": LocalStore(kept, mkdir=True)})
    with tempfile.TemporaryDirectory() as folder:
        told = settings.model_copy(update=SOON)
        return asyncio.run(with_schema(card, Path(folder), told, store))
