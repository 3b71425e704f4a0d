"""Repeated data: the law of Muennighoff et al. 2023 (arXiv 2305.16264).

A token seen again is worth less than a fresh one, and parameters beyond what the unique data can
feed are worth less than the first ones. Both lose value exponentially.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from scalinglaws.errors import BudgetError
from scalinglaws.laws.base import Law, Optimum, check_budget, exp, one_number, positive
from scalinglaws.laws.chinchilla import ChinchillaLaw


def split_tokens(tokens, unique_tokens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens D, the unique ones among them U, and how often these were repeated, R = D/U - 1.

    Parameters
    ----------
    tokens : array_like
        Training tokens D seen by the run.
    unique_tokens : array_like or None
        Unique tokens at hand. None: all tokens are fresh. Where there are more of them than the
        run sees, it sees only ``tokens`` of them.

    Returns
    -------
    tokens, unique, repeats : ndarray
    """
    d = positive("tokens", tokens)
    if unique_tokens is None:
        return d, d, np.zeros_like(d)
    u = np.minimum(d, positive("unique_tokens", unique_tokens))
    return d, u, d / u - 1.0


def decayed(repeats, scale: float):
    """What 1 + ``repeats`` servings are worth, the first being worth 1: 1 + s (1 - e^(-R/s))."""
    return 1.0 - scale * np.expm1(-np.asarray(repeats) / scale)


@dataclass(frozen=True)
class DataLimitedOptimum(Optimum):
    """What to train with a budget and a limited stock of unique tokens.

    Attributes
    ----------
    flops, params, tokens, loss : float
        As in `Optimum`; tokens count every repetition.
    unique_tokens : float
        Unique tokens among them.
    """

    unique_tokens: float

    @property
    def epochs(self) -> float:
        """Passes over the unique tokens, D / U."""
        return self.tokens / self.unique_tokens


@dataclass(frozen=True, repr=False)
class MuennighoffLaw(Law):
    r"""Chinchilla's law with effective parameters and effective tokens.

    .. math::

        L(N, D, U) = E + A\,{N'}^{-\alpha} + B\,{D'}^{-\beta}

    .. math::

        D' = U + U R_D^* (1 - e^{-R_D/R_D^*}), \quad R_D = D/U - 1

        N' = U_N + U_N R_N^* (1 - e^{-R_N/R_N^*}), \quad R_N = \max(N/U_N - 1, 0)

    Parameters
    ----------
    E, A, B, alpha, beta : float
        Constants of Chinchilla's law for fresh data.
    R_D, R_N : float
        The scales R_D* and R_N* on which repetitions and excess parameters lose their value.

    Notes
    -----
    Equations 5 and 6 and appendix A of Muennighoff et al. 2023 (arXiv 2305.16264).
    U_N = min(N, G (G U)^(beta/alpha)) is the compute-optimal size for U fresh tokens, so that the
    optimum of Chinchilla's law stays one of this law.

    R_D* is an e-folding constant, not a half-life: a repetition has lost half of its value after
    R_D* ln 2 repetitions. Each repetition keeps the share e^(-1/R_D*), about 1 - 1/R_D*, of the
    value of the one before; parts of the paper's text say that it loses all but 1/R_D*.

    The loss never rises with epochs or parameters in this law. In real runs it does.

    Examples
    --------
    The two runs of the authors' README: for 25 billion unique tokens, the smaller model wins.

    >>> law = MuennighoffLaw(
    ...     E=math.exp(0.6254804), A=math.exp(6.255414), B=math.exp(7.3049974),
    ...     alpha=0.3526596, beta=0.3526596, R_D=15.387756, R_N=5.309743,
    ... )
    >>> print(f"{law.predict(6.34e9, 242e9, 25e9):.5f} {law.predict(8.67e9, 178e9, 25e9):.5f}")
    2.22564 2.22696
    >>> best = law.optimum(6 * 8.67e9 * 178e9, unique_tokens=25e9)
    >>> f"{best.params:.2e} parameters for {best.epochs:.1f} epochs"
    '6.80e+09 parameters for 9.1 epochs'
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    R_D: float
    R_N: float

    @classmethod
    def of(cls, law: ChinchillaLaw, R_D: float, R_N: float) -> MuennighoffLaw:
        """The law of repeated data that rests on ``law`` for fresh data."""
        return cls(**law.constants, R_D=R_D, R_N=R_N)

    @property
    def base(self) -> ChinchillaLaw:
        """The law of fresh data."""
        return ChinchillaLaw(self.E, self.A, self.B, self.alpha, self.beta)

    # -- what repetition is worth ------------------------------------------------------------

    @property
    def most_epochs(self) -> float:
        """Fresh epochs that endless repetition is worth, 1 + R_D*."""
        return 1.0 + self.R_D

    @property
    def half_value_repeats(self) -> float:
        """Repetitions after which one more token is worth half a fresh one, R_D* ln 2."""
        return self.R_D * math.log(2.0)

    def worth(self, epochs) -> np.ndarray:
        """D'/U: how many fresh epochs ``epochs`` passes are worth; at most one each."""
        return decayed(self._repeats(epochs), self.R_D)

    def marginal_worth(self, epochs) -> np.ndarray:
        """dD'/dD: what one more token is worth after ``epochs`` passes, a fresh one being 1."""
        return np.exp(-self._repeats(epochs) / self.R_D)

    def epoch_worth(self, k) -> np.ndarray:
        """What the whole k-th epoch adds to D'/U; the first is worth 1."""
        k = positive("k", k)
        if (k < 1).any() or (k != np.round(k)).any():
            raise BudgetError("epochs are counted 1, 2, 3, ...")
        later = -self.R_D * np.exp(-(k - 2.0) / self.R_D) * math.expm1(-1.0 / self.R_D)
        return np.where(k == 1, 1.0, later)

    @staticmethod
    def _repeats(epochs) -> np.ndarray:
        epochs = positive("epochs", epochs)
        if (epochs < 1).any():
            raise BudgetError("epochs must be at least 1: fewer see fewer unique tokens instead")
        return epochs - 1.0

    def effective_tokens(self, tokens, unique_tokens=None) -> np.ndarray:
        """D': the fresh tokens that ``tokens`` are worth."""
        _, u, repeats = split_tokens(tokens, unique_tokens)
        return u * decayed(repeats, self.R_D)

    def params_fed(self, unique_tokens) -> np.ndarray:
        """The size for which ``unique_tokens`` fresh ones are compute-optimal, G (G U)^(b/a)."""
        log_u = np.log(positive("unique_tokens", unique_tokens))
        log_g = self.base._log_G
        log_n = log_g + self.beta / self.alpha * (log_g + log_u)
        if (np.abs(log_n) > 700.0).any():
            raise BudgetError("the size that these tokens feed is beyond what a number can hold")
        return np.exp(log_n)

    def effective_params(self, params, unique_tokens) -> np.ndarray:
        """N': what ``params`` are worth where there are only ``unique_tokens``."""
        n, fed = positive("params", params), self.params_fed(unique_tokens)
        fed = np.minimum(n, fed)
        return fed * decayed(n / fed - 1.0, self.R_N)

    # -- the law -----------------------------------------------------------------------------

    def predict(self, params, tokens, unique_tokens=None) -> np.ndarray:
        """Loss in nats per token.

        Parameters
        ----------
        params, tokens : array_like
            Parameters, and training tokens with every repetition counted.
        unique_tokens : array_like, optional
            Unique tokens at hand; by default every token is fresh.
        """
        d, u, repeats = split_tokens(tokens, unique_tokens)
        worth = u * decayed(repeats, self.R_D)
        return self.base.predict(self.effective_params(params, u), worth)

    def gradient(self, params, tokens, unique_tokens=None) -> tuple[np.ndarray, ...]:
        """(dL/dN, dL/dD, dL/dU), none of them positive.

        Where ``unique_tokens`` is not below ``tokens``, more of it changes nothing, and the last
        two are the derivatives for a stock of exactly ``tokens``.
        """
        d, u, repeats = split_tokens(tokens, unique_tokens)
        n, u, repeats = np.broadcast_arrays(positive("params", params), u, repeats)
        fed = self.params_fed(u)
        excess = np.maximum(n / fed, 1.0) - 1.0
        by_worth_n, by_worth_d = self.base.gradient(
            self.effective_params(n, u), u * decayed(repeats, self.R_D)
        )
        kept_n, kept_d = np.exp(-excess / self.R_N), np.exp(-repeats / self.R_D)
        # At fixed N, more unique tokens raise the size that they feed: dN'/dU_N.
        fed_gain = np.where(n > fed, decayed(excess, self.R_N) - kept_n * (1.0 + excess), 0.0)
        fed_slope = self.beta / self.alpha * fed / u
        by_unique = by_worth_d * (decayed(repeats, self.R_D) - kept_d * (1.0 + repeats))
        by_unique = by_unique + by_worth_n * fed_gain * fed_slope
        return by_worth_n * kept_n, by_worth_d * kept_d, by_unique

    def optimum(
        self, flops: float, flops_per: float = 6.0, *, unique_tokens: float | None = None
    ) -> DataLimitedOptimum:
        """Lowest loss with flops = flops_per · N · D and at most ``unique_tokens`` unique ones.

        Parameters
        ----------
        flops : float
            Budget in FLOP.
        flops_per : float, default 6
        unique_tokens : float, optional
            The stock of unique tokens; by default as many as the run can use.

        Returns
        -------
        DataLimitedOptimum

        Raises
        ------
        BudgetError
            A budget or a stock that is not positive, or absurd.

        Notes
        -----
        Where the stock is enough, this is the optimum of the law of fresh data. Otherwise the
        derivatives of the two terms along the budget are equal at exactly one size, for the
        elasticity of N' falls with N and that of D' with D. Compared as logarithms they do not
        underflow when both terms have long been saturated.
        """
        flops = check_budget(flops)
        fresh = self.base.optimum(flops, flops_per)
        stock = math.inf
        if unique_tokens is not None:
            stock = one_number("unique_tokens", unique_tokens, above=0.0)
        if fresh.tokens <= stock:
            return DataLimitedOptimum(flops, fresh.params, fresh.tokens, fresh.loss, fresh.tokens)
        log_product, log_u = math.log(flops / float(flops_per)), math.log(stock)
        log_fed = math.log(float(self.params_fed(stock)))

        def pull(log_units, scale, log_size, coefficient, exponent):
            """ln of minus dL / d ln x of one term, x being e^log_units times its natural unit."""
            repeats = math.expm1(min(log_units, 600.0)) if log_units > 0 else 0.0
            log_worth = math.log(decayed(repeats, scale)) if log_units > 0 else log_units
            log_elasticity = max(log_units, 0.0) - repeats / scale - max(log_worth, 0.0)
            return (
                math.log(exponent * coefficient)
                - exponent * (log_size + log_worth)
                + (log_elasticity)
            )

        def gap(log_n):
            model = pull(log_n - log_fed, self.R_N, log_fed, self.A, self.alpha)
            data = pull(log_product - log_n - log_u, self.R_D, log_u, self.B, self.beta)
            return model - data

        high = log_product - log_u  # one epoch
        low = high - 1.0
        while gap(low) <= 0:
            low -= high - low
        log_n = brentq(gap, low, high, xtol=1e-13)
        n, d = exp(log_n, "the optimal params"), exp(log_product - log_n, "the optimal tokens")
        return DataLimitedOptimum(flops, n, d, float(self.predict(n, d, stock)), min(stock, d))

    def _repr_latex_(self) -> str:
        return (
            rf"$L(N, D, U) = {self.E:.4g} + {self.A:.4g}\,N'^{{-{self.alpha:.4g}}}"
            rf" + {self.B:.4g}\,D'^{{-{self.beta:.4g}}},\quad"
            rf" R_D^* = {self.R_D:.4g},\ R_N^* = {self.R_N:.4g}$"
        )
