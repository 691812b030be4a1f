"""What is written to a view is its snapshot and its rows; a view that was lost is noticed."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from feature_repo.store import apply, feature_store, opened
from feature_repo.write import write_view, written_as_of
from fraud_platform.features.state import VIEWS, State
from fraud_platform.online import open_store
from fraud_platform.settings import Settings
from fraud_platform_tests.online.rows import a_state, as_frame

AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
RECENT, DAILY = VIEWS[:2]
(LABELS,) = [view for view in VIEWS if view.name == "merchant_labels"]


def test_the_snapshot_holds_exactly_the_rows_of_the_last_write(settings: Settings) -> None:
    one, other = a_state(LABELS, 1), a_state(LABELS, 2)
    write_view(settings, LABELS, as_frame(LABELS, {"a": one}), AS_OF)
    write_view(settings, LABELS, as_frame(LABELS, {"b": other}), AS_OF)

    folder = settings.data_dir / "feast"
    snapshot = pq.read_table(folder / "merchant_labels.parquet").to_pylist()

    assert snapshot == [{"merchant_id": "b", "event_timestamp": AS_OF, **other}]
    # The online store keeps who is not named: a writer may bring the changed ones only.
    with open_store(settings) as store:
        assert store.read([LABELS], ["a", "b"]) == [{LABELS.name: one}, {LABELS.name: other}]
    assert not list(folder.glob(".*.parquet.*"))


# ibis 12, below Feast's DuckDB store, still calls what DuckDB 2 deprecates.
@pytest.mark.filterwarnings("ignore:fetch_arrow_table.. is deprecated:DeprecationWarning")
def test_feast_reads_the_snapshot_offline_at_a_point_in_time(
    written: Settings, rows: dict[str, dict[str, State]]
) -> None:
    import pandas as pd  # noqa: PLC0415

    with opened(written) as store:
        moments = [AS_OF + timedelta(hours=1), AS_OF - timedelta(hours=1)]
        entities = pd.DataFrame({"user_id": ["plain", "plain"], "event_timestamp": moments})
        found = store.get_historical_features(entities, ["user_daily:as_of_us"]).to_df()

    found = found.sort_values("event_timestamp", ascending=False)
    assert found["as_of_us"].iloc[0] == rows["user_daily"]["plain"]["as_of_us"]
    assert pd.isna(found["as_of_us"].iloc[1])


def test_progress_is_told(settings: Settings) -> None:
    rows = {f"m{i}": a_state(LABELS, i) for i in range(25)}
    told: list[tuple[int, int]] = []

    write_view(settings, LABELS, as_frame(LABELS, rows), AS_OF, lambda *step: told.append(step))

    assert told == [(25, 25)]
    snapshot = pq.read_metadata(settings.data_dir / "feast" / "merchant_labels.parquet")
    assert snapshot.num_rows == 25


def test_rows_of_another_view_are_refused_before_anything_is_written(settings: Settings) -> None:
    with pytest.raises(ValueError, match=r"view user_recent: the rows lack times.*; give"):
        write_view(settings, RECENT, as_frame(DAILY, {"b": a_state(DAILY)}), AS_OF)

    assert not list(settings.data_dir.iterdir())


def test_an_as_of_without_a_zone_is_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        write_view(settings, RECENT, as_frame(RECENT, {}), datetime(2024, 3, 1))  # noqa: DTZ001


def test_applying_again_keeps_what_is_stored(
    written: Settings, rows: dict[str, dict[str, State]]
) -> None:
    apply(written)

    with open_store(written) as store:
        assert store.read([LABELS], ["plain"]) == [{LABELS.name: rows[LABELS.name]["plain"]}]
    views = feature_store(written).list_feature_views()
    assert {view.name for view in views} >= {view.name for view in VIEWS}
    assert all(not view.ttl for view in views)


def test_the_store_can_be_read_while_a_batch_is_written(settings: Settings) -> None:
    write_view(settings, DAILY, as_frame(DAILY, {"a": a_state(DAILY)}), AS_OF)
    with closing(sqlite3.connect(settings.online_store)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute('DELETE FROM "predictflow_user_daily"')

        with open_store(settings) as store:
            assert store.read([DAILY], ["a"]) == [{DAILY.name: a_state(DAILY)}]
        writer.rollback()


def test_a_lost_online_store_is_noticed_and_made_again_by_writing(settings: Settings) -> None:
    rows = {"a": a_state(LABELS)}
    write_view(settings, LABELS, as_frame(LABELS, rows), AS_OF)
    assert written_as_of(settings, LABELS) == AS_OF
    for file in (settings.data_dir / "feast").glob("online_store.db*"):
        file.unlink()
    assert written_as_of(settings, LABELS) is None

    write_view(settings, LABELS, as_frame(LABELS, rows), AS_OF)

    assert written_as_of(settings, LABELS) == AS_OF
    with open_store(settings) as store:
        assert store.read([LABELS], ["a"]) == [{LABELS.name: a_state(LABELS)}]
