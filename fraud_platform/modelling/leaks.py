"""Features that are too good: one that alone ranks frauds nearly perfectly was made of labels."""

import numpy as np

from fraud_platform.modelling.dataset import Part
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform.settings import Training

SAMPLE = 1_000_000
BINS = 64


def single_aucs(matrix: np.ndarray, is_fraud: np.ndarray) -> np.ndarray:
    """Of each feature the area under ROC that it reaches alone, of shape (features,).

    `matrix` is rows x features, NaN = missing. A feature is cut into bins of about equal size, with
    one more for what is missing; bins are ranked by their share of frauds in one half of the rows
    and judged on the other. So neither direction, shape nor being missing hides a leak, and chance
    isn't taken for one.
    """
    half = np.arange(is_fraud.size) % 2 == 0
    return np.array([_auc(column, is_fraud, half) for column in matrix.T])


def _auc(column: np.ndarray, is_fraud: np.ndarray, half: np.ndarray) -> float:
    present = column[~np.isnan(column)]
    edges = (
        np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1])) if present.size else []
    )
    bins = np.searchsorted(edges, column, side="left") + 1
    bins[np.isnan(column)] = 0

    def counts(rows: np.ndarray) -> np.ndarray:
        return np.bincount(bins[rows], minlength=len(edges) + 2).astype(np.float64)

    frauds, rest = counts(half & is_fraud), counts(half & ~is_fraud)
    prior = frauds.sum() / max(frauds.sum() + rest.sum(), 1)
    order = np.argsort((frauds + prior) / (frauds + rest + 1), kind="stable")
    frauds, rest = counts(~half & is_fraud)[order], counts(~half & ~is_fraud)[order]
    if not frauds.sum() or not rest.sum():
        return 0.5
    below = np.cumsum(rest) - rest
    return float((frauds * (below + rest / 2)).sum() / (frauds.sum() * rest.sum()))


def check_leaks(part: Part, training: Training) -> None:
    """Raises TrainingRefused, naming them, for features that alone rank frauds too well."""
    step = max(1, -(-part.is_fraud.size // SAMPLE))
    sampled = part.sample(SAMPLE)
    aucs = single_aucs(sampled, part.is_fraud[::step])
    found = [
        f"{name} alone reaches an AUC of {auc:.3f}"
        for name, auc in zip(part.features, aucs, strict=True)
        if auc > training.max_single_auc
    ]
    if found:
        raise TrainingRefused(
            f"{'; '.join(found)}, over training.max_single_auc {training.max_single_auc:g}: "
            "what knows the verdict was made of it. Look at how the feature is computed and at its "
            "labels' times; raise the limit only if it is known to be honest"
        )
