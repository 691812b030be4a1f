"""The online store beside Feast's own way to it: rows written a second, milliseconds a request.

Run it with `python -m benchmarks.online_store`; it needs no server but the Valkey that the tests
bring along.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from statistics import quantiles
from typing import Any

from feature_repo.store import apply, opened
from feature_repo.views import feature_views
from fraud_platform.features.state import VIEWS, State, View
from fraud_platform.online import open_store
from fraud_platform.settings import Settings
from fraud_platform_tests.valkey_server import Valkey
from serving.online_store import OnlineStore

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
READS = 2_000
RNG = random.Random(1)


def a_state(view: View, places: int = 8) -> State:
    """A state with lists of so many places, as an ordinary user has."""
    drawn: dict[str, Callable[[], Any]] = {
        "int64": lambda: RNG.getrandbits(50),
        "int64_list": lambda: [RNG.getrandbits(RNG.choice((10, 50))) for _ in range(places)],
        "float64_list": lambda: [RNG.random() for _ in range(places)],
    }
    return {name: drawn[kind]() for name, kind in view.fields.items()}


def write_by_feast(settings: Settings, view: View, rows: dict[str, State]) -> None:
    """Writes rows as Feast does: protobuf rows to `online_write_batch`, 10,000 at a time."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey  # noqa: PLC0415
    from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, Value  # noqa: PLC0415

    values: dict[str, Callable[[Any], Any]] = {
        "int64": lambda given: Value(int64_val=given),
        "int64_list": lambda given: Value(int64_list_val=Int64List(val=given)),
        "float64_list": lambda given: Value(double_list_val=DoubleList(val=given)),
    }
    table = feature_views(settings.data_dir / "feast", [view])[view.name]
    with opened(settings) as store:
        for batch in batched(rows.items(), 10_000):
            of_feast: list[Any] = [
                (
                    EntityKey(join_keys=[view.join_key], entity_values=[Value(string_val=i)]),
                    {name: values[kind](state[name]) for name, kind in view.fields.items()},
                    AS_OF,
                    None,
                )
                for i, state in batch
            ]
            store.provider.online_write_batch(store.config, table, of_feast, None)


def a_second(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def timed(read: Callable[[str, str], object], ids: Sequence[int]) -> list[float]:
    """Milliseconds that each reading took."""
    found = []
    for i in ids:
        started = time.perf_counter()
        read(f"user-{i}", f"merchant-{i}")
        found.append((time.perf_counter() - started) * 1000)
    return found


def by_the_service(settings: Settings, ids: Sequence[int]) -> list[float]:
    """The same through the service's own reader, one request after the other."""

    async def read() -> list[float]:
        store, found = OnlineStore(settings, 1.0), []
        for i in ids:
            started = time.perf_counter()
            reading = await store.read(f"user-{i}", f"merchant-{i}")
            found.append((time.perf_counter() - started) * 1000)
            assert reading.fault is None
        await store.close()
        return found

    return asyncio.run(read())


def by_feast(settings: Settings, ids: Sequence[int]) -> list[float]:
    with opened(settings) as store:
        features = [f"{view.name}:{name}" for view in VIEWS for name in view.fields]
        return timed(
            lambda user, merchant: store.get_online_features(
                features, [{"user_id": user, "merchant_id": merchant}], full_feature_names=True
            ),
            ids,
        )


def by_feasts_store(settings: Settings, ids: Sequence[int]) -> list[float]:
    """Straight on Feast's online store, a call for each view."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey  # noqa: PLC0415
    from feast.protos.feast.types.Value_pb2 import Value  # noqa: PLC0415

    tables = feature_views(settings.data_dir / "feast")

    def key(view: View, entity_id: str) -> Any:
        return EntityKey(join_keys=[view.join_key], entity_values=[Value(string_val=entity_id)])

    with opened(settings) as store:
        online: Any = store.provider.online_store  # pyright: ignore[reportAttributeAccessIssue]

        def read(user: str, merchant: str) -> None:
            for view in VIEWS:
                entity_id = user if view.entity == "user" else merchant
                online.online_read(store.config, tables[view.name], [key(view, entity_id)])

        return timed(read, ids)


def measure(settings: Settings, count: int) -> None:
    print(f"\n{settings.online.store}: {count:,} rows a view")
    apply(settings)
    with open_store(settings) as store:
        for view in VIEWS:
            rows = {f"{view.entity}-{i}": a_state(view) for i in range(count)}
            # Ids of its own, so that both write new rows.
            theirs = {f"by-feast-{i}": state for i, state in rows.items()}
            feast = a_second(count, lambda v=view, r=theirs: write_by_feast(settings, v, r))
            ours = a_second(count, lambda v=view, r=rows: store.write(v, r, AS_OF))
            print(
                f"  write {view.name:16} {len(view.fields):2} fields {ours:8,.0f} rows/s, "
                f"Feast {feast:8,.0f}: {ours / feast:.1f} times"
            )
        ids = [RNG.randrange(count) for _ in range(READS)]
        readings = {
            "contexts": timed(lambda user, merchant: store.contexts([user], [merchant]), ids),
            "the service's reader": by_the_service(settings, ids),
            "Feast's online_read": by_feasts_store(settings, ids),
            "Feast's get_online_features": by_feast(settings, ids[:300]),
        }
        for name, took in readings.items():
            cuts = quantiles(took, n=100)
            print(f"  read {name:28} p50 {cuts[49]:6.2f} ms, p99 {cuts[98]:6.2f} ms")


def main() -> None:
    """Measures SQLite and Valkey in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        server = Valkey(Path(folder) / "valkey")
        try:
            measure(Settings(data_dir=Path(folder) / "sqlite"), count)
            measure(server.settings(Path(folder) / "redis"), count)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
