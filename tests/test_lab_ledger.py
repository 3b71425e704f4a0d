"""The budget ledger: never overspent, never charged twice, whatever is killed or run at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalinglaws.errors import BudgetError, StoreCorruptError
from scalinglaws.lab import Ledger, RunResult, Store, grid
from scalinglaws.lab import sweep as sweep_module
from scalinglaws.lab.design import run_flops

TASK = "er:nodes=64,edges=256"


def design(*seeds, d_model=8, name="round"):
    return grid(
        name, task=TASK, d_model=d_model, tokens=20_480, learning_rate=0.01, seed=list(seeds)
    )


ONE = run_flops(design(0).configs[0])  # every run of these designs costs the same


def pretend(config):
    curve = {"tokens": [config.trained_tokens], "loss": [2.5], "train_loss": [2.5]}
    return RunResult.measured(config, vocab=64, floor=1.2, curve=curve, seconds=1, device="cpu")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "game.sqlite"


@pytest.fixture
def trained(monkeypatch):
    """A sweep that trains nothing and remembers what it was asked to train."""
    trained = []

    def run(design, store, **options):
        known = set(store.keys())
        new = [c for c in design if c.key not in known]
        trained.extend(c.key for c in new)
        store.add(pretend(c) for c in new)
        return store.table([c.key for c in design])

    monkeypatch.setattr(sweep_module, "run", run)
    return trained


# ------------------------------------------------------------------------------------- one player


def test_a_round_is_charged_and_trained(path, trained):
    ledger = Ledger(path, 10 * ONE)
    table = ledger.spend(design(0, 1, 2))
    assert len(table) == 3 and len(trained) == 3
    assert ledger.spent == pytest.approx(table["flops"].sum(), rel=1e-12)
    assert ledger.left == pytest.approx(7 * ONE, rel=1e-12)
    ledger.spend(design(3, name="second"))
    history = ledger.history
    assert list(history["round"]) == [1, 2] and list(history["runs"]) == [3, 1]
    assert list(history["trained"]) == [3, 1] and list(history["design"]) == ["round", "second"]
    assert history["left"].iloc[-1] == pytest.approx(ledger.left, rel=1e-12)
    assert "2 rounds" in repr(ledger) and "<table" in ledger._repr_html_()


def test_a_known_run_is_free(path, trained):
    Store(path).add(pretend(c) for c in design(0, 1))
    ledger = Ledger(path, 3 * ONE)
    assert ledger.price(design(0, 1)).flops == 0
    ledger.spend(design(0, 1))
    assert ledger.left == ledger.flops and len(ledger.history) == 0 and not trained
    assert ledger.price(design(0, 1, 2, 3)).new == 2
    ledger.spend(design(0, 1, 2, 3))
    ledger.spend(design(0, 1, 2, 3))
    assert ledger.spent == pytest.approx(2 * ONE, rel=1e-12) and len(ledger.history) == 1


def test_overspending_is_refused_with_what_to_cut(path, trained):
    ledger = Ledger(path, 4 * ONE)
    ledger.spend(design(0))
    with pytest.raises(BudgetError, match="(?s)Nothing was charged.*3 of 5 seeds") as caught:
        ledger.spend(design(1, 2, 3, 4, 5))
    assert ledger.spent == pytest.approx(ONE, rel=1e-12) and len(trained) == 1
    rest = caught.value.cuts.best.design
    assert len(rest) == 3
    ledger.spend(rest)
    assert ledger.left == pytest.approx(0, abs=1e-3)
    with pytest.raises(BudgetError, match="Even the cheapest new run costs") as caught:
        ledger.spend(design(9))
    assert caught.value.cuts is None and ledger.left >= 0


def test_a_budget_can_be_spent_to_the_last_flop(path, trained):
    ledger = Ledger(path, sum(run_flops(c) for c in design(*range(7))))
    ledger.spend(design(*range(7)))
    assert ledger.left == 0


@settings(max_examples=15)
@given(
    rounds=st.lists(st.sets(st.integers(0, 9), min_size=1, max_size=6), max_size=6),
    budget=st.floats(0.5, 12),
)
def test_what_is_spent_is_the_price_of_what_was_granted(rounds, budget):
    with tempfile.TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "game.sqlite", budget * ONE)
        granted = set()
        for seeds in rounds:
            price = ledger.price(design(*seeds)).flops
            assert price == pytest.approx(len(seeds - granted) * ONE, rel=1e-9)
            fits = price <= ledger.left
            try:
                charged = ledger.charge(design(*seeds))
            except BudgetError:
                assert not fits
            else:
                granted |= seeds
                assert fits and charged == price
            assert ledger.left >= 0
            assert ledger.spent == pytest.approx(len(granted) * ONE, rel=1e-9)
        assert ledger.history["runs"].sum() == len(granted)


# ---------------------------------------------------------------------------------- opening again


def test_the_state_survives_a_restart(path, trained):
    Ledger(path, 5 * ONE).spend(design(0, 1))
    for again in (Ledger(path), Ledger(Store(path), 5 * ONE)):
        assert again.flops == 5 * ONE and again.left == pytest.approx(3 * ONE, rel=1e-12)
        assert list(again.history["runs"]) == [2]


def test_a_budget_cannot_be_changed_by_opening_it_again(path):
    Ledger(path, 5 * ONE)
    with pytest.raises(BudgetError, match="was opened with"):
        Ledger(path, 6 * ONE)
    other = Ledger(path, 6 * ONE, name="other")
    other.charge(design(0))
    assert Ledger(path).spent == 0


def test_budgets_that_are_none(path):
    with pytest.raises(BudgetError, match="there is no budget"):
        Ledger(path)
    for bad in (0, -1, float("nan"), float("inf"), "much", None):
        with pytest.raises(BudgetError):
            Ledger(path, bad)
    path.write_bytes(b"nothing like a database" * 100)
    with pytest.raises(StoreCorruptError):
        Ledger(path, 1e9)


# ------------------------------------------------------------------------------- kills and crowds

CHILD = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from test_lab_ledger import *
"""


def child(code):
    code = CHILD.format(tests=str(Path(__file__).parent)) + code
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", code], text=True, **pipes)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_between_the_charge_and_the_training_it_is_charged_once(path, trained):
    process = child(
        f"ledger = Ledger({str(path)!r}, {5 * ONE!r})\n"
        "sweep_module.run = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "ledger.spend(design(0, 1, 2))\n"
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    ledger = Ledger(path)
    assert ledger.spent == pytest.approx(3 * ONE, rel=1e-12) and not len(ledger.store)
    assert list(ledger.history["trained"]) == [0]
    assert ledger.price(design(0, 1, 2)).flops == 0
    ledger.spend(design(0, 1, 2))
    assert ledger.spent == pytest.approx(3 * ONE, rel=1e-12) and len(trained) == 3
    assert list(ledger.history["trained"]) == [3]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_killed_within_the_charge_it_is_charged_whole_or_not_at_all(path):
    Ledger(path, 5 * ONE)
    process = child(
        "class Deadly(Ledger):\n"
        "    def _spent(self, db, further=()):\n"
        "        further = list(further)\n"
        "        if further:\n"
        "            db.execute('INSERT INTO ledger VALUES (?,?,?,?,?,?)',"
        "                       (self.name, 'x', 1, 'd', 1e9, 'now'))\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        return super()._spent(db)\n"
        f"Deadly({str(path)!r}).charge(design(0, 1, 2))\n"
    )
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    ledger = Ledger(path)
    assert ledger.spent == 0 and ledger.charge(design(0, 1, 2)) > 0


def test_processes_that_spend_at_once_cannot_overspend(path):
    """Three processes want six runs each, two of them the same for all, of a budget for nine."""
    ledger = Ledger(path, 9.5 * ONE)
    processes = [
        child(
            f"ledger = Ledger({str(path)!r})\n"
            "sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.readline()\n"
            "granted = 0\n"
            f"for seed in [0, 1] + [10 * {i} + j for j in (10, 11, 12, 13)]:\n"
            "    try:\n"
            "        granted += ledger.charge(design(seed)) > 0\n"
            "    except BudgetError:\n"
            "        pass\n"
            "    assert ledger.left >= 0\n"
            "print(granted)\n"
        )
        for i in range(3)
    ]
    for process in processes:  # all of them have imported and opened before any begins
        process.stdout.readline()
    outputs = [process.communicate("go\n", timeout=60) for process in processes]
    assert all(process.returncode == 0 for process in processes), outputs
    granted = [int(out) for out, _ in outputs]
    assert sum(granted) == 9
    assert ledger.spent == pytest.approx(9 * ONE, rel=1e-12)
    assert ledger.history["runs"].sum() == 9 and (ledger.history["left"] >= 0).all()
