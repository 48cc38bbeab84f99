"""Buying power at the broker: the account's figures into the book, and what entries of each symbol would bind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from broker.broker import Broker
from broker.values import AccountState
from trading.book import SessionBook
from trading.errors import BrokerUnavailable, HistoryUnavailable
from trading.funds import Funds
from trading.money import notional

log = logging.getLogger(__name__)

SIZE_CHANGE_PCT = 10  # a budget that changed by this much is asked about again


class FundsDesk:
    """Keeps the buying power of one session's book. `refuse` takes a symbol that the broker will not let it buy."""

    def __init__(
        self,
        broker: Broker,
        book: SessionBook,
        warn: Callable[[str], None],
        refuse: Callable[[str, str], None],
    ) -> None:
        self._broker = broker
        self._book = book
        self._warn = warn
        self._refuse = refuse
        self._asked: dict[str, int] = {}  # symbol -> value of the order that was asked about, 1e-6 USD

    def on_account(self, account: AccountState) -> None:
        """The account's figures as they came in."""
        self._book.buying_power.on_report(
            Funds(account.spendable, account.net_liquidation, account.day_trades_left),
        )

    async def ask(self, symbols: Sequence[str], budget: int, price_of: Callable[[str], int]) -> None:
        """What an entry of `budget` (1e-6 USD) binds, for every symbol whose size is new or has changed.

        Where there is no answer an entry counts with its whole value.
        """
        async with asyncio.TaskGroup() as group:
            for symbol in symbols:
                price = price_of(symbol)
                quantity = budget // notional(price, 1) if price > 0 else 0
                if quantity > 0 and self._is_news(symbol, notional(price, quantity)):
                    group.create_task(self._ask(symbol, quantity, price), name=f"what-if {symbol}")

    def _is_news(self, symbol: str, value: int) -> bool:
        asked = self._asked.get(symbol)
        return asked is None or abs(value - asked) * 100 >= asked * SIZE_CHANGE_PCT

    async def _ask(self, symbol: str, quantity: int, price: int) -> None:
        try:
            answer = await self._broker.what_if(symbol, quantity, price)
        except (BrokerUnavailable, HistoryUnavailable) as error:
            self._warn(f"{symbol}: what an entry binds is not known ({error}), it counts with its whole value")
            return
        self._asked[symbol] = notional(price, quantity)
        if answer.refusal:
            self._refuse(symbol, answer.refusal)
            return
        self._book.buying_power.margin_ppm[symbol] = answer.margin_ppm
        log.info("%s: an entry of %d shares binds %d ppm of its value", symbol, quantity, answer.margin_ppm)
        if answer.warning:
            self._warn(f"{symbol}: what-if of an entry: {answer.warning}")
