"""The dictionary of the columns as rows of text, for a workbook's second sheet and the README."""

from __future__ import annotations

from collections.abc import Mapping

from shared.card import Card

HEADER = ("Colonne", "Type", "Titre", "Description", "Unité", "Valeurs")
TYPES = {
    "string": "texte",
    "integer": "entier",
    "number": "nombre",
    "boolean": "booléen",
    "date": "date",
    "datetime": "date et heure",
    "time": "heure",
    "geojson": "géométrie",
}


def dictionary_rows(card: Card, types: Mapping[str, str]) -> list[tuple[str, ...]]:
    """One row a published column, in the table's order, under `HEADER`; French, empty where unsaid."""
    rows: list[tuple[str, ...]] = []
    for name, kind in types.items():
        said = card.columns.get(name)
        codes = said.codes if said else {}
        rows.append(
            (
                name,
                TYPES.get(kind, kind),
                said.title["fr"] if said and said.title else "",
                said.description["fr"] if said and said.description else "",
                (said.unit or "") if said else "",
                " ; ".join(f"{code} : {meaning['fr']}" for code, meaning in codes.items()),
            )
        )
    return rows
