"""A cycle in numbers light enough that hundreds of them stay in memory: what a report says of cycles gone by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from portfolio.fulfilment import Fulfilment
from trading.money import money_to_usd, notional
from weekly.cycles import PastCycle
from weekly.results import CycleResult


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleDigest:
    """Amounts in USD, weights as fractions of the bot's capital. `None` where a cycle did not come to it.

    `by_name_usd` and `by_source_usd` are results since the cycle before; `slippage_usd` above zero is a cost.
    """

    cycle_id: str
    session_date: date
    stage: str
    why: str
    method: str
    net_liquidation_usd: float
    capital_usd: float
    weights: Mapping[str, float]
    orders: int
    traded_usd: float
    done_share: float | None
    slippage_usd: float
    fees_usd: float
    largest_drift: float | None
    by_name_usd: Mapping[str, float]
    by_source_usd: Mapping[str, float]
    llm_influence: float
    warnings: tuple[str, ...]

    @property
    def invested(self) -> float:
        """Share of the capital that is in stocks."""
        return sum(self.weights.values())


def digest_of(result: CycleResult) -> CycleDigest:
    """The numbers of a cycle."""
    done, capital = result.fulfilment, result.plan.capital if result.plan is not None else 0
    split = result.attribution
    return CycleDigest(
        cycle_id=result.cycle_id,
        session_date=result.session_date,
        stage=result.stage.value,
        why=result.why,
        method=result.target.method if result.target is not None else "",
        net_liquidation_usd=money_to_usd(result.after.funds.net_liquidation),
        capital_usd=money_to_usd(capital),
        weights=dict(result.exposures.weights) if result.exposures is not None else {},
        orders=len(result.plan.orders) if result.plan is not None else 0,
        traded_usd=money_to_usd(sum(each.value for each in done.outcomes)) if done is not None else 0.0,
        done_share=done.done_share if done is not None else None,
        slippage_usd=money_to_usd(_slippage(done)),
        fees_usd=money_to_usd(done.fees) if done is not None else 0.0,
        largest_drift=result.exposures.largest_drift if result.exposures is not None else None,
        by_name_usd=_in_usd(split.by_name) if split is not None else {},
        by_source_usd=_in_usd(split.by_source) if split is not None else {},
        llm_influence=result.analysis.skill.influence if result.analysis is not None else 0.0,
        warnings=result.warnings,
    )


def digest_of_past(past: PastCycle) -> CycleDigest:
    """The numbers of a cycle that are in the database. How its result came about is not."""
    row, summary = past.row, past.row.summary or {}
    capital = row.capital_usd or 0.0
    held = {symbol: money_to_usd(notional(price, shares)) for symbol, (shares, price) in past.positions.items()}
    done_share = summary.get("done_share")
    planned = sum(notional(each.price, each.quantity) for each in past.plan.orders) if past.plan is not None else 0
    traded = money_to_usd(planned) * (done_share or 0.0)
    return CycleDigest(
        cycle_id=row.cycle_id,
        session_date=date.fromisoformat(row.session_date),
        stage=past.stage.value,
        why=row.why or "",
        method=(row.target or {}).get("method", ""),
        net_liquidation_usd=summary.get("net_liquidation_usd") or row.net_liquidation_usd or 0.0,
        capital_usd=capital,
        weights={symbol: value / capital for symbol, value in held.items()} if capital > 0 else {},
        orders=len(past.plan.orders) if past.plan is not None else 0,
        traded_usd=traded,
        done_share=done_share,
        slippage_usd=traded * (summary.get("slippage_bps") or 0.0) / 10_000,
        fees_usd=summary.get("fees_usd") or 0.0,
        largest_drift=summary.get("largest_drift"),
        by_name_usd={},
        by_source_usd={},
        llm_influence=0.0,
        warnings=tuple(summary.get("warnings", ())),
    )


def summed(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Values of several mappings by key."""
    total: dict[str, float] = {}
    for part in parts:
        for key, value in part.items():
            total[key] = total.get(key, 0.0) + value
    return total


def _in_usd(money: Mapping[str, int]) -> dict[str, float]:
    return {name: money_to_usd(value) for name, value in money.items()}


def _slippage(done: Fulfilment | None) -> int:
    return sum(each.slippage for each in done.outcomes) if done is not None else 0
