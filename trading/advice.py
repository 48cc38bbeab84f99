"""Another's view of a ranked list: it may move a symbol by at most one band of ranks, never add or remove one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from trading.premarket import Evidence

RANK_BAND = 3


class Stance(StrEnum):
    """What an adviser wants for a symbol: further up the list, off it, or neither."""

    BOOST = "boost"
    VETO = "veto"
    NEUTRAL = "neutral"
    ABSTAIN = "abstain"  # no view: the reason says why


class View(NamedTuple):
    """What an adviser says of one symbol, and why."""

    stance: Stance
    reason: str = ""


class Adviser(Protocol):
    """Judges symbols by the evidence, all in one question: symbol -> view. A symbol that is absent has no view."""

    async def __call__(self, evidence: Sequence[Evidence]) -> Mapping[str, View]: ...


SHIFT = {Stance.BOOST: -RANK_BAND - 0.5, Stance.VETO: RANK_BAND + 0.5}


def advised_order(symbols: Sequence[str], views: Mapping[str, View]) -> list[str]:
    """`symbols` in their new order. None ends more than `RANK_BAND` ranks from where it was, whatever the views are.

    A symbol must be placed when its last allowed rank comes (there is never more than one such), and may not be
    placed before its first; between those the shifted rank decides.
    """
    wish = {
        symbol: rank + SHIFT.get(views[symbol].stance if symbol in views else Stance.NEUTRAL, 0.0)
        for rank, symbol in enumerate(symbols)
    }
    waiting = list(enumerate(symbols))
    placed: list[str] = []
    while waiting:
        place = len(placed)
        due = [each for each in waiting if each[0] + RANK_BAND <= place]
        allowed = due or [each for each in waiting if each[0] - RANK_BAND <= place]
        chosen = min(allowed, key=lambda each: (wish[each[1]], each[0]))
        waiting.remove(chosen)
        placed.append(chosen[1])
    return placed
