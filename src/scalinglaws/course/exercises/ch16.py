"""Exercises of chapter 16: random walks."""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.optimize import brentq

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.datasets import load_recorded
from scalinglaws.fitting import compare_curves, fit_curve

DEGREES = np.array([3, 2, 2, 1])  # of the nodes A, B, C, D of exercise 1
NODES, EDGES, EXCESS = 50, 300, 0.01  # exercise 2
WAYS = 8  # neighbours of the node of exercise 4
WIDTH = 24  # exercise 6
LONGEST_WIDTH = 16  # exercise 7
SHARE = 0.4
LAWS = ("power", "exponential")


def _entropy(weights) -> float:
    p = np.asarray(weights, float) / np.sum(weights)
    return float(-(p * np.log(p)).sum())


def _kappa(condition, low: float = 0.0, high: float = 20.0) -> float:
    """Where a function of the weights k^-kappa of eight neighbours is zero."""
    rank = np.arange(1, WAYS + 1)
    return float(brentq(lambda kappa: condition(rank**-kappa), low, high))


def _half(weights) -> float:
    return _entropy(weights) - math.log(WAYS) / 2


def exponents(x, loss, floor):
    """Exponent of the excess between each run and the next."""
    return -np.diff(np.log(np.asarray(loss) - floor)) / np.diff(np.log(x))


def _floor_in(x, loss, floor):
    return -np.diff(np.log(loss)) / np.diff(np.log(x))


def _positive_slope(x, loss, floor):
    return -exponents(x, loss, floor)


def _loss_not_logged(x, loss, floor):
    return -np.diff(np.asarray(loss) - floor) / np.diff(np.log(x))


def _x_not_logged(x, loss, floor):
    return -np.diff(np.log(np.asarray(loss) - floor)) / np.diff(x)


def _nothing_logged(x, loss, floor):
    return -np.diff(loss) / np.diff(x)


def _mixed_bases(x, loss, floor):
    return exponents(x, loss, floor) * math.log(10)


def _from_the_first(x, loss, floor):
    """One slope, from the first run to each later one."""
    u, v = np.log(x), np.log(np.asarray(loss) - floor)
    return -(v[1:] - v[0]) / (u[1:] - u[0])


def _upside_down(x, loss, floor):
    return 1 / exponents(x, loss, floor)


def _floor_after(x, loss, floor):
    """The floor taken off the logarithm instead of the loss."""
    return -np.diff(np.log(loss) - floor) / np.diff(np.log(x))


def _floor_added(x, loss, floor):
    return exponents(x, loss, -floor)


CASES = (
    ([1e4, 1e5, 1e6], [3.0, 2.5, 2.2], 2.0),
    ([100, 300, 1000, 5000], [2.1, 1.4, 1.15, 1.02], 1.0),
)


@functools.cache
def _recorded(width: int, chosen: bool = True):
    frame = load_recorded("er-isoflop", chosen=chosen)
    frame = frame[frame["d_model"] == width].dropna(subset=["loss"])
    return frame


def _exponent(width=WIDTH, column="loss", floor=True, chosen=True, least=0.0, **options) -> float:
    frame = _recorded(width, chosen)
    frame = frame[frame["tokens"] > least]
    options = {"objective": "lsq"} | options
    result = fit_curve(frame["tokens"], frame[column], floor=floor, **options)
    return result.law.alpha


def _pair(**options) -> dict[str, float]:
    return {
        "known": _exponent(column="excess", floor=False, **options),
        "free": _exponent(**options),
    }


def _ends() -> dict[str, float]:
    """Slopes from the first run to the last, without a fit."""
    frame = _recorded(WIDTH).groupby("tokens")[["excess", "loss"]].mean()
    ends = frame.iloc[[0, -1]]
    span = np.log(ends.index[1] / ends.index[0])
    return {
        name: float(-np.log(ends[column].iloc[1] / ends[column].iloc[0]) / span)
        for name, column in (("known", "excess"), ("free", "loss"))
    }


@functools.cache
def _comparison(column="excess", share=SHARE, floor=False, width=LONGEST_WIDTH):
    frame = _recorded(width)
    return compare_curves(frame["tokens"], frame[column], LAWS, share=share, floor=floor)


def _held_out(what="rms", **options) -> dict[str, float]:
    return {name: getattr(_comparison(**options)[name], what) for name in LAWS}


def _in_sample() -> dict[str, float]:
    table = _comparison().table().set_index("law")["training rms"]
    return {name: float(table[name]) for name in LAWS}


def _swapped(values: dict[str, float]) -> dict[str, float]:
    return dict(zip(values, reversed(values.values()), strict=True))


EXERCISES = (
    Exercise(
        id="16.1",
        title="The entropy of a small walk",
        level="beginner",
        minutes=6,
        kind=Number(rel=0.005, unit="nats"),
        reference=lambda: float(DEGREES @ np.log(DEGREES) / DEGREES.sum()),
        right="Each node counts by its share of the time, its neighbours over 8, and contributes "
        "the logarithm of its neighbours. A dead end such as D is foreseen perfectly.",
        misconceptions=(
            Misconception(
                "even-shares",
                lambda: float(np.log(DEGREES).mean()),
                "That gives each node a quarter of the time. Where does the walker spend more?",
            ),
            Misconception(
                "bits",
                lambda: float(DEGREES @ np.log2(DEGREES) / DEGREES.sum()),
                "That is in bits. Nats use the natural logarithm.",
            ),
            Misconception(
                "mean-degree",
                lambda: math.log(DEGREES.mean()),
                "That is the logarithm of the mean number of neighbours. Take the mean of the "
                "logarithms, weighted by the shares of time.",
            ),
            Misconception(
                "all-nodes",
                lambda: math.log(len(DEGREES)),
                "That is for a walker who can jump to any node. It can only go to neighbours.",
            ),
            Misconception(
                "where-not-next",
                lambda: _entropy(DEGREES),
                "That is the entropy of *where* the walker is, without its past. The model knows "
                "where it is, and asks for the next node.",
            ),
            Misconception(
                "sum-not-mean",
                lambda: float(np.log(DEGREES).sum()),
                "The entropies of the nodes were added. Each counts only by its share of the time.",
            ),
            Misconception(
                "edges-once",
                lambda: float(DEGREES @ np.log(DEGREES) / (DEGREES.sum() / 2)),
                "The shares do not sum to 1: each of the four edges is an edge of two nodes.",
            ),
            Misconception(
                "perplexity",
                lambda: math.exp(DEGREES @ np.log(DEGREES) / DEGREES.sum()),
                "That is the perplexity, the exponential of the entropy.",
            ),
        ),
    ),
    Exercise(
        id="16.2",
        title="What counting needs",
        level="beginner",
        minutes=6,
        kind=Number(rel=0.005, unit="tokens"),
        reference=lambda: (2 * EDGES - NODES) / (2 * EXCESS),
        right="Each edge is two transitions, and in each of the 50 rows one probability follows "
        "from the others.",
        misconceptions=(
            Misconception(
                "edges-once",
                lambda: (EDGES - NODES) / (2 * EXCESS),
                "Each edge can be walked in both directions, and each direction has its own "
                "probability.",
            ),
            Misconception(
                "rows-not-normalised",
                lambda: 2 * EDGES / (2 * EXCESS),
                "The probabilities of each node sum to 1, so one of them is not free.",
            ),
            Misconception(
                "one-number-an-edge",
                lambda: EDGES / (2 * EXCESS),
                "That counts one number an edge. Each edge can be walked in both directions, and "
                "the probabilities of each node sum to 1.",
            ),
            Misconception(
                "without-the-half",
                lambda: (2 * EDGES - NODES) / EXCESS,
                "Each free probability costs half of 1/D, not 1/D.",
            ),
            Misconception(
                "full-table",
                lambda: NODES * (NODES - 1) / (2 * EXCESS),
                "That estimates a probability for every pair of nodes. This learner is told which "
                "are neighbours.",
            ),
            Misconception(
                "nodes",
                lambda: NODES / (2 * EXCESS),
                "That counts one number a node. How many probabilities does a node have?",
            ),
            Misconception(
                "multiplied",
                lambda: (2 * EDGES - NODES) / 2 * EXCESS,
                "Multiplied where it should be divided: fewer nats take more tokens.",
            ),
            Misconception(
                "bits",
                lambda: (2 * EDGES - NODES) / (2 * EXCESS * math.log(2)),
                "The excess is given in nats, and K/2D is in nats too. Nothing is to be converted.",
            ),
        ),
    ),
    Exercise(
        id="16.3",
        title="Why is the floor too low?",
        level="intermediate",
        minutes=6,
        kind=Choice(
            {
                "a": "There are too few resamples in the bootstrap.",
                "b": "The seeds differ too much.",
                "c": "Models too narrow for the task do not follow the formula, and E gives way.",
                "d": "The models have learned to predict better than the entropy rate.",
                "e": "The solver stopped before the optimum.",
                "f": "The loss should have been given in bits.",
            }
        ),
        reference="c",
        right="The formula has no threshold in N. To follow one it changes whatever it has, and "
        "the floor is what the data say least about.",
        misconceptions=(
            Misconception(
                "resamples",
                "a",
                "More resamples make the ends of an interval steadier. They do not move it to "
                "another place.",
            ),
            Misconception(
                "seeds",
                "b",
                "Seeds scatter to both sides, and the interval allows for them. Is the miss of "
                "their size?",
            ),
            Misconception(
                "beating-entropy",
                "d",
                "No predictor has an expected loss below the entropy rate. And no recorded loss "
                "is below it: only the *extrapolation* is.",
            ),
            Misconception(
                "solver",
                "e",
                "That happens (chapter 9), but this fit reports a minimum, and would say so "
                "otherwise. Does a better optimum of a wrong formula help?",
            ),
            Misconception(
                "units",
                "f",
                "Bits multiply the floor, the loss and the truth alike. Nothing would move "
                "relative to anything.",
            ),
        ),
    ),
    Exercise(
        id="16.4",
        title="How strong a preference halves the entropy?",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.005),
        reference=lambda: _kappa(_half),
        right="A preference that lets the first neighbour have well over half of the steps leaves "
        "about the uncertainty of three equal ways, the square root of eight.",
        misconceptions=(
            Misconception(
                "perplexity-halved",
                lambda: _kappa(lambda w: _entropy(w) - math.log(WAYS / 2)),
                "That halves the number of equally likely ways, from 8 to 4. Its logarithm is not "
                "halved by that.",
            ),
            Misconception(
                "bits-against-nats",
                lambda: _kappa(lambda w: _entropy(w) / math.log(2) - math.log(WAYS) / 2),
                "The entropy is in bits there, and half of ln 8 is in nats.",
            ),
            Misconception(
                "first-way-half",
                lambda: _kappa(lambda w: w[0] / w.sum() - 0.5),
                "That gives half of the steps to the first neighbour. It says little about the "
                "other seven.",
            ),
            Misconception(
                "not-normalised",
                lambda: _kappa(lambda w: -(w * np.log(w)).sum() - math.log(WAYS) / 2, 0.5),
                "The weights are not probabilities yet: they have to sum to 1.",
            ),
            Misconception(
                "exponential-weights",
                lambda: float(
                    brentq(lambda s: _half(np.exp(-s * np.arange(1, WAYS + 1))), 0.0, 20.0)
                ),
                "Those weights fall exponentially with the rank. They should fall as a power.",
            ),
            Misconception(
                "seven-ways",
                lambda: float(
                    brentq(
                        lambda k: _entropy(np.arange(1.0, WAYS) ** -k) - math.log(WAYS) / 2, 0, 20
                    )
                ),
                "There are seven neighbours in that: `range(1, 8)` ends before 8.",
            ),
        ),
    ),
    Exercise(
        id="16.5",
        title="The slope between neighbours",
        level="intermediate",
        minutes=8,
        kind=Function(CASES, rel=1e-6, name="exponents"),
        reference=exponents,
        right="Take the floor off first, then the logarithms, then differences, and turn the sign.",
        misconceptions=(
            Misconception(
                "floor-left-in",
                _floor_in,
                "The argument `floor` is not used. With the floor left in, the slope goes to zero "
                "as the loss comes down to it.",
            ),
            Misconception(
                "sign",
                _positive_slope,
                "The slopes are negative, and exponents are positive here: the minus stands in the "
                "formula.",
            ),
            Misconception(
                "loss-not-logged",
                _loss_not_logged,
                "Those are nats per e-fold of x. An exponent needs the logarithm of the excess.",
            ),
            Misconception(
                "x-not-logged",
                _x_not_logged,
                "x is not logged: that is the rate of an exponential, not the exponent of a power.",
            ),
            Misconception(
                "nothing-logged",
                _nothing_logged,
                "That is the slope on plain axes: nats per token. Take logarithms of both.",
            ),
            Misconception(
                "mixed-bases",
                _mixed_bases,
                "One logarithm is natural and the other to base 10. The base cancels only if it is "
                "the same.",
            ),
            Misconception(
                "from-the-first",
                _from_the_first,
                "Those are slopes from the *first* run to each other. Asked for is the step from "
                "each run to the next.",
            ),
            Misconception(
                "upside-down",
                _upside_down,
                "That is the change of x over the change of the excess: upside down.",
            ),
            Misconception(
                "floor-off-the-logarithm",
                _floor_after,
                "The floor was taken off the logarithm of the loss, where it cancels. Take it off "
                "the loss.",
            ),
            Misconception(
                "floor-added",
                _floor_added,
                "The floor was added to the loss. The excess is what is left without it.",
            ),
        ),
    ),
    Exercise(
        id="16.6",
        title="What a free floor does to an exponent",
        level="advanced",
        minutes=15,
        kind=Numbers(("known", "free"), rel=0.01),
        reference=_pair,
        right="One curve, one formula, two exponents: the floor takes up what the formula does not "
        "describe, and the exponent pays for it.",
        misconceptions=(
            Misconception(
                "swapped",
                lambda: _swapped(_pair()),
                "The two are swapped. `known` belongs to the excess.",
            ),
            Misconception(
                "floor-left-in",
                lambda: {"known": _exponent(floor=False), "free": _exponent()},
                "`floor=False` sets E to 0. For the loss that is wrong; it is right for the "
                "excess.",
            ),
            Misconception(
                "both-free",
                lambda: {"known": _exponent(column="excess"), "free": _exponent()},
                "The excess was fitted with a free floor again. Its floor is known, and it is 0.",
            ),
            Misconception(
                "all-learning-rates",
                lambda: _pair(chosen=False),
                "Those are the runs at all learning rates. Bad ones lie above the curve: pass "
                "`chosen=True`.",
            ),
            Misconception(
                "another-width",
                lambda: {
                    "known": _exponent(16, "excess", False),
                    "free": _exponent(16),
                },
                "That is the model of width 16. Asked for is 24.",
            ),
            Misconception(
                "the-two-ends",
                _ends,
                "Those are slopes from the first run to the last. Fit all runs.",
            ),
            Misconception(
                "another-objective",
                lambda: _pair(objective="huber"),
                "Those fits use the default objective, which is robust. Asked for is "
                '`objective="lsq"`.',
            ),
            Misconception(
                "losses-not-logarithms",
                lambda: _pair(residual="loss"),
                'Those fits compare losses. The default, `residual="log"`, compares their '
                "logarithms.",
            ),
        ),
    ),
    Exercise(
        id="16.7",
        title="Judged by the runs it did not see",
        level="advanced",
        minutes=15,
        kind=Numbers(LAWS, rel=0.02),
        reference=_held_out,
        right="Both miss, since the slope is not constant. The power law is off by a factor, the "
        "exponential by many powers of ten.",
        misconceptions=(
            Misconception(
                "in-sample",
                _in_sample,
                "Those are the errors on the runs that were fitted. Asked for are the held-out "
                "ones.",
            ),
            Misconception(
                "swapped",
                lambda: _swapped(_held_out()),
                "The two are swapped. `compare_curves` sorts its table by error; ask by name.",
            ),
            Misconception(
                "floor-left-in",
                lambda: _held_out(column="loss"),
                "That compares losses, and the floor hides the error. Compare the excess.",
            ),
            Misconception(
                "free-floor",
                lambda: _held_out(floor=True),
                "The floor of the excess is known to be 0: pass `floor=False`.",
            ),
            Misconception(
                "bias",
                lambda: _held_out("bias"),
                "That is the mean error, which has a sign. Asked for is the root of the mean "
                "square.",
            ),
            Misconception(
                "worst",
                lambda: _held_out("worst"),
                "That is the largest error. Asked for is the root of the mean square.",
            ),
            Misconception(
                "another-share",
                lambda: _held_out(share=0.2),
                "Another share was held out. The task says 0.4.",
            ),
            Misconception(
                "mean-square",
                lambda: {k: v**2 for k, v in _held_out().items()},
                "That is the mean square. Take its root.",
            ),
        ),
    ),
)
