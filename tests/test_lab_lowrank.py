"""The least loss of a table of scores of low rank: where it is known, and how it must behave."""

from __future__ import annotations

import numpy as np
import pytest

from scalinglaws.errors import TaskError
from scalinglaws.lab.tasks import GraphWalk, low_rank_loss, make_task

WALK = GraphWalk.erdos_renyi(24, 60, seed=2)


def test_full_rank_says_everything():
    assert low_rank_loss(WALK, 24, starts=1) == pytest.approx(0, abs=1e-4)


def test_more_rank_is_never_worse():
    losses = [low_rank_loss(WALK, r) for r in (1, 2, 3, 4, 6)]
    assert all(a > b for a, b in zip(losses, losses[1:], strict=False))
    # Frequencies alone are a table of rank 1, and worth the entropy of one token.
    assert 0 < losses[-1] < losses[0] < WALK.unigram_entropy - WALK.entropy_rate


def test_a_walk_whose_steps_do_not_depend_on_the_node_needs_one_rank():
    p = np.random.default_rng(0).dirichlet(np.ones(9))
    walk = GraphWalk(np.tile(p, (9, 1)))
    assert low_rank_loss(walk, 1) == pytest.approx(0, abs=1e-6)


def test_more_starts_are_never_worse_and_a_seed_fixes_the_number():
    one, three = low_rank_loss(WALK, 3, starts=1), low_rank_loss(WALK, 3, starts=3)
    assert three <= one and low_rank_loss(WALK, 3, starts=3) == three


@pytest.mark.parametrize("options", [{"rank": 0}, {"rank": 1.5}, {"rank": 2, "starts": 0}])
def test_bad_numbers(options):
    with pytest.raises(TaskError, match="whole number"):
        low_rank_loss(WALK, **options)


def test_a_table_that_does_not_fit_in_memory_is_refused():
    with pytest.raises(TaskError, match="too large"):
        low_rank_loss(make_task("er:nodes=4000,edges=40000"), 2)
