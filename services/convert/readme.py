"""README.md: what a person who has only the folder needs to know, in French."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from services.convert.dictionary_rows import HEADER, dictionary_rows
from services.convert.release_facts import ReleaseFacts
from services.convert.written_file import WrittenFile
from shared.card import Card
from shared.formats import FORMATS
from shared.public_protection import public_protection


def make_readme(
    card: Card,
    facts: ReleaseFacts,
    files: Sequence[WrittenFile],
    types: Mapping[str, str],
    rows: int,
    renamed: Mapping[str, Mapping[str, str]],
) -> bytes:
    """Markdown. Public facts of the card alone."""
    lines = [f"# {facts.title}", "", facts.description, ""]
    lines += _table(("", ""), _said(card, facts, rows))
    lines += ["", "## Fichiers", ""]
    lines += _table(
        ("Fichier", "Format", "Octets", "SHA-256"),
        ((one.name, FORMATS[one.format].title, str(one.bytes), one.sha256) for one in files),
    )
    lines += [
        "",
        "`datapackage.json` décrit les fichiers pour les programmes (Data Package v2), `schema.json` les"
        " colonnes (Table Schema). Textes en UTF-8, dates selon ISO 8601, point décimal. Une valeur"
        " absente est vide en CSV et `null` en JSON. Dans les CSV, une apostrophe précède tout texte"
        " qu'un tableur exécuterait comme une formule.",
        *_renamed(renamed),
        "",
        "## Colonnes",
        "",
    ]
    lines += _table(HEADER, dictionary_rows(card, types))
    lines += ["", "## Citer ces données", "", facts.sentence(), ""]
    return "\n".join(lines).encode()


def _renamed(renamed: Mapping[str, Mapping[str, str]]) -> Iterable[str]:
    for form, names in renamed.items():
        told = ", ".join(f"`{name}` s'y appelle `{shown}`" for name, shown in names.items())
        yield ""
        yield (
            f"{FORMATS[form].title} : les logiciels qui lisent par GDAL (QGIS par exemple) y donnent"
            f" un autre nom aux colonnes dont le format réserve le nom : {told}."
        )


def _said(card: Card, facts: ReleaseFacts, rows: int) -> Iterable[tuple[str, str]]:
    spatial = card.spatial
    told = (
        ("Licence", f"[{facts.licence}]({facts.licence_url})"),
        ("Attribution", facts.attribution),
        ("Mise à jour", facts.updated),
        ("Producteur", facts.producer),
        ("Sources", facts.sources),
        ("Mentions légales", card.legal_notes or ""),
        ("Anonymisation", " ; ".join(public_protection(card).get("fr", []))),
        ("Territoire", (spatial.label or ", ".join(spatial.zones)) if spatial else ""),
        ("Maille", spatial.granularity if spatial else ""),
        ("Période", facts.period_words()),
        ("Lignes", str(rows)),
        ("Version", facts.release),
    )
    return (pair for pair in told if pair[1])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [_line(header), _line(["---"] * len(header))]
    return lines + [_line(row) for row in rows]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in cells)} |"
