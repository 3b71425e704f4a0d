"""Machines with derived learning curves: simulation, exact mean and asymptote agree.

Each derived number is checked against something that does not share its derivation: literal
simulation of every example, quadrature of the definition, a hand-worked case, or a published value.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize
from scipy.special import expit, xlogy

from scalinglaws.errors import ScalingLawsError
from scalinglaws.theory import (
    FALSE_FRIENDS,
    FOUR_TYPES,
    FlippedLabelsERM,
    LogisticNoiseERM,
    MachineError,
    NoiselessMachine,
    NoisyMachine,
    chernoff_density,
    chernoff_mean,
    make_machine,
)
from scalinglaws.theory.noiseless import _scaling

SCORES = ("clean", "noisy", "sampled", "entropic")
NOISELESS = [
    NoiselessMachine(gap=gap, parameters=d, score=score)
    for gap, d in [(0.0, 1), (0.2, 1), (0.01, 1), (0.0, 3), (0.3, 2)]
    for score in ("error", "entropic")
]
MOMENTS = [NoisyMachine(noise, score, "moments") for noise in (0.05, 0.4) for score in SCORES]
MLE = [NoisyMachine(noise, score) for noise in (0.1, 0.3) for score in SCORES]
ALL = [*NOISELESS, *MOMENTS, *MLE, *FALSE_FRIENDS]


def z_scores(losses, expected):
    """How many standard errors each row's mean lies from what is expected."""
    standard_error = losses.std(axis=1, ddof=1) / math.sqrt(losses.shape[1])
    return (losses.mean(axis=1) - expected) / standard_error


# -- the four types -------------------------------------------------------------------------------


def test_the_four_types_come_in_order_with_their_exponents():
    assert [m.kind for m in FOUR_TYPES] == [1, 2, 3, 4]
    assert [m.exponent for m in FOUR_TYPES] == [1.0, 2.0, 0.5, 1.0]
    assert [m.floor == 0 for m in FOUR_TYPES] == [True, True, True, False]
    assert [(m.kind, m.exponent) for m in FALSE_FRIENDS] == [(None, 1.0), (None, 1 / 3)]


def test_the_constants_of_the_four_types():
    one, two, three, four = (m.constant for m in FOUR_TYPES)
    assert one == 2 / 3
    assert two == pytest.approx(2 / (1.25 * 0.2), rel=1e-15)
    # sqrt(2 s / (pi tanh(1 / 4s))) at s = 0.1
    assert three == pytest.approx(math.sqrt(0.2 / math.pi / math.tanh(2.5)), rel=1e-15)
    assert four == 0.5


@pytest.mark.parametrize("machine", [*FOUR_TYPES, *FALSE_FRIENDS], ids=repr)
def test_simulated_slopes_tend_to_the_exponent(machine):
    t = np.array([256, 512, 1024, 2048])
    losses = machine.simulate(t, 1500, seed=3) - machine.floor
    x = np.log(t) - np.log(t).mean()
    slope = x @ np.log(losses.mean(axis=1)) / (x @ x)
    relative = losses.std(axis=1) / losses.mean(axis=1) / math.sqrt(1500)
    error = math.sqrt((x**2) @ relative**2) / (x @ x)
    # what is left of the approach to the asymptote: type 2 by 4 / (h t), the cube root by noise
    bias = 0.025 if machine.kind == 2 or machine.exponent == 1 / 3 else 0.003
    assert abs(slope + machine.exponent) < 4 * error + bias
    others = {1 / 3, 0.5, 1.0, 2.0} - {machine.exponent}
    assert all(abs(slope + other) > 0.09 for other in others)


@pytest.mark.parametrize(
    ("knobs", "expected"),
    [
        ({}, NoiselessMachine()),
        ({"gap": 0.1}, NoiselessMachine(gap=0.1)),
        ({"gap": 0.1, "stochastic": True}, NoiselessMachine(gap=0.1, score="entropic")),
        ({"noise": 0.1}, NoisyMachine(0.1)),
        ({"noise": 0.1, "stochastic": True}, NoisyMachine(0.1, "entropic")),
        ({"noise": 0.1, "student": "moments"}, NoisyMachine(0.1, "clean", "moments")),
    ],
)
def test_knobs_choose_the_machine(knobs, expected):
    assert make_machine(**knobs) == expected


# -- exact means ----------------------------------------------------------------------------------


def literal_gibbs(gap, parameters, t, repeats, rng):
    """Draw every example and one student, as the definition says."""
    errors = np.zeros(repeats)
    for r in range(repeats):
        for mine in rng.multinomial(t, np.full(parameters, 1 / parameters)):
            x = rng.random(mine) * (1 - gap)
            x = np.where(x > (1 - gap) / 2, x + gap, x)
            low, high = x[x < 0.5].max(initial=0.0), x[x > 0.5].min(initial=1.0)
            w = rng.uniform(low, high)
            errors[r] += max(0.0, abs(w - 0.5) - gap / 2) / (1 - gap) / parameters
    return errors


@pytest.mark.parametrize(("gap", "parameters"), [(0.0, 1), (0.2, 1), (0.5, 1), (0.2, 3)])
def test_exact_error_is_that_of_students_drawn_one_by_one(gap, parameters):
    machine = NoiselessMachine(gap=gap, parameters=parameters)
    rng = np.random.default_rng(5)
    for t in (1, 6, 30):
        losses = literal_gibbs(gap, parameters, t, 2000, rng)[None]
        assert abs(z_scores(losses, machine.exact(t))) < 4


@pytest.mark.parametrize("machine", NOISELESS + MOMENTS, ids=repr)
def test_simulation_agrees_with_the_exact_mean(machine):
    t = np.array([2, 7, 40, 300, 5000])
    assert (np.abs(z_scores(machine.simulate(t, 4000, seed=11), machine.exact(t))) < 4.5).all()


def test_one_example_by_hand():
    # With one example, at distance p from the boundary, the other side is free: q = 1/2. The
    # integral of (p² + 1/4) / (p + 1/2) over p from 0 to 1/2 is ln(2) / 2 - 1/8.
    assert NoiselessMachine().exact(1) == pytest.approx(math.log(2) / 2 - 1 / 8, rel=1e-13)


@pytest.mark.parametrize("h", [0.0, 0.25, 3.0])
def test_one_example_by_quadrature_of_the_definition(h):
    def cost(p):  # entropic loss, averaged over a new input on each side
        s = h + p + 0.5
        right, _ = integrate.quad(lambda x: -math.log((h + p + x) / s), 0, 0.5)
        left, _ = integrate.quad(lambda x: -math.log((h + 0.5 + x) / s), 0, p)
        return left + right

    mean, _ = integrate.quad(lambda p: 2 * cost(p), 0, 0.5)
    machine = NoiselessMachine(gap=h / (1 + h), score="entropic")
    assert machine.exact(1) == pytest.approx(mean, rel=1e-10)


def test_without_a_gap_the_curves_are_simple_fractions():
    t = np.array([60, 100, 10_000, 10**9])
    assert NoiselessMachine().exact(t) == pytest.approx(2 / (3 * (t + 1)), rel=1e-12)
    assert NoiselessMachine(score="entropic").exact(t) == pytest.approx(1 / (t + 1), rel=1e-12)


@pytest.mark.parametrize("machine", NOISELESS + MOMENTS, ids=repr)
def test_the_exact_mean_tends_to_the_asymptote(machine):
    excess = machine.exact([10**5, 10**6]) - machine.floor
    ratio = excess / (machine.asymptote([10**5, 10**6]) - machine.floor)
    # the next order, relative, times t: 4 d / h of the scaling function and 3 d of 1 / (t (t + 1)),
    # or the spread of the estimate in units of the noise
    if isinstance(machine, NoisyMachine):
        slack = 3 + machine.variance / machine.noise**2
    else:
        slack = machine.parameters * (3 + (4 / machine.gap_mass if machine.gap else 0))
    assert (np.abs(ratio - 1) < 1.05 * slack / np.array([10**5, 10**6])).all()
    assert machine.local_exponent(10**6) == pytest.approx(machine.exponent, abs=2e-3)


def test_the_number_of_parameters_is_the_entropic_constant():
    for d in (1, 2, 7):
        machine = NoiselessMachine(parameters=d, score="entropic")
        assert machine.exact(10**6) * 10**6 == pytest.approx(d, rel=1e-4)


@given(st.floats(0, 0.9), st.integers(1, 10**6), st.sampled_from(["error", "entropic"]))
@settings(max_examples=30, deadline=None)
def test_more_examples_or_a_wider_gap_never_hurt(gap, t, score):
    gap = gap if gap > 1e-9 else 0.0
    machine = NoiselessMachine(gap=gap, score=score)
    now, later = machine.exact([t, 2 * t])
    assert 0 < later < now < 0.5
    assert NoiselessMachine(gap=gap + 0.05, score=score).exact(t) < now
    assert 1 - 1e-5 < machine.local_exponent(10**5 + t) < 2


# -- from type 1 to type 2 ------------------------------------------------------------------------


@pytest.mark.parametrize("y", [0.0, 1e-6, 0.3, 5.0, 19.9, 20.1, 400.0])
@pytest.mark.parametrize("k", [2, 3])
def test_the_scaling_function_is_its_integral(y, k):
    integral, _ = integrate.quad(
        lambda z: z**k * math.exp(-z) / (z + y) if z else 0.0, 0, 80, epsabs=0, limit=200
    )
    assert float(_scaling(y, k)) == pytest.approx(integral / (k == 3 and 3 or 1), rel=1e-9)


@pytest.mark.parametrize("score", ["error", "entropic"])
def test_crossover_is_the_limit_of_the_exact_curve(score):
    t = np.array([300, 3000, 300_000])
    for gap in (0.0, 1e-5, 1e-3, 0.1):
        machine = NoiselessMachine(gap=gap, score=score)
        ratio = machine.crossover(t) / machine.exact(t)
        assert (np.abs(ratio - 1) < 3 / t).all()


def test_a_narrow_gap_moves_the_local_exponent_from_1_to_2():
    machine = NoiselessMachine(gap=1e-4)
    exponents = machine.local_exponent([100, 10**3, 10**4, 10**5, 10**7])
    assert (np.diff(exponents) > 0).all()
    assert exponents[0] < 1.03 and exponents[-1] > 1.99


def test_annealing_gives_the_exponent_and_the_entropic_constant():
    t = 10**6
    for gap in (0.0, 0.2):
        annealed = NoiselessMachine(gap=gap).annealed(t)
        entropic = NoiselessMachine(gap=gap, score="entropic").exact(t)
        assert annealed == pytest.approx(entropic, rel=1e-4)
    assert NoiselessMachine().annealed(t) / NoiselessMachine().exact(t) == pytest.approx(
        1.5, rel=1e-4
    )


def test_annealing_is_minus_the_slope_of_the_log_volume():
    h, t, e = 0.25, 9, 1e-4

    def log_volume(t):
        side, _ = integrate.quad(lambda x: (1 - x) ** t, 0, 0.5)
        return math.log(h + 2 * side)

    slope = -(log_volume(t + e) - log_volume(t - e)) / (2 * e)
    assert NoiselessMachine(gap=0.2).annealed(t) == pytest.approx(slope, rel=1e-6)


# -- types 3 and 4 --------------------------------------------------------------------------------


def mean_over_inputs(f, s):
    """Integral over x from 0 to 1, in pieces of the size of the noise."""
    points = np.clip(0.5 + s * np.arange(-40, 41, 4), 0, 1)
    return sum(integrate.quad(f, a, b, epsabs=1e-13)[0] for a, b in pairwise(points) if a < b)


@pytest.mark.parametrize("s", [0.02, 0.1, 0.7])
def test_floors_and_excess_are_the_integrals_they_stand_for(s):
    def p(x, w=0.5):
        return float(expit((x - w) / s))

    w = 0.55
    student = {
        "clean": lambda x: float((x > w) != (x > 0.5)),
        "noisy": lambda x: 1 - p(x) if x > w else p(x),
        "sampled": lambda x: p(x) + p(x, w) - 2 * p(x) * p(x, w),
        "entropic": lambda x: -xlogy(p(x), p(x, w)) - xlogy(1 - p(x), 1 - p(x, w)),
    }
    best = {
        "clean": lambda x: 0.0,
        "noisy": lambda x: min(p(x), 1 - p(x)),
        "sampled": lambda x: 2 * p(x) * (1 - p(x)),
        "entropic": lambda x: -xlogy(p(x), p(x)) - xlogy(1 - p(x), 1 - p(x)),
    }
    for score in SCORES:
        machine = NoisyMachine(s, score)
        if score == "clean":
            assert machine.floor == 0 and machine.excess(w) == pytest.approx(0.05)
            continue
        floor = mean_over_inputs(best[score], s)
        halves = [(0, 0.5), (0.5, w), (w, 1)]
        steps = [np.linspace(a, b, 30) for a, b in halves]
        loss = sum(integrate.quad(student[score], a, b)[0] for x in steps for a, b in pairwise(x))
        assert machine.floor == pytest.approx(floor, rel=1e-9)
        assert machine.floor + machine.excess(w) == pytest.approx(loss, rel=1e-9)


def test_the_printed_floor_of_label_mismatch():
    assert NoisyMachine(0.1, "sampled").floor == pytest.approx(0.2 * math.tanh(2.5), rel=1e-15)


@given(st.floats(0.005, 0.99), st.sampled_from(SCORES), st.sampled_from(["mle", "moments"]))
@settings(max_examples=40, deadline=None)
def test_constants_are_the_leading_order_of_the_excess(noise, score, student):
    machine = NoisyMachine(noise, score, student)
    if score == "clean":
        leading = math.sqrt(2 / math.pi * machine.variance)
    else:
        step = 1e-3 * noise
        leading = float(machine.excess(0.5 + step)) / step**2 * machine.variance
    assert machine.constant == pytest.approx(leading, rel=2e-5)


@given(st.floats(0.001, 0.999))
@settings(deadline=None)
def test_no_student_beats_maximum_likelihood(noise):
    best, other = NoisyMachine(noise), NoisyMachine(noise, student="moments")
    assert best.variance == pytest.approx(1 / best.fisher_information, rel=1e-12)
    assert other.variance >= best.variance * (1 - 1e-12)
    assert NoisyMachine(noise, "entropic").constant == 0.5


@pytest.mark.parametrize("s", [0.01, 0.1, 0.6])
def test_fisher_information_is_the_integral(s):
    def information(x):
        p = expit((x - 0.5) / s)
        return p * (1 - p) / s**2

    assert NoisyMachine(s).fisher_information == pytest.approx(
        mean_over_inputs(information, s), rel=1e-9
    )


@given(st.floats(0.01, 0.9), st.floats(0, 1))
def test_the_moment_estimate_inverts_the_expected_share(noise, w):
    machine = NoisyMachine(noise, student="moments")
    share = noise * (np.logaddexp(0, (1 - w) / noise) - np.logaddexp(0, -w / noise))
    assert machine._from_share(share) == pytest.approx(w, abs=1e-9)


def test_maximum_likelihood_is_the_maximum():
    rng = np.random.default_rng(2)
    for s, t in [(0.01, 30), (0.1, 50), (0.5, 8)]:
        x = rng.random((6, t))
        y = rng.random(x.shape) < expit((x - 0.5) / s)
        found = NoisyMachine(s)._most_likely(np.exp((x - 0.5) / s), y.sum(axis=1))
        for xi, yi, w in zip(x, y, found, strict=True):

            def cost(w, xi=xi, yi=yi, s=s):
                u = (xi - w) / s
                return (np.logaddexp(0, u) - yi * u).sum()

            least = optimize.minimize_scalar(
                cost, bounds=(0, 1), method="bounded", options={"xatol": 1e-9}
            )
            assert cost(w) <= least.fun + 1e-9


def test_labels_all_alike_put_the_boundary_at_an_end():
    machine = NoisyMachine(0.1)
    odds = np.exp((np.array([[0.2, 0.6], [0.4, 0.9]]) - 0.5) / 0.1)
    assert machine._most_likely(odds, np.array([0, 2])) == pytest.approx([1, 0], abs=1e-6)
    assert machine._from_share([0.0, 1.0]).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("machine", MLE, ids=repr)
def test_maximum_likelihood_reaches_its_asymptote(machine):
    losses = machine.simulate([1500], 2500, seed=4)
    allowance = 3 / 1500 * (machine.asymptote(1500) - machine.floor)  # corrections of order 1 / t
    standard_error = losses.std() / 50
    assert abs(losses.mean() - machine.asymptote(1500)) < 4 * standard_error + allowance


def test_noisy_test_labels_turn_type_3_into_a_floor_and_exponent_1():
    clean, noisy = NoisyMachine(0.1), NoisyMachine(0.1, "noisy")
    assert (clean.exponent, clean.floor) == (0.5, 0.0)
    assert noisy.exponent == 1.0 and noisy.floor > 0.13 and noisy.kind is None


def test_a_very_large_number_of_examples_is_still_exact():
    machine = NoisyMachine(0.1, "clean", "moments")
    assert machine.exact(10**9) == pytest.approx(machine.asymptote(10**9), rel=1e-6)


# -- false friends --------------------------------------------------------------------------------


def walk_constant(f, terms=4000):
    """The constant of flipped labels as the sum over the depths of two random walks."""
    r, v, m = f / (1 - f), 1 / (1 - 2 * f), np.arange(terms)
    deeper = 2 * (1 - r) * r**m * (1 - r**m) * (m * v + v / 2)
    equal = (1 - r) ** 2 * r ** (2 * m) * (m * v + 2 * v / 3)
    return (deeper + equal).sum()


@given(st.floats(0, 0.48))
def test_the_constant_of_flipped_labels_is_the_sum_over_depths(flip):
    assert FlippedLabelsERM(flip).constant == pytest.approx(walk_constant(flip), rel=1e-9)


def test_a_fifth_of_flips_triples_the_constant_of_type_1():
    assert FlippedLabelsERM(0.0).constant == 2 / 3
    assert FlippedLabelsERM(0.2).constant == pytest.approx(2.0, rel=1e-15)


@pytest.mark.parametrize("flip", [0.0, 0.1, 0.3])
def test_flipped_labels_reach_their_constant(flip):
    machine, t = FlippedLabelsERM(flip), 800
    losses = machine.simulate([t], 3000, seed=8)
    assert abs(z_scores(losses, machine.constant / (t + 1))) < 4


def test_without_flips_fewest_errors_is_agreeing():
    t = np.array([1, 5, 40])
    losses = FlippedLabelsERM(0.0).simulate(t, 4000, seed=1)
    assert (np.abs(z_scores(losses, NoiselessMachine().exact(t))) < 4).all()


@pytest.mark.parametrize("machine", [FlippedLabelsERM(0.3), LogisticNoiseERM(0.2)], ids=repr)
def test_fewest_errors_as_counted_one_by_one(machine):
    t, rng = 6, np.random.default_rng(6)
    literal = np.empty((1, 3000))
    for r in range(3000):
        x = rng.random(t)
        y = rng.random(t) < machine._chance_of_one(x)
        edges = np.concatenate([[0.0], np.sort(x), [1.0]])
        middles = (edges[1:] + edges[:-1]) / 2
        errors = ((x[None] > middles[:, None]) != y).sum(axis=1)
        best = np.flatnonzero(errors == errors.min())
        share = np.diff(edges)[best]
        k = rng.choice(best, p=share / share.sum())
        literal[0, r] = abs(rng.uniform(edges[k], edges[k + 1]) - 0.5)
    fast = machine.simulate([t], 3000, seed=9)
    spread = math.hypot(literal.std(), fast.std()) / math.sqrt(3000)
    assert abs(literal.mean() - fast.mean()) < 4 * spread


def test_chernoff_agrees_with_published_moments():
    # Groeneboom & Wellner 2001: E|Z| = 0.41273655, Var Z = 0.26355964
    z = np.linspace(-5, 5, 401)
    density = chernoff_density(z)
    assert (density >= 0).all() and (np.diff(density[z >= 0]) <= 1e-12).all()
    assert density == pytest.approx(density[::-1], abs=1e-12)
    assert np.trapezoid(density, z) == pytest.approx(1.0, abs=1e-12)
    assert np.trapezoid(density * z**2, z) == pytest.approx(0.26355964, abs=1e-8)
    assert chernoff_mean() == pytest.approx(0.41273655, abs=1e-8)
    assert chernoff_density([-9.0, 9.0, 1e9]).tolist() == [0, 0, 0]


def test_the_cube_root_machine_approaches_its_asymptote():
    machine, t = LogisticNoiseERM(0.2), 3000
    losses = machine.simulate([t], 1500, seed=10)
    standard_error = losses.std() / math.sqrt(1500)
    assert abs(losses.mean() - machine.asymptote(t)) < 4 * standard_error + 0.01 * losses.mean()


# -- the common interface -------------------------------------------------------------------------


@pytest.mark.parametrize("machine", ALL, ids=repr)
def test_every_machine_answers_alike(machine):
    losses = machine.simulate([3, 20], repeats=50, seed=2)
    assert losses.shape == (2, 50) and np.isfinite(losses).all()
    assert (losses >= machine.floor - 1e-12).all()
    assert (losses[1:] == machine.simulate(20, repeats=50, seed=2)).all()
    assert (losses != machine.simulate([3, 20], repeats=50, seed=3)).any()
    assert machine.asymptote([[5, 6], [7, 8]]).shape == (2, 2)
    assert np.isscalar(machine.exponent) and machine.constant > 0 and machine.title
    assert eval(repr(machine)) == machine
    if machine.has_exact:
        assert machine.exact([[5, 6], [7, 8]]).shape == (2, 2)
    else:
        with pytest.raises(MachineError, match="simulate"):
            machine.exact([10])


def test_no_examples_asked_for_give_no_losses():
    assert NoiselessMachine().exact([]).shape == (0,)
    assert NoiselessMachine().simulate([], repeats=5).shape == (0, 5)


def test_an_error_is_of_the_house():
    assert issubclass(MachineError, ScalingLawsError) and issubclass(MachineError, ValueError)


@pytest.mark.parametrize(
    "bad", [0, -3, 2.5, math.nan, math.inf, 1e13, "ten", None, True, [[1], [2, 3]], 1j]
)
@pytest.mark.parametrize("ask", ["exact", "asymptote", "simulate", "crossover", "annealed"])
def test_bad_numbers_of_examples_are_refused(bad, ask):
    with pytest.raises(MachineError, match="whole numbers"):
        getattr(NoiselessMachine(), ask)(bad)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: NoiselessMachine(gap=1.0), "gap = 1.0"),
        (lambda: NoiselessMachine(gap=-0.1), "gap = -0.1"),
        (lambda: NoiselessMachine(gap=1e-15), "smaller than rounding"),
        (lambda: NoiselessMachine(gap="wide"), "gap = 'wide'"),
        (lambda: NoiselessMachine(gap=math.nan), "gap = nan"),
        (lambda: NoiselessMachine(parameters=0), "parameters = 0"),
        (lambda: NoiselessMachine(parameters=1.5), "parameters = 1.5"),
        (lambda: NoiselessMachine(score="clean"), "'error', 'entropic'"),
        (lambda: NoiselessMachine(parameters=2).annealed(5), "one boundary"),
        (lambda: NoisyMachine(noise=0), "use NoiselessMachine"),
        (lambda: NoisyMachine(noise=1), "noise = 1"),
        (lambda: NoisyMachine(noise=True), "noise = True"),
        (lambda: NoisyMachine(score="error"), "score = 'error'"),
        (lambda: NoisyMachine(student=["mle"]), "student = "),
        (lambda: FlippedLabelsERM(0.5), "labels say nothing"),
        (lambda: FlippedLabelsERM(-0.01), "flip = -0.01"),
        (lambda: LogisticNoiseERM(0.0), "noise = 0.0"),
        (lambda: make_machine(noise=0.1, gap=0.1), "set one to 0"),
        (lambda: make_machine(noise=2.0), "noise = 2.0"),
        (lambda: make_machine(stochastic="yes"), "stochastic = 'yes'"),
        (lambda: NoisyMachine().simulate([10], repeats=0), "repeats = 0"),
        (lambda: NoisyMachine().simulate([10], repeats=2.0), "repeats = 2.0"),
        (lambda: NoisyMachine().simulate([10], seed=-1), "seed = -1"),
        (lambda: NoisyMachine().simulate([[10]]), "shape"),
        (lambda: NoisyMachine().simulate([10**8], repeats=1000), "fewer repeats"),
        (lambda: FlippedLabelsERM().simulate([10**8], repeats=1000), "fewer repeats"),
        (lambda: NoiselessMachine(parameters=10**4).simulate([5], 10**6), "fewer repeats"),
    ],
)
def test_what_makes_no_sense_is_refused_with_words(call, words):
    with pytest.raises(MachineError, match=words):
        call()
