"""The inbox: a directory whose files are landed and then set aside as done."""

from collections.abc import Callable
from itertools import count
from pathlib import Path

from fraud_platform.ingest.first_day import note_days
from fraud_platform.ingest.landing import Landed, land_file
from fraud_platform.ingest.mapping import FieldMap, IngestError, parse_map
from fraud_platform.ingest.readers import SourceFile
from fraud_platform.lake.store import Lake
from fraud_platform.settings import Settings

Report = Callable[[str, int, int], None]


def land_inbox(settings: Settings, lake: Lake, report: Report) -> tuple[list[Landed], list[str]]:
    """Lands every file of the inbox; what was done, and why the refused ones stay there.

    A landed file moves to `inbox/done`. Names that start with a dot are still being written.
    """
    done: list[Landed] = []
    refused: list[str] = []
    inbox = settings.inbox_dir
    waiting = sorted(p for p in inbox.glob("*") if p.is_file() and not p.name.startswith("."))
    try:
        fields = parse_map([settings.source.map] if settings.source.map else [])
    except IngestError as error:
        raise IngestError(f"setting source.map: {error}") from error
    for path in waiting:
        try:
            done.append(land(settings, lake, path, fields, report))
        except IngestError as error:
            refused.append(str(error))
            continue
        _set_aside(path)
    return done, refused


def _set_aside(path: Path) -> None:
    """Moves a file to `done`, beside an earlier one of the same name, never over it."""
    done = path.parent / "done"
    done.mkdir(exist_ok=True)
    free = (f"{path.name}.{number}" if number else path.name for number in count())
    target = next(done / name for name in free if not (done / name).exists())
    path.rename(target)


def land(settings: Settings, lake: Lake, path: Path, fields: FieldMap, report: Report) -> Landed:
    """Lands one file under the settings, reporting rows done of the rows expected."""
    total = SourceFile(path).expected_rows()
    return land_file(
        lake,
        path,
        fields,
        maturity_days=settings.labels.maturity_days,
        progress=lambda rows: report(f"land {path.name}", rows, total),
        note_days=lambda days: note_days(settings, days),
    )
