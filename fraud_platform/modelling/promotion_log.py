"""The log of promotions: which model went live, in whose place, by whom and why.

    bundles/promotions/
      00000001.json    promote   2026-03-01-v7-4f2a...
      00000002.json    promote   2026-03-02-v8-91bc...   from 2026-03-01-v7-4f2a...
      00000003.json    rollback  2026-03-01-v7-4f2a...   from 2026-03-02-v8-91bc...

The bundle of the last entry is the live one. An entry is written beside its name, flushed and then
linked to it. A link to a name that is taken fails, so of two who want the same number one wins, and
a reader sees an entry whole or not at all. What a killed writer leaves behind starts with a dot.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Literal

import msgspec

from fraud_platform.durable import sync_directory, write_durably
from fraud_platform.errors import PredictFlowError

LOG = "promotions"

_NAME = re.compile(r"\d{8}\.json")


class PromotionRefused(PredictFlowError):  # noqa: N818 - a refusal, not a fault of the program
    """A model that must not go live now, or a log that doesn't say which one is."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One change of the live model.

    `bundle` is the directory's name that went live and `sha256` that of its model; `from_bundle`
    and `from_version` what was live before. `at` is RFC 3339, `gate` what the gate said of it, and
    `forced` whether it went live all the same. `run_id` is Dagster's, where a run did it.
    """

    number: int
    action: Literal["promote", "rollback"]
    bundle: str
    model_version: str
    partition: str
    sha256: str
    from_bundle: str | None
    from_version: str | None
    who: str
    at: str
    why: str
    run_id: str = ""
    gate: str = ""
    forced: bool = False


def last(root: Path) -> Entry | None:
    """The last entry below the bundles' directory `root`; raises PromotionRefused for a damaged
    one."""
    names = _names(root)
    return _read(root / LOG / names[-1]) if names else None


def entries(root: Path) -> list[Entry]:
    """All entries, the first one first; raises PromotionRefused for a damaged one."""
    return [_read(root / LOG / name) for name in _names(root)]


def append(root: Path, entry: Entry) -> bool:
    """Makes `entry` the last one; False, and nothing written, where its number is taken."""
    folder = root / LOG
    folder.mkdir(parents=True, exist_ok=True)
    sync_directory(root)
    handle, name = tempfile.mkstemp(prefix=".entry-", dir=folder)
    os.close(handle)
    staging = Path(name)
    try:
        staging.chmod(0o644)
        write_durably(staging, msgspec.json.format(msgspec.json.encode(entry)) + b"\n")
        os.link(staging, folder / f"{entry.number:08d}.json")
    except FileExistsError:
        return False
    finally:
        staging.unlink(missing_ok=True)
    sync_directory(folder)
    return True


def _names(root: Path) -> list[str]:
    try:
        names = (path.name for path in (root / LOG).iterdir())
        return sorted(name for name in names if _NAME.fullmatch(name))
    except FileNotFoundError:
        return []


def _read(path: Path) -> Entry:
    try:
        entry = msgspec.json.decode(path.read_bytes(), type=Entry)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise PromotionRefused(
            f"promotion {path} is not readable: {error}; restore the file, or take it away to go "
            "back to the entry before it"
        ) from error
    if entry.number != int(path.stem):
        raise PromotionRefused(
            f"promotion {path} says that it is number {entry.number}; restore the file's name"
        )
    return entry
