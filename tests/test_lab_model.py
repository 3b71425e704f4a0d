"""The stacked transformer: its counts, its parametrizations, and each run on its own."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scalinglaws.counting import count_params, parameter_parts
from scalinglaws.errors import ShapeError
from scalinglaws.lab.config import RunConfig
from scalinglaws.lab.model import StackedTransformer
from scalinglaws.lab.reference import PlainTransformer

ER = "er:nodes=40,edges=120"


def config(**settings) -> RunConfig:
    return RunConfig(
        **{"task": ER, "d_model": 16, "tokens": 20_000, "learning_rate": 0.02, **settings}
    )


@settings(max_examples=30, deadline=None)
@given(
    heads=st.integers(1, 4),
    head_width=st.integers(1, 6),
    layers=st.integers(1, 3),
    context=st.integers(1, 9),
    vocab=st.integers(2, 30),
    d_ff=st.none() | st.integers(1, 20),
    runs=st.integers(1, 3),
)
def test_parameters_are_those_that_counting_counts(
    heads, head_width, layers, context, vocab, d_ff, runs
):
    c = config(d_model=heads * head_width, heads=heads, layers=layers, context=context, d_ff=d_ff)
    model = StackedTransformer(c, vocab, list(range(runs)), "cpu")
    assert model.params == count_params(c.shape(vocab), "total")
    assert sum(w.numel() for w in model.weights.values()) == runs * model.params
    sizes = defaultdict(int)
    for name, weight in model.weights.items():
        sizes[name.split("_")[0]] += weight.numel() // runs
    parts = parameter_parts(c.shape(vocab))
    assert sizes["token"] == parts["token_embedding"]
    assert sizes["positions"] == parts["position_embedding"]
    assert sizes["head"] == parts["head"]
    assert sizes["qkv"] == parts["qkv"]
    assert sizes["project"] == parts["project"]
    assert sizes["up"] + sizes["down"] == parts["feed_forward"]


def test_a_width_that_the_heads_do_not_divide_is_refused():
    with pytest.raises(ShapeError, match="heads = 3 does not divide d_model = 16"):
        config(heads=3)


@pytest.mark.parametrize("settings", [{}, {"heads": 4}, {"parametrization": "mup", "d_model": 64}])
def test_each_run_computes_what_a_plain_model_computes(settings):
    c = config(**settings)
    seeds = [3, 1, 4]
    stack = StackedTransformer(c, 40, seeds, "cpu", torch.float64)
    tokens = torch.from_numpy(np.random.default_rng(0).integers(40, size=(3, 5, c.context)))
    scores = stack.logits(tokens).detach().view(3, 5, c.context, 40)
    for run, seed in enumerate(seeds):
        plain = PlainTransformer(c.replace(seed=seed), 40, torch.float64)
        np.testing.assert_allclose(
            scores[run].numpy(), plain(tokens[run]).detach().numpy(), rtol=1e-10, atol=1e-10
        )


def test_no_position_sees_the_future():
    c = config(heads=2)
    model = StackedTransformer(c, 40, [0, 1], "cpu", torch.float64)
    tokens = torch.from_numpy(np.random.default_rng(1).integers(40, size=(2, 1, c.context)))
    other = tokens.clone()
    other[..., 20:] = (other[..., 20:] + 7) % 40
    a = model.logits(tokens).detach()
    b = model.logits(other).detach()
    np.testing.assert_allclose(a[:, :20].numpy(), b[:, :20].numpy(), rtol=1e-12)
    assert (a[:, 20:] - b[:, 20:]).abs().min(dim=1).values.max() > 1e-3


def test_a_run_in_a_stack_gives_no_gradient_to_another():
    model = StackedTransformer(config(), 40, [0, 1, 2], "cpu", torch.float64)
    tokens = torch.zeros(3, 2, 32, dtype=torch.int64)
    model.zero_grad()
    model.logits(tokens)[1].square().sum().backward()
    for grad in model.grads.values():
        assert grad[1].abs().sum() > 0
        assert grad[0].abs().sum() == grad[2].abs().sum() == 0


def test_a_run_has_the_weights_of_its_own_seed_whatever_stands_beside_it():
    alone = StackedTransformer(config(), 40, [7], "cpu")
    among = StackedTransformer(config(), 40, [1, 7], "cpu")
    for block in alone.buffers:
        assert torch.equal(alone.buffers[block][0], among.buffers[block][1])
        assert not torch.equal(among.buffers[block][0], among.buffers[block][1])


# -- maximal-update parametrization: Table 3 of Yang et al. 2022 (arXiv 2203.03466) ---------------


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_initial_spread_and_learning_rates_follow_the_table(optimizer):
    def at(width, parametrization):
        c = config(
            d_model=width, parametrization=parametrization, optimizer=optimizer, base_width=32
        )
        model = StackedTransformer(c, 200, [0], "cpu")
        spread, rate, start = {}, {}, 0
        for name, weight in model.weights.items():
            spread[name] = weight.std().item()
            if name == "token_embedding":
                rate[name] = model.lr_scale["embedding"][0].item()
                continue
            rate[name] = model.lr_scale["rest"][start].item()
            start += weight.numel()
        return spread, rate

    for width in (32, 128, 256):
        m = width / 32
        standard, one = at(width, "standard")
        mup, rate = at(width, "mup")
        assert set(one.values()) == {1.0}
        for name in standard:
            expected = m**-0.5 if name == "head" else 1.0
            assert mup[name] / standard[name] == pytest.approx(expected, rel=1e-5)
        is_input = {n: n in ("token_embedding", "positions") for n in rate}
        for name, value in rate.items():
            if optimizer == "adamw":
                expected = 1.0 if is_input[name] else 1 / m
            else:
                expected = m if is_input[name] else 1 / m if name == "head" else 1.0
            assert value == pytest.approx(expected), name


def coordinate_check(parametrization: str, widths) -> dict[str, np.ndarray]:
    """Mean size of the change of activations after 5 steps, at each width."""
    from scalinglaws.lab.trainer import _Stack

    change = defaultdict(list)
    for width in widths:
        c = config(
            d_model=width,
            heads=4,
            parametrization=parametrization,
            learning_rate=0.005,
            schedule="constant",
            warmup=0.0,
            clip=0.0,
            base_width=32,
        )
        stack = _Stack([c.replace(seed=s) for s in range(4)], "cpu")
        rng = np.random.default_rng(0)
        tokens = torch.from_numpy(rng.integers(40, size=(4, 4, c.context)))
        before, after = {}, {}
        with torch.no_grad():
            stack.model.logits(tokens, keep=before)
        before = {k: v.clone() for k, v in before.items()}
        for _ in range(5):
            stack.step()
        with torch.no_grad():
            stack.model.logits(tokens, keep=after)
        for name in after:
            change[name].append((after[name] - before[name]).abs().mean().item())
    return {name: np.array(sizes) for name, sizes in change.items()}


def slope(widths, sizes) -> float:
    return float(np.polyfit(np.log(widths), np.log(sizes), 1)[0])


def test_coordinate_check():
    """Under muP no activation moves more as the width grows; under the standard one they do."""
    widths = (32, 64, 128, 256)
    mup, standard = (coordinate_check(p, widths) for p in ("mup", "standard"))
    for name in ("logits", "block_0", "block_1", "embedding"):
        assert abs(slope(widths, mup[name])) < 0.25, (name, mup[name])
    assert slope(widths, standard["logits"]) > 0.4, standard["logits"]
    assert slope(widths, standard["block_1"]) > 0.3, standard["block_1"]
    # At the base width they are one and the same.
    for name, sizes in mup.items():
        assert sizes[0] == pytest.approx(standard[name][0], rel=1e-5)
