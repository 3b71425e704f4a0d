"""The table that a sweep leaves: one row a run, and the way from there to a fitted law.

``table.best().runs()`` picks the learning rate at each size and budget, on the mean over seeds,
and hands the runs to the fitters.
"""

from __future__ import annotations

import difflib
import html
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from ..counting import human
from ..errors import DivergedWarning, EdgeWarning, RunDataError
from ..runs import Runs
from .config import RunConfig
from .design import FIELDS, Design
from .results import CURVE, RunResult

__all__ = ["Table"]

SEEDS = ("seed", "data_seed")
LOSSES = ("loss", "best_loss", "excess")
# Columns of a table of runs for the fitters, beside params, tokens, flops and loss.
FURTHER = (
    *("non_embedding_params", "unique_tokens", "epochs", "learning_rate", "weight_decay", "seed"),
    *("data_seed", "task", "d_model", "layers", "floor", "key"),
)
MOST_NAMED = 5  # cells that a warning names; the rest are counted


class Table:
    """Results of training runs, in one table.

    Parameters
    ----------
    results : iterable of RunResult
        One a run; a run given twice counts once.

    Attributes
    ----------
    results : tuple of RunResult

    Examples
    --------
    A pretended sweep, in which the loss is lowest at a learning rate of 0.01:

    >>> from scalinglaws.lab import RunResult, grid
    >>> def pretend(config):
    ...     loss = 2 + abs(np.log(config.learning_rate / 0.01)) / 10
    ...     curve = {"tokens": [config.trained_tokens], "loss": [loss], "train_loss": [loss]}
    ...     return RunResult.measured(
    ...         config, vocab=64, floor=1.5, curve=curve, seconds=1, device="cpu"
    ...     )
    >>> design = grid(
    ...     task="er:nodes=64,edges=256", d_model=[8, 16], tokens=20_000,
    ...     learning_rate=[0.003, 0.01, 0.03], seed=[0, 1],
    ... )
    >>> table = Table(map(pretend, design))
    >>> table
    Table(12 runs: er:nodes=64,edges=256; d_model 8 to 16, learning_rate 0.003 to 0.03, seed 0 to 1)
    >>> table.best().frame[["d_model", "learning_rate", "seed", "loss"]]
       d_model  learning_rate  seed  loss
    0        8           0.01     0   2.0
    1        8           0.01     1   2.0
    2       16           0.01     0   2.0
    3       16           0.01     1   2.0
    """

    def __init__(self, results: Iterable[RunResult] = ()):
        self.results = tuple({r.config.key: r for r in results}.values())
        columns = [*_row_columns(), "steps"]
        rows = [r.row() | {"steps": r.config.steps} for r in self.results]
        self._frame = pd.DataFrame(rows, columns=columns if not rows else None)

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Table:
        """The table of recorded runs, as `scalinglaws.datasets.load_recorded` returns them.

        Parameters
        ----------
        frame : pandas.DataFrame
            The fields of `RunConfig`, and ``tokens_asked``, ``status``, ``vocab``, ``floor``,
            ``seconds``,
            ``device``, ``version``, ``torch`` and the three columns of the learning curve.

        Examples
        --------
        >>> from scalinglaws.datasets import load_recorded
        >>> table = Table.from_frame(load_recorded("er-isoflop"))
        >>> table.results[0].floor < table.results[0].loss
        True
        """
        results = []
        for row in frame.to_dict("records"):
            config = {f: row[f] for f in FIELDS} | {"tokens": row["tokens_asked"]}
            if pd.isna(config["unique_tokens"]):
                config["unique_tokens"] = None
            result = RunResult.measured(
                RunConfig.from_dict(config),
                vocab=row["vocab"],
                floor=None if pd.isna(row["floor"]) else row["floor"],
                curve={name: row[f"curve_{name}"] for name in CURVE},
                seconds=row["seconds"],
                device=row["device"],
                torch=row["torch"],
                status=row["status"],
            )
            results.append(replace(result, version=row["version"], host=""))
        return cls(results)

    # -- looking ---------------------------------------------------------------------------

    @property
    def frame(self) -> pd.DataFrame:
        """A copy as a DataFrame: one row a run, its configuration and its results."""
        return self._frame.copy()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self._frame.columns)

    @property
    def configs(self) -> tuple[RunConfig, ...]:
        """What was trained."""
        return tuple(r.config for r in self.results)

    @property
    def design(self) -> Design:
        """The runs as a design, to train them again or to add to."""
        return Design("table", self.configs)

    def curves(self) -> pd.DataFrame:
        """Learning curves in long form.

        Returns
        -------
        DataFrame
            One row a run and moment: ``key``, ``tokens`` seen, held-out ``loss``, ``train_loss``,
            ``flops`` spent so far (6 N D), and the run's ``params`` and configuration.
        """
        moments = {name: [x for r in self.results for x in r.curve[name]] for name in CURVE}
        run = np.repeat(np.arange(len(self)), [len(r.curve["tokens"]) for r in self.results])
        same = ["key", "params", *(f for f in FIELDS if f != "tokens")]
        table = pd.DataFrame(moments)
        table["flops"] = 6.0 * self._frame["params"].to_numpy()[run] * table["tokens"]
        rest = self._frame[same].iloc[run].reset_index(drop=True)
        return pd.concat([rest[["key"]], table, rest.drop(columns="key")], axis="columns")

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[RunResult]:
        return iter(self.results)

    def __getitem__(self, column: str) -> pd.Series:
        self._check_columns([column])
        return self._frame[column].copy()

    def __add__(self, other: Table) -> Table:
        if not isinstance(other, Table):
            return NotImplemented
        return Table(self.results + other.results)

    def __eq__(self, other: object) -> bool:
        # RunResults hold NaN where a run diverged, which is not equal to itself.
        return isinstance(other, Table) and [r.to_dict() for r in self] == [
            r.to_dict() for r in other
        ]

    __hash__ = None

    # -- choosing --------------------------------------------------------------------------

    def where(self, query: str | Sequence[bool] | None = None, **fields: Any) -> Table:
        """Some of the runs.

        Parameters
        ----------
        query : str or array of bool, optional
            A condition on the columns, as `pandas.DataFrame.query` reads it, or one true or false
            for each run.
        **fields
            Columns, each with the value, or list of values, that it must have.

        Returns
        -------
        Table
            May be empty.

        Raises
        ------
        RunDataError
            An unknown column, a condition that cannot be read, or a mask of another length.

        Examples
        --------
        ``table.where("d_model >= 16 and status == 'done'", seed=[0, 1])``
        """
        mask = np.ones(len(self), dtype=bool)
        if isinstance(query, str):
            try:
                chosen = self._frame.eval(query)
            except Exception as err:  # pandas raises many kinds; all mean the same to the reader
                raise RunDataError(f"the condition {query!r} cannot be read: {err}") from err
            query = chosen
        if query is not None:
            query = np.asarray(query)
            if query.dtype != bool or query.shape != mask.shape:
                raise RunDataError(
                    f"the condition does not give true or false for {len(self)} runs"
                )
            mask &= query
        self._check_columns(fields)
        for name, wanted in fields.items():
            column = self._frame[name]
            if wanted is None:
                mask &= column.isna().to_numpy()
            elif isinstance(wanted, Iterable) and not isinstance(wanted, str):
                mask &= column.isin(list(wanted)).to_numpy()
            else:
                mask &= (column == wanted).to_numpy()
        return self._keep(mask)

    def best(
        self,
        over: str | Sequence[str] = "learning_rate",
        by: Sequence[str] | None = None,
        loss: str = "loss",
    ) -> Table:
        """The runs with the best value of a setting, in each cell.

        A cell is the runs that agree in everything else. Within it, the value with the lowest mean
        loss over seeds is chosen, and all seeds of that value are kept. A value at which any seed
        diverged is never chosen.

        Parameters
        ----------
        over : str or list of str, default "learning_rate"
            What to optimise. Several are optimised together.
        by : list of str, optional
            Columns that make the cells, in place of every field but `over` and the seeds.
        loss : {"loss", "best_loss", "excess"}
            What to compare: the loss at the end, the lowest of the curve, or above the floor.

        Returns
        -------
        Table

        Raises
        ------
        RunDataError
            An unknown column, or every run diverged.

        Warns
        -----
        EdgeWarning
            Cells whose best value is the smallest or largest that was tried, so that a better one
            may lie outside. (A neighbour that diverged counts as tried.) See `widen`.
        DivergedWarning
            Cells in which runs diverged, and those left out because nothing else is there.
        """
        choice = self._choose(over, by, loss)
        gone = choice[choice["diverged"] > 0]
        if len(gone):
            lost = choice.loc[choice["value"].isna(), "name"]
            text = f"{int(gone['diverged'].sum())} runs diverged and are passed over, "
            text += f"in {_names(gone['name'])}"
            if len(lost):
                text += f"; nothing is left of {_names(lost)}"
            warnings.warn(text + ".", DivergedWarning, stacklevel=2)
        edge = choice[choice["edge"] != ""]
        if len(edge):
            warnings.warn(
                f"the best {_and(_tuple(over))} is at the edge of what was tried in "
                f"{len(edge)} of {len(choice)} cells: "
                f"{_names(edge['name'] + ' (' + edge['edge'] + ')')}. A better one may lie "
                "outside: add the runs of table.widen().",
                EdgeWarning,
                stacklevel=2,
            )
        rows = sorted(i for kept in choice["rows"] for i in kept)
        if not rows:
            raise RunDataError(
                "every run diverged, so that none is best. Try lower learning rates."
            )
        return self._keep(np.isin(np.arange(len(self)), rows))

    def widen(
        self,
        over: str = "learning_rate",
        by: Sequence[str] | None = None,
        loss: str = "loss",
    ) -> Design:
        """The runs that would bring each best value inside what was tried.

        In each cell whose best value is at an edge, one more value beyond it, as far again as the
        last step of the bracket, for every seed. Run them, and ask again until there are none.

        Returns
        -------
        Design
            Empty if every optimum is inside.

        Examples
        --------
        ``while more := table.widen(): table = table + run(more, store)``
        """
        choice = self._choose(over, by, loss)
        configs = []
        for _, cell in choice[choice["edge"] != ""].iterrows():
            tried, best = cell["tried"], cell["value"][0]
            if len(tried) < 2 or tried[0] <= 0:
                continue  # no step to go on by
            inner = tried[1] if best == tried[0] else tried[-2]
            beyond = float(f"{best * best / inner:.4g}")
            configs += [self.configs[i].replace(**{over: beyond}) for i in cell["rows"]]
        return Design(f"wider {over}", tuple(configs))

    def _choose(self, over, by, loss) -> pd.DataFrame:
        """One row a cell: its best value, the rows that have it, and whether it is at an edge."""
        over = _tuple(over)
        self._check_columns([*over, *(by or ())])
        if loss not in LOSSES:
            raise RunDataError(f"loss = {loss!r} is none of {', '.join(LOSSES)}")
        # The feed-forward width goes with the width of the model.
        skip = (*over, *SEEDS, *(["d_ff"] if "d_model" in over else []))
        cell_fields = [f for f in FIELDS if f not in skip] if by is None else list(by)
        clash = set(over) & set(cell_fields)
        if clash:
            raise RunDataError(f"{sorted(clash)[0]!r} is both optimised and part of the cells")
        frame = self._frame
        named = [f for f in cell_fields if f != "d_ff" or "d_model" not in cell_fields]
        varying = [f for f in named if frame[f].nunique(dropna=False) > 1]
        several = {f for f in over if frame[f].nunique() > 1}
        found = []
        groups = (
            frame.groupby(cell_fields, dropna=False, sort=True) if cell_fields else [((), frame)]
        )
        for _, cell in groups:
            done = cell["status"] == "done"
            means, members = {}, {}
            for value, part in cell.groupby(list(over), dropna=False, sort=True):
                if (part["status"] == "done").all() and part[loss].notna().all():
                    means[value], members[value] = part[loss].mean(), list(part.index)
            best = min(means, key=means.get) if means else None
            rows = members.get(best, [])
            tried = {f: sorted(cell[f].unique()) for f in over}
            edges = [] if best is None else _edges(over, best, tried, several)
            found.append(
                {
                    "name": ", ".join(f"{f} {_short(cell[f].iloc[0])}" for f in varying)
                    or "the only cell",
                    "value": best,
                    "rows": rows,
                    "tried": tried[over[0]],
                    "edge": ", ".join(edges),
                    "diverged": int((~done).sum()),
                }
            )
        columns = ["name", "value", "rows", "tried", "edge", "diverged"]
        return pd.DataFrame(found, columns=columns)

    # -- to the fitters --------------------------------------------------------------------

    def mean_over_seeds(self) -> pd.DataFrame:
        """One row for each configuration, over its seeds.

        Returns
        -------
        DataFrame
            Configuration, counts, the means of the losses, ``loss_sd`` (standard deviation between
            seeds, NaN with one seed), ``seeds`` (how many) and ``seconds`` (in all). It has the
            columns that the fitters need.

        Warns
        -----
        DivergedWarning
            Configurations with a seed that diverged are left out whole: a mean over those that
            survived would look better than the configuration is.
        """
        frame = self._frame
        same = [f for f in FIELDS if f not in SEEDS]
        bad = frame.groupby(same, dropna=False)["status"].transform(lambda s: (s != "done").any())
        bad = bad.to_numpy(dtype=bool)
        if bad.any():
            lost = frame[bad].groupby(same, dropna=False).ngroups
            warnings.warn(
                f"{lost} configurations with {bad.sum()} runs are left out: of each, at least one "
                "seed diverged.",
                DivergedWarning,
                stacklevel=2,
            )
        groups = frame[~bad].groupby(same, dropna=False, sort=False)
        constant = ["vocab", "params", "non_embedding_params", "flops", "floor", "epochs", "steps"]
        table = groups.agg(
            **{name: (name, "first") for name in constant},
            **{name: (name, "mean") for name in LOSSES},
            loss_sd=("loss", "std"),
            seeds=("loss", "size"),
            seconds=("seconds", "sum"),
        )
        return table.reset_index()

    def runs(self, loss: str = "loss", convention: str = "6N-total") -> Runs:
        """The table that the fitters take.

        Parameters
        ----------
        loss : {"loss", "best_loss", "excess"}
            Which loss: at the end of training, the lowest of the curve, or that above the floor.
        convention : str, default "6N-total"
            How FLOPs are counted: a key of `scalinglaws.counting.FLOP_CONVENTIONS`.

        Returns
        -------
        Runs
            Parameters include embeddings; those without are in ``non_embedding_params``.

        Raises
        ------
        RunDataError
            No run is left, the loss is unknown (`excess` without a known floor), or the convention
            is.

        Warns
        -----
        DivergedWarning
            Runs that diverged are left out.
        """
        if loss not in LOSSES:
            raise RunDataError(f"loss = {loss!r} is none of {', '.join(LOSSES)}")
        done = [r for r in self.results if r.status == "done"]
        if len(done) < len(self):
            warnings.warn(
                f"{len(self) - len(done)} of {len(self)} runs diverged and are left out: "
                f"{_names([_describe(r) for r in self.results if r.status != 'done'])}.",
                DivergedWarning,
                stacklevel=2,
            )
        if not done:
            raise RunDataError("no run is left to fit; train some, or choose others")
        known = done[0].flop_counts
        if convention not in known:
            near = difflib.get_close_matches(convention, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(known)}."
            raise RunDataError(f"FLOPs are not counted by {convention!r}.{hint}")
        frame = self._frame[self._frame["status"] == "done"]
        columns = {
            "params": frame["params"],
            "tokens": frame["tokens"],
            "flops": [r.flop_counts[convention] for r in done],
            "loss": frame[loss],
            **{name: frame[name] for name in FURTHER},
        }
        # Units are known here, and models this small would look as if they were in millions.
        return Runs(pd.DataFrame(columns).dropna(axis="columns", how="all"), check_units=False)

    # -- showing ---------------------------------------------------------------------------

    def _keep(self, mask: np.ndarray) -> Table:
        return Table(r for r, keep in zip(self.results, mask, strict=True) if keep)

    def _check_columns(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._frame.columns:
                near = difflib.get_close_matches(str(name), self.columns, n=1)
                hint = (
                    f" Did you mean {near[0]!r}?" if near else f" There are {list(self.columns)}."
                )
                raise RunDataError(f"no column {name!r}.{hint}", column=str(name))

    def _varying(self) -> list[str]:
        names = [f for f in FIELDS if f not in ("task", "d_ff")]
        return [f for f in names if self._frame[f].nunique(dropna=False) > 1]

    def __repr__(self) -> str:
        if not len(self):
            return "Table(no runs)"
        tasks = self._frame["task"].unique()
        text = tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"
        diverged = int((self._frame["status"] != "done").sum())
        lost = f", {diverged} diverged" if diverged else ""
        spans = [f"{f} {_range(self._frame[f])}" for f in self._varying()]
        return f"Table({len(self)} runs{lost}: {text}; {', '.join(spans)})".replace("; )", ")")

    def summary(self) -> pd.DataFrame:
        """The columns that vary, and the results most looked at."""
        tasks = ["task"] if self._frame["task"].nunique() > 1 else []
        varying = [f for f in self._varying() if f != "tokens"]
        return self._frame[
            [*tasks, *varying, *("params", "tokens", "flops", "loss", "excess", "status")]
        ].copy()

    def _repr_html_(self) -> str:
        frame = self.summary()
        for name in ("params", "tokens", "flops"):
            frame[name] = frame[name].map(human)
        shown = frame.head(10).to_html(index=False, float_format=lambda v: f"{v:.4g}", border=0)
        more = f"<p>… and {len(frame) - 10} more</p>" if len(frame) > 10 else ""
        return f"<p>{html.escape(repr(self))}</p>{shown}{more}"


def _row_columns() -> list[str]:
    """Columns of a table without rows."""
    from dataclasses import fields

    own = [f.name for f in fields(RunResult) if f.name not in ("config", "flop_counts", "curve")]
    names = ["key", *FIELDS, "epochs", *own]
    return list(dict.fromkeys(names))


def _tuple(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _edges(over: tuple, best: tuple, tried: dict[str, list], several: set[str]) -> list[str]:
    """In words, which of the best values are the first or last of those tried."""
    words = []
    for name, value in zip(over, best, strict=True):
        values = tried[name]
        if name not in several or not isinstance(value, (int, float, np.number)):
            continue  # nothing was tried, or the values have no order
        if math.isnan(value) or value == 0 == values[0]:
            continue  # nothing lies below 0
        if value == values[0] or value == values[-1]:
            side = "only one tried" if len(values) == 1 else None
            side = side or ("lowest tried" if value == values[0] else "highest tried")
            words.append(f"{name} {_short(value)}, {side}")
    return words


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _range(values: pd.Series) -> str:
    if not pd.api.types.is_numeric_dtype(values):
        return ", ".join(map(str, values.unique()))
    low, high = values.min(), values.max()
    unset = ", or none" if values.isna().any() else ""
    return (_short(low) if low == high else f"{_short(low)} to {_short(high)}") + unset


def _names(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _and(names: Sequence[str]) -> str:
    return " and ".join(names)


def _describe(result: RunResult) -> str:
    c = result.config
    return f"d_model {c.d_model}, tokens {result.tokens}, learning_rate {c.learning_rate:.4g}, " + (
        f"seed {c.seed}"
    )
