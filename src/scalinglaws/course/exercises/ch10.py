"""Exercises of chapter 10: how fits go wrong."""

from __future__ import annotations

import functools
import math

import numpy as np

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number
from scalinglaws.datasets.synthetic import (
    LogNormalNoise,
    isoflop_design,
    simulate,
    training_curves,
)
from scalinglaws.laws import PearceLaw, PowerLaw, published
from scalinglaws.runs import Runs

LOSS, DECIMALS = 2.8, 1  # exercise 1
STEP = 10.0**-DECIMALS
RUNS_B, IN_BITS, DIVERGED = 64, 9, 2  # of patient B
SIZES = 15  # of each budget in exercise 6

TRUTH = published("muennighoff-base")  # its N counts embeddings
SMALL = PearceLaw.of(TRUTH)  # the same law for a team that leaves them out


# ------------------------------------------------------------------------- the patients


@functools.cache
def patient(letter: str):
    """The runs of an anonymous patient, "A" to "E".

    Patient A is a pair of arrays, parameters and loss; the others are tables of runs.
    """
    return {"A": _a, "B": _b, "C": _c, "D": _d, "E": _e}[letter]()


def _a():
    params = np.geomspace(1e7, 1e10, 30)
    luck = LogNormalNoise(0.004)
    exact = PowerLaw(E=2.0, A=300.0, alpha=0.3).predict(params)
    return params, luck.apply(exact, np.random.default_rng(5))


def _b() -> Runs:
    runs = simulate(TRUTH, isoflop_design(np.geomspace(1e19, 1e22, 8), 8), LogNormalNoise(0.003), 7)
    rows = np.random.default_rng(11).permutation(len(runs))
    loss = runs.loss.copy()
    loss[rows[:IN_BITS]] /= math.log(2)
    loss[rows[IN_BITS : IN_BITS + DIVERGED]] *= (1.08, 1.12)
    return Runs.from_arrays(runs.params, runs.tokens, loss)


def _c() -> Runs:
    sizes = np.geomspace(1e8, 1e10, 9)
    ends = sizes[:, None] * np.array([5.0, 20.0, 80.0])
    return training_curves(
        TRUTH, sizes, ends, 5, LogNormalNoise(0.003), 3, schedule_penalty=0.04, start=0.1
    )


def _d() -> Runs:
    runs = simulate(TRUTH, isoflop_design(np.geomspace(1e19, 1e22, 8), 8), LogNormalNoise(0.004), 4)
    again = LogNormalNoise(0.0003).apply(np.repeat(runs.loss, 4), np.random.default_rng(9))
    run = np.repeat(np.arange(len(runs)), 4)
    return Runs.from_arrays(np.repeat(runs.params, 4), np.repeat(runs.tokens, 4), again, run=run)


def _e() -> Runs:
    design = isoflop_design(np.geomspace(1e16, 1e20, 9), 9, span=4, centre=SMALL)
    runs = simulate(SMALL, design, LogNormalNoise(0.003), seed=6)
    layers = np.cbrt(runs.params / (12 * 39.2**2))  # width is 39.2 layers in this family
    return Runs.from_arrays(
        runs.params, runs.tokens, runs.loss, layers=layers, width=39.2 * layers, check_units=False
    )


# ------------------------------------------------------------- exercise 6: a parabola's error

CASES = (
    {"alpha": 0.34, "beta": 0.28, "span": 8.0},
    {"alpha": 0.465, "beta": 0.155, "span": 16.0},
    {"alpha": 0.2, "beta": 0.5, "span": 4.0},
)


def _bottom(shape, span: float) -> float:
    """Where a parabola through ``shape(u)`` bottoms out, in ln N from the optimum."""
    u = np.linspace(-math.log(span), math.log(span), SIZES)
    c2, c1, _ = np.polyfit(u, shape(u), 2)
    return float(-c1 / (2 * c2))


def _valley(alpha, beta):
    """The valley up to a factor: alpha · model = beta · data at the optimum."""
    return lambda u: np.exp(-alpha * u) / alpha + np.exp(beta * u) / beta


def shift(alpha, beta, span):
    """Factor by which the size of Approach 2 misses the optimum, without noise."""
    return math.exp(_bottom(_valley(alpha, beta), span))


def _equal_terms(alpha, beta, span):
    return math.exp(_bottom(lambda u: np.exp(-alpha * u) + np.exp(beta * u), span))


def _still_a_log(alpha, beta, span):
    return _bottom(_valley(alpha, beta), span)


def _tokens(alpha, beta, span):
    return 1 / shift(alpha, beta, span)


def _swapped(alpha, beta, span):
    return shift(beta, alpha, span)


def _span_not_logged(alpha, beta, span):
    return math.exp(_bottom(_valley(alpha, beta), math.exp(span)))


def _half_the_span(alpha, beta, span):
    return shift(alpha, beta, math.sqrt(span))


def _cubic_only(alpha, beta, span):
    def shape(u):
        return (alpha + beta) * u**2 / 2 + (beta**2 - alpha**2) * u**3 / 6

    return math.exp(_bottom(shape, span))


def _in_n(alpha, beta, span):
    ratio = np.exp(np.linspace(-math.log(span), math.log(span), SIZES))
    c2, c1, _ = np.polyfit(ratio, _valley(alpha, beta)(np.log(ratio)), 2)
    return float(-c1 / (2 * c2))


def _per_cent(alpha, beta, span):
    return 100 * (shift(alpha, beta, span) - 1)


def _fraction(alpha, beta, span):
    return shift(alpha, beta, span) - 1


def _coefficients_exchanged(alpha, beta, span):
    return math.exp(_bottom(lambda u: np.exp(-alpha * u) / beta + np.exp(beta * u) / alpha, span))


def _log_loss(alpha, beta, span):
    return math.exp(_bottom(lambda u: np.log(_valley(alpha, beta)(u)), span))


def _no_half(alpha, beta, span):
    return shift(alpha, beta, span) ** 2


def _lowest_run(alpha, beta, span):
    """The best of the sizes tried, which is the centre."""
    u = np.linspace(-math.log(span), math.log(span), SIZES)
    return math.exp(float(u[np.argmin(_valley(alpha, beta)(u))]))


EXERCISES = (
    Exercise(
        id="10.1",
        title="What a printed digit costs",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.02, unit="per cent"),
        reference=lambda: 100 * STEP / math.sqrt(12) / LOSS,
        right="An even spread over one step has the standard deviation step/√12. At one decimal "
        "that is several times the scatter between seeds.",
        misconceptions=(
            Misconception(
                "largest-error",
                lambda: 100 * STEP / 2 / LOSS,
                "That is the largest error that rounding can make. The standard deviation is "
                "smaller, for most errors are.",
            ),
            Misconception(
                "whole-step",
                lambda: 100 * STEP / LOSS,
                "That is the whole step between two printed values. The error is spread evenly "
                "over it; what is the standard deviation of such a spread?",
            ),
            Misconception(
                "in-nats",
                lambda: STEP / math.sqrt(12),
                "That is in nats. Divide by the loss, and give per cent.",
            ),
            Misconception(
                "variance",
                lambda: 100 * STEP / 12 / LOSS,
                "The variance of an even spread holds 1/12, so the standard deviation holds its "
                "square root.",
            ),
            Misconception(
                "half-width-formula",
                lambda: 100 * STEP / math.sqrt(3) / LOSS,
                "With √3 goes the half of the step: an error reaches half a step either way.",
            ),
            Misconception(
                "mean-size",
                lambda: 100 * STEP / 4 / LOSS,
                "That is the mean size of the error. The standard deviation weighs the larger "
                "ones more.",
            ),
            Misconception(
                "one-decimal-too-many",
                lambda: 100 * (STEP / 10) / math.sqrt(12) / LOSS,
                "That is for two decimals. The losses here have one.",
            ),
            Misconception(
                "half-the-step",
                lambda: 100 * (STEP / 2) / math.sqrt(12) / LOSS,
                "√12 goes with the whole step between two printed values, not with half of it.",
            ),
            Misconception(
                "per-cent-of-a-nat",
                lambda: 100 * STEP / math.sqrt(12),
                "That is in hundredths of a nat. Per cent of the loss divides by the loss as well.",
            ),
        ),
    ),
    Exercise(
        id="10.2",
        title="Patient A",
        level="beginner",
        minutes=5,
        kind=Choice(
            {
                "a": "The losses scatter more than usual.",
                "b": "The fitted law lacks the floor that the runs have.",
                "c": "A few runs diverged.",
                "d": "The losses are rounded too far.",
                "e": "The sizes span too little.",
                "f": "Some losses are in bits, the others in nats.",
            }
        ),
        reference="b",
        right="The residuals form one smooth arch, as those of a straight line through a curve "
        "that levels off. With a floor the pattern is gone.",
        misconceptions=(
            Misconception(
                "noise",
                "a",
                "Scatter has no shape: its residuals would change sign from run to run. These "
                "run together over whole stretches.",
            ),
            Misconception(
                "outliers",
                "c",
                "Runs that diverged stick out one by one. Here every run takes part.",
            ),
            Misconception(
                "rounding",
                "d",
                "Rounding is a saw of its own step, with no drift over three decades. Look at the "
                "shape of the whole.",
            ),
            Misconception(
                "narrow-range",
                "e",
                "The sizes span a factor of a thousand. A narrow range makes wide intervals, and "
                "no pattern.",
            ),
            Misconception(
                "mixed-units",
                "f",
                "Bits are 1.44 times nats, so the residuals would split into two bands 0.37 "
                "apart. These stay within a few hundredths.",
            ),
        ),
    ),
    Exercise(
        id="10.3",
        title="Patient B",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.0, unit="runs"),
        reference=IN_BITS,
        right="Their residuals lie at minus the logarithm of 1.443. The other two far-off runs "
        "diverged: they are 8 and 12 per cent too high, not 44.",
        misconceptions=(
            Misconception(
                "every-outlier",
                IN_BITS + DIVERGED,
                "That is every run that is far off. Not all of them are off by the factor of "
                "bits over nats: print the ratios.",
            ),
            Misconception(
                "one-too-many",
                IN_BITS + 1,
                "Not all of these are off by the factor of bits over nats: print the ratios, and "
                "compare each with 1.443.",
            ),
            Misconception(
                "above-a-line",
                lambda: int((patient("B").loss > 3).sum()),
                "That counts losses above 3. A small model may have such a loss in nats: compare "
                "each run with the law at its own N and D.",
            ),
            Misconception(
                "out-of-range",
                lambda: int((patient("B").loss > patient("B").loss.min() / math.log(2)).sum()),
                "A loss 1.443 times the lowest of all may still be in nats: compare each run with "
                "the law at its own N and D.",
            ),
            Misconception(
                "all-of-them",
                RUNS_B,
                "With all in bits no run would stand out, and the law would fit every one.",
            ),
            Misconception(
                "the-other-ones",
                DIVERGED,
                "Those are the runs that are too high for another reason. Which factor do bits "
                "make?",
            ),
            Misconception(
                "the-rest",
                lambda: RUNS_B - IN_BITS - DIVERGED,
                "That is how many runs agree with the law. The question is how many are in bits.",
            ),
            Misconception(
                "in-nats",
                lambda: RUNS_B - IN_BITS,
                "That counts the runs in nats. The question is the other way round.",
            ),
            Misconception(
                "as-a-share",
                lambda: IN_BITS / RUNS_B,
                "That is a share of all runs. Give the number of runs.",
            ),
            Misconception(
                "in-per-cent",
                lambda: 100 * IN_BITS / RUNS_B,
                "That is a percentage of all runs. Give the number of runs.",
            ),
            Misconception(
                "none",
                0,
                "Huber's fit converges and holds, so nothing seems wrong. Look at the residuals: "
                "some are far larger than the rest.",
            ),
        ),
    ),
    Exercise(
        id="10.4",
        title="Patient C",
        level="intermediate",
        minutes=8,
        kind=Choice(
            {
                "a": "The law lacks a floor.",
                "b": "Embeddings are left out of N.",
                "c": "Checkpoints on the way are treated as runs that ended there.",
                "d": "Large models were trained on too few tokens.",
                "e": "Each run is in the table several times, unchanged.",
                "f": "The losses scatter too much for this many constants.",
            }
        ),
        reference="c",
        right="The residual follows the share of the schedule that was done, which no law of N "
        "and D knows. Only runs at 100 % ended where the table says.",
        misconceptions=(
            Misconception(
                "floor",
                "a",
                "A missing floor shows against N or D. Both of those panels are flat.",
            ),
            Misconception(
                "counting",
                "b",
                "Embeddings change N, so their trace would follow N. The left panel has none.",
            ),
            Misconception(
                "under-trained",
                "d",
                "Few tokens per parameter are no fault: the law holds for such runs too. What "
                "orders the residuals here is neither N nor D.",
            ),
            Misconception(
                "duplicates",
                "e",
                "Copies would have equal residuals, at the same N and D. Here the tokens differ "
                "within a run, and the residual changes with them.",
            ),
            Misconception(
                "noise",
                "f",
                "Scatter does not know how far a run had got. The right panel has a trend.",
            ),
        ),
    ),
    Exercise(
        id="10.5",
        title="Patient D",
        level="intermediate",
        minutes=10,
        kind=Choice(
            {
                "a": "The law is of the wrong form, and the interval is the right one for it.",
                "b": "Nothing: with four times the rows the interval should be half as wide.",
                "c": "The losses are rounded too far.",
                "d": "Rows that are no new runs count as runs: the interval is too narrow.",
                "e": "The same, and therefore the point itself is wrong as well.",
                "f": "The sizes span too little.",
            }
        ),
        reference="d",
        right="Four measurements of one run share its luck. They measure the loss of this run "
        "better, and say nothing new about the law: average them first.",
        misconceptions=(
            Misconception(
                "wrong-law",
                "a",
                "The runs agree with their neighbours because four rows are one run. Average the "
                "rows of each run, and the pattern is gone.",
            ),
            Misconception(
                "rows-are-runs",
                "b",
                "Four times as many runs would halve it. Compare the spread within a run with that "
                "between runs: is a row an experiment of its own?",
            ),
            Misconception(
                "rounding",
                "c",
                "Within a run the losses differ in the fourth digit, so the digits are there.",
            ),
            Misconception(
                "biased-point",
                "e",
                "All runs are repeated equally often, so all keep their weight. Compare the two "
                "exponents.",
            ),
            Misconception(
                "narrow-range",
                "f",
                "No caution says so, and both fits have the same range. What differs between them?",
            ),
        ),
    ),
    Exercise(
        id="10.6",
        title="A parabola's error, without runs",
        level="advanced",
        minutes=20,
        kind=Function(cases=CASES, rel=1e-3, name="shift"),
        reference=shift,
        right="At the optimum the two terms stand in the ratio of the exponents, whatever the "
        "budget. So every budget is missed by the same factor, and the exponent stays right.",
        misconceptions=(
            Misconception(
                "equal-terms",
                _equal_terms,
                "The two terms were taken as equal at the optimum. Their *slopes* are equal: which "
                "ratio of the terms does that give?",
            ),
            Misconception(
                "still-a-logarithm",
                _still_a_log,
                "That is the shift in ln N. The question is for a factor.",
            ),
            Misconception(
                "tokens",
                _tokens,
                "That is the factor for the tokens, which is one over that for the parameters.",
            ),
            Misconception(
                "swapped",
                _swapped,
                "The two exponents changed places: the model term falls as N grows along a budget.",
            ),
            Misconception(
                "span-not-logged",
                _span_not_logged,
                "The sizes go from 1/span to span times the optimum. On the scale of u that is "
                "from -ln(span) to ln(span).",
            ),
            Misconception(
                "half-the-span",
                _half_the_span,
                "The window is half as wide as asked for: span is the factor on *each* side.",
            ),
            Misconception(
                "cubic-only",
                _cubic_only,
                "That keeps the valley's terms up to u³. For a window this wide the higher ones "
                "count; use the exponentials themselves.",
            ),
            Misconception(
                "parabola-in-n",
                _in_n,
                "The parabola was fitted against N. Approach 2 fits it against ln N.",
            ),
            Misconception(
                "per-cent",
                _per_cent,
                "That is the error in per cent. Give the factor: found over true.",
            ),
            Misconception(
                "fraction",
                _fraction,
                "That is how far the factor lies from 1. Give the factor: found over true.",
            ),
            Misconception(
                "coefficients-exchanged",
                _coefficients_exchanged,
                "With those weights the valley is not flat at u = 0. Each term's exponent times "
                "the term must be the same there.",
            ),
            Misconception(
                "log-loss",
                _log_loss,
                "The parabola was fitted to the logarithm of the loss. Approach 2 fits the loss.",
            ),
            Misconception(
                "no-half",
                _no_half,
                "The bottom lies where the slope 2·c2·u + c1 is zero. A factor of two is missing.",
            ),
            Misconception(
                "lowest-run",
                _lowest_run,
                "That is the best of the sizes tried. The bottom of the parabola is elsewhere.",
            ),
        ),
    ),
    Exercise(
        id="10.7",
        title="Patient E",
        level="advanced",
        minutes=15,
        kind=Choice(
            {
                "a": "A parabola through lopsided valleys (the bias of Approach 2).",
                "b": "Optima at the edge of the sizes tried.",
                "c": "Parameters counted without embeddings, in a range where that matters.",
                "d": "Noise: the slope of each third rests on three budgets.",
                "e": "The solver stopped early.",
                "f": "The floor is missing from the fitted law.",
            }
        ),
        reference="c",
        right="N is 12 · layers · width², with no embeddings, and they would be most of the "
        "smallest models here. So the slope changes with the size, and no single exponent fits.",
        misconceptions=(
            Misconception(
                "lopsided",
                "a",
                "On centred sizes that bias leaves the slope alone, and a drift bends it by "
                "hundredths. Here it changes by tenths.",
            ),
            Misconception(
                "edge",
                "b",
                "All nine minima lie inside, and there is no such caution.",
            ),
            Misconception(
                "noise",
                "d",
                "Compare the thirds with the interval of the whole: the change is many times "
                "what luck makes. And luck leaves no pattern in the residuals.",
            ),
            Misconception(
                "early-stop",
                "e",
                "The slopes come from parabolas, which are solved in one step. They cannot stop "
                "early.",
            ),
            Misconception(
                "no-floor",
                "f",
                "The fitted law has a floor. It came out too low, because something else bends the "
                "runs. Compare N with layers and width.",
            ),
        ),
    ),
)
