"""Intervals and ranks on data whose answer is known."""

import math

import numpy as np
import pytest
from _bench.statistics import below_median, bootstrap_interval, mean, mean_ranks, wins

NAN = float("nan")


def test_interval_has_the_width_of_the_standard_error():
    values = np.random.default_rng(1).normal(5, 2, 400)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)
    assert bootstrap_interval(values) == (low, high)
    assert bootstrap_interval([1.0, NAN, 1.0]) == (1.0, 1.0)


def test_copies_of_a_case_do_not_narrow_the_interval():
    cases = np.random.default_rng(2).normal(5, 2, 30)
    values, names = np.repeat(cases, 20), np.repeat(np.arange(30), 20).astype(str)
    alone = bootstrap_interval(cases)
    assert bootstrap_interval(values, names) == pytest.approx(alone, abs=0.05)
    naive = bootstrap_interval(values)
    assert naive[1] - naive[0] < 0.4 * (alone[1] - alone[0])


def test_cases_count_with_all_their_slices():
    low, high = bootstrap_interval([0.0] * 9 + [1.0], ["big"] * 9 + ["small"])
    assert (low, high) == (0.0, 1.0)  # resamples of two cases: 0, 0.1 or 1


def test_one_case_has_no_interval():
    assert all(map(math.isnan, bootstrap_interval([1.0, 2.0, 3.0], ["x"] * 3)))
    assert all(map(math.isnan, bootstrap_interval([1.0, NAN], ["x", "y"])))
    assert all(map(math.isnan, bootstrap_interval([])))


def test_mean_leaves_out_what_is_undefined():
    assert mean([1.0, NAN, 2.0]) == 1.5
    assert math.isnan(mean([NAN]))


def test_mean_rank_shares_ties_and_puts_undefined_last():
    means = {
        "x": {"EN": 3.0, "SD": 1.0},
        "y": {"EN": 2.0, "SD": 1.0},
        "z": {"EN": NAN, "SD": 0.5},
    }
    assert mean_ranks(means, ("EN", "SD")) == {"x": 1.25, "y": 1.75, "z": 3.0}
    assert mean_ranks({}, ("EN",)) == {}


def test_wins_and_places_below_the_median():
    means = {
        "ours": {"EN": 3.0, "SD": 1.0, "AG": 2.0},
        "p": {"EN": 2.0, "SD": 1.0, "AG": 5.0},
        "q": {"EN": 1.0, "SD": 0.0, "AG": 4.0},
    }
    metrics = ("EN", "SD", "AG")
    assert wins(means, "ours", list(means), metrics) == 1  # a tie is no win
    assert wins(means, "ours", ["q"], metrics) == 2
    assert below_median(means, "ours", metrics) == 1
    assert below_median({"ours": means["ours"]}, "ours", metrics) == 0
