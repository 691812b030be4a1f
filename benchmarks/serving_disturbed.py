"""The tail of the latency while something goes on: models swapped, Valkey killed, a backfill."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from benchmarks.open_load import Load, Running, summary
from benchmarks.serving_contenders import CHECKOUT, MissingError, Service, ours
from benchmarks.serving_table import line
from benchmarks.serving_world import BY, FIRST, TABLES, World
from fraud_platform.modelling.promotions import promote
from fraud_platform_tests.valkey_server import Valkey

RATE = 500
SWAP_EVERY_S = 3.0


def measure(world: World, valkey: Valkey, seconds: float) -> dict[str, Load]:
    """Ours at 500 requests a second for so long, by what went on."""
    found: dict[str, Load] = {}
    with two_workers_or_one(world) as service:
        service.load(seconds=2, connections=8).result()
        for name, disturb in (
            ("a model swap every 3 s", lambda run: _swaps(world, run)),
            ("Valkey killed and started", lambda run: _restart(valkey, run)),
            ("a backfill beside it", lambda run: _backfill(world, run)),
        ):
            found[name] = disturb(service.load(seconds=seconds, rate=RATE, each=True))
            print(line(name, found[name]), flush=True)
    return found


@contextmanager
def two_workers_or_one(world: World) -> Iterator[Service]:
    """Our service with two workers, where this version of it has them."""
    started = False
    try:
        with ours(world, 2) as service:
            started = True
            yield service
    except MissingError:
        if started:
            raise
        with ours(world, 1) as service:
            yield service


def _swaps(world: World, run: Running) -> Load:
    done = threading.Event()

    def swap() -> None:
        turn = 0
        while not done.wait(SWAP_EVERY_S):
            turn += 1
            bundle = world.bundles[turn % len(world.bundles)]
            promote(world.settings.bundles_dir, bundle, BY, even_if_older=True)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        return run.result()
    finally:
        done.set()
        thread.join()


def _restart(valkey: Valkey, run: Running) -> Load:
    time.sleep(run.order.seconds / 3)
    valkey.kill()
    time.sleep(1)
    valkey.start()
    return run.result()


def _backfill(world: World, run: Running) -> Load:
    """Only the requests that were due while it ran count."""
    last = world.size.end - timedelta(days=1)
    days = ["--from", FIRST.isoformat(), "--to", last.isoformat(), "--select", TABLES]
    begun = time.monotonic()
    backfill = subprocess.Popen(
        [sys.executable, "-m", "fraud_platform", "materialize", *days],
        cwd=CHECKOUT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    took: list[float] = []
    waiting = threading.Thread(
        target=lambda: (backfill.wait(), took.append(time.monotonic() - begun))
    )
    waiting.start()
    whole = run.result()
    waiting.join()
    if backfill.returncode != 0:
        raise SystemExit(f"the backfill ended with {backfill.returncode}")
    during = [one for one in whole.each if one.due_s < took[0]]
    order = run.order
    known: dict[str, Any] = {"resent": whole.resent, "late_ms": whole.late_ms}
    return summary(order, during, **known, cpu_us=whole.cpu_us)
