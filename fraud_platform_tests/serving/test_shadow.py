"""A model comes into the shadow and goes, or is refused; answers stay what they are."""

import http.client
import json
import os
import time
from collections.abc import Callable

import pytest

from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.modelling.bundle import MODEL
from fraud_platform.modelling.shadow import POINTER, clear_shadow
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.parts import (
    NOW,
    Deploy,
    Start,
    eventually,
    paired,
    put_in_shadow,
    samples,
    shadow_version,
    shadows,
)
from fraud_platform_tests.serving.process import Process
from serving import watcher
from serving.model import load_model, score
from serving.store_fault import Context


def asked(process: Process, body: dict[str, object]) -> bytes:
    """The bytes of an answer that is not degraded."""
    connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=30)
    answers: list[bytes] = []

    def whole() -> bool:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/predict?reasons=3", json.dumps(body), headers)
        answer = connection.getresponse()
        answers.append(answer.read())
        return answer.status == 200 and not json.loads(answers[-1])["degraded"]

    # The deadline is 20 ms here, which a busy machine misses now and then.
    assert eventually(whole)
    connection.close()
    return answers[-1]


def lines(process: Process, event: str) -> list[dict]:
    """The log's lines of an event."""
    log = [json.loads(line) for line in process.log_file.read_text().splitlines()]
    return [line for line in log if line["event"] == event]


def test_a_shadow_comes_and_goes_and_no_answer_changes_by_a_bit(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    contexts: dict[str, Context],
    transaction: dict[str, object],
) -> None:
    deploy(settings, "1")
    process = run(settings)
    sent = transaction | {"user_id": "user-secret", "merchant_id": "merchant-4"}
    before = asked(process, transaction)

    bundle = put_in_shadow(settings, deploy)
    assert eventually(lambda: lines(process, "shadow_live") != [], seconds=5)
    assert asked(process, transaction) == before
    asked(process, sent)
    assert eventually(lambda: len(lines(process, "shadow_scored")) >= 2)
    clear_shadow(settings.bundles_dir)
    assert eventually(lambda: lines(process, "shadow_out") != [], seconds=5)
    told = len(lines(process, "shadow_scored"))
    assert asked(process, transaction) == before
    assert process.stop()[0] == 0

    scored = lines(process, "shadow_scored")
    assert len(scored) == told
    (line, *_) = [one for one in scored if not one["degraded"]]
    answer = json.loads(before)
    event = Event(
        timestamp_us=int(NOW.timestamp() * 1e6),
        amount_cents=12_990,
        merchant_id="merchant-4",
        device_id="device-1",
    )
    model = load_model(bundle)
    probability = score(model, compute_vector(event, paired(contexts, "3", "4")))
    assert {name: line[name] for name in line if name not in ("time", "level", "logger")} == {
        "event": "shadow_scored",
        "transaction_id": "tx-1",
        "model_version": "1",
        "fraud_probability": answer["fraud_probability"],
        "is_fraud": answer["is_fraud"],
        "shadow_model_version": "2",
        "shadow_fraud_probability": probability,
        "shadow_is_fraud": probability > 0.4,
        "degraded": False,
    }
    assert "secret" not in process.log_file.read_text()
    assert "merchant-4" not in process.log_file.read_text()


@pytest.mark.parametrize("fault", ["corrupt", "gone", "elsewhere"])
def test_a_broken_shadow_is_refused_once_and_the_champion_answers(
    fault: str,
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
    caplog: pytest.LogCaptureFixture,
) -> None:
    deploy(settings, "1")
    with start(settings) as client:
        before = client.post("/predict", json=transaction).content
        bundle = put_in_shadow(settings, deploy)
        assert eventually(lambda: shadow_version(client) == "2")

        if fault == "corrupt":
            half = settings.data_dir / "half"
            half.write_bytes(b"half")
            half.replace(bundle / MODEL)  # at once: an empty file would be another fault
        else:
            named = "2024-03-01-v9-gone" if fault == "gone" else "../../etc"
            (settings.bundles_dir / POINTER).write_text(named)

        assert eventually(lambda: samples(client)["fraud_shadow_refused_total"] == 1)
        time.sleep(0.3)  # several looks further on
        assert samples(client)["fraud_shadow_refused_total"] == 1
        assert samples(client)["fraud_bundles_refused_total"] == 0
        assert [r.message for r in caplog.records].count("shadow_refused") == 1
        assert shadows(client)["model"] is None
        assert shadows(client)["refusal"]
        assert client.post("/predict", json=transaction).content == before
        ready = client.get("/health/ready").json()
        assert (ready["ready"], ready["reasons"]) == (True, [])

        clear_shadow(settings.bundles_dir)
        assert eventually(lambda: shadows(client) == {"model": None, "refusal": None})


def test_a_shadow_of_other_features_is_refused(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    deploy(settings, "1")
    put_in_shadow(settings, deploy, features=list(FEATURE_NAMES[:-1]))
    with start(settings) as client:
        assert eventually(lambda: "takes the features" in str(shadows(client)["refusal"]))
        assert client.post("/predict", json=transaction).status_code == 200


def test_a_shadow_whose_disk_hangs_does_not_hold_the_service_up(
    settings: Settings,
    deploy: Deploy,
    start: Start,
    transaction: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deploy(settings, "1")
    bundle = put_in_shadow(settings, deploy)
    (bundle / MODEL).unlink()
    os.mkfifo(bundle / MODEL)
    monkeypatch.setattr(watcher, "LOAD_DEADLINE_S", 5)  # the champion's loading is held to it too
    with start(settings) as client:
        assert client.post("/predict", json=transaction).status_code == 200
        assert shadows(client) == {"model": None, "refusal": None}  # it is still being read
        assert eventually(lambda: "did not answer" in str(shadows(client)["refusal"]))
        pipe = os.open(bundle / MODEL, os.O_WRONLY)  # lets the reading thread end
        os.close(pipe)


def test_without_a_champion_the_shadow_answers_nobody(
    settings: Settings, deploy: Deploy, start: Start, transaction: dict[str, object]
) -> None:
    put_in_shadow(settings, deploy)
    with start(settings) as client:
        assert eventually(lambda: shadow_version(client) == "2")
        assert client.post("/predict", json=transaction).status_code == 503
        assert client.get("/model").json()["champion"] == {"model": None, "refusal": None}
