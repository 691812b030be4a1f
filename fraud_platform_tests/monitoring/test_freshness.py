"""A difference is freshness only where something came that the state could not know of."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pytest

from fraud_platform.clock import DAY_US, HOUR_US, day_start_us
from fraud_platform.contracts.tables import (
    LANDED_EVENTS,
    RAW_TRANSACTIONS,
    TRANSACTION_LABELS,
    Table,
)
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.declarations import LabelRate
from fraud_platform.features.plan import Catalogue
from fraud_platform.lake.store import Lake
from fraud_platform.monitoring.freshness import Freshness
from fraud_platform_tests.lake.rows import D1, D2, D4, label, landed, payment, rows_of

MIDNIGHT = day_start_us(D2)
PAID = MIDNIGHT + 12 * HOUR_US + 600_000_000
DECIDED = PAID + 40_000
USER, MERCHANT, LABELS = "user_tx_count_24h", "merchant_age", "merchant_fraud_rate"
RATIO = "amount_to_user_mean_30d"
MATURE = Catalogue(
    LabelRate(
        name=LABELS,
        key="merchant_id",
        window="28d",
        maturity=7,
        prior_rate=0.01,
        prior_weight=1.0,
        unit="share",
        meaning="Share of fraud.",
    )
)


def paid(hours: float, user: str = "u", merchant: str = "m", landed_at: int = 0) -> dict[str, Any]:
    """A payment so many hours after the midnight that the state is as of."""
    us = MIDNIGHT + int(hours * HOUR_US)
    row = payment(f"{user}-{merchant}-{hours}", D1, at_us=us - day_start_us(D1))
    row |= {"user_id": user, "merchant_id": merchant, "landed_at_us": landed_at or us}
    return row | {"event_date": D1 if us < MIDNIGHT else D2, "kind": "transaction"}


def known(hours: float, merchant: str = "m", landed_at: int = 0, **said: Any) -> dict[str, Any]:
    """A label that was known so many hours after that midnight."""
    us = MIDNIGHT + int(hours * HOUR_US)
    said = {"timestamp_us": us - 7 * DAY_US, "landed_at_us": landed_at or us} | said
    row = label(f"of-{merchant}-{hours}", us, is_fraud=True, merchant_id=merchant, **said)
    return row | {"kind": "label"}


@dataclass(frozen=True)
class Case:
    """What the lake has beside the payment, by what hours the state was behind midnight, and the
    features whose differences freshness explains."""

    payments: list[dict[str, Any]] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    behind: float | None = 0.0
    explained: set[str] = field(default_factory=set)
    catalogue: Catalogue = CATALOGUE


CASES = {
    "nothing came": Case(),
    "the user paid on the day": Case([paid(11, merchant="other")], explained={USER, RATIO}),
    "the user pays at the very moment, and later": Case(
        [paid((PAID - MIDNIGHT) / HOUR_US), paid(13)]
    ),
    "others paid": Case([paid(11, "other", "other"), paid(-5, "other", "other")]),
    "the merchant was paid today, which its windows leave out": Case([paid(11, "other")]),
    "the merchant was paid on a day that the state lacks": Case(
        [paid(-5, "other")], behind=24, explained={MERCHANT}
    ),
    "the user paid before the state": Case([paid(-5)]),
    "at the moment of the state": Case([paid(0)], explained={USER, RATIO}),
    "the user paid before the state and it was landed late": Case(
        [paid(-5, landed_at=DECIDED + 1)], explained={USER, RATIO, MERCHANT}
    ),
    "it was landed before the decision": Case([paid(-5, landed_at=DECIDED)]),
    "a later payment was landed later": Case([paid(13, landed_at=DECIDED + 1)]),
    "a label became known": Case(labels=[known(11.9)], explained={LABELS}),
    "a label of this hour": Case(labels=[known(12.05)]),
    "a label of another merchant": Case(labels=[known(11.9, "other")]),
    "a label that the state had": Case(labels=[known(-1)]),
    "a label that was landed late": Case(
        labels=[known(-1, landed_at=DECIDED + 1)], explained={LABELS}
    ),
    "a store that knew nobody, of who had paid": Case(
        [paid(-20)], behind=None, explained={USER, RATIO, MERCHANT}
    ),
    "a store that knew nobody, of who is new": Case([paid(-20, "other", "other")], behind=None),
    "a label that is old enough by now": Case(
        labels=[known(-20, timestamp_us=MIDNIGHT + HOUR_US - 7 * DAY_US)],
        explained={LABELS},
        catalogue=MATURE,
    ),
    "a label that was old enough before": Case(
        labels=[known(-20, timestamp_us=MIDNIGHT - HOUR_US - 7 * DAY_US)], catalogue=MATURE
    ),
}


def write(lake: Lake, table: Table, rows: list[dict[str, Any]]) -> None:
    names = set(table.schema.names)
    kept = [{name: value for name, value in row.items() if name in names} for row in rows]
    lake.replace_days(table, D1, D4, rows_of(table, kept))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_freshness_explains_what_the_state_could_not_know(case: Case, data_dir) -> None:
    lake = Lake(data_dir / "lake")
    own = {"transaction_id": "own", "timestamp_us": PAID, "user_id": "u", "merchant_id": "m"}
    itself = own | {"event_date": D2, "amount_cents": 1}
    write(lake, RAW_TRANSACTIONS, [itself, *case.payments])
    write(lake, TRANSACTION_LABELS, case.labels)
    rows = [{**row, "timestamp_us": None} for row in case.labels] + case.payments
    events = landed(rows).with_columns(
        pl.Series("landed_at_us", [row["landed_at_us"] for row in rows], pl.Int64)
    )
    lake.append(LANDED_EVENTS, events, source_id="test", start=0, end=len(rows))

    as_of = None if case.behind is None else MIDNIGHT - int(case.behind * HOUR_US)
    decision = pl.DataFrame(
        [own | {"as_of_us": as_of, "decided_us": DECIDED}],
        schema_overrides={"as_of_us": pl.Int64},
    )
    found = Freshness(lake, case.catalogue, decision)
    names = {USER, RATIO, MERCHANT, LABELS, "amount"} & {*case.catalogue.names}
    assert {name for name in names if found.explains(name, np.array([True]))[0]} == case.explained
    assert not any(found.explains(name, np.array([False]))[0] for name in names)
