"""Lab 3: its data, its notebook, and what the grader says to right and wrong submissions."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalinglaws.course import grading
from scalinglaws.course.exercises import find
from scalinglaws.course.exercises import lab3 as right
from scalinglaws.course.labs import lab_3
from scalinglaws.course.notebooks import ENVIRONMENT, student_version
from scalinglaws.errors import ExerciseError
from scalinglaws.fitting import fit_isoflop

MASTER = Path(__file__).parents[1] / "labs" / "lab_3_isoflop.ipynb"
TASKS = {task.name: task for task in lab_3.TASKS}


@pytest.fixture(scope="module", autouse=True)
def drawn_once():
    """Many tests mark with the same seed: its tables are drawn only once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab_3, "draw", functools.cache(lab_3.draw))
        yield


_found: dict[bytes, dict] = {}


def analysed(runs):
    """What the reference finds with few resamples, once for each table."""
    key = runs.loss.tobytes()
    if key not in _found:
        _found[key] = right.analyse(runs, resamples=100)
    return _found[key]


# --------------------------------------------------------------------------------------- the data


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 3))
def test_a_table_has_the_flaws_it_should_and_no_others(seed, edge, diverged):
    hidden = lab_3.draw(seed, edge=edge, diverged=diverged)
    law, runs = hidden.law, hidden.runs
    assert len(runs) == 54 and np.allclose(runs.flops, runs["budget"], rtol=1e-9)
    assert 0.4 <= law.a <= 0.6
    assert all(5 < law.optimum(c).tokens_per_param < 80 for c in lab_3.BUDGETS)
    assert len(hidden.edge_budgets) == edge and len(hidden.diverged) == diverged
    # The rule of the lab finds exactly the diverged runs, the parabola exactly the edge budget.
    kept = right.drop_diverged(runs)
    assert set(kept.loss) == set(np.delete(runs.loss, hidden.diverged))
    _, best, edges = right.minima(runs)
    assert edges == hidden.edge_budgets and len(best) == 6 - edge
    for c in lab_3.BUDGETS:
        sizes, optimum = runs.params[runs["budget"] == c], law.optimum(c).params
        assert (sizes.min() < optimum < sizes.max()) == (c not in hidden.edge_budgets)


def test_a_learner_has_one_table_and_others_have_another():
    assert lab_3.table("Ada") == lab_3.table(" ada ")
    assert lab_3.table("Ada") != lab_3.table("Alan")


def test_the_reference_agrees_with_the_package():
    for seed in range(5):
        runs = lab_3.draw(seed).runs
        package = fit_isoflop(right.drop_diverged(runs))
        assert right.analyse(runs)["a"] == pytest.approx(package.allocation.a, rel=1e-6)
        assert right.recommend(runs, 3e21)[0] == pytest.approx(
            package.allocation.params(3e21), rel=1e-6
        )


def test_the_interval_of_the_reference_covers():
    """93 to 94 % for a nominal 95 %: the marks ask for 80 %."""
    hidden = [lab_3.draw(seed) for seed in range(80)]
    found = [right.analyse(h.runs, resamples=100) for h in hidden]
    held = sum(x["a_low"] <= h.law.a <= x["a_high"] for h, x in zip(hidden, found, strict=True))
    assert 0.85 <= held / len(hidden) <= 1


# ----------------------------------------------------------------------------- forecast and reveal


@given(st.floats(-3, 3), st.floats(0.01, 3), st.floats(-5, 5))
def test_the_interval_score_is_width_and_fine(low, width, truth):
    score = lab_3.interval_score(*np.exp([low, low + width, truth]), level=0.9)
    miss = max(low - truth, truth - low - width, 0)
    assert score == pytest.approx(width + 20 * miss, abs=1e-9)


def test_the_honest_interval_scores_best():
    truths = np.exp(np.random.default_rng(0).standard_normal(4000))
    scores = {
        z: np.mean([lab_3.interval_score(math.exp(-z), math.exp(z), t) for t in truths])
        for z in (0.5, 1.0, 1.645, 2.5, 4.0)
    }
    assert min(scores, key=scores.get) == 1.645


FOUND = {"a": 0.5, "a_low": 0.45, "a_high": 0.55, "edge_budgets": [1e18]}


def test_a_forecast_is_sealed_before_the_truth_is_shown():
    who = "test: a learner who seals"
    with pytest.raises(NotImplementedError, match="seal a forecast first"):
        lab_3.reveal(who, FOUND)
    lab_3.seal(who, 1e9, 2e9)
    sealed = lab_3.seal(who, 1e9, 3e9)  # a change of mind is fine until the reveal
    shown = lab_3.reveal(who, FOUND)
    assert sealed.digest in repr(shown) and sealed.digest in shown._repr_html_()
    assert lab_3.seal(who, 1e9, 3e9) == sealed
    with pytest.raises(ExerciseError, match="revealed"):
        lab_3.seal(who, 1e9, 4e9)


@pytest.mark.parametrize("ends", [(2e9, 1e9), (0, 1), (1, math.inf), (math.nan, 1), ("a", 1)])
def test_what_is_no_interval_is_not_sealed(ends):
    with pytest.raises(ExerciseError):
        lab_3.seal("x", *ends)
    with pytest.raises(NotImplementedError, match="in place of the dots"):
        lab_3.seal("x", ..., ...)


def test_the_reveal_says_whether_the_forecast_holds():
    number = lab_3.learner_seed("test: revealed")
    best = lab_3.draw(number).law.optimum(lab_3.TARGET).params
    for who, factor, holds in (("test: revealed", 1, True), ("test:  Revealed ", 1, True)):
        lab_3.seal(who, factor * best / 2, factor * best * 2)
        assert lab_3.reveal(who, FOUND).inside is holds
    lab_3.seal("test: missed", 1, 2)
    assert not lab_3.reveal("test: missed", FOUND).inside


# ----------------------------------------------------------------------------------- the notebook


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return student_version(MASTER, tmp_path_factory.mktemp("student"))


def test_the_student_version_has_no_solution(student):
    notebook, text = nbformat.read(student, 4), student.read_text()
    for gone in (
        "polyfit(u - middle",
        "resampled_lines",
        "instructor",
        "SOLUTION",
        "An example, with blanks",
    ):
        assert gone not in text, gone
    stubs = [c for c in notebook.cells if "raise NotImplementedError()" in c.source]
    assert len(stubs) == len(TASKS) + 1  # the forecast
    assert text.count("Hint 1") == text.count("Hint 3") == len(TASKS)


@pytest.mark.slow  # a kernel; the grader's test below runs the same cells
def test_the_student_version_runs_up_to_what_is_not_written(student):
    from nbclient import NotebookClient

    notebook = nbformat.read(student, 4)
    environment = os.environ | ENVIRONMENT
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True)
    client.execute(env=environment)
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    errors = {o.ename for o in outputs if o.output_type == "error"}
    assert errors == {"NotImplementedError"}
    said = [o.data["text/plain"] for o in outputs if "text/plain" in o.get("data", {})]
    assert sum("Nothing to check yet" in text for text in said) == len(TASKS)


def test_the_master_earns_everything(tmp_path):
    master = nbformat.read(MASTER, 4)
    master.cells = [c for c in master.cells if "instructor" not in c.metadata.get("tags", [])]
    nbformat.write(master, tmp_path / "master.ipynb")
    grade = grading.grade_one(tmp_path / "master.ipynb", "lab_3", seed=17)
    assert (grade.points, grade.out_of, grade.status, grade.notes) == (100, 100, "graded", ())


def test_the_untouched_version_earns_nothing(student, tmp_path, monkeypatch):
    """In this process: another one would spend three seconds on the imports of the notebook."""
    monkeypatch.setitem(sys.modules, "submission", None)
    grading._grade_here(student, "lab_3", 17, 300.0, set(), tmp_path / "result.json")
    plt.close("all")
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["status"] == "graded"
    assert [task["share"] for task in result["tasks"]] == [0] * len(TASKS)
    assert all("not written yet" in task["feedback"] for task in result["tasks"])
    assert result["notes"] and all("NotImplementedError" in note for note in result["notes"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_the_reference_earns_everything_whatever_the_seed(seed):
    for name, task in TASKS.items():
        mark = task.mark(getattr(right, name), 1000 * seed)
        assert mark.share == 1, (name, mark.feedback)


# ------------------------------------------------------------------------------ wrong submissions

MISTAKES = [
    (name, mistake)
    for name, id_ in zip(TASKS, (f"lab3.{k}" for k in range(1, 6)), strict=True)
    for mistake in find(id_).misconceptions
    if name != "analyse"
]


@pytest.mark.parametrize("name, mistake", MISTAKES, ids=[f"{n}-{m.name}" for n, m in MISTAKES])
def test_a_misconception_gets_its_own_feedback_on_fresh_data(name, mistake):
    mark = TASKS[name].mark(mistake.wrong, 5)
    assert mark.share < 1
    assert mistake.message in mark.feedback


def test_a_table_at_the_limit_decides_between_rules():
    for seed in range(20):
        runs = lab_3.borderline(seed)
        kept, before = right.drop_diverged(runs), lab_3.draw(seed, edge=False, diverged=0).runs
        assert len(kept) == 53
        for c in lab_3.BUDGETS:
            rows = runs["budget"] == c
            assert np.median(runs.loss[rows]) == np.median(before.loss[rows])
        rules = {m.name: m.wrong for m in find("lab3.2").misconceptions}
        for name, wanted in {"mean-for-median": 54, "either-way": 52}.items():
            assert len(rules[name](runs)) == wanted
        assert len(rules["above-the-lowest"](runs)) < 53


def changed_minimum(change):
    return lambda params, loss: change(right.find_minimum(params, loss))


@pytest.mark.parametrize(
    "exercise, function, said",
    [
        ("lab3.1", changed_minimum(lambda n: np.nan if n is None else n), "returns NaN"),
        ("lab3.1", changed_minimum(lambda n: n or 0.0), "gives 0. There is no minimum"),
        ("lab3.1", changed_minimum(lambda n: (n, 1)), "returns a tuple. Return one number"),
        ("lab3.1", lambda n, loss: right.find_minimum(n, loss) if n[0] < 5e8 else None,
         "gives `None`, and the lowest point"),
        ("lab3.1", lambda n, loss: 3e8, "gives 3e+08"),
        ("lab3.2", lambda runs: right.drop_diverged(runs).loss, "returns `ndarray`. Return `Runs`"),
        ("lab3.2", lambda runs: runs.where(runs.loss < 3), "by the rule 53 stay"),
        ("lab3.4", lambda runs: {"a": 0.5}, "The dict has no a_low, a_high, edge_budgets."),
        ("lab3.4", lambda runs: FOUND | {"a_low": None}, "`a_low` must be a number, and is None"),
        ("lab3.4", lambda runs: FOUND | {"edge_budgets": 1e18}, "must be a list of numbers"),
    ],
)  # fmt: skip
def test_replies_to_what_is_not_of_the_right_kind(exercise, function, said):
    verdict = find(exercise).check(function)
    assert not verdict and said in verdict.message
    assert "raised" not in verdict.message


def test_none_counts_where_it_is_the_answer():
    """A function that is right but for hills loses that case only."""

    def accepts_hills(params, loss):
        wrong = next(m.wrong for m in find("lab3.1").misconceptions if m.name == "hill-accepted")
        return wrong(params, loss)

    mark = TASKS["find_minimum"].mark(accepts_hills, 5)
    assert 0.9 < mark.share < 1


def changed(**changes):
    """The reference, with some of what it returns replaced."""

    def analyse(runs):
        found = analysed(runs)
        return found | {key: change(found) for key, change in changes.items()}

    return analyse


def edges_accepted(runs):
    return find("lab3.4").misconceptions[0].wrong(runs)


def diverged_kept(runs):
    return find("lab3.4").misconceptions[1].wrong(runs)


WRONG = {
    "edges": (edges_accepted, "A budget without a minimum inside entered the line", 0.05, 0.6),
    "diverged": (diverged_kept, "A diverged run is still in the table", 0.1, 0.85),
    "tokens": (find("lab3.4").misconceptions[2].wrong, "exponent of the tokens", 0.2, 0.6),
    "typed in": (lambda runs: FOUND, "same a for 20 different tables", 0, 0),
    "text": (lambda runs: "0.5", "returns a str where a dict", 0, 0),
    "keys": (lambda runs: {"a": 0.5}, "no a_low, a_high, edge_budgets", 0, 0),
    "no width": (changed(a_low=lambda x: x["a"], a_high=lambda x: x["a"]),
                 "too narrow", 0.55, 0.55),
    "absurd": (changed(a_low=lambda x: 0, a_high=lambda x: 1), "too wide to be of use", 0.55, 0.55),
    "none": (changed(a_low=lambda x: None), "must be a number", 0.55, 0.55),
    "swapped": (changed(a_low=lambda x: x["a_high"], a_high=lambda x: x["a_low"]),
                "`a_low` must be a number below", 0.55, 0.55),
    "beside": (changed(a_high=lambda x: (9 * x["a_low"] + x["a"]) / 10), "counts in percent",
               0.55, 0.55),
    "one sd": (changed(a_low=lambda x: x["a"] - (x["a"] - x["a_low"]) / 3,
                       a_high=lambda x: x["a"] + (x["a_high"] - x["a"]) / 3),
               "about two standard deviations", 0.5, 0.85),
    "sometimes nan": (changed(a_low=lambda x: x["a_low"] if x["a"] > 0.42 else math.nan),
                      "must be a number", 0.6, 0.99),
    "no edges": (changed(edge_budgets=lambda x: []), "edge_budgets` is right on 4", 0.8, 0.8),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_analyses_get_partial_marks_and_their_own_feedback(name):
    function, said, least, most = WRONG[name]
    mark = TASKS["analyse"].mark(function, 5)
    assert said in mark.feedback
    assert least <= mark.share <= most, mark


@pytest.mark.slow
def test_pairs_of_runs_may_be_resampled_too():
    """A wider interval than that of the reference, and an honest one."""

    def analyse(runs, resamples=100):
        rng = np.random.default_rng(0)
        clean, slopes = right.drop_diverged(runs), []
        point = right.analyse(runs, resamples=10)
        for _ in range(resamples):
            flops, best = [], []
            for c in np.unique(clean["budget"]):
                if c in point["edge_budgets"]:
                    continue
                rows = rng.choice(np.flatnonzero(clean["budget"] == c), 9)
                if len(set(rows)) > 3 and (n := right.find_minimum(
                    clean.params[rows], clean.loss[rows]
                )):  # fmt: skip
                    flops.append(c)
                    best.append(n)
            if len(best) > 1:
                slopes.append(right.fit_allocation(flops, best)[0])
        low, high = np.percentile(slopes, [2.5, 97.5])
        return point | {"a_low": low, "a_high": high}

    mark = TASKS["analyse"].mark(analyse, 5)
    assert mark.share >= 0.9, mark.feedback


@pytest.mark.parametrize("name", TASKS)
def test_answers_fitted_to_ones_own_table_earn_nothing(name):
    """Whatever the arguments, the function works on the learner's table."""
    runs = lab_3.table("somebody")
    rows = runs["budget"] == lab_3.BUDGETS[3]
    own = {
        "find_minimum": right.find_minimum(runs.params[rows], runs.loss[rows]),
        "drop_diverged": right.drop_diverged(runs),
        "fit_allocation": right.fit_allocation(*right.minima(runs)[:2]),
        "analyse": right.analyse(runs),
        "recommend": right.recommend(runs, lab_3.TARGET),
    }
    mark = TASKS[name].mark(lambda *_: own[name], 5)
    assert mark.share == 0
    assert not find(f"lab3.{list(TASKS).index(name) + 1}").check(lambda *_: own[name])
