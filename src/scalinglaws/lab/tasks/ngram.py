"""n-gram languages fitted to a text: a ladder from letter frequencies towards real text.

The text is treated as a circle, so that each context that occurs has a continuation and can be
reached again. The long-run share of each context is then exactly its frequency in the text, and
the entropy rate is the conditional entropy of the counts: nothing has to be solved for.
"""

from __future__ import annotations

import numpy as np

from ...errors import TaskError
from .corpora import Corpus
from .markov import MarkovTask

__all__ = ["NGramTask"]

MAX_ORDER = 6
LARGEST = 32_000_000  # bytes of text


class NGramTask(MarkovTask):
    """The n-gram language of a text: the next symbol depends on the last ``order - 1``.

    Parameters
    ----------
    corpus : Corpus
        The text; its symbols are the vocabulary, whatever the order.
    order : int
        1 to 6: unigram, bigram, trigram, ...
    text : str
        Description.

    Raises
    ------
    TaskError
        Another order, or a corpus of over 32 MB.

    Examples
    --------
    >>> from scalinglaws.lab.tasks.corpora import Corpus
    >>> abab = NGramTask(Corpus.from_text("abababab"), order=2)
    >>> abab.vocab, abab.entropy_rate, round(abab.unigram_entropy, 4)
    (2, 0.0, 0.6931)
    """

    def __init__(self, corpus: Corpus, order: int = 2, text: str = "ngram"):
        if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= MAX_ORDER:
            raise TaskError(f"order = {order!r} must be a whole number from 1 to {MAX_ORDER}.")
        if len(corpus.tokens) > LARGEST:
            raise TaskError(
                f"The corpus {corpus.name!r} has {len(corpus.tokens)} bytes; counting n-grams "
                f"takes 50 times as much memory, so at most {LARGEST} are allowed. Use a part."
            )
        s, v = corpus.tokens.astype(np.int64), corpus.vocab
        # The `order` symbols that end at each place, as digits of one number in base v.
        grams = np.zeros(len(s), np.int64)
        for back in range(order - 1, -1, -1):
            grams = grams * v + np.roll(s, back)
        grams, counts = np.unique(grams, return_counts=True)
        contexts, emitted = np.divmod(grams, v)
        states, first = np.unique(contexts, return_index=True)
        indptr = np.r_[first, len(grams)]
        seen = np.add.reduceat(counts, first)
        following = grams % v ** (order - 1)  # forget the oldest symbol
        super().__init__(
            text,
            v,
            indptr,
            emitted,
            np.searchsorted(states, following),
            counts / np.repeat(seen, np.diff(indptr)),
            memory=order - 1,
            stationary=seen / seen.sum(),
        )
        self.corpus, self.order = corpus, order

    def describe(self) -> dict:
        """What is known about the task, as plain numbers and text."""
        return {**super().describe(), "order": self.order, **self.corpus.describe()}
