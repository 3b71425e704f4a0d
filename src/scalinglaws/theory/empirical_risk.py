"""False friends of type 3: noisy teacher, deterministic student, and an exponent that is not 1/2.

Both students pick a boundary with the fewest errors on the noisy examples (empirical risk
minimisation, ERM). What decides the exponent is how the noise behaves at the boundary.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import airye, expit, roots_legendre

from .base import BOUNDARY, Machine, chunks, number

__all__ = ["FlippedLabelsERM", "LogisticNoiseERM", "chernoff_density", "chernoff_mean"]


@dataclass(frozen=True)
class _RiskMinimiser(Machine):
    """A boundary drawn evenly from those with the fewest errors; scored by the clean label."""

    def _chance_of_one(self, x):
        raise NotImplementedError

    def _draws(self, t: np.ndarray) -> int:
        return int(t.sum())

    def _simulate(self, t: int, repeats: int, rng: np.random.Generator) -> np.ndarray:
        losses = np.empty(repeats)
        for part in chunks(repeats, t):
            n = part.stop - part.start
            # Sums of exponential gaps, divided by the total, are sorted even numbers.
            edges = np.zeros((n, t + 2))
            np.cumsum(rng.standard_exponential((n, t + 1)), axis=1, out=edges[:, 1:])
            edges /= edges[:, -1:]
            y = rng.random((n, t)) < self._chance_of_one(edges[:, 1:-1])
            # A boundary that moves right past a one makes an error more, past a zero one less.
            errors = np.zeros((n, t + 1), dtype=np.int32)
            np.cumsum(np.where(y, 1, -1), axis=1, out=errors[:, 1:])
            best = errors == errors.min(axis=1, keepdims=True)
            length = np.where(best, np.diff(edges, axis=1), 0.0)
            # int |w - 1/2| dw = (w - 1/2) |w - 1/2| / 2 averages over the student's draw
            away = edges - BOUNDARY
            area = np.where(best, np.diff(away * np.abs(away) / 2, axis=1), 0.0)
            losses[part] = area.sum(axis=1) / length.sum(axis=1)
        return losses


@dataclass(frozen=True)
class FlippedLabelsERM(_RiskMinimiser):
    r"""Fewest errors on labels of which a constant share is flipped: exponent 1, not 1/2.

    Inputs are drawn evenly from 0 to 1; the label says whether x lies right of 1/2, and is flipped
    with probability `flip`, everywhere alike. The student picks its boundary evenly from those
    with the fewest errors, which is also maximum likelihood here. It is scored by the clean label.

    The chance of a one jumps at the boundary, from `flip` to 1 - `flip`. A jump is found to within
    a number of neighbouring examples that does not grow, however noisy they are, so the error is
    of order 1 / t.

    Parameters
    ----------
    flip : float, default 0.2
        Share of flipped labels, from 0 (then this is `NoiselessMachine`) to below 1/2.

    Notes
    -----
    *Asymptotic*, with the derivation of the constant ours. Near the boundary the inputs are a
    Poisson process of rate t. Counted from the teacher's boundary outwards, on either side, the
    errors of a student make a random walk: one more with probability u = 1 - flip, one less with
    probability f = flip at every input passed. Write r = f / u and v = 1 / (u - f).

    1. The depth M to which the walk falls has :math:`P(M \ge m) = r^m`. A walk made to fall is one
       with u and f exchanged, so it takes m v inputs on average to first reach -m.
    2. At its lowest level the walk stays for one gap per visit and comes back for another with
       probability f, so the visits N are geometric with mean 1 / u. Between two visits lie v
       further gaps on average.
    3. Gaps are independent and exponential with mean 1 / t. A point drawn evenly from n of them
       falls into each with chance 1 / n, and a gap and its own lie before it with
       :math:`E[\text{gap}_i \cdot \text{share}_j] = 1 / ((n + 1) t)`, the point's own depth in
       its gap included. If one side is deeper (at level m), this adds up to
       :math:`m v + v (E N - 1) / 2 + E N / 2 = m v + v / 2`; if both are equally deep,
       to :math:`m v + 2 v / 3`.
    4. Summed over the depths of both sides, with chances :math:`(1-r) r^m`, everything collapses to

    .. math:: t\,\varepsilon \to \frac{2 + f (1 - f)}{3 (1 - 2 f)^2}

    Without flips this is the 2/3 of type 1. It grows without limit as flip
    tends to 1/2. With t examples the mean gap is 1 / (t + 1), and constant / (t + 1) is off by
    exponentially little.

    Examples
    --------
    >>> machine = FlippedLabelsERM(flip=0.2)
    >>> machine.exponent, round(machine.constant, 4)
    (1.0, 2.0)
    """

    flip: float = 0.2

    title = "constant flips, fewest errors"

    def __post_init__(self):
        object.__setattr__(
            self, "flip", number("flip", self.flip, 0.0, 0.5, "from 1/2 on labels say nothing")
        )

    @property
    def exponent(self) -> float:
        return 1.0

    @property
    def constant(self) -> float:
        f = self.flip
        return (2 + f * (1 - f)) / (3 * (1 - 2 * f) ** 2)

    def _chance_of_one(self, x):
        return np.where(x > BOUNDARY, 1 - self.flip, self.flip)


@dataclass(frozen=True)
class LogisticNoiseERM(_RiskMinimiser):
    r"""Fewest errors on labels with logistic noise: exponent 1/3, not 1/2.

    Teacher and score are those of type 3, ``NoisyMachine(noise, score="clean")``. But the student
    does not use the form of the noise; it picks its boundary evenly from those with the fewest
    errors.

    Parameters
    ----------
    noise : float, default 0.1
        Width s of the stretch where labels are unsure, from 0.001 to 1 (1 excluded).

    Notes
    -----
    *Source.* The cube-root limit is that of Chernoff 1964 and of Kim & Pollard 1990 (Annals of
    Statistics 18:191-219); its distribution is computed as in Groeneboom & Wellner 2001 (Journal
    of Computational and Graphical Statistics 10:388-400).

    *Asymptotic.* Move the boundary by :math:`\delta` from 1/2. Each input passed changes the
    errors by plus or minus one, and the more likely change is up by
    :math:`|2p - 1| \approx |\delta| / (2s)`. So the errors change by
    :math:`t \delta^2 / (4s)` on average, with a random part :math:`\sqrt t\,B(\delta)`, B a
    two-sided Brownian motion: a slope that starts at zero is no match for noise that does not.
    With :math:`\delta = (4s)^{2/3} t^{-1/3} z` both terms scale alike, and z tends to the place Z
    of the maximum of :math:`B(z) - z^2`, Chernoff's distribution. Hence

    .. math:: \varepsilon \to E|Z|\,(4 s)^{2/3}\,t^{-1/3}, \qquad E|Z| = 0.41273\ldots

    The excess error on *noisy* labels, :math:`\delta^2 / (4 s)`, falls as :math:`t^{-2/3}`.

    Examples
    --------
    >>> machine = LogisticNoiseERM(noise=0.1)
    >>> round(machine.exponent, 4), round(machine.constant, 4)
    (0.3333, 0.2241)
    """

    noise: float = 0.1

    title = "logistic noise, fewest errors"

    def __post_init__(self):
        object.__setattr__(self, "noise", number("noise", self.noise, 1e-3, 1.0))

    @property
    def exponent(self) -> float:
        return 1 / 3

    @property
    def constant(self) -> float:
        return chernoff_mean() * (4 * self.noise) ** (2 / 3)

    def _chance_of_one(self, x):
        return expit((x - BOUNDARY) / self.noise)


def chernoff_density(z) -> np.ndarray:
    r"""Density of the place where B(z) - z² is largest, B a two-sided Brownian motion.

    Groeneboom 1989 (Probability Theory and Related Fields 81:79-109): it is
    :math:`g(z)\,g(-z) / 2`, where g has the Fourier transform
    :math:`2^{1/3} / \mathrm{Ai}(i\,2^{-1/3} s)`.

    Parameters
    ----------
    z : array_like of float, any shape

    Returns
    -------
    ndarray of float, shape of `z`
        To about 12 digits after the point.

    Examples
    --------
    >>> round(float(chernoff_density(0.0)), 4)
    0.7583
    """
    z = np.asarray(z, dtype=np.float64)
    s, inverse = _airy_line()
    # beyond 6 the density is below 1e-60, but g(z) would be lost in rounding
    near = np.clip(np.abs(z.ravel()), 0.0, 6.0)
    g = [2 ** (1 / 3) / (2 * np.pi) * _real_sum(sign * near, s, inverse) for sign in (1, -1)]
    density = np.where(np.abs(z.ravel()) < 6.0, np.maximum(0.5 * g[0] * g[1], 0.0), 0.0)
    return density.reshape(z.shape)


@cache
def chernoff_mean() -> float:
    """Mean distance from 0 under `chernoff_density`, by quadrature: 0.41273655...

    Examples
    --------
    >>> chernoff_mean()
    0.41273...
    """
    x, w = roots_legendre(60)
    z = 2.5 * (1 + x)  # 0 to 5; beyond, the density is below 1e-35
    return float(2 * 2.5 * w @ (z * chernoff_density(z)))


@cache
def _airy_line():
    """Points s, and ds / Ai(i 2^(-1/3) s) there; beyond |s| = 32 it is below 1e-25."""
    s = np.linspace(-32.0, 32.0, 641)  # the trapezoid rule converges exponentially here
    z = 1j * 2 ** (-1 / 3) * s
    # airye is Ai times e^(2/3 z^1.5), which neither over- nor underflows
    return s, (s[1] - s[0]) * np.exp(2 / 3 * z**1.5) / airye(z)[0]


def _real_sum(z, s, values):
    return (np.exp(-1j * np.outer(z, s)) @ values).real
