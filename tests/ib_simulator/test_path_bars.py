"""Bars finer than a minute, their volumes, and the made-up sizes behind them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ib_simulator.bar_store import BarStore, tape_view
from ib_simulator.feeds.replay import ReplayFeed
from ib_simulator.history import Duration
from ib_simulator.path_bars import TapeView
from ib_simulator.plausible import WINDOWS_PER_MINUTE, quote_shares, trade_shares, trades_in, window_volumes
from market_hours import new_york_calendar
from trading.bars import Bar

OPEN_S = 1_759_843_800  # 2025-10-07 13:30 UTC
POINTS = [(0, 100_000), (20, 99_500), (40, 101_000), (59, 100_500)]


def view(n_points: int = 4, volume: int = 1_200, windows: dict[int, int] | None = None) -> TapeView:
    seconds, prices = zip(*POINTS, strict=True)
    return TapeView([OPEN_S + s for s in seconds], prices, n_points, {OPEN_S: volume}, windows or {})


def test_a_bar_shows_the_prices_of_its_seconds() -> None:
    bar = view().bar(OPEN_S + 20, OPEN_S + 60)
    assert bar is not None
    assert bar[1:5] == (99_500, 101_000, 99_500, 100_500)


def test_a_window_without_a_price_is_flat_at_the_last_one() -> None:
    bar = view().bar(OPEN_S + 25, OPEN_S + 30)
    assert bar is not None
    assert bar[:5] == (OPEN_S + 25, 99_500, 99_500, 99_500, 99_500)


def test_there_is_no_bar_before_the_first_price() -> None:
    assert view().bar(OPEN_S - 5, OPEN_S) is None


def test_points_behind_the_cursor_do_not_show() -> None:
    bar = view(n_points=2).bar(OPEN_S, OPEN_S + 60)
    assert bar is not None
    assert (bar.high, bar.low, bar.close) == (100_000, 99_500, 99_500)


def test_five_second_volumes_of_a_minute_sum_to_it() -> None:
    bars = list(view().bars(OPEN_S, OPEN_S + 60, 5))
    assert len(bars) == 12
    assert sum(bar.volume for bar in bars) == 1_200
    assert [bar.start_s for bar in bars] == [OPEN_S + 5 * n for n in range(12)]


def test_recorded_window_volumes_win_over_made_up_ones() -> None:
    recorded = view(windows={OPEN_S: 700, OPEN_S + 10: 11})
    assert [bar.volume for bar in recorded.bars(OPEN_S, OPEN_S + 15, 5)] == [700, 0, 11]


def test_seconds_of_a_window_share_its_volume() -> None:
    recorded = view(windows={OPEN_S: 7})
    assert [recorded.volume_between(OPEN_S + n, OPEN_S + n + 1) for n in range(5)] == [1, 1, 2, 1, 2]
    assert recorded.volume_between(OPEN_S, OPEN_S + 5) == 7


def test_the_last_bar_may_be_unfinished() -> None:
    assert [bar.start_s - OPEN_S for bar in view().bars(OPEN_S, OPEN_S + 25, 10)] == [0, 10, 20]


def test_prints_are_the_points_of_the_asked_seconds() -> None:
    assert list(view(n_points=3).prints(OPEN_S + 20, OPEN_S + 90)) == [(OPEN_S + 20, 99_500), (OPEN_S + 40, 101_000)]


@given(st.integers(1, 10**9), st.integers(0, 2 * 10**9))
def test_a_minute_is_spread_over_its_windows_without_loss(volume: int, second: int) -> None:
    windows = window_volumes(volume, second - second % 60)
    assert len(windows) == WINDOWS_PER_MINUTE
    assert sum(windows) == volume
    assert min(windows) >= 0


@given(st.integers(1, 10**10), st.integers(0, 2 * 10**9))
def test_sizes_are_whole_round_lots_and_repeat(price: int, second: int) -> None:
    assert quote_shares(price, second) in range(100, 1_601, 100)
    assert trade_shares(price, second) in range(100, 801, 100)
    assert quote_shares(price, second) == quote_shares(price, second)


def test_sizes_vary() -> None:
    assert len({quote_shares(1_000_000 + 100 * n, OPEN_S + 20 * n) for n in range(200)}) == 16
    assert len({trade_shares(1_000_000 + 100 * n, OPEN_S + 20 * n) for n in range(200)}) == 8


def test_a_bar_without_volume_has_no_trades() -> None:
    assert [trades_in(volume) for volume in (-1, 0, 5, 250)] == [0, 0, 1, 2]


def test_a_view_of_nothing_has_no_bars() -> None:
    empty = TapeView([], [], 0, {}, {})
    assert list(empty.bars(OPEN_S, OPEN_S + 60, 5)) == []
    assert empty.price_before(OPEN_S) == 0


def test_a_bar_of_one_price_is_flat() -> None:
    assert view(volume=0).bar(OPEN_S, OPEN_S + 5) == Bar(OPEN_S, 100_000, 100_000, 100_000, 100_000, 0)


@pytest.fixture(scope="module")
def recorded() -> ReplayFeed:
    directory = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip("no recorded market data beside the repository")
    return ReplayFeed(directory, new_york_calendar(date(2025, 10, 8)))


def test_recorded_five_second_bars_come_back_as_recorded_and_sum_to_minutes(recorded: ReplayFeed) -> None:
    session = recorded.require_session(date(2025, 10, 7))
    tape = recorded.tape("AAPL", session)
    fives = list(tape_view(tape).bars(session.open_s, session.close_s, 5))
    assert len(fives) == 4_680
    assert tape.window_volume is not None
    assert [bar.volume for bar in fives] == tape.window_volume.tolist()
    opens, closes = tape.point_price[0::4].tolist(), tape.point_price[3::4].tolist()
    assert [(bar.open, bar.close) for bar in fives] == list(zip(opens, closes, strict=True))
    minutes = list(tape_view(tape).bars(session.open_s, session.close_s, 60))
    assert [bar.volume for bar in minutes] == [bar.volume for bar in tape.bars()]
    # the minute file leaves 5-second bars without volume out: its opens differ by a few cents now and then
    assert sum(made.open == bar.open for made, bar in zip(minutes, tape.bars(), strict=True)) > 370
    assert all(abs(made.close - bar.close) <= 100 for made, bar in zip(minutes, tape.bars(), strict=True))


def test_recorded_history_before_a_split_is_adjusted_for_it(recorded: ReplayFeed) -> None:
    calendar = new_york_calendar(date(2025, 10, 8))
    session = calendar.session_on(date(2014, 6, 10))  # AAPL split seven for one on 9 June
    assert session is not None
    store = BarStore(recorded, calendar, lambda _: None, session)
    friday, monday = store.bars("AAPL", "1 day", Duration(2, "D"), session.open_s)
    raw_friday, raw_monday = recorded.daily("AAPL", date(2014, 6, 10), date(2014, 6, 6))
    assert raw_friday.close == 6_455_700
    assert friday.close == 922_200  # 645.57 / 7 = 92.224
    assert friday.volume == raw_friday.volume * 7
    assert monday == raw_monday
