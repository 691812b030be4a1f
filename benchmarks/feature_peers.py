"""What people use instead for features of the past: rolling windows of Polars and of pandas.

Each takes payments of some users with their history and gives a row for each payment. Windows of
days slide to the microsecond here instead of beginning at midnight, and label rates are as of the
merchant's last label: that is what these libraries offer, and no more work than ours.
"""

import pandas as pd
import polars as pl

LEFT_OUT = {
    "Polars": "fraud runs and their ages, unexplained rate, time since the last legitimate label",
    "pandas": "the same, and user_age",
}


def by_polars(payments: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """27 of the 32 features by Polars' rolling windows and an as-of join."""
    frame = (
        payments.with_columns(
            at=pl.from_epoch("timestamp_us", time_unit="us"), amount=pl.col("amount_cents") / 100
        )
        .with_columns(amount_log=(pl.col("amount") + 1).log())
        .sort("user_id", "at")
    )
    amount, log = pl.col("amount"), pl.col("amount_log")

    def rolled(source: pl.DataFrame, period: str, **figures: pl.Expr) -> pl.DataFrame:
        keys = source.rolling("at", period=period, closed="left", group_by="user_id")
        return keys.agg(**figures).drop("user_id", "at")

    frame = frame.hstack(rolled(frame, "1h", count_1h=pl.len(), sum_1h=amount.sum()))
    frame = frame.hstack(rolled(frame, "24h", count_24h=pl.len(), sum_24h=amount.sum()))
    frame = frame.hstack(
        rolled(frame, "7d", count_7d=pl.len(), sum_7d=amount.sum(), max_7d=amount.max())
    )
    of_30_days = rolled(
        frame,
        "30d",
        count_30d=pl.len(),
        mean_30d=amount.mean(),
        max_30d=amount.max(),
        mean_log_30d=log.mean(),
        std_log_30d=log.std(),
        last=pl.col("timestamp_us").max(),
        first=pl.col("timestamp_us").min(),
    )
    frame = frame.hstack(of_30_days).with_columns(
        large=(amount / pl.col("mean_30d") > 2.5).fill_null(value=False)
    )
    large = pl.col("large")
    for period in ("24h", "3d", "14d"):
        frame = frame.hstack(rolled(frame, period, **{f"large_{period}": large.sum()}))
    frame = frame.hstack(
        rolled(frame, "30d", last_large=pl.col("timestamp_us").filter(large).max())
    )
    seen = (
        frame.with_row_index()
        .sort("user_id", "device_id", "at")
        .rolling("at", period="30d", closed="left", group_by=["user_id", "device_id"])
        .agg(seen_before=pl.len())
    )
    by_device = frame.select("user_id", "device_id", "at").with_row_index()
    by_device = by_device.sort("user_id", "device_id", "at")
    frame = frame.hstack(
        by_device.hstack(seen.select("seen_before")).sort("index").select("seen_before")
    )
    by_merchant = labels.select(
        "merchant_id", "is_fraud", known=pl.from_epoch("labelled_at_us", time_unit="us")
    ).sort("merchant_id", "known")
    rates = by_merchant.rolling("known", period="28d", group_by="merchant_id").agg(
        frauds=pl.col("is_fraud").sum(), labels=pl.len()
    )
    first_at = frame.group_by("merchant_id").agg(merchant_first=pl.col("timestamp_us").min())
    joined = (
        frame.sort("at")
        .join_asof(
            rates.sort("known"),
            left_on="at",
            right_on="known",
            by="merchant_id",
            allow_exact_matches=False,
        )
        .join(first_at, on="merchant_id")
    )
    now = pl.col("timestamp_us")
    return joined.with_columns(
        hour_of_day=pl.col("at").dt.hour(),
        day_of_week=pl.col("at").dt.weekday(),
        to_mean=amount / pl.col("mean_30d"),
        to_max=amount / pl.col("max_30d"),
        score=(log - pl.col("mean_log_30d")) / pl.col("std_log_30d"),
        time_since_last=(now - pl.col("last")) / 1e6,
        time_since_large=(now - pl.col("last_large")) / 1e6,
        user_age=(now - pl.col("first")) / 1e6,
        merchant_age=(now - pl.col("merchant_first")) / 1e6,
        device_new=pl.col("seen_before") == 0,
        merchant_fraud_rate=(pl.col("frauds") + 0.2) / (pl.col("labels") + 20),
    )


def by_pandas(payments: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """26 of the 32 features by pandas' rolling windows and an as-of merge."""
    frame = payments.assign(
        at=pd.to_datetime(payments["timestamp_us"], unit="us"),
        amount=payments["amount_cents"] / 100,
    )
    frame["amount_log"] = _log1p(pd.Series(frame["amount"]))
    frame = frame.sort_values(["user_id", "at"]).reset_index(drop=True)

    def rolled(column: str, period: str) -> "pd.api.typing.RollingGroupby":
        return frame.set_index("at").groupby("user_id")[column].rolling(period, closed="left")

    for period in ("1h", "24h", "7d", "30d"):
        frame[f"count_{period}"] = rolled("amount", period).count().to_numpy()
    for period in ("1h", "24h", "7d"):
        frame[f"sum_{period}"] = rolled("amount", period).sum().to_numpy()
    for period in ("7d", "30d"):
        frame[f"max_{period}"] = rolled("amount", period).max().to_numpy()
    frame["mean_30d"] = rolled("amount", "30d").mean().to_numpy()
    frame["mean_log_30d"] = rolled("amount_log", "30d").mean().to_numpy()
    frame["std_log_30d"] = rolled("amount_log", "30d").std().to_numpy()
    frame["to_mean"] = frame["amount"] / frame["mean_30d"]
    frame["to_max"] = frame["amount"] / frame["max_30d"]
    frame["score"] = (frame["amount_log"] - frame["mean_log_30d"]) / frame["std_log_30d"]
    frame["large"] = (frame["to_mean"] > 2.5).astype(float)
    for period in ("24h", "3D", "14D"):
        frame[f"large_{period}"] = rolled("large", period).sum().to_numpy()
    by_user = frame.groupby("user_id")
    frame["time_since_last"] = by_user["at"].diff().dt.total_seconds()
    large_at = frame["at"].where(frame["large"] > 0)
    last_large = large_at.groupby(frame["user_id"]).ffill().groupby(frame["user_id"]).shift()
    frame["time_since_large"] = (frame["at"] - last_large).dt.total_seconds()
    frame["device_new"] = ~frame.duplicated(["user_id", "device_id"])
    frame["hour_of_day"] = frame["at"].dt.hour
    frame["day_of_week"] = frame["at"].dt.dayofweek
    first = frame.groupby("merchant_id")["at"].transform("min")
    frame["merchant_age"] = (frame["at"] - first).dt.total_seconds()
    known = labels.assign(known=pd.to_datetime(labels["labelled_at_us"], unit="us"))
    known = known.set_index("known").sort_index()
    rates = known.groupby("merchant_id")[["is_fraud"]].rolling("28D").mean().reset_index()
    return pd.merge_asof(
        frame.sort_values("at"),
        rates.sort_values("known"),
        left_on="at",
        right_on="known",
        by="merchant_id",
        allow_exact_matches=False,
    )


def _log1p(values: pd.Series) -> pd.Series:
    import numpy as np  # noqa: PLC0415

    return pd.Series(np.log1p(values), index=values.index)
