from __future__ import annotations

import itertools
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from ib_simulator.feeds.synthetic import SyntheticFeed
from ib_simulator.feeds.tape import SessionTape
from market_hours import TradingCalendar, new_york_calendar
from trading.bars import Bar, bar_fault
from utils import Misconfigured

# exchange_calendars reads pandas in a way that pandas 3 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Series.values returning an ndarray:DeprecationWarning")

LATEST = date(2025, 10, 7)
EARLY_CLOSE = date(2024, 11, 29)
YEAR_BEFORE = date(2024, 10, 7)
SYMBOLS = tuple(f"SYM{number:02d}" for number in range(20))
REPOSITORY = Path(__file__).resolve().parents[2]

PRINT_ONE_SESSION = """
from datetime import date
from ib_simulator.feeds.synthetic import SyntheticFeed
from market_hours import TradingCalendar
calendar = TradingCalendar(date(2025, 1, 2), date(2025, 12, 31))
feed = SyntheticFeed(7, {"BBB", "AAA"}, calendar, date(2025, 10, 7))
print(feed.symbols(date(2025, 10, 7)), feed.tape("AAA", feed.latest_session()).bars())
"""


@pytest.fixture(scope="module")
def calendar() -> TradingCalendar:
    return new_york_calendar(LATEST)


@pytest.fixture(scope="module")
def feed(calendar: TradingCalendar) -> SyntheticFeed:
    return SyntheticFeed(7, SYMBOLS, calendar, LATEST)


@pytest.fixture(scope="module")
def year(feed: SyntheticFeed) -> dict[str, tuple[Bar, ...]]:
    return {symbol: feed.daily(symbol, LATEST, YEAR_BEFORE) for symbol in SYMBOLS}


def tapes_of_some_days(feed: SyntheticFeed) -> list[SessionTape]:
    days = feed.session_dates()[-200::10]
    return [feed.tape(symbol, feed.require_session(day)) for symbol in SYMBOLS[:10] for day in days]


def mean_atr_pct(bars: tuple[Bar, ...]) -> float:
    """Mean over the bars of the simple 14-day average of the true range in percent of the close."""
    ranges = [
        max(bar.high, previous.close) - min(bar.low, previous.close) for previous, bar in itertools.pairwise(bars)
    ]
    averages = [sum(ranges[i - 14 : i]) / 14 / bars[i].close for i in range(14, len(ranges) + 1)]
    return 100 * float(np.mean(averages))


def test_a_session_has_all_its_minutes_and_only_valid_bars(feed: SyntheticFeed) -> None:
    session = feed.latest_session()
    tape = feed.tape("SYM00", session)
    assert tape.start_s.tolist() == list(range(session.open_s, session.close_s, 60))
    assert len(tape.start_s) == 390
    assert {bar_fault(bar) for bar in tape.bars()} == {""}
    assert set((tape.point_price % 100).tolist()) == {0}
    assert len(tape.point_s) == 390 * 4


def test_an_early_close_has_210_minutes(feed: SyntheticFeed) -> None:
    session = feed.require_session(EARLY_CLOSE)
    tape = feed.tape("SYM00", session)
    assert len(tape.start_s) == 210
    assert tape.start_s[-1] == session.close_s - 60


def test_daily_bars_are_the_sum_of_their_minutes(feed: SyntheticFeed, year: dict[str, tuple[Bar, ...]]) -> None:
    session = feed.require_session(EARLY_CLOSE)
    minutes = feed.tape("SYM03", session).bars()
    expected = Bar(
        start_s=session.open_s,
        open=minutes[0].open,
        high=max(bar.high for bar in minutes),
        low=min(bar.low for bar in minutes),
        close=minutes[-1].close,
        volume=sum(bar.volume for bar in minutes),
    )
    assert expected in year["SYM03"]
    assert feed.daily("SYM03", date(2024, 11, 30), EARLY_CLOSE) == (expected,)
    assert feed.daily("SYM03", EARLY_CLOSE, EARLY_CLOSE) == ()


def test_minute_history_ends_before_the_asked_date(feed: SyntheticFeed) -> None:
    history = feed.minute_history("SYM01", LATEST, 2)
    friday, monday = (feed.require_session(date(2025, 10, day)) for day in (3, 6))
    assert history == feed.tape("SYM01", friday).bars() + feed.tape("SYM01", monday).bars()
    assert feed.minute_history("SYM01", LATEST, 0) == ()


def test_the_order_of_calls_does_not_change_a_bar(calendar: TradingCalendar) -> None:
    one = SyntheticFeed(3, ("AAA", "BBB"), calendar, LATEST)
    other = SyntheticFeed(3, ("BBB", "AAA", "CCC"), calendar, LATEST)
    days = one.session_dates()[-40:]
    np.random.default_rng(0).random(5)
    forwards = [one.tape("AAA", one.require_session(day)).bars() for day in days]
    other.daily("BBB", LATEST, date(2025, 1, 2))
    backwards = [other.tape("AAA", other.require_session(day)).bars() for day in reversed(days)]
    assert forwards == backwards[::-1]


def test_bars_depend_neither_on_the_hash_seed_nor_on_the_bounds_of_the_calendar(calendar: TradingCalendar) -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", PRINT_ONE_SESSION],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    here = SyntheticFeed(7, ("AAA",), calendar, LATEST)
    assert printed == {f"('AAA', 'BBB') {here.tape('AAA', here.latest_session()).bars()}\n"}


def test_another_seed_or_symbol_gives_another_market(feed: SyntheticFeed, calendar: TradingCalendar) -> None:
    session = feed.latest_session()
    closes = feed.tape("SYM00", session).close.tolist()
    assert closes != feed.tape("SYM01", session).close.tolist()
    assert closes != SyntheticFeed(8, SYMBOLS, calendar, LATEST).tape("SYM00", session).close.tolist()


def test_volume_is_u_shaped(feed: SyntheticFeed) -> None:
    shares = np.mean([tape.volume for tape in tapes_of_some_days(feed) if len(tape.volume) == 390], axis=0)
    opening, midday, closing = shares[:30].mean(), shares[180:210].mean(), shares[-30:].mean()
    assert opening > 2 * midday
    assert closing > 2 * midday


def test_large_minutes_follow_large_minutes(feed: SyntheticFeed) -> None:
    def next_minute_correlation(moves: np.ndarray) -> float:
        return float(np.corrcoef(moves[:-1], moves[1:])[0, 1])

    moves = [np.diff(np.log(tape.close)) for tape in tapes_of_some_days(feed)]
    assert np.mean([next_minute_correlation(np.abs(move)) for move in moves]) > 0.1
    assert abs(np.mean([next_minute_correlation(move) for move in moves])) < 0.05


def test_daily_atr_ranges_from_quiet_funds_to_wild_stocks(year: dict[str, tuple[Bar, ...]]) -> None:
    atr_pct = [mean_atr_pct(bars) for bars in year.values()]  # recorded: 1.6 to 5.7, median 3.5
    assert sum(1 <= value <= 7 for value in atr_pct) >= 0.9 * len(atr_pct)
    assert 2.5 < np.median(atr_pct) < 5
    assert max(atr_pct) - min(atr_pct) > 2


def test_symbols_share_a_modest_market_and_gap_overnight(year: dict[str, tuple[Bar, ...]]) -> None:
    closes = np.log([[bar.close for bar in bars] for bars in year.values()])
    opens = np.log([[bar.open for bar in bars] for bars in year.values()])
    correlations = np.corrcoef(np.diff(closes, axis=1))[np.triu_indices(len(SYMBOLS), 1)]
    assert 0.1 < correlations.mean() < 0.5
    gap_share = np.var(opens[:, 1:] - closes[:, :-1]) / np.var(np.diff(closes, axis=1))
    assert 0.15 < gap_share < 0.4


def test_prices_stay_within_bounds_for_decades(feed: SyntheticFeed) -> None:
    every_fifth = [feed.require_session(day) for day in feed.session_dates()[::5]]
    assert len(every_fifth) > 1_000
    for symbol in ("SYM05", "SYM11"):
        closes = [int(feed.tape(symbol, session).close[-1]) for session in every_fifth]
        assert 5_0000 < min(closes) < max(closes) < 1_500_0000


def test_2000_sessions_in_a_row_move_and_do_not_drift_away(feed: SyntheticFeed) -> None:
    closes = np.array([bar.close for bar in feed.daily("SYM07", LATEST, date(2017, 10, 20))])
    assert len(closes) >= 2_000
    assert 5_0000 < closes.min() < closes.max() < 1_500_0000
    assert 1.2 < closes.max() / closes.min() < 6
    assert np.abs(np.diff(np.log(closes))).max() < 0.25


def test_the_market_ends_with_its_latest_session(feed: SyntheticFeed) -> None:
    assert feed.session_dates()[-1] == feed.latest_session().date == LATEST
    assert feed.symbols(LATEST) == SYMBOLS
    assert feed.symbols(date(2025, 10, 8)) == feed.symbols(date(2025, 10, 5)) == ()
    assert len(feed.daily("SYM00", date(2026, 1, 1), LATEST)) == 1
    with pytest.raises(Misconfigured, match=r"no synthetic session on 2025-10-08: the market ends on 2025-10-07"):
        feed.require_session(date(2025, 10, 8))
    with pytest.raises(Misconfigured, match=r"no synthetic session on 2025-10-05: the exchange is closed that day"):
        feed.require_session(date(2025, 10, 5))


def test_what_the_market_does_not_have_is_a_lookup_error(feed: SyntheticFeed, calendar: TradingCalendar) -> None:
    with pytest.raises(LookupError, match="NONE"):
        feed.tape("NONE", feed.latest_session())
    with pytest.raises(LookupError, match="2025-10-08"):
        feed.tape("SYM00", calendar.next_session(LATEST))
    assert feed.daily("NONE", LATEST, YEAR_BEFORE) == ()


def test_a_market_that_cannot_exist_is_refused(calendar: TradingCalendar) -> None:
    with pytest.raises(Misconfigured, match="seed"):
        SyntheticFeed(-1, SYMBOLS, calendar, LATEST)
    with pytest.raises(Misconfigured, match="at least one symbol"):
        SyntheticFeed(1, (), calendar, LATEST)
    with pytest.raises(Misconfigured, match="cannot end on 2025-10-05: the exchange is closed that day"):
        SyntheticFeed(1, SYMBOLS, calendar, date(2025, 10, 5))
