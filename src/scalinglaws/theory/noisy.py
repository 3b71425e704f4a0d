"""Types 3 and 4 of learning curves: a teacher whose labels are noisy near the boundary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit, gammaln, roots_legendre

from .base import BOUNDARY, Machine, chunks, number, one_of

__all__ = ["NoisyMachine"]

SCORES = ("clean", "noisy", "sampled", "entropic")
WHY_NOISE = "for noise 0 use NoiselessMachine; above 1 the labels say next to nothing"


@dataclass(frozen=True)
class NoisyMachine(Machine):
    r"""A student who estimates the boundary of a teacher with logistic label noise.

    Inputs x are drawn evenly from 0 to 1. The teacher says 1 with probability
    :math:`p(x) = \sigma((x - 1/2) / s)`, where :math:`\sigma(u) = 1 / (1 + e^{-u})` and s is
    `noise`: the probability passes smoothly through 1/2. The student knows s and estimates the
    boundary, within 0 to 1.

    What the student does with the estimate :math:`\hat w` decides the type of the curve:

    ============  ================================================  =====  ========
    score         a loss of 1 when                                  type   exponent
    ============  ================================================  =====  ========
    ``clean``     the side of the estimate differs from the         3      1/2
                  teacher's more likely label
    ``noisy``     the side of the estimate differs from the label   none   1, floor
                  that the teacher gives
    ``sampled``   a label that the student draws from its           4      1, floor
                  probability differs from the teacher's
    ``entropic``  (minus the log of the student's probability of    4      1, floor
                  the teacher's label, in nats)
    ============  ================================================  =====  ========

    The first two students are deterministic machines, the last two stochastic ones. The second is
    a warning: one and the same student is of type 3 or has a floor, as the test labels are clean
    or not.

    Parameters
    ----------
    noise : float, default 0.1
        Width s of the stretch where labels are unsure, from 0.001 to 1 (1 excluded).
    score : {"clean", "noisy", "sampled", "entropic"}
        See above.
    student : {"mle", "moments"}
        ``"mle"``: maximum likelihood. ``"moments"``: the boundary at which the expected share of
        ones equals the share seen. It wastes the inputs, but its curve is known exactly.

    Notes
    -----
    *Source.* Amari, Fujita & Shinomoto 1992 (Neural Computation 4:605-618) for types and
    exponents; machine and constants are worked out here.

    *The estimate.* Write :math:`T = \tanh(1 / (4s))`. One label carries the Fisher information
    :math:`I = E[p(1-p)] / s^2 = T / s` on the boundary, because :math:`p(1-p)\,dx = s\,dp`. The
    maximum-likelihood estimate is asymptotically normal with variance v / t, v = s / T.
    The share of ones has mean :math:`P(w) = E_x\,\sigma((x - w)/s)`, with
    :math:`P(1/2) = 1/2` and slope :math:`P' = -T`, and variance 1 / (4 t). So the moment estimate
    has v = 1 / (4 T²), never less than s / T.

    *The losses*, for a small distance :math:`\delta = \hat w - 1/2`:

    - clean: :math:`|\delta|`, whose mean is :math:`\sqrt{2 v / (\pi t)}`. **Type 3**: the error is
      linear in an estimate that is off by :math:`t^{-1/2}`.
    - noisy: :math:`|2p - 1|` over the same stretch, exactly :math:`2 s \ln\cosh(\delta / 2s)`,
      so :math:`\delta^2 / (4s)`. Floor
      :math:`E\min(p, 1-p) = 2 s \ln 2 - 2 s \ln(1 + e^{-1/2s})`, constant v / (4 s).
    - sampled: the floor is :math:`E[2p(1-p)] = 2 s T`; the first order vanishes by symmetry, the
      second leaves :math:`E[p(1-p)(1-2p)^2]\,\delta^2 / (2 s^2) = T^3 \delta^2 / (6 s)`.
      Constant T³ v / (6 s), which is T² / 6 for maximum likelihood.
    - entropic: the floor is the entropy of the labels, :math:`E[H(p)]`; the excess is a
      Kullback-Leibler divergence, :math:`I \delta^2 / 2`. Constant I v / 2: **1/2 for maximum
      likelihood**, whatever the noise, 1/2 per parameter in general.

    *Exact.* The number of ones is Binomial(t, 1/2), so for the moment student every mean is a
    finite sum, over it, of the loss of the estimate. For maximum likelihood no closed form is
    known, and the asymptote is an asymptote: corrections are of relative order 1 / t, and it means
    nothing before s / T / t is well below 1/16 (the estimate must stay clear of the ends).

    Examples
    --------
    >>> type3 = NoisyMachine(noise=0.1)
    >>> type3.exponent, round(type3.constant, 4)
    (0.5, 0.254)
    >>> type4 = NoisyMachine(noise=0.1, score="entropic")
    >>> type4.exponent, type4.constant, round(type4.floor, 4)
    (1.0, 0.5, 0.3196)
    >>> NoisyMachine(noise=0.1, student="moments").exact([100, 10_000]).round(4)
    array([0.0404, 0.004 ])
    """

    noise: float = 0.1
    score: str = "clean"
    student: str = "mle"

    def __post_init__(self):
        object.__setattr__(self, "noise", number("noise", self.noise, 1e-3, 1.0, WHY_NOISE))
        one_of("score", self.score, SCORES)
        one_of("student", self.student, ("mle", "moments"))

    @property
    def kind(self) -> int | None:
        return {"clean": 3, "noisy": None, "sampled": 4, "entropic": 4}[self.score]

    @property
    def title(self) -> str:
        what = {
            "clean": "deterministic student",
            "noisy": "deterministic student, noisy test labels",
            "sampled": "student samples labels",
            "entropic": "student predicts probabilities",
        }
        return f"noisy teacher, {what[self.score]}"

    @property
    def has_exact(self) -> bool:
        return self.student == "moments"

    @property
    def _t(self) -> float:
        return math.tanh(1 / (4 * self.noise))

    @property
    def fisher_information(self) -> float:
        """Information of one label on the boundary, I = tanh(1 / 4s) / s."""
        return self._t / self.noise

    @property
    def variance(self) -> float:
        """Number of examples times the variance of the estimated boundary, for many examples."""
        return 1 / self.fisher_information if self.student == "mle" else 1 / (4 * self._t**2)

    @property
    def exponent(self) -> float:
        return 0.5 if self.score == "clean" else 1.0

    @property
    def constant(self) -> float:
        s, v = self.noise, self.variance
        if self.score == "clean":
            return math.sqrt(2 * v / math.pi)
        if self.score == "noisy":
            return v / (4 * s)
        if self.score == "sampled":
            return self._t**3 * v / (6 * s)
        # 1/2 for maximum likelihood, without rounding
        return 0.5 if self.student == "mle" else self.fisher_information * v / 2

    @property
    def floor(self) -> float:
        s = self.noise
        if self.score == "clean":
            return 0.0
        if self.score == "noisy":
            return 2 * s * (math.log(2) - math.log1p(math.exp(-0.5 / s)))
        if self.score == "sampled":
            return 2 * s * self._t
        x, w = _nodes(s)
        u = (x - BOUNDARY) / s
        return float(w @ (np.logaddexp(0.0, u) - u * expit(u)))  # entropy of a label, in nats

    def excess(self, boundary) -> np.ndarray:
        """Loss above the floor of a student with this boundary.

        Parameters
        ----------
        boundary : array_like of float, any shape
            Boundaries from 0 to 1.

        Returns
        -------
        ndarray of float, shape of `boundary`
            By the formulas above where they are exact (clean, noisy), else by quadrature over x.
        """
        b = np.asarray(boundary, dtype=np.float64)
        away = np.abs(b - BOUNDARY)
        s = self.noise
        if self.score == "clean":
            return away
        if self.score == "noisy":  # 2 s ln cosh(away / 2s)
            return away + 2 * s * (np.log1p(np.exp(-away / s)) - math.log(2))
        x, w = _nodes(s)
        u = (x - BOUNDARY) / s
        p = expit(u)
        flat, out = b.ravel(), np.empty(b.size)
        side = np.where(u > 0, -1.0, 1.0)
        rare = expit(-np.abs(u))  # probability of the less likely label
        for part in chunks(b.size, x.size):
            shift = (BOUNDARY - flat[part, None]) / s
            if self.score == "sampled":
                # (p' - p)(1 - 2 p), with p' the student's probability
                out[part] = (expit(u + shift) - p) @ (w * (1 - 2 * p))
            else:
                # KL = log(1 - p + p e^shift) - p shift, written for the less likely label, so
                # that no digits are lost where p is near 1
                out[part] = (np.log1p(rare * np.expm1(side * shift)) - rare * side * shift) @ w
        return out.reshape(b.shape)

    def _draws(self, t: np.ndarray) -> int:
        return int(t.sum()) if self.student == "mle" else t.size

    def _exact(self, t: np.ndarray) -> np.ndarray:
        out = np.empty(t.size)
        for i, n in enumerate(t.astype(np.int64).tolist()):
            # Counts further than 10 standard deviations out weigh less than 1e-22.
            reach = min(n / 2, 5 * math.sqrt(n) + 20)
            ones = np.arange(math.ceil(n / 2 - reach), math.floor(n / 2 + reach) + 1)
            log_pmf = gammaln(n + 1) - gammaln(ones + 1) - gammaln(n - ones + 1)
            pmf = np.exp(log_pmf - n * math.log(2))
            # Dividing by the sum takes away the rounding of gammaln at large n.
            out[i] = pmf @ self.excess(self._from_share(ones / n)) / pmf.sum()
        return self.floor + out

    def _simulate(self, t: int, repeats: int, rng: np.random.Generator) -> np.ndarray:
        if self.student == "moments":
            return self.floor + self.excess(self._from_share(rng.binomial(t, 0.5, repeats) / t))
        estimate = np.empty(repeats)
        for part in chunks(repeats, t):
            x = rng.random((part.stop - part.start, t))
            odds = np.exp((x - BOUNDARY) / self.noise)  # of a one; at most e^500
            ones = (rng.random(x.shape) * (1 + odds) < odds).sum(axis=1)
            estimate[part] = self._most_likely(odds, ones)
        return self.floor + self.excess(estimate)

    def _from_share(self, share):
        """The boundary w at which the expected share of ones is `share`, within 0 to 1.

        P(w) = s ln[(1 + e^((1-w)/s)) / (1 + e^(-w/s))], solved for w.
        """
        s, share = self.noise, np.asarray(share, dtype=np.float64)
        with np.errstate(divide="ignore"):  # all labels alike: an end of the line
            w = (
                1
                - share
                + s * (np.log(-np.expm1(-(1 - share) / s)) - np.log(-np.expm1(-share / s)))
            )
        return np.clip(w, 0.0, 1.0)

    def _most_likely(self, odds, ones):
        """Maximum-likelihood boundaries within 0 to 1, for n data sets of t examples.

        Inputs come as the odds of a one there, shape (n, t), and `ones` counts them, shape (n,).

        The likelihood is flat where the expected number of ones, given x, equals the number seen:
        sum sigma((x - w) / s) = ones. The left side falls as w grows, so Newton's steps are kept
        inside a shrinking bracket.
        """
        s, (n, t) = self.noise, odds.shape
        low, high = np.zeros(n), np.ones(n)
        w = self._from_share(ones / t)
        todo = np.arange(n)
        for _ in range(60):  # bisection alone would need 40
            some = odds if todo.size == n else odds[todo]
            p = some / (some + np.exp((w[todo, None] - BOUNDARY) / s))
            surplus = p.sum(axis=1) - ones[todo]
            low[todo] = np.where(surplus > 0, w[todo], low[todo])
            high[todo] = np.where(surplus > 0, high[todo], w[todo])
            slope = (p * (1 - p)).sum(axis=1) / s
            with np.errstate(divide="ignore", invalid="ignore"):
                new = w[todo] + surplus / slope
            inside = (new > low[todo]) & (new < high[todo])
            new = np.where(inside, new, (low[todo] + high[todo]) / 2)
            step = np.abs(new - w[todo])
            w[todo] = new
            # the error after a step of Newton is about its square over the noise
            todo = todo[step > 1e-6 * s]
            if not todo.size:
                break
        return w


@cache
def _nodes(noise: float):
    """Gauss-Legendre nodes and weights on 0 to 1, in panels no wider than the noise."""
    x, w = roots_legendre(12)
    panels = max(1, math.ceil(0.5 / noise)) * 2  # an even number: a panel ends at the boundary
    left = np.arange(panels)[:, None]
    return ((left + (1 + x) / 2) / panels).ravel(), np.tile(w / 2 / panels, panels)
