"""A real MinIO as a portal: what two write at once is all in the index."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from hashlib import sha256

from pydantic import SecretStr

from services.publish.portals import bucket
from services.publish.portals.connector import Access, Connector, Ids
from services.publish.portals.wanted import make_wanted
from shared.event_parts import FileRef
from shared.portal_settings import PortalAccess
from tests.cards import card
from tests.connected.stores import S3Server
from tests.services.publish.test_udata_words import Publication


async def content(file: FileRef) -> AsyncIterator[bytes]:
    yield b"x" * file.bytes


async def put(portal: Connector, dataset: str) -> None:
    made = Publication()
    made.dataset = dataset
    made.files = (
        {"role": "data", "format": "csv", "name": f"{dataset}.csv", "media_type": "text/csv",
         "bytes": 3, "sha256": sha256(b"xxx").hexdigest(), "bucket": "staged", "key": "x",
         "rows": 1},
    )  # type: ignore[assignment]  # fmt: skip
    wanted = make_wanted(card(dataset=dataset), made, "http://ville.example")

    async def remember(_pairs: dict[str, str]) -> None:
        pass

    await portal.upsert(await portal.describe(wanted), wanted, None, remember)


async def test_two_publishers_at_once_lose_nothing_of_the_index(minio: S3Server) -> None:
    """Each replaces the index that it read and no other: the second reads again."""
    client, name = minio.client(), f"portal-{secrets.token_hex(4)}"
    client.make_bucket(bucket_name=name)
    settings = PortalAccess(kind="s3", url=minio.endpoint, folder=name, account=minio.access_key)
    access = Access("depot", settings, SecretStr(minio.secret_key), content)
    two = [bucket.open_portal(access) for _ in range(2)]
    names = [f"jeu-{number}" for number in range(6)]
    await asyncio.gather(*(put(two[n % 2], one) for n, one in enumerate(names)))
    answer = client.get_object(bucket_name=name, object_name="index.json")
    listed = [one["folder"] for one in json.loads(answer.read())["datasets"]]
    answer.close()
    assert listed == names
    seen = await two[0].read_back("http://ville.example/datasets/jeu-1", Ids(), stranger=False)
    assert seen
    await two[0].withdraw(seen)
    left = {one.object_name for one in client.list_objects(bucket_name=name, recursive=True)}
    assert {one for one in left if one and one.startswith("jeu-1/")} == set()
    for portal in two:
        await portal.close()
    for key in left:
        client.remove_object(bucket_name=name, object_name=str(key))
    client.remove_bucket(bucket_name=name)
