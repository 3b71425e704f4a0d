"""Exercises of chapter 13: when repetition hurts."""

from __future__ import annotations

import functools
import math

import numpy as np

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.datasets import load_recorded
from scalinglaws.fitting import fit
from scalinglaws.laws import LovelaceLaw, MuennighoffLaw

DELTA, FEW, MANY = 0.7, 3, 17  # exercise 1: epochs before and after
RISE = {"width": 48, "unique": 16384, "decay": 0.0}  # exercise 2
SAVING = {"width": 24, "unique": 4096, "epochs": 64}  # exercise 4
REFERENCE_STOCK = 65536
SMALL, LARGE = 0.35, 0.7  # exercise 5: delta and kappa, made up
# Exercise 6: made-up constants of the size of the chapter's.
LAW = LovelaceLaw(
    E=1.9, A=5300.0, B=21000.0, alpha=1.08, beta=0.95, P=0.02, delta=1.0, kappa=0.7
)  # fmt: skip
BUDGET, STOCK = 1e11, 16384
HELD = {"delta": 1.0, "kappa": 0.7}  # exercise 7
LEAST_TOKENS = 16384
SEEDS = ["weight_decay", "d_model", "params", "unique_tokens", "tokens", "epochs"]


@functools.cache
def _cells():
    """The recorded runs, averaged over their seeds."""
    return load_recorded("epochs").groupby(SEEDS, as_index=False)[["loss", "best_loss"]].mean()


def _curve(width, unique, decay, column="loss"):
    """Loss by epochs."""
    c = _cells()
    mine = c[(c.d_model == width) & (c.unique_tokens == unique) & (c.weight_decay == decay)]
    return mine.set_index("epochs")[column]


def _rise(column="loss", **changed) -> float:
    curve = _curve(**(RISE | changed), column=column)
    return float(curve.iloc[-1] - curve.min())


def penalty(params, tokens, unique, P, delta, kappa):
    """P R^delta (N/U)^kappa."""
    return P * (tokens / unique - 1) ** delta * (params / unique) ** kappa


def _epochs_for_repeats(params, tokens, unique, P, delta, kappa):
    return P * (tokens / unique) ** delta * (params / unique) ** kappa


def _per_token_seen(params, tokens, unique, P, delta, kappa):
    return P * (tokens / unique - 1) ** delta * (params / tokens) ** kappa


def _upside_down(params, tokens, unique, P, delta, kappa):
    return P * (tokens / unique - 1) ** delta * (unique / params) ** kappa


def _exponents_swapped(params, tokens, unique, P, delta, kappa):
    return penalty(params, tokens, unique, P, kappa, delta)


def _added(params, tokens, unique, P, delta, kappa):
    return P * ((tokens / unique - 1) ** delta + (params / unique) ** kappa)


def _negative_exponents(params, tokens, unique, P, delta, kappa):
    return P * (tokens / unique) ** -delta * (params / unique) ** -kappa


def _without_size(params, tokens, unique, P, delta, kappa):
    return P * (tokens / unique - 1) ** delta


def _first_counted_twice(params, tokens, unique, P, delta, kappa):
    return P * (tokens / unique + 1) ** delta * (params / unique) ** kappa


# (N, D, U, P, delta, kappa); the last one repeats nothing.
CASES = (
    (69120, 262144, 4096, 0.01, 0.9, 0.7),
    (1e9, 4e10, 1e10, 0.02, 0.5, 0.8),
    (2e8, 1e9, 1e9, 0.02, 0.5, 0.8),
)


def _excess(decay: float, unique=None, epochs=None, reference=REFERENCE_STOCK) -> float:
    """Loss above that of as many tokens from sixteen times the stock."""
    unique, epochs = unique or SAVING["unique"], epochs or SAVING["epochs"]
    repeated = _curve(SAVING["width"], unique, decay)[epochs]
    return float(repeated - _curve(SAVING["width"], reference, decay)[epochs * unique / reference])


def _saving(excess=_excess) -> float:
    return 1 - excess(0.3) / excess(0.0)


def _loss_saving() -> float:
    one, other = (_curve(SAVING["width"], SAVING["unique"], d)[SAVING["epochs"]] for d in (0.3, 0))
    return float(1 - one / other)


def _over_lowest(decay: float) -> float:
    curve = _curve(SAVING["width"], SAVING["unique"], decay)
    return float(curve[SAVING["epochs"]] - curve.min())


def _one_reference(decay: float) -> float:
    """Both runs compared with the fresh-like run without weight decay."""
    mine = _curve(SAVING["width"], SAVING["unique"], decay)[SAVING["epochs"]]
    tokens = SAVING["epochs"] * SAVING["unique"]
    return float(mine - _curve(SAVING["width"], REFERENCE_STOCK, 0.0)[tokens / REFERENCE_STOCK])


def _most_epochs_of_reference(decay: float) -> float:
    mine = _curve(SAVING["width"], SAVING["unique"], decay)[SAVING["epochs"]]
    return float(mine - _curve(SAVING["width"], REFERENCE_STOCK, decay).iloc[-1])


def _one_epoch_of_reference(decay: float) -> float:
    mine = _curve(SAVING["width"], SAVING["unique"], decay)[SAVING["epochs"]]
    return float(mine - _curve(SAVING["width"], REFERENCE_STOCK, decay).iloc[0])


def _pair(optimum) -> dict[str, float]:
    return {"params": optimum.params, "epochs": optimum.tokens / STOCK}


def _plan(law=LAW, **options) -> dict[str, float]:
    return _pair(law.optimum(BUDGET, unique_tokens=STOCK, **options))


def _other_law() -> dict[str, float]:
    return _plan(MuennighoffLaw.of(LAW.base, R_D=15.39, R_N=5.31))


def _repeats() -> dict[str, float]:
    return {k: v - (k == "epochs") for k, v in _plan().items()}


def _walk(penalised) -> dict[str, float]:
    """The best plan on the budget, with the penalty as a function of R and N/U."""
    epochs = np.geomspace(1, 200, 200_001)
    params = BUDGET / (6 * STOCK * epochs)
    loss = LAW.base.predict(params, epochs * STOCK) + penalised(epochs - 1, params / STOCK)
    best = int(np.argmin(loss))
    return {"params": float(params[best]), "epochs": float(epochs[best])}


def _once() -> dict[str, float]:
    return {"params": BUDGET / (6 * STOCK), "epochs": 1.0}


@functools.cache
def _size_of_penalty(column="loss", decay=0.0, least=LEAST_TOKENS, objective="lsq", held=True):
    c = _cells()
    mine = c[(c.weight_decay == decay) & (c.tokens >= least)].copy()
    mine["loss"] = mine[column]
    options = {"fixed": HELD} if held else {}
    return fit(mine, "lovelace", objective=objective, **options).law.P


def _saved(**options) -> float:
    return 1 - _size_of_penalty("best_loss", **options) / _size_of_penalty("loss", **options)


EXERCISES = (
    Exercise(
        id="13.1",
        title="From three epochs to seventeen",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.005),
        reference=lambda: ((MANY - 1) / (FEW - 1)) ** DELTA,
        right="The first epoch repeats nothing, so 3 and 17 epochs are 2 and 16 repetitions.",
        misconceptions=(
            Misconception(
                "epochs-for-repeats",
                lambda: (MANY / FEW) ** DELTA,
                "That is the ratio of the epochs. R counts repetitions: the first epoch is none.",
            ),
            Misconception(
                "linear",
                lambda: (MANY - 1) / (FEW - 1),
                "That is how much R grows. The penalty grows with R to the power δ.",
            ),
            Misconception(
                "epochs-and-linear",
                lambda: MANY / FEW,
                "That is how much the epochs grow. The penalty goes with the repetitions, and with "
                "a power of them.",
            ),
            Misconception(
                "difference",
                lambda: (MANY - 1) ** DELTA - (FEW - 1) ** DELTA,
                "That is a difference. A factor is a ratio.",
            ),
            Misconception(
                "difference-inside",
                lambda: (MANY - FEW) ** DELTA,
                "The epochs were subtracted before the power was taken. Take the ratio of the two "
                "penalties.",
            ),
            Misconception(
                "sign",
                lambda: ((MANY - 1) / (FEW - 1)) ** -DELTA,
                "That is a penalty which falls. Here the exponent stands without a minus.",
            ),
            Misconception(
                "increase",
                lambda: ((MANY - 1) / (FEW - 1)) ** DELTA - 1,
                "That is by how much it increases, as a fraction. Asked for is the factor.",
            ),
            Misconception(
                "not-divided",
                lambda: (MANY - 1) ** DELTA,
                "That is the power of the later repetitions alone. Divide by that of the earlier.",
            ),
            Misconception(
                "exponent-as-factor",
                lambda: (MANY - 1) / (FEW - 1) * DELTA,
                "That multiplies by δ. It is an exponent.",
            ),
        ),
    ),
    Exercise(
        id="13.2",
        title="What the last epochs cost",
        level="beginner",
        minutes=6,
        kind=Number(rel=0.01, unit="nats"),
        reference=_rise,
        right="The model was best long before. All the compute after that bought a higher loss.",
        misconceptions=(
            Misconception(
                "with-weight-decay",
                lambda: _rise(decay=0.3),
                "Those are the runs with weight decay. Asked for are those without.",
            ),
            Misconception(
                "over-one-epoch",
                lambda: float(_curve(**RISE).iloc[-1] - _curve(**RISE).iloc[0]),
                "That compares with a single epoch, and so it is negative. Compare with the "
                "lowest loss.",
            ),
            Misconception(
                "over-the-floor",
                lambda: float(_curve(**RISE).iloc[-1] - load_recorded("epochs")["floor"].iloc[0]),
                "That is the excess over the entropy rate. No run of this curve got there.",
            ),
            Misconception(
                "ratio",
                lambda: float(_curve(**RISE).iloc[-1] / _curve(**RISE).min()),
                "That is a ratio. Asked for is a difference, in nats.",
            ),
            Misconception(
                "best-checkpoint",
                lambda: _rise("best_loss"),
                "Those are the losses of the best checkpoints. Asked for are those at the end.",
            ),
            Misconception(
                "another-width",
                lambda: _rise(width=24),
                "That is width 24. Asked for is 48.",
            ),
            Misconception(
                "another-stock",
                lambda: _rise(unique=4096),
                "That is the curve of 4,096 unique tokens. Asked for are 16,384.",
            ),
            Misconception(
                "bits",
                lambda: _rise() / math.log(2),
                "That is in bits. The losses are in nats, and so is the answer.",
            ),
            Misconception(
                "share",
                lambda: _rise() / float(_curve(**RISE).min()),
                "That is the rise as a share of the lowest loss. Asked for are nats.",
            ),
            Misconception(
                "last-doubling",
                lambda: float(_curve(**RISE).iloc[-1] - _curve(**RISE).iloc[-2]),
                "That is the rise over the last doubling only. The loss turned earlier.",
            ),
            Misconception(
                "own-best-moment",
                lambda: float(
                    _curve(**RISE).iloc[-1] - _curve(**RISE, column="best_loss").iloc[-1]
                ),
                "That compares with the best moment of the same run. Compare with the other runs "
                "of the curve.",
            ),
        ),
    ),
    Exercise(
        id="13.3",
        title="Write the penalty",
        level="intermediate",
        minutes=6,
        kind=Function(CASES, rel=1e-6, abs=1e-12, name="penalty"),
        reference=penalty,
        right="It is zero for a single epoch, whatever the size, and grows with both ratios.",
        misconceptions=(
            Misconception(
                "epochs-for-repeats",
                _epochs_for_repeats,
                "`D / U` counts epochs. One epoch repeats nothing and should cost nothing.",
            ),
            Misconception(
                "per-token-seen",
                _per_token_seen,
                "The size is compared with the tokens seen. What can be memorised are the unique "
                "ones.",
            ),
            Misconception(
                "ratio-upside-down",
                _upside_down,
                "With U/N a larger model would be punished less. Which of the two can memorise?",
            ),
            Misconception(
                "exponents-swapped",
                _exponents_swapped,
                "The two exponents are swapped: delta belongs to the repetitions.",
            ),
            Misconception(
                "added",
                _added,
                "The two powers are added. They multiply: without repetitions size is no danger.",
            ),
            Misconception(
                "negative-exponents",
                _negative_exponents,
                "With minus signs this falls as epochs grow, like the other terms. It is to rise.",
            ),
            Misconception(
                "without-size",
                _without_size,
                "The parameters are not used.",
            ),
            Misconception(
                "one-too-many",
                _first_counted_twice,
                "The first epoch is added instead of taken off.",
            ),
        ),
    ),
    Exercise(
        id="13.4",
        title="What weight decay saves in one cell",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.001),
        reference=_saving,
        right="Compare each run with its own kind: the same decay, the same number of tokens, and "
        "a stock so large that repetition hardly matters.",
        misconceptions=(
            Misconception(
                "what-is-left",
                lambda: 1 - _saving(),
                "That is the share that is left. Asked for is the share that is saved.",
            ),
            Misconception(
                "of-the-loss",
                _loss_saving,
                "That is the share of the whole loss. Take the loss with the large stock off "
                "first.",
            ),
            Misconception(
                "over-the-lowest",
                lambda: _saving(_over_lowest),
                "That measures the rise from the lowest point of the same curve. The price is "
                "what repetition costs against the large stock.",
            ),
            Misconception(
                "one-reference",
                lambda: _saving(_one_reference),
                "Both runs are compared with the large stock without weight decay. Then what "
                "decay costs on plentiful data counts as a price of repetition.",
            ),
            Misconception(
                "longest-reference",
                lambda: _saving(_most_epochs_of_reference),
                "The reference has seen more tokens. Compare at the same number of tokens: 4 "
                "epochs of the large stock.",
            ),
            Misconception(
                "ratio-upside-down",
                lambda: _excess(0.0) / _excess(0.3) - 1,
                "That is by how much the price without decay exceeds the other. A saving is a "
                "share of the larger one.",
            ),
            Misconception(
                "nats",
                lambda: _excess(0.0) - _excess(0.3),
                "That is the saving in nats. Asked for is its share of the price.",
            ),
            Misconception(
                "one-epoch-of-reference",
                lambda: _saving(_one_epoch_of_reference),
                "The reference has seen fewer tokens, one epoch of the large stock. Compare at "
                "the same number of tokens.",
            ),
            Misconception(
                "plain-difference",
                lambda: float(
                    np.subtract(
                        *(
                            _curve(SAVING["width"], SAVING["unique"], d)[SAVING["epochs"]]
                            for d in (0.0, 0.3)
                        )
                    )
                ),
                "That is how many nats the loss falls by. Take the loss with the large stock off "
                "both, then give a share.",
            ),
        ),
    ),
    Exercise(
        id="13.5",
        title="Twice the epochs at the same budget",
        level="intermediate",
        minutes=8,
        kind=Choice(
            {
                "a": f"It falls, to about {2 ** (SMALL - LARGE):.2f} of what it was.",
                "b": f"It grows, to about {2**SMALL:.2f} times what it was.",
                "c": f"It grows, to about {2**LARGE:.2f} times what it was.",
                "d": f"It grows, to about {2 ** (SMALL + LARGE):.2f} times what it was.",
                "e": f"It falls, to about {2**-LARGE:.2f} of what it was.",
                "f": "It stays the same, since the budget does.",
            }
        ),
        reference="a",
        right="R doubles and N halves, so the penalty changes by 2 to the power δ − κ. Which of "
        "two plans overfits more depends on which exponent is larger.",
        misconceptions=(
            Misconception(
                "size-forgotten",
                "b",
                "That is what doubling R does for a given model. Where do the FLOPs come from?",
            ),
            Misconception(
                "size-only-and-wrong-way",
                "c",
                "That is 2 to the power κ, as if N had doubled and R had not changed.",
            ),
            Misconception(
                "both-grow",
                "d",
                "That takes N as doubling along with R, which costs four times the budget.",
            ),
            Misconception(
                "repeats-forgotten",
                "e",
                "That is what half the parameters do at the same epochs.",
            ),
            Misconception(
                "budget-fixes-it",
                "f",
                "The budget fixes N times D. The penalty has different powers of the two.",
            ),
        ),
    ),
    Exercise(
        id="13.6",
        title="A plan for a small stock",
        level="advanced",
        minutes=12,
        kind=Numbers(("params", "epochs"), rel=0.02),  # whole epochs will do
        reference=_plan,
        right="The law of fresh data would train a smaller model for longer. The penalty moves the "
        "budget from epochs to parameters.",
        misconceptions=(
            Misconception(
                "no-penalty",
                lambda: _pair(LAW.base.optimum(BUDGET)),
                "That is the optimum without the penalty, as if every token were fresh.",
            ),
            Misconception(
                "forgot-the-six",
                lambda: _plan(flops_per=1.0),
                "That spends C = N D. A parameter costs 6 FLOP per token.",
            ),
            Misconception(
                "one-epoch",
                _once,
                "That spends the budget on one epoch. The law is not lowest there.",
            ),
            Misconception(
                "another-law",
                _other_law,
                "That is the plan of Muennighoff's law. Its loss cannot rise with epochs.",
            ),
            Misconception(
                "repeats",
                _repeats,
                "Those are the repetitions R. There is one epoch more.",
            ),
            Misconception(
                "tokens",
                lambda: {k: v * (STOCK if k == "epochs" else 1) for k, v in _plan().items()},
                "Those are the tokens. Divide by the unique ones.",
            ),
            Misconception(
                "best-epochs-of-the-fresh-size",
                lambda: {
                    "params": LAW.base.optimum(BUDGET).params,
                    "epochs": LAW.best_epochs(LAW.base.optimum(BUDGET).params, STOCK),
                },
                "Those are the best epochs of the size that fresh data would ask for. That does "
                "not spend the budget: move along N D = C/6.",
            ),
            Misconception(
                "exponents-swapped",
                lambda: _walk(lambda r, ratio: LAW.P * r**LAW.kappa * ratio**LAW.delta),
                "The two exponents of the penalty are swapped: δ belongs to the repetitions.",
            ),
            Misconception(
                "epochs-for-repeats",
                lambda: _walk(lambda r, ratio: LAW.P * (r + 1) ** LAW.delta * ratio**LAW.kappa),
                "The penalty was taken with the epochs. R counts repetitions, one less.",
            ),
            Misconception(
                "penalty-without-size",
                lambda: _walk(lambda r, ratio: LAW.P * r**LAW.delta),
                "The penalty was taken without the factor (N/U)^κ.",
            ),
        ),
    ),
    Exercise(
        id="13.7",
        title="Keep the best checkpoint",
        level="advanced",
        minutes=15,
        kind=Number(rel=0.005),
        reference=_saved,
        right="Stopping early removes about half of the penalty, with no change to the training.",
        misconceptions=(
            Misconception(
                "what-is-left",
                lambda: 1 - _saved(),
                "That is the ratio of the two, the share that is left.",
            ),
            Misconception(
                "with-weight-decay",
                lambda: _saved(decay=0.3),
                "Those are the runs with weight decay. Asked for are those without.",
            ),
            Misconception(
                "all-cells",
                lambda: _saved(least=0),
                "The shortest runs are in that. They are still on the plateau of guessing, which "
                "no power law describes: keep `tokens >= 16384`.",
            ),
            Misconception(
                "another-objective",
                lambda: _saved(objective="huber"),
                'Those fits use the default objective. Asked for is `objective="lsq"`.',
            ),
            Misconception(
                "exponents-free",
                lambda: _saved(held=False),
                "The exponents were free. Then two values of P are not on the same scale, for P "
                "trades with them: hold both.",
            ),
            Misconception(
                "decay-instead",
                lambda: 1 - _size_of_penalty(decay=0.3) / _size_of_penalty(),
                "That is what weight decay saves, at the last checkpoint. Asked for is what the "
                "best checkpoint saves.",
            ),
            Misconception(
                "difference",
                lambda: _size_of_penalty() - _size_of_penalty("best_loss"),
                "That is the difference of the two P. Asked for is its share of the first.",
            ),
            Misconception(
                "ratio-upside-down",
                lambda: _size_of_penalty() / _size_of_penalty("best_loss"),
                "That is the ratio upside down. A saving is a share of the larger P.",
            ),
            Misconception(
                "of-the-mean-loss",
                lambda: float(
                    1
                    - np.divide(
                        *(
                            _cells()
                            .query("weight_decay == 0 and tokens >= @LEAST_TOKENS")[c]
                            .mean()
                            for c in ("best_loss", "loss")
                        )
                    )
                ),
                "That is by how much the mean loss falls. Asked for is the fall of P.",
            ),
        ),
    ),
)
