"""Stocks that exist no more: the broker lists neither shares nor contract, and tells of no sale.

A delisted position, or one that a takeover turned into cash, leaves an account without an execution, and what was paid
for it is told nowhere but in the cash. The ledger lets go of such shares at the lowest price it can write: a result is
never made up, and whatever was paid shows in the account.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from broker.broker import Broker
from market_hours import Clock, Session
from observability import TradingHistory
from records.rows import DecisionRow, PositionRow, TradeRow

PREFIX = "delisted-"  # begins the exec_id of rows that moved no cash
LOWEST_PRICE_USD = 0.0001
READS = 3  # of the positions that must all lack the shares
PAUSE = timedelta(milliseconds=500)


class DelistingDesk:
    """Compares the ledger of this bot with the account once, when a run starts."""

    def __init__(
        self, broker: Broker, history: TradingHistory, session: Session, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._broker = broker
        self._history = history
        self._session = session
        self._clock = clock
        self._new_id = new_id

    async def write_off(self) -> list[str]:
        """Let go of shares whose stock exists no more; each in words. Raises BrokerUnavailable.

        Only shares of earlier sessions, which every read lacks and whose symbol the broker says it does not know.
        """
        carried = [row for row in self._history.open_positions(self._history.bot) if row.opened_at < self._session.open]
        for read in range(READS):
            if not carried:
                return []
            if read:
                await self._clock.sleep_until(self._clock.now() + PAUSE)
            listed = {position.symbol for position in await self._broker.positions()}
            carried = [row for row in carried if row.symbol not in listed]
        gone = [row for row in carried if await self._broker.data.is_unknown(row.symbol)]
        if gone:
            await self._clock.off_loop(self._history.commit_trades([self._trade(row) for row in gone]))
        return [self._told(row) for row in gone]

    def _trade(self, row: PositionRow) -> TradeRow:
        day = str(self._session.date)
        return TradeRow(
            exec_id=f"{PREFIX}{day}-{self._history.bot}-{row.symbol}",
            session_date=day,
            timestamp=self._clock.now(),
            symbol=row.symbol,
            action="SELL",
            quantity=row.quantity,
            price_usd=LOWEST_PRICE_USD,
            reason="sync",
            bot=self._history.bot,
            mode=self._history.mode,
            commission_usd=0.0,
            pnl_usd=row.quantity * LOWEST_PRICE_USD - row.cost_basis_usd,
            pnl_pct=-100.0,
        )

    def _told(self, row: PositionRow) -> str:
        self._history.record_decision(
            DecisionRow(
                decision_id=self._new_id(),
                timestamp=self._clock.now(),
                session_date=str(self._session.date),
                symbol=row.symbol,
                kind="sync",
                bot=self._history.bot,
                mode=self._history.mode,
                rule="delisted",
                limit_value=float(row.quantity),
                actual_value=0.0,
                quantity=row.quantity,
                detail={"cost_basis_usd": row.cost_basis_usd},
            )
        )
        return (
            f"{row.symbol} exists no more: {row.quantity} shares that cost {row.cost_basis_usd:,.2f} USD are booked as "
            "worthless; what was paid for them is in the account's cash"
        )
