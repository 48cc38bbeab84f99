"""The plan of a cycle: which whole shares to sell and to buy so that holdings come near their target weights.

Money is in 1e-6 USD, prices in 1e-4 USD. Only shares that the ledger gives to the weekly bot are known here, so no
others can be sold. The same input gives the same plan with the same ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from portfolio.refusal import Refusal
from trading.costs import BUY, SELL, FeeSchedule, fill_fees
from trading.money import BPS, ceil_to_tick, notional
from trading.sizing import collar_price

PPM = 1_000_000
WEIGHT_UNITS = 1_000_000_000  # weights as integers, so that shares do not depend on rounding of floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One name: the weekly bot's shares and the market. `price` is the last; bid and ask are 0 where unknown."""

    symbol: str
    owned: int
    price: int
    bid: int = 0
    ask: int = 0
    is_tradable: bool = True  # false while halted, or where the contract is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """What the account says. `reserved` is what the other bot may spend and external holdings bind."""

    net_liquidation: int
    settled_buying_power: int
    reserved: int = 0
    proceeds_usable: bool = False  # whether a sale pays for a purchase of the same day (a margin account)

    @property
    def spendable(self) -> int:
        """What a purchase may cost now."""
        return max(self.settled_buying_power - self.reserved, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRules:
    """How a plan is made. `rates` are the fees in force on the session."""

    rates: FeeSchedule
    allocation_ppm: int = 750_000  # WEEKLY_ALLOCATION, a share of net liquidation in millionths
    min_trade: int = 200_000_000  # 200 USD: below it fees weigh more than the step
    band_bps: int = 50  # of the capital: smaller drifts are left alone
    collar_bps: int = 50  # how far from the quote an order may fill
    never_trade: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedOrder:
    """An order to place once. `order_id` is the same whenever the same plan is made."""

    order_id: str
    symbol: str
    side: int  # trading.costs.BUY or SELL
    quantity: int
    limit_price: int
    price: int  # the market when the plan was made, against which slippage counts
    reason: str  # enter, increase, reduce, exit


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Sells, then buys by urgency. `invested` is what the bot's holdings were worth when the plan was made."""

    plan_id: str
    cycle: str
    capital: int
    invested: int
    orders: tuple[PlannedOrder, ...]
    refused: tuple[Refusal, ...]

    @property
    def sells(self) -> tuple[PlannedOrder, ...]:
        """What is sold, first."""
        return tuple(order for order in self.orders if order.side == SELL)

    @property
    def buys(self) -> tuple[PlannedOrder, ...]:
        """What is bought, after everything is sold."""
        return tuple(order for order in self.orders if order.side == BUY)

    def to_json(self) -> str:
        """The plan for a file or a row of the database."""
        return json.dumps(asdict(self), sort_keys=True)


def plan_from_json(text: str) -> Plan:
    """The plan that `to_json` wrote. Raises `ValueError` when its id says that something was changed."""
    found: dict[str, Any] = json.loads(text)
    orders = tuple(PlannedOrder(**order) for order in found.pop("orders"))
    refused = tuple(Refusal(**refusal) for refusal in found.pop("refused"))
    plan = Plan(orders=orders, refused=refused, **found)
    if plan.plan_id != _plan_id(plan.cycle, plan.capital, plan.invested, _contents(orders)):
        raise ValueError(f"plan {plan.plan_id} of cycle {plan.cycle} was changed after it was made")
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A wanted change of one holding; `shares` is below zero to sell."""

    position: Position
    shares: int
    is_exit: bool

    @property
    def value(self) -> int:
        """What changes hands at the last price."""
        return notional(self.position.price, abs(self.shares))


def make_plan(
    cycle: str, weights: Mapping[str, float], positions: Sequence[Position], funds: Funds, rules: PlanRules
) -> Plan:
    """Plan the way from `positions` to `weights` of the capital, allocation × net liquidation.

    A name of `weights` must be among the positions (with zero owned shares where it is new) to be bought; a position
    that `weights` does not name is left alone. Raises `ValueError` for negative shares or a symbol that comes twice.
    """
    _check(positions)
    capital = max(funds.net_liquidation, 0) * rules.allocation_ppm // PPM
    invested = sum(notional(position.price, position.owned) for position in positions)
    steps, refused = _steps(weights, positions, capital, invested, rules)
    sells = [_sell(step, rules) for step in steps if step.shares < 0]
    power = funds.spendable + (sum(_proceeds(sell, rules) for sell in sells) if funds.proceeds_usable else 0)
    room = capital - invested + sum(notional(sell["price"], sell["quantity"]) for sell in sells)
    buys: list[dict[str, Any]] = []
    for step in sorted(
        (step for step in steps if step.shares > 0), key=lambda step: (-step.value, step.position.symbol)
    ):
        limit = collar_price(step.position.ask or step.position.price, rules.collar_bps)
        quantity = affordable(step.shares, limit, min(power, room), rules.rates)
        if notional(step.position.price, quantity) < rules.min_trade or quantity == 0:
            refused.append(_refuse(step, "funds", rules.min_trade, min(power, room)))
            continue
        cost = _cost(limit, quantity, rules.rates)
        power, room = power - cost, room - cost
        buys.append(_contents_of(step, BUY, quantity, limit))
    contents = [*sells, *buys]
    plan_id = _plan_id(cycle, capital, invested, contents)
    orders = tuple(PlannedOrder(order_id=f"{plan_id}-{each['symbol']}", **each) for each in contents)
    return Plan(plan_id=plan_id, cycle=cycle, capital=capital, invested=invested, orders=orders, refused=tuple(refused))


def affordable(quantity: int, limit_price: int, money: int, rates: FeeSchedule) -> int:
    """The most shares, up to `quantity`, whose cost at the limit with fees is within `money`."""
    shares = max(min(quantity, money // notional(limit_price, 1)), 0)
    while shares > 0 and _cost(limit_price, shares, rates) > money:
        shares -= max((_cost(limit_price, shares, rates) - money) // notional(limit_price, 1), 1)
    return max(shares, 0)


def _cost(limit_price: int, quantity: int, rates: FeeSchedule) -> int:
    return notional(limit_price, quantity) + fill_fees(BUY, quantity, limit_price, 0, rates)


def _proceeds(sell: Mapping[str, Any], rules: PlanRules) -> int:
    """What a sale brings at worst, after fees."""
    fees = fill_fees(SELL, sell["quantity"], sell["limit_price"], 0, rules.rates)
    return max(notional(sell["limit_price"], sell["quantity"]) - fees, 0)


def _check(positions: Sequence[Position]) -> None:
    symbols = [position.symbol for position in positions]
    if len(set(symbols)) != len(symbols):
        raise ValueError("a symbol comes twice among the positions")
    for position in positions:
        if min(position.owned, position.price, position.bid, position.ask) < 0:
            raise ValueError(f"{position.symbol}: shares and prices cannot be below zero")


# which changes are worth an order


def _steps(
    weights: Mapping[str, float], positions: Sequence[Position], capital: int, invested: int, rules: PlanRules
) -> tuple[list[Step], list[Refusal]]:
    steps: list[Step] = []
    known = {position.symbol for position in positions}
    refused = [Refusal(symbol=s, rule="no_quote") for s in sorted(set(weights) - known) if weights[s] > 0]
    for position in sorted(positions, key=lambda each: each.symbol):
        if position.symbol not in weights:
            continue
        step = _step(position, weights[position.symbol], capital)
        if step is None:
            refused.append(Refusal(symbol=position.symbol, rule="no_price"))
            continue
        refusal = _refusal(step, capital, invested, rules)
        if refusal is not None:
            refused.append(refusal)
        elif step.shares:
            steps.append(step)
    return steps, refused


def _step(position: Position, weight: float, capital: int) -> Step | None:
    """The change that `weight` asks for, in whole shares rounded down; None without a price."""
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"{position.symbol}: weight {weight!r} is not in 0 to 1")
    if position.price == 0:
        return None
    wanted = round(weight * WEIGHT_UNITS) * capital // (WEIGHT_UNITS * notional(position.price, 1))
    return Step(position=position, shares=wanted - position.owned, is_exit=wanted == 0 and position.owned > 0)


def _refusal(step: Step, capital: int, invested: int, rules: PlanRules) -> Refusal | None:
    """Why a change is not ordered. An exit, and any sale while holdings exceed the capital, is never too small."""
    if step.shares == 0:
        return None
    if step.position.symbol in rules.never_trade:
        return _refuse(step, "never_trade")
    if not step.position.is_tradable:
        return _refuse(step, "not_tradable")
    if step.is_exit or (step.shares < 0 and invested > capital):
        return None
    if step.value < rules.min_trade:
        return _refuse(step, "min_trade", rules.min_trade, step.value)
    band = capital * rules.band_bps // BPS
    return _refuse(step, "drift_band", band, step.value) if step.value < band else None


def _refuse(step: Step, rule: str, limit: int | None = None, actual: int | None = None) -> Refusal:
    return Refusal(symbol=step.position.symbol, rule=rule, limit=limit, actual=actual)


# contents and ids


def _sell(step: Step, rules: PlanRules) -> dict[str, Any]:
    bid = step.position.bid or step.position.price
    limit = min(ceil_to_tick(max(bid * (BPS - rules.collar_bps) // BPS, 1)), bid)
    return _contents_of(step, SELL, -step.shares, limit)


def _contents_of(step: Step, side: int, quantity: int, limit_price: int) -> dict[str, Any]:
    position = step.position
    if side == SELL:
        reason = "exit" if step.is_exit else "reduce"
    else:
        reason = "increase" if position.owned else "enter"
    return {
        "symbol": position.symbol,
        "side": side,
        "quantity": quantity,
        "limit_price": limit_price,
        "price": position.price,
        "reason": reason,
    }


def _contents(orders: Sequence[PlannedOrder]) -> list[dict[str, Any]]:
    return [{name: value for name, value in asdict(order).items() if name != "order_id"} for order in orders]


def _plan_id(cycle: str, capital: int, invested: int, contents: Sequence[Mapping[str, Any]]) -> str:
    text = json.dumps([cycle, capital, invested, list(contents)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
