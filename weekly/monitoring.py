"""The numbers of a cycle afterwards, pure but for the rows that are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from portfolio.attribution import SOURCES, Attribution, Holding, attribution
from portfolio.calibration import CalibrationRow, calibration_table
from portfolio.fulfilment import Fulfilment, PlanFill, fulfilment
from portfolio.rebalance import Plan
from portfolio.skill import SettledForecast
from records.rows import Settled, TradeRow
from trading.money import money_from_usd, notional, price_from_usd
from weekly.cycles import PastCycle
from weekly.forecasts import MODEL
from weekly.performing import intents_of
from weekly.results import Holdings

LEAST_CALIBRATED = 20  # forecasts; with fewer a table would only show noise
SPLIT = "split-"  # begins the exec_id of rows that a split wrote


def done_of(plan: Plan, trades: Iterable[TradeRow]) -> Fulfilment:
    """What became of a plan, by the executions on record."""
    order_of = intents_of(plan)
    return fulfilment(
        plan,
        (
            PlanFill(
                exec_id=row.exec_id,
                order_id=order_of[row.intent_id],
                quantity=row.quantity,
                price=price_from_usd(row.price_usd),
                fees=money_from_usd(row.commission_usd or 0.0),
            )
            for row in trades
            if row.intent_id in order_of
        ),
    )


def attribution_since(before: PastCycle, trades: Sequence[TradeRow], now: Holdings, capital: int) -> Attribution | None:
    """Where the result since the cycle `before` came from; None where that is not on record.

    `trades` are this bot's executions since then, `capital` is what that cycle's weights were fractions of.
    """
    if not before.positions or capital <= 0:
        return None
    flows, splits = _flows(trades), _split_shares(trades)
    holdings: dict[str, Holding] = {}
    for symbol in sorted({*before.positions, *now.owned, *flows}):
        shares, price = before.positions.get(symbol, (0, 0))
        if symbol in splits and shares:
            price = price * shares // splits[symbol]
            shares = splits[symbol]
        latest = now.price(symbol) or price
        holdings[symbol] = Holding(
            symbol=symbol,
            shares_before=shares,
            price_before=price,
            shares_after=now.owned.get(symbol, 0),
            price_after=latest,
            cash_flow=flows.get(symbol, 0),
        )
    known = {source: parts for source, parts in before.sources.items() if source in SOURCES}
    return attribution(holdings, known, capital)


def _flows(trades: Iterable[TradeRow]) -> dict[str, int]:
    """symbol -> cash that executions brought, after fees, 1e-6 USD. What a split wrote is no cash."""
    flows: dict[str, int] = {}
    for row in trades:
        if row.exec_id.startswith(SPLIT):
            continue
        side = 1 if row.action == "BUY" else -1
        cash = -side * notional(price_from_usd(row.price_usd), row.quantity)
        flows[row.symbol] = flows.get(row.symbol, 0) + cash - money_from_usd(row.commission_usd or 0.0)
    return flows


def _split_shares(trades: Iterable[TradeRow]) -> Mapping[str, int]:
    """symbol -> shares right after its split."""
    return {row.symbol: row.quantity for row in trades if row.exec_id.startswith(SPLIT) and row.action == "BUY"}


def calibration_of(settled: Sequence[Settled]) -> tuple[CalibrationRow, ...]:
    """How the models' probabilities of all cycles compare with what came; empty while they are too few."""
    said = [
        SettledForecast(cycle=0, probability=row.probability, came_true=row.outcome > 0.5)
        for row in settled
        if row.source.startswith(MODEL)
    ]
    return calibration_table(said) if len(said) >= LEAST_CALIBRATED else ()
