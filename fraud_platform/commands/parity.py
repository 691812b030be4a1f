"""`predictflow parity`: are the features that are served those of the lake, to the bit?"""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from fraud_platform import progress
from fraud_platform.commands import console
from fraud_platform.contracts.tables import RAW_TRANSACTIONS
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.catalogue import CATALOGUE
from fraud_platform.features.tables import TRANSACTION_FEATURES
from fraud_platform.lake.files import rows_by_day
from fraud_platform.lake.store import Lake
from fraud_platform.monitoring.parity import Parity, Replay
from fraud_platform.online import OnlineStore, open_store
from fraud_platform.settings import Secret, Settings, load_settings


def run_parity(
    first: date, last: date, database: int | None, jobs: int, *, as_json: bool
) -> Parity:
    """Compares first to last (inclusive) and prints what was found."""
    settings = load_settings()
    with console.bars():
        found = parity(settings, first, last + timedelta(days=1), jobs, database)
    if as_json:
        console.emit(
            {
                "vectors": found.vectors,
                "features": len(found.features),
                "differing": found.differing,
                "by_feature": found.by_feature,
            }
        )
        return found
    console.console.print(
        f"{found.vectors:,} vectors of {len(found.features)} features: "
        f"{found.differing:,} values differ between online and offline"
    )
    if found.first:
        rows = [tuple(one.values()) for one in found.first]
        console.table("The first of them", ("transaction", "feature", "offline", "online"), rows)
    return found


def parity(
    settings: Settings, start: date, end: date, jobs: int = 1, database: int | None = None
) -> Parity:
    """Replays start <= day < end on a store of its own, in `jobs` processes of some users each.

    The store is SQLite, or, where a `database` of the configured Redis is named, that. Raises
    PredictFlowError where the lake lacks features of a day, or the database isn't empty.
    """
    lake = Lake(settings.lake_dir)
    raw = rows_by_day(lake, RAW_TRANSACTIONS, start, end)
    made = rows_by_day(lake, TRANSACTION_FEATURES, start, end)
    lacking = sorted(day for day, rows in raw.items() if made.get(day) != rows)
    if lacking or not raw:
        missing = ", ".join(map(str, lacking[:5])) or f"{start} to {end - timedelta(days=1)}"
        raise PredictFlowError(
            f"there are no features to compare with of {missing}; materialize "
            "transaction_features for these days first"
        )
    users = lake.read(RAW_TRANSACTIONS, start, end, columns=["user_id"])["user_id"].unique().sort()
    if jobs == 1 or database is not None:
        with _scratch(settings, database) as store:
            return Replay(lake, CATALOGUE, store).run(start, end, _report)
    # Processes of their own, started afresh: Arrow's threads don't survive a fork.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        shares = [users.gather_every(jobs, i).to_list() for i in range(jobs)]
        parts = [pool.submit(_share, settings.lake_dir, share, start, end) for share in shares]
        found = Parity(CATALOGUE.names)
        for done, part in enumerate(parts):
            found.add(part.result())
            _report(done + 1, jobs)
    return found


def _share(lake_dir: Path, users: list[str], start: date, end: date) -> Parity:
    with _scratch(Settings(), None) as store:
        return Replay(Lake(lake_dir), CATALOGUE, store, users).run(start, end)


@contextmanager
def _scratch(settings: Settings, database: int | None) -> Iterator[OnlineStore]:
    """An empty store in Feast's format that goes with the block."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = msgspec.structs.replace(settings, data_dir=Path(folder))
        (scratch.online_store.parent).mkdir(parents=True)
        if database is None:
            online = msgspec.structs.replace(settings.online, store="sqlite", redis_url=Secret())
            with open_store(msgspec.structs.replace(scratch, online=online)) as store:
                yield store
            return
        with (
            _redis_database(settings, database) as online,
            open_store(msgspec.structs.replace(scratch, online=online)) as store,
        ):
            yield store


@contextmanager
def _redis_database(settings: Settings, database: int) -> Iterator:
    import redis  # noqa: PLC0415 - a third of a second, for those who use it

    if settings.online.store != "redis":
        raise PredictFlowError(
            "--redis-database needs online.store = redis; set it, or leave the option out"
        )
    parts = urlsplit(settings.online.redis_url.reveal())
    url = urlunsplit(parts._replace(path=f"/{database}"))
    with redis.Redis.from_url(url) as client:
        if client.dbsize():
            raise PredictFlowError(
                f"--redis-database {database} holds something; name one that is empty"
            )
        try:
            yield msgspec.structs.replace(settings.online, redis_url=Secret(url))
        finally:
            client.flushdb()


def _report(done: int, total: int) -> None:
    progress.report("parity", done, total)
