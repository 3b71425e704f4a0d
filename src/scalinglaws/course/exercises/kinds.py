"""What an answer can look like: a number, several numbers, a choice, or a function.

Each kind knows how to read a learner's answer, how far two answers are apart in units of the
tolerance, and what can be said about a wrong answer that no named misconception explains. What it
says never contains the reference.
"""

from __future__ import annotations

import copy
import math
import numbers
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scalinglaws.errors import ExerciseError

TRY_AGAIN = "That is not it. Look at the hints, then try again."


class Stub(Exception):
    """There is no answer yet."""


class Unreadable(Exception):
    """An answer that cannot be compared with the reference, and why."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name, self.message = name, message


class Kind:
    """Base of the answer kinds."""

    box = ""  # which answer box a page without a kernel shows

    def resolve(self, raw):
        """A reference or a wrong answer as given by an author, in comparable form."""
        return self.read(raw() if callable(raw) else raw)

    def submit(self, raw):
        """What a learner would hand in to give this answer (used by the tests)."""
        return raw() if callable(raw) else raw

    def read(self, answer):
        """A learner's answer in comparable form.

        Raises
        ------
        Stub
            When nothing was filled in.
        Unreadable
            When it is not an answer of this kind.
        """
        raise NotImplementedError

    def distance(self, value, reference) -> float:
        """How far two answers are apart, in units of the tolerance: up to 1 they agree."""
        raise NotImplementedError

    def distance_to(self, value, raw) -> float:
        """`distance` from a wrong answer as given by an author; above 1 only roughly."""
        return self.distance(value, self.resolve(raw))

    def diagnose(self, value, reference) -> tuple[str | None, str]:
        """A name and a message for a wrong answer that no misconception explains."""
        raise NotImplementedError


def _is_stub(answer) -> bool:
    return answer is None or answer is Ellipsis or answer is NotImplemented


def _to_float(answer) -> float:
    """One number, or `Unreadable` with what it is instead."""
    if isinstance(answer, str):
        raise Unreadable(
            "text", "That is a text, not a number. Give the number itself, without quotes."
        )
    if isinstance(answer, (bool, np.bool_)):
        raise Unreadable("true-or-false", "That is True or False, not a number.")
    if callable(answer) and not hasattr(answer, "__float__"):
        raise Unreadable("function", "That is a function. Call it, and give what it returns.")
    if isinstance(answer, numbers.Complex) and not isinstance(answer, numbers.Real):
        raise Unreadable(
            "complex", "That is a complex number: was a negative number raised to a power?"
        )
    shape = np.shape(answer) if hasattr(answer, "__len__") or hasattr(answer, "shape") else ()
    if shape:
        raise Unreadable(
            "array",
            f"That holds {math.prod(shape)} values where one number is asked for. Pick one.",
        )
    try:
        value = float(answer)
    except Exception as error:
        kind = type(answer).__name__
        raise Unreadable("not-a-number", f"That is not a number but of type `{kind}`.") from error
    if math.isnan(value):
        raise Unreadable(
            "nan", "That is NaN: somewhere 0/0, or the logarithm of a negative number."
        )
    if math.isinf(value):
        raise Unreadable(
            "infinite", "That is infinite: somewhere a division by zero, or an overflow."
        )
    return value


def _gap(value: float, reference: float, rel: float, abs_: float) -> float:
    """Distance of two numbers in units of the tolerance around the second."""
    difference = abs(value - reference)
    tolerance = max(rel * abs(reference), abs_)
    if difference == 0:
        return 0.0
    return difference / tolerance if tolerance > 0 else math.inf


# Factors by which an answer can be off, most telling first. A power of ten comes after the
# thousands because "in millions" says more than "six zeros".
_FACTORS = (
    (1e6, "units-million", "a million: one quantity is in millions, another in units."),
    (1e9, "units-billion", "a billion: one quantity is in billions, another in units."),
    (1e12, "units-trillion", "a trillion: one quantity is in trillions, another in units."),
    (1e3, "units-thousand", "a thousand: check the units."),
    (1e2, "percent", "100: a percentage where a fraction is meant, or the reverse."),
    (math.log(2), "nats-bits", "ln 2: nats and bits are mixed up."),
    (math.log(10), "log-base", "ln 10: logarithms to base 10 and natural ones are mixed up."),
)


def clue(value: float, reference: float, rel: float, abs_: float = 0.0) -> tuple[str | None, str]:
    """What can be said about one wrong number by comparing it with the right one.

    Examples
    --------
    >>> clue(-0.34, 0.34, rel=0.01)[0]
    'sign'
    >>> clue(400.0, 4e8, rel=0.01)[0]
    'units-million'
    >>> clue(1.7, 0.34, rel=0.01)[0] is None
    True
    """
    rel = max(rel, 1e-6)
    if _gap(value, reference, rel, abs_) <= 5:
        return "digits", "Close, but outside the tolerance: carry more digits through."
    if _gap(value, -reference, rel, abs_) <= 1:
        return "sign", "The size is right and the sign is not."
    if reference == 0 or value == 0 or not math.isfinite(value):
        return None, TRY_AGAIN
    ratio, close = value / reference, max(rel, 1e-3)
    for factor, name, message in _FACTORS:
        if any(_gap(ratio, f, close, 0) <= 1 for f in (factor, 1 / factor)):
            return name, f"Off by a factor of {message}"
    power = round(math.log10(abs(value)) - math.log10(abs(reference)))
    if 0 < abs(power) < 300 and _gap(ratio, 10.0**power, close, 0) <= 1:
        return "power-of-ten", "The digits are right; the power of ten is not."
    if _gap(value * reference, 1.0, close, 0) <= 1:
        return "reciprocal", "That is one over the answer: the ratio is upside down."
    return None, TRY_AGAIN


@dataclass(frozen=True)
class Number(Kind):
    """One number.

    Parameters
    ----------
    rel : float
        Relative tolerance; 0 asks for the exact number.
    unit : str
        Shown beside the answer box.
    abs : float
        Absolute tolerance, for a reference that may be 0.
    """

    rel: float = 0.01
    unit: str = ""
    abs: float = 0.0
    box = "number"

    def read(self, answer):
        if _is_stub(answer):
            raise Stub("Put a number in place of the dots.")
        return _to_float(answer)

    def distance(self, value, reference):
        return _gap(value, reference, self.rel, self.abs)

    def diagnose(self, value, reference):
        return clue(value, reference, self.rel, self.abs)


@dataclass(frozen=True)
class Numbers(Kind):
    """Several named numbers.

    The learner may give a mapping, a sequence in the order of the names, or an object that has them
    as attributes, such as a law. The reference and the misconceptions too; a misconception may be a
    mapping of only those numbers that tell it apart.

    Parameters
    ----------
    names : sequence of str
        What the numbers are called.
    rel : float or mapping of str to float
        Relative tolerance, the same for all or by name.
    abs : float
        Absolute tolerance.
    """

    names: Sequence[str]
    rel: float | Mapping[str, float] = 0.01
    abs: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "names", tuple(self.names))

    def resolve(self, raw):
        raw = raw() if callable(raw) and not self._has_names(raw) else raw
        if isinstance(raw, Mapping):
            unknown = set(raw) - set(self.names)
            if unknown:
                raise ExerciseError(f"{sorted(unknown)} are not among the names {self.names}")
            return {name: float(value) for name, value in raw.items()}
        return self.read(raw)

    def read(self, answer):
        asked = ", ".join(self.names)
        if _is_stub(answer):
            raise Stub(f"Give {asked}.")
        if isinstance(answer, Mapping):
            missing = [name for name in self.names if name not in answer]
            values = [answer.get(name) for name in self.names]
        elif self._has_names(answer):
            missing, values = [], [getattr(answer, name) for name in self.names]
        else:
            if isinstance(answer, str) or not hasattr(answer, "__iter__"):
                raise Unreadable("too-few", f"{len(self.names)} numbers are asked for: {asked}.")
            missing, values = [], list(answer)
            if len(values) != len(self.names):
                raise Unreadable(
                    "count",
                    f"{len(self.names)} numbers are asked for ({asked}), not {len(values)}.",
                )
        if missing:
            raise Unreadable("missing", f"There is no {' and no '.join(missing)} in the answer.")
        if all(map(_is_stub, values)):
            raise Stub(f"Give {asked}.")
        read = {}
        for name, value in zip(self.names, values, strict=True):
            try:
                read[name] = _to_float(value)
            except Unreadable as problem:
                raise Unreadable(problem.name, f"{name}: {problem.message}") from problem
        return read

    def _has_names(self, answer) -> bool:
        return all(hasattr(answer, name) for name in self.names)

    def _rel(self, name) -> float:
        return self.rel[name] if isinstance(self.rel, Mapping) else self.rel

    def distance(self, value, reference):
        return max(
            _gap(value[name], reference[name], self._rel(name), self.abs) for name in reference
        )

    def diagnose(self, value, reference):
        gaps = {n: _gap(value[n], reference[n], self._rel(n), self.abs) for n in self.names}
        wrong = [name for name in self.names if gaps[name] > 1]
        order = sorted(self.names, key=value.get), sorted(self.names, key=reference.get)
        if len(wrong) > 1 and all(
            _gap(value[v], reference[r], self._rel(r), self.abs) <= 1
            for v, r in zip(*order, strict=True)
        ):
            return "order", "The right numbers under the wrong names."
        name, message = clue(value[wrong[0]], reference[wrong[0]], self._rel(wrong[0]), self.abs)
        right = [n for n in self.names if n not in wrong]
        lead = f"{', '.join(right)}: right. " if right else ""
        return name, f"{lead}{wrong[0]}: {message[0].lower()}{message[1:]}"


@dataclass(frozen=True)
class Choice(Kind):
    """One of several options.

    Parameters
    ----------
    options : mapping of str to str
        Letter of each option and its text. A sequence of texts gets the letters a, b, c…
    """

    options: Mapping[str, str] | Sequence[str]
    box = "choice"

    def __post_init__(self):
        options = self.options
        if not isinstance(options, Mapping):
            options = dict(zip("abcdefghijklmnopqrstuvwxyz", options, strict=False))
        object.__setattr__(self, "options", dict(options))

    def read(self, answer):
        letters = ", ".join(self.options)
        if _is_stub(answer) or (isinstance(answer, str) and not answer.strip()):
            raise Stub(f"Choose one of {letters}.")
        if isinstance(answer, str):
            said = answer.strip().strip("().").casefold()
            for key, text in self.options.items():
                if said in (key.casefold(), text.strip().casefold()):
                    return key
        raise Unreadable("not-an-option", f"Give the letter of one option, in quotes: {letters}.")

    def distance(self, value, reference):
        return 0.0 if value == reference else math.inf

    def diagnose(self, value, reference):
        return None, TRY_AGAIN


@dataclass(frozen=True)
class Function(Kind):
    """A function that the learner writes; it is called on each case.

    Parameters
    ----------
    cases : sequence
        Each is a tuple of positional arguments, or a mapping of keyword arguments. Arguments are
        copied for every call.
    rel, abs : float
        Tolerances of each number that the function returns. It may return a number, an array, a
        tuple, a text, or a mapping of these.
    name : str
        What the function is called in the exercise, for messages.
    """

    cases: Sequence
    rel: float = 1e-6
    abs: float = 0.0
    name: str = field(default="your function")

    def __post_init__(self):
        cases = tuple(
            case if isinstance(case, (tuple, Mapping)) else (case,) for case in self.cases
        )
        object.__setattr__(self, "cases", cases)

    def resolve(self, raw):
        return list(self._outputs(raw))

    def _outputs(self, raw):
        """What an author's function returns, case by case."""
        for case in self.cases:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                output = _comparable(_call(raw, case))
            yield output

    def distance_to(self, value, raw):
        # One case usually tells two functions apart; the others need not be computed.
        worst = 0.0
        for got, output in zip(value, self._outputs(raw), strict=True):
            worst = max(worst, self._output_gap(got, output))
            if worst > 1:
                break
        return worst

    def submit(self, raw):
        return raw

    def read(self, answer):
        if _is_stub(answer):
            raise Stub("Write the function, and pass it without brackets.")
        if not callable(answer):
            raise Unreadable(
                "not-a-function",
                f"That is of type `{type(answer).__name__}`. Pass the function, without brackets.",
            )
        outputs = [self._run(answer, case) for case in self.cases]
        if all(output is None for output in outputs):
            raise Stub("The function returns nothing: write its body, and end it with `return`.")
        for case, output in zip(self.cases, outputs, strict=True):
            if output is None:
                raise Unreadable(
                    "no-return", f"{self._show(case)} returns nothing: is a `return` missing?"
                )
        return outputs

    def _run(self, function: Callable, case):
        """Output of a learner's function on one case; whatever goes wrong is explained."""
        try:
            output = _call(function, case)
        except NotImplementedError:
            raise Stub("The function still raises NotImplementedError: write its body.") from None
        except Exception as error:
            text = f"{type(error).__name__}: {error}".rstrip(": ")
            raise Unreadable("raised", f"{self._show(case)} raised `{text}`.") from error
        if _is_stub(output):
            return None
        try:
            output = _comparable(output)
        except Exception as error:
            raise Unreadable(
                "not-numbers",
                f"{self._show(case)} returns a {type(output).__name__}, which cannot be compared.",
            ) from error
        parts = output.values() if isinstance(output, dict) else (output,)
        if any(not isinstance(part, str) and np.isnan(part).any() for part in parts):
            raise Unreadable(
                "nan",
                f"{self._show(case)} gives NaN: somewhere 0/0, 0 times the logarithm of 0, or the "
                "logarithm of a negative number.",
            )
        return output

    def _show(self, case) -> str:
        """A call as the learner would type it, arguments shortened."""
        if isinstance(case, Mapping):
            inside = ", ".join(f"{name}={_brief(value)}" for name, value in case.items())
        else:
            inside = ", ".join(map(_brief, case))
        return f"`{self.name if self.name.isidentifier() else 'f'}({inside})`"

    def _output_gap(self, value, reference) -> float:
        if isinstance(reference, dict):
            if not isinstance(value, dict) or set(value) != set(reference):
                return math.inf
            return max((self._output_gap(value[k], reference[k]) for k in reference), default=0.0)
        if isinstance(value, (str, dict)) or isinstance(reference, str):
            same = type(value) is type(reference) and value == reference
            return 0.0 if same else math.inf
        if value.shape != reference.shape:
            return math.inf
        gaps = [
            _gap(v, r, self.rel, self.abs) if v != r else 0.0
            for v, r in zip(value.ravel().tolist(), reference.ravel().tolist(), strict=True)
        ]
        return max(gaps, default=0.0)

    def distance(self, value, reference):
        return max(map(self._output_gap, value, reference))

    def diagnose(self, value, reference):
        gaps = [self._output_gap(v, r) for v, r in zip(value, reference, strict=True)]
        worst = gaps.index(max(gaps))
        case, got, want = self._show(self.cases[worst]), value[worst], reference[worst]
        if type(got) is not type(want):
            return "type", f"{case} does not return the kind of value that is asked for."
        if isinstance(want, dict) and set(got) != set(want):
            return "keys", f"{case} does not return the keys that are asked for."
        if isinstance(want, np.ndarray) and got.shape != want.shape:
            got, want = _amount(got.shape), _amount(want.shape)
            return "shape", f"{case} returns {got}; {want} is asked for."
        right = sum(gap <= 1 for gap in gaps)
        if right:
            return (
                None,
                f"Right on {right} of {len(gaps)} cases. Look at {case}: it gives {_brief(got)}.",
            )
        if len(value) > 1 and all(self._output_gap(v, value[0]) == 0 for v in value):
            return "constant", "It returns the same for every input: does it use its arguments?"
        if isinstance(want, np.ndarray):
            # The same slip on every number of every case is a clue about the formula.
            pairs = [
                pair
                for v, r in zip(value, reference, strict=True)
                for pair in zip(v.ravel().tolist(), r.ravel().tolist(), strict=True)
            ]
            clues = {clue(v, r, max(self.rel, 1e-3), self.abs) for v, r in pairs}
            if len(clues) == 1:
                name, message = clues.pop()
                if name:
                    return name, f"On every case: {message[0].lower()}{message[1:]}"
        return None, f"{TRY_AGAIN} {case} gives {_brief(got)}."


def _amount(shape: tuple[int, ...]) -> str:
    """How many numbers an array of this shape holds, in words."""
    if len(shape) > 1:
        return f"a table of {' by '.join(map(str, shape))} numbers"
    return f"a list of {shape[0]}" if shape else "one number"


def _call(function, case):
    case = copy.deepcopy(case)
    return function(**case) if isinstance(case, Mapping) else function(*case)


def _comparable(output):
    """Text as it is, mappings by key, everything else as an array of floats."""
    if isinstance(output, str):
        return output
    if isinstance(output, Mapping):
        return {key: _comparable(value) for key, value in output.items()}
    if np.iscomplexobj(output):
        raise TypeError("complex")
    return np.asarray(output, dtype=float)


def _brief(value) -> str:
    """A value short enough for a message."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key!r}: {_brief(v)}" for key, v in value.items()) + "}"
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, (bool, str)):
        return repr(value)
    if isinstance(value, numbers.Integral):  # exact, so that the call can be typed again
        return str(int(value)) if abs(value) < 10**15 else f"{float(value):.4g}"
    if isinstance(value, numbers.Real):
        return f"{float(value):.4g}"
    if isinstance(value, (list, tuple, np.ndarray)):
        flat = list(np.ravel(np.asarray(value, dtype=object)))
        return "[" + ", ".join(map(_brief, flat[:3])) + (", …]" if len(flat) > 3 else "]")
    return type(value).__name__
