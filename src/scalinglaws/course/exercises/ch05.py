"""Exercises of chapter 05: learning curves are predictable."""

from __future__ import annotations

import math

import numpy as np

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.datasets import load_recorded
from scalinglaws.fitting import fit_curve
from scalinglaws.laws import published
from scalinglaws.laws.published import HESTNESS_TABLE

TRANSLATION = -HESTNESS_TABLE["machine translation"]["best model of each size"]
FIXED_MODEL = -HESTNESS_TABLE["machine translation"]["one fixed model"]
WORDS = -HESTNESS_TABLE["word language model"]["cross-entropy"]
SPEECH = -HESTNESS_TABLE["speech recognition"]["two architectures"]
BETTER = 0.7  # error of model B in units of that of model A
WIDTHS = {"twelve": 12, "twenty_four": 24}
LEAST_TOKENS, MOST_TOKENS = 2e5, 3e6
TENFOLD = 10.0


def data_factor(error, floor, alpha, fraction):
    """How many times the data bring an error above a floor to a fraction of itself."""
    return ((error - floor) / (fraction * error - floor)) ** (1 / alpha)


def _no_floor(error, floor, alpha, fraction):
    return fraction ** (-1 / alpha)


def _upside_down(error, floor, alpha, fraction):
    return 1 / data_factor(error, floor, alpha, fraction)


def _exponent_not_inverted(error, floor, alpha, fraction):
    return ((error - floor) / (fraction * error - floor)) ** alpha


def _floor_off_start_only(error, floor, alpha, fraction):
    return ((error - floor) / (fraction * error)) ** (1 / alpha)


def _floor_off_target_only(error, floor, alpha, fraction):
    return (error / (fraction * error - floor)) ** (1 / alpha)


def _floor_added(error, floor, alpha, fraction):
    return data_factor(error, -floor, alpha, fraction)


def _without_exponent(error, floor, alpha, fraction):
    return (error - floor) / (fraction * error - floor)


def _down_by_the_fraction(error, floor, alpha, fraction):
    return data_factor(error, floor, alpha, 1 - fraction)


def _extra_data(error, floor, alpha, fraction):
    return data_factor(error, floor, alpha, fraction) - 1


FLOORED = ((4.0, 1.0, 0.5, 0.5), (3.0, 0.5, 0.3, 0.7), (2.0, 0.2, 0.25, 0.4), (5.0, 0.0, 0.4, 0.5))


def _er(width: int, chosen: bool = True, least: float = LEAST_TOKENS, most: float = MOST_TOKENS):
    frame = load_recorded("er-isoflop", chosen=chosen).dropna(subset=["loss"])
    return frame[(frame["d_model"] == width) & frame["tokens"].between(least, most)]


def _exponents(column="excess", floor=False, sign=1.0, widths=WIDTHS, **options):
    objective = options.pop("objective", "lsq")
    out = {}
    for name, width in widths.items():
        mine = _er(width, **options)
        found = fit_curve(mine["tokens"], mine[column], floor=floor, objective=objective)
        out[name] = sign * found.law.alpha
    return out


def _swapped(values: dict[str, float]) -> dict[str, float]:
    return dict(zip(values, reversed(values.values()), strict=True))


def _forecast(column="excess", order=3, width=64, logs=True, rows=None, at=3, upside_down=False):
    """Ratio of forecast to observed for the trigrams, from three runs and from two."""
    frame = load_recorded("ladder", chosen=True)
    task = "ngram" if order == 2 else f"ngram:order={order}"
    mine = frame[(frame["task"] == task) & (frame["d_model"] == width)].sort_values("tokens")
    change = np.log if logs else np.asarray
    u, v = change(mine["tokens"].to_numpy(float)), change(mine[column].to_numpy())
    out = {}
    for name, some in (rows or {"three": slice(0, 3), "two": slice(1, 3)}).items():
        y = np.polyval(np.polyfit(u[some], v[some], 1), u[at])
        out[name] = float(np.exp(y - v[at]) if logs else y / v[at])
    return {k: 1 / x for k, x in out.items()} if upside_down else out


def _undivided() -> dict[str, float]:
    mine = load_recorded("ladder", chosen=True).query("task == 'ngram:order=3' and d_model == 64")
    observed = mine.sort_values("tokens")["excess"].iloc[-1]
    return {name: observed * ratio for name, ratio in _forecast().items()}


def _growth(power) -> float:
    return TENFOLD ** power(published("hoffmann"))


EXERCISES = (
    Exercise(
        id="05.1",
        title="Half the error in translation",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.01, unit="times"),
        reference=lambda: 0.5 ** (-1 / TRANSLATION),
        right="Doubling the data takes off less than a tenth of the error, so it takes nearly "
        "eight doublings.",
        misconceptions=(
            Misconception(
                "linear",
                2.0,
                "Twice the data halve the error only if the exponent is 1.",
            ),
            Misconception(
                "number-of-doublings",
                lambda: 1 / TRANSLATION,
                "That is how many *doublings* it takes. By which factor have the data grown after "
                "so many?",
            ),
            Misconception(
                "doublings-times-two",
                lambda: 2 / TRANSLATION,
                "Each doubling multiplies: raise 2 to the number of doublings, do not multiply by "
                "it.",
            ),
            Misconception(
                "exponent-not-inverted",
                lambda: 2**TRANSLATION,
                "That is the factor by which the error changes when the data double. Asked is the "
                "reverse.",
            ),
            Misconception(
                "sign",
                lambda: 2 ** (-1 / TRANSLATION),
                "That factor is below 1: less data for a smaller error. Check the sign in the "
                "exponent.",
            ),
            Misconception(
                "a-tenth",
                lambda: 10 ** (1 / TRANSLATION),
                "That brings the error to a tenth, not to a half.",
            ),
            Misconception(
                "base-e",
                lambda: math.exp(1 / TRANSLATION),
                "That brings the error down by a factor e. Asked is a factor of 2.",
            ),
            Misconception(
                "words",
                lambda: 2 ** (1 / WORDS),
                "That is for word language models, whose exponent is about half as large.",
            ),
            Misconception(
                "fixed-model",
                lambda: 2 ** (1 / FIXED_MODEL),
                "That is for one fixed model of translation. Asked is the best model of each size.",
            ),
        ),
    ),
    Exercise(
        id="05.2",
        title="Will data never help?",
        level="beginner",
        minutes=5,
        kind=Choice(
            {
                "a": "The loss has reached what cannot be learned.",
                "b": "All runs are in the small-data phase, and say nothing about the exponent of "
                "the next.",
                "c": "The loss should have been given in bits.",
                "d": "Each size needs more seeds.",
                "e": "Nothing: an exponent of 0.002 is what it is.",
                "f": "The model is too small, and this is its floor.",
            }
        ),
        reference="b",
        right="All four losses are those of an even guess. The onset lies further out, and the "
        "exponent can only be seen beyond it.",
        misconceptions=(
            Misconception(
                "irreducible",
                "a",
                "Both ends of a learning curve are level. Compare the loss with ln 100 to see "
                "which end this is.",
            ),
            Misconception(
                "units",
                "c",
                "Bits multiply all four losses by the same number. The exponent stays.",
            ),
            Misconception(
                "seeds",
                "d",
                "More seeds would make the four numbers sharper. Would they then tell you what "
                "comes at 100K examples?",
            ),
            Misconception(
                "extrapolated",
                "e",
                "The slope is right for these four runs. Is there a reason for it to stay the "
                "same outside them?",
            ),
            Misconception(
                "floor-of-the-model",
                "f",
                "A small model levels off *below* the best guess, at something that it did learn. "
                "What has been learned here?",
            ),
        ),
    ),
    Exercise(
        id="05.3",
        title="What a factor is worth",
        level="intermediate",
        minutes=8,
        kind=Number(rel=0.01, unit="times"),
        reference=lambda: BETTER ** (-1 / SPEECH),
        right="A factor in the error is a factor in the data, the same on every training set. "
        "With a small exponent it is a large one.",
        misconceptions=(
            Misconception(
                "exponent-forgotten",
                lambda: 1 / BETTER,
                "That is by how much A's error is larger. The data differ by more, since the "
                "exponent is below 1.",
            ),
            Misconception(
                "share-of-data",
                lambda: BETTER ** (1 / SPEECH),
                "That is the share of A's data that B needs. Asked is what A needs, in units of "
                "B's data.",
            ),
            Misconception(
                "exponent-not-inverted",
                lambda: BETTER**-SPEECH,
                "The exponent says what data do to the error. From error to data it is 1 over "
                "that.",
            ),
            Misconception(
                "errors-taken-for-data",
                lambda: BETTER**SPEECH,
                "That is the factor in the error when the data change by 0.7. Here 0.7 is the "
                "factor in the error.",
            ),
            Misconception(
                "to-0.3",
                lambda: (1 - BETTER) ** (-1 / SPEECH),
                "That is for an error of 0.3 times A's. B's is lower *by* 0.3, and *at* 0.7.",
            ),
            Misconception(
                "halved",
                lambda: 2 ** (1 / SPEECH),
                "That is for half the error. B's is 0.7 of A's.",
            ),
            Misconception(
                "plus-30-percent",
                lambda: (2 - BETTER) ** (1 / SPEECH),
                "If B is at 0.7 of A, then A is at 1/0.7 of B, which is not 1.3.",
            ),
            Misconception(
                "words",
                lambda: BETTER ** (-1 / WORDS),
                "That is the exponent of word language models. Speech has another one.",
            ),
            Misconception(
                "more-data",
                lambda: BETTER ** (-1 / SPEECH) - 1,
                "That is how much *more* data A needs. Asked is how many times as much.",
            ),
        ),
    ),
    Exercise(
        id="05.4",
        title="When there is a floor",
        level="intermediate",
        minutes=10,
        kind=Function(FLOORED, rel=1e-6, name="data_factor"),
        reference=data_factor,
        right="Data act on the part above the floor only. As the target comes down to the floor "
        "the factor grows without limit.",
        misconceptions=(
            Misconception(
                "no-floor",
                _no_floor,
                "That is the factor without a floor: `floor` and `error` are not used, or cancel. "
                "The fraction is one of the whole error, not of what lies above the floor.",
            ),
            Misconception(
                "upside-down",
                _upside_down,
                "The ratio is upside down: those are shares of the data, below 1.",
            ),
            Misconception(
                "exponent-not-inverted",
                _exponent_not_inverted,
                "Raised to `alpha` where `1 / alpha` is needed: you go from errors to data.",
            ),
            Misconception(
                "floor-off-the-start-only",
                _floor_off_start_only,
                "The floor is taken off the error of today, and not off the one that is wanted.",
            ),
            Misconception(
                "floor-off-the-target-only",
                _floor_off_target_only,
                "The floor is taken off the error that is wanted, and not off that of today.",
            ),
            Misconception(
                "floor-added",
                _floor_added,
                "The floor is added. What data can change is the error *less* the floor.",
            ),
            Misconception(
                "exponent-forgotten",
                _without_exponent,
                "That is the ratio of the two excesses. Data fall short of it by the exponent.",
            ),
            Misconception(
                "down-by-the-fraction",
                _down_by_the_fraction,
                "The error comes down *to* `fraction` of itself, and not *by* it.",
            ),
            Misconception(
                "extra-data",
                _extra_data,
                "That is how much *more* data it takes. Asked is how many times as much.",
            ),
        ),
    ),
    Exercise(
        id="05.5",
        title="Shift or tilt?",
        level="intermediate",
        minutes=12,
        kind=Numbers(tuple(WIDTHS), rel=0.005),
        reference=_exponents,
        right="The narrower model has the larger exponent: it is late, and catches up. Where one "
        "of two models is barely large enough, the curves are not parallel.",
        misconceptions=(
            Misconception(
                "swapped",
                lambda: _swapped(_exponents()),
                "The two are swapped.",
            ),
            Misconception(
                "floor-left-in",
                lambda: _exponents(column="loss"),
                "Those are exponents of the loss. The floor hides the fall: fit the column "
                "`excess`.",
            ),
            Misconception(
                "free-floor",
                lambda: _exponents(floor=True),
                "A floor was fitted on top. That of the excess is known to be 0: pass "
                "`floor=False`.",
            ),
            Misconception(
                "free-floor-of-the-loss",
                lambda: _exponents(column="loss", floor=True),
                "Those fits find their own floor. The entropy rate is known: fit the column "
                "`excess` with `floor=False`.",
            ),
            Misconception(
                "all-tokens",
                lambda: _exponents(least=0.0),
                "Those fits use the drop too. Keep the runs on more than 200,000 tokens.",
            ),
            Misconception(
                "unequal-ranges",
                lambda: _exponents(most=np.inf),
                "Width 12 has a run on 7.2M tokens, and width 24 has none. Stop at 3,000,000.",
            ),
            Misconception(
                "all-learning-rates",
                lambda: _exponents(chosen=False),
                "Those are the runs at all learning rates. Bad ones lie above the curve: pass "
                "`chosen=True`.",
            ),
            Misconception(
                "sign",
                lambda: _exponents(sign=-1.0),
                "Exponents are positive here: the minus stands in the formula.",
            ),
            Misconception(
                "another-objective",
                lambda: _exponents(objective="huber"),
                'Those fits use the default objective. Asked for is `objective="lsq"`.',
            ),
        ),
    ),
    Exercise(
        id="05.6",
        title="Ten times the data, how large a model?",
        level="advanced",
        minutes=8,
        kind=Number(rel=0.01, unit="times"),
        reference=lambda: _growth(lambda law: law.beta / law.alpha),
        right="Both terms have to fall by the same factor. The exponent lies inside the range of "
        "0.5 to 1 that was published five years earlier, for other models.",
        misconceptions=(
            Misconception(
                "upside-down",
                lambda: _growth(lambda law: law.alpha / law.beta),
                "That is how much the *data* must grow when the model grows tenfold.",
            ),
            Misconception(
                "in-step",
                TENFOLD,
                "In step with the data the size term would fall faster than the data term, "
                "because its exponent is larger.",
            ),
            Misconception(
                "allocation-exponent",
                lambda: _growth(lambda law: law.beta / (law.alpha + law.beta)),
                "That is the exponent of *compute*: the model for ten times the FLOPs. Here the "
                "data grow tenfold.",
            ),
            Misconception(
                "other-allocation-exponent",
                lambda: _growth(lambda law: law.alpha / (law.alpha + law.beta)),
                "That is how much the *data* grow for ten times the FLOPs. Here the data grow "
                "tenfold, and the model is asked for.",
            ),
            Misconception(
                "loss-exponent-of-data",
                lambda: _growth(lambda law: law.beta),
                "That is by how much the data term falls. How much larger a model makes the size "
                "term fall by as much?",
            ),
            Misconception(
                "loss-exponent-of-size",
                lambda: _growth(lambda law: law.alpha),
                "That is by how much the size term falls when the *model* grows tenfold.",
            ),
            Misconception(
                "one-over-alpha",
                lambda: _growth(lambda law: 1 / law.alpha),
                "That model makes the size term fall tenfold. The data term falls by less than "
                "that when the data grow tenfold.",
            ),
            Misconception(
                "square-root",
                lambda: TENFOLD**0.5,
                "The square root is how both grow with *compute*, roughly. Here the data are "
                "given.",
            ),
            Misconception(
                "exponent-only",
                lambda: math.log(_growth(lambda law: law.beta / law.alpha), TENFOLD),
                "That is the exponent. By which factor does the model grow for *ten times* the "
                "data?",
            ),
            Misconception(
                "rounded-constants",
                lambda: _growth(lambda law: round(law.beta, 2) / round(law.alpha, 2)),
                "That uses the exponents rounded to two digits. Take `law.alpha` and `law.beta`.",
            ),
            Misconception(
                "coefficients-left-in",
                lambda: (
                    (published("hoffmann").A / published("hoffmann").B)
                    ** (1 / published("hoffmann").alpha)
                    * _growth(lambda law: law.beta / law.alpha)
                ),
                "`A` and `B` are in it. They set the size of the model, and cancel in the ratio "
                "of two sizes.",
            ),
        ),
    ),
    Exercise(
        id="05.7",
        title="A forecast, and which runs to trust",
        level="advanced",
        minutes=15,
        kind=Numbers(("three", "two"), rel=0.01),
        reference=_forecast,
        right="The run on the least data belongs to another phase and flattens the line. Without "
        "it the forecast is closer, though two points cannot say how close.",
        misconceptions=(
            Misconception(
                "swapped",
                lambda: _swapped(_forecast()),
                "The two are swapped: `three` uses the three smaller sizes.",
            ),
            Misconception(
                "floor-left-in",
                lambda: _forecast(column="loss"),
                "Those are ratios of losses. Most of a loss is floor, which needs no forecast: "
                "use the excess.",
            ),
            Misconception(
                "upside-down",
                lambda: _forecast(upside_down=True),
                "That is observed over forecast. Asked is forecast over observed.",
            ),
            Misconception(
                "not-divided",
                _undivided,
                "Those are the forecasts themselves, in nats. Divide by the observed excess.",
            ),
            Misconception(
                "logs-not-undone",
                lambda: {name: math.log(ratio) for name, ratio in _forecast().items()},
                "Those are the logarithms of the ratios. Undo them with `np.exp`.",
            ),
            Misconception(
                "not-logged",
                lambda: _forecast(logs=False),
                "That line goes through the numbers themselves, and would fall below zero. Take "
                "logarithms of both.",
            ),
            Misconception(
                "another-width",
                lambda: _forecast(width=32),
                "Those are the runs of width 32. Asked for is 64.",
            ),
            Misconception(
                "another-rung",
                lambda: _forecast(order=2),
                "Those are the bigrams. Trigrams are `ngram:order=3`.",
            ),
            Misconception(
                "first-two",
                lambda: _forecast(rows={"three": slice(0, 3), "two": slice(0, 2)}),
                "`three` is right. `two` uses the *first* two sizes; asked for are the last two "
                "below the largest.",
            ),
            Misconception(
                "target-among-the-runs",
                lambda: _forecast(rows={"three": slice(1, 4), "two": slice(2, 4)}),
                "Those lines go through the largest run too. A forecast must not have seen it.",
            ),
        ),
    ),
)
