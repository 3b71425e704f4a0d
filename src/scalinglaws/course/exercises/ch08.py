"""Exercises of chapter 8: Chinchilla."""

from __future__ import annotations

import numpy as np

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Choice, Function, Number, Numbers
from scalinglaws.laws.published import GOPHER, published

HOFFMANN, BESIROGLU = published("hoffmann"), published("besiroglu")  # both count embeddings
TIMES = 100.0  # how many times more compute, exercise 1
PLAN = 100e9, 1e12  # parameters and tokens, exercise 5
BUDGET = GOPHER.stated_flops  # FLOP, exercise 7


# ------------------------------------------------------------------- exercise 3: a valley


def _profile(budget: float, low: float, high: float, m: int):
    """Sizes from low to high times the optimum of one budget, and their losses."""
    params = BESIROGLU.optimum(budget).params * np.geomspace(low, high, m)
    return params, BESIROGLU.predict(params, budget / (6 * params))


VALLEYS = (_profile(1e19, 0.3, 5, 7), _profile(3e20, 0.15, 2, 6), _profile(1e22, 0.25, 3, 9))


def valley(params, loss):
    """Parameters at the minimum of a parabola in ln N."""
    c2, c1, _ = np.polyfit(np.log(params), loss, 2)
    return np.exp(-c1 / (2 * c2))


def _parabola_in_params(params, loss):
    c2, c1, _ = np.polyfit(params / 1e9, loss, 2)
    return -c1 / (2 * c2) * 1e9


def _mixed_bases(params, loss):
    return np.exp(np.log10(valley(params, loss)))


def _forgot_the_two(params, loss):
    return valley(params, loss) ** 2


def _other_sign(params, loss):
    return 1 / valley(params, loss)


def _log_of_the_loss(params, loss):
    return valley(params, np.log(loss))


def _reversed_coefficients(params, loss):
    c0, c1, _ = np.polyfit(np.log(params), loss, 2)[::-1]
    return np.exp(-c1 / (2 * c0))


def _three_lowest(params, loss):
    middle = min(max(int(np.argmin(loss)), 1), len(loss) - 2)
    near = slice(middle - 1, middle + 2)
    return valley(np.asarray(params)[near], np.asarray(loss)[near])


# ------------------------------------------------------------------- exercise 4: a misprint


def _row(params: float) -> tuple[float, float, float]:
    """Parameters, FLOP and tokens where this size is optimal, rounded as in a paper."""
    flops = 6 * (params / BESIROGLU.G) ** (1 / BESIROGLU.a)
    return params, float(f"{flops:.2e}"), float(f"{flops / (6 * params):.2e}")


def _printed() -> tuple[tuple[float, float, float], ...]:
    rows = [_row(params) for params in (1e9, 3e9, 10e9, 30e9, 100e9, 300e9)]
    params, flops, tokens = rows[ODD]
    digits = f"{tokens:.2e}"  # the first two digits change places, as a typist would do it
    swapped = digits[2] + "." + digits[0] + digits[3:]
    rows[ODD] = params, flops, float(swapped)
    return tuple(rows)


ODD = 3
PRINTED = _printed()


def _tokens() -> float:
    params, flops, _ = PRINTED[ODD]
    return flops / (6 * params)


# ------------------------------------------------------------------- exercise 5: a plan


def _ratios(one, other) -> dict[str, float]:
    return {"besiroglu": float(one), "hoffmann": float(other)}


def _over_best(flops: float, rounded: bool = False) -> dict[str, float]:
    second = published("hoffmann-rounded") if rounded else HOFFMANN
    return _ratios(*(PLAN[1] / law.optimum(flops).tokens for law in (BESIROGLU, second)))


def _best_for_this_size(law) -> float:
    return (PLAN[0] / law.G) ** (1 / law.a) / PLAN[0]


# ------------------------------------------------------------------- exercise 6: the optimum

CASES = tuple(
    {"flops": flops, "A": law.A, "B": law.B, "alpha": law.alpha, "beta": law.beta}
    for flops, law in ((1e19, BESIROGLU), (5.76e23, HOFFMANN), (1e22, HOFFMANN))
)


def optimum(flops, A, B, alpha, beta):
    """Parameters and tokens of lowest loss with 6ND = flops."""
    params = (alpha * A / (beta * B) * (flops / 6) ** beta) ** (1 / (alpha + beta))
    return params, flops / (6 * params)


def _with(flops, power, ratio, root, per=6):
    params = (ratio * (flops / per) ** power) ** (1 / root)
    return params, flops / (per * params)


def _crossed(flops, A, B, alpha, beta):
    return _with(flops, alpha, alpha * A / (beta * B), alpha + beta)


def _no_six(flops, A, B, alpha, beta):
    return _with(flops, beta, alpha * A / (beta * B), alpha + beta, per=1)


def _equal_terms(flops, A, B, alpha, beta):
    return _with(flops, beta, A / B, alpha + beta)


def _upside_down(flops, A, B, alpha, beta):
    return _with(flops, beta, beta * B / (alpha * A), alpha + beta)


def _no_root(flops, A, B, alpha, beta):
    params = alpha * A / (beta * B) * (flops / 6) ** (beta / (alpha + beta))
    return params, flops / (6 * params)


def _swapped(flops, A, B, alpha, beta):
    return optimum(flops, A, B, alpha, beta)[::-1]


def _six_forgotten_in_tokens(flops, A, B, alpha, beta):
    params, tokens = optimum(flops, A, B, alpha, beta)
    return params, 6 * tokens


def _six_forgotten_in_params(flops, A, B, alpha, beta):
    params, _ = optimum(6 * flops, A, B, alpha, beta)
    return params, flops / (6 * params)


def _even_split(flops, A, B, alpha, beta):
    params = (alpha * A / (beta * B)) ** (1 / (alpha + beta)) * (flops / 6) ** 0.5
    return params, flops / (6 * params)


def _rule_of_thumb(flops, A, B, alpha, beta):
    params = (flops / 120) ** 0.5
    return params, 20 * params


def _twenty_after_the_formula(flops, A, B, alpha, beta):
    params, _ = optimum(flops, A, B, alpha, beta)
    return params, 20 * params


def _same_coefficient(flops, A, B, alpha, beta):
    g = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    return tuple(g * (flops / 6) ** (x / (alpha + beta)) for x in (beta, alpha))


# ------------------------------------------------------------------- exercise 7: the wrong law


def _needed(planner=HOFFMANN, judge=BESIROGLU) -> float:
    """Share of the budget with which the judge reaches the loss of the planner's run."""
    run = planner.optimum(BUDGET)
    return judge.cost(float(judge.predict(run.params, run.tokens))).flops / BUDGET


def _loss() -> float:
    run = HOFFMANN.optimum(BUDGET)
    return float(BESIROGLU.predict(run.params, run.tokens))


EXERCISES = (
    Exercise(
        id="08.1",
        title="A hundred times more compute",
        level="beginner",
        minutes=5,
        kind=Number(rel=0.01, unit="times the parameters"),
        reference=lambda: TIMES**HOFFMANN.a,
        right=lambda factor: (
            "The factor of the budget to the power a. The tokens take the rest of it, "
            f"a factor of {TIMES / factor:.3g}."
        ),
        misconceptions=(
            Misconception(
                "exponent-of-the-loss",
                lambda: TIMES**HOFFMANN.alpha,
                "α says how the loss falls with N. How N grows with compute is another exponent, "
                "made of α and β.",
            ),
            Misconception(
                "data-exponent-of-the-loss",
                lambda: TIMES**HOFFMANN.beta,
                "β says how the loss falls with D. How N grows with compute is another exponent, "
                "made of α and β.",
            ),
            Misconception(
                "tokens-instead",
                lambda: TIMES**HOFFMANN.b,
                "That is the factor for the tokens. The two exponents cross over: which of α and β "
                "stands on top for the parameters?",
            ),
            Misconception(
                "even-split",
                lambda: TIMES**0.5,
                "That splits the budget evenly, which is right when α equals β. Here they differ.",
            ),
            Misconception(
                "all-to-parameters",
                TIMES,
                "That gives the whole increase to parameters and leaves none for tokens.",
            ),
            Misconception(
                "exponent-of-the-frontier",
                lambda: TIMES**HOFFMANN.excess_exponent,
                "αβ/(α+β) is the exponent with which the best loss nears the floor, not the one of "
                "the size.",
            ),
            Misconception(
                "exponent-alone",
                lambda: HOFFMANN.a,
                "That is the exponent itself. Raise the factor of the budget to it.",
            ),
            Misconception(
                "other-law",
                lambda: TIMES**BESIROGLU.a,
                "That is the factor under `besiroglu`. The question is for `hoffmann`.",
            ),
            Misconception(
                "increase",
                lambda: TIMES**HOFFMANN.a - 1,
                "That is by how much more than once. Give new over old.",
            ),
        ),
    ),
    Exercise(
        id="08.2",
        title="Read this profile",
        level="beginner",
        minutes=5,
        kind=Choice(
            {
                "a": "The size in the first row: it has the lowest loss.",
                "b": "The bottom of a parabola through the six points, wherever it lies.",
                "c": "Nothing yet. Train smaller models at 3e20 FLOP first.",
                "d": "Nothing yet. Train the large models on more tokens first.",
                "e": "The middle of the sizes, since errors cancel there.",
                "f": "That smaller is always better, at every budget.",
            }
        ),
        reference="c",
        right="Only one side of the valley was measured: the optimum lies at the edge or past it. "
        "More sizes on the missing side, at the same budget, settle it.",
        misconceptions=(
            Misconception(
                "edge-as-optimum",
                "a",
                "It is the best of what was tried. An optimum needs worse runs on both sides of "
                "it.",
            ),
            Misconception(
                "extrapolated-parabola",
                "b",
                "One slope of a valley hardly tells where its bottom is: far from the runs the "
                "parabola is a guess.",
            ),
            Misconception(
                "leaves-the-budget",
                "d",
                "More tokens for the same model cost more compute. Those runs would belong to "
                "another budget's profile.",
            ),
            Misconception(
                "centre-of-the-design",
                "e",
                "The middle of the sizes is where you looked. What the runs found is in the "
                "losses.",
            ),
            Misconception(
                "smaller-is-always-better",
                "f",
                "Small models cannot hold much: left of the optimum the loss rises again. The runs "
                "do not reach that far.",
            ),
        ),
    ),
    Exercise(
        id="08.3",
        title="The bottom of a valley",
        level="intermediate",
        minutes=10,
        kind=Function(cases=VALLEYS, rel=1e-4, name="valley"),
        reference=valley,
        right="The parabola lives in ln N, its bottom is at minus c1 over 2 c2, and the "
        "exponential brings it back to parameters.",
        misconceptions=(
            Misconception(
                "lowest-run",
                lambda params, loss: params[np.argmin(loss)],
                "That is the lowest of the runs. The parabola uses all of them, and its bottom "
                "falls between two sizes.",
            ),
            Misconception(
                "parabola-in-params",
                _parabola_in_params,
                "That parabola was fitted against N itself. The valley is close to a parabola in "
                "the logarithm of N.",
            ),
            Misconception(
                "still-a-logarithm",
                lambda params, loss: np.log(valley(params, loss)),
                "That is the logarithm of the size. Undo it.",
            ),
            Misconception(
                "mixed-bases",
                _mixed_bases,
                "A logarithm to base 10 was undone with `exp`. Use the same base both ways.",
            ),
            Misconception(
                "forgot-the-2",
                _forgot_the_two,
                "The derivative of c2 x² is 2 c2 x: a factor of 2 is missing in the denominator.",
            ),
            Misconception(
                "sign",
                _other_sign,
                "The sign of c1 is lost: set the derivative 2 c2 x + c1 to zero and solve again.",
            ),
            Misconception(
                "lowest-loss",
                lambda params, loss: np.polyval(
                    np.polyfit(np.log(params), loss, 2), np.log(valley(params, loss))
                ),
                "That is the loss at the bottom. The question is at which size it lies.",
            ),
            Misconception(
                "log-of-the-loss",
                _log_of_the_loss,
                "That parabola was fitted to the logarithm of the loss. Only the size goes into a "
                "logarithm here; the loss stays as it is.",
            ),
            Misconception(
                "coefficients-reversed",
                _reversed_coefficients,
                "The coefficients are in the other order: `np.polyfit` gives the highest power "
                "first.",
            ),
            Misconception(
                "three-points",
                _three_lowest,
                "That parabola goes through the lowest run and its two neighbours. Use all the "
                "runs, or luck in three of them decides.",
            ),
        ),
    ),
    Exercise(
        id="08.4",
        title="Find the misprint",
        level="intermediate",
        minutes=10,
        kind=Number(rel=0.01),
        reference=_tokens,
        right="6ND told the row, and its neighbours told the column: the tokens per parameter of "
        "this row jump, and nothing else does.",
        misconceptions=(
            Misconception(
                "printed-value",
                lambda: PRINTED[ODD][2],
                "That is the altered entry itself: the right row and column. What should stand "
                "there so that 6ND gives the FLOPs?",
            ),
            Misconception(
                "printed-flops",
                lambda: PRINTED[ODD][1],
                "That is a number of the right row, as it stands there. What should replace the "
                "altered one?",
            ),
            Misconception(
                "repaired-the-flops",
                lambda: 6 * PRINTED[ODD][0] * PRINTED[ODD][2],
                "Right row. That repairs the FLOPs, but they fit between their neighbours. Which "
                "number of the row does not?",
            ),
            Misconception(
                "repaired-the-params",
                lambda: PRINTED[ODD][1] / (6 * PRINTED[ODD][2]),
                "Right row. That repairs the size, but the sizes of the list follow a plain "
                "pattern. Which number of the row does not?",
            ),
            Misconception(
                "forgot-the-6",
                lambda: PRINTED[ODD][1] / PRINTED[ODD][0],
                "The right entry, and one factor is missing: training takes more than one FLOP "
                "for each parameter and token.",
            ),
            Misconception(
                "twenty-per-parameter",
                lambda: 20 * PRINTED[ODD][0],
                "That is the rule of thumb of 20 tokens per parameter. The row's own FLOPs give a "
                "better number.",
            ),
            Misconception(
                "mean-of-the-neighbours",
                lambda: (PRINTED[ODD - 1][2] + PRINTED[ODD + 1][2]) / 2,
                "That is the mean of the neighbours, and tokens do not grow evenly from row to "
                "row. The row's own FLOPs give a better number.",
            ),
            Misconception(
                "in-billions",
                lambda: _tokens() / 1e9,
                "The digits are right. Write the number out instead of giving it in billions.",
            ),
        ),
    ),
    Exercise(
        id="08.5",
        title="Judge a plan",
        level="intermediate",
        minutes=10,
        kind=Numbers(("besiroglu", "hoffmann"), rel=0.02),
        reference=lambda: _over_best(6 * PLAN[0] * PLAN[1]),
        right="Both laws call the plan undertrained, and they disagree about how much is missing.",
        misconceptions=(
            Misconception(
                "sizes-instead",
                lambda: _ratios(
                    *(
                        PLAN[0] / law.optimum(6 * PLAN[0] * PLAN[1]).params
                        for law in (BESIROGLU, HOFFMANN)
                    )
                ),
                "Those are above one, so they say that the plan has too much of something. It has "
                "too few tokens: give planned over best for the tokens, not best over planned, "
                "and not for the parameters.",
            ),
            Misconception(
                "best-tokens",
                lambda: _ratios(
                    *(law.optimum(6 * PLAN[0] * PLAN[1]).tokens for law in (BESIROGLU, HOFFMANN))
                ),
                "Those are the best numbers of tokens. Divide the plan's tokens by them.",
            ),
            Misconception(
                "tokens-per-parameter",
                lambda: _ratios(
                    *(
                        PLAN[1] / PLAN[0] / law.optimum(6 * PLAN[0] * PLAN[1]).tokens_per_param
                        for law in (BESIROGLU, HOFFMANN)
                    )
                ),
                "Those compare tokens per parameter, in which tokens and size are both off. "
                "Compare the tokens alone.",
            ),
            Misconception(
                "budget-of-gopher",
                lambda: _over_best(BUDGET),
                "The budget is the plan's own 6ND, not the 5.76e23 FLOP of the chapter.",
            ),
            Misconception(
                "best-tokens-for-this-size",
                lambda: _ratios(
                    *(PLAN[1] / _best_for_this_size(law) for law in (BESIROGLU, HOFFMANN))
                ),
                "That compares with the tokens at which this size becomes optimal, which is a "
                "larger budget. Keep the compute of the plan.",
            ),
            Misconception(
                "twenty-per-parameter",
                lambda: _ratios(*2 * (PLAN[1] / (20 * PLAN[0]),)),
                "That compares with 20 tokens per parameter, which is no output of either law. "
                "Find the best run of the same budget.",
            ),
            Misconception(
                "forgot-the-6",
                lambda: _over_best(PLAN[0] * PLAN[1]),
                "The budget of the plan lacks the 6 of 6ND.",
            ),
            Misconception(
                "rounded-constants",
                lambda: {"hoffmann": _over_best(6 * PLAN[0] * PLAN[1], rounded=True)["hoffmann"]},
                "The second number uses the constants as rounded in print. The law asked for is "
                "the one with the digits of the TeX source, `hoffmann`.",
            ),
        ),
    ),
    Exercise(
        id="08.6",
        title="The optimum as a function",
        level="advanced",
        minutes=15,
        kind=Function(cases=CASES, rel=1e-6, name="optimum"),
        reference=optimum,
        right="The balance of gains and the budget are two equations for two unknowns. The floor "
        "cannot matter, for no split changes it.",
        misconceptions=(
            Misconception(
                "exponents-crossed",
                _crossed,
                "The exponents of N and D have changed places: the power of the budget in N is β "
                "over the sum.",
            ),
            Misconception(
                "forgot-the-6",
                _no_six,
                "Your product N·D is the whole budget. It should be the budget divided by 6.",
            ),
            Misconception(
                "equal-terms",
                _equal_terms,
                "That makes the two terms equal. At the optimum the terms times their exponents "
                "are equal.",
            ),
            Misconception(
                "ratio-upside-down",
                _upside_down,
                "The ratio αA/(βB) is upside down: a heavier model term should ask for more "
                "parameters.",
            ),
            Misconception(
                "root-missing",
                _no_root,
                "The ratio αA/(βB) also needs the root 1/(α+β), not only the power of the budget.",
            ),
            Misconception(
                "swapped",
                _swapped,
                "The two numbers are in the wrong order: parameters first, then tokens.",
            ),
            Misconception(
                "six-forgotten-in-tokens",
                _six_forgotten_in_tokens,
                "The parameters are right. The tokens come from 6ND = C, and the 6 is missing "
                "there.",
            ),
            Misconception(
                "six-forgotten-in-params",
                _six_forgotten_in_params,
                "The two meet the budget, but the 6 is missing where the parameters are made: it "
                "is C/6 that is raised to a power.",
            ),
            Misconception(
                "even-split",
                _even_split,
                "That lets parameters and tokens grow alike, which is right only when α equals β.",
            ),
            Misconception(
                "twenty-per-parameter",
                _rule_of_thumb,
                "That is 20 tokens per parameter. The answer depends on A, B, alpha and beta.",
            ),
            Misconception(
                "twenty-after-the-formula",
                _twenty_after_the_formula,
                "The parameters are right. 20 tokens for each of them do not meet the budget: with "
                "the size chosen, 6ND = C leaves one number of tokens.",
            ),
            Misconception(
                "same-coefficient",
                _same_coefficient,
                "The parameters are right. The tokens need one over G, or simply C/(6N): your "
                "product does not meet the budget.",
            ),
        ),
    ),
    Exercise(
        id="08.7",
        title="The price of the wrong law",
        level="advanced",
        minutes=15,
        kind=Number(rel=0.02),
        reference=lambda: 1 - _needed(),
        right="The loss is hardly worse, for the valley is flat. In compute the mistake is larger, "
        "because near the floor much compute buys little loss.",
        misconceptions=(
            Misconception(
                "share-needed",
                _needed,
                "That is the share that was enough. The question is for the share that was not "
                "needed.",
            ),
            Misconception(
                "percent",
                lambda: 100 * (1 - _needed()),
                "That is a percentage. Give a fraction, between 0 and 1.",
            ),
            Misconception(
                "nats",
                lambda: _loss() - BESIROGLU.optimum(BUDGET).loss,
                "That is the loss given up, in nats per token. Ask what that loss would have cost "
                "at best, in FLOP.",
            ),
            Misconception(
                "share-of-the-loss",
                lambda: 1 - BESIROGLU.optimum(BUDGET).loss / _loss(),
                "That compares two losses at the same compute. Hold the loss fixed and compare "
                "compute.",
            ),
            Misconception(
                "share-of-the-excess",
                lambda: (
                    1 - (BESIROGLU.optimum(BUDGET).loss - BESIROGLU.E) / (_loss() - BESIROGLU.E)
                ),
                "That compares two excesses over the floor at the same compute. The frontier's "
                "exponent turns them into compute.",
            ),
            Misconception(
                "laws-changed-places",
                lambda: 1 - _needed(BESIROGLU, HOFFMANN),
                "The two laws have changed places: `hoffmann` plans the run, `besiroglu` says what "
                "it reaches.",
            ),
            Misconception(
                "difference-in-size",
                lambda: 1 - HOFFMANN.optimum(BUDGET).params / BESIROGLU.optimum(BUDGET).params,
                "That compares two sizes. Both runs cost the same; compare what their losses cost "
                "at best.",
            ),
            Misconception(
                "share-of-the-needed",
                lambda: 1 / _needed() - 1,
                "That is the extra as a share of what was needed. Give it as a share of what was "
                "spent.",
            ),
            Misconception(
                "in-flop",
                lambda: (1 - _needed()) * BUDGET,
                "That is the waste in FLOP. Give it as a fraction of the budget.",
            ),
            Misconception(
                "believed-the-planner",
                lambda: 1 - BESIROGLU.cost(HOFFMANN.optimum(BUDGET).loss).flops / BUDGET,
                "That loss is what the planning law promised. If the other law is the truth, the "
                "run reaches another loss.",
            ),
        ),
    ),
)
