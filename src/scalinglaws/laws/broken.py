"""The smoothly broken power law of Caballero et al. 2022 (arXiv 2210.14891)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scalinglaws.laws.base import ConstantError, Law, exps, positive


@dataclass(frozen=True, repr=False)
class BrokenPowerLaw(Law):
    r"""A power law whose slope changes at breaks, above a floor.

    .. math::

        L(x) = E + A\,x^{-c_0} \prod_{i=1}^{n}\left(1 + (x/d_i)^{1/f_i}\right)^{-c_i f_i}

    Parameters
    ----------
    E : float
        Floor (the paper's a), 0 for none.
    A : float
        Excess at x = 1, if that lies before the first break (the paper's b).
    c0 : float
        Exponent before the first break. Positive: the loss falls. Any sign is allowed.
    c : sequence of float
        Change of the exponent at each break; negative where the curve flattens or turns up.
    d : sequence of float
        Where the breaks are, increasing.
    f : sequence of float
        Widths of the breaks, in e-folds of x: the smaller, the sharper.

    Notes
    -----
    Equation 1 of the paper. It has 3 + 3n constants, so it can follow any curve it was fitted to;
    what it says beyond the last run rests on there being no further break.

    Examples
    --------
    >>> law = BrokenPowerLaw(E=0.0, A=2.0, c0=0.1, c=(0.4,), d=(1e6,), f=(0.5,))
    >>> law.exponents
    (0.1, 0.5)
    >>> law.slope([1.0, 1e6, 1e12]).round(3).tolist()  # half of the change at the break itself
    [-0.1, -0.3, -0.5]
    """

    E: float
    A: float
    c0: float
    c: tuple[float, ...] = ()
    d: tuple[float, ...] = ()
    f: tuple[float, ...] = ()

    def __post_init__(self):
        for name in ("E", "A", "c0"):
            value = _number(name, getattr(self, name))
            if name == "A" and value <= 0 or name == "E" and value < 0:
                raise ConstantError(f"{name} = {value!r}, but it must be positive")
            object.__setattr__(self, name, value)
        for name in ("c", "d", "f"):
            values = getattr(self, name)
            try:
                values = tuple(np.atleast_1d(values))
            except (TypeError, ValueError) as err:
                raise ConstantError(f"{name} must be numbers, got {values!r}") from err
            values = tuple(_number(f"{name}{i}", v) for i, v in enumerate(values, 1))
            object.__setattr__(self, name, values)
        if not len(self.c) == len(self.d) == len(self.f):
            raise ConstantError(
                f"each break needs one of c, d and f, got {len(self.c)}, {len(self.d)} and "
                f"{len(self.f)}"
            )
        if any(v <= 0 for v in (*self.d, *self.f)):
            raise ConstantError("break points d and widths f must be positive")
        if any(b <= a for a, b in zip(self.d, self.d[1:], strict=False)):
            raise ConstantError(f"break points d must increase, got {self.d}")

    @property
    def breaks(self) -> int:
        """The number of breaks n."""
        return len(self.d)

    @property
    def constants(self) -> dict[str, float]:
        """The constants by name: E, A, c0, and c1, d1, f1, c2, ... for the breaks."""
        out = {"E": self.E, "A": self.A, "c0": self.c0}
        for i, values in enumerate(zip(self.c, self.d, self.f, strict=True), 1):
            out |= {f"{name}{i}": v for name, v in zip("cdf", values, strict=True)}
        return out

    @classmethod
    def from_constants(cls, constants: Mapping[str, float]) -> BrokenPowerLaw:
        """The law whose `constants` these are.

        Raises
        ------
        ConstantError
            A name that is missing, or that no such law has.

        Examples
        --------
        >>> law = BrokenPowerLaw(E=0.1, A=2.0, c0=0.1, c=(0.4,), d=(1e6,), f=(0.5,))
        >>> BrokenPowerLaw.from_constants(law.constants) == law
        True
        """
        n = (len(constants) - 3) // 3
        names = ["E", "A", "c0"] + [f"{k}{i}" for i in range(1, n + 1) for k in "cdf"]
        if set(names) != set(constants):
            raise ConstantError(f"need the constants {names}, got {sorted(constants)}")
        lists = {k: tuple(constants[f"{k}{i}"] for i in range(1, n + 1)) for k in "cdf"}
        return cls(E=constants["E"], A=constants["A"], c0=constants["c0"], **lists)

    def _log_excess(self, log_x: np.ndarray) -> np.ndarray:
        out = math.log(self.A) - self.c0 * log_x
        for c, d, f in zip(self.c, self.d, self.f, strict=True):
            out = out - c * f * np.logaddexp(0.0, (log_x - math.log(d)) / f)
        return out

    def predict(self, x) -> np.ndarray:
        """Loss at ``x`` (positive, any shape); BudgetError where it exceeds all numbers."""
        return self.E + exps(self._log_excess(np.log(positive("x", x))), "the loss")

    def excess_slope(self, x) -> np.ndarray:
        """d ln(L - E) / d ln x: minus the exponent in force at ``x``."""
        log_x = np.log(positive("x", x))
        out = np.full_like(log_x, -self.c0)
        for c, d, f in zip(self.c, self.d, self.f, strict=True):
            out = out - c * np.exp(-np.logaddexp(0.0, -(log_x - math.log(d)) / f))
        return out

    def slope(self, x) -> np.ndarray:
        """Local slope d ln L / d ln x. It tends to 0 as the floor takes over."""
        if self.E == 0:
            return self.excess_slope(x)
        log_excess = self._log_excess(np.log(positive("x", x)))
        return self.excess_slope(x) * np.exp(-np.logaddexp(0.0, math.log(self.E) - log_excess))

    def gradient(self, x) -> np.ndarray:
        """dL / dx."""
        log_x = np.log(positive("x", x))
        return self.excess_slope(x) * exps(self._log_excess(log_x) - log_x, "the gradient")

    @property
    def exponents(self) -> tuple[float, ...]:
        """Exponent of the excess before the first break and after each: c0, c0 + c1, ..."""
        return tuple(math.fsum((self.c0, *self.c[:j])) for j in range(self.breaks + 1))

    def segment(self, j: int, x) -> np.ndarray:
        """The pure power law that the excess follows far from any break, after ``j`` breaks.

        Parameters
        ----------
        j : int
            0 for the one before the first break, up to `breaks`.
        x : array_like
            Where to evaluate it.

        Raises
        ------
        ConstantError
            There is no such segment.
        """
        if j not in range(self.breaks + 1):
            raise ConstantError(f"segments are 0 to {self.breaks}, got {j!r}")
        log_a = math.log(self.A) + sum(
            c * math.log(d) for c, d in zip(self.c[:j], self.d[:j], strict=True)
        )
        log_x = np.log(positive("x", x))
        return exps(log_a - self.exponents[j] * log_x, "the segment")

    def _repr_latex_(self) -> str:
        floor = f"{self.E:.4g} + " if self.E else ""
        factors = "".join(
            rf"\left(1 + (x/{d:.3g})^{{1/{f:.4g}}}\right)^{{{-c * f:.4g}}}"
            for c, d, f in zip(self.c, self.d, self.f, strict=True)
        )
        return rf"$L(x) = {floor}{self.A:.4g}\,x^{{{-self.c0:.4g}}}{factors}$"


def _number(name: str, value) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as err:
        raise ConstantError(f"{name} must be a number, got {value!r}") from err
    if not math.isfinite(number):
        raise ConstantError(f"{name} must be finite, got {value!r}")
    return number
