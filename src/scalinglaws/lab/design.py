"""Designs of sweeps: which runs to train, what they cost, and what to cut to fit a budget.

`grid` crosses lists of settings; `isoflop` spends the same compute at several sizes, the design of
Approach 2 of Hoffmann et al. 2022 (arXiv 2203.15556, section 3.2). A design is only a list of
runs: two of them add up, and a run that is in both is trained once.
"""

from __future__ import annotations

import heapq
import html
import itertools
import json
import math
import os
import tomllib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..counting import human, train_flops
from ..errors import BudgetError, LabWarning, TrainingError
from .config import RunConfig

__all__ = ["Cut", "Cuts", "Design", "Estimate", "bracket", "grid", "isoflop", "read_design"]

SAME_RUNG = 0.15  # runs whose FLOPs differ by less than this share are one rung
FEW_RATES = 3  # the fewest learning rates that can show an optimum between them
EVERYTHING = "everything"
PROBE_STEPS = 50  # steps of the run that is handed to the probe of the speed

FIELDS = tuple(f.name for f in fields(RunConfig))


# --------------------------------------------------------------------------------------
# What a run costs


@lru_cache(maxsize=100_000)
def run_flops(config: RunConfig) -> float:
    """Training compute of a run, 6 N D with all parameters, before it is trained."""
    return float(train_flops(config.shape(_vocab(config.task)), config.trained_tokens))


def _vocab(task: str) -> int:
    from .tasks import make_task

    return make_task(task).vocab


def _trainer():
    """The module that trains: imported late, because it loads PyTorch."""
    from importlib import import_module

    return import_module(".trainer", __package__)


def _seconds(stack: Sequence[RunConfig], device: str) -> float:
    """Predicted wall time of a stack of runs that train together."""
    # The speed depends neither on how long a run is nor on these values: probe each shape once.
    first = stack[0]
    tokens = PROBE_STEPS * first.batch * first.context
    probe = first.replace(tokens=tokens, learning_rate=1e-3, seed=0, data_seed=0)
    trainer = _trainer()
    step = trainer.seconds_per_step(probe, len(stack), device)
    # Each point of the learning curve is an exam, which matters in short runs.
    points = min(trainer.CURVE_POINTS, 1 + math.log2(first.steps))
    exam = trainer.seconds_per_exam(probe, len(stack), device)
    return step * first.steps + points * exam


def _timed(
    configs: Sequence[RunConfig], known: frozenset, device: str, workers: int
) -> tuple[float, dict]:
    """Predicted minutes of wall time, and each new run's share of the working time by key."""
    share, free = {}, [0.0] * workers  # when each worker is free again
    for stack in _trainer().stacks(list(configs), device):
        new = [config for config in stack if config.key not in known]
        if new:
            seconds = _seconds(new, device)
            share |= {config.key: seconds / len(new) / 60 for config in new}
            heapq.heapreplace(free, free[0] + seconds)
    return max(free) / 60, share


def _known(store: Any) -> frozenset[str]:
    """Keys of the runs that a store holds already."""
    if store is None:
        return frozenset()
    if not isinstance(store, (str, os.PathLike)):
        return frozenset(store.keys())
    if not Path(store).exists():  # an estimate makes no file
        return frozenset()
    from .store import Store

    with Store(store) as opened:
        return frozenset(opened.keys())


# --------------------------------------------------------------------------------------
# A design


@dataclass(frozen=True)
class Design:
    """The runs of a sweep, each of them once.

    Parameters
    ----------
    name : str
        Shown in progress bars and tables.
    configs : sequence of RunConfig
        A run given twice counts once; the order is kept.

    Examples
    --------
    >>> design = grid(
    ...     task="er:nodes=64,edges=256", d_model=[8, 16], tokens=20_000,
    ...     learning_rate=[0.003, 0.01, 0.03], seed=[0, 1],
    ... )
    >>> len(design)
    12
    >>> len(design + design)
    12
    """

    name: str
    configs: tuple[RunConfig, ...]

    def __post_init__(self):
        configs = tuple(self.configs)
        for i, config in enumerate(configs):
            if not isinstance(config, RunConfig):
                raise TrainingError(
                    f"configs[{i}] is {config!r}, not a RunConfig. A design is a list of RunConfig."
                )
        unique = tuple({config.key: config for config in configs}.values())
        object.__setattr__(self, "configs", unique)
        object.__setattr__(self, "name", str(self.name))

    def __len__(self) -> int:
        return len(self.configs)

    def __iter__(self) -> Iterator[RunConfig]:
        return iter(self.configs)

    def __contains__(self, config: object) -> bool:
        return config in self.configs

    def __add__(self, other: Design) -> Design:
        if not isinstance(other, Design):
            return NotImplemented
        name = self.name if other.name == self.name else f"{self.name} + {other.name}"
        return Design(name, self.configs + other.configs)

    @property
    def flops(self) -> float:
        """Training compute of all runs, 6 N D with all parameters."""
        return math.fsum(run_flops(config) for config in self)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a run: its key, its fields and its FLOPs."""
        rows = [{"key": c.key, **c.to_dict(), "flops": run_flops(c)} for c in self]
        return pd.DataFrame(rows, columns=["key", *FIELDS, "flops"])

    def estimate(
        self, device: str | None = "auto", store: Any = None, workers: int = 1
    ) -> Estimate:
        """What the sweep costs, before anything is trained.

        Parameters
        ----------
        device : str or None, default "auto"
            Where it will run. Each shape is timed there for a moment; with None nothing is timed
            and the minutes are NaN.
        store : Store or path, optional
            Runs that it holds already cost nothing.
        workers : int, default 1
            How many processes (or GPUs) share the work.

        Returns
        -------
        Estimate

        Raises
        ------
        DeviceError
            The device is unknown, or this machine lacks it.
        TaskError
            A task that nobody has heard of.
        """
        return _estimate(self, _known(store), device, workers)

    def to_dict(self) -> dict:
        """The design as plain values, as `read_design` takes them."""
        return {"name": self.name, "kind": "runs", "configs": [c.to_dict() for c in self]}

    def write(self, path: str | os.PathLike) -> None:
        """Write the design to a JSON file, for `read_design` and ``scalinglaws lab``."""
        Path(path).write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")

    def __repr__(self) -> str:
        return f"Design({self.name!r}: {len(self)} runs, {human(self.flops)} FLOP)"

    def _repr_html_(self) -> str:
        table = _rung_table(self, frozenset(), {}).drop(columns=["known", "new_flops", "minutes"])
        return f"<p>{html.escape(repr(self))}</p>{_html_table(table)}"


def bracket(centre: float, factor: float = 2.0, count: int = 5) -> tuple[float, ...]:
    """Learning rates (or other settings) evenly spaced in their logarithm around a guess.

    Parameters
    ----------
    centre : float
        The middle one.
    factor : float, default 2
        From each value to the next.
    count : int, default 5
        How many; with an odd number the centre itself is among them.

    Returns
    -------
    tuple of float
        Increasing, rounded to four digits so that overlapping brackets share runs.

    Raises
    ------
    TrainingError
        A centre that is not positive, a factor of 1 or less, no values.

    Examples
    --------
    >>> bracket(0.01)
    (0.0025, 0.005, 0.01, 0.02, 0.04)
    """
    if not (math.isfinite(centre) and centre > 0):
        raise TrainingError(f"centre = {centre!r} is not a positive number.")
    if not (math.isfinite(factor) and factor > 1):
        raise TrainingError(f"factor = {factor!r} must be above 1.")
    count = _count("count", count)
    return tuple(float(f"{centre * factor ** (i - (count - 1) / 2):.4g}") for i in range(count))


def grid(name: str = "grid", **settings: Any) -> Design:
    """Every combination of the settings that are given as lists.

    Parameters
    ----------
    name : str
        Name of the design.
    **settings
        Fields of `RunConfig`, each a value or a list of values.

    Returns
    -------
    Design
        The last list varies fastest.

    Raises
    ------
    TrainingError
        An unknown field, an empty list, or a combination that cannot be trained.
    ShapeError, TaskError
        An impossible shape or task.

    Examples
    --------
    >>> design = grid(
    ...     task="er:nodes=64,edges=256", d_model=[8, 16, 32], tokens=[10_000, 20_000],
    ...     learning_rate=bracket(0.01, count=3),
    ... )
    >>> len(design), design.configs[0].learning_rate
    (18, 0.005)
    """
    values = {field: _list(field, value) for field, value in settings.items()}
    combinations = itertools.product(*values.values())
    return Design(
        name, tuple(RunConfig.from_dict(dict(zip(values, c, strict=True))) for c in combinations)
    )


def isoflop(
    task: str,
    budgets: Iterable[float],
    widths: Iterable[int],
    learning_rates: Iterable[float] | Callable[[int, int], Iterable[float]],
    seeds: int | Iterable[int] = (0,),
    *,
    min_steps: int = 20,
    min_tokens: float = 0,
    max_tokens: float = math.inf,
    pair_data: bool = False,
    name: str = "isoflop",
    **settings: Any,
) -> Design:
    """Several sizes at each of several compute budgets.

    A model of N parameters (embeddings included) under a budget of C FLOP is trained on
    D = C / 6N tokens, rounded down to whole batches: no run spends more than its budget, or less
    by a batch or more.

    Parameters
    ----------
    task : str
        What to learn.
    budgets : list of float
        FLOP of one run, one a rung.
    widths : list of int
        Values of `d_model`; all are tried at every budget.
    learning_rates : list of float, or function
        To try at each width and budget; a function of (d_model, tokens) returns a list.
    seeds : int or list of int
        Seeds, or how many of them, counted from 0.
    min_steps : int, default 20
        Runs that are shorter are left out, with a warning: they hardly get beyond the warmup.
    min_tokens, max_tokens : float
        Runs outside are left out, with a warning.
    pair_data : bool, default False
        Whether each seed also draws its own training data. Otherwise all runs see the same data,
        which makes sizes easier to compare and the noise between seeds smaller than it is.
    **settings
        Other fields of `RunConfig`, each a value or a function of the width.

    Returns
    -------
    Design

    Raises
    ------
    BudgetError
        A budget that is no positive number, or is below its cheapest run.
    TrainingError, ShapeError, TaskError
        Settings that cannot be trained.

    Warns
    -----
    LabWarning
        Names the runs that are left out.

    Examples
    --------
    >>> design = isoflop(
    ...     "er:nodes=64,edges=256", budgets=[1e9, 4e9], widths=[8, 16],
    ...     learning_rates=bracket(0.01, count=3), seeds=2,
    ... )
    >>> design
    Design('isoflop': 24 runs, 59.8B FLOP)
    """
    widths, rates_for = _list("widths", widths), _rates(learning_rates)
    seeds = range(_count("seeds", seeds)) if np.ndim(seeds) == 0 else _list("seeds", seeds)
    for field in ("tokens", "d_model", "learning_rate", "seed"):
        if field in settings:
            raise TrainingError(f"{field!r} is set by the design. Leave it out.")
    configs, short = [], []
    for budget in sorted(_budget(b) for b in _list("budgets", budgets)):
        rung = []
        for width in widths:
            own = {k: v(width) if callable(v) else v for k, v in settings.items()}
            config, steps = _afford(task, width, budget, own)
            tokens = steps * config.batch * config.context
            if steps < max(1, min_steps) or not min_tokens <= tokens <= max_tokens:
                short.append((budget, width, steps, tokens))
                continue
            for rate, seed in itertools.product(
                _list("learning_rates", rates_for(width, tokens)), seeds
            ):
                data = {"data_seed": seed} if pair_data else {}
                rung.append(config.replace(tokens=tokens, learning_rate=rate, seed=seed, **data))
        if not rung:
            raise BudgetError(_below_cheapest(task, budget, widths, settings, min_steps))
        configs += rung
    if short:
        said = "; ".join(
            f"width {width} at {human(budget)} FLOP ({steps} steps, {human(tokens)} tokens)"
            for budget, width, steps, tokens in short
        )
        allowed = f"fewer than {min_steps} steps"
        if min_tokens > 0 or max_tokens < math.inf:
            allowed += f" or tokens outside {human(min_tokens)} to {human(max_tokens)}"
        warnings.warn(
            f"left out of the design, with {allowed}: {said}. Give a larger budget, a smaller "
            "batch or other widths to have them.",
            LabWarning,
            stacklevel=2,
        )
    return Design(name, tuple(configs))


def _afford(task: str, width: int, budget: float, settings: dict) -> tuple[RunConfig, int]:
    """A run of one step at this width, and how many such steps the budget pays for."""
    values = {"learning_rate": 1e-3, **settings, "task": task, "d_model": width}
    batch = RunConfig.from_dict({**values, "tokens": 10**9})
    step = batch.batch * batch.context
    one = batch.replace(tokens=step)
    steps = int(budget / run_flops(one))
    # Division of floats may be off by one unit in the last place.
    if (steps + 1) * run_flops(one) <= budget:
        steps += 1
    elif steps * run_flops(one) > budget:
        steps -= 1
    return one, steps


def _below_cheapest(task, budget, widths, settings, min_steps) -> str:
    costs = []
    for width in widths:
        own = {k: v(width) if callable(v) else v for k, v in settings.items()}
        one, _ = _afford(task, width, budget, own)
        costs.append((run_flops(one) * max(1, min_steps), width))
    cost, width = min(costs)
    if cost > budget:
        return (
            f"a budget of {budget:.4g} FLOP is below the cheapest run: width {width} needs "
            f"{cost:.4g} FLOP for {max(1, min_steps)} steps. Give at least that, or make the "
            "model, the batch, the context or min_steps smaller."
        )
    return (
        f"no width has a number of tokens between min_tokens and max_tokens at a budget of "
        f"{budget:.4g} FLOP. Widen the range, or try other widths."
    )


def _rates(given) -> Callable[[int, int], Iterable[float]]:
    return given if callable(given) else lambda width, tokens: given


def _budget(value: Any) -> float:
    try:
        budget = float(value)
    except (TypeError, ValueError):
        budget = math.nan
    if not (math.isfinite(budget) and budget > 0):
        raise BudgetError(f"a budget of {value!r} is not a positive number of FLOP.")
    return budget


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not float(value).is_integer() or value < 1:
        raise TrainingError(f"{name} = {value!r} is not a whole number of at least 1.")
    return int(value)


def _list(name: str, value: Any) -> list:
    """A value, or any sequence of them, as a list of plain Python values."""
    if isinstance(value, (np.ndarray, pd.Series)):
        value = value.tolist()
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        return [value]
    values = list(value)
    if not values:
        raise TrainingError(f"{name} is an empty list. Give at least one value.")
    return values


# --------------------------------------------------------------------------------------
# Designs from files


def read_design(source: str | os.PathLike | Mapping) -> Design:
    """A design from a JSON or TOML file, or from the values of one.

    ``kind`` is ``"isoflop"`` or ``"grid"``, beside the arguments of that function, or ``"runs"``
    with a list ``configs`` (what `Design.write` writes). A list ``designs`` joins several.

    Parameters
    ----------
    source : path or mapping

    Returns
    -------
    Design

    Raises
    ------
    TrainingError
        No such file, no JSON or TOML, or no design in it.
    BudgetError, ShapeError, TaskError
        As `isoflop` and `grid`.

    Examples
    --------
    >>> read_design({
    ...     "kind": "grid", "name": "two", "task": "er:nodes=64,edges=256",
    ...     "d_model": [8, 16], "tokens": 20000, "learning_rate": 0.01,
    ... })
    Design('two': 2 runs, 1.38B FLOP)
    """
    if isinstance(source, Mapping):
        return _design_of(dict(source))
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise TrainingError(f"there is no design {str(path)!r}") from None
    except (ValueError, OSError) as err:
        raise TrainingError(f"{path.name!r} cannot be read as a design: {err}") from err
    if not isinstance(values, dict):
        raise TrainingError(f"{path.name!r} holds no design: it needs a table with a 'kind'.")
    return _design_of({"name": path.stem, **values})


def _design_of(values: dict) -> Design:
    if "designs" in values:
        parts = [_design_of(dict(part)) for part in values["designs"]]
        configs = tuple(c for part in parts for c in part)
        return Design(values.get("name", "designs"), configs)
    kind = values.pop("kind", None)
    makers = {"isoflop": isoflop, "grid": grid, "runs": _from_configs}
    if kind not in makers:
        raise TrainingError(f"the kind of a design is isoflop, grid or runs; got {kind!r}")
    try:
        return makers[kind](**values)
    except TypeError as err:
        raise TrainingError(f"a design of kind {kind!r} needs other values: {err}.") from err


def _from_configs(configs: Sequence[Mapping], name: str = "runs") -> Design:
    return Design(name, tuple(RunConfig.from_dict(dict(c)) for c in configs))


# --------------------------------------------------------------------------------------
# What it costs


def _rungs(flops: np.ndarray) -> np.ndarray:
    """Number the runs by rung, cheapest first: runs of nearly the same FLOPs share one."""
    rung, start = np.zeros(len(flops), dtype=int), None
    number = -1
    for i in np.argsort(flops, kind="stable"):
        if start is None or flops[i] > start * (1 + SAME_RUNG):
            start, number = flops[i], number + 1
        rung[i] = number
    return rung


def _estimate(design: Design, known: frozenset, device: str | None, workers: int = 1) -> Estimate:
    workers = _count("workers", workers)
    new = [config for config in design if config.key not in known]
    minutes, share = 0.0, {}
    if device is None:
        minutes = math.nan if new else 0.0
    elif new:
        minutes, share = _timed(design.configs, known, device, workers)
    return Estimate(
        design=design,
        known=len(design) - len(new),
        flops=math.fsum(run_flops(config) for config in new),
        minutes=minutes,
        device=device,
        workers=workers,
        known_keys=known & {config.key for config in design},
        shares=share,
    )


def _rung_table(design: Design, known: frozenset, minutes: Mapping[str, float]) -> pd.DataFrame:
    """One row a rung: what is in it and what it costs."""
    frame = design.frame
    columns = ["flops_each", "widths", "tokens", "learning_rates", "seeds", "runs", "known"]
    if frame.empty:
        return pd.DataFrame(columns=[*columns, "new_flops", "minutes"])
    flops = frame["flops"].to_numpy()
    frame = frame.assign(
        new=[key not in known for key in frame["key"]],
        minutes=[minutes.get(key, math.nan) for key in frame["key"]],
        tokens=[config.trained_tokens for config in design],
    )
    rows = []
    for _, rung in frame.groupby(_rungs(flops)):
        new = rung[rung["new"]]
        rows.append(
            {
                "flops_each": float(rung["flops"].median()),
                "widths": ", ".join(map(str, sorted(rung["d_model"].unique()))),
                "tokens": _span(rung["tokens"]),
                "learning_rates": _span(rung["learning_rate"]),
                "seeds": rung["seed"].nunique(),
                "runs": len(rung),
                "known": len(rung) - len(new),
                "new_flops": math.fsum(new["flops"]),
                "minutes": float(new["minutes"].sum(skipna=False)) if len(new) else 0.0,
            }
        )
    return pd.DataFrame(rows)


def _span(values: pd.Series) -> str:
    low, high = human(values.min()), human(values.max())
    return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class Estimate:
    """The price of a design, before it is trained. Printed, it is a table with one row a rung.

    Parameters
    ----------
    design : Design
        What was priced.
    known : int
        Runs that are there already and cost nothing.
    flops : float
        Training compute of the new runs, 6 N D with all parameters.
    minutes : float
        Wall time of the new runs; NaN if it was not measured.
    device : str or None
        Where the time was measured.
    workers : int
        Processes that share the work.
    known_keys : frozenset of str
        Keys of the known runs.
    shares : dict of str to float
        Minutes of working time of each new run, by key.
    """

    design: Design
    known: int
    flops: float
    minutes: float
    device: str | None
    workers: int
    known_keys: frozenset
    shares: Mapping[str, float]

    @property
    def runs(self) -> int:
        """All runs of the design, known ones included."""
        return len(self.design)

    @property
    def new(self) -> int:
        """Runs that would be trained."""
        return self.runs - self.known

    @property
    def table(self) -> pd.DataFrame:
        """One row a rung (runs of about the same FLOPs), cheapest first."""
        return _rung_table(self.design, self.known_keys, self.shares)

    def fits(self, flops: float | None = None, minutes: float | None = None) -> bool:
        """Whether the new runs stay within a budget of FLOPs, of minutes, or of both."""
        return _fits(self.flops, self.minutes, *_limits(flops, minutes))

    def cuts(self, budget_flops: float | None = None, minutes: float | None = None) -> Cuts:
        """What to cut so that the sweep fits a budget.

        Parameters
        ----------
        budget_flops : float, optional
            FLOP to spend on new runs.
        minutes : float, optional
            Minutes of wall time to spend.

        Returns
        -------
        Cuts
            Ways of cutting, each with its saving: seeds, the largest rungs, learning rates, and
            the combination that keeps the most compute.

        Raises
        ------
        BudgetError
            The budget is below the cheapest new run, or is no budget; or minutes are asked about
            and were not measured.

        Examples
        --------
        >>> design = isoflop(
        ...     "er:nodes=64,edges=256", [1e9, 2e9], [8, 16], bracket(0.01), seeds=3
        ... )
        >>> print(design.estimate(device=None).cuts(budget_flops=5e10))
        To spend 50B FLOP instead of 89.4B, any one of:
          - 1 of 3 seeds saves 59.6B FLOP (29.8B left)
          - 1 of 2 rungs, without the largest (30 runs of about 1.99B FLOP each) saves \
59.7B FLOP (29.8B left)
        Not enough alone:
          - 3 of 5 learning rates saves 35.8B FLOP (53.7B left)
        Keeps the most: 2 of 3 seeds, 4 of 5 learning rates saves 41.7B FLOP (47.7B left)
        """
        return _find_cuts(self, *_limits(budget_flops, minutes))

    def to_dict(self) -> dict:
        """The estimate as plain values, for JSON."""
        return {
            "name": self.design.name,
            "runs": self.runs,
            "known": self.known,
            "new": self.new,
            "flops": self.flops,
            "minutes": self.minutes,
            "device": self.device,
            "workers": self.workers,
            "rungs": self.table.to_dict("records"),
        }

    def _line(self) -> str:
        known = f" ({self.known} of {self.runs} are known already)" if self.known else ""
        timed = self.device is not None and not math.isnan(self.minutes)
        time = f", {_time(self.minutes)}" if timed else ""
        where = f" on {self.device}" if time and self.device != "auto" else ""
        many = f" with {self.workers} workers" if time and self.workers > 1 else ""
        return f"{self.design.name}: {self.new} runs to train{known}, " + (
            f"{human(self.flops)} FLOP{time}{where}{many}"
        )

    def _shown(self) -> pd.DataFrame:
        table = self.table.rename(columns=lambda c: c.replace("_", " "))
        if self.device is None:
            table = table.drop(columns="minutes")
        return table

    def __str__(self) -> str:
        return f"{self._line()}\n{_text_table(self._shown())}"

    def __repr__(self) -> str:
        return f"Estimate({self._line()})"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._line())}</p>{_html_table(self._shown())}"


def _time(minutes: float) -> str:
    """Minutes as people say them.

    >>> _time(0.05), _time(3.14), _time(200)
    ('3 s', '3.1 min', '3.3 h')
    """
    if minutes < 1:
        return f"{60 * minutes:.2g} s"
    return f"{minutes:.2g} min" if minutes < 100 else f"{minutes / 60:.2g} h"


def _format(value: Any) -> str:
    return human(value) if isinstance(value, float) else str(value)


def _text_table(table: pd.DataFrame) -> str:
    return table.map(_format).to_string(index=False) if len(table) else "(no runs)"


def _html_table(table: pd.DataFrame) -> str:
    shown = table.rename(columns=lambda c: str(c).replace("_", " "))
    return shown.map(_format).to_html(index=False, border=0)


# --------------------------------------------------------------------------------------
# What to cut


@dataclass(frozen=True)
class Cut:
    """One way of making a sweep cheaper.

    Parameters
    ----------
    what : str
        What stays, in words.
    design : Design
        What is left of the design.
    flops, minutes : float
        What its new runs cost (minutes are NaN if they were not measured).
    saves_flops, saves_minutes : float
        What the cut saves.
    enough : bool
        Whether the rest fits the budget.
    """

    what: str
    design: Design
    flops: float
    minutes: float
    saves_flops: float
    saves_minutes: float
    enough: bool

    def __str__(self) -> str:
        text = f"{self.what} saves {human(self.saves_flops)} FLOP ({human(self.flops)} left)"
        if not math.isnan(self.minutes):
            text += f" and {_time(self.saves_minutes)} ({_time(self.minutes)} left)"
        return text


@dataclass(frozen=True)
class Cuts:
    """Ways of fitting a budget; iterate over them, or take `best`.

    Parameters
    ----------
    goal : str
        The budget, in words.
    ways : tuple of Cut
        One setting cut at a time, by no more than it takes; empty if nothing needs cutting.
    best : Cut
        The cut, of one setting or several, that keeps the most compute; it always fits.
    """

    goal: str
    ways: tuple[Cut, ...]
    best: Cut

    def __iter__(self) -> Iterator[Cut]:
        return iter(self.ways)

    def __len__(self) -> int:
        return len(self.ways)

    def to_dict(self) -> dict:
        """The cuts as plain values, for JSON."""

        def plain(cut: Cut) -> dict:
            values = {f.name: getattr(cut, f.name) for f in fields(cut) if f.name != "design"}
            return {**values, "runs": len(cut.design)}

        return {"goal": self.goal, "ways": [plain(c) for c in self], "best": plain(self.best)}

    def __str__(self) -> str:
        if self.best.what == EVERYTHING:
            return f"{self.goal}: nothing to cut"
        enough = [f"  - {cut}" for cut in self if cut.enough]
        short = [f"  - {cut}" for cut in self if not cut.enough]
        lines = [f"{self.goal}, any one of:", *enough]
        if not enough:
            lines = [f"{self.goal}, no single cut is enough:" if short else f"{self.goal}:"]
        lines += ["Not enough alone:", *short] if short and enough else short
        return "\n".join([*lines, f"Keeps the most: {self.best}"])

    def _repr_html_(self) -> str:
        rows = [{"keep": c.what, "saves FLOP": c.saves_flops, "FLOP left": c.flops} for c in self]
        rows.append({"keep": f"{self.best.what} (keeps the most)"})
        rows[-1] |= {"saves FLOP": self.best.saves_flops, "FLOP left": self.best.flops}
        for row, cut in zip(rows, [*self, self.best], strict=True):
            if not math.isnan(cut.minutes):
                row |= {"saves": _time(cut.saves_minutes), "time left": _time(cut.minutes)}
            row["enough"] = "yes" if cut.enough else "no"
        return f"<p>{html.escape(self.goal)}</p>{_html_table(pd.DataFrame(rows))}"


def _limits(flops: float | None, minutes: float | None) -> tuple[float, float]:
    if flops is None and minutes is None:
        raise BudgetError("give a budget: FLOPs, minutes or both")
    limits = []
    for name, value in (("FLOP", flops), ("minutes", minutes)):
        value = math.inf if value is None else float(value)
        if not value >= 0:
            raise BudgetError(f"a budget of {value!r} {name} is not a positive number")
        limits.append(value)
    return tuple(limits)


def _fits(flops: float, minutes: float, most_flops: float, most_minutes: float) -> bool:
    if most_minutes < math.inf and math.isnan(minutes):
        raise BudgetError("the minutes were not measured. Make the estimate with a device.")
    return flops <= most_flops and (most_minutes == math.inf or minutes <= most_minutes)


class _Levers:
    """The settings of a design that can be cut, as a mask over its runs."""

    def __init__(self, estimate: Estimate):
        self.estimate, self.configs = estimate, estimate.design.configs
        configs = self.configs
        self.flops = np.array([run_flops(c) for c in configs])
        self.new = np.array([c.key not in estimate.known_keys for c in configs])
        self.minutes = np.array([estimate.shares.get(c.key, 0.0) for c in configs])
        self.rung = _rungs(self.flops)
        seeds = sorted({c.seed for c in configs})
        self.seed = np.array([seeds.index(c.seed) for c in configs])
        # Where a run stands among the learning rates tried with otherwise the same settings.
        cells: dict[tuple, set] = {}
        names = [_cell(c) for c in configs]
        for name, c in zip(names, configs, strict=True):
            cells.setdefault(name, set()).add(c.learning_rate)
        ordered = {name: sorted(rates) for name, rates in cells.items()}
        pairs = list(zip(names, configs, strict=True))
        self.rate = np.array([ordered[name].index(c.learning_rate) for name, c in pairs])
        self.rates_here = np.array([len(ordered[name]) for name in names])
        self.seeds, self.rates = len(seeds), int(self.rates_here.max())
        self.rungs = int(self.rung.max()) + 1

    def mask(self, seeds: int, rates: int, rungs: int) -> np.ndarray:
        """Runs that stay: the first seeds, the middle learning rates, the cheapest rungs."""
        first = (self.rates_here - np.minimum(rates, self.rates_here)) // 2
        middle = (self.rate >= first) & (self.rate < first + rates)
        return (self.seed < seeds) & middle & (self.rung < rungs)

    def words(self, seeds: int, rates: int, rungs: int) -> str:
        parts = []
        if seeds < self.seeds:
            parts.append(f"{seeds} of {self.seeds} seeds")
        if rates < self.rates:
            plural = "learning rate" if self.rates == 1 else "learning rates"
            parts.append(f"{rates} of {self.rates} {plural}")
        if rungs < self.rungs:
            gone = self.rung >= rungs
            which = "the largest" if self.rungs - rungs == 1 else "the largest ones"
            parts.append(
                f"{rungs} of {self.rungs} rungs, without {which} ({gone.sum()} runs of "
                f"about {human(np.median(self.flops[gone]))} FLOP each)"
            )
        return ", ".join(parts) or EVERYTHING

    def cost(self, mask: np.ndarray) -> tuple[float, float]:
        """FLOPs, and the minutes if these runs took their share of the whole sweep's time."""
        mask = mask & self.new
        minutes = float(self.minutes[mask].sum()) / self.estimate.workers
        return math.fsum(self.flops[mask]), minutes

    def cut(self, mask: np.ndarray, what: str, limits: tuple[float, float]) -> Cut:
        """The cut, priced anew: fewer runs may be packed and timed differently."""
        whole = self.estimate
        rest = Design(
            whole.design.name,
            tuple(c for c, stays in zip(self.configs, mask, strict=True) if stays),
        )
        # Without a budget of minutes there is no need to time the rest.
        price = _estimate(
            rest, whole.known_keys, whole.device if limits[1] < math.inf else None, whole.workers
        )
        return Cut(
            what=what,
            design=rest,
            flops=price.flops,
            minutes=price.minutes,
            saves_flops=whole.flops - price.flops,
            saves_minutes=whole.minutes - price.minutes,
            enough=_fits(price.flops, price.minutes, *limits),
        )


def _cell(config: RunConfig) -> tuple:
    """Everything about a run but its learning rate and seeds."""
    skip = ("learning_rate", "seed", "data_seed")
    return tuple(getattr(config, name) for name in FIELDS if name not in skip)


def _find_cuts(estimate: Estimate, flops: float, minutes: float) -> Cuts:
    limits = (flops, minutes)
    goal = []
    if flops < math.inf:
        goal.append(f"{human(flops)} FLOP instead of {human(estimate.flops)}")
    if minutes < math.inf:
        goal.append(f"{_time(minutes)} instead of {_time(estimate.minutes)}")
    goal = "To spend " + " and ".join(goal)
    if _fits(estimate.flops, estimate.minutes, *limits):
        whole = (estimate.design, estimate.flops, estimate.minutes)
        return Cuts(goal, (), Cut(EVERYTHING, *whole, 0.0, 0.0, True))
    levers = _Levers(estimate)
    S, M, R = levers.seeds, levers.rates, levers.rungs
    few = min(FEW_RATES, M)
    singles = [
        [(k, M, R) for k in range(S - 1, 0, -1)],
        [(S, M, r) for r in range(R - 1, 0, -1)],
        [(S, m, R) for m in range(M - 1, few - 1, -1)],
    ]
    ways = [_least(levers, choices, limits) for choices in singles if choices]
    best = _most(levers, limits, few, [w for w in ways if w is not None and w.enough])
    if best is None:
        cheapest = min(levers.flops[levers.new])
        raise BudgetError(
            f"{goal}: not even the cheapest new run fits, of {human(cheapest)} FLOP. Give a larger "
            "budget, or design smaller runs."
        )
    return Cuts(goal, tuple(w for w in ways if w is not None), best)


def _least(levers: _Levers, choices: list[tuple], limits: tuple[float, float]) -> Cut | None:
    """The mildest of the choices that is enough; else the strongest one."""
    for choice in choices:
        mask = levers.mask(*choice)
        if not mask.any():
            return None
        last = choice is choices[-1]
        if not last and not _may_fit(levers.cost(mask), limits):
            continue
        cut = levers.cut(mask, levers.words(*choice), limits)
        if cut.enough or last:
            return cut
    return None


def _may_fit(cost: tuple[float, float], limits: tuple[float, float]) -> bool:
    # A run's share of the time is a guess: packed anew it may take less. Do not miss such a cut.
    return cost[0] <= limits[0] and cost[1] <= 1.1 * limits[1]


def _most(levers: _Levers, limits, few: int, singles: list[Cut]) -> Cut | None:
    """The combination of cuts that fits and keeps the most compute."""
    S, M, R = levers.seeds, levers.rates, levers.rungs
    ranked = []
    for choice in itertools.product(range(1, S + 1), range(1, M + 1), range(1, R + 1)):
        mask = levers.mask(*choice)
        cost = levers.cost(mask)
        if (mask & levers.new).any() and _may_fit(cost, limits):
            # Fewer than three learning rates only if nothing else helps.
            ranked.append((choice[1] < few, -cost[0], -choice[2], -choice[0], choice, mask))
    ranked.sort(key=lambda r: r[:4])
    for worse, kept, *_, choice, mask in ranked:
        better = [s for s in singles if s.flops >= -kept]
        if better and not worse:
            return max(better, key=lambda s: s.flops)
        cut = levers.cut(mask, levers.words(*choice), limits)
        if cut.enough:
            return cut
    if singles:
        return max(singles, key=lambda s: s.flops)
    return _cheapest(levers, limits)


def _cheapest(levers: _Levers, limits) -> Cut | None:
    """As many of the cheapest runs as fit: the last resort."""
    order = np.lexsort((levers.flops, levers.new))  # known runs first, they are free
    free, count = int((~levers.new).sum()), len(order)
    for keep in range(count - 1, free, -1):
        mask = np.zeros(count, dtype=bool)
        mask[order[:keep]] = True
        if _may_fit(levers.cost(mask), limits) or keep == free + 1:
            many = f"the {keep - free} cheapest runs" if keep > free + 1 else "the cheapest run"
            cut = levers.cut(mask, f"only {many} of the new ones", limits)
            if cut.enough:
                return cut
    return None
