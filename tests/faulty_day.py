"""A day on which something goes wrong: the trader, what happens beside it, and what the exchange saw.

249 shares of AAA are bought at 9:50:40 for 100.21; their stop is at 99.40, their target at 101.62.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ib_simulator.journal import JournalEntry
from ib_simulator.orders import SimOrder
from tests.gateway_world import (
    HandMadeFeed,
    Played,
    World,
    in_world,
    market_order,
    minute,
    run_until,
    warm_up,
    what_is_left,
)
from trading.bars import Bar
from trading.orders import Action
from trading.settings import RiskSettings

BOUGHT = ("09:50:40", "AAA", "BUY", 249, 100.21, "entry")
ONE_ENTRY = RiskSettings(risk_max_entries_per_symbol=1)
RISE = minute("11:30", 101.00, 102.00, 100.90, 101.90, 6_000)  # 101.62 is passed at 11:30:40


def entered(*bars: Bar) -> list[Bar]:
    """The morning in which 249 shares are bought, and what comes after."""
    return [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000), *bars]


@dataclass(kw_only=True)
class Faulty:
    """A day on which something happened, and what the exchange knows of it."""

    day: Played
    journal: list[JournalEntry]
    seen: dict[str, list[SimOrder]] = field(default_factory=dict)  # New York time -> what rested then

    def orders(self) -> list[str]:
        """Order references of everything that ever arrived at the exchange, each once."""
        return list(dict.fromkeys(entry.order_ref for entry in self.journal if entry.client_id == 2 and entry.perm_id))

    def sizes(self, clock_text: str) -> list[tuple[str, int]]:
        return [(order.order_type, order.quantity) for order in self.seen[clock_text]]


def play(
    folder: Path,
    happens: Callable[[World], Awaitable[Any]],
    *bars: Bar,
    stop_at: str = "",
    look_at: tuple[str, ...] = (),
    beside: Mapping[str, Sequence[Bar]] | None = None,
    **options: Any,
) -> Faulty:
    """A day of AAA during which `happens` runs beside the trader; `beside` are the bars of other symbols."""
    feed = HandMadeFeed({"AAA": entered(*bars), **(beside or {})})

    async def main(world: World) -> Faulty:
        journal = world.gateway.keep_journal()
        seen: dict[str, list[SimOrder]] = {}

        async def look() -> None:
            for clock_text in look_at:
                await world.until(clock_text)
                seen[clock_text] = [order for order in world.resting() if order.client_id == 2]

        with world.history() as history:
            async with asyncio.TaskGroup() as group:
                group.create_task(look())
                happening = group.create_task(cast(Any, happens(world)))
                symbols = feed.symbols(world.session.date)
                report = await run_until(world, world.trader(history, **options), symbols, stop_at)
                happening.cancel()
        return Faulty(day=what_is_left(world, report), journal=journal.entries(), seen=seen)

    return in_world(main, feed, folder)


async def trade_beside(world: World, clock_text: str, quantity: int, action: Action) -> None:
    """Somebody else's order at market."""
    await world.until(clock_text)
    other = world.broker(client_id=9)
    await other.open()
    await other.orders.place([market_order("AAA", quantity, action)])
    await asyncio.sleep(5)
    other.disconnect()
