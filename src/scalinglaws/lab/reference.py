"""One model, one loop, in plain PyTorch: what the stacked trainer must equal, and outrun.

Written the way anyone would write it: `nn.Module`, `torch.optim`, one run at a time. It shares
with the trainer the task, the rules of initialisation and the schedule, and nothing else.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from ..errors import TrainingError
from .config import RunConfig
from .model import _initial_weights, _weight_specs
from .tasks import make_task
from .trainer import ADAM_EPS, learning_rate_factors

__all__ = ["PlainTransformer", "plain_loss", "plain_train"]


class Block(nn.Module):
    def __init__(self, c: RunConfig):
        super().__init__()
        self.heads = c.heads
        self.qkv = nn.Linear(c.d_model, 3 * c.d_model, bias=False)
        self.project = nn.Linear(c.d_model, c.d_model, bias=False)
        self.up = nn.Linear(c.d_model, c.d_ff, bias=False)
        self.down = nn.Linear(c.d_ff, c.d_model, bias=False)
        k = c.d_model // c.heads
        self.scale = k**-0.5
        if c.parametrization == "mup":
            self.scale = math.sqrt(max(1.0, c.base_width / c.heads)) / k

    def forward(self, x):
        B, T, d = x.shape
        q, k, v = self.qkv(F.layer_norm(x, (d,))).split(d, dim=-1)
        q, k, v = (z.view(B, T, self.heads, -1).transpose(1, 2) for z in (q, k, v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scale)
        x = x + self.project(mixed.transpose(1, 2).reshape(B, T, d))
        return x + self.down(F.relu(self.up(F.layer_norm(x, (d,)))))


class PlainTransformer(nn.Module):
    """The model of `scalinglaws.lab.model`, for one run.

    Parameters
    ----------
    config : RunConfig
    vocab : int
    dtype : torch.dtype
        Of the weights.
    """

    def __init__(self, config: RunConfig, vocab: int, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab, config.d_model)
        self.positions = nn.Parameter(torch.empty(config.context, config.d_model))
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.layers)])
        self.head = nn.Linear(config.d_model, vocab, bias=False)
        self.to(dtype)
        weights = _initial_weights(_weight_specs(config, vocab), config.seed)
        with torch.no_grad():
            for name, weight in self.named().items():
                as_is = name in ("token_embedding", "positions")
                value = weights[name] if as_is else weights[name].T  # nn.Linear keeps (out, in)
                weight.copy_(torch.from_numpy(np.ascontiguousarray(value)))

    def named(self) -> dict[str, nn.Parameter]:
        """The weights by the names that the stacked model gives them."""
        out = {"token_embedding": self.token_embedding.weight, "positions": self.positions}
        for i, block in enumerate(self.blocks):
            out |= {f"{name}_{i}": getattr(block, name).weight for name in _LINEAR}
        return out | {"head": self.head.weight}

    def forward(self, tokens):
        x = self.token_embedding(tokens) + self.positions[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(F.layer_norm(x, x.shape[-1:]))


_LINEAR = ("qkv", "project", "up", "down")


def plain_train(config: RunConfig, device: str = "cpu") -> PlainTransformer:
    """Train one run in a plain loop.

    Parameters
    ----------
    config : RunConfig
    device : str

    Returns
    -------
    PlainTransformer
    """
    c, task = config, make_task(config.task)
    dtype = torch.float64 if c.dtype == "float64" else torch.float32
    model = PlainTransformer(c, task.vocab, dtype).to(device)
    groups = []
    for spec in _weight_specs(c, task.vocab):
        decay = c.weight_decay if spec.decays else 0.0
        groups.append(
            {
                "params": [model.named()[spec.name]],
                "lr": c.learning_rate * spec.lr_scale,
                # AdamW shrinks a weight by lr * decay, where lr has the factor of its matrix.
                "weight_decay": decay / spec.lr_scale,
            }
        )
    if c.optimizer == "adamw":
        optimizer = torch.optim.AdamW(groups, betas=(c.beta1, c.beta2), eps=ADAM_EPS)
    elif c.weight_decay:
        raise TrainingError("torch.optim.SGD adds decay to the gradient, the lab does not.")
    else:
        optimizer = torch.optim.SGD(groups, momentum=c.beta1)
    factors = learning_rate_factors(c)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: factors[min(step, c.steps - 1)]
    )
    for step in range(c.steps):
        rows = task.batches(c.data_seed, step, 1, c.batch, c.context, c.unique_tokens)[0]
        batch = torch.from_numpy(np.ascontiguousarray(rows)).long().to(device)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=c.dtype == "bfloat16"):
            logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1).to(dtype), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        if c.clip:
            # clip_grad_norm_ without the 1e-6 that it adds to the norm
            norm = torch.nn.utils.get_total_norm([p.grad for p in model.parameters()])
            for p in model.parameters():
                p.grad *= c.clip / norm.clamp(min=c.clip)
        optimizer.step()
        schedule.step()
    return model


def plain_loss(model: PlainTransformer, config: RunConfig, device: str = "cpu") -> float:
    """Held-out loss of a model, as `train` measures it, nats per token."""
    exam = make_task(config.task).exam(config.context)
    with torch.no_grad():
        tokens = torch.from_numpy(np.asarray(exam.tokens)).long().to(device)
        log_q = torch.cat([F.log_softmax(model(part), -1) for part in tokens.split(64)])
    return float(exam.loss_from_log_probs(log_q.double().cpu().numpy()))
