"""Row 17: two promotions, or promotion and rollback, at once, beside a service that answers."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from fraud_platform.challenger import bundle_of, read_challenger
from fraud_platform.features.online import Event, compute_vector
from fraud_platform.modelling.promotion_log import entries
from fraud_platform.modelling.promotions import By, formerly_live, promote
from fraud_platform.registry import Registry
from fraud_platform.settings import Serving, Settings, load_settings
from fraud_platform_tests.registered import register
from fraud_platform_tests.serving.parts import NOW, eventually
from fraud_platform_tests.serving.process import CHECKOUT, Process
from serving.model import load_model, score
from serving.store_fault import NOTHING_KNOWN

RIVAL = """
import json, sys

from fraud_platform.errors import PredictFlowError
from fraud_platform.modelling.promotions import By, next_number, promote, rollback
from fraud_platform.registry import Registry
from fraud_platform.settings import load_settings

import mlflow

settings, who = load_settings(), sys.argv[1]
root, registry = settings.bundles_dir, Registry(settings)
print("ready", flush=True)
for wanted in sys.stdin:
    by, number = By(who=who, why="as asked"), next_number(root)
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        if wanted.strip() == "rollback":
            entry = rollback(root, by, number=number)
        else:
            entry = promote(root, root / wanted.strip(), by, number=number)
        told = {"number": entry.number, "by": entry.who}
    except PredictFlowError as error:
        told = {"refused": str(error)}
    registry.follow()
    print(json.dumps(told), flush=True)
"""


class Rival:
    """A process that promotes or rolls back when it is told to, and has the alias follow."""

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        with log.open("w") as errors:
            self.popen = subprocess.Popen(
                [sys.executable, "-c", RIVAL, name],
                env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def say(self, line: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{line}\n")
        self.popen.stdin.flush()

    def hear(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().strip()

    def stop(self) -> None:
        assert self.popen.stdin is not None
        assert self.popen.stdout is not None
        self.popen.stdin.close()
        self.popen.stdout.close()
        self.popen.wait(timeout=60)


@pytest.fixture
def rivals(tmp_path: Path, data_dir: Path) -> Iterator[list[Rival]]:
    both = [Rival(name, tmp_path / f"{name}.log") for name in ("ann", "bob")]
    yield both
    for one in both:
        one.stop()


@pytest.fixture
def bundles(models: dict[str, Path], tracking: Path) -> dict[str, Path]:
    """Bundles of registered models, by version; none is live."""
    settings = load_settings()
    registry, found = Registry(settings), {}
    for model in ("1", "2", "1", "2"):
        registered = register(models[model])
        with registry.model_file(registered.version) as path:
            one = read_challenger(registry, registered)
            found[registered.version] = bundle_of(settings, one, path)
    return found


class Asking(threading.Thread):
    """Asks the service again and again; versions with their probabilities, as they are answered."""

    def __init__(self, process: Process, transaction: dict[str, object]) -> None:
        super().__init__()
        self.process, self.body = process, json.dumps(transaction)
        self.answers: list[tuple[str, float]] = []
        self.statuses: set[int] = set()
        self.over = threading.Event()

    def run(self) -> None:
        connection = self.process.connect()
        while not self.over.is_set():
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/predict", self.body, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            self.statuses.add(answer.status)
            self.answers.append((told["model_version"], told["fraud_probability"]))
        connection.close()

    def answers_with(self, version: str) -> bool:
        return bool(self.answers) and self.answers[-1][0] == version


def raced(rivals: list[Rival], wishes: list[str]) -> list[dict[str, object]]:
    """What came of two wishes at once."""
    for one, wish in zip(rivals, wishes, strict=True):
        one.say(wish)
    for one in rivals:
        assert one.hear() == "ready"
    for one in rivals:
        one.say("go")
    return [json.loads(one.hear()) for one in rivals]


def test_of_two_at_once_one_wins_and_bundle_alias_and_service_agree(
    bundles: dict[str, Path],
    rivals: list[Rival],
    run: Callable[[Settings], Process],
    transaction: dict[str, object],
) -> None:
    settings = load_settings()
    root, registry = settings.bundles_dir, Registry(settings)
    for version in ("1", "2"):
        promote(root, bundles[version], By(who="setup", why="to begin with"))
    event = Event(
        timestamp_us=int(NOW.timestamp() * 1e6),
        amount_cents=12_990,
        merchant_id="merchant-4",
        device_id="device-1",
    )
    vector = compute_vector(event, NOTHING_KNOWN)
    possible = {(version, score(load_model(one), vector)) for version, one in bundles.items()}
    told_again = replace(settings, serving=Serving(repeat_seconds=0, poll_seconds=0.02))
    asking = Asking(run(told_again), transaction)
    asking.start()
    try:
        assert {one.hear() for one in rivals} == {"ready"}
        for round_ in range(12):
            live = entries(root)[-1]
            others = [one.name for version, one in bundles.items() if version != live.model_version]
            # Not what the rollback leads to: two who want the same both have it, and neither lost.
            wanted = sorted(others, key=lambda name: name == formerly_live(root)[0].name)
            told = raced(rivals, [wanted[0], wanted[1] if round_ % 2 == 0 else "rollback"])

            winner = entries(root)[-1]
            assert winner.number == live.number + 1
            (won,) = [each for each in told if "refused" not in each]
            (lost,) = [str(each["refused"]) for each in told if "refused" in each]
            assert won == {"number": winner.number, "by": winner.who}
            assert f"v{winner.model_version} of 2026-03-31 went live meanwhile, by" in lost
            assert f"by {winner.who} at {winner.at} (as asked)" in lost
            alias = registry.champion()
            assert alias is not None
            assert alias.version == winner.model_version
            assert eventually(lambda v=winner.model_version: asking.answers_with(v), seconds=5)
    finally:
        asking.over.set()
        asking.join()
    assert asking.statuses == {200}
    assert set(asking.answers) <= possible
    assert len({version for version, _ in asking.answers}) >= 3
