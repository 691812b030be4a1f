"""What the rival services share: the request and the answer in pydantic, scoring by a DataFrame."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd
from pydantic import BaseModel, Field

from fraud_platform.features.catalogue import FEATURE_NAMES

THRESHOLD = 0.3
FEATURES = [f"transaction_vector__{name}" for name in FEATURE_NAMES]
"""The features as Feast names them."""


class Transaction(BaseModel):
    """What is asked."""

    transaction_id: str = Field(min_length=1, max_length=64)
    user_id: str = Field(min_length=1, max_length=64)
    merchant_id: str = Field(min_length=1, max_length=64)
    device_id: str | None = Field(default=None, max_length=64)
    amount: float = Field(gt=0, le=1_000_000)
    timestamp: datetime | None = None


class Decision(BaseModel):
    """What is answered."""

    transaction_id: str
    fraud_probability: float
    is_fraud: bool
    confidence: float


def entity_row(asked: Transaction) -> dict[str, Any]:
    """The transaction as Feast's views take it."""
    moment = asked.timestamp or datetime.now(UTC)
    return {
        "user_id": asked.user_id,
        "merchant_id": asked.merchant_id,
        "device_id": asked.device_id,
        "timestamp_us": round(moment.timestamp() * 1_000_000),
        "amount_cents": round(asked.amount * 100),
    }


def decide(model: Any, asked: Transaction, found: pd.DataFrame) -> Decision:
    """The decision on one row of features, named as Feast names them."""
    frame = found[FEATURES].astype("float64")
    frame.columns = list(FEATURE_NAMES)
    probability = float(model.predict_proba(frame)[0, 1])
    return Decision(
        transaction_id=asked.transaction_id,
        fraud_probability=probability,
        is_fraud=probability > THRESHOLD,
        confidence=abs(probability - 0.5) * 2,
    )
