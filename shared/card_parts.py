"""The parts of a card: metadata, source, schema, policy, approval. See `shared.card`."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from shared.card_protection import Coarser, Protected
from shared.ids import Digest
from shared.strategy import Role

ColumnName = Annotated[str, StringConstraints(min_length=1, max_length=256)]
ColumnType = Literal[
    "string", "integer", "number", "boolean", "date", "datetime", "time", "geometry"
]
Subject = Literal["none", "people", "households", "enterprises"]
Ground = Literal[
    "personal_data",
    "private_life",
    "business_secret",
    "security",
    "third_party_rights",
    "statistical_secrecy",
]
GROUND_LAW: dict[str, str] = {
    "personal_data": "CRPA art. L. 312-1-2",
    "private_life": "CRPA art. L. 311-6",
    "business_secret": "CRPA art. L. 311-6",
    "security": "CRPA art. L. 311-5",
    "third_party_rights": "CRPA art. L. 321-2",
    "statistical_secrecy": "loi n° 51-711 du 7 juin 1951, art. 6",
}
# The frequencies of udata, the software of data.gouv.fr, that a person can promise.
Frequency = Literal[
    "continuous", "hourly", "daily", "semiweekly", "weekly", "biweekly", "semimonthly", "monthly",
    "bimonthly", "quarterly", "threeTimesAYear", "semiannual", "annual", "biennial", "triennial",
    "quinquennial", "punctual", "irregular", "unknown",
]  # fmt: skip
# The EU's data themes (authority table data-theme).
Theme = Literal[
    "AGRI", "ECON", "EDUC", "ENER", "ENVI", "GOVE", "HEAL", "INTR", "JUST", "REGI", "SOCI",
    "TECH", "TRAN",
]  # fmt: skip


def _translated(value: object) -> object:
    if isinstance(value, str):
        return {"fr": value}
    if not isinstance(value, dict):
        return value
    # `{fr: Arbres, haies et parcs}` is two keys to YAML: what follows the comma belongs to the text.
    texts: dict[object, object] = {}
    language: object = None
    for key, text in value.items():
        if text is None and isinstance(texts.get(language), str) and key not in ("fr", "en"):
            texts[language] = f"{texts[language]}, {key}"
        else:
            language = key
            texts[key] = text
    return texts


def _french_there(value: dict[str, str]) -> dict[str, str]:
    if not value.get("fr", "").strip():
        raise ValueError("the French text is missing")
    return value


Translated = Annotated[
    dict[Literal["fr", "en"], str],
    BeforeValidator(_translated),
    AfterValidator(_french_there),
]


class Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True
    )


# A zone of udata has colons; a code of INSEE or of an EPCI, and a territory's name, have none.
Zone = Annotated[
    str,
    StringConstraints(pattern=r"^([a-z]{2,}(:[\w-]+)+|[^:\s]([^:\r\n]*[^:\s])?)$", max_length=100),
]


class Spatial(Part):
    zones: tuple[Zone, ...] = Field(
        min_length=1,
        description="zones of data.gouv.fr (fr:commune:69123), official codes (69123), or names",
    )
    label: str | None = Field(default=None, description="the place's name, as pages show it")
    granularity: str = Field(description="point, street, iris, commune, epci…")
    bbox: tuple[float, float, float, float] | None = Field(
        default=None,
        description="west, south, east, north in WGS 84, for the catalogue feed",
    )


WebAddress = Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$", max_length=2048)]


class Api(Part):
    """An API that offers the dataset, run by the city: where it answers, where it is described."""

    url: WebAddress
    title: Translated | None = Field(default=None, description="without one: the dataset's")
    documentation: WebAddress | None = Field(default=None, description="for people")
    description: WebAddress | None = Field(
        default=None, description="for programs: OpenAPI, capabilities"
    )
    format: Literal["REST", "WMS", "WFS", "SensorThings"] = "REST"
    availability: float | None = Field(default=None, ge=0, le=100, description="percent promised")
    rate_limit: str | None = Field(default=None, description="such as 50 calls a second")


class Temporal(Part):
    start: dt.date = Field(alias="from")
    end: dt.date | None = Field(default=None, alias="to")


class Contact(Part):
    name: str
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


class Producer(Part):
    name: str
    siren: Annotated[str, StringConstraints(pattern=r"^\d{9}$")] | None = None


class Origin(Part):
    title: str
    url: str | None = None
    licence: str | None = None
    attribution: str | None = None


# Types of Table Schema that are told from text by their form (`services.ingest.text_forms`).
_NEAR_TYPES = {
    "year": "integer",
    "geojson": "geometry",
    **dict.fromkeys(("any", "geopoint", "yearmonth", "duration", "object", "array"), "string"),
}


class SchemaField(Part):
    """One field of the Table Schema (Data Package v2). Its name is the column's public name."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )
    name: ColumnName
    type: ColumnType = "string"
    title: str | None = None
    description: str | None = None
    format: str | None = None
    constraints: dict[str, Any] = {}
    kind: str | None = Field(
        default=None, description="the type that the schema names, where it is not one of ours"
    )
    true_values: tuple[str, ...] | None = Field(default=None, alias="trueValues")
    false_values: tuple[str, ...] | None = Field(default=None, alias="falseValues")
    decimal_char: Literal[",", "."] | None = Field(default=None, alias="decimalChar")
    group_char: str | None = Field(default=None, alias="groupChar")

    @model_validator(mode="before")
    @classmethod
    def _near_types(cls, value: object) -> object:
        if isinstance(value, dict) and (near := _NEAR_TYPES.get(str(value.get("type")))):
            return {**value, "kind": value["type"], "type": near}
        return value


class CrossCheck(Part):
    """A check of the catalogue schema.data.gouv.fr, with its columns as parameters."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    name: str
    params: dict[str, Any] = {}


class TableSchema(Part):
    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )
    name: str | None = Field(
        default=None, description="of schema.data.gouv.fr, fetched when there are no fields here"
    )
    version: str | None = Field(default=None, description="its version, such as 2.3.1")
    fields: tuple[SchemaField, ...] = ()
    primary_key: tuple[str, ...] = Field(default=(), alias="primaryKey")
    missing_values: tuple[str, ...] | None = Field(
        default=None, alias="missingValues", description="texts that mean no value"
    )
    custom_checks: tuple[CrossCheck, ...] | None = Field(
        default=None, description="checks across columns, as schemas of schema.data.gouv.fr have"
    )

    @field_validator("primary_key", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fields_or_name(self) -> TableSchema:
        if not self.fields and not (self.name and self.version):
            raise ValueError("lists its fields, or names a schema and its version")
        return self

    @model_validator(mode="after")
    def _names_once(self) -> TableSchema:
        if len({field.name for field in self.fields}) != len(self.fields):
            raise ValueError("two fields have the same name")
        return self


class ColumnText(Part):
    """The dictionary's entry of one published column."""

    title: Translated | None = None
    description: Translated | None = None
    unit: str | None = None
    codes: dict[str, Translated] = Field(default={}, description="value → what it means")


Action = Literal[
    "keep", "drop", "generalize", "round", "top_bottom", "mask", "redact", "pseudonymize", "grid",
    "snap",
]  # fmt: skip
Snap = Literal["street", "iris", "commune"]
# Metres of a degree of latitude, and of one of longitude at the equator (WGS 84, to a thousandth).
_METRES_PER_DEGREE = 111_320.0


def _degrees(detail: object) -> object:
    """`{metres: 200, axis: longitude, latitude: 45.76}` as a step in degrees, at that latitude."""
    if not isinstance(detail, dict):
        return detail
    axis, latitude = detail.get("axis"), detail.get("latitude", 0)
    metres = detail.get("metres")
    right = axis == "latitude" or (axis == "longitude" and "latitude" in detail)
    if not right or not isinstance(metres, int | float) or not isinstance(latitude, int | float):
        raise ValueError("needs `metres`, `axis: latitude`, or `axis: longitude` with `latitude`")
    narrower = math.cos(math.radians(latitude)) if axis == "longitude" else 1.0
    return round(metres / (_METRES_PER_DEGREE * narrower), 8)


class ColumnRule(Part):
    """What the policy does with one column. A drop names its ground; so do others what they need."""

    action: Action
    ground: Ground | None = None
    basis: str | None = Field(
        default=None, description="legal basis of keeping personal data, or of a pseudonym"
    )
    generalize: Coarser | None = Field(default=None, description="the coarser form")
    step: float | None = Field(
        default=None, gt=0, description="of round: to multiples of it; of grid: metres (or degrees)"
    )
    snap: Snap | None = Field(
        default=None, description="of an address or a code: its street, IRIS or commune"
    )
    linked: str | None = Field(
        default=None,
        description="of a pseudonym: group of datasets and releases that share its key",
    )
    bottom: float | None = Field(default=None, description="of top_bottom: least value shown")
    top: float | None = Field(default=None, description="of top_bottom: greatest value shown")
    shown: int | None = Field(
        default=None, ge=1, le=8, description="of mask: first characters that stay"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        if isinstance(value, str):
            return {"action": value}
        if isinstance(value, dict) and len(value) == 1 and "action" not in value:
            (action, detail), *_ = value.items()
            if action == "keep":
                basis = detail.get("basis") if isinstance(detail, dict) else detail
                return {"action": "keep", "basis": basis}
            if action in _DETAIL:
                told = _degrees(detail) if action == "grid" else detail
                return {"action": action, _DETAIL[action]: told}
            if action in ("top_bottom", "pseudonymize") and isinstance(detail, dict):
                return {"action": action} | detail
            raise ValueError(f"this version knows {_KNOWN}")
        return value

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> ColumnRule:
        if self.action == "drop" and self.ground is None:
            return self.model_copy(update={"ground": "personal_data"})
        needed = _DETAIL.get(self.action)
        if needed and self.action != "drop" and getattr(self, needed) is None:
            raise ValueError(f"needs its detail: `{{{self.action}: …}}`")
        if self.action == "top_bottom":
            if self.top is None and self.bottom is None:
                raise ValueError("needs `top`, `bottom`, or both")
            if self.top is not None and self.bottom is not None and self.top <= self.bottom:
                raise ValueError("`top` must be above `bottom`")
        return self


_DETAIL = {
    "drop": "ground",
    "generalize": "generalize",
    "round": "step",
    "grid": "step",
    "snap": "snap",
    "mask": "shown",
}
_KNOWN = ", ".join(f"`{action}`" for action in get_args(Action))


class Decided(Part):
    by: str
    date: dt.date
    until: dt.date | None = None


class Opinion(Part):
    opinion: Literal["favourable", "reserved", "unfavourable"]
    date: dt.date
    ref: str | None = None


class Finding(Part):
    """A finding of the scan that a person looked at and declares harmless, and why."""

    column: ColumnName
    detector: str
    reason: Annotated[str, StringConstraints(min_length=10)]


class Privacy(Protected):
    model_config = Part.model_config

    decided: Decided | None = None
    dpo_opinion: Opinion | None = None
    columns: dict[ColumnName, ColumnRule] = Field(min_length=1)
    accepted_findings: tuple[Finding, ...] = ()
    quasi_identifiers: tuple[str, ...] = ()


class Signature(Part):
    """Puts a policy in force: Ed25519 (RFC 8032) over `policy_statement`, by a trusted key."""

    by: str
    at: dt.date
    key: Digest = Field(description="SHA-256 of the public key's raw 32 bytes")
    value: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{128}$")]


class Quality(Part):
    row_change: tuple[int, int] | None = Field(default=None, description="bounds, in %")
    errors: Literal["block", "warn"] = "block"
    row_stop: tuple[int, int] | None = Field(
        default=None, description="bounds, in %, beyond which the row count stops the release"
    )

    @field_validator("row_change", "row_stop", mode="before")
    @classmethod
    def _percents(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return [_percent(bound) for bound in value]
        return value


def _percent(bound: object) -> object:
    if isinstance(bound, str) and (match := re.fullmatch(r"([+-]?\d+) ?%", bound)):
        return int(match[1])
    return bound


Condition = Literal["same_columns", "same_protection", "no_new_finding", "row_change_within_bounds"]


class Approval(Part):
    first: Role | None = None
    then: Role | None = None
    conditions: tuple[Condition, ...] = Field(
        default=(
            "same_columns",
            "same_protection",
            "no_new_finding",
            "row_change_within_bounds",
        ),
        alias="if",
    )


class News(Part):
    first: bool = True
    updates: bool = True

    @field_validator("updates", mode="before")
    @classmethod
    def _rhythm(cls, value: object) -> object:
        # A rhythm (daily, weekly…) asks for news of updates.
        return True if isinstance(value, str) else value


class HarvestedPortal(Part):
    name: str
    by: Literal["harvest", "api"]


def _portal(value: object) -> object:
    if isinstance(value, str):
        return {"name": value, "by": "api"}
    if isinstance(value, dict) and "name" not in value:
        names = [key for key in value if key != "by"]
        if len(names) == 1:
            return {"name": value[names[0]], "by": value.get("by", "api")}
    return value


Portal = Annotated[HarvestedPortal, BeforeValidator(_portal)]
