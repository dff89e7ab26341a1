"""`strategy.yaml`: what the city decided once for all its datasets, and how a card may depart."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.card_protection import LEAST_K
from shared.formats import Format
from shared.ids import DatasetId

Licence = Literal["lov2", "odbl"]
Delimiter = Literal[",", ";"]
Role = Literal["person", "automatic"]

LICENCES: dict[str, tuple[str, str]] = {
    "lov2": (
        "Licence Ouverte 2.0",
        "https://www.etalab.gouv.fr/licence-ouverte-open-licence",
    ),
    "odbl": ("ODbL 1.0", "https://opendatacommons.org/licenses/odbl/1-0/"),
}


class Strategy(BaseModel):
    """Defaults that a card inherits. A card that departs from one says why in `departures`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    city: str = Field(default="Ville", description="the city's name, as pages show it")
    domains: dict[DatasetId, dict[Literal["fr", "en"], str]] = Field(
        default={}, description="the domains' names, as pages show them"
    )
    licence: Licence = Field(default="lov2", description="default licence")
    formats: tuple[Format, ...] = Field(
        default=("csv", "json", "parquet"),
        description="formats that every dataset comes in",
    )
    optional_formats: tuple[Format, ...] = Field(
        default=("xlsx",),
        description="formats as well, where they can hold the data, if the card names none",
    )
    csv_delimiter: Delimiter = Field(default=",", description="between the cells of a CSV file")
    portals: tuple[str, ...] = Field(default=("own",), description="portals by default")
    first: Role = Field(
        default="person",
        description="who decides a dataset's first release: person, automatic",
    )
    then: Role = Field(default="automatic", description="who decides the later ones")
    legal_notes: str | None = Field(default=None, description="legal notes by default")
    attribution: str | None = Field(default=None, description="attribution by default")
    frequency: str | None = Field(default=None, description="update frequency by default")
    k: int = Field(default=5, ge=LEAST_K, description="least persons in a class of like rows")
    k_sensitive: int = Field(
        default=11,
        ge=LEAST_K,
        description="the same for households, and for the themes `SOCI` and `HEAL`",
    )
    l: int = Field(  # noqa: E741 - the literature's name
        default=2, ge=1, description="least distinct sensitive values in a class"
    )
    suppression: int = Field(
        default=5, ge=0, le=50, description="most rows left out to protect the others, in %"
    )
    row_change: tuple[int, int] = Field(
        default=(-20, 50),
        description="bounds of the row count's change, in %, for automatic ones",
    )
