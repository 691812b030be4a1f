"""The decision is the model's, on the vector of the stored state."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import numpy as np
import pytest
import xgboost

from fraud_platform.clock import to_us
from fraud_platform.contracts.events import Transaction
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.modelling.reasons import reasons
from fraud_platform_tests.serving.parts import NOW, Client
from serving.messages import PredictionRequest
from serving.store_fault import NOTHING_KNOWN, Context


def expected(model: Path, context: Context, amount_cents: int, device: str | None) -> float:
    """The probability by XGBoost's other way of predicting, on a vector computed here."""
    event = Event(timestamp_us=to_us(NOW), amount_cents=amount_cents, device_id=device)
    vector = np.array([compute_vector(event, context)])
    matrix = xgboost.DMatrix(vector, feature_names=xgboost.Booster(model_file=model).feature_names)
    return float(xgboost.Booster(model_file=model).predict(matrix)[0])


@pytest.mark.parametrize("entity", ["3", "11", "é😀", "用户", "nul\x00", "'\""])
def test_the_answer_is_the_models_on_the_vector_of_the_stored_state(
    entity: str,
    client: Client,
    models: dict[str, Path],
    contexts: dict[str, Context],
    transaction: dict[str, object],
) -> None:
    sent = transaction | {"user_id": f"user-{entity}", "merchant_id": f"merchant-{entity}"}

    answer = client.post("/predict", json=sent)

    probability = expected(models["1"], contexts[entity], 12_990, "device-1")
    assert answer.status_code == 200
    assert answer.json() == {
        "transaction_id": "tx-1",
        "fraud_probability": probability,
        "is_fraud": probability > 0.4,
        "confidence": abs(probability - 0.5) * 2,
        "threshold": 0.4,
        "model_version": "1",
        "action": "block" if probability > 0.4 else "allow",
        "degraded": False,
        "degraded_reason": None,
    }


def test_reasons_are_the_models_own_and_change_nothing_else(
    client: Client,
    models: dict[str, Path],
    contexts: dict[str, Context],
    transaction: dict[str, object],
) -> None:
    sent = transaction | {"merchant_id": "merchant-3"}
    plain = client.post("/predict", json=sent).json()

    answer = client.post("/predict?reasons=10", json=sent).json()

    given = answer.pop("reasons")
    assert answer == plain
    event = Event(timestamp_us=to_us(NOW), amount_cents=12_990, device_id="device-1")
    vector = compute_vector(event, contexts["3"])
    booster = xgboost.Booster(model_file=models["1"])
    expected = reasons(booster, vector, 10)
    assert given == msgspec.to_builtins(expected)
    assert {"amount", "amount_log"} & {one["feature"] for one in given}
    assert "an amount of 129.90" in [one["text"] for one in given]


@pytest.mark.parametrize("wished", range(4))
def test_as_many_reasons_as_wished_are_given_strongest_first(
    wished: int, client: Client, transaction: dict[str, object]
) -> None:
    found = client.post(f"/predict?reasons={wished}", json=transaction).json()["reasons"]

    assert len(found) == wished
    strengths = [abs(one["contribution"]) for one in found]
    assert strengths == sorted(strengths, reverse=True)


def test_a_strangers_payment_is_scored_as_a_strangers_and_not_degraded(
    client: Client, models: dict[str, Path], transaction: dict[str, object]
) -> None:
    sent = transaction | {"user_id": "nobody", "merchant_id": "nowhere", "device_id": None}

    answer = client.post("/predict", json=sent).json()

    assert answer["fraud_probability"] == expected(models["1"], NOTHING_KNOWN, 12_990, None)
    assert not answer["degraded"]


def test_both_decisions_are_given(client: Client, transaction: dict[str, object]) -> None:
    answers = [
        client.post("/predict", json=transaction | {"amount": amount}).json()
        for amount in (0.01, 1_000_000)
    ]

    assert [answer["is_fraud"] for answer in answers] == [False, True]


def test_the_same_request_has_the_same_answer(
    client: Client, transaction: dict[str, object]
) -> None:
    answers = {client.post("/predict", json=transaction).content for _ in range(5)}

    assert len(answers) == 1


def test_the_same_moment_in_another_zone_has_the_same_answer(
    client: Client, transaction: dict[str, object]
) -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=30))).isoformat()

    here = client.post("/predict", json=transaction)
    there = client.post("/predict", json=transaction | {"timestamp": elsewhere})

    assert here.json() == there.json()


@pytest.mark.parametrize("absent", [{"timestamp": None}, {}], ids=["null", "absent"])
def test_without_a_timestamp_it_is_now(
    absent: dict[str, None], client: Client, transaction: dict[str, object]
) -> None:
    del transaction["timestamp"]

    assert client.post("/predict", json=transaction | absent).status_code == 200


def test_a_clock_that_is_a_little_ahead_is_tolerated(
    client: Client, transaction: dict[str, object]
) -> None:
    ahead = (datetime.now(UTC) + timedelta(minutes=4)).isoformat()

    assert client.post("/predict", json=transaction | {"timestamp": ahead}).status_code == 200


def test_unknown_fields_change_nothing(client: Client, transaction: dict[str, object]) -> None:
    more = transaction | {"currency": "EUR", "nested": {"is_fraud": True}}

    assert (
        client.post("/predict", json=more).json()
        == client.post("/predict", json=transaction).json()
    )


def test_the_request_is_the_transaction_contract_with_the_timestamp_optional() -> None:
    contract = {field.name: field.type for field in msgspec.structs.fields(Transaction)}
    request = {field.name: field.type for field in msgspec.structs.fields(PredictionRequest)}

    assert request.keys() == contract.keys()
    required = {f.name for f in msgspec.structs.fields(Transaction) if f.required}
    assert {f.name for f in msgspec.structs.fields(PredictionRequest) if f.required} == (
        required - {"timestamp"}
    )
