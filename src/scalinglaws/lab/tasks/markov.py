"""Markov sources: languages whose entropy rate is known exactly.

A source is in one of S states. It emits a token with a probability that the state fixes, and the
token fixes the next state. Walks on a graph (state = node) and n-gram languages (state = the last
n - 1 tokens) are both of this kind.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse import linalg

from ...errors import TaskError
from .alias import AliasTable
from .base import CHUNK, DATA, EXAM, Exam, Task

__all__ = ["MarkovTask"]

MOST_ANSWERS = 2**23  # in an exam of the usual size: 64 MiB
DENSE = 1200  # states up to which a dense solve is quick


class MarkovTask(Task):
    """A Markov source, its entropy, its samples and its exam.

    Parameters
    ----------
    text : str
        Description.
    vocab : int
        Number of tokens.
    indptr : array_like of int, shape (S + 1,)
        State s owns entries ``indptr[s]`` to ``indptr[s + 1] - 1`` of the following arrays.
    tokens : array_like of int, shape (M,)
        Tokens that a state can emit.
    next_states : array_like of int, shape (M,)
        Where each of them leads.
    probs : array_like of float, shape (M,)
        Their probabilities, positive, summing to 1 in each state.
    memory : int
        Tokens that determine the state. The exam asks only where the model has seen them all.
    stationary : array_like of float, shape (S,), optional
        Long-run share of time in each state, where it is known in closed form.

    Raises
    ------
    TaskError
        Probabilities that are not positive or do not sum to 1.
    """

    def __init__(
        self, text, vocab, indptr, tokens, next_states, probs, *, memory=1, stationary=None
    ):
        self.text, self.vocab, self.memory = text, int(vocab), int(memory)
        self.indptr = np.asarray(indptr, np.int64)
        self.tokens = np.asarray(tokens, np.int32)
        self.next_states = np.asarray(next_states, np.int32)
        self.probs = np.asarray(probs, np.float64)
        sums = np.add.reduceat(self.probs, self.indptr[:-1])
        if not (self.probs > 0).all() or np.abs(sums - 1).max() > 1e-9:
            raise TaskError(
                f"{text}: probabilities must be positive and sum to 1 in each state; state "
                f"{int(np.abs(sums - 1).argmax())} sums to {sums[np.abs(sums - 1).argmax()]:.6g}."
            )
        if stationary is not None:
            self.__dict__["stationary"] = np.asarray(stationary, np.float64)

    # -- what is known exactly ----------------------------------------------------------------

    @property
    def states(self) -> int:
        """Number of states S."""
        return len(self.indptr) - 1

    @cached_property
    def stationary(self) -> np.ndarray:
        """Long-run share of time in each state, shape (S,): the solution of pi P = pi."""
        rows = np.repeat(np.arange(self.states), np.diff(self.indptr))
        p = sparse.csr_matrix((self.probs, (rows, self.next_states)), (self.states,) * 2)
        return stationary_distribution(p)

    @cached_property
    def state_entropy(self) -> np.ndarray:
        """Entropy of the next token in each state, nats, shape (S,)."""
        return -np.add.reduceat(self.probs * np.log(self.probs), self.indptr[:-1])

    @cached_property
    def entropy_rate(self) -> float:
        """Entropy rate, nats per token: the lowest loss any model can have, the floor E."""
        return float(self.stationary @ self.state_entropy) + 0.0

    @property
    def floor(self) -> float:
        """The entropy rate."""
        return self.entropy_rate

    @cached_property
    def token_frequencies(self) -> np.ndarray:
        """Long-run share of each token, shape (V,)."""
        flow = np.repeat(self.stationary, np.diff(self.indptr)) * self.probs
        return np.bincount(self.tokens, flow, minlength=self.vocab)

    @property
    def unigram_entropy(self) -> float:
        """Entropy of one token without its past: the loss of a model that knows frequencies."""
        f = self.token_frequencies[self.token_frequencies > 0]
        return float(-(f * np.log(f)).sum())

    @property
    def free_transitions(self) -> int:
        """Number K of free probabilities: ways out of each state, minus one a state."""
        return len(self.probs) - self.states

    def describe(self) -> dict:
        """What is known about the task, as plain numbers and text."""
        return {
            **super().describe(),
            "states": self.states,
            "free_transitions": self.free_transitions,
            "unigram_entropy": self.unigram_entropy,
        }

    # -- data ---------------------------------------------------------------------------------

    @cached_property
    def _ways(self) -> AliasTable:
        return AliasTable(self.indptr, self.probs)

    @cached_property
    def _start_table(self) -> np.ndarray:
        cumulative = np.cumsum(self.stationary)
        cumulative /= cumulative[-1]
        return cumulative

    def _starts(self, u: np.ndarray) -> np.ndarray:
        """States from the stationary distribution, by uniform numbers in [0, 1)."""
        return np.searchsorted(self._start_table, u, side="right").astype(np.int32)

    def walk(self, start: np.ndarray, length: int, rng: np.random.Generator):
        """Emit `length` tokens from each of the given states.

        Returns
        -------
        tokens : ndarray of int32, shape (n, length)
        states : ndarray of int32, shape (n, length)
            State after each token.
        """
        n = len(start)
        tokens = np.empty((length, n), np.int32)
        states = np.empty((length, n), np.int32)
        state = start
        for t in range(length):
            way = self._ways.draw(state, rng.random(n))
            tokens[t] = self.tokens[way]
            states[t] = state = self.next_states[way]
        return tokens.T, states.T

    def sample(self, sequences: int, length: int, seed: int | np.random.Generator = 0):
        """Sequences of the stationary source, ndarray of int32, shape (sequences, length).

        Raises
        ------
        TaskError
            A count below 1.
        """
        if sequences < 1 or length < 1:
            raise TaskError(f"{sequences} sequences of {length} tokens: both must be at least 1.")
        rng = np.random.default_rng(seed)
        start = self._starts(rng.random(sequences))
        return self.walk(start, length, rng)[0]

    def transition_counts(self, tokens: int, rng: np.random.Generator) -> np.ndarray:
        """How often each transition is seen in sequences of `tokens` tokens in all, shape (M,)."""
        counts = np.zeros(len(self.probs), np.int64)
        length = min(tokens, 1000)
        for n, steps in ((tokens // length, length), (1, tokens % length)):
            state = self._starts(rng.random(n))
            for _ in range(steps):
                way = self._ways.draw(state, rng.random(n))
                counts += np.bincount(way, minlength=len(counts))
                state = self.next_states[way]
        return counts

    def _sequences(self, data_seed, context, chunk):
        rng = np.random.default_rng([data_seed, DATA, chunk])
        return np.ascontiguousarray(self.sample(CHUNK, context + 1, rng))

    def _exam(self, context, size, seed):
        blind = max(self.memory - 1, 0)  # positions at which the state is not yet visible
        if blind >= context:
            raise TaskError(
                f"context = {context} is too short for {self.text!r}: the next token depends on "
                f"the last {self.memory}. Use a context of at least {self.memory}."
            )
        # Fewer questions where hubs have very many answers: this bounds the memory.
        widest = int(np.diff(self.indptr).max())
        usual = 128 if blind == 0 else 256
        n = size or max(8, min(usual, MOST_ANSWERS // (context * widest)))
        rng = np.random.default_rng([seed, EXAM])
        # Evenly spaced starts: each state as often as its share says, within one.
        start = self._starts((np.arange(n) + rng.random()) / n)
        tokens, states = self.walk(rng.permutation(start), context, rng)
        if blind == 0:
            # Walks that begin in the states not met so far, if those are few.
            missed = np.flatnonzero(np.bincount(states.ravel(), minlength=self.states) == 0)
            if 0 < len(missed) <= n:
                entry = self._entries[missed]
                more_tokens, more = self.walk(self.next_states[entry], context - 1, rng)
                tokens = np.vstack([tokens, np.c_[self.tokens[entry], more_tokens]])
                states = np.vstack([states, np.c_[self.next_states[entry], more]])
        weights = self._balanced(states[:, blind:])
        return self._questions(tokens, states, np.pad(weights, ((0, 0), (blind, 0))))

    def _balanced(self, states) -> np.ndarray:
        """Weights with which strata of states count for what they do in the long run.

        Where every state came up, each is a stratum, and the loss of a model that looks at the
        state alone has no sampling error. Otherwise states are sorted by the excess loss that a
        learner who counts would have, (ways out - 1) / (2 D share), and cut into equal masses.
        """
        counts = np.bincount(states.ravel(), minlength=self.states)
        if counts.all():
            weights = (self.stationary / counts)[states]
        else:
            strata = max(1, min(64, states.size // 16))
            order = np.argsort((np.diff(self.indptr) - 1) / self.stationary, kind="stable")
            below = np.cumsum(self.stationary[order]) - 0.5 * self.stationary[order]
            stratum = np.empty(self.states, np.int64)
            stratum[order] = np.clip(below * strata, 0, strata - 1)
            mass = np.bincount(stratum, self.stationary, minlength=strata)
            seen = np.bincount(stratum[states].ravel(), minlength=strata)
            weights = (mass / np.maximum(seen, 1))[stratum[states]]
        return weights / weights.sum()

    @cached_property
    def _entries(self) -> np.ndarray:
        """For each state, the likeliest transition that leads into it, shape (S,)."""
        flow = np.repeat(self.stationary, np.diff(self.indptr)) * self.probs
        order = np.argsort(flow, kind="stable")
        entry = np.empty(self.states, np.int64)
        entry[self.next_states[order]] = order  # the last, largest, stays
        return entry

    def _questions(self, tokens, states, weights) -> Exam:
        """All ways out of the state at each position, padded to the most there are."""
        used = np.where(weights > 0, states, states.flat[0])  # blind positions ask nothing
        degree = np.diff(self.indptr)[used]
        k = np.arange(degree.max())
        valid = k < degree[..., None]
        way = np.minimum(self.indptr[used][..., None] + k, len(self.probs) - 1)
        targets = np.where(valid, self.tokens[way], 0)
        return Exam.make(tokens, targets, np.where(valid, self.probs[way], 0), weights, self.floor)


def stationary_distribution(p: sparse.csr_matrix) -> np.ndarray:
    """The row vector pi with pi P = pi and sum 1, of an irreducible stochastic matrix.

    Small ones are solved directly. Large ones by powers of the lazy chain (P + 1) / 2, which has
    the same pi and never cycles; where that is slow (long thin graphs) a sparse factorisation is
    quick.
    """
    s = p.shape[0]
    if s <= DENSE:
        a = p.T.toarray() - np.eye(s)
        a[-1] = 1.0  # one equation is redundant: the sum takes its place
        pi = np.linalg.solve(a, np.r_[np.zeros(s - 1), 1.0])
    else:
        pi, transposed = np.full(s, 1.0 / s), p.T.tocsr()
        for _ in range(5000):
            new = 0.5 * (pi + transposed @ pi)
            change, pi = np.abs(new - pi).sum(), new / new.sum()
            if change < 1e-14:
                break
        else:
            a = (transposed - sparse.identity(s)).tocsc()
            rest = linalg.spsolve(a[:-1, :-1], -a[:-1, [-1]].toarray().ravel())
            pi = np.r_[rest, 1.0]
    pi = np.maximum(pi, 0)
    return pi / pi.sum()
