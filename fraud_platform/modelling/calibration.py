"""Calibration: whether of the transactions scored 0.3, three in ten are fraud."""

import numpy as np

BINS = 10


def reliability(
    score: np.ndarray, is_fraud: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean score, share of frauds and number of rows in ten bins of equal width over 0 to 1.

    `score` and `is_fraud` have the shape (rows,), the three float64 results (10,); the means of a
    bin without rows are NaN.
    """
    bins = np.minimum((score * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(bins, minlength=BINS).astype(np.float64)
    filled = np.where(count > 0, count, np.nan)
    mean_score = np.bincount(bins, weights=score, minlength=BINS) / filled
    fraud_share = np.bincount(bins, weights=is_fraud, minlength=BINS) / filled
    return mean_score, fraud_share, count


def expected_calibration_error(score: np.ndarray, is_fraud: np.ndarray) -> float:
    """Mean distance between score and share of frauds over the bins of `reliability`, by rows.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    mean_score, fraud_share, count = reliability(score, is_fraud)
    return float(np.nansum(np.abs(mean_score - fraud_share) * count) / count.sum())


def brier_score(score: np.ndarray, is_fraud: np.ndarray) -> float:
    """Mean squared distance between score and outcome (Brier 1950, for two classes)."""
    return float(np.mean(np.square(score - is_fraud)))
