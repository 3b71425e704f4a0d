"""A law and its resampled copies: what every question about a plan is answered from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import scalinglaws.laws as laws
from scalinglaws.counting import human
from scalinglaws.errors import Caution, ScalingLawsError
from scalinglaws.fitting import Bootstrap, Fit
from scalinglaws.laws import (
    PUBLISHED,
    AllocationLaw,
    Law,
    PearceLaw,
    Published,
    RosenfeldLaw,
    published,
)
from scalinglaws.planning.estimates import SourceError, _human, _power
from scalinglaws.runs import Runs


@dataclass(frozen=True, eq=False)
class Evidence:
    """A law, the laws that resampling gave instead of it, and the range of data behind them.

    Attributes
    ----------
    law : Law
    draws : tuple of Law
        Refits to resampled runs; empty for a bare law.
    ranges : mapping of str to (low, high)
        What the fitted runs cover: ``"flops"``, ``"params"``, ``"tokens"``; empty if unknown.
    name : str
        Where the law comes from, for the reader.
    counts_embeddings : bool or None
        Whether N includes embedding parameters; None if nobody said.
    cautions : tuple of Caution
    """

    law: Law
    draws: tuple[Law, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    name: str = ""
    counts_embeddings: bool | None = None
    cautions: tuple[Caution, ...] = ()

    def __repr__(self) -> str:
        return f"Evidence({self.law!r}, {len(self.draws)} resamples, from {self.name})"

    @property
    def predicts_loss(self) -> bool:
        """False for a pure allocation rule."""
        return hasattr(self.law, "predict")

    def values(self, quantity: Callable[[Law], Any]) -> np.ndarray:
        """``quantity`` of every resampled law, one row each; NaN where it has none."""
        rows = []
        for law in self.draws:
            try:
                rows.append(np.atleast_1d(np.asarray(quantity(law), float)))
            except ScalingLawsError:  # a resample so wild that its plan leaves all bounds
                rows.append(None)
        width = max((len(r) for r in rows if r is not None), default=1)
        return np.array([np.full(width, np.nan) if r is None else r for r in rows])

    def to_dict(self) -> dict[str, Any]:
        """Everything needed to plan again, as plain numbers and text."""
        names = list(self.law.constants)
        return {
            "law": type(self.law).__name__,
            "constants": self.law.constants,
            "draws": {k: [getattr(d, k) for d in self.draws] for k in names},
            "ranges": {k: list(v) for k, v in self.ranges.items()},
            "name": self.name,
            "counts_embeddings": self.counts_embeddings,
            "cautions": [{"code": c.code, "message": c.message} for c in self.cautions],
        }

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Evidence:
        """The inverse of `to_dict`.

        Raises
        ------
        SourceError
            Something is missing or of the wrong kind.
        """
        try:
            kind = getattr(laws, str(table["law"]), None)
            if not (isinstance(kind, type) and issubclass(kind, Law)):
                raise SourceError(f"there is no law called {table['law']!r}")
            names = kind.names()
            rows = zip(*(table["draws"][k] for k in names), strict=True)
            return cls(
                kind.from_constants({k: table["constants"][k] for k in names}),
                tuple(kind.from_constants(dict(zip(names, row, strict=True))) for row in rows),
                {k: (float(low), float(high)) for k, (low, high) in table["ranges"].items()},
                str(table["name"]),
                table["counts_embeddings"],
                tuple(Caution(c["code"], c["message"]) for c in table["cautions"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            if isinstance(err, SourceError):
                raise
            raise SourceError(f"this is not a saved fit: {type(err).__name__}: {err}") from err


def read_evidence(path: str | os.PathLike) -> Evidence:
    """Read a fit saved by ``scalinglaws fit --out``.

    Raises
    ------
    SourceError
        No such file, or something else is in it.
    """
    path = Path(path)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"there is no file {str(path)!r}") from None
    except (OSError, ValueError) as err:
        raise SourceError(f"{str(path)!r} is not a saved fit: {err}") from err
    if not isinstance(table, dict) or "evidence" not in table:
        raise SourceError(
            f"{str(path)!r} is not a saved fit; write one with `scalinglaws fit RUNS.csv --out "
            f"{path.name}`"
        )
    return Evidence.from_dict(table["evidence"])


Source = Law | Published | str | Fit | Bootstrap | Evidence


def evidence(source: Source, n: int = 1000, seed: int = 0) -> Evidence:
    """Bring any source into one form; a fit is resampled ``n`` times here.

    Pass the result instead of the fit when several questions are asked, to resample only once.

    Parameters
    ----------
    source : Law, str, Published, Fit, Bootstrap, IsoFLOPFit, EnvelopeFit or Evidence
        A string names a published law.
    n : int, default 1000
        Resamples of a fit.
    seed : int, default 0

    Raises
    ------
    SourceError
        The source has no optimum to plan with.

    Examples
    --------
    >>> evidence("besiroglu").counts_embeddings
    True
    """
    if isinstance(source, Evidence):
        return source
    if isinstance(source, str):
        published(source)  # says which names there are
        entry = PUBLISHED[source]
        return _of_law(entry.law, f"{source} ({entry.source})", entry.counts_embeddings)
    if isinstance(source, Published):
        return _of_law(source.law, source.source, source.counts_embeddings)
    if isinstance(source, Law):
        for name, entry in PUBLISHED.items():
            if entry.law == source:
                return evidence(name)
        return _of_law(source, repr(source), None)
    if isinstance(source, Bootstrap):
        draws = _bootstrap_laws(source)
        return _checked(
            Evidence(
                source.point,
                draws,
                counts_embeddings=_counting(source.point),
                name=f"{source.point!r} with {len(draws)} resamples",
                cautions=(
                    *source.cautions,
                    Caution(
                        "no-range",
                        "a bootstrap does not say which runs it came from, so extrapolation is "
                        "not checked; plan with the fit instead",
                    ),
                ),
            )
        )
    if isinstance(source, Fit):
        # Refuse a law without an optimum before the work, and do not resample a failed fit.
        without = fit_evidence(source, None)
        return fit_evidence(source, source.bootstrap(n, seed)) if source.converged else without
    if isinstance(getattr(source, "allocation", None), AllocationLaw):
        return _of_allocation(source, n, seed)
    raise SourceError(
        f"cannot plan with {type(source).__name__}; give a law, the name of a published law "
        f"({', '.join(k for k, v in PUBLISHED.items() if hasattr(v.law, 'optimum'))}), or a fit"
    )


def _checked(found: Evidence) -> Evidence:
    if not hasattr(found.law, "optimum"):
        more = ""
        if isinstance(found.law, RosenfeldLaw):
            more = "; its `power_law` is one, with the same optimum"
        raise SourceError(
            f"{type(found.law).__name__} gives no compute-optimal split of a budget; plan with a "
            f"law of params and tokens that has one, such as ChinchillaLaw{more}"
        )
    return found


def _counting(law: Law) -> bool | None:
    """Whether the N of a law includes embeddings, where the law itself says so."""
    return False if isinstance(law, PearceLaw) else None


def _of_law(law: Law, name: str, counts_embeddings: bool | None) -> Evidence:
    caution = Caution(
        "no-interval",
        "constants alone carry no uncertainty: these are points without intervals. Plan with a fit "
        "to get intervals.",
    )
    counted = _counting(law) if counts_embeddings is None else counts_embeddings
    return _checked(Evidence(law, (), {}, name, counted, (caution,)))


def _bootstrap_laws(boot: Bootstrap) -> tuple[Law, ...]:
    kind, names = type(boot.point), list(boot.constants)
    draws = []
    for values in zip(*boot.constants.values(), strict=True):
        try:
            draws.append(kind.from_constants(dict(zip(names, values, strict=True))))
        except ScalingLawsError:  # a constant ran out of the range of floats
            continue
    return tuple(draws)


def _ranges(runs: Runs | None, inputs: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    columns = dict(inputs)
    if runs is not None:
        columns["flops"] = runs.flops
    return {k: (float(v.min()), float(v.max())) for k, v in columns.items()}


def fit_evidence(fit: Fit, boot: Bootstrap | None, name: str = "") -> Evidence:
    """Evidence from a fit and resamples that are already there (None for none)."""
    name = name or f"{type(fit.law).__name__} fitted to {fit.n} runs"
    ranges, counted = _ranges(fit.runs, fit.inputs), _counting(fit.law)
    if boot is not None:
        cautions = (*fit.cautions, *boot.cautions)
        return _checked(Evidence(fit.law, _bootstrap_laws(boot), ranges, name, counted, cautions))
    why = "the fit was not resampled" if fit.converged else "the fit did not converge"
    caution = Caution("no-interval", f"{why}, so these are points without intervals")
    return _checked(Evidence(fit.law, (), ranges, name, counted, (*fit.cautions, caution)))


def _of_allocation(fit, n: int, seed: int) -> Evidence:
    """Approaches 1 and 2: an allocation rule fitted to IsoFLOP profiles or to an envelope."""
    boot = fit.bootstrap(n, seed)
    budgets = np.asarray(fit.flops[fit.used] if hasattr(fit, "flops") else fit.budgets)
    ranges = {"flops": (float(budgets.min()), float(budgets.max()))} if budgets.size else {}
    return Evidence(
        fit.allocation,
        tuple(boot.rules),
        ranges,
        f"{type(fit).__name__} of {budgets.size} budgets",
        cautions=tuple(fit.cautions),
    )


_NOUNS = {"flops": "budget", "params": "model", "tokens": "data set"}


def _outside(ranges: Mapping[str, tuple[float, float]], **asked: float) -> list[Caution]:
    """Say how far outside the fitted runs a plan lies."""
    cautions = []
    for name, value in asked.items():
        if name not in ranges or not math.isfinite(value):
            continue
        low, high = ranges[name]
        noun = _NOUNS[name]
        unit = "FLOP" if name == "flops" else name
        show = _power if name == "flops" else human
        if value > high * (1 + 1e-9):
            where = f"{_human(value / high)} times the largest in the data ({show(high)} {unit})"
        elif value < low * (1 - 1e-9):
            where = f"{_human(low / value)} times smaller than the smallest ({show(low)} {unit})"
        else:
            continue
        text = f"the {noun} is {where}; the interval assumes that the law holds that far"
        cautions.append(Caution("extrapolation", text))
    return cautions
