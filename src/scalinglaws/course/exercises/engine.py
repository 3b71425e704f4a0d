"""What an exercise is, and how an answer to it is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from scalinglaws.course.exercises.kinds import Kind, Stub, Unreadable
from scalinglaws.course.exercises.verdict import Verdict, answer_box
from scalinglaws.errors import ExerciseError

LEVELS = ("beginner", "intermediate", "advanced")


@dataclass(frozen=True)
class Misconception:
    """A wrong idea, the answer that it leads to, and what to say to somebody who holds it.

    Parameters
    ----------
    name : str
        Short and stable, such as ``"nats-for-bits"``.
    wrong : object or callable
        The answer it gives, or a function without arguments that computes it. For a `Function`
        exercise, the wrong function itself.
    message : str
        Names the slip and points at the way out, without giving the answer. Text in `backticks` is
        shown as code.
    """

    name: str
    wrong: object
    message: str


@dataclass(frozen=True)
class Exercise:
    """One exercise: what is asked, the reference answer, and the wrong ideas it can recognise.

    Parameters
    ----------
    id : str
        Chapter and number, such as ``"08.2"`` or ``"lab3.1"``.
    title : str
        Short title, as in the book.
    level : {"beginner", "intermediate", "advanced"}
        How hard it is.
    minutes : float
        How long it takes.
    kind : Number, Numbers, Choice or Function
        What an answer looks like and when two answers are the same.
    reference : object or callable
        The right answer, or a function without arguments that computes it. For a `Function`
        exercise, a right function.
    right : str or callable
        Why the right answer is right; or a function of the reference that returns this text.
    misconceptions : tuple of Misconception
        Tried in order of nearness to the answer.

    Raises
    ------
    ExerciseError
        When the level is unknown or two misconceptions share a name or a message.

    Examples
    --------
    >>> from scalinglaws.course.exercises import Exercise, Misconception, Number
    >>> exercise = Exercise(
    ...     id="00.1", title="Double the model", level="beginner", minutes=2, kind=Number(rel=0.01),
    ...     reference=lambda: 2**-0.34,
    ...     right="The model term is multiplied by 2 to the power -0.34.",
    ...     misconceptions=(
    ...         Misconception("linear", lambda: 1 / 2, "Exponent 1 would do that."),
    ...     ),
    ... )
    >>> exercise.check(0.79)
    00.1: right. The model term is multiplied by 2 to the power -0.34.
    >>> exercise.check(0.5)
    00.1: not yet (linear). Exponent 1 would do that.
    >>> exercise.check(...).correct
    False
    """

    id: str
    title: str
    level: str
    minutes: float
    kind: Kind
    reference: object
    right: str | Callable[[object], str]
    misconceptions: tuple[Misconception, ...] = field(default=())

    def __post_init__(self):
        if self.level not in LEVELS:
            raise ExerciseError(f"exercise {self.id}: level {self.level!r} is not one of {LEVELS}")
        for what in ("name", "message"):
            seen = [getattr(misconception, what) for misconception in self.misconceptions]
            twice = {value for value in seen if seen.count(value) > 1}
            if twice:
                raise ExerciseError(
                    f"exercise {self.id}: the misconception {what} {twice.pop()!r} is there twice"
                )

    def check(self, answer: object) -> Verdict:
        """Judge one answer; see `scalinglaws.course.exercises.check`."""
        reference = self.kind.resolve(self.reference)
        try:
            value = self.kind.read(answer)
        except Stub as stub:
            box = answer_box(self, reference)
            return Verdict(self.id, False, None, f"Nothing to check yet. {stub}", "stub", box)
        except Unreadable as problem:
            return Verdict(self.id, False, problem.name, problem.message)
        except Exception as error:  # an answer can be any object, with any behaviour
            text = f"That cannot be read as an answer: it raised `{type(error).__name__}`."
            return Verdict(self.id, False, "unreadable", text)
        if self.kind.distance(value, reference) <= 1:
            return Verdict(self.id, True, None, self.why(reference), "right")
        near = self._nearest_misconception(value)
        name, message = (near.name, near.message) if near else self.kind.diagnose(value, reference)
        return Verdict(self.id, False, name, message)

    def _nearest_misconception(self, value) -> Misconception | None:
        """The misconception whose answer this is, within the exercise's own tolerance."""
        distances = [
            (self.kind.distance_to(value, misconception.wrong), number)
            for number, misconception in enumerate(self.misconceptions)
        ]
        distance, number = min(distances, default=(float("inf"), 0))
        return self.misconceptions[number] if distance <= 1 else None

    def why(self, reference) -> str:
        """What a reader is told after the right answer."""
        return self.right(reference) if callable(self.right) else self.right
