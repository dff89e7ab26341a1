"""Population uniqueness: by hand, at the models' ends, and on populations that are known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.anonymize.population_uniques import (
    counted,
    fit_pitman,
    log_likelihood,
    population_uniques,
)


def test_the_table_is_the_population_unless_the_card_says_more() -> None:
    """Two of seven are alone, here and in a population that is no larger than the table."""
    for population in (None, 3, 7):
        found = population_uniques([1, 1, 2, 3], population)
        assert found.model == "whole"
        assert found.share == pytest.approx(2 / 7)
    assert population_uniques([], None).share == 0


def test_zayatz_by_hand() -> None:
    """Four of ten drawn, two alone and a pair: a class of one is drawn with 4/10, one of two gives one
    with 2 · 4/10 · 6/9. By Bayes, alone in both: 2 · 0.4 / (2 · 0.4 + 8/15) = 0.6."""
    found = population_uniques([1, 1, 2], 10)
    assert found.model == "zayatz"
    assert found.share == pytest.approx(2 / 4 * 0.6)


def test_pitman_where_alpha_vanishes_is_ewens() -> None:
    """With alpha towards 0 it is Ewens' formula: the likelihood's best theta expects as many classes as
    there are, u = sum of theta / (theta + i)."""
    sizes = np.array([1] * 8 + [2] * 4 + [4] * 3 + [9, 15, 30], np.int64)
    n, u = int(sizes.sum()), len(sizes)
    thetas = np.linspace(0.5, 30, 3000)
    best = max(thetas, key=lambda theta: log_likelihood(counted(sizes), float(theta), 1e-9))
    assert sum(best / (best + i) for i in range(n)) == pytest.approx(u, abs=0.05)


def test_the_fitted_parameters_are_the_likeliest() -> None:
    """No parameters of a fine grid, by the formula's own products, are likelier than those found."""
    sizes = np.array([1] * 60 + [2] * 18 + [3] * 8 + [7] * 4 + [20, 33], np.int64)
    fitted = fit_pitman(sizes)
    assert fitted is not None

    def height(theta: float, alpha: float) -> float:
        n, u = int(sizes.sum()), len(sizes)
        return (
            sum(math.log(theta + i * alpha) for i in range(1, u))
            - sum(math.log(theta + i) for i in range(1, n))
            + sum(math.log(j - alpha) for size in sizes for j in range(1, int(size)))
        )

    assert log_likelihood(counted(sizes), *fitted) == pytest.approx(height(*fitted))
    grid = itertools.product(np.linspace(0.1, 80, 60), np.linspace(0.01, 0.99, 60))
    assert height(*fitted) >= max(height(*one) for one in grid) - 1e-6


@pytest.mark.parametrize(("part", "model"), [(0.05, "pitman"), (0.1, "pitman"), (0.4, "zayatz")])
def test_a_known_population_is_estimated(part: float, model: str) -> None:
    """Of people in classes as a town has them, many small and few large, the estimate from a part is
    nearer to the truth than what the part itself shows."""
    draw = np.random.default_rng(7)
    classes = np.minimum(draw.zipf(1.6, 12_000), 2_000)
    of_person = np.repeat(np.arange(len(classes)), classes)
    total = len(of_person)
    truth = float((classes == 1).sum()) / total
    drawn = draw.choice(of_person, int(total * part), replace=False)
    sizes = np.bincount(drawn)
    sizes = sizes[sizes > 0].astype(np.int64)
    found = population_uniques(sizes, total)
    shown = float((sizes == 1).sum()) / len(drawn)
    assert found.model == model
    assert abs(found.share - truth) < 0.5 * abs(shown - truth)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=60), st.integers(1, 10**7))
def test_it_is_a_share_of_those_who_are_alone(sizes: list[int], population: int) -> None:
    """Whatever the table: between nobody and all who are unique in it; nobody where k is two."""
    found = population_uniques(sizes, population)
    alone = sizes.count(1) / sum(sizes)
    assert 0 <= found.share <= alone + 1e-12
    if population <= sum(sizes):
        assert found.share == alone
