"""Settings: the only place that reads the environment. Prefix `ECLUSE_`; lists are JSON.

Each field says what it is for; `docs/reference/settings.md` is made from here.
"""

from __future__ import annotations

import json
import socket
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.portal_settings import PortalAccess


class HarvestPortal(BaseModel):
    """A portal on udata that harvests our feed: where its API is, and who we are there."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str = Field(pattern=r"^https?://[^\s]+$", description="such as https://www.data.gouv.fr")
    source: str = Field(pattern=r"^[\w-]+$", description="id of the harvest source there")
    organization: str = Field(default="", description="id of the city's organisation there")
    token: str = Field(
        default="", description="name of its key in `ECLUSE_PORTAL_TOKENS`, to preview the feed"
    )


def _json_or_nothing(value: object) -> object:
    # Compose passes what is not set on as an empty text.
    return json.loads(value or "{}") if isinstance(value, str) else value


class Settings(BaseSettings):
    """One class for all processes: each reads what it needs, an image sets only that."""

    model_config = SettingsConfigDict(
        env_prefix="ECLUSE_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    # --- the city -----------------------------------------------------------------------------
    city: str = Field(default="Ville", description="The city's name, as pages show it.")
    prefix: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9-]{0,30}\.)?$",
        description="Stands before every topic and group (`lyon.`): one cluster, several cities.",
    )
    city_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Key of the release ids. ingest only. At least 16 characters; never changes.",
    )
    strategy_file: Path | None = Field(
        default=None, description="The city's `strategy.yaml`. publish, command line."
    )

    # --- Kafka --------------------------------------------------------------------------------
    kafka: str = Field(default="127.0.0.1:9092", description="Bootstrap servers, comma separated.")
    kafka_security: Literal["PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Protocol towards Kafka."
    )
    kafka_user: str = Field(default="", description="SASL/SCRAM-SHA-512 user.")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="SASL password.")
    partitions: int = Field(
        default=12,
        ge=1,
        description="Partitions of each topic, fixed for life. `ecluse topics`.",
    )
    replication: int = Field(default=1, ge=1, description="Replication factor of each topic.")
    generation: int = Field(
        default=0,
        ge=0,
        description="Raised by one when the topics are made anew from offset 0.",
    )
    raw_retention_days: float = Field(
        default=7,
        gt=0,
        description="Days that raw-zone topics keep messages: the longest outage.",
    )
    session_timeout_seconds: float = Field(
        default=45, gt=0, description="After this silence a consumer is taken for dead."
    )
    instance: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._-]{0,200}$",
        description="Name of this process among those of its service, its own and lasting: one that"
        " comes back has its place at once, not after the session time-out. `hostname`: the"
        " container's. Empty: no place is kept.",
    )
    max_poll_interval_seconds: float = Field(
        default=5400,
        gt=0,
        description="Above download + longest job + upload; or a long job is started twice.",
    )
    graceful_timeout_seconds: float = Field(
        default=45,
        gt=0,
        description="A stopping process finishes its message within this time.",
    )
    retry_seconds: float = Field(
        default=2,
        gt=0,
        description="First wait when something of ours is away; doubled to 60 s.",
    )

    # --- store --------------------------------------------------------------------------------
    store: str = Field(
        default=".ecluse/store",
        description="A folder, or `s3` for an S3 endpoint such as MinIO.",
    )
    s3_endpoint: str = Field(default="", description="Address of the S3 endpoint.")
    s3_region: str = Field(default="us-east-1", description="Region of the S3 endpoint.")
    s3_access_key: str = Field(default="", description="One credential per process.")
    s3_secret_key: SecretStr = Field(default=SecretStr(""), description="Its secret.")
    s3_bucket_prefix: str = Field(
        default="ecluse-", description="Stands before each bucket's name: `ecluse-raw`."
    )
    store_secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Secrets of the processes' users, by process (JSON object). `ecluse store` alone.",
    )
    keep_raw_days: int = Field(
        default=30,
        ge=1,
        description="Days that `raw` keeps sources and tables; 7 where people are concerned."
        " `ecluse store`.",
    )
    keep_safe_days: int = Field(
        default=90, ge=1, description="Days that `safe` keeps tables. `ecluse store`."
    )
    keep_staged_days: int = Field(
        default=90,
        ge=1,
        description="Days that `staged` keeps files: the longest wait for a decision."
        " `ecluse store`.",
    )
    spool: Path = Field(
        default=Path(".ecluse/spool"),
        description="Folder for files under work; emptied at start.",
    )

    # --- database -----------------------------------------------------------------------------
    database: SecretStr = Field(
        default=SecretStr(""),
        description="SQLAlchemy URL (`postgresql+psycopg://…`), one role per process.",
    )
    database_idle_seconds: float = Field(
        default=60,
        gt=0,
        description="A transaction left idle for this long is ended by the server: its process hangs.",
    )

    # --- identity -----------------------------------------------------------------------------
    identities_file: Path | None = Field(
        default=None,
        description="YAML: SHA-256 of a token → name, roles, domains. ingest, publish.",
    )
    token: SecretStr = Field(
        default=SecretStr(""),
        description="The command line's own token: who it acts for.",
    )
    signing_key_file: Path | None = Field(
        default=None, description="Ed25519 private key (PEM) of `ecluse sign`."
    )
    trusted_keys_file: Path | None = Field(
        default=None,
        description="Ed25519 public keys (PEM) whose signature puts a policy in force.",
    )

    # --- addresses ----------------------------------------------------------------------------
    host: str = Field(default="127.0.0.1", description="Interface that a process listens on.")
    ingest_port: int = Field(default=8101, description="ingest: POST /changes, health, metrics.")
    anonymize_port: int = Field(default=8102, description="anonymize: health, metrics.")
    convert_port: int = Field(default=8103, description="convert: health, metrics.")
    publish_port: int = Field(default=8104, description="publish: admin API, health, metrics.")
    notify_port: int = Field(default=8105, description="notify: harvest checks, health, metrics.")
    portal_port: int = Field(default=8100, description="portal: public pages and downloads.")
    portal_metrics_port: int = Field(
        default=8110, description="portal: metrics, apart from the public port."
    )
    public_url: str = Field(
        default="http://127.0.0.1:8100",
        description="The portal's public address. Never changes: identifiers are made from it.",
    )
    portal_internal_url: str = Field(
        default="",
        description="Where publish verifies the portal, if not at `public_url`.",
    )
    admin_url: str = Field(
        default="http://127.0.0.1:8104",
        description="publish's admin API. Command line, ingest.",
    )
    notify_url: str = Field(
        default="http://127.0.0.1:8105",
        description="notify's HTTP endpoint. Command line.",
    )
    changes_url: str = Field(
        default="http://127.0.0.1:8101",
        description="ingest's HTTP endpoint. Command line.",
    )

    # --- anonymize ----------------------------------------------------------------------------
    pseudonym_secret: SecretStr = Field(
        default=SecretStr(""),
        description="Root of the pseudonyms' keys. anonymize only. At least 32 characters.",
    )

    # --- sources (ingest) ---------------------------------------------------------------------
    allowed_folders: tuple[Path, ...] = Field(
        default=(), description="Folders whose files an event may name (JSON list)."
    )
    allow_private_addresses: bool = Field(
        default=False,
        description="Let http(s) sources, and files on other portals, lie on private addresses.",
    )
    source_max_bytes: int = Field(
        default=5 * 2**30, gt=0, description="Largest source, in decoded bytes."
    )
    source_timeout_seconds: float = Field(
        default=2700, gt=0, description="Longest download of a source."
    )
    source_s3_endpoint: str = Field(
        default="", description="S3 endpoint of `s3://` sources, if not the store's."
    )
    source_s3_access_key: str = Field(default="", description="Its access key.")
    source_s3_secret_key: SecretStr = Field(default=SecretStr(""), description="Its secret key.")
    accounts_file: Path | None = Field(
        default=None,
        description="YAML: accounts on sources' hosts, databases, by name. ingest.",
    )
    source_slowest_bytes: int = Field(
        default=10 * 1024,
        ge=0,
        description="A source slower than that, in bytes a second, is away; an upload is refused.",
    )
    source_patience_seconds: float = Field(
        default=60, gt=0, description="How long a source or an upload may be slow at the beginning."
    )
    query_seconds: float = Field(
        default=600, gt=0, description="Longest that a database may work on a card's query."
    )
    schema_catalogue: str = Field(
        default="https://schema.data.gouv.fr/schemas.json",
        description="List of the schemas that a card may name. ingest.",
    )
    drop_poll_seconds: float = Field(
        default=60, gt=0, description="How often the drop bucket is listed."
    )
    upload_max_bytes: int = Field(
        default=200 * 2**20, gt=0, description="Largest file that POST /changes takes."
    )
    source_retry_seconds: float = Field(
        default=20,
        gt=0,
        description="Wait before the second try of a source that is away; thrice that, the third.",
    )

    # --- work ---------------------------------------------------------------------------------
    workers: int = Field(default=1, ge=1, description="Worker processes kept warm per service.")
    worker_jobs: int = Field(default=200, ge=1, description="Jobs after which a worker is renewed.")
    worker_memory_bytes: int = Field(
        default=3 * 2**29,
        gt=0,
        description="Memory over which a worker is killed (1.5 GiB).",
    )
    worker_seconds: float = Field(
        default=2700, gt=0, description="Time over which a worker is killed."
    )
    worker_cpu_seconds: float = Field(
        default=1800, gt=0, description="Processor time of one job over which a worker is killed."
    )
    worker_file_bytes: int = Field(
        default=16 * 2**30, gt=0, description="Largest file that a worker may write."
    )

    # --- publish ------------------------------------------------------------------------------
    clock_seconds: float = Field(
        default=1, gt=0, description="How often publish's clock looks for what is due."
    )
    lease_seconds: float = Field(
        default=120, gt=0, description="A delivery left for this long is taken over."
    )

    # --- the other portals --------------------------------------------------------------------
    portals: Annotated[dict[str, PortalAccess], NoDecode, BeforeValidator(_json_or_nothing)] = (
        Field(
            default={},
            description="publish: JSON, the card's name of a portal → how it is reached.",
        )
    )
    portal_tokens: Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(_json_or_nothing)] = (
        Field(
            default={},
            description="publish, notify: JSON, name of a token → the token or secret key.",
        )
    )

    # --- harvest by other portals ------------------------------------------------------------
    catalog_page_size: int = Field(
        default=100, ge=1, le=1000, description="Datasets on a page of the catalogue feed. portal."
    )
    harvest_portals: Annotated[
        dict[str, HarvestPortal], NoDecode, BeforeValidator(_json_or_nothing)
    ] = Field(
        default={},
        description="notify: JSON, the card's name of a portal → `url`, `source`, `organization`,"
        " `token`.",
    )
    harvest_overdue_hours: float = Field(
        default=26,
        gt=0,
        description="notify: a portal should have taken a release within this time.",
    )
    harvest_look_seconds: float = Field(
        default=3600, gt=0, description="notify: how often a harvest without its end is looked at."
    )

    # --- tests --------------------------------------------------------------------------------
    crash_at: str = Field(
        default="",
        pattern=r"^([a-z]+:[a-z-]+(~stop)?)?$",
        description="For tests of crashes alone: this process kills itself at `<service>:<point>`,"
        " or stops there (`~stop`).",
    )

    # --- logs ---------------------------------------------------------------------------------
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level written."
    )
    log_format: Literal["json", "console"] = Field(
        default="json",
        description="`json` for machines, `console` for a person at a terminal.",
    )
    language: Literal["fr", "en"] = Field(
        default="fr", description="Language of the command line's texts and reports."
    )

    def topic(self, name: str) -> str:
        """The full name of a topic. Every topic is named here, so that lanes can be added."""
        return f"{self.prefix}{name}"

    def group(self, service: str) -> str:
        """The full name of a service's consumer group."""
        return f"{self.prefix}ecluse-{service}"

    def bucket(self, name: str) -> str:
        """The full name of a bucket on an S3 endpoint."""
        return f"{self.s3_bucket_prefix}{name}"

    @property
    def member(self) -> str | None:
        """The process's lasting name in its consumer groups (KIP-345); None without one."""
        return socket.gethostname() if self.instance == "hostname" else self.instance or None

    @property
    def verify_url(self) -> str:
        """Where publish fetches what a citizen would."""
        return (self.portal_internal_url or self.public_url).rstrip("/")


@cache
def settings() -> Settings:
    """This process's settings, read once."""
    return Settings()
