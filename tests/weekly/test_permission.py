"""When a cycle's orders may be sent: sessions, early closes, the auction, one trading cycle a session."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from market_hours import Session
from records.rows import WeeklyCycleRow
from tests.gateway_world import EARLY_CLOSE, MONDAY, at
from trading.settings import AllocationSettings, SafetySettings
from weekly.cycles import PastCycle
from weekly.options import CycleOptions
from weekly.performing import Timing
from weekly.permission import permission
from weekly.results import Stage
from weekly.settings import WeeklySettings

OPTIONS = CycleOptions(settings=WeeklySettings(), allocation=AllocationSettings(), safety=SafetySettings())
QUEUED = replace(OPTIONS, queue=True)


def cycle(session: Session, stage: Stage) -> PastCycle:
    row = WeeklyCycleRow(
        cycle_id=f"{session.date}-1",
        session_date=session.date.isoformat(),
        started_at=datetime(2026, 9, 1, tzinfo=UTC),
        updated_at=datetime(2026, 9, 1, tzinfo=UTC),
        stage=stage.value,
    )
    return PastCycle(row=row, stage=stage, plan=None, weights={}, sources={}, positions={})


@pytest.mark.parametrize(
    ("options", "session", "clock_text", "timing", "words"),
    [
        (OPTIONS, MONDAY, "09:30:00", Timing.NOW, ""),
        (OPTIONS, MONDAY, "15:54:59", Timing.NOW, ""),
        (OPTIONS, MONDAY, "15:55:00", None, "the exchange closes at 20:00 UTC"),
        (OPTIONS, EARLY_CLOSE, "12:54:59", Timing.NOW, ""),
        (OPTIONS, EARLY_CLOSE, "12:55:00", None, "the exchange closes at 18:00 UTC"),
        (OPTIONS, MONDAY, "09:29:59", None, "the exchange is closed: the plan is left as it is (--queue"),
        (QUEUED, MONDAY, "09:24:59", Timing.AT_OPEN, ""),
        (QUEUED, MONDAY, "09:25:00", None, "too late for orders at the open"),
        (QUEUED, MONDAY, "09:30:00", Timing.NOW, ""),
        (replace(OPTIONS, dry_run=True), MONDAY, "10:00:00", None, "dry run"),
    ],
)
def test_orders_go_out_in_the_session_or_to_its_opening_auction(
    options: CycleOptions, session: Session, clock_text: str, timing: Timing | None, words: str
) -> None:
    verdict = permission(options, session, at(clock_text, session), [], None)
    assert verdict.timing is timing
    assert verdict.why.startswith(words) or words in verdict.why
    assert bool(verdict.why) == (timing is None)


@pytest.mark.parametrize(
    ("stage", "drift", "allowed"),
    [
        (Stage.DONE, 0.04, False),
        (Stage.DONE, 0.0501, True),
        (Stage.DONE, None, False),
        (Stage.QUEUED, 0.0, False),
        (Stage.TRADING, 0.0, False),
        (Stage.PLANNED, 0.0, True),  # nothing was sent
        (Stage.ANALYSED, 0.0, True),
    ],
)
def test_a_session_has_one_trading_cycle_unless_a_weight_has_drifted(
    stage: Stage, drift: float | None, allowed: bool
) -> None:
    verdict = permission(OPTIONS, MONDAY, at("11:00"), [cycle(MONDAY, stage)], drift)
    assert (verdict.timing is Timing.NOW) == allowed


def test_the_trading_cycle_of_another_session_does_not_count() -> None:
    verdict = permission(OPTIONS, MONDAY, at("11:00"), [cycle(EARLY_CLOSE, Stage.DONE)], 0.0)
    assert verdict.timing is Timing.NOW
