"""Laws of repeated data fitted: recovered truths, the published runs, refusals."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from scalinglaws.datasets import (
    data_constrained_runs_available,
    load_data_constrained_runs,
)
from scalinglaws.datasets import (
    published as data,
)
from scalinglaws.errors import DatasetError, FitError, RunDataError
from scalinglaws.fitting import fit
from scalinglaws.fitting.families import Problem
from scalinglaws.fitting.objectives import Objective
from scalinglaws.fitting.repeated import repeated_family
from scalinglaws.fitting.solver import objective_at
from scalinglaws.laws import LovelaceLaw, MuennighoffLaw, published
from scalinglaws.runs import Runs

BASE, PAPER = published("muennighoff-base"), published("muennighoff")


def design(law, noise=0.0, seed=0, epochs=(1, 2, 4, 10, 40, 100)):
    """Runs of a law on a grid of sizes, unique tokens and epochs."""
    axes = np.geomspace(1e7, 1e10, 6), np.geomspace(1e8, 1e10, 4), np.array(epochs, float)
    n, u, e = (a.ravel() for a in np.meshgrid(*axes))
    loss = law.predict(n, u * e, u)
    loss = loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(n)))
    return Runs.from_arrays(n, u * e, loss, unique_tokens=u)


@pytest.fixture(scope="module")
def runs():
    if not data_constrained_runs_available():
        pytest.skip(
            "the data-constrained runs are not on this machine; "
            "`scalinglaws data fetch data-constrained-runs` gets them"
        )
    return load_data_constrained_runs()


@pytest.fixture(scope="module")
def refit(runs):
    return fit(runs, "muennighoff", base=BASE)


# ------------------------------------------------------------------------------- recovered truth


@pytest.mark.parametrize("objective", ["huber", "lsq"])
def test_muennighoffs_scales_are_recovered(objective):
    truth = MuennighoffLaw.of(BASE, R_D=12.0, R_N=4.0)
    result = fit(design(truth), MuennighoffLaw, base=BASE, objective=objective)
    assert result.converged
    assert result.law.constants == pytest.approx(truth.constants, rel=1e-6)
    assert {c.code for c in result.cautions} == {"base-held"}


def test_muennighoffs_law_rests_on_the_fresh_runs_where_no_base_is_given():
    truth = MuennighoffLaw.of(BASE, R_D=12.0, R_N=4.0)
    table = design(truth)
    # only models that their tokens can feed: on the others the law of fresh data does not hold
    unique = table["unique_tokens"]
    fed = table.params <= truth.params_fed(unique)
    result = fit(table.where(fed), "muennighoff")
    assert result.law.R_D == pytest.approx(12.0, rel=1e-3)
    assert result.law.base.constants == pytest.approx(BASE.constants, rel=1e-3)
    # no model is too large, so nothing is known of R_N
    assert not result.identified["R_N"]
    assert any("R_N" in c.message for c in result.cautions if c.code == "not-identified")


def test_lovelaces_penalty_is_recovered():
    truth = LovelaceLaw.of(BASE, P=0.02, delta=0.8, kappa=0.6)
    table = design(truth)
    whole = fit(table, "lovelace")
    assert whole.converged
    assert whole.law.constants == pytest.approx(truth.constants, rel=1e-4)
    held = fit(table, LovelaceLaw, base=BASE)
    assert held.law.constants == pytest.approx(truth.constants, rel=1e-6)
    alone = fit(table, LovelaceLaw, base=BASE, fixed={"delta": 0.8, "kappa": 0.6})
    assert alone.law.P == pytest.approx(0.02, rel=1e-6)
    assert (alone.law.delta, alone.law.kappa) == (0.8, 0.6)


def test_intervals_hold_the_truth_and_narrow_with_the_noise():
    truth = LovelaceLaw.of(BASE, P=0.02, delta=0.8, kappa=0.6)
    widths = []
    for noise in (0.01, 0.001):
        result = fit(design(truth, noise), "lovelace", base=BASE)
        draws = result.bootstrap(200)
        assert all(getattr(truth, k) in draws.interval(k, 0.999) for k in ("P", "delta", "kappa"))
        widths.append(draws.interval("delta").width)
    assert 5 < widths[0] / widths[1] < 20
    truth = MuennighoffLaw.of(BASE, R_D=12.0, R_N=4.0)
    result = fit(design(truth, 0.005), "muennighoff", base=BASE)
    draws = result.bootstrap(100)
    assert 12.0 in draws.interval("R_D", 0.999) and 4.0 in draws.interval("R_N", 0.999)
    assert 12.0 in result.profile("R_D").interval(0.999)


@pytest.mark.parametrize("law", ["muennighoff", "lovelace"])
@pytest.mark.parametrize("residual", ["log", "loss"])
def test_derivatives_are_finite_differences(law, residual):
    table = design(PAPER, noise=0.02)
    family = repeated_family(
        {"muennighoff": MuennighoffLaw, "lovelace": LovelaceLaw}[law],
        BASE, {}, table.params, table.tokens, table["unique_tokens"], table.loss,
    )  # fmt: skip
    problem: Problem = family.problem
    theta = family.starts()[0] + 0.1
    goal = Objective("lsq", residual=residual)
    h, eye = 1e-5, np.eye(problem.p)
    log_pred, weights, lse = problem.parts(theta[None])
    jac = problem.jacobian(theta[None], weights, lse)
    differences = [
        (problem.log_predict((theta + h * e)[None]) - problem.log_predict((theta - h * e)[None]))
        / (2 * h)
        for e in eye
    ]
    assert jac[0] == pytest.approx(np.concatenate(differences), abs=1e-7)
    # sum of c d2 lnL = curvature - sum of c J J', by differences of the gradient
    c = np.linspace(-1, 1, len(table))[None]
    second = problem.curvature(theta[None], weights, jac, c)[0] - (jac[0] * c) @ jac[0].T

    def gradient(t):
        _, w, s = problem.parts(t[None])
        return problem.jacobian(t[None], w, s)[0] @ c[0]

    expected = np.array(
        [(gradient(theta + h * e) - gradient(theta - h * e)) / (2 * h) for e in eye]
    )
    assert second == pytest.approx(expected, abs=1e-5)
    assert np.isfinite(objective_at(problem, theta[None], goal)).all()


# ------------------------------------------------------------------------- the 182 published runs


def test_the_published_runs(runs):
    assert len(runs) == 182
    assert runs.params.max() == 8.67e9 and runs.tokens.max() == 9e11
    assert (runs["unique_tokens"] <= runs.tokens).all()


def test_variance_explained_is_what_the_authors_print(runs):
    def explained(predicted):
        return (
            1
            - np.square(runs.loss - predicted).sum() / np.square(runs.loss - runs.loss.mean()).sum()
        )

    fresh = BASE.predict(runs.params, runs.tokens)
    assert explained(fresh) == pytest.approx(0.4451684378759986, rel=1e-9)
    both = PAPER.predict(runs.params, runs.tokens, runs["unique_tokens"])
    assert explained(both) == pytest.approx(0.7722046084968408, rel=1e-9)


def test_a_better_optimum_than_the_published_one_is_found(runs, refit):
    family = refit._family
    goal = Objective("huber", 1e-3)
    at_paper = float(objective_at(family.problem, family.theta(PAPER)[None], goal)[0])
    # printed by the authors' notebook in single precision
    assert at_paper == pytest.approx(0.015825936570763588, rel=2e-7)
    assert refit.converged
    assert refit.objective_value == pytest.approx(0.015804662, abs=1e-9)
    assert refit.law.R_D == pytest.approx(95.37, abs=0.01)
    assert refit.law.R_N == pytest.approx(1.706, abs=0.001)
    # nothing on a finer grid is below it
    axes = np.linspace(np.log(0.05), np.log(1e5), 120), np.linspace(np.log(0.05), np.log(1e3), 100)
    points = np.stack([v.ravel() for v in np.meshgrid(*axes[::-1])], axis=1)
    assert refit.objective_value <= objective_at(family.problem, points, goal).min()


def test_the_valley_is_flat_and_the_fit_says_so(refit):
    assert not refit.identified["R_D"]
    assert "not-identified" in {c.code for c in refit.cautions}
    draws = refit.bootstrap(150)
    data_scale, size_scale = draws.interval("R_D"), draws.interval("R_N")
    assert data_scale.low < PAPER.R_D < data_scale.high
    assert data_scale.high > 100 * data_scale.low
    assert size_scale.low < PAPER.R_N < size_scale.high
    # what four epochs are worth is known all the same
    four = draws.interval(lambda law: float(law.worth(4)))
    assert 3.0 < four.low and four.high <= 4.0 + 1e-9


def test_the_runs_are_read_out_of_a_notebook(runs):
    # a notebook in the form of the authors', made of the runs themselves
    sizes, pairs = dict(_size_names(runs)), (runs["name"], runs.loss)
    lines = [f'    "{k}": {v:.6E}, # a comment\n' for k, v in zip(*pairs, strict=True)]
    text = ["NAMES_TO_VAL_LOSSES = {\n", *lines, '    "2b266b1b5": 0,\n', '    "7m1b1bdedup": 3,\n']
    text += ["}\n", f"PARAMS_MAP = {sizes!r}\n"]
    cells = [
        {"cell_type": "markdown", "source": ["NAMES_TO_VAL_LOSSES = {"]},
        {"cell_type": "code", "source": ['NAMES_TO_VAL_LOSSES = {"2b855b11bc4seed1": 2.5}\n']},
        {"cell_type": "code", "source": ["!wget something\n"]},
        {"cell_type": "code", "source": text},
    ]
    table = data._table_of_notebook(json.dumps({"cells": cells}).encode())
    source = data.SOURCES["data-constrained-runs"]
    assert hashlib.sha256(table).hexdigest() == source.table_sha256
    assert data._table_of_notebook(b'{"cells": []}') == b""
    with pytest.raises(DatasetError, match="7m1x"):
        data._sizes_in_name("7m1x", {"7m": 7e6})


def _size_names(runs):
    """Names of the model sizes, as the names of the runs begin."""
    for params, tokens, unique, name in zip(
        runs.params, runs.tokens, runs["unique_tokens"], runs["name"], strict=True
    ):
        for i in range(2, 5):
            try:
                if data._sizes_in_name(name, {name[:i]: params}) == (params, tokens, unique):
                    yield name[:i], float(params)
            except DatasetError:
                continue


# ------------------------------------------------------------------------------------- refusals


def test_what_cannot_be_fitted_is_refused_with_words():
    table = design(PAPER)
    plain = Runs.from_arrays(table.params, table.tokens, table.loss)
    with pytest.raises(RunDataError, match="unique_tokens") as caught:
        fit(plain, "muennighoff", base=BASE)
    assert caught.value.column == "unique_tokens"
    once = design(PAPER, epochs=(1,))
    for law in ("muennighoff", "lovelace"):
        with pytest.raises(FitError, match="no run repeats"):
            fit(once, law, base=BASE)
    with pytest.raises(FitError, match="too few for a law of fresh data"):
        fit(design(PAPER, epochs=(2, 4)), "muennighoff")
    with pytest.raises(FitError, match="base must be a ChinchillaLaw"):
        fit(table, "muennighoff", base=PAPER)
    with pytest.raises(FitError, match="cannot be held"):
        fit(table, "lovelace", fixed={"P": 0.1})
    with pytest.raises(FitError, match="cannot be held"):
        fit(table, "muennighoff", base=BASE, fixed={"delta": 1.0})
    for bad in (0, -1.0, np.nan, "one"):
        with pytest.raises(FitError, match="delta must be held at a positive number"):
            fit(table, "lovelace", fixed={"delta": bad})
    with pytest.raises(FitError, match="does not rest on a base law"):
        fit(table, "chinchilla", base=BASE)
    with pytest.raises(FitError, match="floor"):
        fit(table, "lovelace", floor=False)
    with pytest.raises(FitError, match="runs cannot determine"):
        fit(table.where(np.arange(len(table)) % 36 == 1), "lovelace")
