"""Train runs of one shape side by side, in one program.

Tiny models leave a processor idle: most of a step goes into starting some hundred small
operations. Runs that differ only in seeds, learning rate or weight decay need the same operations
on other numbers, so they are trained as one stack. A run comes out as if it had been trained
alone, up to the rounding of sums.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from ..errors import DeviceError, TrainingError
from .config import RunConfig
from .model import StackedTransformer
from .results import RunResult
from .tasks import make_task

__all__ = [
    "learning_rate_factors",
    "resolve_device",
    "seconds_per_exam",
    "seconds_per_step",
    "stacks",
    "train",
]

# The weights of all runs share one block, so a gradient's strides are not the usual ones.
warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout")

CURVE_POINTS = 8  # held-out losses at D, D/2, D/4, ...
CHECKPOINT_SECONDS = 30.0
REPORT_SECONDS = 0.2
ADAM_EPS = 1e-8
# Numbers in the largest activation of a stack. On a CPU a step should stay within the caches; a
# GPU wants much work at once.
_STACK_ACTIVATIONS = {"cpu": 2_000_000, "cuda": 1_000_000_000}
_MOST_RUNS = {"cpu": 16, "cuda": 256}


# --------------------------------------------------------------------------------------
# Where to run, and what to run together


def resolve_device(device: str = "auto") -> str:
    """The device that a name stands for.

    Parameters
    ----------
    device : str
        ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Returns
    -------
    str

    Raises
    ------
    DeviceError
        An unknown name, or a GPU that this machine lacks.
    """
    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        return "cpu"
    name, _, number = str(device).partition(":")
    if name != "cuda" or not (number.isdecimal() or not number):
        raise DeviceError(
            f"device {device!r} is unknown. Choose 'auto', 'cpu', 'cuda', or 'cuda:1' and so on."
        )
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        have = f"has {count}" if count else "has no GPU that PyTorch can use"
        raise DeviceError(f"device {device!r} is not there: this machine {have}. Use 'auto'.")
    return f"cuda:{int(number or 0)}"


def stacks(configs: Sequence[RunConfig], device: str = "auto") -> list[list[RunConfig]]:
    """Split runs into stacks that are trained together.

    The split depends on the runs and the kind of device alone, so the same design is always
    trained in the same stacks.

    Parameters
    ----------
    configs : sequence of RunConfig
        Duplicates count once.
    device : str

    Returns
    -------
    list of list of RunConfig
        Largest runs last.
    """
    # A machine without a GPU may pack for others that have one.
    kind = (device if str(device).startswith("cuda") else resolve_device(device)).split(":")[0]
    groups: dict[str, dict[str, RunConfig]] = {}
    for config in configs:
        groups.setdefault(config.stack_key, {})[config.key] = config
    out = []
    for members in groups.values():
        members = sorted(members.values(), key=lambda c: (c.data_seed, c.seed, c.key))
        most = _runs_in_a_stack(members[0], kind)
        pieces = math.ceil(len(members) / most)
        out += [list(part) for part in np.array_split(np.array(members, dtype=object), pieces)]
    return sorted(out, key=lambda s: (s[0].tokens * s[0].d_model ** 2 * s[0].layers, s[0].key))


def _runs_in_a_stack(config: RunConfig, kind: str) -> int:
    vocab = make_task(config.task).vocab
    widest = max(vocab, 4 * config.d_model, config.context * config.heads)
    activations = config.batch * config.context * widest
    return max(1, min(_MOST_RUNS[kind], _STACK_ACTIVATIONS[kind] // activations))


# --------------------------------------------------------------------------------------
# The optimiser


def learning_rate_factors(config: RunConfig) -> np.ndarray:
    """Learning rate of each step as a share of its peak, shape (steps,).

    Examples
    --------
    >>> from scalinglaws.lab import RunConfig
    >>> run = RunConfig("er:nodes=9,edges=20", d_model=4, tokens=6 * 512, learning_rate=0.1,
    ...                 schedule="linear", warmup=0.34)
    >>> learning_rate_factors(run)
    array([0.5 , 1.  , 1.  , 0.75, 0.5 , 0.25])
    """
    steps = config.steps
    warm = round(config.warmup * steps)
    step = np.arange(steps)
    rising = (step + 1) / max(warm, 1)
    after = (step - warm) / max(steps - warm, 1)  # 0 when the warmup ends, 1 at the end of the run
    if config.schedule == "cosine":
        falling = 0.5 * (1 + np.cos(np.pi * after))
    elif config.schedule == "linear":
        falling = 1 - after
    elif config.schedule == "wsd":
        tail = max(round(config.decay * steps), 1)
        falling = np.minimum(1.0, (steps - step) / tail)
    else:
        falling = np.ones(steps)
    return np.where(step < warm, rising, falling)


class _Optimizer:
    """AdamW or SGD with momentum for a stack; every run has its own learning rate and decay.

    All that changes from step to step stands in tables on the device, so a step reads nothing
    from the host and can be recorded as a CUDA graph.
    """

    def __init__(self, model: StackedTransformer, configs: Sequence[RunConfig], device: str):
        self.model, self.config = model, configs[0]
        dtype = model.buffers["rest"].dtype

        def column(values):
            return torch.tensor(values, dtype=dtype, device=device).view(-1, 1)

        self.lr = column([c.learning_rate for c in configs])
        self.decay = column([c.weight_decay for c in configs])
        c = self.config
        t = np.arange(1, c.steps + 1)
        tables = np.stack(
            [learning_rate_factors(c), 1 / (1 - c.beta1**t), 1 / np.sqrt(1 - c.beta2**t)], axis=1
        )
        self.tables = torch.tensor(tables, dtype=dtype, device=device)
        zeros = {k: torch.zeros_like(b) for k, b in model.buffers.items()}
        self.first = zeros
        self.second = {k: torch.zeros_like(b) for k, b in zeros.items()}
        self.decays = any(c.weight_decay for c in configs)

    def step(self, number: torch.Tensor) -> None:
        """One update; `number` is the step, a tensor of one integer on the device."""
        c, m = self.config, self.model
        # index_select, because indexing by a tensor of one number would read it on the host
        factor, unbias1, unbias2 = self.tables.index_select(0, number.view(1))[0].unbind(-1)
        lr = self.lr * factor  # (R, 1)
        if c.clip:
            squares = sum(g.square().sum(1, keepdim=True) for g in m.grads.values())
            shrink = c.clip / squares.sqrt().clamp_(min=c.clip)
            for grad in m.grads.values():
                grad.mul_(shrink)
        for block, weight in m.buffers.items():
            grad, first = m.grads[block], self.first[block]
            if self.decays:
                weight.mul_(1 - lr * self.decay * m.decayed[block])
            if c.optimizer == "sgd":
                first.mul_(c.beta1).add_(grad)
                update = first * m.lr_scale[block]
            else:
                second = self.second[block]
                first.lerp_(grad, 1 - c.beta1)
                second.mul_(c.beta2).addcmul_(grad, grad, value=1 - c.beta2)
                size = (second.sqrt() * unbias2).add_(ADAM_EPS)
                update = (first / size).mul_(m.lr_scale[block]).mul_(unbias1)
            weight.sub_(update.mul_(lr))

    def state(self) -> dict:
        return {"first": self.first, "second": self.second}

    def load(self, state: dict) -> None:
        for name in ("first", "second"):
            for block, value in getattr(self, name).items():
                value.copy_(state[name][block])


# --------------------------------------------------------------------------------------
# One stack


class _Stack:
    """A stack of runs in training: its model, optimiser, data and losses so far."""

    def __init__(self, configs: Sequence[RunConfig], device: str):
        self.configs, self.config, self.device = list(configs), configs[0], device
        self.task = make_task(self.config.task)
        fixed = self.task.fixed_context
        if fixed is not None and fixed != self.config.context:
            raise TrainingError(
                f"context = {self.config.context}: task {self.config.task!r} has a context of "
                f"{fixed}. Set context={fixed}."
            )
        c = self.config
        dtype = torch.float64 if c.dtype == "float64" else torch.float32
        seeds = [x.seed for x in configs]
        self.model = StackedTransformer(c, self.task.vocab, seeds, device, dtype)
        self.optimizer = _Optimizer(self.model, configs, device)
        self.data_seeds = sorted({x.data_seed for x in configs})
        which = [self.data_seeds.index(x.data_seed) for x in configs]
        self.which = None  # every run sees the same data, and needs no copy of it
        if len(self.data_seeds) > 1:
            self.which = torch.tensor(which, device=device)
        # A few hundred steps of data at a time.
        self.chunk = max(1, min(c.steps, 200_000 // (c.batch * c.context)))
        shape = (len(self.data_seeds), self.chunk, c.batch, c.context + 1)
        self.data = torch.zeros(shape, dtype=torch.int64, device=device)
        self.number = torch.zeros((), dtype=torch.int64, device=device)  # the step, on the device
        self.train_loss = torch.zeros(len(configs), dtype=torch.float32, device=device)
        self.done = 0
        self.loaded = None
        self.curve = {"tokens": [], "loss": [], "train_loss": []}
        self.seconds = 0.0
        self.graph = None

    # -- a step ---------------------------------------------------------------------------

    def _update(self) -> None:
        """One step of every run. Nothing in it waits for a number from the device."""
        R = self.model.runs
        batch = self.data.index_select(1, (self.number % self.chunk).view(1)).squeeze(1)
        batch = batch.expand(R, -1, -1) if self.which is None else batch[self.which]
        self.model.zero_grad()
        with self._autocast():
            logits = self.model.logits(batch[..., :-1])
        targets = batch[..., 1:].reshape(-1)
        losses = (
            F.cross_entropy(
                logits.view(len(targets), -1).to(self.model.dtype), targets, reduction="none"
            )
            .view(R, -1)
            .mean(1)
        )
        losses.sum().backward()  # each loss depends on its own run's weights only
        with torch.no_grad():
            self.optimizer.step(self.number)
            self.train_loss.copy_(losses.detach())
            self.number.add_(1)

    def _autocast(self):
        on = self.config.dtype == "bfloat16"
        kind = self.device.split(":")[0]
        return torch.autocast(kind, torch.bfloat16, enabled=on, cache_enabled=False)

    def step(self) -> None:
        start = self.done // self.chunk * self.chunk
        if self.loaded != start:
            self._load(start)
        if self.graph is not None:
            self.graph.replay()
        else:
            self._update()
        self.done += 1

    def _load(self, start: int) -> None:
        c = self.config
        count = min(self.chunk, c.steps - start)
        for i, seed in enumerate(self.data_seeds):
            rows = self.task.batches(seed, start, count, c.batch, c.context, c.unique_tokens)
            self.data[i, :count] = torch.from_numpy(np.ascontiguousarray(rows)).to(self.device)
        self.loaded = start

    def capture(self) -> None:
        """Record a step as a CUDA graph: one launch instead of hundreds.

        Capturing runs the step a few times, so the weights are put back afterwards.
        """
        if not self.device.startswith("cuda") or self.config.steps - self.done < 20:
            return
        before = self.state()
        self._load(0)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._update()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._update()
        self.restore(before)
        self.graph = graph

    # -- losses ---------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self) -> list[float]:
        """Held-out loss of each run: the floor plus the exact expected excess, where known."""
        return _exam_losses(self)

    def record(self) -> None:
        losses, training = self.evaluate(), self.train_loss.tolist()
        self.curve["tokens"].append(self.done * self.config.batch * self.config.context)
        self.curve["loss"].append(losses)
        self.curve["train_loss"].append(training)

    # -- interruption ---------------------------------------------------------------------

    def state(self) -> dict:
        copy = {
            "keys": [c.key for c in self.configs],
            "done": self.done,
            "buffers": self.model.buffers,
            "optimizer": self.optimizer.state(),
            "train_loss": self.train_loss,
        }
        copy = _clone(copy)
        copy["curve"] = {k: list(v) for k, v in self.curve.items()}
        copy["seconds"] = self.seconds
        return copy

    def restore(self, state: dict) -> None:
        self.done = state["done"]
        self.number.fill_(self.done)
        with torch.no_grad():
            for block, value in self.model.buffers.items():
                value.copy_(state["buffers"][block])
            self.optimizer.load(state["optimizer"])
            self.train_loss.copy_(state["train_loss"])
        self.curve = {k: list(v) for k, v in state["curve"].items()}
        self.seconds = state["seconds"]


def _clone(value):
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {k: _clone(v) for k, v in value.items()}
    return value


def _exam_losses(stack: _Stack) -> list[float]:
    dtype, runs = stack.model.dtype, stack.model.runs
    exam = _exam(stack.config.task, stack.config.context, stack.device, dtype)
    total = torch.zeros(runs, dtype=torch.float64, device=stack.device)
    widest = max(stack.task.vocab, exam["targets"].shape[-1])
    rows = max(1, 4_000_000 // (runs * stack.config.context * widest))
    for start in range(0, len(exam["tokens"]), rows):
        part = slice(start, start + rows)
        tokens = exam["tokens"][part]
        with stack._autocast():
            logits = stack.model.logits(tokens.expand(runs, *tokens.shape))
        log_q = F.log_softmax(logits.to(dtype), dim=-1)
        targets = exam["targets"][part].flatten(0, 1).expand(runs, -1, -1)
        excess = exam["log_probs"][part].flatten(0, 1) - log_q.gather(-1, targets)
        weighed = excess * exam["weighed_probs"][part].flatten(0, 1)
        total += weighed.sum(dim=(1, 2), dtype=torch.float64)
    return (exam["base"] + total).tolist()


@lru_cache(maxsize=4)
def _exam(task: str, context: int, device: str, dtype: torch.dtype) -> dict:
    exam = make_task(task).exam(context)
    probs = np.asarray(exam.probs, dtype=np.float64)
    known = exam.floor is not None
    log_probs = np.log(np.where(probs > 0, probs, 1.0)) if known else np.zeros_like(probs)

    def on_device(values, dtype):
        return torch.as_tensor(np.ascontiguousarray(values)).to(device=device, dtype=dtype)

    return {
        "tokens": on_device(exam.tokens, torch.int64),
        "targets": on_device(exam.targets, torch.int64),
        "log_probs": on_device(log_probs, dtype),
        "weighed_probs": on_device(probs * np.asarray(exam.weights)[..., None], dtype),
        "base": float(exam.floor) if known else 0.0,
    }


# --------------------------------------------------------------------------------------
# Training


def train(
    configs: Sequence[RunConfig],
    *,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    checkpoint: str | os.PathLike | None = None,
) -> list[RunResult]:
    """Train runs of one shape together.

    Parameters
    ----------
    configs : sequence of RunConfig
        All with the same `stack_key`: they may differ in seeds, learning rate and weight decay.
    device : str
        See `resolve_device`.
    progress : callable, optional
        Called with (steps done, steps in all) a few times a second.
    checkpoint : path, optional
        File to keep the state in, written about twice a minute and removed at the end. If it
        holds the state of these same runs, training goes on from there, to the same numbers.

    Returns
    -------
    list of RunResult
        In the order of `configs`.

    Raises
    ------
    TrainingError
        No runs, or runs that cannot be stacked.
    DeviceError, TaskError, ShapeError
        A device, task or shape that cannot be.

    Examples
    --------
    >>> from scalinglaws.lab import RunConfig
    >>> run = RunConfig("er:nodes=20,edges=40", d_model=8, tokens=20_000, learning_rate=0.02)
    >>> (result,) = train([run], device="cpu")
    >>> result.status, result.params, result.floor < result.loss < 3
    ('done', 2112, True)
    """
    configs = list(configs)
    if not configs:
        raise TrainingError("There are no runs to train. Give at least one.")
    if len({c.stack_key for c in configs}) > 1:
        raise TrainingError(
            "These runs cannot be trained together: they differ in more than seeds, learning rate "
            "and weight decay. Split them with `stacks`."
        )
    device = resolve_device(device)
    path = None if checkpoint is None else Path(checkpoint)
    stack = _resumed(configs, device, path) or _Stack(configs, device)
    stack.capture()
    steps = stack.config.steps
    stops = {max(1, round(steps / 2**i)) for i in range(CURVE_POINTS)} | {steps}
    began, saved, told = time.perf_counter() - stack.seconds, time.perf_counter(), 0.0
    while stack.done < steps:
        stack.step()
        if stack.done in stops:
            stack.record()
        now = time.perf_counter()
        if progress is not None and (now - told > REPORT_SECONDS or stack.done == steps):
            progress(stack.done, steps)
            told = now
        if path is not None and now - saved > CHECKPOINT_SECONDS:
            stack.seconds = now - began
            _save(stack, path)
            saved = now
    results = _results(stack, time.perf_counter() - began)
    if path is not None:
        path.unlink(missing_ok=True)
    return results


def _save(stack: _Stack, path: Path) -> None:
    """Write the state beside its place first: a kill at any moment leaves a whole file.

    A checkpoint that cannot be written (a full disk) is done without: it only saves time.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(stack.state(), beside)
        os.replace(beside, path)
    except (OSError, RuntimeError):
        beside.unlink(missing_ok=True)


def _resumed(configs: Sequence[RunConfig], device: str, path: Path | None) -> _Stack | None:
    """The stack of a checkpoint, if it holds these runs; a damaged one is removed."""
    if path is None or not path.exists():
        return None
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        if state["keys"] != [c.key for c in configs]:
            return None
        stack = _Stack(configs, device)
        stack.restore(state)
        return stack
    except Exception:  # noqa: BLE001  whatever is wrong with it, it costs time and no result
        path.unlink(missing_ok=True)
        return None


def _results(stack: _Stack, seconds: float) -> list[RunResult]:
    curve, config = stack.curve, stack.config
    tokens = curve["tokens"]
    return [
        RunResult.measured(
            c,
            vocab=stack.task.vocab,
            floor=stack.task.floor,
            curve={
                "tokens": list(tokens),
                "loss": [losses[i] for losses in curve["loss"]],
                "train_loss": [losses[i] for losses in curve["train_loss"]],
            },
            seconds=seconds / len(stack.configs),
            device=_device_name(stack.device),
            dtype=config.dtype,
            torch=torch.__version__,
        )
        for i, c in enumerate(stack.configs)
    ]


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"


def seconds_per_step(config: RunConfig, runs: int, device: str = "auto") -> float:
    """Seconds that one step of a stack takes on this machine, measured by a short probe.

    Parameters
    ----------
    config : RunConfig
        One run of the stack.
    runs : int
        Runs in the stack.
    device : str

    Returns
    -------
    float
    """
    return _probe(config, runs, device)[0]


def seconds_per_exam(config: RunConfig, runs: int, device: str = "auto") -> float:
    """Seconds that one point of the learning curves of a stack takes, measured likewise."""
    return _probe(config, runs, device)[1]


@lru_cache(maxsize=256)
def _probe(config: RunConfig, runs: int, device: str) -> tuple[float, float]:
    device = resolve_device(device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a sweep trains
    try:
        steps = max(2, min(config.steps, 50))
        short = config.replace(tokens=steps * config.batch * config.context)
        stack = _Stack([short.replace(seed=i) for i in range(runs)], device)
        stack.capture()
        stack.step()  # loads the data
        step = _median_time(stack.step, steps - 1, device)
        stack.evaluate()  # makes the exam
        return step, _median_time(stack.evaluate, 1, device)
    finally:
        torch.set_num_threads(threads)


def _median_time(action: Callable, most: int, device: str) -> float:
    times, start = [], time.perf_counter()
    while len(times) < max(1, min(most, 3)) or (
        len(times) < most and time.perf_counter() - start < 0.2
    ):
        before = time.perf_counter()
        action()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        times.append(time.perf_counter() - before)
    return float(np.median(times))
