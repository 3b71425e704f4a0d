"""Associative memory: facts that are met as often as a power law says.

Input k comes up with probability p_k proportional to k^-tail, and has one label, a fixed random
map. There is nothing to generalise: a model knows a pair because it has seen it and has room for
it. The exponents of its scaling laws follow from the tail before anything is trained.
"""

from __future__ import annotations

import math

import numpy as np

from ...errors import TaskError
from .base import CHUNK, DATA, Exam, Task

__all__ = ["MemoryTask"]

LARGEST = 100_000


class MemoryTask(Task):
    """Zipf-distributed inputs, each with a label to be remembered.

    A sequence is two tokens, the input and its label, and the context is 1. Inputs are tokens 0 to
    ``inputs - 1`` and labels are tokens 0 to ``outputs - 1`` of one vocabulary, of which the
    larger of the two is the size. The label is certain given the input, so the floor is 0.

    Parameters
    ----------
    inputs : int
        Number of inputs, 2 to 100,000.
    outputs : int
        Number of labels, at least 2.
    tail : float
        Exponent of the Zipf law, over 1 (at most 10).
    seed : int
        Draws the map from inputs to labels.
    text : str
        Description.

    Raises
    ------
    TaskError
        A parameter out of range.

    Examples
    --------
    >>> memory = MemoryTask(inputs=1000, outputs=100, tail=2.0)
    >>> memory.data_exponent, memory.capacity_exponent
    (0.5, 1.0)
    """

    fixed_context = 1
    floor = 0.0

    def __init__(self, inputs=1000, outputs=100, tail=1.5, seed=0, text: str = "memory"):
        for name, value, least, most in (
            ("inputs", inputs, 2, LARGEST),
            ("outputs", outputs, 2, LARGEST),
            ("seed", seed, 0, 2**63),
        ):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TaskError(f"{name} = {value!r} is not a whole number.")
            if not least <= value <= most:
                raise TaskError(f"{name} = {value} must lie between {least} and {most}.")
        if isinstance(tail, bool) or not isinstance(tail, (int, float)) or not 1 < tail <= 10:
            raise TaskError(f"tail = {tail!r} must be a number over 1, at most 10.")
        self.text, self.inputs, self.outputs, self.tail = text, inputs, outputs, float(tail)
        self.vocab = max(inputs, outputs)
        weights = np.arange(1.0, inputs + 1) ** -self.tail
        self.frequencies = weights / weights.sum()
        self.labels = np.random.default_rng(seed).integers(outputs, size=inputs).astype(np.int32)
        self._table = np.cumsum(self.frequencies)
        self._table[-1] = 1.0

    @property
    def data_exponent(self) -> float:
        """Exponent of the excess loss in the data, (tail - 1) / tail.

        Of a learner that knows the pairs it has seen (Hutter 2021, arXiv 2102.04074).
        """
        return (self.tail - 1) / self.tail

    @property
    def capacity_exponent(self) -> float:
        """Exponent of the excess loss in the parameters, tail - 1.

        Of a learner that has room for a number of pairs proportional to its parameters, and keeps
        the most frequent: it misses the mass of the tail, sum_{k > N} p_k. The quanta of Michaud
        et al. 2023 (arXiv 2303.13506) follow the same law.
        """
        return self.tail - 1

    def memorising_loss(self, tokens) -> np.ndarray:
        """Expected loss of the learner that knows the pairs it has seen and guesses the others.

        ``log(outputs) * sum_k p_k (1 - p_k)^D``: each input is unseen with probability
        (1 - p_k)^D (Hutter 2021), and then any label is as likely.

        Parameters
        ----------
        tokens : array_like of float, shape (m,)
            Pairs seen, D.

        Returns
        -------
        ndarray, shape (m,)
            Nats per pair.
        """
        d = np.atleast_1d(np.asarray(tokens, float))
        p = self.frequencies
        unseen = np.exp(d[:, None] * np.log1p(-p)) @ p
        return math.log(self.outputs) * unseen

    def capacity_loss(self, pairs) -> np.ndarray:
        """Loss of the learner that knows the most frequent pairs and guesses the others.

        Parameters
        ----------
        pairs : array_like of int, shape (m,)
            How many it knows.

        Returns
        -------
        ndarray, shape (m,)
            Nats per pair.
        """
        missed = np.r_[np.cumsum(self.frequencies[::-1])[::-1], 0.0]
        known = np.clip(np.atleast_1d(np.asarray(pairs, int)), 0, self.inputs)
        return math.log(self.outputs) * missed[known]

    def describe(self) -> dict:
        """What is known about the task, as plain numbers and text."""
        return {
            **super().describe(),
            "inputs": self.inputs,
            "outputs": self.outputs,
            "tail": self.tail,
            "data_exponent": self.data_exponent,
            "capacity_exponent": self.capacity_exponent,
        }

    def _sequences(self, data_seed, context, chunk):
        rng = np.random.default_rng([data_seed, DATA, chunk])
        x = np.searchsorted(self._table, 1.0 - rng.random(CHUNK)).astype(np.int32)
        return np.stack([x, self.labels[x]], axis=1)

    def _exam(self, context, size, seed):
        # Every input once, with its true weight: nothing is sampled.
        x = np.arange(self.inputs)[:, None]
        targets = self.labels[:, None, None]
        weights = self.frequencies[:, None]
        return Exam.make(x, targets, np.ones(targets.shape), weights, 0.0)
