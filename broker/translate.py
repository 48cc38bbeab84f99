"""Between the client library's objects, where money is a float of USD, and our values: 1e-4 USD and 1e-6 USD."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from broker.client_library import BarData, Contract, Fill, Order, Trade
from broker.codes import Policy, code
from broker.new_orders import plain_order
from broker.values import BrokerPosition, Quote, RestingOrder
from market_hours import NEW_YORK
from trading.bars import Bar
from trading.money import price_to_usd
from trading.orders import Action, ExecutionReport, IntentState, OrderIntent, OrderReport, OrderTerms

HALTED = (1, 2)  # tick 49: general halt, volatility pause
DELAYED = (3, 4)  # market data types delayed and delayed-frozen
UNSET_FROM_USD = 1e12  # more than any price or amount; the gateway's "none" is 1.797e308
STATES: dict[str, IntentState] = {  # IB's status -> ours
    "PendingSubmit": IntentState.SENT,
    "ApiPending": IntentState.SENT,
    "PreSubmitted": IntentState.WORKING,
    "Submitted": IntentState.WORKING,
    "PendingCancel": IntentState.WORKING,
    "ApiCancelled": IntentState.CANCELLED,
    "Cancelled": IntentState.CANCELLED,
    "Filled": IntentState.FILLED,
    "Inactive": IntentState.REJECTED,
}
WARNED = "ValidationError"  # what ib_async calls an order that a message warned of: it is where it was before
MODIFICATION_FAULTS = (105, 321, 329)  # nobody says whether the order itself lives on


def is_set(usd: float) -> bool:
    """Whether the gateway gave a number: it says NaN or the largest double for "none"."""
    return abs(usd) < UNSET_FROM_USD


def price_from_ib(usd: float) -> int:
    """A quoted price to 1e-4 USD; 0 for none, zero and the -1 that stands for no quote."""
    return round(usd * 10_000) if usd > 0 and is_set(usd) else 0


def money_from_ib(usd: float) -> int:
    """An amount to 1e-6 USD. Raises ValueError when it is not set: unknown is not zero."""
    if not is_set(usd):
        raise ValueError(f"the gateway gave no amount: {usd!r}")
    return round(usd * 1_000_000)


def epoch_s(when: datetime) -> int:
    """An aware datetime to whole epoch seconds. Raises ValueError on a naive one."""
    if when.tzinfo is None:
        raise ValueError(f"naive datetime from the broker: {when!r}")
    return int(when.timestamp())


def bar_from_ib(bar: BarData, *, open_s: int = 0) -> Bar:
    """A historical bar. Daily bars carry a date only: their `start_s` is `open_s` when given, else 00:00 UTC."""
    if isinstance(bar.date, datetime):
        start_s = epoch_s(bar.date)
    else:
        start_s = open_s or int(datetime(bar.date.year, bar.date.month, bar.date.day, tzinfo=UTC).timestamp())
    return Bar(
        start_s,
        price_from_ib(bar.open),
        price_from_ib(bar.high),
        price_from_ib(bar.low),
        price_from_ib(bar.close),
        int(max(bar.volume, 0)),
    )


def quote_from_ib(bid: float, ask: float, last: float, halted: float, data_type: int, at_s: int) -> Quote:
    """The fields of a ticker as a quote."""
    return Quote(
        price_from_ib(bid), price_from_ib(ask), price_from_ib(last), at_s, halted in HALTED, data_type in DELAYED
    )


@lru_cache(maxsize=64)
def ib_time(second: int) -> str:
    """An instant with its zone, as order conditions take it: `20260928 15:55:00 US/Eastern`."""
    return datetime.fromtimestamp(second, NEW_YORK).strftime("%Y%m%d %H:%M:%S US/Eastern")


def order_to_ib(intent: OrderIntent, *, order_id: int, parent_id: int, account: str, transmit: bool) -> Order:
    """The order that carries out an intent, in regular hours only; the intent's id travels as `orderRef`."""
    order = plain_order(
        order_id,
        action=intent.action.value,
        totalQuantity=intent.quantity,
        orderType=intent.order_type,
        tif=intent.tif,
        orderRef=intent.intent_id,
        parentId=parent_id,
        account=account,
        transmit=transmit,
    )
    if intent.limit_price:
        order.lmtPrice = price_to_usd(intent.limit_price)
    if intent.stop_price:
        order.auxPrice = price_to_usd(intent.stop_price)
    if intent.good_till_s:
        order.goodTillDate = ib_time(intent.good_till_s)
    if intent.good_after_s:
        order.goodAfterTime = ib_time(intent.good_after_s)
    if intent.oca_group:
        order.ocaGroup = intent.oca_group
        order.ocaType = 2
    return order


def execution_from_ib(fill: Fill) -> ExecutionReport:
    """An execution; its instant is the gateway's, never the library's."""
    execution = fill.execution
    return ExecutionReport(
        exec_id=execution.execId,
        order_ref=execution.orderRef,
        symbol=fill.contract.symbol,
        action=Action.BUY if execution.side == "BOT" else Action.SELL,
        quantity=int(execution.shares),
        price=price_from_ib(execution.price),
        at_s=epoch_s(execution.time),
        order_id=execution.orderId,
        perm_id=execution.permId,
    )


def report_from_ib(trade: Trade) -> OrderReport:
    """An order's state. A cancel that the library only inferred from an error is judged by the error's code.

    An error about an order that was alive may be about its modification: then nobody knows, until the broker says.
    """
    status = trade.orderStatus
    error = trade.log[-1].errorCode if trade.log else 0
    told = status.status
    if told == WARNED and error not in MODIFICATION_FAULTS:
        told = next((entry.status for entry in reversed(trade.log) if entry.status != WARNED), WARNED)
    state = STATES.get(told, IntentState.UNKNOWN)
    detail = status.whyHeld
    if state is IntentState.CANCELLED and error:
        detail = trade.log[-1].message
        was_alive = any(STATES.get(entry.status) is IntentState.WORKING for entry in trade.log)
        rejects = code(error).policy is Policy.REJECT_ORDER and not was_alive
        state = IntentState.REJECTED if rejects else IntentState.UNKNOWN
    elif state is IntentState.REJECTED and "locate" in status.whyHeld:
        state = IntentState.WORKING
    return OrderReport(
        order_ref=trade.order.orderRef,
        state=state,
        filled=int(status.filled),
        remaining=int(status.remaining),
        average_price=price_from_ib(status.avgFillPrice),
        order_id=trade.order.orderId,
        perm_id=status.permId or trade.order.permId,
        detail=detail,
        held=told == "PreSubmitted",
    )


def terms_from_ib(trade: Trade) -> OrderTerms:
    """What a live order asks for."""
    order = trade.order
    return OrderTerms(
        order.orderRef,
        int(order.totalQuantity),
        price_from_ib(order.lmtPrice) if order.orderType == "LMT" else 0,
        price_from_ib(order.auxPrice) if order.orderType == "STP" else 0,
    )


def resting_from_ib(trade: Trade) -> RestingOrder:
    """An open order for a reader."""
    order = trade.order
    price = order.auxPrice if order.orderType == "STP" else order.lmtPrice
    return RestingOrder(
        order_ref=order.orderRef,
        symbol=trade.contract.symbol,
        action=order.action,
        quantity=float(order.totalQuantity),
        order_type=order.orderType,
        price_usd=price if order.orderType != "MKT" and price < 1e9 else 0.0,
        tif=order.tif,
        status=trade.orderStatus.status,
        order_id=order.orderId,
        perm_id=order.permId,
        client_id=order.clientId,
    )


def position_from_ib(contract: Contract, quantity: float, average_cost: float) -> BrokerPosition:
    """A net position."""
    return BrokerPosition(
        contract.symbol,
        float(quantity),
        price_from_ib(average_cost),
        is_stock=contract.secType == "STK",
        is_short_option=contract.secType in ("OPT", "FOP") and quantity < 0,
    )
