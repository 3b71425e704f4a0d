"""The grader: every kind of broken submission is reported, and spoils neither others nor itself."""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from typer.testing import CliRunner

from scalinglaws.cli import app
from scalinglaws.course import grading, labs
from scalinglaws.course.exercises import Exercise, Function, Misconception
from scalinglaws.course.exercises.lab3 import find_minimum, fit_allocation
from scalinglaws.course.labs import Mark, Task, lab_3, learner_seed, mark_by_cases
from scalinglaws.errors import ExerciseError

FIT = """\
import numpy as np
def fit_allocation(flops, best_params):
    a, ln_k = np.polyfit(np.log(flops), np.log(best_params), 1)
    return a, np.exp(ln_k)
"""
POINTS = 15  # of fit_allocation, the quickest task to mark


def write(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [new_markdown_cell("# Lab"), *map(new_code_cell, cells)]
    nbformat.write(new_notebook(cells=cells), path)


# What goes wrong in a cell, and what the grader says about it; nothing where it is no fault.
CELLS = {
    "1 / 0": "(`1 / 0`): ZeroDivisionError: division by zero",
    "def broken(:": "SyntaxError",
    "x = 'open": "SyntaxError",
    "%matplotlib inline\n%pip install nothing\n!rm -rf nothing": "",
    "import sys\nsys.exit(3)": "SystemExit: 3",
    "name = input('your name?')": "EOFError",
    "for _ in range(100):\n    print('x' * 1_000_000)\n"
    "    print('y' * 1_000_000, file=sys.stderr)": "",
    "import os, shutil\nfor root, _, files in os.walk('.'):\n"
    "    [os.remove(os.path.join(root, f)) for f in files]\nshutil.rmtree(os.getcwd())": "",
    "class E(Exception):\n    def __str__(self): raise ValueError\nraise E": ": E",
    "import threading, time\nthreading.Thread(target=time.sleep, args=(9999,)).start()": "",
    "import numpy as np\nhuge = np.ones((10**6, 10**7))": "MemoryError",
    "recommend = 7": "",
}
DEADLY = (
    "import os\nopen('left.txt', 'w').write('x')\nos._exit(0)", FIT,
    "import ctypes\nctypes.string_at(0)",
    "def find_minimum(params, loss):\n    os._exit(1)\nimport os",
)  # fmt: skip
# Wrong, and never twice alike; the feedback shows what it returned.
RESTLESS = """\
import random
def recommend(runs, flops):
    return random.random(), np.random.random()
"""


@dataclass
class Graded:
    folder: Path  # the submissions
    out: Path
    grades: dict[str, grading.Grade]
    printed: str
    left: list[Path]  # in the folder for temporary files, afterwards


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """One grading, by the command, of a folder in which almost everything is broken.

    Each submission costs a second for its process, so that most tests share these few.
    """
    top = tmp_path_factory.mktemp("class")
    folder, out, scratch = top / "submissions", top / "out", top / "scratch"
    scratch.mkdir()
    write(folder / "hapless" / "lab_3_isoflop.ipynb", *CELLS, FIT)
    write(folder / "hapless" / "lab_4_train.ipynb", FIT)
    write(folder / "hapless" / ".ipynb_checkpoints" / "lab_3_isoflop-checkpoint.ipynb", FIT)
    write(folder / "deadly.ipynb", *DEADLY)
    (folder / "corrupt.ipynb").write_text('{"cells": [{"cell_type": "code", "sou')
    write(folder / "ada" / "lab_3_isoflop.ipynb", FIT, RESTLESS)
    (folder / "notes.txt").write_text("no submission")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    grades, grade_one = [], grading.grade_one

    def spy(*arguments, **settings):
        grades.append(grade_one(*arguments, **settings))
        return grades[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "grade_one", spy)
        patch.setattr("tempfile.tempdir", str(scratch))
        options = ["--lab", "3", "--seed", "1", "--out", str(out)]
        result = CliRunner().invoke(app, ["grade", str(folder), *options])
    assert result.exit_code == 0, result.output
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before
    named = {g.learner: g for g in grades}
    return Graded(folder, out, named, result.output, list(scratch.iterdir()))


@pytest.mark.parametrize("name", ["ada", "hapless", "deadly"])
def test_whatever_else_happens_a_right_function_earns_its_points(graded, name):
    grade = graded.grades[name]
    assert grade.status == "graded"
    assert {t.name: t.points for t in grade.tasks} == {
        task.name: POINTS if task.name == "fit_allocation" else 0 for task in lab_3.TASKS
    }


def test_each_cell_that_failed_is_named_and_no_other(graded):
    notes = list(graded.grades["hapless"].notes)
    for number, said in enumerate(CELLS.values(), start=1):
        mine = [note for note in notes if note.startswith(f"code cell {number} ")]
        assert len(mine) == bool(said), (number, mine)
        assert not said or mine[0].endswith(said) or f": {said}" in mine[0], mine
    assert len(notes) == sum(map(bool, CELLS.values()))


def test_what_ended_the_process_is_named(graded):
    grade = graded.grades["deadly"]
    assert [note[:11] for note in grade.notes] == ["code cell 1", "code cell 3"]
    assert all(note.endswith("ended the whole process") for note in grade.notes)
    assert "`find_minimum` ended the whole process" in grade.tasks[0].feedback


def test_a_function_that_is_missing_or_none_is_told_apart(graded):
    assert "type `int`" in graded.grades["hapless"].tasks[4].feedback
    assert "no function `analyse`" in graded.grades["ada"].tasks[3].feedback


def test_a_file_that_is_no_notebook_is_reported(graded):
    grade = graded.grades["corrupt"]
    assert grade.status.startswith("the file cannot be read") and grade.points == 0


@pytest.mark.parametrize("text", ["", "[1, 2]", "{}", '{"cells": 3}', '{"cells": [1]}', "\x00"])
def test_what_is_no_notebook_cannot_be_read(tmp_path, text):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    with pytest.raises((ValueError, TypeError, KeyError)):
        grading._cells(path)


def test_cells_of_notebooks_and_scripts(tmp_path):
    (tmp_path / "a.py").write_text("x = 1\n# %% two\ny = '# %%'\n# %%\n\n")
    assert grading._cells(tmp_path / "a.py") == ["x = 1\n", "\ny = '# %%'\n"]
    write(tmp_path / "a.ipynb", "x = 1\ny = 2", "", "z = 3")
    assert grading._cells(tmp_path / "a.ipynb") == ["x = 1\ny = 2", "z = 3"]


def test_learners_with_the_same_file_name_stay_apart(graded):
    grades = graded.grades
    assert grades["ada"].file == grades["hapless"].file == "lab_3_isoflop.ipynb"
    assert grades["ada"].notes == () and grades["hapless"].notes
    assert set(grades) == {"ada", "corrupt", "deadly", "hapless"}


def test_scores_and_feedback_hold_what_was_earned(graded):
    out, grades = graded.out, graded.grades
    with (out / "scores.csv").open(newline="") as file:
        rows = {row["learner"]: row for row in csv.DictReader(file)}
    assert set(rows) == set(grades)
    for name, row in rows.items():
        assert float(row["points"]) == grades[name].points
        assert float(row["points"]) == sum(float(row[task.name]) for task in lab_3.TASKS)
        assert (row["out_of"], row["seed"], row["file"]) == ("100", "1", grades[name].file)
        text = (out / "feedback" / f"{name}.md").read_text()
        assert text.startswith(f"# {lab_3.TITLE}: {name}\n")
        assert f"**{grades[name].points:g} of 100 points**" in text
        for note in grades[name].notes:
            assert note in text
    assert "the file cannot be read" in (out / "feedback" / "corrupt.md").read_text()
    assert sorted(p.name for p in out.iterdir()) == ["feedback", "scores.csv"]


# ------------------------------------------------------------------------------------ time limits


def test_endless_loops_cost_only_themselves(tmp_path, monkeypatch):
    """In this process, as no parent has to step in."""
    path, out = tmp_path / "slow.py", tmp_path / "result.json"
    endless = "def find_minimum(params, loss):\n    while True:\n        pass\n"
    path.write_text(f"while True:\n    pass\n# %%\n{FIT}\n# %%\n{endless}")
    monkeypatch.setattr(grading, "CELL_SECONDS", 0.2)
    quick = tuple(replace(t, seconds=0.2) if t.name == "find_minimum" else t for t in lab_3.TASKS)
    monkeypatch.setattr(lab_3, "TASKS", quick)
    monkeypatch.setitem(sys.modules, "submission", None)
    grading._grade_here(path, "lab_3", 1, 5.0, set(), out)
    result = json.loads(out.read_text())
    assert result["status"] == "graded"
    assert [t["share"] for t in result["tasks"]] == [0, 0, 1, 0, 0]
    assert result["notes"] == ["code cell 1 (`while True:`): stopped after 0.2 seconds"]
    assert "`find_minimum` was stopped after 0.2 seconds" in result["tasks"][0]["feedback"]


def test_a_loop_that_cannot_be_interrupted_is_ended_and_reported(tmp_path):
    path = tmp_path / "stubborn.py"
    stubborn = """
import time
def analyse(runs):
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
"""
    path.write_text(FIT + stubborn)
    grade = grading.grade_one(path, "lab_3", seed=1, seconds=7)
    assert grade.status == "ended while `analyse` was marked (out of time after 7 seconds)"
    assert grade.points == POINTS  # what came before counts
    assert grade.tasks[4].feedback == "Not reached."


# --------------------------------------------------------------------------------- repeatability


def test_the_same_seed_gives_the_same_scores(graded):
    once = graded.grades["ada"]
    assert "gives [" in once.tasks[4].feedback  # two random numbers
    path = graded.folder / "ada" / "lab_3_isoflop.ipynb"
    assert grading.grade_one(path, "lab_3", seed=1, learner="ada") == once


def test_nothing_is_left_behind(graded):
    assert not graded.left


# ------------------------------------------------------------------------------------ the command


def test_the_command_prints_a_line_for_each(graded):
    for name, grade in graded.grades.items():
        assert re.search(rf"^{name} +{grade.points:g} of 100", graded.printed, re.MULTILINE)
    assert re.search(r"^ada +15 of 100$", graded.printed, re.MULTILINE)
    assert str(graded.out) in graded.printed.replace("\n", "")


def test_folders_and_labs_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(ExerciseError, match="no folder"):
        grading.grade(tmp_path / "none", "lab_3")
    with pytest.raises(ExerciseError, match="no submission"):
        grading.grade(tmp_path, "lab_3")
    with pytest.raises(ExerciseError, match="no lab 'lab_99'.*lab_3"):
        grading.grade(tmp_path, "lab_99")
    assert not (tmp_path.parent / "grades").exists()


def test_feedback_names_never_collide():
    taken = set()
    names = [grading._feedback_name(n, taken) for n in ("a?", "a*", "A_", "élan", "../x")]
    assert names == ["a_.md", "a_ 2.md", "A_ 3.md", "élan.md", ".._x.md"]


# ------------------------------------------------------------------------------- marking by cases

DOUBLE = Exercise(
    id="00.1", title="Double", level="beginner", minutes=1,
    kind=Function([1.0], name="double"), reference=lambda x: 2 * x, right="Twice.",
    misconceptions=(Misconception("square", lambda x: x**2, "That is the square."),),
)  # fmt: skip
GROUPS = [(0.75, [3.0, 5.0, 7.0]), (0.25, [-1.0])]


@pytest.mark.parametrize(
    "function, share, said",
    [
        (lambda x: 2 * x, 1.0, "all 4"),
        (lambda x: x**2, 0.0, "square"),
        (lambda x: 2 * abs(x), 0.75, "Right on 3 of 4 fresh cases."),
        (lambda x: 6.0 if x == 3 else 0.0, 0.25, "Right on 1 of 4"),
        (lambda x: -2.0, 0.0, "Right on 1 of 4"),  # the lesser group by luck: no marks
        (lambda x: None, 0.0, "not written yet"),
    ],
)
def test_shares_and_messages_of_marking_by_cases(function, share, said):
    mark = mark_by_cases(DOUBLE, GROUPS, function)
    assert mark.share == share and said in mark.feedback


def test_a_mark_lies_between_0_and_1():
    with pytest.raises(ExerciseError, match="between 0 and 1"):
        Mark(1.2, "")


def test_every_lab_has_tasks_that_its_reference_passes():
    """Points add up to 100, and names are those of functions."""
    for name in labs.labs():
        tasks = labs.load(name).TASKS
        assert all(isinstance(t, Task) and t.name.isidentifier() for t in tasks)
        assert sum(t.points for t in tasks) == 100
        assert len({t.name for t in tasks}) == len(tasks)


def test_a_learner_has_one_seed():
    assert learner_seed(" Ada  LOVELACE\n") == learner_seed("ada lovelace")
    assert len({learner_seed(f"learner {i}") for i in range(1000)}) == 1000
    with pytest.raises(ExerciseError, match="LEARNER"):
        learner_seed("  ")


def test_marks_do_not_depend_on_what_ran_before():
    tasks = {t.name: t for t in lab_3.TASKS}
    for name, function in (("find_minimum", find_minimum), ("fit_allocation", fit_allocation)):
        assert {tasks[name].mark(function, 9).share for _ in range(2)} == {1.0}
