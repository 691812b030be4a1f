"""What feature rows must hold: the catalogue compiled to a pandera model."""

import pandera.polars as pa
import polars as pl

from fraud_platform.features.plan import Catalogue


def features_model(catalogue: Catalogue) -> pa.DataFrameSchema:
    """The pandera model of `transaction_features`.

    Features are finite, and missing (null) only where their declaration says when that is.
    """
    finite = pa.Check(
        lambda data: data.lazyframe.select(pl.col(data.key).is_finite()), name="finite"
    )
    identity = {
        "event_date": pa.Column(pl.Date),
        "transaction_id": pa.Column(pl.String),
        "timestamp_us": pa.Column(pl.Int64),
        "user_id": pa.Column(pl.String),
        "merchant_id": pa.Column(pl.String),
        "amount_cents": pa.Column(pl.Int64),
    }
    features = {
        feature.name: pa.Column(pl.Float64, finite, nullable=feature.missing != "never missing")
        for feature in catalogue
    }
    return pa.DataFrameSchema({**identity, **features}, strict=True, name="transaction_features")
