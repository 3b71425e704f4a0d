"""Exercises of chapter 11: Kaplan and Chinchilla reconciled."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.laws.published import GOPHER, PORIAN_STEPS, published

LAW = published("pearce")  # N does not count embeddings
SIZE = 3e6  # non-embedding parameters, exercise 1
TIMES = 100.0  # times the budget, exercise 2
FIRST, LAST = PORIAN_STEPS[0].refinedweb, PORIAN_STEPS[-1].refinedweb
LOW, HIGH = 1e18, 1e21  # budgets without embeddings in FLOP, exercise 4
BLOCKS, TABLES = 6144, 4608  # parameters of the course's model of width 16, exercise 5
TOTAL_A = 0.25  # how its total grows with compute
BUDGET = GOPHER.stated_flops  # FLOP, exercise 7


# ------------------------------------------------------------------- exercise 1: a share


def _share(n: float = SIZE) -> float:
    return float(1 - n / LAW.total_params(n))


# ------------------------------------------------------------------- exercise 4: two budgets


def _slope(sizes) -> float:
    return float(np.log(sizes[1] / sizes[0]) / np.log(HIGH / LOW))


def _best(counting: str = "non-embedding"):
    return [LAW.optimum_both(c, counting) for c in (LOW, HIGH)]


def _seen() -> float:
    return _slope([b.params for b in _best()])


# ------------------------------------------------------------------- exercise 5: a translation

_TABLE_SHARE = TABLES / (BLOCKS + TABLES)


def _translated(power: float = 0.5, share: float = _TABLE_SHARE) -> float:
    return TOTAL_A / (1 - (1 - power) * share)


# ------------------------------------------------------------------- exercise 6: any family

CASES = (
    {"params": 1e6, "alpha": 0.3478, "beta": 0.3658, "omega": 47_491.0, "power": 1 / 3},
    {"params": 1e4, "alpha": 0.34, "beta": 0.28, "omega": 60.0, "power": 0.5},
    {"params": 5e3, "alpha": 0.5, "beta": 0.8, "omega": 20.0, "power": 0.6},
)


def _parts(params, omega, power):
    """The elasticity and the slope of its logarithm."""
    t = omega * params**power
    e = (params + power * t) / (params + t)
    return e, (params + power**2 * t) / (params + power * t) - e


def local_exponent(params, alpha, beta, omega, power):
    """d ln N / d ln C at the optimum, embeddings counted neither in N nor in C."""
    e, rise = _parts(params, omega, power)
    return 1 / (1 + alpha / beta * e - rise / beta)


def _upside_down(params, alpha, beta, omega, power):
    return 1 / local_exponent(params, alpha, beta, omega, power)


def _no_hump(params, alpha, beta, omega, power):
    e, _ = _parts(params, omega, power)
    return 1 / (1 + alpha / beta * e)


def _hump_added(params, alpha, beta, omega, power):
    e, rise = _parts(params, omega, power)
    return 1 / (1 + alpha / beta * e + rise / beta)


def _hump_not_divided(params, alpha, beta, omega, power):
    e, rise = _parts(params, omega, power)
    return 1 / (1 + alpha / beta * e - rise)


def _rise_without_log(params, alpha, beta, omega, power):
    e, rise = _parts(params, omega, power)
    return 1 / (1 + alpha / beta * e - e * rise / beta)


def _power_not_squared(params, alpha, beta, omega, power):
    e, _ = _parts(params, omega, power)
    return 1 / (1 + alpha / beta * e - (1 - e) / beta)


def _always_a_third(params, alpha, beta, omega, power):
    return local_exponent(params, alpha, beta, omega, 1 / 3)


def _exponents_crossed(params, alpha, beta, omega, power):
    return local_exponent(params, beta, alpha, omega, power)


def _elasticity_upside_down(params, alpha, beta, omega, power):
    e, rise = _parts(params, omega, power)
    return 1 / (1 + alpha / beta / e + rise / beta)


def _counted(params, alpha, beta, omega, power):
    return beta / (alpha + beta)


def _growth_of_the_total(params, alpha, beta, omega, power):
    e, _ = _parts(params, omega, power)
    return e * local_exponent(params, alpha, beta, omega, power)


def _relabelled(params, alpha, beta, omega, power):
    e, _ = _parts(params, omega, power)
    return beta / (alpha + beta) / e


# ------------------------------------------------------------------- exercise 7: a straight line


def _line(counting: str = "non-embedding") -> float:
    """Size at which the line through Kaplan's study arrives."""
    study = LAW.kaplan_study(counting)
    slope, start = np.polyfit(np.log(study.flops), np.log(study.params), 1)
    return float(np.exp(start + slope * np.log(BUDGET)))


@lru_cache(maxsize=1)
def _price() -> dict[str, float]:
    size, best = _line(), LAW.optimum(BUDGET)
    loss = float(LAW.predict(size, BUDGET / (6 * size)))
    needed = brentq(lambda u: LAW.optimum(np.exp(u)).loss - loss, np.log(1e20), np.log(BUDGET))
    return {"times": size / best.params, "wasted": 1 - np.exp(needed) / BUDGET}


def _loss() -> float:
    size = _line()
    return float(LAW.predict(size, BUDGET / (6 * size)))


def _through_the_last_point() -> float:
    study = LAW.kaplan_study()
    return float(study.params[-1] * (BUDGET / study.flops[-1]) ** study.exponent)


EXERCISES = (
    Exercise(
        id="11.1",
        title="How much is table?",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.005, unit="of all parameters"),
        reference=_share,
        right="The cube root makes the table shrink slowly as models shrink, so small models are "
        "mostly table.",
        misconceptions=(
            Misconception(
                "the-other-share",
                lambda: 1 - _share(),
                "That is the share outside the embeddings. The question is for the rest.",
            ),
            Misconception(
                "ratio-to-the-blocks",
                lambda: _share() / (1 - _share()),
                "That is embeddings over non-embedding parameters. Divide by all of them.",
            ),
            Misconception(
                "percent",
                lambda: 100 * _share(),
                "That is a percentage. Give a fraction, between 0 and 1.",
            ),
            Misconception(
                "no-root",
                lambda: LAW.omega / (LAW.omega + SIZE),
                "ω is not the number of embedding parameters: it is multiplied by a power of N.",
            ),
            Misconception(
                "square-root",
                lambda: LAW.omega * SIZE**0.5 / (LAW.omega * SIZE**0.5 + SIZE),
                "The power is that of a width in a model whose depth grows with it: a cube root.",
            ),
            Misconception(
                "no-power",
                lambda: LAW.omega / (LAW.omega + 1),
                "That multiplies ω by the whole of N. A table grows more slowly than the blocks.",
            ),
            Misconception(
                "millions",
                lambda: LAW.omega * 3 ** (1 / 3) / (LAW.omega * 3 ** (1 / 3) + 3),
                "N went in as 3. ω belongs to N in units, not in millions.",
            ),
            Misconception(
                "took-it-for-the-total",
                lambda: float(1 - LAW.non_embedding_params(SIZE) / SIZE),
                "That takes 3 million for the total. It is the count without embeddings.",
            ),
            Misconception(
                "embedding-params",
                lambda: float(LAW.total_params(SIZE) - SIZE),
                "That is how many embedding parameters there are. Give them as a share of all.",
            ),
        ),
    ),
    Exercise(
        id="11.2",
        title="What an exponent is worth",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.005, unit="times"),
        reference=lambda: TIMES ** (FIRST - LAST),
        right=lambda factor: (
            "Exponents subtract where factors divide. Another factor of 100 makes it "
            f"{factor**2:.0f}."
        ),
        misconceptions=(
            Misconception(
                "ratio-of-exponents",
                lambda: FIRST / LAST,
                "That divides the exponents. Divide the sizes that they lead to.",
            ),
            Misconception(
                "difference-of-exponents",
                lambda: FIRST - LAST,
                "That is the difference of the exponents. What does it do to a hundredfold budget?",
            ),
            Misconception(
                "difference-of-sizes",
                lambda: TIMES**FIRST - TIMES**LAST,
                "That subtracts the two factors. Divide one by the other.",
            ),
            Misconception(
                "first-alone",
                lambda: TIMES**FIRST,
                "That is how much the size grows by the first study. Compare it with the other.",
            ),
            Misconception(
                "second-alone",
                lambda: TIMES**LAST,
                "That is how much the size grows by the second study. Compare it with the first.",
            ),
            Misconception(
                "linear",
                lambda: TIMES * (FIRST - LAST),
                "An exponent is not multiplied with the budget. The budget is raised to it.",
            ),
            Misconception(
                "ten-times",
                lambda: 10 ** (FIRST - LAST),
                "That is for ten times the budget. The question is for a hundred.",
            ),
            Misconception(
                "absolute-budget",
                lambda: (TIMES * 2.56e19) ** (FIRST - LAST),
                "That starts both from one FLOP. They agree at 2.56e19 FLOP, so only the ratio of "
                "budgets counts.",
            ),
            Misconception(
                "upside-down",
                lambda: TIMES ** (LAST - FIRST),
                "That is the smaller over the larger. Give it the other way round.",
            ),
            Misconception(
                "log-of-it",
                lambda: (FIRST - LAST) * np.log(TIMES),
                "That is the natural logarithm of the factor. Undo it.",
            ),
        ),
    ),
    Exercise(
        id="11.3",
        title="Retell it",
        level="beginner",
        minutes=5,
        kind=Choice(
            {
                "a": "The local exponent starts at 0.73 and glides down to 0.50 as models grow.",
                "b": "The local exponent is d ln C / d ln N, and for large models it tends to "
                "0.51.",
                "c": "Kaplan's smallest model had 768 million parameters, so embeddings hardly "
                "mattered in it.",
                "d": "Kaplan's exponent is an average over his range, in which the local exponent "
                "goes up and then down.",
                "e": "Leaving embeddings out multiplies the exponent by the same factor at every "
                "size.",
                "f": "With more runs and less noise, Kaplan's fit would have given 0.50.",
            }
        ),
        reference="d",
        right="An average of a curve with a hump: another range gives another average.",
        misconceptions=(
            Misconception(
                "glides-down",
                "a",
                "Follow the curve from the left. It does not start at 0.73, and does not fall at "
                "first.",
            ),
            Misconception(
                "inverted",
                "b",
                "The limit is right and the derivative is not: which of the two changes is divided "
                "by which?",
            ),
            Misconception(
                "million",
                "c",
                "The number lost its unit on the way. Count the smallest model again.",
            ),
            Misconception(
                "one-factor",
                "e",
                "If it were one factor, the exponent without embeddings would be a constant.",
            ),
            Misconception(
                "noise",
                "f",
                "The study of the opening has no noise, and one with another count of the same law "
                "finds another exponent.",
            ),
        ),
    ),
    Exercise(
        id="11.4",
        title="Three decades of compute",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.005),
        reference=_seen,
        right="Most of the hump lies at smaller sizes, so it is near the limit of large models, "
        "and still above it.",
        misconceptions=(
            Misconception(
                "embeddings-counted",
                lambda: LAW.chinchilla.a,
                "That is the exponent with embeddings counted in N and in C. This study counts "
                "them in neither.",
            ),
            Misconception(
                "upside-down",
                lambda: 1 / _seen(),
                "That is d ln C / d ln N. The exponent is its inverse.",
            ),
            Misconception(
                "tokens",
                lambda: 1 - _seen(),
                "That is the exponent of the tokens. The question is for the size.",
            ),
            Misconception(
                "total-of-the-same-models",
                lambda: _slope([b.total_params for b in _best()]),
                "Those are total parameters on budgets without embeddings. Use one count for both.",
            ),
            Misconception(
                "total-budgets",
                lambda: _slope([b.params for b in _best("total")]),
                "Those budgets count embeddings, and the sizes do not. Use one count for both.",
            ),
            Misconception(
                "mean-of-the-ends",
                lambda: float(np.mean(LAW.local_exponent([b.params for b in _best()]))),
                "That is the mean of the local exponents at the two ends. Between them the curve "
                "is not straight.",
            ),
            Misconception(
                "least-squares-line",
                lambda: LAW.average_exponent(*(b.params for b in _best()), "fit"),
                "That is a line through many optima. End to end takes only the two at the ends.",
            ),
            Misconception(
                "local-in-the-middle",
                lambda: float(LAW.local_exponent(LAW.optimum((LOW * HIGH) ** 0.5).params)),
                "That is the local exponent at the middle budget. The study covers three decades.",
            ),
            Misconception(
                "local-at-the-low-end",
                lambda: float(LAW.local_exponent(_best()[0].params)),
                "That is the local exponent at the lower budget. The study covers three decades.",
            ),
            Misconception(
                "local-at-the-high-end",
                lambda: float(LAW.local_exponent(_best()[1].params)),
                "That is the local exponent at the higher budget. The study covers three decades.",
            ),
            Misconception(
                "kaplans-range",
                lambda: LAW.kaplan_study().exponent,
                "That is the exponent over Kaplan's range. This study has other budgets.",
            ),
            Misconception(
                "ratio-of-sizes",
                lambda: _best()[1].params / _best()[0].params,
                "That is by how much the size grows. Compare its logarithm with that of the "
                "budgets' ratio.",
            ),
            Misconception(
                "mixed-logarithms",
                lambda: _seen() * np.log(10),
                "One logarithm is natural and the other to base 10.",
            ),
            Misconception(
                "per-decade",
                lambda: 3 * _seen(),
                "That divides by the logarithm of one decade. The budgets span three.",
            ),
        ),
    ),
    Exercise(
        id="11.5",
        title="Translate an exponent",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.005),
        reference=_translated,
        right="The total grows more slowly than the blocks, so the same models give the blocks a "
        "larger exponent.",
        misconceptions=(
            Misconception(
                "multiplied",
                lambda: TOTAL_A**2 / _translated(),
                "The elasticity was multiplied on. If the total grows by e per cent for one per "
                "cent of blocks, which of the two grows faster?",
            ),
            Misconception(
                "cube-root",
                lambda: _translated(1 / 3),
                "That takes tables like the cube root of the blocks. These models do not grow in "
                "depth.",
            ),
            Misconception(
                "divided-by-the-share-of-blocks",
                lambda: _translated(0.0),
                "That treats the tables as if they did not grow at all. They grow with the width.",
            ),
            Misconception(
                "divided-by-the-share-of-tables",
                lambda: TOTAL_A / _TABLE_SHARE,
                "That divides by the share of the tables. The elasticity weighs both parts.",
            ),
            Misconception(
                "unchanged",
                TOTAL_A,
                "That is the exponent of the total. The same models have blocks that grow at "
                "another rate.",
            ),
            Misconception(
                "all-table",
                lambda: 2 * TOTAL_A,
                "That would be right if the model were nothing but tables.",
            ),
            Misconception(
                "ratio-to-the-blocks",
                lambda: _translated(share=TABLES / BLOCKS),
                "The tables were divided by the blocks. Their share is that of all parameters.",
            ),
            Misconception(
                "shares-changed-places",
                lambda: _translated(share=1 - _TABLE_SHARE),
                "The half went to the blocks. It belongs to the tables.",
            ),
            Misconception(
                "elasticity",
                lambda: TOTAL_A / _translated(),
                "That is the elasticity. Use it to turn one exponent into the other.",
            ),
            Misconception(
                "scaled-by-the-size",
                lambda: TOTAL_A * BLOCKS / (BLOCKS + TABLES),
                "That scales the exponent with the size of the blocks. Exponents compare rates of "
                "growth, not sizes.",
            ),
        ),
    ),
    Exercise(
        id="11.6",
        title="The exponent for any family",
        level="advanced",
        minutes=20,
        kind=Function(cases=CASES, rel=1e-6, name="local_exponent"),
        reference=local_exponent,
        right="Only the elasticity knows about the family; the balance at the optimum does not.",
        misconceptions=(
            Misconception(
                "upside-down",
                _upside_down,
                "That is d ln C / d ln N. The exponent asked for is its inverse.",
            ),
            Misconception(
                "no-hump",
                _no_hump,
                "The last term is missing: the elasticity itself changes from size to size.",
            ),
            Misconception(
                "hump-added",
                _hump_added,
                "The term of the rising elasticity has the wrong sign: it makes 1/g smaller.",
            ),
            Misconception(
                "hump-not-divided",
                _hump_not_divided,
                "The term of the rising elasticity lacks its 1/β.",
            ),
            Misconception(
                "rise-without-logarithm",
                _rise_without_log,
                "That has the derivative of e where the derivative of ln e belongs.",
            ),
            Misconception(
                "power-not-squared",
                _power_not_squared,
                "In the rise, the power comes down a second time: the numerator of e is "
                "differentiated again.",
            ),
            Misconception(
                "always-a-third",
                _always_a_third,
                "That has 1/3 built in. The power is an argument.",
            ),
            Misconception(
                "exponents-crossed",
                _exponents_crossed,
                "α and β have changed places.",
            ),
            Misconception(
                "elasticity-upside-down",
                _elasticity_upside_down,
                "The elasticity is upside down: it is d ln N_T / d ln N_E, between the power and "
                "1.",
            ),
            Misconception(
                "embeddings-counted",
                _counted,
                "That is the exponent with embeddings counted in N and in C.",
            ),
            Misconception(
                "growth-of-the-total",
                _growth_of_the_total,
                "That is how fast the total count grows. Asked for is the growth of N without "
                "embeddings.",
            ),
            Misconception(
                "only-relabelled",
                _relabelled,
                "That divides the exponent of the total count by the elasticity: right when only N "
                "is counted anew. Here C is as well.",
            ),
        ),
    ),
    Exercise(
        id="11.7",
        title="The price of the straight line",
        level="advanced",
        minutes=15,
        kind=Numbers(("times", "wasted"), rel=0.02),
        reference=_price,
        right="The line describes its range well. Beyond it the exponent is smaller, and the error "
        "grows with every decade.",
        misconceptions=(
            Misconception(
                "share-needed",
                lambda: {"wasted": 1 - _price()["wasted"]},
                "The second number is the share that was enough. The question is for the rest.",
            ),
            Misconception(
                "percent",
                lambda: {"wasted": 100 * _price()["wasted"]},
                "The waste is a percentage. Give a fraction, between 0 and 1.",
            ),
            Misconception(
                "nats",
                lambda: {"wasted": _loss() - LAW.optimum(BUDGET).loss},
                "The second number is the loss given up, in nats. Ask which budget reaches that "
                "loss at best.",
            ),
            Misconception(
                "share-of-the-loss",
                lambda: {"wasted": 1 - LAW.optimum(BUDGET).loss / _loss()},
                "The second number compares losses at one budget. Compare budgets at one loss.",
            ),
            Misconception(
                "share-of-the-needed",
                lambda: {"wasted": 1 / (1 - _price()["wasted"]) - 1},
                "The waste is given as a share of what was needed. Give it as a share of the "
                "budget.",
            ),
            Misconception(
                "budget-over-needed",
                lambda: {"wasted": 1 / (1 - _price()["wasted"])},
                "The second number is the budget over what was needed. Turn it into the fraction "
                "that was not needed.",
            ),
            Misconception(
                "size-too-large",
                lambda: {"wasted": 1 - 1 / _price()["times"]},
                "The second number compares sizes. Both runs cost the same; compare what their "
                "losses cost at best.",
            ),
            Misconception(
                "best-over-line",
                lambda: {"times": 1 / _price()["times"]},
                "The first number is the best size over the line's. Give it the other way round.",
            ),
            Misconception(
                "embeddings-counted",
                lambda: {"times": _line("total") / LAW.chinchilla.optimum(BUDGET).params},
                "The first number belongs to the study that counts embeddings. Its line is "
                "straight, and nearly right.",
            ),
            Misconception(
                "through-the-last-point",
                lambda: {"times": _through_the_last_point() / LAW.optimum(BUDGET).params},
                "That line starts at the last point of the study, which lies off the fitted line.",
            ),
            Misconception(
                "size-itself",
                lambda: {"times": _line()},
                "The first number is the size by the line. Divide it by the best size.",
            ),
        ),
    ),
)
