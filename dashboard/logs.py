"""The end of a log file, read from behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

MOST_BYTES = 256 * 1024


def tail(file: Path, lines: int, blank: Callable[[str], str]) -> list[str]:
    """The last `lines` lines, oldest first, without secrets; none while there is no file."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(size - MOST_BYTES, 0))
            content = stream.read(MOST_BYTES)
    except FileNotFoundError:
        return []
    found = content.decode(errors="replace").splitlines()
    if size > MOST_BYTES:
        found = found[1:]  # it began somewhere
    return [blank(line) for line in found[-lines:]]
