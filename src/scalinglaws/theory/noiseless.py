"""Types 1 and 2 of learning curves: a teacher without noise, and a student who agrees with it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import exp1, roots_genlaguerre, roots_legendre

from .base import Machine, MachineError, check_examples, number, one_of, whole

__all__ = ["NoiselessMachine"]


@dataclass(frozen=True)
class NoiselessMachine(Machine):
    r"""A student drawn evenly from all boundaries that agree with a noiseless teacher.

    Inputs x are drawn evenly from 0 to 1, outside a gap of width `gap` in the middle. The teacher
    says whether x lies right of 1/2. The student picks its boundary at random among those that
    get all t examples right: Gibbs learning at zero temperature.

    Without a gap only one boundary is right for ever, and the curve is of **type 1**, exponent 1.
    With a gap every boundary inside it is right, a set of finite measure, and the curve is of
    **type 2**, exponent 2.

    Parameters
    ----------
    gap : float, default 0
        Width of the gap g, from 0 to below 1.
    parameters : int, default 1
        Independent boundaries d. Each input is for one of them, at random.
    score : {"error", "entropic"}
        ``"error"``: the chance that the student gets a new example wrong. ``"entropic"``: minus
        the log of the share of agreeing boundaries that get it right, in nats; it is the loss of
        a student who lets all of them vote.

    Notes
    -----
    *Source.* Amari, Fujita & Shinomoto 1992 (Neural Computation 4:605-618) derive the exponents
    for any machine by the annealed approximation, see `annealed`. The machine and its exact curve
    are worked out here.

    *Exact.* Measure inputs by their probability. Let p be the probability of inputs between the
    boundary and the nearest example on its left, and q on its right (each at most 1/2). The gap
    has length ``h = g / (1 - g)`` in this measure, so the agreeing boundaries span
    ``S = h + p + q``. A boundary drawn evenly from them lies in the left part with chance p / S
    and then costs p / 2 on average; the same on the right. In all

    .. math:: f(p, q) = \frac{p^2 + q^2}{2 (h + p + q)}
       \qquad\text{or}\qquad
       f(p, q) = p + q - (h+p) \ln\frac{S}{h+p} - (h+q) \ln\frac{S}{h+q}

    for the entropic score. All t examples avoid both stretches with chance
    :math:`P(p > a, q > b) = (1 - a - b)^t`. Integration by parts gives the mean loss

    .. math:: \varepsilon(t) = \int f_p(a, 0) (1-a)^t da + \int f_q(0, b) (1-b)^t db
       + \int\!\!\int f_{pq}(a, b) (1 - a - b)^t\,da\,db

    over a, b from 0 to 1/2. `exact` evaluates it by quadrature. Without a gap, terms of order
    :math:`2^{-t}` aside, the mean error is 2 / (3 (t + 1)) and the mean entropic loss 1 / (t + 1).

    *Asymptotic.* For many examples t p and t q are independent and exponential, so t (p + q) is a
    Gamma(2) number z, split evenly. Hence (`crossover`)

    .. math:: t\,\varepsilon \to F(y) = \frac13 \int_0^\infty \frac{z^3 e^{-z}}{z + y}\,dz
       = \frac{2 - y + y^2 - y^3 e^y E_1(y)}{3}, \qquad y = h t

    for the error, and :math:`1 - y + y^2 e^y E_1(y)` for the entropic loss. At y = 0 these are
    2/3 and 1; for large y both tend to 2 / y. So the constant is 2/3 or 1 without a gap, and
    2 / h = 2 (1 - g) / g with one. The change of exponent happens around t = 1 / h examples.

    With d boundaries each gets about t / d examples: the type 1 constants are multiplied by d,
    the type 2 constant by d². The entropic constant of type 1 is the number of parameters.

    Examples
    --------
    >>> machine = NoiselessMachine()
    >>> machine.exact([10, 100, 1000]).round(5)
    array([0.06056, 0.0066 , 0.00067])
    >>> round(float(machine.simulate([100], repeats=4000).mean()), 3)
    0.007
    >>> NoiselessMachine(gap=0.2).constant
    8.0
    """

    gap: float = 0.0
    parameters: int = 1
    score: str = "error"

    has_exact = True

    def __post_init__(self):
        object.__setattr__(self, "gap", number("gap", self.gap, 0.0, 1.0, "inputs must fit"))
        object.__setattr__(self, "parameters", whole("parameters", self.parameters, 1, 10**4))
        one_of("score", self.score, ("error", "entropic"))
        if 0 < self.gap < 1e-12:
            raise MachineError(f"gap = {self.gap:g} is smaller than rounding; use 0 for none")

    @property
    def kind(self) -> int:
        return 2 if self.gap else 1

    @property
    def title(self) -> str:
        return f"no noise, gap of {self.gap:g}" if self.gap else "no noise, one right boundary"

    @property
    def gap_mass(self) -> float:
        """Length of the gap h, in units in which the inputs have density 1."""
        return self.gap / (1 - self.gap)

    @property
    def exponent(self) -> float:
        return 2.0 if self.gap else 1.0

    @property
    def constant(self) -> float:
        d = self.parameters
        if self.gap:
            return 2 * d**2 / self.gap_mass
        return d * (2 / 3 if self.score == "error" else 1.0)

    def crossover(self, examples) -> np.ndarray:
        """Mean loss for many examples, exact in gap times examples: from type 1 to type 2.

        Parameters
        ----------
        examples : array_like of int, any shape
            Numbers of examples t, at least 1; accurate from some dozens per boundary.

        Returns
        -------
        ndarray of float, shape of `examples`
            ``F(h t) / t`` of the notes above.

        Examples
        --------
        The local exponent goes from 1 to 2 as the examples pass 1 / gap.

        >>> machine = NoiselessMachine(gap=0.001)
        >>> t = np.array([30, 1000, 100_000])
        >>> np.log2(machine.crossover(t) / machine.crossover(2 * t)).round(2)
        array([1.02, 1.34, 1.97])
        """
        t = check_examples(examples) / self.parameters
        return _scaling(self.gap_mass * t, 2 + (self.score == "error")) / t

    def annealed(self, examples) -> np.ndarray:
        r"""Loss in the annealed approximation of Amari, Fujita & Shinomoto.

        Averaging the volume of agreeing boundaries over data sets, instead of its logarithm,
        leaves a simple integral,

        .. math:: Z(t) = \int (1 - e(w))^t\,dw, \qquad \varepsilon \approx -\frac{d \ln Z}{dt},

        where e(w) is the error of boundary w. One right point and e(w) growing linearly in d
        directions give :math:`Z \propto t^{-d}` and so d / t. A right set of measure :math:`Z_0`
        gives :math:`Z = Z_0 + c / t` and so :math:`c / (Z_0 t^2)`.

        For d = 1 and many examples that is 1 / t and 2 / (h t²), which is what the entropic loss
        truly tends to. For type 1 the error itself is a third lower, 2 / (3 t): the exponent of the
        approximation is right, its constant belongs to the other score.

        Parameters
        ----------
        examples : array_like of int, any shape
            Numbers of examples t, at least 1.

        Raises
        ------
        MachineError
            More than one boundary: the integral then has no short form.
        """
        t = check_examples(examples)
        if self.parameters > 1:
            raise MachineError("annealed() is written for one boundary; use parameters=1")
        # A boundary of error e <= 1/2 on either side: Z = h + 2 int_0^(1/2) (1 - e)^t de.
        tail = 0.5 ** (t + 1)
        z = self.gap_mass + 2 * (1 - tail) / (t + 1)
        slope = 2 * ((1 - tail) / (t + 1) ** 2 - np.log(2) * tail / (t + 1))
        return slope / z

    def _draws(self, t: np.ndarray) -> int:
        return 4 * t.size * self.parameters

    def _exact(self, t: np.ndarray) -> np.ndarray:
        h = self.gap_mass
        one, both = _nodes()
        s, w, low, high = both
        if self.score == "error":
            first = (one[0] ** 2 + 2 * h * one[0]) / (2 * (h + one[0]) ** 2)
            # With p + q = s and v = p - q: f_pq = (h² + v²) / (2 (h+s)³) - 1 / (2 (h+s)),
            # integrated over p from low to high.
            v1, v2 = 2 * low - s, 2 * high - s
            second = (h**2 * (high - low) + (v2**3 - v1**3) / 6) / (2 * (h + s) ** 3)
            second -= (high - low) / (2 * (h + s))
        else:
            first = one[0] / (h + one[0])
            second = -(high - low) * s / (h + s) ** 2  # f_pq depends on the sum s alone
        # An input is for this boundary with chance 1/d, so t examples miss a stretch of
        # probability a with chance (1 - a/d)^t.
        stretches = np.concatenate([one[0], s])
        weights = np.concatenate([2 * one[1] * first, w * second])
        log_miss = np.log1p(-stretches / self.parameters)
        return np.array([np.exp(n * log_miss) @ weights for n in t])

    def _simulate(self, t: int, repeats: int, rng: np.random.Generator) -> np.ndarray:
        # Only the nearest example on each side matters. The largest of n even numbers is
        # u^(1/n), so its distance from the boundary can be drawn without drawing all n.
        d, h = self.parameters, self.gap_mass
        total = np.zeros(repeats)
        left_over = np.full(repeats, t)
        for k in range(d):
            mine = rng.binomial(left_over, 1 / (d - k))
            left_over = left_over - mine
            left = rng.binomial(mine, 0.5)
            with np.errstate(divide="ignore"):  # no example: the whole side is free, -inf -> 1
                p = -0.5 * np.expm1(-rng.standard_exponential(repeats) / left)
                q = -0.5 * np.expm1(-rng.standard_exponential(repeats) / (mine - left))
            total += self._loss(p, q, h)
        return total / d

    def _loss(self, p, q, h):
        """Loss given the free stretches p and q, averaged over the draw of the boundary."""
        s = h + p + q
        if self.score == "error":
            return (p**2 + q**2) / (2 * s)
        return p + q + (h + p) * np.log1p(-q / s) + (h + q) * np.log1p(-p / s)


def _scaling(y: np.ndarray, k: int) -> np.ndarray:
    """``int z^k e^-z / (z + y) dz`` for k = 2, and a third of it for k = 3."""
    y = np.asarray(y, dtype=np.float64)
    z, w = roots_genlaguerre(40, k)
    large = (w / (z + y[..., None])).sum(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        # y^k e^y E1(y), written so that y = 0 gives 0; for large y the terms cancel
        last = np.where(y > 0, y**k * np.exp(y) * exp1(np.where(y > 0, y, 1.0)), 0.0)
        small = 1 - y + last if k == 2 else 2 - y + y**2 - last
    return np.where(y < 20, small, large) / (1 if k == 2 else 3)


@cache
def _nodes():
    """Nodes and weights for a from 0 to 1/2, and for the sum s from 0 to 1 with its range of p.

    Panels halve in width towards 0, so that every number of examples, and a gap of any width,
    finds panels of its own size.
    """
    x, w = roots_legendre(24)
    edges = np.concatenate([[0.0], 0.5 ** np.arange(60, 0, -1)])
    half = _panels(edges, x, w)
    rest = _panels(np.linspace(0.5, 1.0, 5), x, w)
    s = np.concatenate([half[0], rest[0]])
    low, high = np.maximum(0.0, s - 0.5), np.minimum(s, 0.5)
    return half, (s, np.concatenate([half[1], rest[1]]), low, high)


def _panels(edges, x, w):
    """Gauss-Legendre nodes and weights on each stretch between edges."""
    width = np.diff(edges)[:, None] / 2
    return (edges[:-1, None] + width * (1 + x)).ravel(), (width * w).ravel()
