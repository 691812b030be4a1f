"""Landing the service's decisions that are in files, each segment exactly once.

The files of one commit are first moved into `landing-N`, where N is how many such commits the lake
has. So whoever comes after a kill sees at the number whether they were landed.
"""

import shutil
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl

from fraud_platform.contracts.tables import LANDED_EVENTS
from fraud_platform.decision_segments import finish_abandoned, finished_segments, only_one
from fraud_platform.durable import sync_directory, write_durably
from fraud_platform.errors import UnavailableError
from fraud_platform.ingest.batches import BATCH_BYTES
from fraud_platform.ingest.decision_rows import DECISIONS, DecisionDecoder
from fraud_platform.ingest.rows import count_days, landed_rows, now_us, reject_rows
from fraud_platform.lake.appender import Appender
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

KEPT_S = 86_400
"""Seconds that landed segments are kept: the lake's own files have reached the disk by then."""

TORN = "torn line: its writer ended while it wrote it"


@dataclass
class LandedDecisions:
    """What was landed; `torn` are the rejected lines that a killed writer left unfinished."""

    segments: int = 0
    decisions: int = 0
    rejected: int = 0
    torn: int = 0
    days: Counter[date] = field(default_factory=Counter)


def land_decisions(settings: Settings, lake: Lake) -> LandedDecisions:
    """Lands the finished segments, and those that killed workers left.

    Does nothing while another process is at it. Raises UnavailableError where the disk or the lake
    can't be written; what wasn't landed stays.
    """
    done, folder = LandedDecisions(), settings.decisions_dir
    if not folder.is_dir():
        return done
    try:
        with only_one(folder) as alone:
            if alone:
                finish_abandoned(folder)
                source = f"{DECISIONS}{_identity(folder)}"
                _land(folder, source, lake.appender(LANDED_EVENTS), done)
                _forget_old(folder / "done")
    except OSError as error:
        raise UnavailableError(
            f"decisions in {folder} can't be landed, they stay there: {error}"
        ) from error
    return done


def _land(folder: Path, source: str, appender: Appender, done: LandedDecisions) -> None:
    position = appender.positions(source)[source]
    for number, left in _staged(folder):
        if number < position:
            _set_aside(left)  # the lake has them: whoever landed them came no further
        else:
            for path in left.iterdir():
                path.rename(folder / path.name)
            left.rmdir()
    for segments in _batches(folder):
        staging = folder / f"landing-{position}"
        staging.mkdir()
        staged = [path.rename(staging / path.name) for path in segments]
        sync_directory(folder)
        counted = LandedDecisions()
        rows = pl.concat([_rows(path, counted) for path in staged])
        appender.append(rows, {source: (position, position + 1)})
        _set_aside(staging)
        position += 1
        _add(done, counted)


def _batches(folder: Path) -> Iterator[list[Path]]:
    """The segments that wait now, in groups that fit into one commit."""
    batch: list[Path] = []
    held = 0
    for path in finished_segments(folder):
        size = path.stat().st_size
        if batch and held + size > BATCH_BYTES:
            yield batch
            batch, held = [], 0
        batch.append(path)
        held += size
    if batch:
        yield batch


def _rows(path: Path, done: LandedDecisions) -> pl.DataFrame:
    lines = path.read_bytes().split(b"\n")
    torn = len(lines) - 1 if lines[-1] else None  # a whole last line may lack just its end
    lines = lines if lines[-1] else lines[:-1]
    now = now_us()
    decoded = DecisionDecoder().decode(lines, now)
    for index, reject in enumerate(decoded.rejected):
        if reject.offset == torn:
            decoded.rejected[index] = type(reject)(reject.offset, TORN, reject.raw)
            done.torn += 1
    done.segments += 1
    done.decisions += decoded.accepted.height
    done.rejected += len(decoded.rejected)
    done.days.update(count_days(decoded.accepted))
    return landed_rows(
        [decoded.accepted, reject_rows(decoded.rejected, now)],
        {
            "source": pl.lit(path.name),
            "source_id": pl.lit(f"{DECISIONS}{path.name}"),
            "partition": pl.lit(0, pl.Int32),
            "landed_at_us": pl.lit(now, pl.Int64),
        },
    )


def _add(done: LandedDecisions, counted: LandedDecisions) -> None:
    done.segments += counted.segments
    done.decisions += counted.decisions
    done.rejected += counted.rejected
    done.torn += counted.torn
    done.days.update(counted.days)


def _staged(folder: Path) -> list[tuple[int, Path]]:
    return sorted((int(p.name.removeprefix("landing-")), p) for p in folder.glob("landing-*"))


def _set_aside(staging: Path) -> None:
    done = staging.parent / "done"
    done.mkdir(exist_ok=True)
    staging.rename(done / f"{time.time_ns()}-{staging.name}")


def _forget_old(done: Path) -> None:
    for path in done.glob("*-landing-*"):
        if time.time_ns() - int(path.name.partition("-")[0]) > KEPT_S * 1_000_000_000:
            shutil.rmtree(path)


def _identity(folder: Path) -> str:
    """Which folder it is: a lake may be fed from several machines, each with its own."""
    path = folder / ".id"
    if not path.exists():
        staging = folder / ".id-new"
        write_durably(staging, uuid.uuid4().hex.encode())
        staging.rename(path)
        sync_directory(folder)
    return path.read_text()
