"""Labelled transactions with the score a model gave them: what evaluation works on."""

import numpy as np
import polars as pl

from fraud_platform.errors import PredictFlowError

COLUMNS = ("event_date", "user_id", "amount_cents", "is_fraud", "score")


class EvaluationError(PredictFlowError):
    """Rows that no metric can be taken of: no rows, one class, or scores that aren't numbers."""


def with_scores(rows: pl.DataFrame, scores: np.ndarray) -> pl.DataFrame:
    """`rows` with the probabilities `scores` (float64, one a row) as column `score`."""
    return rows.with_columns(pl.Series("score", scores, dtype=pl.Float64))


def check_scores(rows: pl.DataFrame) -> None:
    """Raises EvaluationError for a missing column or label, or a score that is no probability."""
    absent = [name for name in COLUMNS if name not in rows.columns]
    if absent:
        raise EvaluationError(f"scored rows lack the columns {', '.join(absent)}")
    unlabelled = rows["is_fraud"].null_count()
    if unlabelled:
        raise EvaluationError(
            f"{unlabelled:,} of {rows.height:,} rows have no label; drop them first"
        )
    score = rows["score"]
    good = int((score.is_between(0, 1) & score.is_not_nan()).sum())
    if good != rows.height:
        raise EvaluationError(
            f"{rows.height - good:,} of {rows.height:,} scores are missing, NaN or outside 0 to 1; "
            "the model isn't usable: look at its features and train it again"
        )


def check_both_classes(rows: pl.DataFrame) -> None:
    """Raises EvaluationError unless labelled rows hold a fraud and a legitimate transaction."""
    frauds = int(rows["is_fraud"].sum())
    if frauds in {0, rows.height}:
        raise EvaluationError(
            f"{frauds:,} of {rows.height:,} rows are fraud; a metric needs both classes, "
            "so take more days"
        )


def weight_of(rows: pl.DataFrame) -> np.ndarray | None:
    """How often each row counts (float64), or None where all count alike.

    Weights are there where would-be blocks were let pass at random (see `propensity`).
    """
    return rows["weight"].to_numpy() if "weight" in rows.columns else None


def arrays(rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Score (float64), is_fraud (bool) and amount in cents (int64) of scored rows."""
    return (
        rows["score"].cast(pl.Float64).to_numpy(),
        rows["is_fraud"].cast(pl.Boolean).to_numpy(),
        rows["amount_cents"].to_numpy(),
    )
