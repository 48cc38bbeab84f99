"""Outbound messages of positions, account values and profit and loss. Conventions are those of `replies`."""

from __future__ import annotations

from ib_simulator.replies import contract11, quantity_text, strike_text
from ib_simulator.wire import UNSET_DOUBLE_TEXT, Field, frame
from ib_simulator.wire_order import WireContract


def position(account: str, contract: WireContract, quantity: float, average_cost_usd: float) -> bytes:
    """A position of `account`; a quantity of 0 tells that it is closed. The cost is per share with commission."""
    return frame(61, 3, account, *contract11(contract), quantity_text(quantity), average_cost_usd)


def position_end() -> bytes:
    return frame(62, 1)


def account_value(key: str, value: str, currency: str, account: str) -> bytes:
    return frame(6, 2, key, value, currency, account)


def account_time(hours_minutes: str) -> bytes:
    """`hours_minutes` is `HH:MM`."""
    return frame(8, 1, hours_minutes)


def portfolio_value(
    account: str,
    contract: WireContract,
    *,
    quantity: float,
    market_price_usd: float,
    market_value_usd: float,
    average_cost_usd: float,
    unrealized_pnl_usd: float,
    realized_pnl_usd: float,
) -> bytes:
    """A position with its value, part of account updates."""
    c = contract
    return frame(
        *(7, 8, c.con_id, c.symbol, c.sec_type, c.last_trade_date, strike_text(c), c.right or "0", c.multiplier),
        *(c.primary_exchange, c.currency, c.local_symbol, c.trading_class, quantity_text(quantity)),
        *(market_price_usd, market_value_usd, average_cost_usd, unrealized_pnl_usd, realized_pnl_usd, account),
    )


def account_download_end(account: str) -> bytes:
    return frame(54, 1, account)


def account_update_multi(req_id: int, account: str, model_code: str, key: str, value: str, currency: str) -> bytes:
    return frame(73, 1, req_id, account, model_code, key, value, currency)


def account_update_multi_end(req_id: int) -> bytes:
    return frame(74, 1, req_id)


def account_summary(req_id: int, account: str, tag: str, value: str, currency: str) -> bytes:
    return frame(63, 1, req_id, account, tag, value, currency)


def account_summary_end(req_id: int) -> bytes:
    return frame(64, 1, req_id)


def pnl(req_id: int, daily_usd: float | None, unrealized_usd: float | None, realized_usd: float | None) -> bytes:
    """Profit and loss of an account; None is not available."""
    return frame(94, req_id, _or_unset(daily_usd), _or_unset(unrealized_usd), _or_unset(realized_usd))


def pnl_single(
    req_id: int,
    quantity: int,
    daily_usd: float | None,
    unrealized_usd: float | None,
    realized_usd: float | None,
    value_usd: float | None,
) -> bytes:
    """Profit and loss of one position; None is not available."""
    amounts = (daily_usd, unrealized_usd, realized_usd, value_usd)
    return frame(95, req_id, quantity, *map(_or_unset, amounts))


def _or_unset(amount: float | None) -> Field:
    return UNSET_DOUBLE_TEXT if amount is None else amount
