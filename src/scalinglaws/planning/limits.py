"""A budget and a stock of unique tokens: how often to repeat it, and when to grow the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scalinglaws.errors import Caution
from scalinglaws.fitting.uncertainty import check_level
from scalinglaws.laws import Law, LovelaceLaw, MuennighoffLaw
from scalinglaws.laws.base import FLOPS_RANGE, check_budget, one_number
from scalinglaws.planning.estimates import (
    Estimate,
    SourceError,
    _estimate,
    _human,
    _loss,
    _percent,
    _power,
)
from scalinglaws.planning.evidence import Source, _outside, evidence
from scalinglaws.planning.plans import _lost
from scalinglaws.planning.results import _Report

STEP = 0.01  # e-folds of compute between the two plans that `growth` compares


@dataclass(frozen=True, repr=False)
class LimitedPlan(_Report):
    """What to train with a budget when unique tokens are scarce.

    Attributes
    ----------
    flops : float
    unique_tokens : float
        The stock.
    params, tokens, epochs, loss : Estimate
        ``tokens`` count every repetition; ``epochs`` are tokens / stock, below 1 where the stock
        is not used up.
    fresh_params, fresh_loss : Estimate
        The same budget with as many unique tokens as it can use.
    growth : Estimate
        d ln N / d ln C along the plan: of a little more compute, the share (in logarithms) that
        goes into a larger model. The rest goes into more epochs.
    source : str
    resamples : int
    cautions : tuple of Caution
    """

    flops: float
    unique_tokens: float
    params: Estimate
    tokens: Estimate
    epochs: Estimate
    loss: Estimate
    fresh_params: Estimate
    fresh_loss: Estimate
    growth: Estimate
    source: str
    resamples: int
    cautions: tuple[Caution, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether the budget asks for more tokens than there are."""
        return self.epochs.point > 1.0

    def __repr__(self) -> str:
        return (
            f"LimitedPlan({_power(self.flops)} FLOP, {_human(self.unique_tokens)} unique tokens: "
            f"{_human(self.params.point)} params, {self.epochs.point:.3g} epochs, "
            f"loss {_loss(self.loss.point)}, {len(self.cautions)} cautions)"
        )

    def _title(self) -> str:
        return f"{_power(self.flops)} FLOP and {_human(self.unique_tokens)} unique tokens"

    def _rows(self) -> list[tuple[str, str]]:
        def short(x):
            return _human(x) if math.isinf(x) or math.isnan(x) else f"{x:.3g}"

        return [
            ("compute", f"{_power(self.flops)} FLOP"),
            ("unique tokens", _human(self.unique_tokens)),
            ("parameters", self.params.text()),
            ("tokens, with repetitions", self.tokens.text()),
            ("epochs", self.epochs.text(short)),
            ("loss, nats per token", self.loss.text(_loss)),
            ("with unlimited data: parameters", self.fresh_params.text()),
            ("with unlimited data: loss", self.fresh_loss.text(_loss)),
            ("share of further compute for the model", self.growth.text(_percent)),
            ("law", self.source),
        ]

    def _sentences(self) -> list[str]:
        if not self.limited:
            return ["The stock is larger than this budget can use: no token needs repeating."]
        growth = self.growth.point
        verb = "grow the model" if growth > 0.5 else "train longer"
        return [f"The data limit binds. With a little more compute, above all {verb}."]


def plan_limited(
    flops: float,
    unique_tokens: float,
    source: Source,
    *,
    flops_per: float = 6.0,
    level: float = 0.95,
    n: int = 1000,
    seed: int = 0,
) -> LimitedPlan:
    """How large a model, and how many epochs, when there are only ``unique_tokens``.

    Parameters
    ----------
    flops : float
        Budget C, FLOP. It is spent in full.
    unique_tokens : float
        The stock of unique tokens.
    source : Law, str, Fit, Bootstrap or Evidence
        A law of repeated data: `MuennighoffLaw` or `LovelaceLaw`, published or fitted.
    flops_per : float, default 6
    level : float, default 0.95
        Level of the percentile intervals.
    n, seed : int
        Resamples of a fit.

    Returns
    -------
    LimitedPlan

    Raises
    ------
    BudgetError
        A budget or a stock that is not positive, or absurd.
    SourceError
        The source is no law of repeated data.

    Examples
    --------
    >>> plan = plan_limited(9.3e21, 25e9, "muennighoff")
    >>> plan
    LimitedPlan(9.3e21 FLOP, 25B unique tokens: 6.82B params, 9.1 epochs, loss 2.225, 1 cautions)
    >>> plan.limited
    True
    """
    level, flops = check_level(level), check_budget(flops)
    stock = one_number("unique_tokens", unique_tokens, above=0.0)
    found = evidence(source, n, seed)
    if not isinstance(found.law, (MuennighoffLaw, LovelaceLaw)):
        raise SourceError(
            f"{type(found.law).__name__} says nothing about repeated data; plan with a "
            "MuennighoffLaw or a LovelaceLaw, or use plan() where data are plentiful"
        )
    step = STEP if flops * math.exp(STEP) <= FLOPS_RANGE[1] else -STEP

    def row(law: Law) -> tuple[float, ...]:
        best = law.optimum(flops, flops_per, unique_tokens=stock)
        fresh = law.base.optimum(flops, flops_per)
        next_best = law.optimum(flops * math.exp(step), flops_per, unique_tokens=stock)
        growth = math.log(next_best.params / best.params) / step
        epochs = best.tokens / stock
        return best.params, best.tokens, epochs, best.loss, fresh.params, fresh.loss, growth

    point = row(found.law)
    draws = found.values(row)
    columns = draws.T if draws.size else [draws] * len(point)
    estimates = [_estimate(p, c, level) for p, c in zip(point, columns, strict=True)]
    cautions = [*found.cautions, *_lost(draws)]
    asked = {"flops": flops, "params": point[0], "tokens": point[1]}
    cautions += _outside(found.ranges, **asked)
    return LimitedPlan(
        flops, stock, *estimates, found.name, len(found.draws), tuple(cautions)
    )  # fmt: skip
