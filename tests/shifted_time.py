"""The programs on the machine's own clock, shifted to a session, for tests of what simulated time does not do.

shifted_time.py trader SHIFT_S [argument of day_trader.py ...]
shifted_time.py gateway SHIFT_S ACCOUNT_ID SYMBOL ...       prints its port and serves until it is ended
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta

from market_hours import LiveClock, new_york_calendar, new_york_date


class ShiftedClock(LiveClock):
    """The machine's clock and `shift_s` seconds."""

    def __init__(self, shift_s: float) -> None:
        self._shift = timedelta(seconds=shift_s)

    def now(self) -> datetime:
        return super().now() + self._shift


async def serve(clock: ShiftedClock, account_id: str, symbols: Sequence[str]) -> None:
    """A gateway with the synthetic market of the session that is open by `clock`."""
    from ib_simulator.embedded import synthetic_feed
    from ib_simulator.gateway import Gateway, GatewayOptions

    today = new_york_date(clock.now())
    calendar = new_york_calendar(today)
    feed = synthetic_feed(0, symbols, calendar, today)
    gateway = Gateway(feed, calendar, clock, symbols, GatewayOptions(account_id=account_id))
    session = feed.latest_session()
    gateway.begin(session)
    print(await gateway.start(), flush=True)  # noqa: T201 (the test reads it)
    await gateway.play((session,))


def main(what: str, shift_s: str, *rest: str) -> int:
    clock = ShiftedClock(float(shift_s))
    if what == "gateway":
        asyncio.run(serve(clock, rest[0], rest[1:]))
        return 0
    import day_trader

    return day_trader.main([*rest, "--no-dashboard"], clock)  # its port and its token are the user's


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
