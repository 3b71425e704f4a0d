"""Exercises of chapter 7: Kaplan 2020. No N here counts embeddings."""

from __future__ import annotations

import math

from scalinglaws.counting import PF_DAY
from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.laws.published import (
    KAPLAN_COMPUTE_EXPONENTS,
    KAPLAN_TABLE_6,
    KAPLAN_TOKENS_6_7,
    published,
)

SIZE, DATA, COMPUTE = (published(f"kaplan-{name}") for name in ("N", "D", "Cmin"))
JOINT, STEPS, TRAINING = (published(f"kaplan-{name}") for name in ("ND", "NS", "training"))
RULE = published("kaplan-allocation")  # Table 6; its budget is C_min
FLOPS = 3e22  # exercise 3, at the critical batch size
OTHERS = {"alpha_N": 0.09, "alpha_B": 0.30, "alpha_S": 0.60}  # exercise 5, made up
THEIR_PRINT = 0.070  # and the exponent of the loss that is printed beside them


# ------------------------------------------------------------------- exercise 3: a real budget


def _run(c_min: float, flops: float = FLOPS, per: float = 6.0) -> dict[str, float]:
    """The size by Table 6 for one budget, and the tokens that another pays for."""
    params = float(RULE.params(c_min))
    return {"params": params, "tokens": flops / (per * params)}


def _tokens_by(scale: float, power: float) -> dict[str, float]:
    """The right size, with tokens by a power of C_min in PF-days."""
    return _run(FLOPS / 2) | {"tokens": scale * (FLOPS / 2 / PF_DAY) ** power}


def _batch_times_steps() -> dict[str, float]:
    (batch, batch_power), (steps, steps_power) = (KAPLAN_TABLE_6[k] for k in ("batch", "steps"))
    return _tokens_by(batch * steps, batch_power + steps_power)


# ------------------------------------------------------------------- exercise 4: steps and compute

BATCHES = (
    {"min_steps": 1e4, "min_flops": 1e20, "critical": 2e6, "batch": 5e5},
    {"min_steps": 2e4, "min_flops": 3e21, "critical": 1e6, "batch": 4e6},
    {"min_steps": 5e3, "min_flops": 7e18, "critical": 3e5, "batch": 3e5},
)


def cost(min_steps, min_flops, critical, batch):
    """Steps and compute of a run with this batch."""
    return min_steps * (1 + critical / batch), min_flops * (1 + batch / critical)


def _both_by_steps(min_steps, min_flops, critical, batch):
    return min_steps * (1 + critical / batch), min_flops * (1 + critical / batch)


def _divided(min_steps, min_flops, critical, batch):
    return min_steps / (1 + critical / batch), min_flops / (1 + batch / critical)


def _without_one(min_steps, min_flops, critical, batch):
    return min_steps * critical / batch, min_flops * batch / critical


def _free_below(min_steps, min_flops, critical, batch):
    return (
        min_steps * max(1.0, critical / batch),
        min_flops * max(1.0, batch / critical),
    )


# ------------------------------------------------------------------- exercise 5: other exponents


def _exponents(loss: float) -> dict[str, float]:
    """Exponents of parameters and tokens that go with one of the loss."""
    return {
        "loss": loss,
        "params": loss / OTHERS["alpha_N"],
        "tokens": 1 - loss / OTHERS["alpha_N"],
    }


def _harmonic(*alphas: float) -> float:
    return 1 / sum(1 / alpha for alpha in alphas)


ALPHA_C = _harmonic(*OTHERS.values())


# ------------------------------------------------------------------- exercise 6: the promise


def _promised() -> float:
    """Loss of L(N, D) with 6ND at one PF-day."""
    return JOINT.optimum(PF_DAY).loss


def _same_size() -> float:
    """C_min of the promised loss with the size that L(N, D) chose, over a PF-day."""
    params, loss = JOINT.optimum(PF_DAY).params, _promised()
    steps = TRAINING.steps_law.steps_for(params, loss)
    return 6 * params * steps * float(TRAINING.batch_law.predict(loss)) / PF_DAY


def _passes() -> float:
    best = JOINT.optimum(PF_DAY)
    return float(TRAINING.epochs(JOINT, best.params, best.tokens))


# ------------------------------------------------------------------- exercise 7: the cheapest run

TARGETS = (
    {"loss": 3.0, "Nc": 8.8e13, "alpha_N": 0.076, "Sc": 2.1e3, "alpha_S": 0.76},
    {"loss": 2.2, "Nc": 5.0e12, "alpha_N": 0.09, "Sc": 4.0e3, "alpha_S": 0.5},
    {"loss": 4.5, "Nc": 2.0e13, "alpha_N": 0.12, "Sc": 9.0e2, "alpha_S": 0.8},
)


def cheapest(loss, Nc, alpha_N, Sc, alpha_S):
    """Parameters and least steps of the cheapest run to a loss."""
    model = loss / (1 + alpha_N / alpha_S)
    return Nc / model ** (1 / alpha_N), Sc / (loss - model) ** (1 / alpha_S)


def _split(share):
    """A function that gives this share of the loss to the model term."""

    def answer(loss, Nc, alpha_N, Sc, alpha_S):
        model = loss * share(alpha_N, alpha_S)
        return Nc / model ** (1 / alpha_N), Sc / (loss - model) ** (1 / alpha_S)

    return answer


def _whole_loss_twice(loss, Nc, alpha_N, Sc, alpha_S):
    return Nc / loss ** (1 / alpha_N), Sc / loss ** (1 / alpha_S)


def _model_takes_all(loss, Nc, alpha_N, Sc, alpha_S):
    rest = loss * alpha_N / alpha_S
    return Nc / loss ** (1 / alpha_N), Sc / rest ** (1 / alpha_S)


def _no_roots(loss, Nc, alpha_N, Sc, alpha_S):
    model = loss / (1 + alpha_N / alpha_S)
    return Nc / model, Sc / (loss - model)


def _powers_not_roots(loss, Nc, alpha_N, Sc, alpha_S):
    model = loss / (1 + alpha_N / alpha_S)
    return Nc / model**alpha_N, Sc / (loss - model) ** alpha_S


def _growing_powers(loss, Nc, alpha_N, Sc, alpha_S):
    model = loss / (1 + alpha_N / alpha_S)
    return Nc * model ** (1 / alpha_N), Sc * (loss - model) ** (1 / alpha_S)


EXERCISES = (
    Exercise(
        id="07.1",
        title="Half the loss",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.01, unit="times the parameters"),
        reference=lambda: 2 ** (1 / SIZE.alpha_N),
        right="Two to the power of one over the exponent. So no one halves a loss by size alone, "
        "and with a floor no one could.",
        misconceptions=(
            Misconception(
                "exponent-not-inverted",
                lambda: 2**SIZE.alpha_N,
                "That is by how much the loss falls when the parameters double. Here the loss is "
                "halved, and the parameters are asked for: solve for N.",
            ),
            Misconception(
                "linear",
                2.0,
                "Twice the parameters would halve the loss if the exponent were 1. It is far "
                "smaller.",
            ),
            Misconception(
                "data-exponent",
                lambda: 2 ** (1 / DATA.alpha_D),
                "That is the factor for the data, by L(D). The question is about L(N).",
            ),
            Misconception(
                "compute-exponent",
                lambda: 2 ** (1 / COMPUTE.alpha_C),
                "That is the factor for compute, by L(C_min). The question is about L(N).",
            ),
            Misconception(
                "other-table",
                lambda: 2 ** (1 / STEPS.alpha_N),
                "That uses the exponent of the fit of L(N, S), Table 3. The law `kaplan-N` has "
                "another one.",
            ),
            Misconception(
                "two-over-the-exponent",
                lambda: 2 / SIZE.alpha_N,
                "A power law turns a factor into a power. Dividing 2 by the exponent is not "
                "raising it to one over the exponent.",
            ),
            Misconception(
                "inverse-alone",
                lambda: 1 / SIZE.alpha_N,
                "That is the power. Raise the factor by which the loss falls to it.",
            ),
            Misconception(
                "base-e",
                lambda: math.exp(1 / SIZE.alpha_N),
                "That divides the loss by e. The question is for one half.",
            ),
            Misconception(
                "base-ten",
                lambda: 10 ** (1 / SIZE.alpha_N),
                "That divides the loss by 10. The question is for one half.",
            ),
            Misconception(
                "rounded-exponent",
                lambda: 2 ** (1 / round(SIZE.alpha_N, 2)),
                "The exponent was rounded to two decimals, and one over it is very sensitive. "
                "Keep all three.",
            ),
        ),
    ),
    Exercise(
        id="07.2",
        title="Twice the batch",
        level="beginner",
        minutes=5,
        kind=Choice(
            {
                "a": "Half the steps, and half the compute.",
                "b": "As many steps, and twice the compute.",
                "c": "Half the steps, and twice the compute.",
                "d": "Little more than half the steps, and about a tenth more compute.",
                "e": "Steps fewer by the square root of two, and as much compute.",
                "f": "Nothing changes: a batch only says how the text is cut.",
            }
        ),
        reference="d",
        right="Far below the critical size each doubling nearly halves the steps at little cost: "
        "11 times the fewest become 6 times, and 1.1 times the least compute become 1.2 times.",
        misconceptions=(
            Misconception(
                "compute-follows-steps",
                "a",
                "Each step now reads twice the text. Fewer steps of twice the work are not half "
                "the work.",
            ),
            Misconception(
                "far-above-critical",
                "b",
                "That is what happens far above the critical size, where the gradient is as good "
                "as exact. Here the batch is a tenth of it.",
            ),
            Misconception(
                "compute-follows-batch",
                "c",
                "Compute is steps times batch. If the steps halve and the batch doubles, what "
                "becomes of the product?",
            ),
            Misconception(
                "square-root-of-noise",
                "e",
                "The noise of one gradient falls by the square root of two. The steps that are "
                "saved follow another rule: put B/B_crit into the two formulas.",
            ),
            Misconception(
                "batch-does-not-matter",
                "f",
                "The tokens read are nearly the same, but the model is updated once a batch, and "
                "larger batches give better updates.",
            ),
        ),
    ),
    Exercise(
        id="07.3",
        title="A budget as it is billed",
        level="intermediate",
        minutes=10,
        kind=Numbers(("params", "tokens"), rel=0.02),
        reference=lambda: _run(FLOPS / 2),
        right="Table 6 wants C_min, which is half of the bill at the critical batch size. The "
        "tokens are those of the whole bill.",
        misconceptions=(
            Misconception(
                "whole-budget",
                lambda: _run(FLOPS),
                "The whole bill went into Table 6. Its C is C_min: what part of the bill is that "
                "at the critical batch size?",
            ),
            Misconception(
                "twice-the-budget",
                lambda: _run(2 * FLOPS),
                "C_min is the least compute. It is below the bill, not above it.",
            ),
            Misconception(
                "flop-for-pf-days",
                lambda: _run(FLOPS / 2 * PF_DAY),
                "FLOP went in where Table 6 wants PF-days. One PF-day is 8.64e19 FLOP.",
            ),
            Misconception(
                "tokens-of-tiny-batches",
                lambda: _run(FLOPS / 2, FLOPS / 2),
                "The size is right. Those are the tokens that tiny batches would need. At the "
                "critical batch size the run reads more: all of its FLOP are 6ND.",
            ),
            Misconception(
                "tokens-of-table-6",
                lambda: _run(FLOPS / 2) | {"tokens": float(RULE.tokens(FLOPS / 2))},
                "The size is right. Those tokens are the rounded ones of Table 6. Take them from "
                "C = 6ND, which the bill has to obey.",
            ),
            Misconception(
                "tokens-of-equation-6.7",
                lambda: _tokens_by(*KAPLAN_TOKENS_6_7),
                "The size is right. Those are the tokens of the paper's equation 6.7, which do not "
                "go with Table 6. Take them from C = 6ND.",
            ),
            Misconception(
                "batch-times-least-steps",
                _batch_times_steps,
                "The size is right. The steps of Table 6 are the fewest, S_min. At the critical "
                "batch size a run takes more.",
            ),
            Misconception(
                "whole-budget-by-table-6",
                lambda: {
                    "params": float(RULE.params(FLOPS)),
                    "tokens": float(RULE.tokens(FLOPS)),
                },
                "The whole bill went into Table 6, for size and tokens alike. Its C is C_min: "
                "what part of the bill is that at the critical batch size?",
            ),
            Misconception(
                "forgot-the-6",
                lambda: _run(FLOPS / 2, FLOPS, 1),
                "The size is right. Training takes six FLOP for each parameter and token.",
            ),
            Misconception(
                "derived-exponent",
                lambda: {
                    "params": TRAINING.optimum(FLOPS / 2).params,
                    "tokens": FLOPS / (6 * TRAINING.optimum(FLOPS / 2).params),
                },
                "That is the size that follows from L(N, S). The question is for the measured one, "
                "Table 6.",
            ),
            Misconception(
                "joint-law",
                lambda: {
                    "params": JOINT.optimum(FLOPS).params,
                    "tokens": JOINT.optimum(FLOPS).tokens,
                },
                "That is L(N, D) under C = 6ND, which its tokens do not obey. Use Table 6.",
            ),
            Misconception(
                "twenty-per-parameter",
                lambda: {"params": (FLOPS / 120) ** 0.5, "tokens": 20 * (FLOPS / 120) ** 0.5},
                "That is the rule of 20 tokens per parameter, which came later. Use Table 6.",
            ),
        ),
    ),
    Exercise(
        id="07.4",
        title="What a batch costs",
        level="intermediate",
        minutes=10,
        kind=Function(cases=BATCHES, rel=1e-4, name="cost"),
        reference=cost,
        right="Small batches pay in steps, large ones in compute, and at the critical size both "
        "are doubled.",
        misconceptions=(
            Misconception(
                "ratios-crossed",
                lambda min_steps, min_flops, critical, batch: (
                    min_steps * (1 + batch / critical),
                    min_flops * (1 + critical / batch),
                ),
                "The two ratios are crossed. What does a huge batch save, steps or compute?",
            ),
            Misconception(
                "same-factor",
                _both_by_steps,
                "Steps and compute got the same factor. A smaller batch takes more steps, but each "
                "of them is cheaper.",
            ),
            Misconception(
                "divided",
                _divided,
                "That goes from a run to its least values. Here the least values are given, and "
                "the run costs more.",
            ),
            Misconception(
                "forgot-the-one",
                _without_one,
                "The one in the brackets is missing: even with the best batch a run costs the "
                "least value.",
            ),
            Misconception(
                "compute-is-free",
                lambda min_steps, min_flops, critical, batch: (
                    min_steps * (1 + critical / batch),
                    min_flops,
                ),
                "The steps are right. The compute given is the least, whatever the batch. But a "
                "larger batch reads more text in all.",
            ),
            Misconception(
                "sharp-corner",
                _free_below,
                "That has a sharp corner: all batches below the critical size cost nothing extra. "
                "The rule is smooth, and at the critical size both are doubled.",
            ),
            Misconception(
                "always-double",
                lambda min_steps, min_flops, critical, batch: (2 * min_steps, 2 * min_flops),
                "Twice the least is right at the critical batch size only. Use the batch that is "
                "given.",
            ),
            Misconception(
                "order",
                lambda **case: cost(**case)[::-1],
                "Right numbers, other order: the steps come first, then the compute.",
            ),
        ),
    ),
    Exercise(
        id="07.5",
        title="Another laboratory",
        level="intermediate",
        minutes=10,
        kind=Numbers(("loss", "params", "tokens"), rel=0.01),
        reference=lambda: _exponents(ALPHA_C),
        right="One over the exponents add up, because N, B and S multiply to the compute. The "
        "tokens get what the parameters leave.",
        misconceptions=(
            Misconception(
                "printed-value",
                lambda: _exponents(THEIR_PRINT),
                "The exponent of the loss is the printed one, which was to be checked. Derive it "
                "from the three constants.",
            ),
            Misconception(
                "plain-sum",
                lambda: _exponents(sum(OTHERS.values())),
                "The exponents themselves were added. Each quantity is a power of the loss with "
                "one over its exponent, and those add up.",
            ),
            Misconception(
                "sum-of-reciprocals",
                lambda: _exponents(1 / ALPHA_C),
                "That is how compute goes with the loss. Turn it round: how does the loss go with "
                "compute?",
            ),
            Misconception(
                "forgot-the-batch",
                lambda: _exponents(_harmonic(OTHERS["alpha_N"], OTHERS["alpha_S"])),
                "The batch is missing. It grows along the frontier too, and it is paid for.",
            ),
            Misconception(
                "forgot-the-steps",
                lambda: _exponents(_harmonic(OTHERS["alpha_N"], OTHERS["alpha_B"])),
                "The steps are missing. They grow along the frontier too, if slowly.",
            ),
            Misconception(
                "harmonic-mean",
                lambda: _exponents(3 * ALPHA_C),
                "That is the harmonic mean. The reciprocals add up; nothing is divided by three.",
            ),
            Misconception(
                "upside-down",
                lambda: {"params": OTHERS["alpha_N"] / ALPHA_C},
                "The exponent of the parameters is upside down: above one, they would grow faster "
                "than the compute that pays for them.",
            ),
            Misconception(
                "tokens-are-steps",
                lambda: {"tokens": ALPHA_C / OTHERS["alpha_S"]},
                "That is the exponent of the steps. Tokens are steps times batch.",
            ),
            Misconception(
                "tokens-are-batches",
                lambda: {"tokens": ALPHA_C / OTHERS["alpha_B"]},
                "That is the exponent of the batch. Tokens are steps times batch.",
            ),
            Misconception(
                "crossed-as-in-the-additive-law",
                lambda: {
                    "params": 1 - ALPHA_C / OTHERS["alpha_N"],
                    "tokens": ALPHA_C / OTHERS["alpha_N"],
                },
                "Parameters and tokens are exchanged. A small exponent of the loss means that much "
                "of that quantity is needed.",
            ),
            Misconception(
                "exponents-of-the-paper",
                lambda: {
                    "loss": TRAINING.loss_exponent,
                    "params": TRAINING.a,
                    "tokens": TRAINING.b,
                },
                "Those follow from the constants of Kaplan et al. Use the three of this exercise.",
            ),
        ),
    ),
    Exercise(
        id="07.6",
        title="The price of a promise",
        level="advanced",
        minutes=15,
        kind=Number(rel=0.02, unit="times the budget"),
        reference=lambda: TRAINING.cost(_promised()).flops / PF_DAY,
        right="A loss that looks only an eighth too good costs an order of magnitude, because the "
        "exponent of compute is so small.",
        misconceptions=(
            Misconception(
                "number-of-passes",
                _passes,
                "That is the number of passes over the data of that run. The cheapest run to this "
                "loss has another size and reads every token once.",
            ),
            Misconception(
                "size-of-the-promise",
                _same_size,
                "That keeps the size that L(N, D) chose. Another size reaches this loss at less "
                "cost.",
            ),
            Misconception(
                "measured-law",
                lambda: COMPUTE.invert(_promised()) / PF_DAY,
                "That asks the measured L(C_min). The question is for the cost by L(N, S) and "
                "B_crit, the law `kaplan-training`.",
            ),
            Misconception(
                "ratio-of-losses",
                lambda: TRAINING.optimum(PF_DAY).loss / _promised(),
                "That is the ratio of the two losses. How much compute is that ratio worth?",
            ),
            Misconception(
                "exponent-of-the-joint-law",
                lambda: (TRAINING.optimum(PF_DAY).loss / _promised()) ** (1 / JOINT.loss_exponent),
                "The ratio of the losses was turned into compute with the exponent of L(N, D) "
                "under 6ND. The frontier of L(N, S) has its own.",
            ),
            Misconception(
                "measured-exponent",
                lambda: (TRAINING.optimum(PF_DAY).loss / _promised()) ** (1 / COMPUTE.alpha_C),
                "The ratio of the losses was turned into compute with the measured exponent, that "
                "of L(C_min). The frontier of L(N, S) has its own.",
            ),
            Misconception(
                "exponent-of-section-6.2",
                lambda: (
                    (TRAINING.optimum(PF_DAY).loss / _promised())
                    ** (1 / KAPLAN_COMPUTE_EXPONENTS["predicted (section 6.2)"][0])
                ),
                "The ratio of the losses was turned into compute with the exponent printed in "
                "section 6.2. Take the one that follows from the law.",
            ),
            Misconception(
                "at-the-critical-batch",
                lambda: 2 * TRAINING.cost(_promised()).flops / PF_DAY,
                "That is the bill at the critical batch size. Compare C_min with C_min.",
            ),
            Misconception(
                "upside-down",
                lambda: PF_DAY / TRAINING.cost(_promised()).flops,
                "That is the share that the budget covers. Give the needed compute over the "
                "budget.",
            ),
            Misconception(
                "in-flop",
                lambda: TRAINING.cost(_promised()).flops,
                "That is the compute in FLOP. Divide by the budget.",
            ),
            Misconception(
                "cost-by-the-joint-law",
                1.0,
                "By L(N, D) itself the promise costs what was promised. Ask the law whose tokens "
                "are paid for.",
            ),
        ),
    ),
    Exercise(
        id="07.7",
        title="The cheapest run to a loss",
        level="advanced",
        minutes=15,
        kind=Function(cases=TARGETS, rel=1e-4, name="cheapest"),
        reference=cheapest,
        right="The balance splits the loss in the ratio of the two exponents; each term then gives "
        "its quantity. Batch and six play no part, for they multiply every choice alike.",
        misconceptions=(
            Misconception(
                "equal-terms",
                _split(lambda alpha_N, alpha_S: 0.5),
                "That makes the two terms equal. What is equal at the cheapest point is each term "
                "times its exponent.",
            ),
            Misconception(
                "weights-crossed",
                _split(lambda alpha_N, alpha_S: alpha_N / (alpha_N + alpha_S)),
                "The shares are crossed: the term with the larger exponent is the smaller one.",
            ),
            Misconception(
                "share-of-the-loss",
                _split(lambda alpha_N, alpha_S: 1 - alpha_N / alpha_S),
                "The ratio of the exponents is the training term over the *model* term. It was "
                "taken as a share of the whole loss.",
            ),
            Misconception(
                "ten-per-cent",
                _split(lambda alpha_N, alpha_S: 1 / 1.1),
                "A tenth above convergence holds for the paper's two exponents. Compute the share "
                "from those that are given.",
            ),
            Misconception(
                "whole-loss-twice",
                _whole_loss_twice,
                "Each term was set equal to the whole loss. Together they must make up the loss.",
            ),
            Misconception(
                "model-term-is-the-loss",
                _model_takes_all,
                "The model term was given the whole loss, and the training term came on top. "
                "Together they must make up the loss.",
            ),
            Misconception(
                "no-roots",
                _no_roots,
                "The split of the loss is right. Each term is a power of N or S: undo the power.",
            ),
            Misconception(
                "powers-not-roots",
                _powers_not_roots,
                "The split of the loss is right. To undo a power, raise to one over the exponent.",
            ),
            Misconception(
                "lost-the-minus",
                _growing_powers,
                "The split of the loss is right. A lower term takes more parameters or steps: the "
                "power that undoes it is negative.",
            ),
            Misconception(
                "order",
                lambda **case: cheapest(**case)[::-1],
                "Right numbers, other order: the parameters come first, then the steps.",
            ),
        ),
    ),
)
