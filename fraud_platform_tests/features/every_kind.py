"""A catalogue with every kind of declaration, over users and merchants, windows short and long."""

from typing import Any

from fraud_platform.features.declarations import (
    FirstSeen,
    FraudRun,
    LabelCount,
    LabelRate,
    LastLabel,
    Ratio,
    Request,
    StandardScore,
    TimeSinceFirst,
    TimeSinceLabel,
    TimeSinceLast,
    Where,
    WindowAggregate,
)
from fraud_platform.features.plan import Catalogue

SAID: dict[str, Any] = {"unit": "a unit", "meaning": "A meaning."}
USER: dict[str, Any] = {**SAID, "key": "user_id"}
MERCHANT: dict[str, Any] = {**SAID, "key": "merchant_id"}
UNUSUAL, USUAL = Where("score", ">", 0.8), Where("score", "<=", 0.8)
UNEXPLAINED = Where("ratio", "<=", 0.5, or_missing=True)

EVERY_KIND = Catalogue(
    Request(name="amount", field="amount", **SAID),
    Request(name="log", field="amount_log", **SAID),
    Request(name="hour_of_day", field="hour_of_day", **SAID),
    Request(name="weekday", field="day_of_week", **SAID),
    WindowAggregate(name="count_1h", aggregate="count", window="1h", **USER),
    WindowAggregate(name="sum_24h", aggregate="sum", column="amount", window="24h", **USER),
    WindowAggregate(name="max_6h", aggregate="max", column="amount", window="6h", **USER),
    WindowAggregate(name="night_3d", aggregate="count", window="3d", where=Where("hour_of_day", "<", 6), **USER),
    WindowAggregate(name="mean_30d", aggregate="mean", column="amount_log", window="30d", **USER),
    WindowAggregate(name="std_30d", aggregate="std", column="amount_log", window="30d", **USER),
    WindowAggregate(name="std_amount_7d", aggregate="std", column="amount", window="7d", **USER),
    WindowAggregate(name="min_7d", aggregate="min", column="amount", window="7d", **USER),
    WindowAggregate(name="max_1d", aggregate="max", column="amount", window="1d", **USER),
    WindowAggregate(name="merchants_24h", aggregate="distinct", column="merchant_id", window="24h", **USER),
    WindowAggregate(name="devices_7d", aggregate="distinct", column="device_id", window="7d", **USER),
    StandardScore(name="score", value="amount_log", mean="mean_30d", deviation="std_30d", **SAID),
    Ratio(name="ratio", numerator="amount", denominator="max_6h", **SAID),
    Ratio(name="score_ratio", numerator="score", denominator="ratio", **SAID),
    WindowAggregate(name="unusual_24h", aggregate="count", window="24h", where=UNUSUAL, **USER),
    WindowAggregate(name="unusual_14d", aggregate="count", window="14d", where=UNUSUAL, **USER),
    WindowAggregate(name="unusual_sum_14d", aggregate="sum", column="amount", window="14d", where=UNUSUAL, **USER),
    WindowAggregate(name="score_mean_7d", aggregate="mean", column="score", window="7d", **USER),
    WindowAggregate(name="score_std_7d", aggregate="std", column="score", window="7d", **USER),
    WindowAggregate(name="score_max_24h", aggregate="max", column="score", window="24h", **USER),
    TimeSinceLast(name="since_last", within="30d", **USER),
    TimeSinceLast(name="since_unusual", within="14d", where=UNUSUAL, **USER),
    TimeSinceFirst(name="age", within="30d", **USER),
    FirstSeen(name="device_new", other="device_id", within="30d", **USER),
    FirstSeen(name="merchant_new", other="merchant_id", within="5d", **USER),
    WindowAggregate(name="merchant_count_7d", aggregate="count", window="7d", **MERCHANT),
    WindowAggregate(name="merchant_mean_30d", aggregate="mean", column="amount", window="30d", **MERCHANT),
    WindowAggregate(name="merchant_unusual_3d", aggregate="count", window="3d", where=UNUSUAL, **MERCHANT),
    TimeSinceFirst(name="merchant_age", within="30d", **MERCHANT),
    LabelRate(name="rate_28d", window="28d", prior_rate=0.01, prior_weight=20.0, **MERCHANT),
    LabelRate(name="rate_mature", window="7d", maturity=5, prior_rate=0.02, prior_weight=3.0, **MERCHANT),
    LabelCount(name="unexplained_7d", window="7d", where=USUAL, **MERCHANT),
    LabelCount(name="user_labels_1d", window="1d", of="labels", **USER),
    LastLabel(name="last_label", window="28d", **MERCHANT),
    LastLabel(name="last_usual", window="14d", where=USUAL, **MERCHANT),
    TimeSinceLabel(name="since_fraud", window="28d", **MERCHANT),
    TimeSinceLabel(name="since_legitimate", window="14d", of="legitimate", where=UNEXPLAINED, **MERCHANT),
    FraudRun(name="run", window="28d", **MERCHANT),
    FraudRun(name="run_age", window="14d", of="age", where=UNEXPLAINED, **MERCHANT),
    FraudRun(name="user_run", window="5d", **USER),
    TimeSinceLabel(name="since_label", window="28d", of="labels", **USER),
)  # fmt: skip
