"""Days of both bots on one account, trading the same names: neither touches the shares of the other."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ib_simulator.journal import JournalEntry
from tests.gateway_world import HandMadeFeed, World, at, in_world
from tests.test_two_bots import DAY_TRADER, WEEKLY, week_feed
from tests.test_two_bots import WEEK as WHOLE_WEEK
from tests.weekly.world import NAMES, WeeklyWorld, market, years_before
from trading.money import price_from_usd
from trading.settings import SafetySettings, StrategySettings
from weekly.results import CycleResult, Stage

WANTED_BY_BOTH = ("AAA", "BBB")
WEEK = WHOLE_WEEK[:3]
CYCLES = ((0, "10:30"), (2, "12:00"))  # session of the week, New York: while the day trader holds shares


def feed_of_both() -> HandMadeFeed:
    """The names that give the day trader its entries, with the years of history that the weekly bot wants."""
    quiet, lively = market(NAMES[:8], WEEK), week_feed()
    minutes = {**quiet._minutes, **lively._minutes}
    price = price_from_usd(100.0)
    days = {**quiet._days, **{name: years_before(WEEK[0], price) for name in WANTED_BY_BOTH}}
    return HandMadeFeed(minutes, days)


def a_week(folder: Path, shared_symbols: str) -> tuple[list[CycleResult], list[JournalEntry], dict[str, float], Any]:
    """Results of the weekly bot, the journal, what the account holds in the end, and the ledgers of both bots."""

    async def main(inner: World) -> tuple[list[CycleResult], list[JournalEntry], dict[str, float], Any]:
        journal = inner.gateway.keep_journal()
        names = (*WANTED_BY_BOTH, *NAMES[:8])
        weekly = WeeklyWorld(inner, names, weekly_max_turnover_pct=150.0)
        safety = SafetySettings(kill_switch_file=str(inner.kill_switch), shared_symbols=shared_symbols)  # type: ignore[arg-type]
        results: list[CycleResult] = []

        async def rebalance() -> None:
            for day, clock_text in CYCLES:
                await inner.clock.sleep_until(at(clock_text, WEEK[day]))
                results.append(await weekly.cycle(WEEK[day], safety=safety))

        async with asyncio.TaskGroup() as group:
            group.create_task(rebalance())
            for session in WEEK:
                await inner.clock.sleep_until(at("09:00", session))
                strategy = StrategySettings(watchlist_size=2, strategy_atr_floor_pct=0.0)
                with inner.history() as history:
                    trader = inner.trader(history, session=session, safety=safety, strategy=strategy)
                    report = await trader.run(list(WANTED_BY_BOTH))
                    assert report.positions_left == {}
        with weekly.history() as history:
            ledgers: dict[str, dict[str, int]] = {}
            for row in history.open_positions():
                ledgers.setdefault(row.bot, {})[row.symbol] = row.quantity
            strangers = [row for row in history.trades() if row.reason in ("manual", "sync")]
        return results, journal.entries(), inner.held(), (ledgers, strangers)

    return in_world(main, feed_of_both(), folder, following=WEEK[1:], cash_usd=1_000_000)


@pytest.mark.parametrize("shared_symbols", ["share", "exclude"])
def test_neither_bot_touches_the_shares_of_the_other(tmp_path: Path, shared_symbols: str) -> None:
    results, journal, held, (ledgers, strangers) = a_week(tmp_path, shared_symbols)
    assert [result.stage for result in results] == [Stage.DONE, Stage.DONE]
    net: Counter[tuple[int, str]] = Counter()
    bought: Counter[tuple[int, str]] = Counter()
    for entry in journal:
        if entry.event == "execution":
            net[entry.client_id, entry.symbol] += entry.side * entry.shares
            assert net[entry.client_id, entry.symbol] >= 0, f"{entry} sells what its client does not own"
            bought[entry.client_id, entry.symbol] += entry.shares * (entry.side == 1)
    owned_by_weekly = {symbol: shares for (client, symbol), shares in net.items() if client == WEEKLY and shares}
    assert {key: shares for key, shares in net.items() if key[0] == DAY_TRADER and shares} == {}
    assert ledgers == {"weekly": owned_by_weekly}
    assert held == owned_by_weekly
    assert strangers == []
    assert all(bought[DAY_TRADER, name] for name in WANTED_BY_BOTH)
    both = [name for name in WANTED_BY_BOTH if bought[WEEKLY, name]]
    # the day trader holds both names at 10:30: where symbols are exclusive, the weekly bot leaves them to it
    assert both == (list(WANTED_BY_BOTH) if shared_symbols == "share" else [])
