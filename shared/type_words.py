"""Types of columns and classes of values in plain words, French and English."""

from __future__ import annotations

from typing import Literal

TYPE_WORDS: dict[str, dict[Literal["fr", "en"], str]] = {
    "boolean": {"fr": "un oui ou un non", "en": "a yes or a no"},
    "date": {"fr": "une date", "en": "a date"},
    "datetime": {"fr": "une date avec heure", "en": "a date with a time"},
    "datetime_with_zone": {
        "fr": "une date avec heure et fuseau",
        "en": "a date with a time and its zone",
    },
    "geometry": {"fr": "une géométrie", "en": "a geometry"},
    "integer": {"fr": "un nombre entier", "en": "a whole number"},
    "long_integer": {
        "fr": "un nombre de plus de 18 chiffres",
        "en": "a number of more than 18 digits",
    },
    "no_such_date": {
        "fr": "une date qui n'existe pas (jour, mois, année)",
        "en": "a date that does not exist (day, month, year)",
    },
    "no_such_time": {"fr": "une heure qui n'existe pas", "en": "a time that does not exist"},
    "number": {"fr": "un nombre décimal", "en": "a decimal number"},
    "number_otherwise": {"fr": "un nombre écrit autrement", "en": "a number written otherwise"},
    "number_too_large": {
        "fr": "un nombre trop grand pour sa colonne",
        "en": "a number too large for its column",
    },
    "string": {"fr": "un texte", "en": "a text"},
    "text": {"fr": "un texte", "en": "a text"},
    "time": {"fr": "une heure", "en": "a time"},
}
