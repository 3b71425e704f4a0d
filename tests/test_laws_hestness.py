"""Hestness's learning curve: three phases, an exponent, and what halving an error costs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scalinglaws.errors import BudgetError
from scalinglaws.laws import (
    BrokenPowerLaw,
    ConstantError,
    HestnessLaw,
    HestnessSizeLaw,
    PowerLaw,
    data_to_halve,
    published,
)
from scalinglaws.laws.published import (
    HESTNESS_EXPONENTS,
    HESTNESS_SIZE_EXPONENTS,
    HESTNESS_TABLE,
)

laws = st.builds(
    lambda E, A, alpha, height: HestnessLaw(E=E, A=A, alpha=alpha, guess=E + height),
    E=st.floats(0.0, 3.0),
    A=st.floats(0.5, 100.0),
    alpha=st.floats(0.05, 1.5),
    height=st.floats(0.5, 10.0),
)
log_samples = st.floats(-20.0, 60.0)


@given(laws, st.floats(-60.0, 60.0))
def test_the_error_lies_between_the_guess_and_the_floor_and_falls(law, log_m):
    m = math.exp(log_m) * np.array([1.0, 3.0])
    first, second = law.predict(m)
    assert law.E <= second <= first <= law.guess * (1 + 4e-16)  # E + (guess - E) rounds
    # Digits below the last one of the loss cannot be seen.
    if law.gradient(m[0]) * m[0] < -1e-12 * first:
        assert second < first


@given(laws)
def test_the_phases_are_the_limits_of_the_curve(law):
    # 40 e-folds to either side of the onset, the correction is e^-40.
    before, after = law._log_onset - 40, law._log_onset + 40
    assert float(law.predict(math.exp(before))) == pytest.approx(law.guess, rel=1e-12)
    power = PowerLaw(E=law.E, A=law.A, alpha=law.alpha)
    assert float(law.predict(math.exp(after))) == pytest.approx(
        float(power.predict(math.exp(after))), rel=1e-11
    )
    bare = HestnessLaw(E=0.0, A=law.A, alpha=law.alpha, guess=law.guess)
    ends = bare.slope(np.exp([bare._log_onset - 40, bare._log_onset + 40]))
    assert ends == pytest.approx([0.0, -law.alpha], abs=1e-12)


@given(laws, log_samples)
def test_slope_and_gradient_are_finite_differences(law, log_m):
    h = 1e-4
    up, mid, down = law.predict(np.exp([log_m + h, log_m, log_m - h]))
    noise = 1e-15 / h
    assert float(law.slope(math.exp(log_m))) == pytest.approx(
        math.log(up / down) / (2 * h), rel=1e-6, abs=10 * noise
    )
    assert float(law.gradient(math.exp(log_m))) * math.exp(log_m) == pytest.approx(
        (up - down) / (2 * h), rel=1e-6, abs=10 * noise * mid
    )


@given(laws, log_samples)
def test_it_is_a_broken_power_law_with_one_break_of_width_one(law, log_m):
    twin = BrokenPowerLaw(
        E=law.E, A=law.guess - law.E, c0=0.0, c=(law.alpha,), d=(law.onset,), f=(1.0,)
    )
    m = math.exp(log_m)
    assert float(twin.predict(m)) == pytest.approx(float(law.predict(m)), rel=1e-12)
    assert float(twin.slope(m)) == pytest.approx(float(law.slope(m)), rel=1e-9, abs=1e-300)


@given(laws, st.floats(-5.0, 15.0))
def test_invert_undoes_predict(law, e_folds_from_onset):
    m = math.exp(law._log_onset + e_folds_from_onset)
    error = float(law.predict(m))
    assume(law.E < error < law.guess)
    # One rounding of the error moves ln m by 1 / |slope|.
    slack = 1e-14 / abs(float(law.slope(m)))
    assert law.invert(error) == pytest.approx(m, rel=1e-9 + slack)


@given(laws)
def test_the_borders_of_the_phases(law):
    assert float(law.predict(law.onset)) - law.E == pytest.approx(
        (law.guess - law.E) * 2**-law.alpha, rel=1e-9
    )
    if law.floor_from == math.inf:
        # none, or so low that it shows beyond the range of numbers
        assert law.E == 0 or float(law.predict(1e300)) > 2 * law.E
    elif law.floor_from == 0:
        assert law.guess <= 2 * law.E
    else:
        assert float(law.predict(law.floor_from)) == pytest.approx(2 * law.E, rel=1e-9)
    assert str(law.phase(law.onset / 2)) == "small data"
    endless = law.floor_from == math.inf
    last = law.onset if endless else max(law.onset, law.floor_from)
    assert str(law.phase(2 * last)) == ("power law" if endless else "irreducible")


def test_without_room_above_the_floor_there_is_no_power_law_phase():
    law = HestnessLaw(E=0.4, A=1.0, alpha=0.3, guess=0.5)
    assert set(law.phase(np.geomspace(1e-9, 1e30, 200)).tolist()) == {"small data", "irreducible"}
    assert law.slope(np.geomspace(1e-9, 1e30, 200)).min() > -0.3 / 2


def test_extreme_sizes_neither_overflow_nor_vanish():
    law = HestnessLaw(E=1.0, A=11.9, alpha=0.066, guess=9.0)
    with np.errstate(all="raise", under="ignore"):
        ends = law.predict([5e-324, 1.7e308])
        assert ends == pytest.approx([9.0, 1.0], abs=1e-9)
        assert np.isfinite(law.slope([5e-324, 1.7e308])).all()
    steep = HestnessLaw(E=0.0, A=1e-300, alpha=2.0, guess=1.0)
    assert float(steep.predict(1e10)) == pytest.approx(0.0, abs=1e-300)


# --------------------------------------------------------------------------- what halving costs


def test_halving_the_error_of_a_word_model_takes_36000_times_the_data():
    assert float(f"{data_to_halve(0.066):.1e}") == 3.6e4
    law = published("hestness-word")
    assert law.alpha == -HESTNESS_EXPONENTS["word language model"]
    m = 1e6
    assert law.invert(float(law.predict(m)) / 2) / m == pytest.approx(data_to_halve(0.066))


@given(st.floats(0.05, 2.0), st.floats(0.05, 0.95), st.floats(1e3, 1e6))
def test_the_factor_of_data_is_that_of_the_law_it_speaks_of(alpha, fraction, m):
    law = PowerLaw(E=0.0, A=3.0, alpha=alpha)
    less = float(law.predict(m * data_to_halve(alpha, fraction)))
    assert less == pytest.approx(fraction * float(law.predict(m)), rel=1e-9)


@given(laws, st.floats(2.0, 10.0))
def test_a_floor_makes_halving_dearer(law, e_folds):
    m = math.exp(law._log_onset + e_folds)
    bare = HestnessLaw(E=0.0, A=law.A, alpha=law.alpha, guess=law.guess - law.E)
    cheaper = bare.data_factor(m)
    # on the shoulder of the best guess halving costs more than 2^(1/alpha) too, but less in all
    assert cheaper < data_to_halve(law.alpha) * (1 + math.exp(-e_folds)) * (1 + 1e-9)
    if float(law.predict(m)) / 2 <= law.E:
        with pytest.raises(BudgetError, match="floor"):
            law.data_factor(m)
    elif law.E > 1e-6 and float(law.predict(m)) / 2 - law.E > 1e-9:
        try:
            dear = law.data_factor(m)
        except BudgetError:  # beyond the range of numbers, so dearer still
            return
        assert dear > cheaper
        assert float(law.predict(dear * m)) == pytest.approx(float(law.predict(m)) / 2, rel=1e-6)


@pytest.mark.parametrize("alpha", [0, -0.066, math.nan, math.inf, "steep", None, 1e-5])
def test_exponents_that_make_no_sense_are_refused(alpha):
    with pytest.raises(BudgetError):
        data_to_halve(alpha)


@pytest.mark.parametrize("fraction", [0, 1, 1.5, -0.5, math.nan, "half"])
def test_fractions_that_make_no_sense_are_refused(fraction):
    with pytest.raises(BudgetError, match="fraction"):
        data_to_halve(0.1, fraction)
    with pytest.raises(BudgetError, match="fraction"):
        HestnessLaw(E=0.0, A=12.0, alpha=0.25, guess=4.5).data_factor(1e4, fraction)


@pytest.mark.parametrize("error", [0.5, 0.4, 4.5, 5.0, math.nan, "low", None])
def test_errors_that_no_data_set_gives_are_refused(error):
    with pytest.raises(BudgetError, match="error"):
        HestnessLaw(E=0.5, A=12.0, alpha=0.25, guess=4.5).invert(error)


@pytest.mark.parametrize("samples", [0.0, -1.0, math.nan, math.inf, "many"])
def test_sizes_that_make_no_sense_are_refused(samples):
    law = HestnessLaw(E=0.5, A=12.0, alpha=0.25, guess=4.5)
    calls = [law.predict, law.slope, law.gradient, law.phase, law.data_factor]
    for call in [*calls, HestnessSizeLaw(k=1.0, beta_p=0.7).predict]:
        with pytest.raises(BudgetError, match="samples"):
            call(samples)


def test_a_guess_below_the_floor_is_refused():
    for guess in (0.5, 0.4):
        with pytest.raises(ConstantError, match="guess"):
            HestnessLaw(E=0.5, A=12.0, alpha=0.25, guess=guess)


# ------------------------------------------------------------------------------- published values


def test_one_exponent_of_the_table_is_the_one_quoted_for_its_domain():
    for domain, exponent in HESTNESS_EXPONENTS.items():
        rows = HESTNESS_TABLE[domain.partition(",")[0]]
        assert exponent in rows.values(), domain
    assert all(v < 0 for rows in HESTNESS_TABLE.values() for v in rows.values())


def test_models_grow_slower_than_their_data():
    for low, high in HESTNESS_SIZE_EXPONENTS.values():
        assert 0.5 <= low <= high < 1


@given(st.floats(1e-3, 1e3), st.floats(0.3, 1.0), st.floats(1.0, 1e15))
def test_the_size_law_inverts(k, beta_p, m):
    law = HestnessSizeLaw(k=k, beta_p=beta_p)
    assert law.invert(float(law.predict(m))) == pytest.approx(m, rel=1e-9)
    assert float(law.slope(m)) == beta_p
    assert law._repr_latex_().startswith("$s(m)")
