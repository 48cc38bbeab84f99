"""Workers: how many are at work, what a job asks the loop, the order of it all, and what becomes of a hung one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from health.workers import Ask, WorkerLost, WorkerPool
from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from market_hours import LiveClock

T = TypeVar("T")
START = datetime(2026, 9, 28, 13, tzinfo=UTC)


def in_simulated_time(main: Callable[[SimulatedClock], Awaitable[T]]) -> T:
    loop = simulated_loop()
    clock = SimulatedClock(loop, START)

    async def entry() -> T:
        return await main(clock)

    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(entry())
    finally:
        asyncio.set_event_loop(None)


def in_real_time(main: Callable[[], Awaitable[T]]) -> T:
    async def entry() -> T:
        async with asyncio.timeout(60):
            return await main()

    return asyncio.run(entry())


class Provider:
    """Answers each question after 250 ms of the clock's time, and counts who waits."""

    def __init__(self, clock: SimulatedClock) -> None:
        self.clock = clock
        self.waiting = 0
        self.most = 0
        self.asked: list[int] = []

    async def answer(self, number: int) -> int:
        self.asked.append(number)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        await self.clock.sleep_until(self.clock.now() + timedelta(milliseconds=250))
        self.waiting -= 1
        return number * 10

    def job(self, ask: Ask, number: int) -> tuple[int, str]:
        return ask(lambda: self.answer(number)), threading.current_thread().name


def analysed(jobs: int, workers: int) -> tuple[Provider, list[tuple[int, str]], float]:
    """The provider, the results and the seconds it took."""

    async def main(clock: SimulatedClock) -> tuple[Provider, list[tuple[int, str]], float]:
        provider = Provider(clock)
        with WorkerPool(workers, "test", clock) as pool:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(pool.run(provider.job, number)) for number in range(jobs)]
            assert pool.state().most_at_work == min(workers, jobs)
        return provider, [task.result() for task in tasks], (clock.now() - START).total_seconds()

    return in_simulated_time(main)


@pytest.mark.parametrize("workers", [1, 6, 20])
def test_as_many_wait_for_the_provider_as_there_are_workers(workers: int) -> None:
    provider, results, _ = analysed(60, workers)
    assert provider.most == workers
    assert [value for value, _ in results] == [number * 10 for number in range(60)]
    assert all(name.startswith("test_") for _, name in results)


@pytest.mark.parametrize(("jobs", "ratio"), [(60, 5.5), (10, 4.5)])
def test_six_workers_take_a_sixth_of_the_time(jobs: int, ratio: float) -> None:
    one, six = analysed(jobs, 1)[2], analysed(jobs, 6)[2]
    assert one == pytest.approx(jobs * 0.25, rel=0.02)
    assert one / six >= ratio


def test_questions_are_asked_in_the_order_of_the_jobs() -> None:
    assert analysed(60, 6)[0].asked == list(range(60))


def test_a_blocking_job_holds_up_neither_the_loop_nor_its_neighbours() -> None:
    """Six jobs that can only end together, while the loop goes on turning."""
    together = threading.Barrier(6)

    def job(_: Ask) -> int:
        return together.wait(30)

    async def main() -> list[int]:
        with WorkerPool(6, "test", LiveClock()) as pool:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(pool.run(job)) for _ in range(6)]
        return sorted(task.result() for task in tasks)

    assert in_real_time(main) == list(range(6))


def test_a_fault_of_the_answer_reaches_the_job_and_one_of_the_job_its_caller() -> None:
    async def fails() -> int:
        raise LookupError("no such symbol")

    def job(ask: Ask) -> str:
        try:
            ask(fails)
        except LookupError as error:
            raise ValueError(f"heard: {error}") from error
        return "nothing"

    async def main() -> None:
        with WorkerPool(2, "test", LiveClock()) as pool:
            with pytest.raises(ValueError, match="heard: no such symbol"):
                await pool.run(job)
            assert (pool.state().at_work, pool.state().waiting) == (0, 0)

    in_real_time(main)


@pytest.mark.parametrize("simulated", [True, False])
def test_a_cancelled_job_leaves_no_thread_waiting_for_an_answer(simulated: bool) -> None:
    lost: list[BaseException] = []
    ended = threading.Event()

    def job(ask: Ask) -> None:
        try:
            ask(asyncio.Event().wait)  # nobody ever answers
        except BaseException as error:
            lost.append(error)
            raise
        finally:
            ended.set()

    async def main(clock: SimulatedClock | LiveClock) -> None:
        with WorkerPool(1, "test", clock) as pool:
            running = asyncio.ensure_future(pool.run(job))
            await asyncio.sleep(0.2)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert ended.wait(30)
            assert await pool.run(lambda _: "next") == "next"

    if simulated:
        in_simulated_time(main)
    else:
        in_real_time(lambda: main(LiveClock()))
    assert [type(error) for error in lost] == [asyncio.CancelledError]


def test_a_hung_worker_is_seen_given_up_and_replaced() -> None:
    let_go = threading.Event()

    def hang(_: Ask) -> None:
        let_go.wait(60)

    async def main() -> None:
        with WorkerPool(1, "test", LiveClock()) as pool:
            hung = asyncio.ensure_future(pool.run(hang))
            follower = asyncio.ensure_future(pool.run(lambda _: "served"))
            await asyncio.sleep(0.05)
            assert pool.state().oldest_s >= 0.04
            assert (pool.state().at_work, pool.state().waiting) == (1, 1)
            assert pool.restart(stuck_s=60) == 0  # it has not been stuck for that long
            assert pool.restart(stuck_s=0.04) == 1
            with pytest.raises(WorkerLost, match="a test worker did not answer and was replaced"):
                await hung
            assert await follower == "served"
            let_go.set()

    try:
        in_real_time(main)
    finally:
        let_go.set()


def test_a_given_up_worker_that_comes_back_gets_no_answer() -> None:
    go_on, ended = threading.Event(), threading.Event()
    heard: list[BaseException] = []

    def slow(ask: Ask) -> None:
        go_on.wait(60)
        try:
            ask(lambda: asyncio.sleep(0))
        except BaseException as error:
            heard.append(error)
            raise
        finally:
            ended.set()

    async def main() -> None:
        with WorkerPool(1, "test", LiveClock()) as pool:
            running = asyncio.ensure_future(pool.run(slow))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            pool.restart(stuck_s=0)
            with pytest.raises(WorkerLost):
                await running
            go_on.set()
            assert ended.wait(30)

    in_real_time(main)
    assert [type(error) for error in heard] == [WorkerLost]
