"""One minute of 300 requests a second on two workers while everything around them goes wrong.

    python -m benchmarks.serving_drill [--quick]

Two models are promoted, Valkey is killed and started again, a bundle is promoted whose bytes were
damaged on the way, and one worker of the two gets SIGTERM. Every request has to be answered: the
exit status is 1 where one was not, where the damaged model answered, or where the models that were
promoted did not. The last line is JSON.
"""

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.open_load import Load, percentile
from benchmarks.serving import FULL, QUICK, world_of
from benchmarks.serving_contenders import Service
from benchmarks.serving_disturbed import two_workers_or_one
from benchmarks.serving_table import line
from benchmarks.serving_world import BY, World
from fraud_platform.modelling.bundle import MODEL
from fraud_platform.modelling.promotions import promote
from fraud_platform_tests.valkey_server import Valkey

RATE = 300
SECONDS = 60.0
DAMAGED = "4"
"""The version of the bundle that must never answer."""

SHOWN = ("model_version", "fault", "reason", "pid", "worker", "store")
"""Fields of the service's log lines that are shown."""

UNSHOWN = ("request", "online_store_breaker")
"""Events of which there are as many as requests."""

Event = tuple[float, str, Callable[[], str]]
"""Share of the run after which it happens, what it is, and what does it and says more."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small world")
    asked = parser.parse_args()
    plan = QUICK if asked.quick else FULL
    with world_of(plan.size, models=4) as (world, valkey), two_workers_or_one(world) as service:
        service.load(seconds=3, connections=8).result()
        began = datetime.now(UTC)
        run = service.load(seconds=SECONDS, rate=RATE, each=True)
        happened = go_wrong(events(world, valkey, service))
        load = run.result()
        said = said_by(service, began)
    report(load, happened, said)
    wrong = judged(load)
    for one in wrong:
        print(f"WRONG: {one}")
    print(json.dumps(figures(load, happened, wrong)))
    sys.exit(1 if wrong else 0)


def events(world: World, valkey: Valkey, service: Service) -> list[Event]:
    """What happens, in its order."""
    bundles = world.settings.bundles_dir

    def live(number: int, confirm: Callable[[], None] = lambda: None) -> str:
        promote(bundles, world.bundles[number], BY, even_if_older=True, confirm=confirm)
        return world.bundles[number].name

    def restart() -> str:
        begun = time.monotonic()
        valkey.kill()
        valkey.start()
        return f"away for {time.monotonic() - begun:.2f} s"

    def end_a_worker() -> str:
        pids = service.workers()
        if len(pids) < 2:
            return "left out: this version of the service is one process"
        os.kill(pids[0], signal.SIGTERM)
        return f"process {pids[0]} of {pids}"

    return [
        (0.15, "model 2 promoted", lambda: live(1)),
        (0.30, "Valkey killed and started", restart),
        (0.45, "model 3 promoted", lambda: live(2)),
        # Damaged between the check that promoting makes and the log that the service follows.
        (0.60, "damaged model 4 promoted", lambda: live(3, lambda: damage(world.bundles[3]))),
        (0.75, "SIGTERM to one worker", end_a_worker),
    ]


def damage(bundle: Path) -> None:
    """Changes one byte of a bundle's model."""
    raw = bytearray((bundle / MODEL).read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    (bundle / MODEL).write_bytes(raw)


def go_wrong(coming: list[Event]) -> list[tuple[float, str]]:
    """Lets everything happen at its time; seconds from the start and what it was."""
    begun, happened = time.monotonic(), list[tuple[float, str]]()
    for share, what, do in coming:
        time.sleep(max(0.0, begun + share * SECONDS - time.monotonic()))
        at = time.monotonic() - begun
        happened.append((at, f"{what}: {do()}"))
    return happened


def judged(load: Load) -> list[str]:
    """What went wrong."""
    wrong = [f"{count} requests: {what}" for what, count in load.errors.items()]
    if DAMAGED in load.versions:
        wrong.append(f"the damaged model answered {load.versions[DAMAGED]} requests")
    missing = {"1", "2", "3"} - {*load.versions}
    wrong += [f"model {version} never answered" for version in sorted(missing)]
    return wrong


def report(load: Load, happened: list[tuple[float, str]], said: list[tuple[float, str]]) -> None:
    """Prints what happened when, what the service said of it, and the latencies."""
    for at, what in sorted([*happened, *said]):
        print(f"{at:6.1f} s  {what}")
    print(line(f"all of {SECONDS:.0f} s", load))
    for start in range(0, round(SECONDS), 10):
        part = [one for one in load.each if start <= one.due_s < start + 10]
        took = sorted(math.inf if one.took_s is None else one.took_s * 1000 for one in part)
        shares = "  ".join(f"{percentile(took, share):7.1f}" for share in (0.5, 0.99, 0.999))
        degraded = sum(one.degraded for one in part)
        print(f"  {start:2} to {start + 10} s: p50, p99, p99.9 {shares} ms, degraded {degraded}")
    for version in sorted(load.versions):
        due = [one.due_s for one in load.each if one.model_version == version]
        print(f"  model {version}: {len(due):,} answers, {min(due):.1f} to {max(due):.1f} s")


def said_by(service: Service, began: datetime) -> list[tuple[float, str]]:
    """The service's own log lines: seconds from the start, and what they say."""
    found = []
    for raw in service.log.read_text(errors="replace").splitlines():
        try:
            told = json.loads(raw)
            at = (datetime.fromisoformat(told["time"]) - began).total_seconds()
        except (ValueError, KeyError, TypeError):  # not one of its lines
            continue
        if at >= 0 and told["event"] not in UNSHOWN:
            kept = {name: told[name] for name in SHOWN if told.get(name)}
            found.append((at, f"    {told['level']}: {told['event']} {kept}"))
    return found


def figures(load: Load, happened: list[tuple[float, str]], wrong: list[str]) -> dict[str, Any]:
    """The last line."""
    kept = ("asked", "answered", "errors", "resent", "p50", "p99", "p999", "slowest", "versions")
    return {name: getattr(load, name) for name in kept} | {
        "degraded_share": round(load.degraded / max(1, load.answered), 5),
        "happened": [f"{at:.1f} s {what}" for at, what in happened],
        "wrong": wrong,
    }


if __name__ == "__main__":
    main()
