"""Lab 3: from a table of runs to the best size for a larger budget.

Each learner gets a table drawn from a truth of their own: an additive law that nobody has seen, six
budgets, nine sizes at each, and two flaws that real sweeps have. `reveal` shows the truth after the
learner has sealed a forecast.
"""

from __future__ import annotations

import functools
import hashlib
import html
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalinglaws.course.exercises import find
from scalinglaws.course.labs import Mark, Task, learner_seed, mark_by_cases, on_cases
from scalinglaws.datasets.synthetic import (
    Design,
    LogNormalNoise,
    Rounding,
    simulate,
)
from scalinglaws.errors import ExerciseError
from scalinglaws.laws import ChinchillaLaw
from scalinglaws.runs import Runs

TITLE = "Lab 3: IsoFLOP from a table of runs"
NOTEBOOK = "lab_3_isoflop"

BUDGETS = np.array([1e18, 3e18, 1e19, 3e19, 1e20, 3e20])  # FLOP
SIZES = 9  # at each budget
SPAN = 4.0  # from the middle of a budget's grid to its ends
EDGE_SPAN = 2.2  # the same at the budget that misses its minimum
GUESS = 20.0  # tokens per parameter in the middle of a grid
NOISE = (LogNormalNoise(0.003), Rounding(4))
TARGET = 10 * BUDGETS[-1]  # the budget that the forecast is about
DIVERGED = 0.5  # nats above the median of its budget
LEVEL = 0.9  # of the forecast


# ------------------------------------------------------------------------------------- the data


@dataclass(frozen=True, eq=False)
class Hidden:
    """A table of runs and the truth behind it.

    Attributes
    ----------
    law : ChinchillaLaw
    runs : Runs
        With the column ``budget``, FLOP.
    edge_budgets : list of float
        Budgets whose sizes all lie on one side of the best one.
    diverged : list of int
        Rows whose training diverged.
    """

    law: ChinchillaLaw
    runs: Runs
    edge_budgets: list[float]
    diverged: list[int]


def _draw_law(rng: np.random.Generator) -> ChinchillaLaw:
    """A law with a between 0.4 and 0.6, and 5 to 80 tokens per parameter at all budgets."""
    a = rng.uniform(0.4, 0.6)
    total = rng.uniform(0.60, 0.75)  # alpha + beta
    alpha, beta = total * (1 - a), total * a
    ratio = math.exp(rng.uniform(math.log(9.5), math.log(42)))  # tokens per parameter, midway
    excess = rng.uniform(0.6, 1.0)  # nats above the floor, midway
    product = math.exp(np.log(BUDGETS).mean()) / 6
    n, d = math.sqrt(product / ratio), math.sqrt(product * ratio)
    # At the optimum alpha·(model term) = beta·(data term): both are known shares of the excess.
    A = excess * a * n**alpha
    B = excess * (1 - a) * d**beta
    return ChinchillaLaw(E=rng.uniform(1.5, 2.0), A=A, B=B, alpha=alpha, beta=beta)


def draw(seed: int, *, edge: bool = True, diverged: int = 1) -> Hidden:
    """A hidden truth and the table that belongs to it.

    Parameters
    ----------
    seed : int
    edge : bool, default True
        Whether the sizes of one budget all lie on one side of its best size.
    diverged : int, default 1
        How many runs diverged, at most one a budget, none at the budget above.

    Notes
    -----
    In about two tables of a hundred noise hides the flaw: the parabola of the edge budget turns
    inside its sizes, or another one outside. Such a table is drawn again.
    """
    attempt = 0
    while True:
        hidden = _draw_once(np.random.default_rng([seed, attempt]), edge, diverged)
        if _is_clear(hidden):
            return hidden
        attempt += 1


def _is_clear(hidden: Hidden) -> bool:
    """Whether exactly the edge budgets, and exactly the diverged runs, look as they should."""
    good = np.ones(len(hidden.runs), bool)
    good[hidden.diverged] = False
    for c in BUDGETS:
        rows = hidden.runs["budget"] == c
        u, loss = np.log(hidden.runs.params[rows]), hidden.runs.loss[rows]
        if ((loss <= np.median(loss) + DIVERGED) != good[rows]).any():
            return False
        u, loss = u[good[rows]], loss[good[rows]]
        c2, c1, _ = np.polyfit(u - u.mean(), loss, 2)
        at = u.mean() - c1 / (2 * c2) if c2 > 0 else np.inf
        if (u.min() < at < u.max()) == (c in hidden.edge_budgets):
            return False
    return True


def _draw_once(rng: np.random.Generator, edge: bool, diverged: int) -> Hidden:
    law = _draw_law(rng)
    middle = np.sqrt(BUDGETS / (6 * GUESS))
    at = int(rng.choice([0, 1, 4, 5]))  # where it moves the exponent
    side = rng.choice([-1.0, 1.0])
    steps = np.tile(np.linspace(-1, 1, SIZES), (len(BUDGETS), 1)) * math.log(SPAN)
    if edge:
        # Narrower, and wholly on one side: the best size is a factor 1.6 to 1.9 beyond the end.
        steps[at] *= math.log(EDGE_SPAN) / math.log(SPAN)
        off = EDGE_SPAN * rng.uniform(1.6, 1.9)
        middle[at] = law.optimum(BUDGETS[at]).params * off**side
    params = (middle[:, None] * np.exp(steps)).ravel()
    budget = np.repeat(BUDGETS, SIZES)
    runs = simulate(law, Design(params, budget / (6 * params), {"budget": budget}), NOISE, rng)
    loss = runs.loss.copy()
    others = np.flatnonzero(np.arange(len(BUDGETS)) != at) if edge else np.arange(len(BUDGETS))
    where = rng.permutation(others)[:diverged] * SIZES + rng.integers(SIZES, size=diverged)
    rows = sorted(int(row) for row in where)
    loss[rows] += np.round(rng.uniform(0.9, 2.0, len(rows)), 4)
    table = Runs.from_arrays(runs.params, runs.tokens, loss, budget=runs["budget"])
    return Hidden(law, table, [float(BUDGETS[at])] if edge else [], rows)


def borderline(seed: int) -> Runs:
    """A table whose runs lie close to the limit of the rule for diverged ones, on both sides.

    In one budget a run ends 0.04 nats above the limit and another 0.04 below it: a rule that takes
    the mean, or the lowest loss, decides otherwise. In a second budget a run ends 0.6 nats *below*
    the median, and stays.
    """
    rng = np.random.default_rng(seed)
    runs = draw(seed, edge=False, diverged=0).runs
    loss = runs.loss.copy()
    first, second = rng.permutation(len(BUDGETS))[:2] * SIZES
    # All three leave their budget's upper or lower half as they were, so the median stays.
    upper = first + np.argsort(loss[first : first + SIZES])[-2:]
    lowest = second + np.argmin(loss[second : second + SIZES])
    middle = [np.median(loss[at : at + SIZES]) for at in (first, second)]
    loss[rng.permutation(upper)] = middle[0] + DIVERGED + np.array([0.04, -0.04])
    loss[lowest] = middle[1] - 0.6
    return Runs.from_arrays(runs.params, runs.tokens, loss, budget=runs["budget"])


def table(learner: str) -> Runs:
    """The learner's table: 54 runs with ``params``, ``tokens``, ``flops``, ``loss``, ``budget``.

    Examples
    --------
    >>> runs = table("Ada Lovelace")
    >>> len(runs), runs.columns
    (54, ('params', 'tokens', 'flops', 'loss', 'budget'))
    """
    return draw(learner_seed(learner)).runs


# ------------------------------------------------------------------------- forecast and reveal


@dataclass(frozen=True)
class Seal:
    """A forecast that can no longer be changed without leaving a trace."""

    low: float
    high: float
    digest: str

    def __repr__(self) -> str:
        return (
            f"sealed: {self.low:.4g} to {self.high:.4g} parameters at {TARGET:.3g} FLOP, "
            f"seal {self.digest}"
        )


_sealed: dict[int, Seal] = {}
_revealed: set[int] = set()


def seal(learner: str, low: float, high: float) -> Seal:
    """Seal a 90 % interval for the best number of parameters at ten times the largest budget.

    Parameters
    ----------
    learner : str
    low, high : float
        Parameters, in units.

    Raises
    ------
    NotImplementedError
        The dots are still there.
    ExerciseError
        Not an interval, or the truth has been revealed.
    """
    if low is ... or high is ...:
        raise NotImplementedError("put your two numbers in place of the dots")
    number = learner_seed(learner)
    try:
        low, high = float(low), float(high)
    except (TypeError, ValueError):
        raise ExerciseError(f"a forecast is two numbers, got {low!r} and {high!r}") from None
    if not 0 < low < high < math.inf:
        raise ExerciseError(f"low must be positive and below high, got {low:g} and {high:g}")
    digest = hashlib.sha256(f"{number} {low!r} {high!r}".encode()).hexdigest()[:12]
    made = Seal(low, high, digest)
    if number in _revealed and _sealed[number] != made:
        raise ExerciseError("the truth has been revealed: the forecast stays as it was")
    _sealed[number] = made
    return made


def interval_score(low: float, high: float, truth: float, level: float = LEVEL) -> float:
    """Width of an interval of ln x, and a fine for missing the truth: lower is better.

    Equation 43 of Gneiting and Raftery 2007, on logarithms. An honest interval at ``level`` has the
    lowest score on average; a wider or a narrower one loses.

    Examples
    --------
    >>> round(interval_score(1e9, 2e9, 1.5e9), 3)  # ln 2
    0.693
    >>> round(interval_score(1e9, 2e9, 4e9, level=0.9), 2)  # ln 2, and 20 times the miss of ln 2
    14.56
    """
    low, high, truth = math.log(low), math.log(high), math.log(truth)
    miss = max(low - truth, truth - high, 0.0)
    return high - low + 2 / (1 - level) * miss


@dataclass(frozen=True, eq=False)
class Reveal:
    """The truth beside what the learner found.

    Attributes
    ----------
    truth : pandas.DataFrame
        Quantities of the law beside the learner's.
    scores : pandas.DataFrame
        Interval scores of the sealed forecast and of two rules of thumb.
    inside : bool
        Whether the sealed interval holds the truth.
    """

    truth: pd.DataFrame
    scores: pd.DataFrame
    inside: bool
    digest: str

    def __repr__(self) -> str:
        return f"{self.truth}\n\n{self._said()}\n\n{self.scores}"

    def _said(self) -> str:
        holds = "holds" if self.inside else "misses"
        return f"Your sealed interval ({self.digest}) {holds} the truth. Lower scores are better."

    def _repr_html_(self) -> str:
        said = html.escape(self._said())
        return f"{self.truth.to_html()}<p>{said}</p>{self.scores.to_html()}"


def reveal(learner: str, found: dict) -> Reveal:
    """Show the truth behind the learner's table and score the sealed forecast.

    Parameters
    ----------
    learner : str
    found : dict
        What the learner's ``analyse`` returned: a, a_low, a_high, edge_budgets.

    Raises
    ------
    NotImplementedError
        No forecast has been sealed.
    """
    number = learner_seed(learner)
    if number not in _sealed:
        raise NotImplementedError("seal a forecast first: afterwards it would be no forecast")
    _revealed.add(number)
    sealed, hidden = _sealed[number], draw(number)
    best = hidden.law.optimum(TARGET)
    edges = ", ".join(f"{c:.3g}" for c in hidden.edge_budgets)
    yours = ", ".join(f"{float(c):.3g}" for c in found["edge_budgets"]) or "none"
    rows = {
        "a": (f"{hidden.law.a:.3f}", f"{found['a']:.3f}"),
        "interval of a": ("", f"{found['a_low']:.3f} to {found['a_high']:.3f}"),
        "budgets without their minimum": (edges, yours),
        f"best params at {TARGET:.3g} FLOP": (
            f"{best.params:.3g}",
            f"{sealed.low:.3g} to {sealed.high:.3g}",
        ),
        f"tokens per param at {TARGET:.3g} FLOP": (
            f"{best.tokens_per_param:.3g}",
            " to ".join(f"{TARGET / 6 / n**2:.3g}" for n in (sealed.high, sealed.low)),
        ),
    }
    truth = pd.DataFrame(rows, index=["truth", "yours"]).T
    rule = math.sqrt(TARGET / (6 * GUESS))
    rivals = {
        "yours": (sealed.low, sealed.high),
        "20 tokens per param, give or take 2×": (rule / 2, rule * 2),
        "20 tokens per param, give or take 10 %": (rule / 1.1, rule * 1.1),
    }
    scores = pd.DataFrame(
        {
            "low": [f"{low:.3g}" for low, _ in rivals.values()],
            "high": [f"{high:.3g}" for _, high in rivals.values()],
            "interval score": [
                f"{interval_score(*ends, best.params):.3g}" for ends in rivals.values()
            ],
        },
        index=list(rivals),
    )
    inside = sealed.low <= best.params <= sealed.high
    return Reveal(truth, scores, inside, sealed.digest)


# -------------------------------------------------------------------------------------- marking


def _seeds(seed: int, count: int) -> list[int]:
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(count)]


def _profiles(seed: int, count: int, *, at_edge: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """Single budgets of fresh tables, in shuffled order."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in _seeds(seed, count):
        hidden = draw(number, diverged=0)
        budget = hidden.runs["budget"]
        inside = [c for c in BUDGETS if c not in hidden.edge_budgets]
        rows = np.flatnonzero(budget == (hidden.edge_budgets[0] if at_edge else rng.choice(inside)))
        rng.shuffle(rows)
        cases.append((hidden.runs.params[rows], hidden.runs.loss[rows]))
    return cases


def _mark_minimum(function, seed) -> Mark:
    inside = _profiles(seed, 8, at_edge=False)
    # The second edge is a hill: its turning point is inside, and it is a maximum.
    outside = _profiles(seed + 1, 5, at_edge=True) + [(n, 6 - loss) for n, loss in inside[:1]]
    return mark_by_cases(find("lab3.1"), [(0.6, inside), (0.4, outside)], function)


def _mark_diverged(function, seed) -> Mark:
    counts = (1, 1, 2, 3, 0, 0)
    tables = [(draw(s, diverged=k).runs,) for s, k in zip(_seeds(seed, 6), counts, strict=True)]
    close = [(borderline(s),) for s in _seeds(seed + 1, 2)]
    groups = [(0.6, tables[:4]), (0.2, close), (0.2, tables[4:])]
    return mark_by_cases(find("lab3.2"), groups, function)


def _mark_allocation(function, seed) -> Mark:
    rng = np.random.default_rng(seed)
    cases = []
    for _ in range(6):
        flops = np.sort(10 ** rng.uniform(17, 22, rng.integers(4, 8)))
        a, k = rng.uniform(0.35, 0.65), 10 ** rng.uniform(-3, 1)
        cases.append((flops, k * flops**a * np.exp(0.05 * rng.standard_normal(len(flops)))))
    return mark_by_cases(find("lab3.3"), [(1.0, cases)], function)


def _mark_recommend(function, seed) -> Mark:
    cases = [
        (draw(s).runs, factor * BUDGETS[-1])
        for s, factor in zip(_seeds(seed, 5), (10, 10, 3, 30, 100), strict=True)
    ]
    return mark_by_cases(find("lab3.5"), [(1.0, cases)], function)


TABLES = 20  # on which intervals are scored
COVER = (12, 16)  # half and full marks for as many of them that hold the truth
WIDE = (2.5, 5.0)  # times the width of the reference interval: up to here full, half marks


def _number(value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _same_budgets(given, wanted) -> bool:
    try:
        given = sorted(float(c) for c in given)
    except (TypeError, ValueError):
        return False
    return len(given) == len(wanted) and np.allclose(given, wanted, rtol=0.05)


@functools.lru_cache(maxsize=1)
def _tables(seed: int) -> tuple[list[Hidden], list[dict]]:
    """Fresh tables, one in five without an edge budget, and what the reference finds in them."""
    hidden = [draw(s, edge=i % 5 != 4) for i, s in enumerate(_seeds(seed, TABLES))]
    return hidden, [find("lab3.4").reference(h.runs) for h in hidden]


def _mark_analyse(function, seed) -> Mark:
    """Exponent 0.35, edge budgets 0.2, coverage 0.3, width 0.15, over fresh tables."""
    hidden, references = _tables(seed)
    answers = [function(h.runs) for h in hidden]
    for answer in answers:
        if not isinstance(answer, dict):
            kind = type(answer).__name__
            return Mark(0.0, f"`analyse` returns a {kind} where a dict is asked for.")
        missing = [k for k in ("a", "a_low", "a_high", "edge_budgets") if k not in answer]
        if missing:
            return Mark(0.0, f"The dict that `analyse` returns has no {', '.join(missing)}.")
    a, low, high = (np.array([_number(x[k]) for x in answers]) for k in ("a", "a_low", "a_high"))
    if np.ptp(a) < 1e-6:
        return Mark(
            0.0,
            f"`analyse` returns the same a for {TABLES} different tables. It must work with the "
            "table it is given, not with numbers typed in or with your own table.",
        )
    truth = np.array([h.law.a for h in hidden])
    target = np.array([r["a"] for r in references])
    usual = np.array([r["a_high"] - r["a_low"] for r in references])

    near = int((np.abs(a - target) <= 0.01).sum())
    edges = sum(
        _same_budgets(x["edge_budgets"], h.edge_budgets)
        for x, h in zip(answers, hidden, strict=True)
    )
    held = int(((low <= truth) & (truth <= high)).sum())
    # An interval that is no number counts as one without end.
    ratio = float(np.median(np.nan_to_num((high - low) / usual, nan=np.inf, posinf=np.inf)))

    width = np.interp(ratio, [WIDE[0], WIDE[0] + 1e-9, WIDE[1], WIDE[1] + 1e-9], [1, 0.5, 0.5, 0])
    cover = 1.0 if held >= COVER[1] else 0.5 if held >= COVER[0] else 0.0
    # A wide interval covers without effort, and a narrow one is narrow without effort.
    if not width:
        cover = 0.0
    if not cover:
        width = 0.0
    parts = {
        "exponent": (0.35, near / TABLES if near >= TABLES / 4 else 0.0),
        "edge": (0.20, edges / TABLES if edges >= TABLES / 2 else 0.0),
        "cover": (0.30, cover),
        "width": (0.15, float(width)),
    }
    lines = [
        f"On {TABLES} fresh tables:",
        "",
        f"- `a` agrees with the reference to 0.01 on {near} of them.",
        f"- `edge_budgets` is right on {edges}.",
        f"- The interval holds the true a on {held}; of an honest 95 % one, 19 are expected.",
        f"- Its width is {ratio:.2g} times that of the reference." if np.isfinite(ratio)
        else "- The interval is not made of numbers.",
    ]  # fmt: skip
    share = sum(weight * part for weight, part in parts.values())
    advice = []
    if near < TABLES or edges < TABLES:
        verdict = on_cases(find("lab3.4"), [(h.runs,) for h in hidden[:3]]).check(function)
        several = (
            "More than one thing may be wrong. Is `drop_diverged` called first? Does every minimum "
            "lie inside its sizes, in a parabola that bends upwards? Is the rest in `edge_budgets`?"
        )
        advice.append(verdict.message if verdict.misconception else several)
    if np.isnan(high - low).any() or (high < low).any():
        advice.append("`a_low` must be a number below `a_high`, also a number.")
    elif ratio > WIDE[0]:
        advice.append(
            "The interval is too wide to be of use. Resample the noise around each budget's "
            "parabola, not whole budgets or the whole table, and see that no diverged run is left."
        )
    elif ((a < low) | (a > high)).sum() > TABLES / 2:
        advice.append(
            "The interval mostly lies beside your own `a`. `np.percentile` counts in percent, from "
            "0 to 100. If that is not it, look at what the noise is added to."
        )
    elif held < COVER[1] and ratio < (0.9 if near == TABLES else 0.5):
        advice.append(
            "The interval is too narrow. It must hold the noise of single runs: redraw the losses, "
            "refit every parabola and the line, and take percentiles of the slopes. For 95 % that "
            "is about two standard deviations each way."
        )
    elif held < COVER[1]:
        advice.append("The interval lies beside the truth too often: first see that `a` is right.")
    text = "\n".join(lines) + "".join(f"\n\n{line}" for line in advice)
    return Mark(round(share, 3), text)


TASKS = (
    Task("find_minimum", "The lowest point of one budget", 20, _mark_minimum),
    Task("drop_diverged", "Leave out the runs that diverged", 15, _mark_diverged),
    Task("fit_allocation", "How the best size grows with the budget", 15, _mark_allocation),
    Task("analyse", "An exponent with its interval", 35, _mark_analyse, seconds=120),
    Task("recommend", "What to train with a larger budget", 15, _mark_recommend, seconds=60),
)
