"""The book and the record kept in step with what the broker reports: executions, fees, order states."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence

from broker import codes, journey
from broker.account_shares import AccountShares
from broker.earlier_fills import EarlierFills
from broker.notices import tell, tell_fill
from broker.order_desk import OrderDesk
from broker.session_record import SessionRecord, recorded
from broker.tracked_orders import Tracked, TrackedOrders
from broker.values import BrokerPosition, FilledOrder, FinishedSale
from notifications.notices import Kind
from observability import TradingHistory
from records.intent_log import IntentLog
from records.rows import DecisionKind
from telemetry.instruments import FILLS, REJECTS
from telemetry.metering import measure
from trading.book import PendingEntry, SessionBook
from trading.brackets import LiveBracket
from trading.broker_result import OwnDay
from trading.judgement import Judgement
from trading.orders import (
    TERMINAL,
    Action,
    ExecutionReport,
    IntentState,
    OrderIntent,
    OrderReport,
    OrderTerms,
    Reason,
    Role,
    follow,
)
from trading.reconcile import IntentFact
from trading.rules import Rule
from trading.strategy import Market, Parameters
from trading.sync import Adoption

log = logging.getLogger(__name__)


AT_THE_OPEN = "OPG"  # time in force
PATIENCE_S = 30  # the broker tells fees and order states within this time, or it is asked


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
        self.on_entry_over: Callable[[], None] = lambda: None
        self.on_refused: Callable[[str, str], None] = lambda symbol, why: None  # the broker will not let it be bought
        self.tracked = TrackedOrders(history, intents, parameters)
        self.shares = AccountShares()
        self.record = SessionRecord(history, session_date, market_of, new_id)
        self.earlier = EarlierFills(history, self.record, book, self.tracked)
        self.warnings: list[str] = []
        self.doubtful: tuple[str, ...] = ()  # symbols of which earlier sessions left something that nobody can explain
        self.executions = 0
        self.foreign = 0
        self.reasons: dict[str, Reason] = {}  # intent_id -> why it sells now, where that is not its role's reason
        self.on_doubt: Callable[[str, str], None] = lambda _intent_id, _why: None  # the broker must be asked, and why
        self._history = history
        self._intents = intents
        self._unpaid: dict[str, int] = {}  # exec_id -> second of an execution whose fee nobody reported yet
        self._early_sales: dict[str, str] = {}  # exec_id -> symbol of sales whose purchase may still be told
        self._uncovered: dict[str, None] = {}  # exec_ids of our sales of shares that the ledger did not own
        self._foreign_ids: dict[str, None] = {}  # exec_ids that were counted as foreign
        self._unplaced: list[ExecutionReport] = []  # sales of nobody's, told before the positions were known

    @property
    def brackets(self) -> dict[str, LiveBracket]:
        """Symbol -> the orders of its position."""
        return self.tracked.brackets

    @property
    def decisions(self) -> int:
        """How many judgements, exits and adoptions are on record."""
        return self.record.decisions

    def track(self, intents: tuple[OrderIntent, ...]) -> LiveBracket:
        """Follow the orders of one bracket from now on. Call it before they are sent."""
        return self.tracked.track(intents)

    def restore(self) -> None:
        """Take up what earlier runs of this bot left: positions, today's results, orders that may be alive."""
        day = self.record.session_date
        ledger = self._history.ledger(day)
        self.book.restore(
            [recorded(row) for row in ledger if row.session_date != day],
            [recorded(row) for row in ledger if row.session_date == day],
        )
        self.tracked.restore()

    # Reconciliation

    def intent_facts(self) -> list[IntentFact]:
        """All intents that may still do something, for reconciliation."""
        return self.tracked.facts()

    def on_resolved(self, intent_id: str, state: IntentState) -> None:
        """What reconciliation found out about an intent. An entry that still works takes its capital."""
        known = self.tracked.get(intent_id)
        assert known is not None
        intent, leg = known.intent, known.leg
        leg.state = follow(leg.state, state)
        if intent.role is not Role.ENTRY:
            return
        if leg.is_over:
            self._end_entry(known.bracket)
        elif intent.symbol not in self.book.pending:
            self.book.pending[intent.symbol] = PendingEntry(intent_id, leg.quantity - leg.filled, leg.limit_price)

    def look_back(self, stocks: Sequence[BrokerPosition], filled: Mapping[str, FilledOrder], now_s: int) -> None:
        """Executions of earlier sessions that nobody will tell any more; what cannot be explained stops entries.

        `filled` maps intents to what the broker's orders say.
        """
        found = self.earlier.explain({position.symbol: position for position in stocks}, filled, now_s)
        for line in found.booked:
            self.warn(line)
        for line in found.doubts:
            self.stop_entries(line)
        self.doubtful = found.doubtful

    def unlisted(self, told: Collection[str]) -> list[str]:
        """Symbols of the ledger that are not among those of which rows were told."""
        return [symbol for symbol in self.book.positions if symbol not in told]

    def lacks(self, held: Mapping[str, float]) -> bool:
        """Whether rows tell of fewer shares than the ledger owns; an absent one tells nothing."""
        return self.shares.lack(held, self.book.positions)

    def owned_by_others(self) -> dict[str, int]:
        """Shares of the account's other bots, by their ledgers."""
        owned: dict[str, int] = {}
        for row in self._history.open_positions():
            if row.bot != self._history.bot:
                owned[row.symbol] = owned.get(row.symbol, 0) + row.quantity
        return owned

    def on_positions(self, held: Mapping[str, float], sales: Sequence[FinishedSale] = ()) -> None:
        """The account's net stock positions, read twice alike: what is beyond the ledgers is external.

        Shares of the ledger that are told to be gone stop entries, and exits shrink so that nothing can go short.
        Where a row is only absent nobody knows: exits stay, entries wait, and the broker is asked again.
        """
        of_others = self.owned_by_others()
        self._place_sales(held, of_others)
        found = self.shares.compare(held, self.book.positions, of_others, [s for s in sales if self._is_nobodys(s)])
        for symbol in found.gone:
            owned = self.book.positions[symbol].quantity
            there = owned - self.shares.missing[symbol]
            self.stop_entries(
                f"{there} {symbol} at the broker, {owned} in the ledger: "
                "shares are missing, entries stop, nothing is traded to repair it"
            )
            self._shrink_exits(symbol, there)
        for symbol in found.unlisted:
            self._warn_and_tell(
                f"{symbol}: {self.book.positions[symbol].quantity} in the ledger, the broker does not list them and "
                "told of no sale: exits stay, entries wait; if you took the shares away, cancel their exits",
                Kind.INVARIANT,
            )

    def doubt(self, now_s: int) -> str:
        """What the broker should have told by now and has not: a fee, or what became of an order. Empty: nothing."""
        for symbol in self._early_sales.values():
            return f"{symbol}: more was sold than the ledger owns"
        for exec_id, at_s in self._unpaid.items():
            if now_s - at_s > PATIENCE_S:
                return f"no fee was reported for execution {exec_id}"
        for symbol, entry in self.book.pending.items():
            known = self.tracked.get(entry.intent_id)
            if known is not None and known.leg.is_over:
                return f"{symbol}: its entry is over and not all of its executions were told"
        intent = self.tracked.unheard_of(now_s, PATIENCE_S)
        return f"{intent.symbol}: nobody said what became of its {intent.role} order" if intent else ""

    def owed_shares(self, symbol: str) -> int:
        """Shares that the entry of a symbol reported as filled and whose executions nobody told yet.

        They are at the broker, not in the ledger: their exits rest, and the symbol is not entered again.
        """
        bracket = self.brackets.get(symbol)
        entry = bracket.legs.get(Role.ENTRY) if bracket is not None else None
        return max(entry.filled - self.book.filled_by(entry.intent.intent_id)[0], 0) if entry is not None else 0

    def owner_of(self, execution: ExecutionReport) -> str:
        """The bot whose order made an execution; empty when it is nobody's."""
        if self.book.knows(execution.exec_id):
            return self._history.bot
        intent = self._history.intent(execution.order_ref) if execution.order_ref else None
        return intent.bot if intent is not None else ""

    def own_day(self, open_s: int) -> OwnDay:
        """This bot's result of the session that opened at `open_s`, to hold beside the broker's."""
        book, of_others = self.book, self.owned_by_others()
        traded = {symbol: None for symbol, _ in book.round_trips} | dict.fromkeys(book.positions)
        return OwnDay(
            bot=self._history.bot,
            realised=book.realised,
            fees_owed=self.is_owed_fees,
            carried=book.symbols_held_before(open_s),
            open_symbols=tuple(book.positions),
            shared=tuple(symbol for symbol in traded if self.shares.external.get(symbol) or of_others.get(symbol)),
        )

    @property
    def is_owed_fees(self) -> bool:
        """Whether an execution's fee is still to be reported."""
        return bool(self._unpaid)

    def stop_entries(self, why: str, kind: Kind = Kind.INVARIANT) -> None:
        """No more entries in this session, and the user is told at once."""
        self.book.entries_stopped = self.book.entries_stopped or why
        self._warn_and_tell(why, kind)

    def record_judgement(
        self,
        symbol: str,
        kind: DecisionKind,
        judgement: Judgement,
        market: Market | None,
        now_s: int,
        look: journey.Look = journey.UNTRACED,
    ) -> str:
        """Note one decision for the record, until `record.write`; returns its id."""
        return self.record.judgement(symbol, kind, judgement, market, now_s, look)

    def adopt(self, adoption: Adoption, now_s: int) -> None:
        """Take shares that nobody's ledger explains into this one, at the broker's average cost, without a fee."""
        execution = ExecutionReport(
            exec_id=f"sync-{self.record.session_date}-{adoption.symbol}-{now_s}",
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
        self.record.write()
        self.record.trade(execution, Reason.SYNC, None, self.parameters, trace=decision_id)
        self.record.fee(execution.exec_id, 0, None)

    # Reports of the broker

    def on_execution(self, execution: ExecutionReport) -> None:
        if self.book.knows(execution.exec_id) or execution.exec_id in self._foreign_ids:
            return
        if self.earlier.is_earlier(execution):
            if warning := self.earlier.on_execution(execution):
                self.warn(warning)
            return
        known = self.tracked.find(execution.order_ref)
        with journey.fill(execution, known.intent if known else None):
            if known is None:
                self._on_foreign(execution)
            else:
                self._on_own(execution, known)

    def _on_own(self, execution: ExecutionReport, known: Tracked) -> None:
        """An execution of one of our orders."""
        intent, bracket = known
        owned = self.book.symbol_state(execution.symbol).quantity
        if execution.action is Action.SELL and execution.quantity > owned:
            if self._may_be_early(execution):
                return  # it comes again, behind its purchase, when the broker is asked for all executions
            self.stop_entries(
                f"{execution.symbol}: {execution.quantity} sold by our {intent.role} order, {owned} owned by the ledger"
            )
            self._record_uncovered(execution, known)
            return
        self._early_sales.pop(execution.exec_id, None)
        self.shares.traded_by_us(execution.symbol)
        self.executions += 1
        self._unpaid[execution.exec_id] = execution.at_s
        reason = self.reasons.get(intent.intent_id, intent.reason)
        closing = self.book.on_execution(execution, reason)
        if execution.action is Action.BUY:
            bracket.on_bought(execution.quantity, execution.price)
            if bracket.entry_is_over:
                self.fit_exits(bracket)
        else:
            self.record.exit(execution, reason, trace=journey.journey_of(intent))
        self.record.trade(execution, reason, closing, bracket.parameters, trace=journey.journey_of(intent))
        measure(FILLS, reason=reason.value)
        tell_fill(execution, reason, closing)
        self._believe_late_fill(known)

    def on_fee(self, exec_id: str, fee: int) -> None:
        """Commission and fees (1e-6 USD) of an execution, whichever session it is of."""
        if self.earlier.knows(exec_id):
            self.earlier.on_fee(exec_id, fee)
        elif self.book.knows(exec_id):
            self._unpaid.pop(exec_id, None)
            self.record.fee(exec_id, fee, self.book.on_fee(exec_id, fee))
        elif exec_id in self._uncovered:
            self.record.fee(exec_id, fee, None)

    def on_order(self, report: OrderReport) -> None:
        known = self.tracked.find(report.order_ref)
        if known is None:
            return
        intent, bracket = known
        was_over, was_unknown = known.leg.is_over, known.leg.state is IntentState.UNKNOWN
        bracket.on_report(intent.role, report)
        if was_over and not known.leg.is_over and self.brackets.get(intent.symbol) is not bracket:
            self.warn(f"{intent.symbol}: a {intent.role} order that was believed gone is alive, it is withdrawn")
            self.orders.cancel(intent.intent_id)
        if report.state is IntentState.REJECTED:
            measure(REJECTS, role=intent.role.value)
            words = f"{intent.symbol}: {intent.role} order rejected {report.detail}".strip()
            if intent.role is Role.ENTRY or self.book.symbol_state(intent.symbol).quantity:
                self._warn_and_tell(words, Kind.REJECT)
            else:  # the exits of an entry that bought nothing
                self.warn(words)
            if intent.role is Role.ENTRY:  # no retry loop: as after an exit, the symbol cools down
                self.book.last_exit_s[intent.symbol] = self._intents.now_s()
        if known.leg.state is IntentState.UNKNOWN and not was_unknown:
            self.on_doubt(intent.intent_id, f"{intent.symbol}: the state of its {intent.role} order is unknown")
        if intent.role is Role.ENTRY and report.state in TERMINAL:
            self._end_entry(bracket)
            self.on_entry_over()

    def on_terms(self, terms: OrderTerms) -> None:
        known = self.tracked.get(terms.order_ref)
        if known is not None:
            known.bracket.on_terms(known.intent.role, terms)

    def on_message(self, code: int, text: str, order_ref: str) -> None:
        known, policy = self.tracked.get(order_ref), codes.code(code).policy
        if policy is codes.Policy.DEGRADE_DATA:
            self.warn(f"gateway message {code}, {codes.code(code).meaning}: no entries on data that is lost")
        elif known is not None and known.intent.tif == AT_THE_OPEN and code == codes.NOT_BEFORE:
            log.info("%s: its order waits for the open", known.intent.symbol)
        elif known is not None and policy is not codes.Policy.CANCEL_ANSWER:
            self.warn(f"{known.intent.symbol}: gateway message {code} about its {known.intent.role} order: {text}")
            if known.intent.role is Role.ENTRY and code in codes.NOT_FOR_THIS_ACCOUNT:
                self.on_refused(known.intent.symbol, f"{code} {text}")
            if policy is codes.Policy.REJECT_ORDER and known.leg.state is IntentState.WORKING:
                self.on_doubt(known.intent.intent_id, f"{known.intent.symbol}: a change of an order was refused")

    def _end_entry(self, bracket: LiveBracket) -> None:
        """An entry that can buy no more gives back its capital, but for what the ledger does not have yet."""
        entry = bracket.legs[Role.ENTRY]
        self.book.drop_pending(bracket.symbol, entry.intent.intent_id, entry.filled)
        self.fit_exits(bracket)

    def fit_exits(self, bracket: LiveBracket) -> None:
        """Size and prices of the resting exits follow what is owned and what it cost."""
        owned = self.book.symbol_state(bracket.symbol).quantity
        there = max(owned - self.shares.missing.get(bracket.symbol, 0), 0)
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

    def _warn_and_tell(self, words: str, kind: Kind) -> None:
        """A warning that the user must have at once. The same words count once."""
        if words not in self.warnings:
            tell(kind, words, self._intents.now_s())
        self.warn(words)

    def _believe_late_fill(self, known: Tracked) -> None:
        """An order that was believed dead and filled all the same: its record says so."""
        intent, leg = known.intent, known.leg
        if not leg.is_over or leg.state is IntentState.FILLED:
            return
        filled, average = self.book.filled_by(intent.intent_id)
        if filled >= leg.quantity:
            leg.state = IntentState.FILLED
        self._intents.filled_late(intent.intent_id, leg.state, filled, average)

    def _may_be_early(self, sale: ExecutionReport) -> bool:
        """Whether the purchase of what was sold may be untold: at a connection reports overtake the answers.

        A sale beyond the ledger is believed when it is told again, and nothing is owed.
        """
        is_first = sale.exec_id not in self._early_sales
        self._early_sales[sale.exec_id] = sale.symbol
        return is_first or self.owed_shares(sale.symbol) > 0

    def _record_uncovered(self, execution: ExecutionReport, known: Tracked) -> None:
        """A sale beyond what the ledger owns: the record gets all of it, the book what it had."""
        self._early_sales.pop(execution.exec_id, None)
        intent, bracket = known
        self._foreign_ids[execution.exec_id] = None
        owned = self.book.symbol_state(execution.symbol).quantity
        if owned:
            self.book.on_execution(execution._replace(quantity=owned), intent.reason)
        else:
            self._uncovered[execution.exec_id] = None
        self.record.trade(execution, intent.reason, None, bracket.parameters, trace=journey.journey_of(intent))

    def _on_foreign(self, execution: ExecutionReport) -> None:
        """An execution that none of our orders made. A sale takes external shares first, then ours, others' last."""
        self.foreign += 1
        self._foreign_ids[execution.exec_id] = None
        self.shares.told_of(execution.perm_id, execution.quantity)
        if execution.order_ref and self._history.intent(execution.order_ref) is not None:
            return  # another bot's own
        symbol = execution.symbol
        if execution.action is Action.BUY:
            self.shares.bought_by_others(symbol, execution.quantity)
        elif self.shares.are_known:
            self._sold_by_somebody(execution, self.shares.sold_by_others(symbol, execution.quantity))
        else:
            self._unplaced.append(execution)

    def _place_sales(self, held: Mapping[str, float], of_others: Mapping[str, int]) -> None:
        """Sales told before the positions were: what the account still holds shows whose shares they took."""
        unplaced, self._unplaced = self._unplaced, []
        for execution in reversed(unplaced):  # the latest one sold what is missing now
            symbol = execution.symbol
            explained = self.book.symbol_state(symbol).quantity + of_others.get(symbol, 0)
            lacking = max(explained - max(int(held.get(symbol, 0.0)), 0), 0)
            self._sold_by_somebody(execution, min(execution.quantity, lacking))

    def _is_nobodys(self, sale: FinishedSale) -> bool:
        """Whether none of our bots made this order."""
        return not sale.order_ref or self._history.intent(sale.order_ref) is None

    def _sold_by_somebody(self, execution: ExecutionReport, quantity: int) -> None:
        """`quantity` of a sale that is nobody's were not external: they were ours, or another bot's."""
        symbol = execution.symbol
        ours = min(quantity, self.book.symbol_state(symbol).quantity)
        if quantity > ours:
            self.warn(f"{symbol}: {quantity - ours} shares of another bot were sold by somebody else")
        if ours <= 0:
            return
        self.warn(f"{symbol}: {ours} of our shares were sold by somebody else")
        sale = execution._replace(quantity=ours)
        closing = self.book.on_execution(sale, Reason.MANUAL)
        self.record.trade(sale, Reason.MANUAL, closing, self.parameters, trace=sale.exec_id)
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
