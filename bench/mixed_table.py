"""The table that everything is measured on: twelve mixed columns as a French city writes them.

Semicolons, decimal commas, day before month, oui and non, accents, codes with leading zeros; 128
bytes a row, of which 2 million make 256 MB. The same seed gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from shared.card import Card
from shared.card_file import check_card
from shared.strategy import Strategy

STRATEGY = Strategy(
    city="Ville de Mesure",
    domains={"espaces-verts": {"fr": "Espaces verts", "en": "Green spaces"}},
    first="automatic",
)
CHUNK = 250_000
FIELDS: dict[str, str] = {
    "identifiant": "string",
    "code_insee": "string",
    "code_postal": "string",
    "commune": "string",
    "libelle": "string",
    "categorie": "string",
    "pose_le": "date",
    "releve_a": "datetime",
    "mesure": "number",
    "longitude": "number",
    "quantite": "integer",
    "en_service": "boolean",
}
COMMUNES = (
    "Saint-Étienne", "Villeurbanne", "Bourg-en-Bresse", "Vénissieux", "Écully", "Caluire-et-Cuire",
    "L'Isle-d'Abeau", "Oullins", "Décines-Charpieu", "Rillieux-la-Pape", "Bron", "Givors",
)  # fmt: skip
CATEGORIES = (
    "banc",
    "corbeille",
    "fontaine à boire",
    "borne électrique",
    "arceau vélo",
    "jeu d'enfants",
)
PLACES = ("École", "Mairie", "Allée", "Entrée nord", "Marché couvert")
WAYS = ("quai Sud", "place Carnot", "rue de l'Église", "cours Albert", "parc Blandan")


def write_table(path: Path, rows: int, seed: int) -> None:
    """Writes a CSV of `rows` rows, in chunks, so that memory stays small."""
    dice = np.random.default_rng(seed)
    with path.open("wb") as file:
        for first in range(0, rows, CHUNK):
            part = _rows(dice, first, min(CHUNK, rows - first))
            part.write_csv(file, separator=";", include_header=first == 0, line_terminator="\n")


def _rows(dice: np.random.Generator, first: int, rows: int) -> pl.DataFrame:
    def pick(words: tuple[str, ...]) -> pl.Series:
        return pl.Series(words).gather(dice.integers(0, len(words), rows))

    insee = pl.Series(dice.integers(1001, 69400, rows)).cast(pl.String).str.zfill(5)
    days = pl.Series(dice.integers(10_000, 20_000, rows)).cast(pl.Int32).cast(pl.Date)
    moments = pl.Series(dice.integers(1_500_000_000, 1_750_000_000, rows)).cast(pl.Int64)
    columns: dict[str, pl.Series] = {
        "identifiant": pl.Series(np.arange(first, first + rows)).cast(pl.String).str.zfill(8),
        "code_insee": insee,
        "code_postal": insee.str.head(2)
        + pl.Series(dice.integers(0, 10, rows)).cast(pl.String)
        + "00",
        "commune": pick(COMMUNES),
        "libelle": pick(PLACES) + ", " + pick(WAYS),
        "categorie": pick(CATEGORIES),
        "pose_le": days.dt.strftime("%d/%m/%Y"),
        "releve_a": pl.from_epoch(moments).dt.strftime("%Y-%m-%dT%H:%M:%S"),
        "mesure": _decimals(dice.integers(0, 100_000, rows), 2),
        "longitude": _decimals(dice.integers(4_700_000, 4_950_000, rows), 6),
        "quantite": pl.Series(dice.integers(0, 5000, rows)),
        "en_service": pick(("oui", "oui", "oui", "non")),
    }
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        identifiant="EQ-" + pl.col("identifiant"),
        # One measure in fifty is missing, as in life.
        mesure=pl.when(pl.Series(dice.random(rows)) < 0.02).then(None).otherwise(pl.col("mesure")),
    )


def _decimals(numbers: np.ndarray[Any, np.dtype[np.int64]], places: int) -> pl.Series:
    """Whole numbers as text with a decimal comma before their last `places` digits."""
    text = pl.Series(numbers).cast(pl.String).str.zfill(places + 1)
    return text.str.head(-places) + "," + text.str.tail(places)


def make_card(dataset: str) -> Card:
    """The card under which a table of this kind is published whole."""
    content: dict[str, Any] = {
        "dataset": dataset,
        "domain": "espaces-verts",
        "title": {"fr": f"Mobilier urbain, {dataset}", "en": f"Street furniture, {dataset}"},
        "description": {"fr": "Données fictives, faites pour mesurer.", "en": "Made to measure."},
        "keywords": ["mobilier urbain"],
        "legal_notes": "Données fictives.",
        "licence": "lov2",
        "attribution": "Ville de Mesure",
        "producer": {"name": "Ville de Mesure", "siren": "210000000"},
        "contact": {"name": "Espaces verts", "email": "espaces-verts@ville.example"},
        "spatial": {"zones": ["fr:commune:69123"], "label": "Ville", "granularity": "point"},
        "temporal": {"from": "2020-01-01"},
        "frequency": "daily",
        "subject": "none",
        "source": {"format": "csv"},
        "formats": ["csv", "json", "parquet"],
        "schema": {
            "fields": [{"name": name, "type": kind} for name, kind in FIELDS.items()],
            "primaryKey": ["identifiant"],
        },
        "privacy": {
            "columns": dict.fromkeys(FIELDS, "keep"),
            "decided": {"by": "responsable open data", "date": "2026-03-01", "until": "2031-03-01"},
            "dpo_opinion": {"opinion": "favourable", "date": "2026-02-20"},
        },
    }
    return check_card(content, STRATEGY)
