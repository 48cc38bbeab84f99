"""A small simulated world for tests: bars written by hand, a gateway on a socket, and the day trader in front of it.

The bars of a test are few: the price stands between them, and a minute without a bar is published as nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from broker.broker import Broker
from broker.connection_state import LinkEvent
from broker.settings import BrokerSettings
from broker.trading_desk import DeskOptions
from broker.values import BrokerListener, IntentStore
from day_trading.board import Board
from day_trading.options import TraderOptions
from day_trading_agents import IntradayTrader
from ib_simulator.account import Holding
from ib_simulator.client import ClientConnection
from ib_simulator.embedded import SimulatedWorld, running_gateway
from ib_simulator.faults import FaultInjector
from ib_simulator.feeds.corporate_actions import Action as CorporateAction
from ib_simulator.feeds.tape import SessionTape, minute_tape
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.orders import SimOrder
from ib_simulator.request_types import Request
from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from market_hours import NEW_YORK, Session, TradingCalendar, new_york_date, utc_from_epoch
from observability import TradingHistory
from performance_config import PerformanceConfig
from records.rows import TradeRow
from trading.bars import Bar
from trading.day_report import DayReport
from trading.money import price_from_usd
from trading.orders import Action, ExecutionReport, IntentState, OrderIntent, OrderReport, OrderTerms, Reason, Role
from trading.settings import RiskSettings, SafetySettings, StrategySettings

T = TypeVar("T")
USD = 1_000_000  # one dollar of money
PAPER, LIVE = "DU1000001", "U1234567"


@lru_cache(maxsize=1)
def calendar() -> TradingCalendar:
    """The sessions of 2026."""
    return TradingCalendar(date(2026, 1, 1), date(2026, 12, 31))


def session_on(day: date) -> Session:
    session = calendar().session_on(day)
    assert session is not None
    return session


MONDAY = session_on(date(2026, 9, 28))  # 13:30 to 20:00 UTC
EARLY_CLOSE = session_on(date(2026, 11, 27))  # the day after Thanksgiving: 14:30 to 18:00 UTC


def at(clock_text: str, session: Session = MONDAY) -> datetime:
    """`09:50:40` in New York on the day of the session."""
    return datetime.combine(session.date, time.fromisoformat(clock_text), NEW_YORK)


def second(clock_text: str, session: Session = MONDAY) -> int:
    return int(at(clock_text, session).timestamp())


# Bars


def minute(
    clock_text: str, open_: float, high: float, low: float, close: float, volume: int, session: Session = MONDAY
) -> Bar:
    """One minute bar; prices in USD."""
    open_price, high_price, low_price, close_price = map(price_from_usd, (open_, high, low, close))
    return Bar(second(clock_text, session), open_price, high_price, low_price, close_price, volume)


def warm_up(session: Session = MONDAY, base_usd: float = 100.0, volume: int = 6_000) -> list[Bar]:
    """Twenty minutes from the open that rise and fall by 0.10 in turn, within base .. base + 0.10.

    VWAP(20): the rising bars have a typical price of base + 0.20/3, the falling ones of base + 0.10/3, ten of
    each at the same volume: base + 0.05 exactly.
    RSI(14): 14 changes, 7 up and 7 down, give averages of 0.05 each. From there on Wilder's step; in units of
    0.10 and gain + loss = 1, the gain is 0.5 · 13/14 = 0.464286 (down), (0.464286 · 13 + 1)/14 = 0.502551 (up),
    0.466655 (down), 0.504751 (up), 0.468697 (down): RSI 46.8697 after the 20th bar.
    """
    low, high = price_from_usd(base_usd), price_from_usd(base_usd + 0.10)
    rising, falling = (low, high, low, high), (high, high, low, low)
    return [
        Bar._make((session.open_s + 60 * number, *(falling if number % 2 else rising), volume)) for number in range(20)
    ]


def daily_history(session: Session = MONDAY, close_usd: float = 100.0, range_usd: float = 2.0) -> list[Bar]:
    """Thirty sessions before `session`, each with the same range around the same close: ATR(14) = the range."""
    price, half = price_from_usd(close_usd), price_from_usd(range_usd) // 2
    days: list[Session] = []
    before = session
    for _ in range(30):
        before = calendar().previous_session(before.date)
        days.append(before)
    return [Bar(day.open_s, price, price + half, price - half, price, 2_000_000) for day in reversed(days)]


class HandMadeFeed:
    """`ib_simulator.feeds.tape.Feed` over bars written in a test. `minutes` and `days` are symbol -> bars."""

    name = "bars written by hand"
    extended_hours = False

    def __init__(
        self,
        minutes: Mapping[str, Sequence[Bar]],
        days: Mapping[str, Sequence[Bar]] | None = None,
        *,
        splits: Mapping[str, CorporateAction] | None = None,
    ) -> None:
        self._minutes = minutes
        self._splits = splits or {}
        self._days = days if days is not None else {symbol: daily_history() for symbol in minutes}

    def symbols(self, session_date: date) -> tuple[str, ...]:
        return tuple(s for s in sorted(self._minutes) if any(_date(bar) == session_date for bar in self._minutes[s]))

    def session_dates(self) -> tuple[date, ...]:
        return tuple(sorted({_date(bar) for bars in self._minutes.values() for bar in bars}))

    def tape(self, symbol: str, session: Session) -> SessionTape:
        bars = [bar for bar in self._minutes.get(symbol, ()) if session.open_s <= bar.start_s < session.close_s]
        if not bars:
            raise LookupError(symbol)
        columns = [np.array(column, dtype=np.int64) for column in zip(*bars, strict=True)]
        return minute_tape(symbol, session.date, *columns)

    def daily(self, symbol: str, before: date, first: date) -> tuple[Bar, ...]:
        return tuple(bar for bar in self._days.get(symbol, ()) if first <= _date(bar) < before)

    def actions(self, symbol: str) -> tuple[CorporateAction, ...]:
        return (self._splits[symbol],) if symbol in self._splits else ()

    def minute_history(self, symbol: str, before: date, sessions: int) -> tuple[Bar, ...]:
        bars = [bar for bar in self._minutes.get(symbol, ()) if _date(bar) < before]
        dates = sorted({_date(bar) for bar in bars})[-sessions:] if sessions else []
        return tuple(bar for bar in bars if _date(bar) in dates)


def _date(bar: Bar) -> date:
    return new_york_date(utc_from_epoch(bar.start_s))


# Ports of the broker, in memory


class Listener:
    """`BrokerListener` that keeps what it heard, in order."""

    def __init__(self) -> None:
        self.orders: list[OrderReport] = []
        self.terms: list[OrderTerms] = []  # of each reading of all orders
        self.executions: list[ExecutionReport] = []
        self.fees: dict[str, int] = {}  # exec_id -> 1e-6 USD
        self.messages: list[tuple[int, str]] = []  # (code, order reference)
        self.links: list[LinkEvent] = []  # what happened to the connection of the broker that it was given to

    def on_order(self, report: OrderReport) -> None:
        self.orders.append(report)

    def on_terms(self, terms: OrderTerms) -> None:
        self.terms.append(terms)

    def on_execution(self, execution: ExecutionReport) -> None:
        self.executions.append(execution)

    def on_fee(self, exec_id: str, fee: int) -> None:
        self.fees[exec_id] = fee

    def on_message(self, code: int, text: str, order_ref: str) -> None:
        self.messages.append((code, order_ref))

    def states(self, order_ref: str) -> list[IntentState]:
        """The states reported for one order, without repetitions."""
        return [state for state, _ in itertools.groupby(r.state for r in self.orders if r.order_ref == order_ref)]


class MemoryStore:
    """`IntentStore` without a disk. `happened` tells commits, sendings and reports in order."""

    def __init__(self) -> None:
        self.happened: list[tuple[str, str]] = []  # (what, intent id)
        self.shown: dict[str, OrderTerms] = {}  # intent id -> what its order asked for last

    async def commit(self, intents: Sequence[OrderIntent]) -> None:
        self.happened += [("committed", intent.intent_id) for intent in intents]

    def sent(self, intent_id: str, order_id: int, client_id: int) -> None:
        self.happened.append(("sent", intent_id))

    def reported(self, report: OrderReport) -> None:
        self.happened.append((report.state.value, report.order_ref))

    def terms(self, terms: OrderTerms) -> None:
        self.shown[terms.order_ref] = terms


# The world


class World:
    """A gateway that plays the feed, its clock, and what a test needs to put a program in front of it."""

    def __init__(self, gateway: Gateway, port: int, clock: SimulatedClock, session: Session, folder: Path) -> None:
        self.gateway = gateway
        self.port = port
        self.clock = clock
        self.session = session
        self.folder = folder
        self.database = folder / "history.db"
        self.kill_switch = folder / "KILL"
        self.usual: dict[type[Request], Callable[[ClientConnection, Any], None]] = {}  # how it answers by itself
        self._ids = itertools.count(1)
        self._brokers: list[Broker] = []

    def new_id(self) -> str:
        return f"id-{next(self._ids):04}"

    def settings(self, **changes: Any) -> BrokerSettings:
        return BrokerSettings(**({"ib_port": self.port} | changes))

    def history(self, mode: str = "simulated") -> TradingHistory:
        return TradingHistory(self.database, bot="day_trader", mode=mode)

    def trader(
        self, history: TradingHistory, *, session: Session | None = None, board: Board | None = None, **options: Any
    ) -> IntradayTrader:
        """A day trader for the session (the world's first one by default); `options` are those of `options`."""
        chosen = self.options(**options)
        return IntradayTrader(chosen, session or self.session, calendar(), self.clock, history, self.new_id, board)

    def options(
        self,
        *,
        watchlist: Path | None = None,
        strategy: StrategySettings | None = None,
        risk: RiskSettings | None = None,
        **options: Any,
    ) -> TraderOptions:
        """What a day trader of this world is asked to do.

        `options` are those of `TraderOptions` and of `DeskOptions`; `broker` is a mapping of changed broker settings.
        """
        strategy = strategy or StrategySettings()
        desk: dict[str, Any] = {
            "client_id": 2,
            "live": False,
            "dry_run": False,
            "consents": {},
            "safety": SafetySettings(kill_switch_file=str(self.kill_switch)),
        }
        desk |= {name: options.pop(name) for name in list(desk) if name in options}
        asked: dict[str, Any] = {"allocation": 0.25, "flatten_on_exit": False, "analyse": True}
        settings = self.settings(**options.pop("broker", {}))
        return TraderOptions(
            **(asked | options),
            load_watchlist=watchlist is not None,
            watchlist_file=watchlist or self.folder / "watchlist.json",
            prices_from="bars written by hand",
            versions={},
            strategy=strategy,
            risk=risk or RiskSettings(),
            performance=PerformanceConfig(),
            desk=DeskOptions(**desk, broker=settings, daily_atr=strategy.atr_timeframe == "day"),
        )

    def broker(
        self,
        listener: BrokerListener | None = None,
        store: IntentStore | None = None,
        *,
        client_id: int = 2,
        live_allowed: bool = False,
        **settings: Any,
    ) -> Broker:
        """A broker that is not connected yet; the end of the world disconnects it."""
        listener = listener or Listener()
        broker = Broker(
            self.settings(**settings),
            self.clock,
            store or MemoryStore(),
            listener,
            client_id,
            live_allowed=live_allowed,
        )
        if isinstance(listener, Listener):
            broker.on_link = listener.links.append
        self._brokers.append(broker)
        return broker

    async def end(self) -> None:
        """Close all sockets, and let them close."""
        for broker in self._brokers:
            broker.disconnect()
        await asyncio.sleep(1)

    async def until(self, clock_text: str) -> None:
        """Wait until a time of the day in New York."""
        await self.clock.sleep_until(at(clock_text, self.session))

    def client(self, client_id: int) -> ClientConnection | None:
        """The socket of a client at the gateway."""
        return next((c for c in self.gateway._clients if c.client_id == client_id), None)

    def faults(self) -> FaultInjector:
        """The faults of the gateway, from now on."""
        if self.gateway.faults is None:
            self.gateway.inject(FaultInjector(self.gateway))
        assert self.gateway.faults is not None
        return self.gateway.faults

    def cut(self, client_id: int) -> None:
        """Close a client's socket from the gateway's side."""
        client = self.client(client_id)
        assert client is not None
        client.close()

    def as_usual(self, client: ClientConnection, request: Request) -> None:
        """Answer a request as the gateway would have, had the test not stepped in."""
        self.usual[type(request)](client, request)

    def answer(self, request: type[Request], handler: Callable[[ClientConnection, Any], None]) -> None:
        """Let the gateway answer requests of a kind in another way."""
        self.usual.setdefault(request, self.gateway._handlers[request])
        self.gateway._handlers[request] = handler

    def resting(self) -> list[SimOrder]:
        """Orders alive at the exchange, in the order of their placing."""
        return list(self.gateway.exchange.orders.values())

    def hold(self, symbol: str, quantity: float, average_cost_usd: float) -> None:
        """Give the account shares that no program bought."""
        cost = round(quantity * average_cost_usd * USD)
        self.gateway.accounts.first.holdings[symbol] = Holding(quantity, cost)  # type: ignore[arg-type]
        self.gateway.accounts.first.cash -= cost

    def held(self) -> dict[str, float]:
        """Shares on the account that are not zero."""
        return {symbol: h.quantity for symbol, h in self.gateway.accounts.first.holdings.items() if h.quantity}


def in_world(
    main: Callable[[World], Awaitable[T]],
    feed: HandMadeFeed,
    folder: Path,
    *,
    session: Session = MONDAY,
    following: Sequence[Session] = (),
    begins: str = "09:00",
    account_id: str = PAPER,
    cash_usd: int = 100_000,
    also_listed: Iterable[str] = (),
    other_accounts: tuple[str, ...] = (),
    **gateway_options: Any,
) -> T:
    """Run `main` in a world that begins at `begins` (New York) and goes on with the `following` sessions.

    `also_listed` are symbols that the gateway knows but has no bar of, `gateway_options` those of `GatewayOptions`.
    """
    loop = simulated_loop()
    clock = SimulatedClock(loop, at(begins, session))
    listed = sorted({*feed.symbols(session.date), *also_listed})
    simulated = SimulatedWorld(
        feed=feed,  # type: ignore[arg-type]
        calendar=calendar(),
        sessions=(session, *following),
        clock=clock,
        symbols=tuple(listed),
        prices_from=feed.name,
    )
    options = GatewayOptions(
        account_id=account_id, other_accounts=other_accounts, cash=cash_usd * USD, **gateway_options
    )

    async def entry() -> T:
        async with running_gateway(simulated, options) as (gateway, port):
            world = World(gateway, port, clock, session, folder)
            try:
                return await main(world)
            finally:
                await world.end()

    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(entry())
    except ExceptionGroup as group:  # of the task groups in which the gateway and the trader run
        fault: Exception = group
        while isinstance(fault, ExceptionGroup) and len(fault.exceptions) == 1:
            fault = fault.exceptions[0]
        raise fault from None
    finally:
        asyncio.set_event_loop(None)


def market_order(symbol: str, quantity: int, action: Action = Action.BUY) -> OrderIntent:
    """An order of some other program."""
    return OrderIntent(
        intent_id="somebody-else",
        bracket_id="somebody-else",
        role=Role.ENTRY,
        reason=Reason.MANUAL,
        symbol=symbol,
        action=action,
        quantity=quantity,
        order_type="MKT",
        tif="DAY",
    )


# A day and what it left


@dataclass(frozen=True, kw_only=True)
class Played:
    """A session that was played to its end."""

    report: DayReport
    trades: list[TradeRow]
    decisions: list[dict[str, Any]]
    intents: list[dict[str, Any]]
    cash: int  # of the simulated account, 1e-6 USD
    held: dict[str, float]
    resting: list[SimOrder] = field(default_factory=list)

    def told(self) -> list[tuple[Any, ...]]:
        """The trades as (New York time, symbol, action, shares, price, reason)."""
        return [
            (
                f"{row.timestamp.astimezone(NEW_YORK):%H:%M:%S}",
                row.symbol,
                row.action,
                row.quantity,
                row.price_usd,
                row.reason,
            )
            for row in self.trades
        ]


async def run_until_killed(world: World, trader: IntradayTrader, universe: Sequence[str], killed_at: str) -> None:
    """Run the trader until `killed_at` (New York): it has no time to withdraw anything."""
    running = asyncio.ensure_future(trader.run(universe))
    await world.until(killed_at)
    running.cancel()
    await asyncio.wait([running])


def rows(database: Path, query: str) -> list[dict[str, Any]]:
    """What a reader of the database sees."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


def play_day(
    feed: HandMadeFeed,
    folder: Path,
    *,
    session: Session = MONDAY,
    prepare: Callable[[World], None] = lambda _: None,
    universe: Sequence[str] | None = None,
    mode: str = "simulated",
    stop_at: str = "",
    world: Mapping[str, Any] | None = None,
    **options: Any,
) -> Played:
    """A session of the day trader, whole or until `stop_at`. `prepare` changes the world before it connects."""

    async def main(w: World) -> Played:
        prepare(w)
        with w.history(mode) as history:
            trader = w.trader(history, **options)
            report = await run_until(w, trader, universe or feed.symbols(session.date), stop_at)
        return what_is_left(w, report)

    return in_world(main, feed, folder, session=session, **(world or {}))


async def run_until(world: World, trader: IntradayTrader, universe: Sequence[str], stop_at: str = "") -> DayReport:
    """Run the trader; at `stop_at` (New York, empty: never) it is told to stop."""
    async with asyncio.TaskGroup() as group:
        running = group.create_task(trader.run(universe))
        if stop_at:
            await world.until(stop_at)
            trader.stop("the test has seen enough")
    return running.result()


def what_is_left(world: World, report: DayReport) -> Played:
    """The database and the account after a run. The history must be closed."""
    with world.history(report.mode) as history:
        trades = history.trades()
    return Played(
        report=report,
        trades=trades,
        decisions=rows(world.database, "SELECT * FROM decisions ORDER BY rowid"),
        intents=rows(world.database, "SELECT * FROM order_intents ORDER BY rowid"),
        cash=world.gateway.accounts.first.cash,
        held=world.held(),
        resting=world.resting(),
    )
