"""The trace of one decision: tick → decision → risk → intent → order → fill → row, each span under the one before.

A trace is named by the id of its decision (of its bracket, where an order has none), an order's span by its intent,
a fill's by its execution. All of them are on record, so a fill finds its order's span hours later, and after a crash.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, ParamSpec, TypeVar

from telemetry import tracing
from telemetry.tracing import Attributes, AttributeValue, Kind, Link, Span, span
from trading.money import price_to_usd
from trading.orders import ExecutionReport, OrderIntent

P = ParamSpec("P")
T = TypeVar("T")

trace_id_of = tracing.trace_id_text  # of a journey's id, as `trades.trace_id` and `decisions.trace_id` keep it


class Look(NamedTuple):
    """Wall time at which a symbol's latest tick arrived and at which it was judged; 0 while nobody listens."""

    heard_ns: int
    judging_ns: int

    @classmethod
    def now(cls, heard_ns: int) -> Look:
        """A symbol whose latest tick arrived at `heard_ns` is judged from now on."""
        return cls(heard_ns, tracing.now_ns()) if tracing.is_on() else UNTRACED


UNTRACED = Look(0, 0)


def journey_of(intent: OrderIntent) -> str:
    """The id of the trace that an order belongs to."""
    return intent.decision_id or intent.bracket_id


def decided(
    decision_id: str, journey: str, look: Look, *, symbol: str, kind: str, rule: str, quantity: int
) -> Link | None:
    """Tell a decision that was made just now, with its tick and its verdict if it was judged; the span of its row."""
    if not tracing.is_on():
        return None
    now_ns = tracing.now_ns()
    above = tracing.current()
    verdict = tracing.derived(journey, f"decision {decision_id}")
    about: Attributes = {"trading.symbol": symbol, "trading.decision.id": decision_id}
    if look is not UNTRACED:
        above = tracing.derived(journey, f"tick {decision_id}")
        tracing.emit("tick", above, 0, look.heard_ns or look.judging_ns, look.judging_ns, about)
        told = {**about, "trading.rule": rule}
        tracing.emit("risk", _risk_of(journey), verdict.span_id, look.judging_ns, now_ns, told)
    told = {**about, "trading.decision.kind": kind, "trading.rule": rule, "trading.quantity": quantity}
    parent_id = above.span_id if above else 0
    tracing.emit("decision", verdict, parent_id, look.judging_ns or now_ns, now_ns, told)
    return verdict


def planned(sent: OrderIntent) -> None:
    """Tell an order of a plan as the decision that it is, before it is committed: nothing else judged it."""
    if tracing.is_on():
        told: Attributes = {
            "trading.symbol": sent.symbol,
            "trading.decision.id": sent.decision_id,
            "trading.quantity": sent.quantity,
        }
        now_ns = tracing.now_ns()
        tracing.emit("plan", _risk_of(sent.decision_id), 0, now_ns, now_ns, told)


def intent(intents: Sequence[OrderIntent]) -> Span | tracing._NoSpan:
    """Intents while they are committed together."""
    if not tracing.is_on():
        return tracing.NO_SPAN
    first = intents[0]
    told: Attributes = {
        "trading.symbol": first.symbol,
        "trading.intents": len(intents),
        "trading.reason": first.reason.value,
    }
    parent = _risk_of(first.decision_id) if first.decision_id else None
    return span("intent", told, link=_intent_link(first), parent=parent)


def order(sent: OrderIntent, first: OrderIntent, order_id: int, server: tuple[str, int]) -> Span | tracing._NoSpan:
    """One order while it is handed to the socket. `first` is that of its commit."""
    if not tracing.is_on():
        return tracing.NO_SPAN
    told: dict[str, AttributeValue] = {
        "trading.symbol": sent.symbol,
        "trading.intent.id": sent.intent_id,
        "trading.order.id": order_id,
        "trading.order.role": sent.role.value,
        "trading.order.type": sent.order_type,
        "trading.order.action": sent.action.value,
        "trading.quantity": sent.quantity,
        "server.address": server[0],
        "server.port": server[1],
        "network.transport": "tcp",
    }
    return span("order", told, kind=Kind.CLIENT, link=_order_link(sent), parent=_intent_link(first))


def fill(execution: ExecutionReport, of: OrderIntent | None) -> Span | tracing._NoSpan:
    """An execution while it is booked: under its order, or a trace of its own when no order of ours made it."""
    if not tracing.is_on():
        return tracing.NO_SPAN
    told: dict[str, AttributeValue] = {
        "trading.symbol": execution.symbol,
        "trading.execution.id": execution.exec_id,
        "trading.order.id": execution.order_id,
        "trading.order.action": execution.action.value,
        "trading.quantity": execution.quantity,
        "trading.price": price_to_usd(execution.price),
        "trading.session.time_s": execution.at_s,
    }
    journey = journey_of(of) if of else execution.exec_id
    link = tracing.derived(journey, f"fill {execution.exec_id}")
    return span("fill", told, link=link, parent=_order_link(of) if of else None)


def asks(what: str) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
    """Trace a question to the gateway, from asking to the answer. Inside it is not the current span.

    A connection that is opened in it lives longer, and would take everything it ever hears for part of the question.
    """

    def traced(ask: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
        @functools.wraps(ask)
        async def run(*arguments: P.args, **options: P.kwargs) -> T:
            if not tracing.is_on():
                return await ask(*arguments, **options)
            start_ns, failure, words = tracing.now_ns(), "", ""
            try:
                return await ask(*arguments, **options)
            except BaseException as error:
                failure, words = type(error).__name__, str(error)
                raise
            finally:
                above = tracing.current()
                link = tracing.child_of(above) if above else tracing.new_trace()
                told: Attributes = {"network.transport": "tcp"}
                parent_id, end_ns = above.span_id if above else 0, tracing.now_ns()
                tracing.emit(
                    what, link, parent_id, start_ns, end_ns, told, kind=Kind.CLIENT, error=failure, detail=words
                )

        return run

    return traced


def _risk_of(decision_id: str) -> Link:
    """What the intents of a decision hang under: the risk rules that approved it, or the plan that has it."""
    return tracing.derived(decision_id, f"risk {decision_id}")


def _intent_link(first: OrderIntent) -> Link:
    return tracing.derived(journey_of(first), f"intent {first.intent_id}")


def _order_link(intent: OrderIntent) -> Link:
    return tracing.derived(journey_of(intent), f"order {intent.intent_id}")
