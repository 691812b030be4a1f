"""Calibration: that of the transactions scored 0.3, three in ten are fraud."""

import msgspec
import numpy as np

BINS = 10


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """From a model's margin m (log-odds) to the probability 1 / (1 + exp(-z)), with
    z = a * ln p - b * ln(1 - p) + c and p = 1 / (1 + exp(-m)); a, b >= 0, so the order stays.

    Kull, Silva Filho, Flach, Beta calibration, AISTATS 2017. A model that was fitted with weighted
    frauds is off by a shift of the log-odds, which c takes back; a and b mend over- and
    underconfidence at either end.
    """

    a: float
    b: float
    c: float

    def probability(self, margin: np.ndarray) -> np.ndarray:
        """Probabilities (rows,) of margins (rows,), both float64."""
        z = -self.a * np.logaddexp(0, -margin) + self.b * np.logaddexp(0, margin) + self.c
        return np.exp(-np.logaddexp(0, -z))


def fit_calibration(
    margin: np.ndarray, is_fraud: np.ndarray, weight: np.ndarray | None = None
) -> Calibration:
    """The calibration of greatest likelihood on margins and outcomes of both classes, each row
    counting `weight` times.

    Where the best a or b is negative it is held at 0, as in the paper.
    """
    from scipy.optimize import minimize  # noqa: PLC0415 - not for the service

    x = np.stack([-np.logaddexp(0, -margin), np.logaddexp(0, margin), np.ones_like(margin)], axis=1)
    sign = np.where(is_fraud, 1.0, -1.0)
    weight = np.ones(sign.size) if weight is None else weight
    towards, total = sign * weight, weight.sum()

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = sign * (x @ w)
        gradient = -(towards * np.exp(-np.logaddexp(0, z))) @ x
        return float((np.logaddexp(0, -z) * weight).sum()) / total, gradient / total

    share = np.average(is_fraud, weights=weight)
    start = np.array([1.0, 1.0, np.log(share / (1 - share))])
    bounds = [(0, None), (0, None), (None, None)]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12)
    a, b, c = found.x
    return Calibration(a=float(a), b=float(b), c=float(c))


def reliability(
    score: np.ndarray, is_fraud: np.ndarray, weight: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean score, share of frauds and number of rows in ten bins of equal width over 0 to 1.

    `score`, `is_fraud` and, where rows don't count alike, `weight` have the shape (rows,), the
    three float64 results (10,); the means of a bin without rows are NaN.
    """
    weight = np.ones(score.size) if weight is None else weight
    bins = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, weights=weight, minlength=BINS)
    filled = np.where(count > 0, count, np.nan)
    mean_score = np.bincount(bins, weights=score * weight, minlength=BINS) / filled
    fraud_share = np.bincount(bins, weights=is_fraud * weight, minlength=BINS) / filled
    return mean_score, fraud_share, count


def expected_calibration_error(
    score: np.ndarray, is_fraud: np.ndarray, weight: np.ndarray | None = None
) -> float:
    """Mean distance between score and share of frauds over the bins of `reliability`, by rows.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    mean_score, fraud_share, count = reliability(score, is_fraud, weight)
    return float(np.nansum(np.abs(mean_score - fraud_share) * count) / count.sum())


def brier_score(score: np.ndarray, is_fraud: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean squared distance between score and outcome (Brier 1950, for two classes)."""
    return float(np.average(np.square(score - is_fraud), weights=weight))
