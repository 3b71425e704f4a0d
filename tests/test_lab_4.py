"""Lab 4: its assignment, its seal, its notebook, and what the grader says to submissions."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
import time
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

from scalinglaws.course import grading
from scalinglaws.course.exercises import find
from scalinglaws.course.exercises import lab4 as right
from scalinglaws.course.labs import lab_4
from scalinglaws.course.labs.lab_3 import interval_score
from scalinglaws.course.notebooks import ENVIRONMENT, student_version
from scalinglaws.errors import ExerciseError
from scalinglaws.lab import Design, RunConfig, RunResult, Store, make_task
from scalinglaws.lab.tasks import GraphWalk

MASTER = Path(__file__).parents[1] / "labs" / "lab_4_tiny_models.ipynb"
TASKS = {task.name: task for task in lab_4.TASKS}
FUNCTIONS = [name for name in TASKS if name != "receipt"]
FINAL = 0.009  # excess of the pretended large run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Learners' runs go into a folder that is thrown away."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def result_of(config, excess: float) -> RunResult:
    """What a run would leave behind if it ended at this excess."""
    task = make_task(config.task)
    end = task.floor + excess
    curve = {"tokens": [config.trained_tokens], "loss": [end], "train_loss": [end]}
    return RunResult.measured(
        config, vocab=task.vocab, floor=task.floor, curve=curve, seconds=1.0, device="cpu"
    )


@pytest.fixture
def pretended(monkeypatch):
    """The large run takes no time, and ends where `FINAL` says."""

    def run(design, store, **options):
        store = Store(store)
        for config in design:
            store.add([result_of(config, FINAL)])
        return store.table([c.key for c in design])

    monkeypatch.setattr("scalinglaws.lab.run", run)
    monkeypatch.setattr(lab_4, "retrain", lambda config: FINAL)


# --------------------------------------------------------------------------------- the assignment


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_every_learner_has_a_graph_that_can_be_learned_in_time(number):
    task = make_task(lab_4.draw_task(number))
    assert 55 <= task.vocab <= 68  # a node that nothing leads to is left out
    assert 1.5 < task.floor < 2.2 and math.log(task.vocab) - task.floor > 1.9
    assert right.entropy_rate(task.transitions.toarray()) == pytest.approx(task.floor, rel=1e-9)


def test_learners_share_no_numbers(folder):
    assert lab_4.assignment("Ada").task == lab_4.assignment(" ada ").task
    tasks = {lab_4.draw_task(n) for n in range(200)}
    assert len(tasks) == 200
    floors = {round(make_task(t).floor, 6) for t in list(tasks)[:30]}
    assert len(floors) == 30


def test_sizes(folder):
    laptop, quick = (lab_4.assignment("Ada", size) for size in ("laptop", "quick"))
    assert laptop.task == quick.task and laptop.target == quick.target == 10 * laptop.largest
    assert laptop.store.parent.name == lab_4.FOLDER and laptop.store.parent.is_dir()
    assert quick.store.parent.is_dir() and folder not in quick.store.resolve().parents
    assert make_task(lab_4.assignment("Ada", "gpu").task).vocab > 200
    with pytest.raises(ExerciseError, match="SIZE = 'huge' is none of 'quick', 'laptop', 'gpu'"):
        lab_4.assignment("Ada", "huge")
    with pytest.raises(ExerciseError, match="put your name"):
        lab_4.assignment("  ")


@pytest.mark.parametrize("width", [8, 16, 32])
def test_the_run_of_the_target_spends_it(folder, width):
    mine = lab_4.assignment("Ada")
    config = lab_4.target_run(mine, width, 0.1)
    spent = Design("one", (config,)).flops
    assert 0.99 * mine.target < spent <= mine.target
    params, tokens = lab_4.size_of(config)
    assert 6 * params * tokens == pytest.approx(spent)


def test_no_sweep_of_the_solution_overspends():
    """The plan that the notebook shows fits each size's budget."""
    for size, rungs, ratio, runs in (("quick", 4, 10 ** (1 / 3), 12), ("laptop", 5, 10**0.25, 24)):
        how = lab_4.SIZES[size]
        assert right.largest_rung(how.budget * 3 / 4, rungs, ratio, runs) >= how.target / 10


# ------------------------------------------------------------------------------ seal and reveal


def test_a_seal_survives_a_restart_and_the_run(folder, pretended):
    mine = lab_4.assignment("Ada")
    config = lab_4.target_run(mine, 16, 0.08)
    with pytest.raises(NotImplementedError, match="seal a forecast first"):
        lab_4.reveal(mine)
    lab_4.seal(mine, config, 0.01, 0.02)
    sealed = lab_4.seal(mine, config, 0.0041234, 0.02)  # a change of mind is fine until the run
    assert sealed.low == 0.00412 and sealed.digest in repr(sealed)
    shown = lab_4.reveal(mine)
    assert shown.inside and shown.excess == pytest.approx(FINAL)
    assert sealed.digest in repr(shown) and sealed.digest in shown._repr_html_()
    assert lab_4.seal(mine, config, 0.0041234, 0.02) == sealed  # the notebook is run once more
    assert lab_4.reveal(mine).receipt == shown.receipt
    with pytest.raises(ExerciseError, match="has been trained"):
        lab_4.seal(mine, config, 0.008, 0.01)


def test_no_seal_after_the_run(folder, pretended):
    mine = lab_4.assignment("Ada")
    config = lab_4.target_run(mine, 16, 0.08)
    Store(mine.store).add([result_of(config, 0.01)])
    with pytest.raises(ExerciseError, match="would be none"):
        lab_4.seal(mine, config, 0.009, 0.011)


@pytest.mark.parametrize("ends", [(2, 1), (0, 1), (-1, 1), (1, math.inf), (math.nan, 1), ("a", 1)])
def test_what_is_no_interval_is_not_sealed(folder, ends):
    mine = lab_4.assignment("Ada")
    config = lab_4.target_run(mine, 16, 0.08)
    with pytest.raises(ExerciseError):
        lab_4.seal(mine, config, *ends)
    assert not lab_4._seal_file(mine).exists()


def test_what_is_no_such_run_is_not_sealed(folder):
    mine = lab_4.assignment("Ada")
    config = lab_4.target_run(mine, 16, 0.08)
    for wrong, said in (
        (16, "the run is a int"),
        (config.replace(tokens=10_000), "spends"),
        (config.replace(task="er:nodes=64,edges=256"), "your task is"),
    ):
        with pytest.raises(ExerciseError, match=said):
            lab_4.seal(mine, wrong, 0.01, 0.02)
    with pytest.raises(NotImplementedError, match="in place of the dots"):
        lab_4.seal(mine, ..., 0.1, 0.2)


def test_a_broken_seal_is_named(folder):
    mine = lab_4.assignment("Ada")
    lab_4._seal_file(mine).write_text("{")
    with pytest.raises(ExerciseError, match="cannot be read"):
        lab_4.reveal(mine)


def test_rules_of_thumb_start_from_the_largest_rung(folder, pretended):
    mine = lab_4.assignment("Ada")
    config = lab_4.target_run(mine, 16, 0.08)
    store = Store(mine.store)
    small = [config.replace(tokens=config.tokens // factor) for factor in (10, 100)]
    for run, excess in zip(small, (0.05, 0.5), strict=True):
        store.add([result_of(run, excess)])
    lab_4.seal(mine, config, 0.001, 0.002)
    shown = lab_4.reveal(mine)
    assert not shown.inside and "misses" in repr(shown)
    scores = shown.scores["interval score"].astype(float)
    assert scores.iloc[0] == pytest.approx(interval_score(0.001, 0.002, FINAL), rel=0.01)
    low, high = shown.scores.iloc[1][["low", "high"]].astype(float)
    assert math.sqrt(low * high) == pytest.approx(0.005, rel=0.05)  # a tenth of 0.05
    low, high = shown.scores.iloc[2][["low", "high"]].astype(float)
    assert math.sqrt(low * high) == pytest.approx(0.05 / math.sqrt(10), rel=0.05)


# ------------------------------------------------------------------------------- data of the marks


@pytest.mark.parametrize("kind", ["biased", "even", "bipartite", "directed"])
def test_walks_are_what_they_are_called(kind):
    for seed in range(20):
        p = lab_4.walk(seed, kind)
        np.testing.assert_allclose(p.sum(axis=1), 1)
        known = GraphWalk(p)  # refuses what is not connected
        assert right.entropy_rate(p) == pytest.approx(known.entropy_rate, rel=1e-9)
        assert (np.allclose((p > 0), (p > 0).T)) == (kind != "directed")
        ways = [len(set(np.round(row[row > 0], 9))) for row in p]
        assert (max(ways) == 1) == (kind in ("even", "bipartite"))
        parity = np.linalg.matrix_power(p, 200)[0] > 1e-12
        assert parity.all() == (kind != "bipartite")


def test_brackets_are_what_they_are_called():
    for seed in range(50):
        for kind in ("inside", "lowest", "highest", "diverged", "survivor", "lucky", "unlucky"):
            rates, losses = lab_4.bracket_table(seed, kind)
            assert len(set(rates)) == len(rates) == len(losses)
            _, where = right.pick_rate(rates, losses)
            assert where == (kind if kind in ("lowest", "highest") else "inside")
            assert np.isnan(losses).any() == (kind in ("diverged", "survivor"))


def test_the_interval_of_the_text_covers():
    """Nominally 90 %: exact for a power law with lognormal noise."""
    held = 0
    for seed in range(600):
        flops, excess, new_run = lab_4.rungs_table(seed)
        low, high = right.forecast(flops, excess, 10 * flops[-1])
        held += low <= new_run(10 * flops[-1]) <= high
    assert 0.865 <= held / 600 <= 0.935  # three standard errors


# -------------------------------------------------------------------------------------- the marks


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_reference_earns_everything(name):
    for seed in range(10):
        mark = TASKS[name].mark(getattr(right, name), 1000 * seed)
        assert mark.share == 1, mark.feedback


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_is_not_written_earns_nothing(name):
    assert TASKS[name].mark(lambda *_: None, 5).share == 0


MISTAKES = [
    (name, mistake)
    for number, name in enumerate(FUNCTIONS, start=1)
    for mistake in find(f"lab4.{number}").misconceptions
]


@pytest.mark.parametrize("name, mistake", MISTAKES, ids=[f"{n}-{m.name}" for n, m in MISTAKES])
def test_a_misconception_gets_its_own_feedback_on_fresh_data(name, mistake):
    mark = TASKS[name].mark(mistake.wrong, 5)
    assert mark.share < 1
    assert mistake.message in mark.feedback


@pytest.mark.parametrize("number, name", list(enumerate(FUNCTIONS, start=1)))
def test_answers_typed_in_earn_nothing(number, name):
    """Whatever the arguments, the function returns what is right in one case."""
    case = find(f"lab4.{number}").kind.cases[0]
    answer = getattr(right, name)(*case)
    assert TASKS[name].mark(lambda *_: answer, 5).share == 0
    assert not find(f"lab4.{number}").check(lambda *_: answer)


@pytest.mark.parametrize(
    "function, said",
    [
        (lambda rates, losses: rates[0], "must return a pair"),
        (lambda rates, losses: (rates[0], "left"), "is none of 'inside'"),
        (lambda rates, losses: (max(rates), "highest"), "does not have the lowest mean"),
    ],
)
def test_replies_to_what_is_not_a_rate_and_a_word(function, said):
    verdict = find("lab4.3").check(function)
    assert not verdict and said in verdict.message


def test_another_honest_interval_earns_most_of_it():
    """A residual bootstrap would do; here the right interval, widened a little."""

    def wider(flops, excess, target):
        low, high = right.forecast(flops, excess, target)
        return 0.9 * low, 1.1 * high

    mark = TASKS["forecast"].mark(wider, 5)
    assert mark.share == 0.8 and "Not the interval of the text" in mark.feedback

    def absurd(flops, excess, target):
        low, high = right.forecast(flops, excess, target)
        return low / 1e6, high * 1e6

    assert TASKS["forecast"].mark(absurd, 5).share == 0


# ------------------------------------------------------------------------------------ the receipt


@pytest.fixture
def receipt(folder, pretended):
    mine = lab_4.assignment("Ada")
    lab_4.seal(mine, lab_4.target_run(mine, 16, 0.08), 0.006, 0.014)
    return lab_4.reveal(mine).receipt


def changed(receipt, **changes):
    return lambda: receipt | changes


def test_an_honest_receipt_earns_everything(receipt):
    mark = TASKS["receipt"].mark(lambda: receipt, 5)
    assert mark.share == 1 and "holds" in mark.feedback
    through_json = json.loads(json.dumps(receipt))
    assert TASKS["receipt"].mark(lambda: through_json, 5).share == 1


WRONG_RECEIPTS = {
    "not a dict": (lambda r: lambda: "sealed", "the dict that the cell"),
    "nothing": (lambda r: lambda: None, "not written yet"),
    "keys": (lambda r: lambda: {"learner": "Ada"}, "the dict that the cell"),
    "learner": (lambda r: changed(r, learner="Alan"), "not on the graph of 'Alan'"),
    "size": (lambda r: changed(r, size="huge"), "cannot be read"),
    "low": (lambda r: changed(r, low=0.0089), "does not belong"),
    "ends": (lambda r: changed(r, low="x"), "cannot be read"),
    "excess": (lambda r: changed(r, excess=0.02), "Trained again"),
    "run": (lambda r: changed(r, run=r["run"] | {"d_model": 8}), "does not spend"),
    "field": (lambda r: changed(r, run=r["run"] | {"wings": 2}), "cannot be read"),
    "rate": (lambda r: changed(r, run=r["run"] | {"learning_rate": 0.1}), "does not belong"),
}


@pytest.mark.parametrize("name", WRONG_RECEIPTS)
def test_a_receipt_that_was_touched_earns_nothing(receipt, name):
    make, said = WRONG_RECEIPTS[name]
    mark = TASKS["receipt"].mark(make(receipt), 5)
    assert mark.share == 0 and said in mark.feedback


@pytest.mark.parametrize(
    "low, high, width, final, share",
    [
        (0.008, 0.010, 16, FINAL, 1.0),
        (1e-5, 2.0, 16, FINAL, 0.6),  # says nothing
        (0.0001, 0.0002, 16, FINAL, 0.6),  # misses by far
        (0.38, 0.42, 4, 0.4, 0.8),  # easy to foresee, and a bad run
    ],
)
def test_a_receipt_is_paid_by_its_score_and_its_run(
    folder, pretended, monkeypatch, low, high, width, final, share
):
    monkeypatch.setattr(sys.modules[__name__], "FINAL", final)
    mine = lab_4.assignment("Ada")
    lab_4.seal(mine, lab_4.target_run(mine, width, 0.08), low, high)
    receipt = lab_4.reveal(mine).receipt
    mark = TASKS["receipt"].mark(lambda: receipt, 5)
    assert mark.share == pytest.approx(share), mark.feedback


def test_a_run_too_long_is_believed(folder, pretended, monkeypatch):
    monkeypatch.setitem(
        lab_4.SIZES, "laptop", dataclasses.replace(lab_4.SIZES["laptop"], target=2e11)
    )
    monkeypatch.setattr(lab_4, "retrain", lambda config: pytest.fail("trained again"))
    mine = lab_4.assignment("Ada")
    lab_4.seal(mine, lab_4.target_run(mine, 16, 0.08), 0.006, 0.014)
    receipt = lab_4.reveal(mine).receipt
    mark = TASKS["receipt"].mark(lambda: receipt, 5)
    assert mark.share == 1 and "too long to be trained again" in mark.feedback


# ----------------------------------------------------------------------------------- the notebook


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return student_version(MASTER, tmp_path_factory.mktemp("student"))


def grade_here(path, tmp_path, monkeypatch):
    """Grade in this process: another one would spend seconds on imports."""
    monkeypatch.setitem(sys.modules, "submission", None)
    monkeypatch.chdir(tmp_path)
    grading._grade_here(path, "lab_4", 17, 300.0, set(), tmp_path / "result.json")
    plt.close("all")
    return json.loads((tmp_path / "result.json").read_text())


def test_the_student_version_has_no_solution(student):
    notebook, text = nbformat.read(student, 4), student.read_text()
    for gone in ("lstsq(equations, np.r_", "SOLUTION", "instructor", "An example, with blanks",
                 'SIZE = \\"quick\\"', "91e734ded869"):  # fmt: skip
        assert gone not in text, gone
    assert 'SIZE = \\"laptop\\"' in text
    stubs = [c for c in notebook.cells if "raise NotImplementedError()" in c.source]
    assert len(stubs) == len(TASKS) + 4  # the plan, the sweep, the seeds, the seal
    assert text.count("Hint 1") == text.count("Hint 3") == len(FUNCTIONS)


def test_the_untouched_version_earns_nothing(student, tmp_path, monkeypatch):
    result = grade_here(student, tmp_path, monkeypatch)
    assert result["status"] == "graded"
    assert [task["share"] for task in result["tasks"]] == [0] * len(TASKS)
    assert all("not written yet" in task["feedback"] for task in result["tasks"])


def test_the_master_earns_its_points_without_its_sweep(tmp_path, monkeypatch):
    """Its interval just misses, as its text says; the run is trained again in a slow test only."""
    asked = []
    monkeypatch.setattr(lab_4, "retrain", lambda config: asked.append(config) or 0.0087)
    started = time.monotonic()
    result = grade_here(MASTER, tmp_path, monkeypatch)
    assert result["status"] == "graded" and result["notes"] == []
    *functions, receipt = [task["share"] for task in result["tasks"]]
    assert functions == [1] * len(FUNCTIONS), result["tasks"]
    assert 0.85 < receipt < 1
    assert len(asked) == 1 and asked[0].task.startswith("er:")
    assert time.monotonic() - started < 30


REFERENCES = """\
from scalinglaws.course.exercises.lab4 import (
    entropy_rate, fit_excess, forecast, largest_rung, pick_rate
)
"""
SUBMISSIONS = {
    "no receipt": ("", 85),
    "bits": ("rate = entropy_rate\ndef entropy_rate(p):\n    return rate(p) / np.log(2)", 65),
    "survivors": (
        "def pick_rate(rates, losses):\n"
        "    best = rates[np.argmin(np.nan_to_num(np.nanmean(losses, axis=1), nan=9))]\n"
        "    lowest, highest = best == rates.min(), best == rates.max()\n"
        "    return best, 'lowest' if lowest else 'highest' if highest else 'inside'",
        80.2,
    ),
    "raises": ("def fit_excess(flops, loss, floor):\n    return 1 / 0", 70),
    "no number": ("largest_rung = 7", 75),
    "sweep in a cell": ('# %% tags=["trains"]\nimport time; time.sleep(999)', 85),
}


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_submissions_earn_what_they_are_worth(tmp_path, monkeypatch, name):
    code, points = SUBMISSIONS[name]
    path = tmp_path / "ada.py"
    path.write_text(f"import numpy as np\n{REFERENCES}{code}\n")
    result = grade_here(path, tmp_path, monkeypatch)
    pairs = zip(result["tasks"], lab_4.TASKS, strict=True)
    assert sum(task.points * mark["share"] for mark, task in pairs) == pytest.approx(points)
    assert result["tasks"][-1]["feedback"].startswith("There is no function `receipt`")


@pytest.mark.slow
def test_the_receipt_of_the_master_is_trained_again():
    cell = next(c for c in nbformat.read(MASTER, 4).cells if "def receipt" in c.source)
    space = {}
    exec(cell.source, space)
    mark = TASKS["receipt"].mark(space["receipt"], 5)
    assert mark.share > 0.8 and "Trained again" in mark.feedback, mark.feedback


@pytest.mark.slow  # a kernel
def test_the_student_version_runs_up_to_what_is_not_written(student, tmp_path):
    from nbclient import NotebookClient

    notebook = nbformat.read(student, 4)
    client = NotebookClient(
        notebook, kernel_name="python3", allow_errors=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )  # fmt: skip
    client.execute(env=os.environ | ENVIRONMENT)
    said = [
        o.data["text/plain"]
        for c in notebook.cells
        if c.cell_type == "code"
        for o in c.outputs
        if "text/plain" in o.get("data", {})
    ]
    assert sum("Nothing to check yet" in text for text in said) == len(FUNCTIONS)


def test_cells_that_need_the_sweep_are_left_out_by_the_grader():
    """Every cell that uses what was trained has the tag, and no function stands in such a cell."""
    cells = [c for c in nbformat.read(MASTER, 4).cells if c.cell_type == "code"]
    tagged = [c for c in cells if grading.LEFT_OUT in c.metadata.get("tags", [])]
    assert len(tagged) > 10
    for name in TASKS:
        (home,) = [c for c in cells if f"def {name}(" in c.source]
        assert home not in tagged
    for cell in tagged:
        assert {"nbval-ignore-output", "instructor"} & set(cell.metadata.tags) or not cell.outputs


def test_the_grader_leaves_out_tagged_cells_of_both_kinds_of_file(tmp_path):
    python = tmp_path / "a.py"
    python.write_text('a = 1\n# %% tags=["trains"]\nb = 2\n# %% tags=["hide-cell"]\nc = 3\n')
    assert [cell.strip() for cell in grading._cells(python)] == ["a = 1", "c = 3"]
    cells = [new_code_cell("a = 1"), new_code_cell("b = 2", metadata={"tags": ["trains"]})]
    nbformat.write(new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert grading._cells(tmp_path / "a.ipynb") == ["a = 1"]


def test_a_config_of_a_receipt_is_that_of_the_run(receipt):
    mine = lab_4.assignment("Ada")
    assert RunConfig.from_dict(receipt["run"]) == lab_4.target_run(mine, 16, 0.08)
