"""Intents against what the broker knows, after every start and reconnect: a plan, not an action.

Nothing here is ever sent again. An intent that the broker does not know stays UNKNOWN for a grace, because its
order may still be on the way; after that it is EXPIRED, and if it fills all the same the fill is believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from trading.orders import TERMINAL, IntentState

UNKNOWN_GRACE_S = 10


class IntentFact(NamedTuple):
    """What is on record about an intent. `written_s` in epoch seconds."""

    intent_id: str
    symbol: str
    state: IntentState
    quantity: int
    written_s: int


class Resolution(NamedTuple):
    """The state an intent is in now, and why."""

    intent_id: str
    state: IntentState
    why: str


def reconcile_intents(
    intents: Iterable[IntentFact],
    working: Mapping[str, IntentState],
    completed: Mapping[str, IntentState],
    executed: Mapping[str, int],
    now_s: int,
) -> list[Resolution]:
    """Resolve every intent that is not terminal.

    `working` and `completed` map an order reference to the state of the order the broker reports, `executed` to
    the shares of the executions it reports. Executions win over states: they are money.
    """
    result = []
    for intent in intents:
        if intent.state in TERMINAL:
            continue
        result.append(_resolve(intent, working, completed, executed, now_s))
    return result


def _resolve(
    intent: IntentFact,
    working: Mapping[str, IntentState],
    completed: Mapping[str, IntentState],
    executed: Mapping[str, int],
    now_s: int,
) -> Resolution:
    reference = intent.intent_id
    if executed.get(reference, 0) >= intent.quantity:
        return Resolution(reference, IntentState.FILLED, "executions cover its quantity")
    if reference in working:
        return Resolution(reference, working[reference], "open at the broker")
    if reference in completed:
        return Resolution(reference, completed[reference], "completed at the broker")
    if now_s - intent.written_s < UNKNOWN_GRACE_S:
        return Resolution(reference, IntentState.UNKNOWN, "not known to the broker yet")
    return Resolution(reference, IntentState.EXPIRED, f"not known to the broker after {UNKNOWN_GRACE_S} s")
