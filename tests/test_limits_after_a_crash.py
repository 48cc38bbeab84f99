"""A daemon that dies in the middle of the day and comes back has the limits that it would have had.

AAA is bought at 9:50:40, makes a peak of P&L at 10:10 and is stopped out at 10:20; BBB is tried in vain at 9:50:40
(somebody took the minute's shares) and bought at 9:51; it is open, and lower, when the daemon is killed at 10:40:02.
At 10:30 the loss is beyond its limit, 150 USD, and after 10:35 it is not any more.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from day_trading_agents import IntradayTrader
from tests.gateway_world import HandMadeFeed, World, in_world, market_order, minute, run_until_killed, second, warm_up
from trading.bars import Bar
from trading.book import DayMarks
from trading.orders import Action
from trading.risk import BookState, RiskLimits, SymbolState
from trading.settings import RiskSettings, SafetySettings

RISK = RiskSettings(risk_max_daily_loss_pct=0.6, risk_max_drawdown_pct=20.0)
SYMBOLS = ("AAA", "BBB")


def morning(*bars: Bar) -> list[Bar]:
    return [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000), *bars]


FEED = HandMadeFeed(
    {
        "AAA": morning(
            minute("10:10", 100.50, 101.20, 100.50, 101.10, 6_000), minute("10:20", 99.60, 99.60, 99.00, 99.10, 6_000)
        ),
        "BBB": morning(
            minute("09:51", 100.20, 100.20, 100.15, 100.20, 6_000),
            minute("10:30", 99.80, 99.90, 99.60, 99.70, 6_000),
            minute("10:35", 99.90, 99.95, 99.90, 99.95, 6_000),
        ),
    }
)


class Limits(NamedTuple):
    """Everything that decides about the next entry."""

    book: BookState
    symbols: tuple[SymbolState, ...]
    limits: RiskLimits
    marks: DayMarks
    budget: int
    free_capital: int
    realised: int
    unrealised: int


def limits_of(trader: IntradayTrader, now_s: int) -> Limits:
    book = trader._book
    return Limits(
        book.book_state(now_s, 0),
        tuple(book.symbol_state(symbol) for symbol in SYMBOLS),
        book.limits,
        book.marks,
        trader._budget,
        book.free_capital,
        book.realised,
        book.unrealised,
    )


def limits_at(folder: Path, clock_text: str, killed_at: tuple[str, ...], **options: Any) -> Limits:
    """The limits at `clock_text` of a day on which the daemon is killed now and then."""
    found: list[Limits] = []

    async def main(world: World) -> None:
        options["safety"] = SafetySettings(external_positions="ignore")
        other = world.broker(client_id=9)
        await other.open()
        with world.history() as history:

            async def beside() -> None:
                await world.until("09:50:20")
                await other.orders.place([market_order("BBB", 600, Action.BUY)])

            async with asyncio.TaskGroup() as group:
                group.create_task(beside())
                for moment in killed_at:  # the shares that somebody took are nobody's to adopt
                    await run_until_killed(world, world.trader(history, risk=RISK, **options), SYMBOLS, moment)
                trader = world.trader(history, risk=RISK, **options)
                running = group.create_task(trader.run(SYMBOLS))
                await world.until(clock_text)
                found.append(limits_of(trader, second(clock_text)))
                trader.stop("seen enough")
                await running
        other.disconnect()

    in_world(main, FEED, folder)
    return found[0]


@pytest.mark.parametrize("killed_at", [("10:40:02",), ("09:50:43",), ("10:10:42", "10:25:01", "10:40:02")])
def test_the_limits_after_a_crash_are_those_without_it(tmp_path: Path, killed_at: tuple[str, ...]) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "torn").mkdir()
    whole = limits_at(tmp_path / "whole", "10:45:03", ())
    torn = limits_at(tmp_path / "torn", "10:45:03", killed_at)
    assert whole.realised < 0  # AAA was stopped out
    assert whole.unrealised < 0  # BBB is open
    assert whole.marks.peak > 0 and whole.marks.trough < 0
    assert [state.entries for state in whole.symbols] == [1, 2]  # BBB: once in vain
    assert whole.book.loss_latched
    assert whole.realised + whole.unrealised > -whole.limits.max_daily_loss  # made good, and still latched
    assert torn == whole
