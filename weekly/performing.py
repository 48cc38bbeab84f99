"""Performing a plan: sells, then buys, each order once, until nothing is left to send or time is up.

What was done is read from the ledger and from the intents on record, never from memory: a program that died goes on
like one that did not. The id of an intent follows from the plan, so a program that knows less than it should collides
with the row that is there instead of ordering again. An order that may have been lost is not sent again either: the
next cycle sees what is owned and plans anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from broker.portfolio_desk import PortfolioDesk
from market_hours import Clock, Session
from observability import TradingHistory
from portfolio.rebalance import Funds, Plan, PlannedOrder
from portfolio.resume import Progress, intent_id, what_is_left
from trading.costs import BUY, SELL, FeeSchedule, fill_fees
from trading.errors import BrokerUnavailable
from trading.money import notional
from trading.orders import Action, OrderIntent, Reason, Role

log = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=1)
DOUBT_EVERY_S = 15
GRACE = timedelta(seconds=90)  # after the last order's end the broker may still owe an answer
WITHDRAWAL_LIMIT = timedelta(seconds=15)
BEFORE_CLOSE = timedelta(seconds=30)  # no order works in the last moments of a session
FIRST_TRY = 0


class Timing(StrEnum):
    """When orders trade: at once, expiring by themselves, or at the next open."""

    NOW = "GTD"
    AT_OPEN = "OPG"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformingRules:
    """How orders are sent. `patience` is how long each works before it expires at the broker by itself."""

    rates: FeeSchedule
    patience: timedelta
    timing: Timing
    kill_order: Callable[[], str]  # what the kill switch orders now; empty while it is not thrown


def intents_of(plan: Plan) -> dict[str, str]:
    """intent_id -> order_id: each planned order becomes one intent, its first and only try."""
    return {intent_id(order, FIRST_TRY): order.order_id for order in plan.orders}


class Performing:
    """Sends one plan's orders through the desk. `stop()` withdraws what works and ends it soon."""

    def __init__(
        self,
        plan: Plan,
        funds: Funds,
        desk: PortfolioDesk,
        session: Session,
        clock: Clock,
        history: TradingHistory,
        rules: PerformingRules,
    ) -> None:
        self._plan = plan
        self._funds = funds
        self._desk = desk
        self._session = session
        self._clock = clock
        self._history = history
        self._rules = rules
        self._stop = asyncio.Event()
        self._intents = {order_id: intent for intent, order_id in intents_of(plan).items()}
        self._sent = {  # order_id of what is on record as an intent, or cannot be sent
            order_id: None for order_id, intent in self._intents.items() if history.intent(intent) is not None
        }
        self._flow_before = self._flow()
        self.stopped_because = ""
        self.is_killed = False

    def stop(self, reason: str) -> None:
        """End soon. Safe to call from a signal handler of the loop."""
        self.stopped_because = self.stopped_because or reason
        self._stop.set()

    async def run(self) -> None:
        """Until nothing is left to send or to wait for. Raises the broker's first fault of a report."""
        give_up = self._clock.now() + 2 * self._rules.patience + GRACE
        looks = 0
        while self._clock.now() < give_up:
            self._obey()
            if self._stop.is_set():
                break
            if self._desk.supervisor.is_ready and not await self._send_what_is_left() and not self._working():
                break
            if self._rules.timing is Timing.AT_OPEN and looks * LOOK_EVERY >= WITHDRAWAL_LIMIT:
                break  # they rest until the open
            looks += 1
            if looks % DOUBT_EVERY_S == 0 and self._desk.keeper.doubt(int(self._clock.now().timestamp())):
                self._desk.supervisor.ask_for_sync()
            await self._pause()
        if self._rules.timing is Timing.NOW or self._stop.is_set():
            await self._withdraw()

    def progress(self) -> Progress:
        """What is known of the plan's orders. What is on record as an intent is never sent again."""
        return Progress(
            executed={order_id: self._desk.executed(intent) for order_id, intent in self._intents.items()},
            working=self._working(),
            given_up=frozenset(self._sent),
        )

    def _working(self) -> dict[str, int]:
        """order_id -> shares that may still be bought or sold."""
        return {
            order_id: shares
            for order_id in self._sent
            if (shares := self._desk.may_still_fill(self._intents[order_id]))
        }

    def _obey(self) -> None:
        if self._desk.broker.fault is not None:
            raise self._desk.broker.fault
        if self._rules.kill_order():
            self.is_killed = True
            self.stop("the kill switch stopped trading")
        elif self._clock.now() >= self._session.close - BEFORE_CLOSE:
            self.stop("the session is about to close")

    async def _send_what_is_left(self) -> bool:
        """Send what can be sent now; whether anything was."""
        if self._history.trouble:  # nothing is ordered that cannot be recorded
            self._desk.keeper.warn(f"orders wait: {self._history.trouble}")
            return False
        left = self._left()
        for order in left:
            if self._rules.kill_order() or self._stop.is_set():
                return True
            try:
                await self._send(order)
            except BrokerUnavailable as error:
                self._desk.keeper.warn(f"{order.symbol}: {error}; it is not sent again in this cycle")
                return True
        return bool(left)

    def _left(self) -> tuple[PlannedOrder, ...]:
        if self._rules.timing is Timing.AT_OPEN:  # one auction for all: purchases are covered without the sales
            return tuple(order for order in self._plan.orders if order.order_id not in self._sent)
        return what_is_left(self._plan, self.progress(), self._spendable(), self._rules.rates)

    async def _send(self, order: PlannedOrder) -> None:
        self._sent[order.order_id] = None
        quantity = order.quantity
        if order.side == SELL:
            owned = self._desk.owned.get(order.symbol)
            there = (owned.quantity if owned is not None else 0) - self._desk.missing.get(order.symbol, 0)
            quantity = min(quantity, there)
        if quantity <= 0:
            self._desk.keeper.warn(f"{order.symbol}: no shares are left to sell")
            return
        intent = self._intents[order.order_id]
        await self._desk.send(
            OrderIntent(
                intent_id=intent,
                bracket_id=intent,
                role=Role.ENTRY if order.side == BUY else Role.CLOSE,
                reason=Reason.REBALANCE,
                symbol=order.symbol,
                action=Action.BUY if order.side == BUY else Action.SELL,
                quantity=quantity,
                order_type="LMT",
                tif=self._rules.timing.value,
                limit_price=order.limit_price,
                good_till_s=self._good_till_s(),
                decision_id=order.order_id,
            )
        )

    def _good_till_s(self) -> int:
        if self._rules.timing is Timing.AT_OPEN:
            return 0
        until: datetime = min(self._clock.now() + self._rules.patience, self._session.close - BEFORE_CLOSE)
        return int(until.timestamp())

    def _spendable(self) -> int:
        """Cash that purchases may use now: what there was, and what this run's own executions made of it."""
        return self._funds.spendable + self._flow() - self._flow_before

    def _flow(self) -> int:
        """Cash that the plan's executions on the book brought (purchases below zero), after fees, 1e-6 USD.

        A sale counts only where its proceeds may be spent on the same day.
        """
        total = 0
        for order in self._plan.orders:
            shares, price = self._desk.keeper.book.filled_by(self._intents[order.order_id])
            if not shares or (order.side == SELL and not self._funds.proceeds_usable):
                continue
            price += order.side == BUY  # the average is rounded down: a purchase cost up to one unit more
            fees = fill_fees(order.side, shares, price, 0, self._rules.rates)
            total -= order.side * notional(price, shares) + fees
        return total

    async def _withdraw(self) -> None:
        """Cancel what still works and wait for the answer."""
        give_up = self._clock.now() + WITHDRAWAL_LIMIT
        working = self._working()
        self._desk.cancel([self._intents[order_id] for order_id in working])
        while self._working() and self._clock.now() < give_up:
            await self._clock.sleep_until(self._clock.now() + LOOK_EVERY)
        for order_id, shares in self._working().items():
            self._desk.keeper.warn(f"{order_id}: {shares} shares may still execute, the broker has not said")

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_EVERY.total_seconds()):
                await self._stop.wait()
        except TimeoutError:
            return
