"""Which law to believe: fit on the smaller runs, predict the larger ones, compare the errors."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scalinglaws.errors import FitError, RunDataError
from scalinglaws.fitting.parametric import Fit, curve_column, curve_columns, fit, fit_curve
from scalinglaws.laws import Law
from scalinglaws.runs import Runs


@dataclass(frozen=True, eq=False)
class HoldoutResult:
    """Errors of one law on runs that it was not fitted to.

    Attributes
    ----------
    name : str
    fit : Fit
        Fitted to the training part.
    errors : ndarray, shape (m,)
        ln(predicted) - ln(observed) of the held-out runs: 0.01 is 1 % too high.
    """

    name: str
    fit: Fit
    errors: np.ndarray

    @property
    def rms(self) -> float:
        """Root mean square of the held-out errors, on the log scale."""
        return float(np.sqrt(np.mean(self.errors**2)))

    @property
    def bias(self) -> float:
        """Mean held-out error: positive means the law predicts too high."""
        return float(self.errors.mean())

    @property
    def worst(self) -> float:
        """Largest absolute held-out error."""
        return float(np.abs(self.errors).max())


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several laws on the same split, best held-out error first."""

    results: tuple[HoldoutResult, ...]

    @property
    def best(self) -> HoldoutResult:
        """The law with the smallest held-out error."""
        return self.results[0]

    def __getitem__(self, name: str) -> HoldoutResult:
        for result in self.results:
            if result.name == name:
                return result
        raise FitError(f"{name!r} was not compared; there are {[r.name for r in self.results]}")

    def table(self) -> pd.DataFrame:
        """One row a law: error inside the training part, and on the held-out part."""
        return pd.DataFrame(
            {
                "law": [r.name for r in self.results],
                "training rms": [
                    float(np.sqrt(np.mean(np.log(r.fit.predict(*r.fit.inputs.values())
                                                 / r.fit.loss) ** 2)))
                    for r in self.results
                ],
                "held-out rms": [r.rms for r in self.results],
                "held-out bias": [r.bias for r in self.results],
                "held-out worst": [r.worst for r in self.results],
            }
        )  # fmt: skip

    def _repr_html_(self) -> str:
        return self.table().to_html(index=False, float_format=lambda v: f"{v:.4g}")


def _held_out(values: np.ndarray, share: float) -> np.ndarray:
    """True for the largest ``share`` of values; equal values stay together."""
    if not (isinstance(share, numbers.Real) and 0 < share < 1):
        raise FitError(f"the held-out share lies between 0 and 1, got {share!r}")
    if not len(values):
        raise RunDataError("there are no points to fit and hold out")
    order = np.sort(values)
    cut = order[int(np.floor(len(order) * (1 - share)))]
    out = values >= cut
    if out.all():
        raise FitError("holding out that share leaves nothing to fit")
    return out


def compare_curves(
    x,
    loss,
    laws: Sequence[str | type[Law]] = ("power", "exponential", "logarithmic"),
    *,
    share: float = 0.3,
    **options,
) -> Comparison:
    """Fit laws of one variable to the smaller x, and compare them on the largest.

    Parameters
    ----------
    x, loss : array_like, shape (n,)
    laws : sequence, default power, exponential and logarithmic
    share : float, default 0.3
        Share of the points, largest x first, that is held out.
    **options
        Passed to `fit_curve`.

    Returns
    -------
    Comparison

    Raises
    ------
    RunDataError
        Values that are not positive numbers, or arrays of different length.
    FitError
        A share outside (0, 1), or one that leaves too few points; an unknown law.

    Examples
    --------
    >>> x = np.geomspace(1e3, 1e7, 30)
    >>> compare_curves(x, 1.5 + 30 * x**-0.4).best.name
    'power'
    """
    x, loss = curve_columns(x, loss)
    out = _held_out(x, share)
    results = []
    for law in laws:
        result = fit_curve(x[~out], loss[~out], law, **options)
        name = law if isinstance(law, str) else law.__name__
        predicted = np.maximum(result.predict(x[out]), 1e-12)  # a line may turn negative
        results.append(HoldoutResult(name, result, np.log(predicted) - np.log(loss[out])))
    return Comparison(tuple(sorted(results, key=lambda r: r.rms)))


def compare_surfaces(
    runs: Runs,
    laws: Sequence[str | type[Law]] = ("chinchilla", "kaplan"),
    *,
    share: float = 0.2,
    by: str = "flops",
    **options,
) -> Comparison:
    """Fit laws of (N, D) to the smaller runs, and compare them on the largest.

    Parameters
    ----------
    runs : Runs
    laws : sequence, default Chinchilla's and Kaplan's
    share : float, default 0.2
        Share of the runs, largest first, that is held out.
    by : str, default "flops"
        Column that says which runs are large.
    **options
        Passed to `fit`.

    Returns
    -------
    Comparison

    Raises
    ------
    RunDataError
        The table is not usable, or has no column ``by`` of positive numbers.
    FitError
        A share outside (0, 1), or one that leaves too few runs; a law that is not one of both
        params and tokens.
    """
    runs = runs if isinstance(runs, Runs) else Runs(runs)
    out = _held_out(curve_column(runs[by], by), share)
    train, test = runs.where(~out), runs.where(out)
    results = []
    for law in laws:
        result = fit(train, law, **options)
        if len(result.inputs) < 2:
            raise FitError(f"{law!r} is a law of one variable; compare it with compare_curves")
        name = law if isinstance(law, str) else law.__name__
        inputs = (test[name] for name in result.inputs)
        errors = np.log(result.predict(*inputs)) - np.log(test.loss)
        results.append(HoldoutResult(name, result, errors))
    return Comparison(tuple(sorted(results, key=lambda r: r.rms)))
