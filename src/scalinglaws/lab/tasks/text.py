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
        # A reading may be shifted by up to context - 1, and still has this many sequences.
        return max(0, len(self.corpus.train) // context - 1)

    def _reading(self, data_seed, context, number):
        """Where the sequences of one reading of the corpus start, in reading order."""

        def draw():
            rng = np.random.default_rng([data_seed, DATA, number])
            shift = int(rng.integers(context)) if number else 0
            return shift + context * rng.permutation(self._most_unique(context))

        return self._cached(("reading", data_seed, context, number), draw)

    def _sequences(self, data_seed, context, chunk):
        n = self._most_unique(context)
        if n < 1:
            raise TaskError(
                f"The corpus of {self.text!r} has {len(self.corpus.train)} training tokens, too "
                f"few for sequences of {context}. Take a larger corpus or a shorter context."
            )
        readings, places = np.divmod(np.arange(chunk * CHUNK, (chunk + 1) * CHUNK), n)
        starts = np.empty(CHUNK, np.int64)
        for number in np.unique(readings):
            here = readings == number
            starts[here] = self._reading(data_seed, context, int(number))[places[here]]
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
