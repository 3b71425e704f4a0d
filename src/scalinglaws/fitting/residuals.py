"""What the residuals of a fit give away, said in words: each finding is a `Caution`."""

from __future__ import annotations

import numpy as np

from scalinglaws.errors import Caution, FitError

FAR_OUT = 6.0  # robust standard deviations from the law
COARSE = 0.5  # scatter that rounding alone makes, as a share of the scatter there is
NEIGHBOURS = 4  # of a run, nearest in the logarithms of its inputs
SHUFFLES = 499
TELLING_Z = 4.0  # neighbours that agree this much more than shuffled ones do
MOST_EXAMINED = 1_000  # runs compared with each other; more are thinned out
EXACT = 1e-9  # residuals below this are arithmetic, not scatter


def examine(fit, **others) -> tuple[Caution, ...]:
    """What the residuals of a fit give away: a wrong law, runs far off, losses rounded too far.

    A fit carries the cautions that its design and its constants call for. This looks at what the
    fit leaves over, and takes a moment longer.

    Parameters
    ----------
    fit : Fit
        Or anything with ``residuals``, ``loss`` and ``objective``, and ``inputs``, a mapping of
        names to positive arrays of shape (n,); ``constants`` where it has them.
    **others : array_like, shape (n,)
        Numbers that differ between the runs and that the law does not know, such as the share of
        the learning-rate schedule that was done, the seed, or a number for the laboratory.

    Returns
    -------
    tuple of Caution
        Empty when nothing is found. ``"patterned-residuals"``: runs that lie near each other miss
        the law on the same side. ``"depends-on-..."``: so do runs that are alike in one of the
        others. ``"outliers"``: runs many robust standard deviations away. ``"coarse-loss"``: the
        digits given for the loss make up much of the scatter.

    Raises
    ------
    FitError
        A further column that is not one finite number for each run.

    Notes
    -----
    The pattern is the mean product of each run's residual (its rank) with those of its nearest
    runs in the logarithms of the inputs, Moran's I; shuffled residuals say how large it is by
    chance. It sees any smooth misfit, but not one that the constants of the law can absorb. Rows
    that repeat an earlier row are left out, for they agree with it in any case.

    Examples
    --------
    >>> from scalinglaws.fitting import fit_curve
    >>> x = np.geomspace(1e6, 1e10, 40)
    >>> loss = (1.8 + 400 * x**-0.34) * np.exp(0.003 * np.random.default_rng(1).normal(size=40))
    >>> [caution.code for caution in examine(fit_curve(x, loss))]
    []
    >>> [caution.code for caution in examine(fit_curve(x, loss, floor=False))]
    ['patterned-residuals']
    """
    loss = np.asarray(fit.loss, float)
    r = np.asarray(fit.residuals, float)
    if fit.objective.residual == "loss":
        r = r / loss  # about the residual of the log loss
    columns = [np.log(np.asarray(values, float)) for values in fit.inputs.values()]
    rows = np.unique(np.column_stack([*columns, loss]), axis=0, return_index=True)[1]
    rows = np.sort(rows)
    centre = float(np.median(r[rows]))
    # As many residuals as there are constants can be made small at will; without them.
    spent = min(len(getattr(fit, "constants", ())), len(rows) // 2)
    scatter = 1.4826 * float(np.median(np.sort(np.abs(r[rows] - centre))[spent:]))
    if len(rows) <= NEIGHBOURS + 1 or scatter < EXACT:
        return ()
    found = [
        _outliers(np.abs(r - centre) / scatter),
        _coarse(loss, scatter),
        _pattern([c[rows] for c in columns], r[rows]),
        *(_dependence(name, _other(name, v, len(r))[rows], r[rows]) for name, v in others.items()),
    ]
    return tuple(caution for caution in found if caution)


def _outliers(distance: np.ndarray) -> Caution | None:
    rows = np.flatnonzero(distance > FAR_OUT)
    if not len(rows):
        return None
    worst = rows[np.argsort(-distance[rows], kind="stable")]
    named = ", ".join(map(str, worst[:5])) + (", ..." if len(worst) > 5 else "")
    return Caution(
        "outliers",
        f"{len(rows)} of {len(distance)} runs lie more than {FAR_OUT:g} robust standard "
        f"deviations from the law, the farthest first: {named} (counted from 0). Find out why "
        "before you keep them or leave them out.",
    )


def _coarse(loss: np.ndarray, scatter: float) -> Caution | None:
    for decimals in range(7):
        if np.allclose(loss, np.round(loss, decimals), rtol=0, atol=1e-9):
            break
    else:
        return None
    share = 10.0**-decimals / np.sqrt(12.0) / float(np.median(loss)) / scatter
    if share < COARSE:
        return None
    given = f"{decimals} decimal{'' if decimals == 1 else 's'}"
    return Caution(
        "coarse-loss",
        f"losses are given to {given}; rounding alone makes a scatter {share:.2g} times that "
        "around the law. Get more digits.",
    )


def _other(name: str, values, n: int) -> np.ndarray:
    """A further column as numbers, or FitError."""
    try:
        column = np.asarray(values, float)
    except (TypeError, ValueError) as err:
        raise FitError(f"{name} must be numbers, one for each run: {err}") from err
    if column.shape != (n,) or not np.isfinite(column).all():
        raise FitError(f"{name} must be {n} finite numbers, one for each run")
    return column


def _dependence(name: str, column: np.ndarray, r: np.ndarray) -> Caution | None:
    agreement, z = neighbour_agreement([column], r)
    if z < TELLING_Z:
        return None
    return Caution(
        f"depends-on-{name}",
        f"runs alike in {name} miss the law on the same side (agreement {agreement:.2g}, {z:.2g} "
        "standard deviations beyond chance), and the law does not know it. Plot the residuals "
        "against it; fit only runs that are alike in it.",
    )


def _pattern(columns: list[np.ndarray], r: np.ndarray) -> Caution | None:
    agreement, z = neighbour_agreement(columns, r)
    if z < TELLING_Z:
        return None
    return Caution(
        "patterned-residuals",
        f"runs near each other miss the law on the same side (agreement {agreement:.2g}, "
        f"{z:.2g} standard deviations beyond chance): the law bends away from the runs, or they "
        "differ in something that it does not know. Plot the residuals against each column.",
    )


def neighbour_agreement(columns: list[np.ndarray], r: np.ndarray) -> tuple[float, float]:
    """How far residuals agree with those of the nearest runs, and its z-score among shuffled ones.

    Parameters
    ----------
    columns : list of ndarray, shape (n,)
        Where the runs lie, each column on a scale of its own.
    r : ndarray, shape (n,)

    Returns
    -------
    agreement : float
        Mean product of standardised ranks: near 1 if neighbours agree, near 0 by chance.
    z : float
    """
    rng = np.random.default_rng(0)
    keep = np.unique(np.linspace(0, len(r) - 1, min(len(r), MOST_EXAMINED)).astype(int))
    columns, r = [c[keep] for c in columns], r[keep]
    place = np.stack([(c - c.mean()) / (c.std() or 1.0) for c in columns], axis=1)
    place = place + 1e-6 * rng.standard_normal(place.shape)  # among equals, neighbours by lot
    gap = ((place[:, None] - place[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(gap, np.inf)
    nearest = np.argsort(gap, axis=1, kind="stable")[:, :NEIGHBOURS]
    # Ranks, so that one far run does not decide.
    ranks = np.argsort(np.argsort(r, kind="stable"), kind="stable").astype(float)
    ranks = (ranks - ranks.mean()) / ranks.std()
    shuffled = rng.permuted(np.tile(ranks, (SHUFFLES, 1)), axis=1)
    every = np.concatenate([ranks[None], shuffled])
    agreement = sum((every * every[:, near]).mean(axis=1) for near in nearest.T) / NEIGHBOURS
    chance = agreement[1:]
    return float(agreement[0]), float((agreement[0] - chance.mean()) / chance.std())
