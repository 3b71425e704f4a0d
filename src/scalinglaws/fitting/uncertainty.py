"""How far a fitted constant can be trusted: bootstrap, profile likelihood, prediction intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import stats
from scipy.special import ndtr

from scalinglaws.errors import Caution, FitError
from scalinglaws.fitting.families import Family
from scalinglaws.fitting.objectives import Objective
from scalinglaws.fitting.solver import huber, objective_at, solve
from scalinglaws.laws import ConstantError, Law

METHODS = ("percentile", "bc", "bca")
RESAMPLE_STEPS = 100  # at most, for one refit: ten are usual


@dataclass(frozen=True)
class Interval:
    """An interval with its level and method.

    Attributes
    ----------
    low, high : float
    level : float
        Nominal coverage, such as 0.95.
    method : str
    point : float
        The estimate itself.

    Examples
    --------
    >>> i = Interval(0.317, 0.373, 0.95, "percentile", 0.347)
    >>> print(i, 0.35 in i)
    0.347 (95 %: 0.317 to 0.373) True
    """

    low: float
    high: float
    level: float
    method: str
    point: float

    def __contains__(self, value: float) -> bool:
        return bool(self.low <= value <= self.high)

    @property
    def width(self) -> float:
        """high - low."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.point:.4g} ({100 * self.level:g} %: {self.low:.4g} to {self.high:.4g})"


def check_level(level: float) -> float:
    """Return a confidence level, or raise FitError if it is not inside (0, 1)."""
    try:
        value = float(level)
    except (TypeError, ValueError):
        value = np.nan
    if not 0 < value < 1:
        raise FitError(f"a level lies between 0 and 1, such as 0.95; got {level!r}")
    return value


def check_count(n: int, what: str) -> int:
    """Return a positive count, or raise FitError."""
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise FitError(f"{what} must be a whole number of at least 1, got {n!r}")
    return int(n)


def covariance(
    family: Family, theta: np.ndarray, objective: Objective
) -> tuple[np.ndarray, np.ndarray]:
    r"""Asymptotic covariance of theta, and the inverse curvature of the objective, both (p, p).

    The covariance is the sandwich H^-1 (sum psi_i² J_i J_i') H^-1 with psi the derivative of rho
    and H = sum psi'_i J_i J_i', so it allows for scatter that differs from run to run. With a
    narrow quadratic zone psi' is almost always zero; its expectation is estimated by smoothing
    over the residuals (Powell's kernel, as for quantile regression).

    A constant on its bound, or one that the data do not see, comes out with a huge variance, not
    with an error: a small ridge keeps the inverse finite.
    """
    problem = family.problem
    t = np.asarray(theta)[None]
    log_pred, weights, lse = problem.parts(t)
    jac = problem.jacobian(t, weights, lse)[0]
    r = objective.residuals(log_pred[0], problem.log_loss)
    if objective.residual == "loss":
        jac = jac * np.exp(log_pred[0])
    n, width = len(r), objective.width
    spread = 1.4826 * float(np.median(np.abs(r - np.median(r))))
    if np.isinf(width) or spread == 0 or width > 20 * spread:
        slope = np.ones(n)
    else:
        h = 1.06 * min(spread, float(r.std())) * n**-0.2
        slope = ndtr((r + width) / h) - ndtr((r - width) / h)
    psi = np.clip(r, -width, width)
    norms = np.sqrt((jac**2).sum(axis=1)) + 1e-150
    unit = jac / norms[:, None]
    bread = (unit * slope) @ unit.T
    size = float(np.trace(bread)) / problem.p or 1.0
    inverse = np.linalg.inv(bread + 1e-14 * size * np.eye(problem.p))
    meat = (unit * psi**2) @ unit.T * (n / max(n - problem.p, 1))
    outer = norms[:, None] * norms[None, :]
    return inverse @ meat @ inverse / outer, inverse / outer


def _quantiles(draws, point, level, method, jackknife):
    tail = (1 - level) / 2
    probabilities = np.array([tail, 1 - tail])
    if method != "percentile":
        # Efron's bias correction: z0 says how far the median of the draws is from the estimate.
        below = np.mean(draws < point) + 0.5 * np.mean(draws == point)
        z0 = stats.norm.ppf(np.clip(below, 1e-6, 1 - 1e-6))
        acceleration = 0.0
        if method == "bca":
            d = jackknife.mean() - jackknife
            spread = float((d**2).sum())
            acceleration = float((d**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
        z = z0 + stats.norm.ppf(probabilities)
        probabilities = stats.norm.cdf(z0 + z / (1 - acceleration * z))
    return np.quantile(draws, probabilities)


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Constants refitted to resampled runs.

    Attributes
    ----------
    constants : dict of str to ndarray, shape (n,)
        Draws of every constant of the law.
    point : Law
        The fit that was resampled.
    failed : int
        Resamples whose refit did not converge; they are left out of the draws.
    cautions : tuple of Caution
    """

    constants: dict[str, np.ndarray]
    point: Law
    failed: int
    cautions: tuple[Caution, ...]
    thetas: np.ndarray = field(repr=False)
    _jackknife: Callable[[], dict[str, np.ndarray]] = field(repr=False)
    # Draws of quantities already asked for: several levels and methods share them.
    _cache: dict = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.thetas)

    def laws(self) -> list[Law]:
        """The refitted laws, one a draw.

        Raises
        ------
        ConstantError
            A draw has a constant beyond what a number can hold.
        """
        kind = type(self.point)
        return [
            kind.from_constants(dict(zip(self.constants, values, strict=True)))
            for values in zip(*self.constants.values(), strict=True)
        ]

    def values(self, quantity: str | Callable[[Law], float]) -> np.ndarray:
        """Draws of a constant, of a named property of the law (``"a"``), or of any function of it.

        Raises
        ------
        FitError
            The law has no such constant or property.
        BudgetError
            A draw for which the quantity does not exist.
        """
        if ("draws", quantity) not in self._cache:
            self._cache["draws", quantity] = self._values(quantity, self.constants)
        return self._cache["draws", quantity]

    def _left_out(self, quantity) -> np.ndarray:
        """The quantity with each run left out in turn."""
        if "jackknife" not in self._cache:
            self._cache["jackknife"] = self._jackknife()
        if ("jackknife", quantity) not in self._cache:
            self._cache["jackknife", quantity] = self._values(quantity, self._cache["jackknife"])
        return self._cache["jackknife", quantity]

    def _values(self, quantity, constants) -> np.ndarray:
        if callable(quantity):
            kind = type(self.point)
            return np.array(
                [
                    float(quantity(kind.from_constants(dict(zip(constants, v, strict=True)))))
                    for v in zip(*constants.values(), strict=True)
                ]
            )
        if quantity in constants:
            return constants[quantity]
        if not isinstance(getattr(type(self.point), str(quantity), None), property):
            raise FitError(f"{type(self.point).__name__} has no {quantity!r}")
        return self._values(lambda law: getattr(law, quantity), constants)

    def _estimate(self, quantity) -> float:
        if callable(quantity):
            return float(quantity(self.point))
        known = self.point.constants
        return float(known[quantity] if quantity in known else getattr(self.point, quantity))

    def interval(
        self,
        quantity: str | Callable[[Law], float],
        level: float = 0.95,
        method: str = "percentile",
    ) -> Interval:
        """Confidence interval of a constant or of anything computed from the law.

        Parameters
        ----------
        quantity : str or callable
            ``"alpha"``, ``"a"``, or a function of a law such as
            ``lambda law: law.optimum(1e24).tokens_per_param``.
        level : float, default 0.95
        method : {"percentile", "bc", "bca"}
            Percentiles of the draws; Efron's bias-corrected ones; bias-corrected and accelerated.

        Raises
        ------
        FitError
            Unknown quantity or method, or a level outside (0, 1).
        BudgetError
            A draw for which the quantity does not exist, such as the cost of a loss below its
            floor.
        """
        level = check_level(level)
        if method not in METHODS:
            raise FitError(f"method must be one of {METHODS}, got {method!r}")
        draws = self.values(quantity)
        draws = draws[np.isfinite(draws)]
        if not len(draws):
            raise FitError("no resample gave a finite value: the data do not determine it at all")
        point = self._estimate(quantity)
        jackknife = self._left_out(quantity) if method == "bca" else None
        low, high = _quantiles(draws, point, level, method, jackknife)
        return Interval(float(low), float(high), level, method, point)

    def standard_error(self, quantity: str | Callable[[Law], float]) -> float:
        """Standard deviation of the draws."""
        return float(np.std(self.values(quantity), ddof=1))

    def predict(self, *inputs) -> np.ndarray:
        """Predictions of every draw, shape (n_draws, m).

        A draw with a constant beyond what a number can hold predicts NaN.
        """
        inputs = [np.atleast_1d(np.asarray(x, float)) for x in inputs]
        nothing = np.full_like(self.point.predict(*inputs), np.nan)
        kind = type(self.point)
        # Laws take arrays of inputs but single constants; a loop over draws is simple and fast.
        rows = []
        for values in zip(*self.constants.values(), strict=True):
            try:
                law = kind.from_constants(dict(zip(self.constants, values, strict=True)))
            except ConstantError:
                rows.append(nothing)
            else:
                rows.append(law.predict(*inputs))
        return np.array(rows)


def resample_counts(n: int, draws: int, seed: int) -> np.ndarray:
    """How often each run enters each resample, shape (draws, n)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1.0 / n), size=draws).astype(float)


def _better_neighbours(problem, theta, objective, weights, pool, rng):
    """For each resample, the solution of another one that is better than its own, if any."""
    picks = rng.choice(len(theta), size=min(pool, len(theta)), replace=False)
    r = objective.residuals(problem.log_predict(theta[picks]), problem.log_loss)
    values = weights @ huber(r, objective.width).T
    best = values.argmin(axis=1)
    return theta[picks][best], values[np.arange(len(theta)), best]


def bootstrap_thetas(
    family: Family, theta: np.ndarray, objective: Objective, weights: np.ndarray, seed: int
):
    """Refit every resample, warm-started at the estimate; shape (S, p), and which converged.

    A warm start can end in a worse minimum. Each resample is therefore also scored at the
    solutions of some others, and started again from any that beats its own; those that did not
    converge are started again from the cold grid.

    A resample that hardly determines a constant may creep along a flat valley for thousands of
    steps. It counts as settled once the decrease still in sight is a thousandth of the objective,
    far less than what one run's noise changes; leaving such resamples out would cut off the very
    tails that the bootstrap is there to show.
    """
    problem = family.problem
    rng = np.random.default_rng(seed + 1)

    def settled(s):
        return s.converged | (np.isfinite(s.value) & (s.decrease < 1e-3))

    solution = solve(
        problem, np.repeat(theta[None], len(weights), axis=0), objective,
        weights=weights, warm=True, tolerance=1e-9, iterations=RESAMPLE_STEPS,
    )  # fmt: skip
    best, value, ok = solution.theta.copy(), solution.smooth.copy(), settled(solution)

    def retry(rows, starts):
        again = solve(
            problem, starts, objective,
            weights=weights[rows], warm=family.warm, tolerance=1e-9, iterations=RESAMPLE_STEPS,
        )  # fmt: skip
        better = settled(again) & ((again.smooth < value[rows]) | ~ok[rows])
        rows = rows[better]
        best[rows], value[rows], ok[rows] = again.theta[better], again.smooth[better], True

    other, other_value = _better_neighbours(problem, best, objective, weights, 24, rng)
    rows = np.flatnonzero(other_value < value * (1 - 1e-9) - 1e-300)
    if len(rows):
        retry(rows, other[rows])
    scanned = family.rescan(objective, weights)
    if scanned is not None:
        retry(np.arange(len(weights)), scanned)
    rows = np.flatnonzero(~ok)
    if len(rows):
        for start in family.starts()[:3]:
            rows = rows[~ok[rows]]
            if len(rows):
                retry(rows, np.repeat(start[None], len(rows), axis=0))
    return best, ok


@dataclass(frozen=True, eq=False)
class Profile:
    """The best objective as a function of one constant, all others refitted.

    Attributes
    ----------
    name : str
    grid : ndarray, shape (m,)
        Values of the constant.
    objective : ndarray, shape (m,)
        Objective at each, minus the optimum's.
    deviance : ndarray, shape (m,)
        The same, scaled so that it is asymptotically chi-square with one degree of freedom.
    point : float
    dof : int
        Runs minus constants; small samples use Student's t instead of the normal.
    limits : tuple of float
        The range of the constant that the fitter allows.
    cautions : tuple of Caution
    """

    name: str
    grid: np.ndarray
    objective: np.ndarray
    deviance: np.ndarray
    point: float
    dof: int
    limits: tuple[float, float]
    cautions: tuple[Caution, ...] = ()

    def interval(self, level: float = 0.95) -> Interval:
        """Where the deviance stays below its threshold.

        A side that never reaches the threshold is open: the data do not bound the constant there,
        and the interval ends at the limit of what the fitter allows.
        """
        level = check_level(level)
        threshold = stats.t.ppf(0.5 + level / 2, self.dof)
        root = np.sqrt(np.maximum(self.deviance, 0.0))
        ends = []
        for side, limit in ((self.grid < self.point, 0), (self.grid > self.point, 1)):
            x, z = self.grid[side], root[side]
            order = np.argsort(np.abs(x - self.point))
            x, z = np.r_[self.point, x[order]], np.r_[0.0, z[order]]
            over = np.flatnonzero(z >= threshold)
            if not len(over):
                ends.append(self.limits[limit])
                continue
            i = over[0]
            share = (threshold - z[i - 1]) / (z[i] - z[i - 1])
            ends.append(float(x[i - 1] + share * (x[i] - x[i - 1])))
        return Interval(ends[0], ends[1], level, "profile", self.point)


def profile(
    family: Family, theta: np.ndarray, objective: Objective, name: str, points: int = 61
) -> Profile:
    """Profile one constant; see `Fit.profile`."""
    if check_count(points, "the number of points") < 5:
        raise FitError(f"a profile needs at least 5 points, got {points}")
    handle = family.handle(name)
    if handle is None:
        raise FitError(
            f"{name!r} has no profile: it is a combination of the fitted constants. Use "
            "bootstrap().interval() for it."
        )
    version, index, inward, outward = handle
    problem = version.problem
    law = family.to_law(theta)
    centre = version.theta(law)
    at_optimum = solve(problem, centre, objective, warm=True)
    centre = at_optimum.theta[0]
    cov, inverse = covariance(version, centre, objective)
    step = np.sqrt(cov[index, index])
    low, high = problem.low[index], problem.high[index]
    # Enough on both sides for 99.9 % of a normal, more densely in the middle.
    offsets = np.linspace(-1, 1, points)
    offsets = 6.0 * np.sign(offsets) * np.abs(offsets) ** 1.3
    values = centre[index] + offsets * step
    values = np.unique(np.clip(values, low, high))
    direction = cov[:, index] / cov[index, index]
    starts = centre + (values - centre[index])[:, None] * direction
    lows = np.repeat(problem.low[None], len(values), axis=0)
    highs = np.repeat(problem.high[None], len(values), axis=0)
    lows[:, index] = highs[:, index] = values
    ends = solve(
        problem, starts, objective, low=lows, high=highs, warm=version.warm, tolerance=1e-9
    )
    # A second look from a neighbour's solution, where that is better than a point's own.
    for shift in (1, -1):
        other = np.roll(ends.theta, shift, axis=0)
        other[:, index] = values
        rows = np.flatnonzero(objective_at(problem, other, objective) < ends.smooth * (1 - 1e-9))
        if not len(rows):
            continue
        again = solve(
            problem, other[rows], objective,
            low=lows[rows], high=highs[rows], warm=True, tolerance=1e-9,
        )  # fmt: skip
        better = again.converged & ((again.value < ends.value[rows]) | ~ends.converged[rows])
        for attribute in ("theta", "value", "smooth", "converged"):
            getattr(ends, attribute)[rows[better]] = getattr(again, attribute)[better]
    rise = ends.value - at_optimum.value[0]
    keep = ends.converged
    cautions = []
    if not keep.all():
        cautions.append(
            Caution("not-converged", f"{int((~keep).sum())} of {len(keep)} profile points failed")
        )
    grid = np.array([float(outward(v)) for v in values[keep]])
    # To second order the rise is half (shift² / inverse curvature); dividing by the sandwich
    # variance instead makes the deviance chi-square. L1 is solved as delta times its own value.
    scale = max(float(cov[index, index] / inverse[index, index]), 1e-300)
    if objective.name == "l1":
        scale /= objective.width
    return Profile(
        name,
        grid,
        rise[keep],
        2.0 * rise[keep] / scale,
        float(law.constants[name]),
        max(len(problem.log_loss) - problem.p, 1),
        (float(outward(low)), float(outward(high))),
        tuple(cautions),
    )
