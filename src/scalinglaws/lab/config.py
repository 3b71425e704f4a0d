"""What defines one training run: the task, the model, the data and the optimiser.

Two configurations that differ in any field are two runs; equal ones are the same run, and the
store of results never trains it twice.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property

from ..counting import TransformerShape
from ..errors import TrainingError
from .tasks import canonical

__all__ = ["DTYPES", "OPTIMIZERS", "PARAMETRIZATIONS", "SCHEDULES", "RunConfig"]

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("constant", "cosine", "linear", "wsd")
PARAMETRIZATIONS = ("standard", "mup")
DTYPES = ("float32", "bfloat16", "float64")

# Part of every key: raised when the trainer changes so that old numbers no longer come out.
FORMAT = 1

# Runs that differ in these alone can be trained side by side in one program.
STACKABLE = ("learning_rate", "weight_decay", "seed", "data_seed")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the outcome of a training run.

    Parameters
    ----------
    task : str
        What to learn, as `scalinglaws.lab.make_task` reads it, such as
        ``"er:nodes=256,edges=1280"``; spelled in one way, whatever the order of its arguments.
    d_model : int
        Width of the model.
    tokens : int
        Tokens to train on, D. The run takes ``tokens // (batch * context)`` whole steps.
    learning_rate : float
        Peak learning rate (under ``"mup"``, that of the base width).
    layers, heads : int
        Depth, and attention heads, which must divide `d_model`.
    d_ff : int, optional
        Width of the feed-forward layer; ``4 * d_model`` when left out.
    context : int
        Tokens in a sequence. A task may fix it (associative memory has one token of context).
    batch : int
        Sequences in a step.
    unique_tokens : int, optional
        Train on this many tokens over and over. Left out, every step sees fresh data.
    parametrization : {"standard", "mup"}
        How initial weights and learning rates depend on the width.
    base_width : int
        The width at which the two parametrizations agree.
    optimizer : {"adamw", "sgd"}
        SGD has Nesterov-free momentum `beta1`.
    beta1, beta2, weight_decay : float
        As in AdamW (decoupled decay, times the learning rate; matrices only, not embeddings).
    clip : float
        Largest norm of the gradient; 0 does not clip.
    schedule : {"cosine", "linear", "wsd", "constant"}
        What follows the warmup; all but "constant" end at 0.
    warmup : float
        Share of the steps over which the learning rate rises to its peak.
    decay : float
        Share of the steps over which "wsd" (warmup, stable, decay) falls to 0.
    dtype : {"float32", "bfloat16", "float64"}
        Arithmetic of the matrix products; bfloat16 keeps float32 weights.
    seed, data_seed : int
        Draw the initial weights, and the training data.

    Raises
    ------
    TrainingError
        A field out of range, or fewer tokens than one batch.
    TaskError
        An unknown task.
    ShapeError
        An impossible shape, such as a width that the heads do not divide.

    Examples
    --------
    >>> run = RunConfig("er:nodes=64,edges=256", d_model=16, tokens=20_000, learning_rate=0.01)
    >>> run.steps, run.trained_tokens
    (39, 19968)
    >>> RunConfig("er:nodes=64,edges=256", d_model=16, tokens=100, learning_rate=0.01)
    Traceback (most recent call last):
        ...
    scalinglaws.errors.TrainingError: tokens = 100 is less than one batch of 16 x 32 = 512 tokens. \
Train on more tokens, or make the batch or the context smaller.
    """

    task: str
    d_model: int
    tokens: int
    learning_rate: float
    layers: int = 2
    heads: int = 1
    d_ff: int | None = None
    context: int = 32
    batch: int = 16
    unique_tokens: int | None = None
    parametrization: str = "standard"
    base_width: int = 16
    optimizer: str = "adamw"
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    clip: float = 1.0
    schedule: str = "cosine"
    warmup: float = 0.1
    decay: float = 0.2
    dtype: str = "float32"
    seed: int = 0
    data_seed: int = 0

    def __post_init__(self):
        def store(name, value):
            object.__setattr__(self, name, value)

        for name in ("tokens", "batch", "base_width"):
            store(name, _whole(name, getattr(self, name), 1))
        for name in ("seed", "data_seed"):
            store(name, _whole(name, getattr(self, name), 0))
        shape = self.shape(vocab=2)
        store("d_ff", shape.d_ff)
        for name in ("d_model", "layers", "heads", "context"):
            store(name, getattr(shape, name))
        if self.unique_tokens is not None:
            store("unique_tokens", _whole("unique_tokens", self.unique_tokens, self.context))
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                known = ", ".join(map(repr, allowed))
                raise TrainingError(
                    f"{name} = {getattr(self, name)!r} is unknown. Choose one of {known}."
                )
        for name, (low, high) in _RANGES.items():
            store(name, _number(name, getattr(self, name), low, high))
        if self.learning_rate == 0:
            raise TrainingError("learning_rate = 0 learns nothing. Give a positive number.")
        if not isinstance(self.task, str) or not self.task.strip():
            raise TrainingError(f"task = {self.task!r} is not the text of a task, as 'er:...' is.")
        store("task", canonical(self.task))
        if self.steps < 1:
            one = self.batch * self.context
            raise TrainingError(
                f"tokens = {self.tokens} is less than one batch of {self.batch} x {self.context} "
                f"= {one} tokens. Train on more tokens, or make the batch or the context smaller."
            )

    def shape(self, vocab: int) -> TransformerShape:
        """Shape of the model for a task of `vocab` tokens, as `scalinglaws.counting` counts it."""
        return TransformerShape(
            layers=self.layers,
            d_model=self.d_model,
            d_ff=self.d_ff,
            heads=self.heads,
            vocab=vocab,
            context=self.context,
            tied_embeddings=False,
        )

    @property
    def steps(self) -> int:
        """Whole steps of training."""
        return self.tokens // (self.batch * self.context)

    @property
    def trained_tokens(self) -> int:
        """Tokens that the steps see: `tokens`, rounded down to whole batches."""
        return self.steps * self.batch * self.context

    @property
    def epochs(self) -> float:
        """How often each unique token is seen; 1 with fresh data."""
        if self.unique_tokens is None:
            return 1.0
        return self.trained_tokens / (self.unique_tokens // self.context * self.context)

    @cached_property
    def key(self) -> str:
        """Name of the run: 16 hexadecimal digits that depend on every field."""
        text = json.dumps([FORMAT, self.to_dict()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def stack_key(self) -> str:
        """Runs with the same `stack_key` can be trained together."""
        config = {k: v for k, v in self.to_dict().items() if k not in STACKABLE}
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict:
        """The fields as plain numbers and text, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> RunConfig:
        """The inverse of `to_dict`; fields left out take their defaults.

        Raises
        ------
        TrainingError
            An unknown field.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise TrainingError(
                f"{unknown[0]!r} is not a field of a run. The fields are: "
                + ", ".join(f.name for f in fields(cls))
                + "."
            )
        try:
            return cls(**values)
        except TypeError as err:
            raise TrainingError(f"A run needs more: {err}.") from err

    def replace(self, **changes) -> RunConfig:
        """The same run with some fields changed; the feed-forward width follows `d_model`."""
        if "d_model" in changes and "d_ff" not in changes and self.d_ff == 4 * self.d_model:
            changes["d_ff"] = None
        return replace(self, **changes)


_CHOICES = {
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "parametrization": PARAMETRIZATIONS,
    "dtype": DTYPES,
}
_RANGES = {
    "learning_rate": (0.0, 1e4),
    "beta1": (0.0, 0.99999),
    "beta2": (0.0, 0.9999999),
    "weight_decay": (0.0, 1e3),
    "clip": (0.0, math.inf),
    "warmup": (0.0, 1.0),
    "decay": (0.0, 1.0),
}


def _whole(name: str, value, low: int) -> int:
    try:
        whole = int(value)
        same = whole == value and not isinstance(value, bool)
    except (TypeError, ValueError, OverflowError):
        same = False
    if not same or whole < low:
        raise TrainingError(f"{name} = {value!r} is not a whole number of at least {low}.")
    return whole


def _number(name: str, value, low: float, high: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not low <= number <= high:
        raise TrainingError(f"{name} = {value!r} is not a number from {low:g} to {high:g}.")
    return number
