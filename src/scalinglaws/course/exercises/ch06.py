"""Exercises of chapter 6: one surface for data and size."""

from __future__ import annotations

import functools
import math

import numpy as np

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.datasets import load_recorded
from scalinglaws.fitting import fit
from scalinglaws.laws.published import published
from scalinglaws.runs import Runs

LAW = published("rosenfeld-cifar10")
PART = 1 / 64  # of the data, exercise 1
ERROR, GUESS = 0.45, 0.9  # exercise 2
MEASURED = np.array([0.62, 0.48, 0.35, 0.24, 0.15, 0.10])  # exercise 4
PREDICTED = np.array([0.60, 0.45, 0.35, 0.25, 0.17, 0.13])
SWEEP, WIDTH, TOKENS = "biased-isoflop", 16, 200_000  # exercise 6
NATS = math.log(128)  # of guessing among 128 nodes
SIZE, IMAGES = 1e7, 5e4  # exercise 7


def _sum(params, data, E, A, alpha, beta):
    return E + A * params**-alpha + data**-beta


def error(params, data, E, A, alpha, beta, eta, guess):
    """Rosenfeld's law, the coefficient of the data set to 1."""
    total = _sum(params, data, E, A, alpha, beta)
    return guess * total / np.hypot(total, eta)


def _real_part(params, data, E, A, alpha, beta, eta, guess):
    total = _sum(params, data, E, A, alpha, beta)
    return guess * total**2 / (total**2 + eta**2)


def _no_root(params, data, E, A, alpha, beta, eta, guess):
    total = _sum(params, data, E, A, alpha, beta)
    return guess * total / (total**2 + eta**2)


def _eta_not_squared(params, data, E, A, alpha, beta, eta, guess):
    total = _sum(params, data, E, A, alpha, beta)
    return guess * total / np.sqrt(total**2 + eta)


def _no_square(params, data, E, A, alpha, beta, eta, guess):
    total = _sum(params, data, E, A, alpha, beta)
    return guess * total / (total + eta)


def _minus(params, data, E, A, alpha, beta, eta, guess):
    """i taken for 1 and the modulus for an absolute value."""
    total = _sum(params, data, E, A, alpha, beta)
    return guess * abs(total / (total - eta))


def _scaled_sum(params, data, E, A, alpha, beta, eta, guess):
    return guess / eta * _sum(params, data, E, A, alpha, beta)


def _sum_alone(params, data, E, A, alpha, beta, eta, guess):
    return _sum(params, data, E, A, alpha, beta)


def _cut(params, data, E, A, alpha, beta, eta, guess):
    return np.minimum(guess, _scaled_sum(params, data, E, A, alpha, beta, eta, guess))


def _no_guess(params, data, E, A, alpha, beta, eta, guess):
    return error(params, data, E, A, alpha, beta, eta, 1.0)


def _growing(params, data, E, A, alpha, beta, eta, guess):
    return error(params, data, E, A, -alpha, -beta, eta, guess)


def _swapped_exponents(params, data, E, A, alpha, beta, eta, guess):
    return error(params, data, E, A, beta, alpha, eta, guess)


def _on_the_data(params, data, E, A, alpha, beta, eta, guess):
    total = E + params**-alpha + A * data**-beta
    return guess * total / np.hypot(total, eta)


def _no_floor(params, data, E, A, alpha, beta, eta, guess):
    return error(params, data, 0.0, A, alpha, beta, eta, guess)


def _floor_outside(params, data, E, A, alpha, beta, eta, guess):
    return E + error(params, data, 0.0, A, alpha, beta, eta, guess)


CASES = (
    (0.5, 0.25, 0.3, 0.6, 0.5, 0.7, 4.0, 0.9),
    (np.array([0.01, 0.1, 1.0]), np.array([0.02, 0.3, 1.0]), 0.1, 0.2, 0.4, 0.6, 5.0, 0.99),
)


def _at_part(function=error, **changes) -> float:
    """A law at the full size and a 64th of the data, with some constants changed."""
    return float(function(1.0, PART, **(LAW.constants | changes)))


def _judged(divergence, ddof: int = 0) -> dict[str, float]:
    d = np.asarray(divergence)
    return {
        "mean": float(d.mean()),
        "std": float(d.std(ddof=ddof)),
        "mean_abs": float(abs(d).mean()),
    }


def _relative():
    return (PREDICTED - MEASURED) / MEASURED


@functools.cache
def _forecast(
    law="rosenfeld", chosen=True, objective="lsq", guess=NATS,
    logarithm=False, width=WIDTH, tokens=TOKENS, sweep=SWEEP, whole=False, either=False,
    judged="outside",
) -> dict[str, float]:  # fmt: skip
    """Mean and spread of the divergence of the runs outside the corner of a sweep."""
    frame = load_recorded(sweep, chosen=chosen).dropna(subset=["loss"])
    narrow = (frame["d_model"] <= width).to_numpy()
    short = (frame["tokens"] <= tokens).to_numpy()
    inner = narrow | short if either else narrow & short
    runs = Runs(frame)
    fixed = {"guess": guess} if law == "rosenfeld" and guess else None
    train = runs if whole else runs.where(inner)
    fitted = fit(train, law, objective=objective, fixed=fixed)
    parts = {"outside": ~inner, "inside": inner, "all": inner | True, "both": ~narrow & ~short}
    ahead = runs.where(parts[judged])
    ratio = fitted.predict(ahead.params, ahead.tokens) / ahead.loss
    d = np.log(ratio) if logarithm else ratio - 1
    return {"mean": float(d.mean()), "std": float(d.std())}


def _counts(size=SIZE, images=IMAGES, alpha=LAW.alpha, beta=LAW.beta) -> dict[str, float]:
    return {"A": LAW.A * size**alpha / images**beta, "eta": LAW.eta / images**beta}


EXERCISES = (
    Exercise(
        id="06.1",
        title="A 64th of the data",
        level="beginner",
        minutes=6,
        kind=Number(rel=0.001),
        reference=_at_part,
        right="The sum is almost as large as eta, so the envelope takes off a good part of it.",
        misconceptions=(
            Misconception(
                "sum-alone",
                lambda: _at_part(_scaled_sum),
                "That is the sum scaled by guess / eta, right far below the turn. The sum is not "
                "far below eta here.",
            ),
            Misconception(
                "sum",
                lambda: _at_part(_sum_alone),
                "That is the sum. The envelope is still to come.",
            ),
            Misconception(
                "no-size-term",
                lambda: _at_part(A=0.0),
                "The term of the size is missing. At full size it is A, small but not nothing.",
            ),
            Misconception(
                "swapped-exponents",
                lambda: _at_part(_swapped_exponents),
                "The exponents are swapped. Here alpha belongs to the size and beta to the data; "
                "the paper has it the other way round.",
            ),
            Misconception(
                "real-part",
                lambda: _at_part(_real_part),
                "That is the real part of the complex number. The bars mean its modulus.",
            ),
            Misconception(
                "no-square",
                lambda: _at_part(_no_square),
                "The sum and eta were added in the denominator. They are the two sides of a right "
                "angle.",
            ),
            Misconception(
                "no-guess",
                lambda: _at_part(_no_guess),
                "That is the error as a share of guessing. Multiply by the error of guessing.",
            ),
            Misconception(
                "growing",
                lambda: _at_part(_growing),
                "Less data makes the term larger: the exponent has a minus sign.",
            ),
            Misconception(
                "model-made-smaller",
                lambda: float(LAW.predict(PART, 1.0)),
                "That is a 64th of the model on all of the data.",
            ),
            Misconception(
                "both-made-smaller",
                lambda: float(LAW.predict(PART, PART)),
                "That makes the model smaller as well. It keeps its full size.",
            ),
            Misconception(
                "accuracy",
                lambda: 1 - _at_part(),
                "That is the share of right answers.",
            ),
        ),
    ),
    Exercise(
        id="06.2",
        title="The slope that you measure",
        level="beginner",
        minutes=6,
        kind=Number(rel=0.005),
        reference=lambda: LAW.beta * (1 - (ERROR / GUESS) ** 2),
        right="Half of guessing hides a quarter of the exponent.",
        misconceptions=(
            Misconception(
                "full-exponent",
                lambda: LAW.beta,
                "That is the exponent of the power law. It shows in full only far below guessing.",
            ),
            Misconception(
                "not-squared",
                lambda: LAW.beta * (1 - ERROR / GUESS),
                "The ratio of the error to guessing is to be squared.",
            ),
            Misconception(
                "the-hidden-part",
                lambda: LAW.beta * (ERROR / GUESS) ** 2,
                "That is the part that is hidden. Which part is left?",
            ),
            Misconception(
                "share-only",
                lambda: 1 - (ERROR / GUESS) ** 2,
                "That is the share of the exponent that shows. Multiply it by the exponent.",
            ),
            Misconception(
                "square-root",
                lambda: LAW.beta * math.sqrt(1 - (ERROR / GUESS) ** 2),
                "There is no square root in the slope. It is in the error.",
            ),
            Misconception(
                "guess-is-one",
                lambda: LAW.beta * (1 - ERROR**2),
                "With ten classes, guessing is not always wrong: one answer in ten is right.",
            ),
            Misconception(
                "guess-one-in-two",
                lambda: LAW.beta * (1 - (ERROR / 0.5) ** 2),
                "Half wrong is guessing between two classes. There are ten.",
            ),
            Misconception(
                "divided",
                lambda: LAW.beta / (1 - (ERROR / GUESS) ** 2),
                "The measured slope is smaller than the exponent, not larger: multiply.",
            ),
        ),
    ),
    Exercise(
        id="06.3",
        title="Write the law",
        level="intermediate",
        minutes=8,
        kind=Function(CASES, rel=1e-6, name="error"),
        reference=error,
        right="The sum, then the envelope. It goes to `guess` where the sum is large, and to the "
        "sum times `guess / eta` where it is small.",
        misconceptions=(
            Misconception(
                "real-part",
                _real_part,
                "That is the real part of the complex number, which falls with the square of the "
                "sum. Take the modulus.",
            ),
            Misconception(
                "no-root",
                _no_root,
                "The root is missing: the modulus is the square root of the sum of two squares.",
            ),
            Misconception(
                "eta-not-squared",
                _eta_not_squared,
                "Under the root both are squared, the sum and `eta`.",
            ),
            Misconception(
                "no-square",
                _no_square,
                "The denominator is the length of `total - i eta`: the root of the sum of squares, "
                "not the sum.",
            ),
            Misconception(
                "i-left-out",
                _minus,
                "There is an i missing in the denominator: `1j * eta` in Python.",
            ),
            Misconception(
                "scaled-sum",
                _scaled_sum,
                "That is the limit far below the turn. It grows past guessing for small inputs.",
            ),
            Misconception(
                "sum-alone",
                _sum_alone,
                "That is the sum. The envelope, with `eta` and `guess`, is still to come.",
            ),
            Misconception(
                "cut-off",
                _cut,
                "A minimum has a corner where the envelope turns smoothly.",
            ),
            Misconception(
                "no-guess",
                _no_guess,
                "The argument `guess` is not used: for tiny inputs the error should be that of "
                "guessing.",
            ),
            Misconception(
                "growing",
                _growing,
                "The terms grow with size and data there. The exponents have minus signs.",
            ),
            Misconception(
                "swapped-exponents",
                _swapped_exponents,
                "`alpha` belongs to the size and `beta` to the data here; in the paper it is the "
                "other way round.",
            ),
            Misconception(
                "coefficient-on-the-data",
                _on_the_data,
                "`A` is the coefficient of the size. That of the data is 1.",
            ),
            Misconception(
                "no-floor",
                _no_floor,
                "The argument `E` is not used. It is part of the sum.",
            ),
            Misconception(
                "floor-outside",
                _floor_outside,
                "The floor was added after the envelope. It is part of the sum that is bent.",
            ),
        ),
    ),
    Exercise(
        id="06.4",
        title="Judge a forecast",
        level="intermediate",
        minutes=7,
        kind=Numbers(("mean", "std", "mean_abs"), rel=0.005),
        reference=lambda: _judged(_relative()),
        right="The mean says whether a forecast leans to one side, the other two how far it is "
        "off.",
        misconceptions=(
            Misconception(
                "by-the-forecast",
                lambda: _judged((PREDICTED - MEASURED) / PREDICTED),
                "Those are relative to the forecast. Divide by what was measured.",
            ),
            Misconception(
                "by-the-forecast-and-turned",
                lambda: _judged((MEASURED - PREDICTED) / PREDICTED),
                "Those are relative to the forecast, and the sign is turned too.",
            ),
            Misconception(
                "not-relative",
                lambda: _judged(PREDICTED - MEASURED),
                "Those are differences. Divide each by what was measured.",
            ),
            Misconception(
                "logarithms",
                lambda: _judged(np.log(PREDICTED / MEASURED)),
                "Those are logarithms of the ratios, near the divergence when it is small. Some "
                "here are not small.",
            ),
            Misconception(
                "sign",
                lambda: _judged(-_relative()),
                "The sign is turned: a forecast that is too high has a positive divergence.",
            ),
            Misconception(
                "sample-standard-deviation",
                lambda: _judged(_relative(), ddof=1),
                "That divides by five. `np.std`, as asked for, divides by six.",
            ),
            Misconception(
                "sign-dropped-first",
                lambda: _judged(abs(_relative())),
                "The sign was dropped before the mean and the spread. It belongs to both.",
            ),
            Misconception(
                "absolute-value-of-the-mean",
                lambda: _judged(_relative()) | {"mean_abs": float(abs(_relative().mean()))},
                "`mean_abs` is the mean of the absolute values, not the absolute value of the "
                "mean.",
            ),
            Misconception(
                "variance",
                lambda: _judged(_relative()) | {"std": float(_relative().var())},
                "`std` is the variance there. Take its square root.",
            ),
            Misconception(
                "about-zero",
                lambda: _judged(_relative()) | {"std": float(np.sqrt((_relative() ** 2).mean()))},
                "`std` is the spread about zero there. Take that about the mean.",
            ),
            Misconception(
                "ratio-of-means",
                lambda: {"mean": float(PREDICTED.mean() / MEASURED.mean() - 1)},
                "That is the divergence of the two means. Take that of each run, then the mean.",
            ),
        ),
    ),
    Exercise(
        id="06.5",
        title="What would help?",
        level="intermediate",
        minutes=5,
        kind=Choice(
            {
                "a": "More seeds of the same 36 runs.",
                "b": "More bootstrap resamples.",
                "c": "A few runs with more data and larger models, further from guessing.",
                "d": "More runs even closer to guessing, which cost least.",
                "e": "The plain sum, which has fewer constants.",
                "f": "Fitting the error of guessing as well, instead of holding it.",
            }
        ),
        reference="c",
        right="Only runs further from guessing show the slope and how low the floor may be.",
        misconceptions=(
            Misconception(
                "seeds",
                "a",
                "Seeds shrink the noise, which is at 2 % already. They show no other part of the "
                "surface.",
            ),
            Misconception(
                "resamples",
                "b",
                "More resamples make the ends of the interval steadier. They do not bring them "
                "nearer to each other.",
            ),
            Misconception(
                "cheapest",
                "d",
                "They are cheap, and say what is known: that small models guess. How much of the "
                "exponent shows there?",
            ),
            Misconception(
                "plain-sum",
                "e",
                "The plain sum cannot level off at guessing, so runs near it bend its exponents. A "
                "narrow interval in the wrong place is no gain.",
            ),
            Misconception(
                "free-guess",
                "f",
                "One more constant that the runs must pay for. What is known is better held.",
            ),
        ),
    ),
    Exercise(
        id="06.6",
        title="Forecast another sweep",
        level="advanced",
        minutes=15,
        kind=Numbers(("mean", "std"), rel=0.01),
        reference=_forecast,
        right="A forecast of the published size in the mean, with a wider spread.",
        misconceptions=(
            Misconception(
                "in-sample",
                lambda: _forecast(judged="inside"),
                "Those are the runs that were fitted. Judge the others.",
            ),
            Misconception(
                "plain-sum",
                lambda: _forecast(law="chinchilla"),
                'That is the plain sum. The envelope is `"rosenfeld"`.',
            ),
            Misconception(
                "everything-judged",
                lambda: _forecast(judged="all"),
                "Those are all runs, the fitted ones too. Judge only the others.",
            ),
            Misconception(
                "both-larger",
                lambda: _forecast(judged="both"),
                "Those runs are beyond the corner in both. One of the two is enough.",
            ),
            Misconception(
                "either-small",
                lambda: _forecast(either=True),
                "Runs small in one of the two were fitted. Both are asked for.",
            ),
            Misconception(
                "edge-left-out",
                lambda: _forecast(width=WIDTH - 1),
                "The width of 16 was left out. At most 16 means that it is in.",
            ),
            Misconception(
                "all-learning-rates",
                lambda: _forecast(chosen=False),
                "Those are the runs at all learning rates. Pass `chosen=True`.",
            ),
            Misconception(
                "free-guess",
                lambda: _forecast(guess=None),
                'The guess was fitted as well. Hold it: `fixed={"guess": np.log(128)}`.',
            ),
            Misconception(
                "guess-in-bits",
                lambda: _forecast(guess=7.0),
                "The guess is held at 7 bits. The losses are in nats.",
            ),
            Misconception(
                "another-objective",
                lambda: _forecast(objective="huber"),
                'That is the default objective. Asked for is `objective="lsq"`.',
            ),
            Misconception(
                "logarithms",
                lambda: _forecast(logarithm=True),
                "Those are logarithms of the ratios. Asked for is the relative divergence.",
            ),
            Misconception(
                "everything-fitted",
                lambda: _forecast(whole=True),
                "The law saw the hidden runs too. Fit the corner only.",
            ),
            Misconception(
                "another-sweep",
                lambda: _forecast(sweep="er-isoflop"),
                'That is the even walk. Asked for is `"biased-isoflop"`.',
            ),
        ),
    ),
    Exercise(
        id="06.7",
        title="From fractions to counts",
        level="advanced",
        minutes=12,
        kind=Numbers(("A", "eta"), rel=0.005),
        reference=_counts,
        right="A factor of the whole sum moves into eta, and no error changes.",
        misconceptions=(
            Misconception(
                "not-normalised",
                lambda: {"A": LAW.A * SIZE**LAW.alpha, "eta": LAW.eta},
                "The data term has a coefficient now. Divide the sum and eta by it, so that it is "
                "1 again.",
            ),
            Misconception(
                "eta-left",
                lambda: {"A": _counts()["A"], "eta": LAW.eta},
                "`A` is right. What is taken out of the sum must be taken out of eta too.",
            ),
            Misconception(
                "old-constants",
                lambda: {"A": LAW.A, "eta": LAW.eta},
                "Those are the constants for fractions. Put N / M and D / S into the sum first.",
            ),
            Misconception(
                "eta-multiplied",
                lambda: {"A": _counts()["A"], "eta": LAW.eta * IMAGES**LAW.beta},
                "`A` is right. The sum was divided by a factor; `eta` was multiplied by it.",
            ),
            Misconception(
                "size-not-divided",
                lambda: {"A": LAW.A * SIZE**LAW.alpha, "eta": _counts()["eta"]},
                "`eta` is right. The same factor is to be taken out of the term of the size.",
            ),
            Misconception(
                "size-divided",
                lambda: {"A": LAW.A / SIZE**LAW.alpha / IMAGES**LAW.beta, "eta": _counts()["eta"]},
                "`eta` is right. In `A` the factor of the size is upside down.",
            ),
            Misconception(
                "upside-down",
                lambda: {
                    "A": LAW.A * IMAGES**LAW.beta / SIZE**LAW.alpha,
                    "eta": LAW.eta * IMAGES**LAW.beta,
                },
                "The factors are upside down: a fraction is the count divided by the full size.",
            ),
            Misconception(
                "swapped-exponents",
                lambda: _counts(alpha=LAW.beta, beta=LAW.alpha),
                "The exponents are swapped: alpha belongs to the size, beta to the data.",
            ),
            Misconception(
                "size-left-in-fractions",
                lambda: _counts(size=1.0),
                "The data are in counts there, and the size is still a fraction.",
            ),
            Misconception(
                "millions",
                lambda: _counts(size=SIZE / 1e6),
                "The size is in millions there. Count parameters one by one.",
            ),
            Misconception(
                "no-exponents",
                lambda: {"A": LAW.A * SIZE / IMAGES, "eta": LAW.eta / IMAGES},
                "The full sizes enter with the exponents of their terms.",
            ),
            Misconception(
                "eta-by-the-size",
                lambda: {
                    "A": LAW.A * SIZE**LAW.alpha / IMAGES**LAW.beta,
                    "eta": LAW.eta / SIZE**LAW.alpha,
                },
                "`A` is right. Eta was divided by the factor of the size; divide it by the one "
                "that makes the data coefficient 1.",
            ),
        ),
    ),
)
