"""Slices, local exponents and the smooth surface, on surfaces whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalinglaws.errors import BudgetError, FitError, RunDataError
from scalinglaws.fitting import fit, fit_surface, local_exponents, slice_surface
from scalinglaws.laws import ChinchillaLaw
from scalinglaws.runs import Runs

LAW = ChinchillaLaw(E=2.0, A=400.0, B=900.0, alpha=0.5, beta=0.6)


def grid(law=LAW, sizes=8, tokens=8, excess=False):
    n, d = np.meshgrid(np.geomspace(1e3, 1e6, sizes), np.geomspace(1e4, 1e8, tokens))
    n, d = n.ravel(), d.ravel()
    loss = law.predict(n, d) - (law.E if excess else 0)
    return Runs.from_arrays(n, d, loss, check_units=False)


@settings(max_examples=30, deadline=None)
@given(alpha=st.floats(0.05, 3), height=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_the_local_exponent_of_a_power_law_is_its_exponent(alpha, height, seed):
    x = np.random.default_rng(seed).permutation(np.geomspace(10, 1e5, 9))
    middle, exponent = local_exponents(x, height * x**-alpha)
    assert exponent == pytest.approx(alpha, rel=1e-9)
    assert (np.diff(middle) > 0).all() and 10 < middle[0] and middle[-1] < 1e5


def test_a_floor_that_is_left_in_flattens_the_local_exponent():
    x = np.geomspace(10, 1e5, 9)
    _, exponent = local_exponents(x, 2 + x**-0.5)
    assert (np.diff(exponent) < 0).all() and exponent[-1] < 0.01


def test_equal_x_are_averaged_first():
    _, exponent = local_exponents([1, 1, 10], [1.0, 3.0, 0.2])
    assert exponent == pytest.approx([1.0])


@pytest.mark.parametrize("x, loss", [([1, 2], [1, -1]), ([1, 2], [1]), ([0, 2], [1, 2])])
def test_local_exponents_refuse_what_has_no_logarithm(x, loss):
    with pytest.raises(RunDataError):
        local_exponents(x, loss)


def test_local_exponents_need_two_x():
    with pytest.raises(FitError, match="two different"):
        local_exponents([3, 3], [1, 2])


@pytest.mark.parametrize("along, at", [("params", 1e4), ("tokens", 1e6)])
def test_a_slice_through_runs_is_the_runs(along, at):
    runs = grid()
    x, loss = slice_surface(runs, at, along)
    assert len(x) == 8
    expected = LAW.predict(x, at) if along == "params" else LAW.predict(at, x)
    assert loss == pytest.approx(expected, rel=1e-9)


def test_a_slice_between_runs_is_exact_where_the_loss_is_a_power_law():
    n, d = np.meshgrid([1e3, 1e4], [1e4, 1e6])
    runs = Runs.from_arrays(n.ravel(), d.ravel(), 1e3 * d.ravel() ** -0.7, check_units=False)
    _, loss = slice_surface(runs, 3e5)
    assert loss == pytest.approx(1e3 * 3e5**-0.7, rel=1e-9)


def test_a_slice_is_never_extrapolated_and_averages_seeds():
    runs = Runs.from_arrays(
        [1e3, 1e3, 1e3, 1e4], [1e5, 1e5, 1e6, 1e7], [2.0, 4.0, 1.0, 1.0], check_units=False
    )
    x, loss = slice_surface(runs, 1e5)
    assert x == pytest.approx([1e3]) and loss == pytest.approx([3.0])
    with pytest.raises(FitError, match="both sides"):
        slice_surface(runs, 1e8)
    with pytest.raises(FitError, match="along"):
        slice_surface(runs, 1e5, along="flops")


def test_a_surface_finds_the_optimum_of_the_law_it_was_drawn_from():
    surface = fit_surface(grid(sizes=12, tokens=12, excess=True))
    for flops in (1e10, 1e11):
        mine, truth = surface.optimum(flops), LAW.optimum(flops)
        assert mine.params == pytest.approx(truth.params, rel=0.15)
        assert mine.loss == pytest.approx(truth.loss - LAW.E, rel=0.02)
        assert 6 * mine.params * mine.tokens == pytest.approx(flops)


def test_a_product_of_power_laws_costs_no_smoothness():
    runs = grid()
    plane = Runs.from_arrays(
        runs.params, runs.tokens, 1e3 * runs.params**-0.3 * runs.tokens**-0.2, check_units=False
    )
    surface = fit_surface(plane, smoothing=100.0)
    assert surface.error < 1e-6
    assert surface.predict(3e3, 3e6) == pytest.approx(1e3 * 3e3**-0.3 * 3e6**-0.2, rel=1e-6)


def test_noise_asks_for_more_smoothing():
    runs = grid(sizes=10, tokens=10, excess=True)
    noise = np.exp(0.3 * np.random.default_rng(0).standard_normal(len(runs)))
    noisy = Runs.from_arrays(runs.params, runs.tokens, runs.loss * noise, check_units=False)
    rough, smooth = fit_surface(runs), fit_surface(noisy)
    assert smooth.smoothing > rough.smoothing
    assert 0.2 < smooth.error < 0.5
    assert smooth.error == min(smooth.errors.values())


def test_seeds_of_a_cell_are_held_out_together():
    runs = grid(excess=True)
    noise = np.exp(0.3 * np.random.default_rng(1).standard_normal(len(runs)))
    once = Runs.from_arrays(runs.params, runs.tokens, runs.loss * noise, check_units=False)
    # The same noise twice: were a twin left in, it would give the answer away.
    assert fit_surface(once + once).error == pytest.approx(fit_surface(once).error, rel=1e-9)


def test_a_surface_knows_where_it_ends():
    surface = fit_surface(grid(excess=True))
    assert np.isnan(surface.predict(1e7, 1e6)) and np.isfinite(surface.predict(1e4, 1e6))
    with pytest.raises(BudgetError, match="outside the runs"):
        surface.optimum(1e20)
    rising = grid(excess=True)
    rising = Runs.from_arrays(rising.params, rising.tokens, rising.params**0.5, check_units=False)
    with pytest.raises(BudgetError, match="edge"):
        fit_surface(rising).optimum(1e10)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"smoothing": -1.0}, "smoothing"),
        ({"smoothing": []}, "smoothing"),
        ({"folds": 1}, "folds"),
        ({"folds": 1000}, "folds"),
    ],
)
def test_bad_options_of_a_surface(options, message):
    with pytest.raises(FitError, match=message):
        fit_surface(grid(), **options)


def test_a_surface_needs_an_area():
    d = np.geomspace(1e4, 1e8, 12)
    with pytest.raises(FitError, match="one line"):
        fit_surface(Runs.from_arrays(np.full(12, 1e4), d, LAW.predict(1e4, d), check_units=False))
    with pytest.raises(FitError, match="too few"):
        fit_surface(grid(sizes=3, tokens=3))


# ----------------------------------------------------------------- a floor that is known


def test_fit_without_a_floor_recovers_the_terms_of_the_excess():
    result = fit(grid(excess=True), floor=False)
    assert result.law.E == 0
    for name in ("A", "B", "alpha", "beta"):
        assert result.constants[name] == pytest.approx(LAW.constants[name], rel=1e-6)
    draws = result.bootstrap(20, seed=0)
    assert draws.interval("alpha").width < 1e-6


def test_fit_without_a_floor_needs_one_run_less():
    runs = grid(excess=True)
    some = runs.where(np.isin(np.arange(len(runs)), [0, 9, 18, 27, 36]))
    fit(some, floor=False)
    with pytest.raises(FitError, match="5 constants"):
        fit(some)
