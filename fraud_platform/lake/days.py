"""From landed events to clean days: which transaction and which label counts."""

import polars as pl

from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS

# What of a landed label is needed; of a landed transaction it is the columns of raw_transactions.
LANDED_LABEL = ["event_date", "transaction_id", "labelled_at_us", "is_fraud", "label_source"]


def deduplicate(landed: pl.DataFrame) -> pl.DataFrame:
    """Rows of `raw_transactions`: of the same transaction_id on a day, the first landed wins.

    `landed` holds landed transactions in landing order.
    """
    first = landed.unique(["event_date", "transaction_id"], keep="first", maintain_order=True)
    return first.select(RAW_TRANSACTIONS.schema.names).sort(["event_date", *_RAW_ORDER])


def attach_transactions(landed: pl.DataFrame, transactions: pl.DataFrame) -> pl.DataFrame:
    """Rows of `transaction_labels`: of a day's labels of one transaction, the last known wins.

    `landed` holds landed labels in landing order, `transactions` the raw transactions that they
    may speak of; a label whose transaction isn't there keeps nulls in its place.
    """
    last = (
        landed.sort("labelled_at_us", maintain_order=True)
        .unique(["event_date", "transaction_id"], keep="last", maintain_order=True)
        .select(LANDED_LABEL)
    )
    known = transactions.select(
        "transaction_id", "timestamp_us", "user_id", "merchant_id", "amount_cents"
    ).unique("transaction_id", keep="first", maintain_order=True)
    joined = last.join(known, on="transaction_id", how="left")
    return joined.select(TRANSACTION_LABELS.schema.names).sort(["event_date", *_LABEL_ORDER])


def latest_labels(labels: pl.DataFrame) -> pl.DataFrame:
    """One row per transaction of `transaction_labels` rows: what was known last."""
    return labels.sort("labelled_at_us", maintain_order=True).unique(
        ["transaction_id", "timestamp_us"], keep="last", maintain_order=True
    )


_RAW_ORDER, _LABEL_ORDER = list(RAW_TRANSACTIONS.sort_by), list(TRANSACTION_LABELS.sort_by)
