"""What a column's texts are as a whole: names without a word around them, or hashes of something."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.anonymize.name_detector import is_name_column
from services.anonymize.number_detectors import Hits

VERSION = 1

# MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512, in hexadecimal.
HASH = r"^\s*[0-9A-Fa-f]{32}(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{24}|(?:[0-9A-Fa-f]{32}){1,3})?\s*$"
_SHORTEST_HASH = 32
# A file's checksum is published so that it can be compared.
_CHECKSUM = re.compile(r"checksum|md5|sha_?\d|empreinte_fichier|somme_de_controle", re.IGNORECASE)
_MOST_TEXTS = 20_000


class TextTally:
    """Counts one column's texts, batch after batch; `verdict` at the end."""

    def __init__(self, name: str) -> None:
        self._checksums = _CHECKSUM.search(name) is not None
        self._hashes, self._all = Hits(), Hits()
        self._different: set[str] = set()

    def see(self, texts: pa.StringArray, rows_of: Callable[[pa.BooleanArray], pa.Array]) -> None:
        """Takes the different texts of a batch; `rows_of` tells the rows of those that a mask marks."""
        self._all.add(rows_of(pa.array(np.ones(len(texts), np.bool_))))
        if pc.max(pc.binary_length(texts)).as_py() >= _SHORTEST_HASH:
            hashed = pc.match_substring_regex(texts, HASH)
            if pc.any(hashed, min_count=0).as_py():
                self._hashes.add(rows_of(hashed))
        if len(self._different) < _MOST_TEXTS:
            short = texts.filter(pc.less_equal(pc.utf8_length(texts), 40))
            self._different.update(short.slice(0, _MOST_TEXTS).to_pylist())

    def verdict(self) -> dict[str, Hits]:
        """`hash`: half of the cells are hashes, which a list of all possible values undoes in minutes
        (the New York taxis of 2014). `name`: the different cells are mostly names."""
        found = {}
        if not self._checksums and self._hashes.cells * 2 >= max(self._all.cells, 1):
            found["hash"] = self._hashes
        if is_name_column(sorted(self._different)):
            found["name"] = self._all
        return found
