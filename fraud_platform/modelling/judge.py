"""A trained model and the live one on the test days: the record that promotion is decided on."""

import msgspec
import xgboost as xgb

from fraud_platform.modelling.bootstrap import Entrant
from fraud_platform.modelling.calibration import brier_score, expected_calibration_error
from fraud_platform.modelling.champion import Champion, Incomparable
from fraud_platform.modelling.costs import costs_of
from fraud_platform.modelling.dataset import Part
from fraud_platform.modelling.predict import predict_both
from fraud_platform.modelling.record import EvaluationRecord, TrainingRecord
from fraud_platform.modelling.rivals import Contender, compare
from fraud_platform.modelling.scored import weight_of, with_scores
from fraud_platform.propensity import Weighed


class Entered(msgspec.Struct, frozen=True, kw_only=True):
    """Who is compared, scored; the rest is as in `EvaluationRecord`."""

    model: Entrant
    champion: Contender | None
    uncalibrated: dict[str, float]
    incomparable: str | None
    weighed: Weighed | None = None


def features_of(record: TrainingRecord, champion: Champion | Incomparable | None) -> list[str]:
    """The features that both models need of the test rows, each once."""
    theirs = champion.manifest.features if isinstance(champion, Champion) else []
    return list(dict.fromkeys([*record.features, *theirs]))


def enter(
    test: Part,
    record: TrainingRecord,
    booster: xgb.Booster,
    champion: Champion | Incomparable | None,
) -> Entered:
    """The test rows as the model of `record` scores them, and as the live one does.

    `test` has the features of `features_of`; its file is read here and not needed afterwards.
    """
    # Tens of bytes a row that nothing is counted by.
    test = msgspec.structs.replace(test, rows=test.rows.drop("transaction_id"))
    chunks = test.chunks(features=record.features)
    scores, bare = predict_both(booster, chunks, record.calibration)
    theirs = champion.on(test) if isinstance(champion, Champion) else champion
    weight = weight_of(test.rows)
    return Entered(
        model=Entrant(rows=with_scores(test.rows, scores), threshold=record.threshold.value),
        champion=theirs if isinstance(theirs, Contender) else None,
        uncalibrated={
            "brier": brier_score(bare, test.is_fraud, weight),
            "expected_calibration_error": expected_calibration_error(bare, test.is_fraud, weight),
        },
        incomparable=theirs.why if isinstance(theirs, Incomparable) else None,
        weighed=test.weighed,
    )


def judge(
    entered: Entered, record: TrainingRecord, *, version: str, sha256: str, samples: int
) -> EvaluationRecord:
    """What promotion is decided on, in the costs that the model was trained with.

    `version` and `sha256` are the model's, `samples` how many draws intervals are taken of. Raises
    EvaluationError for scores of the model that are no probabilities, and for rows of one class.
    """
    found = compare(
        entered.model,
        costs_of(record.training),
        champion=entered.champion,
        amount_rule=record.amount_rule,
        samples=samples,
        seed=record.training.seed,
    )
    return EvaluationRecord(
        partition=record.partition,
        model_version=version,
        sha256=sha256,
        metrics=found.metrics.as_dict(),
        intervals=found.intervals,
        slices=found.slices,
        rivals=found.rivals,
        incomparable=entered.incomparable,
        uncalibrated=entered.uncalibrated,
        weighed=entered.weighed,
    )
