"""Laws that bend, in the form the solver works on: Hestness, Caballero, Rosenfeld, Pearce & Song.

They are no sums of powers of their inputs. First derivatives are written out law by law; second
ones are differences of the first.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import expit

from scalinglaws.fitting.families import (
    EXPONENT,
    TINY_TERM,
    AdditiveFamily,
    Family,
    Problem,
    _log_floor,
    _nonnegative_fits,
    _sample_rows,
)
from scalinglaws.laws import BrokenPowerLaw, ChinchillaLaw, HestnessLaw, PearceLaw, RosenfeldLaw

STEP = 3e-5  # of the differences
WIDTHS = (-4.0, 2.0)  # limits of the logarithm of a break's width
MOST_STARTS = 6


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0.0, x)


class SmoothProblem(Problem):
    """A law given by ln L and its first derivatives.

    Parameters
    ----------
    names : sequence of str
        Internal constants.
    curve : callable
        Takes theta of shape (S, p); returns ln L, shape (S, n), and p derivatives of that shape.
    """

    def __init__(self, names, curve, log_loss, low, high):
        super().__init__(tuple(names), [], log_loss, np.array(low, float), np.array(high, float))
        self.curve = curve

    def parts(self, theta):
        log_pred = self.curve(theta)[0]
        return log_pred, None, log_pred

    def jacobian(self, theta, weights, lse):
        return np.stack(self.curve(theta)[1], axis=1)

    def curvature(self, theta, weights, jac, c):
        out = np.empty((len(theta), self.p, self.p))
        for j in range(self.p):
            shift = STEP * np.eye(self.p)[j]
            ahead, behind = (self.jacobian(theta + s * shift, None, None) for s in (1, -1))
            out[:, j] = ((ahead - behind) @ c[:, :, None])[:, :, 0] / (2 * STEP)
        return (out + out.transpose(0, 2, 1)) / 2 + (jac * c[:, None]) @ jac.transpose(0, 2, 1)


def _columns(theta: np.ndarray) -> list[np.ndarray]:
    """Each internal constant as a column of shape (S, 1)."""
    return [theta[:, j, None] for j in range(theta.shape[1])]


class _BendingCurve(Family):
    """What Hestness's and the broken law share: a floor, and an excess that bends in ln x."""

    def __init__(self, x, loss, floor):
        self.floor = floor
        self.x = np.log(x)
        self.centre = float(self.x.mean())
        self.log_loss = np.log(loss)
        self.least = float(self.log_loss.min())

    def _bind(self, names, low, high):
        if self.floor:
            names, low, high = ["ln E", *names], [self.least + TINY_TERM, *low], [self.least, *high]
        self.problem = SmoothProblem(names, self._curve, self.log_loss, low, high)

    def _curve(self, theta):
        t = _columns(theta)
        if not self.floor:
            return self._excess(None, *t)
        log_excess, slopes = self._excess(t[0], *t[1:])
        log_loss = np.logaddexp(t[0], log_excess)
        share = np.exp(log_excess - log_loss)
        by_floor = 1.0 - share + share * self._through_floor(t[0])
        return log_loss, [by_floor, *(share * s for s in slopes)]

    def _through_floor(self, log_floor):
        """d ln(excess) / d ln E."""
        return 0.0

    def _ranked(self, shapes: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Starts (ln E, ln of the coefficient, shape), the best of a grid of shapes.

        Coefficients enter linearly, so each shape is solved for them.
        """
        rows = _sample_rows(len(self.log_loss))
        weight = np.exp(-self.log_loss[rows])
        blocks = [basis[:, rows] * weight]
        if self.floor:
            blocks.insert(0, np.broadcast_to(weight, blocks[0].shape))
        stack = np.stack(blocks, axis=1)
        grams, rights = stack @ stack.transpose(0, 2, 1), stack.sum(axis=-1)
        values, error = _nonnegative_fits(grams, rights, float(len(rows)))
        pick = np.argsort(error, kind="stable")[:MOST_STARTS]
        logs = _log_floor(values[pick], self.least - 12.0)
        return np.concatenate([logs, shapes[pick]], axis=1)

    def _floor_of(self, theta):
        return np.exp(theta[:, 0]) if self.floor else np.zeros(len(theta))

    def _log_floor_of(self, law):
        return [math.log(max(law.E, 1e-300))] if self.floor else []


class HestnessFamily(_BendingCurve):
    """E + A m^-alpha that sets out from a best guess, which is fitted or held."""

    law = HestnessLaw

    def __init__(self, x, loss, floor=True, fixed=None):
        super().__init__(x, loss, floor)
        self.guess = (fixed or {}).get("guess")
        names, low, high = ["alpha", "ln onset"], [EXPONENT[0]], [EXPONENT[1]]
        low, high = [*low, self.x.min() - 20.0], [*high, self.x.max() + 5.0]
        if self.guess is None:
            # The excess in the middle of the data: its own constant, which a guess that the data
            # do not show leaves alone.
            names, low = ["ln A at centre", *names], [self.least + TINY_TERM, *low]
            high = [float(self.log_loss.max()) + 20.0, *high]
        self._bind(names, low, high)
        if self.guess is not None and floor:
            self.problem.high[0] = min(self.least, math.log(self.guess) - 1e-9)

    def _excess(self, log_floor, *shape):
        *log_a, alpha, onset = shape
        if log_a:
            ahead = onset - self.x
            bend = self.x - self.centre + _softplus(ahead)
            slopes = [np.ones_like(bend), -bend, -alpha * expit(ahead)]
            return log_a[0] - alpha * bend, slopes
        behind = self.x - onset
        bend = _softplus(behind)
        gap = math.log(self.guess)
        if log_floor is not None:
            gap = gap + np.log1p(-np.exp(log_floor - math.log(self.guess)))
        return gap - alpha * bend, [-bend, alpha * expit(behind)]

    def _through_floor(self, log_floor):
        if self.guess is None:
            return 0.0
        floor = np.exp(log_floor)
        return -floor / (self.guess - floor)

    def starts(self):
        alphas = np.geomspace(0.05, 2.0, 14)
        onsets = np.linspace(self.x.min() - 4.0, self.x.max(), 15)
        alpha, onset = (v.ravel() for v in np.meshgrid(alphas, onsets))
        bends = self.x - self.centre + _softplus(onset[:, None] - self.x)
        starts = self._ranked(np.stack([alpha, onset], axis=1), np.exp(-alpha[:, None] * bends))
        return starts if self.guess is None else np.delete(starts, int(self.floor), axis=1)

    def constants(self, theta):
        floor, alpha, onset = self._floor_of(theta), theta[:, -2], theta[:, -1]
        with np.errstate(over="ignore"):
            if self.guess is None:
                log_a = theta[:, int(self.floor)] + alpha * self.centre
                guess = floor + np.exp(log_a - alpha * onset)
            else:
                guess = np.full(len(theta), self.guess)
                log_a = np.log(guess - floor) + alpha * onset
            return {"E": floor, "A": np.exp(log_a), "alpha": alpha, "guess": guess}

    def theta(self, law):
        onset = (math.log(law.A) - math.log(law.guess - law.E)) / law.alpha
        log_a = [] if self.guess is not None else [math.log(law.A) - law.alpha * self.centre]
        value = np.array([*self._log_floor_of(law), *log_a, law.alpha, onset])
        return np.clip(value, self.problem.low, self.problem.high)

    def handle(self, name):
        if name == "E" and self.floor:
            return self, 0, np.log, np.exp
        return (self, self.problem.p - 2, float, float) if name == "alpha" else None


class BrokenFamily(_BendingCurve):
    """Caballero's law with one break inside the data."""

    law = BrokenPowerLaw
    signed = ("c0", "c1")

    def __init__(self, x, loss, floor=True):
        super().__init__(x, loss, floor)
        names = ["ln A at centre", "c0", "c1", "ln d1", "ln f1"]
        low = [self.least + TINY_TERM, -EXPONENT[1], -2 * EXPONENT[1], self.x.min(), WIDTHS[0]]
        high = [float(self.log_loss.max()) + 20.0, EXPONENT[1], 2 * EXPONENT[1], self.x.max()]
        self._bind(names, low, [*high, WIDTHS[1]])

    def _excess(self, log_floor, log_a, c0, c1, at, log_width):
        width = np.exp(log_width)
        v = (self.x - at) / width
        bend, turned = _softplus(v), expit(v)
        log_excess = log_a - c0 * (self.x - self.centre) - c1 * width * bend
        return log_excess, [
            np.ones_like(v),
            np.broadcast_to(self.centre - self.x, v.shape),
            -width * bend,
            c1 * turned,
            -c1 * width * (bend - v * turned),
        ]

    def starts(self):
        span = self.x.max() - self.x.min()
        breaks = self.x.min() + span * np.linspace(0.1, 0.9, 9)
        exponents = np.array([-0.2, 0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5])
        grid = np.meshgrid(exponents, exponents, breaks, np.log([0.1, 0.7]), indexing="ij")
        before, after, at, width = (v.ravel()[:, None] for v in grid)
        bend = np.exp(width) * _softplus((self.x - at) / np.exp(width))
        log_basis = -before * (self.x - self.centre) - (after - before) * bend
        shapes = np.concatenate([before, after - before, at, width], axis=1)
        return self._ranked(shapes, np.exp(log_basis))

    def constants(self, theta):
        out = {"E": self._floor_of(theta)}
        log_a, c0, c1, at, log_width = theta[:, int(self.floor) :].T
        with np.errstate(over="ignore"):
            out["A"] = np.exp(log_a + c0 * self.centre)
            return out | {"c0": c0, "c1": c1, "d1": np.exp(at), "f1": np.exp(log_width)}

    def theta(self, law):
        log_a = math.log(law.A) - law.c0 * self.centre
        rest = [log_a, law.c0, law.c[0], math.log(law.d[0]), math.log(law.f[0])]
        value = np.array([*self._log_floor_of(law), *rest])
        return np.clip(value, self.problem.low, self.problem.high)

    def handle(self, name):
        if name == "E" and self.floor:
            return self, 0, np.log, np.exp
        first = int(self.floor)
        return {
            "c0": (self, first + 1, float, float),
            "c1": (self, first + 2, float, float),
            "d1": (self, first + 3, np.log, np.exp),
            "f1": (self, first + 4, np.log, np.exp),
        }.get(name)


class RosenfeldFamily(Family):
    """The additive law under Rosenfeld's envelope; the error of guessing is fitted or held.

    Internally each term is measured in units of eta, so that the envelope bends where their sum
    is 1.
    """

    law = RosenfeldLaw

    def __init__(self, params, tokens, loss, floor=True, fixed=None):
        self.guess = (fixed or {}).get("guess")
        self.floor = floor
        self.inputs, self.loss = (params, tokens), loss
        self.additive = self._part(loss)
        inner = self.additive.problem
        self.columns = self.additive.columns
        log_loss = np.log(loss)
        k = len(inner.names)
        low, high = [-25.0] * k, [25.0] * k
        low[-2:], high[-2:] = inner.low[-2:], inner.high[-2:]
        names = list(inner.names)
        if self.guess is None:
            names.append("ln guess")
            low.append(float(np.median(log_loss)))
            high.append(float(log_loss.max()) + 5.0)
        self.problem = SmoothProblem(names, self._curve, log_loss, low, high)

    def _part(self, loss):
        return AdditiveFamily(
            ChinchillaLaw, self.inputs, loss, ("A", "B"), ("alpha", "beta"), floor=self.floor
        )

    def _curve(self, theta):
        k = len(self.additive.problem.names)
        inner, head = self.additive.problem, theta[:, :k]
        log_part, weights, lse = inner.parts(head)
        by_part = inner.jacobian(head, weights, lse)
        guess = theta[:, k:] if self.guess is None else math.log(self.guess)
        learned = expit(-2.0 * log_part)
        slopes = [learned * by_part[:, j] for j in range(k)]
        if self.guess is None:
            slopes.append(np.ones_like(log_part))
        return guess - 0.5 * _softplus(-2.0 * log_part), slopes

    def starts(self):
        top = float(self.loss.max())
        guesses = [self.guess] if self.guess else [top * f for f in (1.02, 1.3, 2.0, 5.0)]
        out = []
        for guess in guesses:
            share = np.minimum(self.loss / guess, 0.995)
            inner = self._part(share / np.sqrt(1.0 - share**2))
            for start in inner.starts()[:2]:
                out.append([*start, *([] if self.guess else [math.log(guess)])])
        return np.array(out)

    def constants(self, theta):
        k = len(self.additive.problem.names)
        inner = self.additive.constants(theta[:, :k])
        with np.errstate(all="ignore"):
            guess = np.full(len(theta), self.guess) if self.guess else np.exp(theta[:, k])
            eta = 1.0 / inner["B"]
            values = {"E": inner["E"] * eta, "A": inner["A"] * eta, "eta": eta, "guess": guess}
        values |= {name: inner[name] for name in ("alpha", "beta")}
        return {name: values[name] for name in self.law.names()}

    def theta(self, law):
        inner = ChinchillaLaw(law.E / law.eta, law.A / law.eta, 1.0 / law.eta, law.alpha, law.beta)
        head = self._unclipped(inner)
        value = np.array([*head, *([] if self.guess else [math.log(law.guess)])])
        return np.clip(value, self.problem.low, self.problem.high)

    def _unclipped(self, law):
        centre_n, centre_d = self.additive.centres
        floor = [math.log(max(law.E, 1e-300))] if self.floor else []
        log_a = math.log(law.A) - law.alpha * centre_n
        log_b = math.log(law.B) - law.beta * centre_d
        return [*floor, log_a, log_b, law.alpha, law.beta]

    def handle(self, name):
        if name == "guess" and self.guess is None:
            return self, self.problem.p - 1, np.log, np.exp
        index = {"alpha": -2, "beta": -1}.get(name)
        k = len(self.additive.problem.names)
        return None if index is None else (self, k + index, float, float)


class PearceFamily(Family):
    """Chinchilla's law in non-embedding parameters; omega is fitted or held."""

    law = PearceLaw

    def __init__(self, params, tokens, loss, floor=True, fixed=None):
        self.omega = (fixed or {}).get("omega")
        self.floor, self.tokens, self.loss = floor, tokens, loss
        self.log_n, log_d = np.log(params), np.log(tokens)
        self.centre, self.centre_d = float(self.log_n.mean()), float(log_d.mean())
        self.data_column = self.centre_d - log_d
        log_loss = np.log(loss)
        least, most = log_loss.min() + TINY_TERM, log_loss.max() + 3.0
        names = [*(["ln E"] if floor else []), "ln A", "ln B", "alpha", "beta"]
        low = [least] * (len(names) - 2) + [EXPONENT[0]] * 2
        high = [most] * (len(names) - 2) + [EXPONENT[1]] * 2
        if self.omega is None:
            # from no embeddings worth naming to hardly anything else
            names.append("ln omega")
            low.append(2 / 3 * float(self.log_n.min()) - 7.0)
            high.append(2 / 3 * float(self.log_n.max()) + 7.0)
        self.problem = SmoothProblem(names, self._curve, log_loss, low, high)

    def _log_total(self, log_omega):
        return np.logaddexp(self.log_n, log_omega + self.log_n / 3)

    def _curve(self, theta):
        t = _columns(theta)
        floor = [t.pop(0)] if self.floor else []
        log_a, log_b, alpha, beta, *rest = t
        log_omega = rest[0] if rest else math.log(self.omega)
        log_total = self._log_total(log_omega)
        by_size = self.centre - log_total
        model, data = log_a + alpha * by_size, log_b + beta * self.data_column
        log_loss = np.logaddexp(model, data)
        if floor:
            log_loss = np.logaddexp(log_loss, floor[0])
        w_model, w_data = np.exp(model - log_loss), np.exp(data - log_loss)
        slopes = [w_model, w_data, w_model * by_size, w_data * self.data_column]
        if rest:
            embedded = np.exp(log_omega + self.log_n / 3 - log_total)
            slopes.append(-alpha * w_model * embedded)
        if floor:
            slopes.insert(0, np.exp(floor[0] - log_loss))
        return log_loss, slopes

    def starts(self):
        if self.omega is not None:
            guesses = [math.log(self.omega)]
        else:
            guesses = 2 / 3 * self.centre + np.linspace(-4.0, 4.0, 5)
        out, error = [], []
        for log_omega in guesses:
            total = np.exp(self._log_total(log_omega))
            inner = AdditiveFamily(
                ChinchillaLaw, (total, self.tokens), self.loss, ("A", "B"), ("alpha", "beta"),
                floor=self.floor,
            )  # fmt: skip
            for start in inner.starts()[:2]:
                law = inner.to_law(start)
                law = PearceLaw(**law.constants, omega=math.exp(log_omega))
                out.append(self.theta(law))
                log_pred = self.problem.log_predict(out[-1][None])[0]
                error.append(np.abs(log_pred - self.problem.log_loss).sum())
        return np.array(out)[np.argsort(error, kind="stable")[:MOST_STARTS]]

    def constants(self, theta):
        first = int(self.floor)
        log_a, log_b, alpha, beta = theta[:, first : first + 4].T
        with np.errstate(over="ignore"):
            omega = np.full(len(theta), self.omega) if self.omega else np.exp(theta[:, -1])
            return {
                "E": np.exp(theta[:, 0]) if self.floor else np.zeros(len(theta)),
                "A": np.exp(log_a + alpha * self.centre),
                "B": np.exp(log_b + beta * self.centre_d),
                "alpha": alpha,
                "beta": beta,
                "omega": omega,
            }

    def theta(self, law):
        value = [
            *([math.log(max(law.E, 1e-300))] if self.floor else []),
            math.log(law.A) - law.alpha * self.centre,
            math.log(law.B) - law.beta * self.centre_d,
            law.alpha,
            law.beta,
            *([] if self.omega else [math.log(law.omega)]),
        ]
        return np.clip(np.array(value), self.problem.low, self.problem.high)

    def handle(self, name):
        first = int(self.floor)
        if name == "omega" and self.omega is None:
            return self, self.problem.p - 1, np.log, np.exp
        if name == "E" and self.floor:
            return self, 0, np.log, np.exp
        index = {"alpha": first + 2, "beta": first + 3}.get(name)
        return None if index is None else (self, index, float, float)
