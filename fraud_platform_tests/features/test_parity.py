"""Offline SQL, online computation and the oracle agree to the bit on generated histories."""

import struct
from datetime import timedelta

import polars as pl
import pyarrow.dataset as ds
from hypothesis import given, settings

from fraud_platform.clock import DAY_US, HOUR_US, day_of, day_start_us
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.offline import compute_features
from fraud_platform.features.online import Context, Event, compute_vector
from fraud_platform.features.state import (
    MerchantLabels,
    UserDaily,
    UserRecent,
    identifier_hash,
)
from fraud_platform_tests.features.histories import DAYS, START, payments, verdicts
from fraud_platform_tests.features.oracle import Payment, Verdict, oracle


def _dataset(rows: list[dict], schema) -> ds.Dataset:
    frame = pl.DataFrame(rows, schema=[f.name for f in schema], infer_schema_length=None)
    missing = [f.name for f in schema if f.name not in (rows[0] if rows else {})]
    return (
        ds.dataset(frame.to_arrow().cast(schema))
        if not missing
        else _dataset([dict.fromkeys(missing) | row for row in rows], schema)
        if rows
        else ds.dataset(schema.empty_table())
    )


def offline(payments: list[Payment], verdicts: list[Verdict], first=START, days=DAYS) -> dict:
    """The SQL's vectors by transaction."""
    raw = [
        {"event_date": day_of(p.timestamp_us), **{n: getattr(p, n) for n in p.__struct_fields__}}
        for p in payments
    ]
    known = [
        {"event_date": day_of(v.labelled_at_us), **{n: getattr(v, n) for n in v.__struct_fields__}}
        for v in verdicts
    ]
    frame = compute_features(
        _dataset(raw, RAW_TRANSACTIONS.schema),
        _dataset(known, TRANSACTION_LABELS.schema),
        first,
        first + timedelta(days=days),
    )
    return {
        row["transaction_id"]: [float("nan") if row[n] is None else row[n] for n in FEATURE_NAMES]
        for row in frame.iter_rows(named=True)
    }


def online(payment: Payment, before: list[Payment], verdicts: list[Verdict]) -> list[float]:
    """The vector from the state that a perfect stream would have kept."""
    now = payment.timestamp_us
    mine = [p for p in before if p.user_id == payment.user_id]
    midnight, hour = now // DAY_US * DAY_US, now // HOUR_US * HOUR_US
    recent = sorted(
        (p for p in mine if p.timestamp_us >= now - 72 * HOUR_US), key=lambda p: p.timestamp_us
    )
    old = [p for p in mine if midnight - 29 * DAY_US <= p.timestamp_us < midnight]
    devices = {p.device_id: p.timestamp_us for p in sorted(old, key=lambda p: p.timestamp_us)}
    devices.pop(None, None)
    known = [
        v
        for v in verdicts
        if v.merchant_id == payment.merchant_id and hour - 28 * DAY_US <= v.labelled_at_us < hour
    ]
    context = Context(
        user_recent=UserRecent(
            timestamps_us=[p.timestamp_us for p in recent],
            amounts_cents=[p.amount_cents for p in recent],
            device_hashes=[identifier_hash(p.device_id) for p in recent],
            transaction_hashes=[identifier_hash(p.transaction_id) for p in recent],
        ),
        user_daily=UserDaily(
            as_of_us=midnight,
            last_timestamp_us=max((p.timestamp_us for p in old), default=0),
            device_hashes=[identifier_hash(device) for device in devices],
            device_last_us=list(devices.values()),
        ),
        merchant_labels=MerchantLabels(
            as_of_us=hour, labels=len(known), frauds=sum(v.is_fraud for v in known)
        ),
    )
    event = Event(timestamp_us=now, amount_cents=payment.amount_cents, device_id=payment.device_id)
    return compute_vector(event, context)


def bits(vector: list[float]) -> list[bytes]:
    return [struct.pack("<d", value) for value in vector]


@settings(max_examples=300, deadline=None)
@given(payments(), verdicts)
def test_the_sql_gives_the_oracles_bits(history: list[Payment], labels: list[Verdict]) -> None:
    found = offline(history, labels)
    for payment in history:
        expected = oracle(payment, history, labels)
        assert bits(found[payment.transaction_id]) == bits(expected)


@settings(max_examples=300, deadline=None)
@given(payments(), verdicts)
def test_the_online_vector_gives_the_oracles_bits(
    history: list[Payment], labels: list[Verdict]
) -> None:
    for payment in history:
        before = [p for p in history if p.timestamp_us < payment.timestamp_us]
        assert bits(online(payment, before, labels)) == bits(oracle(payment, history, labels))


@settings(max_examples=60, deadline=None)
@given(payments(), verdicts)
def test_one_pass_over_a_range_gives_the_bits_of_single_days(
    history: list[Payment], labels: list[Verdict]
) -> None:
    whole = offline(history, labels)
    for day in {day_of(p.timestamp_us) for p in history}:
        # Only what a single day's run reads: the history that its windows can reach.
        reach = [p for p in history if day - timedelta(days=29) <= day_of(p.timestamp_us) <= day]
        known = [v for v in labels if day - timedelta(days=28) <= day_of(v.labelled_at_us) <= day]
        for transaction, vector in offline(reach, known, day, 1).items():
            assert bits(vector) == bits(whole[transaction])


def test_equal_timestamps_do_not_see_each_other() -> None:
    at = day_start_us(START) + 5 * HOUR_US
    twins = [
        Payment(
            transaction_id=name, timestamp_us=at, user_id="u", merchant_id="m", amount_cents=100
        )
        for name in ("a", "b")
    ]
    for vector in offline(twins, []).values():
        assert vector[FEATURE_NAMES.index("user_tx_count_24h")] == 0.0


def test_a_label_counts_from_the_hour_after_it_was_known() -> None:
    hour = day_start_us(START) + 10 * DAY_US + 5 * HOUR_US
    label = Verdict(merchant_id="m", labelled_at_us=hour + 1, is_fraud=True)
    same, following = (
        Payment(
            transaction_id=str(at), timestamp_us=at, user_id="u", merchant_id="m", amount_cents=1
        )
        for at in (hour + HOUR_US - 1, hour + HOUR_US)
    )
    found = offline([same, following], [label])
    rate = FEATURE_NAMES.index("merchant_fraud_rate")
    assert found[same.transaction_id][rate] == 0.2 / 20
    assert found[following.transaction_id][rate] == 1.2 / 21
