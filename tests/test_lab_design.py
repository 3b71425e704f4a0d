"""Designs of sweeps: what is in them, what they cost, and cuts that really fit the budget."""

from __future__ import annotations

import functools
import itertools
import json
import math
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scalinglaws.lab as lab
from scalinglaws.counting import count_params
from scalinglaws.errors import (
    BudgetError,
    LabWarning,
    ShapeError,
    TaskError,
    TrainingError,
)
from scalinglaws.lab import Design, RunConfig, bracket, grid, isoflop, make_task, read_design
from scalinglaws.lab import design as design_module
from scalinglaws.lab.design import run_flops

TASK = "er:nodes=64,edges=256"
VOCAB = 64


def quiet_isoflop(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LabWarning)
        return isoflop(*arguments, **options)


def pretend_trainer():
    """A trainer that trains nothing: stacks of up to eight, and a step of known length."""

    def stacks(configs, device="auto"):
        groups = {}
        for config in configs:
            groups.setdefault(config.stack_key, []).append(config)
        return [group[i : i + 8] for group in groups.values() for i in range(0, len(group), 8)]

    def seconds_per_step(config, runs, device="auto"):
        asked.append((config, runs))
        return 1e-3 * config.d_model * (0.5 + runs)  # half of a run's time is spent on overheads

    asked = []
    return types.SimpleNamespace(
        stacks=stacks,
        seconds_per_step=seconds_per_step,
        seconds_per_exam=lambda config, runs, device: 2 * seconds_per_step(config, runs),
        asked=asked,
        CURVE_POINTS=0,
    )


@pytest.fixture
def clock(monkeypatch):
    fake = pretend_trainer()
    monkeypatch.setattr(design_module, "_trainer", lambda: fake)
    return fake


# ------------------------------------------------------------------------------------------ grids


@given(
    widths=st.lists(st.sampled_from([4, 8, 16, 32]), min_size=1, max_size=4, unique=True),
    tokens=st.lists(st.integers(512, 10**6), min_size=1, max_size=3, unique=True),
    rates=st.lists(st.sampled_from([0.001, 0.01, 0.1]), min_size=1, unique=True),
    seeds=st.integers(1, 3),
)
def test_a_grid_is_every_combination_once(widths, tokens, rates, seeds):
    design = grid(task=TASK, d_model=widths, tokens=tokens, learning_rate=rates, seed=range(seeds))
    found = [(c.d_model, c.tokens, c.learning_rate, c.seed) for c in design]
    assert found == list(itertools.product(widths, tokens, rates, range(seeds)))
    assert len(design + design) == len(design) and (design + design).configs == design.configs


def test_a_grid_takes_arrays_and_any_field():
    design = grid(
        task=[TASK, "er:nodes=32,edges=64"], d_model=np.array([8, 16]), tokens=10_000,
        learning_rate=np.geomspace(1e-3, 1e-1, 3), schedule=["cosine", "wsd"], unique_tokens=2048,
    )  # fmt: skip
    assert len(design) == 2 * 2 * 3 * 2
    assert all(type(c.d_model) is int and type(c.learning_rate) is float for c in design)
    json.dumps(design.to_dict())


def test_two_spellings_of_a_task_are_one_run():
    first = grid(task="er:nodes=64,edges=256", d_model=8, tokens=10_000, learning_rate=0.01)
    second = grid(task="er: edges=256, nodes=64", d_model=8, tokens=10_000, learning_rate=0.01)
    assert first.configs[0].key == second.configs[0].key


@given(
    centre=st.floats(1e-6, 10),
    factor=st.floats(1.1, 10),
    count=st.integers(1, 9),
)
def test_a_bracket_is_even_in_the_logarithm(centre, factor, count):
    rates = bracket(centre, factor, count)
    assert len(rates) == count
    steps = np.diff(np.log(rates))
    assert steps == pytest.approx([math.log(factor)] * (count - 1), abs=1e-3)
    assert np.exp(np.mean(np.log(rates))) == pytest.approx(centre, rel=1e-3)


def test_brackets_that_overlap_share_runs():
    assert set(bracket(0.01)) & set(bracket(0.02)) == set(bracket(0.02)[:-1])


# ---------------------------------------------------------------------------------------- isoflop


@given(
    widths=st.lists(st.sampled_from([4, 8, 16, 24, 32, 64]), min_size=1, max_size=4, unique=True),
    budgets=st.lists(st.floats(1e9, 1e13), min_size=1, max_size=3),
    batch=st.sampled_from([1, 4, 16, 33]),
    context=st.sampled_from([8, 32]),
    layers=st.integers(1, 3),
)
def test_rungs_spend_their_budget_to_within_a_batch(widths, budgets, batch, context, layers):
    design = quiet_isoflop(
        TASK, budgets, widths, [0.01], batch=batch, context=context, layers=layers, min_steps=1
    )
    for config in design:
        params = count_params(config.shape(VOCAB), "total")
        spent = 6 * params * config.trained_tokens
        one_batch = 6 * params * batch * context
        assert config.tokens == config.trained_tokens
        assert any(0 <= budget - spent < one_batch * (1 + 1e-9) for budget in budgets)
        assert run_flops(config) == spent
    sizes = {(c.d_model, c.tokens) for c in design}
    assert len(sizes) <= len(widths) * len(budgets)


def test_a_budget_that_is_a_whole_number_of_batches_is_spent_to_the_last_token():
    one = RunConfig(TASK, d_model=16, tokens=512, learning_rate=0.01)
    for steps in (1, 3, 7, 49, 1000):
        (config,) = isoflop(TASK, [steps * run_flops(one)], [16], [0.01], min_steps=1)
        assert config.steps == steps


def test_runs_that_are_too_short_are_left_out_and_named():
    with pytest.warns(LabWarning, match=r"width 64 at 1B FLOP \(\d+ steps"):
        design = isoflop(TASK, [1e9], [8, 64], [0.01])
    assert {c.d_model for c in design} == {8}
    with pytest.warns(LabWarning, match="width 8 at 1B FLOP"):
        design = isoflop(TASK, [1e9], [8, 16], [0.01], max_tokens=40_000)
    assert {c.d_model for c in design} == {16}


def test_a_budget_below_the_cheapest_run_is_refused_with_what_it_needs():
    with pytest.raises(BudgetError, match="below the cheapest run: width 4 needs") as caught:
        isoflop(TASK, [1e6, 1e9], [4, 8], [0.01])
    needs = float(str(caught.value).split("needs ")[1].split()[0])
    assert len(quiet_isoflop(TASK, [needs * 1.001], [4, 8], [0.01])) == 1
    with pytest.raises(BudgetError, match="min_tokens and max_tokens"):
        isoflop(TASK, [1e9], [4, 8], [0.01], max_tokens=1000)


def test_learning_rates_and_settings_may_depend_on_the_width():
    design = isoflop(
        TASK, [1e10], [8, 16], lambda width, tokens: bracket(0.1 / width, count=3),
        heads=lambda width: width // 8, weight_decay=0.1, seeds=2, pair_data=True,
    )  # fmt: skip
    assert {(c.d_model, c.heads) for c in design} == {(8, 1), (16, 2)}
    assert {c.learning_rate for c in design if c.d_model == 16} == set(bracket(0.1 / 16, count=3))
    assert all(c.data_seed == c.seed for c in design) and {c.seed for c in design} == {0, 1}
    assert all(c.data_seed == 0 for c in isoflop(TASK, [1e10], [8], [0.01], seeds=3))


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"budgets": [-1e9]}, BudgetError, "not a positive number"),
        ({"budgets": [math.nan]}, BudgetError, "not a positive number"),
        ({"budgets": ["much"]}, BudgetError, "not a positive number"),
        ({"budgets": []}, TrainingError, "empty list"),
        ({"widths": []}, TrainingError, "empty list"),
        ({"learning_rates": []}, TrainingError, "empty list"),
        ({"learning_rates": [0.0]}, TrainingError, "learning_rate"),
        ({"seeds": 0}, TrainingError, "seeds = 0"),
        ({"heads": 3}, ShapeError, "heads"),
        ({"task": "sudoku:size=9"}, TaskError, "sudoku"),
        ({"tokens": 10_000}, TrainingError, "'tokens' is set by the design"),
        ({"depth": 3}, TrainingError, "'depth' is not a field"),
    ],
)
def test_designs_that_cannot_be(arguments, error, words):
    usual = {"task": TASK, "budgets": [1e10], "widths": [8], "learning_rates": [0.01]}
    with pytest.raises(error, match=words):
        isoflop(**usual | arguments)


def test_other_designs_that_cannot_be():
    with pytest.raises(TrainingError, match="less than one batch"):
        grid(task=TASK, d_model=8, tokens=[100, 10_000], learning_rate=0.01)
    with pytest.raises(TrainingError, match="'width' is not a field"):
        grid(task=TASK, width=8)
    with pytest.raises(TrainingError, match="not a RunConfig"):
        Design("mine", [{"d_model": 8}])
    for centre, factor, count in ((0, 2, 3), (0.1, 1, 3), (0.1, 2, 0), (0.1, 2, 2.5)):
        with pytest.raises(TrainingError):
            bracket(centre, factor, count)


# ------------------------------------------------------------------------------------------ files


def test_designs_come_back_from_files(tmp_path):
    design = isoflop(TASK, [1e9, 4e9], [8, 16], bracket(0.01), seeds=2)
    design.write(tmp_path / "sweep.json")
    assert read_design(tmp_path / "sweep.json") == design
    (tmp_path / "sweep.toml").write_text(
        f'kind = "isoflop"\ntask = "{TASK}"\nbudgets = [1e9, 4e9]\nwidths = [8, 16]\n'
        "learning_rates = [0.0025, 0.005, 0.01, 0.02, 0.04]\nseeds = 2\n"
    )
    same = read_design(tmp_path / "sweep.toml")
    assert same.configs == design.configs and same.name == "sweep"
    both = read_design({"designs": [design.to_dict(), same.to_dict()]})
    assert both.configs == design.configs


@pytest.mark.parametrize(
    "content",
    ["", "[]", "3", "{", '{"kind": "lottery"}', '{"kind": "isoflop"}', '{"kind": "grid", "d": 2}',
     '{"kind": "runs", "configs": [{"task": "er:nodes=64,edges=256"}]}'],
)  # fmt: skip
def test_files_that_are_no_design(tmp_path, content):
    path = tmp_path / "sweep.json"
    path.write_text(content)
    with pytest.raises(TrainingError):
        read_design(path)
    with pytest.raises(TrainingError, match="there is no design"):
        read_design(tmp_path / "none.toml")


# --------------------------------------------------------------------------------------- estimate


@functools.cache
def small():
    return isoflop(TASK, [1e9, 2e9, 4e9], [4, 8, 16], bracket(0.01), seeds=3)


def test_an_estimate_adds_up(clock):
    design = small()
    estimate = design.estimate()
    assert (estimate.runs, estimate.known, estimate.new) == (len(design), 0, len(design))
    assert estimate.flops == pytest.approx(sum(run_flops(c) for c in design), rel=1e-12)
    table = estimate.table
    assert len(table) == 3 and table["runs"].sum() == len(design)
    assert table["new_flops"].sum() == pytest.approx(estimate.flops, rel=1e-12)
    assert table["minutes"].sum() == pytest.approx(estimate.minutes, rel=1e-12)
    seconds = sum(
        g[0].steps * clock.seconds_per_step(g[0], len(g)) for g in clock.stacks(design.configs)
    )
    assert estimate.minutes == pytest.approx(seconds / 60, rel=1e-12)
    assert str(estimate.new) in str(estimate) and "<table" in estimate._repr_html_()
    assert "135 runs to train" in repr(estimate)


def test_each_shape_is_timed_once(clock):
    small().estimate()
    probes = set(clock.asked)
    assert len(probes) == 3 * 2  # three widths, full stacks of eight and the remaining seven
    assert all(config.steps <= 50 for config, _ in probes)


def test_short_runs_are_charged_for_their_learning_curve(clock):
    long, short = (
        grid(task=TASK, d_model=8, tokens=512 * steps, learning_rate=0.01) for steps in (1000, 10)
    )
    without = [d.estimate().minutes for d in (long, short)]
    clock.CURVE_POINTS = 8
    extra = [d.estimate().minutes / m - 1 for d, m in zip((long, short), without, strict=True)]
    assert 0 < extra[0] < 0.1 < extra[1]


def test_workers_share_the_time(clock):
    design = small()
    alone, shared = design.estimate().minutes, design.estimate(workers=3).minutes
    longest = max(
        g[0].steps * clock.seconds_per_step(g[0], len(g)) for g in clock.stacks(design.configs)
    )
    assert alone / 3 <= shared <= alone / 3 + longest / 60
    with pytest.raises(TrainingError, match="workers = 0"):
        design.estimate(workers=0)


class KnownRuns:
    def __init__(self, configs):
        self._keys = [c.key for c in configs]

    def keys(self):
        return self._keys


@settings(max_examples=30)
@given(known=st.sets(st.integers(0, 134)))
def test_known_runs_are_free(known):
    design = small()
    done = [c for i, c in enumerate(design) if i in known]
    estimate = design.estimate(device=None, store=KnownRuns(done))
    assert estimate.known == len(done)
    rest = design.estimate(device=None).flops - sum(run_flops(c) for c in done)
    assert estimate.flops == pytest.approx(rest, rel=1e-9, abs=1)
    assert math.isnan(estimate.minutes) or not estimate.new


def test_an_estimate_makes_no_store(tmp_path):
    path = tmp_path / "runs.sqlite"
    assert small().estimate(device=None, store=path).known == 0
    assert not path.exists()


def test_nothing_costs_nothing(clock):
    empty = Design("nothing", ())
    estimate = empty.estimate()
    assert (estimate.flops, estimate.minutes, len(estimate.table)) == (0, 0, 0)
    assert estimate.cuts(budget_flops=1).best.design == empty
    assert str(estimate) and empty._repr_html_() and not empty


# ------------------------------------------------------------------------------------------- cuts


@st.composite
def designs(draw):
    widths = draw(st.lists(st.sampled_from([4, 8, 16]), min_size=1, unique=True))
    budgets = draw(st.lists(st.sampled_from([1e9, 2e9, 5e9, 1e10]), min_size=1, unique=True))
    count, seeds = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    return quiet_isoflop(TASK, budgets, widths, bracket(0.01, count=count), seeds=seeds)


@given(design=designs(), share=st.floats(0.001, 1.2), known=st.floats(0, 0.5))
def test_cuts_bring_the_flops_under_the_budget(design, share, known):
    store = KnownRuns(design.configs[: int(known * len(design))])
    estimate = design.estimate(device=None, store=store)
    budget = share * estimate.flops
    new = [c for c in design if c.key not in store.keys()]
    if budget < min(run_flops(c) for c in new):
        try:
            best = estimate.cuts(budget_flops=budget).best
        except BudgetError as err:
            assert "cheapest" in str(err)
        else:  # only known runs are left
            assert best.flops == 0
        return
    cuts = estimate.cuts(budget_flops=budget)
    for cut in [*cuts, cuts.best]:
        again = cut.design.estimate(device=None, store=store)
        assert again.flops == cut.flops
        assert cut.enough == (again.flops <= budget)
        assert cut.saves_flops == pytest.approx(estimate.flops - again.flops)
        assert set(cut.design.configs) <= set(design.configs) and len(cut.design)
    assert cuts.best.enough
    assert all(cuts.best.flops >= cut.flops for cut in cuts if cut.enough) or (
        "learning rates" in cuts.best.what
    )
    assert (cuts.best.what == "everything") == (share >= 1) == ("nothing to cut" in str(cuts))


@settings(max_examples=30)
@given(share=st.floats(0.02, 0.99))
def test_cuts_bring_the_minutes_under_the_budget(share):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(design_module, "_trainer", pretend_trainer)
        design = small()
        estimate = design.estimate()
        budget = share * estimate.minutes
        cuts = estimate.cuts(minutes=budget)
        assert cuts.best.enough and len(cuts) == 3
        for cut in [*cuts, cuts.best]:
            again = cut.design.estimate()
            assert again.minutes == pytest.approx(cut.minutes, rel=1e-12)
            assert cut.enough == (again.minutes <= budget)
            assert cut.saves_minutes == pytest.approx(estimate.minutes - again.minutes)


def test_cuts_say_what_they_keep():
    design = small()
    estimate = design.estimate(device=None)
    seeds, rungs, rates = estimate.cuts(budget_flops=0.5 * estimate.flops)
    assert seeds.what == "1 of 3 seeds" and {c.seed for c in seeds.design} == {0}
    assert rungs.what.startswith("2 of 3 rungs, without the largest (45 runs of about 4B FLOP")
    assert rates.what == "3 of 5 learning rates" and not rates.enough
    middle = set(bracket(0.01)[1:4])
    assert {c.learning_rate for c in rates.design} == middle
    text = str(estimate.cuts(budget_flops=0.5 * estimate.flops))
    for part in ("any one of", "Not enough alone", "Keeps the most", "saves"):
        assert part in text
    assert "<table" in estimate.cuts(budget_flops=0.5 * estimate.flops)._repr_html_()


def test_a_bracket_keeps_three_learning_rates_as_long_as_anything_else_can_go():
    design = isoflop(TASK, [1e9], [8], bracket(0.01, count=7), seeds=1)
    estimate = design.estimate(device=None)
    one = estimate.flops / 7
    assert len(estimate.cuts(budget_flops=3.5 * one).best.design) == 3
    assert len(estimate.cuts(budget_flops=2.5 * one).best.design) == 2
    middle = estimate.cuts(budget_flops=1.5 * one).best.design
    assert [c.learning_rate for c in middle] == [0.01]


def test_no_cut_is_needed_within_the_budget(clock):
    estimate = small().estimate()
    cuts = estimate.cuts(estimate.flops, estimate.minutes)
    assert not len(cuts) and cuts.best.design == estimate.design and "nothing to cut" in str(cuts)
    assert estimate.fits(estimate.flops) and not estimate.fits(0.99 * estimate.flops)


def test_budgets_that_are_none():
    estimate = small().estimate(device=None)
    with pytest.raises(BudgetError, match="give a budget"):
        estimate.cuts()
    for bad in (-1, math.nan):
        with pytest.raises(BudgetError, match="not a positive number"):
            estimate.cuts(budget_flops=bad)
    with pytest.raises(BudgetError, match="not measured"):
        estimate.cuts(minutes=1)
    with pytest.raises(BudgetError, match="not even the cheapest new run"):
        estimate.cuts(budget_flops=1000)


# --------------------------------------------------------------------------------------- the front


def test_designs_tables_and_ledgers_do_without_pytorch():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import scalinglaws.lab as lab\n"
        "lab.Design, lab.Table, lab.Ledger, lab.Store, lab.RunResult, lab.run, lab.make_task\n"
        f"d = lab.isoflop({TASK!r}, [1e9], [8], lab.bracket(0.01))\n"
        "print(len(d), d.estimate(device=None).new)\n"
        "try: lab.train\n"
        "except ImportError: print('no torch')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["5 5", "no torch"], done.stderr


def test_every_name_of_the_lab_is_there():
    pytest.importorskip("torch")
    for name in lab.__all__:
        assert getattr(lab, name) is not None
    assert lab.make_task is make_task
    import scalinglaws.lab.trainer  # noqa: F401  must not hide the function

    assert callable(lab.train) and isinstance(lab.train, types.FunctionType)
    with pytest.raises(AttributeError, match="no attribute"):
        lab.nonsense  # noqa: B018
