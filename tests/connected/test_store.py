"""The object store on a real MinIO: what only a real server shows."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig
from typer.testing import CliRunner

from deploy.local.minio import LocalMinio
from ecluse import cli
from ecluse.store_setup import PROCESSES, VERSIONED, BadCredential
from services.anonymize.removals import add_removals
from services.ingest.drops import change_of
from shared.event_parts import ObjectRef
from shared.failures import OursAway, Quarantined
from shared.messages import Reason
from shared.settings import settings
from shared.storage import BUCKETS, open_store
from tests.connected.stores import Buckets, S3Server
from tests.connected.town import eventually

DATA = b"id;places\n" * 300_000


async def put(buckets: Buckets, tmp_path: Path) -> ObjectRef:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    return await buckets.store("convert").put("staged", "a/b/c.csv", path, digest)


async def test_a_file_goes_its_way_on_minio(buckets: Buckets, tmp_path: Path) -> None:
    """Put, sized, read, streamed, copied, listed, deleted: each by the process that does it."""
    ref = await put(buckets, tmp_path)
    publish = buckets.store("publish")
    assert await publish.read(ref) == DATA
    copy = await publish.copy(ref, "public", "a/b/c.csv")
    portal = buckets.store("portal")
    assert await portal.read(copy) == DATA
    parts = [part async for part in portal.stream("public", copy.key, 3, 2_000_000)]
    assert b"".join(parts) == DATA[3:2_000_000]
    assert [found.key async for found in portal.list("public")] == [copy.key]
    await publish.delete("public", copy.key)
    await publish.delete("public", copy.key)
    assert await portal.size("public", copy.key) is None
    assert buckets.versions("public") == []


async def test_the_first_to_create_wins_on_minio(buckets: Buckets) -> None:
    """Of many that create an object at once one does, the others are told, and its bytes stay."""
    store = buckets.store("convert")
    made = await asyncio.gather(
        *(store.create("reports", "a/manifests/m.json", b"%d" % number) for number in range(8))
    )
    assert made.count(True) == 1
    assert await store.get("reports", "a/manifests/m.json") == b"%d" % made.index(True)
    assert not await store.create("reports", "a/manifests/m.json", b"later")
    assert len(buckets.versions("reports")) == 1


async def test_a_damaged_object_does_not_pass_on_minio(buckets: Buckets, tmp_path: Path) -> None:
    """One flipped byte: the reader is stopped, and no copy of it becomes visible."""
    ref = await put(buckets, tmp_path)
    broken = DATA[:-2] + bytes([DATA[-2] ^ 1]) + DATA[-1:]
    owner = open_store(buckets.settings(), "operator")
    await owner.put_bytes("staged", ref.key, broken)
    publish = buckets.store("publish")
    with pytest.raises(Quarantined) as caught:
        await publish.read(ref)
    assert caught.value.reasons[0].code == "object_damaged"
    with pytest.raises(Quarantined):
        await publish.copy(ref, "public", "a/b/c.csv")
    assert await publish.size("public", "a/b/c.csv") is None
    assert [found async for found in publish.list("public")] == []


async def test_one_file_is_shown_alike_in_both_ways_on_minio(buckets: Buckets) -> None:
    """A dropped file is the same change whether it is seen in a listing or by its name."""
    owner = open_store(buckets.settings(), "operator")
    store = buckets.store("ingest")
    for number in range(5):
        await owner.put_bytes("drop", f"voirie/bancs/l'été à 10 % +{number}.csv", b"1")
    listed = [found async for found in store.list("drop")]
    assert len(listed) == 5
    for found in listed:
        alone = await store.find("drop", found.key)
        assert alone
        assert change_of(found) == change_of(alone) is not None


async def test_an_upload_in_parts_on_minio(buckets: Buckets) -> None:
    """Convert's own credential may do it; nothing shows before the end, nor when it is called off."""
    store, block = buckets.store("convert"), b"x" * 2**20

    async def parts(*, off: bool) -> AsyncIterator[bytes]:
        for _ in range(12):
            yield block
        assert buckets.versions("staged") == []
        if off:
            raise Quarantined(Reason(code="worker_died"))

    with pytest.raises(Quarantined):
        await store.put_parts("staged", "a/b/c.csv", parts(off=True))
    assert buckets.versions("staged") == []
    await store.put_parts("staged", "a/b/c.csv", parts(off=False))
    assert await store.get("staged", "a/b/c.csv") == block * 12


UPLOAD = """
import asyncio, sys
import obstore
from shared.settings import Settings
from shared.storage import open_store

async def main():
    store = open_store(Settings(), "convert")
    async def parts():
        while True:
            yield b"x" * 2**20
    await obstore.put_async(store._buckets["staged"], "a/b/big.csv", parts())

asyncio.run(main())
"""


async def test_a_killed_upload_leaves_nothing_visible_on_minio(
    buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed in the middle of an upload in parts: no object, no piece of one."""
    told = buckets.settings("convert")
    for name in ("store", "s3_endpoint", "s3_bucket_prefix", "s3_access_key"):
        monkeypatch.setenv(f"ECLUSE_{name.upper()}", str(getattr(told, name)))
    monkeypatch.setenv("ECLUSE_S3_SECRET_KEY", told.s3_secret_key.get_secret_value())
    client = buckets.server.client()

    async def under_way() -> bool:
        found = await asyncio.to_thread(
            client._list_multipart_uploads, buckets.name("staged"), prefix="a/b/big.csv"
        )
        return bool(found.uploads)

    child = subprocess.Popen([sys.executable, "-c", UPLOAD])
    try:
        await eventually(under_way, "no upload has begun")
    finally:
        child.kill()
        child.wait()
    store = buckets.store("convert")
    assert await store.find("staged", "a/b/big.csv") is None
    assert [found async for found in store.list("staged")] == []
    assert buckets.versions("staged") == []
    await store.put_bytes("staged", "a/b/big.csv", b"whole")
    assert await store.get("staged", "a/b/big.csv") == b"whole"


async def test_a_killed_minio_comes_back_with_what_it_had(tmp_path: Path) -> None:
    """Killed and started again on the same port: away meanwhile, nothing lost, nothing half."""
    with LocalMinio(tmp_path / "minio") as server:
        buckets = Buckets.new(S3Server(server.endpoint, server.access_key, server.secret_key))
        buckets.set_up()
        store = buckets.store("convert")
        await store.put_bytes("staged", "a/b/c.csv", DATA)
        server.kill()
        with pytest.raises(OursAway):
            await store.get("staged", "a/b/c.csv")
        assert not await store.alive("staged")
        server.start()
        assert await store.get("staged", "a/b/c.csv") == DATA


async def test_people_are_put_on_the_list_on_minio(buckets: Buckets) -> None:
    """With what anonymize may do on the store, and with nothing more."""
    told = buckets.settings("anonymize", pseudonym_secret="s" * 32)
    store = open_store(told, "anonymize")
    assert await add_removals(store, told, "arbres", ["D7", "D8", "D7"]) == 2


# --- ecluse store --------------------------------------------------------------------------------


def test_the_store_is_set_up_twice_on_minio(buckets: Buckets) -> None:
    """A second time nothing is made; versions, retentions and users are as they were."""
    done = buckets.set_up(keep_raw_days=7)
    assert (done.created, done.suspended, done.without_secret) == ([], [], [])
    assert done.there == [buckets.name(bucket) for bucket in BUCKETS]
    assert done.users == [f"{buckets.prefix}{process}" for process in PROCESSES]
    client = buckets.server.client()
    days = {}
    for bucket in BUCKETS:
        name = buckets.name(bucket)
        assert (client.get_bucket_versioning(bucket_name=name).status == ENABLED) == (
            bucket in VERSIONED
        )
        rules = client.get_bucket_lifecycle(bucket_name=name)
        assert rules
        old = [one.noncurrent_version_expiration for one in rules.rules]
        assert [one.noncurrent_days for one in old if one] == [90 if bucket in VERSIONED else 1]
        days[bucket] = [one.expiration.days for one in rules.rules if one.expiration]
    assert days == {
        "drop": [], "raw": [7], "safe": [90], "reports": [], "staged": [90], "public": [],
    }  # fmt: skip
    buckets.set_up()


async def test_a_manifest_can_be_had_back_on_minio(buckets: Buckets) -> None:
    """What is written over in `reports` is kept; elsewhere a deletion is final."""
    store = buckets.store("convert")
    for content in (b"1", b"2"):
        await store.put_bytes("reports", "a/m.json", content)
        await store.put_bytes("staged", "a/f.csv", content)
    assert len(buckets.versions("reports")) == 2
    assert len(buckets.versions("staged")) == 1


def test_versions_where_none_may_be_on_minio(buckets: Buckets) -> None:
    """Somebody has turned versions of `public` on: it is said, and turned off."""
    client = buckets.server.client()
    client.set_bucket_versioning(
        bucket_name=buckets.name("public"), config=VersioningConfig(ENABLED)
    )
    assert buckets.set_up().suspended == [buckets.name("public")]
    assert buckets.set_up().suspended == []


def test_a_new_secret_replaces_the_old_on_minio(buckets: Buckets) -> None:
    """Run with another secret, `ecluse store` changes that user's alone."""
    changed = buckets.settings().store_secrets | {"notify": buckets.settings().s3_secret_key}
    done = buckets.set_up(store_secrets={"notify": changed["notify"]})
    assert done.users == [f"{buckets.prefix}notify"]
    assert len(done.without_secret) == len(PROCESSES) - 1
    told: dict[str, Any] = {"s3_secret_key": changed["notify"]}
    notify = buckets.settings("notify", **told)
    assert asyncio.run(open_store(notify, "notify").alive("reports"))
    assert not asyncio.run(buckets.store("notify").alive("reports"))
    buckets.set_up()
    assert asyncio.run(buckets.store("notify").alive("reports"))


@pytest.mark.parametrize(
    "wrong", [{"s3_secret_key": "not the owner's"}, {"s3_access_key": "nobody"}]
)
def test_a_credential_that_may_not_on_minio(buckets: Buckets, wrong: dict[str, str]) -> None:
    """It is told from a store that is away, and no secret is quoted."""
    with pytest.raises(BadCredential) as caught:
        buckets.set_up(**wrong)
    assert "administrator" in str(caught.value)


def test_a_process_may_not_set_the_store_up_on_minio(buckets: Buckets) -> None:
    """A service's credential is refused as well."""
    with pytest.raises(BadCredential):
        buckets.set_up(**buckets.credential("publish"))


@pytest.fixture
def told(buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The owner's settings, in the environment."""
    owner = buckets.settings()
    secrets = {name: one.get_secret_value() for name, one in owner.store_secrets.items()}
    for name, value in {
        "STORE": "s3",
        "S3_ENDPOINT": owner.s3_endpoint,
        "S3_BUCKET_PREFIX": buckets.prefix,
        "S3_ACCESS_KEY": owner.s3_access_key,
        "S3_SECRET_KEY": owner.s3_secret_key.get_secret_value(),
        "STORE_SECRETS": json.dumps(secrets),
        "LANGUAGE": "en",
    }.items():
        monkeypatch.setenv(f"ECLUSE_{name}", value)
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.mark.usefixtures("told")
def test_the_command_on_minio(buckets: Buckets) -> None:
    """`ecluse store` says what it did, to a person and to a program, and quotes no secret."""
    plain = CliRunner().invoke(cli.app, ["store"])
    assert plain.exit_code == 0, plain.output
    assert "buckets: 0 created, 6 there" in plain.output
    assert "notifications of drop: none: listed every 60 s" in plain.output
    program = CliRunner().invoke(cli.app, ["store", "--json"])
    assert json.loads(program.stdout)["there"] == [buckets.name(bucket) for bucket in BUCKETS]
    for secret in (buckets.server.secret_key, *buckets.secrets.values()):
        assert secret not in plain.output + program.output
    only = CliRunner().invoke(cli.app, ["store", "--buckets-only", "--json"])
    assert (only.exit_code, json.loads(only.stdout)["users"]) == (0, [])
