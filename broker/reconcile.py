"""After every start and reconnect: intents, executions and positions are brought into agreement with the broker."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from broker.bookkeeper import Bookkeeper
from broker.order_desk import OrderFacts
from broker.values import BrokerPosition
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
READS_TO_BELIEVE = {False: 2, True: 3}  # was it acknowledged? -> agreeing reads until an absent order is gone
ACKNOWLEDGED = (IntentState.WORKING, IntentState.UNKNOWN)


class Reconciler:
    """Reads the broker's truth and repairs the ledger and the record, never by trading."""

    def __init__(self, broker: Broker, keeper: Bookkeeper, intents: IntentLog, clock: Clock) -> None:
        self._broker = broker
        self._keeper = keeper
        self._intents = intents
        self._clock = clock
        self._has_looked_back = False

    async def run(self) -> None:
        """Until nothing is unknown. Raises BrokerUnavailable when the broker does not answer."""
        facts, positions = await self._truth()
        if self._keeper.lacks({position.symbol: position.quantity for position in positions}):
            facts, positions = await self._truth()  # an exit may have filled between the two answers
        if not self._has_looked_back:
            self._keeper.look_back(positions, facts.filled, int(self._clock.now().timestamp()))
            self._has_looked_back = True
        self._keeper.on_positions({position.symbol: position.quantity for position in positions}, facts.sales)

    async def _truth(self) -> tuple[OrderFacts, list[BrokerPosition]]:
        """Orders with their executions, which are booked, then positions."""
        facts = await self._resolve_intents()
        return facts, await self._agreed_positions()

    async def _resolve_intents(self) -> OrderFacts:
        """Ask until every intent is explained. One that is nowhere is only believed gone after agreeing reads.

        An order that the broker had acknowledged needs more of them: its answer may be late, and exits that are
        replaced too early would be there twice.
        """
        absent: dict[str, int] = {}  # intent_id -> reads in a row that did not know it
        while True:
            facts = await self._broker.orders.read()
            self._broker.orders.replay_executions()
            now_s = int(self._clock.now().timestamp())
            known = self._keeper.intent_facts()
            before = {fact.intent_id: fact.state for fact in known}
            waiting = False
            for found in reconcile_intents(known, facts.working, facts.completed, facts.executed, now_s):
                state = found.state
                if state is IntentState.EXPIRED:
                    absent[found.intent_id] = absent.get(found.intent_id, 0) + 1
                    if absent[found.intent_id] < READS_TO_BELIEVE[before[found.intent_id] in ACKNOWLEDGED]:
                        state = IntentState.UNKNOWN
                    elif found.intent_id in facts.reported:
                        raise BrokerUnavailable("the gateway's list of orders and its reports disagree")
                if state is IntentState.UNKNOWN:
                    waiting = True
                    continue
                self._intents.resolved(found.intent_id, state, found.why)
                self._keeper.on_resolved(found.intent_id, state)
            if not waiting:
                return facts
            await self._clock.sleep_until(self._clock.now() + UNKNOWN_GRACE)

    async def _agreed_positions(self) -> list[BrokerPosition]:
        """The account's stocks. Two reads must agree before the ledger is judged: a fill can fall between them.

        Where a row is absent whose shares the ledger owns, all reads must lack it.
        """
        previous, agree = await self._broker.positions(), False
        for _ in range(MOST_READS):
            await self._clock.sleep_until(self._clock.now() + PAUSE)
            latest = await self._broker.positions()
            agree = latest == previous
            stocks = [position for position in latest if position.is_stock]
            if agree and not self._keeper.unlisted({position.symbol for position in stocks}):
                return stocks
            if not agree:
                self._broker.orders.replay_executions()
            previous = latest
        if agree:
            return stocks
        raise BrokerUnavailable("positions kept changing while they were read")
