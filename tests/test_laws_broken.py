"""The broken power law: segments, slopes, and the example of the authors' repository."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalinglaws.errors import BudgetError
from scalinglaws.laws import BrokenPowerLaw, ConstantError, PowerLaw, published


@st.composite
def broken(draw, floor=True, breaks=None):
    n = draw(st.integers(0, 4)) if breaks is None else breaks
    gaps = draw(st.lists(st.floats(0.5, 15.0), min_size=n, max_size=n))
    return BrokenPowerLaw(
        E=draw(st.floats(0.0, 3.0)) if floor else 0.0,
        A=draw(st.floats(0.1, 1e4)),
        c0=draw(st.floats(-0.5, 1.0)),
        c=draw(st.lists(st.floats(-1.0, 2.0), min_size=n, max_size=n)),
        d=np.exp(np.cumsum(gaps)),
        f=draw(st.lists(st.floats(0.05, 2.0), min_size=n, max_size=n)),
    )


log_x = st.floats(-20.0, 60.0)

# ---------------------------------------------------------------------- the repository's example


def test_the_example_is_the_formula_written_out():
    law = published("caballero-figure-1")
    x = np.logspace(-1, 26, 271)
    # as the authors' script has it, in plain powers (the last break raises 1e6 to the 20th)
    y = 1e-3 + 4.66e3 * x**-0.05 * (1 + (x / 3e6) ** (1 / 1.1)) ** (-0.49 * 1.1) * (
        1 + (x / 1e14) ** (1 / 1.425)
    ) ** (0.811 * 1.425) * (1 + (x / 2e20) ** (1 / 0.05)) ** (-2.1 * 0.05)
    np.testing.assert_allclose(law.predict(x), y, rtol=1e-12)


def test_the_example_falls_falls_faster_rises_and_falls_steeply():
    law = published("caballero-figure-1")
    assert law.exponents == pytest.approx([0.05, 0.54, -0.271, 1.829], rel=1e-12)
    # between the breaks, where each segment has settled
    slopes = law.excess_slope([1e-1, 1e10, 3e17, 1e23])
    assert slopes == pytest.approx([-0.05, -0.54, 0.271, -1.829], abs=0.005)
    # at the very end the floor takes over
    assert float(law.slope(1e26)) == pytest.approx(0.0, abs=1e-5)
    assert float(law.predict(1e30)) == pytest.approx(1e-3, rel=1e-6)


def test_the_segments_of_the_example_are_those_of_the_script():
    law, x = published("caballero-figure-1"), 1e17
    b, (d1, d2) = 4.66e3, (3e6, 1e14)
    second = b * d1**-0.05 * (x / d1) ** -0.54
    third = b * d1**-0.05 * (d2 / d1) ** -0.54 * (x / d2) ** 0.271
    assert float(law.segment(0, x)) == pytest.approx(b * x**-0.05, rel=1e-12)
    assert float(law.segment(1, x)) == pytest.approx(second, rel=1e-12)
    assert float(law.segment(2, x)) == pytest.approx(third, rel=1e-12)


# ---------------------------------------------------------------------------------- properties


@given(broken(), log_x)
def test_slope_and_gradient_are_finite_differences(law, u):
    h = 1e-5
    up, mid, down = (float(law.predict(math.exp(u + s))) for s in (h, 0.0, -h))
    # A break of width f bends the slope over f e-folds: its third derivative is of order 1/f².
    curve = sum(abs(c) / f**2 for c, f in zip(law.c, law.f, strict=True)) + 1
    allowed = 10 * h * h * curve * 10 + 1e-14 * 10 / h
    x = math.exp(u)
    assert float(law.slope(x)) == pytest.approx(math.log(up / down) / (2 * h), abs=allowed)
    assert float(law.gradient(x)) * x == pytest.approx(
        float(law.slope(x)) * mid, rel=1e-9, abs=1e-300
    )


@given(broken(floor=False), st.integers(0, 4))
def test_far_from_breaks_the_curve_is_its_segment(law, j):
    j = min(j, law.breaks)
    left = math.log(law.d[j - 1]) if j else -math.inf
    right = math.log(law.d[j]) if j < law.breaks else math.inf
    u = {(True, True): 0.0, (False, True): left + 60.0, (True, False): right - 60.0}.get(
        (left == -math.inf, right == math.inf), 0.5 * (left + right)
    )
    # Each break still, or already, changes the logarithm by its size times width times e^-distance.
    rest = sum(
        abs(c) * f * math.exp(-abs(u - math.log(d)) / f)
        for c, d, f in zip(law.c, law.d, law.f, strict=True)
    )
    x = math.exp(u)
    gap = abs(math.log(float(law.predict(x)) / float(law.segment(j, x))))
    assert gap <= rest + 1e-11
    slope_rest = sum(
        abs(c) * math.exp(-abs(u - math.log(d)) / f)
        for c, d, f in zip(law.c, law.d, law.f, strict=True)
    )
    assert abs(float(law.slope(x)) + law.exponents[j]) <= slope_rest + 1e-12


@given(st.floats(0.0, 3.0), st.floats(0.1, 1e3), st.floats(0.01, 2.0), st.floats(-5.0, 40.0))
def test_without_a_break_it_is_the_power_law(E, A, alpha, u):
    law, plain, x = BrokenPowerLaw(E, A, alpha), PowerLaw(E, A, alpha), math.exp(u)
    assert float(law.predict(x)) == pytest.approx(float(plain.predict(x)), rel=1e-12)
    assert float(law.slope(x)) == pytest.approx(float(plain.slope(x)), rel=1e-9, abs=1e-300)
    assert law.breaks == 0 and law.exponents == (alpha,)


@given(broken(breaks=2), log_x)
def test_breaks_of_no_size_change_nothing(law, u):
    flat, x = dataclasses.replace(law, c=(0.0, 0.0)), math.exp(u)
    bare = BrokenPowerLaw(law.E, law.A, law.c0)
    assert float(flat.predict(x)) == pytest.approx(float(bare.predict(x)), rel=1e-12)


@given(broken(floor=False, breaks=1))
def test_at_a_break_half_of_the_change_has_happened(law):
    middle = -(law.exponents[0] + law.exponents[1]) / 2
    assert float(law.excess_slope(law.d[0])) == pytest.approx(middle, abs=1e-12)


@given(broken(), st.floats(0.1, 3.0), log_x)
def test_a_falling_law_falls(law, factor, u):
    falling = dataclasses.replace(law, c0=abs(law.c0), c=tuple(abs(c) for c in law.c))
    near, far = falling.predict(np.exp([u, u + factor]))
    assert falling.E <= far <= near


@given(broken())
def test_constants_go_out_and_come_back(law):
    assert BrokenPowerLaw.from_constants(law.constants) == law
    assert len(law.constants) == 3 + 3 * law.breaks
    assert hash(law) == hash(BrokenPowerLaw.from_constants(law.constants))
    assert all(isinstance(v, float) for v in law.constants.values())


# ------------------------------------------------------------------------------- bad input


def test_extreme_arguments_stay_finite_or_are_refused():
    law = published("caballero-figure-1")
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        ends = law.predict([5e-324, 1e-300, 1e300, 1.7e308])
        assert np.isfinite(ends).all()
        assert np.isfinite(law.slope([5e-324, 1e300])).all()
    sharp = BrokenPowerLaw(E=0.0, A=1.0, c0=0.0, c=(1.0,), d=(1.0,), f=(1e-6,))
    assert float(sharp.predict(1e3)) == pytest.approx(1e-3, rel=1e-5)  # (1e3)^1e6 on the way
    with pytest.raises(BudgetError, match="loss"):
        BrokenPowerLaw(E=0.0, A=1.0, c0=-2.0).predict(1e300)


@pytest.mark.parametrize("x", [0.0, -1.0, math.nan, math.inf, "far", None])
def test_arguments_that_make_no_sense_are_refused(x):
    law = published("caballero-figure-1")
    for call in (law.predict, law.slope, law.excess_slope, law.gradient):
        with pytest.raises(BudgetError, match="x must"):
            call(x)


GOOD = {"E": 0.1, "A": 2.0, "c0": 0.1, "c": (0.4, 0.1), "d": (1e3, 1e6), "f": (0.5, 0.5)}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"E": -1.0}, "E"),
        ({"A": 0.0}, "A"),
        ({"c0": math.nan}, "c0"),
        ({"c": (0.4, math.inf)}, "c2"),
        ({"c": ("steep", 0.1)}, "c1"),
        ({"c": (0.4,)}, "each break"),
        ({"d": (1e6, 1e3)}, "increase"),
        ({"d": (1e3, 1e3)}, "increase"),
        ({"d": (-1.0, 1e3)}, "positive"),
        ({"f": (0.5, 0.0)}, "positive"),
        ({"f": None}, "f1"),
    ],
)
def test_constants_that_make_no_sense_are_refused(change, says):
    with pytest.raises(ConstantError, match=says):
        BrokenPowerLaw(**(GOOD | change))


def test_segments_and_names_that_do_not_exist_are_refused():
    law = BrokenPowerLaw(**GOOD)
    for j in (-1, 3, 0.5, "first"):
        with pytest.raises(ConstantError, match="segments are 0 to 2"):
            law.segment(j, 1.0)
    for names in (law.constants | {"c3": 0.1}, {"E": 0.1, "A": 1.0}, {}):
        with pytest.raises(ConstantError, match="need the constants"):
            BrokenPowerLaw.from_constants(names)


def test_it_prints_its_constants_and_its_formula():
    law = BrokenPowerLaw(**GOOD)
    assert "d2=1e+06" in repr(law)
    formula = law._repr_latex_()
    assert formula.count("{") == formula.count("}") and formula.count(r"\left(") == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        law.c0 = 1.0
