"""A switch thrown by writing a file: it stops entries at once, and closes positions if the file says so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """Thrown while `file` exists. The word flatten anywhere in it asks for more than an end of entries."""

    file: Path

    def order(self) -> Literal["", "stop", "flatten"]:
        """What it orders now; empty while it is not thrown. Something there that cannot be read stops entries, too."""
        try:
            self.file.stat()  # five times as quick as an open that fails, and asked at every instant
            words = self.file.read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except OSError:
            return "stop"
        return "flatten" if "flatten" in words.lower() else "stop"
