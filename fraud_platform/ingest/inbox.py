"""The inbox: a directory whose files are landed and then set aside as done."""

from collections.abc import Callable
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
    fields = parse_map([settings.source.map] if settings.source.map else [])
    for path in waiting:
        try:
            done.append(land(settings, lake, path, fields, report))
        except IngestError as error:
            refused.append(str(error))
            continue
        (inbox / "done").mkdir(exist_ok=True)
        path.rename(inbox / "done" / path.name)
    return done, refused


def land(settings: Settings, lake: Lake, path: Path, fields: FieldMap, report: Report) -> Landed:
    """Lands one file under the settings, reporting rows done of the rows expected."""
    total = SourceFile(path).expected_rows()
    landed = land_file(
        lake,
        path,
        fields,
        maturity_days=settings.labels.maturity_days,
        progress=lambda rows: report(f"land {path.name}", rows, total),
    )
    note_days(settings, landed.days)
    return landed
