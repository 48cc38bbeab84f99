"""The pre-market and the post-market: prices written by hand as bar files, a gateway that plays them, a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ib_simulator.embedded import build_world, running_gateway
from ib_simulator.feeds.replay import ReplayFeed
from ib_simulator.feeds.synthetic import SyntheticFeed
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop
from ib_simulator.trading_hours import trading_hours
from market_hours import NEW_YORK, Session, new_york_calendar
from tests.ib_simulator.wire_client import WireClient, in_simulated_time
from trading.matching import half_spread

DAY, EARLY_CLOSE, NEXT = date(2025, 10, 7), date(2025, 11, 28), date(2025, 10, 8)
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
AAA = [0, "AAA", "STK", "", 0, "", "", "SMART", "", "USD", "", ""]
CALENDAR = new_york_calendar(DAY)

# New York time -> (open, high, low, close, volume) in USD and shares
QUIET_DAY = {
    "07:00": (99.0, 99.0, 98.0, 98.5, 3_000),
    "07:30": (98.5, 98.6, 98.4, 98.6, 2_000),
    "09:29": (98.0, 98.2, 98.0, 98.2, 4_000),
    "09:30": (100.0, 101.0, 99.5, 100.5, 50_000),
    "09:31": (100.5, 100.6, 100.4, 100.6, 40_000),
    "12:00": (101.0, 101.5, 100.8, 101.2, 30_000),
    "15:59": (102.0, 102.4, 101.9, 102.3, 900_000),
    "16:00": (104.0, 104.0, 103.0, 103.5, 6_000),
    "16:30": (105.0, 105.5, 105.0, 105.2, 5_000),
    "19:59": (106.0, 106.0, 106.0, 106.0, 1_000),
}


def at(clock_text: str, day: date = DAY) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock_text), NEW_YORK)


def second(clock_text: str, day: date = DAY) -> int:
    return int(at(clock_text, day).timestamp())


def session_on(day: date = DAY) -> Session:
    session = CALENDAR.session_on(day)
    assert session is not None
    return session


def feed_of(folder: Path, *days: date, extended: bool = True) -> ReplayFeed:
    """`QUIET_DAY` of AAA on each day, as a CSV file."""
    rows = ["timestamp,open,high,low,close,volume"]
    for day in days:
        for clock_text, (open_, high, low, close, volume) in QUIET_DAY.items():
            rows.append(f"{at(clock_text, day).isoformat()},{open_},{high},{low},{close},{volume}")
    (folder / "minute").mkdir(parents=True, exist_ok=True)
    (folder / "minute" / "AAA.csv").write_text("\n".join(rows) + "\n")
    return ReplayFeed(folder, CALENDAR, extended_hours=extended)


class World(NamedTuple):
    """A running gateway and one client of it."""

    gateway: Gateway
    clock: SimulatedClock
    client: WireClient

    async def until(self, clock_text: str, day: date = DAY) -> None:
        """Wait for a time in New York; a little longer, so that what happens then was heard."""
        await self.clock.sleep_until(at(clock_text, day) + timedelta(seconds=0.4))

    def heard(self, *kinds: int) -> list[list[str]]:
        """Messages of these kinds since the last call, without the kind; all other ones are dropped."""
        messages, self.client.heard[:] = list(self.client.heard), []
        return [message[1:] for message in messages if int(message[0]) in kinds]

    def fills(self) -> list[tuple[int, float, str]]:
        """(order id, price, time) of executions since the last call."""
        return [(int(row[1]), float(row[19]), row[14][9:17]) for row in self.heard(11)]


def play(
    folder: Path,
    scenario: Callable[[World], Awaitable[None]],
    *days: date,
    extended: bool = True,
    options: GatewayOptions | None = None,
    begins: str = "",
) -> None:
    """Run the scenario in a world that begins 45 minutes before anything trades, or at a time of the first day."""

    async def run(loop: SimulatedTimeLoop) -> None:
        sessions = tuple(session_on(day) for day in days or (DAY,))
        feed = feed_of(folder, *(session.date for session in sessions), extended=extended)
        world = build_world(loop, feed, CALENDAR, sessions)
        if begins:
            world = type(world)(
                feed=feed,
                calendar=CALENDAR,
                sessions=sessions,
                clock=SimulatedClock(loop, at(begins, sessions[0].date)),
                symbols=("AAA",),
                prices_from="",
            )
        async with running_gateway(world, options or GatewayOptions()) as (gateway, port):
            await scenario(World(gateway, world.clock, await WireClient.connect(port)))

    in_simulated_time(run)


# Orders


def test_a_limit_order_that_says_so_fills_before_the_open(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("06:00")
        world.client.place(1, "AAA", "BUY", 50, "LMT", 99.5, outside_rth=1)
        world.client.place(2, "AAA", "BUY", 50, "LMT", 99.5)
        await world.until("06:01")
        assert (-1, 399) not in world.client.errors() and (2, 399) in world.client.errors()
        await world.until("09:29:59")
        # at 07:00:00 the price is 99.00, the modelled half-spread of a cent is six times as wide
        assert world.fills() == [(1, 99.06, "07:00:00")]
        await world.until("09:30:30")
        # at 09:30:20 the minute is at its low of 99.50, the ask at 99.51: the limit of 99.50 is not reached
        assert world.fills() == []

    play(tmp_path, scenario)


def test_market_orders_and_plain_stops_do_nothing_before_the_open(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("06:00")
        world.client.place(1, "AAA", "BUY", 10, "MKT", outside_rth=1)
        world.client.place(2, "AAA", "SELL", 10, "STP", "", 99.8, outside_rth=1)
        world.client.place(3, "AAA", "SELL", 10, "TRAIL", "", 0.5, outside_rth=1)
        await world.until("06:01")
        assert [code for order_id, code in world.client.errors() if order_id == 1] == [2109, 399]
        await world.until("09:29:59")
        assert world.fills() == []
        await world.until("09:30:20")
        fills = world.fills()
        assert (1, 100.01, "09:30:00") in fills
        assert (2, 99.79, "09:30:20") in fills  # the price falls from 100.00 to 99.50 and passes 99.80

    play(tmp_path, scenario)


def test_a_stop_limit_order_that_says_so_triggers_before_the_open(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("06:00")
        world.client.place(1, "AAA", "SELL", 10, "STP LMT", 98.0, 98.7, outside_rth=1)
        world.client.place(2, "AAA", "SELL", 10, "STP LMT", 98.0, 98.7)
        await world.until("09:29:59")
        assert world.fills() == [(1, 98.64, "07:00:40")]  # 99.00, 99.00, then through the stop to 98.00

    play(tmp_path, scenario)


def test_a_day_order_lives_until_its_hours_end(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("12:30")
        world.client.place(1, "AAA", "BUY", 10, "LMT", 90.0)
        world.client.place(2, "AAA", "BUY", 10, "LMT", 90.0, outside_rth=1)
        world.client.place(3, "AAA", "SELL", 10, "LMT", 104.5, outside_rth=1)
        await world.until("15:59:59")
        world.heard()
        await world.until("16:00")
        assert world.client.errors() == [(1, 202)]
        await world.until("19:59:58")
        assert world.fills() == [(3, 104.98, "16:30:00")]  # a jump to 105.00: at the bid, two cents below
        await world.until("20:00")
        assert world.client.errors() == [(2, 202)]

    play(tmp_path, scenario)


def test_an_order_of_the_post_market_is_good_for_its_day(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("17:00")
        world.client.place(1, "AAA", "BUY", 10, "LMT", 105.6, outside_rth=1)
        world.client.place(2, "AAA", "BUY", 10, "LMT", 80.0, outside_rth=1)
        world.client.place(3, "AAA", "BUY", 10, "LMT", 105.6)
        world.client.place(4, "AAA", "BUY", 10, "LMT", 105.6, outside_rth=1, tif="GTC")
        await world.until("17:01")
        assert (3, 399) in world.client.errors()
        assert [fill[:2] for fill in world.fills()] == [(1, 105.22), (4, 105.22)]  # at once, at the standing ask
        await world.until("20:01")
        assert world.client.errors() == [(2, 202)]
        await world.until("06:59", NEXT)
        assert world.fills() == []
        await world.until("09:30", NEXT)
        assert world.fills() == [(3, 100.01, "09:30:00")]

    play(tmp_path, scenario, DAY, NEXT)


def test_a_good_till_cancelled_order_works_in_every_phase(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("12:30")
        world.client.place(1, "AAA", "BUY", 10, "LMT", 98.3, outside_rth=1, tif="GTC")
        await world.until("06:59", NEXT)
        assert world.fills() == []
        await world.until("08:00", NEXT)
        assert world.fills() == [(1, 98.3, "07:00:40")]  # on the way from 99.00 to 98.00

    play(tmp_path, scenario, DAY, NEXT)


def test_the_auctions_do_not_see_the_hours_around_them(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("07:10")
        world.client.place(1, "AAA", "BUY", 10, "MKT", tif="OPG")
        world.client.place(2, "AAA", "BUY", 10, "MOC")
        await world.until("16:00:05")
        assert world.fills() == [(1, 100.0, "09:30:00"), (2, 102.3, "16:00:00")]

    play(tmp_path, scenario)


def test_the_volume_of_the_close_allows_no_fills_after_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("16:00:10")
        world.client.place(1, "AAA", "SELL", 1_000, "LMT", 101.0, outside_rth=1)
        await world.until("16:00:30")
        sizes = [float(row[18]) for row in world.heard(11)]
        assert sum(sizes) == 100  # the least that a minute allows, not a tenth of 900,000

    play(tmp_path, scenario)


def test_a_modified_order_that_no_longer_says_so_stops_working_before_the_open(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("06:00")
        world.client.place(1, "AAA", "BUY", 10, "LMT", 90.0, outside_rth=1)
        await world.until("06:01")
        world.client.place(1, "AAA", "BUY", 10, "LMT", 99.5)
        await world.until("09:29:59")
        assert world.fills() == []

    play(tmp_path, scenario)


@pytest.mark.parametrize(("back_at", "live"), [("18:00", [2]), ("20:30", [])])
def test_day_orders_after_a_restart_in_the_evening(tmp_path: Path, back_at: str, live: list[int]) -> None:
    options = GatewayOptions(state_file=tmp_path / "state.db")

    async def before(world: World) -> None:
        await world.until("15:00")
        world.client.place(1, "AAA", "BUY", 10, "LMT", 90.0)
        world.client.place(2, "AAA", "BUY", 10, "LMT", 90.0, outside_rth=1)
        await world.until("15:30")

    async def after(world: World) -> None:
        await world.until(back_at)
        world.heard()
        world.client.send(5, 1)
        await world.until(f"{back_at}:01")
        assert [int(row[0]) for row in world.heard(5)] == live

    play(tmp_path, before, options=options)
    play(tmp_path, after, options=options, begins=back_at)


# Market data


def follow(client: WireClient, req_id: int = 7) -> None:
    client.send(1, 11, req_id, *AAA, 0, "", 0, 0, "")


def test_quotes_are_wide_before_the_open_and_the_day_begins_with_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("06:00")
        follow(world.client)
        await world.until("07:00:59")
        ticks = [(row[2], float(row[3])) for row in world.heard(1) if len(row) > 3]
        assert ("1", 98.44) in ticks and ("2", 98.56) in ticks  # 98.50 and six cents around it
        assert {kind for kind, _ in ticks} & {"6", "7", "14"} == set()  # no high, low and open of today yet
        await world.until("09:29:59")
        assert ("1", 98.17) in [(row[2], float(row[3])) for row in world.heard(1)]  # from 08:00 on three cents
        await world.until("09:31:59")
        ticks = [(row[2], float(row[3])) for row in world.heard(1)]
        assert ("1", 100.59) in ticks and ("6", 101.0) in ticks and ("7", 99.5) in ticks
        await world.until("16:59")
        ticks = [(row[2], float(row[3])) for row in world.heard(1)]
        assert ("1", 105.18) in ticks  # 105.20 and two cents around it
        assert max(price for kind, price in ticks if kind == "6") == 102.4  # the high of the session stays

    play(tmp_path, scenario)


def bars(world: World, req_id: int, size: str, use_rth: int, duration: str = "1 D", update: int = 0) -> None:
    world.client.send(20, req_id, *AAA, 0, "", size, duration, use_rth, "TRADES", 2, update, "")


def rows_of(message: list[str]) -> list[tuple[int, float]]:
    """(start, close) of the rows of a historicalData message."""
    n, rows = int(message[3]), message[4:]
    return [(int(rows[8 * k]), float(rows[8 * k + 4])) for k in range(n)]


def test_history_includes_the_hours_around_the_session_on_request(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("16:40", NEXT)
        for req_id, size, use_rth in ((1, "1 min", 1), (2, "1 min", 0), (3, "1 hour", 1), (4, "1 hour", 0)):
            bars(world, req_id, size, use_rth, "2 D")
        bars(world, 5, "1 day", 0, "2 D")
        await world.until("16:41", NEXT)
        told = {int(message[0]): rows_of(message) for message in world.heard(17)}
        days = (DAY, NEXT)
        minutes = [second(text, day) for day in days for text in QUIET_DAY]
        regular = [second(text, day) for day in days for text in QUIET_DAY if "09:30" <= text < "16:00"]
        assert [start_s for start_s, _ in told[1]] == regular
        assert [start_s for start_s, _ in told[2]] == minutes[:-1]  # 19:59 of today is still to come
        hours = ("09:30", "12:00", "15:00")
        assert [start_s for start_s, _ in told[3]] == [second(text, day) for day in days for text in hours]
        hours = ("07:00", "09:00", "12:00", "15:00", "16:00", "19:00")
        assert [start_s for start_s, _ in told[4]] == [second(text, day) for day in days for text in hours][:-1]
        assert [close for _, close in told[5]] == [102.3, 102.3]  # a day is its regular session

    play(tmp_path, scenario, DAY, NEXT)


def test_subscriptions_hear_of_their_hours_only(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("07:10", NEXT)
        bars(world, 1, "1 min", 0, "1 D", update=1)
        bars(world, 2, "1 min", 1, "2 D", update=1)
        for req_id, use_rth in ((3, 0), (4, 1)):
            world.client.send(50, 3, req_id, *AAA, 5, "TRADES", use_rth, "")
        await world.until("09:29:59", NEXT)
        heard = world.heard(90, 50)
        assert {row[0] for row in heard if len(row) == 9} == {"1"}  # historicalDataUpdate
        assert {row[1] for row in heard if len(row) != 9} == {"3"}  # realtimeBar
        await world.until("09:31:01", NEXT)
        heard = world.heard(90, 50)
        assert {row[0] for row in heard if len(row) == 9} == {"1", "2"}
        first = {row[1]: int(row[2]) for row in reversed([row for row in heard if len(row) != 9])}
        assert first == {"3": second("09:29:55", NEXT), "4": second("09:30:00", NEXT)}

    play(tmp_path, scenario, DAY, NEXT)


def test_historical_ticks_keep_to_the_session_if_asked_to(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.until("09:32")
        for req_id, use_rth in ((1, 0), (2, 1)):
            world.client.send(96, req_id, *AAA, 0, "20251007 04:00:00 US/Eastern", "", 1000, "TRADES", use_rth, 0, "")
        await world.until("09:32:01")
        told = {int(row[0]): [int(row[2 + 6 * n]) for n in range(int(row[1]))] for row in world.heard(98)}
        assert told[1][0] == second("07:00") and len(told[1]) == 20
        assert told[2][0] == second("09:30") and len(told[2]) == 8

    play(tmp_path, scenario)


def test_without_extended_hours_nothing_happens_around_the_session(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        assert world.clock.now().astimezone(NEW_YORK).time() < time(8, 46)
        follow(world.client)
        world.client.place(1, "AAA", "BUY", 10, "LMT", 105.0, outside_rth=1)
        await world.until("09:29:59")
        assert [row for row in world.heard(1, 11) if float(row[3]) > 0 and row[2] != "9"] == []
        await world.until("09:30")
        assert world.fills() == [(1, 100.01, "09:30:00")]
        await world.until("09:31")
        bars(world, 2, "1 min", 0)
        await world.until("09:32")
        assert [rows_of(message)[0][0] for message in world.heard(17)] == [second("09:30")]

    play(tmp_path, scenario, extended=False)


# Feeds and hours


def test_hours_of_full_and_short_days() -> None:
    full, short = (trading_hours(session_on(day), extended=True) for day in (DAY, EARLY_CLOSE))
    assert (full.first_s, full.last_s) == (second("04:00"), second("20:00"))
    assert (short.first_s, short.last_s) == (second("04:00", EARLY_CLOSE), second("17:00", EARLY_CLOSE))
    plain = trading_hours(session_on(), extended=False)
    assert (plain.first_s, plain.last_s) == (plain.open_s, plain.close_s)


def test_a_short_day_ends_at_five(tmp_path: Path) -> None:
    tape = feed_of(tmp_path, EARLY_CLOSE).tape("AAA", session_on(EARLY_CLOSE))
    assert tape.start_s[-1] == second("16:30", EARLY_CLOSE)  # 19:59 lies behind the end of the post-market


def test_synthetic_regular_hours_are_the_same_with_and_without_extended_ones() -> None:
    plain, extended = (SyntheticFeed(3, ("AAA", "BBB"), CALENDAR, NEXT, extended_hours=flag) for flag in (False, True))
    for symbol in ("AAA", "BBB"):
        a, b = plain.tape(symbol, session_on()), extended.tape(symbol, session_on())
        regular = (b.start_s >= a.start_s[0]) & (b.start_s <= a.start_s[-1])
        for name in ("start_s", "open", "high", "low", "close", "volume"):
            assert np.array_equal(getattr(a, name), getattr(b, name)[regular])
        assert plain.daily(symbol, NEXT, DAY) == extended.daily(symbol, NEXT, DAY)


def test_synthetic_pre_market_leads_from_the_last_evening_to_the_open_thinly() -> None:
    feed = SyntheticFeed(3, ("AAA",), CALENDAR, NEXT, extended_hours=True)
    evening, morning = feed.tape("AAA", session_on(DAY)), feed.tape("AAA", session_on(NEXT))
    before = morning.start_s < session_on(NEXT).open_s
    regular = ~before & (morning.start_s < session_on(NEXT).close_s)
    assert abs(int(morning.open[before][0]) - int(evening.close[-1])) < 0.003 * int(evening.close[-1])
    assert abs(int(morning.close[before][-1]) - int(morning.open[regular][0])) < 0.003 * int(morning.open[regular][0])
    assert 90 < before.sum() < 240  # of 330 minutes
    assert morning.volume[before].sum() < 0.1 * morning.volume[regular].sum()
    assert np.all(np.diff(morning.point_s) > 0)
    assert morning.spread_half is not None
    assert int(morning.spread_half[0]) == 6 * half_spread(int(morning.open[0]))


@pytest.mark.skipif(not (DATA / "minute" / "AAPL.parquet").is_file(), reason="no recorded data here")
def test_recorded_rows_around_the_session_are_played_with_their_quotes() -> None:
    day = date(2014, 6, 5)
    feed = ReplayFeed(DATA, new_york_calendar(day), extended_hours=True)
    session = feed.require_session(day)
    tape = feed.tape("AAPL", session)
    before, after = tape.start_s < session.open_s, tape.start_s >= session.close_s
    assert (before.sum(), after.sum()) == (140, 156)  # rows that the file marks pre and post
    assert tape.spread_s is not None and tape.spread_half is not None
    spread: dict[bool, list[int]] = {True: [], False: []}  # in the regular session, around it
    for known_s, half in zip(tape.spread_s.tolist(), tape.spread_half.tolist(), strict=True):
        spread[session.open_s < known_s <= session.close_s].append(half)
    assert np.median(spread[False]) > np.median(spread[True]) > 0


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


def test_a_gateway_that_is_late_closes_before_it_shows_the_post_market(tmp_path: Path) -> None:
    clock: Any = SetClock(at("15:59:00"))
    gateway = Gateway(feed_of(tmp_path, DAY), CALENDAR, clock, ("AAA",), GatewayOptions())
    gateway.begin(session_on())
    market = gateway.player.market("AAA")
    assert market is not None
    due = gateway.day.next_second()
    assert due == second("15:59")
    gateway.day.act(session_on(), due)
    assert gateway.exchange.is_open
    clock.time = at("16:00:30")
    due = gateway.day.next_second()
    assert due == second("16:00")  # and not half a minute later
    gateway.day.act(session_on(), due)
    assert (gateway.exchange.is_extended, market.last) == (True, 1_023_000)  # 102.30, the last price of the session
    due = gateway.day.next_second()
    assert due == second("16:00:30")
    gateway.day.act(session_on(), due)
    assert market.last == 1_040_000
