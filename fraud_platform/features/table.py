"""The lake table of features: one row per transaction, columns in catalogue order."""

import pyarrow as pa

from fraud_platform.contracts.tables import Table, columns
from fraud_platform.features.catalogue import FEATURE_NAMES

TRANSACTION_FEATURES = Table(
    "transaction_features",
    columns(
        event_date=pa.date32(),
        transaction_id=pa.string(),
        timestamp_us=pa.int64(),
        user_id=pa.string(),
        merchant_id=pa.string(),
        amount_cents=pa.int64(),
        **{name: pa.float64() for name in FEATURE_NAMES},
    ),
    sort_by=("timestamp_us", "transaction_id"),
)
