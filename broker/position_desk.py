"""What is done about owned shares: resting exits for every position, and the one way to close."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from broker.bookkeeper import Bookkeeper
from broker.order_desk import OrderDesk
from trading.brackets import LiveBracket
from trading.ledger import Position
from trading.money import BPS, floor_to_tick
from trading.orders import Action, OrderIntent, Reason, Role, exit_legs
from trading.strategy import Market, Parameters
from trading.sync import HeldPosition, SyncPolicy, plan_sync
from utils import HaltTrading

SWEEP_AFTER_EOD_S = 20
BREACH_S = 10  # an untriggered stop is waited for this long
CLOSE_COLLAR_BPS = 20  # how far under the bid a closing sale may go
MOST_REPRICINGS = 3  # then cancel and sell at market
TIME_EXIT_PATIENCE_S = 120  # a time exit that is selling is left alone this long


class PositionDesk:
    """Protects and closes the positions of one session. `eod_s` is its EOD time in epoch seconds."""

    def __init__(
        self,
        keeper: Bookkeeper,
        orders: OrderDesk,
        new_id: Callable[[], str],
        parameters: Parameters,
        eod_s: int,
        market_of: Callable[[str], Market | None],
        never_trade: Sequence[str] = (),
    ) -> None:
        self._keeper = keeper
        self._orders = orders
        self._new_id = new_id
        self._parameters = parameters
        self._eod_s = eod_s
        self._market_of = market_of
        self._never_trade = tuple(never_trade)
        self._breached_since_s: dict[str, int] = {}  # symbol -> first instant at or under its stop
        self._tries: dict[str, int] = {}  # intent_id of a target -> times it was re-priced to close

    @property
    def sweep_from_s(self) -> int:
        """When the third net begins."""
        return self._eod_s + SWEEP_AFTER_EOD_S

    def sync(self, held: Sequence[HeldPosition], of_others: Mapping[str, int], policy: SyncPolicy, now_s: int) -> None:
        """Adopt external shares where the policy allows it, warn of the rest. Raises HaltTrading under `halt`."""
        owned = {symbol: position.quantity for symbol, position in self._keeper.book.positions.items()}
        plan = plan_sync(owned, of_others, held, policy)
        for warning in plan.warnings:
            self._keeper.warn(warning)
        if plan.halts:
            raise HaltTrading(plan.halts)
        for adoption in plan.adoptions:
            self._keeper.adopt(adoption, now_s)

    async def protect(self) -> None:
        """Give every owned position resting exits, or fit the live ones to what is owned now."""
        self._leave_never_traded_alone()
        for symbol in self.ours():
            bracket = self._keeper.brackets.get(symbol)
            if bracket is not None and bracket.has_live(Role.CLOSE):
                continue
            if bracket is not None and bracket.has_live(Role.STOP):
                self._keeper.fit_exits(bracket)
                continue
            if bracket is not None and bracket.live_exits():  # a group without its stop: replaced once it is dead
                self._orders.cancel(bracket.live_exits()[0].intent.intent_id)
                continue
            quantity = self._sellable(symbol)
            if quantity == 0:
                continue
            legs = exit_legs(
                new_id=self._new_id,
                bracket_id=self._new_id(),
                symbol=symbol,
                quantity=quantity,
                fill_price=self._keeper.book.price_paid(symbol),
                parameters=self._parameters,
                eod_s=self._eod_s,
                decision_id=bracket.decision_id if bracket is not None else "",
            )
            self._keeper.track(legs)
            await self._orders.place(legs)

    async def watch(self, now_s: int) -> None:
        """The second and the third net, at every agent instant.

        Before EOD time every owned share must have a live stop, and a stop whose level has been breached for
        `BREACH_S` without a trigger is not waited for any longer. After it what is still owned is swept up.
        """
        if now_s >= self.sweep_from_s:
            await self.sweep(now_s)
            return
        if now_s >= self._eod_s:
            return
        await self.protect()
        self._withdraw_orphans()
        for symbol in self.ours():
            if self._is_breached(symbol, now_s):
                self._keeper.warn(f"{symbol}: the stop at the broker did not trigger, closing")
                await self.close(symbol, Reason.STOP_LOSS)

    def ours(self) -> list[str]:
        """Symbols of which this bot owns shares and may sell them."""
        return [symbol for symbol in self._keeper.book.positions if symbol not in self._never_trade]

    def _leave_never_traded_alone(self) -> None:
        """Shares in the ledger that NEVER_TRADE came to name: no order of ours stays at work on them."""
        for symbol in self._never_trade:
            position, bracket = self._keeper.book.positions.get(symbol), self._keeper.brackets.get(symbol)
            if position is None:
                continue
            self._keeper.warn(f"NEVER_TRADE names {symbol}: {position.quantity} shares of the ledger are left alone")
            for leg in bracket.live_exits()[:1] if bracket is not None else ():  # the rest of its group goes with it
                self._keeper.warn(f"{symbol}: the exits that rested are withdrawn, nothing protects it any more")
                self._orders.cancel(leg.intent.intent_id)

    def _withdraw_orphans(self) -> None:
        """Exits of shares that are gone would go short: cancel them."""
        for symbol, bracket in self._keeper.brackets.items():
            if self._keeper.owed_shares(symbol):
                continue  # not gone: not told yet
            if bracket.entry_is_over and symbol not in self._keeper.book.positions:
                for leg in bracket.live_exits()[:1]:  # the rest of its group goes with it
                    self._keeper.warn(f"{symbol}: an exit was left without shares, it is withdrawn")
                    self._orders.cancel(leg.intent.intent_id)

    def _is_breached(self, symbol: str, now_s: int) -> bool:
        """Whether the last price has been at or under an untriggered stop for `BREACH_S` seconds."""
        bracket, market = self._keeper.brackets.get(symbol), self._market_of(symbol)
        stop = bracket.legs.get(Role.STOP) if bracket is not None else None
        waits = stop is not None and stop.held and market is not None and market.last > 0
        if not waits or stop is None or market is None or market.last > stop.stop_price:
            self._breached_since_s.pop(symbol, None)
            return False
        return now_s - self._breached_since_s.setdefault(symbol, now_s) >= BREACH_S

    async def sweep(self, now_s: int) -> None:
        """Close what is still owned, unless its time exit is selling it."""
        for symbol in self.ours():
            bracket = self._keeper.brackets.get(symbol)
            selling = bracket is not None and bracket.has_live(Role.TIME_EXIT)
            if not selling or now_s >= self._eod_s + TIME_EXIT_PATIENCE_S:
                await self.close(symbol, Reason.EOD)

    async def close(self, symbol: str, reason: Reason) -> None:
        """The one way to close. First the resting target is re-priced to be taken at once: no naked moment.

        Where no target can be re-priced, resting exits are cancelled, and once they are confirmed dead the rest is
        sold at market. Called at every instant until the position is gone; it never sells beside a live order.
        """
        bracket = self._keeper.brackets.get(symbol)
        if symbol in self._never_trade or (bracket is not None and bracket.has_live(Role.CLOSE)):
            return
        if bracket is not None and bracket.live_exits():
            if not self._take_now(bracket, reason):
                self._orders.cancel(bracket.live_exits()[0].intent.intent_id)  # takes its group with it
            return
        quantity = self._sellable(symbol)
        if quantity == 0:
            return
        intent = OrderIntent(
            intent_id=self._new_id(),
            bracket_id=self._new_id(),
            role=Role.CLOSE,
            reason=reason,
            symbol=symbol,
            action=Action.SELL,
            quantity=quantity,
            order_type="MKT",
            tif="DAY",
            decision_id=bracket.decision_id if bracket is not None else "",
        )
        self._keeper.track((intent,))
        await self._orders.place((intent,))

    def _sellable(self, symbol: str) -> int:
        """Shares of the position that the account really holds: more would go short."""
        position = self._keeper.book.positions.get(symbol, Position())
        return min(position.quantity, self._orders.held(symbol))

    def _take_now(self, bracket: LiveBracket, reason: Reason) -> bool:
        """Re-price the live target to the bid less the collar. False when there is none, or no bid to price from."""
        target = bracket.legs.get(Role.TARGET)
        market = self._market_of(bracket.symbol)
        if target is None or target.is_over or market is None or market.bid <= 0:
            return False
        intent_id = target.intent.intent_id
        if self._tries.get(intent_id, 0) >= MOST_REPRICINGS:
            return False
        price = max(floor_to_tick(market.bid * (BPS - CLOSE_COLLAR_BPS) // BPS), 1)
        self._keeper.reasons[intent_id] = reason
        if not self._orders.modify(intent_id, quantity=target.quantity, limit_price=price):
            return False
        self._tries[intent_id] = self._tries.get(intent_id, 0) + 1
        target.limit_price = price
        return True
