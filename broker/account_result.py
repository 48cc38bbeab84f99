"""What the account earned today by the broker's own count: its P&L stream, and what each sale realised."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date

from broker.client_library import IB
from broker.translate import execution_from_ib, is_set, money_from_ib
from market_hours import new_york_date, utc_from_epoch
from trading.broker_result import BrokerResult, ToldSale
from trading.errors import BrokerUnavailable
from trading.orders import Action, ExecutionReport


async def ask_account_result(
    ib: IB, account_id: str, day: date, owner_of: Callable[[ExecutionReport], str], limit_s: float
) -> BrokerResult:
    """The result of `day`, asked for now, executions of all clients included. Raises BrokerUnavailable."""
    told = asyncio.Event()

    def on_pnl(_pnl: object) -> None:
        told.set()

    ib.pnlEvent += on_pnl
    try:
        async with asyncio.timeout(limit_s):
            await ib.reqExecutionsAsync()
            pnl = ib.reqPnL(account_id)
            try:
                await told.wait()
            finally:
                if ib.isConnected():
                    ib.cancelPnL(account_id)
    except (ConnectionError, TimeoutError) as error:
        raise BrokerUnavailable(f"the account's P&L could not be read: {str(error) or 'no answer'}") from error
    finally:
        ib.pnlEvent -= on_pnl
    return BrokerResult(
        realised=_money(pnl.realizedPnL),
        unrealised=_money(pnl.unrealizedPnL),
        sales=_sales(ib, day, owner_of),
    )


def _sales(ib: IB, day: date, owner_of: Callable[[ExecutionReport], str]) -> tuple[ToldSale, ...]:
    sales = []
    for fill in ib.fills():
        execution = execution_from_ib(fill)
        if execution.action is Action.SELL and new_york_date(utc_from_epoch(execution.at_s)) == day:
            realised = _money(fill.commissionReport.realizedPNL)
            sales.append(ToldSale(execution.symbol, execution.quantity, realised, owner_of(execution)))
    return tuple(sales)


def _money(usd: float) -> int:
    """No value is told where nothing was sold."""
    return money_from_ib(usd) if is_set(usd) else 0
