"""Downloads over a real socket from the simulated gateway: complete, resumable, paced, as traded."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from broker.history import PACE_REQUESTS, PACE_WINDOW, GatewayHistory, gateway_history
from ib_simulator.embedded import SimulatedWorld, running_gateway, synthetic_feed
from ib_simulator.gateway import GatewayOptions
from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from market_hours import Session, new_york_calendar
from research.download import as_traded, columns_of, download, wanted
from research.store import Appended, BarStore, Split
from trading.bar_columns import BarColumns
from trading.bars import Bar
from trading.errors import HistoryUnavailable

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2025, 10, 9)
CALENDAR = new_york_calendar(TODAY)
PAST = CALENDAR.sessions_between(date(2025, 10, 6), date(2025, 10, 8))


def ignore(_symbol: str, _session: Session) -> None:
    """No progress bar."""


def test_the_gateways_bars_come_into_the_store_and_only_once(tmp_path: Path) -> None:
    store = BarStore.at(tmp_path)
    session = CALENDAR.session_on(TODAY)
    assert session is not None
    feed = synthetic_feed(0, ("AAPL", "MSFT"), CALENDAR, TODAY)
    loop = simulated_loop()
    clock = SimulatedClock(loop, session.open - timedelta(minutes=30))
    world = SimulatedWorld(
        feed=feed, calendar=CALENDAR, sessions=(session,), clock=clock, symbols=("AAPL", "MSFT"), prices_from=feed.name
    )

    async def main() -> tuple[Appended, list[str]]:
        async with running_gateway(world, GatewayOptions()) as (_, port):
            from broker.settings import BrokerSettings

            async with gateway_history(BrokerSettings(ib_port=port), clock, 3) as source:
                missing = wanted(store, ("AAPL", "MSFT", "ZZZZZ"), PAST)
                return await download(store, source, missing, TODAY, ignore)

    try:
        done, failed = loop.run_until_complete(main())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    assert len(failed) == 3 and all("no history for ZZZZZ" in words for words in failed)
    for symbol in ("AAPL", "MSFT"):
        for past in PAST:
            kept, shown = store.bars("minute", symbol, past.date, past.date), feed.tape(symbol, past)
            kept = kept.between(past.open_s, past.close_s)
            assert all(np.array_equal(column, getattr(shown, name)) for name, column in kept._asdict().items())
    assert done.new == sum(len(feed.tape(symbol, past).start_s) for symbol in ("AAPL", "MSFT") for past in PAST)
    assert wanted(store, ("AAPL", "MSFT"), PAST) == []


class Breaking:
    """A source whose connection breaks after two answers."""

    adjusts_for_splits = True

    def __init__(self) -> None:
        self.left = 2

    async def session_minutes(self, symbol: str, session: Session) -> Sequence[Bar]:
        if not self.left:
            raise ConnectionError("gone")
        self.left -= 1
        return [Bar(session.open_s + 60 * minute, 10_000, 10_000, 10_000, 10_000, 9) for minute in range(3)]


def test_a_broken_download_keeps_what_came_and_goes_on_from_there(tmp_path: Path) -> None:
    store = BarStore.at(tmp_path)
    loop = simulated_loop()
    with pytest.raises(ConnectionError):
        loop.run_until_complete(download(store, Breaking(), wanted(store, ("AAA",), PAST), TODAY, ignore))
    loop.close()
    assert wanted(store, ("AAA",), PAST) == [("AAA", PAST[2])]
    assert wanted(store, ("AAA",), PAST, again=True) == [("AAA", past) for past in PAST]  # three bars are not all


def test_requests_keep_ibkrs_pace() -> None:
    class Counting:
        async def session_minutes(self, _symbol: str, _session: Session) -> list[Bar]:
            asked.append(clock.now())
            return []

    asked: list[object] = []
    loop = simulated_loop()
    clock = SimulatedClock(loop, PAST[0].open)
    history = GatewayHistory(Counting(), clock)  # type: ignore[arg-type]  # only what is asked of it

    async def main() -> None:
        for _ in range(2 * PACE_REQUESTS + 1):
            await history.session_minutes("AAA", PAST[0])

    loop.run_until_complete(main())
    loop.close()
    assert len(asked) == 121
    waits = [(late - early) for early, late in zip(asked, asked[PACE_REQUESTS:], strict=False)]  # type: ignore[operator]
    assert min(waits) >= PACE_WINDOW


def test_splits_since_are_taken_back() -> None:
    bars = columns_of([Bar(PAST[0].open_s, 250_000, 251_700, 249_000, 250_000, 4_000)])
    split = Split(date(2025, 10, 7), Fraction(4))
    assert as_traded(bars, (split,), PAST[0].date, TODAY).open.tolist() == [1_000_000]
    assert as_traded(bars, (split,), PAST[0].date, TODAY).high.tolist() == [1_006_800]
    assert as_traded(bars, (split,), PAST[0].date, TODAY).volume.tolist() == [1_000]
    assert as_traded(bars, (split,), PAST[1].date, TODAY) is bars
    assert isinstance(columns_of([]), BarColumns)


def test_no_gateway_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "research",
            "download",
            "--symbols",
            "AAPL",
            "--from",
            "2025-10-06",
            "--to",
            "2025-10-06",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "IB_HOST": "127.0.0.1", "IB_PORT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("python -m research: connection refused at 127.0.0.1:1")
    assert len(done.stderr.splitlines()) == 1


def test_history_unavailable_is_told_and_not_fatal(tmp_path: Path) -> None:
    class Empty:
        adjusts_for_splits = True

        async def session_minutes(self, symbol: str, _session: Session) -> Sequence[Bar]:
            raise HistoryUnavailable(symbol, 162, "no data")

    loop = simulated_loop()
    store = BarStore.at(tmp_path)
    done, failed = loop.run_until_complete(download(store, Empty(), [("AAA", PAST[0])], TODAY, ignore))
    loop.close()
    assert (done, failed) == (Appended(0, 0, 0), ["2025-10-06: no history for AAA: 162 no data"])
