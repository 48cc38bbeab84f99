"""Order life as pure values: an intent is written down before it is sent, and what becomes of it is a state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from trading.matching import entry_stop_price, entry_target_price
from trading.strategy import Parameters


class Action(StrEnum):
    """The side of an order, in the words of the broker and of `trades.action`."""

    BUY = "BUY"
    SELL = "SELL"


class Role(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    TIME_EXIT = "time_exit"
    CLOSE = "close"


class Reason(StrEnum):
    """Why shares changed hands, as `trades.reason` shows it."""

    ENTRY = "entry"
    PROFIT_TARGET = "profit_target"
    STOP_LOSS = "stop_loss"
    TIME_EXIT = "time_exit"
    EOD = "eod"
    SYNC = "sync"
    REBALANCE = "rebalance"
    MANUAL = "manual"


class IntentState(StrEnum):
    """Where an intent stands. UNKNOWN is a state: the broker did not say."""

    CREATED = "created"
    SENT = "sent"
    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


TERMINAL = (IntentState.FILLED, IntentState.CANCELLED, IntentState.REJECTED, IntentState.EXPIRED)

# state -> states that may follow. A fill is believed after anything: brokers do report fills after a cancel.
TRANSITIONS: dict[IntentState, tuple[IntentState, ...]] = {
    IntentState.CREATED: (
        IntentState.SENT,
        IntentState.WORKING,
        IntentState.FILLED,
        IntentState.REJECTED,
        IntentState.CANCELLED,
        IntentState.EXPIRED,
        IntentState.UNKNOWN,
    ),
    IntentState.SENT: (
        IntentState.WORKING,
        IntentState.FILLED,
        IntentState.CANCELLED,
        IntentState.REJECTED,
        IntentState.EXPIRED,
        IntentState.UNKNOWN,
    ),
    IntentState.WORKING: (
        IntentState.FILLED,
        IntentState.CANCELLED,
        IntentState.REJECTED,
        IntentState.EXPIRED,
        IntentState.UNKNOWN,
    ),
    IntentState.UNKNOWN: (
        IntentState.WORKING,
        IntentState.FILLED,
        IntentState.CANCELLED,
        IntentState.REJECTED,
        IntentState.EXPIRED,
    ),
    IntentState.FILLED: (),
    IntentState.CANCELLED: (IntentState.FILLED,),
    IntentState.REJECTED: (IntentState.FILLED, IntentState.WORKING),
    IntentState.EXPIRED: (IntentState.FILLED, IntentState.WORKING),  # believed gone, and there after all
}


def follow(current: IntentState, reported: IntentState) -> IntentState:
    """The state after a report. A report that cannot follow leaves the state as it is (late or duplicate)."""
    return reported if reported in TRANSITIONS[current] else current


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """One order as it was decided. Prices in 1e-4 USD (0: not set), instants in epoch seconds (0: not set)."""

    intent_id: str
    bracket_id: str
    role: Role
    reason: Reason
    symbol: str
    action: Action
    quantity: int
    order_type: str
    tif: str
    limit_price: int = 0
    stop_price: int = 0
    good_till_s: int = 0
    good_after_s: int = 0
    oca_group: str = ""
    parent_intent_id: str = ""
    decision_id: str = ""


def terms_of(intent: OrderIntent) -> OrderTerms:
    """What an intent asks for before anything was modified."""
    return OrderTerms(intent.intent_id, intent.quantity, intent.limit_price, intent.stop_price)


class ExecutionReport(NamedTuple):
    """One execution as the broker reported it. Price in 1e-4 USD, `at_s` in epoch seconds."""

    exec_id: str
    order_ref: str
    symbol: str
    action: Action
    quantity: int
    price: int
    at_s: int
    order_id: int
    perm_id: int


class OrderReport(NamedTuple):
    """An order's state as the broker reported it. `average_price` in 1e-4 USD.

    `held`: it is not at the exchange yet, such as a stop that has not triggered.
    """

    order_ref: str
    state: IntentState
    filled: int
    remaining: int
    average_price: int
    order_id: int
    perm_id: int
    detail: str = ""
    held: bool = False


class OrderTerms(NamedTuple):
    """What an order asks for now, as the broker shows it. Prices in 1e-4 USD, 0: none."""

    order_ref: str
    quantity: int
    limit_price: int
    stop_price: int


def exit_legs(
    *,
    new_id: Callable[[], str],
    bracket_id: str,
    symbol: str,
    quantity: int,
    fill_price: int,
    parameters: Parameters,
    eod_s: int,
    parent_intent_id: str = "",
    decision_id: str = "",
) -> tuple[OrderIntent, OrderIntent, OrderIntent]:
    """Stop (GTC), target (DAY) and time exit (market at EOD, GTC) in one OCA group.

    Stop and target are priced from `fill_price` (1e-4 USD).
    """

    def leg(role: Role, reason: Reason, order_type: str, tif: str, **prices: int) -> OrderIntent:
        return OrderIntent(
            intent_id=new_id(),
            bracket_id=bracket_id,
            role=role,
            reason=reason,
            symbol=symbol,
            action=Action.SELL,
            quantity=quantity,
            order_type=order_type,
            tif=tif,
            oca_group=f"exit-{bracket_id}",
            parent_intent_id=parent_intent_id,
            decision_id=decision_id,
            **prices,
        )

    stop = entry_stop_price(fill_price, parameters.stop_loss_bps)
    target = entry_target_price(fill_price, parameters.profit_target_bps)
    return (
        leg(Role.STOP, Reason.STOP_LOSS, "STP", "GTC", stop_price=stop),
        leg(Role.TARGET, Reason.PROFIT_TARGET, "LMT", "DAY", limit_price=target),
        leg(Role.TIME_EXIT, Reason.TIME_EXIT, "MKT", "GTC", good_after_s=eod_s),
    )


def entry_bracket(
    *,
    new_id: Callable[[], str],
    symbol: str,
    quantity: int,
    collar: int,
    expected_fill: int,
    parameters: Parameters,
    good_till_s: int,
    eod_s: int,
    decision_id: str,
) -> tuple[OrderIntent, ...]:
    """A marketable limit entry that expires by itself, and its three exits, entry first.

    It is limited to `collar`; its exits are priced from `expected_fill` (both 1e-4 USD) until it fills.
    """
    bracket_id = new_id()
    entry = OrderIntent(
        intent_id=new_id(),
        bracket_id=bracket_id,
        role=Role.ENTRY,
        reason=Reason.ENTRY,
        symbol=symbol,
        action=Action.BUY,
        quantity=quantity,
        order_type="LMT",
        tif="GTD",
        limit_price=collar,
        good_till_s=good_till_s,
        decision_id=decision_id,
    )
    exits = exit_legs(
        new_id=new_id,
        bracket_id=bracket_id,
        symbol=symbol,
        quantity=quantity,
        fill_price=expected_fill,
        parameters=parameters,
        eod_s=eod_s,
        parent_intent_id=entry.intent_id,
        decision_id=decision_id,
    )
    return (entry, *exits)
