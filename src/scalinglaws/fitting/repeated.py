"""Laws of repeated data in the form the solver works on: Muennighoff et al. and Lovelace et al."""

from __future__ import annotations

import itertools
import math

import numpy as np

from scalinglaws.errors import FitError
from scalinglaws.fitting.families import (
    EXPONENT,
    TINY_TERM,
    AdditiveFamily,
    Family,
    Problem,
    Term,
    _grid_minima,
)
from scalinglaws.fitting.objectives import Objective
from scalinglaws.fitting.solver import huber
from scalinglaws.laws import ChinchillaLaw, LovelaceLaw, MuennighoffLaw
from scalinglaws.laws.muennighoff import decayed, split_tokens

# Limits of R_D and R_N. Beyond the upper one no run of any table shows a decay.
SCALES = (1e-3, 1e10)
ABSENT = -1e4  # logarithm of a term that a run does not have


class _DecayProblem(Problem):
    """E + A N'^-alpha + B D'^-beta with only the two scales, ln R_N and ln R_D, unknown."""

    def __init__(self, base: ChinchillaLaw, log_sizes, repeats, log_loss, low, high):
        self.exponents = (base.alpha, base.beta)
        self.floor = math.log(base.E) if base.E > 0 else ABSENT
        # ln of the two terms while nothing has decayed: one row each for N' and D'
        coefficients = (base.A, base.B)
        self.fresh = [
            math.log(c) - e * x
            for c, e, x in zip(coefficients, self.exponents, log_sizes, strict=True)
        ]
        self.repeats = repeats
        super().__init__(("ln R_N", "ln R_D"), [], log_loss, low, high)

    def parts(self, theta):
        scales = np.exp(theta)
        z = [np.full((len(theta), 1), self.floor)]
        for k in range(2):
            worth = decayed(self.repeats[k], scales[:, k, None])
            z.append(self.fresh[k] - self.exponents[k] * np.log(worth))
        top = np.maximum(np.maximum(z[0], z[1]), z[2])
        exps = [np.exp(zk - top) for zk in z]
        total = exps[0] + exps[1] + exps[2]
        lse = np.log(total) + top
        return lse, [e / total for e in exps], lse

    def _slopes(self, theta, k):
        """First and second derivative of z_k by the logarithm of its scale, shape (S, n)."""
        scale = np.exp(theta[:, k, None])
        u = self.repeats[k] / scale
        kept = np.exp(-u)
        worth = decayed(self.repeats[k], scale)
        # -expm1(-u) - u e^-u loses its digits for small u, where it is u²/2 - u³/3 + u⁴/8.
        lost = np.where(u < 1e-3, u * u * (0.5 - u * (1 / 3 - u / 8)), -np.expm1(-u) - u * kept)
        first = scale * lost / worth
        second = scale * (lost - u * u * kept) / worth - first**2
        return -self.exponents[k] * first, -self.exponents[k] * second

    def jacobian(self, theta, weights, lse):
        return np.stack([weights[k + 1] * self._slopes(theta, k)[0] for k in range(2)], axis=1)

    def curvature(self, theta, weights, jac, c):
        out = np.zeros((len(theta), 2, 2))
        for k in range(2):
            first, second = self._slopes(theta, k)
            out[:, k, k] = (c * weights[k + 1] * (first**2 + second)).sum(axis=1)
        return out


class MuennighoffFamily(Family):
    """R_N and R_D of Muennighoff's law, on a law of fresh data that is held.

    The objective has many minima, each the floor of a narrow step in a flat valley. They are found
    by evaluating a grid; no path through smoother objectives leads to the right one.
    """

    law = MuennighoffLaw
    n_starts = 40
    warm = True

    def __init__(self, base: ChinchillaLaw, params, tokens, unique_tokens, loss):
        self.base = base
        _, u, repeats = split_tokens(tokens, unique_tokens)
        fed = np.minimum(params, MuennighoffLaw.of(base, 1.0, 1.0).params_fed(u))
        excess = params / fed - 1.0
        low, high = (np.full(2, math.log(v)) for v in SCALES)
        # A scale that no run shows anything of is held where nothing decays.
        for k, values in enumerate((excess, repeats)):
            if values.max() < 1e-6:
                low[k] = high[k]
        self.unseen = [n for n, a, b in zip(("R_N", "R_D"), low, high, strict=True) if a == b]
        self.problem = _DecayProblem(
            base, (np.log(fed), np.log(u)), (excess, repeats), np.log(loss), low, high
        )
        self._grid = None

    def handle(self, name):
        index = {"R_N": 0, "R_D": 1}.get(name)
        return None if index is None or name in self.unseen else (self, index, np.log, np.exp)

    def grid(self) -> tuple[np.ndarray, np.ndarray, tuple[int, int]]:
        """Points of a grid, shape (m, 2), ln L at each, shape (m, n), and the grid's shape."""
        if self._grid is None:
            axes = []
            for k in range(2):
                low, high = self.problem.low[k], self.problem.high[k]
                seen = max(float(self.problem.repeats[k].max()), 1.0)
                ends = math.log(0.03), math.log(30.0 * seen)
                axes.append(np.array([high]) if low == high else np.linspace(*ends, 48))
            points = np.stack([v.ravel() for v in np.meshgrid(*axes, indexing="ij")], axis=1)
            shape = tuple(len(a) for a in axes)
            self._grid = points, self.problem.log_predict(points), shape
        return self._grid

    def starts(self):
        points, log_pred, shape = self.grid()
        error = np.abs(log_pred - self.problem.log_loss).sum(axis=1).reshape(shape)
        found = _grid_minima(error, self.n_starts)
        return points[np.ravel_multi_index(np.array(found).T, shape)]

    def rescan(self, objective: Objective, weights: np.ndarray) -> np.ndarray:
        """The best point of the grid for each resample, shape (S, 2)."""
        points, log_pred, _ = self.grid()
        rho = huber(objective.residuals(log_pred, self.problem.log_loss), objective.width)
        return points[(weights @ rho.T).argmin(axis=1)]

    def constants(self, theta):
        held = {k: np.full(len(theta), v) for k, v in self.base.constants.items()}
        scales = {"R_D": np.exp(theta[:, 1]), "R_N": np.exp(theta[:, 0])}
        return {k: (held | scales)[k] for k in self.law.names()}

    def theta(self, law):
        return np.clip(np.log([law.R_N, law.R_D]), self.problem.low, self.problem.high)


class LovelaceFamily(Family):
    """The penalty P R^delta (N/U)^kappa, on a law of fresh data that is held or fitted with it.

    Parameters
    ----------
    base : ChinchillaLaw or None
        None fits E, A, B, alpha and beta too.
    fixed : dict
        delta, kappa or both, held at these values.
    """

    law = LovelaceLaw

    def __init__(self, base, fixed, params, tokens, unique_tokens, loss):
        self.base, self.fixed = base, dict(fixed)
        d, u, repeats = split_tokens(tokens, unique_tokens)
        log_n, log_d, log_loss = np.log(params), np.log(d), np.log(loss)
        seen = repeats > 1e-9
        log_r, log_ratio = np.log(np.where(seen, repeats, 1.0)), log_n - np.log(u)
        self.columns, self.centres = {}, {}
        for name, values in (("delta", log_r), ("kappa", log_ratio)):
            self.centres[name] = float(values[seen].mean())
            self.columns[name] = np.where(seen, values - self.centres[name], 0.0)
        names, terms = [], []
        low, high = [], []
        if base is None:
            self.additive = AdditiveFamily(
                ChinchillaLaw, (params, tokens), loss, ("A", "B"), ("alpha", "beta")
            )
            inner = self.additive.problem
            names, terms = [*inner.names], [*inner.terms]
            low, high = [*inner.low], [*inner.high]
        else:
            self.additive = None
            floor = math.log(base.E) if base.E > 0 else ABSENT
            for offset in (
                np.full(len(loss), floor),
                math.log(base.A) - base.alpha * log_n,
                math.log(base.B) - base.beta * log_d,
            ):
                terms.append(Term((), offset))
        self.first = len(names)
        offset = np.where(seen, 0.0, ABSENT)
        entries = [(len(names), None)]
        names.append("ln P at centre")
        low.append(log_loss.min() + TINY_TERM)
        high.append(log_loss.max() + 3.0)
        for name, column in self.columns.items():
            if name in self.fixed:
                offset = offset + self.fixed[name] * column
                continue
            entries.append((len(names), column))
            names.append(name)
            low.append(EXPONENT[0])
            high.append(EXPONENT[1])
        terms.append(Term(tuple(entries), offset))
        self.free = [n for n in ("delta", "kappa") if n not in self.fixed]
        self.problem = Problem(tuple(names), terms, log_loss, np.array(low), np.array(high))
        # Fresh runs, from which a base law to start from is found.
        self.fresh = (params, tokens, loss, ~seen)

    def handle(self, name):
        if name in self.free:
            return self, self.first + 1 + self.free.index(name), float, float
        if name in ("E", "alpha", "beta") and self.additive is not None:
            _, index, inward, outward = self.additive.handle(name)
            return self, index, inward, outward
        return None

    def starts(self):
        sizes = np.linspace(self.problem.low[self.first] + 4.0, self.problem.high[self.first], 25)
        exponents = [np.geomspace(0.1, 2.0, 7)] * len(self.free)
        penalty = np.array(list(itertools.product(sizes, *exponents)))
        heads = [np.empty((1, 0))] if self.additive is None else self._heads()
        best = []
        for head in heads:
            points = np.concatenate([np.repeat(head, len(penalty), axis=0), penalty], axis=1)
            error = np.abs(self.problem.log_predict(points) - self.problem.log_loss).sum(axis=1)
            best.append(points[np.argsort(error, kind="stable")[:4]])
        return np.concatenate(best)

    def _heads(self) -> list[np.ndarray]:
        """Base laws to start from: of all runs, and of those that repeat nothing."""
        heads = [self.additive.starts()[:1]]
        params, tokens, loss, fresh = self.fresh
        if fresh.sum() >= 6:
            own = AdditiveFamily(
                ChinchillaLaw, (params[fresh], tokens[fresh]), loss[fresh], ("A", "B"),
                ("alpha", "beta"),
            )  # fmt: skip
            heads.append(self.additive.theta(own.to_law(own.starts()[0]))[None])
        return heads

    def constants(self, theta):
        if self.additive is None:
            out = {k: np.full(len(theta), v) for k, v in self.base.constants.items()}
        else:
            out = self.additive.constants(theta[:, : self.first])
        for name in ("delta", "kappa"):
            if name in self.fixed:
                out[name] = np.full(len(theta), float(self.fixed[name]))
            else:
                out[name] = theta[:, self.first + 1 + self.free.index(name)]
        log_p = theta[:, self.first] - sum(out[k] * c for k, c in self.centres.items())
        with np.errstate(over="ignore"):
            out["P"] = np.exp(log_p)
        return {k: out[k] for k in self.law.names()}

    def theta(self, law):
        head = [] if self.additive is None else self.additive.theta(law.base).tolist()
        log_p = math.log(law.P) + sum(getattr(law, k) * c for k, c in self.centres.items())
        tail = [log_p, *(getattr(law, k) for k in self.free)]
        return np.clip(np.array(head + tail), self.problem.low, self.problem.high)


def repeated_family(law, base, fixed, params, tokens, unique_tokens, loss) -> Family:
    """The family of a law of (N, D, U)."""
    if law is MuennighoffLaw:
        return MuennighoffFamily(base, params, tokens, unique_tokens, loss)
    if law is LovelaceLaw:
        return LovelaceFamily(base, fixed, params, tokens, unique_tokens, loss)
    raise FitError(f"no fitter for {law!r} on repeated data")
