"""Feast reads what the platform writes, and the other way round, in both stores."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from feature_repo.store import apply, connection_string, opened
from feature_repo.views import feature_views
from fraud_platform.errors import PredictFlowError
from fraud_platform.features.state import VIEWS, State, View
from fraud_platform.online import open_store
from fraud_platform.settings import Online, Secret, Settings
from fraud_platform_tests.online.rows import FLOATS, a_state, odd_rows
from fraud_platform_tests.valkey_server import OwnValkeys

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


def apply_floats(settings: Settings) -> None:
    """Puts the view of floats into the registry, beside the platform's own."""
    with opened(settings) as store:
        store.apply([*feature_views(settings.data_dir / "feast", [FLOATS]).values()])


def online(settings: Settings, view: View, ids: list[str]) -> list[dict[str, Any]]:
    """The view's rows of these entities, as Feast itself reads them."""
    with opened(settings) as store:
        found = store.get_online_features(
            features=[f"{view.name}:{name}" for name in view.fields],
            entity_rows=[{view.join_key: entity_id} for entity_id in ids],
        ).to_dict()
    return [{name: found[name][i] for name in view.fields} for i in range(len(ids))]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_feast_reads_online_what_was_written(
    view: View, written: Settings, rows: dict[str, dict[str, State]]
) -> None:
    expected = rows[view.name]

    assert online(written, view, [*expected]) == [*expected.values()]
    assert online(written, view, ["stranger"]) == [dict.fromkeys(view.fields)]


def test_feast_reads_floats_with_nan_and_the_infinities(written: Settings) -> None:
    apply_floats(written)
    rows = odd_rows(FLOATS) | {"nan": {"as_of_us": 1, "days": [1], "scores": [math.nan]}}
    with open_store(written) as store:
        store.write(FLOATS, rows, AS_OF)

    # By their text, so that NaN equals NaN and -0.0 does not equal 0.0.
    assert repr(online(written, FLOATS, [*rows])) == repr([*rows.values()])


@pytest.mark.parametrize("view", [*VIEWS, FLOATS], ids=lambda view: view.name)
def test_what_feast_writes_is_read(written: Settings, view: View) -> None:
    rows = {f"by feast {name}": state for name, state in odd_rows(view).items()}
    apply_floats(written)
    write_by_feast(written, view, rows)

    with open_store(written) as store:
        assert store.read([view], [*rows]) == [{view.name: state} for state in rows.values()]


def write_by_feast(settings: Settings, view: View, rows: dict[str, State]) -> None:
    """Writes rows through Feast's own online store."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey  # noqa: PLC0415
    from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, Value  # noqa: PLC0415

    def value(kind: str, given: Any) -> Value:
        match kind:
            case "int64":
                return Value(int64_val=given)
            case "int64_list":
                return Value(int64_list_val=Int64List(val=given))
        return Value(double_list_val=DoubleList(val=given))

    batch: list[Any] = [
        (
            EntityKey(join_keys=[view.join_key], entity_values=[Value(string_val=entity_id)]),
            {name: value(kind, state[name]) for name, kind in view.fields.items()},
            AS_OF,
            None,
        )
        for entity_id, state in rows.items()
    ]
    table = feature_views(settings.data_dir / "feast", [view])[view.name]
    with opened(settings) as store:
        store.provider.online_write_batch(store.config, table, batch, None)


# ibis 12, below Feast's DuckDB store, still calls what DuckDB 2 deprecates.
@pytest.mark.filterwarnings("ignore:fetch_arrow_table.. is deprecated:DeprecationWarning")
def test_feast_materialises_the_rows_that_were_written(
    written: Settings, rows: dict[str, dict[str, State]]
) -> None:
    lost = [view for view in VIEWS if view.entity == "merchant"]
    for view in lost:
        replace_by_others(written, view, rows[view.name])

    with opened(written) as store:
        names = [view.name for view in lost]
        store.materialize(AS_OF - timedelta(days=1), AS_OF + timedelta(days=1), names)

    with open_store(written) as ours:
        for view in lost:
            expected = [{view.name: state} for state in rows[view.name].values()]
            assert ours.read([view], [*rows[view.name]]) == expected


def replace_by_others(settings: Settings, view: View, rows: dict[str, State]) -> None:
    """Makes every row a different one, a day older: Feast writes over older rows only."""
    with open_store(settings) as store:
        store.write(view, dict.fromkeys(rows, a_state(view, 77)), AS_OF - timedelta(days=1))


def test_feast_is_told_any_password_and_database(own_valkey: OwnValkeys, tmp_path: Path) -> None:
    server = own_valkey('p,a=s"s %é')
    url = f"redis://:p%2Ca%3Ds%22s%20%25%C3%A9@127.0.0.1:{server.port}/3?socket_timeout=5"
    settings = Settings(data_dir=tmp_path, online=server.online(url))
    apply(settings)
    with open_store(settings) as store:
        store.write(VIEWS[0], {"a": a_state(VIEWS[0])}, AS_OF)

    assert online(settings, VIEWS[0], ["a"]) == [a_state(VIEWS[0])]


def test_feast_is_told_of_tls_and_of_the_user() -> None:
    url = "rediss://me:123@redis.example:7000/2?ssl_cert_reqs=none"

    assert connection_string(Online(store="redis", redis_url=Secret(url))) == (
        "redis.example:7000,socket_connect_timeout=3.0,socket_timeout=10.0,"
        'ssl_cert_reqs="none",username="me",password="123",db=2,ssl=true'
    )


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all/registry", "postgresql+nodriver://me:hunter2@h/d"]
)
def test_a_registry_that_cannot_be_used_is_named_without_its_password(
    url: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, online=Online(registry_url=Secret(url)))

    with pytest.raises(PredictFlowError, match=r"online\.registry_url.*driver") as refused:
        apply(settings)

    assert "hunter2" not in str(refused.value)
