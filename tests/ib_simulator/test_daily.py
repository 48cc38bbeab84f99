"""Sessions made of daily bars: their path, their volume, what holders get, and what nobody can know yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from ib_simulator.account import Account, Holding
from ib_simulator.embedded import daily_world, running_gateway
from ib_simulator.feeds.corporate_actions import Action, read_actions
from ib_simulator.feeds.daily import DailyFeed, DailySeries
from ib_simulator.feeds.daily_markets import market_of_directory, packaged_market, synthetic_market
from ib_simulator.feeds.synthetic_daily import synthetic_series
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.payouts import delist, pay_dividend
from ib_simulator.simulated_time import SimulatedTimeLoop, simulated_loop
from market_hours import new_york_calendar
from trading.bars import Bar
from trading.money import ONE_USD
from utils import Misconfigured

CALENDAR = new_york_calendar(date(2025, 1, 1))
DAYS = tuple(session.date for session in CALENDAR.sessions_between(date(2025, 9, 2), date(2025, 10, 31)))
USD = 1_000_000
CASH = 100_000 * USD


def series(days: tuple[date, ...] = DAYS, *actions: Action, usd: int = 100) -> DailySeries:
    """Bars that rise by a dollar a session, from `usd`."""
    bars = []
    for number, day in enumerate(days):
        session = CALENDAR.session_on(day)
        assert session is not None
        open_ = (usd + number) * ONE_USD
        bars.append(Bar(session.open_s, open_, open_ + 20_000, open_ - 10_000, open_ + 10_000, 3_900_000))
    return DailySeries(days=days, bars=tuple(bars), actions=actions)


def feed(**stocks: DailySeries) -> DailyFeed:
    return DailyFeed("a test", stocks, CALENDAR)


@pytest.mark.parametrize(
    ("close", "prices"),
    [(110, [100, 90, 120, 110]), (95, [100, 120, 90, 95])],
)
def test_a_day_shows_its_four_prices_over_the_session(close: int, prices: list[int]) -> None:
    session = CALENDAR.session_on(DAYS[0])
    assert session is not None
    bar = Bar(session.open_s, *(usd * ONE_USD for usd in (100, 120, 90, close)), 3_900)
    tape = feed(A=DailySeries(days=DAYS[:1], bars=(bar,))).tape("A", session)
    assert [price // ONE_USD for price in tape.point_price.tolist()] == prices
    assert tape.point_s.tolist() == [session.open_s + offset for offset in (0, 7_800, 15_600, 23_399)]
    assert tape.point_jump.tolist() == [True, False, False, False]
    assert tape.volume.tolist() == [78, 10, 10, 3_802]  # 2 % at the open, 390 minutes of 10, the rest in the last
    assert tape.start_s.tolist()[-1] == session.close_s - 60


def test_a_symbol_without_a_bar_does_not_trade_that_day() -> None:
    market = feed(A=series(), B=series(DAYS[:3] + DAYS[5:]))
    session = CALENDAR.session_on(DAYS[4])
    assert session is not None
    assert market.symbols(DAYS[2]) == ("A", "B")
    assert market.symbols(DAYS[4]) == ("A",)
    with pytest.raises(LookupError, match="B has no daily bar on"):
        market.tape("B", session)


def test_history_is_adjusted_for_what_has_happened_and_for_nothing_else() -> None:
    split = Action(DAYS[5], Fraction(2))
    paid = Action(DAYS[10], keeps=0.9, dividend=USD)
    market = feed(A=series(DAYS, split, paid))
    before = market.adjusted("A", DAYS[5] - timedelta(days=1), date.min)
    assert before == series().bars[:4]
    on_the_split = market.adjusted("A", DAYS[5], date.min)
    assert [bar.close for bar in on_the_split] == [bar.close // 2 for bar in series().bars[:5]]
    assert {bar.volume for bar in on_the_split} == {7_800_000}
    later = market.adjusted("A", DAYS[12], DAYS[4])
    assert later[0].close == round((104 + 1) * ONE_USD / 2 * 0.9)
    assert later[1].close == round((105 + 1) * ONE_USD * 0.9)
    assert later[-1] == series().bars[11]


def test_the_future_does_not_change_the_history() -> None:
    whole = feed(A=series(DAYS, Action(DAYS[20], Fraction(4))))
    known = feed(A=series(DAYS[:15]))
    for number in range(1, 15):
        assert whole.adjusted("A", DAYS[number], date.min) == known.adjusted("A", DAYS[number], date.min)


def test_a_stock_whose_bars_end_is_delisted_ten_sessions_later_at_a_loss() -> None:
    market = feed(A=series(), B=series(DAYS[:10]), C=series(DAYS[:-9]))
    (end,) = market.actions("B")
    assert end == Action(DAYS[19], payout=110 * USD * 7 // 10)
    assert market.actions("A") == market.actions("C") == ()


def test_what_the_holders_of_a_delisted_stock_got_can_be_written_down(tmp_path: Path) -> None:
    path = tmp_path / "splits_dividends.csv"
    path.write_text("symbol,ex_date,kind,value,prev_close\nB,2025-09-20,delisted,0,\nA,2025-09-19,delisted,12.5,\n")
    actions = read_actions(path)
    assert actions["B"] == (Action(date(2025, 9, 20), payout=0),)
    assert actions["A"][0].payout == 12_500_000
    assert feed(A=series(), B=series(DAYS[:10], *actions["B"])).actions("B") == actions["B"]


def account_with(symbol: str, quantity: int, cost_usd: int) -> Account:
    account = Account("DU1", CASH, lambda _symbol: 0)
    account.holdings[symbol] = Holding(quantity=quantity, cost=cost_usd * USD)
    return account


def test_a_dividend_is_cash_and_nothing_else() -> None:
    account = account_with("A", 30, 3_000)
    pay_dividend(account, "A", 1_250_000)
    pay_dividend(account, "B", 1_250_000)
    assert account.cash == CASH + 37_500_000
    assert account.holdings["A"].cost == 3_000 * USD


def test_a_delisted_position_becomes_cash() -> None:
    account = account_with("A", 30, 3_000)
    delist(account, "A", 500_000)
    delist(account, "B", 500_000)
    assert account.cash == CASH + 15_000_000
    assert account.holdings == {}


def played(market: DailyFeed, days: list[date], act: Callable[[Gateway, date], None]) -> None:
    """Play these sessions alone, and act five minutes after each open."""
    sessions = [session for day in days if (session := CALENDAR.session_on(day)) is not None]
    loop = simulated_loop(None)
    assert isinstance(loop, SimulatedTimeLoop)

    async def play() -> None:
        world = daily_world(loop, market, CALENDAR, sessions)
        async with running_gateway(world, GatewayOptions(cash=CASH)) as (gateway, _port):
            for session in sessions:
                await world.clock.sleep_until(session.open + timedelta(minutes=5))
                gateway.player.market("A")
                act(gateway, session.date)

    try:
        loop.run_until_complete(play())
    finally:
        loop.close()


def test_what_happens_between_two_played_sessions_is_not_lost() -> None:
    """A dividend, then a split two for one, then an end: none of these days is played."""
    actions = (
        Action(DAYS[3], keeps=0.99, dividend=USD),
        Action(DAYS[5], Fraction(2)),
        Action(DAYS[30], payout=7 * USD),
    )
    seen: list[tuple[int, int, int]] = []

    def act(gateway: Gateway, day: date) -> None:
        account = gateway.accounts.first
        if day == DAYS[0]:
            account.execute("A", 1, 100, 100 * ONE_USD, 0)
        quantity = account.holdings["A"].quantity if "A" in account.holdings else 0
        seen.append((quantity, account.cash - CASH, account.net_liquidation() - account.cash))

    played(feed(A=series(DAYS[:25], *actions), B=series()), [DAYS[0], DAYS[10], DAYS[35]], act)
    bought = -100 * 100 * USD
    assert seen == [
        (100, bought, 100 * 100 * USD),
        (200, bought + 100 * USD, 200 * 110 * USD),  # the open of that day
        (0, bought + 100 * USD + 200 * 7 * USD, 0),
    ]


def test_a_halted_holding_is_worth_its_last_price_also_of_sessions_that_were_not_played() -> None:
    worth: list[int] = []

    def act(gateway: Gateway, day: date) -> None:
        if day == DAYS[0]:
            gateway.accounts.first.execute("A", 1, 10, 100 * ONE_USD, 0)
        worth.append(gateway.player.price_of("A") // ONE_USD)

    played(feed(A=series(DAYS[:8] + DAYS[14:]), B=series()), [DAYS[0], DAYS[12], DAYS[20]], act)
    assert worth == [100, 108, 114]  # the close of the eighth session, then today's open


def test_a_directory_of_daily_bars_is_a_market(tmp_path: Path) -> None:
    folder = tmp_path / "daily"
    folder.mkdir()
    for symbol in ("A", "SPY"):
        rows = [f"{day},100,102,99,{101 + number},5000" for number, day in enumerate(DAYS)]
        (folder / f"{symbol}.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows[:1]]) + "\n")
    (tmp_path / "splits_dividends.csv").write_text("symbol,ex_date,kind,value\nA,2025-09-05,split,3\n")
    market = market_of_directory(tmp_path, CALENDAR)
    assert market.universe == ("A",)
    assert market.index_usd == {DAYS[0]: 101.0}
    assert market.feed.actions("A") == (Action(date(2025, 9, 5), Fraction(3)),)


def test_directories_without_daily_bars_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="does not exist"):
        market_of_directory(tmp_path / "none", CALENDAR)
    with pytest.raises(Misconfigured, match="daily holds no bar file"):
        market_of_directory(tmp_path, CALENDAR)
    with pytest.raises(Misconfigured, match="no daily bar falls on a session"):
        feed(A=DailySeries(days=(), bars=()))


def test_the_packaged_market_is_closes_of_twenty_names() -> None:
    pytest.importorskip("skfolio", reason="requirements.txt is not installed")
    market = packaged_market(CALENDAR)
    assert len(market.universe) == 20
    (bar,) = market.feed.daily("AAPL", date(2022, 12, 29), date(2022, 12, 28))
    assert bar[1:5] == (1_256_700,) * 4  # 125.674 on the tick
    assert market.index_usd[date(2022, 12, 28)] == 3783.22
    assert "closes only" in market.notes[1]


SYMBOLS = tuple(f"S{number}" for number in range(30))


def test_a_synthetic_market_is_its_seed_and_grows_at_its_end_alone() -> None:
    short = synthetic_series(7, SYMBOLS[:4], CALENDAR, date(2015, 6, 30))
    long = synthetic_series(7, SYMBOLS[:4], CALENDAR, date(2020, 6, 30))
    other = synthetic_series(8, SYMBOLS[:4], CALENDAR, date(2015, 6, 30))
    for symbol in SYMBOLS[:4]:
        count = len(short.series[symbol].bars)
        assert short.series[symbol].bars == long.series[symbol].bars[:count]
        assert short.series[symbol].bars != other.series[symbol].bars
    assert list(short.index_usd.values()) == list(long.index_usd.values())[: len(short.index_usd)]


def test_a_synthetic_market_has_splits_dividends_and_ends() -> None:
    market = synthetic_market(1, SYMBOLS, CALENDAR, date(2024, 12, 31)).feed
    actions = [action for symbol in SYMBOLS for action in market.actions(symbol)]
    ends = [symbol for symbol in SYMBOLS if any(each.payout is not None for each in market.actions(symbol))]
    assert any(action.split == 4 for action in actions)
    assert sum(action.dividend > 0 for action in actions) > 500
    assert 1 <= len(ends) <= 15
    for symbol in SYMBOLS:
        bars = market.adjusted(symbol, date(2025, 1, 1), date.min)
        moves = [abs(late.close / early.close - 1) for early, late in pairwise(bars)]
        assert max(moves) < 0.6  # no split is left in the adjusted prices


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(Misconfigured, match="seed of the synthetic market is -1"):
        synthetic_market(-1, SYMBOLS, CALENDAR, date(2024, 12, 31))
