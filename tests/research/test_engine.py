"""The quick form of the engine against the plain one, and the sweep against both."""

from __future__ import annotations

import random
from datetime import date

import numpy as np
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")

from benchmarks.random_bars import as_bars, random_walk
from ib_simulator.feeds.research_source import FeedSource
from market_hours import new_york_calendar
from research import sessions, trips
from research.compiled import compiled
from research.day import Day
from research.engine import Plan, plan, simulate, simulate_every_instant, sweep
from research.quick import is_too_dear
from research.sessions import Account, equity_told
from research.source import Bars, fixed_watchlist, load
from research.tapes import Int64s, fetch_early
from tests.research.rough_feed import RoughFeed, Roughness
from trading.costs import FEE_SCHEDULES, FeeSchedule
from trading.indicators import VwapState
from trading.money import notional
from trading.risk import NO_LIMIT, RiskLimits, check_size
from trading.rules import Rule
from trading.settings import RiskSettings
from trading.sizing import collar_price
from trading.strategy import Market, Parameters
from utils import Misconfigured

LATEST = date(2026, 9, 30)
CALENDAR = new_york_calendar(LATEST)
SYMBOLS = ("AAPL", "AMD", "BAC", "COIN", "F")
LOOSE = RiskSettings(
    risk_max_entries_per_symbol=20, risk_cool_down_s=60, risk_max_spread_bps=500, risk_max_cost_pct_of_target=100
)
EAGER = Parameters(100, 60, 75.0, 0.0)


def bars_of(symbols: tuple[str, ...], roughness: Roughness, seed: int = 3, n_sessions: int = 6) -> Bars:
    feed = RoughFeed(seed, symbols, CALENDAR, LATEST, roughness)
    days = CALENDAR.sessions_between(date(2025, 11, 24), date(2025, 12, 12))[:n_sessions]  # an early close among them
    return load(FeedSource(feed), days, fixed_watchlist(symbols))


def first_value(bars: Int64s, ahead: int) -> int:
    fetch_early(bars, 0, ahead)
    return int(bars[0, 0])


def assert_same(bars: Bars, parameters: Parameters, on: Plan) -> int:
    """Both forms agree to the last fill; how many round trips there were."""
    slow, quick = simulate_every_instant(bars, parameters, on), simulate(bars, parameters, on)
    assert np.array_equal(slow.fills, quick.fills)
    assert np.array_equal(slow.trips, quick.trips)
    assert np.array_equal(slow.days[:, : sessions.PEAK], quick.days[:, : sessions.PEAK])
    return len(slow.trips)


@pytest.mark.parametrize(
    "roughness",
    [
        Roughness(swing=2.0),
        Roughness(missing=0.4, swing=3.0),
        Roughness(hole_minutes=30, missing=0.05, swing=3.0),
        Roughness(volume_scale=0.01, swing=3.0),
        Roughness(fade=0.002),
        Roughness(price_scale=0.02, swing=2.0),
        Roughness(quiet=0.2, swing=2.0),
        Roughness(fine=True, spreads=True, swing=2.0),
    ],
    ids=["smooth", "missing", "holes", "thin", "fading", "cheap", "quiet", "fine"],
)
def test_skipping_loses_nothing(roughness: Roughness) -> None:
    usual = plan(1_000_000, 0.25, LOOSE)
    alone = bars_of(SYMBOLS[:1], roughness)
    together = bars_of(SYMBOLS, roughness)
    assert assert_same(alone, EAGER, usual) + assert_same(together, EAGER, usual) > 0


@pytest.mark.parametrize(
    "limits",
    [
        {"risk_max_daily_loss_pct": 0.05},
        {"risk_max_drawdown_pct": 0.05},
        {"risk_max_open_positions": 2},
        {"risk_max_entries_per_tick": 1},
        {"risk_max_entries_per_session": 4},
        {"risk_loss_streak": 2, "risk_loss_streak_pause_s": 1_111},
        {"risk_max_quote_age_s": 10, "risk_cool_down_s": 97},
        {"risk_collar_bps": 0, "risk_max_cost_pct_of_target": 7},
    ],
    ids=lambda limits: ",".join(limits),
)
def test_skipping_obeys_the_rules_of_the_account(limits: dict[str, float]) -> None:
    bars = bars_of(SYMBOLS, Roughness(swing=3.0, missing=0.05))
    risk = LOOSE.model_copy(update=limits)
    free = simulate(bars, EAGER, plan(1_000_000, 0.25, LOOSE))
    assert assert_same(bars, EAGER, plan(1_000_000, 0.25, risk)) > 0
    bound = simulate(bars, EAGER, plan(1_000_000, 0.25, risk))
    assert not np.array_equal(free.fills, bound.fills)  # the limit mattered


def test_sweep_is_each_set_on_an_account_of_its_own() -> None:
    bars = bars_of(SYMBOLS[:2], Roughness(swing=2.0))
    sets = [EAGER, Parameters(140, 80, 60.0, 0.0), EAGER._replace(rsi_cap=50.0), EAGER]
    on = plan(1_000_000, 0.25, LOOSE)
    swept = sweep(bars, sets, on)
    for parameters, results, count in zip(sets, swept.results, swept.trips, strict=True):
        alone = simulate(bars, parameters, on)
        assert np.array_equal(results, alone.days[:, sessions.RESULT])
        assert count == len(alone.trips)
    assert swept.trips.sum() > 0


def test_compiled_functions_are_those_that_run_without_numba() -> None:
    bars = bars_of(SYMBOLS[:2], Roughness(swing=3.0), n_sessions=1)
    on = plan(1_000_000, 0.25, LOOSE)
    compiled = simulate_every_instant(bars, EAGER, on)
    log = sessions.Log(
        fills=np.empty((1_000, trips.FILL_COLUMNS), np.int64),
        trips=np.empty((1_000, sessions.TRIP_COLUMNS), np.int64),
        days=np.zeros((1, sessions.DAY_COLUMNS), np.int64),
        judgements=np.zeros((2, sessions.RULES), np.int64),
    )
    counts = sessions.play_every_instant(bars.tapes, on.equity, EAGER, on.account, log)
    assert counts.trips > 0
    assert np.array_equal(log.fills[: counts.fills], compiled.fills)
    assert np.array_equal(log.judgements, compiled.judgements)


def test_compiled_code_asks_for_memory_early_and_may_ask_for_what_does_not_exist() -> None:
    import numba

    beyond = 1 << 40
    bars = np.arange(12, dtype=np.int64).reshape(6, 2)
    assert first_value(bars, beyond) == 0
    assert compiled(first_value)(bars, beyond) == 0
    fresh = numba.njit(first_value)  # numba does not show code that it took from the disk
    assert fresh(bars, beyond) == 0
    assert "llvm.prefetch" in next(iter(fresh.inspect_llvm().values()))


def test_the_next_session_begins_with_what_the_broker_tells_of_the_account() -> None:
    bars = bars_of(SYMBOLS, Roughness(swing=2.0), n_sessions=2)
    days = simulate(bars, EAGER, plan(1_000_000, 0.25, LOOSE)).days
    assert days[0, sessions.RESULT] != 0
    assert days[1, sessions.EQUITY] == equity_told(10**12 + int(days[0, sessions.RESULT]))
    assert [equity_told(cash) for cash in (1_004_999, 1_005_000, 1_015_000, 1_015_001)] == [
        *(1_000_000, 1_000_000, 1_020_000, 1_020_000)
    ]


def test_an_account_beyond_64_bits_is_refused() -> None:
    assert isinstance(plan(1_000_000, 1.0, LOOSE).account, Account)
    with pytest.raises(Misconfigured, match="is not within 1 … 4,611,686 USD"):
        plan(5_000_000, 1.0, LOOSE)


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"risk_max_entries_per_tick": 1, "risk_max_open_positions": 3},
        {"risk_max_open_positions": 100, "risk_max_entries_per_session": 1_000},
        {"risk_loss_streak": 2, "risk_loss_streak_pause_s": 700, "risk_max_entries_per_session": 1_000},
        {"risk_max_drawdown_pct": 0.02, "risk_max_open_positions": 100},
    ],
    ids=lambda limits: ",".join(limits) or "usual",
)
def test_a_crowd_that_waits_for_room_is_asked_in_the_order_of_the_day_trader(limits: dict[str, float]) -> None:
    crowd = as_bars(random_walk(2 * 70, seed=7), 70)
    on = plan(1_000_000, 0.25, LOOSE.model_copy(update=limits))
    assert assert_same(crowd, EAGER, on) > 20


@pytest.mark.parametrize(
    ("equity_usd", "position_bps"),
    [(1_000_000, 500), (40_000, 0), (100_000, 0), (255_000, 0), (20_000, 900)],
    ids=["spent", "no share", "too few shares", "just enough", "small"],
)
def test_a_crowd_that_waits_for_capital_gets_what_the_day_trader_would_give(equity_usd: int, position_bps: int) -> None:
    crowd = as_bars(random_walk(2 * 70, seed=9), 70)
    risk = RiskSettings(risk_max_open_positions=100, risk_max_entries_per_session=1_000, risk_cool_down_s=60)
    parameters = EAGER._replace(profit_target_bps=140, position_bps=position_bps)
    trips = assert_same(crowd, parameters, plan(equity_usd, 0.25, risk))
    assert (trips > 0) == (equity_usd > 100_000 or position_bps > 0)


def test_fees_refuse_every_order_smaller_than_one_that_is_too_dear() -> None:
    rng = random.Random(4)
    limits = RiskSettings().limits(10**12)
    too_dear = 0
    for _ in range(3_000):
        ask = rng.choice([rng.randrange(10_001, 60_000), rng.randrange(60_000, 9_000_000)]) // 100 * 100
        bid = ask - 100 * rng.randrange(1, 4)
        rates = rng.choice(FEE_SCHEDULES)[1]
        target_bps, most = rng.choice([50, 140, 300]), rng.randrange(1, 400)
        asked = limits._replace(max_cost_pct_of_target=rng.randrange(5, 100), max_order_value=10**15)
        day = day_with(asked, rates, target_bps, budget=notional(collar_price(ask, asked.collar_bps), most))
        market = Market(ask, bid, ask, 30, 10**6, VwapState(), 50.0, 2.0, 0)
        if not is_too_dear(market, day, NO_LIMIT):
            continue
        too_dear += 1
        for quantity in range(most + 1):
            assert check_size(quantity, market, NO_LIMIT, target_bps, rates, asked).rule != Rule.APPROVED
    assert 300 < too_dear < 2_700


def day_with(limits: RiskLimits, rates: FeeSchedule, target_bps: int, budget: int) -> Day:
    """A session of which only these matter."""
    parameters = Parameters(target_bps, 80, 60.0, 0.0)
    return Day(0, 1, 0, 0, 0, 0, 10**12, budget, 250_000, limits, rates, parameters, False)
