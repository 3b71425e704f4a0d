"""The learning curves of Hestness et al. 2017 (arXiv 1712.00409): three phases, one exponent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scalinglaws.errors import BudgetError
from scalinglaws.laws.base import ConstantError, Law, exp, exps, one_number, positive

PHASES = ("small data", "power law", "irreducible")


@dataclass(frozen=True, repr=False)
class HestnessLaw(Law):
    r"""Error against training-set size: a best guess, then a power law, then a floor.

    .. math::

        \varepsilon(m) = E + (g - E)\,(1 + m/m_0)^{-\alpha}, \qquad
        m_0 = \left(\frac{A}{g - E}\right)^{1/\alpha}

    Far above the onset m0 this is the paper's own :math:`A\,m^{-\alpha} + E`; far below it is the
    error g of the best guess that needs no data.

    Parameters
    ----------
    E : float
        Irreducible error (the paper's gamma), 0 for none.
    A, alpha : float
        Coefficient and exponent of the power law. The paper writes the exponent with its sign,
        beta_g = -alpha.
    guess : float
        Error of the best guess without data, above E: ln(classes) nats for a uniform guess.

    Notes
    -----
    The paper gives a formula for the second and third phase and draws the first by hand. How the
    curve leaves the best guess is therefore a choice made here: the smoothest one without a
    further constant, which is a broken power law (`BrokenPowerLaw`) with one break of width 1.

    Examples
    --------
    >>> law = HestnessLaw(E=0.5, A=12.0, alpha=0.25, guess=4.5)
    >>> round(law.onset), round(law.floor_from)
    (81, 331695)
    >>> [str(p) for p in law.phase([10, 1e4, 1e6])]
    ['small data', 'power law', 'irreducible']
    >>> law.predict([1e-3, 1e4, 1e15]).round(3).tolist()
    [4.5, 1.698, 0.502]
    """

    E: float
    A: float
    alpha: float
    guess: float

    def __post_init__(self):
        super().__post_init__()
        if self.guess <= self.E:
            raise ConstantError(
                f"guess = {self.guess:.6g}, but the best guess errs more than the floor "
                f"E = {self.E:.6g}"
            )

    @property
    def _log_onset(self) -> float:
        return (math.log(self.A) - math.log(self.guess - self.E)) / self.alpha

    @property
    def onset(self) -> float:
        """Samples m0 at which the power law takes over from the best guess."""
        return exp(self._log_onset, "the onset")

    @property
    def floor_from(self) -> float:
        """Samples at which what can still be learned equals the floor E: inf where E = 0.

        From there on, more than half of the error is irreducible. It is 0 where the best guess is
        within twice the floor already.
        """
        if self.E == 0:
            return math.inf
        if self.guess <= 2 * self.E:
            return 0.0
        log_samples = self._log_samples(self.E)
        return math.exp(log_samples) if log_samples < 700 else math.inf

    def _log_excess(self, samples) -> tuple[np.ndarray, np.ndarray]:
        """ln(error - E), and ln m - ln m0."""
        u = np.log(positive("samples", samples)) - self._log_onset
        return math.log(self.guess - self.E) - self.alpha * np.logaddexp(0.0, u), u

    def predict(self, samples) -> np.ndarray:
        """Error for training sets of ``samples`` (positive, any shape)."""
        return self.E + np.exp(self._log_excess(samples)[0])

    def slope(self, samples) -> np.ndarray:
        """Local slope d ln(error) / d ln(samples): 0, then close to -alpha, then 0 again."""
        log_excess, u = self._log_excess(samples)
        excess = np.exp(log_excess)
        learned = np.exp(-np.logaddexp(0.0, -u))  # 0 far below the onset, 1 far above
        return -self.alpha * learned * excess / (self.E + excess)

    def gradient(self, samples) -> np.ndarray:
        """d(error) / d(samples): what one more sample is worth."""
        log_excess, u = self._log_excess(samples)
        log_m = np.log(np.asarray(samples, float))
        log_size = math.log(self.alpha) + log_excess - np.logaddexp(0.0, -u) - log_m
        return -exps(log_size, "the gradient")

    def phase(self, samples) -> np.ndarray:
        """The phase of each size: "small data", "power law" or "irreducible".

        The borders are `onset` and `floor_from`. Where the second lies below the first there is
        no power law to be seen: the floor shows as soon as learning begins.
        """
        m = positive("samples", samples)
        later = np.where(m < self.floor_from, PHASES[1], PHASES[2])
        return np.where(np.log(m) < self._log_onset, PHASES[0], later)

    def invert(self, error: float) -> float:
        """The number of samples with which the error is ``error``.

        Raises
        ------
        BudgetError
            No data set does that: the error is at or below E, or at or above the best guess.
        """
        error = one_number("the error", error)
        if not self.E < error < self.guess:
            raise BudgetError(
                f"no data set gives an error of {error:.6g}: the curve runs from the best guess "
                f"{self.guess:.6g} to the floor {self.E:.6g}"
            )
        return exp(self._log_samples(error - self.E), "samples")

    def _log_samples(self, excess: float) -> float:
        """ln m at which the error lies ``excess`` above the floor, for 0 < excess < guess - E."""
        # (1 + m/m0) = ((g - E) / excess)^(1/alpha), kept as a logarithm
        log_sum = (math.log(self.guess - self.E) - math.log(excess)) / self.alpha
        if log_sum <= 0.0:
            raise BudgetError(f"{self.E + excess:.6g} is the best guess to machine precision")
        return self._log_onset + log_sum + math.log(-math.expm1(-log_sum))

    def data_factor(self, samples: float, fraction: float = 0.5) -> float:
        """How many times the data cut the error at ``samples`` to ``fraction`` of itself.

        Raises
        ------
        BudgetError
            The floor lies above the error that is asked for.

        Examples
        --------
        >>> law = HestnessLaw(E=0.5, A=12.0, alpha=0.25, guess=4.5)
        >>> round(law.data_factor(1e4), 1)  # without the floor it would be 2^4 = 16
        140.1
        """
        samples = one_number("samples", samples, above=0.0)
        fraction = _fraction(fraction)
        return self.invert(fraction * float(self.predict(samples))) / samples

    def _repr_latex_(self) -> str:
        floor = f"{self.E:.4g} + " if self.E else ""
        onset = f"{math.exp(self._log_onset):.3g}" if abs(self._log_onset) < 700 else "m_0"
        return (
            rf"$\varepsilon(m) = {floor}{self.guess - self.E:.4g}"
            rf"\left(1 + m/{onset}\right)^{{-{self.alpha:.4g}}}$"
        )


@dataclass(frozen=True, repr=False)
class HestnessSizeLaw(Law):
    """Smallest model that fits a training set of m samples, s(m) = k m^beta_p.

    The paper finds beta_p between 0.5 and 1: the model grows, but slower than the data.

    Examples
    --------
    >>> law = HestnessSizeLaw(k=20.0, beta_p=0.7)
    >>> round(float(law.predict(1e9) / law.predict(1e8)), 2)  # ten times the data
    5.01
    """

    k: float
    beta_p: float

    def predict(self, samples) -> np.ndarray:
        """Parameters for training sets of ``samples``."""
        log_m = np.log(positive("samples", samples))
        return exps(math.log(self.k) + self.beta_p * log_m, "the model size")

    def slope(self, samples) -> np.ndarray:
        """d ln(size) / d ln(samples), the same everywhere."""
        return np.full_like(positive("samples", samples), self.beta_p)

    def invert(self, params: float) -> float:
        """Samples that a model of ``params`` parameters just fits."""
        params = one_number("params", params, above=0.0)
        return exp((math.log(params) - math.log(self.k)) / self.beta_p, "samples")

    def _repr_latex_(self) -> str:
        return rf"$s(m) = {self.k:.4g}\,m^{{{self.beta_p:.4g}}}$"


def data_to_halve(alpha: float, fraction: float = 0.5) -> float:
    """How many times the data cut an error to ``fraction``, on a power law without a floor.

    Parameters
    ----------
    alpha : float
        The exponent, without its minus sign.
    fraction : float, default 0.5
        What is to remain of the error, between 0 and 1.

    Returns
    -------
    float
        fraction^(-1/alpha).

    Raises
    ------
    BudgetError
        An exponent that is not positive, or a number of samples beyond any that makes sense.

    Examples
    --------
    >>> round(data_to_halve(0.299), 1)  # speech recognition
    10.2
    >>> f"{data_to_halve(0.066):.1e}"  # word language models
    '3.6e+04'
    """
    alpha = one_number("alpha (the exponent without its minus sign)", alpha, above=0.0)
    return exp(-math.log(_fraction(fraction)) / alpha, "the factor of data")


def _fraction(value: float) -> float:
    value = one_number("the fraction", value, above=0.0)
    if value >= 1:
        raise BudgetError(f"the fraction that is to remain must be below 1, got {value:.6g}")
    return value
