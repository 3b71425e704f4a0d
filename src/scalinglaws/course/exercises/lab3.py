"""Instant checks of lab 3: each step of the IsoFLOP method as a function that the learner writes.

The grader uses the same references and misconceptions on tables that nobody has seen.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalinglaws.course.exercises.engine import Exercise, Misconception
from scalinglaws.course.exercises.kinds import Function, Stub, Unreadable, clue
from scalinglaws.course.labs.lab_3 import BUDGETS, DIVERGED, borderline, draw
from scalinglaws.runs import Runs

# ------------------------------------------------------------------------------------ references


def _by_budget(runs, statistic):
    """A statistic of the losses of each run's budget, shape (n,)."""
    budget, found = runs["budget"], np.empty(len(runs))
    for c in np.unique(budget):
        found[budget == c] = statistic(runs.loss[budget == c])
    return found


def find_minimum(params, loss):
    """Number of parameters at the lowest point of a parabola in ln N; None if it is not inside."""
    u = np.log(params)
    middle = u.mean()
    c2, c1, _ = np.polyfit(u - middle, loss, 2)
    if c2 <= 0:
        return None
    at = middle - c1 / (2 * c2)
    return float(np.exp(at)) if u.min() < at < u.max() else None


def drop_diverged(runs):
    """The runs that are no more than 0.5 nats above the median loss of their budget."""
    return runs.where(runs.loss <= _by_budget(runs, np.median) + DIVERGED)


def fit_allocation(flops, best_params):
    """(a, k) of N* = k C^a, by least squares on logarithms."""
    a, ln_k = np.polyfit(np.log(flops), np.log(best_params), 1)
    return float(a), float(np.exp(ln_k))


def minima(runs, finder=find_minimum, drop=drop_diverged):
    """Budgets that have a minimum, the size at it, and the budgets that have none."""
    return _minima(drop(runs), finder)


def _minima(runs, finder=find_minimum):
    budget = runs["budget"]
    found = {c: finder(runs.params[budget == c], runs.loss[budget == c]) for c in np.unique(budget)}
    inside = {float(c): n for c, n in found.items() if n is not None}
    edges = [float(c) for c, n in found.items() if n is None]
    return np.array(list(inside)), np.array(list(inside.values())), edges


def _slopes(clean, resamples: int, seed: int) -> np.ndarray:
    """Exponents of tables whose losses are redrawn around each budget's parabola."""
    rng = np.random.default_rng(seed)
    inside, _, _ = _minima(clean)
    fits, residuals = [], []
    for c in inside:
        rows = clean["budget"] == c
        u, loss = np.log(clean.params[rows]), clean.loss[rows]
        curve = np.polyval(np.polyfit(u - u.mean(), loss, 2), u - u.mean())
        # Three constants were fitted, so the residuals are a little too small.
        residuals.append((loss - curve) * math.sqrt(len(u) / (len(u) - 3)))
        fits.append((u, curve))
    pool, draws = np.concatenate(residuals), []
    for u, curve in fits:
        noisy = curve[:, None] + rng.choice(pool, (len(u), resamples))
        c2, c1, _ = np.polyfit(u - u.mean(), noisy, 2)
        draws.append(u.mean() - c1 / (2 * c2))
    return np.polyfit(np.log(inside), draws, 1)[0]


def analyse(runs, resamples=400, seed=0):
    """Exponent of the best size, its 95 % interval, and the budgets without a minimum."""
    clean = drop_diverged(runs)
    flops, best, edges = _minima(clean)
    a, _ = fit_allocation(flops, best)
    low, high = np.percentile(_slopes(clean, resamples, seed), [2.5, 97.5])
    return {"a": a, "a_low": float(low), "a_high": float(high), "edge_budgets": edges}


def recommend(runs, flops):
    """Best parameters and tokens for a budget, with 6·params·tokens equal to it."""
    a, k = fit_allocation(*minima(runs)[:2])
    params = k * flops**a
    return params, flops / (6 * params)


# ------------------------------------------------------------------------------ wrong functions


def _parabola_in_n(params, loss):
    c2, c1, _ = np.polyfit(params / 1e6, loss, 2)
    at = -c1 / (2 * c2) * 1e6
    return float(at) if c2 > 0 and params.min() < at < params.max() else None


def _vertex(params, loss):
    c2, c1, _ = np.polyfit(np.log(params), loss, 2)
    return -c1 / (2 * c2)


def _accepts_edges(params, loss):
    return float(np.exp(_vertex(params, loss)))


def _grid_point(params, loss):
    return float(params[np.argmin(loss)])


def _grid_point_inside(params, loss):
    best = params[np.argmin(loss)]
    return float(best) if params.min() < best < params.max() else None


def _in_logarithms(params, loss):
    best = find_minimum(params, loss)
    return None if best is None else math.log(best)


def _ten_for_e(params, loss):
    best = find_minimum(params, loss)
    return None if best is None else math.exp(math.log10(best))


def _lowest_loss(params, loss):
    if find_minimum(params, loss) is None:
        return None
    at = _vertex(params, loss)
    return float(np.polyval(np.polyfit(np.log(params), loss, 2), at))


def _accepts_hills(params, loss):
    u = np.log(params)
    at = _vertex(params, loss)
    return float(np.exp(at)) if u.min() < at < u.max() else None


def _forgot_two(params, loss):
    u = np.log(params)
    c2, c1, _ = np.polyfit(u - u.mean(), loss, 2)
    at = u.mean() - c1 / c2
    return float(np.exp(at)) if c2 > 0 and u.min() < at < u.max() else None


def _global_median(runs):
    return runs.where(runs.loss <= np.median(runs.loss) + DIVERGED)


def _three_sigma(runs):
    mean, sd = _by_budget(runs, np.mean), _by_budget(runs, np.std)
    return runs.where(np.abs(runs.loss - mean) <= 3 * sd)


def _only_diverged(runs):
    bad = runs.loss > _by_budget(runs, np.median) + DIVERGED
    return runs.where(bad) if bad.any() else runs


def _mask(runs):
    return runs.loss <= _by_budget(runs, np.median) + DIVERGED


def _frame(runs):
    return runs.frame[_mask(runs)]


def _whole_budget(runs):
    bad = runs.loss > _by_budget(runs, np.median) + DIVERGED
    return runs.where(~np.isin(runs["budget"], runs["budget"][bad]))


def _mean_for_median(runs):
    return runs.where(runs.loss <= _by_budget(runs, np.mean) + DIVERGED)


def _above_the_lowest(runs):
    return runs.where(runs.loss <= _by_budget(runs, np.min) + DIVERGED)


def _either_way(runs):
    return runs.where(np.abs(runs.loss - _by_budget(runs, np.median)) <= DIVERGED)


def _as_share(runs):
    return runs.where(runs.loss <= (1 + DIVERGED) * _by_budget(runs, np.median))


def _swapped(flops, best_params):
    return fit_allocation(flops, best_params)[::-1]


def _ln_k(flops, best_params):
    a, k = fit_allocation(flops, best_params)
    return a, math.log(k)


def _log10_k(flops, best_params):
    a, k = fit_allocation(flops, best_params)
    return a, math.log10(k)


def _mixed_bases(flops, best_params):
    a, k = fit_allocation(flops, best_params)
    return a, math.exp(math.log10(k))


def _upside_down(flops, best_params):
    c, ln_k = np.polyfit(np.log(best_params), np.log(flops), 1)
    return float(c), float(np.exp(ln_k))


def _of_tokens(flops, best_params):
    return fit_allocation(flops, np.asarray(flops) / (6 * np.asarray(best_params)))


def _no_logarithms(flops, best_params):
    slope, constant = np.polyfit(flops, best_params, 1)
    return float(slope), float(constant)


def _two_ends(flops, best_params):
    a = math.log(best_params[-1] / best_params[0]) / math.log(flops[-1] / flops[0])
    return a, float(best_params[0] / flops[0] ** a)


def _all_runs(runs):
    return runs


def _analyse_with(finder=find_minimum, drop=drop_diverged):
    """`analyse` with one step done wrongly; the interval goes along with the exponent."""

    def wrong(runs):
        flops, best, edges = minima(runs, finder, drop)
        found, right = fit_allocation(flops, best)[0], analyse(runs)
        shift = found - right["a"]
        ends = {k: right[k] + shift for k in ("a_low", "a_high")}
        return {"a": found, **ends, "edge_budgets": edges}

    return wrong


def _tokens_exponent(runs):
    right = analyse(runs)
    low, high = 1 - right["a_high"], 1 - right["a_low"]
    return right | {"a": 1 - right["a"], "a_low": low, "a_high": high}


def _no_spread(runs):
    right = analyse(runs)
    return right | {"a_low": right["a"], "a_high": right["a"]}


def _absurd(runs):
    return analyse(runs) | {"a_low": 0.0, "a_high": 1.0}


def _ends_swapped(runs):
    right = analyse(runs)
    return right | {"a_low": right["a_high"], "a_high": right["a_low"]}


def _half_widths(runs):
    right = analyse(runs)
    return right | {"a_low": right["a"] - right["a_low"], "a_high": right["a_high"] - right["a"]}


def _fractions(runs):
    low, high = np.percentile(_slopes(drop_diverged(runs), 400, 0), [0.025, 0.975])
    return analyse(runs) | {"a_low": float(low), "a_high": float(high)}


def _no_edges(runs):
    return analyse(runs) | {"edge_budgets": []}


def _not_edges(runs):
    return analyse(runs) | {"edge_budgets": list(minima(runs)[0])}


def _edge_numbers(runs):
    right = analyse(runs)
    places = [float(np.searchsorted(BUDGETS, c)) for c in right["edge_budgets"]]
    return right | {"edge_budgets": places}


def _recommend_with(finder=find_minimum, drop=drop_diverged):
    def wrong(runs, flops):
        a, k = fit_allocation(*minima(runs, finder, drop)[:2])
        return k * flops**a, flops / (6 * k * flops**a)

    return wrong


def _forgot_six(runs, flops):
    params, _ = recommend(runs, flops)
    return params, flops / params


def _forgot_six_and_cleaning(runs, flops):
    params, _ = _recommend_with(drop=_all_runs)(runs, flops)
    return params, flops / params


def _tokens_first(runs, flops):
    return recommend(runs, flops)[::-1]


def _not_extrapolated(runs, flops):
    best = minima(runs)[1][-1]
    return best, flops / (6 * best)


def _in_proportion(runs, flops):
    budgets, best, _ = minima(runs)
    params = best[-1] * flops / budgets[-1]
    return params, flops / (6 * params)


def _twenty(runs, flops):
    params = math.sqrt(flops / 120)
    return params, 20 * params


def _square_root(runs, flops):
    budgets, best, _ = minima(runs)
    params = best[-1] * math.sqrt(flops / budgets[-1])
    return params, flops / (6 * params)


def _ln_k_for_k(runs, flops):
    a, k = fit_allocation(*minima(runs)[:2])
    params = math.log(k) * flops**a
    return params, flops / (6 * params)


def _own_exponent_for_tokens(runs, flops):
    a, k = fit_allocation(*minima(runs)[:2])
    return k * flops**a, k * flops ** (1 - a)


# ------------------------------------------------------------------------- reading what comes back


@dataclass(frozen=True)
class Translated(Function):
    """A function whose results are put in comparable form first.

    Parameters
    ----------
    translate : callable
        ``translate(result, *arguments)``.
    """

    translate: Callable = lambda result, *_: result

    def _wrap(self, function):
        @functools.wraps(function)
        def wrapped(*arguments):
            result = function(*arguments)
            return result if result is ... else self.translate(result, *arguments)

        return wrapped

    def _outputs(self, raw):
        return super()._outputs(self._wrap(raw))

    def read(self, answer):
        outputs = super().read(answer)
        nothing = [isinstance(output, str) and output == "None" for output in outputs]
        if len(nothing) > 1 and all(nothing):
            raise Stub("The function returns nothing: write its body, and end it with `return`.")
        return outputs

    def _run(self, function, case):
        try:
            return super()._run(self._wrap(function), case)
        except Unreadable as problem:
            # What `translate` could not read, the learner's function did not raise.
            cause = problem.__cause__
            raise cause if isinstance(cause, Unreadable) else problem from None


@dataclass(frozen=True)
class SizeOrNone(Translated):
    """A function that returns a number of parameters, or None where there is no minimum."""

    def diagnose(self, value, reference):
        triples = list(zip(self.cases, value, reference, strict=True))
        for case, got, want in triples:  # first the sizes, then whether there should be one
            if (
                not isinstance(got, str)
                and not isinstance(want, str)
                and (self._output_gap(got, want) > 1)
            ):
                name, message = clue(float(got), float(want), self.rel)
                return name, f"{message} {self._show(case)} gives {float(got):.4g}."
        for case, got, want in triples:
            if isinstance(got, str) == isinstance(want, str):
                continue
            if isinstance(got, str):
                return "none-inside", (
                    f"{self._show(case)} gives `None`, and the lowest point of its parabola is "
                    "inside the sizes. Check the turning point, and the two conditions."
                )
            return "number-for-none", (
                f"{self._show(case)} gives {float(got):.4g}. There is no minimum inside its sizes, "
                "so `None` is asked for."
            )
        return super().diagnose(value, reference)


@dataclass(frozen=True)
class TableOfRuns(Translated):
    """A function that returns some of the runs it was given."""

    def diagnose(self, value, reference):
        for case, got, want in zip(self.cases, value, reference, strict=True):
            if isinstance(got, str) or np.ndim(got) != 1:
                said = got if isinstance(got, str) else "a number"
                return "type", f"{self._show(case)} returns {said}. Return `Runs`."
            if len(got) != len(want):
                return "count", (
                    f"{self._show(case)} keeps {len(got)} of {len(case[0])} runs; by the rule "
                    f"{len(want)} stay."
                )
        return super().diagnose(value, reference)


def _none_as_text(result, *_):
    """None is an answer of `find_minimum`; NaN and lists are not."""
    if result is None:
        return "None"
    if np.ndim(result) or isinstance(result, (str, bool, dict)):
        kind = type(result).__name__
        raise Unreadable("not-a-number", f"It returns a {kind}. Return one number, or `None`.")
    if np.isnan(result):
        raise Unreadable("nan", "It returns NaN. Where there is no minimum inside, return `None`.")
    return result


def _kept(result, *_):
    """The losses of the runs that were kept, or what was returned instead of runs."""
    if result is None or isinstance(result, (int, float, str)):
        return result
    if isinstance(result, Runs):
        return np.sort(result.loss)
    if isinstance(result, pd.DataFrame):
        return "a DataFrame"
    if np.asarray(result).dtype == bool:
        return "a mask"
    return f"`{type(result).__name__}`"


def _finite(name, value) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise Unreadable("not-a-number", f"`{name}` must be a number, and is {value!r:.40}.")
    return number


_usual: dict[bytes, dict] = {}  # what `analyse` finds, by the losses of the table


def _summary(result, runs):
    """The exponent, the edge budgets, and in words whether the interval is a sensible one."""
    if not isinstance(result, dict):
        return result if result is None else type(result).__name__
    missing = [k for k in ("a", "a_low", "a_high", "edge_budgets") if k not in result]
    if missing:
        raise Unreadable("missing", f"The dict has no {', '.join(missing)}.")
    a, low, high = (_finite(name, result[name]) for name in ("a", "a_low", "a_high"))
    try:
        edges = sorted(float(c) for c in result["edge_budgets"])
    except (TypeError, ValueError):
        text = "`edge_budgets` must be a list of numbers: the budgets, in FLOP."
        raise Unreadable("edges", text) from None
    key = runs.loss.tobytes()
    if key not in _usual:
        _usual[key] = analyse(runs)
    usual = _usual[key]["a_high"] - _usual[key]["a_low"]
    if abs(a / _usual[key]["a"] - 1) > 0.01:
        interval = "of another exponent"  # first things first
    elif max(abs(low), abs(high)) < a / 2:
        interval = "distances from a"
    elif low > high:
        interval = "the ends are swapped"
    elif not low <= a <= high:
        interval = "it does not hold a"
    elif high - low < usual / 3:
        interval = "too narrow"
    elif high - low > 4 * usual:
        interval = "too wide"
    else:
        interval = "sensible"
    return {
        "a": a,
        "edge_budgets": edges,
        "interval": interval,
    }


# ----------------------------------------------------------------------------------- exercises

_U = np.log(3e8) + np.array([0.9, -1.3, 0.4, -0.4, 1.5, -0.9, 0.1])
_VALLEY = (np.exp(_U), 2.9 + 0.04 * (_U - np.log(2.2e8)) ** 2)
_SLOPE = (np.exp(_U), 2.9 + 0.04 * (_U - np.log(3e9)) ** 2)
_RISE = (np.exp(_U), 2.9 + 0.04 * (_U - np.log(2e7)) ** 2)
_HILL = (np.exp(_U), 3.1 - 0.04 * (_U - np.log(2.2e8)) ** 2)


def _profile(seed: int, group: int):
    """One budget of a fresh table: (params, loss)."""
    runs = draw(seed, edge=False, diverged=0).runs
    rows = runs["budget"] == BUDGETS[group]
    return runs.params[rows], runs.loss[rows]


EXERCISES = (
    Exercise(
        id="lab3.1",
        title="The lowest point of one budget",
        level="intermediate",
        minutes=12,
        kind=SizeOrNone(
            [_VALLEY, _profile(11, 1), _profile(12, 4), _SLOPE, _RISE, _HILL],
            rel=0.01,
            name="find_minimum",
            translate=_none_as_text,
        ),
        reference=find_minimum,
        right="The lowest point of the parabola in ln N, and `None` where the sizes do not hold "
        "it: it would be a guess beyond the data.",
        misconceptions=(
            Misconception(
                "parabola-in-n",
                _parabola_in_n,
                "That is a parabola in N. Sizes are spaced by factors, and the valley is lopsided "
                "in N: fit in `np.log(params)`.",
            ),
            Misconception(
                "edge-accepted",
                _accepts_edges,
                "The lowest point is returned even where it lies outside the sizes tried. There "
                "no run has seen it: return `None`.",
            ),
            Misconception(
                "lowest-run",
                _grid_point,
                "That is the run with the lowest loss. It can only be one of the sizes tried, it "
                "follows the noise of a single run, and at an edge it is no minimum.",
            ),
            Misconception(
                "lowest-run-inside",
                _grid_point_inside,
                "That is the run with the lowest loss. The minimum lies between sizes: fit the "
                "parabola, and take its lowest point.",
            ),
            Misconception(
                "logarithm-returned",
                _in_logarithms,
                "That is ln N. Undo the logarithm before you return it.",
            ),
            Misconception(
                "log10-and-exp",
                _ten_for_e,
                "The parabola is in log10 N and was undone with `exp`. Use the same base twice: "
                "`np.log` with `np.exp`, or `np.log10` with `10**`.",
            ),
            Misconception(
                "loss-returned",
                _lowest_loss,
                "That is the lowest loss. Where is it: at how many parameters?",
            ),
            Misconception(
                "hill-accepted",
                _accepts_hills,
                "One case bends downwards, and its turning point is a maximum. Look at the sign "
                "of the quadratic coefficient.",
            ),
            Misconception(
                "forgot-the-two",
                _forgot_two,
                "Set the derivative of `c0 + c1 u + c2 u**2` to zero once more: a factor of 2 "
                "is missing.",
            ),
        ),
    ),
    Exercise(
        id="lab3.2",
        title="Leave out the runs that diverged",
        level="intermediate",
        minutes=8,
        kind=TableOfRuns(
            [(draw(s, diverged=k).runs,) for s, k in ((21, 1), (22, 2), (23, 3), (24, 0))]
            + [(borderline(25),)],
            rel=1e-9,
            name="drop_diverged",
            translate=_kept,
        ),
        reference=drop_diverged,
        right="Each run is compared with the others of its own budget, and the median does not "
        "move when one of nine is far off.",
        misconceptions=(
            Misconception(
                "one-median-for-all",
                _global_median,
                "Every run is compared with one median of the whole table. Small budgets have high "
                "losses without having diverged: take the median of each budget.",
            ),
            Misconception(
                "three-sigma",
                _three_sigma,
                "Nothing is dropped. Are these three standard deviations? The bad run inflates the "
                "deviation itself: among nine values none can be more than 2.7 away.",
            ),
            Misconception(
                "the-wrong-ones",
                _only_diverged,
                "These are the runs that diverged. Keep the others.",
            ),
            Misconception(
                "mask-returned",
                _mask,
                "That is an array of true and false. Pass it to `runs.where(...)`, and return "
                "the runs.",
            ),
            Misconception(
                "frame-returned",
                _frame,
                "That is a DataFrame. The later steps expect `Runs`: return `runs.where(keep)` "
                "with an array of true and false.",
            ),
            Misconception(
                "whole-budget",
                _whole_budget,
                "The whole budget of a diverged run is gone. The other eight runs are good.",
            ),
            Misconception(
                "mean-for-median",
                _mean_for_median,
                "Is that the mean of each budget? Bad runs pull it up, and one that is just above "
                "the limit stays. The rule takes the median.",
            ),
            Misconception(
                "above-the-lowest",
                _above_the_lowest,
                "Is that 0.5 nats above the lowest loss of each budget? Good runs at the ends of "
                "a valley go too. The rule takes the median.",
            ),
            Misconception(
                "either-way",
                _either_way,
                "A run far below its median is gone too. The rule is about runs above it.",
            ),
            Misconception(
                "share-for-nats",
                _as_share,
                "The limit is 0.5 nats above the median, not 50 % above it: add, do not multiply.",
            ),
        ),
    ),
    Exercise(
        id="lab3.3",
        title="How the best size grows with the budget",
        level="intermediate",
        minutes=8,
        kind=Function(
            [
                (
                    np.array([1e18, 1e19, 1e20, 1e21]),
                    0.5 * np.array([1e18, 1e19, 1e20, 1e21]) ** 0.45,
                ),
                (np.array([1e18, 1e19, 1e20]), np.array([7e7, 2.6e8, 6e8])),
                (np.array([2e19, 6e19, 2e20, 6e20]), np.array([3e8, 4.4e8, 1e9, 1.5e9])),
            ],
            rel=0.002,
            name="fit_allocation",
        ),
        reference=fit_allocation,
        right="A straight line through (ln C, ln N*): its slope is a, and k is the exponential of "
        "its constant.",
        misconceptions=(
            Misconception(
                "order",
                _swapped,
                "Return the exponent first, then the factor: `(a, k)`.",
            ),
            Misconception(
                "ln-k",
                _ln_k,
                "The exponent is right. The second number is the constant of the line, which is "
                "ln k.",
            ),
            Misconception(
                "log10-k",
                _log10_k,
                "The exponent is right. The second number is the constant of the line, which is "
                "log10 k.",
            ),
            Misconception(
                "log10-and-exp",
                _mixed_bases,
                "The exponent is right. The line is in log10 and its constant was undone with "
                "`exp`: use one base for both.",
            ),
            Misconception(
                "upside-down",
                _upside_down,
                "That is a line of ln C on ln N. Budgets were set and sizes were found, so "
                "`np.polyfit` takes ln C first.",
            ),
            Misconception(
                "tokens",
                _of_tokens,
                "That is how the tokens grow. Here the parameters are asked for.",
            ),
            Misconception(
                "no-logarithms",
                _no_logarithms,
                "That is a straight line of N on C. A power law is straight in logarithms of both.",
            ),
            Misconception(
                "two-ends",
                _two_ends,
                "That line goes through the first and the last point. Fit all of them by least "
                "squares.",
            ),
        ),
    ),
    Exercise(
        id="lab3.4",
        title="An exponent with its interval",
        level="intermediate",
        minutes=20,
        kind=Translated(
            [(draw(31).runs,), (draw(32).runs,)], rel=0.01, name="analyse", translate=_summary
        ),
        reference=analyse,
        right="The exponent, the budgets to be repeated with other sizes, and an interval of a "
        "sensible width. The grader counts how often it holds the truth.",
        misconceptions=(
            Misconception(
                "edge-accepted",
                _analyse_with(finder=_accepts_edges),
                "A budget without a minimum inside entered the line. Its lowest point is a guess "
                "beyond the data, and it bends the exponent.",
            ),
            Misconception(
                "diverged-kept",
                _analyse_with(drop=_all_runs),
                "A diverged run is still in the table: it spoils the parabola of its budget. Call "
                "`drop_diverged` first.",
            ),
            Misconception(
                "tokens-exponent",
                _tokens_exponent,
                "That is the exponent of the tokens. Of the parameters it is one minus that.",
            ),
            Misconception(
                "no-spread",
                _no_spread,
                "`a` is right, and the interval has almost no width. Redraw the losses with "
                "noise, refit, and take percentiles of the slopes.",
            ),
            Misconception(
                "absurdly-wide",
                _absurd,
                "`a` is right, and the interval is so wide that it says nothing. Redraw the noise "
                "around each budget's parabola, not whole budgets.",
            ),
            Misconception(
                "ends-swapped",
                _ends_swapped,
                "`a_low` is above `a_high`.",
            ),
            Misconception(
                "interval-beside",
                _half_widths,
                "`a` is right. Are `a_low` and `a_high` its distances from the ends? Return the "
                "ends themselves.",
            ),
            Misconception(
                "fractions-for-percent",
                _fractions,
                "`a` is right and does not lie between `a_low` and `a_high`. `np.percentile` "
                "counts in percent, from 0 to 100. If that is not it, look at what the noise is "
                "added to.",
            ),
            Misconception(
                "no-edges",
                _no_edges,
                "`a` is right and `edge_budgets` is empty. One budget of this table has no minimum "
                "inside: name it.",
            ),
            Misconception(
                "not-edges",
                _not_edges,
                "These `edge_budgets` have a minimum inside. The others are asked for.",
            ),
            Misconception(
                "edges-as-numbers",
                _edge_numbers,
                "Give `edge_budgets` as budgets in FLOP, not as their places in the table.",
            ),
        ),
    ),
    Exercise(
        id="lab3.5",
        title="What to train with a larger budget",
        level="intermediate",
        minutes=7,
        kind=Function([(draw(41).runs, 3e21), (draw(42).runs, 1e22)], rel=0.02, name="recommend"),
        reference=recommend,
        right="The size is read off the line, and the rest of the budget is tokens: "
        "6 · params · tokens is the budget.",
        misconceptions=(
            Misconception(
                "forgot-the-6",
                _forgot_six,
                "The parameters are right. One parameter and token costs 6 FLOP, not 1.",
            ),
            Misconception(
                "forgot-the-6-and-cleaning",
                _forgot_six_and_cleaning,
                "Two things at once: one parameter and token costs 6 FLOP, not 1, and a diverged "
                "run is still in the table.",
            ),
            Misconception(
                "order",
                _tokens_first,
                "The right numbers in the wrong order: `(params, tokens)`.",
            ),
            Misconception(
                "not-extrapolated",
                _not_extrapolated,
                "That is the best size of the largest budget tried. For more compute the best "
                "model is larger: use the line.",
            ),
            Misconception(
                "in-proportion",
                _in_proportion,
                "The size grew in proportion to the budget. Then all new compute goes into "
                "parameters; the exponent says how much should.",
            ),
            Misconception(
                "twenty",
                _twenty,
                "That is 20 tokens per parameter, a rule from other runs. What does this table "
                "say?",
            ),
            Misconception(
                "square-root",
                _square_root,
                "The size grew like the square root of the budget, as if `a` were 0.5. What is it "
                "in this table?",
            ),
            Misconception(
                "ln-k",
                _ln_k_for_k,
                "The constant of the line is ln k. Undo the logarithm before you multiply.",
            ),
            Misconception(
                "one-k-for-both",
                _own_exponent_for_tokens,
                "The parameters are right. The tokens do not share their factor k: take what the "
                "budget leaves.",
            ),
            Misconception(
                "diverged-kept",
                _recommend_with(drop=_all_runs),
                "A diverged run is still in the table: it spoils the parabola of its budget.",
            ),
            Misconception(
                "edge-accepted",
                _recommend_with(finder=_accepts_edges),
                "A budget without a minimum inside entered the line. Leave it out.",
            ),
            Misconception(
                "both-flaws",
                _recommend_with(finder=_accepts_edges, drop=_all_runs),
                "A diverged run is still in the table, and a budget without a minimum inside "
                "entered the line.",
            ),
        ),
    ),
)
