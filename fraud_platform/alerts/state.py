"""What was sent and what waits, in one small file that several processes may change."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fraud_platform.alerts.alert import Alert
from fraud_platform.durable import sync_directory, write_durably
from fraud_platform.errors import PredictFlowError, UnavailableError

MOST_KEYS = 1_000
MOST_SENT = 200
_LOCK_SECONDS = 2.0

Moment = Annotated[datetime, Meta(tz=True)]
_NEVER = datetime.min.replace(tzinfo=UTC)


class Raised(msgspec.Struct, forbid_unknown_fields=True):
    """When an alert of a key was last sent on its way, and how often it was held back since."""

    alert: Alert
    suppressed: int = 0


class Waiting(msgspec.Struct, forbid_unknown_fields=True):
    """An alert that a target is still to be told of."""

    id: str
    target: str
    alert: Alert
    tries: int = 0
    refused: bool = False
    why: str = ""
    """What the last try came to."""
    claimed_until: Moment = _NEVER
    """Until then a process is about to send it, and the others leave it alone."""


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """An alert that a target took."""

    when: Moment
    target: str
    alert: Alert


class State(msgspec.Struct, forbid_unknown_fields=True):
    """Everything that is kept. `dropped` counts what never reached its target."""

    version: Literal[1] = 1
    raised: dict[str, Raised] = msgspec.field(default_factory=dict)
    outbox: list[Waiting] = msgspec.field(default_factory=list)
    """The oldest first."""
    sent: list[Sent] = msgspec.field(default_factory=list)
    """The last ones, the oldest first."""
    dropped: int = 0


def read_state(directory: Path) -> State:
    """What is kept in a directory, nothing where there is none yet.

    Raises PredictFlowError where the file is none of ours.
    """
    path = directory / "alerts.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PredictFlowError(
            f"alerts file {path}: {error}; put back a copy of it, or remove it: then what waited "
            "is lost, and alerts that were sent may be sent once more"
        ) from error
    except OSError as error:
        raise PredictFlowError(
            f"alerts file {path}: {error.strerror}; see to it that user {os.geteuid()} may read it"
        ) from error


@contextmanager
def changed(directory: Path) -> Iterator[State]:
    """What is kept, to be changed; on leaving the block it is durably what it was changed to.

    An exception in the block changes nothing. Raises PredictFlowError where the file can't be used,
    UnavailableError where another process holds it for two seconds.
    """
    path = directory / "alerts.json"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _locked(directory / "alerts.lock"):
            state = read_state(directory)
            before = msgspec.json.encode(state)
            yield state
            for key in list(state.raised)[:-MOST_KEYS]:
                del state.raised[key]
            del state.sent[:-MOST_SENT]
            after = msgspec.json.encode(state)
            if after != before:
                staged = path.with_name(f"{path.name}.new")
                write_durably(staged, after, mode=0o600)
                staged.replace(path)
                sync_directory(directory)
    except OSError as error:
        raise PredictFlowError(
            f"alerts file {path}: {error.strerror}; nothing was changed. See to it that user "
            f"{os.geteuid()} may write in {directory}, and that its disk has room"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds off other processes; a stopped one that has the lock must not hold up a run."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    until = time.monotonic() + _LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > until:
                    raise UnavailableError(
                        f"{path} is held by another process for {_LOCK_SECONDS:g} s; "
                        f"`fuser {path}` names it"
                    ) from error
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)
