"""Who may do what in the store, tried on a real MinIO for every process and every bucket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from minio import Minio
from minio.credentials.providers import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.minioadmin import MinioAdmin

from ecluse.store_setup import PROCESSES
from shared.storage import BUCKETS, DELETES, REACH, WRITES, Access
from tests.connected.stores import Buckets


def client_of(buckets: Buckets, process: Access) -> Minio:
    name, secret = map(str, buckets.credential(process).values())
    return replace(buckets.server, access_key=name, secret_key=secret).client()


def put(client: Minio, bucket: str, key: str) -> None:
    client.put_object(bucket_name=bucket, object_name=key, data=BytesIO(b"x"), length=1)


def allowed(act: Callable[[], object]) -> bool:
    """Whether the store lets it be done; anything but a refusal is an error."""
    try:
        act()
    except S3Error as refusal:
        if refusal.code != "AccessDenied":
            raise
        return False
    return True


def acts(client: Minio, bucket: str) -> dict[str, Callable[[], object]]:
    return {
        "read": lambda: client.get_object(bucket_name=bucket, object_name="seed").close(),
        "stat": lambda: client.stat_object(bucket_name=bucket, object_name="seed"),
        "list": lambda: list(client.list_objects(bucket_name=bucket)),
        "write": lambda: put(client, bucket, "new"),
        "overwrite": lambda: put(client, bucket, "seed"),
        "delete": lambda: client.remove_object(bucket_name=bucket, object_name="victim"),
    }


@pytest.mark.parametrize("process", PROCESSES)
def test_every_process_and_every_bucket_on_minio(buckets: Buckets, process: Access) -> None:
    """Each credential reads, lists, writes and deletes where its process does, and nowhere else."""
    client = client_of(buckets, process)
    found: dict[str, dict[str, bool]] = {}
    expected: dict[str, dict[str, bool]] = {}
    for bucket in BUCKETS:
        for key in ("seed", "victim"):
            put(buckets.server.client(), buckets.name(bucket), key)
        tried = acts(client, buckets.name(bucket))
        found[bucket] = {what: allowed(act) for what, act in tried.items()}
        reads, writes = bucket in REACH[process], bucket in WRITES.get(process, ())
        expected[bucket] = {
            **dict.fromkeys(("read", "stat", "list"), reads),
            **dict.fromkeys(("write", "overwrite"), writes),
            "delete": bucket in DELETES.get(process, ()),
        }
    assert found == expected


@pytest.mark.parametrize(
    ("process", "bucket"),
    [
        ("publish", "raw"),
        ("publish", "safe"),
        ("publish", "drop"),
        ("convert", "raw"),
        ("convert", "drop"),
        ("notify", "raw"),
        *(("portal", bucket) for bucket in BUCKETS if bucket != "public"),
    ],
)
def test_personal_data_are_out_of_reach_on_minio(
    buckets: Buckets, process: Access, bucket: str
) -> None:
    """Said once more by name, not by the table that the policies are held against."""
    put(buckets.server.client(), f"{buckets.prefix}{bucket}", "seed")
    assert not [
        what for what, act in acts(client_of(buckets, process), f"{buckets.prefix}{bucket}").items()
        if allowed(act)
    ]  # fmt: skip


@pytest.mark.parametrize("process", PROCESSES)
def test_no_process_administers_minio(buckets: Buckets, process: Access) -> None:
    """No process makes buckets or users, or changes what it may do."""
    client = client_of(buckets, process)
    assert not allowed(lambda: client.make_bucket(bucket_name=f"{buckets.prefix}own"))
    public = buckets.name("public")
    assert not allowed(lambda: client.set_bucket_policy(bucket_name=public, policy="{}"))
    assert not allowed(lambda: client.delete_bucket_lifecycle(bucket_name=public))
    name, secret = map(str, buckets.credential(process).values())
    place = buckets.server.endpoint.removeprefix("http://")
    admin = MinioAdmin(endpoint=place, credentials=StaticProvider(name, secret), secure=False)
    with pytest.raises(MinioAdminException):
        admin.policy_set("consoleAdmin", user=name)
