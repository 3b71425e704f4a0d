"""Chinchilla's law seen by Kaplan's counting: Pearce & Song 2024 (arXiv 2406.12907).

Kaplan et al. count parameters and compute without embeddings, Hoffmann et al. with them. Written in
non-embedding parameters, Chinchilla's law is no longer a sum of power laws, and the size that a
budget should buy no longer a power of the budget: the exponent that a study finds depends on the
range of sizes that it covers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from scalinglaws.errors import BudgetError
from scalinglaws.laws.base import Law, Optimum, check_budget, exp, one_number, positive
from scalinglaws.laws.chinchilla import ChinchillaLaw

# omega of Chinchilla's 50 models, as Pearce & Song have it: a vocabulary of 32,000 and a width of
# 39.2 layers. It is the coefficient of a fit with a free exponent, which came out as .34; with the
# exponent 1/3 of the formula `fit_omega` finds 52,960. The exponents below hardly notice.
OMEGA = 47491.0


def total_params(non_embedding, omega: float = OMEGA) -> np.ndarray:
    r"""Total parameters of a model with ``non_embedding`` of them outside its embeddings.

    .. math:: N_T = N_E + \omega N_E^{1/3}

    A transformer of fixed aspect ratio r = width / layers has 12 width³ / r parameters outside its
    embeddings and vocabulary · width inside, so omega = vocabulary · (r / 12)^(1/3).

    Parameters
    ----------
    non_embedding : array_like
        Non-embedding parameters.
    omega : float
        Default: the value of Pearce & Song 2024 for Chinchilla's models.

    Examples
    --------
    >>> print(f"{total_params(1e6):.3g} {total_params(1e9):.4g}")
    5.75e+06 1.047e+09
    """
    n, omega = positive("non_embedding", non_embedding), one_number("omega", omega, above=0.0)
    return n + omega * np.cbrt(n)


def non_embedding_params(total, omega: float = OMEGA) -> np.ndarray:
    """The inverse of `total_params`, in closed form (a cubic with one real root).

    Examples
    --------
    >>> print(f"{non_embedding_params(total_params(1e6)):.6g}")
    1e+06
    """
    n, omega = positive("total", total), one_number("omega", omega, above=0.0)
    # t³ + omega t = N_T for t = N_E^(1/3). As a hyperbolic sine it has no cancellation.
    half = math.sqrt(omega / 3.0)
    return (2.0 * half * np.sinh(np.arcsinh(n / (2.0 * half**3)) / 3.0)) ** 3


def omega_of(vocab: float, aspect_ratio: float) -> float:
    """omega of transformers with a vocabulary and a fixed ratio of width to layers.

    Examples
    --------
    >>> round(omega_of(32_000, 39.2))
    47481
    """
    vocab = one_number("vocab", vocab, above=0.0)
    return vocab * (one_number("aspect_ratio", aspect_ratio, above=0.0) / 12.0) ** (1 / 3)


def fit_omega(non_embedding, total) -> float:
    """omega of a family of models, by least squares on the logarithm of the total.

    Parameters
    ----------
    non_embedding, total : array_like, shape (m,)
        Both counts of each model.

    Raises
    ------
    BudgetError
        Counts that are not positive, of different length, or a total that is not the larger.

    Examples
    --------
    >>> n = np.array([1e6, 1e8, 1e10])
    >>> round(fit_omega(n, total_params(n, omega=50_000.0)), 3)
    50000.0
    """
    n, t = positive("non_embedding", non_embedding).ravel(), positive("total", total).ravel()
    if not len(n) or n.shape != t.shape:
        raise BudgetError(f"non_embedding and total have {len(n)} and {len(t)} values")
    if (t <= n).any():
        raise BudgetError("total must exceed non_embedding for every model")
    shares = np.log(t - n) - np.log(n) / 3.0  # ln omega, model by model: the fit lies between

    def error(log_omega):
        return float(
            np.square(np.logaddexp(np.log(n), log_omega + np.log(n) / 3) - np.log(t)).sum()
        )

    ends = (shares.min() - 1e-6, shares.max() + 1e-6)
    found = minimize_scalar(error, bounds=ends, method="bounded", options={"xatol": 1e-10})
    return exp(float(found.x), "omega")


@dataclass(frozen=True)
class BothCounts:
    """A compute-optimal run in both ways of counting.

    Attributes
    ----------
    params, total_params : float
        Parameters without and with embeddings.
    tokens : float
        Training tokens D.
    flops, total_flops : float
        6 · params · tokens for each count.
    loss : float
        Predicted loss, nats per token.
    """

    params: float
    total_params: float
    tokens: float
    flops: float
    total_flops: float
    loss: float


@dataclass(frozen=True, repr=False)
class PearceLaw(Law):
    r"""Chinchilla's law as a function of non-embedding parameters.

    .. math::

        L(N_E, D) = E + A\,(N_E + \omega N_E^{1/3})^{-\alpha} + B D^{-\beta}

    Parameters
    ----------
    E, A, B, alpha, beta : float
        Constants of Chinchilla's law, fitted with embeddings counted.
    omega : float
        Embedding parameters per cube root of non-embedding ones; see `total_params`.

    Notes
    -----
    Pearce & Song 2024 (arXiv 2406.12907). Under a budget C = 6 N_E D, which leaves embeddings out
    too, the optimum satisfies

    .. math::

        C = 6 N_E \left(\frac{\beta B}{\alpha A}\right)^{1/\beta}
            (N_E + \omega N_E^{1/3})^{(1+\alpha)/\beta}
            (N_E + \tfrac{\omega}{3} N_E^{1/3})^{-1/\beta}

    and its local exponent g = d ln N_E / d ln C is, with x = N_E^(2/3),

    .. math::

        \frac1g = 1 - \frac1\beta\,\frac{x + \omega/9}{x + \omega/3}
                    + \frac{1+\alpha}{\beta}\,\frac{x + \omega/3}{x + \omega}

    It starts at beta / (beta + alpha/3) for the smallest models and ends at beta / (alpha + beta),
    but does not glide from one to the other: with fitted constants it first rises to almost 1.

    Examples
    --------
    >>> law = PearceLaw.of(ChinchillaLaw(E=1.8172, A=482.01, B=2085.43, alpha=0.3478, beta=0.3658))
    >>> [round(float(g), 2) for g in law.local_exponent([768, 1e6, 1e9, 1e11])]
    [0.76, 0.96, 0.54, 0.51]
    >>> best = law.optimum(1e18)
    >>> f"{best.params:.2e} non-embedding parameters on {best.tokens:.2e} tokens"
    '5.43e+07 non-embedding parameters on 3.07e+09 tokens'
    """

    E: float
    A: float
    B: float
    alpha: float
    beta: float
    omega: float

    @classmethod
    def of(cls, law: ChinchillaLaw, omega: float = OMEGA) -> PearceLaw:
        """The view of ``law``, whose N counts embeddings, in non-embedding parameters."""
        return cls(**law.constants, omega=omega)

    @property
    def chinchilla(self) -> ChinchillaLaw:
        """The law in total parameters."""
        return ChinchillaLaw(self.E, self.A, self.B, self.alpha, self.beta)

    def total_params(self, params) -> np.ndarray:
        """Total parameters for non-embedding ``params``."""
        return total_params(params, self.omega)

    def non_embedding_params(self, total) -> np.ndarray:
        """Non-embedding parameters for ``total`` parameters."""
        return non_embedding_params(total, self.omega)

    def predict(self, params, tokens) -> np.ndarray:
        """Loss in nats per token for non-embedding ``params`` and ``tokens``, which broadcast."""
        return self.chinchilla.predict(self.total_params(params), tokens)

    def gradient(self, params, tokens) -> tuple[np.ndarray, np.ndarray]:
        """(dL/dN_E, dL/dD)."""
        n = positive("params", params)
        by_total, by_tokens = self.chinchilla.gradient(self.total_params(n), tokens)
        return by_total * (1.0 + self.omega / 3.0 * np.cbrt(n) ** -2), by_tokens

    # -- the optimum under a budget ----------------------------------------------------------

    def _log_budget(self, log_n):
        """ln C at which e^log_n non-embedding parameters are optimal, with C = 6 N_E D."""
        # As logs of sums: embeddings outweigh the rest in small models, and vanish in large ones.
        part = math.log(self.omega) + np.asarray(log_n) / 3.0
        total = np.logaddexp(log_n, part)
        slope = np.logaddexp(log_n, part - math.log(3.0))
        ratio = math.log(self.beta * self.B) - math.log(self.alpha * self.A)
        return math.log(6.0) + log_n + (ratio + (1.0 + self.alpha) * total - slope) / self.beta

    def budget_for(self, params) -> np.ndarray:
        """Budget 6 N_E D, in FLOP, under which ``params`` (non-embedding) are stationary.

        Notes
        -----
        They are also optimal, unless `local_exponent` is negative somewhere, which no published
        set of constants makes it.
        """
        log_c = self._log_budget(np.log(positive("params", params)))
        if np.any(log_c > 700.0):
            raise BudgetError("the budget for these params is beyond what a number can hold")
        return np.exp(log_c)

    def optimum(self, flops: float, flops_per: float = 6.0) -> Optimum:
        """The non-embedding parameters and tokens of lowest loss, flops = flops_per · N_E · D.

        Parameters
        ----------
        flops : float
            Budget in FLOP, embeddings not counted.
        flops_per : float, default 6
            FLOP per parameter and token.

        Returns
        -------
        Optimum
            Its params are non-embedding; see `optimum_both` for both counts.

        Raises
        ------
        BudgetError
            A budget that is not positive, or absurd.
        """
        flops = check_budget(flops)
        log_product = math.log(flops / one_number("flops_per", flops_per, above=0.0))
        target = log_product + math.log(6.0)
        roots = self._stationary(target)
        losses = [float(self._excess(r, log_product)) for r in roots]
        log_n = roots[int(np.argmin(losses))]
        n, d = exp(log_n, "the optimal params"), exp(log_product - log_n, "the optimal tokens")
        return Optimum(flops, n, d, float(self.predict(n, d)))

    def _excess(self, log_n: float, log_product: float) -> float:
        total = np.logaddexp(log_n, math.log(self.omega) + log_n / 3.0)
        model, data = math.log(self.A) - self.alpha * total, math.log(self.B)
        return np.logaddexp(model, data - self.beta * (log_product - log_n))

    def _stationary(self, target: float) -> list[float]:
        """All ln N_E whose budget is e^target: one, unless alpha and beta are both very small."""
        middle = 1.5 * math.log(self.omega)  # where embeddings are half of all parameters
        grid = middle + np.linspace(-15.0, 15.0, 241)  # the only place where g can change sign
        step = 30.0
        while self._log_budget(grid[0]) > target and step < 1e6:
            grid, step = np.r_[grid[0] - step, grid], 2 * step
        step = 30.0
        while self._log_budget(grid[-1]) < target and step < 1e6:
            grid, step = np.r_[grid, grid[-1] + step], 2 * step
        gap = self._log_budget(grid) - target
        cuts = np.flatnonzero((gap[:-1] <= 0) != (gap[1:] <= 0))
        if not len(cuts):
            raise BudgetError("the optimal params would be far beyond any that makes sense")
        return [
            brentq(lambda t: float(self._log_budget(t)) - target, grid[i], grid[i + 1], xtol=1e-13)
            for i in cuts
        ]

    def optimum_both(self, flops: float, counting: str = "non-embedding") -> BothCounts:
        """The optimum under a budget in either count, reported in both.

        Parameters
        ----------
        flops : float
            Budget in FLOP.
        counting : {"non-embedding", "total"}
            Whether the budget is 6 N_E D (Kaplan et al.) or 6 N_T D (Hoffmann et al.). The two
            optima differ: a budget that leaves embeddings out makes them free.

        Raises
        ------
        BudgetError
            An impossible budget, or another way of counting.
        """
        if counting == "non-embedding":
            best = self.optimum(flops)
            n, total = best.params, float(self.total_params(best.params))
        elif counting == "total":
            best = self.chinchilla.optimum(flops)
            n, total = float(self.non_embedding_params(best.params)), best.params
        else:
            raise BudgetError(f"counting must be 'non-embedding' or 'total', got {counting!r}")
        d = best.tokens
        return BothCounts(n, total, d, 6.0 * n * d, 6.0 * total * d, best.loss)

    def frontier(self, flops, flops_per: float = 6.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Optimal (params, tokens, loss) for an array of non-embedding budgets."""
        flops = positive("flops", flops)
        best = [self.optimum(c, flops_per) for c in flops.ravel()]
        columns = ([getattr(b, k) for b in best] for k in ("params", "tokens", "loss"))
        return tuple(np.array(c, float).reshape(flops.shape) for c in columns)

    # -- the exponent that a study would find ------------------------------------------------

    def local_exponent(self, params) -> np.ndarray:
        """g = d ln N_E* / d ln C at non-embedding ``params``, by calculus; see the class notes."""
        return 1.0 / self._inverse_exponent(np.log(positive("params", params)))

    def _inverse_exponent(self, log_n):
        # In s = omega / N_E^(2/3), so that nothing overflows for large models.
        s = np.exp(np.minimum(math.log(self.omega) - 2.0 / 3.0 * np.asarray(log_n), 600.0))
        slope = (1.0 + s / 9.0) / (1.0 + s / 3.0)
        total = (1.0 + s / 3.0) / (1.0 + s)
        return 1.0 - slope / self.beta + (1.0 + self.alpha) / self.beta * total

    def numerical_exponent(self, params, step: float = 1e-3) -> np.ndarray:
        """g by differences: budgets ``step`` e-folds apart, each with its optimum found anew."""
        step = one_number("step", step, above=0.0)
        budget = self.budget_for(params)
        up, down = (self.frontier(budget * math.exp(s * step))[0] for s in (1, -1))
        return np.log(up / down) / (2 * step)

    @property
    def exponent_limits(self) -> tuple[float, float]:
        """g for vanishing and for endless models: beta/(beta + alpha/3), beta/(beta + alpha)."""
        return self.beta / (self.beta + self.alpha / 3.0), self.beta / (self.beta + self.alpha)

    @property
    def peak(self) -> tuple[float, float]:
        """Non-embedding parameters at which g is largest, and g there.

        Raises
        ------
        BudgetError
            g has no largest value: it is negative between two poles.
        """
        middle = 1.5 * math.log(self.omega)
        grid = middle + np.linspace(-15.0, 15.0, 601)
        values = self._inverse_exponent(grid)
        if (values <= 0).any():
            raise BudgetError("the local exponent has a pole: some sizes are optimal for no budget")
        at = grid[int(np.argmin(values))]
        found = minimize_scalar(
            self._inverse_exponent, bounds=(at - 0.1, at + 0.1), method="bounded",
            options={"xatol": 1e-10},
        )  # fmt: skip
        return exp(float(found.x), "the params of the peak"), 1.0 / float(found.fun)

    def average_exponent(self, low: float, high: float, method: str = "mean") -> float:
        """The exponent of a study whose optimal models run from ``low`` to ``high``.

        Parameters
        ----------
        low, high : float
            Non-embedding parameters.
        method : {"mean", "fit"}
            "mean": g averaged over ln C, that is the slope between the two ends. "fit": the line
            fitted to ln N_E against ln C, with budgets evenly spread over their logarithm.

        Raises
        ------
        BudgetError
            Sizes that are not positive or not in order, or an unknown method.
        """
        low = one_number("low", low, above=0.0)
        high = one_number("high", high, above=low)
        if method not in ("mean", "fit"):
            raise BudgetError(f"method must be 'mean' or 'fit', got {method!r}")
        ends = self._log_budget(np.log([low, high]))
        if method == "mean":
            return math.log(high / low) / float(ends[1] - ends[0])
        log_c = np.linspace(*ends, 401)
        return float(np.polyfit(log_c, np.log(self.frontier(np.exp(log_c))[0]), 1)[0])

    def study(self, sizes, flops) -> Study:
        """What a study with these model sizes sees as its compute-efficient frontier.

        Parameters
        ----------
        sizes : array_like, shape (m,)
            Non-embedding parameters of the models that were trained.
        flops : array_like, shape (k,)
            Budgets 6 N_E D; for each, the model of lowest loss is picked.

        Returns
        -------
        Study

        Notes
        -----
        Pearce & Song take 20 sizes from 10^2.9 to 10^9.2 ("768 to 1.5 billion") and 100 budgets
        from 10^12.95 to 10^20.7; `kaplan_study` does.
        """
        sizes, flops = positive("sizes", sizes).ravel(), positive("flops", flops).ravel()
        if not sizes.size:
            raise BudgetError("a study needs at least one model size")
        losses = self.predict(sizes[:, None], flops / (6.0 * sizes[:, None]))
        pick = losses.argmin(axis=0)
        return Study(flops, sizes[pick], losses[pick, np.arange(len(flops))])

    def kaplan_study(self, counting: str = "non-embedding") -> Study:
        """`study` over the sizes of Kaplan et al., as Pearce & Song set it up.

        Parameters
        ----------
        counting : {"non-embedding", "total"}
            With "total", sizes and budgets of the result count embeddings (budgets from 10^13.4).

        Examples
        --------
        >>> law = PearceLaw.of(ChinchillaLaw(1.6934, 406.4, 410.7, 0.3392, 0.2849))
        >>> round(law.kaplan_study().exponent, 2), round(law.kaplan_study("total").exponent, 2)
        (0.74, 0.46)
        """
        sizes = np.logspace(2.9, 9.2, 20)
        if counting == "non-embedding":
            return self.study(sizes, np.logspace(12.95, 20.7, 100))
        if counting != "total":
            raise BudgetError(f"counting must be 'non-embedding' or 'total', got {counting!r}")
        flops, totals = np.logspace(13.4, 20.7, 100), self.total_params(sizes)
        losses = self.chinchilla.predict(totals[:, None], flops / (6.0 * totals[:, None]))
        pick = losses.argmin(axis=0)
        return Study(flops, totals[pick], losses[pick, np.arange(len(flops))])

    def _repr_latex_(self) -> str:
        return (
            rf"$L(N_E, D) = {self.E:.4g} + {self.A:.4g}\,(N_E + {self.omega:.5g}\,N_E^{{1/3}})"
            rf"^{{-{self.alpha:.4g}}} + {self.B:.4g}\,D^{{-{self.beta:.4g}}}$"
        )


@dataclass(frozen=True, eq=False)
class Study:
    """A compute-efficient frontier read off a set of models, as Kaplan et al. did.

    Attributes
    ----------
    flops, params, loss : ndarray, shape (k,)
        Budgets, the best size under each, and its loss.
    """

    flops: np.ndarray
    params: np.ndarray
    loss: np.ndarray

    @property
    def exponent(self) -> float:
        """Slope of the line fitted to ln params against ln flops."""
        return float(np.polyfit(np.log(self.flops), np.log(self.params), 1)[0])

    @property
    def loss_exponent(self) -> float:
        """Slope of the line fitted to ln loss against ln flops; Kaplan et al. print -0.057."""
        return float(np.polyfit(np.log(self.flops), np.log(self.loss), 1)[0])
