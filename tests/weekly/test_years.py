"""Weeks of the weekly bot in simulated time: through the real broker path, in every corporate weather."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ib_simulator.feeds.corporate_actions import Action
from ib_simulator.feeds.daily_markets import DailyMarket
from ib_simulator.simulated_time import simulated_loop
from observability import TradingHistory
from portfolio.skill import MeasuredSkill
from tests.weekly.market import CALENDAR, DAYS, Prices, market, series, walk
from trading.settings import AllocationSettings, SafetySettings
from utils import HaltTrading, read_environment
from weekly.__main__ import Simulation
from weekly.analysis import Said
from weekly.command_line import parse_arguments
from weekly.options import CycleOptions
from weekly.settings import WeeklyConfiguration
from weekly.snapshot import Snapshot
from weekly.span import choose_span
from weekly.years import YearsOfCycles

WEEKS = 8
LIMITS = {"weekly_max_weight_pct": 25.0, "weekly_max_sector_pct": 100.0, "weekly_max_turnover_pct": 200.0}
SLACK = 0.01  # of a weight: whole shares, and prices that move while orders fill


def play(
    folder: Path,
    on: DailyMarket,
    *arguments: str,
    first: date | None = None,
    weeks: int = WEEKS,
    **changes: Any,
) -> tuple[Simulation, YearsOfCycles]:
    """The last `weeks` of a market, or those from `first` on; files go to `folder`."""
    args = parse_arguments(["--simulate", *arguments])
    configuration = WeeklyConfiguration.load(read_environment(folder / "none", {}))
    options = CycleOptions(
        settings=configuration.weekly.model_copy(update={"weekly_universe": on.universe, **LIMITS}),
        allocation=AllocationSettings(),
        safety=SafetySettings(kill_switch_file=str(folder / "kill")),
        dry_run=args.dry_run,
        monte_carlo_paths=100,
        attribute_sources=False,
    )
    options = replace(options, **changes)
    span = choose_span(on.feed.session_dates(), CALENDAR, first, weeks, args.run_days)
    loop = simulated_loop()
    simulation = Simulation(args, configuration, options, on, CALENDAR, span, folder / "history.db")
    try:
        return simulation, loop.run_until_complete(simulation.run())
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def decisions(folder: Path) -> list[tuple[Any, ...]]:
    """What every cycle wanted and what was traded for it."""
    with TradingHistory(folder / "history.db", bot="weekly", mode="simulated") as history:
        cycles = [(row.session_date, json.dumps(row.target), json.dumps(row.plan)) for row in history.weekly_cycles(99)]
        trades = [(row.exec_id, row.symbol, row.action, row.quantity, row.price_usd) for row in history.trades()]
    return [*reversed(cycles), *trades]


def test_each_week_has_a_cycle_that_reconciles_to_the_cent(tmp_path: Path) -> None:
    _, years = play(tmp_path, market())
    assert [digest.stage for digest in years.digests] == ["done"] * WEEKS
    assert {digest.done_share for digest in years.digests if digest.orders} == {1.0}
    assert all(digest.fees_usd > 0 for digest in years.digests if digest.orders)
    assert years.closes[-1].session_date == DAYS[-1]
    assert years.closes[0].holder != years.closes[-1].holder != years.closes[-1].bot


def test_what_the_future_brings_changes_no_decision_before_it(tmp_path: Path) -> None:
    """Scrambled prices, a split and a delisting from a day on: cycles until that day are the same to the share."""
    cut = DAYS.index(date(2024, 6, 3))  # a Monday, whose open is still the same

    def scrambled(name: str, prices: Prices) -> Prices:
        rng = np.random.default_rng([9, *name.encode()])
        return np.concatenate([prices[: cut + 1], prices[cut + 1 :] * np.exp(rng.normal(0, 0.2, (1, 1)))])

    otherwise = market(
        {
            "N1": series(scrambled("N1", walk("N1")), DAYS, Action(DAYS[cut + 3], Fraction(3))),
            "N2": series(walk("N2"), DAYS[: cut + 1], Action(DAYS[cut + 2], payout=0)),
        },
        change=scrambled,
    )
    found = []
    for name, on in (("as it was", market()), ("otherwise", otherwise)):
        (tmp_path / name).mkdir()
        play(tmp_path / name, on)
        found.append(decisions(tmp_path / name))
    until = DAYS[cut].isoformat()
    before = [[row for row in rows if len(row) == 3 and row[0] <= until] for rows in found]
    after = [[row for row in rows if len(row) == 3 and row[0] > until] for rows in found]
    assert before[0] == before[1]
    assert len(before[0]) >= 4
    assert after[0] != after[1]


def test_the_same_simulation_gives_the_same_trades(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        play(tmp_path / name, market(), weeks=3)
    assert decisions(tmp_path / "a") == decisions(tmp_path / "b") != []


def test_a_stock_that_splits_pays_halts_or_disappears_keeps_the_books_right(tmp_path: Path) -> None:
    """Each of it between two cycles and while the stock is held; every cycle is reconciled to the cent."""
    day = DAYS[-25]
    halted = tuple(each for each in DAYS if not DAYS[-28] <= each <= DAYS[-15])
    on = market(
        {
            "N0": series(
                np.where(np.array(DAYS)[:, None] >= day, walk("N0") / 4, walk("N0")), DAYS, Action(day, Fraction(4))
            ),
            "N1": series(walk("N1"), DAYS, Action(day, keeps=0.99, dividend=1_000_000)),
            "N2": series(walk("N2"), halted),
            "N3": series(walk("N3"), DAYS[:-24], Action(DAYS[-20], payout=30_000_000)),
            "N4": series(walk("N4") / 100, DAYS),  # a penny stock is refused
        }
    )
    _, years = play(tmp_path, on, attribute_sources=True)
    assert years.latest is not None
    before = next(each for each in years.digests if each.session_date < DAYS[-28] <= DAYS[-24])
    assert {"N0", "N1", "N2", "N3"} <= set(before.weights)
    assert "N3" not in years.digests[-1].weights
    assert "N4" not in {symbol for digest in years.digests for symbol in digest.weights}
    told = [warning for digest in years.digests for warning in digest.warnings]
    assert any("N0 was split 4 for 1" in warning for warning in told)
    assert any("N3 exists no more" in warning for warning in told)
    while_halted = [each for each in years.digests if DAYS[-28] <= each.session_date <= DAYS[-15]]
    assert while_halted and all("N2" in each.weights for each in while_halted)
    for digest in years.digests:
        assert max(digest.weights.values()) <= 0.25 + 0.03  # a halted or split name may drift until the next cycle


class AbsurdViews:
    """A model that is sure of nonsense, of names that do not exist, and of numbers that are none."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(5)

    async def ask(self, symbols: Sequence[str], snapshot: Snapshot) -> Said:
        said = [0.0, 1.0, float("nan"), float("inf"), -3.0, 17.0]
        views = {symbol: said[int(self._rng.integers(len(said)))] for symbol in (*symbols, "NOBODY")}
        return Said(probabilities=views, theses={}, model="absurd")


def test_limits_hold_under_absurd_views_with_all_the_influence_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def absurd(*_: object) -> AsyncIterator[AbsurdViews]:
        yield AbsurdViews()

    monkeypatch.setattr(Simulation, "_opinions", absurd)
    proven = MeasuredSkill(cycles=1_000, forecasts=20_000, skill=1.0, lower=1.0)
    monkeypatch.setattr("agents.skill_of", lambda *_: proven)
    _, years = play(tmp_path, market({"N7": series(np.full((len(DAYS), 4), 50.0))}))  # and a price that never moves
    assert {round(digest.llm_influence, 2) for digest in years.digests} == {0.49}
    for digest in years.digests:
        assert max(digest.weights.values()) <= 0.25 + SLACK
        assert sum(digest.weights.values()) <= 1 - 0.02 + SLACK  # WEEKLY_MIN_CASH_PCT
        assert "N7" not in digest.weights


def test_a_dry_run_over_weeks_sends_nothing(tmp_path: Path) -> None:
    _, years = play(tmp_path, market(), "--dry-run", weeks=2)
    assert [digest.stage for digest in years.digests] == ["planned"] * 2
    assert all(digest.orders for digest in years.digests)
    assert {close.bot for close in years.closes} == {years.start}


def test_run_days_and_interval_say_when_cycles_run(tmp_path: Path) -> None:
    _, years = play(
        tmp_path, market(), "--run-days", "Tuesday", "Friday", "--interval", "180", first=date(2024, 6, 10), weeks=1
    )
    days = [digest.session_date for digest in years.digests]
    assert [day.isoformat() for day in dict.fromkeys(days)] == ["2024-06-11", "2024-06-14"]
    assert len(days) == 6
    first = [digest.stage for digest in years.digests[:3]]
    assert first == ["done", "planned", "planned"]  # one trading cycle a session


def test_a_stopped_simulation_reports_what_it_has_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    simulation, years = play(tmp_path, market(), weeks=2)
    years.stop("stopped by Ctrl-C")
    assert simulation.tell(years) == 0
    told = capsys.readouterr().out
    assert "stopped by Ctrl-C before the end of what was asked for" in told
    assert "2 cycles; cash, positions and cost were the account's to the cent after each" in told
    years.kill("SIGUSR1")
    with pytest.raises(HaltTrading, match="stopped by Ctrl-C"):
        simulation.tell(years)
