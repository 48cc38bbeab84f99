"""A pool of worker threads that can be watched and replaced, and whose jobs may ask the event loop for something."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, Self, TypeVar

from market_hours import Clock, LiveClock
from utils import Retryable

log = logging.getLogger(__name__)

AT_ONCE_LIMIT_S = 5.0  # for all workers of a trial to be at work; threads start within a millisecond
T = TypeVar("T")


class WorkerLost(Retryable):
    """The job's thread was given up; what it did is not known."""


class Ask(Protocol):
    """What a job calls to have something awaited on the event loop; the thread waits for the result."""

    def __call__(self, question: Callable[[], Awaitable[T]], /) -> T: ...


class PoolState(NamedTuple):
    """A pool at one moment. `oldest_s`: how long the busiest thread has been at the same piece of work."""

    waiting: int
    at_work: int
    most_at_work: int
    oldest_s: float


class _Question(NamedTuple):
    """A job needs the loop. Its thread waits for `answer`; what it does then completes `turn`."""

    ask: Callable[[], Awaitable[Any]]
    answer: Future[Any]
    turn: Future[Any]


class WorkerPool:
    """`size` threads. `run` waits for a free one, so that no job stands in a queue that nobody can look into.

    A job is a plain function of an `Ask` and its arguments; between two questions it may block as it likes. Each
    stretch of a thread's work is one ticket of the clock and none is held during a question: in simulated time the
    order of all that happens is the order of submission, and time goes on while the broker answers.
    """

    def __init__(self, size: int, name: str, clock: Clock) -> None:
        self.size = size
        self.name = name
        self._clock = clock
        self._executor = self._new_executor()
        self._slots = asyncio.Semaphore(size)
        self._waiting = 0
        self._most_at_work = 0
        self._turns: dict[Future[Any], float] = {}  # stretch of a thread's work -> second of the loop when it began
        self._at_work = 0

    def _new_executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.size, thread_name_prefix=self.name)

    async def run(self, job: Callable[..., T], *arguments: Any) -> T:
        """The result of `job(ask, *arguments)`, on one thread from its beginning to its end.

        Raises what the job raises, and WorkerLost when `restart` gave its thread up.
        """
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self._at_work += 1
        self._most_at_work = max(self._most_at_work, self._at_work)
        slots = self._slots
        try:
            return await self._converse(job, arguments)
        finally:
            self._at_work -= 1
            slots.release()

    async def _converse(self, job: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        turn: Future[Any] = Future()
        self._executor.submit(_Conversation(turn).work, job, arguments)
        while True:
            said = await self._hear(turn)
            if not isinstance(said, _Question):
                return said  # type: ignore[no-any-return]  # the job's own result
            turn = said.turn
            try:
                result = await said.ask()
            except BaseException as error:  # also when this task is cancelled: the thread waits, and must not for ever
                said.answer.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                said.answer.set_result(result)

    async def _hear(self, turn: Future[Any]) -> Any:
        """What a thread says at the end of a stretch of work."""
        self._turns[turn] = asyncio.get_running_loop().time()
        try:
            return await self._clock.off_loop(turn)
        except asyncio.CancelledError:
            _hang_up(turn)
            raise
        finally:
            del self._turns[turn]

    def state(self) -> PoolState:
        """For who watches it."""
        now_s = asyncio.get_running_loop().time()
        oldest_s = max((now_s - begun_s for begun_s in self._turns.values()), default=0.0)
        return PoolState(self._waiting, self._at_work, self._most_at_work, oldest_s)

    def restart(self, stuck_s: float) -> int:
        """New threads for what comes; jobs stuck for `stuck_s` seconds fail with WorkerLost. How many they were.

        A thread cannot be killed: one that hangs stays until its call returns, and so does the process at its end.
        """
        now_s = asyncio.get_running_loop().time()
        given_up = [turn for turn, begun_s in self._turns.items() if now_s - begun_s >= stuck_s and not turn.done()]
        self._executor.shutdown(wait=False)
        self._executor = self._new_executor()
        for turn in given_up:
            with suppress(InvalidStateError):  # it said something in this moment
                turn.set_exception(WorkerLost(f"a {self.name} worker did not answer and was replaced"))
        log.warning("%s workers replaced, %s jobs given up", self.name, len(given_up))
        return len(given_up)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """No more jobs. Threads that are idle end now."""
        self._executor.shutdown(wait=False)


def jobs_at_once(size: int) -> int:
    """How many of as many jobs a pool of `size` workers really runs at the same time; 0: not all of them."""
    barrier = threading.Barrier(size)

    async def job(pool: WorkerPool) -> None:
        try:
            await pool.run(lambda _: barrier.wait(AT_ONCE_LIMIT_S))
        except RuntimeError:  # the system refuses another thread, or another job has found out
            barrier.abort()
            raise

    async def all_jobs() -> int:
        with WorkerPool(size, "trial", LiveClock()) as pool:
            ended = await asyncio.gather(*(job(pool) for _ in range(size)), return_exceptions=True)
        return sum(each is None for each in ended)

    return asyncio.run(all_jobs())


class _Conversation:
    """The thread's side of a job: works, asks, and says at the end what came of it."""

    def __init__(self, turn: Future[Any]) -> None:
        self._turn = turn

    def work(self, job: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        with suppress(InvalidStateError):  # the job was given up: nobody wants to know what came of it
            try:
                result = job(self._ask, *arguments)
            except BaseException as error:  # noqa: BLE001 (the thread's border: who waits for the job gets it)
                self._turn.set_exception(error)
            else:
                self._turn.set_result(result)

    def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        question = _Question(ask, answer=Future(), turn=Future())
        turn, self._turn = self._turn, question.turn
        try:
            turn.set_result(question)
        except InvalidStateError:
            raise WorkerLost("nobody waits for this job any more") from None
        return question.answer.result()  # type: ignore[no-any-return]  # what the question's awaitable gave


def _hang_up(turn: Future[Any]) -> None:
    """Nobody listens to this thread any more: it must not wait for an answer for ever."""
    if turn.cancel() or turn.exception() is not None:
        return
    said = turn.result()
    if isinstance(said, _Question):
        said.answer.set_exception(WorkerLost("nobody waits for this job any more"))
