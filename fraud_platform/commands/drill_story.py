"""What happened in a drill, a line for each thing, on the terminal and in a file."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import click

from fraud_platform.errors import PredictFlowError


class Missed(PredictFlowError):  # noqa: N818 - a drill's result, not a fault of the program
    """What should have happened in a drill and didn't, and where to look."""


class Story:
    """Lines with the time of day (UTC) and the seconds since the beginning.

    With `quiet` they go to standard error, where standard output is for a document.
    """

    def __init__(self, path: Path, *, quiet: bool) -> None:
        self._quiet, self._begun = quiet, time.monotonic()
        self._file = path.open("w", buffering=1)
        self.path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def tell(self, text: str) -> None:
        """One thing that happened now."""
        passed = time.monotonic() - self._begun
        line = f"{datetime.now(UTC):%H:%M:%S}  {passed:6.1f} s  {text}"
        self._file.write(line + "\n")
        click.echo(line, err=self._quiet)
