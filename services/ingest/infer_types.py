"""Chooses a column's type from all of its values.

Codes stay text: columns whose header names one (SIRET, INSEE, code postal, téléphone…), whose
values have leading zeros or more than 18 digits, or are integers all of the length of a SIREN, a
NIR or a SIRET.
"""

from __future__ import annotations

import re
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

from services.ingest.column_types import (
    BOOLEANS,
    DATE,
    DATETIME,
    DATETIME_UTC,
    INTEGER,
    NOTHING,
    NUMBER_COMMA,
    NUMBER_DOT,
    STRING,
    TIME,
    Decimal,
    Reading,
)
from services.ingest.text_casts import WHOLE


def _words_in(text: str) -> frozenset[str]:
    return frozenset(text.split())


# SIREN 9 digits, NIR 13 or 15 with its key, SIRET 14: no measure keeps to these lengths.
_CODE_LENGTHS = frozenset({9, 13, 14, 15})
_HEAD = 64
# INSEE's codes of communes and postal codes.
_FIVE_DIGITS = frozenset({"com", "commune", "cp", "insee", "post", "postal", "postcode"})
_CODE_WORDS = _words_in(
    "bic code codes cp fantoir fax finess iban nir phone postal postcode rivoli rna rnb siren siret"
    " tel telephone uai zip zipcode"
)
# Classifications: their columns hold codes, unless a value has decimals (`txcouv_epci`).
_CLASSIFICATIONS = frozenset({"ape", "cog", "epci", "insee", "iris", "naf"})
# Words that mean a code where they are the whole header, as in INSEE's own files.
_CODE_ALONE = frozenset({"com", "dep", "dept", "reg", "mobile", "portable"})
# A header that counts or measures names no code: nb_tel, distance_com.
_MEASURES = _words_in(
    "age count distance duree montant moyenne nb nbr nbre nombre part pct population prix somme"
    " taux total valeur"
)
_CODE_HEADER = re.compile(
    r"(?:code?|num|no|n|id)_?(?:ape|arr|bv|canton|com(?:mune)?|dep(?:artement)?|dept|epci|fantoir"
    r"|insee|iris|naf|post(?:al)?|reg(?:ion)?|rivoli|siren|siret|tel(?:ephone)?)"
)


def _words(header: str) -> list[str]:
    plain = unicodedata.normalize("NFD", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", header))
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    return re.findall(r"[a-z]+", plain)


def names_a_code(header: str) -> bool:
    """Whether a header, such as `Code INSEE` or `SIRET`, says that its column holds codes."""
    words = _words(header)
    if _MEASURES & set(words):
        return False
    if _CODE_WORDS & set(words) or (len(words) == 1 and words[0] in _CODE_ALONE):
        return True
    return any(_CODE_HEADER.fullmatch(part) for part in ("_".join(words), *words))


def _names_a_classification(header: str) -> bool:
    words = set(_words(header))
    return bool(_CLASSIFICATIONS & words) and not _MEASURES & words


def _names_an_id(header: str) -> bool:
    """`idBeneficiaire`: may be counted from 1, but is never a decimal number."""
    return not {"id", "identifiant", "ident"}.isdisjoint(_words(header))


class TypeGuess:
    """What a text column can still be. Feed it every batch, then ask.

    Integers are numbers too, so a column that turns out to hold decimals after a million integers
    needs no second look at those. In a `typed` source, which has numbers of its own, a text is no
    number; it may be a moment, for which JSON has no type.
    """

    def __init__(self, header: str, decimal: Decimal | None, *, typed: bool = False) -> None:
        numbers = {None: (NUMBER_DOT, NUMBER_COMMA), ".": (NUMBER_DOT,), ",": (NUMBER_COMMA,)}
        self._numbers = numbers[decimal] if not _names_an_id(header) else ()
        self._classified = _names_a_classification(header)
        self._open: tuple[Reading, ...] = ()
        if typed:
            self._open = (DATE, DATETIME, DATETIME_UTC, TIME)
        elif not names_a_code(header):
            self._open = (
                INTEGER, *self._numbers, *BOOLEANS, DATE, DATETIME, DATETIME_UTC, TIME,
            )  # fmt: skip
        self._shortest, self._longest = 1 << 62, 0
        self._filled = False
        self._plain = True
        # What the last batch's text is by the first reading that fits it.
        self.tried: Reading | None = None
        self.values: pa.Array | None = None

    def feed(self, text: pa.Array) -> None:
        """Takes a batch of the column into account."""
        self.tried = self.values = None
        if not self._open or text.null_count == len(text):
            return
        head = text.slice(0, _HEAD).drop_null()
        # Most types are out after a few values; only what is left is tried on all.
        likely = tuple(r for r in self._open if r.read(head) is not None)
        fitting: list[Reading] = []
        for reading in likely:
            if INTEGER in fitting and reading in self._numbers:
                fitting.append(reading)
                continue
            values = reading.values(text)
            if values is None:
                self._plain = False
                values = reading.read(text)
            if values is not None:
                if not fitting:
                    self.tried, self.values = reading, values
                fitting.append(reading)
                self._filled = self._filled or values.null_count < len(values)
        self._open = tuple(fitting)
        if INTEGER in fitting:
            lengths = pc.min_max(pc.binary_length(text)).as_py()
            self._shortest = min(self._shortest, lengths["min"])
            self._longest = max(self._longest, lengths["max"])

    @property
    def reading(self) -> Reading:
        """How to read the column: STRING where nothing else fits every value."""
        if not self._open:
            return STRING
        if not self._filled:
            return NOTHING
        if self._classified and self._open[0] is INTEGER:
            return STRING
        if self._open[0] is INTEGER and self._shortest == self._longest in _CODE_LENGTHS:
            return STRING
        return self._open[0]

    @property
    def plain(self) -> bool:
        """Whether every value was read as it stands, without tidying."""
        return self._plain


class NumberGuess:
    """What a numeric column can be: a spreadsheet's cells are all floating point, JSON's are not.

    `short_codes` counts codes of communes and post offices that have lost a digit, as those that
    begin with 0 do when a spreadsheet program takes them for numbers.
    """

    def __init__(self, header: str) -> None:
        self._code = names_a_code(header)
        self._five = self._code and bool(_FIVE_DIGITS & set(_words(header)))
        self.short_codes = 0
        self._classified = _names_a_classification(header)
        self._whole = True
        self._typed = False
        self._lowest, self._highest = float("inf"), float("-inf")

    def feed(self, values: pa.Array) -> None:
        """Takes a batch of the column into account: float64 or int64, null where empty."""
        self._typed = pa.types.is_integer(values.type)
        if values.null_count == len(values):
            return
        if not self._typed:
            self._whole = self._whole and pc.all(pc.equal(values, pc.floor(values))).as_py()
        if self._five:
            short = pc.and_(pc.greater_equal(values, 1000), pc.less(values, 10_000))
            self.short_codes += int(pc.sum(short).as_py() or 0)
        bounds = pc.min_max(values).as_py()
        self._lowest = min(self._lowest, bounds["min"])
        self._highest = max(self._highest, bounds["max"])

    @property
    def rounded(self) -> bool:
        """Whether whole numbers have more digits than a spreadsheet keeps."""
        return not self._typed and self._whole and max(-self._lowest, self._highest) >= WHOLE

    @property
    def reading(self) -> Reading:
        """STRING for codes, INTEGER where every number is whole, else NUMBER_DOT."""
        if self._code:
            return STRING
        if self._classified and self._whole:
            return STRING
        if self._typed:
            return INTEGER
        if self._highest < self._lowest:
            return NUMBER_DOT  # no value at all
        if not self._whole or max(-self._lowest, self._highest) >= WHOLE:
            return NUMBER_DOT
        lengths = {len(str(int(self._lowest))), len(str(int(self._highest)))}
        return STRING if len(lengths) == 1 and lengths <= _CODE_LENGTHS else INTEGER
