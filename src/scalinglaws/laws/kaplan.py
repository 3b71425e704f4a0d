"""The laws of Kaplan et al. 2020 (arXiv 2001.08361). Their N leaves embeddings out.

The paper holds two accounts of a loss. `KaplanLaw`, L(N, D), knows the size of the data set and
takes training to its best point, over as many epochs as that needs. `KaplanTrainingLaw`, L(N, S)
with the critical batch size, knows the training and takes the data to be endless. Only the second
has a compute-efficient frontier; the tokens of the first are not the tokens that are paid for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scalinglaws.errors import BudgetError
from scalinglaws.laws.base import (
    FLOPS_RANGE,
    Law,
    Optimum,
    check_budget,
    exp,
    exps,
    one_number,
    positive,
)


@dataclass(frozen=True, repr=False)
class KaplanSizeLaw(Law):
    """L(N) = (Nc / N)^alpha_N, with plentiful data; equation 1.1.

    Examples
    --------
    >>> round(float(KaplanSizeLaw(Nc=8.8e13, alpha_N=0.076).predict(1e9)), 3)
    2.376
    """

    Nc: float
    alpha_N: float

    def predict(self, params) -> np.ndarray:
        """Loss in nats per token for non-embedding ``params``."""
        return (self.Nc / positive("params", params)) ** self.alpha_N

    def _repr_latex_(self) -> str:
        return rf"$L(N) = ({self.Nc:.3g}/N)^{{{self.alpha_N:.4g}}}$"


@dataclass(frozen=True, repr=False)
class KaplanDataLaw(Law):
    """L(D) = (Dc / D)^alpha_D, large models stopped early; equation 1.2.

    Examples
    --------
    >>> round(float(KaplanDataLaw(Dc=5.4e13, alpha_D=0.095).predict(2.2e10)), 3)
    2.099
    """

    Dc: float
    alpha_D: float

    def predict(self, tokens) -> np.ndarray:
        """Loss in nats per token for a data set of ``tokens``."""
        return (self.Dc / positive("tokens", tokens)) ** self.alpha_D

    def _repr_latex_(self) -> str:
        return rf"$L(D) = ({self.Dc:.3g}/D)^{{{self.alpha_D:.4g}}}$"


@dataclass(frozen=True, repr=False)
class KaplanLaw(Law):
    r"""The joint law of model and data-set size; equation 1.5.

    .. math:: L(N, D) = \left[(N_c/N)^{\alpha_N/\alpha_D} + D_c/D\right]^{\alpha_D}

    N counts non-embedding parameters. D is the size of a data set on which training was stopped
    early, not the tokens seen in one pass, so C = 6ND does not hold for the paper's own runs.

    Examples
    --------
    >>> law = KaplanLaw(Nc=6.4e13, Dc=1.8e13, alpha_N=0.076, alpha_D=0.103)
    >>> round(float(law.predict(1e9, 2.2e10)), 3)
    2.369
    """

    Nc: float
    Dc: float
    alpha_N: float
    alpha_D: float

    def predict(self, params, tokens) -> np.ndarray:
        """Loss in nats per token; ``params`` (non-embedding) and ``tokens`` broadcast."""
        return np.exp(self.alpha_D * np.logaddexp(*self._log_terms(params, tokens)))

    def _log_terms(self, params, tokens) -> tuple[np.ndarray, np.ndarray]:
        """Logarithms of the two terms: as powers, they overflow for small alpha_D."""
        n, d = positive("params", params), positive("tokens", tokens)
        model = self.alpha_N / self.alpha_D * (np.log(self.Nc) - np.log(n))
        return model, np.log(self.Dc) - np.log(d)

    def gradient(self, params, tokens) -> tuple[np.ndarray, np.ndarray]:
        """(dL/dN, dL/dD)."""
        model, data = self._log_terms(params, tokens)
        total = np.logaddexp(model, data)
        loss = np.exp(self.alpha_D * total)
        share = np.exp(model - total)
        n, d = np.asarray(params, float), np.asarray(tokens, float)
        return -self.alpha_N * loss * share / n, -self.alpha_D * loss * np.exp(data - total) / d

    @property
    def a(self) -> float:
        """Exponent of N* ∝ C^a if C = 6ND held, alpha_D / (alpha_N + alpha_D); see `optimum`."""
        return self.alpha_D / (self.alpha_N + self.alpha_D)

    @property
    def b(self) -> float:
        """Exponent of D* ∝ C^b if C = 6ND held, alpha_N / (alpha_N + alpha_D)."""
        return self.alpha_N / (self.alpha_N + self.alpha_D)

    @property
    def loss_exponent(self) -> float:
        """Exponent of L* ∝ C^-x if C = 6ND held."""
        return self.alpha_N * self.alpha_D / (self.alpha_N + self.alpha_D)

    def overfitting(self, params, tokens) -> np.ndarray:
        """How far the loss lies above that with endless data, L(N, D) / L(N, inf) - 1.

        Equation 4.3. It depends on N^(alpha_N/alpha_D) / D alone.
        """
        model, data = self._log_terms(params, tokens)
        return np.expm1(self.alpha_D * np.logaddexp(0.0, data - model))

    def tokens_to_avoid(self, params, overfitting: float = 0.02) -> np.ndarray:
        """Tokens with which `overfitting` is no larger than given, for ``params``.

        0.02 is the paper's scatter between seeds, and gives its D > 5e3 N^0.74 (equation 4.4).

        Examples
        --------
        >>> law = KaplanLaw(Nc=6.4e13, Dc=1.8e13, alpha_N=0.076, alpha_D=0.103)
        >>> f"{float(law.tokens_to_avoid(1e9)):.2e} against {5e3 * 1e9**0.74:.2e}"
        '2.41e+10 against 2.29e+10'
        """
        excess = one_number("overfitting", overfitting, above=0.0)
        model, _ = self._log_terms(params, 1.0)
        # (1 + data / model)^alpha_D = 1 + excess
        log_ratio = math.log1p(excess) / self.alpha_D
        log_ratio += math.log(-math.expm1(-log_ratio))
        return exps(math.log(self.Dc) - model - log_ratio, "the tokens")

    def optimum(self, flops: float, flops_per: float = 6.0) -> Optimum:
        """Lowest loss with flops = flops_per · N · D.

        With r = alpha_N / alpha_D, setting the derivative of (Nc/N)^r + Dc/D along the budget to
        zero gives Dc/D = r (Nc/N)^r. This reads D as tokens seen once, which the paper's own fit
        did not; see the class notes, and `KaplanTrainingLaw.epochs` for how often it saw them.
        """
        flops = check_budget(flops)
        log_product = math.log(flops / one_number("flops_per", flops_per, above=0.0))
        r = self.alpha_N / self.alpha_D
        log_n = math.log(r) + r * math.log(self.Nc) + log_product - math.log(self.Dc)
        log_n /= 1 + r
        n, d = exp(log_n, "the optimal params"), exp(log_product - log_n, "the optimal tokens")
        return Optimum(flops, n, d, float(self.predict(n, d)))

    def cost(self, loss: float, flops_per: float = 6.0) -> Optimum:
        """The cheapest run that reaches ``loss``; BudgetError if that takes an absurd budget."""
        loss = one_number("the loss", loss, above=0.0)
        flops_per = one_number("flops_per", flops_per, above=0.0)
        r = self.alpha_N / self.alpha_D
        log_sum = math.log(loss) / self.alpha_D  # of (Nc/N)^r + Dc/D, split 1 : r
        log_n = math.log(self.Nc) - (log_sum - math.log(1 + r)) / r
        log_d = math.log(self.Dc) - (log_sum + math.log(r) - math.log(1 + r))
        log_c = math.log(flops_per) + log_n + log_d
        if not math.log(FLOPS_RANGE[0]) <= log_c <= math.log(FLOPS_RANGE[1]):
            raise BudgetError(f"a loss of {loss:.6g} would cost 1e{log_c / math.log(10):.0f} FLOP")
        return Optimum(exp(log_c, "flops"), exp(log_n, "params"), exp(log_d, "tokens"), loss)

    def _repr_latex_(self) -> str:
        return (
            rf"$L(N,D) = \left[({self.Nc:.3g}/N)^{{{self.alpha_N:.4g}/{self.alpha_D:.4g}}}"
            rf" + {self.Dc:.3g}/D\right]^{{{self.alpha_D:.4g}}}$"
        )


@dataclass(frozen=True, repr=False)
class KaplanComputeLaw(Law):
    """L(C) = (Cc / C)^alpha_C along the best model of each budget; equation 1.3.

    Cc is in FLOP here; the paper prints PF-days (8.64e19 FLOP).

    Examples
    --------
    >>> law = KaplanComputeLaw(Cc=3.1e8 * 8.64e19, alpha_C=0.050)
    >>> round(float(law.predict(8.64e19)), 3)  # one PF-day
    2.658
    """

    Cc: float
    alpha_C: float

    def predict(self, flops) -> np.ndarray:
        """Loss in nats per token for budgets in FLOP."""
        log_c = np.log(positive("flops", flops))
        return exps(self.alpha_C * (math.log(self.Cc) - log_c), "the loss")

    def slope(self, flops) -> np.ndarray:
        """d ln L / d ln C, the same everywhere."""
        return np.full_like(positive("flops", flops), -self.alpha_C)

    def invert(self, loss: float) -> float:
        """FLOP at which the law predicts ``loss``."""
        loss = one_number("the loss", loss, above=0.0)
        return exp(math.log(self.Cc) - math.log(loss) / self.alpha_C, "the budget")

    def _repr_latex_(self) -> str:
        return rf"$L(C) = ({self.Cc:.3g}/C)^{{{self.alpha_C:.4g}}}$"


@dataclass(frozen=True, repr=False)
class CriticalBatchLaw(Law):
    r"""Batch size up to which a larger batch costs no extra compute, as a function of the loss.

    .. math:: B_\mathrm{crit}(L) = B_*\,L^{-1/\alpha_B}

    Equation 5.3. To reach a given loss with batches of B tokens takes

    .. math::

        S = S_\min\,(1 + B_\mathrm{crit}/B) \text{ steps and }
        C = C_\min\,(1 + B/B_\mathrm{crit}) \text{ FLOP}

    (equations 5.4 and 5.5). At the critical size both are twice their minimum.

    Parameters
    ----------
    B_star : float
        Critical batch at a loss of 1 nat per token, in tokens.
    alpha_B : float
        The batch grows as the loss to the power -1/alpha_B.

    Examples
    --------
    >>> law = CriticalBatchLaw(B_star=2.1e8, alpha_B=0.21)
    >>> [f"{float(law.predict(loss)):.3g}" for loss in (3, 2)]
    ['1.12e+06', '7.74e+06']
    >>> float(law.min_flops(1e21, batch=1e6, loss=law.invert(1e6)))
    5e+20
    """

    B_star: float
    alpha_B: float

    def predict(self, loss) -> np.ndarray:
        """Critical batch size, in tokens, at ``loss`` (nats per token)."""
        return exps(self._log_batch(loss), "the batch")

    def _log_batch(self, loss) -> np.ndarray:
        return math.log(self.B_star) - np.log(positive("loss", loss)) / self.alpha_B

    def slope(self, loss) -> np.ndarray:
        """d ln B / d ln L, the same everywhere."""
        return np.full_like(positive("loss", loss), -1 / self.alpha_B)

    def invert(self, batch: float) -> float:
        """The loss at which ``batch`` tokens are the critical size."""
        batch = one_number("the batch", batch, above=0.0)
        return exp(self.alpha_B * (math.log(self.B_star) - math.log(batch)), "the loss")

    def drop_for(self, factor: float = 2.0) -> float:
        """Share by which the loss falls while the critical batch grows by ``factor``."""
        factor = one_number("the factor", factor, above=0.0)
        return -math.expm1(-self.alpha_B * math.log(factor))

    def min_steps(self, steps, batch, loss) -> np.ndarray:
        """S_min: steps to the same ``loss`` with endless batches, for a run with ``batch``."""
        return positive("steps", steps) / (1 + self._ratio(batch, loss))

    def min_flops(self, flops, batch, loss) -> np.ndarray:
        """C_min: compute for the same ``loss`` with tiny batches, for a run with ``batch``."""
        return positive("flops", flops) / (1 + 1 / self._ratio(batch, loss))

    def steps(self, min_steps, batch, loss) -> np.ndarray:
        """Steps that a run with ``batch`` takes to ``loss``, from S_min."""
        return positive("min_steps", min_steps) * (1 + self._ratio(batch, loss))

    def flops(self, min_flops, batch, loss) -> np.ndarray:
        """Compute that a run with ``batch`` takes to ``loss``, from C_min."""
        return positive("min_flops", min_flops) * (1 + 1 / self._ratio(batch, loss))

    def _ratio(self, batch, loss) -> np.ndarray:
        """B_crit / B, held inside the range of numbers so that its inverse exists."""
        log_ratio = self._log_batch(loss) - np.log(positive("batch", batch))
        return np.exp(np.clip(log_ratio, -700.0, 700.0))

    def _repr_latex_(self) -> str:
        return rf"$B_\mathrm{{crit}}(L) = {self.B_star:.3g}\,L^{{-1/{self.alpha_B:.4g}}}$"


@dataclass(frozen=True, repr=False)
class KaplanStepsLaw(Law):
    r"""The joint law of model size and training steps, with endless data; equation 1.6.

    .. math:: L(N, S_\min) = (N_c/N)^{\alpha_N} + (S_c/S_\min)^{\alpha_S}

    S_min counts the steps that a batch far above the critical size would have needed
    (`CriticalBatchLaw.min_steps`).

    Examples
    --------
    >>> law = KaplanStepsLaw(Nc=6.5e13, alpha_N=0.077, Sc=2.1e3, alpha_S=0.76)
    >>> round(float(law.predict(1e9, 5e3)), 3)
    2.865
    """

    Nc: float
    alpha_N: float
    Sc: float
    alpha_S: float

    def _log_terms(self, params, steps) -> tuple[np.ndarray, np.ndarray]:
        n, s = positive("params", params), positive("steps", steps)
        model = self.alpha_N * (math.log(self.Nc) - np.log(n))
        return model, self.alpha_S * (math.log(self.Sc) - np.log(s))

    def terms(self, params, steps) -> tuple[np.ndarray, np.ndarray]:
        """Converged loss of the model, and what the steps leave above it."""
        model, training = self._log_terms(params, steps)
        return exps(model, "the model term"), exps(training, "the training term")

    def predict(self, params, steps) -> np.ndarray:
        """Loss in nats per token; ``params`` (non-embedding) and S_min ``steps`` broadcast."""
        model, training = self.terms(params, steps)
        return model + training

    def gradient(self, params, steps) -> tuple[np.ndarray, np.ndarray]:
        """(dL/dN, dL/dS)."""
        model, training = self._log_terms(params, steps)
        log_n, log_s = np.log(np.asarray(params, float)), np.log(np.asarray(steps, float))
        by_n = math.log(self.alpha_N) + model - log_n
        by_s = math.log(self.alpha_S) + training - log_s
        return -exps(by_n, "the gradient"), -exps(by_s, "the gradient")

    def steps_for(self, params: float, loss: float) -> float:
        """S_min with which a model of ``params`` reaches ``loss``; BudgetError if none do."""
        params, loss = one_number("params", params, above=0.0), one_number("the loss", loss)
        converged = exp(self.alpha_N * (math.log(self.Nc) - math.log(params)), "its loss")
        if not loss > converged:
            raise BudgetError(
                f"a model of {params:.3g} parameters cannot reach {loss:.6g}: however long it "
                f"trains, it ends at {converged:.6g}"
            )
        return exp(math.log(self.Sc) - math.log(loss - converged) / self.alpha_S, "the steps")

    def _repr_latex_(self) -> str:
        return (
            rf"$L(N,S) = ({self.Nc:.3g}/N)^{{{self.alpha_N:.4g}}}"
            rf" + ({self.Sc:.3g}/S)^{{{self.alpha_S:.4g}}}$"
        )


@dataclass(frozen=True)
class TrainingOptimum(Optimum):
    """A run on Kaplan's compute-efficient frontier.

    Attributes
    ----------
    flops, tokens : float
        C_min and E_min = C_min / 6N: what batches far below the critical size take.
    min_steps : float
        S_min: what batches far above the critical size take.
    batch : float
        The critical batch size at the final loss, in tokens; tokens = batch · min_steps.
    """

    min_steps: float
    batch: float

    @property
    def at_critical_batch(self) -> Optimum:
        """The same run with the critical batch: the same loss for twice the tokens and FLOP."""
        return Optimum(2 * self.flops, self.params, 2 * self.tokens, self.loss)


@dataclass(frozen=True, repr=False)
class KaplanTrainingLaw(Law):
    r"""L(N, S) and the critical batch size together: the loss of a run on endless data.

    In batches far below the critical size, D tokens are :math:`S_\min = D / B_\mathrm{crit}(L)`
    steps' worth of training, and the loss solves

    .. math::

        L = \left(\frac{N_c}{N}\right)^{\alpha_N}
          + \left(\frac{S_c\,B_*}{D\,L^{1/\alpha_B}}\right)^{\alpha_S}

    Every token is fresh and C_min = 6ND holds, as it does not in `KaplanLaw`.

    Parameters
    ----------
    Nc, alpha_N, Sc, alpha_S : float
        Constants of `KaplanStepsLaw`; N leaves embeddings out.
    B_star, alpha_B : float
        Constants of `CriticalBatchLaw`.

    Notes
    -----
    Appendix B of the paper. The exponents of the frontier follow from the three of the law,
    :math:`\alpha_C = 1/(1/\alpha_S + 1/\alpha_B + 1/\alpha_N)`,
    :math:`N^* \propto C^{\alpha_C/\alpha_N}`. With the paper's Table 5 they are .052 and .68. The
    paper prints .052 in Appendix B, .054 and .71 in section 6.2, and uses the measured .050 and
    .73 (`published.KAPLAN_COMPUTE_EXPONENTS`).

    Examples
    --------
    >>> law = KaplanTrainingLaw(
    ...     Nc=8.8e13, alpha_N=0.076, Sc=2.1e3, alpha_S=0.76, B_star=2.1e8, alpha_B=0.21
    ... )
    >>> f"{law.loss_exponent:.3f} {law.a:.2f}"
    '0.052 0.68'
    >>> best = law.optimum(8.64e19)  # one PF-day
    >>> f"{best.params:.2g} parameters, {best.min_steps:.2g} steps of {best.batch:.2g} tokens"
    '6e+08 parameters, 1.3e+04 steps of 1.8e+06 tokens'
    """

    Nc: float
    alpha_N: float
    Sc: float
    alpha_S: float
    B_star: float
    alpha_B: float

    @property
    def steps_law(self) -> KaplanStepsLaw:
        """L(N, S)."""
        return KaplanStepsLaw(self.Nc, self.alpha_N, self.Sc, self.alpha_S)

    @property
    def batch_law(self) -> CriticalBatchLaw:
        """The critical batch size."""
        return CriticalBatchLaw(self.B_star, self.alpha_B)

    def _solve(self, params, tokens) -> tuple[np.ndarray, np.ndarray]:
        """ln L, and the share of the training term in L."""
        n, d = positive("params", params), positive("tokens", tokens)
        m, t = np.broadcast_arrays(
            self.alpha_N * (math.log(self.Nc) - np.log(n)),
            self.alpha_S * (math.log(self.Sc) + math.log(self.B_star) - np.log(d)),
        )
        # ln L = logaddexp(m, t - p ln L). The difference of the two sides rises with ln L and is
        # concave, so that Newton's method climbs to the root from any point below it.
        p = self.alpha_S / self.alpha_B
        log_loss = np.maximum(m, t / (1 + p))
        for _ in range(100):
            total = np.logaddexp(m, t - p * log_loss)
            share = np.exp(t - p * log_loss - total)
            step = (total - log_loss) / (1 + p * share)
            log_loss = log_loss + step
            if np.all(np.abs(step) <= 1e-15 * (1 + np.abs(log_loss))):
                break
        return log_loss, share

    def predict(self, params, tokens) -> np.ndarray:
        """Loss in nats per token; ``params`` (non-embedding) and fresh ``tokens`` broadcast."""
        return exps(self._solve(params, tokens)[0], "the loss")

    def gradient(self, params, tokens) -> tuple[np.ndarray, np.ndarray]:
        """(dL/dN, dL/dD)."""
        log_loss, share = self._solve(params, tokens)
        # From d ln L = (1 - share) dm + share (dt - p d ln L).
        factor = 1 / (1 + self.alpha_S / self.alpha_B * share)
        loss = exps(log_loss, "the loss")
        n, d = np.asarray(params, float), np.asarray(tokens, float)
        return (
            -self.alpha_N * (1 - share) * factor * loss / n,
            -self.alpha_S * share * factor * loss / d,
        )

    @property
    def loss_exponent(self) -> float:
        """alpha_C: along the frontier the loss falls as C^-alpha_C (equation B.7)."""
        return 1 / (1 / self.alpha_S + 1 / self.alpha_B + 1 / self.alpha_N)

    @property
    def a(self) -> float:
        """Allocation exponent of parameters, alpha_C / alpha_N."""
        return self.loss_exponent / self.alpha_N

    @property
    def b(self) -> float:
        """Allocation exponent of tokens: that of the batch plus that of the steps."""
        return self.batch_exponent + self.steps_exponent

    @property
    def batch_exponent(self) -> float:
        """Exponent of the critical batch along the frontier, alpha_C / alpha_B."""
        return self.loss_exponent / self.alpha_B

    @property
    def steps_exponent(self) -> float:
        """Exponent of the steps S_min along the frontier, alpha_C / alpha_S."""
        return self.loss_exponent / self.alpha_S

    @property
    def above_converged(self) -> float:
        """Where to stop: this share above the converged loss, alpha_N / alpha_S (B.5)."""
        return self.alpha_N / self.alpha_S

    @property
    def compute_law(self) -> KaplanComputeLaw:
        """Loss along the frontier, with its scale Cc by equation B.8."""
        r, s, n = self.above_converged, 1 / self.alpha_S, 1 / self.alpha_N
        log_c = math.log(6.0) + math.log(self.Nc) + math.log(self.B_star) + math.log(self.Sc)
        log_c += (s + n) * math.log1p(r) - s * math.log(r)
        return KaplanComputeLaw(exp(log_c, "the scale of compute"), self.loss_exponent)

    def optimum(self, flops: float, flops_per: float = 6.0) -> TrainingOptimum:
        """The run of lowest loss with C_min = flops_per · N · D.

        Parameters
        ----------
        flops : float
            C_min in FLOP: half of what a run at the critical batch size costs.
        flops_per : float, default 6
            FLOP per parameter and token.

        Raises
        ------
        BudgetError
            A budget that is not positive, or absurd.
        """
        flops = check_budget(flops)
        log_k = math.log(one_number("flops_per", flops_per, above=0.0))
        # C = k N B S with the loss at (1 + r) times the converged one; solved for the loss.
        log_scale = math.log(self.compute_law.Cc) - math.log(6.0) + log_k
        return self._on_frontier(self.loss_exponent * (log_scale - math.log(flops)), flops)

    def cost(self, loss: float, flops_per: float = 6.0) -> TrainingOptimum:
        """The cheapest run that reaches ``loss``; BudgetError if that takes an absurd budget."""
        loss = one_number("the loss", loss, above=0.0)
        log_k = math.log(one_number("flops_per", flops_per, above=0.0))
        log_c = math.log(self.compute_law.Cc) - math.log(6.0) + log_k
        log_c -= math.log(loss) / self.loss_exponent
        if not math.log(FLOPS_RANGE[0]) <= log_c <= math.log(FLOPS_RANGE[1]):
            raise BudgetError(f"a loss of {loss:.6g} would cost 1e{log_c / math.log(10):.0f} FLOP")
        return self._on_frontier(math.log(loss), math.exp(log_c))

    def _on_frontier(self, log_loss: float, flops: float) -> TrainingOptimum:
        r = self.above_converged
        log_n = math.log(self.Nc) + (math.log1p(r) - log_loss) / self.alpha_N
        log_s = math.log(self.Sc) + (math.log1p(r) - math.log(r) - log_loss) / self.alpha_S
        log_b = math.log(self.B_star) - log_loss / self.alpha_B
        return TrainingOptimum(
            flops=flops,
            params=exp(log_n, "the optimal params"),
            tokens=exp(log_b + log_s, "the optimal tokens"),
            loss=exp(log_loss, "the loss"),
            min_steps=exp(log_s, "the steps"),
            batch=exp(log_b, "the batch"),
        )

    def size_penalty(self, ratio) -> tuple[np.ndarray, np.ndarray]:
        """What a model of ``ratio`` times the best size costs to reach the same loss.

        Returns
        -------
        flops, steps : ndarray
            C_min and S_min as multiples of those at the best size (equations B.16 and B.17);
            infinite where the model is too small ever to reach that loss.

        Examples
        --------
        >>> law = KaplanTrainingLaw(
        ...     Nc=8.8e13, alpha_N=0.076, Sc=2.1e3, alpha_S=0.76, B_star=2.1e8, alpha_B=0.21
        ... )
        >>> law.size_penalty([0.1, 0.6, 1, 2.2])[0].round(2).tolist()
        [inf, 1.16, 1.0, 1.2]
        """
        log_ratio = np.log(positive("ratio", ratio))
        # capped: models that small reach nothing, and the exponential must not overflow
        shrunk = np.expm1(np.minimum(-self.alpha_N * log_ratio, 700.0))
        room = 1 - shrunk / self.above_converged
        with np.errstate(divide="ignore"):
            log_steps = np.where(room > 0, -np.log(np.maximum(room, 0.0)) / self.alpha_S, np.inf)
        return np.exp(log_ratio + log_steps), np.exp(log_steps)

    def against_convergence(self, above: float = 0.02) -> dict[str, float]:
        """The efficient run against one of the same loss that stops ``above`` its converged loss.

        Returns
        -------
        dict
            Efficient over converged: "params", "steps" and "flops" (equations B.12 to B.14).

        Examples
        --------
        >>> law = KaplanTrainingLaw(
        ...     Nc=8.8e13, alpha_N=0.076, Sc=2.1e3, alpha_S=0.76, B_star=2.1e8, alpha_B=0.21
        ... )
        >>> {k: round(v, 2) for k, v in law.against_convergence(0.02).items()}
        {'params': 2.7, 'steps': 0.13, 'flops': 0.36}
        """
        above = one_number("above", above, above=0.0)
        r = self.above_converged
        log_n = (math.log1p(r) - math.log1p(above)) / self.alpha_N
        log_s = (math.log1p(1 / r) - math.log1p(1 / above)) / self.alpha_S
        logs = {"params": log_n, "steps": log_s, "flops": log_n + log_s}
        return {name: exp(value, name) for name, value in logs.items()}

    def stopping_steps(self, joint: KaplanLaw, params, tokens) -> np.ndarray:
        """Least steps S_min before a data set of ``tokens`` stops the training; equation 5.7.

        A run on a limited data set follows the one on endless data until it comes down to the
        loss at which ``joint``, L(N, D), says it stops. The paper calls this a lower bound.
        """
        log_rest = np.log(joint.overfitting(params, tokens))
        log_converged = joint.alpha_N * (math.log(joint.Nc) - np.log(np.asarray(params, float)))
        return exps(math.log(self.Sc) - (log_rest + log_converged) / self.alpha_S, "the steps")

    def epochs(self, joint: KaplanLaw, params, tokens) -> np.ndarray:
        """Least passes over a data set of ``tokens`` behind a loss that ``joint`` predicts.

        The tokens seen are at least B_crit · S_min, so the compute is at least 6ND times this
        number: why C = 6ND does not hold for L(N, D).

        Examples
        --------
        >>> law = KaplanTrainingLaw(
        ...     Nc=8.8e13, alpha_N=0.076, Sc=2.1e3, alpha_S=0.76, B_star=2.1e8, alpha_B=0.21
        ... )
        >>> joint = KaplanLaw(Nc=6.4e13, Dc=1.8e13, alpha_N=0.076, alpha_D=0.103)
        >>> round(float(law.epochs(joint, 1e9, 2.2e10)), 1)
        16.8
        """
        steps = self.stopping_steps(joint, params, tokens)
        batch = self.batch_law.predict(joint.predict(params, tokens))
        return steps * batch / positive("tokens", tokens)

    def _repr_latex_(self) -> str:
        return (
            rf"$L = ({self.Nc:.3g}/N)^{{{self.alpha_N:.4g}}}"
            rf" + ({self.Sc:.3g}\cdot {self.B_star:.3g}/(D\,L^{{1/{self.alpha_B:.4g}}}))"
            rf"^{{{self.alpha_S:.4g}}}$"
        )


def kaplan_learning_rate(params) -> np.ndarray:
    """Peak learning rate of Adam by the paper's rule of thumb, 0.003239 - 0.0001395 ln N.

    Appendix D.6. The paper writes log; only the natural logarithm makes the rule end where the
    paper says it does, near 1e10 parameters (non-embedding).

    Raises
    ------
    BudgetError
        Models so large that the rate would not be positive.

    Examples
    --------
    >>> round(float(kaplan_learning_rate(1e8)), 6)
    0.000669
    """
    rate = 0.003239 - 0.0001395 * np.log(positive("params", params))
    if (rate <= 0).any():
        raise BudgetError("the rule gives no positive learning rate above 1.2e10 parameters")
    return rate
