"""Runs that the course trained itself: sweeps of tiny models whose best possible loss is known."""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import resources

import pandas as pd

from scalinglaws.errors import DatasetError

CURVE_COLUMNS = ("curve_tokens", "curve_loss", "curve_train_loss")


def recorded_sweeps() -> dict[str, int]:
    """Names of the recorded sweeps, with their numbers of runs.

    Examples
    --------
    >>> "er-isoflop" in recorded_sweeps()
    True
    """
    return _table().groupby("sweep", sort=False).size().to_dict()


def load_recorded(name: str, *, chosen: bool = False) -> pd.DataFrame:
    """One recorded sweep: a row for each run of a tiny transformer.

    Parameters
    ----------
    name : str
        One of `recorded_sweeps`.
    chosen : bool, default False
        Only the runs at the learning rate that was best in their cell, with all their seeds.

    Returns
    -------
    pandas.DataFrame
        The columns of a table of runs (``params`` N with embeddings, ``tokens`` D, ``flops``
        6 N D, ``loss`` in nats per token), the whole configuration (``task``, ``d_model``,
        ``learning_rate``, ``seed``...), the entropy of the task as ``floor`` and the ``excess``
        over it (NaN where it is unknown), the ``best_loss`` of the learning curve, the curve
        itself as tuples (``curve_tokens``, ``curve_loss``, ``curve_train_loss``), and where the
        run came from (``device``, ``torch``, ``version``, ``seconds``).

    Raises
    ------
    DatasetError
        No sweep of this name.

    Notes
    -----
    All runs are trained again by ``scalinglaws lab record``.

    Examples
    --------
    >>> runs = load_recorded("er-isoflop", chosen=True)
    >>> bool((runs["excess"] > 0).all())
    True
    """
    table = _table()
    known = list(table["sweep"].unique())
    if name not in known:
        raise DatasetError(f"no recorded sweep is called {name!r}. There are: {', '.join(known)}.")
    mine = table[table["sweep"] == name]
    if chosen:
        mine = mine[mine["chosen"]]
    return mine.reset_index(drop=True)


def _path():
    return resources.files("scalinglaws.datasets").joinpath("recorded.csv.gz")


@lru_cache(maxsize=1)
def _table() -> pd.DataFrame:
    with _path().open("rb") as file:
        table = pd.read_csv(file, compression="gzip")
    for column in CURVE_COLUMNS:
        table[column] = table[column].map(lambda text: tuple(map(float, str(text).split())))
    table.insert(table.columns.get_loc("loss") + 1, "excess", table["loss"] - table["floor"])
    fresh = table["unique_tokens"].isna()
    unique = table["unique_tokens"] // table["context"] * table["context"]
    table["epochs"] = (table["tokens"] / unique).mask(fresh, 1.0)
    table.loc[table["status"] != "done", ["loss", "excess"]] = math.nan
    return table
