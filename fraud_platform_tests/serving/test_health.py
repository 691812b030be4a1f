"""What the service says of itself: health, metrics, its OpenAPI document."""

from datetime import datetime

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.modelling.bundle import MODEL
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import Client, Deploy, Start, samples


def test_ready_names_the_model_its_day_and_the_stores_state(client: Client) -> None:
    answer = client.get("/health/ready")

    assert answer.status_code == 200
    ready = answer.json()
    assert ready.pop("loaded_at").endswith("+00:00")
    assert ready == {
        "ready": True,
        "reasons": [],
        "model_version": "1",
        "partition": "2024-02-29",
        "online_store": "ok",
        "online_store_breaker": "closed",
        "decision_log": "ok",
    }


def test_a_service_without_a_store_is_ready_and_says_what_is_missing(
    settings: Settings, deploy: Deploy, start: Start
) -> None:
    deploy(settings)
    settings.online_store.unlink()
    with start(settings) as client:
        answer = client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json()["online_store"] == "missing"
    assert answer.json()["reasons"] == ["the online store is not there; scored without history"]


def test_each_decision_is_counted_timed_and_its_confidence_kept(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings)
    with start(settings) as client:
        for amount in (0.01, 1_000_000, 1_000_000):
            client.post("/predict", json=transaction | {"amount": amount})
        client.post("/predict", json=transaction | {"amount": -1})
        found = samples(client)

    assert found["fraud_predictions_total,prediction=fraud"] == 2
    assert found["fraud_predictions_total,prediction=legitimate"] == 1
    assert found["fraud_prediction_latency_seconds_count"] == 3
    assert "fraud_prediction_latency_seconds_bucket,le=0.0005" in found
    assert "fraud_prediction_latency_seconds_bucket,le=1.0" in found
    assert found["fraud_model_confidence_count"] == 3
    assert found["fraud_model_info,model_name=fraud_detector,model_version=1,partition=2024-02-29"]
    assert found["fraud_model_loaded_timestamp_seconds"] > 1.7e9
    assert found["fraud_bundles_refused_total"] == 0


def test_two_apps_in_one_process_count_for_themselves(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings)
    with start(settings) as one, start(settings) as other:
        one.post("/predict", json=transaction)

        assert samples(one)["fraud_prediction_latency_seconds_count"] == 1
        assert samples(other)["fraud_prediction_latency_seconds_count"] == 0


def test_model_says_what_answers(client: Client) -> None:
    champion = client.get("/model").json()["champion"]

    assert champion["refusal"] is None
    model = champion["model"]
    loaded, promoted = (datetime.fromisoformat(model.pop(n)) for n in ("loaded_at", "promoted_at"))
    assert promoted <= loaded
    assert model.pop("sha256").keys() == {MODEL, "manifest.json"}
    assert model == {
        "model_name": "fraud_detector",
        "model_version": "1",
        "partition": "2024-02-29",
        "threshold": 0.4,
        "training_window": ["2024-01-01", "2024-01-30"],
        "features": list(FEATURE_NAMES),
        "metrics": {},
        "created_at": "2024-03-01T00:00:00Z",
        "run_id": "test",
    }
