"""The table of training runs: the one currency that datasets, fitters and the lab exchange.

One row is one run (or one checkpoint of a run). Four columns are always there, in plain units:

========== ===================================================================================
column     meaning
========== ===================================================================================
``params`` trainable parameters N; whether embeddings count is the data's choice, say it
``tokens`` training tokens D seen by the run
``flops``  training compute C; filled with 6 N D where the data does not give it
``loss``   loss in nats per token
========== ===================================================================================

Any other column (``seed``, ``run``, ``unique_tokens``, ``learning_rate`` ...) travels along.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_complex_dtype

from scalinglaws.errors import Caution, RunDataError, UnitsError

REQUIRED = ("params", "tokens", "loss")
CORE = ("params", "tokens", "flops", "loss")

# Tokens per parameter of any run ever published lie well inside these: Hoffmann et al. go down to
# 0.04, heavily over-trained small models up to 60,000. Outside, one column is in other units.
TOKENS_PER_PARAM_RANGE = (1e-4, 1e6)
# FLOPs / (6 N D) differs between counting conventions, but never by this much.
FLOPS_RATIO_RANGE = (1e-2, 1e2)

# pandas read floats inexactly in the last digit by default before version 3.1, which made the
# exact way the default and deprecated the argument.
_PANDAS = tuple(int(part) for part in pd.__version__.split(".")[:2])
EXACT_FLOATS = {} if _PANDAS >= (3, 1) else {"float_precision": "round_trip"}


def _rows(mask: np.ndarray, most: int = 5) -> tuple[str, list[int]]:
    """Name the rows where ``mask`` holds, counted from 0, and say so."""
    rows = np.flatnonzero(mask).tolist()
    word = "row" if len(rows) == 1 else "rows"
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f"{word} {', '.join(map(str, rows[:most]))}{more} (counted from 0)", rows


def _to_numbers(column: pd.Series, name: str) -> np.ndarray:
    """A column of whatever kind as float64, missing values as NaN."""
    # pandas would turn each of these into numbers: true into 1, a date into nanoseconds.
    mixed = column if column.dtype == object else column.iloc[:0]
    kinds = {
        "true/false": is_bool_dtype(column) or any(isinstance(v, bool) for v in mixed),
        "complex numbers": is_complex_dtype(column) or any(isinstance(v, complex) for v in mixed),
        "dates or times": column.dtype.kind in "mM",
    }
    for kind, found in kinds.items():
        if found:
            raise RunDataError(f"column {name!r} holds {kind}, not plain numbers", column=name)
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except OverflowError as err:
        raise RunDataError(
            f"column {name!r} holds a number too large ({err})", column=name
        ) from err
    is_text = (numbers.isna() & column.notna()).to_numpy()
    if is_text.any():
        where, rows = _rows(is_text)
        sample = column.iloc[rows[0]]
        hint = ""
        if isinstance(sample, str) and sample.strip()[-1:].upper() in ("K", "M", "B", "T"):
            hint = " Write '70B' as 7e10."
        raise RunDataError(
            f"column {name!r} holds something that is not a number in {where}, such as "
            f"{sample!r}.{hint} Correct or remove those rows.",
            column=name,
            rows=rows,
        )
    try:
        return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError, OverflowError) as err:
        raise RunDataError(
            f"column {name!r} cannot be read as real numbers ({err}); give plain numbers",
            column=name,
        ) from err


def _number_column(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column as float64, or say which rows hold no usable positive number."""
    column = frame[name]
    plain = column.dtype == np.float64  # the usual case, and the quick one
    values = column.to_numpy() if plain else _to_numbers(column, name)
    for bad, what in (
        (np.isnan(values), "is missing (NaN)"),
        (np.isinf(values), "is infinite"),
        (values == 0, "is zero"),
        (values < 0, "is negative"),
    ):
        if bad.any():
            where, rows = _rows(bad)
            raise RunDataError(
                f"column {name!r} {what} in {where}; {name} must be a positive, finite number. "
                "Correct or remove those rows (nothing is dropped silently).",
                column=name,
                rows=rows,
            )
    return values


def _check_columns(frame: pd.DataFrame) -> None:
    names = [str(c) for c in frame.columns]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise RunDataError(
            f"column {twice[0]!r} appears {names.count(twice[0])} times; keep one of them",
            column=twice[0],
        )
    for name in REQUIRED:
        if name not in names:
            spare = [n for n in names if n not in CORE]
            lower = {n.lower().strip(): n for n in spare}
            near = difflib.get_close_matches(name, list(lower), n=1, cutoff=0.7)
            hint = f" Did you mean {lower[near[0]]!r}?" if near else ""
            if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
                hint = " Separate the columns by commas."
            raise RunDataError(
                f"column {name!r} is missing; the table has {names}.{hint} Rename a column with "
                f"columns={{'theirs': {name!r}}}, or --columns theirs={name} in the command.",
                column=name,
            )


def _check_units(params: np.ndarray, tokens: np.ndarray, flops: np.ndarray | None) -> None:
    """Refuse columns whose magnitudes contradict each other."""
    ratio = tokens / params
    low, high = TOKENS_PER_PARAM_RANGE
    for bad, column, side in (
        (ratio > high, "params", "tokens per parameter is far above anything ever trained"),
        (ratio < low, "tokens", "tokens per parameter is far below anything ever trained"),
    ):
        if bad.any():
            where, rows = _rows(bad)
            typical = float(np.median(ratio[bad]))
            raise UnitsError(
                f"{side} in {where} (about {typical:.2g}): {column!r} looks as if it were in "
                "millions or billions. Multiply it by 1e6 or 1e9; if the numbers are right, pass "
                "check_units=False.",
                column=column,
                rows=rows,
            )
    if flops is not None:
        ratio = flops / (6.0 * params * tokens)
        low, high = FLOPS_RATIO_RANGE
        bad = (ratio < low) | (ratio > high)
        if bad.any():
            where, rows = _rows(bad)
            typical = float(np.median(ratio[bad]))
            raise UnitsError(
                f"column 'flops' is {typical:.1g} times 6·params·tokens in {where}; no counting "
                "convention differs by that much. Give params and tokens in units (not millions "
                "or billions) and flops in FLOP.",
                column="flops",
                rows=rows,
            )


class Runs:
    """An immutable, checked table of training runs.

    Parameters
    ----------
    frame : pandas.DataFrame or mapping of str to array_like
        At least the columns ``params``, ``tokens`` and ``loss`` (nats per token), all of them
        positive and finite. ``flops`` is filled with 6 · params · tokens when it is absent.
    check_units : bool, default True
        Refuse magnitudes that contradict each other (params in millions beside tokens in units).

    Raises
    ------
    RunDataError
        Empty table; a missing, misspelt or duplicated column; text, NaN, infinite, zero or
        negative values. The message names the column and the rows, counted from 0.
    UnitsError
        Columns that cannot all be in plain units.

    Examples
    --------
    >>> runs = Runs({"params": [1e8, 2e8], "tokens": [2e9, 4e9], "loss": [3.2, 2.9]})
    >>> len(runs), float(runs.flops[0])
    (2, 1.2e+18)
    >>> Runs({"params": [1e8], "tokens": [2e9], "loss": [float("nan")]})
    Traceback (most recent call last):
        ...
    scalinglaws.errors.RunDataError: column 'loss' is missing (NaN) in row 0 (counted \
from 0); loss must be a positive, finite number. Correct or remove those rows (nothing is \
dropped silently).
    """

    __slots__ = ("_frame", "_arrays", "_cautions")

    def __init__(self, frame: pd.DataFrame | Mapping, *, check_units: bool = True):
        if isinstance(frame, Runs):
            frame = frame.frame
        try:
            table = pd.DataFrame(frame)
        except (TypeError, ValueError) as err:
            raise RunDataError(f"this is not a table of runs: {err}") from err
        table = table.reset_index(drop=True)
        table.columns = [str(c) for c in table.columns]
        _check_columns(table)
        if len(table) == 0:
            raise RunDataError("the table of runs is empty; it needs at least one row")
        arrays = {name: _number_column(table, name) for name in REQUIRED}
        given = _number_column(table, "flops") if "flops" in table.columns else None
        if check_units:
            with np.errstate(over="ignore", under="ignore", divide="ignore"):
                _check_units(arrays["params"], arrays["tokens"], given)
        with np.errstate(over="ignore"):
            product = 6.0 * arrays["params"] * arrays["tokens"]
        arrays["flops"] = given if given is not None else product
        lost = ~np.isfinite(arrays["flops"]) | (arrays["flops"] <= 0)
        if lost.any():
            where, rows = _rows(lost)
            raise RunDataError(
                f"6·params·tokens is {arrays['flops'][rows[0]]:g} in {where}, outside what a "
                "number can hold; give params and tokens in units",
                column="flops",
                rows=rows,
            )
        others = {n: table[n] for n in table.columns if n not in CORE}
        self._frame = pd.DataFrame({**{n: arrays[n] for n in CORE}, **others})
        self._arrays = {n: self._frozen(arrays[n]) for n in CORE}
        self._cautions = tuple(self._look(check_units))

    @staticmethod
    def _frozen(values: np.ndarray) -> np.ndarray:
        values = np.array(values, dtype=np.float64)
        values.flags.writeable = False
        return values

    def _look(self, check_units: bool) -> list[Caution]:
        cautions = []
        try:
            repeated = self._frame.duplicated().to_numpy()
        except TypeError:  # a further column holds lists, which pandas cannot compare
            repeated = self._frame.astype(str).duplicated().to_numpy()
        if repeated.any():
            where, _ = _rows(repeated)
            cautions.append(
                Caution(
                    "duplicate-rows",
                    f"{where} repeat an earlier row exactly; a repeated run counts twice and makes "
                    "intervals too narrow. Remove it unless it really was run twice.",
                )
            )
        if check_units and self.params.max() < 1e5 and self.tokens.max() < 1e7:
            cautions.append(
                Caution(
                    "units",
                    f"the largest model has {self.params.max():.4g} parameters; if params and "
                    "tokens are in millions or billions, multiply them first: A, B and every plan "
                    "depend on it.",
                )
            )
        return cautions

    @classmethod
    def from_arrays(cls, params, tokens, loss, flops=None, *, check_units=True, **others) -> Runs:
        """Make a table from arrays of equal length, shape (n,).

        Examples
        --------
        >>> Runs.from_arrays([1e8], [2e9], [3.2], seed=[0]).columns
        ('params', 'tokens', 'flops', 'loss', 'seed')
        """
        columns = {"params": params, "tokens": tokens, "loss": loss, **others}
        if flops is not None:
            columns["flops"] = flops
        try:
            columns = {n: np.atleast_1d(np.asarray(v)) for n, v in columns.items()}
        except ValueError as err:
            raise RunDataError(f"each column needs one value for each run: {err}") from err
        lengths = {n: len(v) for n, v in columns.items()}
        if len(set(lengths.values())) > 1:
            raise RunDataError(f"columns differ in length: {lengths}")
        return cls(columns, check_units=check_units)

    @property
    def params(self) -> np.ndarray:
        """Trainable parameters N, shape (n,), read-only."""
        return self._arrays["params"]

    @property
    def tokens(self) -> np.ndarray:
        """Training tokens D, shape (n,), read-only."""
        return self._arrays["tokens"]

    @property
    def flops(self) -> np.ndarray:
        """Training compute C in FLOP, shape (n,), read-only."""
        return self._arrays["flops"]

    @property
    def loss(self) -> np.ndarray:
        """Loss in nats per token, shape (n,), read-only."""
        return self._arrays["loss"]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns, the four core ones first."""
        return tuple(self._frame.columns)

    @property
    def frame(self) -> pd.DataFrame:
        """A copy of the table as a DataFrame."""
        return self._frame.copy()

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """What looked odd in the table without being wrong."""
        return self._cautions

    def __len__(self) -> int:
        return len(self._frame)

    def __getitem__(self, column: str) -> np.ndarray:
        if column not in self._frame.columns:
            raise RunDataError(
                f"no column {column!r}; there are {list(self.columns)}", column=str(column)
            )
        if column in CORE:
            return self._arrays[column]
        return self._frame[column].to_numpy(copy=True)

    def where(self, mask) -> Runs:
        """Keep the rows where ``mask``, shape (n,), is true.

        Raises
        ------
        RunDataError
            The mask has another length, is not true/false, or keeps nothing.

        Examples
        --------
        >>> runs = Runs({"params": [1e8, 2e8], "tokens": [2e9, 4e9], "loss": [3.2, 2.9]})
        >>> len(runs.where(runs.params > 1.5e8))
        1
        """
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (len(self),):
            raise RunDataError(f"a mask needs {len(self)} true/false values, got {mask.shape}")
        if not mask.any():
            raise RunDataError("the mask keeps no run at all")
        return Runs(self._frame.loc[mask], check_units=False)

    def sorted_by(self, column: str) -> Runs:
        """Return the runs in increasing order of a column."""
        order = np.argsort(self[column], kind="stable")
        return Runs(self._frame.iloc[order], check_units=False)

    def __add__(self, other: Runs) -> Runs:
        if not isinstance(other, Runs):
            return NotImplemented
        both = pd.concat([self._frame, other._frame], ignore_index=True)
        return Runs(both, check_units=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Runs) and self._frame.equals(other._frame)

    __hash__ = None

    def write(self, path: str | os.PathLike) -> None:
        """Write to ``.csv`` or ``.parquet``; the old file stays whole if writing fails.

        Raises
        ------
        RunDataError
            The file name ends in something else, or a further column holds what the format
            cannot store.
        OSError
            The folder is missing, full or read-only.
        """
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        try:
            if path.suffix == ".csv":
                self._frame.to_csv(partial, index=False)
            elif path.suffix == ".parquet":
                self._frame.to_parquet(partial, index=False)
            else:
                raise RunDataError(f"cannot write {path.name!r}: end it in .csv or .parquet")
        except RunDataError:
            raise
        except (TypeError, ValueError) as err:  # from pyarrow
            raise RunDataError(f"cannot write {path.name!r}: {err}") from err
        else:
            os.replace(partial, path)
        finally:
            if partial.is_file():
                partial.unlink()

    def __repr__(self) -> str:
        def span(values):
            return f"{values.min():.3g} to {values.max():.3g}"

        return (
            f"Runs({len(self)} runs: params {span(self.params)}, tokens {span(self.tokens)}, "
            f"flops {span(self.flops)}, loss {span(self.loss)})"
        )

    def _repr_html_(self) -> str:
        head = self._frame.head(8).to_html(index=False, float_format=lambda v: f"{v:.4g}")
        return f"<p>{self!r}</p>{head}"


def read_runs(
    path: str | os.PathLike,
    *,
    columns: Mapping[str, str] | None = None,
    check_units: bool = True,
) -> Runs:
    """Read a table of runs from a CSV or Parquet file.

    Parameters
    ----------
    path : path-like
        A file ending in ``.csv`` or ``.parquet``.
    columns : mapping, optional
        Renames columns, ``{"theirs": "ours"}``, for instance ``{"Model Size": "params"}``.
    check_units : bool, default True
        As for `Runs`.

    Raises
    ------
    RunDataError
        The file is missing, cannot be read, or holds no usable table.
    UnitsError
        Columns that cannot all be in plain units.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "runs.csv")
    >>> _ = path.write_text("N,tokens,loss\\n1e8,2e9,3.2\\n")
    >>> read_runs(path, columns={"N": "params"}).params
    array([1.e+08])
    """
    path = Path(path)
    if not path.is_file():
        raise RunDataError(f"there is no file {str(path)!r}")
    try:
        if path.suffix == ".csv":
            # Read the header as it stands: pandas would rename a repeated column silently.
            header = pd.read_csv(path, header=None, nrows=1, dtype=str).iloc[0].str.strip()
            frame = pd.read_csv(path, header=None, skiprows=1, **EXACT_FLOATS)
            if len(header) != frame.shape[1]:
                raise RunDataError(
                    f"{path.name!r} has {len(header)} column names and {frame.shape[1]} columns"
                )
            frame.columns = header.tolist()
        elif path.suffix == ".parquet":
            frame = pd.read_parquet(path)
        else:
            raise RunDataError(f"cannot read {path.name!r}: give a .csv or .parquet file")
    except pd.errors.EmptyDataError as err:
        raise RunDataError(
            f"{path.name!r} is empty; it needs a header and at least one row"
        ) from err
    except RunDataError:
        raise
    except Exception as err:  # the parsers raise many kinds; all mean the same to the reader
        raise RunDataError(f"cannot read {path.name!r}: {err}") from err
    if columns:
        unknown = [c for c in columns if c not in frame.columns]
        if unknown:
            raise RunDataError(
                f"no column {unknown[0]!r} to rename; {path.name!r} has {list(frame.columns)}",
                column=unknown[0],
            )
        frame = frame.rename(columns=dict(columns))
    return Runs(frame, check_units=check_units)
