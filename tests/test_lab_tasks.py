"""Tasks of the lab: what is claimed to be known exactly is, and data are a pure function of seeds.

Claims are checked against closed forms (regular graphs, degrees, direct counts), against sampled
text, and against models whose loss is known: the true one and the uniform one.
"""

from __future__ import annotations

import functools
import http.server
import io
import math
import threading
import tracemalloc
import zipfile
from collections import Counter

import networkx as nx
import numpy as np
import pooch
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scalinglaws.errors import GraphError, TaskError
from scalinglaws.lab.tasks import (
    TASKS,
    Corpus,
    GraphWalk,
    MemoryTask,
    NGramTask,
    TextTask,
    canonical,
    counting_loss,
    load_corpus,
    make_task,
)
from scalinglaws.lab.tasks.alias import AliasTable
from scalinglaws.lab.tasks.base import CHUNK
from scalinglaws.lab.tasks.graphs import LARGEST, _pair
from scalinglaws.lab.tasks.markov import DENSE, stationary_distribution

WORDS = np.random.default_rng(7).choice(["the ", "cat ", "sat ", "on ", "a ", "mat.\n"], 3000)
PROSE = Corpus.from_text("".join(WORDS), "prose")  # small, with structure

SMALL = {
    "er": GraphWalk.erdos_renyi(40, 100, seed=1),
    "ba": GraphWalk.barabasi_albert(40, 2, kappa=1.0, seed=1),
    "unigram": NGramTask(PROSE, 1),
    "bigram": NGramTask(PROSE, 2),
    "4-gram": NGramTask(PROSE, 4),
    "text": TextTask(PROSE),
    "memory": MemoryTask(50, 7, 1.5),
}
CONTEXT = {name: task.fixed_context or 6 for name, task in SMALL.items()}
MARKOV = ["er", "ba", "unigram", "bigram", "4-gram"]
small_tasks = pytest.mark.parametrize("name", SMALL)


# -- entropy and stationary distribution ----------------------------------------------------------


@pytest.mark.parametrize(("degree", "nodes"), [(2, 5), (3, 20), (6, 31), (10, 300)])
def test_a_regular_graph_has_the_logarithm_of_its_degree(degree, nodes):
    walk = GraphWalk.from_networkx(nx.random_regular_graph(degree, nodes, seed=3))
    assert walk.entropy_rate == pytest.approx(math.log(degree), rel=1e-12)
    assert walk.unigram_entropy == pytest.approx(math.log(nodes), rel=1e-12)
    assert walk.free_transitions == nodes * (degree - 1)


@pytest.mark.parametrize("nodes", [2, 3, 50])
def test_a_complete_graph_has_the_logarithm_of_the_others(nodes):
    walk = make_task(f"er:nodes={nodes},edges={nodes * (nodes - 1) // 2}")
    assert walk.vocab == nodes
    assert walk.floor == pytest.approx(math.log(nodes - 1), abs=1e-12)


def test_a_directed_ring_is_certain_although_it_never_mixes():
    ring = GraphWalk.from_adjacency(np.roll(np.eye(7), 1, axis=1))
    assert ring.entropy_rate == 0
    assert ring.stationary == pytest.approx(np.full(7, 1 / 7))


@pytest.mark.parametrize("text", ["er:nodes=200,edges=700", "ba:nodes=200,links=3"])
def test_unbiased_walks_follow_degrees(text):
    walk = make_task(text)
    degree = np.diff(walk.transitions.indptr)
    assert walk.stationary == pytest.approx(degree / degree.sum(), rel=1e-12)
    assert walk.floor == pytest.approx((degree * np.log(degree)).sum() / degree.sum(), rel=1e-12)
    # the closed form solves the equation that defines it
    assert walk.transitions.T @ walk.stationary == pytest.approx(walk.stationary, abs=1e-15)
    assert stationary_distribution(walk.transitions) == pytest.approx(walk.stationary, rel=1e-9)


@pytest.mark.parametrize(
    "graph",
    [
        nx.gnm_random_graph(200, 900, seed=1),
        nx.gnm_random_graph(2 * DENSE, 15 * DENSE, seed=1),
        nx.watts_strogatz_graph(DENSE + 300, 4, 0.0),  # a long thin ring: powers hardly converge
    ],
    ids=["dense", "powers", "factorisation"],
)
def test_stationary_distribution_of_biased_walks(graph):
    walk = GraphWalk.from_networkx(graph, kappa=1.0, seed=2)
    pi = walk.stationary
    assert pi.sum() == pytest.approx(1)
    assert walk.transitions.T @ pi == pytest.approx(pi, rel=1e-8)
    assert np.ptp(pi) > 0.1 / walk.vocab


def test_kappa_gives_power_law_weights_in_an_order_of_each_node():
    walk = GraphWalk.from_adjacency(np.ones((6, 6)) - np.eye(6), kappa=1.5, seed=4)
    expected = np.arange(1, 6.0) ** -1.5
    rows = walk.probs.reshape(6, 5)
    assert np.sort(rows)[:, ::-1] == pytest.approx(np.tile(expected / expected.sum(), (6, 1)))
    assert len({tuple(np.argsort(row)) for row in rows}) > 1


@pytest.mark.parametrize("kappa", [0.0, 1.0])
def test_bias_lowers_the_entropy(kappa):
    rates = [make_task(f"er:nodes=100,edges=500,kappa={k}").floor for k in (kappa, kappa + 0.5)]
    assert rates[1] < rates[0] < math.log(100)


def test_erdos_renyi_has_the_edges_asked_for_and_all_pairs_alike():
    counts = np.zeros((12, 12))
    for seed in range(200):
        walk = GraphWalk.erdos_renyi(12, 50, seed=seed)
        assert walk.transitions.nnz == 100 and walk.vocab == 12
        counts += (walk.transitions.toarray() > 0).astype(int)
    assert (counts == counts.T).all() and not counts.diagonal().any()
    pairs = counts[np.triu_indices(12, 1)]
    # Each pair is there with probability 50/66, independently between graphs.
    z = (pairs - 200 * 50 / 66) / math.sqrt(200 * 50 / 66 * 16 / 66)
    assert np.abs(z).max() < 4 and (z**2).mean() == pytest.approx(1, abs=0.7)


@given(st.integers(1, LARGEST))
def test_pairs_are_numbered_without_rounding(i):
    first = i * (i - 1) // 2  # of those whose larger node is i
    larger, smaller = _pair(np.array([first, first + i - 1, first + i]))
    assert larger.tolist() == [i, i, i + 1] and smaller.tolist() == [0, i - 1, 0]


def test_only_the_largest_component_is_kept():
    walk = GraphWalk.erdos_renyi(200, 420, seed=0)
    assert 180 <= walk.vocab < 200


# -- sampling -------------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=30), min_size=1, max_size=8),
)
def test_alias_tables_hold_exactly_the_probabilities(rows):
    rows = [np.array(r) / sum(r) for r in rows]
    degree = np.array([len(r) for r in rows])
    indptr = np.r_[0, np.cumsum(degree)]
    table = AliasTable(indptr, np.concatenate(rows))
    entries = np.arange(indptr[-1])
    assert ((table.keep >= 0) & (table.keep <= 1 + 1e-12)).all()
    mass = table.keep + np.bincount(table.alias, 1 - table.keep, minlength=len(entries))
    assert mass / np.repeat(degree, degree) == pytest.approx(np.concatenate(rows), abs=1e-14)
    # an alias stays in its row
    row = np.repeat(np.arange(len(rows)), degree)
    assert (row[table.alias] == row).all()


@pytest.mark.parametrize("name", MARKOV)
def test_sampled_transitions_have_their_probabilities(name):
    task = SMALL[name]
    counts = task.transition_counts(200_000, np.random.default_rng(5))
    assert counts.sum() == 200_000
    expected = np.repeat(task.stationary, np.diff(task.indptr)) * task.probs * counts.sum()
    # Transitions of one walk are dependent in how often states come up, but not within a state.
    total = np.add.reduceat(counts, task.indptr[:-1])
    within = np.repeat(total, np.diff(task.indptr)) * task.probs
    usual = within > 5
    statistic = ((counts - within) ** 2 / within)[usual].sum()
    freedom = usual.sum() - len(np.unique(np.repeat(total, np.diff(task.indptr))[usual]))
    assert stats.chi2.sf(statistic, freedom) > 1e-4
    assert np.abs(counts - expected).max() < 10 * np.sqrt(expected.max())


@pytest.mark.parametrize("name", MARKOV)
def test_sequences_start_in_the_long_run_and_stay_there(name):
    task = SMALL[name]
    data = task.sample(20_000, 5, seed=3)
    for t in (0, 4):
        seen = np.bincount(data[:, t], minlength=task.vocab)
        assert stats.chisquare(seen, task.token_frequencies * len(data)).pvalue > 1e-4


def test_walks_use_edges_only():
    walk = SMALL["er"]
    data = walk.sample(500, 20)
    assert (walk.transitions[data[:, :-1].ravel(), data[:, 1:].ravel()] > 0).all()


def test_sampled_text_has_the_n_grams_of_the_corpus_and_no_others():
    order = 4
    task = NGramTask(PROSE, order)
    circle = np.r_[PROSE.tokens, PROSE.tokens[: order - 1]]
    truth = Counter(map(tuple, np.lib.stride_tricks.sliding_window_view(circle, order).tolist()))
    data = task.sample(3000, 20, seed=1)
    windows = np.lib.stride_tricks.sliding_window_view(data, order, axis=1).reshape(-1, order)
    seen = Counter(map(tuple, windows.tolist()))
    assert set(seen) <= set(truth)
    for gram, count in truth.most_common(20):
        share = count / len(PROSE.tokens)
        # 20 tokens of one sequence are dependent: at worst as if there were one draw each.
        assert seen[gram] / len(windows) == pytest.approx(share, abs=5 * math.sqrt(share / 3000))


# -- the counting estimator -----------------------------------------------------------------------


def test_counting_has_slope_minus_one_and_constant_half_k():
    walk = GraphWalk.erdos_renyi(60, 240, seed=1)
    tokens = np.array([30_000, 120_000, 480_000])
    excess = counting_loss(walk, tokens, repeats=6, seed=0)
    # 2 D x excess is chi-squared with K degrees of freedom, averaged over the repeats.
    spread = math.sqrt(2 / walk.free_transitions / 6)
    assert excess * 2 * tokens / walk.free_transitions == pytest.approx(np.ones(3), abs=4 * spread)
    slope = np.polyfit(np.log(tokens), np.log(excess), 1)[0]
    assert slope == pytest.approx(-1, abs=4 * spread / math.log(16) * math.sqrt(2))


def test_counting_starts_from_half_a_count():
    coin, d, repeats = NGramTask(Corpus.from_text("ab"), 1), 4, 4000
    heads = np.arange(d + 1)
    q = (heads + 0.5) / (d + 1)
    excess = -np.log(2) - (np.log(q) + np.log(1 - q)) / 2
    chance = stats.binom.pmf(heads, d, 0.5)
    exact, spread = chance @ excess, math.sqrt(chance @ excess**2 / repeats)
    assert counting_loss(coin, [d], repeats=repeats) == pytest.approx([exact], abs=4 * spread)


# -- n-gram languages -----------------------------------------------------------------------------


def direct_entropy(text: str, order: int) -> float:
    """Conditional entropy by counting slices of the text laid in a circle."""
    circle = text + text[: order - 1]
    grams = Counter(circle[i : i + order] for i in range(len(text)))
    contexts = Counter(circle[i : i + order - 1] for i in range(len(text)))
    return -sum(n * math.log(n / contexts[g[:-1]]) for g, n in grams.items()) / len(text)


@given(st.text(alphabet="abcd", min_size=6, max_size=80).filter(lambda s: len(set(s)) > 1))
def test_n_gram_entropy_is_that_of_direct_counts_and_falls_with_the_order(text):
    corpus = Corpus.from_text(text)
    rates = [NGramTask(corpus, order).entropy_rate for order in range(1, 7)]
    assert rates == pytest.approx([direct_entropy(text, n) for n in range(1, 7)], abs=1e-12)
    assert (np.diff(rates) <= 1e-12).all()


@pytest.mark.parametrize("order", range(1, 7))
def test_context_frequencies_are_stationary(order):
    task = NGramTask(PROSE, order)
    assert task.stationary.sum() == pytest.approx(1)
    flow = np.repeat(task.stationary, np.diff(task.indptr)) * task.probs
    arrivals = np.bincount(task.next_states, flow, minlength=task.states)
    assert arrivals == pytest.approx(task.stationary, abs=1e-15)


def test_every_rung_of_the_ladder_has_the_vocabulary_of_the_text():
    rungs = [make_task(t) for t in ("ngram:order=1", "ngram", "ngram:order=3", "text")]
    assert len({task.vocab for task in rungs}) == 1
    known = [task.floor for task in rungs[:3]]
    assert known == sorted(known, reverse=True) and rungs[3].floor is None
    assert known[0] == pytest.approx(rungs[1].unigram_entropy)


# -- exams ----------------------------------------------------------------------------------------


def true_log_probs(task, exam):
    """What a model knows that has learned the task; nothing while the state is not visible."""
    v = task.vocab
    log_q = np.full((*exam.tokens.shape, v), -math.log(v))
    if isinstance(task, MemoryTask):
        log_q[:] = -50.0
        log_q[np.arange(task.inputs), 0, task.labels[exam.tokens[:, 0]]] = 0.0
        return log_q
    dense = np.full((task.states, v), -50.0)
    dense[np.repeat(np.arange(task.states), np.diff(task.indptr)), task.tokens] = np.log(task.probs)
    if isinstance(task, GraphWalk):
        return dense[exam.tokens]
    m = task.order - 1
    circle = np.r_[task.corpus.tokens[-m:], task.corpus.tokens] if m else task.corpus.tokens
    contexts = np.lib.stride_tricks.sliding_window_view(circle, m) if m else np.zeros((1, 0))
    number = {c: i for i, c in enumerate(sorted(set(map(tuple, contexts.tolist()))))}
    for i, row in enumerate(exam.tokens.tolist()):
        for t in range(max(m - 1, 0), len(row)):
            log_q[i, t] = dense[number[tuple(row[t + 1 - m : t + 1])]]
    return log_q


@pytest.mark.parametrize("name", [*MARKOV, "memory"])
def test_the_true_model_scores_the_floor(name):
    task = SMALL[name]
    exam = task.exam(CONTEXT[name])
    loss = exam.loss_from_log_probs(true_log_probs(task, exam))
    assert loss == pytest.approx(task.floor, abs=1e-6)


@pytest.mark.parametrize("name", [*MARKOV, "text", "memory"])
def test_the_uniform_model_scores_the_logarithm_of_the_vocabulary(name):
    task = SMALL[name]
    exam = task.exam(CONTEXT[name])
    uniform = np.full((*exam.tokens.shape, task.vocab), -math.log(task.vocab))
    assert exam.loss_from_log_probs(uniform) == pytest.approx(math.log(task.vocab), abs=1e-6)


@pytest.mark.parametrize("name", [*MARKOV, "memory"])
@given(seed=st.integers(0, 10**6))
def test_no_model_scores_under_the_floor(name, seed):
    task = SMALL[name]
    exam = task.exam(CONTEXT[name], size=4)
    logits = np.random.default_rng(seed).normal(size=(*exam.tokens.shape, task.vocab))
    log_q = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    assert exam.loss_from_log_probs(log_q) > task.floor - 1e-6


@pytest.mark.parametrize("name", ["er", "ba", "unigram", "bigram"])
def test_a_model_of_the_present_state_is_graded_without_sampling_error(name):
    task = SMALL[name]
    rng = np.random.default_rng(0)
    q = rng.dirichlet(np.ones(task.vocab), task.states)
    flow = np.repeat(task.stationary, np.diff(task.indptr)) * task.probs
    rows = np.repeat(np.arange(task.states), np.diff(task.indptr))
    exact = -(flow * np.log(q[rows, task.tokens])).sum()
    exam = task.exam(CONTEXT[name])
    states = exam.tokens if task.states > 1 else np.zeros_like(exam.tokens)
    assert exam.loss_from_log_probs(np.log(q)[states]) == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(
    "text", ["er:nodes=2000,edges=10000", "ba:nodes=2000,links=5,kappa=1", "ngram:order=3"]
)
def test_with_many_states_the_exam_is_within_a_few_percent_of_the_exact_excess(text):
    task = make_task(text)
    rows = np.repeat(np.arange(task.states), np.diff(task.indptr))
    counts = 0.5 + task.transition_counts(200_000, np.random.default_rng(0))
    q = counts / np.bincount(rows, counts)[rows]
    divergence = np.bincount(rows, task.probs * np.log(task.probs / q))
    exact = task.stationary @ divergence
    asked = {}
    original, task._questions = (
        task._questions,
        lambda tokens, states, w: asked.update(states=states, w=w),
    )
    try:
        errors = []
        for seed in range(6):
            task._exam(32, None, seed)
            errors.append((asked["w"] * divergence[asked["states"]]).sum() / exact - 1)
    finally:
        task._questions = original
    assert np.sqrt(np.mean(np.square(errors))) < 0.025


@small_tasks
def test_exam_is_well_formed_and_the_same_for_every_run(name):
    task, context = SMALL[name], CONTEXT[name]
    exam = task.exam(context)
    n, t = exam.tokens.shape
    assert t == context and exam.weights.shape == (n, t)
    assert exam.tokens.dtype == exam.targets.dtype == np.int32 and exam.probs.dtype == np.float32
    assert exam.weights.sum() == pytest.approx(1) and (exam.weights >= 0).all()
    assert exam.probs.sum(-1) == pytest.approx(np.ones((n, t)), abs=1e-5)
    assert exam.targets.min() >= 0 and max(exam.targets.max(), exam.tokens.max()) < task.vocab
    assert task.exam(context) is exam
    again = task._exam(context, None, 0)
    assert np.array_equal(again.tokens, exam.tokens) and again.entropy == exam.entropy


def test_an_n_gram_exam_asks_only_where_the_whole_context_is_seen():
    exam = SMALL["4-gram"].exam(6)
    assert not exam.weights[:, :2].any() and (exam.weights[:, 2:] > 0).all()
    with pytest.raises(TaskError, match="context = 2 is too short"):
        SMALL["4-gram"].exam(2)


def test_a_loss_needs_the_shape_of_the_exam():
    with pytest.raises(TaskError, match="log_q has shape"):
        SMALL["er"].exam(6).loss_from_log_probs(np.zeros((3, 6, 40)))


# -- training data --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["er", "4-gram", "text", "memory"])
@given(
    data_seed=st.integers(0, 3),
    first=st.integers(0, 3000),
    count=st.integers(1, 6),
    batch=st.integers(1, 5),
    unique=st.none() | st.integers(30, 300),
)
def test_a_step_sees_the_same_whatever_else_is_asked_for(
    name, data_seed, first, count, batch, unique
):
    context = CONTEXT[name]
    ask = functools.partial(
        SMALL[name].batches, data_seed, batch=batch, context=context, unique_tokens=unique
    )
    together = ask(first=first, count=count)
    assert together.shape == (count, batch, context + 1) and together.dtype == np.int32
    SMALL[name].__dict__.pop("_cache")
    for k in reversed(range(count)):
        assert np.array_equal(ask(first=first + k, count=1)[0], together[k])


@small_tasks
def test_batches_do_not_share_memory_with_what_is_kept(name):
    context = CONTEXT[name]
    first = SMALL[name].batches(0, 0, 2, 4, context)
    kept = first.copy()
    first[:] = -1
    assert np.array_equal(SMALL[name].batches(0, 0, 2, 4, context), kept)


@small_tasks
def test_another_data_seed_is_other_data(name):
    one, two = (SMALL[name].batches(seed, 0, 8, 16, CONTEXT[name]) for seed in (0, 1))
    assert not np.array_equal(one, two)


@small_tasks
@pytest.mark.parametrize("batch", [1, 5])
def test_an_epoch_has_each_unique_sequence_once_in_a_new_order(name, batch):
    task, context, n = SMALL[name], CONTEXT[name], 60
    data = task.batches(4, 0, 3 * n // batch, batch, context, n * context + context - 1)
    epochs = data.reshape(3, n, context + 1)
    as_sets = [sorted(map(tuple, epoch.tolist())) for epoch in epochs]
    assert as_sets[0] == as_sets[1] == as_sets[2]
    assert not np.array_equal(epochs[0], epochs[1]) and not np.array_equal(epochs[1], epochs[2])
    # They are the beginning of the endless stream, so that smaller sets are parts of larger ones.
    fresh = task.batches(4, 0, n, 1, context).reshape(n, context + 1)
    assert as_sets[0] == sorted(map(tuple, fresh.tolist()))


def test_the_stream_does_not_depend_on_the_batch_size_and_crosses_chunks():
    walk = SMALL["er"]
    one = walk.batches(0, 0, CHUNK + 50, 1, 6).reshape(-1, 7)
    two = walk.batches(0, 0, (CHUNK + 50) // 2, 2, 6).reshape(-1, 7)
    assert np.array_equal(one, two)
    assert not np.array_equal(one[:50], one[CHUNK:])


def test_exams_are_not_training_data():
    walk = make_task("er:nodes=64,edges=256")
    trained = set(map(tuple, walk.batches(0, 0, 300, 16, 32)[..., :-1].reshape(-1, 32).tolist()))
    assert not trained & set(map(tuple, walk.exam(32).tokens.tolist()))


RANDOM = Corpus.from_text(np.random.default_rng(0).bytes(20_000), "random")


def test_text_trains_on_the_training_part_and_is_examined_on_the_rest():
    task = TextTask(RANDOM)
    train, held_out = RANDOM.train.tobytes(), RANDOM.held_out.tobytes()
    assert len(train) + len(held_out) == 20_000 and 0.05 < len(held_out) / 20_000 < 0.1
    rows = task.batches(0, 0, 100, 16, 24).reshape(-1, 25).astype(np.uint8)
    assert all(row.tobytes() in train for row in rows)
    exam = task.exam(24)
    whole = np.c_[exam.tokens, exam.targets[:, -1, 0]].astype(np.uint8)
    assert all(row.tobytes() in held_out for row in whole)
    assert exam.floor is None and exam.entropy == 0


def test_one_reading_of_a_text_sees_each_training_token_once_and_the_next_is_cut_elsewhere():
    task, context = TextTask(RANDOM), 24
    n = task._most_unique(context)
    assert n * context > len(RANDOM.train) - 2 * context
    place = {RANDOM.train[i : i + 25].tobytes(): i for i in range(len(RANDOM.train) - 24)}
    rows = task.batches(1, 0, 3 * n, 1, context).reshape(3, n, 25).astype(np.uint8)
    starts = [sorted(place[row.tobytes()] for row in reading) for reading in rows]
    assert starts[0] == list(range(0, n * context, context))
    assert all((np.diff(s) == context).all() for s in starts)
    assert len({s[0] for s in starts}) > 1


# -- associative memory ---------------------------------------------------------------------------


@pytest.mark.parametrize("tail", [1.5, 2.0, 3.0])
def test_memory_exponents_are_those_of_the_closed_forms(tail):
    # The limits are reached for 1 << D << inputs^tail and 1 << pairs << inputs.
    task = MemoryTask(inputs=100_000, outputs=10, tail=tail)
    tokens = np.geomspace(3e2, 3e4, 9)
    slope = np.polyfit(np.log(tokens), np.log(task.memorising_loss(tokens)), 1)[0]
    assert slope == pytest.approx(-task.data_exponent, abs=0.02)
    pairs = np.array([30, 100, 300])
    slope = np.polyfit(np.log(pairs), np.log(task.capacity_loss(pairs)), 1)[0]
    assert slope == pytest.approx(-task.capacity_exponent, abs=0.06)


def test_memory_losses_begin_at_a_guess_and_end_at_nothing():
    task = MemoryTask(inputs=20, outputs=8, tail=2.0)
    assert task.memorising_loss(0) == pytest.approx([math.log(8)])
    assert task.capacity_loss([0, 20]) == pytest.approx([math.log(8), 0])
    assert task.memorising_loss(1e6) < 1e-6


def test_a_memorising_learner_has_the_closed_form_loss():
    task, d, repeats = MemoryTask(inputs=300, outputs=9, tail=1.6), 200, 300
    unseen = np.empty(repeats)
    for seed in range(repeats):
        known = np.unique(task.batches(seed, 0, 1, d, 1)[..., 0])
        unseen[seed] = 1 - task.frequencies[known].sum()
    error = unseen.std() / math.sqrt(repeats) * math.log(9)
    assert unseen.mean() * math.log(9) == pytest.approx(task.memorising_loss(d)[0], abs=4 * error)


def test_memory_sequences_are_pairs_and_the_exam_is_exact():
    task = MemoryTask(inputs=30, outputs=90, tail=1.2, seed=3)
    assert task.vocab == 90 and task.floor == 0
    x, y = task.batches(0, 0, 10, 50, 1).reshape(-1, 2).T
    assert np.array_equal(task.labels[x], y)
    expected = np.arange(1, 31.0) ** -1.2
    assert task.frequencies == pytest.approx(expected / expected.sum())
    assert task.exam(1).weights[:, 0] == pytest.approx(task.frequencies)
    with pytest.raises(TaskError, match="Set context=1"):
        task.batches(0, 0, 1, 1, 8)


# -- names of tasks -------------------------------------------------------------------------------


@given(st.permutations(["nodes=32", "edges=96", "kappa=0.5", "seed=0"]), st.booleans())
def test_one_task_has_one_name(parts, spaces):
    text = "er:" + (" , " if spaces else ",").join(parts)
    assert canonical(text) == "er:nodes=32,edges=96,kappa=0.5"
    assert make_task(text) is make_task("er:nodes=32,edges=96,kappa=0.5")
    assert make_task(text).text == canonical(text) == canonical(canonical(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("memory", "memory"),
        ("memory:tail=1.5,inputs=1000.0", "memory"),
        ("memory:tail=3", "memory:tail=3"),
        ("ngram:order=2", "ngram"),
        ("text:corpus=stdlib", "text"),
        ("ba:links=3,nodes=1e3", "ba:nodes=1000,links=3"),
        ("graph:path=/a/b=c.txt", "graph:path=/a/b=c.txt"),
    ],
)
def test_defaults_and_spellings_of_numbers_do_not_matter(text, expected):
    assert canonical(text) == expected == canonical(expected)


def test_every_task_has_a_line_and_tells_what_it_is():
    assert list(TASKS) == ["er", "ba", "graph", "ngram", "text", "memory"]
    assert all(line.endswith(".") and "\n" not in line for line in TASKS.values())
    for text in ("er:nodes=32,edges=96", "ba:nodes=32,links=3", "ngram", "text", "memory"):
        facts = make_task(text).describe()
        assert facts["task"] == text and facts["vocab"] == make_task(text).vocab
    assert len(make_task("text").describe()["sha256"]) == 64


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("tree:nodes=3", TaskError, "tasks are: er, ba, graph, ngram, text, memory"),
        ("", TaskError, "tasks are"),
        (7, TaskError, "not the text of a task"),
        ("er:nodes=64", TaskError, "lacks edges.*er:nodes=256"),
        ("er:nodes=64,edges=200,size=3", TaskError, "takes nodes, edges, kappa, seed"),
        ("er:nodes=64,edges", TaskError, "not of the form"),
        ("er:nodes=64,edges=", TaskError, "not of the form"),
        ("er:nodes=64,edges=128,nodes=64", TaskError, "given twice"),
        ("er:nodes=64.5,edges=128", TaskError, "nodes = '64.5' is not a whole number"),
        ("er:nodes=many,edges=128", TaskError, "not a whole number"),
        ("er:nodes=64,edges=128,kappa=nan", TaskError, "kappa = 'nan' is not a number"),
        ("er:nodes=64,edges=128,seed=-1", TaskError, "seed"),
        ("er:nodes=64,edges=256,kappa=-1", GraphError, "kappa = -1.0 must lie between 0"),
        ("er:nodes=64,edges=256,kappa=11", GraphError, "kappa"),
        ("er:nodes=64,edges=2017", GraphError, "edges = 2017 must lie between 1 and 2016"),
        ("er:nodes=64,edges=64", GraphError, "largest component holds only .* Use more edges"),
        ("er:nodes=1,edges=1", GraphError, "nodes = 1 must lie"),
        ("er:nodes=1e7,edges=1e8", GraphError, "nodes = 10000000 must lie"),
        ("ba:nodes=10,links=10", GraphError, "links = 10 must lie between 1 and 9"),
        ("ba:nodes=10,links=0", GraphError, "links = 0"),
        ("graph:path=/nowhere/edges.txt", GraphError, "Cannot read edges"),
        ("ngram:order=7", TaskError, "order = 7 must be a whole number from 1 to 6"),
        ("ngram:order=0", TaskError, "order = 0"),
        ("text:corpus=moby", TaskError, "'moby' is unknown. Choose 'stdlib', 'tinyshakespeare'"),
        ("text:corpus=file:/nowhere.txt", TaskError, "Cannot read the corpus"),
        ("text:url=http://localhost/a.txt", TaskError, "needs sha256"),
        ("text:sha256=00", TaskError, "another version of Python"),
        ("memory:tail=1", TaskError, "tail = 1.0 must be a number over 1"),
        ("memory:inputs=1", TaskError, "inputs = 1 must lie between 2"),
        ("memory:outputs=1000000", TaskError, "outputs"),
    ],
)
def test_a_task_that_cannot_be_says_why(text, error, words):
    with pytest.raises(error, match=words):
        make_task(text)


@pytest.mark.parametrize(
    ("transitions", "words"),
    [
        (np.ones((2, 3)), "square"),
        ([[1.0]], "at least 2 by 2"),
        ([[0.5, 0.5], [0.0, 0.0]], "Node 1 has no way out"),
        ([[0.5, 0.6], [0.5, 0.5]], "Row 0 .* sums to 1.1"),
        ([[1.5, -0.5], [0.5, 0.5]], "not negative"),
        ([[np.nan, 1.0], [0.5, 0.5]], "finite"),
        (np.kron(np.eye(2), np.full((2, 2), 0.5)), "2 components"),
        ([[1.0, 0.0], [0.5, 0.5]], "2 components"),  # no way back from node 0
        ([["a", "b"], ["c", "d"]], "matrix of numbers"),
    ],
)
def test_a_walk_that_cannot_be_says_why(transitions, words):
    with pytest.raises(GraphError, match=words):
        GraphWalk(transitions)


def test_an_adjacency_with_dead_ends_is_refused():
    with pytest.raises(GraphError, match="Node 2 has no way out"):
        GraphWalk.from_adjacency([[0, 1, 0], [1, 0, 1], [0, 0, 0]])


def test_graph_files(tmp_path):
    path = tmp_path / "edges.txt"
    path.write_text("# a square with a diagonal\na b\nb c 3.5\n\nc d\nd a\na c\nb a\n")
    walk = make_task(f"graph:path={path}")
    assert walk.vocab == 4 and walk.free_transitions == 10 - 4
    assert walk.floor == pytest.approx((2 * 3 * math.log(3) + 2 * 2 * math.log(2)) / 10)
    path = tmp_path / "line.txt"
    path.write_text("a b\nc\n")
    with pytest.raises(GraphError, match="line 2: 'c' alone"):
        make_task(f"graph:path={path}")
    path = tmp_path / "two.txt"
    path.write_text("a b\nc d\n")
    with pytest.raises(GraphError, match="2 components"):
        make_task(f"graph:path={path}")
    path = tmp_path / "empty.txt"
    path.write_text("# nothing\n")
    with pytest.raises(GraphError, match="0 nodes"):
        make_task(f"graph:path={path}")


def test_unique_tokens_out_of_range():
    task = TextTask(PROSE)
    most = task._most_unique(6) * 6
    assert task.batches(0, 0, 1, 1, 6, most).shape == (1, 1, 7)
    with pytest.raises(TaskError, match=f"more than the {most} training tokens"):
        task.batches(0, 0, 1, 1, 6, most + 6)
    with pytest.raises(TaskError, match="less than one sequence"):
        task.batches(0, 0, 1, 1, 6, 5)


def test_a_corpus_too_small_for_the_context():
    tiny = TextTask(Corpus.from_text("abc" * 30))
    with pytest.raises(TaskError, match="too few for sequences of 100"):
        tiny.batches(0, 0, 1, 1, 100)
    with pytest.raises(TaskError, match="too few for a sequence of 100"):
        tiny.exam(100)
    for text in ("", "aaaa"):
        with pytest.raises(TaskError, match="nothing to predict"):
            Corpus.from_text(text)


@pytest.mark.parametrize("context", [0, -3])
def test_a_context_below_one_is_refused(context):
    with pytest.raises(TaskError, match="not a positive number"):
        SMALL["er"].batches(0, 0, 1, 1, context)


# -- corpora --------------------------------------------------------------------------------------


def test_the_standard_library_is_a_corpus_of_ascii():
    corpus = load_corpus()
    assert 2e6 < len(corpus.tokens) < 6e6
    assert max(corpus.symbols) < 128 and len(corpus.symbols) == corpus.vocab
    text = bytes(corpus.symbols[i] for i in corpus.tokens[:200].tolist())
    assert text.startswith(b"#") and b"Python Software Foundation" in bytes(
        np.frombuffer(corpus.symbols, np.uint8)[corpus.tokens]
    )
    # The held-out part resembles the rest: its letters cost at most 1 % more.
    p, q = (np.bincount(part, minlength=corpus.vocab) for part in (corpus.held_out, corpus.train))
    p, q = p / p.sum(), (q + 0.5) / (q + 0.5).sum()
    used = p > 0
    assert 0 <= (p[used] * np.log(p[used] / q[used])).sum() < 0.03
    assert load_corpus(sha256=corpus.sha256).sha256 == corpus.sha256


def test_a_file_is_a_corpus(tmp_path):
    path = tmp_path / "play.txt"
    path.write_bytes("Ça ira, ça ira!\n".encode() * 100)
    task = make_task(f"text:corpus=file:{path}")
    assert task.vocab == len(set(path.read_bytes()))
    assert make_task(f"ngram:order=3,corpus=file:{path}").vocab == task.vocab


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A web server on this machine, and an empty cache; yields its files and its address."""
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    files, asked = {}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = files.get(self.path.strip("/"))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever, daemon=True)
        thread.start()
        load_corpus.cache_clear()
        yield files, f"http://127.0.0.1:{web.server_port}", asked
        web.shutdown()
        load_corpus.cache_clear()


def test_a_download_is_checked_unpacked_and_kept(server, tmp_path):
    files, address, asked = server
    raw = b"to be or not to be, that is the question\n" * 50
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("play", raw)
    files["play.txt"], files["play.zip"] = raw, packed.getvalue()
    digest = Corpus.from_text(raw).sha256
    for name in ("play.zip", "play.txt"):
        load_corpus.cache_clear()
        corpus = load_corpus(url=f"{address}/{name}", sha256=digest)
        assert corpus.sha256 == digest and corpus.vocab == len(set(raw))
    assert asked == ["/play.zip"]  # the second time from the cache
    kept = list((tmp_path / "scalinglaws" / "corpora").iterdir())
    assert [path.read_bytes() for path in kept] == [raw]


def test_a_download_that_is_not_the_text_is_refused(server, tmp_path):
    files, address, _ = server
    files["play.txt"] = b"something else"
    with pytest.raises(TaskError, match="sends has another SHA-256"):
        load_corpus(url=f"{address}/play.txt", sha256="0" * 64)
    with pytest.raises(TaskError, match="Cannot download .* Save the text as"):
        load_corpus(url=f"{address}/missing.txt", sha256="0" * 64)
    assert not list((tmp_path / "scalinglaws" / "corpora").iterdir())


# -- size -----------------------------------------------------------------------------------------


def test_a_hundred_thousand_nodes_need_no_dense_matrix():
    tracemalloc.start()
    walk = GraphWalk.erdos_renyi(100_000, 500_000, kappa=1.0)
    walk.batches(0, 0, 4, 16, 32)
    exam = walk.exam(32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert walk.vocab > 99_000 and 1.5 < walk.floor < math.log(10)
    assert walk.transitions.nnz > 999_000
    assert peak < 400e6  # a dense matrix would take 80 GB
    assert exam.targets.nbytes + exam.probs.nbytes < 20e6


def test_hubs_do_not_make_the_exam_large():
    star = GraphWalk.from_networkx(nx.star_graph(10_000))
    exam = star.exam(32)  # of 128 sequences it would ask 41 million things
    assert exam.probs.nbytes <= 2**25
    assert exam.entropy == pytest.approx(math.log(10_000) / 2, rel=0.05)
