"""The recorded sweeps: what ships is what the lab trains, and holds what the chapters need."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from scalinglaws.datasets import load_recorded, recorded_sweeps
from scalinglaws.errors import DatasetError
from scalinglaws.lab import RECORDED, RunConfig, Store, Table, make_task, run, save_recorded
from scalinglaws.lab.design import FIELDS
from scalinglaws.lab.recorded import CORPUS_SHA256
from scalinglaws.lab.tasks.corpora import load_corpus

SAME_CORPUS = load_corpus().sha256 == CORPUS_SHA256
SHIPPED = [name for name, sweep in RECORDED.items() if not sweep.gpu]


def test_every_sweep_ships_and_there_are_more_than_500_runs():
    assert set(recorded_sweeps()) == set(SHIPPED)
    keys = {key for name in SHIPPED for key in load_recorded(name)["key"]}
    assert len(keys) >= 500


@pytest.mark.parametrize("name", SHIPPED)
def test_rows_say_which_run_they_are(name):
    frame = load_recorded(name)
    assert frame["key"].is_unique
    table = Table.from_frame(frame)
    assert [r.key for r in table.results] == list(frame["key"])
    for column in ("params", "non_embedding_params", "tokens", "flops", "epochs", "best_loss"):
        np.testing.assert_allclose(table.frame[column], frame[column], rtol=1e-7)
    made = {c.key for c in RECORDED[name].make()}
    assert made <= set(frame["key"]), "runs of the design are missing"


@pytest.mark.parametrize("name", SHIPPED)
def test_no_loss_lies_below_the_known_entropy(name):
    frame = load_recorded(name)
    for task, part in frame.groupby("task"):
        if task.startswith(("ngram", "text")) and not SAME_CORPUS:
            continue
        floor = make_task(task).floor
        if floor is None:
            assert part["excess"].isna().all()
            continue
        np.testing.assert_allclose(part["floor"], floor, rtol=1e-8)
        done = part[part["status"] == "done"]
        assert (done["excess"] > -1e-6).all()  # single precision
        assert (done["best_loss"] <= done["loss"] + 1e-9).all()


@pytest.mark.parametrize("name", [n for n in SHIPPED if RECORDED[n].search])
def test_the_learning_rate_is_optimised_inside_its_bracket(name):
    frame = load_recorded(name)
    cells = [f for f in FIELDS if f not in ("learning_rate", "seed", "data_seed", "tokens")]
    inside = 0
    groups = list(frame[frame["seed"] == 0].groupby([*cells, "tokens_asked"], dropna=False))
    for _, cell in groups:
        mean = cell.groupby("learning_rate")["loss"].mean()
        best = mean.idxmin()
        assert cell.loc[cell["chosen"], "learning_rate"].unique().tolist() == [best]
        inside += mean.index.min() < best < mean.index.max()
    assert inside == len(groups)


@pytest.mark.parametrize("name", [n for n in SHIPPED if n.endswith("isoflop")])
def test_isoflop_sweeps_have_five_budgets_of_six_sizes_and_three_seeds(name):
    chosen = load_recorded(name, chosen=True)
    budget = chosen["flops"].map(lambda c: round(2 * np.log10(c)))
    sizes = chosen.groupby(budget)["params"].nunique()
    assert len(sizes) >= 5 and sizes.min() >= 6
    assert (chosen.groupby(["params", "tokens"])["seed"].nunique() >= 3).all()
    assert (chosen["data_seed"] == chosen["seed"]).all()


def test_training_on_the_same_tokens_too_often_hurts():
    runs = load_recorded("epochs")
    plain = runs[runs["weight_decay"] == 0].groupby(["d_model", "unique_tokens", "epochs"])
    loss = plain["loss"].mean().unstack("epochs")
    assert (loss.iloc[:, -1] > loss.min(axis=1) + 0.05).any()


def test_a_recorded_run_can_be_trained_again():
    """To a few digits: processors round differently, and training amplifies it."""
    frame = load_recorded("er-isoflop")
    cheapest = frame[frame["seed"] == 0].nsmallest(1, "flops")
    (again,) = run(Table.from_frame(cheapest).configs, _fresh_store(), device="cpu", progress=False)
    assert again.loss == pytest.approx(cheapest["loss"].item(), rel=5e-3)


def _fresh_store():
    import tempfile

    return Store(Path(tempfile.mkdtemp()) / "runs.sqlite")


def test_written_and_read_again(tmp_path):
    configs = [
        RunConfig("er:nodes=20,edges=40", d_model=4, tokens=1200, learning_rate=lr, seed=s)
        for lr in (0.01, 0.02)
        for s in range(2)
    ]
    table = run(configs, tmp_path / "runs.sqlite", device="cpu", progress=False)
    path = tmp_path / "recorded.csv.gz"
    save_recorded(path, {"mine": (table, [configs[0].key])})
    first = path.read_bytes()
    save_recorded(path, {"mine": (table, [configs[0].key])})
    assert path.read_bytes() == first
    from scalinglaws.datasets import recorded

    recorded._table.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorded, "_path", lambda: path)
        frame = load_recorded("mine")
    recorded._table.cache_clear()
    assert frame["chosen"].tolist() == [True, False, False, False]
    back = Table.from_frame(frame)
    for a, b in zip(back.results, table.results, strict=True):
        assert a.config == b.config and a.flop_counts == b.flop_counts
        assert a.loss == pytest.approx(b.loss, rel=1e-8)
        np.testing.assert_allclose(a.curve["loss"], b.curve["loss"], rtol=1e-7)


def test_a_caller_may_change_what_it_was_given():
    first = load_recorded("er-isoflop")
    before = first["loss"].copy()
    first["loss"] = 0.0
    pd.testing.assert_series_equal(load_recorded("er-isoflop")["loss"], before)


def test_an_unknown_sweep_is_refused_by_name():
    with pytest.raises(DatasetError, match="er-isoflop"):
        load_recorded("nonsense")


# -- the command, and the page that shows it -------------------------------------------------------

PAGE = Path(__file__).parents[1] / "labs" / "running.md"


def test_commands_on_the_page_are_accepted(tmp_path, monkeypatch):
    from scalinglaws.cli import app

    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [x for b in blocks for x in b.replace("\\\n", " ").splitlines() if x.strip()]
    asked = [shlex.split(x)[1:] for x in lines if x.startswith("scalinglaws lab")]
    assert {words[1] for words in asked} == {"estimate", "run", "show", "record"}
    for words in asked:
        if words[1] == "estimate":
            result = CliRunner().invoke(app, [*words, "--no-time"])
            assert result.exit_code == 0, result.output
        else:  # every option exists: a wrong one ends with status 2 before anything is trained
            result = CliRunner().invoke(app, [*words, "--help"])
            assert result.exit_code == 0, result.output
            for option in (w for w in words if w.startswith("--")):
                assert option in result.output


def test_the_code_on_the_page_calls_what_is_there(tmp_path, monkeypatch):
    from scalinglaws import lab

    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    calls = []

    def pretend(design, store, *, device="auto", workers=None, executor=None):
        calls.append((len(design), store, workers, executor is not None))

    names = {"__name__": "page", "run": pretend}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        if "google.colab" in block:
            continue
        compile(block, "page", "exec")
        block = block.replace("design.estimate()", "design.estimate(device=None)")
        block = re.sub(r"from scalinglaws\.lab import .*", "", block)
        if "__main__" in block:  # clusters have tests of their own
            continue
        exec(block, names | {n: getattr(lab, n) for n in ("bracket", "isoflop")} | {}, None)
    assert [c[0] for c in calls][:1] == [36]
