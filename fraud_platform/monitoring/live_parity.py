"""The vectors that were served on a day, held against the features of the same transactions."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from fraud_platform.clock import DAY_US, MICROSECONDS
from fraud_platform.contracts.monitoring import LiveParity
from fraud_platform.contracts.tables import PREDICTION_LOG, RAW_TRANSACTIONS
from fraud_platform.durable import replace_durably
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.store import Lake
from fraud_platform.modelling.bundle import BundleError, made_by
from fraud_platform.monitoring.freshness import Freshness, sources_of
from fraud_platform.settings import Settings

CONTENT = ("timestamp_us", "user_id", "merchant_id", "device_id", "amount_cents")
ROWS = 250_000
"""Vectors that are held at a time."""

DEGRADED = "degraded: scored without the online state"
UNKNOWN_MODEL = "the bundle of their model is gone"
OTHER_FEATURES = "their model takes features that are no more"
NOT_THERE = "their transaction is not in the lake"
OTHER_CONTENT = "their transaction came in with other content"
OLDER = "their payment is older than the state"

_LOGGED = [
    *("transaction_id", *CONTENT, "decided_us", "state_age_s"),
    *("degraded", "model_version", "model_sha256", "features"),
]


def report_on(settings: Settings, lake: Lake, day: date) -> LiveParity:
    """What was served on a day, and how much of it is what would be trained on, bit for bit.

    Every decision is compared by itself, those of one transaction too. What can't be compared is
    left out and counted by reason. A day with nothing to compare says so.
    """
    decisions = pl.from_arrow(
        lake.dataset(PREDICTION_LOG, day, day + timedelta(days=1)).to_table(columns=_LOGGED)
    )
    assert isinstance(decisions, pl.DataFrame)
    left_out, skewed, differing = Counter[str](), Counter[str](), Counter[str]()
    vectors = identical = 0
    parts = (_comparable(settings, lake, part, left_out) for part in decisions.iter_slices(ROWS))
    for names, rows in chain.from_iterable(parts):
        differs = _differs(rows, names)
        some = differs.any(axis=1)
        vectors, identical = vectors + rows.height, identical + int((~some).sum())
        freshness = Freshness(lake, CATALOGUE, rows.filter(pl.Series(some)))
        for place in np.flatnonzero(differs.any(axis=0)):
            name, mine = names[place], differs[some, place]
            behind = freshness.explains(name, mine)
            skewed[name] += int(behind.sum())
            differing[name] += int((mine & ~behind).sum())
    why = "" if vectors else "nothing that was served can be compared"
    return LiveParity(
        day=str(day),
        vectors=vectors,
        identical=identical,
        skewed=_counted(skewed),
        differing=_counted(differing),
        left_out=_counted(left_out),
        unjudged=why if decisions.height else "the service's log holds no decisions of that day",
    )


def keep(folder: Path, report: LiveParity) -> Path:
    """Writes DAY.parity.json into `folder`, whole or not at all; its path."""
    path = folder / f"{report.day}.parity.json"
    replace_durably(path, msgspec.json.encode(report))
    return path


def broken(report: LiveParity) -> list[str]:
    """What no freshness explains, in words; those of the request alone first."""
    by_request = sorted(report.differing, key=lambda name: not of_request(name))
    return [
        f"{name}: {report.differing[name]:,} of {report.vectors:,} vectors served on {report.day} "
        "differ from transaction_features"
        + (", and it is made of the request alone" if of_request(name) else "")
        for name in by_request
    ]


def of_request(name: str) -> bool:
    """Whether a feature is made of the request alone, which no state can make another one."""
    return not sources_of(CATALOGUE, name)


def markdown(report: LiveParity) -> str:
    """The day in a sentence, then what differs by feature and what was left out, as tables."""
    if report.unjudged:
        said = f"{report.unjudged}."
    else:
        share = report.identical / report.vectors
        said = f"{report.identical:,} of {report.vectors:,} vectors ({share:.1%}) are the lake's, "
        said += "bit for bit."
    parts = [said]
    names = [name for name in CATALOGUE.names if name in {*report.skewed, *report.differing}]
    if names:
        head = ["| Feature | The state was behind | Not explained |", "| --- | --- | --- |"]
        lines = [
            f"| {name} | {report.skewed.get(name, 0):,} | {report.differing.get(name, 0):,} |"
            for name in names
        ]
        parts.append("\n".join(head + lines))
    if report.left_out:
        lines = [f"| {why} | {count:,} |" for why, count in report.left_out.items()]
        parts.append("\n".join(["| Left out, as | Decisions |", "| --- | --- |", *lines]))
    return "\n\n".join(parts)


def _comparable(
    settings: Settings, lake: Lake, decisions: pl.DataFrame, left_out: Counter[str]
) -> Iterator[tuple[list[str], pl.DataFrame]]:
    """The decisions with the lake's features of their transactions (`lake__` before their names),
    by model and day paid, each with its model's features in order."""
    seeing = decisions.filter(~pl.col("degraded"))
    left_out[DEGRADED] += decisions.height - seeing.height
    for (version, digest), of_model in seeing.group_by("model_version", "model_sha256"):
        try:
            names = made_by(settings.bundles_dir, str(version), str(digest))[0].features
        except BundleError:
            left_out[UNKNOWN_MODEL] += of_model.height
            continue
        fits = of_model.filter(pl.col("features").list.len() == len(names))
        if not set(names) <= set(CATALOGUE.names):
            fits = fits.clear()
        left_out[OTHER_FEATURES] += of_model.height - fits.height
        paid = (pl.col("timestamp_us") // DAY_US).cast(pl.Int32).cast(pl.Date).alias("paid")
        for (day,), of_day in fits.group_by(paid):
            assert isinstance(day, date)
            rows = _beside(lake, day, of_day, names, left_out)
            if rows.height:
                yield names, rows


def _beside(
    lake: Lake, day: date, decisions: pl.DataFrame, names: list[str], left_out: Counter[str]
) -> pl.DataFrame:
    """Decisions on payments of a day beside the lake's rows of them, where they are the same."""
    ids = decisions.select("transaction_id").unique()
    after = day + timedelta(days=1)
    read = ["transaction_id", *(name for name in CONTENT if name != "device_id"), *names]
    offline = lake.read_among(
        TRANSACTION_FEATURES, day, after, ids, columns=list(dict.fromkeys(read))
    )
    devices = lake.read_among(
        RAW_TRANSACTIONS, day, after, ids, columns=["transaction_id", "device_id"]
    )
    offline = offline.join(devices, on="transaction_id")
    offline = offline.rename(lambda name: name if name == "transaction_id" else f"lake__{name}")
    there = decisions.join(offline, on="transaction_id")
    left_out[NOT_THERE] += decisions.height - there.height
    alike = (pl.col(name).eq_missing(pl.col(f"lake__{name}")) for name in CONTENT)
    same = there.filter(pl.all_horizontal(alike))
    left_out[OTHER_CONTENT] += there.height - same.height
    age_us = (pl.col("state_age_s") * MICROSECONDS).round().cast(pl.Int64)
    aged = same.with_columns(as_of_us=pl.col("decided_us") - age_us)
    in_time = aged.filter((pl.col("as_of_us") <= pl.col("timestamp_us")).fill_null(value=True))
    left_out[OLDER] += aged.height - in_time.height
    return in_time


def _differs(rows: pl.DataFrame, names: list[str]) -> np.ndarray:
    """Whether the bits differ, rows x features; missing on both sides is the same."""
    nan = float("nan")
    served = rows["features"].explode().fill_null(nan).to_numpy().reshape(-1, len(names))
    lake = rows.select(pl.col(f"lake__{name}").fill_null(nan) for name in names).to_numpy()
    served, lake = np.ascontiguousarray(served), np.ascontiguousarray(lake)
    missing = np.isnan(served) & np.isnan(lake)
    return (served.view(np.int64) != lake.view(np.int64)) & ~missing


def _counted(counts: Counter[str]) -> dict[str, int]:
    """What there is any of, the most first, then by name."""
    found = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {name: count for name, count in found if count}
