"""Exercises of chapter 21: reading critically."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number
from scalinglaws.laws.chinchilla import ChinchillaLaw
from scalinglaws.laws.published import CHINCHILLA, GOPHER, published

SIZE = published("kaplan-N")  # exercise 1; N does not count embeddings
PRINTED = published("hoffmann-rounded")  # exercise 2
TOKENS = CHINCHILLA.tokens
BOTH = published("pearce")  # exercise 4; N does not count embeddings
START = 1e6  # non-embedding parameters
REPEATED = published("muennighoff")  # exercise 5


# ------------------------------------------------------------------- exercise 1: an exponent


def _lower(exponent: float, times: float = 10.0) -> float:
    """Share by which a loss falls when its variable grows."""
    return 1 - times**-exponent


# ------------------------------------------------------------------- exercise 2: a limit


def _limit(tokens: float = TOKENS, law: ChinchillaLaw = PRINTED) -> float:
    return float(law.E + law.B * tokens**-law.beta)


# ------------------------------------------------------------------- exercise 4: ten times more


def _budget() -> float:
    return float(BOTH.budget_for(START))


def _grown(times: float = 10.0) -> float:
    return float(BOTH.optimum(times * _budget()).params / START)


# ------------------------------------------------------------------- exercise 5: half the worth


def _average_half() -> float:
    return brentq(lambda k: float(REPEATED.worth(k)) - k / 2, 2, 100)


# ------------------------------------------------------------------- exercise 6: any formula

_FIT, _JOINT = published("besiroglu"), published("kaplan-ND")


def fitted(N, D):
    return float(_FIT.predict(N, D))


def kaplan(N, D):
    return float(_JOINT.predict(N, D))


def misquoted(N, D):
    """Kaplan's law with the terms upside down inside a negative power."""
    model = (N / _JOINT.Nc) ** (_JOINT.alpha_N / _JOINT.alpha_D)
    return (model + D / _JOINT.Dc) ** -_JOINT.alpha_D


def signs_lost(N, D):
    return _FIT.E + _FIT.A * N**_FIT.alpha + _FIT.B * D**_FIT.beta


def data_invented(N, D):
    """Coefficients 150 and 1: data hardly matter."""
    return 1.69 + 150 * N**-0.34 + 1.0 * D**-0.28


def model_invented(N, D):
    """The same with the roles exchanged: parameters hardly matter."""
    return 1.69 + 1.0 * N**-0.34 + 411 * D**-0.28


def both_invented(N, D):
    """Neither matters by as much as one per cent."""
    return 1.69 + 1.0 * N**-0.34 + 1.0 * D**-0.28


def data_sign_lost(N, D):
    return _FIT.E + _FIT.A * N**-_FIT.alpha + 1e-3 * D**_FIT.beta


def model_sign_lost(N, D):
    return _FIT.E + 1e-3 * N**_FIT.alpha + _FIT.B * D**-_FIT.beta


CASES = (
    (fitted,),
    (kaplan,),
    (misquoted,),
    (signs_lost,),
    (data_invented,),
    (model_invented,),
    (both_invented,),
    (data_sign_lost,),
    (model_sign_lost,),
)


def _falls(loss) -> tuple[bool, bool]:
    start = loss(1e9, 2e10)
    return loss(1e10, 2e10) < start, loss(1e9, 2e11) < start


def _limits(loss, margin: float = 1.01, far: float = 1e40) -> tuple[bool, bool]:
    """Whether data matter with endless parameters, and parameters with endless data."""
    return (
        loss(far, 2e10) >= margin * loss(far, 2e12),
        loss(1e9, far) >= margin * loss(1e11, far),
    )


def judge(loss):
    """Whether a formula falls in both directions, and whether each input is a bottleneck."""
    return all(_falls(loss)), all(_limits(loss))


def _only_parameters(loss):
    return _falls(loss)[0], all(_limits(loss))


def _only_data(loss):
    return _falls(loss)[1], all(_limits(loss))


def _either_falls(loss):
    return any(_falls(loss)), all(_limits(loss))


def _rises(loss):
    return not any(_falls(loss)), all(_limits(loss))


def _one_limit(loss):
    return all(_falls(loss)), _limits(loss)[0]


def _other_limit(loss):
    return all(_falls(loss)), _limits(loss)[1]


def _either_limit(loss):
    return all(_falls(loss)), any(_limits(loss))


def _any_difference(loss):
    return all(_falls(loss)), all(_limits(loss, margin=1.0 + 1e-9))


def _limits_upside_down(loss, margin: float = 1.01, far: float = 1e40):
    data = loss(far, 2e12) >= margin * loss(far, 2e10)
    model = loss(1e11, far) >= margin * loss(1e9, far)
    return all(_falls(loss)), data and model


def _order_swapped(loss):
    return judge(loss)[::-1]


def _no_limit(loss):
    return all(_falls(loss)), all(_limits(loss, far=1e10))


EXERCISES = (
    Exercise(
        id="21.1",
        title="Seven point six per cent",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.005, unit="lower, as a fraction"),
        reference=lambda: _lower(SIZE.alpha_N),
        right="Wrong by about a factor of two. An exponent is a percentage only for a step of one "
        "per cent.",
        misconceptions=(
            Misconception(
                "exponent-as-share",
                lambda: SIZE.alpha_N,
                "That is the exponent itself, as in the claim. Raise ten to it.",
            ),
            Misconception(
                "natural-base",
                lambda: _lower(SIZE.alpha_N, math.e),
                "That is for e times the parameters. The claim says ten times.",
            ),
            Misconception(
                "doubling",
                lambda: _lower(SIZE.alpha_N, 2),
                "That is for twice the parameters. The claim says ten times.",
            ),
            Misconception(
                "what-is-left",
                lambda: 10**-SIZE.alpha_N,
                "That is the share of the loss that is left. How much went away?",
            ),
            Misconception(
                "sign",
                lambda: 1 - 10**SIZE.alpha_N,
                "That has the loss rise: the exponent lost its minus.",
            ),
            Misconception(
                "of-the-smaller-loss",
                lambda: 10**SIZE.alpha_N - 1,
                "That is how much higher the small model's loss is. Measure from the small model.",
            ),
            Misconception(
                "exponent-of-data",
                lambda: _lower(published("kaplan-D").alpha_D),
                "That is the exponent of the data. The claim is about parameters.",
            ),
            Misconception(
                "percent",
                lambda: 100 * _lower(SIZE.alpha_N),
                "That is in per cent. Give a fraction, between 0 and 1.",
            ),
            Misconception(
                "difference-in-nats",
                lambda: float(SIZE.predict(1e9) - SIZE.predict(1e10)),
                "That is a difference in nats, from one billion on. Divide by the first loss.",
            ),
        ),
    ),
    Exercise(
        id="21.2",
        title="Infinitely large",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.0, abs=0.002, unit="nats per token"),
        reference=_limit,
        right="The floor needs both without limit. Held data leave their term behind.",
        misconceptions=(
            Misconception(
                "the-floor",
                lambda: PRINTED.E,
                "That is the floor, as in the claim. The data have not become infinite.",
            ),
            Misconception(
                "not-infinite",
                lambda: float(PRINTED.predict(CHINCHILLA.params, TOKENS)),
                "That is a model of 70 billion parameters. Let it grow without end.",
            ),
            Misconception(
                "wrong-term",
                lambda: PRINTED.E + PRINTED.A * CHINCHILLA.params**-PRINTED.alpha,
                "That keeps the model term, of 70 billion, and drops the data. It is the reverse.",
            ),
            Misconception(
                "excess",
                lambda: _limit() - PRINTED.E,
                "That is how far above the floor it stays. Give the loss itself.",
            ),
            Misconception(
                "more-digits",
                lambda: _limit(law=published("hoffmann")),
                "Those are the constants with more digits. The question is for the law as printed.",
            ),
            Misconception(
                "refit",
                lambda: _limit(law=published("besiroglu")),
                "Those are the constants of the refit. The question is for the law as printed.",
            ),
            Misconception(
                "gophers-data",
                lambda: _limit(GOPHER.tokens),
                "That is with the 300 billion tokens of Gopher.",
            ),
            Misconception(
                "billions",
                lambda: _limit(1.4e9),
                "That is with 1.4 billion tokens. The claim has a thousand times as many.",
            ),
            Misconception(
                "sign-lost",
                lambda: PRINTED.E + PRINTED.B * TOKENS**PRINTED.beta,
                "The exponent lost its minus: more data would raise the loss.",
            ),
        ),
    ),
    Exercise(
        id="21.3",
        title="A right number, a wrong reason",
        level="intermediate",
        minutes=10,
        kind=Choice(
            {
                "a": "The number is wrong: embeddings would add about a third.",
                "b": "Number and conclusion are right: the exponent is set by the largest models.",
                "c": "The number is right. But the exponent is a slope over all sizes, and in the "
                "smallest models nearly everything is embeddings.",
                "d": "The number is right. But 3.6 % of 1.5 billion is so many parameters that the "
                "slope changes.",
                "e": "The conclusion is right for another reason: embeddings change the "
                "coefficient and never the exponent.",
                "f": "Nobody can check this without training Kaplan's models again.",
            }
        ),
        reference="c",
        right="The number holds at one end of the range, and a slope needs both.",
        misconceptions=(
            Misconception(
                "number-wrong",
                "a",
                "Compute it: the table of a model of that size is small beside its blocks.",
            ),
            Misconception(
                "largest-decide",
                "b",
                "A line through many sizes is held by both of its ends. Look at the small one.",
            ),
            Misconception(
                "absolute-size",
                "d",
                "On log axes only ratios count, and the ratio there is close to one.",
            ),
            Misconception(
                "only-the-coefficient",
                "e",
                "That would be so if the share of embeddings were the same at every size.",
            ),
            Misconception(
                "not-checkable",
                "f",
                "Counting needs no training. Compare the two counts at both ends of the range.",
            ),
        ),
    ),
    Exercise(
        id="21.4",
        title="Ten times the compute, without embeddings",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.005, unit="times"),
        reference=_grown,
        right="Far more than 3.2: near a million non-embedding parameters the local exponent is "
        "almost one.",
        misconceptions=(
            Misconception(
                "embeddings-counted",
                lambda: 10 ** BOTH.exponent_limits[1],
                "That is the growth when embeddings are counted, or of very large models.",
            ),
            Misconception(
                "exactly-a-half",
                lambda: 10**0.5,
                "That is the claim, with an exponent of one half. Look the best sizes up.",
            ),
            Misconception(
                "local-at-the-start",
                lambda: float(10 ** BOTH.local_exponent(START)),
                "That holds the local exponent of the start. It changes within the decade.",
            ),
            Misconception(
                "kaplans-rule",
                lambda: 10**0.73,
                "That is Kaplan's exponent, an average over a much longer range.",
            ),
            Misconception(
                "average-over-kaplans-range",
                lambda: 10 ** BOTH.average_exponent(768.0, 1.5e9),
                "That is the average over all of Kaplan's sizes. Take the two budgets alone.",
            ),
            Misconception(
                "exponent-upside-down",
                lambda: float(10 ** (1 / BOTH.local_exponent(START))),
                "That raises ten to one over g. Which of the two is divided by which?",
            ),
            Misconception(
                "total-parameters",
                lambda: float(
                    BOTH.total_params(START * _grown()) / BOTH.total_params(START),
                ),
                "That is the growth of all parameters. The question leaves embeddings out.",
            ),
            Misconception(
                "tokens",
                lambda: 10 / _grown(),
                "That is the growth of the tokens. What is asked is that of the parameters.",
            ),
            Misconception(
                "an-exponent",
                lambda: math.log10(_grown()),
                "That is an exponent. The factor is ten to it.",
            ),
            Misconception(
                "backwards",
                lambda: 1 / _grown(0.1),
                "That is the decade of compute before the model of one million, not after it.",
            ),
        ),
    ),
    Exercise(
        id="21.5",
        title="Half the worth",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.005, unit="epochs"),
        reference=_average_half,
        right="Much later than 15: the first epochs are nearly as good as new, and hold up the "
        "average.",
        misconceptions=(
            Misconception(
                "further-token-repeats",
                lambda: REPEATED.half_value_repeats,
                "Those are the repeats after which a further token is worth half. The question "
                "is for the average.",
            ),
            Misconception(
                "further-token-epochs",
                lambda: REPEATED.half_value_repeats + 1,
                "There a further token is worth half. The question is for the average.",
            ),
            Misconception(
                "the-constant",
                lambda: REPEATED.R_D,
                "That is the constant of the law, as in the claim. It is where a further token is "
                "worth 1/e.",
            ),
            Misconception(
                "constant-plus-one",
                lambda: REPEATED.R_D + 1,
                "That is where a further token is worth 1/e, or what endless epochs are worth.",
            ),
            Misconception(
                "repeats-for-epochs",
                lambda: _average_half() - 1,
                "Those are repetitions. The first epoch counts too.",
            ),
            Misconception(
                "average-of-repeats",
                lambda: 1 + REPEATED.R_D * brentq(lambda x: (1 - math.exp(-x)) / x - 0.5, 0.1, 10),
                "That averages over the repetitions alone. The first epoch is read as well.",
            ),
            Misconception(
                "constant-of-parameters",
                lambda: brentq(
                    lambda k: 1 + REPEATED.R_N * (1 - math.exp(-(k - 1) / REPEATED.R_N)) - k / 2,
                    2,
                    100,
                ),
                "That uses the constant of extra parameters. Tokens have their own.",
            ),
            Misconception(
                "half-of-the-most",
                lambda: brentq(lambda k: float(REPEATED.worth(k)) - (1 + REPEATED.R_D) / 2, 1, 100),
                "There the data are worth half of what endless epochs would be. Compare with the "
                "tokens read.",
            ),
            Misconception(
                "twice-the-most",
                lambda: 2 * (1 + REPEATED.R_D),
                "That is for data that have no worth left to gain, which takes endless epochs.",
            ),
        ),
    ),
    Exercise(
        id="21.6",
        title="A test for any formula",
        level="advanced",
        minutes=20,
        kind=Function(cases=CASES, name="judge"),
        reference=judge,
        right="Two tests without data sort out every formula of this chapter.",
        misconceptions=(
            Misconception(
                "parameters-alone",
                _only_parameters,
                "It finds a formula falling that rises with the data. Test both directions.",
            ),
            Misconception(
                "data-alone",
                _only_data,
                "It finds a formula falling that rises with parameters. Test both directions.",
            ),
            Misconception(
                "either-falls",
                _either_falls,
                "It is content when one direction falls. Both have to.",
            ),
            Misconception(
                "upside-down",
                _rises,
                "It calls a formula falling that rises: look at the order of the two losses.",
            ),
            Misconception(
                "one-limit",
                _one_limit,
                "It tests endless parameters only. Parameters must matter with endless data, too.",
            ),
            Misconception(
                "other-limit",
                _other_limit,
                "It tests endless data only. Data must matter with endless parameters, too.",
            ),
            Misconception(
                "either-limit",
                _either_limit,
                "It is content when one of the two still matters. Both have to.",
            ),
            Misconception(
                "limits-upside-down",
                _limits_upside_down,
                "At 1e40 it looks for a loss that is higher with more. Look at the order.",
            ),
            Misconception(
                "any-difference",
                _any_difference,
                "It takes any difference, however small, for a bottleneck. Ask for one per cent.",
            ),
            Misconception(
                "not-far",
                _no_limit,
                "It does not go to the limit: 1e10 is no 1e40.",
            ),
            Misconception(
                "swapped",
                _order_swapped,
                "The two answers are exchanged: `falls` comes first.",
            ),
        ),
    ),
)
