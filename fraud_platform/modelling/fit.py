"""Fitting the model: XGBoost with every parameter that matters written down."""

from collections.abc import Callable

import numpy as np
import xgboost as xgb
from xgboost.callback import TrainingCallback

from fraud_platform.modelling.dataset import Part
from fraud_platform.modelling.training_checks import TrainingRefused
from fraud_platform.settings import Training

Progress = Callable[[int, int], None]
MAX_BIN = 256


def parameters(
    training: Training, *, positive_weight: float, threads: int = 0
) -> dict[str, object]:
    """XGBoost's parameters, none of those that shape the model left to its defaults.

    Major versions change defaults: 2.0 began to estimate `base_score` from the labels and made
    `hist` the method. `threads` 0 takes all cores; the model is the same for any number.
    """
    return {
        "objective": "binary:logistic",
        "tree_method": "hist",
        "base_score": 0.5,
        "max_bin": MAX_BIN,
        "max_depth": training.depth,
        "learning_rate": training.learning_rate,
        "scale_pos_weight": positive_weight,
        "seed": training.seed,
        "nthread": threads,
    }


def fit(
    part: Part,
    training: Training,
    *,
    threads: int = 0,
    progress: Progress | None = None,
) -> xgb.Booster:
    """A booster fitted on `part`, with the names of its features stored in it.

    A fraud weighs negatives / positives times as much as another row, so the scores rank and don't
    claim to be calibrated. The same rows give the same bytes of `save_raw("ubj")`, whatever the
    order that `dataset.prepare` got them in and the number of threads. `progress` is called after
    each tree with (trees so far, trees in all). Raises TrainingRefused where one class is missing.
    """
    positives = int(np.count_nonzero(part.is_fraud))
    negatives = part.is_fraud.size - positives
    if not positives or not negatives:
        raise TrainingRefused(
            f"{positives:,} of {part.is_fraud.size:,} rows to fit on are fraud; "
            "both classes are needed"
        )
    # Binned while it is read: half the memory of a DMatrix, and the same trees.
    data = xgb.QuantileDMatrix(
        part.matrix,
        label=part.is_fraud.astype(np.float32),
        feature_names=list(part.features),
        max_bin=MAX_BIN,
        nthread=threads or None,
    )
    return xgb.train(
        parameters(training, positive_weight=negatives / positives, threads=threads),
        data,
        num_boost_round=training.trees,
        callbacks=[_Report(progress, training.trees)] if progress else None,
    )


class _Report(TrainingCallback):
    """Passes XGBoost's rounds on to a progress callback."""

    def __init__(self, progress: Progress, total: int) -> None:
        super().__init__()
        self.progress, self.total = progress, total

    def after_iteration(self, model: object, epoch: int, evals_log: object) -> bool:  # noqa: ARG002
        self.progress(epoch + 1, self.total)
        return False
