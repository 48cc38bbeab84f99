"""After every start and reconnect: intents, executions and positions are brought into agreement with the broker."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from broker.bookkeeper import Bookkeeper
from market_hours import Clock
from records.intent_log import IntentLog
from trading.errors import BrokerUnavailable
from trading.orders import IntentState
from trading.reconcile import UNKNOWN_GRACE_S, reconcile_intents

if TYPE_CHECKING:
    from broker.broker import Broker

log = logging.getLogger(__name__)

PAUSE = timedelta(milliseconds=500)
UNKNOWN_GRACE = timedelta(seconds=UNKNOWN_GRACE_S)
MOST_READS = 5


class Reconciler:
    """Reads the broker's truth and repairs the ledger and the record, never by trading."""

    def __init__(self, broker: Broker, keeper: Bookkeeper, intents: IntentLog, clock: Clock) -> None:
        self._broker = broker
        self._keeper = keeper
        self._intents = intents
        self._clock = clock

    async def run(self) -> None:
        """Until nothing is unknown. Raises BrokerUnavailable when the broker does not answer."""
        await self._resolve_intents()
        await self._compare_positions()

    async def _resolve_intents(self) -> None:
        """Ask again while an intent is neither at the broker nor old enough to be declared unsent."""
        while True:
            facts = await self._broker.orders.read()
            self._broker.orders.replay_executions()
            now_s = int(self._clock.now().timestamp())
            resolutions = reconcile_intents(
                self._keeper.intent_facts(), facts.working, facts.completed, facts.executed, now_s
            )
            for resolution in resolutions:
                self._intents.resolved(resolution.intent_id, resolution.state, resolution.why)
                self._keeper.on_resolved(resolution.intent_id, resolution.state)
            if not any(resolution.state is IntentState.UNKNOWN for resolution in resolutions):
                return
            await self._clock.sleep_until(self._clock.now() + UNKNOWN_GRACE)

    async def _compare_positions(self) -> None:
        """Two agreeing reads before the ledger is judged: a fill can fall between two answers."""
        previous = await self._broker.positions()
        for _ in range(MOST_READS):
            await self._clock.sleep_until(self._clock.now() + PAUSE)
            latest = await self._broker.positions()
            if latest == previous:
                self._keeper.on_positions({p.symbol: p.quantity for p in latest if p.is_stock})
                return
            self._broker.orders.replay_executions()
            previous = latest
        raise BrokerUnavailable("positions kept changing while they were read")
