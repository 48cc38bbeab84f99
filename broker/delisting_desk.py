"""Stocks that exist no more: the broker lists neither shares nor contract, and tells of no sale.

A delisted position, or one that a takeover turned into cash, leaves an account without an execution, and what was paid
for it is told nowhere but in the cash. The ledger lets go of such shares at the lowest price it can write: a result is
never made up, and whatever was paid shows in the account. A stock that was renamed looks the same, but for shares that
came to the account under another name: then nothing is booked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from broker.broker import Broker
from broker.values import BrokerPosition
from market_hours import Clock, Session
from observability import TradingHistory
from records.rows import DecisionRow, PositionRow, TradeRow
from trading.money import price_to_usd
from trading.splits import COST_TOLERANCE_PCT

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
        """Let go of shares whose stock exists no more; each in words, or that it was renamed. Raises BrokerUnavailable.

        Only shares of earlier sessions, which every read lacks and whose symbol the broker says it does not know.
        """
        carried = [row for row in self._history.open_positions(self._history.bot) if row.opened_at < self._session.open]
        held: list[BrokerPosition] = []
        for read in range(READS):
            if not carried:
                return []
            if read:
                await self._clock.sleep_until(self._clock.now() + PAUSE)
            held = await self._broker.positions()
            listed = {position.symbol for position in held}
            carried = [row for row in carried if row.symbol not in listed]
        gone = [row for row in carried if await self._broker.data.is_unknown(row.symbol)]
        renamed = {row.symbol: found for row in gone if (found := self._under_another_name(row.symbol, held))}
        gone = [row for row in gone if row.symbol not in renamed]
        if gone:
            await self._clock.off_loop(self._history.commit_trades([self._trade(row) for row in gone]))
        return [*map(_renamed, renamed, renamed.values()), *map(self._told, gone)]

    def _under_another_name(self, symbol: str, held: Sequence[BrokerPosition]) -> str:
        """The stock that no ledger knows and of which the account has as many shares, at their cost; empty: none."""
        ledgers = self._history.open_positions()
        owned = sum(row.quantity for row in ledgers if row.symbol == symbol)
        cost_usd = sum(row.cost_basis_usd for row in ledgers if row.symbol == symbol) / owned
        known = {row.symbol for row in ledgers}
        for position in held:
            if position.is_stock and position.symbol not in known and position.quantity == owned:
                paid_usd = price_to_usd(position.average_cost)
                if abs(paid_usd - cost_usd) * 100 <= COST_TOLERANCE_PCT * cost_usd:
                    return position.symbol
        return ""

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


def _renamed(old: str, new: str) -> str:
    return (
        f"{old} is unknown to the broker, and the account has as many {new} at the same cost that no ledger explains: "
        f"it was probably renamed. Nothing is booked, this bot does not trade the shares; sell {new} by hand to end it"
    )
