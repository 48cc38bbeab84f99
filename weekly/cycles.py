"""Cycles on record: what each was, which one is unfinished, and whether a session may have another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from observability import TradingHistory
from portfolio.construction import Target
from portfolio.rebalance import Plan, plan_from_json
from records.rows import WeeklyCycleRow
from trading.money import money_to_usd
from weekly.results import CycleResult, Holdings, Stage

LOOKED_BACK = 5  # cycles before the session's own
TRADED = (Stage.QUEUED, Stage.TRADING, Stage.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastCycle:
    """A cycle as the one after it needs it. Prices in 1e-4 USD, capital in 1e-6 USD."""

    row: WeeklyCycleRow
    stage: Stage
    plan: Plan | None
    weights: Mapping[str, float]  # of its target
    sources: Mapping[str, Mapping[str, float]]  # source -> symbol -> part of the weight
    positions: Mapping[str, tuple[int, int]]  # symbol -> shares and price when it ended

    @property
    def traded(self) -> bool:
        """Whether its orders were meant to be sent."""
        return self.stage in TRADED


def past_cycles(history: TradingHistory, session_date: str) -> list[PastCycle]:
    """All cycles of a session and a few before them, the newest first."""
    return latest_cycles(history, history.count_weekly_cycles(session_date) + LOOKED_BACK)


def latest_cycles(history: TradingHistory, most: int) -> list[PastCycle]:
    """The last `most` cycles on record, the newest first."""
    return [_past(row) for row in history.weekly_cycles(most)]


def next_id(session_date: str, past: Sequence[PastCycle]) -> str:
    """The id of a session's next cycle: `2026-11-23-1`, `2026-11-23-2`, …"""
    return f"{session_date}-{1 + sum(cycle.row.session_date == session_date for cycle in past)}"


def unfinished(past: Sequence[PastCycle], session_date: str) -> PastCycle | None:
    """The cycle of this session whose orders were being sent when its program died."""
    of_session = (cycle for cycle in past if cycle.row.session_date == session_date)
    return next((cycle for cycle in of_session if cycle.stage is Stage.TRADING and cycle.plan is not None), None)


def opened_row(
    cycle_id: str, session_date: str, now: datetime, snapshot_sha256: str, snapshot_file: str
) -> WeeklyCycleRow:
    """A cycle that has its evidence and no plan yet."""
    return WeeklyCycleRow(
        cycle_id=cycle_id,
        session_date=session_date,
        started_at=now,
        updated_at=now,
        stage=Stage.ANALYSED.value,
        why="it was interrupted before it had a plan",
        snapshot_sha256=snapshot_sha256,
        snapshot_file=snapshot_file or None,
    )


def planned_row(
    opened: WeeklyCycleRow, stage: Stage, why: str, target: Target, plan: Plan, before: Holdings, now: datetime
) -> WeeklyCycleRow:
    """The same with its plan: on disk before the first order."""
    return replace(
        opened,
        stage=stage.value,
        why=why or None,
        updated_at=now,
        plan=json.loads(plan.to_json()),
        target=_target_json(target),
        net_liquidation_usd=money_to_usd(before.funds.net_liquidation),
        capital_usd=money_to_usd(plan.capital),
        positions=_positions_json(before),
    )


def finished_row(row: WeeklyCycleRow, result: CycleResult) -> WeeklyCycleRow:
    """The same as it ended, with its numbers."""
    done = result.fulfilment
    return replace(
        row,
        updated_at=result.after.at,
        positions=_positions_json(result.after),
        summary={
            "net_liquidation_usd": money_to_usd(result.after.funds.net_liquidation),
            "done_share": done.done_share if done is not None else None,
            "slippage_bps": done.slippage_bps if done is not None else None,
            "fees_usd": money_to_usd(done.fees) if done is not None else None,
            "largest_drift": result.exposures.largest_drift if result.exposures is not None else None,
            "result_usd": money_to_usd(result.attribution.total) if result.attribution is not None else None,
            "warnings": list(result.warnings),
        },
    )


def _target_json(target: Target) -> dict[str, Any]:
    return {
        "method": target.method,
        "attempts": [asdict(attempt) for attempt in target.attempts],
        "weights": dict(target.weights),
        "locked": list(target.locked),
        "turnover": target.turnover,
        "turnover_allowed": target.turnover_allowed,
        "sources": {source: dict(parts) for source, parts in target.sources.items()},
    }


def _positions_json(holdings: Holdings) -> dict[str, list[int]]:
    """symbol -> shares and price, of what is owned."""
    return {each.symbol: [each.owned, each.price] for each in holdings.positions if each.owned}


def _past(row: WeeklyCycleRow) -> PastCycle:
    target: Mapping[str, Any] = row.target or {}
    return PastCycle(
        row=row,
        stage=Stage(row.stage),
        plan=plan_from_json(json.dumps(row.plan)) if row.plan is not None else None,
        weights=target.get("weights", {}),
        sources=target.get("sources", {}),
        positions={symbol: (shares, price) for symbol, (shares, price) in (row.positions or {}).items()},
    )
