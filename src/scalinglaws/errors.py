"""The exceptions of the package, and `Caution`, a named warning that travels with a result.

Every exception says which row, column or argument is at fault, what is wrong with it, and what to
do. They all derive from `ScalingLawsError`, and from the built-in exception that a caller who has
never seen this package would expect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class ScalingLawsError(Exception):
    """Base class of every error that this package raises on purpose."""


class RunDataError(ScalingLawsError, ValueError):
    """A table of runs that cannot be used as it stands.

    Parameters
    ----------
    message : str
        What is wrong and what to do about it.
    column : str, optional
        The column at fault.
    rows : sequence of int, optional
        Positions (counted from 0) of the rows at fault.
    """

    def __init__(self, message: str, *, column: str | None = None, rows: Sequence[int] = ()):
        super().__init__(message)
        self.column = column
        self.rows = tuple(int(r) for r in rows)


class UnitsError(RunDataError):
    """Parameters, tokens and FLOPs that cannot all be in units (some are in millions, say)."""


class FitError(ScalingLawsError, ValueError):
    """A fit that the data cannot support: too few runs, or nothing varies."""


class BudgetError(ScalingLawsError, ValueError):
    """A budget, a loss target or a planned run that makes no sense."""


class ShapeError(ScalingLawsError, ValueError):
    """A transformer shape that cannot exist, or an unknown counting convention."""


class DatasetError(ScalingLawsError, OSError):
    """Published data that could not be downloaded, verified, read or stored."""


class TaskError(ScalingLawsError, ValueError):
    """A task to train on that cannot exist, or that nobody has heard of."""


class GraphError(TaskError):
    """A graph that no random walk can use, or numbers that make no graph."""


class TrainingError(ScalingLawsError, ValueError):
    """A training run, or a sweep of them, that cannot be carried out as described."""


class DeviceError(ScalingLawsError, ValueError):
    """A device that is unknown, or that this machine lacks."""


class StoreError(ScalingLawsError, OSError):
    """A store of training runs that cannot be read or written; what it held is left as it was."""


class StoreCorruptError(StoreError):
    """A file that is not a store of runs, or that has been damaged."""


class StoreVersionError(StoreError):
    """A store written by a newer version of the package."""


class StoreFullError(StoreError):
    """No room left on the disk for another run."""


class LabWarning(UserWarning):
    """Base class of the warnings about sweeps of training runs."""


class EdgeWarning(LabWarning):
    """The best value of a setting lies at the edge of what was tried, so a better one may exist."""


class DivergedWarning(LabWarning):
    """Runs whose loss was not a number are left out."""


class ExerciseError(ScalingLawsError, ValueError):
    """An exercise, lab or submission that is not there or cannot be read."""


@dataclass(frozen=True)
class Caution:
    """A named warning attached to a result.

    Parameters
    ----------
    code : str
        Short name, stable enough to test for, such as ``"not-identified"``.
    message : str
        What was seen, and what it means for the reader of the result.

    Examples
    --------
    >>> print(Caution("single-budget", "all runs share one budget"))
    single-budget: all runs share one budget
    """

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
