"""The prediction service beside what people run instead, in one run.

    python -m benchmarks.serving            100,000 users in a Valkey, twenty minutes or so
    python -m benchmarks.serving --quick    a small world and short runs

The same model on the same states answers the same payments: `predictflow serve` with one worker
and two; FastAPI with pydantic, MLflow's model and Feast's `get_online_features`; `mlflow models
serve`, which gets the features with the request and so reads no store; Feast's feature server with
a scorer that asks it. Every one is first asked for the same decisions, and the greatest difference
is printed. Load generator, Valkey and service share the machine.

Throughput is that of 4, 8 or 32 connections which never wait, whichever brings most answers that
are not degraded. Latencies are of a constant rate, counted from the moment a request should have
been sent (see open_load.py). Then ours at 500 a second while models are swapped, while Valkey is
killed and started again, and while a backfill runs beside it.
The last line is JSON; milliseconds are null where a service does not hold the rate.
"""

import argparse
import json
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import numpy as np

from benchmarks import serving_disturbed
from benchmarks.open_load import ID, Load
from benchmarks.serving_contenders import CONTENDERS, HOST, MissingError, Service
from benchmarks.serving_table import show, summed_up
from benchmarks.serving_world import Size, World, make_world
from fraud_platform_tests.valkey_server import Valkey

RATES = (200, 500)
CONNECTIONS = (4, 8, 32)
COMPARED = 100
"""Requests that all are asked for the same decisions."""
PATIENCE = 50
"""How often one is asked while it is degraded."""


@dataclass(frozen=True)
class Plan:
    """How long a run measures what."""

    size: Size
    warm_s: float = 3
    saturated_s: float = 6
    steady_s: float = 20
    disturbed_s: float = 30


FULL = Plan(Size())
QUICK = Plan(Size(users=5_000, merchants=500, days=9, payments_a_day=5_000), 1, 3, 5, 12)


@dataclass
class Measured:
    """What one service did."""

    name: str
    workers: int
    ready_s: float = 0.0
    difference: float = math.nan
    """Greatest difference of a probability from ours."""
    saturated: Load | None = None
    cpu_ms: float = 0.0
    """Processor time of the service for an answer, when saturated."""
    at: dict[int, Load] = field(default_factory=dict)
    """By requests a second; without those that it does not reach when saturated."""
    peak_mib: int = 0
    """Of its largest process."""
    missing: str = ""
    """Why it was not measured."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small world and short runs")
    parser.add_argument("--only", help="contenders with commas between, ours first")
    asked = parser.parse_args()
    plan = QUICK if asked.quick else FULL
    names = asked.only.split(",") if asked.only else list(CONTENDERS)
    with world_of(plan.size) as (world, valkey):
        measured, ours = list[Measured](), np.empty(0)
        for name in names:
            for workers in (1, 2):
                one, found = measure(world, plan, name, workers, ours)
                ours = found if name == "ours" and not one.missing else ours
                measured.append(one)
                print(show(one), flush=True)
        disturbed = serving_disturbed.measure(world, valkey, plan.disturbed_s)
    print(json.dumps(summed_up(measured, disturbed)))


@contextmanager
def world_of(size: Size, models: int = 3) -> Iterator[tuple[World, Valkey]]:
    """A world and its Valkey, both gone after the block."""
    with tempfile.TemporaryDirectory() as folder:
        valkey = Valkey(Path(folder) / "valkey", appendonly="yes")
        try:
            begun = time.perf_counter()
            world = make_world(Path(folder), valkey, size, asked=20_000, models=models)
            with valkey.client() as client:
                info: Any = client.info("memory")
                keys, memory = client.dbsize(), info["used_memory"] >> 20
            print(
                f"{keys:,} users and merchants in Valkey ({memory} MiB), {len(world.asked):,} "
                f"payments to ask about, on {os.cpu_count()} cores; "
                f"made in {time.perf_counter() - begun:.0f} s\n",
                flush=True,
            )
            yield world, valkey
        finally:
            valkey.kill()


def measure(
    world: World, plan: Plan, name: str, workers: int, ours: np.ndarray
) -> tuple[Measured, np.ndarray]:
    """One service under load, and the probabilities that it gave."""
    one = Measured(name, workers)
    begun = time.perf_counter()
    try:
        with CONTENDERS[name](world, workers) as service:
            one.ready_s = time.perf_counter() - begun
            found = probabilities(world, service, calibrated=name == "ours")
            if ours.size:
                one.difference = float(np.abs(found - ours).max())
            service.load(seconds=plan.warm_s, connections=8).result()
            one.saturated, one.cpu_ms = saturated(service, plan.saturated_s)
            for rate in RATES:
                if one.saturated.a_second > rate:
                    one.at[rate] = service.load(seconds=plan.steady_s, rate=rate).result()
            one.peak_mib = service.usage().largest_mib
    except MissingError as error:
        one.missing = str(error)
        return one, np.empty(0)
    if one.difference > 1e-5:
        raise SystemExit(f"{name} decides otherwise: by {one.difference}")
    return one, found


def saturated(service: Service, seconds: float) -> tuple[Load, float]:
    """The load that brought most, and milliseconds of the service's processor time an answer."""
    found = []
    for connections in CONNECTIONS:
        before = service.usage().cpu_s
        load = service.load(seconds=seconds, connections=connections).result()
        used = service.usage().cpu_s - before
        found.append((load, used / max(1, load.answered) * 1000))
    return max(found, key=lambda one: one[0].a_second)


def probabilities(world: World, service: Service, *, calibrated: bool) -> np.ndarray:
    """The fraud probabilities of the first payments, calibrated here where the service is not."""
    with httpx.Client(base_url=f"http://{HOST}:{service.port}", headers=service.headers) as client:
        bodies = service.bodies.read_bytes().splitlines()[:COMPARED]
        raw = np.array([probability(client, service.path, body) for body in bodies])
    return raw if calibrated else world.calibration.probability(np.log(raw) - np.log1p(-raw))


def probability(client: httpx.Client, path: str, body: bytes) -> float:
    """What is answered to one payment by a service that is not degraded."""
    for _ in range(PATIENCE):
        own = uuid4().hex.encode()
        answer = client.post(
            path,
            content=body.replace(ID, own),
            headers={"Content-Type": "application/json"},
            timeout=30,
        )
        said: dict[str, Any] = answer.raise_for_status().json()
        if not said.get("degraded"):
            return said["predictions"][0] if "predictions" in said else said["fraud_probability"]
        time.sleep(0.1)  # this machine does something else as well
    raise SystemExit(f"{path} degrades its answers without any load")


if __name__ == "__main__":
    main()
