"""Lab 4: design, price, train and fit a sweep of tiny models, and forecast a run ten times larger.

Each learner trains on random walks of a graph of their own. Its entropy rate is known exactly, so
the excess loss of a run is known exactly too. A forecast is sealed before the large run is trained,
and the run itself is the truth that scores it.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import hashlib
import html
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from scalinglaws.counting import count_params, human
from scalinglaws.course.exercises import find
from scalinglaws.course.labs import Mark, Task, learner_seed, mark_by_cases, on_cases
from scalinglaws.course.labs.lab_3 import interval_score
from scalinglaws.errors import ExerciseError, ScalingLawsError
from scalinglaws.lab import RunConfig, isoflop, make_task

TITLE = "Lab 4: train tiny models"
NOTEBOOK = "lab_4_tiny_models"

LEVEL = 0.9  # of the forecast
FOLDER = "lab_4_runs"  # where the runs of a learner are kept
RECHECKED = 1.5e11  # FLOP; the grader trains no larger run again
SAME_RUN = 0.25  # of ln excess: further apart, two machines did not train the same run


# ------------------------------------------------------------------------------------ assignment


@dataclass(frozen=True)
class Size:
    """How large the lab is.

    Parameters
    ----------
    nodes : int
        Of the graph, about.
    budget : float
        FLOP for the whole sweep.
    target : float
        FLOP of the run that is forecast.
    settings : dict
        Fields that all runs share.
    device : str
    keep : bool
        Whether runs are kept in a folder beside the notebook.
    good : float
        Excess, nats per token, of a good run at the target.
    """

    nodes: int
    budget: float
    target: float
    settings: dict
    device: str = "cpu"
    keep: bool = True
    good: float = 0.016


SMALL = {"batch": 8, "context": 32}
SIZES = {
    "quick": Size(64, 3.2e11, 1e11, SMALL, keep=False),
    "laptop": Size(64, 1.5e12, 1e11, SMALL),
    "gpu": Size(256, 1.5e14, 1e13, {"batch": 32, "context": 64}, device="cuda", good=0.03),
}


@dataclass(frozen=True)
class Assignment:
    """What one learner works on.

    Attributes
    ----------
    learner : str
    size : str
        A key of `SIZES`.
    number : int
        The seed that belongs to the learner.
    task : str
        The walk to learn, as `scalinglaws.lab.make_task` takes it.
    budget : float
        FLOP for the sweep, 6 N D with all parameters.
    target : float
        FLOP of the run to forecast.
    largest : float
        A tenth of it: FLOP of the largest runs of the sweep.
    settings : dict
        Batch and context of all runs.
    options : dict
        For `scalinglaws.lab.run` and `Ledger.spend`: device, workers, progress.
    store : Path
        The file that keeps the runs.
    """

    learner: str
    size: str
    number: int
    task: str
    budget: float
    target: float
    settings: dict
    options: dict
    store: Path

    @property
    def largest(self) -> float:
        """FLOP of one run of the most expensive rung: a tenth of the target."""
        return self.target / 10

    def __repr__(self) -> str:
        return (
            f"task {self.task}\n"
            f"budget of the sweep {self.budget:.2g} FLOP\n"
            f"largest runs of the sweep {self.largest:.2g} FLOP\n"
            f"run to forecast {self.target:.2g} FLOP"
        )


def draw_task(number: int, nodes: int = 64) -> str:
    """The walk that belongs to a seed: about `nodes` nodes with about eight neighbours each.

    Examples
    --------
    >>> draw_task(1) == draw_task(1), draw_task(1) == draw_task(2)
    (True, False)
    """
    rng = np.random.default_rng([number, 4])
    n = int(rng.integers(round(0.94 * nodes), round(1.06 * nodes) + 1))
    edges = round(n * rng.uniform(3.6, 4.4))
    kappa = round(rng.uniform(0.3, 0.9), 2)
    return f"er:nodes={n},edges={edges},kappa={kappa},seed={rng.integers(1, 10**6)}"


def assignment(learner: str, size: str = "laptop") -> Assignment:
    """The task, the budgets and the store of a learner.

    Parameters
    ----------
    learner : str
        A name, or any word.
    size : {"laptop", "gpu", "quick"}
        "laptop" takes about ten minutes of one core. "quick" is for trying the notebook: a small
        sweep, whose runs are forgotten when Python ends.

    Raises
    ------
    ExerciseError
        No name, or an unknown size.

    Examples
    --------
    >>> assignment("Ada Lovelace").task == assignment("ada lovelace").task
    True
    """
    if size not in SIZES:
        raise ExerciseError(f"SIZE = {size!r} is none of {', '.join(map(repr, SIZES))}")
    number, how = learner_seed(learner), SIZES[size]
    folder = Path(FOLDER) if how.keep else _scratch()
    if how.keep:
        folder.mkdir(exist_ok=True)
    return Assignment(
        learner=re.sub(r"\s+", " ", str(learner)).strip(),
        size=size,
        number=number,
        task=draw_task(number, how.nodes),
        budget=how.budget,
        target=how.target,
        settings=dict(how.settings),
        options={"device": how.device, "workers": 1, "progress": how.keep},
        store=folder / f"{number:08x}-{size}.sqlite",
    )


@functools.cache
def _scratch() -> Path:
    """A folder that goes when Python ends."""
    folder = tempfile.mkdtemp(prefix="lab-4-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def target_run(mine: Assignment, d_model: int, learning_rate: float, **settings) -> RunConfig:
    """The run of a width that spends the whole target.

    Parameters
    ----------
    mine : Assignment
    d_model : int
        Width.
    learning_rate : float
    **settings
        Further fields of `RunConfig`.
    """
    given = mine.settings | settings
    (config,) = isoflop(mine.task, [mine.target], [d_model], [learning_rate], **given)
    return config


def size_of(config: RunConfig) -> tuple[int, int]:
    """Parameters (embeddings counted) and tokens of a run that need not be trained.

    Examples
    --------
    >>> size_of(RunConfig("er:nodes=64,edges=256", d_model=8, tokens=512, learning_rate=0.1))
    (2816, 512)
    """
    return count_params(config.shape(make_task(config.task).vocab)), config.trained_tokens


# ------------------------------------------------------------------------------ seal and reveal


@dataclass(frozen=True)
class Seal:
    """A forecast that can no longer be changed without leaving a trace.

    Attributes
    ----------
    config : RunConfig
        The run.
    low, high : float
        Its excess loss, nats per token.
    digest : str
    """

    config: RunConfig
    low: float
    high: float
    digest: str

    def __repr__(self) -> str:
        return (
            f"sealed: excess of {self.low:.3g} to {self.high:.3g} nats per token for width "
            f"{self.config.d_model} on {human(self.config.trained_tokens)} tokens, "
            f"seal {self.digest}"
        )


def _digest(number: int, config: RunConfig, low: float, high: float) -> str:
    text = f"{number} {config.key} {low:.3g} {high:.3g}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _seal_file(mine: Assignment) -> Path:
    return mine.store.with_suffix(".seal.json")


def _read_seal(mine: Assignment) -> Seal | None:
    try:
        kept = json.loads(_seal_file(mine).read_text(encoding="utf-8"))
        config = RunConfig.from_dict(kept["run"])
        return Seal(config, kept["low"], kept["high"], kept["seal"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExerciseError(
            f"the seal in {_seal_file(mine).name} cannot be read ({error}). Remove that file to "
            "seal again."
        ) from None


def _flops(config: RunConfig) -> float:
    params, tokens = size_of(config)
    return 6.0 * params * tokens


def _known(mine: Assignment) -> pd.DataFrame:
    """The runs in the store, as a table."""
    from scalinglaws.lab import Store, Table

    return Store(mine.store).table().frame if mine.store.exists() else Table().frame


def seal(mine: Assignment, config: RunConfig, low: float, high: float) -> Seal:
    """Seal a 90 % interval for the excess loss of a run that has not been trained.

    The seal lies in a file beside the store, so that it survives a restart.

    Parameters
    ----------
    mine : Assignment
    config : RunConfig
        On the learner's task, for the target's FLOP: see `target_run`.
    low, high : float
        Excess over the entropy rate, nats per token. Kept to three digits.

    Raises
    ------
    NotImplementedError
        The dots are still there.
    ExerciseError
        Not an interval, not such a run, or the run was trained before.
    """
    if any(value is ... for value in (config, low, high)):
        raise NotImplementedError("put a run and your two numbers in place of the dots")
    if not isinstance(config, RunConfig):
        kind = type(config).__name__
        raise ExerciseError(f"the run is a {kind}. Make it with lab_4.target_run(...)")
    if config.task != mine.task:
        raise ExerciseError(f"the run is on {config.task!r}, and your task is {mine.task!r}")
    flops = _flops(config)
    if not 0.9 * mine.target <= flops <= mine.target * (1 + 1e-9):
        raise ExerciseError(
            f"the run spends {flops:.3g} FLOP, and the forecast is about {mine.target:.3g}. Make "
            "it with lab_4.target_run(...)"
        )
    try:
        low, high = (float(f"{float(value):.3g}") for value in (low, high))
    except (TypeError, ValueError):
        raise ExerciseError(f"a forecast is two numbers, got {low!r} and {high!r}") from None
    if not 0 < low < high < math.inf:
        raise ExerciseError(
            f"low must be positive and below high, got {low:g} and {high:g}. An excess is what "
            "is left of the loss above the entropy rate."
        )
    made = Seal(config, low, high, _digest(mine.number, config, low, high))
    before = _read_seal(mine)
    if before == made:
        return made
    frame = _known(mine)
    if (frame["flops"] > 2 * mine.largest).any():
        if before is not None:
            raise ExerciseError("the run has been trained: the forecast stays as it was")
        raise ExerciseError(
            f"{mine.store.name} holds a run of more than {2 * mine.largest:.2g} FLOP already. A "
            "forecast made after it would be none: take another word for LEARNER."
        )
    draft = _seal_file(mine).with_suffix(".tmp")
    kept = {"run": config.to_dict(), "low": low, "high": high, "seal": made.digest}
    draft.write_text(json.dumps(kept), encoding="utf-8")
    os.replace(draft, _seal_file(mine))
    return made


@dataclass(frozen=True, eq=False)
class Reveal:
    """The run beside the forecast.

    Attributes
    ----------
    excess : float
        Nats per token above the entropy rate.
    scores : pandas.DataFrame
        Interval scores of the sealed forecast and of two rules of thumb.
    inside : bool
        Whether the sealed interval holds the excess.
    receipt : dict
        What is handed in.
    """

    excess: float
    loss: float
    floor: float
    scores: pd.DataFrame
    inside: bool
    receipt: dict

    def _said(self) -> str:
        holds = "holds" if self.inside else "misses"
        return (
            f"The run ended at {self.loss:.3f} nats per token, {self.excess:.2g} above the entropy "
            f"rate of {self.floor:.3f}. Your sealed interval ({self.receipt['seal']}) {holds} it. "
            "Lower scores are better."
        )

    def __repr__(self) -> str:
        return f"{self._said()}\n\n{self.scores}"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._said())}</p>{self.scores.to_html()}"


def reveal(mine: Assignment) -> Reveal:
    """Train the sealed run, and score the forecast beside two rules of thumb.

    The rules start from the lowest excess of the largest runs in the store.

    Raises
    ------
    NotImplementedError
        No forecast has been sealed.
    """
    from scalinglaws.lab import run

    sealed = _read_seal(mine)
    if sealed is None:
        raise NotImplementedError("seal a forecast first: afterwards it would be no forecast")
    (result,) = run([sealed.config], mine.store, **mine.options)
    # A run that diverged, or one that touches the floor, still has a score.
    excess = max(result.excess, 1e-9) if result.status == "done" else math.log(result.vocab)
    forecasts = {"yours": (sealed.low, sealed.high)} | _rules(mine, sealed.config)
    scores = pd.DataFrame(
        {
            "low": [f"{low:.2g}" for low, _ in forecasts.values()],
            "high": [f"{high:.2g}" for _, high in forecasts.values()],
            "interval score": [
                f"{interval_score(low, high, excess, LEVEL):.2f}"
                for low, high in forecasts.values()
            ],
        },
        index=list(forecasts),
    )
    receipt = {
        "learner": mine.learner,
        "size": mine.size,
        "run": _short(sealed.config),
        "low": sealed.low,
        "high": sealed.high,
        "excess": float(f"{excess:.4g}"),
        "seal": sealed.digest,
    }
    inside = sealed.low <= excess <= sealed.high
    return Reveal(excess, result.loss, result.floor, scores, inside, receipt)


def _short(config: RunConfig) -> dict:
    """The fields of a run that are not at their defaults, for `RunConfig.from_dict`."""
    usual = {f.name: f.default for f in dataclasses.fields(config)} | {"d_ff": 4 * config.d_model}
    return {name: v for name, v in config.to_dict().items() if v != usual[name]}


def _rules(mine: Assignment, config: RunConfig) -> dict[str, tuple[float, float]]:
    """What two rules of thumb forecast from the sweep."""
    frame = _known(mine)
    sweep = frame[(frame["status"] == "done") & (frame["flops"] <= 2 * mine.largest)]
    if sweep.empty or not (sweep["excess"] > 0).any():
        return {}
    rung = sweep[sweep["flops"] > 0.7 * sweep["flops"].max()]
    best, at = rung["excess"].min(), rung["flops"].max()
    factor = at / _flops(config)
    return {
        "excess like 1/C, give or take 1.5×": (best * factor / 1.5, best * factor * 1.5),
        "excess like 1/√C, give or take 1.5×": (
            best * math.sqrt(factor) / 1.5,
            best * math.sqrt(factor) * 1.5,
        ),
    }


# -------------------------------------------------------------------------------------- marking


def _seeds(seed: int, count: int) -> list[int]:
    return [int(s) for s in np.random.SeedSequence(seed).generate_state(count)]


def walk(seed: int, kind: str) -> np.ndarray:
    """Transition probabilities of a small walk, shape (V, V).

    Parameters
    ----------
    seed : int
    kind : {"biased", "even", "bipartite", "directed"}
        A biased walk on an undirected graph; one with all neighbours equally likely; such a walk
        that alternates between two halves; and one whose steps have no way back.
    """
    from scalinglaws.lab.tasks import GraphWalk

    rng = np.random.default_rng(seed)
    n = int(rng.integers(8, 16))
    if kind == "bipartite":
        half = n // 2
        across = rng.random((half, n - half)) < 0.4
        across[:, 0] = across[0] = True  # one component
        adjacency = np.zeros((n, n))
        adjacency[:half, half:] = across
        adjacency += adjacency.T
        return GraphWalk.from_adjacency(adjacency).transitions.toarray()
    if kind == "directed":
        p = np.zeros((n, n))
        for i in range(n):
            ways = [(i + 1) % n, *rng.choice(n, int(rng.integers(1, 4)), replace=False)]
            p[i, ways] = rng.uniform(0.2, 1.0, len(ways))
        return p / p.sum(axis=1, keepdims=True)
    kappa = 1.0 if kind == "biased" else 0.0
    task = GraphWalk.erdos_renyi(n, 2 * n, kappa=kappa, seed=int(rng.integers(10**6)))
    return task.transitions.toarray()


def rungs_table(seed: int, rungs: int | None = None) -> tuple[np.ndarray, np.ndarray, Callable]:
    """Rungs of a power law with noise: FLOP, excess, and a function that draws a new run.

    Parameters
    ----------
    seed : int
    rungs : int, optional
        How many; drawn from 4 to 7 when left out.

    Returns
    -------
    flops, excess : ndarray, shape (rungs,)
    new_run : callable
        ``new_run(flops)`` returns the excess of one more run.
    """
    rng = np.random.default_rng([seed, 44])
    n = int(rng.integers(4, 8)) if rungs is None else rungs
    largest = 10 ** rng.uniform(9.5, 13)
    flops = largest / rng.choice([1.8, 2.2, 3.16]) ** np.arange(n)[::-1]
    s, sigma = rng.uniform(0.5, 1.2), rng.uniform(0.05, 0.2)
    level = rng.uniform(0.03, 0.2)  # at the largest
    excess = level * (flops / largest) ** -s * np.exp(sigma * rng.standard_normal(n))

    def new_run(at: float) -> float:
        return float(level * (at / largest) ** -s * np.exp(sigma * rng.standard_normal()))

    return flops, excess, new_run


def bracket_table(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Learning rates in no order, and losses of three seeds at each, shape (rates, 3).

    Parameters
    ----------
    seed : int
    kind : {"inside", "lowest", "highest", "diverged", "survivor", "lucky", "unlucky"}
        Where the best rate lies; or what may mislead: the highest rates diverged; one seed of
        three survived at a rate and looks best; one seed got lucky, or one of three unlucky.
    """
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 8))
    rates = np.round(rng.uniform(0.004, 0.02) * 2.0 ** np.arange(n), 4)
    at = {"lowest": 0, "highest": n - 1, "diverged": n - 2}.get(kind, n // 2)
    losses = 2.1 + 0.05 * (np.arange(n)[:, None] - at - rng.uniform(-0.2, 0.2)) ** 2
    losses = losses + 0.002 * rng.standard_normal((n, 3))
    if kind == "diverged":
        losses[-1] = np.nan
    elif kind == "survivor":
        losses[-2] = np.nan, np.nan, losses.min() - 0.03
    elif kind == "lucky":
        # The mean of the last is the highest, and one of its seeds the lowest of all.
        losses[-1, 0] = losses.min() - 0.02
    elif kind == "unlucky":
        # At a rate beside the best, two seeds are lower than any there, and the third far higher.
        losses[at + 1] = losses.min() - 0.004, losses.min() - 0.003, losses.max() + 0.05
    order = rng.permutation(n)
    while (order[:1] == [0]).all() or order[-1] == n - 1:  # no edge may stand where it sorts
        order = rng.permutation(n)
    return rates[order], losses[order]


def _mark_entropy(function, seed) -> Mark:
    kinds = ("biased", "directed", "biased", "directed", "even", "bipartite", "bipartite")
    cases = [(walk(s, kind),) for s, kind in zip(_seeds(seed, 7), kinds, strict=True)]
    groups = [(0.6, cases[:4]), (0.2, cases[4:5]), (0.2, cases[5:])]
    return mark_by_cases(find("lab4.1"), groups, function)


def _mark_rung(function, seed) -> Mark:
    rng = np.random.default_rng(seed)
    cases = [
        (
            float(f"{10 ** rng.uniform(10, 16):.3g}"),
            int(rng.integers(2, 8)),
            float(rng.choice([1.5, 2.0, 3.0, 4.0])),
            int(rng.integers(4, 80)),
        )
        for _ in range(6)
    ]
    return mark_by_cases(find("lab4.2"), [(1.0, cases)], function)


def _mark_rate(function, seed) -> Mark:
    kinds = ("inside", "lowest", "highest", "diverged", "survivor", "lucky", "unlucky", "survivor")
    cases = [bracket_table(s, kind) for s, kind in zip(_seeds(seed, 8), kinds, strict=True)]
    return mark_by_cases(find("lab4.3"), [(0.4, cases[:3]), (0.6, cases[3:])], function)


def _mark_excess(function, seed) -> Mark:
    cases = []
    for s in _seeds(seed, 6):
        flops, excess, _ = rungs_table(s)
        floor = float(np.random.default_rng(s).uniform(1.5, 2.5))
        cases.append((flops, floor + excess, floor))
    return mark_by_cases(find("lab4.4"), [(1.0, cases)], function)


TABLES = 60  # on which intervals are scored
COVER = (0.75, 0.85)  # half and full marks for as large a share of them that holds the new run
WIDE = 1.6  # times the width of the reference interval


def _mark_forecast(function, seed) -> Mark:
    """Full marks for the interval of the text; up to 0.8 for any other that keeps its promise."""
    exercise = find("lab4.5")
    tables = [rungs_table(s) for s in _seeds(seed, TABLES)]
    calls = [(flops, excess, 10 * float(flops[-1])) for flops, excess, _ in tables]
    exact = mark_by_cases(exercise, [(1.0, calls[:6])], function)
    if exact.share == 1.0 or "not written yet" in exact.feedback:
        return exact
    ends = []
    for case in calls:
        try:
            low, high = function(*case)
            ends.append((float(low), float(high)))
        except (TypeError, ValueError):
            return Mark(0.0, exact.feedback)
    low, high = np.array(ends).T
    if np.ptp(low) == 0 or np.ptp(high) == 0:
        return Mark(
            0.0,
            f"`forecast` returns the same end for {TABLES} different tables. It must work with "
            "the rungs it is given.",
        )
    new = np.array([draw(at) for (_, _, draw), (_, _, at) in zip(tables, calls, strict=True)])
    share = float(np.mean((low <= new) & (new <= high)))
    usual = np.array([np.log(h / l_) for l_, h in (exercise.reference(*c) for c in calls)])
    with np.errstate(all="ignore"):
        ratio = float(np.median(np.nan_to_num(np.log(high / low) / usual, nan=np.inf)))
    cover = 1.0 if share >= COVER[1] else 0.5 if share >= COVER[0] else 0.0
    earned = 0.8 * cover if ratio <= WIDE else 0.0
    verdict = on_cases(exercise, calls[:6]).check(function)
    lines = [
        f"Not the interval of the text. On {TABLES} fresh tables it holds the new run in "
        f"{share:.0%}, where 90 % was promised.",
    ]
    if math.isfinite(ratio):
        lines.append(f"It is {ratio:.2g} times as wide (in ln excess) as that of the text.")
    lines.append(verdict.message)
    return Mark(max(earned, exact.share), " ".join(lines))


def retrain(config: RunConfig) -> float:
    """Excess of a run that is trained again here, nats per token."""
    from scalinglaws.lab import train

    (result,) = train([config], device="cpu")
    return result.excess


def _mark_receipt(function, seed) -> Mark:
    """Valid and repeated 0.4, interval score 0.4, a good run 0.2."""
    given = function()
    if given is None or given is ...:
        return Mark(0.0, "`receipt` is not written yet.")
    wanted = ("learner", "size", "run", "low", "high", "excess", "seal")
    if not isinstance(given, dict) or any(key not in given for key in wanted):
        return Mark(0.0, "`receipt` must return the dict that the cell of step 7 prints.")
    try:
        number, how = learner_seed(given["learner"]), SIZES[given["size"]]
        config = RunConfig.from_dict(dict(given["run"]))
        low, high, excess = (float(given[k]) for k in ("low", "high", "excess"))
        score = interval_score(low, high, excess, LEVEL)
    except (KeyError, TypeError, ValueError, ScalingLawsError) as error:
        return Mark(0.0, f"The receipt cannot be read: {error}.")
    if config.task != draw_task(number, how.nodes):
        return Mark(0.0, f"The run is not on the graph of {given['learner']!r}.")
    if not 0.9 * how.target <= _flops(config) <= how.target * (1 + 1e-9):
        return Mark(0.0, f"The run does not spend {how.target:.2g} FLOP.")
    if given["seal"] != _digest(number, config, low, high):
        return Mark(0.0, "The seal does not belong to this run and this interval.")
    if not low < high or not excess > 0:
        return Mark(0.0, "Of the numbers in the receipt, low < high and excess > 0 must hold.")
    lines = [f"Receipt of {given['learner']!r}, size {given['size']!r}: in order."]
    if _flops(config) <= RECHECKED:
        again = retrain(config)
        if not (again > 0 and abs(math.log(again / excess)) <= SAME_RUN):
            return Mark(
                0.0,
                f"Trained again, this run ends {again:.3g} nats above the entropy rate, not "
                f"{excess:.3g}.",
            )
        lines.append("Trained again, the run ends where the receipt says.")
        score = interval_score(low, high, again, LEVEL)
        excess = again
    else:
        lines.append("The run is too long to be trained again here.")
    # ln 5 is what a careful forecast may be wide; beyond ln 200 it says nothing.
    part = float(np.interp(score, [math.log(5), math.log(200)], [1.0, 0.0]))
    good = excess <= how.good
    held = "holds" if low <= excess <= high else "misses"
    lines.append(f"The sealed interval {held} it; interval score {score:.2f}, lower is better.")
    if not good:
        lines.append(
            f"The run itself could be better: {how.good:g} nats above the entropy rate are within "
            "reach. Was the width the best one, and the learning rate?"
        )
    return Mark(round(0.4 + 0.4 * part + 0.2 * good, 3), " ".join(lines))


TASKS = (
    Task("entropy_rate", "The exact floor", 20, _mark_entropy),
    Task("largest_rung", "Price before you train", 10, _mark_rung),
    Task("pick_rate", "Find a learning rate", 20, _mark_rate),
    Task("fit_excess", "How the excess falls", 15, _mark_excess),
    Task("forecast", "An interval for a larger run", 20, _mark_forecast),
    Task("receipt", "The forecast and its run", 15, _mark_receipt, seconds=150),
)
