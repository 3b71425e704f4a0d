"""Rosenfeld's envelope: guessing at one end, the additive law at the other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalinglaws.errors import BudgetError
from scalinglaws.laws import ConstantError, RosenfeldLaw, published
from scalinglaws.laws.published import ROSENFELD_EXPONENTS, ROSENFELD_EXTRAPOLATION_ERROR

laws = st.builds(
    RosenfeldLaw,
    E=st.one_of(st.just(0.0), st.floats(1e-12, 1e-2)),
    A=st.floats(1e-3, 1e3),
    alpha=st.floats(0.1, 1.2),
    beta=st.floats(0.1, 1.2),
    eta=st.floats(0.01, 100.0),
    guess=st.floats(0.1, 12.0),
)
logs = st.floats(-30.0, 30.0)


@pytest.mark.parametrize(
    ("model", "data", "error", "digits"), [(1, 1, 0.048, 3), (1 / 16, 1 / 32, 0.41, 2)]
)
def test_cifar10_as_published(model, data, error, digits):
    assert round(float(published("rosenfeld-cifar10").predict(model, data)), digits) == error


def test_cifar10_guesses_one_class_in_ten_without_data():
    law = published("rosenfeld-cifar10")
    assert float(law.predict(1e-12, 1e-12)) == pytest.approx(0.9, rel=1e-6)
    # Read as counts of parameters and images the constants make no sense.
    assert float(law.predict(1e6, 5e4)) < 1e-4


def test_the_published_law_has_the_exponents_of_the_table():
    law = published("rosenfeld-cifar10")
    assert (law.beta, law.alpha) == ROSENFELD_EXPONENTS["CIFAR-10"]
    assert len(ROSENFELD_EXPONENTS) == 9
    assert ROSENFELD_EXTRAPOLATION_ERROR == (0.045, 0.047)


@given(laws, logs, logs)
def test_it_is_the_formula_of_the_paper(law, log_n, log_d):
    n, d = math.exp(log_n), math.exp(log_d)
    part = law.E + law.A * n**-law.alpha + d**-law.beta
    assert float(law.power_part(n, d)) == pytest.approx(part, rel=1e-11)
    paper = law.guess * abs(part / (part - 1j * law.eta))
    assert float(law.predict(n, d)) == pytest.approx(paper, rel=1e-11)


@given(laws, logs, logs)
def test_the_error_never_exceeds_guessing_and_falls_with_both(law, log_n, log_d):
    n, d = math.exp(log_n), math.exp(log_d)
    here = float(law.predict(n, d))
    assert law.floor * (1 - 1e-12) <= here <= law.guess
    for more in (law.predict(2 * n, d), law.predict(n, 2 * d)):
        assert float(more) <= here * (1 + 1e-15)
    assert 0 <= float(law.learned(n, d)) <= 1


@given(laws, logs, logs)
def test_far_below_eta_it_is_the_additive_law_and_far_above_it_is_guessing(law, log_n, log_d):
    n, d = math.exp(log_n), math.exp(log_d)
    part = float(law.power_part(n, d))
    low, high = replace(law, eta=1e6 * part), replace(law, eta=1e-6 * part)
    # The correction is half the square of the ratio of part and eta: 5e-13.
    assert float(low.predict(n, d)) == pytest.approx(float(low.power_law.predict(n, d)), rel=1e-11)
    assert float(high.predict(n, d)) == pytest.approx(law.guess, rel=1e-11)
    assert float(low.learned(n, d)) == pytest.approx(1.0, rel=1e-11)
    assert float(high.learned(n, d)) == pytest.approx(1e-12, rel=1e-6)


@given(laws, logs, logs)
def test_gradient_and_slopes_are_finite_differences(law, log_n, log_d):
    n, d, h = math.exp(log_n), math.exp(log_d), 1e-4
    loss = float(law.predict(n, d))
    noise = 1e-15 / h
    by_n = math.log(law.predict(n * math.exp(h), d) / law.predict(n * math.exp(-h), d)) / (2 * h)
    by_d = math.log(law.predict(n, d * math.exp(h)) / law.predict(n, d * math.exp(-h))) / (2 * h)
    slope_n, slope_d = law.slopes(n, d)
    assert float(slope_n) == pytest.approx(by_n, rel=1e-6, abs=20 * noise)
    assert float(slope_d) == pytest.approx(by_d, rel=1e-6, abs=20 * noise)
    d_n, d_d = law.gradient(n, d)
    assert float(d_n) * n == pytest.approx(float(slope_n) * loss, rel=1e-10, abs=1e-300)
    assert float(d_d) * d == pytest.approx(float(slope_d) * loss, rel=1e-10, abs=1e-300)


@given(laws, st.floats(0.1, 10.0), logs, logs)
def test_a_factor_common_to_the_part_and_eta_changes_nothing(law, factor, log_n, log_d):
    # Why the data coefficient can be 1: D in other units rescales E, A and eta together.
    n, d = math.exp(log_n), math.exp(log_d)
    k = factor**law.beta
    other = replace(law, E=law.E / k, A=law.A / k, eta=law.eta / k)
    assert float(other.predict(n, d * factor)) == pytest.approx(float(law.predict(n, d)), rel=1e-11)


@given(laws, st.floats(10.0, 25.0), st.floats(10.0, 25.0))
def test_the_additive_law_inside_splits_a_budget_best(law, log_n, log_d):
    flops = 6 * math.exp(log_n + log_d)
    best = law.power_law.optimum(flops)
    sizes = best.params * np.geomspace(0.1, 10, 41)
    least = float(law.predict(best.params, best.tokens))
    assert least <= law.predict(sizes, flops / (6 * sizes)).min() * (1 + 1e-12)


@given(laws, st.floats(-10.0, 10.0), st.floats(-10.0, 10.0))
def test_tokens_for_inverts_predict(law, log_n, log_d):
    n, d = math.exp(log_n), math.exp(log_d)
    loss = float(law.predict(n, d))
    slope = abs(float(law.slopes(n, d)[1]))
    if slope < 1e-6:
        return  # the loss does not say how much data there was
    assert law.tokens_for(n, loss) == pytest.approx(d, rel=1e-9 + 1e-13 / slope)


def test_losses_that_no_data_buys_are_refused():
    law = published("rosenfeld-cifar10")
    with pytest.raises(BudgetError, match="guessing"):
        law.tokens_for(1.0, 0.9)
    with pytest.raises(BudgetError, match="endless data"):
        law.tokens_for(1e-3, 0.01)
    for bad in (0.0, -1.0, math.nan, "low", None):
        with pytest.raises(BudgetError):
            law.tokens_for(1.0, bad)


def test_extreme_arguments_stay_finite():
    law = published("rosenfeld-cifar10")
    ends = np.array([5e-324, 1e-300, 1e300, 1.7e308])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        errors = law.predict(ends[:, None], ends)
    assert np.isfinite(errors).all() and (np.diff(errors) <= 0).all()
    assert errors[0, 0] == pytest.approx(0.9)
    assert law.floor == pytest.approx(0.9 * 7e-14 / 19.77, rel=1e-9)
    with pytest.raises(BudgetError, match="gradient"):
        RosenfeldLaw(E=0.0, A=1.0, alpha=0.1, beta=0.9, eta=1e300, guess=1.0).gradient(1, 5e-324)
    steep = RosenfeldLaw(E=0.0, A=1.0, alpha=1.2, beta=1.2, eta=1.0, guess=1.0)
    assert [float(g) for g in steep.gradient(1e300, 1e300)] == [0.0, 0.0]  # 1e-360 on the way


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf, "all", None])
def test_sizes_that_make_no_sense_are_refused(bad):
    law = published("rosenfeld-cifar10")
    for call in (law.predict, law.gradient, law.slopes, law.learned, law.power_part):
        with pytest.raises(BudgetError, match="params"):
            call(bad, 1.0)
        with pytest.raises(BudgetError, match="tokens"):
            call(1.0, bad)


@pytest.mark.parametrize("which", ["A", "alpha", "beta", "eta", "guess"])
@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, "big"])
def test_constants_that_make_no_sense_are_refused_by_name(which, bad):
    with pytest.raises(ConstantError, match=which):
        replace(published("rosenfeld-cifar10"), **{which: bad})


def test_predictions_broadcast():
    law = published("rosenfeld-cifar10")
    assert law.predict(np.ones((2, 1)), np.ones(3)).shape == (2, 3)
