"""A switch thrown by writing a file: it stops entries at once, and closes positions if the file says so.

The console (`--kill`) writes that file; signals throw the switch without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trading.settings import SafetySettings
from utils import Environment, Misconfigured, load_settings


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

    def throw(self, order: Literal["stop", "flatten"]) -> None:
        """Write the file. Raises OSError when that is not possible."""
        self.file.write_text(f"{order}\n", encoding="utf-8")

    def refuse_nonsense(self) -> None:
        """Raises Misconfigured when nobody could ever throw it, or nobody could ever lift it."""
        if self.file.is_dir():
            raise Misconfigured(f"KILL_SWITCH_FILE={self.file} is a folder: name a file in it")
        if not self.file.absolute().parent.is_dir():
            raise Misconfigured(f"KILL_SWITCH_FILE={self.file}: there is no folder {self.file.absolute().parent}")


def throw_from_console(environment: Environment, order: Literal["stop", "flatten"]) -> str:
    """Throw the switch of the programs that run in this folder; what happens now, in words. Raises Misconfigured."""
    switch = KillSwitch(Path(load_settings(SafetySettings, environment).kill_switch_file))
    switch.refuse_nonsense()
    switch.throw(order)
    what = "there are no more entries" if order == "stop" else "entries end and positions are closed"
    return (
        f"{switch.file.absolute()} is written: in every day trader that watches it {what}, within five seconds.\n"
        "It ends with exit code 3. None starts to trade again before the file is deleted."
    )
