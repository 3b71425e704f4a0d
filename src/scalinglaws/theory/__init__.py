"""Small machines whose learning curves can be derived, simulated and compared.

`FOUR_TYPES` are the four types of learning curves of Amari, Fujita & Shinomoto 1992, each as a
machine that finds a boundary on a line: `NoiselessMachine` (types 1 and 2) and `NoisyMachine`
(types 3 and 4). `FALSE_FRIENDS` are two noisy machines that look like type 3 and are not:
`FlippedLabelsERM` and `LogisticNoiseERM`. `make_machine` picks a machine from the two knobs, noise
and gap, that move a learner from one type to another.
"""

from .base import Machine, MachineError
from .empirical_risk import FlippedLabelsERM, LogisticNoiseERM, chernoff_density, chernoff_mean
from .families import FALSE_FRIENDS, FOUR_TYPES, make_machine
from .noiseless import NoiselessMachine
from .noisy import NoisyMachine

__all__ = [
    "FALSE_FRIENDS",
    "FOUR_TYPES",
    "FlippedLabelsERM",
    "LogisticNoiseERM",
    "Machine",
    "MachineError",
    "NoiselessMachine",
    "NoisyMachine",
    "chernoff_density",
    "chernoff_mean",
    "make_machine",
]
