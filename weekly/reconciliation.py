"""Whether the bot's records and its account tell the same story, to the cent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from broker.delisting_desk import PREFIX as DELISTED
from records.rows import TradeRow
from trading.money import money_from_usd, notional, price_from_usd, usd_text
from utils import HaltTrading
from weekly.monitoring import SPLIT
from weekly.results import Holdings

A_CENT = 10_000  # 1e-6 USD


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """An account as its broker keeps it, in 1e-6 USD; `holdings` are shares and cost by symbol."""

    cash: int
    net_liquidation: int
    holdings: Mapping[str, tuple[int, int]]


def cash_flow(trades: Iterable[TradeRow]) -> int:
    """Cash that executions brought after fees, purchases below zero. Splits and delistings wrote rows without any."""
    total = 0
    for row in trades:
        if row.exec_id.startswith((SPLIT, DELISTED)):
            continue
        side = 1 if row.action == "BUY" else -1
        total -= side * notional(price_from_usd(row.price_usd), row.quantity) + money_from_usd(row.commission_usd or 0)
    return total


def reconcile(holdings: Holdings, recorded_cash: int, truth: Truth) -> None:
    """Compare what the bot has on record with the account. Raises HaltTrading with the first difference.

    `recorded_cash` (1e-6 USD) is what the account began with, and what executions on record and distributions made of
    it.
    """
    differences = [
        _money("cash", recorded_cash, truth.cash),
        _money("net liquidation", holdings.funds.net_liquidation, truth.net_liquidation),
    ]
    for symbol in sorted({*holdings.owned, *truth.holdings}):
        owned, cost = holdings.owned.get(symbol, 0), holdings.costs.get(symbol, 0)
        shares, paid = truth.holdings.get(symbol, (0, 0))
        if owned != shares:
            differences.append(f"{symbol}: {owned} shares on record, {shares} in the account")
        differences.append(_money(f"{symbol}: cost", cost, paid))
    found = [each for each in differences if each]
    if found:
        raise HaltTrading(f"records and account differ after the cycle of {holdings.at:%Y-%m-%d}: {'; '.join(found)}")


def _money(what: str, recorded: int, true: int) -> str:
    if abs(recorded - true) < A_CENT:
        return ""
    return f"{what} {usd_text(recorded)} on record, {usd_text(true)} in the account"
