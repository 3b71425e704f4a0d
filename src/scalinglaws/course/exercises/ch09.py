"""Exercises of chapter 9: a replication. None of them needs the published points."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
from scipy import stats

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.datasets import chinchilla_like
from scalinglaws.fitting import fit
from scalinglaws.laws.published import published

RUNS = 240
WIDE, NARROW = 0.05, 0.001  # widths of two intervals of a, exercise 1
FTOL, SUM = 2.2e-9, 0.001  # SciPy's tolerance and the summed objective, exercise 2
HOFFMANN = published("hoffmann")  # N counts embeddings
BUDGET = 5.88e23  # FLOP: Chinchilla's own, 6 · 70e9 · 1.4e12
NAMES = ("E", "alpha", "beta")
NAMES_OF_LAW = ("E", "A", "B", "alpha", "beta")
RATIO = WIDE / NARROW


def _rounded(law, name: str, decimals: int = 2):
    return replace(law, **{name: round(law.constants[name], decimals)})


def tokens_per_param(law, flops: float = BUDGET) -> float:
    """D/N of the best run for a budget."""
    return law.optimum(flops).tokens_per_param


def _ratios(law=HOFFMANN, decimals: int = 2, flops: float = BUDGET) -> dict[str, float]:
    return {name: tokens_per_param(_rounded(law, name, decimals), flops) for name in NAMES}


def _all_rounded() -> dict[str, float]:
    law = HOFFMANN
    for name in NAMES:
        law = _rounded(law, name)
    return dict.fromkeys(NAMES, tokens_per_param(law))


def _in_sequence() -> dict[str, float]:
    """Each rounding kept for the next."""
    law, ratios = HOFFMANN, {}
    for name in NAMES:
        law = _rounded(law, name)
        ratios[name] = tokens_per_param(law)
    return ratios


def _changes() -> dict[str, float]:
    return {name: value / tokens_per_param(HOFFMANN) for name, value in _ratios().items()}


def _swapped_constants() -> dict[str, float]:
    right = _ratios()
    return {"E": right["E"], "alpha": right["beta"], "beta": right["alpha"]}


def _cut_off() -> dict[str, float]:
    """Digits cut off instead of rounded."""
    return {
        name: tokens_per_param(
            replace(HOFFMANN, **{name: np.floor(100 * HOFFMANN.constants[name]) / 100})
        )
        for name in NAMES
    }


def total(predicted, observed, delta) -> float:
    """Summed Huber loss of the residuals of log loss."""
    size = np.abs(np.log(np.asarray(predicted, float) / np.asarray(observed, float)))
    return np.where(size < delta, size**2 / 2, delta * (size - delta / 2)).sum()


def _huber(size, delta):
    return np.where(size < delta, size**2 / 2, delta * (size - delta / 2))


def _log_size(predicted, observed):
    return np.abs(np.log(np.asarray(predicted, float) / np.asarray(observed, float)))


def _mean(predicted, observed, delta):
    return _huber(_log_size(predicted, observed), delta).mean()


def _raw(predicted, observed, delta):
    return _huber(np.abs(np.asarray(predicted, float) - np.asarray(observed)), delta).sum()


def _no_half(predicted, observed, delta):
    size = _log_size(predicted, observed)
    return np.where(size < delta, size**2, delta * (size - delta / 2)).sum()


def _jump(predicted, observed, delta):
    size = _log_size(predicted, observed)
    return np.where(size < delta, size**2 / 2, delta * size).sum()


def _pieces_swapped(predicted, observed, delta):
    size = _log_size(predicted, observed)
    return np.where(size > delta, size**2 / 2, delta * (size - delta / 2)).sum()


def _no_size(predicted, observed, delta):
    r = np.log(np.asarray(predicted, float) / np.asarray(observed, float))
    return np.where(r < delta, r**2 / 2, delta * (r - delta / 2)).sum()


def _squares(predicted, observed, delta):
    return (_log_size(predicted, observed) ** 2 / 2).sum()


def _absolute(predicted, observed, delta):
    return _log_size(predicted, observed).sum()


def _slope_one(predicted, observed, delta):
    size = _log_size(predicted, observed)
    return np.where(size < delta, size**2 / 2, size - delta / 2).sum()


def _scaled(predicted, observed, delta):
    return _huber(_log_size(predicted, observed), delta).sum() / delta


def _relative(predicted, observed, delta):
    return _huber(np.abs(np.asarray(predicted) / np.asarray(observed) - 1), delta).sum()


def _fixed(predicted, observed, delta):
    return _huber(_log_size(predicted, observed), 1e-3).sum()


def _base_ten(predicted, observed, delta):
    return _huber(_log_size(predicted, observed) / np.log(10), delta).sum()


@functools.cache
def _stand_in():
    result = fit(chinchilla_like(seed=0))
    return result, result.bootstrap(400, seed=0)


def _log_of_some(values):
    """Logarithms of E, A and B only, and the exponents as they are."""
    table = np.log(values)
    if len(values) == len(NAMES_OF_LAW):  # constants down the rows
        table[3:] = values[3:]
    else:
        table[:, 3:] = values[:, 3:]
    return table


def _wald(
    transform=np.log,
    against="hoffmann",
    *,
    correlated: bool = True,
    of_the_mean: bool = False,
    inverse: bool = True,
    from_draws: bool = False,
) -> float:
    """Squared distance of published constants from the fit, in the covariance of its draws."""
    result, draws = _stand_in()
    names = NAMES_OF_LAW
    table = transform(np.column_stack([draws.constants[k] for k in names]))
    law = published(against)
    pairs = np.array([[law.constants[k], result.constants[k]] for k in names])
    z = transform(pairs) @ [1.0, -1.0]
    if from_draws:
        z = transform(pairs)[:, 0] - table.mean(axis=0)
    covariance = np.cov(table.T)
    if not correlated:
        covariance = np.diag(np.diag(covariance))
    if of_the_mean:
        covariance = covariance / len(table)
    return float(z @ (np.linalg.solve(covariance, z) if inverse else covariance @ z))


EXERCISES = (
    Exercise(
        id="09.1",
        title="How many runs for an interval that narrow?",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.01, unit="runs"),
        reference=lambda: RUNS * RATIO**2,
        right="Widths go with one over the square root of the number of runs. That is the order of "
        "what Besiroglu et al. found, where the paper had some 400 runs.",
        misconceptions=(
            Misconception(
                "linear",
                lambda: RUNS * RATIO,
                "That assumes that twice the runs halve the width. They shrink it by less: by the "
                "square root of two.",
            ),
            Misconception(
                "ratio-of-widths",
                lambda: RATIO,
                "That is how many times narrower the interval is. What happens to the number of "
                "runs?",
            ),
            Misconception(
                "factor-only",
                lambda: RATIO**2,
                "That is how many times more runs it takes. How many runs is that?",
            ),
            Misconception(
                "root-of-the-ratio",
                lambda: RUNS * RATIO**0.5,
                "The root was applied to the ratio of the widths. The width goes with the root of "
                "the runs, so the runs go with which power of the width?",
            ),
            Misconception(
                "upside-down",
                lambda: RUNS / RATIO**2,
                "Fewer runs make a wider interval, and this one is to be narrower.",
            ),
            Misconception(
                "root-of-the-count",
                lambda: RUNS**0.5 * RATIO**2,
                "The root of 240 has no place here: only the ratio of the two numbers of runs is "
                "under a root.",
            ),
            Misconception(
                "variance-of-the-width",
                lambda: RUNS * RATIO**4,
                "The ratio was squared twice. The width is a multiple of the standard error, not "
                "of the variance.",
            ),
        ),
    ),
    Exercise(
        id="09.2",
        title="When does the solver give up?",
        level="beginner",
        minutes=8,
        kind=Number(rel=0.01),
        reference=lambda: FTOL / (SUM / RUNS),
        right="The rule is absolute here, and the mean is tiny: a step has to gain about a "
        "twentieth of a per cent, or the search ends.",
        misconceptions=(
            Misconception(
                "rule-is-relative",
                lambda: FTOL,
                "That would hold if the denominator of the rule were the objective. Which of its "
                "three numbers is the largest?",
            ),
            Misconception(
                "sum-instead-of-mean",
                lambda: FTOL / SUM,
                "That is for the sum. The solver is given the mean.",
            ),
            Misconception(
                "multiplied",
                lambda: FTOL * SUM / RUNS,
                "The tolerance is already an amount of the objective. To make it relative, divide "
                "by the objective.",
            ),
            Misconception(
                "multiplied-sum",
                lambda: FTOL * SUM,
                "The tolerance is already an amount of the objective. To make it relative, divide "
                "by the objective, and by the one that the solver sees.",
            ),
            Misconception(
                "tolerance-times-runs",
                lambda: FTOL * RUNS,
                "That is 240 tolerances: an amount of the summed objective. It is not yet a "
                "fraction of anything.",
            ),
            Misconception(
                "the-objective",
                lambda: SUM / RUNS,
                "That is the objective that the solver sees. Which share of it is the tolerance?",
            ),
            Misconception(
                "times-the-runs",
                lambda: FTOL / (SUM * RUNS),
                "The sum was multiplied by the number of runs to get the mean. Divide.",
            ),
            Misconception(
                "percent",
                lambda: 100 * FTOL / (SUM / RUNS),
                "That is a percentage. Give the fraction.",
            ),
            Misconception(
                "upside-down",
                lambda: (SUM / RUNS) / FTOL,
                "That is the objective in units of the tolerance: the ratio is upside down.",
            ),
        ),
    ),
    Exercise(
        id="09.3",
        title="Which rounding does the damage?",
        level="intermediate",
        minutes=10,
        kind=Numbers(NAMES, rel=0.01),
        reference=_ratios,
        right="The floor has no say in the split. Of the two exponents, the one of the data was "
        "rounded by six times as much, and it acts on the larger number.",
        misconceptions=(
            Misconception(
                "all-at-once",
                _all_rounded,
                "Those are the constants all rounded together. Round one, and leave the other two "
                "as they were.",
            ),
            Misconception(
                "in-sequence",
                _in_sequence,
                "The roundings were piled up: beta was rounded in a law whose alpha was rounded "
                "already. Start from the TeX digits each time.",
            ),
            Misconception(
                "one-decimal",
                lambda: _ratios(decimals=1),
                "That rounds to one decimal. The paper prints two.",
            ),
            Misconception(
                "cut-off",
                _cut_off,
                "The further digits were cut off. Rounding takes the nearest: 0.3392 becomes 0.34, "
                "and 0.2849 becomes 0.28.",
            ),
            Misconception(
                "forgot-the-6",
                lambda: _ratios(flops=6 * BUDGET),
                "The budget is 6ND. Here it was taken for ND.",
            ),
            Misconception(
                "params-per-token",
                lambda: {name: 1 / value for name, value in _ratios().items()},
                "Those are parameters per token. Turn them over.",
            ),
            Misconception(
                "factors",
                _changes,
                "Those are the factors by which the ratio changed. Give the ratios themselves.",
            ),
            Misconception(
                "changes-in-percent",
                lambda: {name: 100 * (value - 1) for name, value in _changes().items()},
                "Those are changes in per cent. Give the ratios themselves.",
            ),
            Misconception(
                "exponents-exchanged",
                _swapped_constants,
                "The numbers for alpha and beta are exchanged. Which exponent lies further from "
                "its two decimals?",
            ),
            Misconception(
                "other-law",
                lambda: _ratios(published("besiroglu")),
                "That rounds the refit of Besiroglu et al. The question is about "
                '`published("hoffmann")`.',
            ),
        ),
    ),
    Exercise(
        id="09.4",
        title="Write the objective",
        level="intermediate",
        minutes=10,
        kind=Function(
            cases=[
                (np.array([2.0, 2.1, 3.5]), np.array([2.0005, 2.05, 3.6]), 1e-3),
                (np.array([2.4, 2.2, 2.9, 2.6]), np.array([2.5, 2.2, 2.895, 2.3]), 1e-2),
                (np.array([3.0, 2.0]), np.array([2.5, 2.2]), 0.1),
                (np.array([2.0, 3.0]), np.array([2.02, 2.98]), 1.0),
            ],
            rel=1e-4,
            name="total",
        ),
        reference=total,
        right="A parabola in the middle, straight lines outside, of the residuals of the "
        "logarithms, and summed.",
        misconceptions=(
            Misconception(
                "mean-for-sum",
                _mean,
                "That is the mean. It has the same minimum, and it is what made the search stop "
                "early: sum.",
            ),
            Misconception(
                "loss-not-log-loss",
                _raw,
                "Those are differences of losses. Compare their logarithms.",
            ),
            Misconception(
                "parabola-without-half",
                _no_half,
                "Inside δ it is half the square. Without the half, the two formulas do not meet.",
            ),
            Misconception(
                "jump-at-delta",
                _jump,
                "Outside δ the line is δ times the size, less something that makes it meet the "
                "parabola.",
            ),
            Misconception(
                "pieces-swapped",
                _pieces_swapped,
                "The parabola belongs to small residuals and the line to large ones.",
            ),
            Misconception(
                "negative-residuals",
                _no_size,
                "Large *negative* residuals get the parabola here. Compare the size, without the "
                "sign, with δ.",
            ),
            Misconception(
                "squares",
                _squares,
                "Those are squares throughout, whatever δ is. Beyond δ it must be a straight line.",
            ),
            Misconception(
                "absolute-values",
                _absolute,
                "Those are absolute values: the limit for a δ that goes to 0, without its factor.",
            ),
            Misconception(
                "slope-one",
                _slope_one,
                "The line has slope 1. It must leave the parabola with the parabola's slope at δ.",
            ),
            Misconception(
                "divided-by-delta",
                _scaled,
                "Everything is divided by δ. With that the line has slope 1, and the minimum stays "
                "where it is; equation 9.2 does not divide.",
            ),
            Misconception(
                "relative-differences",
                _relative,
                "Those are relative differences of the losses. They come near the differences of "
                "the logarithms when they are small. Take the logarithms.",
            ),
            Misconception(
                "delta-fixed",
                _fixed,
                "The argument `delta` has no effect: δ is 0.001 whatever is passed.",
            ),
            Misconception(
                "base-ten",
                _base_ten,
                "Those are logarithms to base 10, and δ is in natural ones.",
            ),
        ),
    ),
    Exercise(
        id="09.5",
        title="Fifty times too narrow",
        level="intermediate",
        minutes=8,
        kind=Choice(
            {
                "a": "It has more runs than you.",
                "b": "It gives an 80 % interval and you give one of 95 %.",
                "c": "Its refits hardly left the place where they started.",
                "d": "Its losses were measured with less noise.",
                "e": "Its constants were rounded before printing.",
                "f": "It used 4,000 resamples, and you used 400.",
            }
        ),
        reference="c",
        right="More runs and the other level make a factor of two between them. A solver that "
        "does not move makes any interval as narrow as its stopping rule.",
        misconceptions=(
            Misconception(
                "more-runs",
                "a",
                "More runs do narrow an interval, by the square root of their ratio. What is that "
                "here?",
            ),
            Misconception(
                "level",
                "b",
                "The level matters, by the ratio of two quantiles of the bell curve. Compute it "
                "and compare it with fifty.",
            ),
            Misconception(
                "less-noise",
                "d",
                "Then the noise would have to be fifty times smaller, in comparable runs. The "
                "residuals of the fit would show it.",
            ),
            Misconception(
                "rounding",
                "e",
                "Rounding moves the ends of an interval, and can make it look wider or narrower by "
                "a unit of the last digit. It does not shrink the spread of the refits.",
            ),
            Misconception(
                "more-resamples",
                "f",
                "More resamples say more steadily where the ends of the interval are. They do not "
                "bring the ends together: that takes more runs.",
            ),
        ),
    ),
    Exercise(
        id="09.6",
        title="A test of five constants at once",
        level="advanced",
        minutes=20,
        kind=Number(rel=0.02),
        reference=_wald,
        right="Far beyond what chance gives with five constants, whose mean is 5. The runs were "
        "simulated with other constants than Hoffmann's, and the test notices.",
        misconceptions=(
            Misconception(
                "one-by-one",
                lambda: _wald(correlated=False),
                "Those are the squared z-values added up, as if the five errors were independent. "
                "Use the whole covariance matrix.",
            ),
            Misconception(
                "not-in-logarithms",
                lambda: _wald(transform=lambda x: x),
                "That takes the constants as they are. Take their logarithms, in the differences "
                "and in the covariance.",
            ),
            Misconception(
                "exponents-not-in-logarithms",
                lambda: _wald(_log_of_some),
                "The two exponents were taken as they are. Take the logarithms of all five "
                "constants.",
            ),
            Misconception(
                "mean-of-the-draws",
                lambda: _wald(from_draws=True),
                "The differences were taken from the mean of the draws. The estimate is the fit "
                "itself; the draws give its covariance.",
            ),
            Misconception(
                "p-value",
                lambda: float(stats.chi2.sf(_wald(), 5)),
                "That is the p-value, too small for a computer to tell from 0. Give the statistic.",
            ),
            Misconception(
                "divided-by-five",
                lambda: _wald() / 5,
                "That is the statistic for each constant. Chi-square with five degrees of freedom "
                "is compared with the whole.",
            ),
            Misconception(
                "error-of-the-mean",
                lambda: _wald(of_the_mean=True),
                "The covariance was divided by the number of draws. The spread of the draws is the "
                "error of the fit already; more draws do not make it smaller.",
            ),
            Misconception(
                "not-inverted",
                lambda: _wald(inverse=False),
                "The covariance itself was put in the middle. It has to be its inverse: what "
                "scatters much counts little.",
            ),
            Misconception(
                "distance-not-squared",
                lambda: _wald() ** 0.5,
                "That is the distance. The statistic that is compared with chi-square is its "
                "square.",
            ),
            Misconception(
                "tested-the-truth",
                lambda: _wald(against="besiroglu"),
                "That tests the constants with which the runs were simulated, and they pass, as "
                'they should. The question is about `published("hoffmann")`.',
            ),
            Misconception(
                "tested-the-printed-constants",
                lambda: _wald(against="hoffmann-rounded"),
                "Those are the constants as printed. The question is about the digits of the TeX "
                'source, `published("hoffmann")`.',
            ),
        ),
    ),
)
