"""The loss as a function of size and data without a formula: slices, local slopes, a smooth fit.

A law is fitted to everything at once and spreads its misfit over all constants. Before that, look
at one slice: N held and D moving, or the reverse. And where no law fits, a smooth surface through
the runs still tells which model is best for a budget, inside the range of the runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay, QhullError

from scalinglaws.errors import BudgetError, FitError
from scalinglaws.fitting.parametric import curve_columns
from scalinglaws.fitting.uncertainty import check_count
from scalinglaws.laws.base import Optimum, check_budget, positive
from scalinglaws.runs import Runs

SMOOTHINGS = tuple(np.geomspace(1e-4, 10, 11))
ALONG = {"tokens": "params", "params": "tokens"}


def local_exponents(x, loss) -> tuple[np.ndarray, np.ndarray]:
    """Exponent between each point and the next, -Δ ln L / Δ ln x.

    Parameters
    ----------
    x, loss : array_like, shape (n,)
        Positive. For the exponent of a law with a floor, give the loss *above* the floor. Losses
        at equal x are averaged first.

    Returns
    -------
    middle, exponent : ndarray, shape (m - 1,)
        Geometric middle of each step in increasing x, and the exponent over that step; m is the
        number of different x.

    Raises
    ------
    RunDataError
        Values that are not positive numbers, or arrays of different length.
    FitError
        Fewer than two different x.

    Examples
    --------
    >>> middle, exponent = local_exponents([1, 10, 100], [8.0, 4.0, 1.0])
    >>> exponent.round(3)
    array([0.301, 0.602])
    """
    x, loss = curve_columns(x, loss)
    at, place = np.unique(x, return_inverse=True)
    if len(at) < 2:
        raise FitError("a slope needs at least two different x")
    mean = np.bincount(place, loss) / np.bincount(place)
    u = np.log(at)
    return np.exp((u[1:] + u[:-1]) / 2), -np.diff(np.log(mean)) / np.diff(u)


def slice_surface(runs: Runs, at: float, along: str = "params") -> tuple[np.ndarray, np.ndarray]:
    """Loss against one variable with the other held: L(N) at fixed D, or L(D) at fixed N.

    Runs rarely share the exact value that is held, so the loss is interpolated between the two
    nearest ones, on a straight line in log-log. It is never extrapolated.

    Parameters
    ----------
    runs : Runs
        Its loss may be the excess over a known floor. Equal runs (seeds) are averaged.
    at : float
        Value of the variable that is held.
    along : {"params", "tokens"}, default "params"
        Variable that moves.

    Returns
    -------
    x, loss : ndarray, shape (m,)
        Values of the moving variable whose runs reach over `at`, increasing, and the loss there.

    Raises
    ------
    FitError
        Another `along`, or no value whose runs reach over `at`.

    Examples
    --------
    >>> n, d = np.meshgrid([1e3, 2e3, 4e3], [1e5, 1e6])
    >>> loss = (n.ravel() / 1e3) ** -0.5 + (d.ravel() / 1e5) ** -0.25
    >>> runs = Runs.from_arrays(n.ravel(), d.ravel(), loss, check_units=False)
    >>> slice_surface(runs, at=1e6)[0]
    array([1000., 2000., 4000.])
    """
    runs = runs if isinstance(runs, Runs) else Runs(runs)
    if along not in ALONG:
        raise FitError(f"along is 'params' or 'tokens', got {along!r}")
    at = float(positive("at", at))
    moving, held = runs[along], runs[ALONG[along]]
    found = []
    for value in np.unique(moving):
        mine = moving == value
        where, place = np.unique(held[mine], return_inverse=True)
        if where[0] <= at * (1 + 1e-9) and where[-1] >= at * (1 - 1e-9):
            mean = np.bincount(place, runs.loss[mine]) / np.bincount(place)
            found.append((value, np.exp(np.interp(np.log(at), np.log(where), np.log(mean)))))
    if not found:
        raise FitError(
            f"no {along} has runs on both sides of {ALONG[along]} = {at:.4g}; hold it at another "
            "value"
        )
    x, loss = np.array(found).T
    return x, loss


@dataclass(frozen=True, eq=False)
class SmoothSurface:
    """A smooth surface through runs, with no law behind it; made by `fit_surface`.

    Attributes
    ----------
    smoothing : float
        How much it may leave the runs aside to be smooth, chosen by cross-validation.
    error : float
        Root mean square of the cross-validated errors of the log loss: what it is off by at a
        cell that it was not shown.
    errors : dict of float to float
        The same for every smoothing tried.
    runs : Runs
    """

    smoothing: float
    error: float
    errors: dict[float, float]
    runs: Runs = field(repr=False)
    _spline: RBFInterpolator = field(repr=False)
    _hull: Delaunay = field(repr=False)

    def predict(self, params, tokens) -> np.ndarray:
        """Loss at sizes and tokens (positive, broadcast together); NaN outside the runs."""
        n, d = np.broadcast_arrays(positive("params", params), positive("tokens", tokens))
        points = np.column_stack([np.log(n).ravel(), np.log(d).ravel()])
        out = np.full(len(points), np.nan)
        inside = self._hull.find_simplex(points, tol=1e-9) >= 0
        if inside.any():
            out[inside] = np.exp(self._spline(points[inside]))
        return out.reshape(n.shape)

    def optimum(self, flops: float, flops_per: float = 6.0) -> Optimum:
        """Lowest loss among the runs that a budget pays for, inside the range of the runs.

        Raises
        ------
        BudgetError
            No budget, one that crosses no runs, or one whose lowest loss is at the edge of what
            was tried.
        """
        c = check_budget(flops)
        n = np.geomspace(self.runs.params.min(), self.runs.params.max(), 801)
        loss = self.predict(n, c / (flops_per * n))
        known = np.flatnonzero(np.isfinite(loss))
        if not len(known):
            raise BudgetError(f"{c:.3g} FLOP lies outside the runs; a surface does not extrapolate")
        best = known[np.argmin(loss[known])]
        if best in (known[0], known[-1]):
            side = "smaller" if best == known[0] else "larger"
            raise BudgetError(
                f"at {c:.3g} FLOP the lowest loss is at the edge of what was tried; train {side} "
                f"models than {n[best]:.3g}"
            )
        return Optimum(c, float(n[best]), float(c / (flops_per * n[best])), float(loss[best]))


def fit_surface(runs: Runs, *, smoothing=SMOOTHINGS, folds: int = 10, seed: int = 0):
    """A thin-plate spline of ln L in (ln N, ln D), its smoothness chosen by cross-validation.

    Parameters
    ----------
    runs : Runs
        Its loss may be the excess over a known floor, whose logarithm is closer to a plane. Equal
        runs (seeds) are averaged, so that all of a cell is held out together.
    smoothing : float or sequence of float
        Values to choose from.
    folds : int, default 10
        Parts that the cells are split into.
    seed : int
        Splits them.

    Returns
    -------
    SmoothSurface

    Raises
    ------
    FitError
        Fewer than 10 cells, cells on one line (one budget, one size), or a smoothing below 0.

    Notes
    -----
    The spline minimises the squared errors plus `smoothing` times the integral of its squared
    second derivatives (`scipy.interpolate.RBFInterpolator`). A plane, which is a product of two
    power laws, costs nothing.

    Examples
    --------
    >>> n, d = np.meshgrid(np.geomspace(1e3, 1e5, 5), np.geomspace(1e4, 1e6, 5))
    >>> loss = 50 * n.ravel() ** -0.5 + 900 * d.ravel() ** -0.6
    >>> surface = fit_surface(Runs.from_arrays(n.ravel(), d.ravel(), loss, check_units=False))
    >>> bool(surface.error < 0.05)
    True
    """
    runs = runs if isinstance(runs, Runs) else Runs(runs)
    folds = check_count(folds, "the number of folds")
    tried = np.atleast_1d(np.asarray(smoothing, float))
    if tried.size == 0 or not (np.isfinite(tried) & (tried >= 0)).all():
        raise FitError("smoothing is 0 or more, or a list of such numbers")
    u = np.column_stack([np.log(runs.params), np.log(runs.tokens)])
    cells, place = np.unique(u, axis=0, return_inverse=True)
    place = place.ravel()
    y = np.bincount(place, np.log(runs.loss)) / np.bincount(place)
    if len(cells) < 10:
        raise FitError(f"{len(cells)} different runs are too few for a surface; give at least 10")
    if not 2 <= folds <= len(cells):
        raise FitError(f"folds = {folds} must lie between 2 and the {len(cells)} different runs")
    try:
        hull = Delaunay(cells)
    except QhullError as err:
        raise FitError(
            "the runs lie on one line of (ln N, ln D): vary params and tokens independently"
        ) from err
    fold = np.random.default_rng(seed).permutation(len(cells)) % folds
    errors = {}
    for s in tried:
        left = np.empty(len(cells))
        for k in range(folds):
            out = fold == k
            left[out] = _spline(cells[~out], y[~out], s)(cells[out]) - y[out]
        errors[float(s)] = float(np.sqrt(np.mean(left**2)))
    best = min(errors, key=errors.get)
    return SmoothSurface(best, errors[best], errors, runs, _spline(cells, y, best), hull)


def _spline(points, values, smoothing: float) -> RBFInterpolator:
    try:
        return RBFInterpolator(points, values, smoothing=smoothing, kernel="thin_plate_spline")
    except np.linalg.LinAlgError as err:
        raise FitError(f"no surface passes through these runs: {err}") from err
