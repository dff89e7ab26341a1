"""`ecluse store`: buckets, versioning, lifecycle, one user and policy a process, notifications.

Uses an administrator's credential, which no service has. Everything may be done again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, get_args
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.credentials.providers import StaticProvider
from minio.error import (
    InvalidResponseError,
    MinioAdminException,
    MinioException,
    S3Error,
    ServerError,
)
from minio.lifecycleconfig import (
    AbortIncompleteMultipartUpload,
    Expiration,
    LifecycleConfig,
    NoncurrentVersionExpiration,
    Rule,
)
from minio.minioadmin import MinioAdmin
from minio.notificationconfig import NotificationConfig, QueueConfig
from minio.versioningconfig import SUSPENDED, VersioningConfig

from shared.event_parts import BucketName
from shared.failures import OursAway
from shared.messages import Reason
from shared.settings import Settings
from shared.storage import BUCKETS, Access, keep_days

PROCESSES: tuple[Access, ...] = get_args(Access)
# Manifests and pinned cards are what everything else is believed by: an overwritten one can be had
# back. Elsewhere a deletion must be final: what a person withdraws, what a retention ends.
VERSIONED: tuple[BucketName, ...] = ("reports",)
OLD_VERSION_DAYS = 90
UNFINISHED_DAYS = 1
# Of the server's notification targets: the one whose topic is `drop.notified`.
TARGET = ":drop:kafka"
WRITTEN_FOR = "arn:aws:s3:::ecluse-"
SHORTEST_SECRET = 8
_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})


class BadCredential(ValueError):
    """The store does not let this credential do what is asked; the text says what to do."""


@dataclass
class StoreAccount:
    """What was done."""

    created: list[str]
    there: list[str]
    # Buckets that kept versions though a deletion there must be final.
    suspended: list[str]
    users: list[str]
    # Processes whose policy is there, but whose secret was not given.
    without_secret: list[str]
    notifications: str | None


def set_up_store(settings: Settings, *, users: bool = True) -> StoreAccount:
    """Sets the store of the settings up, with their credential as the administrator's.

    Without `users` buckets alone: for an S3 endpoint that is not MinIO. Raises ValueError for
    settings or a credential that cannot be used, OursAway for a store that does not answer.
    """
    secrets = _secrets(settings)
    client, admin = _clients(settings)
    try:
        created = [name for name in BUCKETS if _make(client, settings.bucket(name))]
        account = StoreAccount(
            created=[settings.bucket(name) for name in created],
            there=[settings.bucket(name) for name in BUCKETS if name not in created],
            suspended=[
                settings.bucket(name) for name in BUCKETS if _version(client, settings, name)
            ],
            users=[],
            without_secret=[],
            notifications=None,
        )
        for name in BUCKETS:
            rules = LifecycleConfig(_rules(name, settings))
            client.set_bucket_lifecycle(settings.bucket(name), rules)
        if users:
            for process in PROCESSES:
                _put_user(admin, settings, process, secrets.get(process))
                (account.users if process in secrets else account.without_secret).append(
                    settings.bucket(process)
                )
            account.notifications = _notify(client, admin, settings.bucket("drop"))
    except S3Error as failure:
        raise _meaning(failure.code) from None
    except MinioAdminException as failure:
        raise _meaning(_code_of(failure)) from None
    except (
        MinioException,
        InvalidResponseError,
        ServerError,
        urllib3.exceptions.HTTPError,
        OSError,
    ):
        raise OursAway(Reason(code="store_away")) from None
    return account


def policy(process: Access, prefix: str) -> dict[str, Any]:
    """The process's policy (`deploy/minio/`), for buckets of this prefix."""
    text = (files("deploy") / "minio" / f"{process}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text.replace(WRITTEN_FOR, f"arn:aws:s3:::{prefix}"))
    return found


def _secrets(settings: Settings) -> dict[str, str]:
    found = {name: one.get_secret_value() for name, one in settings.store_secrets.items()}
    if unknown := sorted(set(found) - set(PROCESSES)):
        raise ValueError(f"ECLUSE_STORE_SECRETS names no process of Écluse: {', '.join(unknown)}")
    if short := sorted(name for name, one in found.items() if len(one) < SHORTEST_SECRET):
        raise ValueError(
            f"ECLUSE_STORE_SECRETS: at least {SHORTEST_SECRET} characters for {', '.join(short)}"
        )
    return found


def _clients(settings: Settings) -> tuple[Minio, MinioAdmin]:
    if settings.store != "s3" or not settings.s3_endpoint:
        raise ValueError(
            "ECLUSE_STORE is not s3, or ECLUSE_S3_ENDPOINT is missing: nothing to set up"
        )
    place = urlsplit(settings.s3_endpoint)
    secure = place.scheme == "https"
    # The system's certificates, so that a city's own authority is known.
    pool = urllib3.PoolManager(timeout=20.0, retries=urllib3.Retry(2, backoff_factor=0.2))
    key, secret = settings.s3_access_key, settings.s3_secret_key.get_secret_value()
    client = Minio(
        endpoint=place.netloc,
        access_key=key,
        secret_key=secret,
        region=settings.s3_region,
        secure=secure,
        http_client=pool,
    )
    admin = MinioAdmin(
        endpoint=place.netloc,
        credentials=StaticProvider(key, secret),
        region=settings.s3_region,
        secure=secure,
        http_client=pool,
    )
    return client, admin


def _make(client: Minio, bucket: str) -> bool:
    if client.bucket_exists(bucket_name=bucket):
        return False
    client.make_bucket(bucket_name=bucket)
    return True


def _version(client: Minio, settings: Settings, name: BucketName) -> bool:
    """Turns versions on or off; True if they were kept where none may be."""
    bucket = settings.bucket(name)
    kept = client.get_bucket_versioning(bucket_name=bucket).status == ENABLED
    if name in VERSIONED:
        client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(ENABLED))
        return False
    if kept:
        client.set_bucket_versioning(bucket_name=bucket, config=VersioningConfig(SUSPENDED))
    return kept


def _rules(name: BucketName, settings: Settings) -> list[Rule]:
    """What the store deletes by itself."""
    old = OLD_VERSION_DAYS if name in VERSIONED else 1
    rules = [
        Rule(
            status=ENABLED,
            rule_filter=Filter(prefix=""),
            rule_id="leftovers",
            noncurrent_version_expiration=NoncurrentVersionExpiration(noncurrent_days=old),
            # MinIO passes over it and does so by itself after 24 hours.
            abort_incomplete_multipart_upload=AbortIncompleteMultipartUpload(
                days_after_initiation=UNFINISHED_DAYS
            ),
        )
    ]
    if days := keep_days(settings).get(name):
        rules.append(
            Rule(
                status=ENABLED,
                rule_filter=Filter(prefix=""),
                rule_id="retention",
                expiration=Expiration(days=days),
            )
        )
    return rules


def _put_user(admin: MinioAdmin, settings: Settings, process: Access, secret: str | None) -> None:
    name = settings.bucket(process)
    admin.policy_add(name, policy=policy(process, settings.s3_bucket_prefix))
    if secret is not None:
        admin.user_add(name, secret)
        admin.policy_set(name, user=name)


def _notify(client: Minio, admin: MinioAdmin, bucket: str) -> str | None:
    """Has the server say what is dropped; None if no Kafka target is configured on it."""
    told = json.loads(admin.info()).get("sqsARN") or []
    target = next((one for one in told if str(one).lower().endswith(TARGET)), None)
    if target is not None:
        queue = QueueConfig(queue=str(target), events=["s3:ObjectCreated:*"], config_id="drop")
        client.set_bucket_notification(
            bucket_name=bucket, config=NotificationConfig(queue_config_list=[queue])
        )
    return target


def _code_of(failure: MinioAdminException) -> str:
    try:
        return str(json.loads(failure._body).get("Code"))
    except (ValueError, AttributeError):
        return ""


def _meaning(code: str | None) -> Exception:
    if code in _DENIED:
        return BadCredential(
            "the store does not take ECLUSE_S3_ACCESS_KEY for an administrator's: give the store"
            " owner's credential to this command alone"
        )
    if code in ("XMinioServerNotInitialized", "SlowDown", "ServiceUnavailable", "InternalError"):
        return OursAway(Reason(code="store_away"))
    return ValueError(f"the store refused: {code or 'no MinIO? then --buckets-only'}")
