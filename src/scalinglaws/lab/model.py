"""A decoder transformer, many copies at once.

The copies ("runs") share one shape and nothing else: each has its own weights, and each product
with a weight matrix is one batched product over the runs. With one run it is the plain model.

    token + position embedding -> blocks of (attention, feed-forward) -> layer norm -> output

Layer norms have neither gain nor shift and no matrix has a bias, so that every parameter stands in
`scalinglaws.counting.parameter_parts`: embedding V d, positions T d, 4 d^2 + 2 d d_ff a layer,
output d V.

Letters: R runs, B sequences, T tokens of context, V vocabulary, d width, h heads of width k.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F

from .config import RunConfig

__all__ = ["StackedTransformer"]

# One-hot tokens have a fan-in of 1.
EMBEDDING_STD = 1.0


class StackedTransformer:
    """`runs` transformers of one shape, each with its own weights.

    Parameters
    ----------
    config : RunConfig
        Supplies the shape and the parametrization.
    vocab : int
        Tokens in the vocabulary, V.
    seeds : sequence of int, length R
        Seeds of the initial weights, one a run. A run's weights depend on its own seed alone.
    device : str
    dtype : torch.dtype
        Of the weights.

    Attributes
    ----------
    buffers : dict of str to Tensor
        All weights in two blocks, ``"embedding"`` (R, V d) and ``"rest"`` (R, P - V d), for the
        optimiser, which treats a block in one operation; `grads` holds their gradients.
    weights : dict of str to Tensor
        The matrices, as views into the blocks, each (R, rows, columns).
    lr_scale : dict of str to Tensor
        For each block, the factor on the learning rate of each weight (1 unless muP).
    decayed : dict of str to Tensor
        For each block, 1 where weight decay acts.
    """

    def __init__(self, config: RunConfig, vocab: int, seeds, device: str, dtype=torch.float32):
        self.config, self.vocab, self.runs = config, vocab, len(seeds)
        self.specs = _weight_specs(config, vocab)
        blocks = {"embedding": [], "rest": []}
        for spec in self.specs:
            blocks["embedding" if spec.name == "token_embedding" else "rest"].append(spec)

        self.buffers, self.grads, self.weights = {}, {}, {}
        self.lr_scale, self.decayed = {}, {}
        initial = [_initial_weights(self.specs, seed) for seed in seeds]
        for block, specs in blocks.items():
            size = sum(s.rows * s.columns for s in specs)
            buffer = torch.empty(self.runs, size, dtype=dtype, device=device)
            grad = torch.zeros_like(buffer)
            scale = torch.empty(size, dtype=dtype, device=device)
            decayed = torch.empty(size, dtype=dtype, device=device)
            start = 0
            for s in specs:
                stop = start + s.rows * s.columns
                view = buffer[:, start:stop].view(self.runs, s.rows, s.columns)
                view.copy_(torch.from_numpy(np.stack([w[s.name] for w in initial])))
                weight = view.detach().requires_grad_()
                # Gradients are added into the block in place, never allocated.
                weight.grad = grad[:, start:stop].view(self.runs, s.rows, s.columns)
                self.weights[s.name] = weight
                scale[start:stop] = s.lr_scale
                decayed[start:stop] = float(s.decays)
                start = stop
            self.buffers[block], self.grads[block] = buffer, grad
            self.lr_scale[block], self.decayed[block] = scale, decayed

        self.dtype = dtype
        d, heads = config.d_model, config.heads
        k = d // heads
        # muP: 1/k instead of 1/sqrt(k), equal to it at the base width.
        base_k = max(1.0, config.base_width / heads)
        self.attention_scale = math.sqrt(base_k) / k if config.parametrization == "mup" else k**-0.5
        row = torch.arange(self.runs, device=device)
        self._first_row = (row * vocab).view(-1, 1, 1)  # of each run in the stacked embedding table
        future = torch.ones(config.context, config.context, dtype=torch.bool, device=device).triu(1)
        self._mask = torch.zeros_like(future, dtype=dtype).masked_fill_(future, -math.inf)

    @property
    def params(self) -> int:
        """Parameters of one run, embeddings included."""
        return sum(b.shape[1] for b in self.buffers.values())

    def logits(self, tokens: torch.Tensor, keep: dict | None = None) -> torch.Tensor:
        """Scores of the next token after each position.

        Parameters
        ----------
        tokens : Tensor of int64, shape (R, B, T)
        keep : dict, optional
            Filled with activations by name, for looking inside.

        Returns
        -------
        Tensor, shape (R, B * T, V)
        """
        R, B, T = tokens.shape
        c, w = self.config, self.weights
        d, h = c.d_model, c.heads
        table = w["token_embedding"].view(R * self.vocab, d)
        x = F.embedding(tokens + self._first_row, table) + w["positions"][:, None, :T]
        x = x.view(R, B * T, d)
        for i in range(c.layers):
            qkv = torch.bmm(_norm(x), w[f"qkv_{i}"])
            x = x + torch.bmm(self._attend(qkv, R, B, T, d, h), w[f"project_{i}"])
            hidden = torch.relu(torch.bmm(_norm(x), w[f"up_{i}"]))
            x = x + torch.bmm(hidden, w[f"down_{i}"])
            if keep is not None:
                keep[f"block_{i}"] = x.detach()
        out = torch.bmm(_norm(x), w["head"])
        if keep is not None:
            keep["embedding"] = table.detach().view(R, self.vocab, d)
            keep["logits"] = out.detach()
        return out

    def _attend(self, qkv, R, B, T, d, h):
        if T == 1:  # a token can only attend to itself
            return qkv[..., 2 * d :]
        q, k, v = (
            qkv.view(R * B, T, 3, h, d // h).permute(2, 0, 3, 1, 4).reshape(3, R * B * h, T, -1)
        )
        scores = torch.baddbmm(self._mask[:T, :T], q, k.transpose(1, 2), alpha=self.attention_scale)
        mixed = torch.bmm(torch.softmax(scores, dim=-1), v)
        return mixed.view(R, B, h, T, d // h).transpose(2, 3).reshape(R, B * T, d)

    def zero_grad(self) -> None:
        for grad in self.grads.values():
            grad.zero_()


def _norm(x):
    return F.layer_norm(x, x.shape[-1:])


class _Spec:
    """One weight matrix: its size, initial spread, learning-rate factor, and whether it decays."""

    def __init__(self, name, rows, columns, std, lr_scale, decays):
        self.name, self.rows, self.columns = name, rows, columns
        self.std, self.lr_scale, self.decays = std, lr_scale, decays


def _weight_specs(c: RunConfig, vocab: int) -> list[_Spec]:
    """Every weight matrix with its rules of initialisation and learning rate.

    Maximal-update parametrization: Table 3 of Yang et al. 2022 (arXiv 2203.03466), scaled to agree
    with the standard one at the base width.
    """
    d, ff = c.d_model, c.d_ff
    m = d / c.base_width if c.parametrization == "mup" else 1.0
    adam = c.optimizer == "adamw"
    input_lr, hidden_lr, output_lr = (1.0, 1 / m, 1 / m) if adam else (m, 1.0, 1 / m)
    shrink = (2 * c.layers) ** -0.5  # the residual stream is a sum of 2 * layers branches
    specs = [
        _Spec("token_embedding", vocab, d, EMBEDDING_STD, input_lr, False),
        _Spec("positions", c.context, d, EMBEDDING_STD, input_lr, False),
    ]
    for i in range(c.layers):
        specs += [
            _Spec(f"qkv_{i}", d, 3 * d, d**-0.5, hidden_lr, True),
            _Spec(f"project_{i}", d, d, shrink * d**-0.5, hidden_lr, True),
            _Spec(f"up_{i}", d, ff, d**-0.5, hidden_lr, True),
            _Spec(f"down_{i}", ff, d, shrink * ff**-0.5, hidden_lr, True),
        ]
    specs.append(_Spec("head", d, vocab, (d * m) ** -0.5, output_lr, True))
    return specs


def _initial_weights(specs: list[_Spec], seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([seed, 0x5EED])
    return {s.name: s.std * rng.standard_normal((s.rows, s.columns)) for s in specs}
