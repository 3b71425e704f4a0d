"""The law of repeated data: published values, limits, monotonicity, optima against brute force."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalinglaws.errors import BudgetError
from scalinglaws.laws import ChinchillaLaw, MuennighoffLaw, published

LAW, BASE = published("muennighoff"), published("muennighoff-base")

laws = st.builds(
    MuennighoffLaw,
    E=st.floats(0.0, 3.0),
    A=st.floats(10.0, 1e4),
    B=st.floats(10.0, 1e4),
    alpha=st.floats(0.2, 0.6),
    beta=st.floats(0.2, 0.6),
    R_D=st.floats(0.1, 1e3),
    R_N=st.floats(0.1, 1e3),
)
log_params, log_unique = st.floats(13.0, 25.0), st.floats(16.0, 27.0)
log_epochs = st.floats(0.0, 7.0)
log_budgets = st.floats(math.log(1e17), math.log(1e25))

# ------------------------------------------------------------------------- published numbers


def test_the_two_runs_of_the_readme():
    small, large = LAW.predict([6.34e9, 8.67e9], [242e9, 178e9], 25e9)
    assert [f"{small:.5f}", f"{large:.5f}"] == ["2.22564", "2.22696"]


@pytest.mark.parametrize(
    ("epochs", "worth", "marginal"),
    [
        (1, "1", "1"),
        (2, "1.968", ".937"),
        (4, "3.726", ".823"),
        (8, "6.624", ".635"),
        (16, "10.58", ".377"),
        (40, "15.17", ".079"),
    ],
)
def test_the_table_of_values(epochs, worth, marginal):
    for value, text in ((LAW.worth(epochs), worth), (LAW.marginal_worth(epochs), marginal)):
        digits = len(text.partition(".")[2])
        assert round(float(value), digits) == float(text)


def test_what_endless_repetition_is_worth():
    assert round(LAW.most_epochs, 2) == 16.39
    assert float(LAW.worth(1e6)) == pytest.approx(LAW.most_epochs)
    assert round(LAW.half_value_repeats, 1) == 10.7
    assert float(LAW.marginal_worth(1 + LAW.half_value_repeats)) == pytest.approx(0.5)
    # an e-folding constant, not a half-life
    assert float(LAW.marginal_worth(1 + LAW.R_D)) == pytest.approx(math.exp(-1))


def test_four_epochs_cost_the_large_model_about_seven_parts_in_a_thousand():
    fresh, four = LAW.predict(8.7e9, 178e9, [178e9, 178e9 / 4])
    assert round(100 * float(four / fresh - 1), 1) == 0.7


def test_the_size_that_unique_tokens_feed():
    assert float(LAW.params_fed(1e9)) / 1e9 == pytest.approx(0.051, abs=5e-4)
    assert LAW.base.constants == pytest.approx(BASE.constants)


# ------------------------------------------------------------------------------------- limits


@given(laws, log_unique, st.floats(0.0, 1.0))
def test_without_repetition_or_excess_it_is_chinchillas_law(law, log_u, share):
    u = math.exp(log_u)
    n = share * float(law.params_fed(u)) + 1.0
    if n > float(law.params_fed(u)):
        return
    expected = float(law.base.predict(n, u))
    assert float(law.predict(n, u, u)) == pytest.approx(expected, rel=1e-12)
    assert float(law.predict(n, u)) == pytest.approx(expected, rel=1e-12)
    # unique tokens that the run never reaches change nothing
    assert float(law.predict(n, u, 10 * u)) == pytest.approx(expected, rel=1e-12)


@given(laws, log_params, log_unique, log_epochs)
def test_with_endless_scales_it_is_chinchillas_law_again(law, log_n, log_u, log_e):
    lasting = dataclasses.replace(law, R_D=1e12, R_N=1e12)
    n, u = math.exp(log_n), math.exp(log_u)
    d = u * math.exp(log_e)
    if n / float(law.params_fed(u)) < 1e5:
        expected = float(law.base.predict(n, d))
        assert float(lasting.predict(n, d, u)) == pytest.approx(expected, rel=1e-6)


@given(laws, log_unique)
def test_endless_epochs_are_worth_a_finite_number(law, log_u):
    u = math.exp(log_u)
    end = float(law.effective_tokens(u * 1e7, u))
    assert end == pytest.approx(u * law.most_epochs, rel=1e-9)
    size = float(law.effective_params(1e12 * float(law.params_fed(u)), u))
    assert size == pytest.approx((1 + law.R_N) * float(law.params_fed(u)), rel=1e-9)


@given(laws, st.integers(1, 60))
def test_the_values_of_the_epochs_add_up(law, k):
    total = float(law.epoch_worth(np.arange(1, k + 1)).sum())
    assert total == pytest.approx(float(law.worth(k)), rel=1e-9)
    if k > 1:
        # each keeps e^(-1/R_D) of the one before
        ratio = float(law.epoch_worth(k + 1) / law.epoch_worth(k))
        assert ratio == pytest.approx(math.exp(-1 / law.R_D), rel=1e-6)


@given(laws, log_params, log_unique, log_epochs)
def test_more_of_anything_never_hurts(law, log_n, log_u, log_e):
    n, u = math.exp(log_n), math.exp(log_u)
    d = u * math.exp(log_e)
    here = float(law.predict(n, d, u))
    for more in (law.predict(1.1 * n, d, u), law.predict(n, 1.1 * d, u)):
        assert float(more) <= here * (1 + 1e-12)
    assert float(law.predict(n, d, min(1.1 * u, d))) <= here * (1 + 1e-12)
    # and repetition is never better than fresh data
    assert here >= float(law.predict(n, d)) * (1 - 1e-12)


@given(laws, log_params, log_unique, log_epochs)
def test_gradient_is_the_finite_difference(law, log_n, log_u, log_e):
    bare = dataclasses.replace(law, E=0.0)
    n, u = math.exp(log_n), math.exp(log_u)
    d, h = u * math.exp(log_e) * 1.01, 1e-5  # away from the first epoch's end, where dL/dU jumps
    if abs(math.log(n / float(law.params_fed(u)))) < 1e-3:
        return  # the second derivative jumps where parameters become too many
    loss = float(bare.predict(n, d, u))
    slopes = (
        (bare.predict(n * (1 + h), d, u) - bare.predict(n * (1 - h), d, u)) / (2 * h),
        (bare.predict(n, d * (1 + h), u) - bare.predict(n, d * (1 - h), u)) / (2 * h),
        (bare.predict(n, d, u * (1 + h)) - bare.predict(n, d, u * (1 - h))) / (2 * h),
    )
    for value, x, slope in zip(law.gradient(n, d, u), (n, d, u), slopes, strict=True):
        noise = 1e-14 * loss / h
        assert float(value) * x == pytest.approx(float(slope), rel=1e-5, abs=noise + 1e-8 * loss)
        assert float(value) <= 0.0


# ------------------------------------------------------------------------------------- optima


@given(laws, log_budgets)
def test_with_enough_data_the_optimum_is_the_one_of_fresh_data(law, log_flops):
    flops = math.exp(log_flops)
    known = law.base.optimum(flops)
    for stock in (None, 2 * known.tokens, known.tokens * (1 + 1e-9)):
        best = law.optimum(flops, unique_tokens=stock)
        assert (best.params, best.tokens, best.loss) == (known.params, known.tokens, known.loss)
        assert best.epochs == 1.0
    # and no other run of this law is better
    sizes = known.params * np.geomspace(1e-3, 1e3, 601)
    assert known.loss <= law.predict(sizes, flops / 6 / sizes).min() * (1 + 1e-12)


@given(laws, log_budgets, st.floats(0.0, 12.0))
def test_with_little_data_no_split_beats_the_optimum(law, log_flops, log_lack):
    flops = math.exp(log_flops)
    stock = law.base.optimum(flops).tokens * math.exp(-log_lack)
    best = law.optimum(flops, unique_tokens=stock)
    assert 6 * best.params * best.tokens == pytest.approx(flops, rel=1e-10)
    assert best.unique_tokens <= stock and best.epochs >= 1 - 1e-12
    assert best.loss == pytest.approx(float(law.predict(best.params, best.tokens, stock)))
    for sizes in (np.geomspace(1e-4, 1e4, 801), np.linspace(0.9, 1.1, 41)):
        sizes = best.params * sizes
        every = law.predict(sizes, flops / 6 / sizes, stock)
        assert best.loss <= every.min() * (1 + 1e-12)


@given(log_budgets, st.floats(0.5, 8.0))
def test_at_the_optimum_both_terms_pull_equally(log_flops, log_lack):
    flops = math.exp(log_flops)
    stock = BASE.optimum(flops).tokens * math.exp(-log_lack)
    best = LAW.optimum(flops, unique_tokens=stock)
    by_n, by_d, _ = LAW.gradient(best.params, best.tokens, stock)
    assert float(by_n) * best.params == pytest.approx(float(by_d) * best.tokens, rel=1e-6)


def test_less_data_costs_more_and_asks_for_smaller_models_and_more_epochs():
    flops = 1e22
    stocks = BASE.optimum(flops).tokens / np.geomspace(1, 100, 9)
    found = [LAW.optimum(flops, unique_tokens=u) for u in stocks]
    assert (np.diff([b.loss for b in found]) > 0).all()
    assert (np.diff([b.epochs for b in found]) > 0).all()
    # excess parameters decay faster than repeated data: the first answer is to repeat
    assert found[3].params < found[0].params


def test_a_saturated_budget_still_has_an_optimum():
    best = LAW.optimum(1e30, unique_tokens=1e6)
    assert best.loss == pytest.approx(
        float(BASE.predict((1 + LAW.R_N) * LAW.params_fed(1e6), LAW.most_epochs * 1e6)), rel=1e-12
    )


# ----------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("bad", [0.0, -1e9, math.nan, math.inf, "1B?", None, [1e9, 1e10]])
def test_impossible_stocks_and_budgets_are_refused(bad):
    if bad is not None:
        with pytest.raises(BudgetError, match="unique_tokens"):
            LAW.optimum(1e21, unique_tokens=bad)
    with pytest.raises(BudgetError, match="budget"):
        LAW.optimum(bad, unique_tokens=1e9)


def test_impossible_runs_are_refused():
    for call in (
        lambda: LAW.predict(0.0, 1e9, 1e9),
        lambda: LAW.predict(1e9, -1.0, 1e9),
        lambda: LAW.predict(1e9, 1e9, math.nan),
        lambda: LAW.gradient(1e9, 1e9, "many"),
        lambda: LAW.worth(0.5),
        lambda: LAW.marginal_worth(0.0),
        lambda: LAW.epoch_worth(1.5),
        lambda: LAW.epoch_worth(0),
        lambda: LAW.params_fed(0.0),
        lambda: LAW.optimum(1e21, 0.0, unique_tokens=1e9),
    ):
        with pytest.raises(BudgetError):
            call()


def test_it_rests_on_a_law_of_fresh_data():
    base = ChinchillaLaw(E=1.0, A=100.0, B=200.0, alpha=0.3, beta=0.4)
    law = MuennighoffLaw.of(base, R_D=10.0, R_N=5.0)
    assert law.base == base and law.R_D == 10.0
    assert law.names() == ("E", "A", "B", "alpha", "beta", "R_D", "R_N")


def test_predictions_broadcast():
    n, d = np.array([1e8, 1e9])[:, None], np.array([1e9, 1e10, 1e11])
    assert LAW.predict(n, d, 1e9).shape == (2, 3)
    assert LAW.predict(n, d, 1e9)[1, 2] == LAW.predict(1e9, 1e11, 1e9)
    assert all(g.shape == (2, 3) for g in LAW.gradient(n, d, 1e9))
