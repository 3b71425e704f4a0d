"""The table of a sweep: the best of each cell, its warnings, and the way to a fitted law."""

from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalinglaws.counting import train_flops
from scalinglaws.errors import DivergedWarning, EdgeWarning, RunDataError
from scalinglaws.fitting import fit
from scalinglaws.lab import Design, RunResult, Store, Table, bracket, grid, isoflop
from scalinglaws.laws import ChinchillaLaw

TASK = "er:nodes=64,edges=256"
TRUTH = ChinchillaLaw(E=1.2, A=20.0, B=90.0, alpha=0.4, beta=0.45)
RATES = (0.0025, 0.005, 0.01, 0.02, 0.04)


def pretend(config, loss, train_loss=None):
    """The result that a run would have had with this final loss."""
    half = max(config.trained_tokens // 2, 1)
    curve = {
        "tokens": [half, config.trained_tokens],
        "loss": [loss + 0.5, loss],
        "train_loss": [loss + 0.4, loss - 0.1],
    }
    return RunResult.measured(config, vocab=64, floor=1.2, curve=curve, seconds=2.0, device="cpu")


def small_design(seeds=2, rates=RATES):
    return grid(
        task=TASK, d_model=[8, 16], tokens=[20_480, 40_960], learning_rate=rates,
        seed=range(seeds),
    )  # fmt: skip


def sweep(loss_of, design=None):
    return Table(pretend(config, loss_of(config)) for config in design or small_design())


def bowl(config, best=0.01):
    """Lowest at the learning rate `best`; seeds differ by a little."""
    return 2 + 0.1 * math.log(config.learning_rate / best) ** 2 + 0.001 * config.seed


@pytest.fixture
def strict():
    """Warnings of any kind are failures."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# ------------------------------------------------------------------------------------ three lines


def test_from_sweep_to_fitted_law_in_three_lines(tmp_path, monkeypatch, strict):
    def run(design, store):  # the sweep itself, without the training
        def loss(config):
            shape = config.shape(64)
            params = train_flops(shape, 1) / 6
            return TRUTH.predict(params, config.trained_tokens) + bowl(config, 0.008) - 2

        store = Store(store)
        store.add(pretend(config, loss(config)) for config in design)
        return store.table(c.key for c in design)

    design = isoflop(
        TASK, np.geomspace(1e10, 1e13, 6), [8, 16, 32, 64], bracket(0.008, count=5), seeds=1,
        min_steps=1,
    )  # fmt: skip
    store = tmp_path / "runs.sqlite"

    table = run(design, store)
    runs = table.best().runs()
    law = fit(runs).law

    assert len(runs) == len(design) / 5
    assert law.alpha == pytest.approx(TRUTH.alpha, rel=1e-4)
    assert law.beta == pytest.approx(TRUTH.beta, rel=1e-4)
    assert law.E == pytest.approx(TRUTH.E, rel=1e-4)
    assert not runs.cautions


def test_the_runs_have_what_fits_need(strict):
    design = small_design() + grid(
        task=TASK, d_model=8, tokens=20_480, learning_rate=0.01, unique_tokens=5120
    )
    table = sweep(bowl, design)
    runs = table.runs()
    assert len(runs) == len(table)
    for name in ("non_embedding_params", "unique_tokens", "epochs", "learning_rate", "seed"):
        assert name in runs.columns
    assert runs.flops == pytest.approx(6 * runs.params * runs.tokens, rel=1e-12)
    assert runs["epochs"].max() == 4
    excess = table.runs(loss="excess")
    assert excess.loss == pytest.approx(runs.loss - 1.2, rel=1e-12)
    other = table.runs(convention="with-attention")
    expected = [train_flops(c.shape(64), c.trained_tokens, "with-attention") for c in table.configs]
    assert other.flops == pytest.approx(expected, rel=1e-12)


def test_the_frame_holds_the_configuration_and_the_results():
    table = sweep(bowl)
    frame = table.frame
    assert len(frame) == len(table) == 40
    assert list(frame["key"]) == [c.key for c in table.configs]
    assert (frame["tokens"] % 512 == 0).all() and (frame["steps"] * 512 == frame["tokens"]).all()
    frame.loc[0, "loss"] = 99.0
    assert table.frame.loc[0, "loss"] != 99.0
    assert table["loss"].equals(table.frame["loss"])
    assert "40 runs" in repr(table) and "<table" in table._repr_html_()
    assert table.design.configs == table.configs


def test_curves_have_one_row_a_moment():
    table = sweep(bowl)
    curves = table.curves()
    assert len(curves) == 2 * len(table)
    last = curves.groupby("key", sort=False).last()
    assert (last["tokens"].to_numpy() == table["tokens"].to_numpy()).all()
    assert last["loss"].to_numpy() == pytest.approx(table["loss"].to_numpy())
    assert last["flops"].to_numpy() == pytest.approx(table["flops"].to_numpy())
    assert len(Table().curves()) == 0


# ------------------------------------------------------------------------------------------- best


@settings(max_examples=20)
@given(data=st.data())
def test_the_best_is_the_lowest_mean_over_seeds_in_each_cell(data):
    design = small_design(seeds=data.draw(st.integers(1, 3)))
    loss = st.one_of(st.floats(1.3, 5.0), st.sampled_from([math.nan, 1.5, 2.0]))
    losses = data.draw(st.lists(loss, min_size=len(design), max_size=len(design)))
    table = Table(pretend(c, x) for c, x in zip(design, losses, strict=True))
    cells = {}
    for config, x in zip(design, losses, strict=True):
        cell = cells.setdefault((config.d_model, config.tokens), {})
        cell.setdefault(config.learning_rate, []).append(x)
    chosen, edges = {}, 0
    for name, rates in cells.items():
        means = {rate: np.mean(x) for rate, x in rates.items() if np.isfinite(x).all()}
        if means:
            chosen[name] = min(means.values())
            best = [rate for rate, mean in means.items() if mean == chosen[name]]
            edges += best[0] in (RATES[0], RATES[-1])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if not chosen:
            with pytest.raises(RunDataError, match="did not diverge"):
                table.best()
            return
        best = table.best()
    kinds = [w.category for w in caught]
    assert (EdgeWarning in kinds) == (edges > 0)
    assert (DivergedWarning in kinds) == (not np.isfinite(losses).all())
    found = best.frame.groupby(["d_model", "tokens"])["loss"].mean()
    assert found.to_dict() == pytest.approx(chosen, rel=1e-12)
    per_cell = best.frame.groupby(["d_model", "tokens"])
    assert (per_cell["learning_rate"].nunique() == 1).all()
    assert (per_cell.size() == len({c.seed for c in design})).all()
    assert (best["status"] == "done").all()


def test_one_lucky_seed_does_not_win(strict):
    def lucky(config):
        if config.learning_rate == 0.02:
            return 1.3 if config.seed == 0 else 4.0
        return bowl(config)

    assert set(sweep(lucky).best()["learning_rate"]) == {0.01}


def test_an_optimum_inside_is_chosen_without_a_word(strict):
    best = sweep(bowl).best()
    assert set(best["learning_rate"]) == {0.01} and len(best) == 4 * 2


@pytest.mark.parametrize(("optimum", "side"), [(1e-4, "lowest"), (1.0, "highest")])
def test_an_optimum_at_the_edge_is_named(optimum, side):
    table = sweep(lambda c: bowl(c, optimum if c.d_model == 16 else 0.01))
    with pytest.warns(EdgeWarning, match="in 2 of 4 cells") as caught:
        table.best()
    (text,) = [str(w.message) for w in caught]
    assert text.count("d_model 16") == 2 and "d_model 8" not in text
    assert f"{side} tried" in text and "widen" in text


def test_an_edge_beyond_which_runs_diverged_is_no_edge():
    table = sweep(lambda c: math.nan if c.learning_rate > 0.02 else bowl(c, 0.05))
    with pytest.warns(DivergedWarning, match="8 runs diverged") as caught:
        best = table.best()
    assert set(best["learning_rate"]) == {0.02}
    assert not [w for w in caught if w.category is EdgeWarning]


def test_cells_in_which_all_diverged_are_named():
    table = sweep(lambda c: math.nan if c.d_model == 16 else bowl(c))
    with pytest.warns(DivergedWarning, match="nothing is left of d_model 16, tokens 20480"):
        assert set(table.best()["d_model"]) == {8}


def test_nothing_tried_is_no_edge(strict):
    table = sweep(bowl, small_design(rates=[0.01]))
    assert len(table.best()) == len(table)


def test_several_settings_are_optimised_together(strict):
    design = grid(
        task=TASK, d_model=8, tokens=20_480, learning_rate=RATES,
        weight_decay=[0.0, 0.1, 0.2], schedule=["cosine", "wsd"],
    )  # fmt: skip

    def loss(c):  # the best learning rate depends on the decay
        return bowl(c, 0.01 if c.weight_decay else 0.02) - 0.1 * (c.weight_decay == 0.1)

    best = sweep(loss, design).best(over=["learning_rate", "weight_decay"])
    assert set(best["weight_decay"]) == {0.1} and set(best["learning_rate"]) == {0.01}
    assert set(best["schedule"]) == {"cosine", "wsd"}
    one = sweep(loss, design).best(["learning_rate", "weight_decay", "schedule"])
    assert len(one) == 1


def test_no_weight_decay_is_no_edge(strict):
    design = grid(
        task=TASK, d_model=8, tokens=20_480, learning_rate=0.01, weight_decay=[0.0, 0.1, 0.2]
    )
    best = sweep(lambda c: 2 + c.weight_decay, design).best(over="weight_decay")
    assert list(best["weight_decay"]) == [0.0]


def test_cells_may_be_given(strict):
    table = sweep(bowl)
    assert len(table.best(by=["d_model"])) == 2 * 2 * 2
    with pytest.raises(RunDataError, match="both optimised and part"):
        table.best(by=["learning_rate"])


def test_the_best_size_can_be_asked_for():
    table = sweep(lambda c: 2 + 0.1 * (c.d_model == 8))
    for by in (None, ["learning_rate"]):
        with pytest.warns(EdgeWarning, match="d_model 16, highest tried"):
            assert set(table.best(over="d_model", by=by)["d_model"]) == {16}


def test_other_losses_can_be_compared():
    design = small_design(seeds=1)

    def result(config):  # low at some moment, and high in the end, at a high learning rate
        curve = {
            "tokens": [512, config.trained_tokens],
            "loss": [3 - 10 * config.learning_rate, 3 + config.learning_rate],
            "train_loss": [3.0, 3.0],
        }
        return RunResult.measured(
            config, vocab=64, floor=None, curve=curve, seconds=1, device="cpu"
        )

    table = Table(map(result, design))
    with pytest.warns(EdgeWarning):
        assert set(table.best()["learning_rate"]) == {RATES[0]}
    with pytest.warns(EdgeWarning):
        assert set(table.best(loss="best_loss")["learning_rate"]) == {RATES[-1]}
    with pytest.raises(RunDataError):  # the floor is unknown
        table.best(loss="excess")
    with pytest.raises(RunDataError, match="loss = 'mood'"):
        table.best(loss="mood")


# ------------------------------------------------------------------------------------------ widen


@settings(max_examples=6)
@given(optimum=st.floats(1e-4, 1.0), seeds=st.integers(1, 2))
def test_widening_brings_every_optimum_inside(optimum, seeds):
    table = sweep(lambda c: bowl(c, optimum), small_design(seeds))
    for _ in range(20):
        more = table.widen()
        if not more:
            break
        assert not {c.key for c in more} & set(table["key"])
        table += sweep(lambda c: bowl(c, optimum), more)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        best = table.best()
    assert np.all(np.abs(np.log(best["learning_rate"] / optimum)) <= np.log(2) / 2 + 1e-3)
    assert len(best) == 4 * seeds


def test_widening_runs_every_seed_of_the_cells_at_the_edge_only():
    table = sweep(lambda c: bowl(c, 1.0 if c.d_model == 16 else 0.01))
    more = table.widen()
    assert isinstance(more, Design) and len(more) == 2 * 2
    assert {(c.d_model, c.learning_rate) for c in more} == {(16, 0.08)}
    assert {c.seed for c in more} == {0, 1}


# --------------------------------------------------------------------------------- seeds and NaN


@settings(max_examples=10)
@given(st.lists(st.floats(1.5, 4), min_size=3, max_size=3))
def test_means_over_seeds(losses):
    design = grid(task=TASK, d_model=[8], tokens=20_480, learning_rate=0.01, seed=[0, 1, 2])
    table = Table(pretend(c, x) for c, x in zip(design, losses, strict=True))
    (row,) = table.mean_over_seeds().to_dict("records")
    assert row["loss"] == pytest.approx(np.mean(losses), rel=1e-12)
    assert row["loss_sd"] == pytest.approx(np.std(losses, ddof=1), rel=1e-9, abs=1e-12)
    assert row["excess"] == pytest.approx(np.mean(losses) - 1.2, rel=1e-12)
    assert (row["seeds"], row["seconds"], row["d_model"]) == (3, 6.0, 8)


def test_a_mean_leaves_out_whoever_lost_a_seed():
    table = sweep(lambda c: math.nan if (c.d_model, c.seed) == (8, 1) else bowl(c))
    with pytest.warns(DivergedWarning, match="10 configurations with 20 runs"):
        means = table.mean_over_seeds()
    assert set(means["d_model"]) == {16} and len(means) == 10
    assert len(Table().mean_over_seeds()) == 0


def test_means_can_be_fitted(strict):
    means = sweep(lambda c: bowl(c) + 10 / c.d_model).mean_over_seeds()
    assert {"params", "tokens", "flops", "loss"} <= set(means.columns) and len(means) == 20


def test_runs_that_diverged_are_left_out_with_a_warning():
    table = sweep(lambda c: math.nan if c.learning_rate == 0.04 else bowl(c))
    with pytest.warns(DivergedWarning, match="8 of 40 runs diverged.*and 3 more"):
        runs = table.runs()
    assert len(runs) == 32 and np.isfinite(runs.loss).all()
    assert "8 diverged" in repr(table)
    lost = table.where(status="diverged")
    assert len(lost) == 8
    with pytest.warns(DivergedWarning), pytest.raises(RunDataError, match="no run is left"):
        lost.runs()


# ------------------------------------------------------------------------------------------ where


def test_where_takes_values_lists_conditions_and_masks():
    table = sweep(bowl)
    assert len(table.where(d_model=8)) == 20
    assert len(table.where(d_model=8, learning_rate=[0.01, 0.02], seed=range(1))) == 4
    assert len(table.where("loss < 2.05 and d_model == 16")) == len(
        [r for r in table if r.loss < 2.05 and r.config.d_model == 16]
    )
    assert table.where(table["loss"] > 2.1) + table.where(table["loss"] <= 2.1) != table
    assert len(table.where(table["loss"] > 2.1) + table.where(table["loss"] <= 2.1)) == 40
    assert len(table.where(unique_tokens=None)) == 40
    none = table.where(d_model=99)
    assert len(none) == 0 and none.columns == table.columns and repr(none) == "Table(no runs)"
    assert none._repr_html_() and len(none.widen()) == 0
    with pytest.raises(RunDataError, match="no run is left"):
        none.runs()
    with pytest.raises(RunDataError):
        none.best()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda t: t.where(width=8), "no column 'width'"),
        (lambda t: t.where("d_modle == 8"), "cannot be read"),
        (lambda t: t.where("d_model =="), "cannot be read"),
        (lambda t: t.where("d_model + 1"), "true or false"),
        (lambda t: t.where([True]), "true or false"),
        (lambda t: t["los"], "Did you mean 'loss'"),
        (lambda t: t.best(over="learning_rates"), "Did you mean 'learning_rate'"),
        (lambda t: t.best(by=["width"]), "no column 'width'"),
        (lambda t: t.runs(loss="accuracy"), "loss = 'accuracy'"),
        (lambda t: t.runs(convention="6N-totl"), "Did you mean '6N-total'"),
    ],
)
def test_questions_that_cannot_be_answered(call, words):
    with pytest.raises(RunDataError, match=words):
        call(sweep(bowl))


def test_a_run_counts_once_and_tables_add():
    table = sweep(bowl)
    assert len(table + table) == len(table) and table + table == table
    assert Table(table.results[:3]) != table


def test_the_table_survives_the_store(tmp_path):
    table = sweep(lambda c: math.nan if c.learning_rate == 0.04 else bowl(c))
    store = Store(tmp_path / "runs.sqlite")
    store.add(table)
    assert store.table() == table
    pd.testing.assert_frame_equal(store.table().frame, table.frame)
    json.dumps([r.to_dict() for r in table], allow_nan=False)
