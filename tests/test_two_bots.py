"""A week in which a weekly bot and the day trader want the same symbol on one account: each sells its own shares only.

The weekly bot is a client of its own (id 1) over the product's broker, intents and records, with a plan for the week.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from broker.broker import Broker
from ib_simulator.journal import JournalEntry
from market_hours import Session
from observability import TradingHistory
from records.intent_log import IntentLog
from records.trade_rows import trade_row
from tests.gateway_world import (
    MONDAY,
    HandMadeFeed,
    World,
    at,
    calendar,
    daily_history,
    in_world,
    minute,
    warm_up,
)
from trading.money import money_to_usd
from trading.orders import Action, ExecutionReport, OrderIntent, OrderReport, Reason, Role
from trading.settings import SafetySettings, StrategySettings
from trading.strategy import Parameters

WEEK = tuple(calendar().sessions_between(MONDAY.date, MONDAY.date.replace(day=MONDAY.date.day + 2)))
WEEK = (*WEEK, *(calendar().next_session(WEEK[-1].date),))
WEEK = (*WEEK, calendar().next_session(WEEK[-1].date))
PLAN = (  # session, time in New York, what the weekly bot does in AAA
    (0, "09:35", Action.BUY, 100),
    (1, "12:00", Action.SELL, 40),  # while the day trader holds AAA; then its connection is cut
    (2, "10:30", Action.BUY, 60),  # in the instant in which a new day trader starts
    (3, "12:00", Action.SELL, 70),  # then the day trader dies and reads the day anew
)
LEFT = 50
DAY_TRADER, WEEKLY = 2, 1


class WeeklyBot:
    """Trades whole shares at market and keeps its ledger in the same database, as `weekly`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._history = TradingHistory(world.database, bot="weekly", mode="simulated")
        self._session = MONDAY
        self._mine: dict[str, None] = {}  # exec_ids on record
        self._intents = IntentLog(
            self._history,
            now=world.clock.now,
            await_off_loop=world.clock.off_loop,
            session_date=lambda: self._session.date.isoformat(),
        )

    async def trade(self, session: Session, action: Action, quantity: int) -> None:
        """One order, as a cycle of the bot makes it."""
        self._session = session
        broker = Broker(self._world.settings(), self._world.clock, self._intents, self, WEEKLY)
        await broker.open()
        broker.raise_order_ids(self._history.highest_order_id(WEEKLY))
        intent_id = self._world.new_id()
        await broker.orders.place(
            [
                OrderIntent(
                    intent_id=intent_id,
                    bracket_id=intent_id,
                    role=Role.ENTRY if action is Action.BUY else Role.CLOSE,
                    reason=Reason.REBALANCE,
                    symbol="AAA",
                    action=action,
                    quantity=quantity,
                    order_type="MKT",
                    tif="DAY",
                )
            ]
        )
        await asyncio.sleep(120)  # what one minute's volume does not fill the next one does
        broker.disconnect()

    def close(self) -> None:
        self._history.close()

    def on_execution(self, execution: ExecutionReport) -> None:
        if execution.exec_id not in self._mine and self._intents.knows(execution.order_ref):
            self._mine[execution.exec_id] = None
            self._history.record_trade(
                trade_row(
                    execution,
                    session_date=self._session.date.isoformat(),
                    reason=Reason.REBALANCE,
                    closing=None,
                    market=None,
                    parameters=Parameters(),
                )
            )

    def on_fee(self, exec_id: str, fee: int) -> None:
        if exec_id in self._mine:
            self._history.record_commission(exec_id, money_to_usd(fee), None, None)

    def on_order(self, report: OrderReport) -> None: ...
    def on_terms(self, terms: Any) -> None: ...
    def on_message(self, code: int, text: str, order_ref: str) -> None: ...


def week_feed() -> HandMadeFeed:
    """In every session both symbols give the day trader its entry of 9:50:40; then the price stands."""
    bars = [
        bar
        for session in WEEK
        for bar in [
            *warm_up(session),
            minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000, session),
            *(minute(f"{hour}:{part}", 100.18, 100.18, 100.18, 100.18, 6_000, session) for hour in (10, 11, 12)
              for part in ("00", "30", "31", "59")),
        ]
    ]  # fmt: skip
    return HandMadeFeed({"AAA": bars, "BBB": bars}, {symbol: daily_history() for symbol in ("AAA", "BBB")})


def a_week(folder: Path, shared_symbols: str) -> tuple[list[JournalEntry], dict[str, float], dict[str, Any]]:
    """The journal, what the account holds in the end, and the ledgers: bot -> symbol -> shares."""

    async def main(world: World) -> tuple[list[JournalEntry], dict[str, float], dict[str, Any]]:
        journal, weekly = world.gateway.keep_journal(), WeeklyBot(world)

        async def rebalance() -> None:
            for day, clock_text, action, quantity in PLAN:
                await world.clock.sleep_until(at(clock_text, WEEK[day]))
                await weekly.trade(WEEK[day], action, quantity)

        async def cut(clock_text: str, session: Session) -> None:
            await world.clock.sleep_until(at(clock_text, session))
            if world.client(DAY_TRADER) is not None:
                world.cut(DAY_TRADER)

        def trader(history: TradingHistory, session: Session) -> Any:
            safety = SafetySettings(kill_switch_file=str(world.kill_switch), shared_symbols=shared_symbols)  # type: ignore[arg-type]
            return world.trader(history, session=session, safety=safety, strategy=StrategySettings(watchlist_size=2))

        async with asyncio.TaskGroup() as group:
            group.create_task(rebalance())
            for number, session in enumerate(WEEK):
                await world.clock.sleep_until(at("09:00", session))
                group.create_task(cut("12:05", session))
                with world.history() as history:
                    if number in (2, 3):  # killed, and started anew beside the weekly bot's order
                        dies = "10:29:59" if number == 2 else "12:04:58"
                        running = asyncio.ensure_future(trader(history, session).run(["AAA", "BBB"]))
                        await world.clock.sleep_until(at(dies, session))
                        running.cancel()
                        await asyncio.wait([running])
                        world.cut(DAY_TRADER)
                        await asyncio.sleep(1)
                    report = await trader(history, session).run(["AAA", "BBB"])
                    assert report.positions_left == {}
                    assert report.broker_result is not None
                    assert report.broker_result["unexplained_usd"] == 0.0, report.broker_result
        weekly.close()
        with world.history() as history:
            ledgers: dict[str, Any] = {}
            for row in history.open_positions():
                ledgers.setdefault(row.bot, {})[row.symbol] = row.quantity
            ledgers["manual sales"] = [row for row in history.trades() if row.reason in ("manual", "sync")]
        return journal.entries(), world.held(), ledgers

    return in_world(main, week_feed(), folder, following=WEEK[1:])


@pytest.mark.parametrize("shared_symbols", ["share", "exclude"])
def test_neither_bot_sells_the_shares_of_the_other(tmp_path: Path, shared_symbols: str) -> None:
    journal, held, ledgers = a_week(tmp_path, shared_symbols)
    net: Counter[tuple[int, str]] = Counter()
    bought: Counter[tuple[int, str, str]] = Counter()
    for entry in journal:
        if entry.event == "execution":
            net[entry.client_id, entry.symbol] += entry.side * entry.shares
            assert net[entry.client_id, entry.symbol] >= 0, f"{entry} sells what its client does not own"
            if entry.side == 1:
                bought[entry.client_id, entry.symbol, entry.at[:10]] += entry.shares
    assert {key: shares for key, shares in net.items() if shares} == {(WEEKLY, "AAA"): LEFT}
    assert held == {"AAA": LEFT}
    assert ledgers == {"weekly": {"AAA": LEFT}, "manual sales": []}
    shared_days = {day for client, symbol, day in bought if (client, symbol) == (DAY_TRADER, "AAA")}
    # Monday's list is made before the weekly bot owns anything; from then on the symbol is its own, where it excludes
    assert len(shared_days) == (5 if shared_symbols == "share" else 1)
    assert len({day for client, symbol, day in bought if (client, symbol) == (DAY_TRADER, "BBB")}) == 5
