"""Which law is fitted how, by its short name or its class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scalinglaws.errors import FitError
from scalinglaws.fitting.bends import BrokenFamily, HestnessFamily, PearceFamily, RosenfeldFamily
from scalinglaws.fitting.families import (
    AdditiveFamily,
    CriticalBatchFamily,
    ExponentialFamily,
    Family,
    KaplanFamily,
    LogarithmicFamily,
    PurePowerFamily,
    RisingPowerFamily,
    StepsFamily,
)
from scalinglaws.laws import (
    BrokenPowerLaw,
    ChinchillaLaw,
    CriticalBatchLaw,
    ExponentialLaw,
    HestnessLaw,
    HestnessSizeLaw,
    KaplanComputeLaw,
    KaplanDataLaw,
    KaplanLaw,
    KaplanSizeLaw,
    KaplanStepsLaw,
    Law,
    LogarithmicLaw,
    LovelaceLaw,
    MuennighoffLaw,
    PearceLaw,
    PowerLaw,
    RosenfeldLaw,
)

SURFACES = {
    "chinchilla": ChinchillaLaw,
    "kaplan": KaplanLaw,
    "kaplan-steps": KaplanStepsLaw,
    "lovelace": LovelaceLaw,
    "muennighoff": MuennighoffLaw,
    "pearce": PearceLaw,
    "rosenfeld": RosenfeldLaw,
}
CURVES = {
    "broken": BrokenPowerLaw,
    "critical-batch": CriticalBatchLaw,
    "exponential": ExponentialLaw,
    "hestness": HestnessLaw,
    "logarithmic": LogarithmicLaw,
    "model-size": HestnessSizeLaw,
    "power": PowerLaw,
}


@dataclass(frozen=True)
class Options:
    """What may be asked of a law.

    Attributes
    ----------
    floor : bool
        Whether it has a floor E that can be left out.
    fixed : tuple of str
        Constants that can be held.
    """

    floor: bool = False
    fixed: tuple[str, ...] = ()


OPTIONS = {
    BrokenPowerLaw: Options(floor=True),
    ChinchillaLaw: Options(floor=True),
    ExponentialLaw: Options(floor=True),
    HestnessLaw: Options(floor=True, fixed=("guess",)),
    LovelaceLaw: Options(floor=True, fixed=("delta", "kappa")),
    MuennighoffLaw: Options(floor=True),
    PearceLaw: Options(floor=True, fixed=("omega",)),
    PowerLaw: Options(floor=True),
    RosenfeldLaw: Options(floor=True, fixed=("guess",)),
}


def law_class(law, table: dict[str, type[Law]]) -> type[Law]:
    """The class of a law given by name or as a class; FitError if it is neither."""
    if isinstance(law, str):
        if law not in table:
            raise FitError(f"unknown law {law!r}; there are {sorted(table)}")
        return table[law]
    if isinstance(law, type) and issubclass(law, Law):
        return law
    raise FitError(f"law must be a name or a law class, got {law!r}")


def held(kind: type[Law], fixed: Mapping[str, float] | None) -> dict[str, float]:
    """The constants to hold, checked; FitError if one cannot be held, or not at that."""
    fixed, allowed = dict(fixed or {}), OPTIONS.get(kind, Options()).fixed
    for name, value in fixed.items():
        if name not in allowed:
            can = f"{' and '.join(allowed)} can" if allowed else "nothing can"
            raise FitError(f"{name!r} cannot be held in {kind.__name__}; {can}")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not (number and 0 < value < float("inf")):
            raise FitError(f"{name} must be held at a positive number, got {value!r}")
    return {name: float(value) for name, value in fixed.items()}


def constants_to_fit(kind: type[Law], floor: bool, fixed: Mapping[str, float]) -> int:
    """How many constants the data have to determine."""
    names = 6 if kind is BrokenPowerLaw else len(kind.names())
    return names - len(fixed) - (not floor and OPTIONS.get(kind, Options()).floor)


def surface_family(
    law: type[Law], params, tokens, loss, *, floor: bool = True, fixed=None, steps=None
) -> Family:
    """The family of a law of (N, D), or of (N, S)."""
    if law is ChinchillaLaw:
        inputs, exponents = (params, tokens), ("alpha", "beta")
        return AdditiveFamily(law, inputs, loss, ("A", "B"), exponents, floor=floor)
    if law is KaplanLaw:
        return KaplanFamily(params, tokens, loss)
    if law is KaplanStepsLaw:
        return StepsFamily(params, steps, loss)
    if law is RosenfeldLaw:
        return RosenfeldFamily(params, tokens, loss, floor, fixed)
    if law is PearceLaw:
        return PearceFamily(params, tokens, loss, floor, fixed)
    if law is KaplanSizeLaw:
        return PurePowerFamily(law, params, loss)
    if law is KaplanDataLaw:
        return PurePowerFamily(law, tokens, loss)
    raise FitError(f"no fitter for {law!r} on a table of runs; there are {sorted(SURFACES)}")


def curve_family(law: type[Law], x, loss, *, floor: bool = True, fixed=None) -> Family:
    """The family of a law of one variable."""
    if law is PowerLaw:
        return AdditiveFamily(law, (x,), loss, ("A",), ("alpha",), floor=floor)
    if law is ExponentialLaw:
        return ExponentialFamily(x, loss, floor=floor)
    if law is LogarithmicLaw:
        return LogarithmicFamily(x, loss)
    if law is HestnessLaw:
        return HestnessFamily(x, loss, floor, fixed)
    if law is BrokenPowerLaw:
        return BrokenFamily(x, loss, floor)
    if law is HestnessSizeLaw:
        return RisingPowerFamily(law, x, loss)
    if law is CriticalBatchLaw:
        return CriticalBatchFamily(law, x, loss)
    if law in (KaplanSizeLaw, KaplanDataLaw, KaplanComputeLaw):
        return PurePowerFamily(law, x, loss)
    raise FitError(f"no fitter for {law!r} on one variable; there are {sorted(CURVES)}")
