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
from scalinglaws.laws.published import PUBLISHED, Published, UnknownLawError, published
from scalinglaws.laws.rosenfeld import RosenfeldLaw

__all__ = [
    "PUBLISHED",
    "AllocationLaw",
    "BrokenPowerLaw",
    "ChinchillaLaw",
    "ConstantError",
    "CriticalBatchLaw",
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
    "Optimum",
    "PowerLaw",
    "Published",
    "RosenfeldLaw",
    "TrainingOptimum",
    "UnknownLawError",
    "data_to_halve",
    "kaplan_learning_rate",
    "published",
]
