"""What all laws share: named positive constants, a printable form, an optimum under a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from scalinglaws.errors import BudgetError, ScalingLawsError

# Budgets outside these are slips of the pen: one FLOP trains nothing, and 1e40 FLOP is more than
# a planet of accelerators computes in the age of the universe.
FLOPS_RANGE = (1e3, 1e40)


class ConstantError(ScalingLawsError, ValueError):
    """A constant that a law cannot have (negative, NaN, infinite)."""


@dataclass(frozen=True)
class Law:
    """Base of all laws: an immutable object of constants."""

    def __post_init__(self):
        for f in fields(self):
            value = getattr(self, f.name)
            try:
                value = float(value)
            except (TypeError, ValueError, OverflowError) as err:
                raise ConstantError(f"{f.name} must be a number, got {value!r}") from err
            self._check(f.name, value)
            object.__setattr__(self, f.name, value)

    def _check(self, name: str, value: float) -> None:
        # House convention: all constants are positive, minus signs stand in the formula. A floor
        # E of zero is allowed (a law without a floor).
        if not math.isfinite(value) or value < 0 or (value == 0 and name != "E"):
            raise ConstantError(
                f"{name} = {value!r}, but constants are positive and finite "
                "(minus signs belong to the formula)"
            )

    @property
    def constants(self) -> dict[str, float]:
        """The constants by name, in the order of the formula."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of the constants."""
        return tuple(f.name for f in fields(cls))

    @classmethod
    def from_constants(cls, constants: Mapping[str, float]) -> Self:
        """The law whose `constants` these are."""
        return cls(**constants)

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v:.6g}" for k, v in self.constants.items())
        return f"{type(self).__name__}({inside})"


@dataclass(frozen=True)
class Optimum:
    """What to train with a budget: the compute-optimal model and its data.

    Attributes
    ----------
    flops : float
        The budget C, in FLOP.
    params, tokens : float
        Parameters N and training tokens D.
    loss : float
        Predicted loss in nats per token (NaN for a pure allocation rule, which predicts none).
    """

    flops: float
    params: float
    tokens: float
    loss: float

    @property
    def tokens_per_param(self) -> float:
        """Tokens per parameter, D / N."""
        return self.tokens / self.params


def check_budget(flops: float, what: str = "budget") -> float:
    """Return a budget as a float, or say why it is none.

    Raises
    ------
    BudgetError
        Not one number, NaN, zero, negative, or absurd.
    """
    try:
        flops = float(flops)
    except (TypeError, ValueError, OverflowError) as err:
        raise BudgetError(f"the {what} must be one number of FLOP, got {flops!r}") from err
    low, high = FLOPS_RANGE
    if math.isnan(flops) or flops <= 0:
        raise BudgetError(f"the {what} is {flops} FLOP; it must be positive")
    if not low <= flops <= high:
        raise BudgetError(
            f"the {what} is {flops:.3g} FLOP, outside {low:.0e} to {high:.0e}; give it in FLOP "
            "(not FLOP/s, PFLOP or PF-days: one PF-day is 8.64e19 FLOP)"
        )
    return flops


def positive(name: str, values) -> np.ndarray:
    """Return a float64 array of positive, finite numbers, or raise `BudgetError`."""
    try:
        values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as err:
        raise BudgetError(f"{name} must be numbers, got {values!r}") from err
    if values.size and not (np.isfinite(values).all() and (values > 0).all()):
        raise BudgetError(f"{name} must be positive and finite")
    return values


def one_number(name: str, value, *, above: float = -math.inf) -> float:
    """Return one finite number larger than ``above``, or raise `BudgetError`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as err:
        raise BudgetError(f"{name} must be one number, got {value!r}") from err
    if not math.isfinite(number) or number <= above:
        least = "" if above == -math.inf else f" above {above:.6g}"
        raise BudgetError(f"{name} must be a finite number{least}, got {value!r}")
    return number


def exp(log_value: float, what: str) -> float:
    """Return e^log_value, or raise `BudgetError` where it overflows or vanishes."""
    if not -700.0 < log_value < 700.0:
        raise BudgetError(
            f"{what} would be 1e{log_value / math.log(10):.0f}, far beyond any that makes sense"
        )
    return math.exp(log_value)


def exps(log_values, what: str) -> np.ndarray:
    """Return e^log_values for an array, or raise `BudgetError` where one overflows.

    What is too small for a number becomes 0.
    """
    log_values = np.asarray(log_values, dtype=np.float64)
    if (log_values > 709.0).any():
        raise BudgetError(
            f"{what} would be 1e{log_values.max() / math.log(10):.0f}, far beyond any that "
            "makes sense"
        )
    return np.exp(log_values)
