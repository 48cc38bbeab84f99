"""What is done about owned shares: resting exits for every position, and the one way to close."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from broker.bookkeeper import Bookkeeper
from broker.order_desk import OrderDesk
from trading.ledger import Position
from trading.orders import Action, OrderIntent, Reason, Role, exit_legs
from trading.strategy import Parameters
from trading.sync import HeldPosition, plan_sync

SWEEP_AFTER_EOD_S = 20
TIME_EXIT_PATIENCE_S = 120  # a time exit that is selling is left alone this long


class PositionDesk:
    """Protects and closes the positions of one session. `eod_s` is its EOD time in epoch seconds."""

    def __init__(
        self, keeper: Bookkeeper, orders: OrderDesk, new_id: Callable[[], str], parameters: Parameters, eod_s: int
    ) -> None:
        self._keeper = keeper
        self._orders = orders
        self._new_id = new_id
        self._parameters = parameters
        self._eod_s = eod_s

    @property
    def sweep_from_s(self) -> int:
        """When the third net begins."""
        return self._eod_s + SWEEP_AFTER_EOD_S

    async def sync(
        self, held: Sequence[HeldPosition], watchlist: Sequence[str], *, adopts: bool, protects: bool, now_s: int
    ) -> None:
        """Adopt watchlist shares that no ledger explains where allowed, warn of the rest, protect all."""
        owned = {symbol: position.quantity for symbol, position in self._keeper.book.positions.items()}
        plan = plan_sync(owned, held, watchlist, adopts=adopts)
        for warning in plan.warnings:
            self._keeper.warn(warning)
        for adoption in plan.adoptions:
            self._keeper.adopt(adoption, now_s)
        if protects:
            await self.protect()

    async def protect(self) -> None:
        """Give every owned position resting exits, or fit the live ones to what is owned now."""
        for symbol in list(self._keeper.book.positions):
            bracket = self._keeper.brackets.get(symbol)
            if bracket is not None and bracket.has_live(Role.CLOSE):
                continue
            if bracket is not None and bracket.has_live(Role.STOP):
                self._keeper.fit_exits(bracket)
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
            )
            self._keeper.track(legs)
            await self._orders.place(legs)

    async def sweep(self, now_s: int) -> None:
        """Close what is still owned, unless its time exit is selling it."""
        for symbol in list(self._keeper.book.positions):
            bracket = self._keeper.brackets.get(symbol)
            selling = bracket is not None and bracket.has_live(Role.TIME_EXIT)
            if not selling or now_s >= self._eod_s + TIME_EXIT_PATIENCE_S:
                await self.close(symbol, Reason.EOD)

    async def close(self, symbol: str, reason: Reason) -> None:
        """Cancel resting exits; once they are confirmed dead, sell at market.

        Called at every instant until the position is gone; it never sells while another order still may.
        """
        bracket = self._keeper.brackets.get(symbol)
        if bracket is not None and bracket.live_exits():
            if not bracket.has_live(Role.CLOSE):
                for leg in bracket.live_exits():
                    self._orders.cancel(leg.intent.intent_id)
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
        )
        self._keeper.track((intent,))
        await self._orders.place((intent,))

    def _sellable(self, symbol: str) -> int:
        """Shares of the position that the account really holds: more would go short."""
        position = self._keeper.book.positions.get(symbol, Position())
        return min(position.quantity, self._orders.held(symbol))
