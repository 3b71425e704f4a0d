"""The penalty of repetition: its form, limits, turning points and optima against brute force."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalinglaws.errors import BudgetError
from scalinglaws.laws import PUBLISHED, LovelaceLaw, published
from scalinglaws.laws.published import LOVELACE_WEIGHT_DECAY_SAVING

BASE = published("muennighoff-base")
LAW = LovelaceLaw.of(BASE, P=0.01, delta=1.0, kappa=0.5)  # made up: the paper's are not known here

laws = st.builds(
    LovelaceLaw,
    E=st.floats(0.0, 3.0),
    A=st.floats(10.0, 1e4),
    B=st.floats(10.0, 1e4),
    alpha=st.floats(0.2, 0.6),
    beta=st.floats(0.2, 0.6),
    P=st.floats(1e-4, 1.0),
    delta=st.floats(0.2, 2.0),
    kappa=st.floats(0.1, 2.0),
)
log_params, log_unique = st.floats(13.0, 25.0), st.floats(16.0, 27.0)
log_epochs = st.floats(0.0, 7.0)
log_budgets = st.floats(math.log(1e17), math.log(1e25))


@given(laws, log_params, log_unique, log_epochs)
def test_the_penalty_is_the_printed_formula(law, log_n, log_u, log_e):
    n, u = math.exp(log_n), math.exp(log_u)
    d = u * math.exp(log_e)
    expected = law.E + law.A / n**law.alpha + law.B / d**law.beta
    expected += law.P * (d / u - 1) ** law.delta * (n / u) ** law.kappa
    assert float(law.predict(n, d, u)) == pytest.approx(expected, rel=1e-12)


@given(laws, log_params, log_unique)
def test_without_repetition_it_is_chinchillas_law(law, log_n, log_u):
    n, u = math.exp(log_n), math.exp(log_u)
    expected = float(law.base.predict(n, u))
    for stock in (None, u, 3 * u):
        assert float(law.penalty(n, u, stock)) == 0.0
        assert float(law.predict(n, u, stock)) == expected


@given(laws, log_params, log_unique, log_epochs)
def test_repetition_is_never_better_than_fresh_data(law, log_n, log_u, log_e):
    n, u = math.exp(log_n), math.exp(log_u)
    d = u * math.exp(log_e)
    assert float(law.predict(n, d, u)) >= float(law.predict(n, d))


@given(laws, log_params, log_unique, log_epochs)
def test_gradient_is_the_finite_difference(law, log_n, log_u, log_e):
    bare = dataclasses.replace(law, E=0.0)
    n, u = math.exp(log_n), math.exp(log_u)
    d, h = u * (math.exp(log_e) + 0.1), 1e-5
    loss = float(bare.predict(n, d, u))
    slopes = (
        (bare.predict(n * (1 + h), d, u) - bare.predict(n * (1 - h), d, u)) / (2 * h),
        (bare.predict(n, d * (1 + h), u) - bare.predict(n, d * (1 - h), u)) / (2 * h),
        (bare.predict(n, d, u * (1 + h)) - bare.predict(n, d, u * (1 - h))) / (2 * h),
    )
    for value, x, slope in zip(law.gradient(n, d, u), (n, d, u), slopes, strict=True):
        size = loss * 1e-14 / h + 1e-6 * loss
        assert float(value) * x == pytest.approx(float(slope), rel=1e-5, abs=size)


def test_the_first_repeated_token_costs_endlessly_where_delta_is_below_one():
    sharp = dataclasses.replace(LAW, delta=0.5)
    assert sharp.gradient(1e9, 1e10, 1e10)[1] == math.inf
    mild = dataclasses.replace(LAW, delta=2.0)
    by_d = float(mild.gradient(1e9, 1e10, 1e10)[1])
    assert by_d == pytest.approx(float(BASE.gradient(1e9, 1e10)[1]))


# ------------------------------------------------------------------------------ turning points


@given(laws, log_params, log_unique)
def test_no_number_of_epochs_beats_the_best_one(law, log_n, log_u):
    n, u = math.exp(log_n), math.exp(log_u)
    best = law.best_epochs(n, u)
    assert best >= 1.0
    here = float(law.predict(n, best * u, u))
    grid = np.r_[1.0, 1.0 + np.geomspace(1e-9, 1e9, 901)]
    assert here <= float(law.predict(n, grid * u, u).min()) * (1 + 1e-9)


@given(laws, log_unique, st.floats(0.01, 6.0))
def test_no_size_beats_the_best_one(law, log_u, log_e):
    u = math.exp(log_u)
    d = u * math.exp(log_e)
    best = law.best_params(d, u)
    here = float(law.predict(best, d, u))
    sizes = best * np.geomspace(1e-3, 1e3, 401)
    assert here <= float(law.predict(sizes, d, u).min()) * (1 + 1e-12)
    by_n = float(law.gradient(best, d, u)[0])
    model = law.alpha * law.A * best**-law.alpha
    assert abs(by_n) * best <= 1e-9 * model


def test_loss_falls_and_then_rises_with_epochs():
    best = LAW.best_epochs(1e9, 1e9)
    epochs = np.geomspace(1, 20 * best, 400)
    loss = LAW.predict(1e9, epochs * 1e9, 1e9)
    assert (np.diff(loss[epochs < best]) < 0).all()
    assert (np.diff(loss[epochs > best]) > 0).all()
    # larger models turn earlier
    assert LAW.best_epochs(1e10, 1e9) < best < LAW.best_epochs(1e8, 1e9)


def test_without_repetition_no_size_is_too_large():
    assert LAW.best_params(1e9, 1e9) == LAW.best_params(1e9, 2e9) == math.inf


def test_weight_decay_that_lowers_the_penalty_allows_more_epochs():
    mild = dataclasses.replace(LAW, P=LAW.P * (1 - LOVELACE_WEIGHT_DECAY_SAVING))
    assert mild.best_epochs(1e9, 1e9) > LAW.best_epochs(1e9, 1e9)
    assert float(mild.penalty(1e9, 8e9, 1e9) / LAW.penalty(1e9, 8e9, 1e9)) == pytest.approx(0.3)


# -------------------------------------------------------------------------------------- optima


@given(laws, log_budgets)
def test_with_enough_data_the_optimum_is_the_one_of_fresh_data(law, log_flops):
    flops = math.exp(log_flops)
    known = law.base.optimum(flops)
    for stock in (None, 2 * known.tokens):
        best = law.optimum(flops, unique_tokens=stock)
        assert (best.params, best.tokens, best.loss) == (known.params, known.tokens, known.loss)
        assert best.epochs == 1.0


@given(laws, log_budgets, st.floats(0.0, 12.0))
def test_with_little_data_no_split_beats_the_optimum(law, log_flops, log_lack):
    flops = math.exp(log_flops)
    stock = law.base.optimum(flops).tokens * math.exp(-log_lack)
    best = law.optimum(flops, unique_tokens=stock)
    assert 6 * best.params * best.tokens == pytest.approx(flops, rel=1e-10)
    assert best.epochs >= 1 - 1e-12
    once = flops / 6 / stock
    for sizes in (once * np.geomspace(1e-12, 10, 1001), best.params * np.linspace(0.9, 1.1, 41)):
        every = law.predict(sizes, flops / 6 / sizes, stock)
        assert best.loss <= every.min() * (1 + 1e-9)


def test_a_large_budget_goes_to_capacity_not_to_repetition():
    stock = 1e9
    found = [LAW.optimum(c, unique_tokens=stock) for c in (1e20, 1e21, 1e23)]
    rival = published("muennighoff")
    for ours in found:
        theirs = rival.optimum(ours.flops, unique_tokens=stock)
        assert ours.params > theirs.params and ours.epochs < theirs.epochs
    assert found[-1].epochs < found[0].epochs


# ------------------------------------------------------------------------------------ refusals


def test_no_published_constants_are_claimed():
    assert not any(isinstance(entry.law, LovelaceLaw) for entry in PUBLISHED.values())


@pytest.mark.parametrize("bad", [0.0, -1e9, math.nan, math.inf, "1B?", [1e9, 1e10]])
def test_impossible_runs_are_refused(bad):
    for call in (
        lambda: LAW.optimum(1e21, unique_tokens=bad),
        lambda: LAW.optimum(bad),
        lambda: LAW.best_epochs(bad, 1e9),
        lambda: LAW.best_epochs(1e9, bad),
        lambda: LAW.best_params(bad, 1e9),
    ):
        with pytest.raises(BudgetError):
            call()
    if not isinstance(bad, list):
        for call in (
            lambda: LAW.predict(bad, 1e9, 1e9),
            lambda: LAW.penalty(1e9, bad, 1e9),
            lambda: LAW.gradient(1e9, 1e9, bad),
        ):
            with pytest.raises(BudgetError):
                call()


def test_predictions_broadcast_and_formulas_print():
    n, d = np.array([1e8, 1e9])[:, None], np.array([1e9, 1e10, 1e11])
    assert LAW.predict(n, d, 1e9).shape == (2, 3)
    assert all(np.shape(g) == (2, 3) for g in LAW.gradient(n, d, 1e9))
    formula = LAW._repr_latex_()
    assert formula.startswith("$") and formula.count("{") == formula.count("}")
    assert LovelaceLaw(**LAW.constants) == LAW and LAW.base == BASE
