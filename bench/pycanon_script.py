"""k, distinct l and t of a CSV file as pycanon finds them, in an environment of its own:
`python pycanon_script.py FILE SENSITIVE`. Every other column is a quasi-identifier.
"""

import json
import sys
import time

import pandas as pd
from pycanon import anonymity  # type: ignore[import-not-found] # in its own environment

table = pd.read_csv(sys.argv[1], dtype=str, keep_default_na=False)
sensitive = [sys.argv[2]]
quasi = [name for name in table.columns if name not in sensitive]
found = {}
for name, work in (
    ("k", lambda: anonymity.k_anonymity(table, quasi)),
    ("l", lambda: anonymity.l_diversity(table, quasi, sensitive)),
    ("t", lambda: anonymity.t_closeness(table, quasi, sensitive)),
):
    began = time.perf_counter()
    value = float(work())  # type: ignore[no-untyped-call] # pycanon's
    found[name] = {"value": value, "seconds": time.perf_counter() - began}
print(json.dumps(found))
