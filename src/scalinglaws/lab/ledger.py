"""A budget of FLOPs that is spent in rounds, kept beside the runs that it paid for.

Each run is charged once, by its key. A round that is killed between the charge and the training is
asked for again and costs nothing more: its runs are paid for. Charges are made in one transaction
of the store's database, so that processes that share the budget cannot overspend it together.
"""

from __future__ import annotations

import html
import math
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from ..counting import human
from ..errors import BudgetError
from .design import Design, Estimate, _estimate, run_flops
from .store import Store
from .table import Table

__all__ = ["Ledger"]

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS ledger_budgets (
        name TEXT PRIMARY KEY,
        flops REAL NOT NULL,
        opened TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS ledger (
        name TEXT NOT NULL,     -- of the budget
        key TEXT NOT NULL,      -- of the run
        round INTEGER NOT NULL,
        design TEXT NOT NULL,
        flops REAL NOT NULL,
        charged TEXT NOT NULL,  -- when, UTC
        PRIMARY KEY (name, key)
    )""",
)


class Ledger:
    """A budget of training compute, spent in rounds.

    Parameters
    ----------
    store : Store or path
        Where the runs go. The ledger is kept in the same file.
    flops : float, optional
        The budget in FLOP (6 N D with all parameters), which is fixed when the ledger is opened
        for the first time. Later it may be left out.
    name : str, default "budget"
        A store may hold several budgets.

    Raises
    ------
    BudgetError
        No positive budget, another budget than the ledger was opened with, or none for a new one.
    StoreError
        The store cannot be used.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from scalinglaws.lab import grid
    >>> folder = tempfile.TemporaryDirectory()
    >>> ledger = Ledger(Path(folder.name) / "game.sqlite", flops=1e9)
    >>> round_one = grid(
    ...     task="er:nodes=64,edges=256", d_model=8, tokens=20_000, learning_rate=[0.003, 0.01]
    ... )
    >>> ledger.price(round_one).flops <= ledger.left
    True
    >>> ledger.price(round_one + grid(
    ...     task="er:nodes=64,edges=256", d_model=8, tokens=20_000, learning_rate=[0.01, 0.03]
    ... ))
    Estimate(grid: 3 runs to train, 1.01B FLOP)
    >>> folder.cleanup()
    """

    def __init__(
        self,
        store: Store | str | os.PathLike,
        flops: float | None = None,
        name: str = "budget",
    ):
        self.store = Store(store) if isinstance(store, (str, os.PathLike)) else store
        self.name = str(name)
        if flops is not None:
            flops = _positive(flops)
        with self.store.transaction() as db:
            for statement in SCHEMA:
                db.execute(statement)
            row = db.execute(
                "SELECT flops FROM ledger_budgets WHERE name = ?", (self.name,)
            ).fetchone()
            if row is None and flops is None:
                raise BudgetError(
                    f"there is no budget {self.name!r} in {self.store.path.name} yet. Open it with "
                    "a number of FLOP."
                )
            if row is None:
                db.execute(
                    "INSERT INTO ledger_budgets VALUES (?, ?, ?)", (self.name, flops, _now())
                )
            elif flops is not None and flops != row[0]:
                raise BudgetError(
                    f"the budget {self.name!r} in {self.store.path.name} was opened with "
                    f"{row[0]:.6g} FLOP, not {flops:.6g}. Leave flops out to go on with it, or "
                    "give another name."
                )
            self.flops = flops if row is None else row[0]

    # -- looking ---------------------------------------------------------------------------

    @property
    def spent(self) -> float:
        """FLOP charged so far."""
        with self.store._connect() as db:
            return self._spent(db)

    @property
    def left(self) -> float:
        """FLOP left to spend."""
        return self.flops - self.spent

    @property
    def history(self) -> pd.DataFrame:
        """One row a round.

        Returns
        -------
        DataFrame
            ``round``, ``design``, ``runs`` charged, ``trained`` (how many of them are in the
            store), ``flops`` charged, ``left`` after it, and ``charged`` (when, UTC).
        """
        with self.store._connect() as db:
            rows = db.execute(
                "SELECT round, min(design), count(*), count(runs.key), sum(ledger.flops), "
                "min(charged) FROM ledger LEFT JOIN runs ON runs.key = ledger.key "
                "WHERE name = ? GROUP BY round ORDER BY round",
                (self.name,),
            ).fetchall()
        columns = ["round", "design", "runs", "trained", "flops", "charged"]
        table = pd.DataFrame(rows, columns=columns)
        table.insert(5, "left", self.flops - table["flops"].cumsum())
        return table

    def price(self, design: Design, device: str | None = None) -> Estimate:
        """What a round would cost. Runs that are known, or paid for already, are free.

        Parameters
        ----------
        design : Design
        device : str, optional
            Also measure the minutes, there ("auto" for the best that there is).
        """
        with self.store._connect() as db:
            free = self._free(db, [config.key for config in design])
        return _estimate(design, frozenset(free), device)

    # -- spending --------------------------------------------------------------------------

    def charge(self, design: Design) -> float:
        """Pay for a round without training it.

        Returns
        -------
        float
            FLOP charged: 0 if every run is known or paid for.

        Raises
        ------
        BudgetError
            The round costs more than is left; nothing is charged. The message says what to cut.
        """
        costs = {config.key: run_flops(config) for config in design}
        with self.store.transaction() as db:
            free = self._free(db, costs)
            new = {key: cost for key, cost in costs.items() if key not in free}
            # Summed with what was spent, as it will be read back: never above the budget.
            spent = self._spent(db)
            if self._spent(db, new.values()) <= self.flops:
                (last,) = db.execute(
                    "SELECT coalesce(max(round), 0) FROM ledger WHERE name = ?", (self.name,)
                ).fetchone()
                now = _now()
                db.executemany(
                    "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?)",
                    [(self.name, k, last + 1, design.name, c, now) for k, c in new.items()],
                )
                return math.fsum(new.values())
        raise self._refusal(design, frozenset(free), self.flops - spent)

    def spend(self, design: Design, **options: Any) -> Table:
        """Pay for a round and train it.

        Parameters
        ----------
        design : Design
            A run that is known or paid for already is free.
        **options
            For `run`: device, workers, executor, progress ...

        Returns
        -------
        Table
            The runs of the design.

        Raises
        ------
        BudgetError
            The round costs more than is left; nothing is charged. The message says what to cut,
            and the error's ``cuts`` hold it.
        """
        from .sweep import run

        self.charge(design)
        return run(design, self.store, **options)

    def _refusal(self, design: Design, free: frozenset, left: float) -> BudgetError:
        price = _estimate(design, free, device=None)
        message = (
            f"the round costs {human(price.flops)} FLOP, and of the {human(self.flops)} of "
            f"{self.name!r} {human(left)} are left. Nothing was charged. "
        )
        cuts = None
        try:
            cuts = price.cuts(budget_flops=left)
            message += str(cuts)
        except BudgetError:
            cheapest = min(run_flops(c) for c in design if c.key not in free)
            message += (
                f"Even the cheapest new run costs {human(cheapest)} FLOP: design smaller runs."
            )
        error = BudgetError(message)
        error.cuts = cuts
        return error

    def _spent(self, db, further: Iterable[float] = ()) -> float:
        rows = db.execute("SELECT flops FROM ledger WHERE name = ?", (self.name,))
        return math.fsum([*(flops for (flops,) in rows), *further])

    def _free(self, db, keys: Iterable[str]) -> set[str]:
        """Those of the keys that cost nothing: trained, or paid for."""
        paid = {k for (k,) in db.execute("SELECT key FROM ledger WHERE name = ?", (self.name,))}
        known = {k for (k,) in db.execute("SELECT key FROM runs")}
        return (paid | known) & set(keys)

    # -- showing ---------------------------------------------------------------------------

    def _line(self) -> str:
        rounds = len(self.history)
        return (
            f"{self.name}: {human(self.left)} of {human(self.flops)} FLOP left after {rounds} "
            + ("round" if rounds == 1 else "rounds")
        )

    def __repr__(self) -> str:
        return f"Ledger({self._line()})"

    def _repr_html_(self) -> str:
        share = 100 * min(1.0, self.spent / self.flops)
        bar = (
            '<div style="border:1px solid currentColor;width:20em;height:.7em">'
            f'<div style="background:currentColor;height:100%;width:{share:.1f}%"></div></div>'
        )
        shown = self.history.assign(
            flops=[human(f) for f in self.history["flops"]],
            left=[human(f) for f in self.history["left"]],
        )
        return f"<p>{html.escape(self._line())}</p>{bar}{shown.to_html(index=False, border=0)}"


def _positive(flops: Any) -> float:
    try:
        number = float(flops)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise BudgetError(f"a budget of {flops!r} is not a positive number of FLOP.")
    return number


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
