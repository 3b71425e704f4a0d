"""What all machines share: examples in, losses out, and the law that the losses obey."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import numpy as np

from ..errors import ScalingLawsError

__all__ = ["BOUNDARY", "Machine", "MachineError"]

# All machines learn where on the line from 0 to 1 the label changes from 0 to 1. In the middle,
# left and right are alike, and several constants become short formulas.
BOUNDARY = 0.5

MOST_EXAMPLES = 10**12  # counts beyond 2^53 would no longer be exact in doubles
MOST_REPEATS = 10**7
MOST_DRAWS = 2 * 10**9  # labels drawn in one call: about a minute
CHUNK = 2**19  # numbers held at a time: they fit the processor's cache


class MachineError(ScalingLawsError, ValueError):
    """A machine that cannot exist, or a question that it cannot answer."""


class Machine(ABC):
    """A learner and its teacher, whose loss after t examples is known to follow a power law.

    The loss averaged over data sets tends to ``floor + constant * t**-exponent``, with t the
    number of examples.

    Attributes
    ----------
    kind : int or None
        Type 1 to 4 of Amari, Fujita & Shinomoto 1992; None for a machine outside the four.
    title : str
        A few words for legends.
    exponent : float
        Loss exponent, positive: 1 means that twice the examples halve the excess loss.
    constant : float
        What multiplies ``t**-exponent``, in the unit of the loss.
    floor : float
        Loss that remains with endless examples.
    has_exact : bool
        Whether `exact` knows the mean loss at every number of examples.
    """

    kind: int | None = None
    title: str = ""
    has_exact: bool = False

    @property
    @abstractmethod
    def exponent(self) -> float:
        """Loss exponent."""

    @property
    @abstractmethod
    def constant(self) -> float:
        """Factor of the power law."""

    @property
    def floor(self) -> float:
        """Loss that remains with endless examples."""
        return 0.0

    def asymptote(self, examples) -> np.ndarray:
        """The law that holds for many examples, ``floor + constant * t**-exponent``.

        Parameters
        ----------
        examples : array_like of int, any shape
            Numbers of examples t, at least 1.

        Returns
        -------
        ndarray of float, shape of `examples`

        Raises
        ------
        MachineError
            Numbers that are not whole, or below 1.
        """
        return self.floor + self.constant * check_examples(examples) ** -self.exponent

    def exact(self, examples) -> np.ndarray:
        """Mean loss after each number of examples, averaged over data sets.

        Parameters
        ----------
        examples : array_like of int, any shape
            Numbers of examples t, at least 1.

        Returns
        -------
        ndarray of float, shape of `examples`
            From a finite sum or from quadrature, to about 12 digits.

        Raises
        ------
        MachineError
            No closed form is known (`has_exact` is False), or bad numbers of examples.
        """
        t = check_examples(examples)
        if not self.has_exact:
            raise MachineError(
                f"no closed form of the mean loss of {self!r} is known; use simulate(), or "
                "asymptote() for many examples"
            )
        return self._exact(t.ravel()).reshape(t.shape)

    def local_exponent(self, examples) -> np.ndarray:
        """Exponent seen between t and 2 t examples, ``log2(excess(t) / excess(2 t))``.

        The excess is the exact mean loss above the floor, so this shows how fast the curve takes
        up its final exponent.

        Parameters
        ----------
        examples : array_like of int, any shape
            Numbers of examples t, at least 1.

        Raises
        ------
        MachineError
            As `exact`.
        """
        t = check_examples(examples)
        return np.log2((self.exact(t) - self.floor) / (self.exact(2 * t) - self.floor))

    def simulate(self, examples, repeats: int = 1000, seed: int = 0) -> np.ndarray:
        """Losses of machines that learned from drawn examples.

        Each number of examples has its own random numbers: the losses at t do not depend on what
        else was asked for, and losses at different t are independent.

        Parameters
        ----------
        examples : int or array_like of int, shape (m,)
            Numbers of examples t, at least 1.
        repeats : int, default 1000
            Data sets drawn for each t.
        seed : int, default 0
            Draws them.

        Returns
        -------
        ndarray of float, shape (m, repeats)
            Loss of each machine. The mean over axis 1 estimates the learning curve, and the
            standard deviation over ``sqrt(repeats)`` is its standard error.

        Raises
        ------
        MachineError
            Numbers that are not whole or out of range, or more labels than a minute allows.
        """
        t = check_examples(examples).astype(np.int64)
        if t.ndim > 1:
            raise MachineError(f"examples must be one number or a list, got shape {t.shape}")
        t = np.atleast_1d(t)
        repeats = whole("repeats", repeats, 1, MOST_REPEATS)
        seed = whole("seed", seed, 0, 2**63)
        draws = self._draws(t) * repeats
        if draws > MOST_DRAWS:
            raise MachineError(
                f"{draws:.2g} examples would be drawn, over the limit of {MOST_DRAWS:.0g}; ask "
                "for fewer repeats or fewer examples"
            )
        losses = np.empty((t.size, repeats))
        for row, n in enumerate(t.tolist()):
            losses[row] = self._simulate(n, repeats, np.random.default_rng([seed, n]))
        return losses

    def _draws(self, t: np.ndarray) -> int:
        """Random numbers needed for one repeat; machines that draw every example say t.sum()."""
        return int(t.size)

    def _exact(self, t: np.ndarray) -> np.ndarray:
        """Mean loss at each of t, shape (m,) of float."""
        raise NotImplementedError

    @abstractmethod
    def _simulate(self, t: int, repeats: int, rng: np.random.Generator) -> np.ndarray:
        """Losses of `repeats` machines after t examples, shape (repeats,)."""


def check_examples(examples) -> np.ndarray:
    """Numbers of examples as an array of whole float64, or MachineError."""
    try:
        t = np.asarray(examples)
        # Booleans and texts convert to numbers, but nobody means them as such.
        t = t.astype(np.float64) if t.dtype.kind in "iuf" or t.size == 0 else None
    except (TypeError, ValueError, OverflowError):
        t = None
    if t is None:
        raise MachineError(f"examples must be whole numbers, got {examples!r}")
    bad = ~((t >= 1) & (t <= MOST_EXAMPLES) & (t == np.floor(t)))
    if bad.any():
        raise MachineError(
            f"{t[bad].flat[0]:g} is no number of examples: give whole numbers from 1 to "
            f"{MOST_EXAMPLES:.0e}"
        )
    return t


def whole(name: str, value, low: int, high: int) -> int:
    """A whole number from low to high, or MachineError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise MachineError(f"{name} = {value!r} is not a whole number")
    if not low <= value <= high:
        raise MachineError(f"{name} = {value} must lie between {low} and {high}")
    return int(value)


def number(name: str, value, low: float, high: float, why: str = "") -> float:
    """A number from low up to, but not including, high, or MachineError."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (real and math.isfinite(value) and low <= value < high):
        raise MachineError(
            f"{name} = {value!r} must be a number from {low:g} to below {high:g}"
            + (f": {why}" if why else "")
        )
    return float(value)


def one_of(name: str, value, choices: tuple[str, ...]) -> str:
    """One of the choices, or MachineError."""
    if not isinstance(value, str) or value not in choices:
        raise MachineError(f"{name} = {value!r} must be one of {', '.join(map(repr, choices))}")
    return value


def chunks(repeats: int, width: int):
    """Sizes that add up to repeats, so that size times width numbers fit the cache."""
    size = max(1, CHUNK // max(1, width))
    for start in range(0, repeats, size):
        yield slice(start, min(start + size, repeats))
