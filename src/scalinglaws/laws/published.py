"""The constants that papers print, each with its source and what its N counts.

Nothing here was fitted by this package. ``sure`` says how a value was obtained: "paper" means read
in the paper or its authors' repository, "secondary" means taken from somebody else's careful
account of it.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass

from scalinglaws.counting import PF_DAY
from scalinglaws.errors import ScalingLawsError
from scalinglaws.laws.allocation import AllocationLaw
from scalinglaws.laws.base import Law
from scalinglaws.laws.broken import BrokenPowerLaw
from scalinglaws.laws.chinchilla import ChinchillaLaw
from scalinglaws.laws.curves import PowerLaw
from scalinglaws.laws.kaplan import (
    CriticalBatchLaw,
    KaplanComputeLaw,
    KaplanDataLaw,
    KaplanLaw,
    KaplanSizeLaw,
    KaplanStepsLaw,
    KaplanTrainingLaw,
)
from scalinglaws.laws.muennighoff import MuennighoffLaw
from scalinglaws.laws.pearce import OMEGA, PearceLaw
from scalinglaws.laws.rosenfeld import RosenfeldLaw


class UnknownLawError(ScalingLawsError, KeyError):
    """No published law of that name."""

    def __str__(self) -> str:  # KeyError would print the message in quotes
        return str(self.args[0])


@dataclass(frozen=True)
class Published:
    """A published law with its source.

    Attributes
    ----------
    law : Law
        The constants.
    source : str
        Paper and place in it.
    arxiv : str
        arXiv number.
    counts_embeddings : bool or None
        Whether N includes embedding parameters (None where the law has no N).
    sure : {"paper", "secondary"}
        How the value was obtained.
    note : str
        What a user has to know.
    """

    law: Law
    source: str
    arxiv: str
    counts_embeddings: bool | None
    sure: str
    note: str = ""


PUBLISHED: dict[str, Published] = {
    "kaplan-N": Published(
        KaplanSizeLaw(Nc=8.8e13, alpha_N=0.076),
        "Kaplan et al. 2020, Table 5",
        "2001.08361",
        False,
        "paper",
        "Data not limiting. No standard errors are given.",
    ),
    "kaplan-D": Published(
        KaplanDataLaw(Dc=5.4e13, alpha_D=0.095),
        "Kaplan et al. 2020, Table 5",
        "2001.08361",
        None,
        "paper",
        "Large models, stopped early.",
    ),
    "kaplan-ND": Published(
        KaplanLaw(Nc=6.4e13, Dc=1.8e13, alpha_N=0.076, alpha_D=0.103),
        "Kaplan et al. 2020, Table 2",
        "2001.08361",
        False,
        "paper",
        "Runs stopped early after several epochs: C = 6ND does not apply.",
    ),
    "kaplan-C": Published(
        KaplanComputeLaw(Cc=1.6e7 * PF_DAY, alpha_C=0.057),
        "Kaplan et al. 2020, Table 5",
        "2001.08361",
        False,
        "paper",
        "One batch size for all runs; the paper calls this trend naive.",
    ),
    "kaplan-Cmin": Published(
        KaplanComputeLaw(Cc=3.1e8 * PF_DAY, alpha_C=0.050),
        "Kaplan et al. 2020, Table 5",
        "2001.08361",
        False,
        "paper",
        "The budget is C_min, half of what a run at the critical batch size costs. Measured; the "
        "paper's own derivation gives an exponent of 0.052.",
    ),
    "kaplan-batch": Published(
        CriticalBatchLaw(B_star=2.1e8, alpha_B=0.21),
        "Kaplan et al. 2020, Table 5",
        "2001.08361",
        None,
        "paper",
        "A function of the loss, not of the model.",
    ),
    "kaplan-NS": Published(
        KaplanStepsLaw(Nc=6.5e13, alpha_N=0.077, Sc=2.1e3, alpha_S=0.76),
        "Kaplan et al. 2020, Table 3",
        "2001.08361",
        False,
        "paper",
        "Steps are S_min, those of batches far above the critical size.",
    ),
    "kaplan-training": Published(
        KaplanTrainingLaw(
            Nc=8.8e13, alpha_N=0.076, Sc=2.1e3, alpha_S=0.76, B_star=2.1e8, alpha_B=0.21
        ),
        "Kaplan et al. 2020, Table 5 and Appendix B",
        "2001.08361",
        False,
        "paper",
        "Tokens are fresh and in batches far below the critical size; the budget is C_min.",
    ),
    "caballero-figure-1": Published(
        BrokenPowerLaw(
            E=1e-3,
            A=4660.0,
            c0=0.05,
            c=(0.49, -0.811, 2.1),
            d=(3e6, 1e14, 2e20),
            f=(1.1, 1.425, 0.05),
        ),
        "Caballero et al. 2022, Figure 1, authors' repository",
        "2210.14891",
        None,
        "paper",
        "An illustration with three breaks, fitted to nothing.",
    ),
    "rosenfeld-cifar10": Published(
        RosenfeldLaw(E=7e-14, A=0.0587, alpha=0.53, beta=0.66, eta=19.77, guess=0.9),
        "Rosenfeld et al. 2020, fit of CIFAR-10",
        "1909.12673",
        None,
        "secondary",
        "Top-1 error. N and D are fractions of the largest model and of the whole data set: read "
        "as counts, the constants would give errors below one in ten thousand.",
    ),
    "hestness-word": Published(
        PowerLaw(E=0.0, A=11.9, alpha=0.066),
        "Hestness et al. 2017, word language models",
        "1712.00409",
        None,
        "secondary",
        "Error against the size of the training set; no floor was in sight.",
    ),
    "kaplan-allocation": Published(
        AllocationLaw(
            k_params=1.3e9 * PF_DAY**-0.73, a=0.73, k_tokens=2.0e10 * PF_DAY**-0.27, b=0.27
        ),
        "Kaplan et al. 2020, Table 6",
        "2001.08361",
        False,
        "paper",
        "The budget is C_min, compute at a batch far below the critical size; at the critical "
        "batch size itself C_min = C / 2. Printed with C in PF-days: N = 1.3e9 C^.73, "
        "D = 2e10 C^.27.",
    ),
    "hoffmann": Published(
        ChinchillaLaw(E=1.6934, A=406.4, B=410.7, alpha=0.3392, beta=0.2849),
        "Hoffmann et al. 2022, Approach 3, at the precision of the paper's TeX source",
        "2203.15556",
        True,
        "paper",
        "Closer to the digits behind the paper's own Table A3 than the printed ones (within 16 %).",
    ),
    "hoffmann-rounded": Published(
        ChinchillaLaw(E=1.69, A=406.4, B=410.7, alpha=0.34, beta=0.28),
        "Hoffmann et al. 2022, equation 10, as printed",
        "2203.15556",
        True,
        "paper",
        "Rounded in print; the rounding alone moves tokens per parameter by half at large budgets.",
    ),
    "besiroglu": Published(
        ChinchillaLaw(E=1.816864, A=482.006, B=2085.434, alpha=0.347813, beta=0.365854),
        "Besiroglu et al. 2024, authors' notebook",
        "2404.10102",
        True,
        "paper",
        "Refit of 240 points read off Figure 4 of Hoffmann et al. Published standard errors: "
        "A 124.6, B 1293, E 0.026, alpha 0.015, beta 0.021.",
    ),
    "muennighoff-base": Published(
        ChinchillaLaw(
            E=math.exp(0.6254804),
            A=math.exp(6.255414),
            B=math.exp(7.3049974),
            alpha=0.3526596,
            beta=0.3526596,
        ),
        "Muennighoff et al. 2023, base law refitted on C4 with alpha = beta",
        "2305.16264",
        True,
        "paper",
        "For fresh data; the repeated-data law is built on it.",
    ),
    "muennighoff": Published(
        MuennighoffLaw(
            E=math.exp(0.6254804),
            A=math.exp(6.255414),
            B=math.exp(7.3049974),
            alpha=0.3526596,
            beta=0.3526596,
            R_D=15.387756,
            R_N=5.309743,
        ),
        "Muennighoff et al. 2023, equations 5 and 6, authors' notebook",
        "2305.16264",
        True,
        "paper",
        "R_D and R_N fitted to 182 runs of up to 9,000 epochs with the base law held. A local "
        "minimum of their objective; no standard errors are given.",
    ),
    "pearce": Published(
        PearceLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658, omega=OMEGA),
        "Pearce & Song 2024, authors' script, constants of Besiroglu et al. as printed",
        "2406.12907",
        False,
        "paper",
        "N leaves embeddings out.",
    ),
    "pearce-hoffmann": Published(
        PearceLaw(E=1.6934, A=406.4, B=410.7, alpha=0.3392, beta=0.2849, omega=OMEGA),
        "Pearce & Song 2024, authors' script, constants of Hoffmann et al.",
        "2406.12907",
        False,
        "paper",
        "N leaves embeddings out.",
    ),
    "llama3": Published(
        AllocationLaw(k_params=1 / (6 * 0.299), a=1 - 0.537, k_tokens=0.299, b=0.537),
        "Llama 3 technical report 2024, Figure 3",
        "2407.21783",
        None,
        "secondary",
        "The report prints (0.53, 0.29) for the exponent and coefficient of optimal tokens; its "
        "figure has (0.537, 0.299), which gives 16.3T tokens at 3.8e25 FLOP, where the report has "
        "402B parameters on 16.55T; the printed digits give 10.5T. Parameters follow from C = 6ND.",
    ),
    "deepseek": Published(
        AllocationLaw(k_params=0.1715 / 6, a=0.5243, k_tokens=5.8316, b=0.4757),
        "DeepSeek LLM 2024, equation 4",
        "2401.02954",
        None,
        "secondary",
        "The paper's model scale is M, non-embedding FLOPs per token, with C = M D and "
        "M* = 0.1715 C^.5243; params here is M / 6.",
    ),
}


def published(name: str) -> Law:
    """Return a published law by name.

    Raises
    ------
    UnknownLawError
        No such name; the message lists what there is.

    Examples
    --------
    >>> published("hoffmann").alpha
    0.3392
    """
    if not isinstance(name, str) or name not in PUBLISHED:
        near = difflib.get_close_matches(str(name), PUBLISHED, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise UnknownLawError(f"no published law {name!r}; there are {sorted(PUBLISHED)}.{hint}")
    return PUBLISHED[name].law


# The standard errors that Besiroglu et al. print with their constants (notebook precision).
BESIROGLU_STANDARD_ERRORS = {
    "A": 124.58,
    "B": 1293.23,
    "E": 0.0257,
    "alpha": 0.0154,
    "beta": 0.0206,
}
# and the 95 % intervals of their notebook, from 4,000 bootstrap resamples.
BESIROGLU_INTERVALS = {
    "A": (285.0, 744.0),
    "B": (1042.0, 5810.0),
    "E": (1.769, 1.871),
    "alpha": (0.317, 0.373),
    "beta": (0.331, 0.415),
}

# Allocation exponents of Hoffmann et al., Table 2: approach -> (a, interval, b, interval), the
# intervals from the 10th to the 90th bootstrap percentile.
HOFFMANN_EXPONENTS = {
    1: (0.50, (0.488, 0.502), 0.50, (0.501, 0.512)),
    2: (0.49, (0.462, 0.534), 0.51, (0.483, 0.529)),
    3: (0.46, (0.454, 0.455), 0.54, (0.542, 0.543)),
}

# Hoffmann et al., Table 3 (Approach 1) and Table A3 (Approaches 2 and 3), as printed:
# params -> (FLOPs, tokens). The FLOPs of Approach 3 at 175B are misprinted: 6ND is ten times more.
HOFFMANN_TABLES = {
    1: {
        400e6: (1.92e19, 8.0e9),
        1e9: (1.21e20, 20.2e9),
        10e9: (1.23e22, 205.1e9),
        67e9: (5.76e23, 1.5e12),
        175e9: (3.85e24, 3.7e12),
        280e9: (9.90e24, 5.9e12),
        520e9: (3.43e25, 11.0e12),
        1e12: (1.27e26, 21.2e12),
    },
    2: {
        400e6: (1.84e19, 7.7e9),
        1e9: (1.20e20, 20.0e9),
        10e9: (1.32e22, 219.5e9),
        67e9: (6.88e23, 1.7e12),
        175e9: (4.54e24, 4.3e12),
        280e9: (1.18e25, 7.1e12),
        520e9: (4.19e25, 13.4e12),
        1e12: (1.59e26, 26.5e12),
    },
    3: {
        400e6: (2.21e19, 9.2e9),
        1e9: (1.62e20, 27.1e9),
        10e9: (2.46e22, 410.1e9),
        67e9: (1.71e24, 4.1e12),
        175e9: (1.26e24, 12.0e12),
        280e9: (3.52e25, 20.1e12),
        520e9: (1.36e26, 43.5e12),
        1e12: (5.65e26, 94.1e12),
    },
}


@dataclass(frozen=True)
class PublishedRun:
    """A model that was trained: total parameters, tokens, and the compute its authors state."""

    name: str
    params: float
    tokens: float
    stated_flops: float | None
    source: str


GOPHER = PublishedRun("Gopher", 280e9, 300e9, 5.76e23, "Hoffmann et al. 2022, section 3.4")
CHINCHILLA = PublishedRun("Chinchilla", 70e9, 1.4e12, None, "Hoffmann et al. 2022, Table 4")

# Hestness et al. 2017 (arXiv 1712.00409) write the error as alpha m^beta + gamma with m training
# samples, so the sign is in the exponent beta. Taken from secondary accounts of the paper.
HESTNESS_EXPONENTS = {
    "word language model": -0.066,
    "character language model": -0.0936,
    "machine translation": -0.128,
    "speech recognition": -0.299,
    "image classification, top-1 error": -0.309,
}

# Every learning-curve exponent that those accounts give: domain -> what was fitted -> exponent.
HESTNESS_TABLE = {
    "word language model": {"cross-entropy": -0.066},
    "character language model": {"cross-entropy, SGD": -0.0936, "cross-entropy, Adam": -0.0954},
    "machine translation": {
        "best model of each size": -0.128,
        "one fixed model": -0.36,
        "another fixed model": -0.30,
    },
    "image classification": {
        "top-1 error": -0.309,
        "top-5 error": -0.488,
        "cross-entropy": -0.35,
    },
    "speech recognition": {"two architectures": -0.299},
}

# Exponents beta_p of the smallest model that fits m samples, as (lowest, highest) given.
HESTNESS_SIZE_EXPONENTS = {
    "word language model": (0.69, 0.78),
    "character language model": (0.78, 0.92),
    "image classification": (0.573, 0.573),
}

# Rosenfeld et al. 2020 (arXiv 1909.12673): data set -> (exponent of data, exponent of model size),
# the paper's alpha and beta. Vision: of the top-1 error; the last three: of the loss.
ROSENFELD_EXPONENTS = {
    "ImageNet": (0.75, 0.61),
    "CIFAR-10": (0.66, 0.53),
    "CIFAR-100": (0.70, 0.51),
    "DTD": (0.40, 1.16),
    "Aircraft": (1.10, 0.83),
    "UCF101": (0.93, 0.54),
    "PTB": (0.81, 0.34),
    "WikiText-2": (1.01, 0.22),
    "WikiText-103": (0.74, 0.56),
}
# Relative errors, mean and standard deviation: at most this on the runs that were fitted, and on
# larger runs than those.
ROSENFELD_FIT_ERROR = (0.01, 0.05)
ROSENFELD_EXTRAPOLATION_ERROR = (0.045, 0.047)

# Kaplan et al. 2020, Table 6: value = coefficient · C^exponent, C = C_min in PF-days.
KAPLAN_TABLE_6 = {
    "params": (1.3e9, 0.73),
    "batch": (2.0e6, 0.24),
    "steps": (5.4e3, 0.03),
    "tokens": (2e10, 0.27),
}
# Equation 6.7 has other tokens, though it is meant to be 2 C_min / 6N of the same N.
KAPLAN_TOKENS_6_7 = (4e10, 0.26)

# Exponents of loss and of parameters against C_min, as the paper prints them.
KAPLAN_COMPUTE_EXPONENTS = {
    "measured (Tables 5 and 6)": (0.050, 0.73),
    "predicted (section 6.2)": (0.054, 0.71),
    "predicted (Appendix B)": (0.052, None),
}

# Where L(C_min) and L(D) cross, equation 6.8: PF-days, parameters, tokens, nats per token.
KAPLAN_CROSSING = (1e4, 1e12, 1e12, 1.7)

# Hoffmann et al. 2022 say that Kaplan's rule asks for this size at 1e21 FLOP. It does for
# C_min = C / 2, a run at the critical batch size.
KAPLAN_SIZE_AT_1E21 = 4.68e9


@dataclass(frozen=True)
class PorianStep:
    """One change to the training of Kaplan et al., and the exponent a that comes out with it.

    Attributes
    ----------
    change : str
    refinedweb, openwebtext2 : float
        Allocation exponents on the two data sets.
    refinedweb_interval, openwebtext2_interval : tuple of float
        Their 95 % bootstrap intervals.
    params : float
        Optimal size at 5.88e23 FLOP, extrapolated on RefinedWeb.
    with_attention : float or None
        The exponent on RefinedWeb when FLOPs of attention are counted too.
    """

    change: str
    refinedweb: float
    refinedweb_interval: tuple[float, float]
    openwebtext2: float
    openwebtext2_interval: tuple[float, float]
    params: float
    with_attention: float | None


# Porian et al. 2024 (arXiv 2406.19146), authors' result files. Each step keeps those before it.
PORIAN_STEPS = (
    PorianStep("Kaplan's setting", 0.835, (0.824, 0.846), 0.864, (0.819, 0.897), 3.0e12, None),
    PorianStep("count the last layer", 0.706, (0.691, 0.717), 0.699, (0.664, 0.724), 787e9, 0.717),
    PorianStep("scale the warmup", 0.602, (0.591, 0.617), 0.603, (0.570, 0.629), 292e9, 0.622),
    PorianStep("match the decay", 0.571, (0.560, 0.589), 0.574, (0.542, 0.606), 183e9, 0.577),
    PorianStep("tune each size", 0.497, (0.491, 0.505), 0.519, (0.493, 0.541), 77e9, 0.505),
)
# Tuned hyperparameters with Kaplan's counting and warmup, on RefinedWeb.
PORIAN_TUNED_ONLY = 0.711
PORIAN_BUDGETS = tuple(1.25e16 * 2**i for i in range(12))

# The public log of nanochat (dev/LOG.md): one set of IsoFLOP runs, and the best size at each budget
# by three counts of the same models, with the exponent that the log reports for each.
NANOCHAT_BUDGETS = (1e18, 2e18, 5e18, 1e19)
NANOCHAT_BEST_PARAMS = {
    "blocks": ((80.26e6, 131.5e6, 221.0e6, 401.2e6), 0.70),
    "blocks and output": ((110.7e6, 167.8e6, 250.7e6, 381.8e6), 0.54),
    "everything": ((416.3e6, 560.2e6, 741.5e6, 988.6e6), 0.37),
}
# The best number of tokens at each budget, from the same log: its fits give C^0.41, 0.49 and 0.50.
NANOCHAT_BEST_TOKENS = {
    "blocks": (1.316e9, 1.864e9, 2.595e9, 3.329e9),
    "blocks and output": (1.242e9, 1.785e9, 2.642e9, 3.807e9),
    "everything": (1.232e9, 1.764e9, 2.630e9, 3.885e9),
}

# Kaplan et al. trained models from 768 to 1.5 billion non-embedding parameters.
KAPLAN_SIZES = (768.0, 1.5e9)

# Muennighoff et al. 2023, authors' notebook: share of the variance of the loss explained on their
# 182 runs by laws in which repetition costs nothing, or lowers the worth of one or both inputs.
MUENNIGHOFF_R_SQUARED = {
    "no decay": 0.4452,
    "parameters only": 0.4488,
    "data only": 0.7354,
    "both": 0.7722,
    "both, geometric": 0.7988,
}

# Lovelace et al. 2026 (arXiv 2605.01640), abstract: share by which a weight decay of 1.0 lowers
# their penalty of repetition. Their fitted constants are not held here.
LOVELACE_WEIGHT_DECAY_SAVING = 0.70
