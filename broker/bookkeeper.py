"""The book and the record kept in step with what the broker reports: executions, fees, order states."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial

from broker import codes, journey
from broker.order_desk import OrderDesk
from observability import TradingHistory
from records.intent_log import IntentLog
from records.rows import DecisionKind, DecisionRow, IntentRow, TradeRow
from records.trade_rows import decision_row, trade_row
from telemetry import tracing
from telemetry.instruments import DECISIONS, FILLS, REJECTS
from telemetry.metering import measure
from telemetry.tracing import Link
from trading.book import PendingEntry, Recorded, SessionBook
from trading.brackets import LiveBracket
from trading.judgement import Judgement
from trading.money import money_from_usd, money_to_usd, price_from_usd
from trading.orders import (
    TERMINAL,
    Action,
    ExecutionReport,
    IntentState,
    OrderIntent,
    OrderReport,
    Reason,
    Role,
    follow,
)
from trading.reconcile import IntentFact
from trading.rules import Rule, rule_name
from trading.strategy import Market, Parameters
from trading.sync import Adoption

log = logging.getLogger(__name__)


PATIENCE_S = 30  # the broker tells fees and order states within this time, or it is asked
UNHEARD = (IntentState.CREATED, IntentState.SENT, IntentState.UNKNOWN)


class Bookkeeper:
    """Hears the broker (`BrokerListener`) for one session of one bot.

    Every execution is recorded once; exits are resized and re-priced to what is really owned, at the instant of
    the report. What belongs to another bot or to nobody is counted in `foreign` and left alone.
    """

    def __init__(
        self,
        *,
        history: TradingHistory,
        intents: IntentLog,
        session_date: str,
        book: SessionBook,
        parameters: Parameters,
        market_of: Callable[[str], Market | None],
        new_id: Callable[[], str],
    ) -> None:
        self.book = book
        self.parameters = parameters
        self.orders: OrderDesk
        self.brackets: dict[str, LiveBracket] = {}  # symbol -> the orders of its position
        self.warnings: list[str] = []
        self.executions = 0
        self.foreign = 0
        self.decisions = 0
        self.external: dict[str, float] = {}  # symbol -> shares at the broker that no ledger of ours owns
        self.missing: dict[str, int] = {}  # symbol -> shares of the ledger that the broker does not have: never to sell
        self.reasons: dict[str, Reason] = {}  # intent_id -> why it sells now, where that is not its role's reason
        self._history = history
        self._intents = intents
        self._session_date = session_date
        self._market_of = market_of
        self._new_id = new_id
        self._unpaid: dict[str, int] = {}  # exec_id -> second of an execution whose fee nobody reported yet
        self._uncovered: dict[str, None] = {}  # exec_ids of our sales of shares that the ledger did not own
        self._foreign_ids: dict[str, None] = {}  # exec_ids that were counted as foreign
        self._unwritten: deque[tuple[Callable[[], DecisionRow], Link | None]] = deque()  # rows to make, their spans
        self._by_id: dict[str, tuple[OrderIntent, LiveBracket]] = {}  # intent_id -> intent and its bracket

    def track(self, intents: tuple[OrderIntent, ...]) -> LiveBracket:
        """Follow the orders of one bracket from now on. Call it before they are sent."""
        bracket = LiveBracket.of(intents, self.parameters)
        self.brackets[bracket.symbol] = bracket
        for intent in intents:
            self._by_id[intent.intent_id] = (intent, bracket)
        return bracket

    def restore(self) -> None:
        """Take up what earlier runs of this bot left: positions, today's results, orders that may be alive."""
        ledger = self._history.ledger(self._session_date)
        self.book.restore(
            [_recorded(row) for row in ledger if row.session_date != self._session_date],
            [_recorded(row) for row in ledger if row.session_date == self._session_date],
        )
        legs: dict[str, list[IntentRow]] = {}  # bracket_id -> its intents that may be alive
        for intent in self._history.open_intents(self._history.bot):
            legs.setdefault(intent.bracket_id or intent.intent_id, []).append(intent)
        for rows in legs.values():
            self._restore_bracket(rows)

    # Reconciliation

    def intent_facts(self) -> list[IntentFact]:
        """All intents that may still do something, for reconciliation."""
        return [
            IntentFact(intent_id, intent.symbol, leg.state, intent.quantity, self._intents.written_s(intent_id))
            for intent_id, (intent, bracket) in self._by_id.items()
            if not (leg := bracket.legs[intent.role]).is_over
        ]

    def on_resolved(self, intent_id: str, state: IntentState) -> None:
        """What reconciliation found out about an intent. An entry that still works takes its capital."""
        intent, bracket = self._by_id[intent_id]
        leg = bracket.legs[intent.role]
        leg.state = follow(leg.state, state)
        if intent.role is not Role.ENTRY:
            return
        if leg.is_over:
            self.book.drop_pending(intent.symbol, intent_id)
            self.fit_exits(bracket)
        elif intent.symbol not in self.book.pending:
            self.book.pending[intent.symbol] = PendingEntry(intent_id, leg.quantity - leg.filled, leg.limit_price)

    def on_positions(self, held: Mapping[str, float]) -> None:
        """The account's net stock positions, read twice alike: what is beyond the ledger is external.

        Fewer shares than the ledger owns stop entries, and exits shrink so that nothing can go short.
        """
        self.external = {symbol: quantity for symbol, quantity in held.items() if symbol not in self.book.positions}
        for symbol, position in self.book.positions.items():
            there = held.get(symbol, 0.0)
            self.external[symbol] = max(there - position.quantity, 0.0)
            self.missing[symbol] = max(position.quantity - max(int(there), 0), 0)
            if there < position.quantity:
                self.stop_entries(
                    f"{there:g} {symbol} at the broker, {position.quantity} in the ledger: "
                    "shares are missing, entries stop, nothing is traded to repair it"
                )
                self._shrink_exits(symbol, max(int(there), 0))

    def doubt(self, now_s: int) -> str:
        """What the broker should have told by now and has not: a fee, or what became of an order. Empty: nothing."""
        for exec_id, at_s in self._unpaid.items():
            if now_s - at_s > PATIENCE_S:
                return f"no fee was reported for execution {exec_id}"
        for intent_id, (intent, bracket) in self._by_id.items():
            state = bracket.legs[intent.role].state
            if state in UNHEARD and now_s - self._intents.written_s(intent_id) > PATIENCE_S:
                return f"{intent.symbol}: nobody said what became of its {intent.role} order"
        return ""

    @property
    def is_owed_fees(self) -> bool:
        """Whether an execution's fee is still to be reported."""
        return bool(self._unpaid)

    def stop_entries(self, why: str) -> None:
        """No more entries in this session."""
        self.book.entries_stopped = self.book.entries_stopped or why
        self.warn(why)

    def record_judgement(
        self,
        symbol: str,
        kind: DecisionKind,
        judgement: Judgement,
        market: Market | None,
        now_s: int,
        look: journey.Look = journey.UNTRACED,
    ) -> str:
        """Note one decision for the record; returns its id, which names its trace."""
        decision_id = self._new_id()
        rule = rule_name(judgement.rule)
        self._record(decision_id, decision_id, symbol, kind, rule, judgement, market, now_s, look)
        return decision_id

    def write_decisions(self) -> None:
        """Put on record what was decided. Orders go first: the database's thread must not hold them up."""
        while self._unwritten:
            make_row, span = self._unwritten.popleft()
            with tracing.under(span):
                self._history.record_decision(make_row())

    def adopt(self, adoption: Adoption, now_s: int) -> None:
        """Take shares that nobody's ledger explains into this one, at the broker's average cost, without a fee."""
        execution = ExecutionReport(
            exec_id=f"sync-{self._session_date}-{adoption.symbol}-{now_s}",
            order_ref="",
            symbol=adoption.symbol,
            action=Action.BUY,
            quantity=adoption.quantity,
            price=adoption.average_cost,
            at_s=now_s,
            order_id=0,
            perm_id=0,
        )
        self.book.on_execution(execution, Reason.SYNC)
        adopted = Judgement(Rule.APPROVED, 0.0, 0.0, adoption.quantity)
        decision_id = self.record_judgement(adoption.symbol, "sync", adopted, None, now_s)
        self.write_decisions()
        self._history.record_trade(
            trade_row(
                execution,
                session_date=self._session_date,
                reason=Reason.SYNC,
                closing=None,
                market=None,
                parameters=self.parameters,
                trace_id=journey.trace_id_of(decision_id),
            )
        )
        self._history.record_commission(execution.exec_id, 0.0, None, None)

    # Reports of the broker

    def on_execution(self, execution: ExecutionReport) -> None:
        if self.book.knows(execution.exec_id) or execution.exec_id in self._foreign_ids:
            return
        known = self._find(execution.order_ref)
        with journey.fill(execution, known[0] if known else None):
            if known is None:
                self._on_foreign(execution)
            else:
                self._on_own(execution, *known)

    def _on_own(self, execution: ExecutionReport, intent: OrderIntent, bracket: LiveBracket) -> None:
        """An execution of one of our orders."""
        owned = self.book.symbol_state(execution.symbol).quantity
        if execution.action is Action.SELL and execution.quantity > owned:
            self.stop_entries(
                f"{execution.symbol}: {execution.quantity} sold by our {intent.role} order, {owned} owned by the ledger"
            )
            self._record_uncovered(execution, intent, bracket)
            return
        self.executions += 1
        self._unpaid[execution.exec_id] = execution.at_s
        reason = self.reasons.get(intent.intent_id, intent.reason)
        closing = self.book.on_execution(execution, reason)
        market = self._market_of(execution.symbol)
        trace = journey.journey_of(intent)
        if execution.action is Action.BUY:
            bracket.on_bought(execution.quantity, execution.price)
        else:
            sale = Judgement(Rule.APPROVED, 0.0, 0.0, execution.quantity)
            exec_id, at_s = execution.exec_id, execution.at_s
            self._record(exec_id, trace, execution.symbol, "exit", reason.value, sale, market, at_s)
            self.write_decisions()
        self._history.record_trade(
            trade_row(
                execution,
                session_date=self._session_date,
                reason=reason,
                closing=closing,
                market=market,
                parameters=bracket.parameters,
                trace_id=journey.trace_id_of(trace),
            )
        )
        measure(FILLS, reason=reason.value)

    def on_fee(self, exec_id: str, fee: int) -> None:
        if not self.book.knows(exec_id):
            if exec_id in self._uncovered:
                self._history.record_commission(exec_id, money_to_usd(fee), None, None)
            return
        self._unpaid.pop(exec_id, None)
        closing = self.book.on_fee(exec_id, fee)
        self._history.record_commission(
            exec_id,
            money_to_usd(fee),
            money_to_usd(closing.pnl) if closing else None,
            closing.pnl_pct if closing else None,
        )

    def on_order(self, report: OrderReport) -> None:
        known = self._by_id.get(report.order_ref)
        if known is None:
            return
        intent, bracket = known
        was_over = bracket.legs[intent.role].is_over
        bracket.on_report(intent.role, report)
        if was_over and not bracket.legs[intent.role].is_over and self.brackets.get(intent.symbol) is not bracket:
            self.warn(f"{intent.symbol}: a {intent.role} order that was believed gone is alive, it is withdrawn")
            self.orders.cancel(intent.intent_id)
        if report.state is IntentState.REJECTED:
            measure(REJECTS, role=intent.role.value)
            self.warn(f"{intent.symbol}: {intent.role} order rejected {report.detail}".strip())
        if intent.role is Role.ENTRY and report.state in TERMINAL:
            self.book.drop_pending(intent.symbol, intent.intent_id)
            self.fit_exits(bracket)

    def on_message(self, code: int, text: str, order_ref: str) -> None:
        known = self._by_id.get(order_ref)
        if known is not None and codes.code(code).policy is not codes.Policy.CANCEL_ANSWER:
            self.warn(f"{known[0].symbol}: gateway message {code} about its {known[0].role} order: {text}")

    def fit_exits(self, bracket: LiveBracket) -> None:
        """Size and prices of the resting exits follow what is owned and what it cost."""
        owned = self.book.symbol_state(bracket.symbol).quantity
        there = max(owned - self.missing.get(bracket.symbol, 0), 0)
        for change in bracket.changes(there):
            if self.orders.modify(
                change.intent_id,
                quantity=change.quantity,
                limit_price=change.limit_price,
                stop_price=change.stop_price,
            ):
                bracket.apply(change)

    def warn(self, text: str) -> None:
        """Something the day's report must name. The same words count once."""
        if text not in self.warnings:
            self.warnings.append(text)
            log.warning(text)

    def _record(
        self,
        decision_id: str,
        trace: str,
        symbol: str,
        kind: DecisionKind,
        rule: str,
        judgement: Judgement,
        market: Market | None,
        now_s: int,
        look: journey.Look = journey.UNTRACED,
    ) -> None:
        self.decisions += 1
        make_row = partial(
            decision_row,
            decision_id=decision_id,
            now_s=now_s,
            session_date=self._session_date,
            symbol=symbol,
            kind=kind,
            rule=rule,
            limit=judgement.limit,
            actual=judgement.actual,
            market=market,
            quantity=judgement.quantity or None,
            trace_id=journey.trace_id_of(trace),
        )
        quantity = judgement.quantity
        span = journey.decided(decision_id, trace, look, symbol=symbol, kind=kind, rule=rule, quantity=quantity)
        self._unwritten.append((make_row, span))
        measure(DECISIONS, kind=kind, rule=rule)

    def _record_uncovered(self, execution: ExecutionReport, intent: OrderIntent, bracket: LiveBracket) -> None:
        """A sale beyond what the ledger owns: the record gets all of it, the book what it had."""
        self._foreign_ids[execution.exec_id] = None
        owned = self.book.symbol_state(execution.symbol).quantity
        if owned:
            self.book.on_execution(execution._replace(quantity=owned), intent.reason)
        else:
            self._uncovered[execution.exec_id] = None
        self._history.record_trade(
            trade_row(
                execution,
                session_date=self._session_date,
                reason=intent.reason,
                closing=None,
                market=self._market_of(execution.symbol),
                parameters=bracket.parameters,
                trace_id=journey.trace_id_of(journey.journey_of(intent)),
            )
        )

    def _find(self, order_ref: str) -> tuple[OrderIntent, LiveBracket] | None:
        """The intent behind an order reference: of this run, or on record from an earlier one."""
        known = self._by_id.get(order_ref)
        if known is not None or not order_ref:
            return known
        row = self._history.intent(order_ref)
        if row is None or row.bot != self._history.bot:
            return None
        self._restore_bracket([row])
        return self._by_id[order_ref]

    def _on_foreign(self, execution: ExecutionReport) -> None:
        """An execution that none of our orders made. A sale takes external shares first, then ours."""
        self.foreign += 1
        self._foreign_ids[execution.exec_id] = None
        symbol = execution.symbol
        external = self.external.get(symbol, 0.0)
        if execution.action is Action.BUY:
            self.external[symbol] = external + execution.quantity
            return
        from_external = min(max(int(external), 0), execution.quantity)
        self.external[symbol] = external - from_external
        ours = min(execution.quantity - from_external, self.book.symbol_state(symbol).quantity)
        if ours <= 0:
            return
        self.warn(f"{symbol}: {ours} of our shares were sold by somebody else")
        sale = execution._replace(quantity=ours)
        closing = self.book.on_execution(sale, Reason.MANUAL)
        self._history.record_trade(
            trade_row(
                sale,
                session_date=self._session_date,
                reason=Reason.MANUAL,
                closing=closing,
                market=self._market_of(symbol),
                parameters=self.parameters,
                trace_id=journey.trace_id_of(sale.exec_id),
            )
        )
        self._shrink_exits(symbol, self.book.symbol_state(symbol).quantity)

    def _shrink_exits(self, symbol: str, quantity: int) -> None:
        """Live exits of a symbol sell no more than `quantity` from now on."""
        bracket = self.brackets.get(symbol)
        if bracket is None:
            return
        for leg in bracket.live_exits():
            if quantity <= 0:
                self.orders.cancel(leg.intent.intent_id)
            elif leg.quantity - leg.filled > quantity:
                size = leg.filled + quantity
                if self.orders.modify(leg.intent.intent_id, quantity=size):
                    leg.quantity = size

    def _restore_bracket(self, rows: list[IntentRow]) -> None:
        intents = tuple(_intent_of(row) for row in rows)
        bracket = self.track(intents)
        for row in rows:
            leg = bracket.legs[Role(row.role)]
            leg.state = IntentState(row.state)
            self._intents.adopt(row.intent_id, leg.state, int(row.created_at.timestamp()))


def _recorded(row: TradeRow) -> Recorded:
    execution = ExecutionReport(
        exec_id=row.exec_id,
        order_ref=row.order_ref or "",
        symbol=row.symbol,
        action=Action(row.action),
        quantity=row.quantity,
        price=price_from_usd(row.price_usd),
        at_s=int(row.timestamp.timestamp()),
        order_id=row.order_id or 0,
        perm_id=row.perm_id or 0,
    )
    fee = None if row.commission_usd is None else money_from_usd(row.commission_usd)
    return Recorded(execution, Reason(row.reason), fee)


def _intent_of(row: IntentRow) -> OrderIntent:
    return OrderIntent(
        intent_id=row.intent_id,
        bracket_id=row.bracket_id or row.intent_id,
        role=Role(row.role),
        reason=Reason(row.reason or Reason.MANUAL),
        symbol=row.symbol,
        action=Action(row.action),
        quantity=row.quantity,
        order_type=row.order_type,
        tif=row.tif,
        limit_price=price_from_usd(row.limit_price_usd) if row.limit_price_usd else 0,
        stop_price=price_from_usd(row.stop_price_usd) if row.stop_price_usd else 0,
        oca_group=row.oca_group or "",
        decision_id=row.decision_id or "",
    )
