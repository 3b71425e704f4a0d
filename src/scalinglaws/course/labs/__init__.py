"""What each lab hands out and how its submissions are marked.

A lab is a module here, named like its notebook's start (``lab_3``), with

* ``TITLE``;
* ``TASKS``, a tuple of `Task`;
* whatever its notebook uses, such as a table of runs drawn from the learner's own seed.

A task asks for a *named function*. The grader calls it on data that the learner has never seen, so
an answer that was typed in, or fitted to the learner's own table, does not pass.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType

from scalinglaws.course.exercises import Exercise
from scalinglaws.errors import ExerciseError


@dataclass(frozen=True)
class Mark:
    """What one task earned.

    Attributes
    ----------
    share : float
        Between 0 and 1.
    feedback : str
        What was right, what was not, and where to look.
    """

    share: float
    feedback: str

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            raise ExerciseError(f"a mark is between 0 and 1, got {self.share!r}")


@dataclass(frozen=True)
class Task:
    """One thing that a submission must do.

    Attributes
    ----------
    name : str
        Name of the function that the learner writes.
    title : str
    points : int
    mark : callable
        ``mark(function, seed)`` returns a `Mark`. It may raise whatever the function raises.
    seconds : float
        Time that marking may take.
    """

    name: str
    title: str
    points: int
    mark: Callable[[Callable, int], Mark]
    seconds: float = 30.0


def mark_by_cases(
    exercise: Exercise, groups: Sequence[tuple[float, Sequence]], function: Callable
) -> Mark:
    """Mark a function like an instant check, on cases that the learner has not seen.

    Parameters
    ----------
    exercise : Exercise
        Of the kind `Function`; its reference and misconceptions are called on the new cases.
    groups : sequence of (float, sequence of cases)
        Shares, adding up to 1, and the cases they are earned with, in equal parts. The first group
        is the heart of the task: without any of it the others earn nothing, as a function that
        always gives the same answer may get them right by luck.
    function : callable

    Returns
    -------
    Mark
        With the message of the misconception that explains all answers, if there is one.
    """
    count = sum(len(cases) for _, cases in groups)
    everything = [case for _, cases in groups for case in cases]
    verdict = on_cases(exercise, everything).check(function)
    if verdict.correct:
        return Mark(1.0, f"Right on all {count} fresh cases.")
    if verdict.state == "stub":
        return Mark(0.0, f"`{exercise.kind.name}` is not written yet.")
    plain = replace(exercise, misconceptions=())  # case by case only right or wrong matters
    right = [[on_cases(plain, [case]).check(function).correct for case in g] for _, g in groups]
    share = sum(weight * sum(r) / len(r) for (weight, _), r in zip(groups, right, strict=True))
    hits = sum(map(sum, right))
    lead = f"Right on {hits} of {count} fresh cases. " if hits else ""
    # The check itself counts cases when nothing explains them; once is enough.
    message = re.sub(r"^Right on \d+ of \d+ cases\. ", "", verdict.message)
    return Mark(round(share, 3) if any(right[0]) else 0.0, lead + message)


def on_cases(exercise: Exercise, cases: Sequence) -> Exercise:
    """The same exercise, asked on other cases."""
    return replace(exercise, kind=replace(exercise.kind, cases=tuple(cases)))


def learner_seed(learner: str) -> int:
    """A whole number that belongs to a learner: the same on every machine, different for others.

    Capitals and spaces around the name do not matter.

    Raises
    ------
    ExerciseError
        The name is empty.

    Examples
    --------
    >>> learner_seed("Ada Lovelace") == learner_seed(" ada lovelace ")
    True
    >>> learner_seed("ada") == learner_seed("alan")
    False
    """
    name = re.sub(r"\s+", " ", str(learner)).strip().casefold()
    if not name:
        raise ExerciseError("put your name (or any word) in LEARNER: it draws your data")
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def labs() -> tuple[str, ...]:
    """Names of the labs that can be graded."""
    return tuple(m.name for m in pkgutil.iter_modules(__path__) if m.name.startswith("lab_"))


def load(lab: str) -> ModuleType:
    """The module of a lab, given its name (``lab_3``) or its number (``3``).

    Raises
    ------
    ExerciseError
        There is no such lab.
    """
    name = f"lab_{lab}" if str(lab).isdigit() else "_".join(str(lab).split("_")[:2])
    if name not in labs():
        raise ExerciseError(f"no lab {lab!r} can be graded; there are {', '.join(labs())}")
    return importlib.import_module(f"{__name__}.{name}")
