"""The online state that a small history leaves, as the assets make it from the lake's tables."""

import random
from datetime import timedelta

import polars as pl

from fraud_platform.clock import DAY_US, HOUR_US, day_start_us
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.snapshot import daily_rows, label_rows, recent_rows
from fraud_platform.features.state import VIEWS
from fraud_platform_tests.features.histories import START
from fraud_platform_tests.features.lake_of import Frames, tables
from fraud_platform_tests.features.oracle import Payment, Verdict

DAYS = 12
AS_OF = START + timedelta(days=DAYS)
AS_OF_US = day_start_us(AS_OF)
USERS, MERCHANTS, DEVICES = ["u1", "u2", "u3 é", "u4"], ["m1", "m2", "m3"], ["d1", "d2", None]


def online_rows() -> Frames:
    """The rows of each view by its name, at the first moment of AS_OF."""
    payments, verdicts = _history()
    made = tables(CATALOGUE, payments, verdicts, START, DAYS)
    rows = {"user_recent": recent_rows(CATALOGUE, made["transactions"], AS_OF_US)}
    for view in VIEWS:
        if view.name.endswith("_daily"):
            rows[view.name] = daily_rows(CATALOGUE, view.join_key, made, AS_OF_US)
        elif view.name.endswith("_labels"):
            tiles = CATALOGUE.label_tiles(view.join_key)
            assert tiles is not None
            rows[view.name] = label_rows(CATALOGUE, view.join_key, made[tiles.name], AS_OF_US)
    assert _has_nan(rows["user_recent"])
    return rows


def _history() -> tuple[list[Payment], list[Verdict]]:
    drawn = random.Random(5)
    payments = [
        Payment(
            transaction_id=f"t{i}",
            timestamp_us=AS_OF_US - drawn.randrange(1, DAYS * DAY_US),
            # The last user is there on the last day only: what looks back on them is missing.
            user_id=drawn.choice(USERS[:3]),
            merchant_id=drawn.choice(MERCHANTS),
            amount_cents=drawn.randrange(1, 50_000),
            device_id=drawn.choice(DEVICES),
        )
        for i in range(300)
    ]
    first = Payment(
        transaction_id="first",
        timestamp_us=AS_OF_US - HOUR_US,
        user_id=USERS[3],
        merchant_id=MERCHANTS[0],
        amount_cents=100,
    )
    labelled = [
        Verdict(payment=payment, labelled_at_us=payment.timestamp_us + DAY_US, is_fraud=i % 4 == 0)
        for i, payment in enumerate(payments[:200])
    ]
    return [*payments, first], [v for v in labelled if v.labelled_at_us < AS_OF_US]


def _has_nan(recent: pl.DataFrame) -> bool:
    return any(recent[name].explode().is_nan().any() for name in CATALOGUE.looked_back)
