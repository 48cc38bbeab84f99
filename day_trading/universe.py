"""Which symbols are looked at before the open: what a vendor's screen and movers name, and the list of the settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tools import movers, screen
from trading.advice import RANK_BAND
from trading.settings import StrategySettings
from trading.watchlist import SYMBOL, Candidate, by_score, refused
from utils import Misconfigured
from vendors.facts import Screen
from vendors.sources import Sources

LEAST_MARKET_CAP_USD = 300_000_000.0  # below it a day trader's orders are too large a part of the trading


class Universe(NamedTuple):
    """Symbols in a fixed order: the settings' own first, then the screen's by turnover, then the movers."""

    symbols: tuple[str, ...]
    source: str
    missing: tuple[str, ...]
    names: Mapping[str, str]  # symbol -> company, where a vendor told it


async def choose_universe(sources: Sources, own: Sequence[str], settings: StrategySettings) -> Universe:
    """At most `watchlist_universe_size` symbols, never fewer than those of the settings. Raises nothing of a vendor."""
    wanted = Screen(
        min_price_usd=settings.watchlist_min_price_usd,
        min_volume=settings.watchlist_min_dollar_volume_usd / 100.0,  # shares of 100 USD: turnover is tested later
        min_market_cap_usd=LEAST_MARKET_CAP_USD,
        most=settings.watchlist_universe_size,
    )
    screened = await screen(sources, wanted)
    moved = await movers(sources)
    by_turnover = sorted(screened.value, key=lambda each: (-each.price_usd * (each.volume or 0.0), each.symbol))
    names = [*own, *(each.symbol for each in by_turnover), *sorted(each.symbol for each in moved.value)]
    tradable = [name for name in dict.fromkeys(names) if SYMBOL.fullmatch(name)]
    found = [answer.source for answer in (screened, moved) if answer.is_known]
    return Universe(
        symbols=tuple(tradable[: max(settings.watchlist_universe_size, len(own))]),
        source=" and ".join(dict.fromkeys(["the settings", *found])),
        missing=(*screened.missing, *moved.missing),
        names={each.symbol: each.name for each in (*moved.value, *screened.value)},
    )


async def refuse_unknown(
    candidates: Sequence[Candidate], own: Sequence[str], size: int, is_unknown: Callable[[str], Awaitable[bool]]
) -> list[Candidate]:
    """Of a vendor's symbols that could come onto a list of `size`, those that the gateway does not know are refused."""
    unknown: set[str] = set()
    n_known = 0
    for candidate in by_score(candidates):
        if candidate.symbol not in own and await is_unknown(candidate.symbol):
            unknown.add(candidate.symbol)
            continue
        n_known += 1
        if n_known == size + RANK_BAND:
            break
    words = "the gateway knows no such stock"
    return [refused(each.symbol, words) if each.symbol in unknown else each for each in candidates]


async def refuse_typing_mistakes(
    symbols: Sequence[str], file: Path, is_unknown: Callable[[str], Awaitable[bool]]
) -> None:
    """Symbols that nobody knows, in a list written by hand. Raises Misconfigured."""
    unknown = [symbol for symbol in symbols if await is_unknown(symbol)]
    if unknown:
        raise Misconfigured(f"{file}: the gateway knows no stock {' or '.join(unknown)}")
