"""When repetition hurts: the overfitting penalty of Lovelace et al. 2026 (arXiv 2605.01640)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from scalinglaws.laws.base import Law, check_budget, exp, one_number, positive
from scalinglaws.laws.chinchilla import ChinchillaLaw
from scalinglaws.laws.muennighoff import DataLimitedOptimum, split_tokens


@dataclass(frozen=True, repr=False)
class LovelaceLaw(Law):
    r"""Chinchilla's law plus a penalty that grows with repetitions and with parameters per token.

    .. math::

        L(N, D, U) = E + A N^{-\alpha} + B D^{-\beta}
                     + P\,R^{\delta} \left(\frac{N}{U}\right)^{\kappa}, \qquad R = D/U - 1

    Parameters
    ----------
    E, A, B, alpha, beta : float
        Constants of Chinchilla's law; D = U (1 + R) counts every repetition in full.
    P : float
        Size of the penalty, nats per token.
    delta, kappa : float
        Exponents of the repetitions and of the parameters per unique token.

    Notes
    -----
    The form is that of Lovelace et al. 2026 (arXiv 2605.01640), an empirical fit, as secondary
    accounts give it. This package holds no published values of P, delta and kappa: those in the
    examples are made up. The paper also has a form in which only P is fitted; which values it
    holds the exponents at is not known here, so whoever uses that form states them.

    Unlike in the law of Muennighoff et al., the loss can rise with epochs and with parameters.

    Examples
    --------
    With made-up constants, more than a certain number of epochs hurts:

    >>> base = ChinchillaLaw(E=1.87, A=521.0, B=1488.0, alpha=0.353, beta=0.353)
    >>> law = LovelaceLaw.of(base, P=0.01, delta=1.0, kappa=0.5)
    >>> best = law.best_epochs(params=1e9, unique_tokens=1e9)
    >>> [round(float(law.predict(1e9, k * 1e9, 1e9)), 3) for k in (1, best, 2 * best)]
    [3.207, 2.737, 2.79]
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    P: float
    delta: float
    kappa: float

    @classmethod
    def of(cls, law: ChinchillaLaw, P: float, delta: float, kappa: float) -> LovelaceLaw:
        """``law`` with a penalty added.

        The form with one parameter is this with delta and kappa held at stated values.
        """
        return cls(**law.constants, P=P, delta=delta, kappa=kappa)

    @property
    def base(self) -> ChinchillaLaw:
        """The law without its penalty."""
        return ChinchillaLaw(self.E, self.A, self.B, self.alpha, self.beta)

    def penalty(self, params, tokens, unique_tokens=None) -> np.ndarray:
        """P R^delta (N/U)^kappa in nats per token; 0 where nothing is repeated."""
        n = positive("params", params)
        _, u, repeats = split_tokens(tokens, unique_tokens)
        return self.P * repeats**self.delta * (n / u) ** self.kappa

    def predict(self, params, tokens, unique_tokens=None) -> np.ndarray:
        """Loss in nats per token.

        Parameters
        ----------
        params, tokens : array_like
            Parameters, and training tokens with every repetition counted.
        unique_tokens : array_like, optional
            Unique tokens at hand; by default every token is fresh.
        """
        penalty = self.penalty(params, tokens, unique_tokens)
        return self.base.predict(params, tokens) + penalty

    def gradient(self, params, tokens, unique_tokens=None) -> tuple[np.ndarray, ...]:
        """(dL/dN, dL/dD, dL/dU).

        At the end of the first epoch they are those of the second epoch's first token: infinite
        where delta < 1.
        """
        n = positive("params", params)
        d, u, repeats = split_tokens(tokens, unique_tokens)
        by_n, by_d = self.base.gradient(n, d)
        share = self.P * (n / u) ** self.kappa
        by_n = by_n + self.kappa * share * repeats**self.delta / n
        with np.errstate(divide="ignore"):
            by_repeat = self.delta * share * repeats ** (self.delta - 1.0)
        by_d = by_d + by_repeat / u
        by_u = -by_repeat * d / u**2 - self.kappa * share * repeats**self.delta / u
        return by_n, by_d, by_u

    def best_epochs(self, params: float, unique_tokens: float) -> float:
        """Epochs after which a model of ``params`` gets worse on ``unique_tokens``.

        Returns
        -------
        float
            At least 1.

        Raises
        ------
        BudgetError
            Params or tokens that are not positive numbers.
        """
        n = one_number("params", params, above=0.0)
        u = one_number("unique_tokens", unique_tokens, above=0.0)
        log_share = math.log(self.P) + self.kappa * math.log(n / u)
        log_data = math.log(self.B) - self.beta * math.log(u)

        def loss(log_repeats):  # that changes with the repetitions
            r = np.asarray(log_repeats)
            with np.errstate(over="ignore"):
                data = np.exp(log_data - self.beta * np.logaddexp(0.0, r))
                return data + np.exp(np.minimum(log_share + self.delta * r, 700.0))

        log_r, found = _lowest(loss, -30.0, 60.0)
        return 1.0 + math.exp(log_r) if found < math.exp(log_data) else 1.0

    def best_params(self, tokens: float, unique_tokens: float) -> float:
        """The size beyond which more parameters hurt; infinite where nothing is repeated."""
        d, u, repeats = split_tokens(
            one_number("tokens", tokens, above=0.0),
            one_number("unique_tokens", unique_tokens, above=0.0),
        )
        if not repeats > 0:
            return math.inf
        log_n = math.log(self.alpha * self.A) - math.log(self.kappa * self.P)
        log_n += self.kappa * math.log(float(u)) - self.delta * math.log(float(repeats))
        return exp(log_n / (self.alpha + self.kappa), "the best params")

    def optimum(
        self, flops: float, flops_per: float = 6.0, *, unique_tokens: float | None = None
    ) -> DataLimitedOptimum:
        """Lowest loss with flops = flops_per · N · D and at most ``unique_tokens`` unique ones.

        The whole budget is spent. One epoch of an ever larger model carries no penalty in this
        law, so that is what a large enough budget buys.

        Parameters
        ----------
        flops : float
            Budget in FLOP.
        flops_per : float, default 6
        unique_tokens : float, optional
            The stock of unique tokens; by default as many as the run can use.

        Raises
        ------
        BudgetError
            A budget or a stock that is not positive, or absurd.
        """
        flops = check_budget(flops)
        fresh = self.base.optimum(flops, flops_per)
        stock = math.inf
        if unique_tokens is not None:
            stock = one_number("unique_tokens", unique_tokens, above=0.0)
        if fresh.tokens <= stock:
            return DataLimitedOptimum(flops, fresh.params, fresh.tokens, fresh.loss, fresh.tokens)
        log_product, log_u = math.log(flops / float(flops_per)), math.log(stock)
        log_b, log_a, log_p = math.log(self.B), math.log(self.A), math.log(self.P)

        def excess(log_repeats):
            r = np.asarray(log_repeats)
            log_d = log_u + np.logaddexp(0.0, r)
            log_n = log_product - log_d
            penalty = log_p + self.delta * r + self.kappa * (log_n - log_u)
            data, model = log_b - self.beta * log_d, log_a - self.alpha * log_n
            return np.logaddexp(np.logaddexp(data, model), penalty)

        once = np.logaddexp(log_b - self.beta * log_u, log_a - self.alpha * (log_product - log_u))
        # More epochs than the law of fresh data asks for raise its two terms, and can lower the
        # penalty only if that falls with the size faster than it rises with the repetitions.
        most = max(math.log(fresh.tokens) - log_u, 1e-15)
        high = most + math.log(-math.expm1(-most))  # ln R of that many epochs
        if self.kappa > self.delta:
            high += 40.0
        log_r, found = _lowest(excess, min(-30.0, high - 1.0), high)
        repeats = math.exp(log_r) if found < once else 0.0
        d = stock * (1.0 + repeats)
        n = exp(log_product - math.log(d), "the optimal params")
        return DataLimitedOptimum(flops, n, d, float(self.predict(n, d, stock)), stock)

    def _repr_latex_(self) -> str:
        return (
            rf"$L(N, D, U) = {self.E:.4g} + {self.A:.4g}\,N^{{-{self.alpha:.4g}}}"
            rf" + {self.B:.4g}\,D^{{-{self.beta:.4g}}}"
            rf" + {self.P:.4g}\,R^{{{self.delta:.4g}}}(N/U)^{{{self.kappa:.4g}}}$"
        )


def _lowest(function, low: float, high: float) -> tuple[float, float]:
    """Where a function of one number is lowest in [low, high]; it may have several minima."""
    grid = np.linspace(low, high, 1201)
    values = function(grid)
    at = int(np.argmin(values))
    ends = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
    found = minimize_scalar(function, bounds=ends, method="bounded", options={"xatol": 1e-12})
    if float(found.fun) < values[at]:
        return float(found.x), float(found.fun)
    return float(grid[at]), float(values[at])
