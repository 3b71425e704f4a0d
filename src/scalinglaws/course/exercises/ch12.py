"""Exercises of chapter 12: repeating data. None of them needs the published runs."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Function, Number, Numbers
from scalinglaws.laws import MuennighoffLaw
from scalinglaws.laws.published import published

LAW, BASE = published("muennighoff"), published("muennighoff-base")  # N counts embeddings
R = LAW.R_D
STOCK, EPOCHS = 50e9, 4  # exercise 1
MANY = 40  # exercise 3
BUDGET, LIMIT = 1e23, 25e9  # exercise 4
NEVER = 1e10  # a scale on which nothing wears out
RUN = (8.67e9, 178e9, 44e9)  # N, D, U of exercise 6


def worth(epochs: float, scale: float = R) -> float:
    """Fresh epochs that these are worth."""
    return 1 + scale * (1 - math.exp(-(epochs - 1) / scale))


def _plan(law=LAW, flops: float = BUDGET, limit: float | None = LIMIT, flops_per: float = 6.0):
    best = law.optimum(flops, flops_per, unique_tokens=limit)
    return {"params": best.params, "epochs": best.tokens / LIMIT}


def _fixed_epochs(epochs: float) -> dict[str, float]:
    return {"params": BUDGET / (6 * epochs * LIMIT), "epochs": epochs}


def _repetitions() -> dict[str, float]:
    right = _plan()
    return right | {"epochs": right["epochs"] - 1}


def _of_tokens() -> dict[str, float]:
    right = _plan()
    return right | {"epochs": right["epochs"] * LIMIT}


def _worth_for_epochs() -> dict[str, float]:
    right = _plan()
    return right | {"epochs": worth(right["epochs"])}


def _fed() -> dict[str, float]:
    size = float(LAW.params_fed(LIMIT))
    return {"params": size, "epochs": BUDGET / (6 * size * LIMIT)}


# -- exercise 5: the worth of a run, read off the curve of fresh runs


def measured_worth(loss, unique, tokens, losses, floor) -> float:
    """Fresh tokens that give this loss, by interpolation of logarithms, over the unique ones."""
    excess = np.log(np.asarray(losses, float) - floor)
    return float(np.exp(np.interp(-np.log(loss - floor), -excess, np.log(tokens))) / unique)


def _curve(floor: float, exponent: float, bend: float = 0.0):
    """Fresh tokens and losses of a made-up model, coarse enough for interpolation to matter."""
    tokens = np.array([1e5, 3e5, 1e6, 3e6, 1e7])
    x = np.log(tokens / 1e5)
    return list(tokens), list(floor + np.exp(-exponent * x - bend * x**2))


CASES = [
    (2.5, 1e5, *_curve(2.0, 0.6), 2.0),
    (2.31, 2e5, *_curve(2.0, 0.35, 0.03), 2.0),
    (1.9, 5e4, *_curve(1.3, 0.25), 1.3),
]


def _no_floor(loss, unique, tokens, losses, floor):
    return measured_worth(loss, unique, tokens, losses, 0.0)


def _linear(loss, unique, tokens, losses, floor):
    return float(np.interp(-loss, -np.asarray(losses), tokens) / unique)


def _plain_loss(loss, unique, tokens, losses, floor):
    return float(np.exp(np.interp(-loss, -np.asarray(losses), np.log(tokens))) / unique)


def _plain_tokens(loss, unique, tokens, losses, floor):
    excess = np.log(np.asarray(losses) - floor)
    return float(np.interp(-np.log(loss - floor), -excess, tokens) / unique)


def _falling(loss, unique, tokens, losses, floor):
    """np.interp on a list that falls: it answers, and wrongly."""
    excess = np.log(np.asarray(losses) - floor)
    return float(np.exp(np.interp(np.log(loss - floor), excess, np.log(tokens))) / unique)


def _tokens_only(loss, unique, tokens, losses, floor):
    return measured_worth(loss, 1.0, tokens, losses, floor)


def _log_left(loss, unique, tokens, losses, floor):
    return math.log(measured_worth(loss, 1.0, tokens, losses, floor)) / unique


def _mixed_bases(loss, unique, tokens, losses, floor):
    return math.exp(math.log10(measured_worth(loss, 1.0, tokens, losses, floor))) / unique


def _upside_down(loss, unique, tokens, losses, floor):
    return 1 / measured_worth(loss, unique, tokens, losses, floor)


def _nearest(loss, unique, tokens, losses, floor):
    return tokens[int(np.abs(np.asarray(losses) - loss).argmin())] / unique


# -- exercise 6: all of the rise put down to the parameters


def _scale_for(target: float, run=RUN, scale: float = NEVER, law=LAW) -> float:
    """R_N* that gives this loss."""

    def gap(log_scale):
        return float(replace(law, R_D=scale, R_N=math.exp(log_scale)).predict(*run)) - target

    return math.exp(brentq(gap, math.log(1e-3), math.log(1e6), xtol=1e-12))


@functools.cache
def _all_parameters() -> float:
    return _scale_for(float(LAW.predict(*RUN)))


def _all_tokens() -> float:
    """R_D* that explains the rise when parameters never wear out."""
    target = float(LAW.predict(*RUN))

    def gap(log_scale):
        law = MuennighoffLaw.of(BASE, math.exp(log_scale), NEVER)
        return float(law.predict(*RUN)) - target

    return math.exp(brentq(gap, math.log(1e-3), math.log(1e6)))


EXERCISES = (
    Exercise(
        id="12.1",
        title="Fifty billion tokens, four times",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.003, unit="tokens"),
        reference=lambda: STOCK * worth(EPOCHS),
        right="Three repetitions are worth almost three fresh passes: that is why four epochs are "
        "called nearly free.",
        misconceptions=(
            Misconception(
                "as-good-as-fresh",
                lambda: STOCK * EPOCHS,
                "That is the number of tokens read. The later passes are worth less than the "
                "first.",
            ),
            Misconception(
                "epochs-for-repetitions",
                lambda: STOCK * worth(EPOCHS + 1),
                "The number of epochs went into the exponent. The first pass repeats nothing, so "
                "there is one repetition fewer.",
            ),
            Misconception(
                "first-pass-forgotten",
                lambda: STOCK * (worth(EPOCHS) - 1),
                "That is what the repetitions are worth. The first pass counts too.",
            ),
            Misconception(
                "in-epochs",
                lambda: worth(EPOCHS),
                "That is the worth in fresh epochs. How many tokens is that?",
            ),
            Misconception(
                "last-price-for-all",
                lambda: STOCK * (1 + (EPOCHS - 1) * math.exp(-(EPOCHS - 1) / R)),
                "All repetitions were given the price of the last token. The earlier ones are "
                "worth more; integrate the price, or use the equation.",
            ),
            Misconception(
                "price-of-every-token",
                lambda: STOCK * EPOCHS * math.exp(-(EPOCHS - 1) / R),
                "That gives all tokens the price of the last one, even those of the first pass, "
                "which are fresh.",
            ),
            Misconception(
                "geometric-sum",
                lambda: STOCK * sum((1 - 1 / R) ** k for k in range(EPOCHS)),
                "That adds whole epochs in steps, each keeping a share 1 - 1/R of the one before. "
                "The law's exponential lets the price fall within each epoch instead, and the two "
                "differ by a few per cent.",
            ),
            Misconception(
                "keeps-for-loses",
                lambda: STOCK * sum((1 / R) ** k for k in range(EPOCHS)),
                "Each repetition was made to lose the share that it keeps. After one repetition "
                "a token is still worth almost all of a fresh one.",
            ),
            Misconception(
                "sign",
                lambda: STOCK * (1 + R * (math.exp((EPOCHS - 1) / R) - 1)),
                "That is more than the number of tokens read: the exponent has the wrong sign.",
            ),
            Misconception(
                "half-life",
                lambda: STOCK * worth(EPOCHS, R / math.log(2)),
                "That is what comes out if the constant is a half-life, or after much rounding. "
                "It is the number of repetitions after which 1/e of the value is left; carry four "
                "digits through.",
            ),
            Misconception(
                "price-of-a-stock",
                lambda: STOCK * math.exp(-(EPOCHS - 1) / R),
                "That is the stock times the worth of one more token, after all that was read. "
                "Asked is what everything that was read is worth together.",
            ),
        ),
    ),
    Exercise(
        id="12.2",
        title="Half price",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.01, unit="epochs"),
        reference=lambda: 1 + R * math.log(2),
        right="Half of the value is gone after R ln 2 repetitions, and epochs are one more than "
        "those.",
        misconceptions=(
            Misconception(
                "repetitions",
                lambda: R * math.log(2),
                "Those are repetitions. The first epoch is not one of them.",
            ),
            Misconception(
                "half-life",
                lambda: R,
                "The constant is not a half-life: after that many repetitions 1/e is left.",
            ),
            Misconception(
                "half-life-epochs",
                lambda: 1 + R,
                "After that many epochs 1/e of the value is left, less than half. The constant is "
                "not a half-life.",
            ),
            Misconception(
                "divided-by-ln-2",
                lambda: 1 + R / math.log(2),
                "ln 2 stands on the wrong side: half is reached before 1/e is.",
            ),
            Misconception(
                "log-base",
                lambda: 1 + R * math.log10(2),
                "That logarithm is to base 10. The law has e, so take the natural one.",
            ),
            Misconception(
                "half-of-the-constant",
                lambda: 1 + R / 2,
                "The value does not fall along a straight line. Solve the exponential for the "
                "number of repetitions.",
            ),
            Misconception(
                "half-of-the-ceiling",
                lambda: 1 - R * math.log(1 - ((1 + R) / 2 - 1) / R),
                "That is where all tokens together are worth half of what endless repetition "
                "would be. Asked is the price of one more.",
            ),
            Misconception(
                "average-price",
                lambda: brentq(lambda e: worth(e) / e - 0.5, 2, 100),
                "There the tokens are worth half a fresh one on average. Asked is the price of "
                "one more, which falls faster.",
            ),
        ),
    ),
    Exercise(
        id="12.3",
        title="What forty epochs waste",
        level="intermediate",
        minutes=8,
        kind=Number(rel=0.0015),
        reference=lambda: 1 - worth(MANY) / MANY,
        right="Compute goes with the tokens read, and forty epochs are worth about fifteen.",
        misconceptions=(
            Misconception(
                "share-needed",
                lambda: worth(MANY) / MANY,
                "That is the share that fresh tokens would have taken. How much is saved?",
            ),
            Misconception(
                "price-of-the-last",
                lambda: 1 - math.exp(-(MANY - 1) / R),
                "That is how much the last token had lost. All epochs count, and the first ones "
                "were worth nearly their price.",
            ),
            Misconception(
                "what-the-last-is-worth",
                lambda: math.exp(-(MANY - 1) / R),
                "That is what one more token is still worth. The share saved depends on what all "
                "of them together are worth.",
            ),
            Misconception(
                "epochs-for-repetitions",
                lambda: 1 - worth(MANY + 1) / MANY,
                "The number of epochs went into the exponent. The first pass repeats nothing, so "
                "there is one repetition fewer.",
            ),
            Misconception(
                "times-as-much",
                lambda: MANY / worth(MANY),
                "That is how many times the compute the forty epochs took. Which share of it would "
                "have been saved?",
            ),
            Misconception(
                "one-epoch",
                lambda: 1 - 1 / MANY,
                "That compares with a single pass over the stock, which would reach a higher loss. "
                "Compare with fresh tokens of the same worth.",
            ),
            Misconception(
                "endless",
                lambda: 1 - (1 + R) / MANY,
                "That takes the ceiling, the worth of endless repetition. Forty epochs are not "
                "quite there.",
            ),
            Misconception(
                "first-pass-forgotten",
                lambda: 1 - (worth(MANY) - 1) / MANY,
                "The first pass is missing from the worth. It counts in full.",
            ),
            Misconception(
                "per-repetition",
                lambda: 1 - worth(MANY) / (MANY - 1),
                "The worth was divided by the number of repetitions. The tokens read are those of "
                "all epochs.",
            ),
            Misconception(
                "epochs-saved",
                lambda: MANY - worth(MANY),
                "That is the number of epochs saved. Give it as a share of all.",
            ),
            Misconception(
                "relative-to-the-worth",
                lambda: MANY / worth(MANY) - 1,
                "That is the extra compute in units of what would have sufficed. The share is "
                "asked of what was spent.",
            ),
        ),
    ),
    Exercise(
        id="12.4",
        title="Plan a run",
        level="intermediate",
        minutes=10,
        kind=Numbers(("params", "epochs"), rel=0.02),
        reference=_plan,
        right="Smaller than with unlimited data, and trained for more epochs: past the stock both "
        "wear out, parameters sooner.",
        misconceptions=(
            Misconception(
                "unlimited-data",
                lambda: _plan(limit=None),
                "That is the best size with unlimited data. With this stock its tokens would have "
                "to be read over and over: let the law know about it.",
            ),
            Misconception(
                "one-epoch",
                lambda: _fixed_epochs(1.0),
                "All compute went into the size, so that nothing is repeated. Such a model is far "
                "too large for its data.",
            ),
            Misconception(
                "four-epochs",
                lambda: _fixed_epochs(4.0),
                "Four epochs are cheap, but nothing says to stop there. Search over the size.",
            ),
            Misconception(
                "size-fed-by-the-stock",
                _fed,
                "That is the size that one pass over the stock can feed, `params_fed`. A larger "
                "one still helps, if less.",
            ),
            Misconception(
                "parameters-never-wear-out",
                lambda: _plan(replace(LAW, R_N=NEVER)),
                "In that plan only the tokens wear out. Excess parameters lose their worth too.",
            ),
            Misconception(
                "tokens-never-wear-out",
                lambda: _plan(replace(LAW, R_D=NEVER)),
                "In that plan only the parameters wear out. Repeated tokens lose their worth too.",
            ),
            Misconception(
                "forgot-the-six",
                lambda: _plan(flops_per=1.0),
                "Each parameter costs 6 FLOP for each token, not one.",
            ),
            Misconception(
                "two-flop",
                lambda: _plan(flops_per=2.0),
                "2 FLOP is the price of a forward pass. Training takes the backward pass as well.",
            ),
            Misconception(
                "repetitions",
                _repetitions,
                "Those are repetitions; the number of epochs has the first pass in it.",
            ),
            Misconception(
                "tokens-for-epochs",
                _of_tokens,
                "That is the number of training tokens. How often is the stock read?",
            ),
            Misconception(
                "worth-for-epochs",
                _worth_for_epochs,
                "That is what the epochs are worth. Asked is how often the stock is read.",
            ),
        ),
    ),
    Exercise(
        id="12.5",
        title="Worth without a formula",
        level="intermediate",
        minutes=12,
        kind=Function(CASES, rel=1e-3, name="measured_worth"),
        reference=lambda *case: measured_worth(*case),
        right="The curve of fresh runs is read the other way round, from loss to tokens; no law of "
        "repetition is needed.",
        misconceptions=(
            Misconception(
                "no-floor",
                _no_floor,
                "The logarithm is of the whole loss. Take off the floor first, from the loss of "
                "the run as well as from those of the curve.",
            ),
            Misconception(
                "no-logarithms",
                _linear,
                "That interpolates between losses and tokens as they are. Between two points of a "
                "power law a straight line lies far off; take logarithms of both.",
            ),
            Misconception(
                "loss-without-logarithm",
                _plain_loss,
                "The tokens are in logarithms and the loss is not. Take the logarithm of the loss "
                "above the floor.",
            ),
            Misconception(
                "tokens-without-logarithm",
                _plain_tokens,
                "The loss is in logarithms and the tokens are not. Interpolate their logarithms, "
                "and undo that at the end.",
            ),
            Misconception(
                "interp-on-a-falling-list",
                _falling,
                "`np.interp` wants its second argument to rise, and does not complain when it "
                "falls: it returns nonsense. Change a sign, or turn both lists around.",
            ),
            Misconception(
                "tokens-instead-of-epochs",
                _tokens_only,
                "That is the number of fresh tokens. In units of the stock, how many epochs are "
                "they?",
            ),
            Misconception(
                "still-a-logarithm",
                _log_left,
                "The interpolated value is a logarithm. Undo it before you divide.",
            ),
            Misconception(
                "mixed-bases",
                _mixed_bases,
                "Logarithms to base 10 went in, and the exponential of base e came out. Use one "
                "base for both.",
            ),
            Misconception(
                "upside-down",
                _upside_down,
                "The ratio is upside down: fresh tokens over unique ones.",
            ),
            Misconception(
                "nearest-point",
                _nearest,
                "That takes the nearest run of the curve. Interpolate between its neighbours.",
            ),
        ),
    ),
    Exercise(
        id="12.6",
        title="Put it all down to the parameters",
        level="advanced",
        minutes=15,
        kind=Number(rel=0.01),
        reference=_all_parameters,
        right="The same loss, told as another story: worn-out parameters alone. One run cannot "
        "tell the stories apart, and that is the valley.",
        misconceptions=(
            Misconception(
                "tokens-still-wear-out",
                lambda: LAW.R_N,
                "That is the published value. It goes with tokens that wear out; here they do not, "
                "so the parameters must make up for it.",
            ),
            Misconception(
                "ratio-to-the-published",
                lambda: _all_parameters() / LAW.R_N,
                "That is the scale in units of the published one. Give the scale itself.",
            ),
            Misconception(
                "logarithm",
                lambda: math.log(_all_parameters()),
                "That is the logarithm of the scale. Undo it.",
            ),
            Misconception(
                "all-to-the-tokens",
                _all_tokens,
                "That puts everything down to the tokens: it is a scale of repeated tokens with "
                "parameters that never wear out. Asked is the reverse.",
            ),
            Misconception(
                "forgot-the-rise-of-the-model-term",
                lambda: _scale_for(
                    float(BASE.predict(*RUN[:2]))
                    + float(LAW.predict(*RUN))
                    - float(replace(LAW, R_D=NEVER).predict(*RUN))
                ),
                "Only the part of the rise that is due to the tokens was made up for. The target "
                "is the whole loss of the published law, worn-out parameters included.",
            ),
            Misconception(
                "without-the-stock",
                lambda: _scale_for(float(LAW.predict(*RUN)), (*RUN[:2], 25e9)),
                "That is for a stock of 25 billion. This run has 44 billion unique tokens.",
            ),
            Misconception(
                "four-epochs-exactly",
                lambda: _scale_for(float(LAW.predict(RUN[0], 4 * RUN[2], RUN[2]))),
                "The target was computed for exactly four epochs. Take the tokens as given.",
            ),
            Misconception(
                "worth-of-params",
                lambda: float(LAW.effective_params(RUN[0], RUN[2]) / LAW.params_fed(RUN[2])),
                "That is what the parameters are worth in units of U_N, with the published "
                "constants. Solve for the scale instead.",
            ),
            Misconception(
                "excess",
                lambda: RUN[0] / float(LAW.params_fed(RUN[2])) - 1,
                "That is R_N, by how much the model is too large for its data. Asked is the scale "
                "R_N* on which that excess wears out.",
            ),
            Misconception(
                "other-size",
                lambda: _scale_for(float(LAW.predict(6.34e9, 242e9, 25e9)), (6.34e9, 242e9, 25e9)),
                "That is the other run, of 6.34 billion parameters. Take the one in the task.",
            ),
        ),
    ),
)
