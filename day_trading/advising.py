"""Asking an adviser about the symbols near the list, and the list in the order that comes of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trading.advice import RANK_BAND, Adviser, Stance, View, advised_order
from trading.premarket import Evidence
from trading.watchlist import Candidate

log = logging.getLogger(__name__)

SAYS_NOTHING = View(Stance.ABSTAIN, "nothing was said about it")


class Advised(NamedTuple):
    """Candidates in their new order, and what was said of those that could be on the list."""

    order: tuple[Candidate, ...]
    views: dict[str, View]


async def ask_adviser(
    adviser: Adviser | None, ranked: Sequence[Candidate], evidence: Mapping[str, Evidence], size: int
) -> Advised:
    """Views on the first `size` and on those that could still come in; nobody moves by more than a band.

    A fault of the adviser costs its views: the list is then in the order of the scores.
    """
    near = [each.symbol for each in ranked[: size + RANK_BAND]]
    if adviser is None or not near:
        return Advised(tuple(ranked), {})
    try:
        said = await adviser([evidence[symbol] for symbol in near])
        views = {symbol: said.get(symbol, SAYS_NOTHING) for symbol in near}
    except Exception as error:
        log.exception("the adviser failed; the list goes by the scores alone")
        views = dict.fromkeys(near, View(Stance.ABSTAIN, f"the adviser failed: {type(error).__name__}"))
    by_symbol = {each.symbol: each for each in ranked}
    order = advised_order([each.symbol for each in ranked], views)
    return Advised(tuple(by_symbol[symbol] for symbol in order), views)
