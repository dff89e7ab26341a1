"""Parts of a card's policy: how a column is made coarser, and how rows about people are protected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

DatePart = Literal["month", "year", "five_years"]
Place = Literal["departement", "epci"]
Method = Literal["full_domain", "local_recoding", "mondrian"]
Between = Literal["hold", "generalise", "stop"]
# No statute sets k. Below three, a member of a class learns about the only other one: never allowed.
LEAST_K = 3

Label = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Coarser(_Part):
    """One way to make a value more general; exactly one of its fields is given."""

    date: DatePart | None = Field(
        default=None, description="of a date: its month, year, five years"
    )
    place: Place | None = Field(
        default=None, description="of a commune's INSEE code: its département, or its EPCI's SIREN"
    )
    ranges: float | None = Field(default=None, gt=0, description="of a number: a range so wide")
    values: dict[Label, Label] | None = Field(
        default=None, min_length=1, description="value → group; a value that is not there stops"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        if value in ("month", "year", "five_years"):
            return {"date": value}
        if value in ("departement", "epci"):
            return {"place": value}
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Coarser:
        if sum(way is not None for way in (self.date, self.place, self.ranges, self.values)) != 1:
            raise ValueError("needs one of `date`, `place`, `ranges`, `values`")
        return self


class HierarchyRule(_Part):
    """Ever coarser forms of a quasi-identifier's published values; exactly one field is given."""

    ranges: tuple[Annotated[float, Field(gt=0)], ...] | None = Field(
        default=None, min_length=1, description="widths, each a multiple of the one before"
    )
    prefixes: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        default=None, min_length=1, description="lengths to which a code is cut, longest first"
    )
    dates: tuple[DatePart, ...] | None = Field(
        default=None, min_length=1, description="of dates: month, year, five years, in this order"
    )
    places: tuple[Place, ...] | None = Field(
        default=None, min_length=1, max_length=1, description="of communes: département or EPCI"
    )
    values: dict[Label, tuple[Label, ...]] | None = Field(
        default=None, min_length=1, description="value → its groups, from the finest up"
    )

    @model_validator(mode="before")
    @classmethod
    def _one_group_is_a_list(cls, value: object) -> object:
        if isinstance(value, dict) and isinstance(value.get("values"), dict):
            listed = {
                key: (group,) if isinstance(group, str) else group
                for key, group in value["values"].items()
            }
            return value | {"values": listed}
        return value

    @model_validator(mode="after")
    def _right(self) -> HierarchyRule:
        ways = (self.ranges, self.prefixes, self.dates, self.places, self.values)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("needs one of `ranges`, `prefixes`, `dates`, `places`, `values`")
        if self.values and len({len(groups) for groups in self.values.values()}) != 1:
            raise ValueError("every value needs as many groups as the others")
        if self.prefixes and list(self.prefixes) != sorted(set(self.prefixes), reverse=True):
            raise ValueError("prefixes go from the longest to the shortest")
        return self


class Measure(_Part):
    """A column of counts, or of amounts with their count: cells of fewer than `min` units are hidden,
    those of which one unit makes up too much, and others that would give them away."""

    unit: Literal["person", "household", "enterprise"] = "person"
    min: int = Field(ge=LEAST_K, description="least count that is shown; zero is shown")
    count: str | None = Field(
        default=None, description="column of how many units an amount is of; else it counts itself"
    )
    largest: str | None = Field(
        default=None, description="column of the largest unit's part of an amount; it is dropped"
    )
    dominance: int | None = Field(
        default=None, ge=1, le=99, description="most that one unit may make up, in % (default 85)"
    )
    along: tuple[str, ...] = Field(
        default=(), description="columns made from it, such as rates: hidden with it"
    )


class Aggregate(_Part):
    """Rows become counts: of each combination of `by`, how many units, where they are `min` at least."""

    by: tuple[str, ...] = Field(
        min_length=1, description="published columns that say what is counted"
    )
    count: Label = Field(default="nombre", description="name of the column of counts")
    min: int = Field(default=11, ge=LEAST_K, description="least count that is published")


class Protected(_Part):
    """What `privacy` says of rows about people or households, beside its quasi-identifiers."""

    unit: str | None = Field(
        default=None, description="column that names the person or household; it must be dropped"
    )
    k: int | None = Field(default=None, ge=LEAST_K, description="least units in a class")
    l: int | None = Field(  # noqa: E741 - the literature's name
        default=None, ge=1, description="least distinct sensitive values in a class"
    )
    t: float | None = Field(
        default=None, gt=0, le=1, description="greatest distance of a class from the whole table"
    )
    entropy: bool | None = Field(default=None, description="whether l is the entropy's exponential")
    sensitive: tuple[str, ...] | None = Field(
        default=None, description="else every published column that is no quasi-identifier"
    )
    hierarchies: dict[str, HierarchyRule] = Field(
        default={}, description="of quasi-identifiers; else made from the values"
    )
    method: Method | None = Field(default=None, description="else full_domain")
    suppression: int | None = Field(
        default=None, ge=0, le=50, description="most rows left out, in %"
    )
    between: Between | None = Field(
        default=None,
        description="rows that would give somebody away beside an earlier release: hold back until "
        "enough others have come (default), generalise further, or stop the release",
    )
    linked: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] | None = Field(
        default=None, description="group of datasets of the same people, tested together"
    )
    population: int | None = Field(
        default=None,
        ge=1,
        description="how many persons or households the table was drawn from at random; else it is "
        "taken to be all of them",
    )
    removals: int | None = Field(
        default=None, ge=1, description="people removed on request that the list must have at least"
    )
    aggregate: Aggregate | None = Field(
        default=None, description="publish counts of rows instead of rows"
    )
    measures: dict[str, Measure] = Field(
        default={}, description="of a table of counts: its columns of counts"
    )
    margins: dict[str, str] = Field(
        default={}, description="of a table of counts: dimension → the word that marks its sum"
    )
