"""Instant checks of lab 4: the steps of a sweep of tiny models, each a function.

The grader uses the same references and misconceptions on cases that nobody has seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Function, Unreadable
from scalinglaws.course.exercises.lab3 import Translated
from scalinglaws.course.labs.lab_4 import bracket_table, rungs_table, walk

# ------------------------------------------------------------------------------------ references


def stationary(p):
    """The shares of time in each state: pi P = pi, with sum 1."""
    n = len(p)
    equations = np.vstack([p.T - np.eye(n), np.ones(n)])
    return np.linalg.lstsq(equations, np.r_[np.zeros(n), 1.0], rcond=None)[0]


def _row_entropies(p):
    return np.array([-sum(x * math.log(x) for x in row if x > 0) for row in p])


def entropy_rate(p):
    """Mean surprise of the next state, nats: the entropies of the rows, weighted by time there."""
    return float(stationary(p) @ _row_entropies(p))


def largest_rung(total, rungs, ratio, runs):
    """FLOP of one run of the most expensive rung, if all rungs together cost `total`."""
    return total / (runs * sum(ratio**-i for i in range(rungs)))


def pick_rate(rates, losses):
    """(rate, "inside" | "lowest" | "highest"): the best learning rate, and where it lies."""
    rates, mean = np.asarray(rates), np.asarray(losses).mean(axis=1)  # NaN where a seed diverged
    best = rates[np.nanargmin(mean)]
    if best == rates.min():
        return best, "lowest"
    return best, "highest" if best == rates.max() else "inside"


def fit_excess(flops, loss, floor):
    """(s, k) of loss - floor = k (C / 1e9)^-s."""
    slope, ln_k = np.polyfit(np.log(np.asarray(flops) / 1e9), np.log(loss - floor), 1)
    return -float(slope), float(np.exp(ln_k))


def _line(flops, excess, target):
    """Forecast of ln excess, residual sd, and the two terms beside 1: 1/n and the distance."""
    x, y = np.log(flops), np.log(excess)
    slope, constant = np.polyfit(x, y, 1)
    n, at = len(x), math.log(target)
    sd = math.sqrt(np.sum((y - constant - slope * x) ** 2) / (n - 2))
    away = (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    return constant + slope * at, sd, 1 / n, away


def _interval(middle, half):
    return math.exp(middle - half), math.exp(middle + half)


def forecast(flops, excess, target):
    """A 90 % interval for the excess of one new run, from a straight line in logarithms."""
    middle, sd, mean, away = _line(flops, excess, target)
    t = stats.t.ppf(0.95, len(flops) - 2)
    return _interval(middle, t * sd * math.sqrt(1 + mean + away))


# ------------------------------------------------------------------------------ wrong functions


def _all_rows_alike(p):
    return float(_row_entropies(p).mean())


def _unigram(p):
    pi = stationary(p)
    return float(-pi @ np.log(pi))


def _by_ways(p):
    ways = (p > 0).sum(axis=1)
    return float(ways @ _row_entropies(p) / ways.sum())


def _even_ways(p):
    return float(stationary(p) @ np.log((p > 0).sum(axis=1)))


def _one_start(p):
    pi = np.eye(len(p))[0] @ np.linalg.matrix_power(p, 1000)
    return float(pi @ _row_entropies(p))


def _most_likely(p):
    return float(-stationary(p) @ np.log(p.max(axis=1)))


def _equal_split(total, rungs, ratio, runs):
    return total / (rungs * runs)


def _top_only(total, rungs, ratio, runs):
    return total / runs


def _whole_rung(total, rungs, ratio, runs):
    return runs * largest_rung(total, rungs, ratio, runs)


def _lowest_rung(total, rungs, ratio, runs):
    return largest_rung(total, rungs, ratio, runs) / ratio ** (rungs - 1)


def _endless(total, rungs, ratio, runs):
    return total / runs * (1 - 1 / ratio)


def _one_more(total, rungs, ratio, runs):
    return largest_rung(total, rungs + 1, ratio, runs)


def _six(total, rungs, ratio, runs):
    return largest_rung(total, rungs, ratio, runs) / 6


def _where(best, rates):
    return "lowest" if best == min(rates) else "highest" if best == max(rates) else "inside"


def _of_survivors(losses, statistic):
    """A statistic of the seeds that did not diverge; infinite where none is left."""
    left = [row[~np.isnan(row)] for row in losses]
    return np.array([statistic(row) if len(row) else np.inf for row in left])


def _survivors(rates, losses):
    best = rates[np.argmin(_of_survivors(losses, np.mean))]
    return best, _where(best, rates)


def _by_median(rates, losses):
    best = rates[np.nanargmin(np.median(losses, axis=1))]
    return best, _where(best, rates)


def _nan_wins(rates, losses):
    best = rates[np.argmin(losses.mean(axis=1))]
    return best, _where(best, rates)


def _lucky(rates, losses):
    whole = np.where(np.isnan(losses).any(axis=1), np.nan, losses.min(axis=1))
    best = rates[np.nanargmin(whole)]
    return best, _where(best, rates)


def _luckiest(rates, losses):
    best = rates[np.argmin(_of_survivors(losses, np.min))]
    return best, _where(best, rates)


def _by_place(rates, losses):
    at = int(np.nanargmin(losses.mean(axis=1)))
    return rates[at], "lowest" if at == 0 else "highest" if at == len(rates) - 1 else "inside"


def _tried_means_survived(rates, losses):
    best, _ = pick_rate(rates, losses)
    return best, _where(best, rates[~np.isnan(losses).any(axis=1)])


def _always_inside(rates, losses):
    return pick_rate(rates, losses)[0], "inside"


def _words_swapped(rates, losses):
    best, where = pick_rate(rates, losses)
    return best, {"lowest": "highest", "highest": "lowest"}.get(where, where)


def _loss_returned(rates, losses):
    return float(np.nanmin(losses.mean(axis=1))), pick_rate(rates, losses)[1]


def _place_returned(rates, losses):
    return float(np.nanargmin(losses.mean(axis=1))), pick_rate(rates, losses)[1]


def _no_floor(flops, loss, floor):
    return fit_excess(flops, loss, 0.0)


def _floor_in_bits(flops, loss, floor):
    slope, ln_k = np.polyfit(np.log(flops / 1e9), np.log(np.abs(loss - floor / math.log(2))), 1)
    return -float(slope), float(np.exp(ln_k))


def _with_sign(flops, loss, floor):
    s, k = fit_excess(flops, loss, floor)
    return -s, k


def _order(flops, loss, floor):
    return fit_excess(flops, loss, floor)[::-1]


def _at_one_flop(flops, loss, floor):
    s, k = fit_excess(flops, loss, floor)
    return s, k * 1e9**s


def _ln_k(flops, loss, floor):
    s, k = fit_excess(flops, loss, floor)
    return s, math.log(k)


def _mixed_bases(flops, loss, floor):
    s, k = fit_excess(flops, loss, floor)
    return s, math.exp(math.log10(k))


def _lowest_as_floor(flops, loss, floor):
    floor = loss.min()
    above = loss > floor
    return fit_excess(flops[above], loss[above], floor)


def _two_ends(flops, loss, floor):
    ends = np.argsort(flops)[[0, -1]]
    return fit_excess(flops[ends], loss[ends], floor)


def _forecast_with(quantile=0.95, normal=False, one=1.0, mean=True, away=True, dof=2):
    """`forecast` with one ingredient wrong."""

    def wrong(flops, excess, target):
        n = len(flops)
        middle, sd, per_run, distance = _line(flops, excess, target)
        sd *= math.sqrt((n - 2) / (n - dof))
        t = stats.norm.ppf(quantile) if normal else stats.t.ppf(quantile, n - 2)
        return _interval(middle, t * sd * math.sqrt(one + mean * per_run + away * distance))

    return wrong


def _in_logarithms(flops, excess, target):
    low, high = forecast(flops, excess, target)
    return math.log(low), math.log(high)


def _swapped_ends(flops, excess, target):
    return forecast(flops, excess, target)[::-1]


def _one_sd(flops, excess, target):
    middle, sd, mean, away = _line(flops, excess, target)
    return _interval(middle, sd * math.sqrt(1 + mean + away))


def _not_extrapolated(flops, excess, target):
    return forecast(flops, excess, max(flops))


def _no_logarithms(flops, excess, target):
    slope, constant = np.polyfit(flops, excess, 1)
    n, middle = len(flops), constant + slope * target
    sd = math.sqrt(np.sum((excess - constant - slope * flops) ** 2) / (n - 2))
    away = (target - flops.mean()) ** 2 / np.sum((flops - flops.mean()) ** 2)
    half = stats.t.ppf(0.95, n - 2) * sd * math.sqrt(1 + 1 / n + away)
    return middle - half, middle + half


# ------------------------------------------------------------------------- reading what comes back


def _rate_and_place(result, rates, losses):
    """The pair as a dict; anything else is explained."""
    if result is None:
        return None
    try:
        rate, where = result
        rate = float(rate)
    except (TypeError, ValueError):
        raise Unreadable(
            "pair", "It must return a pair: the rate, and one word about where it lies."
        ) from None
    if where not in ("inside", "lowest", "highest"):
        raise Unreadable(
            "word", f"The word {where!r:.30} is none of 'inside', 'lowest', 'highest'."
        )
    return {"rate": rate, "where": where}


@dataclass(frozen=True)
class RateAndPlace(Translated):
    """A function that returns a learning rate and where it lies."""

    def diagnose(self, value, reference):
        for case, got, want in zip(self.cases, value, reference, strict=True):
            if self._output_gap(got["rate"], want["rate"]) > 1:
                return "rate", (
                    f"{self._show(case)} picks {float(got['rate']):.4g}, which does not have the "
                    "lowest mean loss over seeds of all rates at which no seed diverged."
                )
            if got["where"] != want["where"]:
                return "where", (
                    f"{self._show(case)} picks the right rate and says {got['where']!r}. Compare "
                    "it with the smallest and the largest rate that were tried."
                )
        return super().diagnose(value, reference)


# ----------------------------------------------------------------------------------- exercises


def _excess_case(seed: int, floor: float):
    flops, excess, _ = rungs_table(seed)
    return flops, floor + excess, floor


def _forecast_case(seed: int, rungs: int):
    flops, excess, _ = rungs_table(seed, rungs)
    return flops, excess, 10 * float(flops[-1])


EXERCISES = (
    Exercise(
        id="lab4.1",
        title="The exact floor",
        level="intermediate",
        minutes=15,
        kind=Function(
            [
                (walk(1, "biased"),),
                (walk(2, "directed"),),
                (walk(3, "even"),),
                (walk(4, "bipartite"),),
            ],
            rel=1e-4,
            name="entropy_rate",
        ),
        reference=entropy_rate,
        right="Each row's entropy counts by the share of time that the walk spends there. No model "
        "can have a lower loss on this walk.",
        misconceptions=(
            Misconception(
                "bits",
                lambda p: entropy_rate(p) / math.log(2),
                "That is in bits. Losses here are in nats: use the natural logarithm.",
            ),
            Misconception(
                "rows-alike",
                _all_rows_alike,
                "Every node counts alike. The walk visits some nodes more often: weight their "
                "entropies by the stationary distribution. (If you solved for it: is it the "
                "eigenvector of the transpose?)",
            ),
            Misconception(
                "unigram",
                _unigram,
                "That is the entropy of the stationary distribution: the loss of a model that "
                "does not look at the present node. Take the entropy of the next node, given it.",
            ),
            Misconception(
                "by-number-of-ways",
                _by_ways,
                "Nodes are weighted by their number of ways out. That is the stationary "
                "distribution only of an undirected graph whose ways are all equally likely.",
            ),
            Misconception(
                "equal-chances",
                _even_ways,
                "That is the logarithm of the number of ways out, as if all were equally likely. "
                "Use the probabilities in the row.",
            ),
            Misconception(
                "one-start",
                _one_start,
                "Right where the walk forgets its start. On a graph of two halves it alternates "
                "forever, and powers of P never settle: solve pi P = pi instead.",
            ),
            Misconception(
                "most-likely-step",
                _most_likely,
                "That is the surprise at the most likely step. The entropy averages over all "
                "steps, each with its probability.",
            ),
            Misconception(
                "sign",
                lambda p: -entropy_rate(p),
                "An entropy is positive: the logarithms of probabilities are negative, and a "
                "minus sign turns them round.",
            ),
        ),
    ),
    Exercise(
        id="lab4.2",
        title="Price before you train",
        level="intermediate",
        minutes=8,
        kind=Function(
            [(1.5e12, 5, 2.0, 24), (4e11, 4, 10.0, 12), (1e15, 3, 3.0, 60)],
            rel=1e-4,
            name="largest_rung",
        ),
        reference=largest_rung,
        right="The rungs cost a geometric series, so most of a sweep's compute is in its largest "
        "rung.",
        misconceptions=(
            Misconception(
                "equal-split",
                _equal_split,
                "The budget is divided equally among rungs. Each costs `ratio` times the one "
                "below.",
            ),
            Misconception(
                "largest-only",
                _top_only,
                "That spends the whole budget on the largest rung, and the others come on top.",
            ),
            Misconception(
                "whole-rung",
                _whole_rung,
                "That is the cost of all runs of the largest rung together. One of them is asked "
                "for.",
            ),
            Misconception(
                "lowest-rung",
                _lowest_rung,
                "That is a run of the cheapest rung. The most expensive one is asked for.",
            ),
            Misconception(
                "endless-series",
                _endless,
                "That sums rungs without end. There are only so many.",
            ),
            Misconception(
                "one-rung-more",
                _one_more,
                "One rung too many: the powers of `ratio` go from 0 to `rungs - 1`.",
            ),
            Misconception(
                "six-again",
                _six,
                "FLOP were divided by 6 once more. The 6 of 6ND turns parameters times tokens "
                "into FLOP, and everything here is in FLOP already.",
            ),
        ),
    ),
    Exercise(
        id="lab4.3",
        title="Find a learning rate",
        level="intermediate",
        minutes=12,
        kind=RateAndPlace(
            [
                bracket_table(s, kind)
                for s, kind in enumerate(
                    ("inside", "lowest", "highest", "diverged", "survivor", "lucky", "unlucky"),
                    start=5,
                )
            ],
            rel=1e-6,
            name="pick_rate",
            translate=_rate_and_place,
        ),
        reference=pick_rate,
        right="The lowest mean over seeds, of the rates at which none diverged; and at an edge you "
        "know to try further.",
        misconceptions=(
            Misconception(
                "survivors",
                _survivors,
                "At one rate two of three seeds diverged, and the mean of the survivors looks "
                "best. A rate at which any seed diverged must not be chosen.",
            ),
            Misconception(
                "nan-wins",
                _nan_wins,
                "A rate that diverged was picked: `np.argmin` takes the first NaN for the lowest. "
                "`np.nanargmin` passes over it.",
            ),
            Misconception(
                "lucky-seed",
                _lucky,
                "The lowest single run decides. Compare the means over seeds: one seed may be "
                "lucky.",
            ),
            Misconception(
                "median",
                _by_median,
                "The median over seeds decides. It passes over the one seed in three that went "
                "badly; the mean does not.",
            ),
            Misconception(
                "luckiest-survivor",
                _luckiest,
                "The lowest single run decides, even where the other seeds diverged. Compare the "
                "means over seeds.",
            ),
            Misconception(
                "place-for-value",
                _by_place,
                "The rates come in no order. Compare the best one with the smallest and the "
                "largest rate, not with the first and the last.",
            ),
            Misconception(
                "diverged-not-tried",
                _tried_means_survived,
                "A rate that diverged was tried all the same: nothing better lies beyond it. The "
                "best rate below it is inside.",
            ),
            Misconception(
                "always-inside",
                _always_inside,
                "The rates are right, and the word is always 'inside'. In some cases the best "
                "rate is the smallest or the largest that was tried.",
            ),
            Misconception(
                "words-swapped",
                _words_swapped,
                "The rates are right, and 'lowest' and 'highest' are swapped: they speak of the "
                "rate, not of the loss.",
            ),
            Misconception(
                "loss-returned",
                _loss_returned,
                "That is the lowest mean loss. At which learning rate is it?",
            ),
            Misconception(
                "place-returned",
                _place_returned,
                "That is the place of the best rate in the array. Return the rate.",
            ),
        ),
    ),
    Exercise(
        id="lab4.4",
        title="How the excess falls",
        level="intermediate",
        minutes=8,
        kind=Function(
            [_excess_case(6, 2.1), _excess_case(7, 1.7), _excess_case(8, 2.4)],
            rel=1e-3,
            name="fit_excess",
        ),
        reference=fit_excess,
        right="With the floor known, the excess is a straight line in logarithms, and nothing "
        "about the floor needs to be guessed.",
        misconceptions=(
            Misconception(
                "floor-kept",
                _no_floor,
                "That is a line through the loss itself, floor included, and the floor does not "
                "fall. Subtract it first.",
            ),
            Misconception(
                "floor-in-bits",
                _floor_in_bits,
                "The floor was turned into bits before it was subtracted. Loss and floor are both "
                "in nats.",
            ),
            Misconception(
                "sign",
                _with_sign,
                "The sign of s: the law is written with a minus, so s is positive where the "
                "excess falls.",
            ),
            Misconception(
                "order",
                _order,
                "The right numbers in the wrong order: `(s, k)`.",
            ),
            Misconception(
                "at-one-flop",
                _at_one_flop,
                "s is right, and k belongs to C in FLOP. Here C is counted in units of 1e9 FLOP, "
                "so that k is an excess within reach.",
            ),
            Misconception(
                "ln-k",
                _ln_k,
                "s is right. The second number is the constant of the line, which is ln k.",
            ),
            Misconception(
                "log10-and-exp",
                _mixed_bases,
                "s is right. The line is in log10 and its constant was undone with `exp`: use one "
                "base for both.",
            ),
            Misconception(
                "lowest-as-floor",
                _lowest_as_floor,
                "The lowest loss was taken for the floor. The floor is given, and lies below it.",
            ),
            Misconception(
                "two-ends",
                _two_ends,
                "That line goes through the cheapest and the most expensive rung. Fit all of them "
                "by least squares.",
            ),
        ),
    ),
    Exercise(
        id="lab4.5",
        title="An interval for a larger run",
        level="advanced",
        minutes=15,
        kind=Function(
            [_forecast_case(9, 4), _forecast_case(10, 5), _forecast_case(11, 7)],
            rel=0.005,
            name="forecast",
        ),
        reference=forecast,
        right="It holds three errors: the noise of the new run, of the line's height, and of its "
        "slope, which grows with the distance. It does not hold a law that bends.",
        misconceptions=(
            Misconception(
                "line-only",
                _forecast_with(one=0.0),
                "That interval is for the line. The new run has noise of its own: add 1 under the "
                "root.",
            ),
            Misconception(
                "no-distance",
                _forecast_with(away=False),
                "The interval is as wide at the target as among the runs. An error of the slope "
                "grows with the distance from their middle.",
            ),
            Misconception(
                "noise-only",
                _forecast_with(mean=False, away=False),
                "Only the noise of the new run is in it, as if the line were known exactly.",
            ),
            Misconception(
                "normal-quantile",
                _forecast_with(normal=True),
                "That takes 1.645, the quantile of the normal distribution. With so few rungs "
                "the noise itself is poorly known: take Student's t with n - 2 degrees of freedom.",
            ),
            Misconception(
                "one-sided",
                _forecast_with(quantile=0.9),
                "That interval holds 80 %: of 90 %, 5 % are left on either side, not 10 %.",
            ),
            Misconception(
                "ninety-five",
                _forecast_with(quantile=0.975),
                "That is a 95 % interval. Here 90 % is asked for.",
            ),
            Misconception(
                "sd-over-n",
                _forecast_with(dof=0),
                "The residuals were averaged over n, as `np.std` does. Two constants were fitted, "
                "so divide by n - 2.",
            ),
            Misconception(
                "one-sd",
                _one_sd,
                "That is one standard deviation each way. For 90 % it takes Student's t.",
            ),
            Misconception(
                "logarithms-returned",
                _in_logarithms,
                "Those are the ends of ln excess. Undo the logarithm.",
            ),
            Misconception(
                "ends-swapped",
                _swapped_ends,
                "The low end comes first.",
            ),
            Misconception(
                "not-extrapolated",
                _not_extrapolated,
                "That is the interval at the largest rung. The target lies beyond it.",
            ),
            Misconception(
                "no-logarithms",
                _no_logarithms,
                "That is a straight line of the excess on C, which soon falls below zero. Fit in "
                "logarithms of both.",
            ),
        ),
    ),
)
