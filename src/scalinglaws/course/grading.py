"""Grade a folder of lab submissions, each in a process of its own.

A submission is a notebook (or a ``.py`` file). Its cells are run one after the other; a cell that
fails is noted and the next one runs; cells with the tag ``trains`` are left out. Then each function
that the lab asks for is called on fresh data. Results are written after every task, so a submission
that hangs keeps what it had earned by then. A cell or function that crashes the process is left
out, and the rest is run again.

This is no sandbox: submissions run with the rights of whoever grades them. Grade strangers' work
in a container.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from scalinglaws.course.labs import Mark, load
from scalinglaws.errors import ExerciseError

CELL_SECONDS = 60.0
LEFT_OUT = "trains"  # tag of cells that train, or show what was trained: minutes, for no marks
LATE = "out of time"
MOST_RESTARTS = 3  # how many cells and functions of a submission may end its process
ENVIRONMENT = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}

# What the child runs. Its settings come by stdin, out of the way of a submission that reads
# sys.argv or input(); from there on nothing it prints is kept, however much it is.
_START = """
import json, os, sys
settings = json.load(sys.stdin)
from pathlib import Path
from scalinglaws.course import grading
null = os.open(os.devnull, os.O_RDWR)
for descriptor in (0, 1, 2):
    os.dup2(null, descriptor)
sys.stdin = open(os.devnull)
path, lab, seed, seconds, skip, out = settings
grading._grade_here(Path(path), lab, seed, seconds, set(skip), Path(out))
os._exit(0)  # a thread that the submission left behind would keep the process alive
"""
SUFFIXES = (".ipynb", ".py")


@dataclass(frozen=True)
class TaskResult:
    """Points and feedback of one task."""

    name: str
    title: str
    points: float
    out_of: int
    feedback: str


@dataclass(frozen=True)
class Grade:
    """The result of one submission.

    Attributes
    ----------
    learner : str
        Name of the file, or of its folder where all files are called like the lab.
    file : str
    status : str
        "graded", or why it could not be (fully) graded.
    tasks : tuple of TaskResult
    notes : tuple of str
        Cells that failed while the submission was run.
    """

    learner: str
    file: str
    status: str
    tasks: tuple[TaskResult, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def points(self) -> float:
        """Points earned."""
        return round(sum(t.points for t in self.tasks), 2)

    @property
    def out_of(self) -> int:
        """Points that could be earned."""
        return sum(t.out_of for t in self.tasks)

    def to_markdown(self, title: str) -> str:
        """Feedback for the learner."""
        lines = [
            f"# {title}: {self.learner}",
            "",
            f"**{self.points:g} of {self.out_of} points**",
            "",
        ]
        if self.status != "graded":
            lines += [f"> {self.status}", ""]
        for t in self.tasks:
            lines += [f"## {t.title} — {t.points:g} of {t.out_of}", "", t.feedback, ""]
        if self.notes:
            lines += ["## Cells that failed when the notebook was run", ""]
            lines += [f"- {note}" for note in self.notes] + [""]
        return "\n".join(lines)


# --------------------------------------------------------------------- inside the child process


class _OutOfTime(BaseException):
    """Not an Exception, so that a learner's ``except Exception`` does not swallow it."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the block after some seconds, where the system has alarms (not on Windows)."""
    if not hasattr(signal, "SIGALRM") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_signal, _frame):
        raise _OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _cells(path: Path) -> list[str]:
    """Code of a submission, cell by cell; a ``.py`` file is cut at lines that start ``# %%``.

    Cells with the tag `LEFT_OUT` are not among them.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        parts = ["", *re.split(r"^(# %%.*)$", text, flags=re.MULTILINE)]  # heads and bodies
        tagged = re.compile(rf"""tags=\[.*["']{LEFT_OUT}["']""")
        heads, bodies = parts[::2], parts[1::2]
        cells = [b for h, b in zip(heads, bodies, strict=True) if not tagged.search(h)]
    else:
        # Plain JSON: importing nbformat takes longer than marking most functions.
        notebook = json.loads(text)
        if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
            raise ValueError("this is no notebook of version 4")
        cells = [
            "".join(c["source"])
            for c in notebook["cells"]
            if c["cell_type"] == "code" and LEFT_OUT not in c.get("metadata", {}).get("tags", [])
        ]
    return [source for source in cells if source.strip()]


def _compiled(source: str, name: str) -> types.CodeType:
    try:
        return compile(source, name, "exec")
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return compile(TransformerManager().transform_cell(source), name, "exec")  # magics


def _run_cell(source: str, number: int, space: dict, seconds: float) -> str:
    """Run one cell; returns what went wrong, or an empty text."""
    try:
        with _time_limit(seconds):
            exec(_compiled(source, f"cell {number}"), space)
    except _OutOfTime:
        return f"stopped after {seconds:.3g} seconds"
    except (Exception, SystemExit) as error:
        return _one_line(error)
    return ""


def _namespace() -> dict:
    """A module for the submission to live in; magics do nothing there."""
    module = types.ModuleType("submission")
    sys.modules["submission"] = module
    quiet = types.SimpleNamespace(
        run_line_magic=lambda *_: None, run_cell_magic=lambda *_: None, system=lambda *_: None
    )
    module.__dict__.update(get_ipython=lambda: quiet, display=lambda *_, **__: None)
    return module.__dict__


def _one_line(error: BaseException) -> str:
    try:
        text = str(error).strip()[:2000].splitlines()
    except Exception:  # a learner's own exception may fail to print
        text = []
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _first_line(source: str) -> str:
    lines = [line for line in source.splitlines() if line.strip() and not line.startswith("#")]
    return (lines or ["(comment)"])[0][:80]


def _mark(task, function, seed, seconds) -> Mark:
    if function is None:
        return Mark(0.0, f"There is no function `{task.name}` in the submission.")
    if not callable(function):
        kind = type(function).__name__
        return Mark(0.0, f"`{task.name}` is not a function in the submission but of type `{kind}`.")
    try:
        with _time_limit(seconds):
            return task.mark(function, seed)
    except _OutOfTime:
        return Mark(0.0, f"`{task.name}` was stopped after {seconds:.3g} seconds.")
    except NotImplementedError:
        return Mark(0.0, f"`{task.name}` is not written yet.")
    except (Exception, SystemExit) as error:
        return Mark(0.0, f"`{task.name}` failed on fresh data with `{_one_line(error)}`.")


def _grade_here(path: Path, lab: str, seed: int, seconds: float, skip: set[str], out: Path) -> None:
    """Grade one submission in this process, writing the result before and after every step.

    ``skip`` names the cells (``"cell 3"``) and tasks that ended an earlier process.
    """
    end = time.monotonic() + 0.9 * seconds
    result = {"tasks": [], "notes": [], "at": "", "status": ""}

    def save(at: str, status: str):
        result.update(at=at, status=status)
        draft = out.with_suffix(".tmp")
        draft.write_text(json.dumps(result), encoding="utf-8")
        os.replace(draft, out)

    try:
        cells = _cells(path)
    except Exception as error:
        save("", f"the file cannot be read: {_one_line(error)}")
        return
    tasks = load(lab).TASKS
    space = _namespace()
    random.seed(seed)  # so that a submission without seeds of its own gets the same marks again
    np.random.seed(seed % 2**32)  # noqa: NPY002
    # Cells share half of the time, so that those that hang leave some for the marking.
    left = 0.5 * seconds
    for number, source in enumerate(cells, start=1):
        save(f"cell {number}", f"ended while code cell {number} was running")
        started = time.monotonic()
        if f"cell {number}" in skip:
            wrong = "ended the whole process"
        else:
            wrong = _run_cell(source, number, space, max(0.02 * seconds, min(CELL_SECONDS, left)))
        left -= time.monotonic() - started
        if wrong:
            result["notes"].append(f"code cell {number} (`{_first_line(source)}`): {wrong}")
    for number, task in enumerate(tasks):
        save(task.name, f"ended while `{task.name}` was marked")
        if task.name in skip:
            mark = Mark(0.0, f"`{task.name}` ended the whole process when it was called.")
        else:
            # Each task has data of its own; the same for all submissions of one grading.
            share = max(1.0, (end - time.monotonic()) / (len(tasks) - number))
            mark = _mark(task, space.get(task.name), seed + number, min(task.seconds, share))
        result["tasks"].append({"share": mark.share, "feedback": mark.feedback})
    save("", "graded")


# --------------------------------------------------------------------- in the grader's process


def find_submissions(folder: str | os.PathLike, lab: str) -> list[tuple[str, Path]]:
    """Submissions in a folder as (learner, file), in alphabetical order.

    Files lie in the folder itself, named after learners, or in one subfolder a learner. Where a
    subfolder holds several files and some are named like the lab, only those count.

    Raises
    ------
    ExerciseError
        The folder is missing or holds no submission.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ExerciseError(f"there is no folder {str(folder)!r}")
    name = load(lab).__name__.rpartition(".")[2]
    found = [(path.stem, path) for path in _files(folder)]
    for inside in sorted(path for path in folder.iterdir() if path.is_dir()):
        if not inside.name.startswith((".", "_")):
            files = _files(inside)
            named = [f for f in files if f.stem == name or f.stem.startswith(f"{name}_")]
            found += [(inside.name, path) for path in named or files]
    if not found:
        raise ExerciseError(f"no submission (.ipynb or .py) in {str(folder)!r}")
    names = [learner for learner, _ in found]
    # Two files of one learner stay apart, so that neither hides the other.
    return sorted(
        (learner if names.count(learner) == 1 else f"{learner} ({path.name})", path)
        for learner, path in found
    )


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in SUFFIXES and path.is_file() and not path.name.startswith((".", "_"))
    )


def grade_one(
    path: str | os.PathLike,
    lab: str,
    *,
    seed: int,
    learner: str | None = None,
    seconds: float = 300.0,
) -> Grade:
    """Grade one submission in a fresh process.

    A cell or function that ends the process is left out and the submission is run again, so that
    it costs what it was worth and no more.

    Parameters
    ----------
    path : path-like
        A notebook or a Python file.
    lab : str
        Such as ``"lab_3"``.
    seed : int
        Draws the data that the functions are called on.
    seconds : float, default 300
        The process is ended after this time; what it had earned by then counts.

    Returns
    -------
    Grade
    """
    path = Path(path).resolve()
    tasks = load(lab).TASKS
    end = time.monotonic() + seconds
    skip: set[str] = set()
    while True:
        result, ended = _run(path, lab, seed, end - time.monotonic(), skip)
        done = ended == "" and result["status"] == "graded"
        if done or not result["at"] or ended == LATE or len(skip) == MOST_RESTARTS:
            break
        skip.add(result["at"])
    status = result["status"]
    if ended:
        status += f" ({ended} after {seconds:g} seconds)" if ended == LATE else f" ({ended})"
    marks = []
    for i, task in enumerate(tasks):
        points, feedback = 0.0, "Not reached."
        if i < len(result["tasks"]):
            mark = result["tasks"][i]
            points, feedback = round(task.points * mark["share"], 2), mark["feedback"]
        marks.append(TaskResult(task.name, task.title, points, task.points, feedback))
    return Grade(learner or path.stem, path.name, status, tuple(marks), tuple(result["notes"]))


def _run(path: Path, lab: str, seed: int, seconds: float, skip: set[str]) -> tuple[dict, str]:
    """One process over one submission: its result so far, and how it ended if not by itself."""
    # The submission works in a folder of its own, and may empty it; results lie elsewhere.
    with (
        tempfile.TemporaryDirectory(prefix="submission-", ignore_cleanup_errors=True) as scratch,
        tempfile.TemporaryDirectory(prefix="grading-") as safe,
    ):
        out, log = Path(safe, "result.json"), Path(safe, "stderr")
        environment = dict(os.environ, **ENVIRONMENT)
        settings = json.dumps([str(path), lab, seed, seconds, sorted(skip), str(out)])
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-c", _START],
                cwd=scratch,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        late = False
        try:
            process.stdin.write(settings.encode())
            process.stdin.close()
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            late = True
        except BrokenPipeError:  # it died at once; the log says why
            process.wait()
        finally:  # also on Ctrl-C: leave no orphan behind
            _end(process)
        try:
            result = json.loads(out.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            nothing = "the process ended before anything ran"
            result = {"tasks": [], "notes": [], "at": "", "status": nothing}
            last = log.read_text(errors="replace").strip().splitlines()[-1:]
            return result, last[0][:200] if last else ""
    if late:
        return result, LATE
    if result["at"]:
        return result, _how_it_died(process.returncode)
    return result, ""


def _how_it_died(code: int) -> str:
    if code >= 0:
        return f"the process left with status {code}"
    try:
        return f"the process was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"the process was ended by signal {-code}"


def _end(process: subprocess.Popen) -> None:
    """End a process and everything it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, ProcessLookupError, PermissionError):
        if process.poll() is None:
            process.kill()
    process.wait()


def grade(
    folder: str | os.PathLike,
    lab: str,
    *,
    seed: int | None = None,
    seconds: float = 300.0,
    out: str | os.PathLike | None = None,
    progress: bool = True,
) -> list[Grade]:
    """Grade every submission in a folder.

    Parameters
    ----------
    folder : path-like
        Files named after learners, or one subfolder a learner.
    lab : str
        Such as ``"lab_3"``.
    seed : int, optional
        Draws the fresh data; the same for all submissions. Default: a new secret one, which is
        written to ``scores.csv`` so that a grading can be repeated.
    seconds : float, default 300
        Time limit of one submission.
    out : path-like, optional
        Where ``scores.csv`` and ``feedback/*.md`` go. Default: ``grades`` beside the folder.
    progress : bool, default True
        Show a bar over submissions.

    Returns
    -------
    list of Grade

    Raises
    ------
    ExerciseError
        No such lab or folder, or no submission in it.
    """
    module = load(lab)
    submissions = find_submissions(folder, lab)
    seed = secrets.randbelow(2**31) if seed is None else int(seed)
    out = Path(out) if out is not None else Path(folder).resolve().parent / "grades"
    (out / "feedback").mkdir(parents=True, exist_ok=True)
    bar = submissions
    if progress:
        from tqdm.auto import tqdm

        bar = tqdm(submissions, desc=f"grading {lab}", unit="submission")
    grades, names = [], set()
    for learner, path in bar:
        result = grade_one(path, lab, seed=seed, learner=learner, seconds=seconds)
        grades.append(result)
        text = result.to_markdown(module.TITLE)
        (out / "feedback" / _feedback_name(learner, names)).write_text(text, encoding="utf-8")
        _write_scores(out / "scores.csv", grades, module.TASKS, seed)  # after each: nothing is lost
    return grades


def _feedback_name(learner: str, taken: set[str]) -> str:
    """A file name that every system accepts and no other learner has."""
    name = base = re.sub(r"[^\w.() -]", "_", learner)
    number = 2
    while name.casefold() in taken:
        name, number = f"{base} {number}", number + 1
    taken.add(name.casefold())
    return f"{name}.md"


def _write_scores(path: Path, grades: Sequence[Grade], tasks, seed: int) -> None:
    draft = path.with_suffix(".partial")
    with draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [task.name for task in tasks]
        writer.writerow(["learner", "file", "points", "out_of", *names, "status", "seed"])
        for g in grades:
            each = [t.points for t in g.tasks]
            writer.writerow([g.learner, g.file, g.points, g.out_of, *each, g.status, seed])
    os.replace(draft, path)


def main(
    folder: str | os.PathLike,
    lab: str,
    *,
    seed: int | None = None,
    seconds: float = 300.0,
    out: str | os.PathLike | None = None,
) -> int:
    """Grade a folder and print a line for each submission; returns the exit status."""
    started = time.perf_counter()
    grades = grade(folder, lab, seed=seed, seconds=seconds, out=out, progress=sys.stderr.isatty())
    where = Path(out) if out is not None else Path(folder).resolve().parent / "grades"
    width = max(len(g.learner) for g in grades)
    for g in grades:
        state = "" if g.status == "graded" else f"  {g.status}"
        print(f"{g.learner:<{width}}  {g.points:6g} of {g.out_of}{state}")
    took = time.perf_counter() - started
    print(f"{len(grades)} graded in {took:.0f} s; scores.csv and feedback/ are in {where}")
    return 0
