"""The secret that a command must come with: of the settings, or made once and kept in a file of its user alone."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_urlsafe
from typing import NamedTuple

from dashboard.settings import SHORTEST_TOKEN
from utils import Misconfigured

BYTES = 32


class Token(NamedTuple):
    """The secret, and where a person finds it. `is_new`: it was made just now."""

    secret: str
    where: str
    is_new: bool = False

    def __repr__(self) -> str:  # never in a log by accident
        return f"Token(where={self.where!r})"


def token_of(chosen: str, file: Path) -> Token:
    """The `chosen` token, or the one in `file`, which is made when it is not there. Raises Misconfigured, OSError."""
    if chosen:
        return Token(chosen, "DASHBOARD_TOKEN")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Token(_kept(file), str(file))
    secret = token_urlsafe(BYTES)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(f"{secret}\n")
    return Token(secret, str(file), is_new=True)


def _kept(file: Path) -> str:
    if os.name == "posix" and file.stat().st_mode & 0o077:
        raise Misconfigured(
            f"{file}: others may read the dashboard's token: chmod 600 it, or delete it to get a new one"
        )
    secret = file.read_text(encoding="utf-8").strip()
    if len(secret) < SHORTEST_TOKEN:
        raise Misconfigured(f"{file}: holds no token: delete it to get a new one")
    return secret
