"""What to distrust about a fit, said in words: each finding is a `Caution` on the result."""

from __future__ import annotations

import numpy as np

from scalinglaws.errors import Caution, FitError
from scalinglaws.fitting.families import Family
from scalinglaws.laws.base import positive

FEW_RUNS = 20
# Beyond these an asymptotic standard error says "the data hardly constrain this".
UNIDENTIFIED_EXPONENT = 0.5  # standard error / value
UNIDENTIFIED_COEFFICIENT = 1.5  # standard error of the logarithm: a factor of about 4.5
COEFFICIENTS = ("A", "B", "Nc", "Dc", "Sc", "Cc", "B_star", "k", "eta", "omega", "d1", "f1")


def require_enough(n: int, p: int) -> None:
    """Refuse fewer runs than can determine ``p`` constants."""
    if n <= p:
        raise FitError(
            f"{n} runs cannot determine {p} constants; give at least {p + 1} runs, better "
            f"{5 * p} or more"
        )


def require_spread(values: np.ndarray, name: str, needed: int) -> None:
    """Refuse an input that takes too few different values.

    Raises
    ------
    FitError
        All values equal, or fewer than ``needed`` different ones: with two sizes, any floor can be
        traded for an exponent.
    """
    logs = np.sort(np.log(values))
    different = 1 + int((np.diff(logs) > 1e-9).sum())
    if different == 1:
        raise FitError(
            f"every run has the same {name} ({values[0]:.4g}), so nothing can be learned about how "
            f"loss depends on it; vary {name}, or fit a curve in the other variable with fit_curve"
        )
    if different < needed:
        raise FitError(
            f"{name} takes only {different} different values; a floor and a power law need at "
            f"least {needed} to be told apart"
        )


def _slopes(columns: list[np.ndarray], y: np.ndarray):
    """Least-squares slopes of y with their standard errors, or None if collinear."""
    # Centred, and with few columns: the normal equations are accurate, and cheap for many runs.
    x = np.stack([c - c.mean() for c in columns])
    y = y - y.mean()
    gram = x @ x.T
    if np.linalg.matrix_rank(gram, hermitian=True) < len(gram):
        return None
    slopes = np.linalg.solve(gram, x @ y)
    r = y - slopes @ x
    s2 = float(r @ r) / max(len(y) - len(gram) - 1, 1)
    return slopes, np.sqrt(s2 * np.diag(np.linalg.inv(gram)))


def design_cautions(
    params: np.ndarray, tokens: np.ndarray, loss: np.ndarray, second: str = "tokens"
) -> list[Caution]:
    """What the choice of runs alone makes doubtful."""
    n, d = np.log(params), np.log(tokens)
    cautions = []
    correlation = float(np.corrcoef(n, d)[0, 1])
    if (n + d).std() < 0.02 * min(n.std(), d.std()) or (n + d).std() < 0.01:
        cautions.append(
            Caution(
                "single-budget",
                "all runs share one compute budget, so more parameters always means fewer tokens: "
                "the two terms, and the floor, can hardly be told apart. Add other budgets.",
            )
        )
    elif abs(correlation) > 0.999:
        cautions.append(
            Caution(
                "collinear-design",
                f"params and tokens rise and fall together (correlation of their logs "
                f"{correlation:.4f}): only their joint effect is measured, not alpha and beta "
                "apart. Vary one at fixed other.",
            )
        )
    else:
        slopes = _slopes([n, d], np.log(loss))
        if slopes is not None:
            for name, value, error in zip(("params", second), *slopes, strict=True):
                if value > 2 * error and value > 0:
                    cautions.append(
                        Caution(
                            f"loss-rises-with-{name}",
                            f"loss rises with {name} in these runs (slope of ln loss "
                            f"{value:+.3g} ± {error:.2g}); this law cannot rise. Check the "
                            "columns, and for runs that diverged, over-fitted or were badly tuned.",
                        )
                    )
    for name, logs in (("params", n), (second, d)):
        span = float(np.exp(np.ptp(logs)))
        if span < 10:
            cautions.append(
                Caution(
                    "narrow-range",
                    f"{name} span only a factor of {span:.3g}; an exponent and a floor need one to "
                    "two orders of magnitude to be told apart",
                )
            )
    if len(loss) < FEW_RUNS:
        cautions.append(
            Caution(
                "few-runs",
                f"{len(loss)} runs: intervals this small a sample gives are wide and only roughly "
                "calibrated",
            )
        )
    return cautions


def curve_cautions(x: np.ndarray, loss: np.ndarray, rises: bool = False) -> list[Caution]:
    """What the choice of points makes doubtful, for laws of one variable."""
    cautions = []
    slopes = None if rises else _slopes([np.log(x)], np.log(loss))
    if slopes is not None and slopes[0][0] > 2 * slopes[1][0] and slopes[0][0] > 0:
        cautions.append(
            Caution("loss-rises-with-x", "loss rises with x in these points; this law cannot rise")
        )
    span = float(x.max() / x.min())
    if span < 10:
        cautions.append(
            Caution(
                "narrow-range",
                f"x spans only a factor of {span:.3g}; an exponent and a floor need one to two "
                "orders of magnitude to be told apart",
            )
        )
    return cautions


def identification(
    family: Family, theta: np.ndarray, at_bound: np.ndarray, cov: np.ndarray
) -> tuple[dict[str, bool], dict[str, float], list[Caution]]:
    """Which constants the data determine, and their asymptotic standard errors."""
    values = {k: float(v[0]) for k, v in family.constants(theta[None]).items()}
    # Constants are smooth functions of theta: the delta method with central differences.
    h = 1e-5
    p = len(theta)
    shifted = np.concatenate([theta + h * np.eye(p), theta - h * np.eye(p)])
    moved = family.constants(shifted)
    identified, errors, cautions = {}, {}, []
    bounds = [n for n, b in zip(family.problem.names, at_bound, strict=True) if b]
    for name, value in values.items():
        gradient = (moved[name][:p] - moved[name][p:]) / (2 * h)
        with np.errstate(over="ignore", invalid="ignore"):
            variance = float(gradient @ cov @ gradient)
        error = float(np.sqrt(max(variance, 0.0))) if np.isfinite(variance) else float("inf")
        errors[name] = error
        size = abs(value) if value else 1e-300
        coefficient = name in COEFFICIENTS
        limit = UNIDENTIFIED_COEFFICIENT if coefficient else UNIDENTIFIED_EXPONENT
        touched = gradient[at_bound] if at_bound.any() else np.zeros(0)
        on_bound = bool((np.abs(touched) > 1e-9 * size).any())
        fixed = name == "E" and not np.abs(gradient).any()  # a law without a floor
        identified[name] = bool(fixed or (error / size < limit and not on_bound))
    if bounds:
        cautions.append(
            Caution(
                "at-bound",
                f"{', '.join(bounds)} ended on the edge of what the fitter allows: the data hold "
                "no sign of that term, or of that constant's value",
            )
        )
    lost = [n for n, ok in identified.items() if not ok]
    if lost:
        cautions.append(
            Caution(
                "not-identified",
                f"the data do not determine {', '.join(lost)}: other values fit almost as well. "
                "Use what the fit predicts inside the range of the data, not these constants.",
            )
        )
    return identified, errors, cautions


def extrapolation(ranges: dict[str, tuple[float, float]], **inputs) -> list[Caution]:
    """Say how far outside the data a prediction lies.

    Parameters
    ----------
    ranges : dict of str to (low, high)
        What the fitted runs cover.
    **inputs : array_like
        Where the prediction is asked for, by the same names; positive.

    Raises
    ------
    BudgetError
        An input that is not positive and finite.
    """
    cautions = []
    for name, values in inputs.items():
        low, high = ranges[name]
        values = np.atleast_1d(positive(name, values))
        if not values.size:
            continue
        over, under = float(values.max() / high), float(low / values.min())
        for factor, side in ((over, "above the largest"), (under, "below the smallest")):
            if factor > 1 + 1e-9:
                cautions.append(
                    Caution(
                        "extrapolation",
                        f"{name} is {factor:.3g} times {side} in the data; the interval assumes "
                        "that the law holds that far",
                    )
                )
    return cautions
