"""Thousands of requests made from the service's own OpenAPI document, good ones and wrong ones.

    python -m benchmarks.serving_fuzz --requests 5000 [--seed N] [--workers N]

A service is started in processes of its own, on a small model and with API keys, and is asked by
schemathesis: each operation with data that fits its schema, and with data that doesn't (wrong
types, missing fields, bounds passed by one, other media types, methods and keys). Each answer is
checked against the document: status, media type, headers, body; right data must be taken and wrong
data refused, a missing key too.

Off are the checks on things that are made and removed (`use_after_free`,
`ensure_resource_availability`, `object_level_authorization`): the service has none.

The last line is JSON: {"requests", "by_status", "server_errors", "failures"}; the exit status is 1
unless the last two are 0.
"""

import argparse
import json
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import requests
from hypothesis import strategies as st

from benchmarks.serving_small import running_service

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # libraries deprecating each other
    import schemathesis
    from schemathesis.config import SchemathesisConfig
    from schemathesis.engine import events, from_schema

OFF = ("use_after_free", "ensure_resource_availability", "object_level_authorization")
EXAMPLES = 300
"""Most examples for each operation of a round."""
FEW = 10
"""Most of one that takes nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="processes of the service")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        running_service(Path(folder), asked.workers) as (url, key),
    ):
        figures, failures = fuzz(url, key, asked.requests, asked.seed)
    for check, n in Counter(failure.partition(":")[0] for failure in failures).items():
        print(f"{n} x {next(one for one in failures if one.startswith(check))}\n")
    print(json.dumps(figures))
    sys.exit(figures["server_errors"] or figures["failures"])


def fuzz(
    url: str, key: str | None, least: int, seed: int, most_examples: int = EXAMPLES
) -> tuple[dict[str, Any], list[str]]:
    """Asks the service at `url` at least so many times; the figures, and its failures in words.

    The same seed gives the same requests.
    """
    by_status: Counter[int] = Counter()
    failures: list[str] = []
    for number in count():
        for status, found in _round(url, key, seed, number, most_examples):
            by_status[status] += 1
            failures += found
        if by_status.total() >= least:
            break
    figures = {
        "requests": by_status.total(),
        "by_status": {str(status): n for status, n in sorted(by_status.items())},
        "server_errors": sum(n for status, n in by_status.items() if status >= 500),
        "failures": len(failures),
    }
    return figures, failures


def _round(
    url: str, key: str | None, seed: int, number: int, examples: int
) -> Iterator[tuple[int, list[str]]]:
    """One run of the engine: the status of each answer, and which checks it failed.

    The first has the document's examples, the cases that cover its schemas, and wrong keys; after
    twenty of those an address has to wait. The others have wrong and right data in turn.
    """
    first = number == 0
    off = OFF if first and key is not None else (*OFF, "ignored_auth")
    generation: dict[str, Any] = {
        "max-examples": examples,
        "database": "none",
        "no-shrink": True,
        "with-security-parameters": False,
    }
    if not first:
        wrong = number % 2 == 1
        generation["mode"] = "negative" if wrong else "positive"
        generation["allow-extra-parameters"] = not wrong  # unknown ones are left out, so not wrong
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed + number,
            "base-url": url,
            "continue-on-failure": True,
            "generation": generation,
            "operations": [{"include-method": "GET", "generation": {"max-examples": FEW}}],
            "phases": {
                "examples": {"enabled": first},
                "coverage": {"enabled": first},
                "stateful": {"enabled": False},
            },
            "checks": {name: {"enabled": False} for name in off},
            **({"auth": {"openapi": {"bearer": {"bearer": key}}}} if key else {}),
        }
    )
    schemathesis.openapi.format("date-time", _moments())
    document = requests.get(f"{url}/schema/openapi.json", timeout=10).json()
    schema = schemathesis.openapi.from_dict(_told(document), config=config)
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished() | events.FuzzScenarioFinished():
                yield from _answers(event.recorder)
            case events.NonFatalError():
                yield 0, [f"{event.label}: {event.value!r}"]
            case events.FatalError():
                raise event.exception


def _answers(recorder: Any) -> Iterator[tuple[int, list[str]]]:
    for id_, one in recorder.interactions.items():
        failed = [check for check in recorder.checks.get(id_, []) if check.failure_info is not None]
        said = [
            f"{recorder.label}, {check.name}: {check.failure_info.failure.message}\n"
            f"{check.failure_info.code_sample}"
            for check in failed
        ]
        yield (one.response.status_code if one.response is not None else 0), said


def _told(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what it has in words alone.

    Amounts are whole cents, on which validators differ. In a batch something that is no
    transaction is right: it has a problem in its place of the answer.
    """
    transaction = document["components"]["schemas"]["PredictionRequest"]["properties"]
    transaction["amount"]["multipleOf"] = 0.01
    batch = document["paths"]["/predict/batch"]["post"]["requestBody"]["content"]
    schema = batch["application/json"]["schema"]
    schema["items"] = {"anyOf": [schema["items"], {}]}
    return document


def _moments() -> st.SearchStrategy[str]:
    """Times that have been, as one that lies ahead is refused, which no schema can say."""
    past = st.datetimes(datetime(1, 1, 2), datetime.now(UTC).replace(tzinfo=None) - timedelta(1))  # noqa: DTZ001
    return past.map(lambda moment: moment.isoformat() + "Z")


if __name__ == "__main__":
    main()
