"""Halts, pauses, reopenings and price bands, as a market and its bars go through them."""

from __future__ import annotations

import pytest

from ib_simulator.market import Halt, SymbolMarket
from ib_simulator.market_phases import EventKind, LimitBands, MarketEvent, MarketPhases, band_width
from market_hours import Session, new_york_calendar
from tests.ib_simulator.test_market import DAY, OPEN_S, Minute, tape_of
from trading.bars import Bar

FLAT = [Minute(n, 100_000 + 100 * n, 100_300 + 100 * n, 99_900 + 100 * n, 100_200 + 100 * n, 6_000) for n in range(8)]


def market_at(second: int, minutes: list[Minute] | None = None) -> SymbolMarket:
    """A market whose points and bars until `second` (from the open) were shown."""
    market = SymbolMarket(tape_of(minutes or FLAT), 99_000)
    show(market, second)
    return market


def show(market: SymbolMarket, until: int) -> list[Bar]:
    """Points and publications until a second from the open; the bars that came."""
    bars = []
    while (point_s := market.next_point_s()) is not None and point_s <= OPEN_S + until:
        while (end_s := market.next_publication_s()) is not None and end_s <= point_s:
            bars.append(market.publish())
        market.step()
    while (end_s := market.next_publication_s()) is not None and end_s <= OPEN_S + until:
        bars.append(market.publish())
    return bars


def test_nothing_moves_while_trading_is_halted() -> None:
    market = market_at(130)
    market.stop(Halt.REGULATORY)
    before = market.last
    show(market, 100_000)
    assert (market.halt, market.last, market.next_point_s()) == (Halt.REGULATORY, before, None)


def test_the_minute_in_which_a_halt_begins_is_published_as_far_as_it_traded() -> None:
    market = market_at(145)  # in minute 2, points of seconds 0 and 20 were shown
    market.stop(Halt.VOLATILITY)
    (bar,) = show(market, 100_000)
    assert bar == Bar(OPEN_S + 120, 100_200, 100_200, 100_100, 100_100, 6_000 * 21 // 60)


def test_trading_reopens_where_the_tape_is_by_then() -> None:
    market = market_at(125)
    market.stop(Halt.REGULATORY)
    market.reopen(OPEN_S + 250, 0)  # minute 4: 100_400 at its second 0, the next point is at 260
    assert market.next_point_s() == OPEN_S + 250
    point = market.step()
    assert (point.price, point.jump) == (100_400, True)
    assert market.next_point_s() == OPEN_S + 260


def test_minutes_of_a_halt_have_no_bar_and_the_first_one_after_it_is_what_traded() -> None:
    market = market_at(125)
    market.stop(Halt.REGULATORY)
    market.reopen(OPEN_S + 250, 0)
    bars = show(market, 480)
    assert [(bar.start_s - OPEN_S) // 60 for bar in bars] == [2, 4, 5, 6, 7]
    # reopened at 100_400; then low 100_300 at 260, high 100_700 at 280, close 100_600 at 299: 50 seconds of it
    assert bars[1] == Bar(OPEN_S + 240, 100_400, 100_700, 100_300, 100_600, 6_000 * 50 // 60)
    assert bars[2] == Bar(OPEN_S + 300, 100_500, 100_800, 100_400, 100_700, 6_000)


def test_a_reopening_can_jump_and_the_rest_of_the_session_keeps_the_distance() -> None:
    market = market_at(125)
    market.stop(Halt.REGULATORY)
    market.reopen(OPEN_S + 240, -1_000)  # 10 % of 100_400, in whole cents
    bars = show(market, 480)
    assert bars[-1] == Bar(OPEN_S + 420, 90_700, 91_000, 90_600, 90_900, 6_000)
    assert market.low == 90_300  # 100_300 of minute 4, 10_000 lower


def test_a_halt_within_one_minute_leaves_one_bar_of_it() -> None:
    market = market_at(125)
    market.stop(Halt.VOLATILITY)
    market.reopen(OPEN_S + 150, 0)
    (bar, *_) = show(market, 240)
    assert (bar.start_s, bar.open, bar.close) == (OPEN_S + 120, 100_200, 100_400)


def test_a_market_halted_before_the_open_starts_with_its_reopening() -> None:
    market = SymbolMarket(tape_of(FLAT), 99_000)
    market.stop(Halt.REGULATORY)
    market.reopen(OPEN_S + 95, 0)
    market.step()
    assert (market.open, market.last_at_s) == (99_000 + 1_000, OPEN_S + 95)


def test_reopening_a_market_that_trades_does_nothing() -> None:
    market = market_at(125)
    market.reopen(OPEN_S + 130, 500)
    assert market.next_price() == market_at(125).next_price()


def test_sub_minute_bars_of_a_halt_are_flat() -> None:
    market = market_at(125)
    market.stop(Halt.REGULATORY)
    bar = market.seen().bar(OPEN_S + 180, OPEN_S + 185)
    assert bar is not None
    assert bar[1:5] == (100_200,) * 4


class Host:
    """One market and what it was told."""

    def __init__(self, market: SymbolMarket) -> None:
        self.market = market
        self.told: list[object] = []

    def open_markets(self) -> list[SymbolMarket]:
        return [self.market]

    def market_for(self, symbol: str) -> SymbolMarket | None:
        return self.market if symbol == self.market.symbol else None

    def on_phase(self, market: SymbolMarket) -> None:
        self.told.append(market.halt)

    def on_data_event(self, event: MarketEvent) -> None:
        self.told.append(event.kind)


def event(second: int, kind: EventKind, symbol: str = "AAA", duration_s: int = 0) -> MarketEvent:
    return MarketEvent(second=OPEN_S + second, symbol=symbol, kind=kind, duration_s=duration_s)


def test_events_happen_in_order_of_their_seconds_and_not_before() -> None:
    host = Host(market_at(0))
    phases = MarketPhases(host, limit_bands=False)
    phases.schedule(event(60, EventKind.RESUME))
    phases.schedule(event(30, EventKind.HALT))
    assert phases.next_s() == OPEN_S + 30
    phases.run(OPEN_S + 29)
    assert host.told == []
    phases.run(OPEN_S + 60)
    assert host.told == [Halt.REGULATORY, Halt.TRADING]


def test_a_halt_with_a_duration_ends_by_itself() -> None:
    host = Host(market_at(0))
    phases = MarketPhases(host, limit_bands=False)
    phases.schedule(event(30, EventKind.PAUSE, duration_s=300))
    phases.run(OPEN_S + 30)
    assert phases.next_s() == OPEN_S + 330
    phases.run(OPEN_S + 330)
    assert host.told == [Halt.VOLATILITY, Halt.TRADING]


def test_a_pause_that_becomes_a_halt_does_not_end_with_the_pause() -> None:
    host = Host(market_at(0))
    phases = MarketPhases(host, limit_bands=False)
    phases.schedule(event(30, EventKind.PAUSE, duration_s=300))
    phases.schedule(event(60, EventKind.HALT))
    phases.run(OPEN_S + 1_000)
    assert (host.market.halt, phases.next_s()) == (Halt.REGULATORY, None)


def test_a_market_wide_halt_holds_every_market_and_those_that_open_later() -> None:
    host = Host(market_at(0))
    phases = MarketPhases(host, limit_bands=False)
    phases.schedule(event(30, EventKind.HALT, symbol=""))
    phases.run(OPEN_S + 30)
    later = market_at(0)
    phases.on_opened(later)
    assert [host.market.halt, later.halt, phases.halt_of("ZZZ")] == [Halt.REGULATORY] * 3


def test_events_of_the_data_feed_go_to_it() -> None:
    host = Host(market_at(0))
    phases = MarketPhases(host, limit_bands=False)
    phases.schedule(event(5, EventKind.STALE_QUOTES, duration_s=10))
    phases.run(OPEN_S + 5)
    phases.run(OPEN_S + 15)
    assert host.told == [EventKind.STALE_QUOTES, EventKind.FRESH_QUOTES]


@pytest.mark.parametrize(
    ("reference", "width"), [(100_000, 5_000), (30_000, 6_000), (7_500, 1_500), (7_400, 1_500), (1_000, 750)]
)
def test_bands_are_wider_for_cheap_stocks(reference: int, width: int) -> None:
    assert band_width(reference) == width


def session() -> Session:
    found = new_york_calendar(DAY).session_on(DAY)
    assert found is not None
    return found


def test_bands_double_at_the_open_and_before_the_close() -> None:
    market, bands = market_at(0), LimitBands()
    price = market.next_price()
    widths = [
        bands.around(market, session(), OPEN_S + second)[1] - price
        for second in (899, 900, 390 * 60 - 1501, 390 * 60 - 1500)
    ]
    assert [width // 100 for width in widths] == [99, 49, 49, 99]  # 5 % of 9.99 is 0.4995: whole cents


def crash() -> list[Minute]:
    """Fifteen quiet minutes at 10 USD, then 9 USD at once, and there it stays."""
    quiet = [Minute(n, 100_000, 100_000, 100_000, 100_000) for n in range(16)]
    return quiet + [Minute(n, 90_000, 90_000, 90_000, 90_000) for n in range(16, 30)]


def test_a_price_outside_the_bands_shows_the_band_and_then_pauses_for_five_minutes() -> None:
    host = Host(SymbolMarket(tape_of(crash()), 99_000))
    market = host.market
    phases = MarketPhases(host, limit_bands=True)
    shown = []
    while (point_s := market.next_point_s()) is not None:
        while (end_s := market.next_publication_s()) is not None and end_s <= point_s:
            market.publish()
        if not phases.stops_at_next_point(market, point_s, session()):
            shown.append((point_s - OPEN_S, market.step().price))
    assert shown[-2:] == [(959, 100_000), (960, 95_000)]  # the next point, 20 s later, starts the pause
    assert (market.halt, phases.next_s()) == (Halt.VOLATILITY, OPEN_S + 980 + 300)
    phases.run(OPEN_S + 1_280)
    assert (market.step().price, market.halt) == (90_000, Halt.TRADING)
    assert not phases.stops_at_next_point(market, OPEN_S + 1_300, session())


def test_without_bands_prices_are_what_the_tape_says() -> None:
    host = Host(SymbolMarket(tape_of(crash()), 99_000))
    phases = MarketPhases(host, limit_bands=False)
    assert not phases.has_bands
    assert not phases.stops_at_next_point(host.market, OPEN_S, session())
