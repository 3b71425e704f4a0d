"""Runs to fit: published ones, verified before use, and synthetic ones with a known truth."""

from scalinglaws.datasets.coverage import load_coverage
from scalinglaws.datasets.published import (
    DatasetInfo,
    cache_folder,
    chinchilla_points_available,
    dataset_info,
    fetch,
    load_chinchilla_points,
    load_chinchilla_shapes,
)
from scalinglaws.datasets.recorded import load_recorded, recorded_sweeps
from scalinglaws.datasets.synthetic import (
    CHINCHILLA_BUDGETS,
    CHINCHILLA_NOISE,
    Design,
    LogNormalNoise,
    Rounding,
    StudentNoise,
    UniformNoise,
    chinchilla_design,
    chinchilla_like,
    fixed_size_design,
    grid_design,
    isoflop_design,
    random_design,
    simulate,
    training_curves,
)

__all__ = [
    "CHINCHILLA_BUDGETS",
    "CHINCHILLA_NOISE",
    "DatasetInfo",
    "Design",
    "LogNormalNoise",
    "Rounding",
    "StudentNoise",
    "UniformNoise",
    "cache_folder",
    "chinchilla_design",
    "chinchilla_like",
    "chinchilla_points_available",
    "dataset_info",
    "fetch",
    "fixed_size_design",
    "grid_design",
    "isoflop_design",
    "load_chinchilla_points",
    "load_chinchilla_shapes",
    "load_coverage",
    "load_recorded",
    "random_design",
    "recorded_sweeps",
    "simulate",
    "training_curves",
]
