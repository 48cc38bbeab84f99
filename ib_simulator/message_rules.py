"""Rules about messages on their way: lost, held, delayed, doubled or overtaken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from ib_simulator.client import ClientConnection
from ib_simulator.message_names import Direction

Message = list[str] | bytes  # fields inwards, a frame outwards


class Action(Enum):
    """What happens to a message that a rule concerns."""

    LOSE = auto()
    HOLD = auto()  # until the rule is lifted
    DELAY = auto()
    DUPLICATE = auto()
    REORDER = auto()  # comes after the next message of the same client


def _every(client: ClientConnection, message: Message) -> bool:
    return True


@dataclass(slots=True, eq=False, kw_only=True)
class MessageRule:
    """Concerns messages of `ids` (None: all) of one client id (None: any) that pass `concerns`; `left`: how many."""

    action: Action
    direction: Direction
    ids: frozenset[int] | None
    client_id: int | None = None
    left: int | None = None
    delay_s: float = 0.0
    kind: str = ""  # of the fault that made it, for the log
    concerns: Callable[[ClientConnection, Message], bool] = _every
    held: list[tuple[ClientConnection, Message]] = field(default_factory=list)

    def matches(self, client: ClientConnection, message_id: int, message: Message) -> bool:
        return (
            (self.ids is None or message_id in self.ids)
            and (self.client_id is None or client.client_id == self.client_id)
            and self.concerns(client, message)
        )


Later = Callable[[float, Direction, ClientConnection, Message], None]
Told = Callable[[MessageRule, ClientConnection, int], None]


class MessageRules:
    """The rules in force, oldest first; the first one that concerns a message decides.

    `later(delay_s, direction, client, message)` takes a delayed message; `told(rule, client, message_id)` hears
    of every message that a counted rule took.
    """

    def __init__(self, later: Later, told: Told) -> None:
        self._later = later
        self._told = told
        self._rules: dict[Direction, list[MessageRule]] = {Direction.IN: [], Direction.OUT: []}
        self._overtaken: list[tuple[Direction, ClientConnection, Message]] = []

    def add(self, rule: MessageRule) -> MessageRule:
        """Put a rule in force, behind those that are."""
        self._rules[rule.direction].append(rule)
        return rule

    def lift(self, rule: MessageRule) -> list[tuple[ClientConnection, Message]]:
        """End a rule; what it held, in order."""
        rules = self._rules[rule.direction]
        if rule in rules:
            rules.remove(rule)
        held, rule.held = rule.held, []
        return held

    def concern(self, direction: Direction) -> bool:
        """Whether anything can happen to a message that goes there."""
        return bool(self._rules[direction] or self._overtaken)

    def passed(
        self, direction: Direction, client: ClientConnection, message_id: int, message: Message
    ) -> list[Message]:
        """What goes on now in place of `message`."""
        rules = self._rules[direction]
        rule = next((rule for rule in rules if rule.matches(client, message_id, message)), None)
        if rule is not None:
            if rule.left is not None:
                rule.left -= 1
                if rule.left <= 0:
                    rules.remove(rule)
                self._told(rule, client, message_id)
            if rule.action is Action.REORDER:
                self._overtaken.append((direction, client, message))
                return []
            if rule.action is Action.HOLD:
                rule.held.append((client, message))
            if rule.action is Action.DELAY:
                self._later(rule.delay_s, direction, client, message)
            if rule.action is not Action.DUPLICATE:
                return []
        passed = [message] if rule is None else [message, message]
        if self._overtaken:
            passed += [late for where, whose, late in self._overtaken if where is direction and whose is client]
            self._overtaken = [entry for entry in self._overtaken if not (entry[0] is direction and entry[1] is client)]
        return passed

    def forget(self, client: ClientConnection) -> None:
        """A client is gone, and its messages with it."""
        self._overtaken = [entry for entry in self._overtaken if entry[1] is not client]
        for rules in self._rules.values():
            for rule in rules:
                rule.held = [entry for entry in rule.held if entry[0] is not client]
