"""Text, byte by byte: the top of the ladder, where nobody knows the entropy."""

from __future__ import annotations

import numpy as np

from ...errors import TaskError
from .base import CHUNK, DATA, Exam, Task
from .corpora import Corpus

__all__ = ["TextTask"]

EXAM_TOKENS = 32_768


class TextTask(Task):
    """Next-symbol prediction on a corpus.

    The training part is cut into sequences of `context` tokens, read in random order. A run that
    is longer than the corpus reads it again, cut at other places.

    Parameters
    ----------
    corpus : Corpus
    text : str
        Description.

    Examples
    --------
    >>> from scalinglaws.lab.tasks.corpora import Corpus
    >>> task = TextTask(Corpus.from_text("to be or not to be " * 50))
    >>> task.vocab, task.floor
    (7, None)
    """

    def __init__(self, corpus: Corpus, text: str = "text"):
        self.corpus, self.text, self.vocab = corpus, text, corpus.vocab

    def describe(self) -> dict:
        """What is known about the task, as plain numbers and text."""
        return {**super().describe(), **self.corpus.describe()}

    def _most_unique(self, context):
        return (len(self.corpus.train) - 1) // context

    def _pass(self, data_seed, context, number):
        """Where the sequences of one reading of the corpus start, in reading order."""

        def draw():
            rng = np.random.default_rng([data_seed, DATA, number])
            shift = 0 if number == 0 else int(rng.integers(context))
            return shift + context * rng.permutation(self._most_unique(context) - (shift > 0))

        return self._cached(("pass", data_seed, context, number), draw)

    def _sequences(self, data_seed, context, chunk):
        if self._most_unique(context) < 2:
            raise TaskError(
                f"The corpus of {self.text!r} has {len(self.corpus.train)} training tokens, too "
                f"few for sequences of {context}. Take a larger corpus or a shorter context."
            )
        wanted, starts, number, before = range(chunk * CHUNK, (chunk + 1) * CHUNK), [], 0, 0
        while before < wanted.stop:
            # Later readings are shifted, and one sequence shorter.
            size = self._most_unique(context) if number == 0 else None
            here = self._pass(data_seed, context, number) if size is None else None
            size = size or len(here)
            if before + size > wanted.start:
                here = self._pass(data_seed, context, number) if here is None else here
                starts.append(here[max(wanted.start - before, 0) : wanted.stop - before])
            before += size
            number += 1
        starts = np.concatenate(starts)
        return self.corpus.train[starts[:, None] + np.arange(context + 1)].astype(np.int32)

    def _exam(self, context, size, seed):
        held_out = self.corpus.held_out
        most = (len(held_out) - 1) // context
        if most < 1:
            raise TaskError(
                f"The corpus of {self.text!r} has {len(held_out)} held-out tokens, too few for a "
                f"sequence of {context}. Take a larger corpus or a shorter context."
            )
        n = min(size or max(1, EXAM_TOKENS // context), most)
        # Evenly spaced over the held-out part; `seed` shifts them all.
        blocks = (np.arange(n) * most // n + seed) % most
        data = held_out[blocks[:, None] * context + np.arange(context + 1)]
        weights = np.full((n, context), 1.0 / (n * context))
        ones = np.ones((n, context, 1))
        return Exam.make(data[:, :-1], data[:, 1:, None], ones, weights, None)
