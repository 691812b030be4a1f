"""From the prepared parts to a model that can be judged: trees, calibration, threshold."""

import msgspec
import numpy as np
import polars as pl
import xgboost as xgb

from fraud_platform.modelling.amount_rule import tune_amount_rule
from fraud_platform.modelling.calibration import Calibration, fit_calibration
from fraud_platform.modelling.dataset import Dataset, Part
from fraud_platform.modelling.fit import Progress, fit
from fraud_platform.modelling.leaks import check_leaks
from fraud_platform.modelling.predict import margins, predict_all
from fraud_platform.modelling.scored import weight_of, with_scores
from fraud_platform.modelling.threshold import Threshold, tune_threshold
from fraud_platform.settings import Training


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A model: trees, what makes probabilities of their margins, and where fraud begins.

    `amount_rule` is what the same policy made of the amount alone (see `tune_amount_rule`).
    """

    booster: xgb.Booster
    calibration: Calibration | None
    threshold: Threshold
    amount_rule: Threshold

    def score(self, part: Part) -> pl.DataFrame:
        """The part's rows with the model's probabilities as column `score`."""
        return with_scores(part.rows, predict_all(self.booster, part.chunks(), self.calibration))


def train(
    data: Dataset, training: Training, *, threads: int = 0, progress: Progress | None = None
) -> Trained:
    """Fits on `fit`; counts trees, calibrates and chooses the threshold on `validation`.

    Where that is empty, all trees stay, scores are the model's own, and the threshold is the fixed
    one. Equal data and settings give equal bytes and figures. Raises TrainingRefused for a feature
    that leaks the label.
    """
    validation = data.validation if data.validation.is_fraud.size else None
    check_leaks(data.fit, training)
    booster = fit(data.fit, training, validation=validation, threads=threads, progress=progress)
    calibration = None
    if validation and training.calibration == "beta":
        margin = np.concatenate([margins(booster, chunk) for chunk in validation.chunks()])
        calibration = fit_calibration(margin, validation.is_fraud, weight_of(validation.rows))
    if validation:
        scores = predict_all(booster, validation.chunks(), calibration)
        threshold = tune_threshold(with_scores(validation.rows, scores), training)
    else:
        threshold = Threshold(
            value=training.threshold_fixed,
            tuned=False,
            reason="there are no validation days, so the fixed threshold is taken",
            cost=0,
            cost_never=0,
        )
    chosen_on = validation or data.fit
    return Trained(
        booster=booster,
        calibration=calibration,
        threshold=threshold,
        amount_rule=tune_amount_rule(chosen_on.rows, training),
    )
