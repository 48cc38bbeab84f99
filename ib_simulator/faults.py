"""Faults of the simulated gateway: when they are due, what fired them, and a log of what happened.

An injector is the gateway's tap: every message passes it. Nothing here reads a wall clock or draws a number.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from ib_simulator.client import ClientConnection
from ib_simulator.fault_actions import ACTIONS, LOST_TEXTS
from ib_simulator.fault_kinds import NAME_OF, Fault, Restart, Segmented
from ib_simulator.fault_plan import AfterMessage, AtTime, PlannedFault
from ib_simulator.message_names import Direction, name_of
from ib_simulator.message_rules import Message, MessageRule, MessageRules
from ib_simulator.order_faults import OrderFaults
from ib_simulator.wire import frame, single_frames
from market_hours import Session

if TYPE_CHECKING:
    from ib_simulator.gateway import Gateway

NEXT_VALID_ID = 9
CLOSES_AFTER_S = 0.5  # from a startApi that comes before the login


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEvent:
    """One line of the fault log. `kind` is a name of `fault_kinds.KINDS`; `text` says what happened to whom."""

    at: datetime
    kind: str
    text: str


@dataclass(slots=True, eq=False)
class _Armed:
    """A fault that waits for a message."""

    trigger: AfterMessage
    fault: Fault
    left: int

    def counts(self, direction: Direction, client: ClientConnection, message_id: int) -> bool:
        """Whether this message is the one that fires."""
        trigger = self.trigger
        if (
            trigger.direction is not direction
            or (trigger.ids is not None and message_id not in trigger.ids)
            or (trigger.client is not None and client.client_id != trigger.client)
        ):
            return False
        self.left -= 1
        return self.left == 0


class FaultInjector:
    """The faults of one gateway. `log` only grows. `fire` makes one happen now; the plan does at its times."""

    def __init__(self, gateway: Gateway, planned: Sequence[PlannedFault] = ()) -> None:
        self.gateway = gateway
        self.log: list[FaultEvent] = []
        self.held_client_ids: list[int] = []  # refused with 326
        self.outage_codes: list[int] = []  # connectivity codes in force: who connects hears them
        self.wants_listener = True
        self.login_answers = ""  # what a client hears while nobody is logged in, see `Login`; empty: somebody is
        self.segmented: list[Segmented] = []  # in force; the latest that concerns a client counts
        self.clock_off_s = 0.0  # how far the gateway's clock is ahead
        self.rules = MessageRules(self._later, self._tell_of_rule)
        self.orders: OrderFaults = OrderFaults(self)
        self.next_valid_ids: list[tuple[int | None, Callable[[int], int]]] = []  # (client id, truth -> told)
        self.serving: tuple[ClientConnection, list[str], int] | None = None  # client, fields, frames queued before
        self._due: list[tuple[float, int, Callable[[], None]]] = []  # heap of (epoch second, number, what to do)
        self._number = 0
        self._armed: list[_Armed] = []
        self._planned = list(planned)
        self._is_first_session = True
        for entry in planned:
            if isinstance(entry.when, AfterMessage):
                self._armed.append(_Armed(entry.when, entry.fault, entry.when.count))

    # Time

    @property
    def now_s(self) -> float:
        return self.gateway.now().timestamp()

    def on_session(self, session: Session) -> None:
        """Put the timeline's faults of this session on the clock; those in the past are logged and left out."""
        now_s = self.now_s
        for entry in self._planned:
            when = entry.when
            if when is None:
                moment = now_s if self._is_first_session else None
            elif isinstance(when, AfterMessage) or (when.day is not None and not self._is_first_session):
                moment = None
            else:
                wanted = when.every_session or when.day is not None or self._is_first_session
                moment = when.on(when.day or session.date) if wanted else None
            if moment is None:
                continue
            if moment < now_s:
                self.tell(entry.fault, f"not fired: its time was {int(now_s - moment)} s ago")
            else:
                self._at(moment, _bound(self.fire, entry.fault))
        self._is_first_session = False

    def next_s(self) -> float | None:
        """When the next thing is due, in epoch seconds."""
        return self._due[0][0] if self._due else None

    def act(self, moment: float) -> None:
        """Do everything that is due by `moment`."""
        while self._due and self._due[0][0] <= moment:
            heapq.heappop(self._due)[2]()

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Do `action` in so many seconds."""
        self._at(self.now_s + seconds, action)

    def _at(self, moment: float, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (moment, self._number, action))
        self.gateway.wake()

    # Faults

    def add(self, planned: PlannedFault) -> None:
        """One more fault, from the control port or a test. A time without a date is today's, in New York."""
        when = planned.when
        if isinstance(when, AfterMessage):
            self._armed.append(_Armed(when, planned.fault, when.count))
        elif isinstance(when, AtTime):
            moment = when.on(when.day or self.gateway.session_date())
            if moment < self.now_s:
                self.tell(planned.fault, f"not fired: its time was {int(self.now_s - moment)} s ago")
            else:
                self._at(moment, _bound(self.fire, planned.fault))
        else:
            self._at(self.now_s, _bound(self.fire, planned.fault))

    def fire(self, fault: Fault) -> None:
        """Make it happen now."""
        ACTIONS[type(fault)](self, fault)

    def tell(self, fault: Fault | str, text: str) -> None:
        """One more line of the log."""
        kind = fault if isinstance(fault, str) else NAME_OF[type(fault)]
        self.log.append(FaultEvent(at=self.gateway.now(), kind=kind, text=text))

    def clients(self, client_id: int | None) -> list[ClientConnection]:
        """Connected clients that a fault concerns."""
        return [client for client in self.gateway.clients if client_id is None or client.client_id == client_id]

    def add_rule(self, rule: MessageRule, fault: Fault, seconds: float | None = None) -> MessageRule:
        """Let a rule be in force, for `seconds` or until it is lifted or used up."""
        rule.kind = NAME_OF[type(fault)]
        self.rules.add(rule)
        if seconds is not None:
            self.after(seconds, lambda: self.lift(rule))
        return rule

    def lift(self, rule: MessageRule) -> None:
        """End a rule and let what it held go on."""
        for client, message in self.rules.lift(rule):
            self._pass_on(rule.direction, client, message)

    def close_port(self, seconds: float) -> None:
        """Refuse connections for a while."""
        self.wants_listener = False
        self.gateway.listener.close()
        self.after(seconds, self._open_port)

    def _open_port(self) -> None:
        self.wants_listener = True
        self.tell(NAME_OF[Restart], "the port is open again")

    # What the gateway asks and tells

    def holds_client_id(self, client_id: int) -> bool:
        return client_id in self.held_client_ids

    def keeps_waiting(self, client: ClientConnection) -> bool:
        """Whether a client that said startApi hears nothing, as nobody is logged in at the gateway."""
        if self.login_answers == "close":
            self.after(CLOSES_AFTER_S, lambda: client.break_off(reset=False))
        return bool(self.login_answers)

    def cut(self, client: ClientConnection) -> None:
        """Let a client get its frames in segments, or whole again."""
        for fault in reversed(self.segmented):
            if fault.client in (None, client.client_id):
                client.write_in_segments(fault.bytes, fault.gap_s / self.gateway.speed)
                return
        client.write_whole()

    def on_started(self, client: ClientConnection) -> None:
        """A client is logged in: during an outage it hears of it at once."""
        self.cut(client)
        for code in self.outage_codes:
            client.error(-1, code, LOST_TEXTS[code])

    def on_lost(self, client: ClientConnection) -> None:
        self.rules.forget(client)

    # Tap

    def incoming(self, client: ClientConnection, fields: list[str]) -> None:
        """Serve a message, as far as the rules let it through."""
        message_id = _number(fields[0]) if fields else -1
        passed: list[Message] = [fields]
        if self.rules.concern(Direction.IN):
            passed = self.rules.passed(Direction.IN, client, message_id, fields)
        for each in passed:
            self._serve(client, cast("list[str]", each))
        for armed in [one for one in self._armed if one.counts(Direction.IN, client, message_id)]:
            self._armed.remove(armed)
            self.fire(armed.fault)
        self.serving = None

    def _serve(self, client: ClientConnection, fields: list[str]) -> None:
        if not client.is_open:
            return
        message_id = _number(fields[0]) if fields else -1
        self.serving = client, fields, client.queued()
        if client.client_id is None or not self.orders.replaces(client, message_id, fields):
            client.handle(fields)
            self.orders.on_served(client, message_id, fields)

    def outgoing(self, client: ClientConnection, frames: list[bytes]) -> None:
        """Write frames, as far as the rules let them through."""
        watching = any(armed.trigger.direction is Direction.OUT for armed in self._armed)
        if not (watching or self.next_valid_ids or self.rules.concern(Direction.OUT)):
            client.transmit(frames)
            return
        going: list[bytes] = []
        for message in single_frames(frames):
            message_id = _number(message[4 : message.index(b"\0", 4)])
            if message_id == NEXT_VALID_ID and self.next_valid_ids:
                message = self._other_next_valid_id(client, message)
            passed = self.rules.passed(Direction.OUT, client, message_id, message)
            going += cast("list[bytes]", passed)
            if not passed or not watching:
                continue
            for armed in [one for one in self._armed if one.counts(Direction.OUT, client, message_id)]:
                client.transmit(going)
                going = []
                self._armed.remove(armed)
                self.fire(armed.fault)
        client.transmit(going)

    def _other_next_valid_id(self, client: ClientConnection, message: bytes) -> bytes:
        for entry in self.next_valid_ids:
            client_id, told = entry
            if client_id is None or client_id == client.client_id:
                self.next_valid_ids.remove(entry)
                truth = _number(message.split(b"\0")[-2])
                self.tell("next_valid_id", f"client {client.client_id} is told {told(truth)}, the truth is {truth}")
                return frame(NEXT_VALID_ID, 1, told(truth))
        return message

    def _later(self, delay_s: float, direction: Direction, client: ClientConnection, message: Message) -> None:
        self.after(delay_s, lambda: self._pass_on(direction, client, message))

    def later(self, delay_s: float, client: ClientConnection, frames: list[bytes]) -> None:
        """Write frames so much later."""
        self.after(delay_s, lambda: client.transmit(frames))

    def _pass_on(self, direction: Direction, client: ClientConnection, message: Message) -> None:
        if direction is Direction.OUT:
            client.transmit([cast(bytes, message)])
        else:
            self._serve(client, cast("list[str]", message))
            self.serving = None

    def _tell_of_rule(self, rule: MessageRule, client: ClientConnection, message_id: int) -> None:
        name = name_of(rule.direction, message_id)
        self.tell(rule.kind, f"{rule.action.name.lower()}: {name} {rule.direction}, client {client.client_id}")


def _bound(action: Callable[[Any], None], argument: Any) -> Callable[[], None]:
    return lambda: action(argument)


def _number(text: str | bytes) -> int:
    try:
        return int(text)
    except ValueError:
        return -1
