"""Searches: what is tried, what is chosen on which sessions, what is on record, and what bad input ends with."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from math import isnan
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")

from ib_simulator.feeds.research_source import FeedSource
from market_hours import new_york_calendar
from research import sessions
from research.__main__ import main
from research.bootstrap import mean_and_sharpe, superior_predictive_ability
from research.engine import SweepOutcome, plan, simulate, sweep
from research.search import Found, Point, at_random, grid, judge, search_listed, search_tpe
from research.source import Bars, fixed_watchlist, load
from research.trials import TrialRecord
from research.walk_forward import Window, sessions_of, walk, windows
from tests.research.rough_feed import RoughFeed, Roughness
from trading.settings import RiskSettings
from trading.strategy import Parameters
from utils import Misconfigured

LATEST = date(2026, 9, 30)
CALENDAR = new_york_calendar(LATEST)
NOW = datetime(2026, 1, 2, tzinfo=UTC)
LOOSE = RiskSettings(
    risk_max_entries_per_symbol=20, risk_cool_down_s=60, risk_max_spread_bps=500, risk_max_cost_pct_of_target=100
)
ON = plan(1_000_000, 0.25, LOOSE)
NOISE = np.random.default_rng(11)


def to_parameters(point: Point) -> Parameters:
    return Parameters(100, round(point.get("stop", 0.6) * 100), point.get("rsi", 75.0), 0.0)


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Six sessions of two symbols."""
    feed = RoughFeed(3, ("AAPL", "AMD"), CALENDAR, LATEST, Roughness(swing=3.0))
    days = CALENDAR.sessions_between(date(2025, 11, 24), date(2025, 12, 12))[:6]
    return load(FeedSource(feed), days, fixed_watchlist(("AAPL", "AMD")))


def outcome_of(sets: list[Parameters]) -> SweepOutcome:
    """A market whose results depend on the parameters alone: best at a stop of 90 and an RSI cap of 55."""
    noise = np.random.default_rng(1).normal(0, 1, 60)
    edge = [-abs(each.stop_loss_bps - 90) / 10 - abs(each.rsi_cap - 55) / 5 for each in sets]
    results = (np.array(edge)[:, None] / 20 + noise) * 1_000_000_000
    return SweepOutcome(results=results.astype(np.int64), trips=np.ones(len(sets), np.int64))


def test_grid_is_every_combination_and_random_takes_different_ones() -> None:
    values = {"stop": (0.5, 0.6), "rsi": (50.0, 60.0, 70.0)}
    assert len({tuple(point.items()) for point in grid(values)}) == 6
    assert grid(values)[1] == {"stop": 0.5, "rsi": 60.0}
    chosen = at_random(values, 4, seed=5)
    assert len({tuple(point.items()) for point in chosen}) == 4
    assert chosen == at_random(values, 4, seed=5)
    assert sorted(map(str, at_random(values, 99, seed=5))) == sorted(map(str, grid(values)))
    with pytest.raises(Misconfigured, match="are more than 200,000"):
        grid({str(name): tuple(range(100)) for name in range(3)})


def test_search_tries_the_set_in_use_first_and_each_set_once() -> None:
    points = [{"rsi": 75.0}, {"rsi": 55.0}, {"rsi": 55.0}, {"stop": 0.9, "rsi": 55.0}]
    found = search_listed(points, to_parameters, outcome_of, ON.equity)  # type: ignore[arg-type]
    assert [each.rsi_cap for each in found.parameters] == [75.0, 55.0, 55.0]
    assert found.best == 2


def test_tpe_comes_closer_to_the_best_than_chance_and_repeats_itself() -> None:
    values = {"stop": tuple(np.arange(50, 151) / 100), "rsi": tuple(float(cap) for cap in range(30, 81))}
    found = search_tpe(values, 96, 3, to_parameters, outcome_of, ON.equity)  # type: ignore[arg-type]
    random = search_listed(at_random(values, 96, 3), to_parameters, outcome_of, ON.equity)  # type: ignore[arg-type]
    assert found.sharpes.max() >= random.sharpes.max()
    again = search_tpe(values, 96, 3, to_parameters, outcome_of, ON.equity)  # type: ignore[arg-type]
    assert again.parameters == found.parameters


def test_windows_follow_one_another_and_purged_sessions_belong_to_none() -> None:
    assert windows(10, 4, 3, 1, anchored=False) == [Window(0, 4, 5, 8), Window(3, 7, 8, 10)]
    assert windows(10, 4, 3, 1, anchored=True) == [Window(0, 4, 5, 8), Window(0, 7, 8, 10)]
    with pytest.raises(Misconfigured, match="5 sessions are too few"):
        windows(5, 4, 3, 1, anchored=False)


def test_a_stretch_of_sessions_is_played_as_within_the_whole(bars: Bars) -> None:
    parameters = to_parameters({})
    whole = simulate(bars, parameters, ON)
    part = simulate(sessions_of(bars, 0, 3), parameters, ON)
    assert np.array_equal(part.days, whole.days[:3])
    rest = simulate(
        sessions_of(bars, 3, 6), parameters, ON._replace(equity=ON.equity + int(whole.days[:3, sessions.RESULT].sum()))
    )
    assert np.array_equal(rest.days[:, : sessions.PEAK], whole.days[3:, : sessions.PEAK])
    assert len(rest.trips) + len(part.trips) == len(whole.trips) > 0


def test_walk_forward_chooses_on_the_past_alone(bars: Bars) -> None:
    points = [{"rsi": 55.0}, {"rsi": 65.0}, {"stop": 0.9}]
    found = search_listed(points, to_parameters, lambda sets: sweep(bars, sets, ON), ON.equity)
    chosen = windows(6, 3, 2, 1, anchored=False)
    steps = list(walk(bars, found, ON, chosen))
    assert [step.window for step in steps] == [Window(0, 3, 4, 6)]
    future = found.returns.copy()
    future[:, 3:] = NOISE.normal(0, 1, future[:, 3:].shape)
    other = Found(points=found.points, parameters=found.parameters, returns=future, trips=found.trips)
    assert [step.parameters for step in walk(bars, other, ON, chosen)] == [step.parameters for step in steps]
    played = simulate(sessions_of(bars, 4, 6), steps[0].parameters, ON)
    assert np.array_equal(steps[0].returns, played.days[:, sessions.RESULT] / ON.equity)


def test_every_trial_is_on_record_and_counts_in_later_judgements(tmp_path: Path) -> None:
    record = TrialRecord(tmp_path / "research.db")
    first = search_listed(grid({"rsi": (40.0, 50.0)}), to_parameters, outcome_of, ON.equity)  # type: ignore[arg-type]
    record.add(NOW, "sweep", "here", first)
    record.add(NOW, "sweep", "elsewhere", first)
    second = search_listed(grid({"rsi": (50.0, 60.0)}), to_parameters, outcome_of, ON.equity)  # type: ignore[arg-type]
    earlier = TrialRecord(tmp_path / "research.db").earlier_sharpes("here", second)
    assert earlier.tolist() == [pytest.approx(first.sharpes[1])]  # the other two are tried again
    assert judge(second, earlier).trials == 4
    with closing(sqlite3.connect(tmp_path / "research.db")) as connection:
        assert connection.execute("SELECT COUNT(*), SUM(sessions) FROM trials").fetchone() == (6, 360)


def test_intervals_and_the_spa_test_tell_skill_from_noise() -> None:
    noise = NOISE.normal(0, 0.01, (20, 200))
    mean, ratio = mean_and_sharpe(noise[0])
    assert mean.low < noise[0].mean() < mean.high
    assert ratio.low < ratio.high
    assert superior_predictive_ability(noise[0], noise[1:]) > 0.05
    noise[7] += 0.005
    assert superior_predictive_ability(noise[0], noise[1:]) < 0.02
    assert isnan(superior_predictive_ability(noise[0][:10], noise[1:, :10]))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing to search: give --vary"),
        (("--vary", "rsi_kap=40,50"), "'rsi_kap' is not a parameter; did you mean rsi_cap?"),
        (("--vary", "rsi_cap=50:40:1"), "'rsi_cap=50:40:1' is not NAME=FIRST:LAST:STEP"),
        (("--vary", "rsi_cap=50,x"), "'x' is not a number"),
        (("--vary", "rsi_cap=50,95"), "--vary rsi_cap=95.0: Input should be less than or equal to 90"),
        (("--vary", "rsi_cap=50", "--record", "letter.txt"), "letter.txt: file is not a database"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    words: str,
) -> None:
    from research.store import BarStore
    from tests.research.test_store import LAST_OF_OCTOBER, day_of_bars

    monkeypatch.chdir(tmp_path)
    Path("letter.txt").write_text("dear " * 100, encoding="utf-8")
    BarStore.at(tmp_path / "bars").append("minute", "AAA", day_of_bars(LAST_OF_OCTOBER))
    try:
        code = main(["sweep", "--market-data", "bars", "--symbols", "AAA", *options])
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr()
    assert (code, told.out, len(told.err.splitlines())) == (2, "", 1)
    assert words in told.err
    assert Path("letter.txt").read_text(encoding="utf-8") == "dear " * 100
