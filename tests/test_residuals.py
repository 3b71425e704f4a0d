"""What residuals give away: planted faults are found, healthy fits are left in peace."""

from __future__ import annotations

import numpy as np
import pytest

from scalinglaws.datasets import (
    LogNormalNoise,
    Rounding,
    StudentNoise,
    isoflop_design,
    random_design,
    simulate,
    training_curves,
)
from scalinglaws.errors import FitError
from scalinglaws.fitting import examine, fit, fit_curve
from scalinglaws.fitting.residuals import MOST_EXAMINED, neighbour_agreement
from scalinglaws.laws import PowerLaw, published
from scalinglaws.runs import Runs

LAW = published("besiroglu")
BUDGETS = np.geomspace(1e18, 1e21, 8)
DESIGN = isoflop_design(BUDGETS, 9, span=4)
LUCK = LogNormalNoise(0.003)


def codes(result) -> list[str]:
    return [caution.code for caution in examine(result)]


@pytest.mark.parametrize("objective", ["huber", "l1", "lsq"])
@pytest.mark.parametrize("noise", [LUCK, LogNormalNoise(0.03), (LUCK, Rounding(3))])
def test_healthy_fits_are_left_in_peace(objective, noise):
    alarms = [
        code
        for seed in range(20)
        for code in codes(fit(simulate(LAW, DESIGN, noise, seed), objective=objective))
    ]
    assert len(alarms) <= 1


@pytest.mark.parametrize("residual", ["log", "loss"])
def test_a_missing_floor_leaves_a_pattern(residual):
    runs = simulate(LAW, DESIGN, LUCK, seed=1)
    assert "patterned-residuals" in codes(fit(runs, floor=False, residual=residual))
    x = np.geomspace(1e6, 1e10, 30)
    loss = PowerLaw(1.8, 400.0, 0.34).predict(x)
    assert codes(fit_curve(x, loss, floor=False, residual=residual)) == ["patterned-residuals"]


def test_runs_far_off_are_named_farthest_first():
    runs = simulate(LAW, DESIGN, LUCK, seed=1)
    loss = runs.loss.copy()
    loss[[50, 7]] *= (1.08, 1.2)
    (caution,) = examine(fit(Runs.from_arrays(runs.params, runs.tokens, loss)))
    assert caution.code == "outliers"
    assert "2 of 72 runs" in caution.message and "first: 7, 50 (" in caution.message


def test_heavy_tails_show_as_outliers():
    runs = simulate(LAW, random_design(300, 0), StudentNoise(0.004, 2.0), seed=0)
    assert "outliers" in codes(fit(runs))


@pytest.mark.parametrize(("decimals", "found"), [(1, True), (2, False), (3, False)])
def test_digits_count_beside_the_scatter(decimals, found):
    runs = simulate(LAW, DESIGN, (LUCK, Rounding(decimals)), seed=0)
    assert ("coarse-loss" in codes(fit(runs))) == found
    exact = simulate(LAW, DESIGN, Rounding(decimals), seed=0)  # all of the scatter is rounding
    assert "coarse-loss" in codes(fit(exact))


def test_losses_without_scatter_give_nothing_to_examine():
    assert examine(fit(simulate(LAW, DESIGN))) == ()


def test_rows_that_repeat_others_are_no_pattern():
    runs = simulate(LAW, DESIGN, LUCK, seed=1)
    columns = (np.tile(c, 4) for c in (runs.params, runs.tokens, runs.loss))
    assert codes(fit(Runs.from_arrays(*columns))) == []


def test_very_many_runs_are_thinned_out():
    runs = simulate(LAW, random_design(3 * MOST_EXAMINED, 1), LUCK, seed=1)
    assert codes(fit(runs)) == []
    assert "patterned-residuals" in codes(fit(runs, floor=False))


def test_agreement_of_a_wave_and_of_chance():
    rng = np.random.default_rng(5)
    x = rng.uniform(0, 1, 200)
    agreement, z = neighbour_agreement([x], np.sin(6 * x))
    assert agreement > 0.9 and z > 10
    scores = [neighbour_agreement([x], rng.standard_normal(200))[1] for _ in range(200)]
    assert abs(np.mean(scores)) < 0.25 and 0.8 < np.std(scores) < 1.25


def test_a_column_that_the_law_does_not_know():
    sizes = np.geomspace(1e8, 1e10, 9)
    ends = sizes[:, None] * np.array([10.0, 20.0, 40.0])
    for penalty, found in ((0.0, False), (0.03, True)):
        options = {"schedule_penalty": penalty, "start": 0.1}
        runs = training_curves(LAW, sizes, ends, 5, LUCK, 1, **options)
        cautions = examine(fit(runs), done=runs.tokens / runs["horizon"])
        assert ("depends-on-done" in [c.code for c in cautions]) == found
    runs = simulate(LAW, DESIGN, LUCK, seed=2)
    lab = np.arange(len(runs)) % 2
    result = fit(Runs.from_arrays(runs.params, runs.tokens, runs.loss * (1 + 0.01 * lab)))
    assert codes(result) == []
    assert [c.code for c in examine(result, lab=lab)] == ["depends-on-lab"]


@pytest.mark.parametrize("column", [[1.0], ["a"] * 72, np.full(72, np.nan), None])
def test_further_columns_must_be_numbers(column):
    result = fit(simulate(LAW, DESIGN, LUCK, seed=2))
    with pytest.raises(FitError, match="lab must be"):
        examine(result, lab=column)


def test_few_runs_are_not_called_far_off():
    # An objective like L1 passes through as many runs as it has constants.
    alarms = 0
    for seed in range(40):
        runs = simulate(LAW, DESIGN, LUCK, seed)
        alarms += "outliers" in codes(fit(runs.where(runs.params < 3e8)))
    assert alarms <= 2
