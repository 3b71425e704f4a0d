"""Tasks to train on: walks on graphs, n-gram languages, text, associative memory.

A task is named by a text such as ``"er:nodes=256,edges=1280"``; `make_task` makes it.
"""

from __future__ import annotations

import inspect
import math
from functools import lru_cache

from ...errors import TaskError
from .base import Exam, Task
from .corpora import Corpus, load_corpus
from .graphs import GraphWalk, counting_loss
from .lowrank import low_rank_loss
from .markov import MarkovTask
from .memory import MemoryTask
from .ngram import NGramTask
from .text import TextTask

__all__ = [
    "TASKS",
    "Corpus",
    "Exam",
    "GraphWalk",
    "MarkovTask",
    "MemoryTask",
    "NGramTask",
    "Task",
    "TextTask",
    "canonical",
    "counting_loss",
    "load_corpus",
    "low_rank_loss",
    "make_task",
]


def _er(text, *, nodes: int, edges: int, kappa: float = 0.0, seed: int = 0):
    """Random walk on an Erdős-Rényi graph: edges drawn evenly among all pairs of nodes."""
    return GraphWalk.erdos_renyi(nodes, edges, kappa=kappa, seed=seed, text=text)


def _ba(text, *, nodes: int, links: int, kappa: float = 0.0, seed: int = 0):
    """Random walk on a Barabási-Albert graph: each new node links to others, preferring hubs."""
    return GraphWalk.barabasi_albert(nodes, links, kappa=kappa, seed=seed, text=text)


def _graph(text, *, path: str, kappa: float = 0.0, seed: int = 0):
    """Random walk on the graph in a file, two node names a line."""
    return GraphWalk.from_edge_list(path, kappa=kappa, seed=seed, text=text)


def _ngram(text, *, order: int = 2, corpus: str = "stdlib", url: str = "", sha256: str = ""):
    """n-gram language fitted to a corpus: order 1 is unigram, 2 bigram, and so on to 6."""
    return NGramTask(load_corpus(corpus, url=url, sha256=sha256), order, text)


def _text(text, *, corpus: str = "stdlib", url: str = "", sha256: str = ""):
    """The bytes of a corpus (stdlib, tinyshakespeare, enwik8, file:PATH); entropy unknown."""
    return TextTask(load_corpus(corpus, url=url, sha256=sha256), text)


def _memory(text, *, inputs: int = 1000, outputs: int = 100, tail: float = 1.5, seed: int = 0):
    """Associative memory: inputs with Zipf frequencies k^-tail, each with one label to remember."""
    return MemoryTask(inputs, outputs, tail, seed, text)


_MAKERS = {
    "er": _er,
    "ba": _ba,
    "graph": _graph,
    "ngram": _ngram,
    "text": _text,
    "memory": _memory,
}

TASKS = {name: inspect.getdoc(maker) for name, maker in _MAKERS.items()}
"""Names of the tasks and what they are."""


def _parse(text: str) -> tuple[str, dict]:
    if not isinstance(text, str):
        raise TaskError(f"{text!r} is not the text of a task, such as 'er:nodes=256,edges=1280'.")
    name, _, rest = text.strip().partition(":")
    if name not in _MAKERS:
        raise TaskError(f"{name!r} is not a task. The tasks are: {', '.join(_MAKERS)}.")
    parameters = {
        p.name: p
        for p in inspect.signature(_MAKERS[name]).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }
    given = {}
    for part in rest.split(",") if rest.strip() else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise TaskError(f"{part.strip()!r} in {text!r} is not of the form name=value.")
        if key not in parameters:
            raise TaskError(
                f"{key!r} is not an argument of task {name!r}. It takes {', '.join(parameters)}."
            )
        if key in given:
            raise TaskError(f"{key!r} is given twice in {text!r}.")
        given[key] = _value(parameters[key].annotation, key, value)
    missing = [k for k, p in parameters.items() if p.default is p.empty and k not in given]
    if missing:
        raise TaskError(f"{text!r} lacks {', '.join(missing)}. For example: '{_example(name)}'.")
    return name, {k: given.get(k, p.default) for k, p in parameters.items()}


def _value(kind: str, key: str, value: str):
    if kind == "str":
        return value
    try:
        number = float(value)
        if not math.isfinite(number) or (kind == "int" and number != int(number)):
            raise ValueError
    except ValueError:
        what = "a whole number" if kind == "int" else "a number"
        raise TaskError(f"{key} = {value!r} is not {what}.") from None
    if kind == "float":
        return number
    if key == "seed" and not 0 <= number < 2**53:
        raise TaskError(f"seed = {value} must lie between 0 and 2^53.")
    return int(number)


def _example(name: str) -> str:
    return {
        "er": "er:nodes=256,edges=1280",
        "ba": "ba:nodes=256,links=5",
        "graph": "graph:path=edges.txt",
    }[name]


def canonical(text: str) -> str:
    """The one spelling of a task: arguments in their fixed order, those at their default left out.

    Raises
    ------
    TaskError
        An unknown task or argument, or a value that is not a number where one is due.

    Examples
    --------
    >>> canonical("er: edges=1280, nodes=256, kappa=0.0")
    'er:nodes=256,edges=1280'
    """
    name, arguments = _parse(text)
    defaults = inspect.signature(_MAKERS[name]).parameters
    parts = [
        f"{k}={int(v) if isinstance(v, float) and v == int(v) else v}"
        for k, v in arguments.items()
        if v != defaults[k].default
    ]
    return f"{name}:{','.join(parts)}" if parts else name


def make_task(text: str) -> Task:
    """The task that a text describes, such as ``"er:nodes=256,edges=1280"``.

    Tasks are kept, so asking again is free. `TASKS` lists them.

    Raises
    ------
    TaskError
        An unknown task or argument, or one out of range.
    GraphError
        A graph that no walk can use.

    Examples
    --------
    >>> task = make_task("er:nodes=64,edges=256")
    >>> task.vocab
    64
    >>> task.batches(0, first=0, count=2, batch=16, context=32).shape
    (2, 16, 33)
    """
    return _make(canonical(text))


@lru_cache(maxsize=16)
def _make(text: str) -> Task:
    name, arguments = _parse(text)
    return _MAKERS[name](text, **arguments)
