"""Laws that bend, and pure powers, fitted: recovered truths, derivatives, what data tell apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalinglaws.errors import FitError, RunDataError
from scalinglaws.fitting import compare_surfaces, fit, fit_curve
from scalinglaws.fitting.catalogue import CURVES, curve_family, surface_family
from scalinglaws.laws import (
    BrokenPowerLaw,
    ChinchillaLaw,
    CriticalBatchLaw,
    HestnessLaw,
    HestnessSizeLaw,
    KaplanComputeLaw,
    KaplanStepsLaw,
    PearceLaw,
    RosenfeldLaw,
)
from scalinglaws.runs import Runs

HESTNESS = HestnessLaw(E=0.5, A=12.0, alpha=0.3, guess=4.6)
BROKEN = BrokenPowerLaw(E=0.3, A=3.0, c0=0.1, c=(0.4,), d=(1e5,), f=(0.4,))
ROSENFELD = RosenfeldLaw(E=0.02, A=30.0, alpha=0.5, beta=0.4, eta=0.3, guess=4.6)
PEARCE = PearceLaw.of(ChinchillaLaw(1.8, 480.0, 2085.0, 0.35, 0.366), omega=5e4)
STEPS = KaplanStepsLaw(Nc=6.5e13, alpha_N=0.077, Sc=2.1e3, alpha_S=0.76)
X = np.geomspace(1e1, 1e8, 40)


def grid(sizes=(1e3, 1e9), tokens=(1e2, 1e8), n=8):
    return [v.ravel() for v in np.meshgrid(np.geomspace(*sizes, n), np.geomspace(*tokens, n))]


def surface(law, noise=0.0, seed=0, **where):
    n, d = grid(**where)
    scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(len(n)))
    return Runs.from_arrays(n, d, law.predict(n, d) * scatter, check_units=False)


PEARCE_RUNS = {"sizes": (1e4, 1e10), "tokens": (1e8, 1e12)}


# ------------------------------------------------------------------------------- recovered truth


@pytest.mark.parametrize("objective", ["huber", "lsq", "l1"])
@pytest.mark.parametrize(
    ("name", "truth"), [("hestness", HESTNESS), ("broken", BROKEN)], ids=["hestness", "broken"]
)
def test_curves_are_recovered(name, truth, objective):
    result = fit_curve(X, truth.predict(X), name, objective=objective)
    assert result.converged and all(result.identified.values())
    assert result.law.constants == pytest.approx(truth.constants, rel=1e-5)
    assert result.cautions == ()


@pytest.mark.parametrize("fixed", [None, {"guess": 4.6}])
@pytest.mark.parametrize("objective", ["huber", "lsq"])
def test_rosenfelds_envelope_is_recovered(objective, fixed):
    result = fit(surface(ROSENFELD), "rosenfeld", objective=objective, fixed=fixed)
    assert result.converged
    assert result.law.constants == pytest.approx(ROSENFELD.constants, rel=1e-5)


@pytest.mark.parametrize("fixed", [None, {"omega": 5e4}])
def test_pearces_omega_is_recovered(fixed):
    result = fit(surface(PEARCE, **PEARCE_RUNS), "pearce", fixed=fixed)
    assert result.converged
    assert result.law.constants == pytest.approx(PEARCE.constants, rel=1e-5)


def test_pearces_law_with_omega_held_is_chinchillas_in_the_other_count():
    table = surface(PEARCE, noise=0.01, **PEARCE_RUNS)
    ours = fit(table, "pearce", fixed={"omega": 5e4})
    total = PEARCE.total_params(table.params)
    theirs = fit(Runs.from_arrays(total, table.tokens, table.loss))
    assert ours.law.chinchilla.constants == pytest.approx(theirs.law.constants, rel=1e-4)
    assert ours.objective_value == pytest.approx(theirs.objective_value, rel=1e-7)


def test_kaplans_steps_are_recovered():
    n, s = grid(sizes=(1e5, 1e9), tokens=(1e3, 1e6))
    table = Runs.from_arrays(n, s * 5e4, STEPS.predict(n, s), min_steps=s)
    result = fit(table, "kaplan-steps")
    assert result.law.constants == pytest.approx(STEPS.constants, rel=1e-6)
    assert result.predict(1e8, 1e4) == pytest.approx(STEPS.predict(1e8, 1e4), rel=1e-6)
    assert list(result.inputs) == ["params", "min_steps"]
    without = Runs.from_arrays(n, s * 5e4, STEPS.predict(n, s))
    with pytest.raises(RunDataError, match="min_steps"):
        fit(without, "kaplan-steps")


@pytest.mark.parametrize(
    ("name", "truth", "x"),
    [
        ("critical-batch", CriticalBatchLaw(2.1e8, 0.21), np.geomspace(2, 8, 9)),
        ("model-size", HestnessSizeLaw(k=20.0, beta_p=0.7), np.geomspace(1e4, 1e8, 9)),
        (KaplanComputeLaw, KaplanComputeLaw(2.7e28, 0.05), np.geomspace(1e15, 1e20, 9)),
    ],
)
def test_pure_powers_are_recovered(name, truth, x):
    result = fit_curve(x, truth.predict(x), name)
    assert result.law.constants == pytest.approx(truth.constants, rel=1e-6)
    assert {c.code for c in result.cautions} <= {"narrow-range"}
    draws = fit_curve(x, truth.predict(x) * np.exp(0.01 * np.sin(7 * np.log(x))), name).bootstrap(
        100
    )
    for constant, value in truth.constants.items():
        assert value in draws.interval(constant, 0.999)


@given(
    E=st.floats(0.05, 2.0),
    alpha=st.floats(0.15, 1.0),
    onset=st.floats(3.0, 11.0),
    guess=st.floats(1.5, 6.0),
)
@settings(max_examples=20, deadline=None)
def test_any_learning_curve_is_recovered(E, alpha, onset, guess):
    truth = HestnessLaw(E, guess * math.exp(alpha * onset), alpha, E + guess)
    result = fit_curve(X, truth.predict(X), "hestness")
    assert result.predict(X) == pytest.approx(truth.predict(X), rel=1e-4)
    if (truth.predict(X[-1]) - E) < 0.3 * E:  # the floor shows
        assert result.law.constants == pytest.approx(truth.constants, rel=1e-2)


# ----------------------------------------------------------------------------------- derivatives


def _families():
    loss = HESTNESS.predict(X)
    for name in ("hestness", "broken"):
        for floor in (True, False):
            yield f"{name}-{floor}", curve_family(CURVES[name], X, loss, floor=floor)
            if name == "hestness":
                held = curve_family(CURVES[name], X, loss, floor=floor, fixed={"guess": 4.7})
                yield f"{name}-held-{floor}", held
    table = surface(ROSENFELD, noise=0.05)
    for law, fixed in ((RosenfeldLaw, {"guess": 5.0}), (PearceLaw, {"omega": 3e4})):
        for held in (None, fixed):
            for floor in (True, False):
                family = surface_family(
                    law, table.params, table.tokens, table.loss, floor=floor, fixed=held
                )
                yield f"{law.__name__}-{held is not None}-{floor}", family


FAMILIES = dict(_families())


@pytest.mark.parametrize("name", FAMILIES)
def test_derivatives_are_finite_differences(name):
    problem = FAMILIES[name].problem
    theta = FAMILIES[name].starts()[0]
    theta = np.clip(theta + 0.07, problem.low + 0.01, problem.high - 0.01)
    h = 1e-5
    jac = problem.jacobian(theta[None], *problem.parts(theta[None])[1:])[0]
    for j, e in enumerate(np.eye(problem.p)):
        ahead, behind = (problem.log_predict((theta + s * h * e)[None])[0] for s in (1, -1))
        assert jac[j] == pytest.approx((ahead - behind) / (2 * h), abs=1e-8)
    # sum of c d² ln L, by second differences of ln L
    c = np.linspace(-1, 1, len(problem.log_loss))[None]
    second = problem.curvature(theta[None], None, jac[None], c)[0] - (jac * c) @ jac.T
    h = 1e-3

    def summed(t):
        return float(problem.log_predict(t[None])[0] @ c[0])

    for i, a in enumerate(np.eye(problem.p)):
        for j, b in enumerate(np.eye(problem.p)):
            corners = sum(
                s * t * summed(theta + h * (s * a + t * b)) for s in (1, -1) for t in (1, -1)
            )
            assert second[i, j] == pytest.approx(corners / (4 * h * h), abs=2e-4, rel=2e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_law_and_its_internal_constants_agree(name):
    family = FAMILIES[name]
    theta = np.clip(family.starts()[0], family.problem.low + 0.1, family.problem.high - 0.1)
    assert family.theta(family.to_law(theta)) == pytest.approx(theta, rel=1e-9, abs=1e-9)


# ----------------------------------------------------------------- intervals and identifiability


def test_intervals_hold_the_truth():
    rng = np.random.default_rng(3)
    loss = HESTNESS.predict(X) * np.exp(0.01 * rng.standard_normal(len(X)))
    result = fit_curve(X, loss, "hestness")
    draws = result.bootstrap(200)
    for name in ("E", "A", "alpha", "guess", "onset"):
        truth = getattr(HESTNESS, name)
        interval = draws.interval(name, 0.999)
        assert truth in interval and interval.width < 2 * truth
    assert 0.3 in result.profile("alpha").interval(0.999)
    result = fit(surface(ROSENFELD, noise=0.02), "rosenfeld", fixed={"guess": 4.6})
    draws = result.bootstrap(200)
    assert 0.5 in draws.interval("alpha", 0.999) and 0.4 in draws.interval("beta", 0.999)
    assert draws.interval("alpha", 0.999).width < 0.3


def test_a_broken_law_has_intervals_for_its_break():
    rng = np.random.default_rng(5)
    loss = BROKEN.predict(X) * np.exp(0.003 * rng.standard_normal(len(X)))
    result = fit_curve(X, loss, "broken")
    draws = result.bootstrap(100)
    assert 1e5 in draws.interval("d1", 0.999)
    assert 0.5 in draws.interval(lambda law: law.exponents[1], 0.999)
    assert 0.1 in result.profile("c0").interval(0.999)
    assert len(draws.laws()) == len(draws)


def test_a_curve_without_a_best_guess_says_so():
    late = np.geomspace(1e5, 1e9, 30)
    rng = np.random.default_rng(1)
    loss = HESTNESS.predict(late) * np.exp(0.002 * rng.standard_normal(30))
    result = fit_curve(late, loss, "hestness")
    assert not result.identified["guess"] and result.identified["alpha"]
    assert {c.code for c in result.cautions} & {"not-identified", "at-bound"}
    assert result.law.alpha == pytest.approx(0.3, abs=0.03)


def test_runs_far_below_the_bend_do_not_determine_the_guess():
    table = surface(ROSENFELD, noise=0.005, sizes=(1e8, 1e11), tokens=(1e6, 1e9))
    result = fit(table, "rosenfeld")
    assert not result.identified["guess"]
    assert result.law.alpha == pytest.approx(0.5, abs=0.1)


def test_models_without_embeddings_worth_naming_do_not_determine_omega():
    table = surface(PEARCE, noise=0.005, sizes=(1e10, 1e13), tokens=(1e9, 1e12))
    assert not fit(table, "pearce").identified["omega"]


def test_the_envelope_wins_where_small_runs_guess():
    table = surface(ROSENFELD, noise=0.005)
    found = compare_surfaces(table, ("chinchilla", "rosenfeld"), share=0.2)
    assert found.best.name == "rosenfeld"


# -------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("law", "options", "match"),
    [
        ("rosenfeld", {"fixed": {"omega": 1.0}}, "guess can"),
        ("rosenfeld", {"fixed": {"guess": -1.0}}, "positive number"),
        ("chinchilla", {"fixed": {"E": 1.0}}, "nothing can"),
        ("pearce", {"base": ChinchillaLaw(1, 1, 1, 1, 1)}, "base law"),
    ],
)
def test_what_cannot_be_held_is_refused(law, options, match):
    with pytest.raises(FitError, match=match):
        fit(surface(ROSENFELD), law, **options)


def test_curves_refuse_what_cannot_be_held():
    with pytest.raises(FitError, match="guess can"):
        fit_curve(X, HESTNESS.predict(X), "hestness", fixed={"E": 0.5})
    with pytest.raises(FitError, match="6 constants"):
        fit_curve(X[:6], HESTNESS.predict(X[:6]), "broken")


@pytest.mark.parametrize("name", ["hestness", "broken"])
def test_a_known_floor_can_be_left_out(name):
    excess = HESTNESS.predict(X) - HESTNESS.E
    result = fit_curve(X, excess, name, floor=False)
    assert result.law.E == 0.0 and result.converged
    slope = result.law.alpha if name == "hestness" else result.law.exponents[1]
    assert slope == pytest.approx(0.3, rel=1e-5 if name == "hestness" else 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hestness", "broken", "rosenfeld", "pearce"])
def test_intervals_hold_the_truth_nearly_as_often_as_they_say(name):
    """Nominally 90 %. With few runs to a constant, percentile intervals are a little narrow."""
    truth, noise, constants = {
        "hestness": (HESTNESS, 0.01, ("E", "alpha", "guess")),
        "broken": (BROKEN, 0.005, ("E", "c0", "c1", "d1")),
        "rosenfeld": (ROSENFELD, 0.02, ("alpha", "beta", "eta")),
        "pearce": (PEARCE, 0.005, ("E", "alpha", "beta", "omega")),
    }[name]
    held = dict.fromkeys(constants, 0)
    repeats = 150
    for seed in range(repeats):
        if name in ("hestness", "broken"):
            scatter = np.exp(noise * np.random.default_rng(seed).standard_normal(len(X)))
            result = fit_curve(X, truth.predict(X) * scatter, name, objective="lsq")
        else:
            where = PEARCE_RUNS if name == "pearce" else {}
            result = fit(surface(truth, noise, seed, **where), name, objective="lsq")
        draws = result.bootstrap(200)
        for k in constants:
            value = truth.constants[k]
            held[k] += value in draws.interval(k, 0.9)
    shares = {k: v / repeats for k, v in held.items()}
    assert all(0.78 < share < 0.97 for share in shares.values()), shares
