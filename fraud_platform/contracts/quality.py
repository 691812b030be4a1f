"""What a day in the lake must hold, as pandera models, and which rows break it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.api.polars.model_config import BaseConfig
from pandera.errors import SchemaErrors

from fraud_platform.clock import DAY_US, EPOCH
from fraud_platform.contracts.events import MAX_AMOUNT

_ID = {"min_value": 1, "max_value": 64}
SHOWN = 20


def _falls_on(data: pa.PolarsData, time: str) -> pl.LazyFrame:
    day = pl.lit(EPOCH) + pl.duration(days=pl.col(time) // DAY_US)
    return data.lazyframe.select(day == pl.col("event_date"))


class _Filed(pa.DataFrameModel):
    """What holds in every table of days."""

    event_date: pl.Date
    transaction_id: str = pa.Field(str_length=_ID)

    class Config(BaseConfig):
        strict = True


class _Daily(_Filed):
    """What holds where a day has each transaction once."""

    @pa.dataframe_check(name="transaction_id_unique")
    def transaction_id_unique(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        return data.lazyframe.select(pl.struct("event_date", "transaction_id").is_unique())


class RawTransactions(_Daily):
    """`raw_transactions`: clean, deduplicated days."""

    timestamp_us: int
    user_id: str = pa.Field(str_length=_ID)
    merchant_id: str = pa.Field(str_length=_ID)
    device_id: str = pa.Field(str_length=_ID, nullable=True)
    amount_cents: int = pa.Field(gt=0, le=MAX_AMOUNT * 100)

    @pa.dataframe_check(name="within_day")
    def within_day(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        """Each transaction lies in the day that it is filed under."""
        return _falls_on(data, "timestamp_us")


class TransactionLabels(_Daily):
    """`transaction_labels`: what became known on a day."""

    labelled_at_us: int
    is_fraud: bool
    label_source: str = pa.Field(nullable=True)
    timestamp_us: int = pa.Field(nullable=True)
    user_id: str = pa.Field(nullable=True)
    merchant_id: str = pa.Field(nullable=True)
    amount_cents: int = pa.Field(nullable=True)

    @pa.dataframe_check(name="within_day")
    def within_day(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        """Each label became known on the day that it is filed under."""
        return _falls_on(data, "labelled_at_us")


class PredictionLog(_Filed):
    """`prediction_log`: the service's decisions."""

    decision_id: str = pa.Field(str_length=_ID)
    decided_us: int
    request_id: str
    key_id: str = pa.Field(nullable=True)
    timestamp_us: int
    user_id: str = pa.Field(str_length=_ID)
    merchant_id: str = pa.Field(str_length=_ID)
    device_id: str = pa.Field(str_length=_ID, nullable=True)
    amount_cents: int = pa.Field(gt=0, le=MAX_AMOUNT * 100)
    features: pl.List = pa.Field(dtype_kwargs={"inner": pl.Float64})
    state_age_s: float = pa.Field(nullable=True)
    fault: str = pa.Field(nullable=True)
    model_version: str
    model_sha256: str = pa.Field(str_length={"min_value": 64, "max_value": 64})
    threshold: float = pa.Field(ge=0, le=1)
    fraud_probability: float = pa.Field(ge=0, le=1)
    is_fraud: bool
    confidence: float = pa.Field(ge=0, le=1)
    degraded: bool
    degraded_reason: str = pa.Field(nullable=True)
    reasons: str = pa.Field(nullable=True)
    latency_us: int = pa.Field(ge=0)
    action: str = pa.Field(isin=["block", "allow"])
    propensity: float = pa.Field(gt=0, le=1)
    pass_limit_cents: int = pa.Field(ge=0, nullable=True)

    @pa.dataframe_check(name="decision_id_unique")
    def decision_id_unique(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        return data.lazyframe.select(pl.col("decision_id").is_unique())

    @pa.dataframe_check(name="within_day")
    def within_day(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        """Each decision was made on the day that it is filed under."""
        return _falls_on(data, "decided_us")

    @pa.dataframe_check(name="verdict_follows")
    def verdict_follows(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        """The verdict is what the probability and the threshold say."""
        probability = pl.col("fraud_probability")
        return data.lazyframe.select(
            (pl.col("is_fraud") == (probability > pl.col("threshold")))
            & (pl.col("confidence") == (probability - 0.5).abs() * 2)
        )

    @pa.dataframe_check(name="action_follows")
    def action_follows(cls, data: pa.PolarsData) -> pl.LazyFrame:  # noqa: N805
        """Only would-be blocks up to the limit are drawn, and less than half of them let pass."""
        fraud, propensity = pl.col("is_fraud"), pl.col("propensity")
        block = pl.col("action") == "block"
        above = (pl.col("amount_cents") > pl.col("pass_limit_cents")).fill_null(value=False)
        drawn = fraud & ~above & (block == (propensity > 0.5)) & (propensity < 1)
        return data.lazyframe.select(drawn | ((block == fraud) & (propensity == 1)))


@dataclass(frozen=True)
class Rule:
    """A named rule of a table, shown as one asset check."""

    name: str
    description: str
    blocking: bool = True


@dataclass(frozen=True)
class Outcome:
    """How a rule came out: how many rows break it, and the first of them."""

    rule: Rule
    failing: int = 0
    rows: Sequence[dict[str, Any]] = ()

    @property
    def passed(self) -> bool:
        return self.failing == 0


SCHEMA = Rule("schema", "Columns, types and required values are as the table's contract says.")
AMOUNT_IN_RANGE = Rule("amount_in_range", "Amounts are over 0 and up to 1,000,000.")
USER_ID_NOT_NULL = Rule("user_id_not_null", "Every transaction names its user.")
TRANSACTION_ID_UNIQUE = Rule("transaction_id_unique", "No transaction_id twice within a day.")
WITHIN_DAY = Rule("within_day", "Rows lie within the UTC day that they are filed under.")

DECISION_ID_UNIQUE = Rule("decision_id_unique", "No decision_id twice.")
VERDICT_FOLLOWS = Rule(
    "verdict_follows", "is_fraud is fraud_probability > threshold; the confidence goes with it."
)
ACTION_FOLLOWS = Rule(
    "action_follows",
    "A payment is blocked where it is called fraud, unless it was let pass by draw.",
)

RAW_RULES = (SCHEMA, AMOUNT_IN_RANGE, USER_ID_NOT_NULL, TRANSACTION_ID_UNIQUE, WITHIN_DAY)
LABEL_RULES = (SCHEMA, TRANSACTION_ID_UNIQUE, WITHIN_DAY)
PREDICTION_RULES = (SCHEMA, DECISION_ID_UNIQUE, WITHIN_DAY, VERDICT_FOLLOWS, ACTION_FOLLOWS)


def check_frame(
    frame: pl.DataFrame, model: type[pa.DataFrameModel] | pa.DataFrameSchema, rules: Sequence[Rule]
) -> list[Outcome]:
    """One outcome a rule, in the rules' order; failing rows carry their id and the value found."""
    try:
        model.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = list(error.failure_cases.iter_rows(named=True))
    else:
        cases = []
    names = {rule.name for rule in rules}
    found: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        rule = _rule_of(case)
        found.setdefault(rule if rule in names else SCHEMA.name, []).append(_describe(case, frame))
    return [
        Outcome(rule, len(found.get(rule.name, [])), found.get(rule.name, [])[:SHOWN])
        for rule in rules
    ]


_OF_FRAMES = {
    rule.name
    for rule in (
        TRANSACTION_ID_UNIQUE,
        DECISION_ID_UNIQUE,
        WITHIN_DAY,
        VERDICT_FOLLOWS,
        ACTION_FOLLOWS,
    )
}


def _rule_of(case: dict[str, Any]) -> str:
    check, column = case["check"], case["column"]
    if check in _OF_FRAMES:
        return check
    if column == "user_id" and check == "not_nullable":
        return USER_ID_NOT_NULL.name
    if column == "amount_cents" and check.startswith(("greater_than", "less_than")):
        return AMOUNT_IN_RANGE.name
    return SCHEMA.name


def _describe(case: dict[str, Any], frame: pl.DataFrame) -> dict[str, Any]:
    described = {"check": case["check"], "column": case["column"], "found": case["failure_case"]}
    index = case["index"]
    if index is None:  # a fault of the whole column
        return described
    row = frame.row(index, named=True)
    return {
        "event_date": str(row["event_date"]),
        "transaction_id": row["transaction_id"],
        **described,
        "found": str(row.get(case["column"], case["failure_case"])),
    }
