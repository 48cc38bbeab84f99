"""Conditions of orders: what has to come true before an order works, or before it is cancelled.

Rules are joined from left to right. Prices are last prices, whatever trigger method a client asks for. Once the
whole is true it stays so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ib_simulator.market import SymbolMarket
from ib_simulator.order_instants import instant
from ib_simulator.orders import ConditionRule, Refusal
from ib_simulator.wire_order import (
    Condition,
    PercentChangeCondition,
    PriceCondition,
    TimeCondition,
    VolumeCondition,
)
from trading.money import price_from_usd

PRICE, TIME, VOLUME, PERCENT = "price", "time", "volume", "percent"
INVALID = "Error validating request.-'bH' : cause - "
MAX_CONDITION_PRICE_USD = 1e7
BAD_TIME = Refusal(10314, "Invalid date, time, or time-zone entered. Format: yyyymmdd hh:mm:ss xx/xxxx")

SymbolOf = Callable[[int], str | None]  # contract id -> symbol


class _Subject(NamedTuple):
    """What a rule is about."""

    kind: str
    con_id: int
    is_more: bool
    bound: float


def rules_of(conditions: Sequence[Condition], symbol_of: SymbolOf) -> tuple[ConditionRule, ...] | Refusal:
    """The conditions of an order as rules, or why they are not taken."""
    rules = []
    for condition in conditions:
        subject = _subject(condition)
        if isinstance(subject, Refusal):
            return subject
        symbol = symbol_of(subject.con_id) if subject.con_id else ""
        if symbol is None:
            return Refusal(200, "No security definition has been found for the request")
        rules.append(ConditionRule(subject.kind, symbol, subject.is_more, subject.bound, condition.conjunction != "o"))
    return tuple(rules)


def _subject(condition: Condition) -> _Subject | Refusal:
    match condition:
        case PriceCondition():
            if not 0 < condition.price <= MAX_CONDITION_PRICE_USD:
                return Refusal(321, f"{INVALID}Please enter a valid price in the condition")
            return _Subject(PRICE, condition.con_id, condition.is_more, price_from_usd(condition.price))
        case VolumeCondition():
            return _Subject(VOLUME, condition.con_id, condition.is_more, condition.volume)
        case PercentChangeCondition():
            return _Subject(PERCENT, condition.con_id, condition.is_more, condition.change_percent)
        case TimeCondition():
            at_s = instant(condition.time)
            return _Subject(TIME, 0, condition.is_more, at_s) if at_s else BAD_TIME
        case _:
            return Refusal(321, f"{INVALID}{type(condition).__name__} is not simulated")


def are_met(rules: Sequence[ConditionRule], markets: Mapping[str, SymbolMarket], now_s: int) -> bool:
    """Whether the rules are true now."""
    result, joins_and = True, True
    for rule in rules:
        holds = _holds(rule, markets, now_s)
        result = (result and holds) if joins_and else (result or holds)
        joins_and = rule.joins_and
    return result


def _holds(rule: ConditionRule, markets: Mapping[str, SymbolMarket], now_s: int) -> bool:
    if rule.kind == TIME:
        return now_s >= rule.bound if rule.is_more else now_s <= rule.bound
    market = markets.get(rule.symbol)
    if market is None or not market.last:
        return False
    if rule.kind == PRICE:
        actual: float = market.last
    elif rule.kind == VOLUME:
        actual = market.day_volume
    elif market.previous_close:
        actual = (market.last / market.previous_close - 1) * 100
    else:
        return False
    return actual >= rule.bound if rule.is_more else actual <= rule.bound
