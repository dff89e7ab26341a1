"""Where a town keeps its objects: a folder, or buckets of a real MinIO."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import urllib3
from minio import Minio
from pydantic import SecretStr

from ecluse.store_setup import PROCESSES, StoreAccount, set_up_store
from shared.event_parts import BucketName
from shared.settings import Settings
from shared.storage import BUCKETS, Access, Store, open_store

if TYPE_CHECKING:
    from tests.connected.town import Town

# Parameters of the fixture `town`.
ON_EVERY_STORE = pytest.mark.parametrize("town", ["folder", "minio"], indirect=True)
ON_MINIO = pytest.mark.parametrize("town", ["minio"], indirect=True)


@dataclass(frozen=True)
class S3Server:
    """A server and its owner's credential."""

    endpoint: str
    access_key: str
    secret_key: str

    def client(self) -> Minio:
        """The owner's client."""
        return Minio(
            endpoint=self.endpoint.removeprefix("http://").removeprefix("https://"),
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=self.endpoint.startswith("https://"),
            http_client=urllib3.PoolManager(timeout=20.0),
        )


@dataclass(frozen=True)
class Buckets:
    """The buckets of one installation, and a user for each process, made by `ecluse store`."""

    server: S3Server
    prefix: str
    secrets: dict[Access, str]

    @classmethod
    def new(cls, server: S3Server) -> Buckets:
        made: dict[Access, str] = {process: secrets.token_hex(16) for process in PROCESSES}
        return cls(server, f"t{secrets.token_hex(4)}-", made)

    def settings(self, process: Access | None = None, **more: Any) -> Settings:
        """The settings of a process; without one, of the store's owner."""
        told: dict[str, object] = {
            "store": "s3",
            "s3_endpoint": self.server.endpoint,
            "s3_bucket_prefix": self.prefix,
        }
        if process is None:
            told |= {
                "s3_access_key": self.server.access_key,
                "s3_secret_key": self.server.secret_key,
                "store_secrets": {name: SecretStr(one) for name, one in self.secrets.items()},
            }
        else:
            told |= self.credential(process)
        return Settings.model_validate(told | more)

    def credential(self, process: Access) -> dict[str, object]:
        """What only this process is told."""
        return {
            "s3_access_key": f"{self.prefix}{process}",
            "s3_secret_key": self.secrets[process],
        }

    def set_up(self, **more: Any) -> StoreAccount:
        return set_up_store(self.settings(**more))

    def store(self, process: Access) -> Store:
        """The store as this process sees it."""
        return open_store(self.settings(process), process)

    def name(self, bucket: BucketName) -> str:
        return f"{self.prefix}{bucket}"

    def versions(self, bucket: BucketName) -> list[tuple[str, str | None]]:
        """Every version of every object, deletion marks included."""
        found = self.server.client().list_objects(
            bucket_name=self.name(bucket), recursive=True, include_version=True
        )
        return [(str(one.object_name), one.version_id) for one in found]

    def empty(self) -> None:
        """Removes every version of every object."""
        client = self.server.client()
        for bucket in BUCKETS:
            for key, version in self.versions(bucket):
                client.remove_object(
                    bucket_name=self.name(bucket), object_name=key, version_id=version
                )

    def remove(self) -> None:
        """Leaves a server that was there before as it was."""
        self.empty()
        client = self.server.client()
        for bucket in BUCKETS:
            client.remove_bucket(bucket_name=self.name(bucket))


async def objects(town: Town, bucket: BucketName) -> dict[str, bytes]:
    """What a bucket of the town holds."""
    store = open_store(town.settings, "operator")
    keys = [found.key async for found in store.list(bucket)]
    return {key: await store.get(bucket, key) or b"" for key in keys}


async def drop(town: Town, key: str, content: str) -> None:
    """A file put into the drop bucket, as a domain does."""
    settings = town.buckets.settings() if town.buckets else town.settings
    await open_store(settings, "operator").put_bytes("drop", key, content.encode())


def s3_settings(buckets: Buckets) -> dict[str, str]:
    """What a town is told: its own hands are the operator's, which only read."""
    told = {
        "store": "s3",
        "s3_endpoint": buckets.server.endpoint,
        "s3_bucket_prefix": buckets.prefix,
    }
    return told | {name: str(one) for name, one in buckets.credential("operator").items()}
