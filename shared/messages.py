"""Reasons: why something stopped, as a code with safe facts, and as plain French or English.

A `Reason` travels in events, ledger rows and reports. It holds codes, counts and positions, and
names from the card; never a cell value, a file name or a header that the card does not declare.
The texts lie in `shared/texts/<stage>.toml`, one table per code:

    [column_undeclared]
    fr = { what = "…{position}…", why = "…", next = "…" }
    en = { what = "…{position}…", why = "…", next = "…" }
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.type_words import TYPE_WORDS

Language = Literal["fr", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,63}$")]


class Text(NamedTuple):
    """What happened, why, and what to do next."""

    what: str
    why: str
    next: str

    def __str__(self) -> str:
        return " ".join(part for part in self if part)


class Reason(BaseModel):
    """One thing that stopped, or would stop, a passage.

    `column` is a name that the card declares, else None and `position` (from 1) says which.
    `line` counts from 1 in the source, header included. `found` is a class of value (`email`,
    `text`), `expected` a type or rule of the card, `detail` a word from our own vocabulary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    code: Code
    column: str | None = None
    position: int | None = None
    line: int | None = None
    count: int | None = None
    limit: int | None = None
    expected: str | None = None
    found: str | None = None
    detail: str | None = None

    def text(self, language: Language) -> Text:
        """This reason in plain words. An unknown code falls back to the text of `unknown`."""
        template = catalogue().get(self.code, catalogue()["unknown"])[language]
        facts = {name: "?" if value is None else value for name, value in self.model_dump().items()}
        if self.code in ("type_mismatch", "type_nearly"):
            facts |= {
                name: TYPE_WORDS[kind][language]
                for name, kind in (("expected", self.expected), ("found", self.found))
                if kind in TYPE_WORDS
            }
        facts["place"] = place = self.place(language)
        # Some faults are of the whole file.
        parts = template if place else tuple(part.replace(" ({place})", "") for part in template)
        return Text(*(part.format_map(facts) for part in parts))

    def place(self, language: Language) -> str:
        """Where it is, for people: « colonne hauteur, ligne 12 »."""
        column, nth, line = (
            ("colonne", "colonne n° ", "ligne")
            if language == "fr"
            else ("column", "column no. ", "line")
        )
        parts = []
        if self.column is not None:
            parts.append(f"{column} {self.column}")
        elif self.position is not None:
            parts.append(f"{nth}{self.position}")
        if self.line is not None:
            parts.append(f"{line} {self.line}")
        return ", ".join(parts)


@cache
def catalogue() -> dict[str, dict[Language, Text]]:
    """Every reason code with its texts, read once from `shared/texts`."""
    texts: dict[str, dict[Language, Text]] = {}
    for file in sorted(files("shared").joinpath("texts").iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".toml"):
            continue
        for code, languages in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if code in texts:
                raise ValueError(f"reason code {code} is written twice in shared/texts")
            texts[code] = {"fr": Text(**languages["fr"]), "en": Text(**languages["en"])}
    return texts
