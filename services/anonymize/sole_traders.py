"""SIREN and SIRET of people: sole traders, and those whom the law lets ask not to be shown.

By the rows' own columns, published or not: category 1000 of INSEE's legal forms, or a status of
« diffusion partielle » (Code de commerce, art. R. 123-232). Such a number is a person's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from services.anonymize.header_lexicon import words
from services.anonymize.number_detectors import Hits
from services.anonymize.scan_table import Finding

_NUMBER = re.compile(r"(?:^|_)(?:siren|siret)(?:_|$)")
_FORM = re.compile(r"(?:^|_)(?:categorie|cat|forme|nature)_?(?:juridique|jur)|(?:^|_)cj(?:_|$)")
_STATUS = re.compile(r"(?:^|_)(?:statut_?(?:de_)?diffusion|diffusion|diffusible)")
# « 1000 », and the words of it; in Sirene P is partial, N and O were not and wholly shown.
_PERSON = r"(?i)^\s*1000(?:\.0)?\s*$|entrepreneur individuel|entreprise individuelle|^\s*1\s*$"
_HIDDEN = r"(?i)^\s*(?:P|N)\s*$|partiel|non[ -]diffus"


def sole_traders(
    source: pq.ParquetFile, published: Sequence[str], batch_rows: int
) -> list[Finding]:
    """One finding for each published SIREN or SIRET column: the rows in which it is a person's."""
    names = source.schema_arrow.names
    numbers = [name for name in published if _NUMBER.search(words(name))]
    asked = [(n, _PERSON) for n in names if _FORM.search(words(n))]
    asked += [(n, _HIDDEN) for n in names if _STATUS.search(words(n))]
    if not numbers or not asked:
        return []
    hits = {name: Hits() for name in numbers}
    row = 0
    wanted = list(dict.fromkeys([*numbers, *(name for name, _ in asked)]))
    for batch in source.iter_batches(batch_rows, columns=wanted):
        person = pa.array([False] * batch.num_rows)
        for name, pattern in asked:
            said = batch.column(name).cast(pa.string())
            person = pc.or_(person, pc.match_substring_regex(said, pattern).fill_null(False))
        for name in numbers:
            found = pc.and_(person, batch.column(name).is_valid())
            hits[name].add(pc.add(pc.indices_nonzero(found).cast(pa.int64()), row))
        row += batch.num_rows
    return [
        Finding(name, "sole_trader", one.cells, one.first_row + 2)
        for name, one in hits.items()
        if one.cells
    ]
