"""The feature path at its full size, beside Feast, Polars and pandas, in one run.

    python -m benchmarks.features            a million payments a day, two months of them
    python -m benchmarks.features --quick    a tenth of that, and a week instead of a month

A day, then a month, is made from the lake as the daily job makes it (tiles, habits, label tiles,
features, each written to Delta), in a process of its own; its peers do what they can of the same,
from memory. Then the online store: filled for all users, and one vector read and computed at a
time. The last line is JSON. It needs 14 GiB of disk where the system keeps temporary files.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks import feature_feast, feature_online, feature_peers
from benchmarks.feature_days import Measured, apart, make_days
from benchmarks.feature_lake import write_days
from fraud_platform.contracts.tables import RAW_TRANSACTIONS, TRANSACTION_LABELS
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings
from fraud_platform_tests.valkey_server import Valkey

FIRST = date(2026, 1, 5)
HISTORY_DAYS = 31
"""What the longest window reaches back, and the day before it slides into."""

PARTS = ("day", "month", "peers", "online", "stream")
SQLITE_USERS = 20_000

Figures = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """The sizes of a run, and where its lake is."""

    folder: Path
    rows: int
    month_days: int
    requests: int
    polars_share: int
    pandas_share: int
    feast_share: int

    @property
    def lake(self) -> Path:
        return self.folder / "lake"

    @property
    def day(self) -> date:
        """The measured day; the month begins with it."""
        return FIRST + timedelta(days=HISTORY_DAYS)

    def until(self, days: int) -> date:
        return self.day + timedelta(days=days)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the payments, a week")
    parser.add_argument("--rows", type=int, help="payments a day (default 1,000,000)")
    parser.add_argument("--month-days", type=int, help="days of the long range (default 30)")
    parser.add_argument("--requests", type=int, default=5_000, help="vectors read online")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--folder", type=Path, help="keep the lake here, and use it if it is there")
    asked = parser.parse_args()
    rows = asked.rows or (100_000 if asked.quick else 1_000_000)
    with tempfile.TemporaryDirectory() as temporary:
        plan = Plan(
            folder=asked.folder or Path(temporary),
            rows=rows,
            month_days=asked.month_days or (7 if asked.quick else 30),
            requests=asked.requests,
            # Their time grows with the users, so a part of them tells the speed.
            polars_share=max(rows // 200_000, 1),
            pandas_share=max(rows // 20_000, 1),
            feast_share=max(rows // 200_000, 1),
        )
        figures: Figures = {"rows": rows, "load_before": round(os.getloadavg()[0], 1)}
        prepare(plan, plan.month_days if "month" in asked.parts else 1)
        for part in asked.parts:
            figures |= _PARTS[part](plan, figures)
    print(json.dumps(figures | {"load_after": round(os.getloadavg()[0], 1)}))


def prepare(plan: Plan, days: int) -> None:
    """The lake up to `days` measured days, with the tables of the history."""
    done = plan.folder / f"prepared-{plan.rows}-{days}"
    if done.exists():
        return
    begun = time.perf_counter()
    total = HISTORY_DAYS + days
    for number, _ in enumerate(write_days(Lake(plan.lake), plan.rows, FIRST, total), 1):
        if number % 10 == 0 or number == total:
            say(
                f"{number} of {total} days of payments written, {time.perf_counter() - begun:.0f} s"
            )
    history = ("daily_tiles", "transaction_habits", "label_tiles")
    apart(make_days, plan.lake, FIRST, plan.day, history)
    say(f"the history's tables are made, {time.perf_counter() - begun:.0f} s")
    done.touch()


def measure_day(plan: Plan, _: Figures) -> Figures:
    return _measure("day", apart(make_days, plan.lake, plan.day, plan.until(1)))


def measure_month(plan: Plan, _: Figures) -> Figures:
    return _measure("month", apart(make_days, plan.lake, plan.day, plan.until(plan.month_days)))


def _measure(name: str, found: Measured) -> Figures:
    say(f"\n{name}: {found.rows:,} payments")
    for step, (seconds, cpu) in found.steps.items():
        say(f"  {step:22}{seconds:8.1f} s{cpu:8.1f} s of CPU")
    say(f"  {'all':22}{found.seconds:8.1f} s{found.cpu:8.1f} s of CPU, peak {found.peak:,} MiB")
    return {
        f"{name}_seconds": round(found.seconds, 2),
        f"{name}_cpu_seconds": round(found.cpu, 2),
        f"{name}_peak_mib": found.peak,
        f"{name}_rows_per_second": round(found.rows / found.seconds),
    }


def measure_peers(plan: Plan, figures: Figures) -> Figures:
    """Payments of the measured day a second, here and by each peer.

    A rolling window gives a row for each payment of the history too: those count for the peers'
    generous figure, which stands beside the month here.
    """
    say("\npeers, in payments of the day a second:")
    with tempfile.TemporaryDirectory(dir=plan.folder) as folder:
        join, own = feature_feast.join_by_feast, Path(folder)
        feast = apart(join, plan.lake, own, plan.day, plan.feast_share)
    found: Figures = {"feast": feast["rows"] / feast["seconds"]}
    left_out = {"feast": feature_feast.LEFT_OUT}
    for name, share in (("polars", plan.polars_share), ("pandas", plan.pandas_share)):
        ran = apart(roll, plan.lake, plan.day, share, name)
        found[name] = ran["rows"] / ran["seconds"]
        found[f"{name}_all"] = ran["all_rows"] / ran["seconds"]
        left_out[name] = feature_peers.LEFT_OUT[name]
    ours = figures.get("day_rows_per_second", 0)
    month = figures.get("month_rows_per_second", 0)
    result: Figures = {}
    for name, out in left_out.items():
        result[f"{name}_rows_per_second"] = round(found[name])
        result[f"times_{name}"] = round(ours / found[name], 1)
        beside = f"{ours / found[name]:.1f} times"
        if month and f"{name}_all" in found:
            result[f"times_{name}_month"] = round(month / found[f"{name}_all"], 1)
            beside += f", of a month {month / found[f'{name}_all']:.1f} times"
        say(f"  {name:8}{found[name]:12,.0f}; here {ours:,.0f}: {beside}\n    leaves out: {out}")
    return result


def roll(root: Path, day: date, share: int, peer: str) -> Figures:
    """A peer's rolling windows over one in `share` users; reading the lake isn't counted."""
    lake, after = Lake(root), day + timedelta(days=1)
    start = day - timedelta(days=30)
    payments = lake.read(RAW_TRANSACTIONS, start, after).filter(
        pl.col("user_id").hash(1) % share == 0
    )
    labels = lake.read(TRANSACTION_LABELS, start, after).filter(
        pl.col("user_id").hash(1) % share == 0
    )
    if peer == "polars":
        begun = time.perf_counter()
        rows = feature_peers.by_polars(payments, labels).height
    else:
        frames = payments.to_pandas(), labels.to_pandas()
        begun = time.perf_counter()
        rows = len(feature_peers.by_pandas(*frames))
    seconds = time.perf_counter() - begun
    of_day = payments.filter(pl.col("event_date") == day).height
    return {"rows": of_day, "all_rows": rows, "seconds": seconds}


def measure_online(plan: Plan, _: Figures) -> Figures:
    """A store for all users, then a vector at a time: from Redis, from SQLite, by Feast."""
    end, figures = plan.until(1), Figures()
    with tempfile.TemporaryDirectory(dir=plan.folder) as folder:
        server = Valkey(Path(folder) / "valkey")
        try:
            redis = server.settings(Path(folder) / "redis")
            found = apart(feature_online.fill, plan.lake, redis, end)
            say("\nthe online state of everybody, to Redis:")
            for view, (rows, made, written) in found.views.items():
                say(
                    f"  {view:16}{rows:10,} rows made in {made:5.1f} s, written in {written:5.1f} s"
                )
            say(f"  {found.seconds:.1f} s, {found.cpu:.1f} s of CPU, peak {found.peak:,} MiB")
            figures |= {"fill_seconds": round(found.seconds, 1), "fill_peak_mib": found.peak}
            asked = feature_online.requests(plan.lake, end, plan.requests)
            figures |= latencies("", redis, asked)
        finally:
            server.kill()
        sqlite = Settings(data_dir=Path(folder) / "sqlite")
        some = apart(feature_online.fill, plan.lake, sqlite, end, SQLITE_USERS)
        asked = feature_online.requests(plan.lake, end, plan.requests, some.last_user)
        return figures | latencies("sqlite_", sqlite, asked)


def latencies(prefix: str, settings: Settings, asked: list[feature_online.Request]) -> Figures:
    ours = feature_online.middle_and_last(feature_online.vectors(settings, asked))
    feast = feature_online.middle_and_last(
        feature_online.vectors_by_feast(settings, asked[: len(asked) // 5])
    )
    say(f"{settings.online.store}: read and compute a vector, p50 and p99 in ms")
    say(f"  here {ours[0]:.2f} and {ours[1]:.2f}, Feast {feast[0]:.2f} and {feast[1]:.2f}")
    return {
        f"{prefix}online_p50_ms": round(ours[0], 3),
        f"{prefix}online_p99_ms": round(ours[1], 3),
        f"{prefix}times_feast_online": round(feast[0] / ours[0], 1),
    }


def measure_stream(plan: Plan, _: Figures) -> Figures:
    """The stream worker's own benchmark, if Kafka can be had."""
    say("\nthe stream worker:")
    quick = ["--quick"] if plan.rows < 1_000_000 else []
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.stream", *quick],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    *said, last = ran.stdout.splitlines()
    say("\n".join(f"  {line}" for line in said))
    found: Figures = json.loads(last)
    return found | {"stream_peak_mib": found.pop("peak_mib")}


def say(text: str) -> None:
    print(text, flush=True)


_PARTS: dict[str, Callable[[Plan, Figures], Any]] = {
    "day": measure_day,
    "month": measure_month,
    "peers": measure_peers,
    "online": measure_online,
    "stream": measure_stream,
}

if __name__ == "__main__":
    main()
