"""Asking an adviser about the symbols near the list, and the list in the order that comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from trading.advice import RANK_BAND, Adviser, View, advised_order
from trading.premarket import Evidence
from trading.watchlist import Candidate


class Advised(NamedTuple):
    """Candidates in their new order, and what was said of those that could be on the list."""

    order: tuple[Candidate, ...]
    views: dict[str, View]


async def ask_adviser(
    adviser: Adviser | None, ranked: Sequence[Candidate], evidence: Mapping[str, Evidence], size: int
) -> Advised:
    """Views on the first `size` and on those that could still come in; nobody moves by more than a band."""
    near = ranked[: size + RANK_BAND]
    if adviser is None or not near:
        return Advised(tuple(ranked), {})
    said = await asyncio.gather(*(adviser(each.symbol, evidence[each.symbol]) for each in near))
    views = {each.symbol: view for each, view in zip(near, said, strict=True)}
    by_symbol = {each.symbol: each for each in ranked}
    order = advised_order([each.symbol for each in ranked], views)
    return Advised(tuple(by_symbol[symbol] for symbol in order), views)
