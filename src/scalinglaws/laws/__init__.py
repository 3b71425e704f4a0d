"""Scaling laws: immutable objects of constants that predict, differentiate and find optima."""

from scalinglaws.laws.allocation import AllocationLaw
from scalinglaws.laws.base import ConstantError, Law, Optimum
from scalinglaws.laws.broken import BrokenPowerLaw
from scalinglaws.laws.chinchilla import ChinchillaLaw
from scalinglaws.laws.curves import ExponentialLaw, LogarithmicLaw, PowerLaw
from scalinglaws.laws.hestness import HestnessLaw, HestnessSizeLaw, data_to_halve
from scalinglaws.laws.kaplan import (
    CriticalBatchLaw,
    KaplanComputeLaw,
    KaplanDataLaw,
    KaplanLaw,
    KaplanSizeLaw,
    KaplanStepsLaw,
    KaplanTrainingLaw,
    TrainingOptimum,
    kaplan_learning_rate,
)
from scalinglaws.laws.lovelace import LovelaceLaw
from scalinglaws.laws.muennighoff import DataLimitedOptimum, MuennighoffLaw
from scalinglaws.laws.pearce import (
    OMEGA,
    BothCounts,
    PearceLaw,
    Study,
    fit_omega,
    non_embedding_params,
    omega_of,
    total_params,
)
from scalinglaws.laws.published import PUBLISHED, Published, UnknownLawError, published
from scalinglaws.laws.rosenfeld import RosenfeldLaw

__all__ = [
    "OMEGA",
    "PUBLISHED",
    "AllocationLaw",
    "BothCounts",
    "BrokenPowerLaw",
    "ChinchillaLaw",
    "ConstantError",
    "CriticalBatchLaw",
    "DataLimitedOptimum",
    "ExponentialLaw",
    "HestnessLaw",
    "HestnessSizeLaw",
    "KaplanComputeLaw",
    "KaplanDataLaw",
    "KaplanLaw",
    "KaplanSizeLaw",
    "KaplanStepsLaw",
    "KaplanTrainingLaw",
    "Law",
    "LogarithmicLaw",
    "LovelaceLaw",
    "MuennighoffLaw",
    "Optimum",
    "PearceLaw",
    "PowerLaw",
    "Published",
    "RosenfeldLaw",
    "Study",
    "TrainingOptimum",
    "UnknownLawError",
    "data_to_halve",
    "fit_omega",
    "kaplan_learning_rate",
    "non_embedding_params",
    "omega_of",
    "published",
    "total_params",
]
