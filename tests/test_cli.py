"""The command line: JSON that parses, words and exit status 2 for bad input, help that is quick."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import scalinglaws
from scalinglaws import cli
from scalinglaws.cli import app, number
from scalinglaws.datasets import (
    LogNormalNoise,
    chinchilla_like,
    chinchilla_points_available,
    grid_design,
    simulate,
)
from scalinglaws.errors import BudgetError
from scalinglaws.fitting import fit
from scalinglaws.laws import PUBLISHED, ChinchillaLaw, published
from scalinglaws.planning import plan
from scalinglaws.runs import read_runs

TRUTH = ChinchillaLaw(E=1.8, A=480.0, B=2100.0, alpha=0.35, beta=0.37)
runner = CliRunner()


def call(*arguments, code=0):
    result = runner.invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def answer(*arguments, code=0):
    """What --json prints, parsed; nothing else may be on stdout."""
    return json.loads(call(*arguments, "--json", code=code).stdout)


def refusal(*arguments):
    """The one line on stderr of a refused call."""
    result = call(*arguments, code=2)
    assert result.stdout == ""
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("scalinglaws: ") and "Traceback" not in result.output
    return last


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "runs.csv"
    design = grid_design(np.geomspace(5e7, 1e10, 6), np.geomspace(1e9, 2e11, 6))
    simulate(TRUTH, design, LogNormalNoise(0.004), seed=3).write(path)
    return path


# ------------------------------------------------------------------------------------------- fit


def test_fit_prints_the_fit_of_the_package(runs):
    said = answer("fit", runs, "--bootstrap", 200, "--seed", 5)
    result = fit(read_runs(runs))
    assert {k: v["value"] for k, v in said["constants"].items()} == result.constants
    interval = result.bootstrap(200, 5).interval("alpha")
    assert said["constants"]["alpha"]["low"] == interval.low
    assert said["constants"]["alpha"]["high"] == interval.high
    assert said["derived"].keys() == {"a", "b", "G"}
    assert said["converged"] is True and said["runs"] == 36
    assert said["bootstrap"] == {"resamples": 200, "failed": 0, "seed": 5}


@pytest.mark.parametrize("method", ["bc", "bca", "profile"])
def test_fit_takes_other_intervals(runs, method):
    plain = answer("fit", runs, "--bootstrap", 100)
    other = answer("fit", runs, "--bootstrap", 100, "--method", method)
    assert other["method"] == method
    assert other["constants"]["beta"]["low"] != plain["constants"]["beta"]["low"]
    assert other["constants"]["beta"]["low"] < other["constants"]["beta"]["value"]


def test_fit_without_intervals_and_with_other_options(runs):
    said = answer("fit", runs, "--bootstrap", 0, "--law", "kaplan", "--objective", "lsq")
    assert said["law"] == "KaplanLaw" and said["bootstrap"] is None
    assert said["constants"]["Nc"]["low"] is None


def test_fit_prints_text(runs):
    text = call("fit", runs, "--bootstrap", 50).stdout
    assert "ChinchillaLaw fitted to 36 runs" in text
    assert "95 % intervals (percentile, 50 resamples, seed 0)" in text


def test_columns_can_be_renamed(runs, tmp_path):
    other = tmp_path / "theirs.csv"
    other.write_text(runs.read_text().replace("params", "Model Size", 1))
    assert "params" in refusal("fit", other)
    said = answer("fit", other, "--columns", "Model Size=params", "--bootstrap", 0)
    assert said["constants"] == answer("fit", runs, "--bootstrap", 0)["constants"]


def test_a_saved_fit_plans_like_the_runs(runs, tmp_path):
    saved = tmp_path / "fit.json"
    call("fit", runs, "--bootstrap", 100, "--out", saved)
    from_file = answer("plan", "--flops", "1e24", "--brief", "--fit", saved)
    from_runs = answer("plan", "--flops", "1e24", "--brief", "--runs", runs, "--bootstrap", 100)
    assert from_file | {"source": ""} == from_runs | {"source": ""}
    assert "runs.csv" in from_file["source"]
    assert from_file["params"]["low"] < from_file["params"]["point"] < from_file["params"]["high"]


@pytest.mark.skipif(not chinchilla_points_available(), reason="the published points are not here")
def test_the_published_points_can_be_named():
    said = answer("fit", "chinchilla-points", "--bootstrap", 0)
    assert said["runs"] == 240
    assert said["objective_value"] == pytest.approx(0.00101827401780, rel=1e-9)


# ------------------------------------------------------------------------------------------ plan


def test_plan_uses_besiroglu_unless_told_and_says_so():
    result = call("plan", "--flops", "5.76e23", "--brief", "--json")
    said = json.loads(result.stdout)
    best = published("besiroglu").optimum(5.76e23)
    assert said["params"]["point"] == best.params and said["loss"]["point"] == best.loss
    assert "besiroglu" in result.stderr and "read flops = 5.76e+23" in result.stderr
    assert [c["code"] for c in said["cautions"]] == ["no-interval"]


def test_plan_prints_a_page_as_text_and_as_markdown():
    bill = ("--accelerator", "H100-SXM", "--utilisation", 0.5, "--price", 2.5)
    text = call("plan", "--flops", "5.76e23", *bill).stdout
    assert text.startswith("Training plan for 5.76e23 FLOP\n=====")
    assert "H100-SXM hours at 50 % of peak" in text and "cost" in text
    markdown = call("plan", "--flops", "5.76e23", *bill, "--markdown").stdout
    assert markdown.startswith("## Training plan")
    assert "| parameters, with embeddings | 72.4B |" in markdown
    page = answer("plan", "--flops", "5.76e23", *bill)
    assert page["plan"]["bill"]["devices"] >= 1 and page["assumptions"]


def test_plan_for_a_loss():
    said = answer("plan", "--loss", "2.0", "--law", "hoffmann")
    assert said["flops"]["point"] == published("hoffmann").cost(2.0).flops


def test_plan_judges_a_run():
    said = answer("plan", "--params", "280B", "--tokens", "300B")
    assert said["verdict"] == "undertrained"
    assert said["params_factor"]["point"] > 4


def test_plan_compares_two_runs():
    said = answer("plan", "--params", "70B", "--tokens", "1.4T", "--against", "280B,300B")
    assert said["lower"] == "first" and said["second"] == [280e9, 300e9]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("70B", 70e9),
        ("1.4T", 1.4e12),
        ("1.4 t", 1.4e12),
        ("350m", 350e6),
        ("12K", 12e3),
        ("5.76e23", 5.76e23),
        ("5.76E+23", 5.76e23),
        ("1,400,000", 1.4e6),
        ("1_000", 1000.0),
        (".5B", 5e8),
        ("2 PF-days", 2 * 8.64e19),
        ("-3", -3.0),
    ],
)
def test_numbers_as_people_write_them(text, value):
    assert number(text, "flops") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    "text",
    ["", "many", "70 GB", "1e", "B", "1.2.3", "--", "5e23 FLOP!", "７x", "2,1", "1,4T", "1,00,000"],
)
def test_words_are_no_numbers(text):
    with pytest.raises(BudgetError, match="not a number"):
        number(text, "flops")


# -------------------------------------------------------------------------------------------- lab

SWEEP = (
    *("--task", "er:nodes=32,edges=64", "--widths", "4,8", "--tokens", "2k,4096"),
    *("--learning-rates", "0.02x3", "--seeds", "2", "--set", "batch=4"),
)


def test_lab_estimate_prices_without_training(tmp_path):
    said = answer("lab", "estimate", *SWEEP, "--no-time", "--store", tmp_path / "none.sqlite")
    assert (said["runs"], said["known"], said["new"]) == (24, 0, 24)
    assert said["fits"] is True and said["minutes"] is None and said["cuts"] is None
    assert sum(rung["new_flops"] for rung in said["rungs"]) == pytest.approx(said["flops"])
    assert not list(tmp_path.iterdir())
    text = call("lab", "estimate", *SWEEP, "--no-time").stdout
    assert "24 runs to train" in text and "learning rates" in text


def test_lab_estimate_over_the_budget_has_status_1_and_says_what_to_cut():
    whole = answer("lab", "estimate", *SWEEP, "--no-time")["flops"]
    over = ("--no-time", "--max-flops", f"{0.6 * whole:.6g}")
    said = answer("lab", "estimate", *SWEEP, *over, code=1)
    assert said["fits"] is False
    assert said["cuts"]["best"]["flops"] <= 0.6 * whole and said["cuts"]["best"]["enough"]
    assert "1 of 2 seeds saves" in call("lab", "estimate", *SWEEP, *over, code=1).stdout
    assert "not even the cheapest" in refusal(
        "lab", "estimate", *SWEEP, "--no-time", "--max-flops", "10"
    )


def test_lab_reads_designs_from_files(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(
        'kind = "isoflop"\ntask = "er:nodes=64,edges=256"\nbudgets = [1e9, 4e9]\n'
        "widths = [8, 64]\nlearning_rates = [0.01]\n"
    )
    result = call("lab", "estimate", "--design", path, "--no-time", "--json")
    said = json.loads(result.stdout)
    assert said["name"] == "sweep" and said["runs"] == 2
    assert "warning: left out of the design" in result.stderr
    assert said["warnings"][0].startswith("LabWarning")


def test_lab_runs_shows_and_exports(tmp_path):
    pytest.importorskip("torch")
    store, out = tmp_path / "runs.sqlite", tmp_path / "runs.csv"
    first = answer("lab", "run", store, *SWEEP, "--device", "cpu")
    assert (first["runs"], first["known"], first["trained"]) == (24, 0, 24)
    again = answer("lab", "run", store, *SWEEP, "--device", "cpu", "--max-flops", "1")
    assert (again["known"], again["trained"]) == (24, 0) and again["flops"] == first["flops"]
    free = answer("lab", "estimate", *SWEEP, "--store", store)
    assert (free["new"], free["flops"], free["minutes"]) == (0, 0, 0)
    shown = answer("lab", "show", store, "--where", "d_model == 8 and seed == 1")["runs"]
    assert len(shown) == 6 and all(run["loss"] > run["floor"] for run in shown)
    text = call("lab", "show", store, "--best").stdout
    assert "Table(8 runs" in text and "excess" in text
    assert answer("lab", "export", store, out, "--best")["rows"] == 8
    assert read_runs(out, check_units=False)["learning_rate"].max() <= 0.04
    curves = tmp_path / "curves.parquet"
    assert answer("lab", "export", store, curves, "--curves")["rows"] > 24
    assert call("lab", "export", store, out).stdout.strip() == str(out)
    assert call("lab", "show", store, "--where", "d_model == 99").stdout.strip() == "no runs"


def test_lab_estimate_times_each_shape():
    pytest.importorskip("torch")
    said = answer("lab", "estimate", *SWEEP, "--device", "cpu")
    assert said["minutes"] > 0 and said["device"] == "cpu"


def test_lab_run_refuses_what_costs_too_much_before_it_starts(tmp_path):
    store = tmp_path / "runs.sqlite"
    words = refusal("lab", "run", store, *SWEEP, "--max-flops", "20M")
    assert "nothing was trained" in words and "seeds saves" in words
    assert answer("lab", "show", store)["runs"] == []


def test_lab_tasks_are_listed_and_described():
    assert "er" in answer("lab", "tasks")["tasks"]
    assert "memory" in call("lab", "tasks").stdout
    said = answer("lab", "tasks", "er:nodes=64,edges=256")
    assert said["vocab"] == 64 and 0 < said["floor"] < np.log(64)
    assert "64" in call("lab", "tasks", "er:nodes=64,edges=256").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["estimate"], "give --design FILE"),
        (["estimate", "--task", "er:nodes=64,edges=256", "--widths", "8"], "--learning-rates"),
        (["estimate", *SWEEP, "--budgets", "1e9"], "one of --budgets and --tokens"),
        (["estimate", *SWEEP, "--design", "x.json"], "leave out --task"),
        (["estimate", "--design", "/none.toml"], "there is no design"),
        (["estimate", *SWEEP, "--widths", "8,x"], "--widths 'x' is not a number"),
        (["estimate", *SWEEP, "--widths", "8.5"], "not a whole number"),
        (["estimate", *SWEEP, "--learning-rates", "0.01x"], "is not a number"),
        (["estimate", *SWEEP, "--set", "layers"], "FIELD=VALUE"),
        (["estimate", *SWEEP, "--set", "depth=3"], "'depth' is not a field"),
        (["estimate", *SWEEP, "--set", "seed=3"], "option of its own"),
        (["estimate", *SWEEP, "--set", "heads=3", "--no-time"], "heads"),
        (["estimate", *SWEEP, "--task", "er:nodes=64"], "edges"),
        (["estimate", *SWEEP, "--tokens", "100"], "less than one batch"),
        (["estimate", *SWEEP, "--no-time", "--max-minutes", "1"], "not measured"),
        (["estimate", *SWEEP, "--device", "abacus"], "abacus"),
        (["run", "/none/at/all/runs.sqlite", *SWEEP], "/none/at/all"),
        (["show", "/none.sqlite"], "there is no file"),
        (["export", "/none.sqlite", "x.csv"], "there is no file"),
        (["tasks", "sudoku"], "sudoku"),
    ],
)
def test_bad_input_to_the_lab(arguments, words):
    if "--device" in arguments:
        pytest.importorskip("torch")
    assert words in refusal("lab", *arguments)


# ------------------------------------------------------------------------------------- the others


def test_laws_are_listed_with_sources():
    said = answer("laws")["laws"]
    assert [entry["name"] for entry in said] == list(PUBLISHED)
    assert all(entry["source"] and entry["arxiv"] for entry in said)
    text = call("laws").stdout
    assert all(name in text for name in PUBLISHED)


def test_data_is_listed_and_found():
    said = answer("data", "list")["datasets"]
    names = {"chinchilla-shapes", "chinchilla-points", "data-constrained-runs"}
    assert {entry["name"] for entry in said} == names
    path = call("data", "path", "chinchilla-shapes").stdout.strip()
    assert os.path.isfile(path)
    assert answer("data", "fetch", "chinchilla-shapes")["path"] == path
    assert "shipped" in call("data", "list").stdout


def test_absent_data_is_an_error_with_advice(monkeypatch, tmp_path):
    monkeypatch.setenv("SCALINGLAWS_DATA", str(tmp_path))
    monkeypatch.setattr("scalinglaws.datasets.published.cache_folder", lambda: tmp_path / "none")
    assert "scalinglaws data fetch" in refusal("data", "path", "chinchilla-points")
    (tmp_path / "chinchilla_points.csv").write_text("cut short")
    assert "damaged" in refusal("data", "path", "chinchilla-points")


def test_student_versions_and_execution_go_through_the_course(tmp_path):
    import nbformat

    notebook = nbformat.v4.new_notebook()
    cell = nbformat.v4.new_code_cell("### BEGIN SOLUTION\nx = 1\n### END SOLUTION")
    cell.metadata["nbgrader"] = {
        **{"grade_id": "x", "schema_version": 3, "solution": True},
        **{"grade": False, "locked": False, "task": False},
    }
    notebook.cells = [cell]
    master = tmp_path / "lab_9_x.ipynb"
    nbformat.write(notebook, master)
    said = answer("notebook", "student", master, "--out", tmp_path / "out")
    assert "x = 1" not in (tmp_path / "out" / "lab_9_x.ipynb").read_text()
    assert said["path"] == str(tmp_path / "out" / "lab_9_x.ipynb")
    results = answer("notebook", "execute", tmp_path / "none.ipynb", code=1)["notebooks"]
    assert "there is no notebook" in results[0]["error"]


def test_grading_goes_through_the_course(monkeypatch, tmp_path):
    from scalinglaws.course import grading

    seen = {}

    def grade(folder, lab, **options):
        seen.update(options, folder=folder, lab=lab)
        return [grading.Grade("ada", "ada.py", "graded")]

    monkeypatch.setattr(grading, "grade", grade)
    said = answer("grade", tmp_path, "--lab", "lab_3", "--seed", 4)
    assert said["grades"][0]["learner"] == "ada" and said["grades"][0]["points"] == 0
    assert (seen["folder"], seen["lab"], seen["seed"]) == (tmp_path, "lab_3", 4)


# -------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan"], "give --flops"),
        (["plan", "--flops", "1e22", "--loss", "2"], "give --flops"),
        (["plan", "--params", "70B"], "both --params and --tokens"),
        (["plan", "--flops", "0"], "must be positive"),
        (["plan", "--flops", "-1e22"], "must be positive"),
        (["plan", "--flops", "nan"], "must be positive"),
        (["plan", "--flops", "inf"], "outside"),
        (["plan", "--flops", "1e99"], "outside"),
        (["plan", "--flops", "a lot"], "not a number"),
        (["plan", "--loss", "1.5"], "floor"),
        (["plan", "--params", "70", "--tokens", "1.4T"], "in units"),
        (["plan", "--params", "70B", "--tokens", "1T", "--against", "3"], "PARAMS,TOKENS"),
        (["plan", "--flops", "1e22", "--law", "hofmann"], "Did you mean 'hoffmann'"),
        (["plan", "--flops", "1e22", "--law", "kaplan-N"], "no compute-optimal split"),
        (["plan", "--flops", "1e22", "--law", "hoffmann", "--fit", "x.json"], "choose one"),
        (["plan", "--flops", "1e22", "--fit", "/none.json"], "there is no file"),
        (["plan", "--flops", "1e22", "--runs", "/none.csv"], "there is no file"),
        (["plan", "--flops", "1e22", "--columns", "N=params"], "--runs"),
        (["plan", "--flops", "1e22", "--accelerator", "abacus"], "not a known accelerator"),
        (["plan", "--flops", "1e22", "--price", "2"], "needs an accelerator"),
        (["plan", "--flops", "1e22", "--level", "95"], "between 0 and 1"),
        (["fit", "/none.csv"], "there is no file"),
        (["data", "path", "pile"], "there is no data set"),
        (["data", "fetch", "pile"], "there is no data set"),
        (["notebook", "student", "/none.ipynb"], "there is no notebook"),
        (["grade", "/none", "--lab", "lab_99"], "lab_99"),
    ],
)
def test_bad_input_gives_one_line_and_status_2(arguments, words):
    assert words in refusal(*arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--law", "hoffmann"], "unknown law"),
        (["--objective", "median"], "objective"),
        (["--delta", "-1"], "delta"),
        (["--method", "guess"], "--method is one of"),
        (["--bootstrap", "-3"], "0 or more"),
        (["--level", "2"], "between 0 and 1"),
        (["--columns", "params"], "THEIRS=OURS"),
        (["--out", "/none/fit.json"], "no folder '/none'"),
        (["--columns", "width=params"], "no column 'width'"),
        (["--bootstrap", "0", "--out", "/none/at/all/fit.json"], "/none/at/all"),
    ],
)
def test_bad_options_of_fit(runs, options, words):
    assert words in refusal("fit", runs, *options)


def test_a_seed_below_zero_is_refused(runs):
    done = runner.invoke(app, ["fit", str(runs), "--seed", "-1"])
    assert done.exit_code == 2 and "--seed" in done.output and "Traceback" not in done.output


def test_a_table_with_other_names_is_told_the_option(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("N,tokens,loss\n1e8,2e9,3.2\n")
    assert "--columns theirs=params" in refusal("fit", path)
    path.write_text("params;tokens;loss\n1e8;2e9;3.2\n")
    assert "commas" in refusal("fit", path)


def test_losses_that_say_nothing_are_fitted_with_cautions(tmp_path):
    table = chinchilla_like(0).frame
    rng = np.random.default_rng(0)
    for name, loss in (
        ("rising", 2 + np.log(table["params"]) / 20),
        ("shuffled", rng.permutation(table["loss"])),
    ):
        path = tmp_path / f"{name}.csv"
        table.assign(loss=loss).to_csv(path, index=False)
        said = answer("fit", path, "--bootstrap", 100, "--out", tmp_path / "fit.json")
        assert said["cautions"], name
        for method in ("bca", "profile"):
            answer("fit", path, "--bootstrap", 60, "--method", method)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"evidence": {}}', '{"evidence": 3}', "\x00"])
def test_files_that_are_no_saved_fit(tmp_path, content):
    path = tmp_path / "fit.json"
    path.write_text(content)
    assert "not a saved fit" in refusal("plan", "--flops", "1e22", "--fit", path)


def test_unknown_options_are_refused():
    assert call("plan", "--flop", "1e22", code=2).stderr
    assert call("plon", code=2).stderr


def test_a_fit_that_did_not_converge_has_status_1(runs, monkeypatch):
    import dataclasses

    import scalinglaws.fitting as fitting

    honest = fitting.fit

    def failed(*args, **options):
        return dataclasses.replace(honest(*args, **options), converged=False)

    monkeypatch.setattr(fitting, "fit", failed)
    said = answer("fit", runs, code=1)
    assert said["converged"] is False and said["constants"]["alpha"]["low"] is None


def test_ctrl_c_has_status_130(monkeypatch):
    def stopped(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "print_table", stopped)
    assert "stopped" in call("laws", code=130).stderr


def test_json_never_holds_nan(runs):
    target = 1.001 * fit(read_runs(runs)).law.E
    text = call("plan", "--loss", target, "--runs", runs, "--bootstrap", 50, "--json").stdout
    said = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert said["flops"]["high"] is None and said["unreachable"] > 0


def test_plan_under_a_data_limit():
    asked = ("plan", "--flops", "9.3e21", "--unique-tokens", "25B")
    said = answer(*asked, "--law", "muennighoff")
    best = published("muennighoff").optimum(9.3e21, unique_tokens=25e9)
    assert said["params"]["point"] == best.params
    assert said["epochs"]["point"] == pytest.approx(best.epochs)
    assert "law of repeated data" in refusal(*asked)
    assert "repeated data" in refusal(*asked, "--law", "besiroglu")
    assert "goes with --flops" in refusal("plan", "--loss", "2.0", "--unique-tokens", "25B")
    assert "no bill" in refusal(*asked, "--law", "muennighoff", "--accelerator", "H100-SXM")


# ------------------------------------------------------------------------------------- the process


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "scalinglaws", *arguments],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip


def test_the_module_runs_as_a_command():
    done = run("plan", "--flops", "5.76e23", "--brief", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["params"]["point"] == plan(5.76e23, "besiroglu").params.point
    assert "besiroglu" in done.stderr
    refused = run("plan", "--flops", "0")
    assert refused.returncode == 2 and refused.stdout == ""
    assert "must be positive" in refused.stderr and "Traceback" not in refused.stderr


def test_version_and_help():
    assert call("--version").stdout.strip() == f"scalinglaws {scalinglaws.__version__}"
    for command in ("fit", "plan", "laws", "grade"):
        assert "scalinglaws " + command in call(command, "--help").stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from scalinglaws.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'matplotlib', 'torch'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("[]"), done.stdout + done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_stops_a_running_fit(runs):
    # The child interrupts itself from inside the fit, as Ctrl-C would.
    code = (
        "import os, runpy, signal, sys, time\n"
        "import scalinglaws.fitting\n"
        # A shell's background jobs ignore Ctrl-C, and so do the tests and their children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def slow(*args, **options):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "scalinglaws.fitting.fit = slow\n"
        f"sys.argv = ['scalinglaws', 'fit', {str(runs)!r}]\n"
        "runpy.run_module('scalinglaws', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert done.returncode == 130, done.stderr
    assert done.stdout == "" and done.stderr.strip() == "scalinglaws: stopped"


def test_every_public_name_is_there():
    for name in scalinglaws.__all__:
        assert getattr(scalinglaws, name) is not None
    assert scalinglaws.plan is plan
    with pytest.raises(AttributeError, match="no attribute"):
        scalinglaws.nonsense  # noqa: B018
