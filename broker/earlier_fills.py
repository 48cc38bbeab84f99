"""Executions of earlier sessions: told late, told again, or never told and found in orders and positions.

A gateway forgets executions at midnight; a TWS may tell those of a week. What was missed in between is found by
`explain`: it becomes a row whose execution id begins with `reconciled-`, until the real execution replaces it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from broker import journey
from broker.session_record import SessionRecord
from broker.tracked_orders import TrackedOrders
from broker.values import BrokerPosition, FilledOrder
from market_hours import new_york_date, utc_from_epoch
from observability import TradingHistory
from records.rows import IntentRow, TradeRow
from records.trade_rows import trade_row
from trading.book import Closing, SessionBook
from trading.money import money_from_usd, money_to_usd, price_from_usd, price_to_usd
from trading.orders import Action, ExecutionReport, Reason
from trading.recovery import UnbookedFill, explain_difference

RECONCILED = "reconciled-"


QUEUED_FOR = timedelta(days=10)  # orders for an open are not looked for longer than that


class LookBack(NamedTuple):
    """What was found out about earlier sessions, in words: what is booked now, and what nobody can explain.

    `doubtful` are the symbols of the latter.
    """

    booked: tuple[str, ...]
    doubts: tuple[str, ...]
    doubtful: tuple[str, ...] = ()


class EarlierFills:
    """Books what happened before this session: shares and costs change, the day's results do not."""

    def __init__(
        self, history: TradingHistory, record: SessionRecord, book: SessionBook, tracked: TrackedOrders
    ) -> None:
        self._history = history
        self._record = record
        self._book = book
        self._tracked = tracked
        self._known: dict[str, None] = {}  # exec_ids of earlier sessions that were told in this run

    def is_earlier(self, execution: ExecutionReport) -> bool:
        """Whether it happened on an earlier date than the session, in New York."""
        return _date(execution.at_s) < self._record.session_date

    def knows(self, exec_id: str) -> bool:
        """Whether this is an execution of an earlier session that was told in this run."""
        return exec_id in self._known

    def on_execution(self, execution: ExecutionReport) -> str:
        """An execution of an earlier session; returns what the day's report must name, if anything.

        What is on record is not counted again. Executions of others are left to the comparison of positions.
        """
        if execution.exec_id in self._known:
            return ""
        self._known[execution.exec_id] = None
        if self._history.trade(execution.exec_id) is not None:
            return ""
        known = self._tracked.find(execution.order_ref)
        if known is None:
            return ""
        reconciled = [row for row in self._history.trades_of(execution.order_ref) if row.exec_id.startswith(RECONCILED)]
        if reconciled:
            self._replace(reconciled[0], execution)
            return ""
        self._book_it(execution, known.intent.reason)
        words = "bought" if execution.action is Action.BUY else "sold"
        return f"{execution.symbol}: {execution.quantity} {words} on {_date(execution.at_s)} were not on record"

    def on_fee(self, exec_id: str, fee: int) -> None:
        """The fee (1e-6 USD) of an execution of an earlier session, unless it is on record."""
        row = self._history.trade(exec_id)
        if row is None or row.commission_usd is not None:
            return
        if self._book.knows(exec_id):
            self._book.on_fee(exec_id, fee)
        usd = money_to_usd(fee)
        pnl = None if row.pnl_usd is None else row.pnl_usd - usd
        self._history.record_commission(exec_id, usd, pnl, row.pnl_pct)

    def explain(
        self,
        held: Mapping[str, BrokerPosition],
        at_broker: Mapping[str, FilledOrder],
        now_s: int,
    ) -> LookBack:
        """Book what orders of earlier sessions filled where that explains the account's positions to the share.

        `held` are the account's stocks; `at_broker` maps intents to what the broker's orders say.
        """
        fills: dict[str, list[UnbookedFill]] = {}  # symbol -> what orders filled and nobody booked
        for symbol, fill in self._unbooked(at_broker):
            fills.setdefault(symbol, []).append(fill)
        owned, of_others = self._ledgers()
        booked: list[str] = []
        doubts: dict[str, str] = {}  # symbol -> what nobody can explain
        for symbol in sorted({*owned, *fills}):
            if symbol in of_others:
                continue  # whose shares are missing cannot be told
            mine, there = owned.get(symbol, 0), held.get(symbol, BrokerPosition(symbol, 0.0, 0, True))
            found = explain_difference(mine, there.quantity, fills.get(symbol, ()), there.average_cost)
            if found.doubt:
                doubts[symbol] = f"{symbol}: {there.quantity:g} at the broker, {mine} in the ledger: {found.doubt}"
            booked += [self._reconcile(symbol, fill, now_s) for fill in found.fills]
        return LookBack(tuple(booked), tuple(doubts.values()), tuple(doubts))

    def _unbooked(self, at_broker: Mapping[str, FilledOrder]) -> list[tuple[str, UnbookedFill]]:
        """Symbols with what intents of earlier sessions filled beyond the record, as the broker says now or said."""
        found: list[tuple[str, UnbookedFill]] = []
        rows = {row.intent_id: row for row in self._history.intents_filled_unbooked(self._record.session_date)}
        for intent_id in at_broker:
            row = self._history.intent(intent_id)
            if row is not None and row.bot == self._history.bot and row.session_date < self._record.session_date:
                rows[intent_id] = row
        for row in rows.values():
            fill = _unbooked_of(row, at_broker.get(row.intent_id), self._history.trades_of(row.intent_id))
            if fill is not None:
                found.append((row.symbol, fill))
        return found + [(row.symbol, _whole(row)) for row in self._queued() if row.intent_id not in rows]

    def _queued(self) -> list[IntentRow]:
        """Orders for the open of an earlier session of which nobody said what became of them."""
        last = date.fromisoformat(self._record.session_date)
        return self._history.queued_intents(str(last - QUEUED_FOR), str(last))

    def _ledgers(self) -> tuple[dict[str, int], dict[str, None]]:
        """Shares of this bot, and the symbols that another bot owns shares of."""
        owned = {symbol: position.quantity for symbol, position in self._book.positions.items()}
        others = (row.symbol for row in self._history.open_positions() if row.bot != self._history.bot)
        return owned, dict.fromkeys(others)

    def _reconcile(self, symbol: str, fill: UnbookedFill, now_s: int) -> str:
        execution = ExecutionReport(
            exec_id=f"{RECONCILED}{fill.intent_id}-{now_s}",
            order_ref=fill.intent_id,
            symbol=symbol,
            action=fill.action,
            quantity=fill.quantity,
            price=fill.price,
            at_s=fill.at_s or now_s,
            order_id=0,
            perm_id=0,
        )
        self._book_it(execution, fill.reason)
        price_usd = price_to_usd(fill.price)
        detail = {"intent_id": fill.intent_id, "action": fill.action.value, "price": price_usd}
        self._record.found(symbol, "reconciled", fill.quantity, now_s, detail)
        words = "bought" if fill.action is Action.BUY else "sold"
        return f"{symbol}: {fill.quantity} were {words} at {price_usd:,.2f} while nobody listened, booked as reconciled"

    def _book_it(self, execution: ExecutionReport, reason: Reason) -> None:
        """Into the ledger and on record, with the date on which it happened."""
        owned = self._book.symbol_state(execution.symbol).quantity
        if execution.action is Action.SELL and execution.quantity > owned:
            closing = None  # a trip that began before the ledger did
            self._book.note(execution)
        elif self.is_earlier(execution):
            closing = self._book.on_earlier_execution(execution, reason)
        else:
            closing = self._book.on_execution(execution, reason)
        self._history.record_trade(self._row(execution, reason, closing))

    def _replace(self, reconciled: TradeRow, execution: ExecutionReport) -> None:
        """The real execution takes the place of its shares in the row that stood for it, with their result."""
        closing = None
        if reconciled.pnl_usd is not None and reconciled.pnl_pct is not None:
            share = execution.quantity / reconciled.quantity
            closing = Closing(money_from_usd(reconciled.pnl_usd * share), reconciled.pnl_pct)
        self._history.replace_trade(reconciled, self._row(execution, Reason(reconciled.reason), closing))

    def _row(self, execution: ExecutionReport, reason: Reason, closing: Closing | None) -> TradeRow:
        known = self._tracked.find(execution.order_ref)
        assert known is not None
        return trade_row(
            execution,
            session_date=_date(execution.at_s),
            reason=reason,
            closing=closing,
            market=None,
            parameters=known.bracket.parameters,
            trace_id=journey.trace_id_of(journey.journey_of(known.intent)),
        )


def _unbooked_of(row: IntentRow, told: FilledOrder | None, booked: Sequence[TradeRow]) -> UnbookedFill | None:
    """What an intent filled beyond its executions on record, at the broker's average price of just that part."""
    filled, price, at_s = row.filled_quantity, row.avg_fill_price_usd or 0.0, int(row.updated_at.timestamp())
    if told is not None and told.quantity > filled:
        filled, price, at_s = told.quantity, price_to_usd(told.price), 0
    rest = filled - sum(trade.quantity for trade in booked)
    if rest <= 0:
        return None
    value = price * filled - sum(trade.price_usd * trade.quantity for trade in booked)
    return UnbookedFill(
        intent_id=row.intent_id,
        reason=Reason(row.reason or Reason.MANUAL),
        action=Action(row.action),
        quantity=rest,
        price=price_from_usd(value / rest) if price and value > 0 else 0,
        at_s=at_s,
    )


def _whole(row: IntentRow) -> UnbookedFill:
    """An intent as if all of it had filled, at a price that nobody told."""
    return UnbookedFill(
        intent_id=row.intent_id,
        reason=Reason(row.reason or Reason.MANUAL),
        action=Action(row.action),
        quantity=row.quantity,
        at_s=int(row.created_at.timestamp()),
    )


def _date(second: int) -> str:
    return new_york_date(utc_from_epoch(second)).isoformat()
