"""What the tests of the decision log share: decisions read from its files, and requests sent."""

import http.client
import json
import resource
from pathlib import Path
from typing import Any, Literal

from msgspec.structs import replace

from fraud_platform.contracts.decisions import Decision, DecisionError, decode_decision
from fraud_platform.settings import Settings
from fraud_platform_tests.serving.process import Process


def with_log(settings: Settings, mode: Literal["off", "best_effort", "required"]) -> Settings:
    """The settings with another `serving.decision_log`."""
    return replace(settings, serving=replace(settings.serving, decision_log=mode))


def in_files(settings: Settings, pattern: str = "*.ndjson") -> list[Decision]:
    """The decisions in segments, those being written included, by time; torn lines left out."""
    found = []
    for path in sorted(settings.decisions_dir.glob(pattern)):
        for line in path.read_bytes().splitlines():
            try:
                found.append(decode_decision(line))
            except DecisionError:
                continue
    return sorted(found, key=lambda one: one.decided_us)


def ids(decisions: list[Decision]) -> list[str]:
    """Their transactions."""
    return [one.transaction_id for one in decisions]


def ask(
    connection: http.client.HTTPConnection, transaction: dict[str, object], number: int | str = 1
) -> tuple[int, dict[str, Any], http.client.HTTPMessage]:
    """Status, answer and headers of one request for `tx-number`."""
    body = json.dumps(transaction | {"transaction_id": f"tx-{number}"})
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read()), answer.headers


def get(connection: http.client.HTTPConnection, path: str) -> tuple[int, dict[str, Any]]:
    """Status and document of a GET."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def limit_files(process: Process, size: int | None) -> None:
    """Lets the process's files grow to so many bytes, None for any: as a disk that is full."""
    _, hard = resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(
        process.popen.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard)
    )


def segments(settings: Settings) -> list[Path]:
    """All files of decisions."""
    return sorted(settings.decisions_dir.glob("*.ndjson"))
