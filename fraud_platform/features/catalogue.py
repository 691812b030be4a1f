"""The features, each declared once; their order here is the model's input order."""

from fraud_platform.features.declarations import (
    FirstSeen,
    LabelRate,
    Request,
    TimeSinceLast,
    WindowAggregate,
)
from fraud_platform.features.plan import Catalogue

CATALOGUE = Catalogue(
    Request(
        name="amount",
        field="amount",
        unit="currency",
        meaning="Amount of the transaction.",
    ),
    Request(
        name="amount_log",
        field="amount_log",
        unit="ln(1 + currency)",
        meaning="Natural logarithm of one plus the amount, to four decimals.",
    ),
    Request(
        name="hour_of_day",
        field="hour_of_day",
        unit="hour, 0 to 23",
        meaning="Hour of the transaction in UTC.",
    ),
    Request(
        name="day_of_week",
        field="day_of_week",
        unit="day, 0 (Monday) to 6",
        meaning="Weekday of the transaction in UTC.",
    ),
    WindowAggregate(
        name="user_tx_count_24h",
        key="user_id",
        aggregate="count",
        window="24h",
        unit="transactions",
        meaning="Transactions of the user in the 24 hours before.",
    ),
    WindowAggregate(
        name="user_total_amount_24h",
        key="user_id",
        aggregate="sum",
        column="amount",
        window="24h",
        unit="currency",
        meaning="Amount that the user spent in the 24 hours before.",
    ),
    LabelRate(
        name="merchant_fraud_rate",
        key="merchant_id",
        window="28d",
        prior_rate=0.01,
        prior_weight=20.0,
        unit="share, 0 to 1",
        meaning="Share of fraud among the merchant's labels that became known in the last 28 days.",
    ),
    TimeSinceLast(
        name="time_since_last_tx",
        key="user_id",
        within="30d",
        unit="seconds",
        meaning="Time since the user's last transaction.",
        missing="no transaction of the user in the last 30 days",
    ),
    FirstSeen(
        name="device_new",
        key="user_id",
        other="device_id",
        within="30d",
        unit="0 or 1",
        meaning="Whether the user was not seen with this device in the last 30 days.",
        missing="the transaction names no device",
    ),
)

FEATURE_NAMES = CATALOGUE.names
