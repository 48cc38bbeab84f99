"""The day trader's entry rule: price above rolling VWAP, RSI below a cap, daily ATR% above a floor."""

from __future__ import annotations

from typing import NamedTuple

from trading.indicators import VWAP_BARS, VwapState, is_above_vwap
from trading.rules import Rule, Verdict, approved


class Parameters(NamedTuple):
    """What may change at run time, through `parameter_changes` only.

    `position_bps` is the size of a position as a share of the account; 0 gives each symbol an equal share of the
    allocation.
    """

    profit_target_bps: int = 140
    stop_loss_bps: int = 80
    rsi_cap: float = 60.0
    atr_floor_pct: float = 1.5
    position_bps: int = 0


class Market(NamedTuple):
    """One symbol at one agent instant, from what was published before it. Prices in 1e-4 USD.

    `last` is 0 while there is no price; `rsi` and `atr_pct` are NaN while unknown.
    """

    last: int
    bid: int
    ask: int
    bars: int
    minute_volume: int
    vwap: VwapState
    rsi: float
    atr_pct: float
    quote_age_s: int
    halted: bool = False
    delayed: bool = False


def propose_entry(market: Market, parameters: Parameters) -> Verdict:
    """Whether the strategy wants to buy now. The first condition that fails names the refusal."""
    if market.last <= 0 or market.bid <= 0 or market.ask <= 0:
        return Verdict(Rule.NO_PRICE, 0.0, 0.0)
    if market.bars < VWAP_BARS:
        return Verdict(Rule.WARMING_UP, float(VWAP_BARS), float(market.bars))
    if not market.atr_pct > parameters.atr_floor_pct:
        return Verdict(Rule.ATR_NOT_ABOVE_FLOOR, parameters.atr_floor_pct, market.atr_pct)
    if not is_above_vwap(market.last, market.vwap):
        return Verdict(Rule.NOT_ABOVE_VWAP, vwap_for_report(market.vwap), float(market.last))
    if not market.rsi < parameters.rsi_cap:
        return Verdict(Rule.RSI_NOT_BELOW_CAP, parameters.rsi_cap, market.rsi)
    return approved()


def vwap_for_report(vwap: VwapState) -> float:
    """The VWAP in 1e-4 USD, 0.0 while there is none."""
    return vwap.sum_pv3 / (3 * vwap.sum_volume) if vwap.sum_volume else 0.0
