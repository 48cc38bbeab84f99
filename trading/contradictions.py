"""Settings that are each within bounds and together make no sense: said in one line, before anything is connected."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from trading.indicators import VWAP_BARS
from trading.settings import RiskSettings, SafetySettings, StrategySettings

SESSION_S = 23_400
BAR_S = 60


def contradictions(
    strategy: StrategySettings,
    risk: RiskSettings,
    safety: SafetySettings,
    allocation: float,
    consents: Mapping[str, int],
) -> Iterator[str]:
    """Every contradiction in words. `consents` are the shares of `--adopt` by symbol."""
    yield from _prices(strategy, risk)
    yield from _losses(strategy, risk)
    yield from _counts(risk)
    if risk.risk_max_position_pct is not None and risk.risk_max_position_pct > allocation * 100:
        yield (
            f"RISK_MAX_POSITION_PCT={risk.risk_max_position_pct:g}: one position cannot be larger than the "
            f"{allocation * 100:g} % of the account that --allocation {allocation:g} gives to all of them"
        )
    size_pct = strategy.strategy_position_size_pct
    if size_pct is not None and size_pct > allocation * 100:
        yield (
            f"STRATEGY_POSITION_SIZE_PCT={size_pct:g}: one position cannot be larger than the "
            f"{allocation * 100:g} % of the account that --allocation {allocation:g} gives to all of them"
        )
    yield from _symbols(strategy, safety, consents)


def _prices(strategy: StrategySettings, risk: RiskSettings) -> Iterator[str]:
    """An entry that costs more than its stop leaves it, or its target brings."""
    stop, target = strategy.strategy_stop_loss_pct, strategy.strategy_profit_target_pct
    for name, bps, what in (
        ("RISK_COLLAR_BPS", risk.risk_collar_bps, "paid above the ask"),
        ("RISK_MAX_SPREAD_BPS", risk.risk_max_spread_bps, "of spread"),
    ):
        if bps >= stop * 100:
            yield (
                f"{name}={bps}: with {bps / 100:g} % {what} an entry is at its stop as it fills, "
                f"STRATEGY_STOP_LOSS_PCT is {stop:g}"
            )
        elif bps >= target * 100:
            yield (
                f"{name}={bps}: {bps / 100:g} % {what} cost more than the target brings, "
                f"STRATEGY_PROFIT_TARGET_PCT is {target:g}"
            )


def _losses(strategy: StrategySettings, risk: RiskSettings) -> Iterator[str]:
    one_stop_pct = strategy.strategy_stop_loss_pct / strategy.watchlist_size
    for name, limit_pct in (
        ("RISK_MAX_DAILY_LOSS_PCT", risk.risk_max_daily_loss_pct),
        ("RISK_MAX_DRAWDOWN_PCT", risk.risk_max_drawdown_pct),
    ):
        if one_stop_pct > limit_pct:
            yield (
                f"{name}={limit_pct:g}: a single stop of STRATEGY_STOP_LOSS_PCT={strategy.strategy_stop_loss_pct:g} "
                f"loses {one_stop_pct:g} % of the capital with WATCHLIST_SIZE={strategy.watchlist_size}, more than that"
            )


def _counts(risk: RiskSettings) -> Iterator[str]:
    latest_s = SESSION_S - VWAP_BARS * BAR_S
    if risk.risk_last_entry_s >= latest_s:
        yield (
            f"RISK_LAST_ENTRY_S={risk.risk_last_entry_s}: no entry is possible at all, the first one can come "
            f"{VWAP_BARS} minutes after the open, {latest_s} seconds before the close"
        )
    session = risk.risk_max_entries_per_session
    for name, number in (
        ("RISK_MAX_ENTRIES_PER_SYMBOL", risk.risk_max_entries_per_symbol),
        ("RISK_MAX_ENTRIES_PER_TICK", risk.risk_max_entries_per_tick),
        ("RISK_LOSS_STREAK", risk.risk_loss_streak),
    ):
        if name.lower() in risk.model_fields_set and number > session:
            yield f"{name}={number} is more than RISK_MAX_ENTRIES_PER_SESSION={session} and would never apply"


def _symbols(strategy: StrategySettings, safety: SafetySettings, consents: Mapping[str, int]) -> Iterator[str]:
    never = safety.never_trade
    if set(strategy.watchlist_universe) <= set(never):
        yield "NEVER_TRADE names every symbol of WATCHLIST_UNIVERSE: nothing is left to trade"
    for symbol, shares in consents.items():
        if symbol in never:
            yield f"--adopt {symbol}:{shares}: NEVER_TRADE names {symbol}"
        elif safety.external_positions in ("ignore", "halt"):
            yield f"--adopt {symbol}:{shares}: EXTERNAL_POSITIONS={safety.external_positions} adopts nothing"
