"""Training: stacked as alone, interrupted as undisturbed, divergence recorded."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from scalinglaws.counting import FLOP_CONVENTIONS, train_flops
from scalinglaws.errors import DeviceError, TaskError, TrainingError
from scalinglaws.lab.config import OPTIMIZERS, SCHEDULES, RunConfig
from scalinglaws.lab.reference import plain_loss, plain_train
from scalinglaws.lab.tasks import make_task
from scalinglaws.lab.trainer import (
    _Stack,
    learning_rate_factors,
    resolve_device,
    seconds_per_step,
    stacks,
    train,
)

trainer = sys.modules[_Stack.__module__]
ER = "er:nodes=40,edges=120"


def config(**settings) -> RunConfig:
    values = {"task": ER, "d_model": 8, "tokens": 3000, "learning_rate": 0.02, "context": 10}
    return RunConfig(**{**values, "batch": 6, **settings})


def timeless(result):
    return replace(result, seconds=0.0)


MIXED = [
    {"learning_rate": 0.03, "seed": 1},
    {"weight_decay": 0.5, "seed": 2, "data_seed": 1},
    {"learning_rate": 0.001},
]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"heads": 2, "schedule": "wsd", "clip": 0.2},
        {"optimizer": "sgd", "learning_rate": 0.3, "schedule": "linear", "clip": 0.0},
        {"unique_tokens": 500, "parametrization": "mup", "d_model": 32},
        {"task": "memory:inputs=30,outputs=10", "context": 1, "layers": 1, "batch": 20},
        {"task": "ngram:order=3", "tokens": 600},
    ],
)
def test_a_stacked_run_equals_the_same_run_alone_and_a_plain_loop(settings):
    base = config(dtype="float64", **settings)
    configs = [base.replace(**change) for change in MIXED]
    if base.optimizer == "sgd":
        configs = [c.replace(weight_decay=0.0) for c in configs]
    together = train(configs, device="cpu")
    for c, stacked in zip(configs, together, strict=True):
        (alone,) = train([c], device="cpu")
        np.testing.assert_allclose(stacked.curve["loss"], alone.curve["loss"], rtol=1e-9)
        assert stacked.loss == pytest.approx(plain_loss(plain_train(c), c), rel=1e-7)
    assert len({r.loss for r in together}) == len(configs)


def test_in_single_precision_they_agree_to_rounding():
    configs = [config(tokens=3000).replace(**change) for change in MIXED]
    for c, stacked in zip(configs, train(configs, device="cpu"), strict=True):
        (alone,) = train([c], device="cpu")
        assert stacked.loss == pytest.approx(alone.loss, rel=1e-4)


def test_the_same_seed_gives_the_same_numbers():
    first, again, other = (
        train([config(seed=s), config(seed=s, learning_rate=0.1)], device="cpu") for s in (0, 0, 1)
    )
    assert [timeless(r) for r in first] == [timeless(r) for r in again]
    assert first[0].loss != other[0].loss


def test_it_learns_down_to_the_floor_and_not_below():
    (run,) = train(
        [config(task="er:nodes=12,edges=24", d_model=16, tokens=60_000, batch=8)], device="cpu"
    )
    assert 0 < run.excess < 0.02
    assert run.floor == make_task("er:nodes=12,edges=24").entropy_rate
    assert run.loss == run.floor + run.excess
    assert run.best_loss <= run.loss
    assert run.curve["loss"][0] > run.loss + 0.5


def test_counts_are_recorded_in_every_convention():
    c = config()
    (run,) = train([c], device="cpu")
    shape = c.shape(40)
    assert run.tokens == c.trained_tokens == run.curve["tokens"][-1]
    assert run.flops == 6 * run.params * run.tokens
    assert run.flop_counts == {n: train_flops(shape, run.tokens, n) for n in FLOP_CONVENTIONS}


def test_a_run_that_diverges_is_recorded_and_harms_no_other():
    good = config()
    bad = good.replace(learning_rate=10.0, weight_decay=1e3)  # each step multiplies by -9999
    together = train([good, bad], device="cpu")
    assert together[1].status == "diverged"
    assert math.isnan(together[1].loss) and math.isnan(together[1].excess)
    (alone,) = train([good], device="cpu")
    assert together[0].status == "done"
    assert together[0].loss == pytest.approx(alone.loss, rel=1e-5)


# -- interruption ----------------------------------------------------------------------------------


class Killed(Exception):
    pass


@pytest.mark.parametrize("moment", [1, 17, 49])
def test_an_interrupted_run_goes_on_to_the_same_numbers(tmp_path, moment):
    path = tmp_path / "checkpoints" / "stack.pt"
    configs = [config(unique_tokens=1000, seed=s, data_seed=s, tokens=3000) for s in range(2)]
    undisturbed = [timeless(r) for r in train(configs, device="cpu")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
        patch.setattr(trainer, "REPORT_SECONDS", 0.0)
        seen = []

        def stop(done, steps):
            if done > moment:
                raise Killed

        with pytest.raises(Killed):
            train(configs, device="cpu", checkpoint=path, progress=stop)
        assert path.exists()
        resumed = train(
            configs, device="cpu", checkpoint=path, progress=lambda done, _: seen.append(done)
        )
    assert seen[0] == moment + 1  # not from the beginning
    assert [timeless(r) for r in resumed] == undisturbed
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_a_damaged_or_foreign_checkpoint_costs_time_but_no_result(tmp_path, content):
    path = tmp_path / "stack.pt"
    path.write_bytes(content)
    expected = [timeless(r) for r in train([config()], device="cpu")]
    assert [timeless(r) for r in train([config()], device="cpu", checkpoint=path)] == expected

    from scalinglaws.lab.trainer import _save

    other = _Stack([config(seed=5)], "cpu")
    other.step()
    _save(other, path)
    assert [timeless(r) for r in train([config()], device="cpu", checkpoint=path)] == expected


# -- what the GPU needs ----------------------------------------------------------------------------


class NoReading(TorchDispatchMode):
    """Fails where a number is read from the device: a step that does cannot be captured."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert "_local_scalar_dense" not in str(func), "a step waits for the device"
        assert "_to_copy" not in str(func) or "cpu" not in str(kwargs), "a step copies to the host"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_reads_nothing_from_the_device(optimizer):
    stack = _Stack([config(optimizer=optimizer, data_seed=s) for s in range(3)], "cpu")
    stack.step()  # loads the data
    with NoReading():
        stack._update()
    with pytest.raises(AssertionError, match="waits"), NoReading():
        stack.train_loss[0].item()


def test_bfloat16_gives_nearly_the_same_loss():
    exact, rough = (
        train([config(dtype=dtype, tokens=6000)], device="cpu")[0]
        for dtype in ("float32", "bfloat16")
    )
    assert rough.dtype == "bfloat16"
    assert rough.loss == pytest.approx(exact.loss, rel=0.05)
    assert rough.loss != exact.loss


# -- schedules -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    schedule=st.sampled_from(SCHEDULES),
    steps=st.integers(1, 300),
    warmup=st.floats(0, 1),
    decay=st.floats(0, 1),
)
def test_schedules_rise_to_the_peak_and_fall(schedule, steps, warmup, decay):
    c = config(tokens=60 * steps, schedule=schedule, warmup=warmup, decay=decay)
    factors = learning_rate_factors(c)
    assert factors.shape == (steps,)
    assert (factors > 0).all() and (factors <= 1 + 1e-12).all()
    warm = round(warmup * steps)
    assert (np.diff(factors[:warm]) > 0).all()
    assert (np.diff(factors[warm:]) <= 1e-12).all()
    if schedule == "constant":
        assert (factors[warm:] == 1).all()
    if warm and schedule != "wsd":
        assert factors[warm - 1] == pytest.approx(1)


# -- packing ---------------------------------------------------------------------------------------


def test_stacks_hold_each_run_once_and_only_runs_that_fit_together():
    configs = [
        config(d_model=d, seed=s, learning_rate=lr)
        for d in (8, 16)
        for s in range(10)
        for lr in (0.01, 0.02)
    ]
    packed = stacks(configs + configs[:3], "cpu")
    assert sorted(c.key for stack in packed for c in stack) == sorted(c.key for c in configs)
    assert all(len({c.stack_key for c in stack}) == 1 for stack in packed)
    assert max(map(len, packed)) > 4
    assert packed == stacks(configs[::-1], "cpu")


def test_a_probe_measures_a_step():
    assert 0 < seconds_per_step(config(), 2, "cpu") < math.inf


# -- bad input -------------------------------------------------------------------------------------


def test_runs_that_cannot_be_stacked_are_refused():
    with pytest.raises(TrainingError, match="differ in more than"):
        train([config(), config(d_model=16)], device="cpu")
    with pytest.raises(TrainingError, match="no runs"):
        train([], device="cpu")


def test_a_context_that_the_task_does_not_have_is_refused():
    with pytest.raises(TrainingError, match="context of 1"):
        train([config(task="memory:inputs=30,outputs=10")], device="cpu")


def test_unknown_devices_and_tasks_are_refused():
    with pytest.raises(DeviceError, match="unknown"):
        resolve_device("gpu")
    with pytest.raises(DeviceError, match="not there"):
        resolve_device("cuda:99")
    with pytest.raises(TaskError):
        train([config(task="chess:board=8")], device="cpu")


@pytest.mark.parametrize(
    "field, value",
    [
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
        ("learning_rate", "fast"),
        ("tokens", 59),
        ("tokens", 0.5),
        ("batch", 0),
        ("unique_tokens", 9),
        ("schedule", "step"),
        ("optimizer", "adam"),
        ("dtype", "float16"),
        ("warmup", 1.5),
        ("seed", -1),
        ("clip", -1.0),
        ("task", ""),
    ],
)
def test_fields_out_of_range_are_refused_by_name(field, value):
    with pytest.raises(TrainingError, match=field):
        config(**{field: value})
