"""Exercises of chapter 4: four learning curves."""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.optimize import brentq

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.laws.published import published
from scalinglaws.theory import FlippedLabelsERM, NoiselessMachine, NoisyMachine

FACTOR = 0.02 / 0.005  # by which the error falls in exercise 1
FLIP = 0.1  # exercise 3
GAP = 0.02  # exercise 4
NARROW = 0.01  # exercise 6
STARTS = {"early": 10, "late": 10_000}
TIMES = 10.0  # exercise 7
PARAMS, RATIO = 70e9, 20  # exercise 8: Chinchilla

H = GAP / (1 - GAP)


def _entropy(f: float) -> float:
    return -f * math.log(f) - (1 - f) * math.log(1 - f)


# ---- exercise 5


def gibbs_error(x):
    """Mean error of a boundary drawn evenly from the version space."""
    p, q = _sides(x)
    return (p**2 + q**2) / (2 * (p + q))


def _sides(x):
    x = np.asarray(x, dtype=float)
    return 0.5 - x[x < 0.5].max(initial=0.0), x[x > 0.5].min(initial=1.0) - 0.5


def _width(x):
    return sum(_sides(x))


def _third(x):
    return sum(_sides(x)) / 3


def _positions(x):
    """With the positions of the nearest examples in place of their distances from 0.5."""
    p, q = _sides(x)
    low, high = 0.5 - p, 0.5 + q
    return (low**2 + high**2) / (2 * (low + high))


def _even_sides(x):
    """Each side with the same chance, whatever its width."""
    return sum(_sides(x)) / 4


def _no_half(x):
    return 2 * gibbs_error(x)


def _middle(x):
    p, q = _sides(x)
    return abs(p - q) / 2


def _worst(x):
    return max(_sides(x))


def _quarter_turn(x):
    """The chance of the other side."""
    p, q = _sides(x)
    return p * q / (p + q)


def _furthest(x):
    x = np.asarray(x, dtype=float)
    p, q = 0.5 - x[x < 0.5].min(initial=0.5), x[x > 0.5].max(initial=0.5) - 0.5
    return (p**2 + q**2) / (2 * (p + q)) if p + q else 0.25


def _not_divided(x):
    p, q = _sides(x)
    return (p**2 + q**2) / 2


def _one_draw(x):
    p, q = _sides(x)
    return abs(np.random.default_rng(0).uniform(-p, q))


def _law(x):
    """The mean over data sets with as many examples, instead of the error for these."""
    return 2 / (3 * (len(x) + 1))


CASES = (
    (np.array([0.1, 0.45, 0.6, 0.9]),),
    (np.array([0.3, 0.52, 0.58, 0.49, 0.05]),),
    (np.array([0.7, 0.95]),),
    (np.array([]),),
)

# ---- exercise 6


@functools.cache
def _slopes(gap=NARROW, log=True, sign=-1, asymptote=False, score="error"):
    machine = NoiselessMachine(gap=gap, score=score)
    found = {}
    for name, start in STARTS.items():
        t = start * np.array([1, 2, 4, 8])
        loss = machine.asymptote(t) if asymptote else machine.exact(t)
        found[name] = float(sign * np.polyfit(np.log(t) if log else t, np.log(loss), 1)[0])
    return found


def _all_points():
    t = np.concatenate([start * np.array([1, 2, 4, 8]) for start in STARTS.values()])
    slope = -np.polyfit(np.log(t), np.log(NoiselessMachine(gap=NARROW).exact(t)), 1)[0]
    return dict.fromkeys(STARTS, float(slope))


def _swapped(values):
    return dict(zip(values, reversed(values.values()), strict=True))


# ---- exercise 7


def _share(condition, low=0.0, high=0.4999) -> float:
    return float(brentq(condition, low, high))


def _ratio(f: float) -> float:
    return FlippedLabelsERM(f).constant / NoiselessMachine().constant


# ---- exercise 8


def _language(params=PARAMS, tokens=PARAMS * RATIO, half=0.5, rate=None) -> float:
    law = published("besiroglu")
    parametric = half * params / tokens if rate is None else rate
    return law.B * tokens**-law.beta / parametric


EXERCISES = (
    Exercise(
        id="04.1",
        title="What a quarter of the error costs",
        level="beginner",
        minutes=4,
        kind=Number(rel=0.005),
        reference=lambda: FACTOR ** (1 / NoisyMachine().exponent),
        right="The number of examples grows by the square of the factor by which the error is "
        "to fall. That makes type 3 expensive.",
        misconceptions=(
            Misconception(
                "type-1",
                lambda: FACTOR,
                "That would do for type 1, where the error is proportional to 1/t. Here it is "
                "proportional to one over the square root.",
            ),
            Misconception(
                "root-not-square",
                lambda: FACTOR**0.5,
                "That is the square root of the factor, the price on a curve of type 2. The "
                "exponent of type 3 is a half, so `t` grows by the inverse power.",
            ),
            Misconception(
                "upside-down",
                lambda: FACTOR**-2,
                "That is less than one. A smaller error takes more examples, not fewer.",
            ),
            Misconception(
                "doubled",
                lambda: 2 * FACTOR,
                "Twice the factor is not its square.",
            ),
            Misconception(
                "cube",
                lambda: FACTOR**3,
                "That is the price with an exponent of a third, the false friend of type 3.",
            ),
            Misconception(
                "difference",
                lambda: (2 - 0.5) ** 2,
                "That uses the difference of the two errors. A power law is about their ratio.",
            ),
        ),
    ),
    Exercise(
        id="04.2",
        title="Which type is it?",
        level="beginner",
        minutes=4,
        kind=Choice(
            {
                "a": "It falls to zero like 1/t.",
                "b": "It falls to zero like 1/t².",
                "c": "It falls to zero like 1/√t.",
                "d": "It falls to a floor, and what is above falls like 1/t.",
                "e": "It falls to a floor, and what is above falls like 1/√t.",
                "f": "It falls to zero exponentially.",
            }
        ),
        reference="d",
        right="A noisy teacher and a student that gives probabilities: type 4. The floor is the "
        "entropy of tomorrow's weather, given what the service knows.",
        misconceptions=(
            Misconception(
                "no-noise",
                "a",
                "That is type 1, where the teacher never hesitates. Does the service know "
                "everything that decides about rain?",
            ),
            Misconception(
                "many-right",
                "b",
                "That is type 2: no noise, and a whole set of right answers. Is every forecast "
                "in some set perfect here?",
            ),
            Misconception(
                "label-not-probability",
                "c",
                "That is type 3, a student that gives a label and is scored against clean ones. "
                "This one gives a probability, and is scored by what came.",
            ),
            Misconception(
                "linear-above-the-floor",
                "e",
                "The floor is there. But the floor is a minimum, and round a minimum the cost is "
                "quadratic in the error of the estimate.",
            ),
            Misconception(
                "exponential",
                "f",
                "That needs a gap besides the noise, and a student that gives labels.",
            ),
        ),
    ),
    Exercise(
        id="04.3",
        title="The floor of a teacher that flips",
        level="beginner",
        minutes=6,
        kind=Number(rel=0.005, unit="nats"),
        reference=lambda: _entropy(FLIP),
        right="It is the entropy of one label. One label in ten costs most of it: each of these "
        "is a surprise of more than two nats.",
        misconceptions=(
            Misconception(
                "bits",
                lambda: _entropy(FLIP) / math.log(2),
                "That is in bits. Nats use the natural logarithm.",
            ),
            Misconception(
                "error-floor",
                lambda: FLIP,
                "That is how often the likelier label does not come: the floor of the error. "
                "Asked for is the entropic loss.",
            ),
            Misconception(
                "sampled",
                lambda: 2 * FLIP * (1 - FLIP),
                "That is how often a label drawn from the student's probability differs from the "
                "teacher's. Asked for is the entropic loss.",
            ),
            Misconception(
                "likely-label-only",
                lambda: -math.log(1 - FLIP),
                "That is the loss on the likelier label alone. One in ten is the other one.",
            ),
            Misconception(
                "rare-label-only",
                lambda: -math.log(FLIP),
                "That is the loss on a flipped label alone. They are one in ten.",
            ),
            Misconception(
                "one-term",
                lambda: -FLIP * math.log(FLIP),
                "That is the share of the flipped labels. The others cost something as well.",
            ),
            Misconception(
                "other-term",
                lambda: -(1 - FLIP) * math.log(1 - FLIP),
                "That is the share of the labels that were not flipped. Add that of the others.",
            ),
            Misconception(
                "plain-mean",
                lambda: -(math.log(FLIP) + math.log(1 - FLIP)) / 2,
                "The two surprises were averaged evenly. They do not come equally often.",
            ),
            Misconception(
                "knows-nothing",
                lambda: math.log(2),
                "That is the loss of a student that gives one half to each label. This one knows "
                "the teacher.",
            ),
            Misconception(
                "hesitating-teacher",
                lambda: NoisyMachine(score="entropic").floor,
                "That is the floor of the teacher in the text, which hesitates near the middle. "
                "This one flips everywhere alike.",
            ),
            Misconception(
                "no-loss",
                lambda: 0.0,
                "Even a student that knows everything about the teacher cannot foresee which "
                "labels are flipped.",
            ),
            Misconception(
                "log10",
                lambda: _entropy(FLIP) / math.log(10),
                "That uses logarithms to base 10. `np.log` is the natural one.",
            ),
            Misconception(
                "sign",
                lambda: -_entropy(FLIP),
                "Logarithms of probabilities are negative; the loss is minus them.",
            ),
        ),
    ),
    Exercise(
        id="04.4",
        title="When does a gap show?",
        level="intermediate",
        minutes=8,
        kind=Number(rel=0.005, unit="examples"),
        reference=lambda: NoiselessMachine(gap=GAP).constant / NoiselessMachine().constant,
        right="About three over the gap. Fewer examples than that cannot tell type 2 from type 1.",
        misconceptions=(
            Misconception(
                "without-density",
                lambda: 3 / GAP,
                "Nearly. The inputs are squeezed into what the gap leaves of the line, so the "
                "second law has a factor `1 - g`.",
            ),
            Misconception(
                "scale-only",
                lambda: 1 / GAP,
                "That is the scale on which the turn happens. The two laws have constants as well.",
            ),
            Misconception(
                "one-over-h",
                lambda: 1 / H,
                "That is one over the gap in shares of the inputs. The two laws have constants "
                "as well.",
            ),
            Misconception(
                "entropic-without-density",
                lambda: 2 / GAP,
                "That sets the law of type 2 equal to `1/t`, the entropic loss, and leaves out the "
                "factor `1 - g`.",
            ),
            Misconception(
                "power-not-cancelled",
                lambda: 3 / H / GAP,
                "The gap is in there twice. In equation (4.3) it stands once.",
            ),
            Misconception(
                "entropic",
                lambda: 2 / H,
                "That sets the law of type 2 equal to `1/t`, the entropic loss. The error has "
                "another constant.",
            ),
            Misconception(
                "two-thirds-multiplied",
                lambda: 2 / H * 2 / 3,
                "The constants were multiplied. Set equal, one divides the other.",
            ),
            Misconception(
                "root",
                lambda: math.sqrt(3 / H),
                "A square root too many: on both sides there is a power of t, and one cancels.",
            ),
            Misconception(
                "root-of-one-side",
                lambda: math.sqrt(2 / H),
                "That is where the law of type 2 reaches 1. Set it equal to the other law.",
            ),
            Misconception(
                "upside-down",
                lambda: H / 3,
                "That is upside down: less than one example.",
            ),
            Misconception(
                "density-upside-down",
                lambda: 3 / (GAP * (1 - GAP)),
                "The factor `1 - g` stands above the line, not below it: the inputs are denser "
                "where there are any.",
            ),
            Misconception(
                "two-percent-as-two",
                lambda: 3 * (1 - 0.2) / 0.2,
                "That is for a gap of 0.2. Asked for is a fiftieth.",
            ),
        ),
    ),
    Exercise(
        id="04.5",
        title="The error of a student, averaged over its draw",
        level="intermediate",
        minutes=10,
        kind=Function(CASES, rel=1e-3, name="gibbs_error"),
        reference=gibbs_error,
        right="The wider side is drawn more often, and costs more when it is drawn. Hence squares.",
        misconceptions=(
            Misconception(
                "width",
                _width,
                "That is the width of the version space. The error is a part of it: how far is "
                "the drawn boundary from 0.5, on average?",
            ),
            Misconception(
                "even-sides",
                _even_sides,
                "That gives both sides the same chance. A boundary drawn evenly lands more often "
                "on the wider one.",
            ),
            Misconception(
                "worst-on-each-side",
                _no_half,
                "Twice too much: drawn evenly between 0.5 and p away, the boundary is off by half "
                "of p on average.",
            ),
            Misconception(
                "middle",
                _middle,
                "That student takes the middle of the version space. Here it draws.",
            ),
            Misconception(
                "worst",
                _worst,
                "That is the worst boundary of the version space, not the mean one.",
            ),
            Misconception(
                "chances-exchanged",
                _quarter_turn,
                "There the side p is weighted with the chance of q. The chance of landing on the "
                "left is p / (p + q).",
            ),
            Misconception(
                "furthest",
                _furthest,
                "That takes the example furthest from the boundary on each side. The nearest "
                "ones limit the version space.",
            ),
            Misconception(
                "third-of-the-width",
                _third,
                "A third of the width is right on average over data sets. For given examples the "
                "share depends on how the width is split.",
            ),
            Misconception(
                "positions",
                _positions,
                "Those are the positions of the nearest examples. The formula takes their "
                "distances from 0.5.",
            ),
            Misconception(
                "not-divided",
                _not_divided,
                "The chance of a side is its width divided by the width of the version space.",
            ),
            Misconception(
                "one-draw",
                _one_draw,
                "That is the error of one drawn boundary. Asked for is the mean over all draws; "
                "it needs no random numbers.",
            ),
            Misconception(
                "law",
                _law,
                "That is the law for the mean over all data sets of this size. Asked for is the "
                "error with these very examples.",
            ),
        ),
    ),
    Exercise(
        id="04.6",
        title="One curve, two exponents",
        level="intermediate",
        minutes=8,
        kind=Numbers(tuple(STARTS), rel=0.005),
        reference=_slopes,
        right="One machine and one curve, and the exponent depends on where you look. Report a "
        "range with every exponent.",
        misconceptions=(
            Misconception(
                "swapped",
                lambda: _swapped(_slopes()),
                "The two are swapped: `early` belongs to the few examples.",
            ),
            Misconception(
                "sign",
                lambda: _slopes(sign=1),
                "Those are the slopes. The exponents are minus that, so that they are positive.",
            ),
            Misconception(
                "final-law",
                lambda: _slopes(asymptote=True),
                "That is the law for endlessly many examples, `asymptote`. Asked for is what the "
                "exact curve does in these ranges.",
            ),
            Misconception(
                "no-gap",
                lambda: _slopes(gap=0.0),
                "That machine has no gap: pass `gap=0.01`.",
            ),
            Misconception(
                "another-gap",
                lambda: _slopes(gap=0.1),
                "That gap is a tenth. The task says a hundredth.",
            ),
            Misconception(
                "narrower-gap",
                lambda: _slopes(gap=0.001),
                "That gap is a thousandth. The task says a hundredth.",
            ),
            Misconception(
                "one-line",
                _all_points,
                "That is one line through all eight points. Fit two, of four points each.",
            ),
            Misconception(
                "x-not-logged",
                lambda: _slopes(log=False),
                "The number of examples is not logged there: that is the rate of an exponential.",
            ),
            Misconception(
                "entropic",
                lambda: _slopes(score="entropic"),
                'That is the entropic loss. Asked for is the error, `score="error"`, which is '
                "the default.",
            ),
        ),
    ),
    Exercise(
        id="04.7",
        title="Ten times the examples",
        level="advanced",
        minutes=12,
        kind=Number(rel=0.005),
        reference=lambda: _share(lambda f: _ratio(f) - TIMES),
        right="Noise of this kind leaves the exponent alone and multiplies the bill. Each label "
        "that is wrong has to be outvoted.",
        misconceptions=(
            Misconception(
                "constant-not-ratio",
                lambda: _share(lambda f: FlippedLabelsERM(f).constant - TIMES),
                "That makes the constant ten. Without flips it is not one, so this is not ten "
                "times.",
            ),
            Misconception(
                "other-root",
                lambda: 1 - _share(lambda f: _ratio(f) - TIMES),
                "That is the other root: this teacher is wrong more often than right, and the "
                "student with the fewest errors would learn the opposite.",
            ),
            Misconception(
                "numerator-forgotten",
                lambda: _share(lambda f: (1 - 2 * f) ** -2 - TIMES),
                "That leaves out the numerator, `2 + f(1 - f)`, which grows with f as well.",
            ),
            Misconception(
                "square-forgotten",
                lambda: _share(lambda f: 1 / (1 - 2 * f) - TIMES),
                "The bracket `1 - 2f` stands there squared, and the numerator counts as well.",
            ),
            Misconception(
                "square-root-law",
                lambda: _share(lambda f: _ratio(f) - math.sqrt(TIMES)),
                "With exponent 1/2 the constant would grow by the root of ten. The exponent of "
                "this machine is 1.",
            ),
            Misconception(
                "squared",
                lambda: _share(lambda f: _ratio(f) - TIMES**2),
                "That is a hundred times the examples. With exponent 1 the constant grows by as "
                "much as the examples do.",
            ),
            Misconception(
                "product-not-share",
                lambda: (
                    _share(lambda f: _ratio(f) - TIMES) * (1 - _share(lambda f: _ratio(f) - TIMES))
                ),
                "That is f(1 - f). Solve the quadratic for f.",
            ),
            Misconception(
                "one-tenth",
                lambda: 1 / TIMES,
                "Flipping every tenth label is far from enough. How does the constant depend on f?",
            ),
        ),
    ),
    Exercise(
        id="04.8",
        title="Is language learned at the parametric rate?",
        level="advanced",
        minutes=10,
        kind=Number(rel=0.005),
        reference=_language,
        right="Lack of data costs several times what the parametric rate would allow. "
        "At fixed tokens per parameter the first number stays, while the second falls with D.",
        misconceptions=(
            Misconception(
                "half-forgotten",
                lambda: _language(half=1.0),
                "Each parameter costs half a nat per token of data.",
            ),
            Misconception(
                "twice-for-half",
                lambda: _language(half=2.0),
                "Each parameter costs half a nat per token, N / (2D), not twice N / D.",
            ),
            Misconception(
                "upside-down",
                lambda: 1 / _language(),
                "That is upside down: the second number over the first is asked for.",
            ),
            Misconception(
                "term-alone",
                lambda: _language(rate=1.0),
                "That is the second number, B D^-β. Divide it by the first.",
            ),
            Misconception(
                "rate-alone",
                lambda: 0.5 / RATIO,
                "That is the first number, N / (2D). Divide the second by it.",
            ),
            Misconception(
                "model-term",
                lambda: (
                    published("besiroglu").A
                    * PARAMS ** -published("besiroglu").alpha
                    / (0.5 / RATIO)
                ),
                "That compares the model term, A N^-α. Lack of data is the other term.",
            ),
            Misconception(
                "both-terms",
                lambda: (
                    _language()
                    + published("besiroglu").A
                    * PARAMS ** -published("besiroglu").alpha
                    / (0.5 / RATIO)
                ),
                "That has the model term in it as well, A N^-α. Lack of data is B D^-β alone.",
            ),
            Misconception(
                "exponent-of-size",
                lambda: (
                    published("besiroglu").B
                    * (PARAMS * RATIO) ** -published("besiroglu").alpha
                    / (0.5 / RATIO)
                ),
                "The exponent of the data is β; α belongs to the parameters.",
            ),
            Misconception(
                "tokens-for-parameters",
                lambda: (
                    published("besiroglu").B
                    * PARAMS ** -published("besiroglu").beta
                    / (0.5 / RATIO)
                ),
                "The number of parameters stands in the data term. D is the number of tokens.",
            ),
            Misconception(
                "with-floor",
                lambda: (published("besiroglu").E + _language(rate=1.0)) / (0.5 / RATIO),
                "The floor E is in it. More data would not remove that.",
            ),
            Misconception(
                "difference",
                lambda: _language(rate=1.0) - 0.5 / RATIO,
                "That is the difference of the two. Asked for is their ratio.",
            ),
            Misconception(
                "hoffmann",
                lambda: (
                    published("hoffmann").B
                    * (PARAMS * RATIO) ** -published("hoffmann").beta
                    / (0.5 / RATIO)
                ),
                "Those are the constants of the original paper, `hoffmann`. The task says "
                "`besiroglu`.",
            ),
        ),
    ),
)
