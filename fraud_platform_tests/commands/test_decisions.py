"""`predictflow decisions`: a decision replayed from its log row is the same bits."""

import http.client
import json
import math
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fraud_platform.clock import day_of, day_start_us
from fraud_platform.contracts.decisions import Decision, encode_decisions
from fraud_platform.decision_segments import begin_segment, finish_segment
from fraud_platform.features.catalogue import FEATURE_NAMES
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.ingest.decision_landing import land_decisions
from fraud_platform.lake.store import Lake
from fraud_platform.let_pass import LetPass
from fraud_platform.modelling.bundle import MODEL, read_bundle
from fraud_platform.settings import Settings
from fraud_platform_tests.commands.conftest import Command
from fraud_platform_tests.contracts.test_decisions import a_decision
from fraud_platform_tests.serving.conftest import contexts, deploy, run, stored, transaction
from fraud_platform_tests.serving.logged import in_files, segments, with_log
from fraud_platform_tests.serving.parts import Deploy
from fraud_platform_tests.serving.process import Process
from fraud_platform_tests.world import LAST, make
from serving.model import load_model, score

__all__ = ["contexts", "deploy", "run", "stored", "transaction"]

Document = Callable[..., dict[str, Any]]
EARLIER = datetime.now(UTC).date() - timedelta(days=2)


@pytest.fixture
def settings(data_dir: Path, stored: Settings) -> Settings:
    """The settings of the commands, with an online store."""
    shutil.copytree(stored.online_store.parent, data_dir / "feast")
    return Settings(data_dir=data_dir)


def write(settings: Settings, *decisions: Decision) -> None:
    """Decisions in a file that waits to be landed."""
    path, handle = begin_segment(settings.decisions_dir)
    os.write(handle, encode_decisions(list(decisions)))
    finish_segment(path, handle)
    os.close(handle)


def post(connection: http.client.HTTPConnection, path: str, body: dict[str, object]) -> dict:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200
    return json.loads(answer.read())


def scored(settings: Settings, bundle: Path, **said: object) -> Decision:
    """A decision by the model of a bundle on a vector of its own."""
    model = load_model(bundle)
    vector: Any = said.pop("features", [1.5, None] + [0.25] * (len(FEATURE_NAMES) - 2))
    probability = score(model, [math.nan if value is None else value for value in vector])
    return a_decision(
        features=vector,
        fraud_probability=probability,
        is_fraud=probability > model.manifest.threshold,
        confidence=abs(probability - 0.5) * 2,
        threshold=model.manifest.threshold,
        model_version=model.manifest.model_version,
        model_sha256=read_bundle(bundle)[0].sha256[MODEL],
        **said,
    )


def test_decisions_of_the_service_are_replayed_from_their_rows_to_the_same_bits(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
    document: Document,
) -> None:
    deploy(settings)
    process = run(with_log(settings, "required"))
    connection = process.connect()
    answers = {}
    for number in range(12):
        one = transaction | {
            "transaction_id": f"tx-{number}",
            "user_id": f"user-{number}",
            "merchant_id": f"merchant-{19 - number}",
            "amount": 3.33 * (number + 1),
        }
        answers[f"tx-{number}"] = post(connection, f"/predict?reasons={number % 4}", one)
    assert len({one["fraud_probability"] for one in answers.values()}) > 3

    replayed = document("decisions", "replay", "tx-7")  # from the file that is being written
    assert replayed["same"]
    deploy(settings, "2")  # another model answers now; the one that decided is taken
    connection.close()
    process.stop()
    # As of an earlier day, as today's is not whole yet.
    earlier = [
        replace(one, decided_us=one.decided_us % 1_000_000 + day_start_us(EARLIER))
        for one in in_files(settings)
    ]
    for path in segments(settings):
        path.unlink()
    write(settings, *earlier)
    for assets in (["landed_events"], ["prediction_log"]):
        make(assets, EARLIER, EARLIER)
        for name, answer in answers.items():
            replayed = document("decisions", "replay", name)
            assert replayed["same"]
            (one,) = replayed["decisions"]
            recomputed = {part["name"]: part["recomputed"] for part in one["parts"]}
            assert all(part["same"] for part in one["parts"])
            for field in ("fraud_probability", "is_fraud", "confidence", "threshold", "action"):
                assert recomputed[field] == answer[field]
            assert recomputed["reasons"] == [reason["feature"] for reason in answer["reasons"]]
            for reason in answer["reasons"]:
                assert recomputed[f"contribution of {reason['feature']}"] == reason["contribution"]
    listed = document("decisions", "list", "--limit", "5")
    assert listed["day"] == EARLIER.isoformat()
    assert len(listed["decisions"]) == 5


@pytest.mark.parametrize(
    ("field", "change", "part"),
    [
        ("fraud_probability", lambda p: math.nextafter(p, 1), "fraud_probability"),
        ("threshold", lambda t: math.nextafter(t, 1), "threshold"),
        ("is_fraud", lambda verdict: not verdict, "is_fraud"),
        ("features", lambda vector: [-vector[0], *vector[1:]], "fraud_probability"),
    ],
)
def test_a_row_that_was_changed_by_one_bit_is_told(
    settings: Settings,
    deploy: Deploy,
    command: Command,
    field: str,
    change: Callable[[Any], Any],
    part: str,
) -> None:
    bundle = deploy(settings)
    features = [150_000.0, *[0.25] * (len(FEATURE_NAMES) - 1)]
    good = scored(settings, bundle, features=features)
    changed = replace(good, **{field: change(getattr(good, field))}, decision_id="changed")
    write(settings, good, changed)

    whole = command("decisions", "replay", good.decision_id)
    done = command("decisions", "replay", "changed", "--json")

    assert whole.exit_code == 0
    assert "the same, bit for bit" in whole.output
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["same"] is False
    assert part in {one["name"] for one in said["decisions"][0]["parts"] if not one["same"]}
    assert "NOT the same" in command("decisions", "replay", "changed").output


@pytest.mark.parametrize("action", ["allow", "block"])
def test_a_draw_is_replayed_where_the_key_is_and_told_where_it_is_not(
    settings: Settings,
    deploy: Deploy,
    command: Command,
    document: Document,
    monkeypatch: pytest.MonkeyPatch,
    action: str,
) -> None:
    key, share = "k" * 32, 0.3
    draw = LetPass(share, 20_000_000, key.encode())
    said = {"is_fraud": True, "amount_cents": 15_000_000}
    drawn = {n: draw.taken(transaction_id=f"tx-{n}", **said) for n in range(30)}
    number, taken = next(one for one in drawn.items() if one[1].action == action)
    decision = scored(
        settings,
        deploy(settings, threshold=0.01),
        transaction_id=f"tx-{number}",
        amount_cents=15_000_000,
        action=taken.action,
        propensity=taken.propensity,
        pass_limit_cents=taken.limit_cents,
    )
    other = {"allow": "block", "block": "allow"}[action]
    turned = replace(
        decision, decision_id="turned", action=other, propensity=1 - decision.propensity
    )
    over = replace(decision, decision_id="over", amount_cents=20_000_001)
    write(settings, decision, turned, over)

    told = command("decisions", "replay", decision.decision_id)
    (without,) = document("decisions", "replay", decision.decision_id)["decisions"]
    monkeypatch.setenv("PREDICTFLOW_SERVING_PASS_KEY", key)
    (withal,) = document("decisions", "replay", decision.decision_id)["decisions"]
    changed = command("decisions", "replay", "turned")

    assert told.exit_code == 0
    assert "Not computed again: action and propensity, as it was drawn" in told.output
    parts = {one["name"]: one for one in without["parts"]}
    assert without["same"] is True
    assert parts["action"]["same"] is None
    assert "serving.pass_key" in parts["action"]["unknown"]
    parts = {one["name"]: one for one in withal["parts"]}
    assert parts["action"] == {
        "name": "action",
        "logged": action,
        "recomputed": action,
        "same": True,
    }
    assert parts["propensity"]["recomputed"] == decision.propensity
    assert changed.exit_code == 1
    assert "NOT the same" in changed.output
    assert command("decisions", "replay", "over").exit_code == 1  # it was never to be drawn
    if action == "allow":
        assert "fraud, let pass" in command("decisions", "list").output


def test_a_transaction_decided_twice_is_replayed_twice(
    settings: Settings, deploy: Deploy, document: Document
) -> None:
    first = scored(settings, deploy(settings, "1"), decision_id="first")
    second = scored(settings, deploy(settings, "2"), decision_id="second")
    write(settings, first, replace(second, decided_us=second.decided_us + 1))

    replayed = document("decisions", "replay", "tx-1")

    assert replayed["same"]
    versions = [one["model_version"] for one in replayed["decisions"]]
    assert versions == ["1", "2"]
    shown = document("decisions", "show", "second")["decisions"]
    assert [one["decision_id"] for one in shown] == ["second"]
    assert len(shown[0]["features"]) == len(FEATURE_NAMES)


def test_a_model_that_is_gone_or_damaged_is_named_with_the_mend(
    settings: Settings, deploy: Deploy, command: Command
) -> None:
    bundle = deploy(settings)
    decision = scored(settings, bundle)
    write(settings, decision)
    (bundle / MODEL).write_bytes(b"not a model")
    damaged = command("decisions", "replay", "tx-1")
    shutil.rmtree(bundle)
    gone = command("decisions", "replay", "tx-1")

    for done in (damaged, gone):
        assert done.exit_code == 1
        assert f"model 1 with sha256 {decision.model_sha256}" in done.stderr
        assert "put its directory back there" in done.stderr
    assert "model.ubj has sha256" in damaged.stderr


def test_a_decision_that_is_nowhere_is_told_with_where_it_was_looked_for(
    settings: Settings, command: Command
) -> None:
    done = command("decisions", "show", "tx-404")

    assert done.exit_code == 1
    assert "no decision tx-404 is logged" in done.stderr
    assert str(settings.decisions_dir) in done.stderr
    assert command("decisions", "list").output == "No decisions are logged.\n"


def test_the_vector_is_held_against_the_lakes_features_where_they_are_made(
    tables: Lake, deploy: Deploy, document: Document, data_dir: Path
) -> None:
    settings = Settings(data_dir=data_dir)
    row = tables.read(TRANSACTION_FEATURES, LAST, LAST + timedelta(days=1)).row(0, named=True)
    vector = [row[name] for name in FEATURE_NAMES]
    bundle = deploy(settings)
    said = {"transaction_id": row["transaction_id"], "timestamp_us": row["timestamp_us"]}
    as_in_the_lake = scored(settings, bundle, decision_id="equal", features=vector, **said)
    stale = [vector[0] + 1, *vector[1:]]
    other = scored(settings, bundle, decision_id="stale", features=stale, **said)
    nowhere = scored(settings, bundle, decision_id="later", timestamp_us=row["timestamp_us"])
    write(settings, as_in_the_lake, other, nowhere)
    land_decisions(settings, tables)

    def features(id_: str) -> dict[str, Any]:
        return document("decisions", "replay", id_, "--features")["decisions"][0]["features"]

    assert features("equal")["same"] is True
    differing = [one for one in features("stale")["parts"] if not one["same"]]
    assert [(one["name"], one["logged"]) for one in differing] == [(FEATURE_NAMES[0], stale[0])]
    assert features("later")["compared"] is False
    assert f"of {day_of(row['timestamp_us'])}" in features("later")["why"]
