"""How `pytest` runs the notebooks: stored outputs are compared, floats at a relative 1e-3.

nbval compares text exactly. The same computation on another machine moves by 1e-9 or so, which is
enough to turn a printed 0.3475 into 0.3474. Here two outputs are equal when their words and whole
numbers are the same and each float agrees to `RELATIVE`. Pictures as PNG are not compared at all:
`tests/test_notebooks.py` checks that they are there.
"""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest

# Kernels inherit these. One thread gives the same sums whatever the number of cores.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # no debugger's advice on stderr
os.environ.setdefault("SOURCE_DATE_EPOCH", "0")  # no dates inside SVG pictures

_POINTS = Path(__file__).resolve().parent.parent / "shared" / "data"
if _POINTS.is_dir():
    os.environ.setdefault("SCALINGLAWS_DATA", str(_POINTS))

RELATIVE = 1e-3
ABSOLUTE = 1e-9  # below this a float is a zero that rounding has touched
PIXELS = 0.15  # coordinates in a drawing are rounded to 0.1

# A float has a point or an exponent. Whole numbers, names (v1.5) and versions (3.11.7) are text.
FLOAT = re.compile(
    r"(?<![\w.])[-+−]?"
    r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)"
    r"(?!\.?\d)"
)
DRAWING = re.compile(r"<svg.*?</svg>", re.DOTALL)
COORDINATE = re.compile(r"-?\d+(?:\.\d+)?")


def _as_number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def _words(text: str) -> list[str]:
    """`text` line by line, with runs of blanks made one: a column may be one character wider."""
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def same_output(stored: str, fresh: str) -> bool:
    """Whether two outputs agree: floats to `RELATIVE`, everything else exactly.

    >>> same_output("alpha = 0.34731", "alpha = 0.34734")
    True
    >>> same_output("alpha = 0.3473", "alpha = 0.3508")
    False
    >>> same_output("240 runs", "241 runs")
    False
    """
    if stored == fresh:
        return True
    if len(DRAWING.findall(stored)) != len(DRAWING.findall(fresh)):
        return False
    for old, new in zip(DRAWING.findall(stored), DRAWING.findall(fresh), strict=True):
        if not _agree(old, new, COORDINATE, PIXELS):
            return False
    return _agree(DRAWING.sub("<svg>", stored), DRAWING.sub("<svg>", fresh), FLOAT, ABSOLUTE)


def _agree(stored: str, fresh: str, number: re.Pattern, absolute: float) -> bool:
    if _words(number.sub("#", stored)) != _words(number.sub("#", fresh)):
        return False
    return all(
        math.isclose(_as_number(old), _as_number(new), rel_tol=RELATIVE, abs_tol=absolute)
        for old, new in zip(number.findall(stored), number.findall(fresh), strict=True)
    )


class _Output(str):
    """Text whose equality is `same_output`; nbval compares outputs with `!=`."""

    def __eq__(self, other):
        return same_output(str(self), str(other))

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__


def pytest_configure(config):
    # Build matplotlib's font cache here: in a fresh kernel it would write a note to stderr.
    import matplotlib.font_manager

    matplotlib.use("Agg")
    if not getattr(config.option, "nbval", False):
        return
    from nbval.plugin import IPyNbCell

    exact = IPyNbCell.sanitize

    def sanitize(self, text):
        text = exact(self, text)
        return _Output(text) if isinstance(text, str) else text

    IPyNbCell.sanitize = sanitize


def _points_missing() -> str | None:
    """Why a notebook that fits the published points cannot run here, or None when it can."""
    from scalinglaws.datasets import chinchilla_points_available

    if chinchilla_points_available(download=False):
        return None
    return (
        "the published Chinchilla points are not on this machine; "
        "`scalinglaws data fetch chinchilla-points` gets them"
    )


def _data_constrained_missing() -> str | None:
    """The same for the runs on repeated data."""
    from scalinglaws.datasets import data_constrained_runs_available

    if data_constrained_runs_available(download=False):
        return None
    return (
        "the 182 data-constrained runs are not on this machine; "
        "`scalinglaws data fetch data-constrained-runs` gets them"
    )


# What a notebook may need beyond the repository, by the name that its metadata give it:
# {"course": {"needs": ["chinchilla-points"]}}.
NEEDS = {
    "chinchilla-points": _points_missing,
    "data-constrained-runs": _data_constrained_missing,
}


def _corpus_differs() -> str | None:
    """Why a cell that reads the standard library's text may print other numbers here."""
    from scalinglaws.lab.recorded import CORPUS_SHA256
    from scalinglaws.lab.tasks.corpora import load_corpus

    if load_corpus().sha256 == CORPUS_SHA256:
        return None
    return "the text of this Python's standard library is not that of the recorded runs"


# What the stored output of a cell may rest on, by the name in the cell's metadata (course.needs).
# Where it is missing the cell is run, and its output is not compared.
CELL_NEEDS = {"recorded-corpus": _corpus_differs}


def pytest_collection_modifyitems(config, items):
    """Skip, with the reason, notebooks and doctests that need something that is not here."""
    asked: dict[str, str | None] = {}
    for item in items:
        for need in _cell_needs(item):
            if need not in CELL_NEEDS:
                raise pytest.UsageError(
                    f"{item.path.name}: unknown need {need!r} in a cell's metadata; "
                    f"known: {sorted(CELL_NEEDS)}"
                )
            if need not in asked:
                asked[need] = CELL_NEEDS[need]()
            if asked[need]:
                item.options["check"] = False
        for need in _needs(item):
            if need not in NEEDS:
                raise pytest.UsageError(
                    f"{item.path.name}: unknown need {need!r} in its metadata (course.needs); "
                    f"known: {sorted(NEEDS)}"
                )
            if need not in asked:
                asked[need] = NEEDS[need]()
            if asked[need]:
                item.add_marker(pytest.mark.skip(reason=asked[need]))


def _cell_needs(item) -> list[str]:
    cell = getattr(item, "cell", None)  # nbval's item holds the cell
    return [] if cell is None else cell.metadata.get("course", {}).get("needs", [])


def _needs(item) -> list[str]:
    if isinstance(item, pytest.DoctestItem):
        loads = any("load_chinchilla_points(" in step.source for step in item.dtest.examples)
        return ["chinchilla-points"] if loads else []
    notebook = getattr(item.parent, "nb", None)  # nbval's file holds the parsed notebook
    return [] if notebook is None else notebook.metadata.get("course", {}).get("needs", [])
