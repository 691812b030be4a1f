from datetime import date, datetime
from typing import Any

import msgspec
import pytest

from fraud_platform.errors import PredictFlowError
from fraud_platform.simulator import SimulatorConfig


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("days", 0, "days: 0 is out of range; give a whole number from 1 on"),
        ("users", -3, "users: -3 is out of range"),
        ("merchants", 0, "merchants: 0 is out of range"),
        ("transactions_per_day", 0, "transactions_per_day: 0 is out of range"),
        ("transactions_per_day", 12.5, "transactions_per_day: 12.5 is not a whole number"),
        ("users", True, "users: True is not a whole number"),
        ("days", "30", "days: '30' is not a whole number"),
        ("seed", -1, "seed: -1 is out of range; give a whole number from 0 to 4,294,967,295"),
        ("seed", 2**32, "seed: 4294967296 is out of range"),
        ("fraud_share", -0.1, "fraud_share: -0.1 is not a share"),
        ("fraud_share", 0.6, "give a number from 0 to 0.5, such as 0.01 for 1 %"),
        ("fraud_share", float("nan"), "fraud_share: nan is not a share"),
        ("fraud_share", "1%", "fraud_share: '1%' is not a share"),
        ("start", "2018-01-01", "start: '2018-01-01' is not a date; give one such as date"),
        ("start", datetime(2018, 1, 1), "is not a date"),  # noqa: DTZ001
        ("start", date(1969, 12, 31), "start: 1969-12-31 is before 1970-01-01; give a later"),
        ("days", 10_000_000, "days: 10,000,000 days from 2018-01-01 go beyond 9999-12-31"),
    ],
)
def test_a_field_out_of_range_is_named_with_its_value_and_the_mend(
    field: str, value: Any, message: str
) -> None:
    with pytest.raises(PredictFlowError) as error:
        SimulatorConfig(**{field: value})
    assert message in str(error.value)
    assert str(error.value).startswith(f"simulator field {field}: ")


def test_the_defaults_are_valid_and_come_through_json() -> None:
    config = SimulatorConfig()
    assert msgspec.json.decode(msgspec.json.encode(config), type=SimulatorConfig) == config


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `user`"):
        msgspec.convert({"user": 3}, SimulatorConfig)


def test_the_very_first_and_the_very_last_day_are_allowed() -> None:
    assert SimulatorConfig(start=date(1970, 1, 1), days=1).day(0) == date(1970, 1, 1)
    assert SimulatorConfig(start=date.max, days=1).day(0) == date.max
