"""The envelope of Rosenfeld et al. 2020 (arXiv 1909.12673): from random guessing to a power law."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scalinglaws.errors import BudgetError
from scalinglaws.laws.base import ConstantError, Law, exp, exps, one_number, positive
from scalinglaws.laws.chinchilla import ChinchillaLaw


@dataclass(frozen=True, repr=False)
class RosenfeldLaw(Law):
    r"""Error of a model of N parameters trained on D samples, at most that of guessing.

    .. math::

        \tilde\varepsilon(N, D) = E + A N^{-\alpha} + D^{-\beta}, \qquad
        \hat\varepsilon = \varepsilon_0 \left|\frac{\tilde\varepsilon}{\tilde\varepsilon - i\eta}
        \right| = \frac{\varepsilon_0\,\tilde\varepsilon}{\sqrt{\tilde\varepsilon^2 + \eta^2}}

    Where the power-law part is far above eta the error is that of guessing; where it is far below,
    the error is the additive law, scaled by guess / eta.

    Parameters
    ----------
    E : float
        Floor of the power-law part (the paper's c_inf), 0 for none.
    A, alpha : float
        Coefficient and exponent of the model term (the paper's b and beta).
    beta : float
        Exponent of the data term (the paper's alpha). Its coefficient is 1 (the paper's a), because
        one factor common to the power-law part and to eta changes nothing.
    eta : float
        Size of the power-law part at which the curve bends.
    guess : float
        Error of random guessing (the paper's epsilon_0).

    Notes
    -----
    The paper writes alpha for data and beta for models, the other way round than this package. The
    units of N and D are those of the fit: counts, or fractions of the largest model and data set.

    Examples
    --------
    >>> law = RosenfeldLaw(E=7e-14, A=0.0587, alpha=0.53, beta=0.66, eta=19.77, guess=0.9)
    >>> round(float(law.predict(1, 1)), 3)  # CIFAR-10, all of the model and of the data
    0.048
    >>> round(float(law.predict(1 / 16, 1 / 32)), 2)
    0.41
    """

    E: float
    A: float
    alpha: float
    beta: float
    eta: float
    guess: float

    def _log_terms(self, params, tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logarithms of the model term, the data term and the whole power-law part."""
        n, d = positive("params", params), positive("tokens", tokens)
        model = math.log(self.A) - self.alpha * np.log(n)
        data = -self.beta * np.log(d)
        total = np.logaddexp(model, data)
        if self.E:
            total = np.logaddexp(math.log(self.E), total)
        return model, data, total

    def power_part(self, params, tokens) -> np.ndarray:
        """The power-law part, E + A N^-alpha + D^-beta, before the envelope."""
        return exps(self._log_terms(params, tokens)[2], "the power-law part")

    def predict(self, params, tokens) -> np.ndarray:
        """Error; ``params`` and ``tokens`` (or samples) broadcast."""
        return self.guess * np.exp(self._log_share(self._log_terms(params, tokens)[2]))

    def _log_share(self, log_part) -> np.ndarray:
        """Logarithm of the error as a share of guessing."""
        # 1 / sqrt(1 + (eta / part)²), which as powers would overflow on the way
        return -0.5 * np.logaddexp(0.0, 2 * (math.log(self.eta) - log_part))

    def learned(self, params, tokens) -> np.ndarray:
        """d ln(error) / d ln(power-law part): 0 when guessing, 1 on the power law."""
        return np.exp(self._log_learned(self._log_terms(params, tokens)[2]))

    def _log_learned(self, log_part) -> np.ndarray:
        return -np.logaddexp(0.0, 2 * (log_part - math.log(self.eta)))

    def gradient(self, params, tokens) -> tuple[np.ndarray, np.ndarray]:
        """(d error / dN, d error / dD)."""
        model, data, total = self._log_terms(params, tokens)
        log_common = math.log(self.guess) + self._log_share(total) + self._log_learned(total)
        log_n, log_d = np.log(np.asarray(params, float)), np.log(np.asarray(tokens, float))
        by_n = log_common + math.log(self.alpha) + model - total - log_n
        by_d = log_common + math.log(self.beta) + data - total - log_d
        return -exps(by_n, "the gradient"), -exps(by_d, "the gradient")

    def slopes(self, params, tokens) -> tuple[np.ndarray, np.ndarray]:
        """(d ln error / d ln N, d ln error / d ln D)."""
        model, data, total = self._log_terms(params, tokens)
        learned = np.exp(self._log_learned(total))
        return (
            -self.alpha * learned * np.exp(model - total),
            -self.beta * learned * np.exp(data - total),
        )

    @property
    def power_law(self) -> ChinchillaLaw:
        """The additive law that the envelope becomes far below eta.

        The envelope bends the loss axis and nothing else, so for a fit in counts of parameters and
        tokens ``power_law.optimum(flops)`` has the split of lowest error for any budget.
        """
        scale = self.guess / self.eta
        return ChinchillaLaw(
            E=self.E * scale, A=self.A * scale, B=scale, alpha=self.alpha, beta=self.beta
        )

    @property
    def floor(self) -> float:
        """Error of an endless model on endless data."""
        return self.guess * math.exp(self._log_share(math.log(self.E))) if self.E else 0.0

    def tokens_for(self, params: float, loss: float) -> float:
        """Tokens (or samples) with which a model of ``params`` errs ``loss``.

        Raises
        ------
        BudgetError
            Guessing does that without data, or no amount of data does it.
        """
        params = one_number("params", params, above=0.0)
        part = self._part_for(loss)
        room = part - self.E - exp(math.log(self.A) - self.alpha * math.log(params), "its error")
        if not room > 0:
            ends = float(self.predict(params, 1e300))
            raise BudgetError(
                f"a model of {params:.3g} parameters cannot reach {loss:.6g}: with endless data "
                f"it ends near {ends:.6g}"
            )
        return exp(-math.log(room) / self.beta, "tokens")

    def _part_for(self, loss: float) -> float:
        """The power-law part at which the envelope predicts ``loss``."""
        loss = one_number("the loss", loss, above=0.0)
        if loss >= self.guess:
            raise BudgetError(f"a loss of {loss:.6g} is no better than guessing, {self.guess:.6g}")
        share = loss / self.guess
        return exp(
            math.log(self.eta) + math.log(share) - 0.5 * math.log1p(-share * share),
            "the power-law part",
        )

    def _check(self, name: str, value: float) -> None:
        super()._check(name, value)
        if name == "eta" and value < 1e-150:
            raise ConstantError(f"eta = {value!r} is too small: every error would be a guess")

    def _repr_latex_(self) -> str:
        floor = f"{self.E:.3g} + " if self.E else ""
        return (
            rf"$\hat\varepsilon = {self.guess:.4g}\,\tilde\varepsilon"
            rf"\,/\sqrt{{\tilde\varepsilon^2 + {self.eta:.4g}^2}},\quad \tilde\varepsilon = {floor}"
            rf"{self.A:.4g}\,N^{{-{self.alpha:.4g}}} + D^{{-{self.beta:.4g}}}$"
        )
