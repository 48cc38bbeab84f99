"""A connection on which nothing is ordered: who listens to it, and where its intents would go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trading.orders import ExecutionReport, OrderIntent, OrderReport


class Message(NamedTuple):
    """What the gateway said."""

    code: int
    text: str


class Nobody:
    """Writes nothing and keeps the gateway's messages: for programs that only ask."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def on_message(self, code: int, text: str, order_ref: str) -> None:
        self.messages.append(Message(code, text))

    def on_order(self, report: OrderReport) -> None: ...
    def on_execution(self, execution: ExecutionReport) -> None: ...
    def on_fee(self, *_: object) -> None: ...
    def on_terms(self, *_: object) -> None: ...
    def terms(self, *_: object) -> None: ...
    async def commit(self, intents: Sequence[OrderIntent]) -> None: ...
    def sent(self, intent_id: str, order_id: int, client_id: int) -> None: ...
    def reported(self, report: OrderReport) -> None: ...
