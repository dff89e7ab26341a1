"""Column names: cleaned, found among the first rows, and matched with those that the card declares.

A header that the card does not declare may itself be a person's name: reasons and reports give its
position, never its text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from shared.card import Card
from shared.card_parts import SchemaField
from shared.failures import Quarantined
from shared.messages import Reason

NAME_LENGTH = 256
HEADER_ROWS = 100
_NUMBER_LIKE = re.compile(r"[-+]?[\d\s.,/:%€-]*\d[\d\s.,/:%€-]*")
_YEAR = re.compile(r"(19|20)\d\d")


def clean_name(text: str) -> str:
    """A header as a name: NFC, one space between words, no invisible or direction-changing mark."""
    shown = "".join(
        " " if character.isspace() or unicodedata.category(character) == "Cc" else character
        for character in unicodedata.normalize("NFC", text)
        if unicodedata.category(character) != "Cf"
    )
    return " ".join(shown.split())


def match_key(name: str) -> str:
    """What two spellings of one name have in common: NFKC and case folded."""
    return clean_name(unicodedata.normalize("NFKC", name)).casefold()


def find_header(rows: Sequence[Sequence[str]], declared: Collection[str]) -> int | None:
    """Index of the header among the first rows, None when none of them can be one.

    The row that holds most of the declared names is the header. Where none holds any, it is the
    first row that is at least half filled, so that titles above the table are passed over, unless
    it reads like data: numbers alone. Of a header written several times over it is the last.
    """
    keys = {match_key(name) for name in declared}
    matches = [len(keys & {match_key(cell) for cell in row}) for row in rows[:HEADER_ROWS]]
    if matches and max(matches) > 0:
        at = matches.index(max(matches))
    else:
        width = _used_width(rows)
        filled = [sum(1 for cell in row if cell.strip()) for row in rows[:HEADER_ROWS]]
        first = next((i for i, count in enumerate(filled) if count and 2 * count >= width), None)
        if first is None or _is_data(rows[first]):
            return None
        at = first
    while at + 1 < len(rows) and len(rows[at]) > 1 and rows[at + 1] == rows[at]:
        at += 1
    return at


def _used_width(rows: Sequence[Sequence[str]]) -> int:
    """Cells to the last one that most rows fill, so that a trailing delimiter does not count."""
    widths = Counter(
        max((i + 1 for i, cell in enumerate(row) if cell.strip()), default=0) for row in rows
    )
    del widths[0]
    return max(widths, key=lambda width: (widths[width], width), default=0)


def _is_data(row: Sequence[str]) -> bool:
    cells = [cell.strip() for cell in row if cell.strip()]
    years = len(set(cells)) == len(cells) and all(_YEAR.fullmatch(cell) for cell in cells)
    return not years and all(_NUMBER_LIKE.fullmatch(cell) for cell in cells)


def checked_headers(raw: Sequence[str], declared: Collection[str]) -> tuple[str, ...]:
    """The cleaned names, empty ones kept empty. Raises Quarantined: `header_twice`,
    `header_too_long`, each with its position (and name, if the card declares it)."""
    names = tuple(clean_name(text) for text in raw)
    seen: set[str] = set()
    reasons = []
    for position, name in enumerate(names, 1):
        if name and name in seen:
            known = name if name in declared else None
            reasons.append(Reason(code="header_twice", column=known, position=position))
        if len(name) > NAME_LENGTH:
            reasons.append(Reason(code="header_too_long", position=position, limit=NAME_LENGTH))
        seen.add(name)
    if reasons:
        raise Quarantined(*(r.model_copy(update={"count": len(reasons)}) for r in reasons[:100]))
    return names


@dataclass(frozen=True, slots=True)
class NamedColumn:
    """A column of the source under the name it goes on with; `position` counts from 1."""

    position: int
    name: str
    declared: bool
    field: SchemaField | None = None

    def reason(self, code: str, **facts: int | str | None) -> Reason:
        """A reason about this column that does not give away an undeclared name."""
        at = {"column": self.name} if self.declared else {"position": self.position}
        return Reason.model_validate({"code": code, **at, **facts})


def declared_names(card: Card) -> dict[str, SchemaField | None]:
    """The names that the card knows, with their field if it has a schema."""
    fields = card.table_schema.fields if card.table_schema else ()
    names: dict[str, SchemaField | None] = dict.fromkeys([*card.privacy.columns, *card.columns])
    return {**names, **{field.name: field for field in fields}}


def match_columns(
    headers: Sequence[str], card: Card
) -> tuple[tuple[NamedColumn, ...], tuple[Reason, ...]]:
    """The named columns of the source in its order, and warnings.

    A header equals a declared name as it stands, or else by `match_key` if nothing but that one
    header and that one name share the key; it then goes on under the declared name. Headers that
    match nothing are kept, undeclared.

    Raises Quarantined(`column_missing`) for every field of the schema that is not there. A field
    that the schema says may be left out (`required: false`) is a warning, and so is, without a
    schema, a column that only the policy names.
    """
    declared = declared_names(card)
    exact = {clean_name(name): name for name in declared}
    taken = {exact[header] for header in headers if header in exact}
    keys = Counter(match_key(header) for header in headers if header not in exact)
    free = [name for name in declared if name not in taken]
    free_keys = Counter(match_key(name) for name in free)
    by_key = {
        match_key(name): name
        for name in free
        if keys[match_key(name)] == 1 and free_keys[match_key(name)] == 1
    }
    columns = []
    for position, header in enumerate(headers, 1):
        if not header:
            continue
        name = exact.get(header) or by_key.get(match_key(header))
        if name is None:
            columns.append(NamedColumn(position, header, declared=False))
        else:
            columns.append(NamedColumn(position, name, declared=True, field=declared[name]))
    present = {column.name for column in columns if column.declared}
    missing = [name for name in declared if name not in present]
    blocking = [Reason(code="column_missing", column=n) for n in missing if _needed(n, card)]
    if blocking:
        raise Quarantined(*(r.model_copy(update={"count": len(blocking)}) for r in blocking[:100]))
    return tuple(columns), tuple(Reason(code="column_absent", column=name) for name in missing)


def _needed(name: str, card: Card) -> bool:
    if card.table_schema is None:
        return False
    if name in card.table_schema.primary_key:
        return True
    field = next((f for f in card.table_schema.fields if f.name == name), None)
    return field is not None and field.constraints.get("required") is not False
