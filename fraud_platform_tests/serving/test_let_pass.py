"""Some would-be blocks are let pass: by draw, the same for who asks again, logged, counted."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fraud_platform.contracts.decisions import Decision
from fraud_platform.errors import PredictFlowError
from fraud_platform.let_pass import LetPass
from fraud_platform.settings import Settings
from fraud_platform.settings.base import Secret
from fraud_platform_tests.serving.logged import ask, in_files, with_log
from fraud_platform_tests.serving.parts import Client, Deploy, Start, put_in_shadow, samples
from fraud_platform_tests.serving.process import Process
from serving.app import create_app

KEY = "0123456789abcdef" * 4
LARGE = 9_000.0
"""An amount that the models call fraud, as they do a million."""


def letting_pass(settings: Settings, share: float = 0.3, **said: Any) -> Settings:
    """The settings with a share let pass, and each decision in the files when it is answered."""
    said = {"pass_key": Secret(KEY), "pass_share": share} | said
    logging = with_log(settings, "required")
    return replace(logging, serving=replace(logging.serving, **said))


def expected(names: Iterable[str], share: float = 0.3) -> dict[str, str]:
    """The action on would-be blocks of these ids."""
    draw = LetPass(share, None, KEY.encode())
    return {
        name: draw.taken(is_fraud=True, transaction_id=name, amount_cents=1).action
        for name in names
    }


def by_id(settings: Settings) -> dict[str, Decision]:
    return {one.transaction_id: one for one in in_files(settings)}


def test_would_be_blocks_are_let_pass_by_draw_and_logged_with_their_propensity(
    settings: Settings, start: Start, deploy: Deploy, transaction: dict[str, object]
) -> None:
    names = [f"tx-{n}" for n in range(40)]
    settings = letting_pass(settings, pass_amount_max=LARGE)
    deploy(settings)
    put_in_shadow(settings, deploy)
    with start(settings) as client:
        frauds = [transaction | {"transaction_id": name, "amount": LARGE} for name in names]
        single = [client.post("/predict", json=one).json() for one in frauds[:20]]
        several = client.post("/predict/batch", json=frauds[20:]).json()
        over = transaction | {"amount": LARGE + 0.01}
        larger = client.post(
            "/predict/batch", json=[over | {"transaction_id": f"over-{n}"} for n in range(20)]
        ).json()
        cheap = transaction | {"transaction_id": "cheap", "amount": 0.01}
        small = client.post("/predict", json=cheap).json()
        found = samples(client)

    assert {one["is_fraud"] for one in single + several + larger} == {True}
    drawn = expected(names)
    assert {one["transaction_id"]: one["action"] for one in single + several} == drawn
    assert {one["action"] for one in larger} == {"block"}
    assert (small["is_fraud"], small["action"]) == (False, "allow")
    let_pass = list(drawn.values()).count("allow")
    assert 0 < let_pass < 40
    assert found["fraud_predictions_let_pass_total"] == let_pass
    assert found["fraud_predictions_total,prediction=fraud"] == 60
    logged = by_id(settings)
    assert {name: logged[name].action for name in names} == drawn
    for one in logged.values():
        chance = {"allow": 0.3, "block": 0.7}[one.action] if one.transaction_id in drawn else 1.0
        assert one.propensity == pytest.approx(chance, abs=2**-53)
        assert one.pass_limit_cents == LARGE * 100


def test_the_same_transaction_has_the_same_action_in_every_process_whatever_it_says(
    run: Callable[[Settings], Process],
    settings: Settings,
    deploy: Deploy,
    transaction: dict[str, object],
) -> None:
    settings = letting_pass(settings, repeat_seconds=0, workers=2)
    deploy(settings)
    process = run(settings)
    for amount in (LARGE, LARGE + 1):
        connection = process.connect()  # to whichever worker takes it
        fraud = transaction | {"amount": amount}
        answers = [ask(connection, fraud, n)[1] for n in range(12)]
        connection.close()

        assert {one["is_fraud"] for one in answers} == {True}
        actions = {one["transaction_id"]: one["action"] for one in answers}
        assert actions == expected(f"tx-{n}" for n in range(12))  # drawn in this process


def test_without_a_share_every_fraud_is_blocked(
    client: Client, transaction: dict[str, object]
) -> None:
    fraud = [transaction | {"transaction_id": f"t{n}", "amount": LARGE} for n in range(50)]

    answers = client.post("/predict/batch", json=fraud).json()

    assert {(one["is_fraud"], one["action"]) for one in answers} == {(True, "block")}
    assert samples(client)["fraud_predictions_let_pass_total"] == 0


def test_a_share_without_a_key_is_refused_when_the_service_starts(
    settings: Settings, tmp_path: Path
) -> None:
    with pytest.raises(PredictFlowError, match=r"pass_share is 0\.3, but no key draws.*openssl"):
        create_app(letting_pass(settings, pass_key=Secret()), runtime=tmp_path)
