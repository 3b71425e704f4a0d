"""What every task offers: training sequences, and one exam that all its runs sit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from ...errors import TaskError

__all__ = ["Exam", "Task"]

# Sequences are made this many at a time, each lot from its own random numbers, so that what a
# step sees does not depend on which steps were asked for before.
CHUNK = 4096
CACHE_BYTES, CACHE_ITEMS = 128 * 2**20, 256

# What random numbers are drawn for; the second word of every seed.
DATA, ORDER, EXAM = 0, 1, 2


@dataclass(frozen=True, eq=False)
class Exam:
    """Held-out questions with the true probabilities of their answers.

    Parameters
    ----------
    tokens : ndarray of int32, shape (n, T)
        What the model reads.
    targets : ndarray of int32, shape (n, T, K)
        Tokens that can follow each position, padded with 0.
    probs : ndarray of float32, shape (n, T, K)
        Their true probabilities, 0 in the padding. Where the truth is unknown (text), the one
        token that did follow, with probability 1.
    weights : ndarray of float64, shape (n, T)
        Weight of each position in the loss; they sum to 1.
    entropy : float
        Mean entropy of the answers, ``-sum w sum p log p``, nats per token.
    floor : float or None
        Entropy rate of the task; None where it is unknown.
    """

    tokens: np.ndarray
    targets: np.ndarray
    probs: np.ndarray
    weights: np.ndarray
    entropy: float
    floor: float | None

    @classmethod
    def make(cls, tokens, targets, probs, weights, floor: float | None) -> Exam:
        """An exam whose entropy is that of its probabilities as stored, in single precision."""
        probs = np.asarray(probs, np.float32)
        p = probs.astype(np.float64)
        entropy = -float((weights * (p * np.log(np.where(p > 0, p, 1.0))).sum(-1)).sum())
        return cls(
            np.ascontiguousarray(tokens, np.int32),
            np.ascontiguousarray(targets, np.int32),
            np.ascontiguousarray(probs),
            np.asarray(weights, np.float64),
            entropy + 0.0,
            floor,
        )

    def loss_from_log_probs(self, log_q) -> float:
        """Loss of a model, nats per token.

        With a known floor it is ``floor + sum w sum p (log p - log q)``: the excess is a
        Kullback-Leibler divergence, without the noise of which token happened to follow. Without
        one it is ``-sum w log q`` of the tokens that did.

        Parameters
        ----------
        log_q : array_like, shape (n, T, V)
            The model's log probabilities of every next token.

        Returns
        -------
        float

        Raises
        ------
        TaskError
            Another shape.
        """
        log_q = np.asarray(log_q, np.float64)
        if log_q.ndim != 3 or log_q.shape[:2] != self.tokens.shape:
            raise TaskError(
                f"log_q has shape {log_q.shape}; it must be {self.tokens.shape} + (vocabulary,)."
            )
        asked = np.take_along_axis(log_q, self.targets.astype(np.int64), axis=-1)
        p = self.probs.astype(np.float64)
        cross = -float((self.weights * np.where(p > 0, p * asked, 0.0).sum(-1)).sum())
        return cross if self.floor is None else self.floor + cross - self.entropy


class Task:
    """Something to learn: a source of sequences of tokens.

    Subclasses set the attributes and write `_sequences` (the stream of training data) and
    `_exam`.

    Attributes
    ----------
    text : str
        Canonical description, as `make_task` reads it.
    vocab : int
        Number of tokens.
    floor : float or None
        Entropy rate in nats per token, the lowest loss any model can have; None if unknown.
    fixed_context : int or None
        The only context length that makes sense, where there is one.
    """

    text: str = ""
    vocab: int
    floor: float | None = None
    fixed_context: int | None = None

    def _sequences(self, data_seed: int, context: int, chunk: int) -> np.ndarray:
        """Sequences number ``chunk * CHUNK`` onwards, (CHUNK, context + 1): a pure function."""
        raise NotImplementedError

    def _exam(self, context: int, size: int | None, seed: int) -> Exam:
        raise NotImplementedError

    def _most_unique(self, context: int) -> int | None:
        """How many sequences there are without repetition; None: no end to them."""
        return None

    def describe(self) -> dict:
        """What is known about the task, as plain numbers and text."""
        return {"task": self.text, "vocab": self.vocab, "floor": self.floor}

    def batches(
        self,
        data_seed: int,
        first: int,
        count: int,
        batch: int,
        context: int,
        unique_tokens: int | None = None,
    ) -> np.ndarray:
        """Training sequences of steps ``first`` to ``first + count - 1``.

        Step s gets the same sequences whatever `first` and `count` are. Without `unique_tokens`
        it gets numbers ``s * batch`` to ``(s + 1) * batch - 1`` of an endless stream. With it,
        the first ``unique_tokens // context`` sequences of that stream are read over and over,
        in a new random order each time.

        Parameters
        ----------
        data_seed : int
            Draws the data.
        first, count : int
            Which steps.
        batch, context : int
            Sequences in a step, and tokens to predict in a sequence.
        unique_tokens : int, optional
            Size of the data set; fresh data when left out.

        Returns
        -------
        ndarray of int32, shape (count, batch, context + 1)
            Read ``[..., :-1]``, predict ``[..., 1:]``.

        Raises
        ------
        TaskError
            A context that the task does not have, or more unique tokens than it has.
        """
        self._check_context(context)
        index = np.arange(first * batch, (first + count) * batch)
        if unique_tokens is None:
            data = self._stream(data_seed, context, index)
        else:
            data = self._epochs(data_seed, context, index, unique_tokens)
        return data.reshape(count, batch, context + 1)

    def exam(self, context: int, size: int | None = None, seed: int = 0) -> Exam:
        """Held-out questions, the same for every run of the task.

        Parameters
        ----------
        context : int
            Tokens in a sequence.
        size : int, optional
            Sequences; enough for an excess loss within about 1 % when left out.
        seed : int
            Draws them.

        Raises
        ------
        TaskError
            A context that the task does not have.
        """
        self._check_context(context)
        if size is not None and size < 1:
            raise TaskError(f"size = {size} sequences make no exam. Ask for at least 1.")
        return self._cached(("exam", context, size, seed), lambda: self._exam(context, size, seed))

    # -- shared machinery ---------------------------------------------------------------------

    def _check_context(self, context: int) -> None:
        if context < 1:
            raise TaskError(f"context = {context} is not a positive number of tokens.")
        if self.fixed_context is not None and context != self.fixed_context:
            raise TaskError(
                f"context = {context}, but sequences of {self.text!r} have context "
                f"{self.fixed_context}. Set context={self.fixed_context}."
            )

    def _chunk(self, data_seed: int, context: int, chunk: int) -> np.ndarray:
        key = ("chunk", data_seed, context, chunk)
        return self._cached(key, lambda: self._sequences(data_seed, context, chunk))

    def _stream(self, data_seed: int, context: int, index: np.ndarray) -> np.ndarray:
        """Sequences by consecutive numbers, (len(index), context + 1)."""
        out = np.empty((len(index), context + 1), np.int32)
        done = 0
        while done < len(index):
            chunk, start = divmod(int(index[done]), CHUNK)
            take = min(CHUNK - start, len(index) - done)
            out[done : done + take] = self._chunk(data_seed, context, chunk)[start : start + take]
            done += take
        return out

    def _epochs(self, data_seed: int, context: int, index, unique_tokens: int) -> np.ndarray:
        n = unique_tokens // context
        most = self._most_unique(context)
        if n < 1:
            raise TaskError(
                f"unique_tokens = {unique_tokens} is less than one sequence of {context} tokens."
            )
        if most is not None and n > most:
            raise TaskError(
                f"unique_tokens = {unique_tokens} is more than the {most * context} training "
                f"tokens of {self.text!r}. Ask for fewer, or take a larger corpus."
            )
        data = self._cached(
            ("unique", data_seed, context, n),
            lambda: self._stream(data_seed, context, np.arange(n)),
        )
        order = np.empty(len(index), np.int64)
        epochs, places = np.divmod(index, n)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            order[here] = self._order(data_seed, n, int(epoch))[places[here]]
        return data[order]

    def _order(self, data_seed: int, n: int, epoch: int) -> np.ndarray:
        def draw():
            return np.random.default_rng([data_seed, ORDER, epoch]).permutation(n)

        return self._cached(("order", data_seed, n, epoch), draw)

    def _cached(self, key, make):
        """Small memory of what was made last, so that asking step by step costs nothing extra."""
        cache = self.__dict__.setdefault("_cache", OrderedDict())
        if key in cache:
            cache.move_to_end(key)
            return cache[key]
        value = cache[key] = make()
        held = sum(_size(v) for v in cache.values())
        while (held > CACHE_BYTES or len(cache) > CACHE_ITEMS) and len(cache) > 1:
            held -= _size(cache.popitem(last=False)[1])
        return value


def _size(value) -> int:
    if isinstance(value, Exam):
        return value.tokens.nbytes + value.targets.nbytes + value.probs.nbytes
    return value.nbytes
