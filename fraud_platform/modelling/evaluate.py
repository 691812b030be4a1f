"""The metrics that a model is reported and compared by."""

import msgspec
import polars as pl

from fraud_platform.modelling.calibration import brier_score, expected_calibration_error
from fraud_platform.modelling.card_precision import card_precision
from fraud_platform.modelling.costs import Costs
from fraud_platform.modelling.decisions import decide
from fraud_platform.modelling.scored import arrays, check_both_classes, check_scores, weight_of


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """What a model did on labelled rows; shares and scores from 0 to 1, money in cents.

    `accuracy_never_fraud` is the accuracy of calling nothing fraud, `money_saved` what the
    decisions save against that. Precision and F1 are 0 where nothing was called fraud. `rows`,
    `frauds` and `alerts` are plain counts, whatever the rows weigh.
    """

    precision: float
    recall: float
    f1: float
    accuracy: float
    accuracy_never_fraud: float
    auc_roc: float
    average_precision: float
    card_precision_100: float
    brier: float
    expected_calibration_error: float
    money_saved: int
    rows: int
    frauds: int
    days: int
    alerts: int

    def as_dict(self) -> dict[str, float]:
        """Each metric by name as a float, `money_saved` in currency units: for logs, manifests."""
        figures = {name: float(getattr(self, name)) for name in self.__struct_fields__}
        return figures | {"money_saved": self.money_saved / 100}


def evaluate(rows: pl.DataFrame, threshold: float, costs: Costs) -> Metrics:
    """The metrics of scored rows (see `scored`) at the probability `threshold`.

    With a column `weight` each row counts so often.
    Raises EvaluationError for rows of one class, rows without a label, or scores that are no
    probabilities.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415

    check_scores(rows)
    check_both_classes(rows)
    score, is_fraud, _ = arrays(rows)
    weight = weight_of(rows)
    made = decide(rows, threshold, costs)
    return Metrics(
        precision=made.precision,
        recall=made.recall,
        f1=made.f1,
        accuracy=made.accuracy,
        accuracy_never_fraud=made.accuracy_never_fraud,
        auc_roc=float(roc_auc_score(is_fraud, score, sample_weight=weight)),
        average_precision=float(average_precision_score(is_fraud, score, sample_weight=weight)),
        card_precision_100=card_precision(rows, k=100),
        brier=brier_score(score, is_fraud, weight),
        expected_calibration_error=expected_calibration_error(score, is_fraud, weight),
        money_saved=made.money_saved,
        rows=made.rows,
        frauds=made.frauds,
        days=rows["event_date"].n_unique(),
        alerts=made.alerts,
    )
