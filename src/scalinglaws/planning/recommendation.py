"""The one-page recommendation, with its assumptions and what would break them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from scalinglaws.errors import BudgetError, Caution
from scalinglaws.fitting import Fit
from scalinglaws.laws import AllocationLaw, Law
from scalinglaws.laws.base import FLOPS_RANGE, check_budget, one_number
from scalinglaws.planning.estimates import _human, _loss, _percent, _power
from scalinglaws.planning.evidence import Evidence, Source, evidence
from scalinglaws.planning.plans import Plan, plan
from scalinglaws.planning.results import _need_loss, _optimum, _Report
from scalinglaws.planning.verdicts import Upgrade, price_of_next


@dataclass(frozen=True)
class NearOptimal:
    """Model sizes that waste little at a budget, each with the tokens that the budget leaves.

    Attributes
    ----------
    low, high : float
        Smallest and largest such size, parameters.
    tokens_at_low, tokens_at_high : float
    waste : float
        The most that is wasted between them: the share of the compute that could be saved.
    """

    low: float
    high: float
    tokens_at_low: float
    tokens_at_high: float
    waste: float


def _edge(excess: Callable[[float], float], start: float, step: float, limit: float) -> float:
    """Where ``excess`` turns positive on the way from ``start`` to ``limit``."""
    inner = start
    while inner != limit:
        outer = max(inner + step, limit) if step < 0 else min(inner + step, limit)
        if excess(outer) >= 0:
            return brentq(excess, inner, outer)
        inner = outer
    return limit


def near_optimal(
    flops: float, source: Source, *, waste: float = 0.1, flops_per: float = 6.0
) -> NearOptimal:
    """The range of sizes for which a better split would save at most ``waste`` of the compute.

    The optimum is flat: sizes far from it cost little. Uses the point estimate of the law.

    Raises
    ------
    BudgetError
        ``waste`` is not between 0 and 1, or the budget makes no sense.

    Examples
    --------
    >>> sizes = near_optimal(5.76e23, "besiroglu")
    >>> f"{sizes.low:.2e} to {sizes.high:.2e}"
    '4.19e+10 to 1.25e+11'
    """
    waste = one_number("waste", waste, above=0.0)
    if waste >= 1:
        raise BudgetError(f"waste is a share of the compute between 0 and 1, got {waste!r}")
    flops = check_budget(flops)
    # No resampling: the point is enough.
    law = source.law if isinstance(source, (Fit, Evidence)) else evidence(source).law
    _need_loss(Evidence(law))
    best = _optimum(law, flops, flops_per)
    product, centre = best.params * best.tokens, math.log(best.params)

    def excess(log_n: float) -> float:
        """Negative while the share wasted stays below ``waste``."""
        n = math.exp(log_n)
        try:
            needed = law.cost(float(law.predict(n, product / n)), flops_per).flops / flops
        except BudgetError:  # so far off that next to nothing would give that loss
            needed = 0.0
        return 1.0 - needed - waste

    low = math.exp(_edge(excess, centre, -0.25, 0.0))
    high = math.exp(_edge(excess, centre, 0.25, math.log(product)))
    return NearOptimal(low, high, product / low, product / high, waste)


@dataclass(frozen=True, repr=False)
class Recommendation(_Report):
    """One page to decide by; see `recommend`.

    Attributes
    ----------
    title : str
    plan : Plan
    near : NearOptimal or None
        Sizes that waste at most 10 % of the compute; None if the source predicts no loss.
    regret : float or None
        Share of the compute wasted by this plan if one of the resampled laws is the true one: its
        ``level`` quantile over them.
    upgrades : tuple of Upgrade
        What 2 and 10 times the budget would buy.
    pilots : tuple of Plan
        Optimal runs at 1/100 and 1/10 of the budget: cheap tests of the law.
    assumptions, breakers : tuple of str
        What the numbers rest on, and what would make them wrong.
    cautions : tuple of Caution
    """

    title: str
    plan: Plan
    near: NearOptimal | None
    regret: float | None
    upgrades: tuple[Upgrade, ...]
    pilots: tuple[Plan, ...]
    assumptions: tuple[str, ...]
    breakers: tuple[str, ...]
    cautions: tuple[Caution, ...]

    def __repr__(self) -> str:
        return f"Recommendation({self.title!r}: {self.plan!r})"

    def _title(self) -> str:
        return self.title

    def _rows(self) -> list[tuple[str, str]]:
        rows = self.plan._rows()
        law = rows.pop()
        if self.near:
            text = f"{_human(self.near.low)} to {_human(self.near.high)} parameters"
            rows.append((f"sizes that waste at most {_percent(self.near.waste)}", text))
        return [*rows, law]

    def _sentences(self) -> list[str]:
        p = self.plan
        said = [
            f"Train a model of about {_human(p.params.point, 2)} parameters on about "
            f"{_human(p.tokens.point, 2)} tokens, each seen once."
        ]
        if p.loss is not None:
            said[0] += f" Expect a loss near {p.loss.point:.3g} nats per token."
        if self.regret is not None:
            said.append(
                f"The exact size matters less than its interval suggests: in "
                f"{_percent(p.params.level)} of the resampled laws this plan wastes at most "
                f"{_percent(self.regret)} of the compute."
            )
        return said

    def _lists(self) -> list[tuple[str, tuple[str, ...]]]:
        more = tuple(
            f"{_human(u.factor)}× the budget lowers the loss by {u.drop.text(_loss)} nats"
            for u in self.upgrades
        )
        tests = tuple(
            f"at {_power(p.flops.point)} FLOP, {_human(p.params.point)} parameters on "
            f"{_human(p.tokens.point)} tokens should end at {p.loss.text(_loss)}"
            for p in self.pilots
            if p.loss is not None
        )
        parts = (
            ("What more would buy", more),
            ("Test the law first (single runs scatter more than these intervals)", tests),
            ("This assumes", self.assumptions),
            ("It breaks if", self.breakers),
        )
        return [(heading, items) for heading, items in parts if items]


def recommend(
    flops: float,
    source: Source,
    *,
    accelerator: str | float | None = None,
    utilisation: float = 0.4,
    price: float | None = None,
    conventions: str | None = None,
    title: str | None = None,
    flops_per: float = 6.0,
    level: float = 0.95,
    n: int = 1000,
    seed: int = 0,
) -> Recommendation:
    """One page for a budget: what to train, how sure that is, what it rests on.

    Parameters
    ----------
    flops : float
        Budget C, FLOP.
    source, flops_per, level, n, seed, accelerator, utilisation, price
        As for `plan`.
    conventions : str, optional
        How N is counted in the data behind the law, such as "N leaves out embeddings".
    title : str, optional

    Returns
    -------
    Recommendation
        Prints as text (``to_text``), shows as Markdown in a notebook (``to_markdown``).

    Raises
    ------
    BudgetError
        A budget, utilisation or price that makes no sense.

    Examples
    --------
    >>> page = recommend(1e21, "besiroglu", accelerator="H100-SXM", price=2.5)
    >>> print("\\n".join(page.to_text().splitlines()[:6]))
    Training plan for 1e21 FLOP
    ===========================
    compute                             1e21 FLOP
    parameters, with embeddings         2.78B
    tokens                              59.9B
    tokens per parameter                21.5
    """
    found = evidence(source, n, seed)
    main = plan(
        flops, found, flops_per=flops_per, level=level, accelerator=accelerator,
        utilisation=utilisation, price=price,
    )  # fmt: skip
    flops, near, regret, upgrades, pilots = main.flops.point, None, None, (), ()
    if found.predicts_loss:
        near = near_optimal(flops, found, flops_per=flops_per)
        upgrades = tuple(
            price_of_next(k, found, flops, flops_per=flops_per, level=level)
            for k in (2, 10)
            if k * flops <= FLOPS_RANGE[1]
        )
        pilots = tuple(
            plan(flops / k, found, flops_per=flops_per, level=level)
            for k in (100, 10)
            if flops / k > 1e9
        )
        regret = _regret(found, main, flops_per, level)
    return Recommendation(
        title or f"Training plan for {_power(flops)} FLOP",
        main, near, regret, upgrades, pilots,
        _assumptions(found, main, conventions),
        _breakers(main),
        main.cautions,
    )  # fmt: skip


def _regret(found: Evidence, best: Plan, flops_per: float, level: float) -> float | None:
    """The ``level`` quantile, over resampled laws, of the compute that the plan wastes."""

    def wasted(law: Law) -> float:
        loss = float(law.predict(best.params.point, best.tokens.point))
        return max(1.0 - law.cost(loss, flops_per).flops / best.flops.point, 0.0)

    values = found.values(wasted)
    values = values[~np.isnan(values)]
    return float(np.quantile(values, level)) if values.size else None


def _assumptions(found: Evidence, main: Plan, conventions: str | None) -> tuple[str, ...]:
    counted = {
        True: "N counts all parameters, embeddings included",
        False: "N leaves embeddings out; add them to get the size of the model",
        None: "N is counted as in the runs behind the law (with or without embeddings: check)",
    }[found.counts_embeddings]
    if isinstance(found.law, AllocationLaw):
        compute = "the budget is counted as in the runs behind the rule"
    else:
        compute = f"C = {main.flops_per:g} N D; attention to long contexts comes on top"
    tokens = _human(main.tokens.point, 2)
    return (
        compute,
        conventions or counted,
        f"one pass over {tokens} different tokens, of the kind that the law was fitted on",
        "the learning rate decays over exactly this run, not a longer one that is cut short",
        "learning rate, batch and initialisation are tuned as well as in the runs behind the law",
        "the law holds as far as the budget; only compute for training counts",
    )


def _breakers(main: Plan) -> tuple[str, ...]:
    tokens = _human(main.tokens.point, 2)
    return (
        f"there are fewer than {tokens} different tokens: repeats are worth less than new ones",
        "data, tokenizer or architecture differ: the constants, the floor first, are theirs",
        "the model will be used a lot: a smaller one trained longer is then cheaper in all",
        "the test runs above end outside their intervals: fit again with them included",
    )
