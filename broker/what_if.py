"""What-if: the broker's answer to "what would this order bind and cost?". Nothing is placed."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from broker.client_library import IB, Contract, Order, RequestError
from broker.codes import Policy, code
from broker.translate import is_set, money_from_ib
from trading.errors import BrokerUnavailable
from trading.money import notional, price_to_usd
from trading.orders import Action
from trading.risk import PPM

ANSWER_LIMIT_S = 5.0  # without an answer an entry counts with its whole value, and trading does not wait


class WhatIf(NamedTuple):
    """The answer. `margin_ppm` are millionths of the order's value, `fee` is in 1e-6 USD, None where it is not told.

    `refusal` says why the broker would not take the order at all; empty when it would.
    """

    margin_ppm: int = PPM
    fee: int | None = None
    warning: str = ""
    refusal: str = ""


async def ask_what_if(ib: IB, contract: Contract, *, account: str, quantity: int, limit: int) -> WhatIf:
    """What buying `quantity` shares at `limit` (1e-4 USD) would bind. Raises BrokerUnavailable without an answer."""
    order = Order(
        action=Action.BUY.value,
        totalQuantity=quantity,
        orderType="LMT",
        lmtPrice=price_to_usd(limit),
        tif="DAY",
        account=account,
        outsideRth=False,
    )
    try:
        state = await asyncio.wait_for(ib.whatIfOrderAsync(contract, order), ANSWER_LIMIT_S)
    except RequestError as error:
        if code(error.code).policy is Policy.REJECT_ORDER:
            return WhatIf(refusal=f"{error.code} {error.message}")
        raise BrokerUnavailable(f"what-if of {contract.symbol}: {error.code} {error.message}") from error
    except (TimeoutError, ConnectionError) as error:
        raise BrokerUnavailable(f"no answer to the what-if of {contract.symbol}") from error
    return WhatIf(
        margin_share(state.initMarginChange, notional(limit, quantity)),
        money_from_ib(state.commission) if is_set(state.commission) else None,
        state.warningText,
    )


def margin_share(initial_margin_usd: str, value: int) -> int:
    """Millionths of `value` (1e-6 USD) that are bound, rounded up. All of it where the broker tells no amount.

    An order that frees margin (it closes something) still counts in full: what it closes may be gone by then.
    """
    usd = float(initial_margin_usd or 0)
    if not is_set(usd) or usd <= 0 or value <= 0:
        return PPM
    return -(-money_from_ib(usd) * PPM // value)
