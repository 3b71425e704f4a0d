"""What a narrow model cannot say, however long it trains.

The scores of the next token are a product of a vector of width d and a matrix, so the table of all
scores has rank d at most (Yang et al. 2018, arXiv 1711.03953, call it the softmax bottleneck). A
final layer norm without gain or shift makes the d numbers sum to zero, which leaves d - 1.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax

from ...errors import TaskError
from .markov import MarkovTask

__all__ = ["low_rank_loss"]

MOST_SCORES = 2**22  # states times tokens: 32 MiB a table


def low_rank_loss(
    walk: MarkovTask, rank: int, *, starts: int = 3, iterations: int = 600, seed: int = 0
) -> float:
    """Least excess loss found for a table of scores of a given rank, with endless data.

    Scores are U V', U of shape (states, rank) and V of shape (tokens, rank); the loss is the mean
    divergence from the true probabilities, weighted by how often each state occurs.

    Parameters
    ----------
    walk : GraphWalk
        Or any other Markov source; the whole table of scores is kept in memory.
    rank : int
        For a transformer of width d that ends in a plain layer norm, d - 1.
    starts : int, default 3
        Random starts, the best of which counts: the problem is not convex.
    iterations : int, default 600
        Most steps of L-BFGS from each start.
    seed : int
        Draws the starts.

    Returns
    -------
    float
        Excess in nats per token: an upper bound of the true least one, since a better optimum may
        exist.

    Raises
    ------
    TaskError
        A rank or a number of starts below 1, or too many states.

    Examples
    --------
    A ring, two ways from each of 12 nodes. Rank 2 is too little, rank 3 is enough.

    >>> from scalinglaws.lab.tasks import GraphWalk
    >>> ring = GraphWalk.from_adjacency(np.roll(np.eye(12), 1, 0) + np.roll(np.eye(12), -1, 0))
    >>> low_rank_loss(ring, 2) > 0.3, low_rank_loss(ring, 3) < 1e-6
    (True, True)
    """
    for name, value in (("rank", rank), ("starts", starts), ("iterations", iterations)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise TaskError(f"{name} = {value!r} is not a whole number of 1 or more.")
    s, v = walk.states, walk.vocab
    if s * v > MOST_SCORES:
        raise TaskError(f"{s} states and {v} tokens make a table of scores that is too large.")
    p = sparse.csr_matrix((walk.probs, walk.tokens, walk.indptr), (s, v)).toarray()
    pi = walk.stationary[:, None]

    def loss(theta):
        u, w = theta[: s * rank].reshape(s, rank), theta[s * rank :].reshape(v, rank)
        log_q = log_softmax(u @ w.T, axis=1)
        slope = pi * (np.exp(log_q) - p)
        gradient = np.concatenate([(slope @ w).ravel(), (slope.T @ u).ravel()])
        return -(pi * p * log_q).sum(), gradient

    rng = np.random.default_rng(seed)
    options = {"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-10, "gtol": 1e-8}
    ends = [
        minimize(loss, 0.5 * rng.standard_normal((s + v) * rank), jac=True, method="L-BFGS-B",
                 options=options).fun
        for _ in range(starts)
    ]  # fmt: skip
    return float(min(ends)) - walk.entropy_rate
