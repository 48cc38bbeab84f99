"""One candidate at one agent instant: the strategy proposes, risk disposes, sizing says how many shares."""

from __future__ import annotations

from typing import NamedTuple

from trading.costs import FeeSchedule
from trading.risk import (
    BookState,
    RiskLimits,
    SymbolState,
    capital_needed,
    check_book,
    check_funds,
    check_market,
    check_size,
    check_symbol,
)
from trading.rules import Rule
from trading.sizing import collar_price, entry_quantity, quantity_with_fees
from trading.strategy import Market, Parameters, propose_entry


class Judgement(NamedTuple):
    """The verdict on one candidate.

    When `rule` is APPROVED, `quantity`, `collar` (1e-4 USD) and `capital` (1e-6 USD, the most it may cost) are set.
    """

    rule: int
    limit: float
    actual: float
    quantity: int = 0
    collar: int = 0
    capital: int = 0


def judge_entry(
    market: Market,
    symbol: SymbolState,
    book: BookState,
    budget: int,
    free_capital: int,
    parameters: Parameters,
    limits: RiskLimits,
    rates: FeeSchedule,
) -> Judgement:
    """Approve or refuse a long entry. Money in 1e-6 USD. The first rule that fails names the refusal.

    A symbol that is held or has an entry on its way is no candidate; then come the strategy's conditions,
    so that every later refusal is one of a wanted entry.
    """
    if symbol.quantity > 0:
        return Judgement(Rule.POSITION_OPEN, 0.0, float(symbol.quantity), 0, 0, 0)
    if symbol.pending:
        return Judgement(Rule.ENTRY_PENDING, 0.0, 1.0, 0, 0, 0)
    verdict = propose_entry(market, parameters)
    if verdict.rule == Rule.APPROVED:
        verdict = check_book(book, limits)
    if verdict.rule == Rule.APPROVED:
        verdict = check_symbol(symbol, book.now_s, limits)
    if verdict.rule == Rule.APPROVED:
        verdict = check_market(market, limits)
    if verdict.rule != Rule.APPROVED:
        return Judgement(verdict.rule, verdict.limit, verdict.actual, 0, 0, 0)
    collar = collar_price(market.ask, limits.collar_bps)
    quantity = entry_quantity(
        budget, collar, limits.max_order_value, market.minute_volume, limits.volume_share_bps, free_capital
    )
    quantity = quantity_with_fees(quantity, collar, free_capital, rates)
    verdict = check_size(quantity, market, free_capital, parameters.profit_target_bps, rates, limits)
    if verdict.rule != Rule.APPROVED:
        return Judgement(verdict.rule, verdict.limit, verdict.actual, 0, 0, 0)
    capital = capital_needed(quantity, collar, rates)
    verdict = check_funds(capital, symbol.margin_ppm, book.available_funds)
    if verdict.rule != Rule.APPROVED:
        return Judgement(verdict.rule, verdict.limit, verdict.actual, 0, 0, 0)
    return Judgement(Rule.APPROVED, 0.0, 0.0, quantity, collar, capital)
