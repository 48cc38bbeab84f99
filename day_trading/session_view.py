"""A running session as an operator sees it, taken from where the trading loop keeps it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

from broker.connection_state import Link
from broker.trading_desk import TradingDesk
from day_trading.session_health import SessionHealth
from health.findings import worst
from market_hours import Session
from trading.book import SessionBook
from trading.brackets import Leg, LiveBracket
from trading.funnel import DecisionFunnel
from trading.indicators import vwap_value
from trading.live_view import (
    Account,
    Finding,
    LimitUse,
    Phase,
    PositionView,
    RestingLeg,
    SessionView,
    Watched,
    distance_pct,
    known,
    shown_parameters,
)
from trading.money import MONEY_UNITS_PER_USD, PRICE_UNITS_PER_USD, money_to_usd, notional, price_to_usd
from trading.orders import Role
from trading.risk import NO_LIMIT, PPM, RiskLimits
from trading.rules import Rule
from trading.strategy import Parameters

MOST_WARNINGS = 20
RULE_NAMES: dict[int, str] = {rule: rule.name.lower() for rule in Rule}  # rule -> as the record has it


class Watchable(Protocol):
    """The trader of the session; see `IntradayTrader`."""

    health: SessionHealth
    ticks: int
    killed: bool

    @property
    def symbols(self) -> tuple[str, ...]: ...


class SessionViews:
    """Makes views of one session: cheap, and only numbers that are there already."""

    def __init__(
        self, desk: TradingDesk, funnel: DecisionFunnel, session: Session, parameters: Parameters, bot: str, mode: str
    ) -> None:
        self._desk = desk
        self._book: SessionBook = desk.keeper.book
        self._funnel = funnel
        self._session = session
        self._bot = bot
        self._mode = mode
        self._parameters = shown_parameters(parameters._asdict())

    def view(
        self, now_s: int, trader: Watchable, *, closing: Collection[str] = (), is_over: bool = False
    ) -> SessionView:
        """The session of `trader` at `now_s`; positions in `closing` are on their way out."""
        desk, book, session = self._desk, self._book, self._session
        keeper, findings = desk.keeper, trader.health.monitor.findings
        return SessionView(
            at=datetime.fromtimestamp(now_s, UTC),
            mode=self._mode,
            bot=self._bot,
            phase="over" if is_over else self._phase(now_s),
            session_date=session.date.isoformat(),
            opens_at=session.open,
            eod_at=session.eod,
            closes_at=session.close,
            connection=desk.supervisor.state.value,
            reconnects=desk.supervisor.reconnects,
            health=worst(findings).name.lower(),
            findings=tuple(Finding(found.severity.name.lower(), found.words) for found in findings),
            no_entries=self._why_no_entries(now_s),
            held_by_operator=bool(book.entries_held),
            killed=trader.killed,
            account=self._account(),
            positions=tuple(self._position(symbol, symbol in closing) for symbol in book.positions),
            watchlist=tuple(self._watched(rank, symbol, now_s) for rank, symbol in enumerate(trader.symbols, start=1)),
            limits=limits_used(book, now_s),
            parameters=self._parameters,
            decisions=tuple(reversed(keeper.record.latest)),
            warnings=tuple(islice(reversed(keeper.warnings), MOST_WARNINGS)),
            ticks=trader.ticks,
            n_decisions=keeper.decisions,
            n_orders=desk.intents.committed,
            n_fills=keeper.executions,
        )

    def _phase(self, now_s: int) -> Phase:
        if now_s < self._session.open_s:
            return "before_open"
        return "trading" if now_s < self._session.eod.timestamp() else "closing"

    def _why_no_entries(self, now_s: int) -> tuple[str, ...]:
        """Every reason that holds for all symbols."""
        book, desk = self._book, self._desk
        state = desk.supervisor.state
        pause_until_s = book.book_state(now_s, 0).pause_until_s
        reasons = (
            book.entries_stopped,
            book.entries_held,
            book.entries_paused,
            book.entries_waiting,
            "" if desk.may_record() else "the database takes nothing",
            "" if state is Link.READY else f"the connection is {state}",
            "the daily loss limit is reached" if book.loss_latched else "",
            "the drawdown limit is reached" if book.drawdown_latched else "",
            "a streak of losses: a pause" if now_s < pause_until_s else "",
            "the last minutes of the session" if now_s >= book.close_s - book.limits.last_entry_s else "",
        )
        return tuple(reason for reason in reasons if reason)

    def _account(self) -> Account:
        book = self._book
        funds = book.book_state(0, 0).available_funds
        return Account(
            account_id=self._desk.account.account_id,
            equity_usd=money_to_usd(book.equity_at_open + book.pnl),
            equity_at_open_usd=money_to_usd(book.equity_at_open),
            realised_usd=money_to_usd(book.realised),
            unrealised_usd=money_to_usd(book.unrealised),
            pnl_usd=money_to_usd(book.pnl),
            peak_usd=money_to_usd(book.peak),
            drawdown_usd=money_to_usd(book.pnl - book.peak),
            max_drawdown_usd=money_to_usd(book.trough),
            allocated_usd=money_to_usd(_allocated(book)),
            committed_usd=money_to_usd(book.committed),
            available_funds_usd=None if funds > NO_LIMIT // 2 else money_to_usd(funds),
        )

    def _position(self, symbol: str, closing: bool) -> PositionView:
        position, bid = self._book.positions[symbol], self._desk.broker.data.quote(symbol).bid
        value = notional(bid, position.quantity) if bid else position.cost
        legs = _live_legs(self._desk.keeper.brackets.get(symbol))
        stop, target = _level(legs, Role.STOP), _level(legs, Role.TARGET)
        opened_s = self._book.opened_s(symbol)
        return PositionView(
            symbol=symbol,
            quantity=position.quantity,
            average_cost_usd=position.cost / position.quantity / MONEY_UNITS_PER_USD,
            bid_usd=_usd(bid),
            unrealised_usd=money_to_usd(value - position.cost),
            unrealised_pct=100.0 * (value - position.cost) / position.cost if position.cost else 0.0,
            stop_usd=_usd(stop),
            target_usd=_usd(target),
            to_stop_pct=-distance_pct(bid, stop) if bid and stop else None,
            to_target_pct=distance_pct(bid, target) if bid and target else None,
            opened_at=datetime.fromtimestamp(opened_s, UTC) if opened_s else None,
            resting=tuple(_resting(leg) for leg in legs),
            closing=closing,
        )

    def _watched(self, rank: int, symbol: str, now_s: int) -> Watched:
        market, book = self._desk.view.market(symbol, now_s), self._book
        position, pending = book.positions.get(symbol), book.pending.get(symbol)
        rule = self._funnel.last(symbol)
        return Watched(
            rank,
            symbol,
            _usd(market.last),
            _usd(market.bid),
            _usd(market.ask),
            known(vwap_value(market.vwap) / PRICE_UNITS_PER_USD),
            known(market.rsi),
            known(market.atr_pct),
            market.bars,
            market.quote_age_s if market.last else None,
            position.quantity if position else 0,
            pending.quantity if pending else 0,
            RULE_NAMES[rule] if rule is not None else "",
        )


def limits_used(book: SessionBook, now_s: int) -> tuple[LimitUse, ...]:
    """The limits of the whole account, by the names of their rules."""
    limits: RiskLimits = book.limits
    state = book.book_state(now_s, 0)
    allocated, committed = money_to_usd(_allocated(book)), money_to_usd(book.committed)
    found = [
        LimitUse("capital", "USD", committed, allocated, committed >= allocated),
        _money("daily_loss", max(-book.pnl, 0), limits.max_daily_loss, book.loss_latched),
        _money("drawdown", book.peak - book.pnl, limits.max_drawdown, book.drawdown_latched),
        _count("open_positions", state.open_positions, limits.max_open_positions),
        _count("entries_per_session", state.entries, limits.max_entries_per_session),
        _count("loss_streak_pause", book.losses_in_a_row, limits.loss_streak, now_s < state.pause_until_s),
    ]
    if state.day_trades_left >= 0:
        found.append(_count("day_trades", state.day_trades_begun, state.day_trades_left))
    return tuple(found)


def _money(name: str, used: int, allowed: int, reached: bool) -> LimitUse:
    return LimitUse(name, "USD", money_to_usd(used), money_to_usd(allowed), reached)


def _count(name: str, used: int, allowed: int, reached: bool | None = None) -> LimitUse:
    return LimitUse(name, "", used, allowed, used >= allowed if reached is None else reached)


def _allocated(book: SessionBook) -> int:
    """What positions and entries may take at the present equity."""
    return (book.equity_at_open + book.pnl) * book.allocation_ppm // PPM


def _live_legs(bracket: LiveBracket | None) -> list[Leg]:
    return bracket.live_exits() if bracket is not None else []


def _level(legs: list[Leg], role: Role) -> int:
    """The price at which a leg of this role acts; 0 without one."""
    leg = next((leg for leg in legs if leg.intent.role is role), None)
    if leg is None:
        return 0
    return leg.stop_price if role is Role.STOP else leg.limit_price


def _resting(leg: Leg) -> RestingLeg:
    intent = leg.intent
    return RestingLeg(
        intent.role.value,
        leg.state.value,
        intent.order_type,
        intent.tif,
        leg.quantity - leg.filled,
        _usd(leg.limit_price),
        _usd(leg.stop_price),
        leg.held,
    )


def _usd(price: int) -> float | None:
    """1e-4 USD to USD; None where there is no price."""
    return price_to_usd(price) if price else None
