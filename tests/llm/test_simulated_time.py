"""Asking in simulated time: the clock stands still, the deadline is one of wall time, pauses are virtual."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop, simulated_loop
from llm.outcomes import Abstained, Answered, Reason
from tests.llm.chat_server import Answer, ChatServer, dribbles, refuses, says, serving
from tests.llm.world import GOOD, MESSAGES, OPEN, REPLY_CLASS, CallLog, opened, settings


@contextmanager
def served_elsewhere(*answers: Answer) -> Iterator[ChatServer]:
    """The server in a thread and loop of its own, on wall time, as the outside world is."""
    there: list[ChatServer] = []
    ready, done = threading.Event(), threading.Event()

    async def serve() -> None:
        async with serving(*answers) as server:
            there.append(server)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield there[0]
    finally:
        done.set()
        thread.join()


def ask(tmp_path: Path, *answers: Answer, **changes: Any) -> tuple[Answered[Any] | Abstained, float, CallLog]:
    """The outcome, the virtual seconds that it took, the record."""
    log = CallLog()
    loop: SimulatedTimeLoop = simulated_loop(None)

    async def main(url: str) -> tuple[Answered[Any] | Abstained, float, CallLog]:
        clock = SimulatedClock(loop, OPEN)
        loop.call_later(0.001, lambda: None)  # something is always due: a clock that does not hold would jump there
        async with opened(settings(tmp_path, llm_deepseek_url=url, **changes), log, clock=clock) as models:
            outcome = await models.ask("test v1", MESSAGES, REPLY_CLASS)
            return outcome, (clock.now() - OPEN).total_seconds(), log

    with served_elsewhere(*answers) as server:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                return runner.run(main(server.url))
        finally:
            asyncio.set_event_loop(None)


def test_answer_takes_no_simulated_time(tmp_path: Path) -> None:
    outcome, took_s, log = ask(tmp_path, says(GOOD))
    assert isinstance(outcome, Answered)
    assert took_s == 0.0
    assert log.rows[0].timestamp == OPEN


def test_deadline_is_one_of_wall_time(tmp_path: Path) -> None:
    outcome, took_s, _ = ask(tmp_path, dribbles, llm_timeout_s=3.0)
    assert isinstance(outcome, Abstained)
    assert outcome.reason == Reason.TIMEOUT
    assert took_s < 0.01


def test_pause_before_a_retry_is_simulated(tmp_path: Path) -> None:
    outcome, took_s, _ = ask(tmp_path, refuses(503, "busy"), says(GOOD), llm_retry_pause_s=20.0)
    assert isinstance(outcome, Answered)
    assert 10.0 <= took_s <= 30.1
