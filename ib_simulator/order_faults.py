"""Faults in the life of an order: rejected, accepted without a word, filled after its cancel, unresolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ib_simulator import replies_orders
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import FillAfterCancel, LoseAcknowledgement, Reject
from ib_simulator.message_names import GROUPS, REPLIES, REQUESTS
from ib_simulator.orders import Refusal, SimOrder, Status
from ib_simulator.wire import single_frames
from trading.money import price_to_usd

if TYPE_CHECKING:
    from ib_simulator.faults import FaultInjector

PLACE, CANCEL = REQUESTS["placeOrder"], REQUESTS["cancelOrder"]
REPORTS = frozenset([REPLIES[name] for name in GROUPS["orderReports"]])
REJECTED = 201
CANCELLED_ID = 2  # where cancelOrder names its order: a version comes before it
UNRESOLVED = Refusal(10328, "Connection lost, order data could not be resolved")


@dataclass(slots=True, eq=False)
class _Active:
    """A fault in force and how many orders it still concerns (None: all)."""

    fault: Reject | LoseAcknowledgement | FillAfterCancel
    left: int | None

    def concerns(self, client_id: int | None, symbol: str = "") -> bool:
        wanted = getattr(self.fault, "symbol", "")
        return self.fault.client in (None, client_id) and wanted in ("", symbol)


class OrderFaults:
    """Which faults the next orders and cancels meet."""

    def __init__(self, injector: FaultInjector) -> None:
        self._injector = injector
        self._rejects: list[_Active] = []
        self._lost: list[_Active] = []
        self._late_fills: list[_Active] = []
        self.refuse_unresolved = 0  # outages in which orders are answered with 10328
        injector.gateway.orders.refusal_of = self._refusal

    def reject(self, fault: Reject) -> None:
        """Reject orders from now on."""
        active = _Active(fault, fault.count if fault.count or fault.seconds else 1)
        self._rejects.append(active)
        if fault.seconds is not None:
            self._injector.after(fault.seconds, lambda: _drop(self._rejects, active))

    def lose_acknowledgements(self, fault: LoseAcknowledgement) -> None:
        """Lose the next ones, also of the order being served."""
        active = _Active(fault, fault.count)
        self._lost.append(active)
        serving = self._injector.serving
        if fault.from_trigger and serving is not None and serving[1][0] == str(PLACE):
            self.on_served(serving[0], PLACE, serving[1])

    def fill_after_cancel(self, fault: FillAfterCancel) -> None:
        """Fill the next cancelled orders."""
        self._late_fills.append(_Active(fault, fault.count))

    # What the injector asks for every message

    def replaces(self, client: ClientConnection, message_id: int, fields: list[str]) -> bool:
        """Whether a fault has answered this message in the gateway's place."""
        if message_id == PLACE and (self.refuse_unresolved or self._rejects):
            return self._refused(client, fields)
        return message_id == CANCEL and bool(self._late_fills) and self._filled_late(client, fields)

    def on_served(self, client: ClientConnection, message_id: int, fields: list[str]) -> None:
        """Lose what the gateway has just said about a new order."""
        if message_id != PLACE or not self._lost or self._injector.serving is None:
            return
        active = _first(self._lost, client.client_id, _field(fields, 3))
        if active is None:
            return
        frames = single_frames(client.take_queued(self._injector.serving[2]))
        kept = [message for message in frames if _message_id(message) not in REPORTS]
        client.send(*kept)
        _count(self._lost, active)
        text = f"order {_field(fields, 1)} of client {client.client_id}: {len(frames) - len(kept)} messages lost"
        self._injector.tell(active.fault, text)

    def _refused(self, client: ClientConnection, fields: list[str]) -> bool:
        order_id = _whole(_field(fields, 1))
        if self.refuse_unresolved:
            client.error(order_id, *UNRESOLVED)
            self._injector.tell("connectivity", f"order {order_id} of client {client.client_id} refused with 10328")
            return True
        active = _first(self._rejects, client.client_id, _field(fields, 3))
        is_new = self._injector.gateway.orders.find(client.client_id or 0, order_id) is None
        if active is None or not isinstance(active.fault, Reject) or (active.fault.code == REJECTED and is_new):
            return False
        client.error(order_id, active.fault.code, active.fault.text)
        _count(self._rejects, active)
        self._injector.tell(active.fault, f"order {order_id} of client {client.client_id}: {active.fault.code}")
        return True

    def _refusal(self, order: SimOrder) -> Refusal | None:
        """What the gateway asks about a valid new order."""
        active = _first(self._rejects, order.client_id, order.symbol)
        if active is None or not isinstance(active.fault, Reject) or active.fault.code != REJECTED:
            return None
        _count(self._rejects, active)
        self._injector.tell(active.fault, f"order {order.order_id} of client {order.client_id}: {REJECTED}")
        return Refusal(REJECTED, active.fault.text)

    def _filled_late(self, client: ClientConnection, fields: list[str]) -> bool:
        active = _first(self._late_fills, client.client_id)
        gateway = self._injector.gateway
        order = gateway.orders.find(client.client_id or 0, _whole(_field(fields, CANCELLED_ID)))
        if active is None or not isinstance(active.fault, FillAfterCancel) or order is None:
            return False
        if not gateway.exchange.is_at_work(order):
            return False  # a stop that waits for its price cannot have been filled
        told = _cancelled_status(order)
        start = client.queued()
        gateway.exchange.now_s = int(self._injector.now_s)
        if not gateway.exchange.fill_now(order):
            self._injector.tell(active.fault, f"order {order.order_id}: cannot fill without a market; cancelled")
            return False
        reports = client.take_queued(start)
        client.send(told)
        client.error(order.order_id, 202, "Order Canceled - reason:")
        self._injector.later(active.fault.report_after_s, client, reports)
        _count(self._late_fills, active)
        text = f"order {order.order_id} of client {client.client_id}: told cancelled, filled {order.filled}"
        self._injector.tell(active.fault, text)
        return True


def _cancelled_status(order: SimOrder) -> bytes:
    return replies_orders.order_status(
        order.order_id,
        Status.CANCELLED.value,
        filled=order.filled,
        remaining=order.remaining,
        average_fill_price_usd=order.average_price_usd,
        perm_id=order.perm_id,
        client_id=order.client_id,
        parent_id=order.parent.order_id if order.parent else 0,
        last_fill_price_usd=price_to_usd(order.last_fill_price),
        why_held="",
    )


def _first(active: list[_Active], client_id: int | None, symbol: str = "") -> _Active | None:
    return next((one for one in active if one.concerns(client_id, symbol)), None)


def _count(active: list[_Active], used: _Active) -> None:
    if used.left is not None:
        used.left -= 1
        if used.left <= 0:
            _drop(active, used)


def _drop(active: list[_Active], one: _Active) -> None:
    if one in active:
        active.remove(one)


def _field(fields: list[str], index: int) -> str:
    return fields[index] if index < len(fields) else ""


def _whole(text: str) -> int:
    return int(text) if text.lstrip("-").isdecimal() else -1


def _message_id(message: bytes) -> int:
    return int(message[4 : message.index(b"\0", 4)])
