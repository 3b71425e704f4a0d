"""A budget or a target loss, turned into parameters and tokens, with the bill."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scalinglaws import counting
from scalinglaws.errors import BudgetError, Caution
from scalinglaws.fitting.uncertainty import check_level
from scalinglaws.laws import Law, Optimum
from scalinglaws.laws.base import FLOPS_RANGE, check_budget, one_number
from scalinglaws.planning.estimates import (
    Estimate,
    _estimate,
    _human,
    _loss,
    _percent,
    _power,
)
from scalinglaws.planning.evidence import Evidence, Source, _outside, evidence
from scalinglaws.planning.results import _need_loss, _optimum, _Report

COUNTED = {True: ", with embeddings", False: ", without embeddings", None: ""}


@dataclass(frozen=True)
class Bill:
    """What a plan takes on real devices.

    Attributes
    ----------
    accelerator : str
    utilisation : float
        Share of the peak that the run reaches.
    hours : Estimate
        Device-hours.
    cost : Estimate or None
        In the currency of the price.
    memory_bytes : float
        Weights, gradients and Adam's state (16 bytes a parameter); activations come on top.
    devices : int or None
        Devices whose memory holds that; None if the device's memory is not known.
    """

    accelerator: str
    utilisation: float
    hours: Estimate
    cost: Estimate | None
    memory_bytes: float
    devices: int | None

    def rows(self) -> list[tuple[str, str]]:
        """(name, value) for a table."""
        what = f"{self.accelerator} hours at {_percent(self.utilisation)} of peak"
        rows = [(what, self.hours.text())]
        if self.cost is not None:
            rows.append(("cost, in the currency of the price", self.cost.text()))
        size = self.memory_bytes
        text = f"{size / 1e12:.3g} TB" if size >= 1e12 else f"{size / 1e9:.3g} GB"
        memory = f"{text} without activations"
        if self.devices is not None:
            memory += f", {self.devices} or more devices"
        return [*rows, ("memory while training", memory)]


def _bill(
    flops: Estimate,
    params: float,
    accelerator: str | float | None,
    utilisation: float,
    price: float | None,
) -> Bill | None:
    if accelerator is None:
        if price is not None:
            raise BudgetError("a price needs an accelerator; choose one, such as 'H100-SXM'")
        return None
    hours = flops.scaled(float(counting.gpu_hours(1.0, accelerator, utilisation)))
    memory = float(sum(counting.training_memory(params).values()))
    known = counting.ACCELERATORS.get(accelerator) if isinstance(accelerator, str) else None
    return Bill(
        accelerator if isinstance(accelerator, str) else f"{accelerator:.3g} FLOP/s device",
        float(utilisation),
        hours,
        None if price is None else hours.scaled(float(counting.cost(1.0, price))),
        memory,
        math.ceil(memory / known.memory_bytes) if known else None,
    )


@dataclass(frozen=True, repr=False)
class Plan(_Report):
    """What to train: for a budget (`plan`) or for a loss (`cost_of_loss`).

    Attributes
    ----------
    flops, params, tokens, tokens_per_param : Estimate
        Compute C, parameters N, training tokens D, and D / N. What was asked for has no interval.
    loss : Estimate or None
        Nats per token; None if the source is an allocation rule, which predicts none.
    flops_per : float
        FLOP per parameter and token.
    source : str
        Where the law comes from.
    resamples : int
        Resampled laws behind the intervals; 0 for none.
    unreachable : float
        Share of them in which no budget reaches the loss asked for.
    bill : Bill or None
    cautions : tuple of Caution
    counts_embeddings : bool or None
        Whether ``params`` (and the FLOP) include embeddings; None if nobody said.
    total_params : Estimate or None
        Parameters with embeddings, from a law that knows both counts (`PearceLaw`).
    """

    flops: Estimate
    params: Estimate
    tokens: Estimate
    loss: Estimate | None
    tokens_per_param: Estimate
    flops_per: float
    source: str
    resamples: int
    unreachable: float = 0.0
    bill: Bill | None = None
    cautions: tuple[Caution, ...] = ()
    counts_embeddings: bool | None = None
    total_params: Estimate | None = None

    def __repr__(self) -> str:
        loss = "" if self.loss is None else f", loss {_loss(self.loss.point)}"
        return (
            f"Plan({_power(self.flops.point)} FLOP: {_human(self.params.point)} params, "
            f"{_human(self.tokens.point)} tokens{loss}, {len(self.cautions)} cautions)"
        )

    def _title(self) -> str:
        return f"Compute-optimal run at {_power(self.flops.point)} FLOP"

    def _rows(self) -> list[tuple[str, str]]:
        rows = [
            ("compute", f"{self.flops.text(_power)} FLOP"),
            (f"parameters{COUNTED[self.counts_embeddings]}", self.params.text()),
            *(
                [("parameters, with embeddings", self.total_params.text())]
                if self.total_params
                else []
            ),
            ("tokens", self.tokens.text()),
            ("tokens per parameter", self.tokens_per_param.text()),
        ]
        if self.loss is not None:
            rows.append(("loss, nats per token", self.loss.text(_loss)))
        return rows + (self.bill.rows() if self.bill else []) + [("law", self.source)]


def plan(
    flops: float,
    source: Source,
    *,
    flops_per: float = 6.0,
    level: float = 0.95,
    n: int = 1000,
    seed: int = 0,
    accelerator: str | float | None = None,
    utilisation: float = 0.4,
    price: float | None = None,
) -> Plan:
    """What to train with a budget: the compute-optimal parameters and tokens, and the loss.

    Parameters
    ----------
    flops : float
        Budget C, FLOP.
    source : Law, str, Fit, Bootstrap or Evidence
        What to plan with; see `evidence`.
    flops_per : float, default 6
        FLOP per parameter and token, C = flops_per · N · D. An `AllocationLaw` has its own.
    level : float, default 0.95
        Level of the percentile intervals.
    n, seed : int
        Resamples of a fit.
    accelerator : str or float, optional
        A key of `counting.ACCELERATORS`, or a peak in FLOP/s, to add device-hours and memory.
    utilisation : float, default 0.4
        Share of the peak that is reached.
    price : float, optional
        Price of one device for an hour, to add the cost.

    Returns
    -------
    Plan

    Raises
    ------
    BudgetError
        A budget that is not positive, not a number, or absurd.
    SourceError
        Nothing to plan with.

    Examples
    --------
    Chinchilla's budget, with the constants of Besiroglu et al.:

    >>> plan(5.76e23, "besiroglu")
    Plan(5.76e23 FLOP: 72.4B params, 1.33T tokens, loss 1.974, 1 cautions)
    """
    level, flops = check_level(level), check_budget(flops)
    found = evidence(source, n, seed)
    best = _optimum(found.law, flops, flops_per)

    def row(law: Law) -> tuple[float, ...]:
        o = _optimum(law, flops, flops_per)
        return o.params, o.tokens, o.loss, o.tokens_per_param

    draws = found.values(row)
    cautions = [*found.cautions, *_lost(draws)]
    cautions += _outside(found.ranges, flops=flops, params=best.params, tokens=best.tokens)
    return _make_plan(
        found, Estimate(flops), best, draws, level, flops_per, cautions,
        bill=(accelerator, utilisation, price),
    )  # fmt: skip


def _lost(draws: np.ndarray) -> list[Caution]:
    if not draws.size:
        return []
    share = float(np.isnan(draws[:, 0]).mean())
    if not share:
        return []
    return [
        Caution(
            "resamples-failed",
            f"{_percent(share)} of the resampled laws give no plan at all here; the intervals "
            "leave them out",
        )
    ]


def _make_plan(
    found, flops, best, draws, level, flops_per, cautions, *, bill, loss=None, unreachable=0.0
) -> Plan:
    point = (best.params, best.tokens, best.loss, best.tokens_per_param)
    columns = draws.T if draws.size else np.empty((4, 0))
    params, tokens, guess, ratio = (
        _estimate(p, c, level) for p, c in zip(point, columns, strict=True)
    )
    if loss is None and found.predicts_loss:
        loss = guess
    return Plan(
        flops, params, tokens, loss, ratio, flops_per, found.name, len(found.draws),
        unreachable, _bill(flops, best.params, *bill), tuple(cautions), found.counts_embeddings,
        _total(found, best, params, level),
    )  # fmt: skip


def _total(found: Evidence, best: Optimum, params: Estimate, level: float) -> Estimate | None:
    """Parameters with embeddings, where the law knows them."""
    if not hasattr(found.law, "total_params"):
        return None
    # The ends are turned one by one: omega is a fact about the models far more than a fitted one.
    point = float(found.law.total_params(best.params))
    if params.low is None:
        return Estimate(point)
    ends = (float(found.law.total_params(v)) for v in (params.low, params.high))
    return Estimate(point, *ends, level)


def _cheapest(law: Law, loss: float, flops_per: float) -> Optimum | None:
    """The cheapest run that reaches ``loss``; None if no budget does."""
    try:
        return law.cost(loss, flops_per)
    except BudgetError:
        # Too close to the floor, or so high that anything reaches it? Only the first is endless.
        if loss > law.optimum(1e6, flops_per).loss:
            raise
        return None


def cost_of_loss(
    loss: float,
    source: Source,
    *,
    flops_per: float = 6.0,
    level: float = 0.95,
    n: int = 1000,
    seed: int = 0,
    accelerator: str | float | None = None,
    utilisation: float = 0.4,
    price: float | None = None,
) -> Plan:
    """What a loss costs: the cheapest run that reaches it.

    Resampled laws whose floor lies above the loss count as an infinite cost, so the interval can
    be open above; their share is `Plan.unreachable`.

    Parameters
    ----------
    loss : float
        Target, nats per token.
    source, flops_per, level, n, seed, accelerator, utilisation, price
        As for `plan`.

    Returns
    -------
    Plan
        With an interval of ``flops``.

    Raises
    ------
    BudgetError
        The loss is at or below the law's floor, or makes no sense.
    SourceError
        Nothing to plan with, or an allocation rule, which predicts no loss.

    Examples
    --------
    >>> cost_of_loss(2.0, "besiroglu").flops.text()
    '2.44e23'
    """
    level = check_level(level)
    loss = one_number("the loss", loss, above=0.0)
    found = evidence(source, n, seed)
    _need_loss(found)
    best = found.law.cost(loss, flops_per)

    def row(law: Law) -> tuple[float, ...]:
        o = _cheapest(law, loss, flops_per)
        if o is None:
            return math.inf, math.inf, loss, math.nan, math.inf
        return o.params, o.tokens, loss, o.tokens_per_param, o.flops

    draws = found.values(row)
    cautions, share = [*found.cautions, *_lost(draws)], 0.0
    costs = draws[:, 4] if draws.size else np.empty(0)
    if costs.size:
        share = float(np.isinf(costs).mean())
    if share:
        limit = f"no budget up to {_power(FLOPS_RANGE[1])} FLOP reaches a loss of {loss:.4g}"
        cautions.append(Caution("unreachable", f"in {_percent(share)} of resamples {limit}"))
    cautions += _outside(found.ranges, flops=best.flops, params=best.params, tokens=best.tokens)
    return _make_plan(
        found, _estimate(best.flops, costs, level), best, draws[:, :4] if draws.size else draws,
        level, flops_per, cautions, loss=Estimate(loss), unreachable=share,
        bill=(accelerator, utilisation, price),
    )  # fmt: skip
