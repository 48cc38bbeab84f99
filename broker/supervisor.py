"""The connection supervisor: keeps one connection alive, or says clearly that there is none.

It escalates from resubscribing a silent symbol over reconnecting to giving up entries for the session. A
disconnect is seen at once, a silent socket within 15 seconds; nothing trades before a synchronisation has agreed.
While another program has our client id, one temporary id watches what our orders do, and sends nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, time, timedelta
from random import Random

from broker.broker import Broker
from broker.connection_state import Link, LinkEvent, next_link
from market_hours import NEW_YORK, Clock, Session
from telemetry.instruments import RECONNECTS
from telemetry.metering import measure
from trading.errors import BrokerUnavailable, ClientIdTaken
from utils import Retryable

log = logging.getLogger(__name__)

QUIET_S = 10.0  # ask for a sign of life when nothing was heard for this long
HEARTBEAT_LIMIT_S = 4.5
SYNC_LIMIT_S = 60.0
FIRST_BACK_OFF_S = 0.25
LONGEST_BACK_OFF_S = 2.0
TRIES_FOR_OUR_ID = 20  # about 35 s: a gateway holds the id of a client that was killed for a while
WATCH_S = 2.5  # between two readings, and two attempts to return, under the temporary client id
MOST_DOUBLINGS = 10  # an outage of hours has thousands of failures: more than a float can be doubled
RESTART_MARGIN = timedelta(seconds=60)
GIVE_UP_AFTER = timedelta(minutes=10)  # of outage while the exchange is open


class Supervisor:
    """Runs for as long as the session does. `sync` reads the broker's truth and renews subscriptions."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        session: Session,
        sync: Callable[[], Awaitable[None]],
        warn: Callable[[str], None],
        jitter: Random,
        restart_time: time | None = None,
    ) -> None:
        self.state = Link.DISCONNECTED
        self.reconnects = 0
        self.entries_given_up = False
        self._broker = broker
        self._clock = clock
        self._session = session
        self._sync = sync
        self._warn = warn
        self._jitter = jitter
        self._restart_time = restart_time
        self._changed = asyncio.Event()
        self._failures = 0
        self._refusals_of_our_id = 0  # in a row
        self._down_since = clock.now()
        self._broker.on_link = self.on_event
        self.on_change: Callable[[Link, Link], None] = lambda _before, _now: None

    @property
    def is_ready(self) -> bool:
        """Whether orders may be sent: connected, in agreement, and no restart of the gateway is due."""
        return self.state is Link.READY and not self.restart_is_due

    @property
    def down_s(self) -> float:
        """Seconds since orders could last be sent; 0 while they can."""
        return 0.0 if self.state is Link.READY else (self._clock.now() - self._down_since).total_seconds()

    @property
    def restart_is_due(self) -> bool:
        """From a minute before the gateway's planned restart until a minute after it."""
        restart = self._restart_time
        if restart is None:
            return False
        now = self._clock.now().astimezone(NEW_YORK)
        planned = datetime.combine(now.date(), restart, NEW_YORK)
        return abs(now - planned) <= RESTART_MARGIN

    def on_event(self, event: LinkEvent) -> None:
        """Something happened to the connection."""
        before = self.state
        self.state = next_link(before, event)
        if self.state is before:
            return
        log.info("connection %s -> %s (%s)", before, self.state, event)
        if before is Link.READY:
            self._down_since = self._clock.now()
            self._warn(f"connection {self.state} at {self._clock.now():%H:%M:%S} UTC: {event.replace('_', ' ')}")
        self._changed.set()
        self.on_change(before, self.state)

    def renew(self) -> None:
        """The connection is alive and does not do its work: make a new one. One that is being made goes on."""
        self.on_event(LinkEvent.RENEWAL)

    def ask_for_sync(self) -> None:
        """The ledger and the broker seem to differ: read the truth before trading on."""
        self.on_event(LinkEvent.DOUBT)

    async def open_first(self) -> None:
        """The first connection of a run. Raises BrokerUnavailable at once: somebody is there to read it.

        Only a client id that is taken is waited for: it may be that of a run that died a moment ago.
        """
        while True:
            self.on_event(LinkEvent.ATTEMPT)
            try:
                await self._broker.open()
                break
            except ClientIdTaken:
                self.on_event(LinkEvent.FAILED)
                self._failures += 1
                if self._failures >= TRIES_FOR_OUR_ID:
                    raise
                await self._back_off()
        self._failures = 0
        self.on_event(LinkEvent.OPENED)
        await self._synchronise()
        if self.state is not Link.READY:
            raise BrokerUnavailable("the gateway is connected but did not answer what the account holds")

    async def run(self) -> None:
        """Watch, reconnect and synchronise until cancelled."""
        while True:
            if self.state in (Link.DISCONNECTED, Link.HALTED):
                await self._back_off()
                await self._attempt()
            elif self.state is Link.SYNCING:
                await self._synchronise()
            elif self.state is Link.WATCHING:
                await self._only_watch()
            else:
                await self._watch()

    async def _back_off(self) -> None:
        """Longer after each failure, up to a bound, and never quite the same."""
        doublings = min(self._failures, MOST_DOUBLINGS)
        await asyncio.sleep(min(FIRST_BACK_OFF_S * 2**doublings, LONGEST_BACK_OFF_S) * self._jitter.uniform(0.8, 1.2))

    async def _attempt(self) -> None:
        """Try to connect once: under our client id, or to watch when that was refused for too long."""
        self.on_event(LinkEvent.ATTEMPT)
        to_watch = self._refusals_of_our_id >= TRIES_FOR_OUR_ID
        try:
            await self._broker.open(to_watch=to_watch)
        except BrokerUnavailable as error:
            log.info("attempt %s failed: %s", self._failures + 1, error)
            self._failures += 1
            self._refusals_of_our_id = self._refusals_of_our_id + 1 if isinstance(error, ClientIdTaken) else 0
            self.on_event(LinkEvent.FAILED)
            self._consider_giving_up()
            return
        self._failures = 0
        if to_watch:
            self._warn(f"our client id is taken by another program: watching under {self._broker.temporary_id}")
            self.on_event(LinkEvent.OPENED_TO_WATCH)
            return
        self._refusals_of_our_id = 0
        self.reconnects += 1
        measure(RECONNECTS)
        self.on_event(LinkEvent.OPENED)

    async def _only_watch(self) -> None:
        """Read what became of our orders, and return to our own client id once it is free."""
        self._consider_giving_up()
        if not await self._has_agreed():
            return
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), WATCH_S * self._jitter.uniform(0.8, 1.2))
        if self.state is Link.WATCHING and await self._broker.may_return():
            self._refusals_of_our_id = 0
            await self._attempt()

    async def _synchronise(self) -> None:
        """Read executions, orders and positions, renew subscriptions; only then may anything trade."""
        if await self._has_agreed():
            self.on_event(LinkEvent.SYNCED)

    async def _has_agreed(self) -> bool:
        """Whether the broker's truth could be read; if not, the connection is given up."""
        try:
            async with asyncio.timeout(SYNC_LIMIT_S):
                await self._sync()
        except (Retryable, TimeoutError, ConnectionError) as error:
            log.warning("synchronisation failed: %s; connecting anew", str(error) or "no answer")
            self._failures += 1
            self.on_event(LinkEvent.FAILED)
            return False
        return True

    async def _watch(self) -> None:
        """Until something changes or the gateway owes a sign of life."""
        self._changed.clear()
        quiet_s = (self._clock.now() - self._broker.heard_at).total_seconds()
        try:
            await asyncio.wait_for(self._changed.wait(), max(QUIET_S - quiet_s, 0.0))
            return
        except TimeoutError:
            pass
        if (self._clock.now() - self._broker.heard_at).total_seconds() < QUIET_S:
            return
        if not await self._broker.answers(HEARTBEAT_LIMIT_S):
            self.on_event(LinkEvent.SILENT)
        self._consider_giving_up()

    def _consider_giving_up(self) -> None:
        now = self._clock.now()
        since = max(self._down_since, self._session.open)
        if self.state is not Link.READY and now < self._session.close and now - since > GIVE_UP_AFTER:
            if not self.entries_given_up:
                self.entries_given_up = True
                self._warn("the connection was down too long: no more entries in this session")
            self.on_event(LinkEvent.GIVEN_UP)
