"""The orders of one bot that may still act, by intent and by position: of this run, and of earlier ones."""

from __future__ import annotations

from typing import NamedTuple

from observability import TradingHistory
from records.intent_log import IntentLog
from records.rows import IntentRow
from trading.brackets import Leg, LiveBracket
from trading.money import price_from_usd
from trading.orders import Action, IntentState, OrderIntent, Reason, Role
from trading.reconcile import IntentFact
from trading.strategy import Parameters

UNHEARD = (IntentState.CREATED, IntentState.SENT, IntentState.UNKNOWN)


class Tracked(NamedTuple):
    """An intent and the bracket that it belongs to."""

    intent: OrderIntent
    bracket: LiveBracket

    @property
    def leg(self) -> Leg:
        return self.bracket.legs[self.intent.role]


class TrackedOrders:
    """Finds the intent behind an order reference, and the bracket behind a symbol."""

    def __init__(self, history: TradingHistory, intents: IntentLog, parameters: Parameters) -> None:
        self.brackets: dict[str, LiveBracket] = {}  # symbol -> the orders of its position
        self._history = history
        self._intents = intents
        self._parameters = parameters
        self._by_id: dict[str, Tracked] = {}  # intent_id -> intent and its bracket
        self._strangers: dict[str, None] = {}  # order references of other programs

    def track(self, intents: tuple[OrderIntent, ...]) -> LiveBracket:
        """Follow the orders of one bracket from now on."""
        bracket = LiveBracket.of(intents, self._parameters)
        self.brackets[bracket.symbol] = bracket
        for intent in intents:
            self._by_id[intent.intent_id] = Tracked(intent, bracket)
        return bracket

    def restore(self) -> None:
        """Take up the orders of earlier runs that may be alive."""
        legs: dict[str, list[IntentRow]] = {}  # bracket_id -> its intents that may be alive
        for intent in self._history.open_intents(self._history.bot):
            legs.setdefault(intent.bracket_id or intent.intent_id, []).append(intent)
        for rows in legs.values():
            self._restore_bracket(rows)

    def get(self, intent_id: str) -> Tracked | None:
        """An intent that is followed."""
        return self._by_id.get(intent_id)

    def find(self, order_ref: str) -> Tracked | None:
        """The intent behind an order reference: followed, or on record from an earlier run of this bot."""
        known = self._by_id.get(order_ref)
        if known is not None or not order_ref or order_ref in self._strangers:
            return known
        row = self._history.intent(order_ref)
        if row is None or row.bot != self._history.bot:
            self._strangers[order_ref] = None
            return None
        current = self.brackets.get(row.symbol)
        self._restore_bracket([row])
        if current is not None:  # what comes late of an earlier bracket does not hide the one that works now
            self.brackets[row.symbol] = current
        return self._by_id[order_ref]

    def facts(self) -> list[IntentFact]:
        """All intents that may still do something, for reconciliation."""
        return [
            IntentFact(
                intent_id, each.intent.symbol, each.leg.state, each.intent.quantity, self._intents.written_s(intent_id)
            )
            for intent_id, each in self._by_id.items()
            if not each.leg.is_over
        ]

    def unheard_of(self, now_s: int, patience_s: int) -> OrderIntent | None:
        """An intent of which nobody said for longer than `patience_s` what became of it."""
        for intent_id, each in self._by_id.items():
            if each.leg.state in UNHEARD and now_s - self._intents.written_s(intent_id) > patience_s:
                return each.intent
        return None

    def _restore_bracket(self, rows: list[IntentRow]) -> None:
        """Follow orders of earlier runs. Some of their bracket may be followed already: they join it."""
        intents = tuple(_intent_of(row) for row in rows)
        bracket = self._bracket(intents[0].bracket_id)
        if bracket is None:
            bracket = self.track(intents)
        for intent in intents:
            bracket.join(intent)
            self._by_id[intent.intent_id] = Tracked(intent, bracket)
        for row in rows:
            leg = bracket.legs[Role(row.role)]
            leg.state = IntentState(row.state)
            self._intents.adopt(leg.intent, leg.state, int(row.created_at.timestamp()))

    def _bracket(self, bracket_id: str) -> LiveBracket | None:
        return next((each.bracket for each in self._by_id.values() if each.intent.bracket_id == bracket_id), None)


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
