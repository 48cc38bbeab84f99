"""Splits over night: noticed before anything else is compared, and written into the ledgers of all bots."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Literal

from broker.broker import Broker
from broker.session_record import recorded
from market_hours import Clock, Session, utc_from_epoch
from observability import TradingHistory
from records.rows import DecisionRow, PositionRow, TradeRow
from trading.book import SessionBook
from trading.money import money_to_usd, price_to_usd
from trading.risk import RiskLimits
from trading.splits import SplitLot, split_lot, split_ratio

OPEN_AFTER_MIDNIGHT_S = 34_200  # 09:30: a split happens before anything of its day is traded
NO_LIMITS = RiskLimits(max_daily_loss=0, max_drawdown=0, max_order_value=0)


class SplitDesk:
    """Compares the record with the account's positions once, when a run starts."""

    def __init__(
        self, broker: Broker, history: TradingHistory, session: Session, clock: Clock, new_id: Callable[[], str]
    ) -> None:
        self._broker = broker
        self._history = history
        self._session = session
        self._clock = clock
        self._new_id = new_id
        self._at: datetime = utc_from_epoch(session.open_s - OPEN_AFTER_MIDNIGHT_S)

    async def adjust(self) -> dict[str, str]:
        """Rewrite what splits changed; symbol -> the split in words. Raises BrokerUnavailable.

        All of a symbol's ledgers are written in one transaction: whichever bot comes first does it for all.
        """
        rows: dict[str, list[PositionRow]] = {}  # symbol -> its ledgers, all opened before today
        for row in self._history.open_positions():
            rows.setdefault(row.symbol, []).append(row)
        carried = {
            symbol: ledgers for symbol, ledgers in rows.items() if all(row.opened_at < self._at for row in ledgers)
        }
        if not carried:
            return {}
        held = {position.symbol: position for position in await self._broker.positions() if position.is_stock}
        today = {row.exec_id for row in self._history.trades(str(self._session.date))}
        unbooked = self._broker.unbooked_today(lambda exec_id: exec_id in today)
        adjusted: dict[str, str] = {}
        for symbol, ledgers in carried.items():
            position = held.get(symbol)
            if position is None:
                continue
            owned = sum(row.quantity for row in ledgers)
            ratio = split_ratio(
                owned,
                sum(row.cost_basis_usd for row in ledgers) / owned,
                position.quantity - unbooked.get(symbol, 0),
                price_to_usd(position.average_cost),
            )
            if ratio is not None:
                adjusted[symbol] = await self._adjust(symbol, ledgers, ratio)
        return adjusted

    async def _adjust(self, symbol: str, ledgers: list[PositionRow], ratio: Fraction) -> str:
        lots = {row.bot: self._lot(row, ratio) for row in ledgers}
        written = [trade for bot, lot in lots.items() for trade in self._trades(symbol, bot, lot)]
        await self._clock.off_loop(self._history.commit_trades(written))
        for bot, lot in lots.items():
            self._record(symbol, bot, lot)
        before, after = (sum(getattr(lot, name) for lot in lots.values()) for name in ("before", "after"))
        return (
            f"{symbol} was split {ratio.numerator} for {ratio.denominator}: {before} shares in the ledger are {after} "
            "now, exits are rebuilt"
        )

    def _lot(self, row: PositionRow, ratio: Fraction) -> SplitLot:
        """One bot's shares with their exact cost, from its executions in the symbol."""
        book = SessionBook(0, 0, 0, NO_LIMITS)
        trades = [trade for trade in self._history.trades(bot=row.bot) if trade.symbol == row.symbol]
        book.restore([recorded(trade) for trade in trades], [])
        return split_lot(book.positions[row.symbol], book.price_paid(row.symbol), ratio)

    def _trades(self, symbol: str, bot: str, lot: SplitLot) -> list[TradeRow]:
        day = str(self._session.date)

        def row(action: Literal["BUY", "SELL"], quantity: int, price: int, fee: int) -> TradeRow:
            return TradeRow(
                exec_id=f"split-{day}-{bot}-{symbol}-{action.lower()}",
                session_date=day,
                timestamp=self._at,
                symbol=symbol,
                action=action,
                quantity=quantity,
                price_usd=price_to_usd(price),
                reason="sync",
                bot=bot,
                mode=self._history.mode,
                commission_usd=money_to_usd(fee),
                pnl_usd=0.0 if action == "SELL" else None,
                pnl_pct=0.0 if action == "SELL" else None,
            )

        left = row("SELL", lot.before, lot.price_before, lot.fee_before)
        return [left, row("BUY", lot.after, lot.price_after, lot.fee_after)] if lot.after else [left]

    def _record(self, symbol: str, bot: str, lot: SplitLot) -> None:
        self._history.record_decision(
            DecisionRow(
                decision_id=self._new_id(),
                timestamp=self._clock.now(),
                session_date=str(self._session.date),
                symbol=symbol,
                kind="sync",
                bot=bot,
                mode=self._history.mode,
                rule="split",
                limit_value=float(lot.before),
                actual_value=float(lot.after),
                quantity=lot.after,
                detail={"ratio": str(lot.ratio), "price_before_usd": price_to_usd(lot.price_before)},
            )
        )
