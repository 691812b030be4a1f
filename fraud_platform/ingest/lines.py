"""Lines of a text file, of bounded length."""

import io
from collections.abc import Iterator
from typing import IO

MAX_LINE = 2**20  # bytes; a transaction takes about 200
_BOM = b"\xef\xbb\xbf"


def read_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Each line with its newline, without a byte order mark at the start of the first.

    Of a line over MAX_LINE bytes only so many are kept: `too_long` tells it.
    """
    buffered = io.BufferedReader(stream, MAX_LINE)  # pyright: ignore[reportArgumentType]
    first = True
    while line := buffered.readline(MAX_LINE):
        rest = line
        while len(rest) == MAX_LINE and not rest.endswith(b"\n"):
            rest = buffered.readline(MAX_LINE)
        yield line.removeprefix(_BOM) if first else line
        first = False


def too_long(line: bytes) -> str | None:
    """Why a line is refused for its length, or None where it isn't."""
    if len(line) < MAX_LINE or line.endswith(b"\n"):
        return None
    return f"the line is over {MAX_LINE:,} bytes; the first of them are kept"
