"""A file in somebody else's bucket, on a real MinIO."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest.fetch_source import fetch_source
from shared.failures import Quarantined
from shared.settings import Settings
from shared.storage import open_store
from tests.connected.stores import Buckets
from tests.services.ingest.reading import DATA

NAME = "adresses-ansi.csv"


@pytest.fixture
def foreign(buckets: Buckets) -> Iterator[str]:
    """A bucket that is none of ours, with one file in it."""
    client, name = buckets.server.client(), f"donnees-{secrets.token_hex(4)}"
    client.make_bucket(bucket_name=name)
    key = f"voirie/été/{NAME}"
    client.fput_object(bucket_name=name, object_name=key, file_path=str(DATA / NAME))
    yield name
    client.remove_object(bucket_name=name, object_name=key)
    client.remove_bucket(bucket_name=name)


def told(buckets: Buckets, folder: Path) -> Settings:
    return Settings.model_validate(
        {
            "store": str(folder / "store"),
            "source_s3_endpoint": buckets.server.endpoint,
            "source_s3_access_key": buckets.server.access_key,
            "source_s3_secret_key": buckets.server.secret_key,
            "source_retry_seconds": 0.001,
        }
    )


async def test_a_file_in_a_foreign_bucket(buckets: Buckets, foreign: str, tmp_path: Path) -> None:
    """Fetched whole, by a key as people write them; one that is not there is a person's matter."""
    settings = told(buckets, tmp_path)
    store = open_store(settings, "ingest")
    at = f"s3://{foreign}/voirie/%C3%A9t%C3%A9/{NAME}"
    found = await fetch_source(at, tmp_path / "to", settings, store)
    assert found.path.read_bytes() == (DATA / NAME).read_bytes()
    with pytest.raises(Quarantined) as missing:
        await fetch_source(f"s3://{foreign}/none.csv", tmp_path / "to", settings, store)
    assert missing.value.reasons[0].code == "source_missing"
