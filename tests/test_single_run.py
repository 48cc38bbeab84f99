"""One program at a time on an account and on a database; what a dead one left behind never blocks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.account_lock import hold_account
from operating_system import FileLock
from tests.gateway_world import PAPER, HandMadeFeed, World, in_world, run_until, warm_up
from tests.simulated_runs import DATABASE, run
from utils import HaltTrading

ROOT = Path(__file__).resolve().parents[1]
HOLDER = """
import sys
from pathlib import Path
from operating_system import FileLock
lock = FileLock(Path(sys.argv[1]))
print(lock.acquire(), flush=True)
sys.stdin.read()
lock.release()
"""


@contextmanager
def held_by_another_process(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.stdin.close()


def test_a_lock_is_held_by_one_process_and_names_it(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock")
    with held_by_another_process(lock.path) as process:
        assert not lock.acquire()
        assert lock.holder() == f"process {process.pid}"
    assert lock.acquire()
    lock.release()
    assert not lock.path.exists()


def test_a_killed_holder_does_not_block(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock")
    with held_by_another_process(lock.path) as process:
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        process.wait()
        assert lock.path.exists()
        assert lock.acquire()
    assert lock.holder() == f"process {os.getpid()}"
    lock.release()


def test_a_file_that_somebody_left_behind_does_not_block(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "a.lock")
    lock.path.write_text("not a number\n", encoding="utf-8")
    assert lock.holder() == "another process"
    assert lock.acquire()
    lock.release()


def test_another_bot_or_account_has_a_lock_of_its_own(tmp_path: Path) -> None:
    locks = [hold_account(account, bot, tmp_path) for account in ("DU1", "DU2") for bot in ("day_trader", "weekly")]
    with pytest.raises(HaltTrading, match=f"process {os.getpid()} is trading DU1 as weekly already"):
        hold_account("DU1", "weekly", tmp_path)
    for lock in locks:
        lock.release()
    hold_account("DU1", "weekly", tmp_path).release()


def trade(folder: Path, locks: Path, until: str = "09:31") -> None:
    """A paper run; its gateway is another one than that of any other run."""

    async def main(world: World) -> Any:
        with world.history("paper") as history:
            trader = world.trader(history, broker={"ib_lock_folder": str(locks)})
            return await run_until(world, trader, ["AAA"], until)

    in_world(main, HandMadeFeed({"AAA": warm_up()}), folder)


def test_a_second_program_on_the_account_is_halted_before_it_does_anything(tmp_path: Path) -> None:
    lock = hold_account(PAPER, "day_trader", tmp_path)
    with pytest.raises(HaltTrading, match=f"is trading {PAPER} as day_trader already: one program at a time"):
        trade(tmp_path, tmp_path)
    lock.release()
    trade(tmp_path, tmp_path)  # and again when the first one is gone
    assert not lock.path.exists()


def test_a_run_on_a_database_that_is_in_use_is_one_line_and_exit_3(tmp_path: Path) -> None:
    """The second run would rename the file under the first."""
    database = tmp_path / DATABASE
    database.write_bytes(b"")
    with held_by_another_process(tmp_path / f"{DATABASE}.day_trader.lock") as process:
        refused = run(tmp_path, settings={})
    assert refused.returncode == 3
    assert refused.stderr == (
        f"day_trader.py: {DATABASE} is in use by process {process.pid}: give this run a --db of its own, or wait\n"
    )
    assert database.exists()
    assert not (tmp_path / "history.previous.db").exists()
