"""The sweeps whose runs ship with the course, and the one command that trains them again.

    scalinglaws lab record runs.csv.gz

Most sweeps search a learning rate in every cell until the best one has a neighbour on either side.
Those of the IsoFLOP kind then repeat the best with further seeds, which draw other weights and
other data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from .design import Design, grid, isoflop
from .results import CURVE
from .table import Table

__all__ = ["RECORDED", "RecordedSweep", "save_recorded"]

# The text behind the n-gram and text runs of the ladder: the standard library differs between
# versions of Python, and where it does so do their floors.
CORPUS_SHA256 = "b37b8c7b9d17db46c8ace3a349ac335b2ac613873860b9b3405f0fd2c5232602"
ER = "er:nodes=128,edges=512"
BA = "ba:nodes=128,links=4"
BIASED = "er:nodes=128,edges=512,kappa=1"
# Half a decade of compute a rung, and six widths or more about the best one.
RUNGS = {
    1e9: (4, 6, 8, 10, 12, 16),
    3e9: (4, 6, 8, 12, 16, 24),
    1e10: (6, 8, 12, 16, 24, 32),
    3e10: (8, 12, 16, 24, 32, 48),
    1e11: (12, 16, 24, 32, 48, 64),
    3e11: (12, 16, 24, 32, 48, 64, 96),
}


@dataclass(frozen=True)
class RecordedSweep:
    """A sweep that was recorded.

    Parameters
    ----------
    what : str
        One line that says what it shows.
    make : callable
        Returns the first runs: every cell, with its bracket of learning rates, for seed 0.
    seeds : int
        Seeds at the best learning rate; with 1 the search is all there is.
    search : bool
        Whether the learning rate is optimised (and its bracket widened) in each cell.
    gpu : bool
        Too large for a processor: not trained unless asked for by name, and not shipped.
    """

    what: str
    make: Callable[[], Design]
    seeds: int = 1
    search: bool = True
    gpu: bool = False

    def record(self, store, run: Callable, **options):
        """Train whatever of this sweep is not in `store` yet.

        Parameters
        ----------
        store : Store or path
        run : callable
            `scalinglaws.lab.run`.
        **options
            Handed on to it.

        Returns
        -------
        Table
            All runs of the sweep.
        list of str
            Keys of the runs at the chosen learning rates, all seeds.
        """
        table = run(self.make(), store, **options)
        if not self.search:
            return table, [r.key for r in table]
        for _ in range(12):
            wider = table.widen()
            if not len(wider):
                break
            table = table + run(wider, store, **options)
        best = [r.config for r in table.best()]
        again = [c.replace(seed=s, data_seed=s) for c in best for s in range(1, self.seeds)]
        if again:
            table = table + run(Design("seeds", tuple(again)), store, **options)
        return table, [c.key for c in [*best, *again]]


def _rates(width: int, tokens: int) -> Sequence[float]:
    """Four rates, a factor of 2 apart, where the best one was found in trials of each width."""
    low = 0.04 if width <= 8 else 0.02 if width <= 24 else 0.01
    return [low * 2**i for i in range(4)]


def _isoflop(task: str, largest: float) -> Design:
    design = Design("isoflop", ())
    for budget, widths in RUNGS.items():
        if budget <= largest:
            design = design + isoflop(task, [budget], widths, _rates, batch=8)
    return design


def _ladder() -> Design:
    """From a language of pairs to the text that it was counted from, on the same symbols."""
    design = Design("ladder", ())
    for order in (2, 3, 4, None):
        for width in (8, 16, 32, 64):
            design = design + grid(
                task="text" if order is None else f"ngram:order={order}",
                d_model=width,
                heads=max(1, width // 16),
                batch=8,
                tokens=[30_000, 100_000, 300_000, 600_000],
                learning_rate=[0.01, 0.02, 0.04] if order == 2 else [0.005, 0.01, 0.02],
            )
    return design


def _epochs() -> Design:
    """Few tokens, seen again and again, at the learning rate that is best for fresh ones."""
    design = Design("epochs", ())
    for width, rate in ((12, 0.08), (24, 0.08), (48, 0.04)):
        for unique in (4096, 16384, 65536):
            design = design + grid(
                task=ER,
                d_model=width,
                learning_rate=rate,
                batch=8,
                unique_tokens=unique,
                tokens=[unique * 2**i for i in range(7) if unique * 2**i <= 2**20],
                weight_decay=[0.0, 0.3],
            )
    return Design("epochs", tuple(c.replace(seed=s, data_seed=s) for c in design for s in (0, 1)))


LARGE_ER = "er:nodes=1024,edges=8192"


def _large_er() -> Design:
    design = Design("isoflop", ())
    for budget in (1e11, 1e12, 1e13, 1e14):
        middle = 32 * (budget / 1e11) ** 0.2
        widths = sorted({8 * round(middle * 2**step / 8) for step in (-1.5, -1, -0.5, 0, 0.5, 1)})
        design = design + isoflop(LARGE_ER, [budget], widths, _rates, batch=16, context=64)
    return design


def _large_epochs() -> Design:
    design = Design("epochs", ())
    for width, rate in ((32, 0.04), (64, 0.03), (128, 0.02)):
        for unique in (2**17, 2**19, 2**21):
            design = design + grid(
                task=LARGE_ER,
                d_model=width,
                learning_rate=rate,
                batch=16,
                context=64,
                unique_tokens=unique,
                tokens=[unique * 2**i for i in range(8)],
                weight_decay=[0.0, 0.3],
            )
    return Design("epochs", tuple(c.replace(seed=s, data_seed=s) for c in design for s in (0, 1)))


def _parametrizations() -> Design:
    return grid(
        task=ER,
        d_model=[16, 32, 64, 128],
        tokens=100_000,
        batch=8,
        parametrization=["standard", "mup"],
        learning_rate=[0.0025 * 2**i for i in range(8)],
        seed=[0, 1],
    )


def _memory() -> Design:
    return grid(
        task=[f"memory:inputs=500,outputs=100,tail={tail}" for tail in (1.25, 1.5, 2.0)],
        d_model=[2, 4, 8, 16],
        layers=1,
        context=1,
        batch=128,
        tokens=[10_000, 30_000, 100_000, 300_000, 1_000_000],
        learning_rate=[0.04, 0.08, 0.16],
    )


RECORDED: dict[str, RecordedSweep] = {
    "er-isoflop": RecordedSweep(
        "IsoFLOP design on an Erdős–Rényi graph", lambda: _isoflop(ER, 3e11), seeds=3
    ),
    "epochs": RecordedSweep(
        "sizes, unique tokens, epochs and two weight decays on an Erdős–Rényi graph",
        _epochs,
        search=False,
    ),
    "biased-isoflop": RecordedSweep(
        "IsoFLOP design on the same graph, walked with power-law preferences",
        lambda: _isoflop(BIASED, 1e11),
        seeds=3,
    ),
    "ba-isoflop": RecordedSweep(
        "IsoFLOP design on a Barabási–Albert graph", lambda: _isoflop(BA, 1e11), seeds=3
    ),
    "parametrizations": RecordedSweep(
        "standard and maximal-update parametrization over widths and learning rates",
        _parametrizations,
        search=False,
    ),
    "memory": RecordedSweep("associative memory with three tails", _memory),
    "ladder": RecordedSweep("from a language of pairs to text", _ladder),
    "er-isoflop-large": RecordedSweep(
        "IsoFLOP design on a graph of 1,024 nodes, for a GPU", _large_er, seeds=3, gpu=True
    ),
    "epochs-large": RecordedSweep(
        "sizes, unique tokens, epochs and two weight decays on that graph, for a GPU",
        _large_epochs,
        search=False,
        gpu=True,
    ),
}


def save_recorded(path, sweeps: dict[str, tuple[Table, list[str]]]) -> pd.DataFrame:
    """Write recorded sweeps as one compressed table, which `scalinglaws.datasets` ships.

    Parameters
    ----------
    path : path
        A file that ends in ``.csv.gz``.
    sweeps : dict
        What `RecordedSweep.record` returned, by name.

    Returns
    -------
    pandas.DataFrame
        What was written.
    """
    parts = []
    for name, (table, chosen) in sweeps.items():
        frame = table.frame.drop(columns=["host", "steps", "excess", "epochs"])
        frame.insert(0, "sweep", name)
        frame.insert(1, "chosen", frame["key"].isin(chosen))
        frame["tokens_asked"] = [c.tokens for c in table.configs]
        for column in CURVE:
            # Eight digits: fewer than the rounding of single precision would cost.
            frame[f"curve_{column}"] = [
                " ".join(f"{x:.8g}" for x in r.curve[column]) for r in table.results
            ]
        parts.append(frame)
    whole = pd.concat(parts, ignore_index=True)
    whole["seconds"] = whole["seconds"].map(lambda x: float(f"{x:.3g}"))
    for column in ("loss", "best_loss", "floor"):
        whole[column] = whole[column].map(lambda x: float(f"{x:.9g}"))
    # No time stamp within, so that the same runs make the same file.
    packing = {"method": "gzip", "mtime": 0}
    whole.to_csv(path, index=False, compression=packing, lineterminator="\n")
    return whole
