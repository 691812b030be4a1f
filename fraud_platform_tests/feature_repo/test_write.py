"""What is written to a view is what Feast reads from it, online and offline."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from feature_repo import write
from feature_repo.store import apply, feature_store, opened
from feature_repo.write import write_view, written_as_of
from fraud_platform.features.state import (
    MERCHANT_LABELS,
    USER_RECENT,
    VIEWS,
    MerchantLabels,
    State,
    UserDaily,
    UserRecent,
    View,
)
from fraud_platform.settings import Settings

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)


def online(settings: Settings, view: View, ids: list[str]) -> dict[str, list[Any]]:
    """The view's rows of these entities, as Feast itself reads them."""
    with opened(settings) as store:
        return store.get_online_features(
            features=[f"{view.name}:{name}" for name in view.fields],
            entity_rows=[{view.join_key: entity_id} for entity_id in ids],
        ).to_dict()


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_feast_reads_online_what_was_written(
    view: View, written: Settings, rows: dict[str, dict[str, State]]
) -> None:
    expected = rows[view.name]

    found = online(written, view, list(expected))

    for i, state in enumerate(expected.values()):
        assert {name: found[name][i] for name in view.fields} == msgspec.structs.asdict(state)


def test_an_unknown_entity_has_no_values(written: Settings) -> None:
    found = online(written, MERCHANT_LABELS, ["stranger"])

    assert (found["labels"], found["frauds"]) == ([None], [None])


def test_the_snapshot_holds_exactly_the_rows_of_the_last_write(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    write_view(settings, MERCHANT_LABELS, {"a": MerchantLabels(labels=1)}, AS_OF)
    write_view(settings, MERCHANT_LABELS, {"b": MerchantLabels(labels=2)}, AS_OF)

    snapshot = pq.read_table(tmp_path / "feast" / "merchant_labels.parquet").to_pylist()

    assert snapshot == [
        {"merchant_id": "b", "event_timestamp": AS_OF, "as_of_us": 0, "labels": 2, "frauds": 0}
    ]
    # The online store keeps who is not named: a writer may bring the changed ones only.
    assert online(settings, MERCHANT_LABELS, ["a", "b"])["labels"] == [1, 2]
    assert not list((tmp_path / "feast").glob(".*.parquet.*"))


# ibis 12, below Feast's DuckDB store, still calls what DuckDB 2 deprecates.
@pytest.mark.filterwarnings("ignore:fetch_arrow_table.. is deprecated:DeprecationWarning")
def test_feast_reads_the_snapshot_offline_at_a_point_in_time(written: Settings) -> None:
    import pandas as pd  # noqa: PLC0415

    with opened(written) as store:
        moments = [AS_OF + timedelta(hours=1), AS_OF - timedelta(hours=1)]
        entities = pd.DataFrame({"user_id": ["plain", "plain"], "event_timestamp": moments})
        found = store.get_historical_features(entities, ["user_daily:last_timestamp_us"]).to_df()

    found = found.sort_values("event_timestamp", ascending=False)
    assert found["last_timestamp_us"].iloc[0] == -9
    assert pd.isna(found["last_timestamp_us"].iloc[1])


def test_rows_are_written_in_batches_and_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "BATCH", 10)
    settings = Settings(data_dir=tmp_path)
    rows = {f"m{i}": MerchantLabels(labels=i) for i in range(25)}
    told: list[tuple[int, int]] = []

    write_view(settings, MERCHANT_LABELS, rows, AS_OF, lambda *step: told.append(step))

    assert told == [(10, 25), (20, 25), (25, 25)]
    assert online(settings, MERCHANT_LABELS, ["m24"])["labels"] == [24]
    assert pq.read_metadata(tmp_path / "feast" / "merchant_labels.parquet").num_rows == 25


def test_a_state_of_another_view_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)

    with pytest.raises(TypeError, match=r"user_recent, user 'b': UserDaily is not .*UserRecent"):
        write_view(settings, USER_RECENT, {"a": UserRecent(), "b": UserDaily()}, AS_OF)

    assert not list(tmp_path.iterdir())


def test_an_as_of_without_a_zone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        write_view(Settings(data_dir=tmp_path), USER_RECENT, {}, datetime(2024, 3, 1))  # noqa: DTZ001


def test_applying_again_keeps_what_is_stored(written: Settings) -> None:
    apply(written)

    assert online(written, MERCHANT_LABELS, ["plain"])["frauds"] == [0]
    views = feature_store(written).list_feature_views()
    assert {view.name for view in views} == {view.name for view in VIEWS}
    assert all(not view.ttl for view in views)


def test_the_store_can_be_read_while_a_batch_is_written(written: Settings) -> None:
    with (
        closing(sqlite3.connect(written.online_store)) as writer,
        closing(sqlite3.connect(f"{written.online_store.as_uri()}?mode=ro", uri=True)) as reader,
    ):
        writer.execute("BEGIN IMMEDIATE")
        writer.execute('DELETE FROM "predictflow_user_daily"')

        assert reader.execute('SELECT count(*) FROM "predictflow_user_daily"').fetchone() != (0,)
        writer.rollback()


def test_the_store_knows_up_to_when_it_was_written_until_it_is_lost(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert written_as_of(settings, MERCHANT_LABELS) is None
    elsewhere = AS_OF.astimezone(timezone(timedelta(hours=-8))) + timedelta(microseconds=1)

    write_view(settings, MERCHANT_LABELS, {}, AS_OF)
    assert written_as_of(settings, MERCHANT_LABELS) is None
    write_view(settings, MERCHANT_LABELS, {"a": MerchantLabels()}, elsewhere)
    assert written_as_of(settings, MERCHANT_LABELS) == elsewhere
    assert written_as_of(settings, USER_RECENT) is None

    for file in (tmp_path / "feast").glob("online_store.db*"):
        file.unlink()
    assert written_as_of(settings, MERCHANT_LABELS) is None


def test_a_lost_online_store_is_made_again_by_writing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    write_view(settings, MERCHANT_LABELS, {"a": MerchantLabels(labels=1)}, AS_OF)
    for file in (tmp_path / "feast").glob("online_store.db*"):
        file.unlink()

    write_view(settings, MERCHANT_LABELS, {"a": MerchantLabels(labels=1)}, AS_OF)

    assert online(settings, MERCHANT_LABELS, ["a"])["labels"] == [1]
