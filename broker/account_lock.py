"""One program per account and bot on this machine: two would double each other's orders."""

from __future__ import annotations

from pathlib import Path

from operating_system import FileLock, state_folder
from utils import HaltTrading

FOLDER = "ibkr-autonomous-traders"


def hold_account(account_id: str, bot: str, folder: Path | None = None) -> FileLock:
    """Take the lock of this account and bot. Raises HaltTrading while another program has it."""
    folder = folder or state_folder() / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{account_id}.{bot}.lock")
    if not lock.acquire():
        raise HaltTrading(f"{lock.holder()} is trading {account_id} as {bot} already: one program at a time")
    return lock
