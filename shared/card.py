"""The card: one YAML file per dataset says all that Écluse may do with it.

The same model reads the city's repository, the desk's form and the copy pinned for a change.
Fields marked `shaping` shape the bytes of a release: a change to one starts a new release, a change
to another goes to the portals at once. `Card.resolve` fills what the card leaves out from the
strategy; `departures_without_reason` lists where it departs and does not say why.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from pydantic.config import JsonDict

from shared.capture import Capture
from shared.card_parts import (
    Api,
    Approval,
    ColumnName,
    ColumnText,
    Contact,
    Frequency,
    HarvestedPortal,
    News,
    Origin,
    Part,
    Portal,
    Privacy,
    Producer,
    Quality,
    Signature,
    Spatial,
    Subject,
    TableSchema,
    Temporal,
    Theme,
    Translated,
)
from shared.card_source import Derived, Gather, PartSource, Source
from shared.formats import Format
from shared.ids import DatasetId, Digest
from shared.schedule import Schedule
from shared.strategy import Delimiter, Licence, Strategy

SHAPING: JsonDict = {"shaping": True}
WRITTEN_METADATA = (
    "keywords",
    "legal_notes",
    "licence",
    "attribution",
    "spatial",
    "temporal",
    "frequency",
)


class Card(Part):
    """A dataset's card. What is None comes from the strategy."""

    dataset: DatasetId = Field(json_schema_extra=SHAPING)
    domain: DatasetId
    title: Translated = Field(json_schema_extra=SHAPING)
    description: Translated = Field(json_schema_extra=SHAPING)
    keywords: tuple[str, ...] = Field(default=(), json_schema_extra=SHAPING)
    theme: Theme | None = None
    legal_notes: str | None = Field(default=None, json_schema_extra=SHAPING)
    licence: Licence | None = Field(default=None, json_schema_extra=SHAPING)
    attribution: str | None = Field(default=None, json_schema_extra=SHAPING)
    spatial: Spatial | None = Field(default=None, json_schema_extra=SHAPING)
    temporal: Temporal | None = Field(default=None, json_schema_extra=SHAPING)
    frequency: Frequency | None = Field(default=None, json_schema_extra=SHAPING)
    contact: Contact | None = None
    producer: Producer | None = Field(default=None, json_schema_extra=SHAPING)
    series: DatasetId | None = None
    exposure: Literal["dataset", "api", "both"] = "dataset"
    api: Api | None = Field(default=None, description="the API that `exposure` speaks of")
    subject: Subject = Field(json_schema_extra=SHAPING)
    derived_from: tuple[Origin, ...] = Field(default=(), json_schema_extra=SHAPING)
    obligation: str | None = None
    hvd: str | None = None
    source: Source = Field(default=Source(), json_schema_extra=SHAPING)
    sources: tuple[PartSource, ...] | None = Field(
        default=None, json_schema_extra=SHAPING, description="several sources for one table"
    )
    gathering: Gather | None = Field(default=None, json_schema_extra=SHAPING)
    derive: tuple[Derived, ...] | None = Field(
        default=None, json_schema_extra=SHAPING, description="columns added by the commune"
    )
    schedule: Schedule | None = Field(default=None, description="fetched by itself, and when")
    capture: Capture | None = Field(
        default=None, description="fetched when its tables change, as Debezium says"
    )
    table_schema: TableSchema | None = Field(
        default=None, alias="schema", json_schema_extra=SHAPING
    )
    columns: dict[ColumnName, ColumnText] = Field(default={}, json_schema_extra=SHAPING)
    privacy: Privacy = Field(json_schema_extra=SHAPING)
    signature: Signature | None = None
    quality: Quality = Field(default=Quality(), json_schema_extra=SHAPING)
    formats: tuple[Format, ...] | None = Field(default=None, json_schema_extra=SHAPING)
    optional_formats: tuple[Format, ...] | None = Field(default=None, json_schema_extra=SHAPING)
    csv_delimiter: Delimiter | None = Field(default=None, json_schema_extra=SHAPING)
    sheets: Literal["refuse", "split"] = Field(
        default="refuse",
        description="a table longer than a sheet: refuse the workbook, or split it into sheets",
        json_schema_extra=SHAPING,
    )
    archive: bool = Field(
        default=False,
        json_schema_extra=SHAPING,
        description="one ZIP file with everything as well",
    )
    portals: tuple[Portal, ...] | None = None
    approval: Approval = Approval()
    news: News = News()
    departures: dict[str, Annotated[str, StringConstraints(min_length=10)]] = Field(
        default={}, description="field that departs from the strategy → why"
    )

    def resolve(self, strategy: Strategy) -> Card:
        """This card with what it leaves out taken from the strategy."""
        filled: dict[str, object] = {
            name: getattr(strategy, name)
            for name in (
                "licence",
                "formats",
                "legal_notes",
                "attribution",
                "frequency",
                "csv_delimiter",
            )
            if getattr(self, name) is None
        }
        if self.optional_formats is None and self.formats is None:
            # A card that names its formats gets these and no others.
            filled["optional_formats"] = strategy.optional_formats
        if self.portals is None:
            filled["portals"] = tuple(HarvestedPortal(name=p, by="api") for p in strategy.portals)
        filled["approval"] = self.approval.model_copy(
            update={
                "first": self.approval.first or strategy.first,
                "then": self.approval.then or strategy.then,
            }
        )
        if self.quality.row_change is None:
            filled["quality"] = self.quality.model_copy(update={"row_change": strategy.row_change})
        if self.subject in ("people", "households"):
            filled["privacy"] = self._protected(strategy)
        return self.model_copy(update=filled)

    def _protected(self, strategy: Strategy) -> Privacy:
        """The policy with the strategy's thresholds where it has none: the signature covers them."""
        most = self.subject == "households" or self.theme in ("SOCI", "HEAL")
        given = self.privacy
        thresholds = {
            "k": strategy.k_sensitive if most else strategy.k,
            "l": strategy.l,
            "suppression": strategy.suppression,
        }
        missing = {name: n for name, n in thresholds.items() if getattr(given, name) is None}
        return given.model_copy(update=missing)

    def departures_without_reason(self, strategy: Strategy) -> tuple[str, ...]:
        """Fields where this card departs from the strategy and does not say why."""
        departs = []
        if self.licence is not None and self.licence != strategy.licence:
            departs.append("licence")
        if self.formats is not None and not set(strategy.formats) <= set(self.formats):
            departs.append("formats")
        if (strategy.first, self.approval.first) == ("person", "automatic"):
            departs.append("approval")
        return tuple(name for name in departs if name not in self.departures)

    @property
    def gather(self) -> Gather:
        """How several sources become one table, as written or by default."""
        return self.gathering or Gather()

    def missing_metadata(self) -> tuple[str, ...]:
        """Which of the eleven metadata a person still has to write; both dates come by themselves."""
        return tuple(name for name in WRITTEN_METADATA if not getattr(self, name))

    def body(self) -> dict[str, Any]:
        """This card as JSON-compatible data that `Card.model_validate` reads back."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def digest(self) -> Digest:
        """SHA-256 of the whole card in canonical JSON."""
        return canonical_digest(self.body())

    def shaping_digest(self) -> Digest:
        """SHA-256 of the fields that shape a release's bytes."""
        body = self.body()
        shaping = [
            field.alias or name
            for name, field in type(self).model_fields.items()
            if field.json_schema_extra == SHAPING
        ]
        return canonical_digest({name: body[name] for name in shaping if name in body})

    def policy_digest(self) -> Digest:
        """SHA-256 of the policy: subject, decision, opinion, rules and accepted findings."""
        return canonical_digest(
            {
                "subject": self.subject,
                "privacy": self.privacy.model_dump(mode="json", exclude_none=True),
            }
        )

    def schema_fingerprint(self) -> Digest:
        """SHA-256 of the columns that the policy was decided for: names; types and code lists, if
        declared."""
        fields = {f.name: f for f in self.table_schema.fields} if self.table_schema else {}
        columns: list[list[object]] = []
        for name in sorted(self.privacy.columns):
            field = fields.get(name)
            codes = field.constraints.get("enum") if field else None
            columns.append([name, field.type if field else None, *([codes] if codes else [])])
        return canonical_digest(columns)

    def policy_statement(self) -> bytes:
        """What a signature signs: the dataset, its policy, and the schema it was decided for."""
        statement = {
            "dataset": self.dataset,
            "policy": self.policy_digest(),
            "schema": self.schema_fingerprint(),
        }
        return canonical(statement)

    def published_columns(self) -> tuple[str, ...]:
        """Names of the columns that the policy lets out."""
        return tuple(n for n, rule in self.privacy.columns.items() if rule.action != "drop")


def canonical(value: object) -> bytes:
    """Canonical JSON: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def canonical_digest(value: object) -> Digest:
    return hashlib.sha256(canonical(value)).hexdigest()
