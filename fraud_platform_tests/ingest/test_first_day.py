"""The earliest landed day is remembered, whoever lands it and in whatever order."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path

import pytest

from fraud_platform.errors import PredictFlowError
from fraud_platform.ingest import batches
from fraud_platform.ingest.first_day import FILE, note_days, read_first_day
from fraud_platform.ingest.inbox import land
from fraud_platform.ingest.mapping import parse_map
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings
from fraud_platform_tests.ingest.payments import payments, write

DAY = date(2026, 3, 1)


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    return Settings(data_dir=data_dir)


def test_nothing_was_landed(settings: Settings):
    assert read_first_day(settings) is None
    note_days(settings, [])
    assert read_first_day(settings) is None


def test_only_an_earlier_day_changes_it(settings: Settings):
    for day, first in ((2, 2), (5, 2), (1, 1)):
        note_days(settings, [DAY + timedelta(day), DAY + timedelta(9)])
        assert read_first_day(settings) == DAY + timedelta(first)


def test_of_many_at_once_the_earliest_stays(settings: Settings):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: note_days(settings, [DAY + timedelta((i * 37) % 50)]), range(50)))
    assert read_first_day(settings) == DAY


def test_a_damaged_file_is_named(settings: Settings):
    settings.data_dir.mkdir()
    (settings.data_dir / FILE).write_text("")
    with pytest.raises(PredictFlowError, match="first_day holds no day"):
        read_first_day(settings)


def test_a_landing_that_stops_halfway_has_noted_its_days(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its days are landed by then; a second run wouldn't see them again."""
    monkeypatch.setattr(batches, "BATCH_ROWS", 1)
    path = write(payments(2), tmp_path / "a.csv")

    def stop(_stage: str, rows: int, _total: int) -> None:
        if rows:
            raise KeyboardInterrupt

    lake = Lake(settings.lake_dir)
    with pytest.raises(KeyboardInterrupt):
        land(settings, lake, path, parse_map([]), stop)
    assert land(settings, lake, path, parse_map([]), lambda *_: None).skipped == 1
    assert read_first_day(settings) == DAY
