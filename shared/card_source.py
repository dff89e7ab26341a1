"""The part of a card that says where the data come from and how to read them. See `shared.card`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from shared.card_parts import ColumnName, Part

SourceFormat = Literal[
    "csv", "xlsx", "xls", "ods", "json", "ndjson", "parquet", "geojson", "kml", "gpx", "osm",
    "osm_pbf", "shapefile", "geopackage",
]  # fmt: skip


class Point(Part):
    """Columns that hold a position; from them `column`, a geometry, is made."""

    column: ColumnName = "geometry"
    x: ColumnName | None = Field(default=None, description="longitude, or easting")
    y: ColumnName | None = Field(default=None, description="latitude, or northing")
    pair: ColumnName | None = Field(default=None, description="both in one column")
    order: Literal["xy", "yx"] = Field(default="yx", description="of the pair: yx, latitude first")

    @model_validator(mode="after")
    def _one_way(self) -> Point:
        if (self.pair is None) != (self.x is not None and self.y is not None):
            raise ValueError("names either `x` and `y`, or `pair`")
        return self


class Source(Part):
    """Where the data come from when the event does not say, and how to read them."""

    type: Literal["file", "http", "s3", "drop", "sftp", "sql"] = "file"
    address: str | None = Field(default=None, description="https, http, sftp, s3 or file address")
    account: str | None = Field(
        default=None, description="name of the account, in the settings, that the host asks for"
    )
    database: str | None = Field(
        default=None, description="SQL: name of the database in the settings"
    )
    query: str | None = Field(default=None, description="SQL: the SELECT, with ORDER BY")
    format: SourceFormat | None = Field(default=None, description="else by content")
    sheet: str | None = Field(
        default=None, description="sheet or layer: else the first visible with data"
    )
    rows: str | None = Field(default=None, description="JSON: path to the rows, else found")
    encoding: str | None = Field(default=None, description="else detected")
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    header: int | None = Field(default=None, ge=1, description="line of the header, else found")
    decimal: Literal[",", "."] | None = Field(default=None, description="else by column")
    crs: Annotated[str, StringConstraints(pattern=r"^EPSG:\d{4,6}$")] | None = Field(
        default=None, description="of the coordinates, else what the file says, else WGS 84"
    )
    point: Point | None = Field(default=None, description="columns that hold a position")


class PartSource(Source):
    """One of several sources of a table."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    insee: Annotated[str, StringConstraints(pattern=r"^\d[\dAB]\d{3}$")] = Field(
        description="INSEE code of the commune that produces it"
    )


class Derived(Part):
    """Columns added from the official geographic code, by what another column says."""

    column: ColumnName = Field(description="column that names the commune")
    by: Literal["name", "postal_code", "insee"] = Field(description="what it names it by")
    within: Annotated[str, StringConstraints(pattern=r"^(\d[\dAB]|97\d)$")] | None = Field(
        default=None, description="département, where a name alone means several communes"
    )
    add: dict[Literal["code_insee", "epci", "departement", "region"], ColumnName] = Field(
        min_length=1, description="what to add → the new column's name"
    )

    @field_validator("add", mode="before")
    @classmethod
    def _names_as_they_are(cls, value: object) -> object:
        return {name: name for name in value} if isinstance(value, list | tuple) else value


class Gather(Part):
    """How several sources become one table."""

    column: ColumnName = Field(default="code_insee", description="holds each source's INSEE code")
    late: Literal["stop", "last", "leave_out"] = Field(
        default="stop", description="what becomes of a source that is away or broken"
    )
