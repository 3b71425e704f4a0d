r"""Laws in the form the solver works on.

Every law fitted here can be written as

.. math:: \ln L = s \cdot \mathrm{LSE}_k(z_k), \qquad z_k = c_k + \Phi_k\,\theta

with LSE the log of a sum of exponentials: one term z_k for the floor, the model term, the data
term. Each z_k is linear in the internal constants theta (logarithms of coefficients, and
exponents), so first and second derivatives are short, and stable for any magnitude. The outer
factor s is 1, except in Kaplan's joint law, where it is the exponent alpha_D.

Inputs are centred: coefficients are the terms' logs at the geometric mean of N and D, not at
N = D = 1, which lies some twenty e-folds outside the data and would make A and alpha nearly
collinear.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from scalinglaws.laws import (
    ExponentialLaw,
    KaplanLaw,
    KaplanStepsLaw,
    Law,
    LogarithmicLaw,
)

EXPONENT = (1e-3, 4.0)  # limits of every fitted exponent
TINY_TERM = -16.0  # a term this many e-folds below the smallest loss has vanished
MOST_START_ROWS = 2_000  # starting values need no more rows than this


@dataclass(frozen=True)
class Term:
    """One z_k: a constant column plus entries (index into theta, column or None for ones)."""

    entries: tuple[tuple[int, np.ndarray | None], ...]
    offset: np.ndarray | float = 0.0


@dataclass
class Problem:
    """A law family bound to data.

    Attributes
    ----------
    names : tuple of str
        Internal constants, in the order of theta.
    terms : list of Term
    log_loss : ndarray, shape (n,)
    low, high : ndarray, shape (p,)
        Box that theta is kept in.
    scale_index : int or None
        Index in theta of the outer factor s, None for s = 1.
    """

    names: tuple[str, ...]
    terms: list[Term]
    log_loss: np.ndarray
    low: np.ndarray
    high: np.ndarray
    scale_index: int | None = None
    pairs: list = field(init=False)
    pair_columns: list = field(init=False)
    tame: bool = field(init=False)

    def __post_init__(self):
        # Inside the box no term can overflow or vanish: exponentials need no rescaling.
        reach = np.maximum(np.abs(self.low), np.abs(self.high))
        self.tame = all(
            np.max(np.abs(term.offset))
            + sum(reach[j] * (1.0 if u is None else np.abs(u).max()) for j, u in term.entries)
            < 600.0
            for term in self.terms
        )
        # Products of feature columns, needed for second derivatives; computed once.
        n = len(self.log_loss)
        self.pairs, self.pair_columns = [], []
        for term in self.terms:
            index, columns = [], []
            for i, (p, u) in enumerate(term.entries):
                for q, v in term.entries[i:]:
                    index.append((p, q))
                    u1 = np.ones(n) if u is None else u
                    columns.append(u1 if v is None else u1 * v)
            self.pairs.append(index)
            columns = np.stack(columns, axis=1) if columns else np.empty((n, 0))
            self.pair_columns.append(np.ascontiguousarray(columns))

    @property
    def p(self) -> int:
        return len(self.names)

    def log_predict(self, theta: np.ndarray) -> np.ndarray:
        """ln L for theta of shape (S, p): shape (S, n)."""
        return self.parts(theta)[0]

    def parts(self, theta: np.ndarray):
        """(ln L, weights w_k of the terms, LSE), shapes (S, n), K × (S, n), (S, n)."""
        z = [self._term(term, theta) for term in self.terms]
        shape = (len(theta), len(self.log_loss))
        if len(z) == 1:
            lse = np.array(np.broadcast_to(z[0], shape))
            weights = [np.ones(shape)]
        else:
            top = 0.0 if self.tame else reduce(np.maximum, z)
            exps = [np.exp(zk if self.tame else zk - top) for zk in z]
            total = sum(exps[1:], exps[0])
            lse = np.log(total)
            lse += top
            weights = [e / total for e in exps]
        if self.scale_index is None:
            return lse, weights, lse
        return theta[:, self.scale_index, None] * lse, weights, lse

    @staticmethod
    def _term(term: Term, theta: np.ndarray) -> np.ndarray:
        """z_k, shape (S, n), or (S, 1) where it is the same for all runs."""
        z = None if term.entries else np.zeros((len(theta), 1))
        for j, column in term.entries:
            part = theta[:, j, None] if column is None else theta[:, j, None] * column
            z = part if z is None else z + part
        return z if isinstance(term.offset, float) and term.offset == 0.0 else z + term.offset

    def jacobian(self, theta: np.ndarray, weights, lse) -> np.ndarray:
        """d ln L / d theta, shape (S, p, n)."""
        # Each constant enters one term only, so each row is written once.
        out = np.empty((len(theta), self.p, len(self.log_loss)))
        for term, w in zip(self.terms, weights, strict=True):
            for j, column in term.entries:
                if column is None:
                    out[:, j] = w
                else:
                    np.multiply(w, column, out=out[:, j])
        if self.scale_index is not None:
            out[:, : self.scale_index] *= theta[:, self.scale_index, None, None]
            out[:, self.scale_index] = lse
        return out

    def curvature(self, theta, weights, jac, c) -> np.ndarray:
        """Sum over runs of c_i (d² ln L_i + J_i J_i'), shape (S, p, p).

        The second derivative of a log-sum-exp is sum_k w_k phi_k phi_k' - J J'. The caller adds
        the last part, for it multiplies J J' by other weights too.
        """
        out = np.zeros((len(theta), self.p, self.p))
        s = 1.0 if self.scale_index is None else theta[:, self.scale_index, None]
        cs = c if self.scale_index is None else c * s
        for index, columns, w in zip(self.pairs, self.pair_columns, weights, strict=True):
            sums = (cs * w) @ columns
            for k, (p, q) in enumerate(index):
                out[:, p, q] = sums[:, k]
                if p != q:
                    out[:, q, p] = sums[:, k]
        if self.scale_index is None:
            return out
        t = self.scale_index
        inner = jac / s[:, :, None]  # derivative of LSE itself
        inner[:, t] = 0.0
        out -= (inner * cs[:, None]) @ inner.transpose(0, 2, 1)
        cross = (inner * c[:, None]).sum(axis=-1)
        out[:, t, :] += cross
        out[:, :, t] += cross
        return out + (jac * c[:, None]) @ jac.transpose(0, 2, 1)


def _sample_rows(n: int) -> np.ndarray:
    """Evenly spread rows for computing starting values, so that their cost does not grow with n."""
    return np.unique(np.linspace(0, n - 1, min(n, MOST_START_ROWS)).astype(int))


def _nonnegative_fits(grams: np.ndarray, rights: np.ndarray, total: float):
    """Non-negative least squares for many tiny systems at once, by trying every support.

    Parameters
    ----------
    grams : ndarray, shape (m, k, k)
    rights : ndarray, shape (m, k)
    total : float
        Sum of squares of the target.

    Returns
    -------
    coefficients : ndarray, shape (m, k)
    errors : ndarray, shape (m,)
        Residual sum of squares.
    """
    m, k = rights.shape
    best = np.zeros((m, k))
    error = np.full(m, float(total))
    rows = np.arange(m)
    # From the full support down: where it gives positive coefficients it is the answer, and only
    # the other systems need the smaller supports.
    for support in range(2**k - 1, 0, -1):
        idx = [j for j in range(k) if support >> j & 1]
        full = len(idx) == k
        g, h = (grams, rights) if full else (grams[rows][:, idx][:, :, idx], rights[rows][:, idx])
        scale = np.sqrt(np.einsum("mii->mi", g)) + 1e-300
        g = g / scale[:, :, None] / scale[:, None, :]
        g += 1e-13 * np.eye(len(idx))
        x = np.linalg.solve(g, (h / scale)[..., None])[..., 0] / scale
        err = total - (x * h).sum(axis=1)
        positive = (x > 0).all(axis=1)
        better = positive & (err < error[rows])
        found = rows[better]
        error[found] = err[better]
        best[found] = 0.0
        best[found[:, None], idx] = x[better]
        if full:
            rows = rows[~positive]
            if not len(rows):
                break
    return best, error


def _grid_minima(error: np.ndarray, most: int) -> list[tuple[int, ...]]:
    """Indices of the local minima of a grid, lowest first."""
    low = np.ones(error.shape, bool)
    for axis in range(error.ndim):
        for shift in (1, -1):
            moved = np.roll(error, shift, axis)
            edge = [slice(None)] * error.ndim
            edge[axis] = 0 if shift == 1 else -1
            moved[tuple(edge)] = np.inf
            low &= error <= moved
    found = np.argwhere(low)
    order = np.argsort(error[low], kind="stable")
    return [tuple(found[i]) for i in order[:most]]


def _log_floor(coefficients: np.ndarray, floor: float) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(coefficients), floor)


class Family:
    """How one law is fitted: its problem, its starting values, and the way back to the law."""

    law: type[Law]
    variables: tuple[str, ...]  # what the law is a function of
    n_starts = 4
    warm = False  # whether each start is to end in the minimum next to it
    signed: tuple[str, ...] = ()  # constants that may be negative

    def constants(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Constants of the law for theta of shape (S, p)."""
        raise NotImplementedError

    def theta(self, law: Law) -> np.ndarray:
        """Internal constants of a law, shape (p,)."""
        raise NotImplementedError

    def more_starts(self) -> np.ndarray | None:
        """Starts for a second round, if the first ended badly; None if there are no others."""
        return None

    def rescan(self, objective, weights: np.ndarray) -> np.ndarray | None:
        """A start for each resample, shape (S, p), for objectives with many minima; or None."""
        return None

    def handle(self, name: str):
        """How a constant sits in theta: (family, index, to internal, to constant), or None.

        A profile holds one constant fixed, so the constant must be one internal constant, up to a
        monotone map, in some version of the family.
        """
        return None

    def to_law(self, theta: np.ndarray) -> Law:
        values = self.constants(np.asarray(theta)[None])
        return self.law.from_constants({k: float(v[0]) for k, v in values.items()})


class AdditiveFamily(Family):
    """E + sum_k A_k x_k^(-alpha_k): Chinchilla's law (two inputs) and the power law (one)."""

    def __init__(
        self,
        law: type[Law],
        inputs: Sequence[np.ndarray],
        loss: np.ndarray,
        coefficients: tuple[str, ...],
        exponents: tuple[str, ...],
        floor: bool = True,
        centred: bool = True,
    ):
        self.law, self.coefficients, self.exponents = law, coefficients, exponents
        self.floor = floor
        self._arguments = (law, inputs, loss, coefficients, exponents, floor)
        logs = [np.log(x) for x in inputs]
        self.centres = [float(u.mean()) if centred else 0.0 for u in logs]
        self.columns = [
            c - u for u, c in zip(logs, self.centres, strict=True)
        ]  # minus ln x, centred
        log_loss = np.log(loss)
        k = len(inputs)
        first = 1 if floor else 0
        names = (("ln E",) if floor else ()) + tuple(f"ln {c}" for c in coefficients)
        names += tuple(exponents)
        terms = [Term(((0, None),))] if floor else []
        for i, column in enumerate(self.columns):
            terms.append(Term(((first + i, None), (first + k + i, column))))
        low = [log_loss.min() + TINY_TERM] * (first + k) + [EXPONENT[0]] * k
        high = [log_loss.max() + 3.0] * (first + k) + [EXPONENT[1]] * k
        if not centred:  # the coefficient at N = D = 1 can be anything
            low[first : first + k], high[first : first + k] = [-300.0] * k, [300.0] * k
        self.problem = Problem(names, terms, log_loss, np.array(low), np.array(high))

    def handle(self, name):
        if name == "E" and self.floor:
            return self, 0, np.log, np.exp
        first, k = (1 if self.floor else 0), len(self.columns)
        if name in self.exponents:
            return self, first + k + self.exponents.index(name), float, float
        if name in self.coefficients:
            plain = AdditiveFamily(*self._arguments, centred=False)
            return plain, first + self.coefficients.index(name), np.log, np.exp
        return None

    def starts(self) -> np.ndarray:
        """Starting values from a grid over the exponents, each point solved linearly.

        Each local minimum of the grid is a start. The lowest is also zoomed into: between the
        points of the first grid a term much smaller than the others would not be seen at all.
        """
        size = 12 if len(self.columns) == 2 else 96
        grids = [np.geomspace(0.02, 2.0, size)] * len(self.columns)
        coefficients, error = self._scan(grids)
        found = [
            (coefficients[index], [g[k] for g, k in zip(grids, index, strict=True)])
            for index in _grid_minima(error, self.n_starts)
        ]
        for _ in range(3):
            best = np.unravel_index(int(np.argmin(error)), error.shape)
            if any(not 0 < k < len(g) - 1 for g, k in zip(grids, best, strict=True)):
                break
            grids = [np.geomspace(g[k - 1], g[k + 1], 9) for g, k in zip(grids, best, strict=True)]
            coefficients, error = self._scan(grids)
        best = np.unravel_index(int(np.argmin(error)), error.shape)
        zoomed = (coefficients[best], [g[k] for g, k in zip(grids, best, strict=True)])
        # A term can be left out by mistake. Starting it at nothing, where its gradient vanishes,
        # would leave it there; nor does its exponent mean anything then.
        least = self.problem.log_loss.min() - 12.0
        starts = []
        for values, exponents in [zoomed, *found[1:]]:  # the first is what was zoomed into
            values = np.asarray(values)
            logs = np.where(values > 0, _log_floor(values, least), least + 9.0)
            terms = values[len(values) - len(exponents) :]
            starts.append([*logs, *np.where(terms > 0, exponents, 0.3)])
        return np.array(list(dict.fromkeys(map(tuple, starts))))

    def _scan(self, grids: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Non-negative coefficients and squared error at every point of a grid of exponents.

        Returns
        -------
        coefficients : ndarray, shape (..., terms)
        error : ndarray, shape (...)
            The leading shape is that of the grid.
        """
        rows = _sample_rows(len(self.problem.log_loss))
        # Divided by the loss, so that an error is relative: to first order, one of the logarithm.
        weight = np.exp(-self.problem.log_loss[rows])
        bases = [
            np.exp(g[:, None] * u[rows]) * weight for g, u in zip(grids, self.columns, strict=True)
        ]
        blocks = ([weight[None]] if self.floor else []) + bases
        shape = tuple(len(g) for g in grids)
        where = list(np.indices(shape).reshape(len(grids), -1))
        m = len(where[0])
        picks = ([np.zeros(m, int)] if self.floor else []) + where
        q = len(blocks)
        grams, rights = np.empty((m, q, q)), np.empty((m, q))
        for i in range(q):
            rights[:, i] = blocks[i].sum(axis=1)[picks[i]]
            for j in range(i, q):
                if i == j:
                    values = (blocks[i] ** 2).sum(axis=1)[picks[i]]
                else:
                    values = (blocks[i] @ blocks[j].T)[picks[i], picks[j]]
                grams[:, i, j] = grams[:, j, i] = values
        coefficients, error = _nonnegative_fits(grams, rights, float(len(rows)))
        return coefficients.reshape(*shape, q), error.reshape(shape)

    def more_starts(self) -> np.ndarray:
        """A wide spread of starts, for when the best of `starts` ended badly."""
        k = len(self.columns)
        mean = float(np.exp(self.problem.log_loss.mean()))
        low = float(np.exp(self.problem.log_loss.min()))
        out = []
        for exponents in itertools.product((0.1, 0.25, 0.5, 1.0), repeat=k):
            for floor in (0.1, 0.6, 0.95) if self.floor else (0.0,):
                coefficients = [np.log((mean - floor * low) / k + 1e-3 * mean)] * k
                first = [np.log(floor * low)] if self.floor else []
                out.append([*first, *coefficients, *exponents])
        return np.array(out)

    def constants(self, theta):
        first, k = (1 if self.floor else 0), len(self.columns)
        out = {"E": np.exp(theta[:, 0]) if self.floor else np.zeros(len(theta))}
        for i, name in enumerate(self.coefficients):
            alpha = theta[:, first + k + i]
            with np.errstate(over="ignore"):
                out[name] = np.exp(theta[:, first + i] + alpha * self.centres[i])
        for i, name in enumerate(self.exponents):
            out[name] = theta[:, first + k + i]
        return {name: out[name] for name in self.law.names()}

    def theta(self, law):
        c = law.constants
        e = [np.log(max(c["E"], 1e-300))] if self.floor else []
        logs = [
            np.log(c[a]) - c[x] * centre
            for a, x, centre in zip(self.coefficients, self.exponents, self.centres, strict=True)
        ]
        return np.clip(
            np.array(e + logs + [c[x] for x in self.exponents]), self.problem.low, self.problem.high
        )


class ExponentialFamily(Family):
    """E + A exp(-rate x)."""

    law = ExponentialLaw

    def __init__(self, x, loss, floor=True):
        self.floor = floor
        # The rate is measured in units of the data's mean x, and A is the term at x = 0.
        self.unit = float(x.mean())
        self.column = -(x / self.unit)
        log_loss = np.log(loss)
        first = 1 if floor else 0
        terms = [Term(((0, None),))] if floor else []
        terms.append(Term(((first, None), (first + 1, self.column))))
        low = [log_loss.min() + TINY_TERM] * (first + 1) + [1e-6]
        high = [log_loss.max() + 3.0] * first + [log_loss.max() + 30.0] + [1e4]
        names = (("ln E",) if floor else ()) + ("ln A", "rate")
        self.problem = Problem(names, terms, log_loss, np.array(low), np.array(high))

    def handle(self, name):
        first = 1 if self.floor else 0
        return {
            "E": (self, 0, np.log, np.exp) if self.floor else None,
            "A": (self, first, np.log, np.exp),
            "rate": (self, first + 1, lambda v: v * self.unit, lambda v: v / self.unit),
        }.get(name)

    def starts(self):
        rows = _sample_rows(len(self.problem.log_loss))
        weight = np.exp(-self.problem.log_loss[rows])
        grid = np.geomspace(1e-3, 1e3, 96)
        basis = np.exp(grid[:, None] * self.column[rows]) * weight
        blocks = ([np.broadcast_to(weight, basis.shape)] if self.floor else []) + [basis]
        stack = np.stack(blocks, axis=1)
        grams = stack @ stack.transpose(0, 2, 1)
        coefficients, error = _nonnegative_fits(grams, stack.sum(axis=-1), float(len(rows)))
        flat = [i for (i,) in _grid_minima(error, self.n_starts)]
        logs = _log_floor(coefficients[flat], self.problem.low[0] + 4.0)
        return np.concatenate([logs, grid[flat][:, None]], axis=1)

    def constants(self, theta):
        first = 1 if self.floor else 0
        return {
            "E": np.exp(theta[:, 0]) if self.floor else np.zeros(len(theta)),
            "A": np.exp(theta[:, first]),
            "rate": theta[:, first + 1] / self.unit,
        }

    def theta(self, law):
        e = [np.log(max(law.E, 1e-300))] if self.floor else []
        value = np.array([*e, np.log(law.A), law.rate * self.unit])
        return np.clip(value, self.problem.low, self.problem.high)


class PurePowerFamily(Family):
    """(Xc / x)^alpha, such as Kaplan's L(N). Linear in the logs, so any start will do."""

    rises = False
    steepest = EXPONENT[1]

    def __init__(self, law, x, loss):
        self.law = law
        logs = np.log(x)
        self.centre = float(logs.mean())
        log_loss = np.log(loss)
        column = logs - self.centre if self.rises else self.centre - logs
        terms = [Term(((0, None), (1, column)))]
        names = ("ln L at centre", law.names()[1])
        low = np.array([log_loss.min() - 5, EXPONENT[0]])
        high = np.array([log_loss.max() + 5, self.steepest])
        self.problem = Problem(names, terms, log_loss, low, high)

    def handle(self, name):
        return (self, 1, float, float) if name == self.law.names()[1] else None

    def starts(self):
        column, y = self.problem.terms[0].entries[1][1], self.problem.log_loss
        spread = float(column @ column)
        slope = float(column @ (y - y.mean())) / spread if spread > 0 else 0.1
        return np.array([[y.mean(), np.clip(slope, 0.01, self.steepest / 2)]])

    def constants(self, theta):
        scale, exponent = self.law.names()
        with np.errstate(over="ignore"):
            return {scale: np.exp(theta[:, 0] / theta[:, 1] + self.centre), exponent: theta[:, 1]}

    def theta(self, law):
        scale, exponent = law.constants.values()
        return np.array([exponent * (np.log(scale) - self.centre), exponent])


class RisingPowerFamily(PurePowerFamily):
    """k x^p: the size of the model that just fits x samples."""

    rises = True

    def constants(self, theta):
        scale, exponent = self.law.names()
        with np.errstate(over="ignore"):
            factor = np.exp(theta[:, 0] - theta[:, 1] * self.centre)
        return {scale: factor, exponent: theta[:, 1]}

    def theta(self, law):
        scale, exponent = law.constants.values()
        return np.array([np.log(scale) + exponent * self.centre, exponent])


class CriticalBatchFamily(PurePowerFamily):
    """B* L^(-1/alpha_B): the critical batch against the loss."""

    steepest = 100.0  # of 1 / alpha_B

    def handle(self, name):
        return (self, 1, lambda v: 1 / v, lambda v: 1 / v) if name == "alpha_B" else None

    def constants(self, theta):
        with np.errstate(over="ignore"):
            return {
                "B_star": np.exp(theta[:, 0] + theta[:, 1] * self.centre),
                "alpha_B": 1 / theta[:, 1],
            }

    def theta(self, law):
        return np.array([np.log(law.B_star) - self.centre / law.alpha_B, 1 / law.alpha_B])


class StepsFamily(AdditiveFamily):
    """(Nc/N)^alpha_N + (Sc/S)^alpha_S: Kaplan's law of size and steps."""

    def __init__(self, params, steps, loss):
        names = ("Nc", "Sc"), ("alpha_N", "alpha_S")
        super().__init__(KaplanStepsLaw, (params, steps), loss, *names, floor=False)

    def handle(self, name):
        return super().handle(name) if name in self.exponents else None

    def constants(self, theta):
        out = {}
        for i, (scale, exponent) in enumerate(zip(self.coefficients, self.exponents, strict=True)):
            power = theta[:, 2 + i]
            with np.errstate(over="ignore"):
                out |= {scale: np.exp(theta[:, i] / power + self.centres[i]), exponent: power}
        return out

    def theta(self, law):
        c = law.constants
        logs = [
            c[exponent] * (np.log(c[scale]) - centre)
            for scale, exponent, centre in zip(
                self.coefficients, self.exponents, self.centres, strict=True
            )
        ]
        value = np.array(logs + [c[k] for k in self.exponents])
        return np.clip(value, self.problem.low, self.problem.high)


class KaplanFamily(Family):
    """[(Nc/N)^(alpha_N/alpha_D) + Dc/D]^alpha_D, with s = alpha_D and q = alpha_N/alpha_D."""

    law = KaplanLaw

    def __init__(self, params, tokens, loss):
        n, d = np.log(params), np.log(tokens)
        self.centre_n, self.centre_d = float(n.mean()), float(d.mean())
        log_loss = np.log(loss)
        terms = [
            Term(((0, None), (2, self.centre_n - n))),
            Term(((1, None),), offset=self.centre_d - d),
        ]
        # Terms are L^(1/alpha_D), so their logs range over ln L / alpha_D: wide limits.
        wide = (np.abs(log_loss).max() + 1) / EXPONENT[0]
        low = np.array([-wide, -wide, 1e-2, EXPONENT[0]])
        high = np.array([wide, wide, 100.0, EXPONENT[1]])
        names = ("ln model term", "ln data term", "alpha_N/alpha_D", "alpha_D")
        self.problem = Problem(names, terms, log_loss, low, high, scale_index=3)
        self.columns = (self.centre_n - n, self.centre_d - d)

    def handle(self, name):
        return (self, 3, float, float) if name == "alpha_D" else None

    def starts(self):
        rows = _sample_rows(len(self.problem.log_loss))
        log_loss = self.problem.log_loss[rows]
        u, v = (c[rows] for c in self.columns)
        data_exponents, model_exponents = np.geomspace(0.02, 1.5, 24), np.geomspace(0.02, 1.5, 24)
        error = np.empty((24, 24))
        logs = np.empty((24, 24, 2))
        for i, s in enumerate(data_exponents):
            # L^(1/s) is linear in the two coefficients; errors relative, times s, are log errors.
            weight = np.exp(-(log_loss - log_loss.mean()) / s)
            data = np.exp(v) * weight
            model = np.exp(np.clip(model_exponents[:, None] / s * u, -600, 600)) * weight
            stack = np.stack([model, np.broadcast_to(data, model.shape)], axis=1)
            with np.errstate(over="ignore", invalid="ignore"):
                grams = stack @ stack.transpose(0, 2, 1)
            usable = np.isfinite(grams).all(axis=(1, 2))
            grams[~usable] = np.eye(2)
            right = np.where(usable[:, None], stack.sum(axis=-1), 0.0)
            x, err = _nonnegative_fits(grams, right, float(len(rows)))
            error[i] = np.where(usable, err * s * s, np.inf)
            logs[i] = _log_floor(x, -50.0) + log_loss.mean() / s
        picked = _grid_minima(error, 6)
        return np.array(
            [
                [*logs[i, j], model_exponents[j] / data_exponents[i], data_exponents[i]]
                for i, j in picked
            ]
        )

    def constants(self, theta):
        q, s = theta[:, 2], theta[:, 3]
        with np.errstate(over="ignore"):
            return {
                "Nc": np.exp(theta[:, 0] / q + self.centre_n),
                "Dc": np.exp(theta[:, 1] + self.centre_d),
                "alpha_N": q * s,
                "alpha_D": s,
            }

    def theta(self, law):
        q = law.alpha_N / law.alpha_D
        return np.array(
            [q * (np.log(law.Nc) - self.centre_n), np.log(law.Dc) - self.centre_d, q, law.alpha_D]
        )


class _StraightLine(Problem):
    """ln L = ln(theta_0 - theta_1 u): a straight line in u, seen on the log scale."""

    def __init__(self, u, loss):
        self.u = u
        log_loss = np.log(loss)
        reach = 4.0 * float(loss.max())
        box = np.array([reach, reach / max(float(np.abs(u).max()), 1e-12)])
        super().__init__(("L at centre", "drop"), [], log_loss, -box, box)

    def parts(self, theta):
        # Where the line goes negative there is no logarithm: a floor keeps trial steps finite,
        # and the objective there is so large that they are refused.
        line = np.maximum(theta[:, :1] - theta[:, 1:] * self.u, 1e-12)
        log_pred = np.log(line)
        return log_pred, None, log_pred

    def jacobian(self, theta, weights, lse):
        inverse = np.exp(-lse)
        return np.stack([inverse, -self.u * inverse], axis=1)

    def curvature(self, theta, weights, jac, c):
        return np.zeros((len(theta), 2, 2))  # the second derivative is -J J' exactly


class LogarithmicFamily(Family):
    """intercept - drop · ln x."""

    law = LogarithmicLaw
    signed = ("intercept", "drop")

    def __init__(self, x, loss):
        logs = np.log(x)
        self.centre = float(logs.mean())
        self.problem = _StraightLine(logs - self.centre, loss)

    def handle(self, name):
        return (self, 1, float, float) if name == "drop" else None

    def starts(self):
        u, y = self.problem.u, np.exp(self.problem.log_loss)
        drop = -float(u @ y) / max(float(u @ u), 1e-300)
        return np.array([[y.mean(), drop], [y.mean(), 0.0]])

    def constants(self, theta):
        return {"intercept": theta[:, 0] + theta[:, 1] * self.centre, "drop": theta[:, 1]}

    def theta(self, law):
        return np.array([law.intercept - law.drop * self.centre, law.drop])
