"""Random walks on graphs: a language whose entropy is known exactly.

A walker on a graph steps to a neighbour chosen with known probabilities. The sequence of nodes is
a text; the nodes are its vocabulary. The best possible next-token loss is the walk's entropy rate,
which follows from the transition probabilities alone, so the floor E of a scaling law is not
fitted but known. Barkeshli, Alfarano & Gromov 2026 (arXiv 2601.10684) train transformers on it.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from ...errors import GraphError
from .markov import MarkovTask

__all__ = ["GraphWalk", "counting_loss"]

LARGEST = 1_000_000  # nodes
MAX_KAPPA = 10.0


class GraphWalk(MarkovTask):
    """A random walk on a connected graph.

    Parameters
    ----------
    transitions : scipy.sparse matrix or array_like, shape (V, V)
        Row i holds the probabilities of the next node after node i; rows sum to 1.
    text : str
        What to call it in tables.

    Raises
    ------
    GraphError
        Not square, negative or non-finite entries, rows that do not sum to 1, a node with no way
        out, or a graph of several components (a walk would see only one of them).

    Examples
    --------
    A triangle: two equally likely ways from each node, so one bit a step.

    >>> walk = GraphWalk.from_adjacency(np.ones((3, 3)) - np.eye(3))
    >>> walk.vocab, round(walk.entropy_rate / math.log(2), 12)
    (3, 1.0)
    """

    def __init__(self, transitions, text: str = "graph"):
        p = _checked(transitions)
        closed_form = _degrees_if_unbiased(p)
        super().__init__(
            text, p.shape[0], p.indptr, p.indices, p.indices, p.data, stationary=closed_form
        )
        self.transitions = p

    # -- ways to make one ---------------------------------------------------------------------

    @classmethod
    def from_adjacency(
        cls, adjacency, *, kappa: float = 0.0, seed: int = 0, text: str = "graph"
    ) -> GraphWalk:
        """The walk on an undirected or directed graph.

        Parameters
        ----------
        adjacency : sparse matrix or array_like, shape (V, V)
            Non-zero where there is an edge.
        kappa : float, default 0
            0: all neighbours equally likely. Otherwise the k-th neighbour, in an order drawn
            anew at each node, has weight k^-kappa: transition probabilities follow a power law.
        seed : int
            Draws the order of neighbours.
        """
        kappa, seed = _kappa(kappa), _whole("seed", seed, 0, 2**63)
        try:
            a = sparse.csr_matrix(adjacency).astype(bool).astype(np.float64)
        except (TypeError, ValueError) as err:
            raise GraphError(f"The adjacency is not a matrix of numbers: {err}.") from err
        a.sum_duplicates()
        a.eliminate_zeros()
        degree = np.diff(a.indptr)
        if (degree == 0).any():
            raise GraphError(_dead_end(degree))
        rows = np.repeat(np.arange(a.shape[0]), degree)
        if kappa:
            # A random order of the neighbours of each node: sort by node, then by random numbers.
            order = np.lexsort((np.random.default_rng(seed).random(a.nnz), rows))
            rank = np.empty(a.nnz)
            rank[order] = np.arange(a.nnz) - a.indptr[rows] + 1.0
            weights = rank**-kappa
            data = weights / np.bincount(rows, weights)[rows]
        else:
            data = 1.0 / degree[rows]
        return cls(sparse.csr_matrix((data, a.indices, a.indptr), shape=a.shape), text)

    @classmethod
    def from_networkx(
        cls, graph, *, kappa: float = 0.0, seed: int = 0, text: str = "graph"
    ) -> GraphWalk:
        """The walk on a networkx graph; nodes are numbered in its own order."""
        import networkx as nx

        if len(graph) < 2:
            raise GraphError(f"The graph has {len(graph)} nodes. A walk needs at least 2.")
        matrix = nx.to_scipy_sparse_array(graph, weight=None, format="csr")
        return cls.from_adjacency(matrix, kappa=kappa, seed=seed, text=text)

    @classmethod
    def from_edge_list(
        cls, path, *, kappa: float = 0.0, seed: int = 0, text: str | None = None
    ) -> GraphWalk:
        """The walk on the undirected graph in a text file, two node names a line.

        Lines that start with ``#`` are comments; further columns are ignored. Nodes are numbered
        in the order in which they first occur.

        Raises
        ------
        GraphError
            A file that cannot be read, has a line without two names, or no edges.
        """
        import networkx as nx

        graph = nx.Graph()
        try:
            with open(path, encoding="utf-8") as lines:
                for number, line in enumerate(lines, 1):
                    words = line.split("#")[0].split()
                    if len(words) == 1:
                        raise GraphError(
                            f"{path}, line {number}: {words[0]!r} alone. An edge is two node names."
                        )
                    if words:
                        graph.add_edge(words[0], words[1])
        except (OSError, UnicodeDecodeError) as err:
            raise GraphError(f"Cannot read edges from {path}: {err}.") from err
        text = text or f"graph:path={path}"
        return cls.from_networkx(graph, kappa=kappa, seed=seed, text=text)

    @classmethod
    def erdos_renyi(
        cls, nodes: int, edges: int, *, kappa: float = 0.0, seed: int = 0, text: str | None = None
    ) -> GraphWalk:
        """A graph with `edges` drawn evenly among all pairs of nodes; its largest component.

        Raises
        ------
        GraphError
            More edges than pairs, or so few that the largest component holds under 90 % of nodes.
        """
        nodes = _whole("nodes", nodes, 2, LARGEST)
        pairs = nodes * (nodes - 1) // 2
        edges = _whole("edges", edges, 1, pairs)
        seed = _whole("seed", seed, 0, 2**62)
        k = np.random.default_rng(seed).choice(pairs, edges, replace=False, shuffle=False)
        i, j = _pair(k)
        a = sparse.csr_matrix((np.ones(2 * edges), (np.r_[i, j], np.r_[j, i])), (nodes, nodes))
        a = _largest_component(a, nodes, f"{edges} edges on {nodes} nodes")
        text = text or f"er:nodes={nodes},edges={edges}"
        return cls.from_adjacency(a, kappa=kappa, seed=seed + 1, text=text)

    @classmethod
    def barabasi_albert(
        cls, nodes: int, links: int, *, kappa: float = 0.0, seed: int = 0, text: str | None = None
    ) -> GraphWalk:
        """A graph grown node by node, each new one linked to `links` others, preferring hubs.

        Raises
        ------
        GraphError
            Fewer than 3 nodes, or as many links as nodes.
        """
        import networkx as nx

        nodes = _whole("nodes", nodes, 3, LARGEST)
        links = _whole("links", links, 1, nodes - 1)
        seed = _whole("seed", seed, 0, 2**62)
        graph = nx.barabasi_albert_graph(nodes, links, seed=seed)
        text = text or f"ba:nodes={nodes},links={links}"
        return cls.from_networkx(graph, kappa=kappa, seed=seed + 1, text=text)

    def describe(self) -> dict:
        """What is known about the task, as plain numbers and text."""
        degree = np.diff(self.indptr)
        return {
            **super().describe(),
            "mean_degree": float(degree.mean()),
            "largest_degree": int(degree.max()),
        }


def counting_loss(walk: MarkovTask, tokens, *, repeats: int = 20, seed: int = 0) -> np.ndarray:
    """Excess loss of the estimator that counts transitions, for several numbers of tokens.

    The support (which transitions exist) is given, and half a count is added to each (Jeffreys'
    prior). Its excess over the entropy rate tends to K / (2 D), K the free transitions: the
    parametric rate, with exponent 1, and no power law in the data is needed for it.

    Parameters
    ----------
    walk : GraphWalk
        Or any other Markov source.
    tokens : array_like of int, shape (m,)
        Transitions seen.
    repeats : int, default 20
        Data sets averaged over.
    seed : int
        Draws them.

    Returns
    -------
    ndarray, shape (m,)
        Excess loss in nats per token.

    Raises
    ------
    GraphError
        A number of tokens below 1.
    """
    states = np.repeat(np.arange(walk.states), np.diff(walk.indptr))
    weight = walk.stationary[states] * walk.probs
    out = np.zeros(len(tokens))
    rng = np.random.default_rng(seed)
    for k, d in enumerate(tokens):
        d = _whole("tokens", d, 1, 10**10)
        for _ in range(repeats):
            counts = 0.5 + walk.transition_counts(d, rng)
            total = np.bincount(states, counts, minlength=walk.states)
            out[k] += (weight * (np.log(walk.probs) - np.log(counts / total[states]))).sum()
    return out / repeats


def _pair(k: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair number k of (1, 0) (2, 0) (2, 1) (3, 0) ..."""
    # In doubles this is exact up to 10^6 nodes: 8 k stays under 2^53.
    i = ((1 + np.sqrt(1 + 8.0 * k)) / 2).astype(np.int64)
    return i, k - i * (i - 1) // 2


def _whole(name: str, value, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise GraphError(f"{name} = {value!r} is not a whole number.")
    if not low <= value <= high:
        raise GraphError(f"{name} = {value} must lie between {low} and {high}.")
    return int(value)


def _kappa(kappa) -> float:
    number = isinstance(kappa, (int, float, np.number)) and not isinstance(kappa, bool)
    if not (number and 0 <= kappa <= MAX_KAPPA):
        raise GraphError(f"kappa = {kappa!r} must lie between 0 (unbiased) and {MAX_KAPPA:g}.")
    return float(kappa)


def _dead_end(degree) -> str:
    dead = np.flatnonzero(degree == 0)
    return (
        f"Node {dead[0]} has no way out ({len(dead)} such nodes): a walk would stop there. "
        "Remove it, give it an edge, or keep the largest component."
    )


def _checked(transitions) -> sparse.csr_matrix:
    try:
        p = sparse.csr_matrix(transitions, dtype=np.float64, copy=True)
    except (TypeError, ValueError) as err:
        raise GraphError(f"The transitions are not a square matrix of numbers: {err}.") from err
    p.sum_duplicates()
    p.eliminate_zeros()
    if p.shape[0] != p.shape[1] or p.shape[0] < 2:
        raise GraphError(f"The transitions must be square, at least 2 by 2; got {p.shape}.")
    if p.shape[0] > LARGEST:
        raise GraphError(f"{p.shape[0]} nodes are more than the {LARGEST} that fit.")
    if not np.isfinite(p.data).all() or (p.data < 0).any():
        raise GraphError("Transition probabilities must be finite and not negative.")
    degree = np.diff(p.indptr)
    if (degree == 0).any():
        raise GraphError(_dead_end(degree))
    sums = np.asarray(p.sum(axis=1)).ravel()
    row = int(np.abs(sums - 1).argmax())
    if abs(sums[row] - 1) > 1e-9:
        raise GraphError(f"Row {row} of the transitions sums to {sums[row]:.6g}, not to 1.")
    count, labels = csgraph.connected_components(p, directed=True, connection="strong")
    if count > 1:
        size = int(np.bincount(labels).max())
        raise GraphError(
            f"The graph falls into {count} components (the largest has {size} of {p.shape[0]} "
            "nodes): a walk would never see the others. Keep the largest component, or add edges."
        )
    return p


def _degrees_if_unbiased(p: sparse.csr_matrix) -> np.ndarray | None:
    """Share of time degree / 2E at each node, if all neighbours are equally likely both ways."""
    degree = np.diff(p.indptr)
    if np.abs(p.data * np.repeat(degree, degree) - 1).max() > 1e-12:
        return None
    pattern = sparse.csr_matrix((np.ones(p.nnz), p.indices, p.indptr), p.shape)
    if (pattern != pattern.T).nnz:
        return None
    return degree / degree.sum()


def _largest_component(a, nodes: int, what: str):
    count, labels = csgraph.connected_components(a, directed=False)
    if count == 1:
        return a
    keep = labels == np.bincount(labels).argmax()
    if keep.mean() < 0.9:
        raise GraphError(
            f"{what}: the largest component holds only {keep.sum()} of {nodes} nodes. Use more "
            f"edges (about {math.ceil(nodes * math.log(nodes) / 2)} connect nearly all of them)."
        )
    return a[keep][:, keep]
