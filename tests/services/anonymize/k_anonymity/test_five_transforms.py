"""k, l and t of a written table, by the proof and by the definitions, for each way to make rows alike.

The definitions are pycanon's too (Sáinz-Pardo Díaz and López García, Scientific Data, 2022): least
class, least distinct values in one, greatest earth mover's distance with equal ground distance. pycanon
itself, on Adult: `make bench ARGS=anonymize`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from services.anonymize.class_sizes import (
    classes_of,
    greatest_distance,
    least_distinct,
    least_entropy,
)
from services.anonymize.k_anonymity.combinations import Combinations, combine
from services.anonymize.k_anonymity.full_domain import full_domain
from services.anonymize.k_anonymity.hierarchy import from_rows
from services.anonymize.k_anonymity.local_recoding import local_recoding
from services.anonymize.k_anonymity.mondrian import mondrian
from services.anonymize.k_anonymity.protection import Protection
from services.anonymize.k_anonymity.recoding import Recoding, published
from tests.services.anonymize.k_anonymity import oracle

ROWS, NAMES = 600, ["age", "quartier", "statut"]
Way = Callable[[Combinations, Protection], Recoding]
WAYS: dict[str, Way] = {
    "optimum": full_domain,
    "optimum, 5 %": lambda found, asked: full_domain(found, asked, 0.05),
    "optimum, 100 %": lambda found, asked: full_domain(found, asked, 1.0),
    "local recoding": local_recoding,
    "mondrian": mondrian,
}


def table(way: Way, asked: Protection) -> pa.Table:
    """People of a made town, with a benefit that not everybody has, as `way` publishes them."""
    draw = np.random.default_rng(7)
    ages = from_rows([(str(n), f"d{n // 10}", f"v{n // 20}", "*") for n in range(20, 80)])
    places = from_rows([(f"Q{n}", f"S{n // 3}", "*") for n in range(9)])
    states = from_rows([(f"E{n}", "*") for n in range(3)])
    leaves = [
        np.clip(draw.normal(25, 12, ROWS), 0, 59).astype(np.int64),
        draw.integers(0, 9, ROWS),
        draw.choice(3, ROWS, p=[0.7, 0.25, 0.05]),
    ]
    benefit = draw.choice(4, ROWS, p=[0.6, 0.25, 0.1, 0.05])
    found = combine(leaves, [ages, places, states], sensitive=[benefit] if asked.sensitive else [])
    made = way(found, asked)
    shown = pa.array(~made.suppressed[found.of_row])
    columns = {}
    for q, name in enumerate(NAMES):
        at, texts = published(found, made.levels, q)
        columns[name] = pa.array(texts).take(pa.array(at[found.of_row])).filter(shown)
    columns["aide"] = pa.array([f"A{n}" for n in benefit]).filter(shown)
    return pa.table(columns)


@pytest.mark.parametrize("asked", [Protection(5), Protection(5, l=2, t=0.6)], ids=["k", "k, l, t"])
@pytest.mark.parametrize("way", list(WAYS))
def test_the_proof_counts_what_the_definitions_say(way: str, asked: Protection) -> None:
    """The same k, l and t, and never less than was asked for."""
    made = table(WAYS[way], asked)
    rows = list(zip(*(made.column(name).to_pylist() for name in made.column_names), strict=True))
    whole = [row[-1] for row in rows]
    classes = [
        [whole[n] for n in members] for members in oracle.groups(row[:-1] for row in rows).values()
    ]
    k, least = min(map(len, classes)), min(map(oracle.distinct_l, classes))
    assert (classes_of(made, NAMES, None).smallest, least_distinct(made, NAMES, "aide")) == (
        k,
        least,
    )
    entropy, t = least_entropy(made, NAMES, "aide"), greatest_distance(made, NAMES, "aide")
    assert entropy == pytest.approx(min(map(oracle.entropy_l, classes)))
    assert t == pytest.approx(max(oracle.distance(one, whole) for one in classes))
    assert k >= asked.k
    assert least >= asked.l
    # t is asked of the classes beside what is published.
    assert t <= asked.t + 1e-9
