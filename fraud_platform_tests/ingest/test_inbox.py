"""Files of the inbox land and are set aside; refused ones stay."""

from datetime import date
from pathlib import Path

import pytest

from fraud_platform.ingest.first_day import read_first_day
from fraud_platform.ingest.inbox import land_inbox
from fraud_platform.ingest.landing import Landed
from fraud_platform.ingest.mapping import IngestError
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings, Source
from fraud_platform_tests.ingest.payments import landed_rows, payments, write


@pytest.fixture
def settings(data_dir: Path) -> Settings:
    settings = Settings(data_dir=data_dir)
    settings.inbox_dir.mkdir(parents=True)
    return settings


def empty(settings: Settings) -> tuple[list[Landed], list[str]]:
    return land_inbox(settings, Lake(settings.lake_dir), lambda *_: None)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_landed_files_are_done_and_refused_ones_stay(settings: Settings):
    inbox = settings.inbox_dir
    write(payments(3), inbox / "b.csv")
    write(payments(4), inbox / "c.ndjson.gz")
    (inbox / "a.csv").write_text("words\n")
    (inbox / "notes.txt").write_text("x")
    (inbox / "bad.parquet").write_text("x")
    (inbox / ".half.csv").write_text("transaction_id")
    (inbox / "folder").mkdir()
    done, refused = empty(settings)
    assert [one.source for one in done] == ["b.csv", "c.ndjson.gz"]
    assert [
        str(inbox / name) in said
        for name, said in zip(("a.csv", "bad.parquet", "notes.txt"), refused, strict=True)
    ] == [True] * 3
    assert names(inbox) == [".half.csv", "a.csv", "bad.parquet", "done", "folder", "notes.txt"]
    assert names(inbox / "done") == ["b.csv", "c.ndjson.gz"]
    assert landed_rows(Lake(settings.lake_dir), "transaction").height == 7
    assert read_first_day(settings) == date(2026, 3, 1)
    assert len(empty(settings)[1]) == 3


def test_a_mended_file_lands_with_the_next_run(settings: Settings):
    (settings.inbox_dir / "a.csv").write_text("words\n")
    assert len(empty(settings)[1]) == 1
    write(payments(3), settings.inbox_dir / "a.csv")
    (landed,), refused = empty(settings)
    assert (landed.transactions, refused) == (3, [])


def test_a_name_that_was_done_before_is_kept_beside_the_earlier_file(settings: Settings):
    contents = []
    for count in (3, 4, 5):
        path = write(payments(count), settings.inbox_dir / "a.csv")
        contents.append(path.read_bytes())
        empty(settings)
    done = settings.inbox_dir / "done"
    assert names(done) == ["a.csv", "a.csv.1", "a.csv.2"]
    assert [(done / name).read_bytes() for name in names(done)] == contents


def test_an_absent_inbox_holds_nothing(data_dir: Path):
    assert empty(Settings(data_dir=data_dir)) == ([], [])


def test_the_columns_are_named_by_the_setting(settings: Settings):
    mapped = Settings(data_dir=settings.data_dir, source=Source(map="user_id=card,amount=euros"))
    frame = payments(3).rename({"user_id": "card", "amount": "euros"})
    write(frame, settings.inbox_dir / "a.parquet")
    (landed,), _ = empty(mapped)
    assert landed.transactions == 3


def test_a_wrong_map_names_the_setting(settings: Settings):
    with pytest.raises(IngestError, match=r"setting source\.map: .*no field 'card'"):
        empty(Settings(data_dir=settings.data_dir, source=Source(map="card=user_id")))
