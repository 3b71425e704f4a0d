"""Approach 3: fit a parametric law to a table of runs, or a curve to one variable."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from scalinglaws.errors import Caution, FitError, RunDataError
from scalinglaws.fitting import diagnostics
from scalinglaws.fitting.catalogue import (
    CURVES,
    SURFACES,
    constants_to_fit,
    curve_family,
    held,
    law_class,
    surface_family,
)
from scalinglaws.fitting.families import Family
from scalinglaws.fitting.objectives import Objective
from scalinglaws.fitting.repeated import repeated_family
from scalinglaws.fitting.solver import solve
from scalinglaws.fitting.uncertainty import (
    Bootstrap,
    Interval,
    Profile,
    bootstrap_thetas,
    check_count,
    check_level,
    covariance,
    profile,
    resample_counts,
)
from scalinglaws.laws import (
    ChinchillaLaw,
    HestnessSizeLaw,
    KaplanDataLaw,
    KaplanSizeLaw,
    KaplanStepsLaw,
    Law,
    LovelaceLaw,
    MuennighoffLaw,
)
from scalinglaws.laws.base import positive
from scalinglaws.runs import Runs

MOST_LEFT_OUT = 500  # refits of a jackknife: its third moment needs no more
MOST_COUNTS = 400_000_000  # resamples times runs: 6 GB while they are drawn


@dataclass(frozen=True)
class PredictionInterval:
    """Predicted losses with their intervals, arrays of shape (m,).

    Attributes
    ----------
    low, point, high : ndarray, shape (m,)
    level : float
    new_run : bool
        True: where a new run's loss will lie (noise included). False: where the law itself lies.
    cautions : tuple of Caution
        For instance how far outside the data the prediction is.
    """

    low: np.ndarray
    point: np.ndarray
    high: np.ndarray
    level: float
    new_run: bool
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted law, and how far to trust it.

    Attributes
    ----------
    law : Law
        The law at the optimum.
    objective : Objective
        What was minimised.
    objective_value : float
        Its value, summed over runs.
    converged : bool
        Whether the end point is a minimum up to what arithmetic resolves. A constant that ran to
        the edge of what is allowed can be a converged fit; see ``cautions``.
    iterations : int
        Newton steps of the best start.
    gradient_norm : float
    identified : dict of str to bool
        Which constants the data determine.
    standard_errors : dict of str to float
        Asymptotic standard errors. Prefer `bootstrap`.
    cautions : tuple of Caution
        Everything that a careful reader should know.
    inputs : dict of str to ndarray
        What the law was fitted to: ``params`` and ``tokens``, or ``x``.
    loss : ndarray, shape (n,)
        Observed loss.
    """

    law: Law
    objective: Objective
    objective_value: float
    converged: bool
    iterations: int
    gradient_norm: float
    identified: dict[str, bool]
    standard_errors: dict[str, float]
    cautions: tuple[Caution, ...]
    inputs: dict[str, np.ndarray]
    loss: np.ndarray
    runs: Runs | None = field(repr=False)
    _family: Family = field(repr=False)
    _theta: np.ndarray = field(repr=False)

    @property
    def constants(self) -> dict[str, float]:
        """Constants of the law by name."""
        return self.law.constants

    @property
    def n(self) -> int:
        """Number of runs fitted."""
        return len(self.loss)

    def predict(self, *inputs) -> np.ndarray:
        """Point prediction of the law, nats per token."""
        return self.law.predict(*inputs)

    @cached_property
    def residuals(self) -> np.ndarray:
        """Predicted minus observed, shape (n,), in log loss or in loss as the objective has it."""
        log_pred = self._family.problem.log_predict(self._theta[None])[0]
        return self.objective.residuals(log_pred, self._family.problem.log_loss)

    @cached_property
    def r_squared(self) -> float:
        """Share of the variance of the loss that the law explains."""
        predicted = np.exp(self._family.problem.log_predict(self._theta[None])[0])
        total = float(((self.loss - self.loss.mean()) ** 2).sum())
        left = float(((self.loss - predicted) ** 2).sum())
        return 1.0 - left / total if total > 0 else float("nan")

    @cached_property
    def condition_number(self) -> float:
        """Condition number of the scaled Jacobian; large: constants trade against each other."""
        problem = self._family.problem
        t = self._theta[None]
        _, weights, lse = problem.parts(t)
        jac = problem.jacobian(t, weights, lse)[0]
        norms = np.sqrt((jac**2).sum(axis=1))
        values = np.linalg.svd(jac / np.where(norms > 0, norms, 1)[:, None], compute_uv=False)
        return float(values[0] / values[-1]) if values[-1] > 0 else float("inf")

    # -- uncertainty -------------------------------------------------------------------------

    def bootstrap(self, n: int = 1000, seed: int = 0) -> Bootstrap:
        """Refit ``n`` resamples of the runs (drawn with replacement, as many as there are).

        Parameters
        ----------
        n : int, default 1000
            Resamples. 1,000 are enough for 95 % intervals to one digit, 4,000 for two.
        seed : int, default 0

        Returns
        -------
        Bootstrap

        Raises
        ------
        FitError
            ``n`` is not a positive whole number, resamples times runs are more than fit into
            memory, or the fit itself did not converge.
        """
        n = check_count(n, "the number of resamples")
        if n * self.n > MOST_COUNTS:
            raise FitError(
                f"{n} resamples of {self.n} runs take too much memory; ask for at most "
                f"{MOST_COUNTS // self.n}"
            )
        if not self.converged:
            raise FitError("the fit did not converge, so resampling it would mean nothing")
        weights = resample_counts(self.n, n, seed)
        thetas, ok = bootstrap_thetas(self._family, self._theta, self.objective, weights, seed)
        failed = int((~ok).sum())
        cautions = ()
        if failed:
            cautions = (Caution("resamples-failed", f"{failed} of {n} resamples did not converge"),)
        if not ok.any():
            raise FitError("no resample converged: the data do not determine this law")
        return Bootstrap(
            self._family.constants(thetas[ok]), self.law, failed, cautions, thetas[ok],
            self._jackknife,
        )  # fmt: skip

    def _jackknife(self) -> dict[str, np.ndarray]:
        """Constants with each run left out in turn, or each of 500 groups of runs."""
        groups = min(self.n, MOST_LEFT_OUT)
        member = np.arange(self.n)
        if groups < self.n:
            member = np.random.default_rng(0).permutation(member) % groups
        weights = (member != np.arange(groups)[:, None]).astype(float)
        thetas, _ = bootstrap_thetas(self._family, self._theta, self.objective, weights, 0)
        return self._family.constants(thetas)

    def profile(self, name: str, points: int = 61) -> Profile:
        """Refit all other constants while one is held at each of a range of values.

        Raises
        ------
        FitError
            The law has no such constant, the constant cannot be profiled, or ``points`` is below 5.
        """
        if name not in self.constants:
            raise FitError(f"{type(self.law).__name__} has no constant {name!r}")
        return profile(self._family, self._theta, self.objective, name, points)

    def interval(
        self,
        name: str,
        level: float = 0.95,
        method: str = "percentile",
        n: int = 2000,
        seed: int = 0,
    ) -> Interval:
        """Interval of one constant: ``"percentile"``, ``"bc"``, ``"bca"`` or ``"profile"``."""
        if method == "profile":
            return self.profile(name).interval(level)
        return self.bootstrap(n, seed).interval(name, level, method)

    def predict_interval(
        self, *inputs, level: float = 0.95, n: int = 1000, seed: int = 0, new_run: bool = True
    ) -> PredictionInterval:
        """Predicted loss with an interval.

        Parameters
        ----------
        *inputs : array_like
            ``params, tokens``, or ``x``.
        new_run : bool, default True
            Include the scatter of single runs, drawn from the residuals of the fit (widened by
            sqrt(n / (n - p)), for residuals are smaller than errors).

        Returns
        -------
        PredictionInterval
            With a caution for each input that lies outside the data.

        Raises
        ------
        BudgetError
            Inputs that are not positive numbers.
        FitError
            As for `bootstrap`; or a level outside (0, 1), or too few or too many inputs.
        """
        level = check_level(level)
        self._check_inputs(inputs)
        arrays = np.broadcast_arrays(
            *(np.atleast_1d(positive(k, x)) for k, x in zip(self.inputs, inputs, strict=True))
        )
        point = self.law.predict(*arrays)
        draws = self.bootstrap(n, seed).predict(*arrays)
        usable = np.isfinite(draws).all(axis=1)
        cautions = [*self.outside(*arrays)]
        if not usable.all():
            lost = int((~usable).sum())
            text = f"{lost} of {len(draws)} resampled laws predict no number and are left out"
            cautions.append(Caution("resamples-failed", text))
            if not usable.any():
                raise FitError("no resampled law predicts a number: the data do not determine it")
        draws = draws[usable]
        if new_run:
            rng = np.random.default_rng(seed + 2)
            p = self._family.problem.p
            spare = self.residuals * np.sqrt(self.n / max(self.n - p, 1))
            noise = rng.choice(spare, size=draws.shape)
            draws = draws * np.exp(-noise) if self.objective.residual == "log" else draws - noise
        tail = 50 * (1 - level)
        low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
        return PredictionInterval(low, point, high, level, new_run, tuple(cautions))

    def _check_inputs(self, inputs) -> None:
        if len(inputs) != len(self.inputs):
            raise FitError(
                f"{type(self.law).__name__} is a law of {' and '.join(self.inputs)}; got "
                f"{len(inputs)} inputs"
            )

    def outside(self, *inputs) -> list[Caution]:
        """A caution for each input that lies outside the range of the fitted runs.

        Raises
        ------
        BudgetError
            Inputs that are not positive numbers.
        FitError
            Too few or too many inputs.
        """
        self._check_inputs(inputs)
        ranges = {k: (float(v.min()), float(v.max())) for k, v in self.inputs.items()}
        return diagnostics.extrapolation(ranges, **dict(zip(ranges, inputs, strict=True)))

    # -- views -------------------------------------------------------------------------------

    def summary(self) -> str:
        """The fit as text: constants, standard errors, objective, cautions."""
        lines = [
            f"{type(self.law).__name__} fitted to {self.n} runs",
            f"  objective   {self.objective_value:.10g}  ({self.objective.describe()})",
            f"  converged   {'yes' if self.converged else 'NO'}",
            f"  R²          {self.r_squared:.5f} of the loss;  condition number "
            f"{self.condition_number:.3g}",
            "  constant        value   std. error",
        ]
        for name, value in self.constants.items():
            mark = "" if self.identified[name] else "   not identified"
            lines.append(f"  {name:<10} {value:>10.5g}   {self.standard_errors[name]:>10.3g}{mark}")
        lines += [f"  caution: {c}" for c in self.cautions]
        return "\n".join(lines)

    def __repr__(self) -> str:
        state = "converged" if self.converged else "NOT converged"
        return f"Fit({self.law!r}, {self.n} runs, {state}, {len(self.cautions)} cautions)"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{k}</td><td>{v:.5g}</td><td>{self.standard_errors[k]:.3g}</td>"
            f"<td>{'yes' if self.identified[k] else 'no'}</td></tr>"
            for k, v in self.constants.items()
        )
        cautions = "".join(f"<li>{html.escape(str(c))}</li>" for c in self.cautions)
        return (
            f"<p><b>{type(self.law).__name__}</b>, {self.n} runs, "
            f"{html.escape(self.objective.describe())}: {self.objective_value:.6g}, "
            f"{'converged' if self.converged else '<b>not converged</b>'}</p>"
            "<table><tr><th>constant</th><th>value</th><th>std. error</th><th>identified</th></tr>"
            f"{rows}</table>" + (f"<ul>{cautions}</ul>" if cautions else "")
        )


def _run_fit(family, objective, inputs, loss, runs, cautions) -> Fit:
    with np.errstate(all="ignore"):  # a grid of starts has corners where terms overflow
        starts = family.starts()
    solution = solve(family.problem, starts, objective, warm=family.warm)
    i = solution.best()
    others = family.more_starts()
    if others is not None and (not solution.converged[i] or solution.at_bound[i].any()):
        # Data that lack a term end like this, but so does an unlucky start: look again, wider,
        # and from the smoothest objective's optimum, which is the easiest to find.
        smooth = solve(family.problem, starts, Objective("lsq", residual=objective.residual))
        others = np.concatenate([smooth.theta[[smooth.best()]], others])
        again = solve(family.problem, others, objective)
        j = again.best()
        if again.value[j] < solution.value[i] or (
            again.converged[j] and again.value[j] <= solution.value[i] * (1 + 1e-9)
        ):
            solution, i = again, j
    theta = solution.theta[i]
    converged = bool(solution.converged[i])
    if not np.isfinite(solution.value[i]):
        raise FitError("the objective is not finite at any start; check the magnitudes of the data")
    if not converged:
        cautions = [
            *cautions,
            Caution(
                "not-converged",
                "the solver stopped before reaching a minimum (predicted further decrease "
                f"{solution.decrease[i]:.2g} of the objective): do not use these constants",
            ),
        ]
    with np.errstate(all="ignore"):  # what is not determined may come out infinite
        cov, _ = covariance(family, theta, objective)
        identified, errors, found = diagnostics.identification(
            family, theta, solution.at_bound[i], cov
        )
    constants = {k: float(v[0]) for k, v in family.constants(theta[None]).items()}
    lost = [
        k
        for k, v in constants.items()
        if not np.isfinite(v) or (v <= 0 and k != "E" and k not in family.signed)
    ]
    if lost:
        raise FitError(
            f"the best {', '.join(lost)} of {family.law.__name__} lies beyond what a number can "
            "hold: the loss hardly depends on the inputs, or falls far more steeply than this law "
            "can; look at the data, or fit another law"
        )
    return Fit(
        law=family.law.from_constants(constants),
        objective=objective,
        objective_value=float(solution.value[i]),
        converged=converged,
        iterations=int(solution.iterations[i]),
        gradient_norm=float(solution.gradient_norm[i]),
        identified=identified,
        standard_errors=errors,
        cautions=tuple(cautions) + tuple(found),
        inputs=inputs,
        loss=loss,
        runs=runs,
        _family=family,
        _theta=theta,
    )


def fit(
    runs: Runs,
    law: str | type[Law] = "chinchilla",
    *,
    objective: str = "huber",
    delta: float = 1e-3,
    residual: str = "log",
    floor: bool = True,
    base: ChinchillaLaw | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Fit:
    """Fit a law of parameters and tokens to a table of runs (Approach 3 of Hoffmann et al.).

    Parameters
    ----------
    runs : Runs
        Or anything `Runs` accepts.
    law : str or a law class, default "chinchilla"
        "chinchilla", "kaplan", "rosenfeld"; "pearce", where params are non-embedding ones;
        "kaplan-steps", a law of size and steps, whose runs have a column ``min_steps``;
        "muennighoff" and "lovelace", laws of repeated data, whose runs have a column
        ``unique_tokens``.
    objective : {"huber", "l1", "lsq"}, default "huber"
    delta : float, default 1e-3
        Width of Huber's quadratic zone, in nats of log loss.
    residual : {"log", "loss"}, default "log"
        Compare logarithms of losses, or losses.
    floor : bool, default True
        False fixes E = 0, for runs whose loss is the excess over a floor that is known. Kaplan's
        laws have no floor either way.
    base : ChinchillaLaw, optional
        The law of fresh data that a law of repeated data rests on; it is held. Without it,
        Muennighoff's law takes the one fitted to the runs that repeat nothing, as its authors
        fitted theirs beforehand, and Lovelace's is fitted as a whole. Those runs should include
        none whose model is larger than its tokens can feed: Muennighoff's law lowers the worth
        of such parameters even on fresh data, and the law of fresh data does not.
    fixed : mapping of str to float, optional
        Constants that are held: ``guess`` of Rosenfeld's law, ``omega`` of Pearce & Song's,
        ``delta``, ``kappa`` or both of Lovelace's. With both, and a base, its one free constant
        is P.

    Returns
    -------
    Fit
        From several starts found on a grid, without being given a start; the same call always
        gives the same numbers.

    Raises
    ------
    RunDataError
        The table is not usable.
    FitError
        Fewer runs than constants need, all params (or tokens) equal, constants beyond what a
        number can hold, or an unknown option.

    Examples
    --------
    >>> from scalinglaws.laws import ChinchillaLaw
    >>> import numpy as np
    >>> truth = ChinchillaLaw(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
    >>> sizes, tokens = np.geomspace(1e8, 1e10, 6), np.geomspace(1e9, 1e11, 6)
    >>> n, d = (v.ravel() for v in np.meshgrid(sizes, tokens))
    >>> result = fit(Runs.from_arrays(n, d, truth.predict(n, d)))
    >>> result.converged, round(result.law.alpha, 6)
    (True, 0.35)
    """
    runs = runs if isinstance(runs, Runs) else Runs(runs)
    goal = Objective(objective, delta, residual)
    kind = law_class(law, SURFACES)
    params, tokens, loss = runs.params, runs.tokens, runs.loss
    if kind in (MuennighoffLaw, LovelaceLaw):
        return _fit_repeated(runs, kind, goal, floor, base, held(kind, fixed))
    if base is not None:
        raise FitError(f"{kind.__name__} does not rest on a base law")
    fixed = held(kind, fixed)
    diagnostics.require_enough(len(runs), constants_to_fit(kind, floor, fixed))
    steps = _steps(runs) if kind is KaplanStepsLaw else None
    if kind is not KaplanDataLaw:
        diagnostics.require_spread(params, "params", 2 if kind is KaplanSizeLaw else 3)
    if steps is not None:
        diagnostics.require_spread(steps, "min_steps", 3)
    elif kind is not KaplanSizeLaw:
        diagnostics.require_spread(tokens, "tokens", 2 if kind is KaplanDataLaw else 3)
    cautions = list(runs.cautions)
    if steps is not None:
        inputs = {"params": params, "min_steps": steps}
        cautions += diagnostics.design_cautions(params, steps, loss, second="min_steps")
    elif kind is KaplanSizeLaw:
        inputs = {"params": params}
        cautions += diagnostics.curve_cautions(params, loss)
    elif kind is KaplanDataLaw:
        inputs = {"tokens": tokens}
        cautions += diagnostics.curve_cautions(tokens, loss)
    else:
        inputs = {"params": params, "tokens": tokens}
        cautions += diagnostics.design_cautions(params, tokens, loss)
    family = surface_family(kind, params, tokens, loss, floor=floor, fixed=fixed, steps=steps)
    return _run_fit(family, goal, inputs, loss, runs, cautions)


def _steps(runs: Runs) -> np.ndarray:
    if "min_steps" not in runs.columns:
        raise RunDataError(
            "Kaplan's law of size and steps needs a column 'min_steps', the steps that each run "
            "would take with a very large batch (CriticalBatchLaw.min_steps); the table has "
            f"{list(runs.columns)}",
            column="min_steps",
        )
    return curve_column(runs["min_steps"], "min_steps")


def _fit_repeated(runs, kind, goal, floor, base, fixed) -> Fit:
    """Fit a law of repeated data; see `fit`."""
    if "unique_tokens" not in runs.columns:
        raise RunDataError(
            f"{kind.__name__} needs a column 'unique_tokens': how many of the tokens of each run "
            f"were different; the table has {list(runs.columns)}",
            column="unique_tokens",
        )
    unique = curve_column(runs["unique_tokens"], "unique_tokens")
    _check_base(kind, base, floor)
    fresh = runs.tokens <= unique * (1 + 1e-9)
    if fresh.all():
        raise FitError("no run repeats its data, so nothing can be learned about repetition")
    cautions = list(runs.cautions)
    if kind is MuennighoffLaw and base is None:
        if fresh.sum() < 6:
            raise FitError(
                f"{int(fresh.sum())} of {len(runs)} runs repeat nothing, too few for a law of "
                "fresh data; give one as base=, fitted elsewhere"
            )
        options = {"objective": goal.name, "delta": goal.delta, "residual": goal.residual}
        before = fit(runs.where(fresh), "chinchilla", floor=floor, **options)
        if not before.converged:
            raise FitError("the law of the fresh runs did not converge; give one as base=")
        base = before.law
        cautions += [Caution(c.code, f"in the law of fresh data: {c}") for c in before.cautions]
    if base is not None:
        text = "the law of fresh data is held, so intervals do not include its uncertainty"
        cautions.append(Caution("base-held", text))
    family = repeated_family(kind, base, fixed, runs.params, runs.tokens, unique, runs.loss)
    diagnostics.require_enough(len(runs), family.problem.p)
    if kind is MuennighoffLaw:
        cautions += diagnostics.design_cautions(runs.params, runs.tokens, runs.loss)
        for name in family.unseen:
            text = f"no run shows anything of {name}; it is held where nothing decays"
            cautions.append(Caution("not-identified", text))
    inputs = {"params": runs.params, "tokens": runs.tokens, "unique_tokens": unique}
    result = _run_fit(family, goal, inputs, runs.loss, runs, cautions)
    unseen = dict.fromkeys(getattr(family, "unseen", ()), False)
    return replace(result, identified=result.identified | unseen)


def _check_base(kind, base, floor) -> None:
    """Refuse a base that no law of repeated data can rest on."""
    if base is not None and not isinstance(base, ChinchillaLaw):
        raise FitError(f"base must be a ChinchillaLaw, got {base!r}")
    if kind is LovelaceLaw and base is None and not floor:
        raise FitError("Lovelace's law without a floor needs a base law with E = 0")


def curve_column(values, name: str) -> np.ndarray:
    """Positive, finite numbers in one dimension, as an array of their own.

    Raises
    ------
    RunDataError
        They are anything else.
    """
    try:
        values = np.atleast_1d(np.array(values, dtype=np.float64))
    except (TypeError, ValueError) as err:
        raise RunDataError(f"{name} must be numbers ({err})", column=name) from err
    if values.ndim != 1:
        raise RunDataError(f"{name} must have one dimension, got {values.shape}", column=name)
    bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
    if len(bad):
        raise RunDataError(
            f"{name} must be positive and finite; position {bad[0]} holds {values[bad[0]]}",
            column=name,
            rows=bad.tolist(),
        )
    values.flags.writeable = False
    return values


def curve_columns(x, loss) -> tuple[np.ndarray, np.ndarray]:
    """Checked x and loss of equal length; RunDataError if they are not."""
    x, loss = curve_column(x, "x"), curve_column(loss, "loss")
    if len(x) != len(loss):
        raise RunDataError(f"x has {len(x)} values and loss {len(loss)}; they must match")
    return x, loss


def fit_curve(
    x,
    loss,
    law: str | type[Law] = "power",
    *,
    objective: str = "huber",
    delta: float = 1e-3,
    residual: str = "log",
    floor: bool = True,
    fixed: Mapping[str, float] | None = None,
) -> Fit:
    """Fit a law of one variable, such as L(x) = E + A x^(-alpha).

    Parameters
    ----------
    x : array_like, shape (n,)
        Parameters, tokens or FLOPs; positive.
    loss : array_like, shape (n,)
        Nats per token; positive.
    law : str or a law class, default "power"
        "power", "exponential", "logarithmic"; "hestness", a power law that sets out from a best
        guess; "broken", with one break; and two without a floor whose ``loss`` is something else:
        "critical-batch" (x a loss, the values batch sizes) and "model-size" (x samples, the values
        parameters).
    objective, delta, residual
        As for `fit`.
    floor : bool, default True
        False fixes E = 0 (a straight line on log-log axes).
    fixed : mapping of str to float, optional
        ``guess`` of Hestness's law, held where the best guess is known: ln(classes), for instance.

    Returns
    -------
    Fit

    Raises
    ------
    RunDataError
        Values that are not positive numbers, or arrays of different length.
    FitError
        Fewer points than constants need, or all x equal.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.geomspace(1e3, 1e7, 20)
    >>> result = fit_curve(x, 1.5 + 30 * x**-0.4)
    >>> result.law
    PowerLaw(E=1.5, A=30, alpha=0.4)
    """
    x, loss = curve_columns(x, loss)
    goal = Objective(objective, delta, residual)
    kind = law_class(law, CURVES)
    fixed = held(kind, fixed)
    count = constants_to_fit(kind, floor, fixed)
    diagnostics.require_enough(len(x), count)
    diagnostics.require_spread(x, "x", count)
    family = curve_family(kind, x, loss, floor=floor, fixed=fixed)
    cautions = diagnostics.curve_cautions(x, loss, rises=kind is HestnessSizeLaw)
    return _run_fit(family, goal, {"x": x}, loss, None, cautions)
