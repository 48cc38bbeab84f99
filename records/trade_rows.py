"""Rows of `trades` and `decisions` from what the rules saw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypedDict

from market_hours import utc_from_epoch
from records.rows import DecisionKind, DecisionRow, TradeRow
from trading.book import Closing
from trading.money import money_to_usd, price_to_usd
from trading.orders import ExecutionReport, Reason
from trading.strategy import Market, Parameters, vwap_for_report

PRICE_RULES = frozenset({"not_above_vwap"})  # limit and actual are prices in 1e-4 USD
MONEY_RULES = frozenset({"daily_loss", "drawdown", "capital", "buying_power"})  # in 1e-6 USD


class Indicators(TypedDict):
    """The columns that both tables share."""

    rsi: float | None
    vwap_usd: float | None
    atr_usd: float | None
    atr_pct: float | None


def trade_row(
    execution: ExecutionReport,
    *,
    session_date: str,
    reason: Reason,
    closing: Closing | None,
    market: Market | None,
    parameters: Parameters,
    trace_id: str | None = None,
    regime: str | None = None,
    variant: str | None = None,
) -> TradeRow:
    """One execution with the indicators of its moment. Its commission is not known yet.

    A rebalance follows a plan and not the strategy: it has no parameters.
    """
    return TradeRow(
        exec_id=execution.exec_id,
        session_date=session_date,
        timestamp=utc_from_epoch(execution.at_s),
        symbol=execution.symbol,
        action=execution.action.value,
        quantity=execution.quantity,
        price_usd=price_to_usd(execution.price),
        reason=reason.value,
        order_ref=execution.order_ref,
        intent_id=execution.order_ref,
        order_id=execution.order_id,
        perm_id=execution.perm_id,
        pnl_usd=money_to_usd(closing.pnl) if closing else None,
        pnl_pct=closing.pnl_pct if closing else None,
        parameters=parameters._asdict() if reason is not Reason.REBALANCE else None,
        trace_id=trace_id,
        regime=regime,
        variant=variant,
        **_indicators(market),
    )


def decision_row(
    *,
    decision_id: str,
    now_s: int,
    session_date: str,
    symbol: str,
    kind: DecisionKind,
    rule: str,
    limit: float,
    actual: float,
    market: Market | None,
    quantity: int | None = None,
    detail: Mapping[str, Any] | None = None,
    trace_id: str | None = None,
) -> DecisionRow:
    """One judgement with its snapshot; prices and money of the rule in USD. An exit's rule is its reason."""
    scale = 1e-4 if rule in PRICE_RULES else 1e-6 if rule in MONEY_RULES else 1.0
    return DecisionRow(
        decision_id=decision_id,
        timestamp=utc_from_epoch(now_s),
        session_date=session_date,
        symbol=symbol,
        kind=kind,
        rule=rule,
        limit_value=_or_none(limit * scale),
        actual_value=_or_none(actual * scale),
        price_usd=price_to_usd(market.last) if market else None,
        bid_usd=price_to_usd(market.bid) if market else None,
        ask_usd=price_to_usd(market.ask) if market else None,
        volume=market.minute_volume if market else None,
        bars=market.bars if market else None,
        quantity=quantity,
        detail=detail,
        trace_id=trace_id,
        **_indicators(market),
    )


def _indicators(market: Market | None) -> Indicators:
    if market is None:
        return Indicators(rsi=None, vwap_usd=None, atr_usd=None, atr_pct=None)
    return Indicators(
        rsi=_or_none(market.rsi),
        vwap_usd=vwap_for_report(market.vwap) / 10_000 if market.vwap.sum_volume else None,
        atr_usd=_or_none(market.atr_pct * market.last / 1_000_000),
        atr_pct=_or_none(market.atr_pct),
    )


def _or_none(value: float) -> float | None:
    return round(value, 10) if math.isfinite(value) else None
