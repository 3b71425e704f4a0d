"""Fit scaling laws, and say how far to trust the fit.

`fit` and `fit_curve` are Approach 3 (parametric), `fit_isoflop` is Approach 2, `fit_envelope`
Approach 1; `compare_curves` and `compare_surfaces` judge laws on held-out large runs.
`fit_surface`, `slice_surface` and `local_exponents` look at runs without a formula; `examine` looks
at the residuals of a fit.
"""

from scalinglaws.fitting.comparison import (
    Comparison,
    HoldoutResult,
    compare_curves,
    compare_surfaces,
)
from scalinglaws.fitting.envelope import EnvelopeFit, fit_envelope
from scalinglaws.fitting.isoflop import (
    AllocationBootstrap,
    IsoFLOPFit,
    IsoFLOPProfile,
    fit_isoflop,
)
from scalinglaws.fitting.objectives import Objective
from scalinglaws.fitting.parametric import Fit, PredictionInterval, fit, fit_curve
from scalinglaws.fitting.reference import MultiStart, hoffmann_starts, scipy_multistart
from scalinglaws.fitting.residuals import examine
from scalinglaws.fitting.surface import (
    SmoothSurface,
    fit_surface,
    local_exponents,
    slice_surface,
)
from scalinglaws.fitting.uncertainty import Bootstrap, Interval, Profile

__all__ = [
    "AllocationBootstrap",
    "Bootstrap",
    "Comparison",
    "EnvelopeFit",
    "Fit",
    "HoldoutResult",
    "Interval",
    "IsoFLOPFit",
    "IsoFLOPProfile",
    "MultiStart",
    "Objective",
    "PredictionInterval",
    "Profile",
    "SmoothSurface",
    "compare_curves",
    "compare_surfaces",
    "examine",
    "fit",
    "fit_curve",
    "fit_envelope",
    "fit_isoflop",
    "fit_surface",
    "hoffmann_starts",
    "local_exponents",
    "scipy_multistart",
    "slice_surface",
]
