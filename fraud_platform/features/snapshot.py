"""The online state as of a moment, built from the lake: what the online store starts from."""

from datetime import date, timedelta

import polars as pl
import pyarrow.dataset as ds

from fraud_platform.clock import DAY_US, HOUR_US, day_start_us
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.catalogue import history_days, label_history_days
from fraud_platform.features.state import (
    MerchantLabels,
    UserDaily,
    UserRecent,
    identifier_hash,
)
from fraud_platform.lake.store import Lake

RECENT_US = 72 * HOUR_US


def user_states(lake: Lake, end: date) -> tuple[dict[str, UserRecent], dict[str, UserDaily]]:
    """Per user: the events of the 72 h before `end`, and what the days before `end` say.

    Covers every user with a transaction in the features' history.
    """
    as_of_us = day_start_us(end)
    start = end - timedelta(days=history_days())
    events = lake.read(RAW_TRANSACTIONS, start, end).with_columns(
        device_hash=_hashed("device_id"),
    )
    daily = (
        events.group_by("user_id", "device_hash")
        .agg(device_last_us=pl.col("timestamp_us").max())
        .sort("user_id", "device_last_us", "device_hash")
        .group_by("user_id", maintain_order=True)
        .agg("device_hash", "device_last_us", last_us=pl.col("device_last_us").max())
    )
    known = {
        user: UserDaily(
            as_of_us=as_of_us,
            last_timestamp_us=last_us,
            # Hash 0 stands for payments without a device: no device that could be known.
            device_hashes=[device for device in devices if device],
            device_last_us=[at for device, at in zip(devices, times, strict=True) if device],
        )
        for user, devices, times, last_us in daily.iter_rows()
    }
    latest = events.filter(pl.col("timestamp_us") >= as_of_us - RECENT_US).with_columns(
        transaction_hash=_hashed("transaction_id")
    )
    by_user = latest.group_by("user_id", maintain_order=True).agg(
        "timestamp_us", "amount_cents", "device_hash", "transaction_hash"
    )
    # A user without recent events is written too: the store may still hold older ones.
    recent = dict.fromkeys(known, UserRecent()) | {
        user: UserRecent(
            timestamps_us=times, amounts_cents=cents, device_hashes=devices, transaction_hashes=ids
        )
        for user, times, cents, devices, ids in by_user.iter_rows()
    }
    return recent, known


def merchant_states(lake: Lake, as_of_us: int) -> dict[str, MerchantLabels]:
    """Per merchant: labels known in the window before the hour `as_of_us`.

    Merchants whose labels have left the window within the last 30 days are there with zeros, so
    that the store forgets them.
    """
    window = label_history_days()
    end = date.fromordinal(date(1970, 1, 1).toordinal() + -(-as_of_us // DAY_US))
    labels = lake.read(
        TRANSACTION_LABELS,
        end - timedelta(days=window + 31),
        end,
        columns=["merchant_id", "labelled_at_us", "is_fraud"],
        where=ds.field("merchant_id").is_valid(),
    ).filter(pl.col("labelled_at_us") < as_of_us)
    inside = pl.col("labelled_at_us") >= as_of_us - window * DAY_US
    counted = labels.group_by("merchant_id").agg(
        labels=inside.sum(), frauds=(inside & pl.col("is_fraud")).sum()
    )
    return {
        merchant: MerchantLabels(as_of_us=as_of_us, labels=count, frauds=frauds)
        for merchant, count, frauds in counted.iter_rows()
    }


def _hashed(column: str) -> pl.Expr:
    return pl.col(column).map_batches(_hash_series, return_dtype=pl.Int64)


def _hash_series(values: pl.Series) -> pl.Series:
    unique = values.unique()
    hashes = [identifier_hash(value) for value in unique]
    # Nulls hash to 0 too; replacing by unique value hashes each identifier once.
    mapped = pl.DataFrame({"value": unique, "hash": hashes}, schema_overrides={"hash": pl.Int64})
    joined = values.to_frame("value").join(
        mapped, on="value", how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["hash"]
