"""The machines by type, and by the knobs that move a learner from one type to another."""

from __future__ import annotations

from .base import Machine, MachineError, number
from .empirical_risk import FlippedLabelsERM, LogisticNoiseERM
from .noiseless import NoiselessMachine
from .noisy import NoisyMachine

__all__ = ["FALSE_FRIENDS", "FOUR_TYPES", "make_machine"]

#: One machine for each type of Amari, Fujita & Shinomoto 1992, in their order.
FOUR_TYPES: tuple[Machine, ...] = (
    NoiselessMachine(),
    NoiselessMachine(gap=0.2),
    NoisyMachine(noise=0.1, score="clean"),
    NoisyMachine(noise=0.1, score="entropic"),
)

#: Noisy teacher and deterministic student, as for type 3, with exponents 1 and 1/3.
FALSE_FRIENDS: tuple[Machine, ...] = (FlippedLabelsERM(flip=0.2), LogisticNoiseERM(noise=0.1))


def make_machine(
    noise: float = 0.0, gap: float = 0.0, stochastic: bool = False, student: str = "mle"
) -> Machine:
    """The machine that a noise, a gap and a kind of student describe.

    =====  ===  =============  ====  ========
    noise  gap  student        type  exponent
    =====  ===  =============  ====  ========
    0      0    any            1     1
    0      > 0  any            2     2
    > 0    0    deterministic  3     1/2
    > 0    0    stochastic     4     1, floor
    =====  ===  =============  ====  ========

    Parameters
    ----------
    noise : float, default 0
        Width of the stretch of unsure labels: 0, or from 0.001 to below 1.
    gap : float, default 0
        Width of the stretch round the boundary without inputs, from 0 to below 1.
    stochastic : bool, default False
        Whether the student predicts a probability, scored by entropic loss, or a label, scored by
        error (on clean labels where the teacher is noisy).
    student : {"mle", "moments"}
        Estimate of a student of a noisy teacher, see `NoisyMachine`.

    Raises
    ------
    MachineError
        Values out of range, or both noise and gap. With both, any estimate inside the gap is
        perfect, and the chance of missing it falls exponentially: no power law at all.

    Examples
    --------
    >>> [make_machine(n, g).exponent for n, g in [(0, 0), (0, 0.1), (0.1, 0)]]
    [1.0, 2.0, 0.5]
    """
    noise = number("noise", noise, 0.0, 1.0)
    gap = number("gap", gap, 0.0, 1.0)
    if not isinstance(stochastic, bool):
        raise MachineError(f"stochastic = {stochastic!r} must be True or False")
    if noise and gap:
        raise MachineError("noise and gap together give none of the four types; set one to 0")
    if noise:
        return NoisyMachine(noise, "entropic" if stochastic else "clean", student)
    return NoiselessMachine(gap, score="entropic" if stochastic else "error")
