"""What a training run leaves behind: its losses, its counts, and where and with what it ran."""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass, fields

from ..counting import FLOP_CONVENTIONS, count_params, train_flops
from ..errors import TrainingError
from .config import RunConfig

__all__ = ["CURVE", "STATUSES", "RunResult"]

STATUSES = ("done", "diverged")
CURVE = ("tokens", "loss", "train_loss")  # the columns of a learning curve


@dataclass(frozen=True)
class RunResult:
    """The outcome of one training run.

    Losses are in nats per token. Whatever is not a finite number is kept as NaN.

    Parameters
    ----------
    config : RunConfig
        What was trained.
    status : {"done", "diverged"}
        A run whose loss stopped being a number has diverged.
    loss : float
        Held-out loss at the end of training.
    excess : float
        `loss` minus `floor`; NaN where the floor is unknown.
    floor : float
        The entropy of the task, which no model can beat; NaN where it is unknown.
    vocab : int
        Tokens in the task's vocabulary.
    params, non_embedding_params : int
        Parameters N with embeddings, and without.
    tokens : int
        Tokens trained on, D.
    flops : float
        Training compute, 6 N D with all parameters.
    flop_counts : dict of str to float
        Training compute in every convention of `scalinglaws.counting`.
    curve : dict of str to list
        ``"tokens"``, ``"loss"`` (held-out) and ``"train_loss"`` at about a dozen moments, the last
        one at the end.
    best_loss : float
        The lowest held-out loss of the curve.
    seconds : float
        Wall time of training. Runs that were trained together share their time equally.
    device, dtype : str
        Where it ran, and the arithmetic of its matrix products.
    version, torch, host : str
        Versions of this package and of PyTorch, and the machine's name.

    Raises
    ------
    TrainingError
        An unknown status, or a curve whose columns differ in length.
    """

    config: RunConfig
    status: str
    loss: float
    excess: float
    floor: float
    vocab: int
    params: int
    non_embedding_params: int
    tokens: int
    flops: float
    flop_counts: dict[str, float]
    curve: dict[str, list[float]]
    best_loss: float
    seconds: float
    device: str
    dtype: str
    version: str
    torch: str
    host: str

    def __post_init__(self):
        def store(name, value):
            object.__setattr__(self, name, value)

        if self.status not in STATUSES:
            raise TrainingError(f"status = {self.status!r} is neither 'done' nor 'diverged'.")
        for name in ("loss", "excess", "floor", "flops", "best_loss", "seconds"):
            store(name, _finite(getattr(self, name)))
        for name in ("vocab", "params", "non_embedding_params", "tokens"):
            store(name, int(getattr(self, name)))
        store("flop_counts", {name: float(n) for name, n in self.flop_counts.items()})
        if len({len(self.curve.get(name, ())) for name in CURVE}) != 1:
            raise TrainingError(f"The curve needs columns of one length: {', '.join(CURVE)}.")
        curve = {name: [_finite(x) for x in self.curve[name]] for name in CURVE}
        curve["tokens"] = [int(x) for x in self.curve["tokens"]]
        store("curve", curve)

    @classmethod
    def measured(
        cls,
        config: RunConfig,
        *,
        vocab: int,
        floor: float | None,
        curve: dict[str, list[float]],
        seconds: float,
        device: str,
        dtype: str | None = None,
        torch: str = "",
        status: str | None = None,
    ) -> RunResult:
        """The result of a run from its curve; everything that can be counted is counted here.

        Parameters
        ----------
        config, vocab, curve, seconds, device, torch
            As in `RunResult`. The last point of `curve` is the end of training.
        floor : float or None
            The task's entropy in nats per token, if it is known.
        dtype : str, optional
            The arithmetic that was used; `config.dtype` when left out.
        status : str, optional
            Left out, the run has diverged if its last loss is not a finite number.

        Examples
        --------
        >>> config = RunConfig("er:nodes=64,edges=256", d_model=16, tokens=1024, learning_rate=0.01)
        >>> curve = {"tokens": [512, 1024], "loss": [4.2, 4.0], "train_loss": [4.3, 4.1]}
        >>> run = RunResult.measured(
        ...     config, vocab=64, floor=1.5, curve=curve, seconds=0.1, device="cpu"
        ... )
        >>> run.status, run.loss, run.excess, run.tokens
        ('done', 4.0, 2.5, 1024)
        """
        from .. import __version__

        shape = config.shape(vocab)
        tokens = config.trained_tokens
        loss = _finite(curve["loss"][-1])
        if status is None:
            status = "done" if math.isfinite(loss) else "diverged"
        floor = math.nan if floor is None else float(floor)
        return cls(
            config=config,
            status=status,
            loss=loss,
            excess=loss - floor if status == "done" else math.nan,
            floor=floor,
            vocab=vocab,
            params=count_params(shape, "total"),
            non_embedding_params=count_params(shape, "non-embedding"),
            tokens=tokens,
            flops=train_flops(shape, tokens, "6N-total"),
            flop_counts={name: train_flops(shape, tokens, name) for name in FLOP_CONVENTIONS},
            curve=curve,
            best_loss=min((x for x in map(_finite, curve["loss"]) if x == x), default=math.nan),
            seconds=seconds,
            device=device,
            dtype=config.dtype if dtype is None else dtype,
            version=__version__,
            torch=torch,
            host=platform.node(),
        )

    @property
    def key(self) -> str:
        """Name of the run, that of its configuration."""
        return self.config.key

    def row(self) -> dict:
        """One row of a table: the configuration's fields, then the results, without the curve.

        The tokens asked for (`config.tokens`) give way to the tokens trained on, and `dtype` is
        that which was used.
        """
        mine = {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if f.name not in ("config", "flop_counts", "curve")
        }
        return {"key": self.key, **self.config.to_dict(), "epochs": self.config.epochs, **mine}

    def to_dict(self) -> dict:
        """Plain numbers and text, ready for strict JSON: NaN becomes None."""
        values = asdict(self)
        values["config"] = self.config.to_dict()
        return _without_nan(values)

    @classmethod
    def from_dict(cls, values: dict) -> RunResult:
        """The inverse of `to_dict`. Fields that this version does not know are passed over.

        Raises
        ------
        TrainingError
            A field is missing or impossible.
        """
        names = [f.name for f in fields(cls)]
        missing = [name for name in names if name not in values]
        if missing:
            raise TrainingError(f"The result of a run lacks {missing[0]!r}.")
        known = {name: values[name] for name in names}
        known["config"] = RunConfig.from_dict(known["config"])
        return cls(**known)


def _finite(x) -> float:
    """`x` as a float, or the one NaN (so that equal results compare equal)."""
    x = math.nan if x is None else float(x)
    return x if math.isfinite(x) else math.nan


def _without_nan(x):
    if isinstance(x, dict):
        return {k: _without_nan(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [_without_nan(v) for v in x]
    return None if isinstance(x, float) and not math.isfinite(x) else x
