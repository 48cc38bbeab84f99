"""Market data as a client hears it: quotes, bars and ticks of a running gateway, in simulated time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from ib_simulator.data_service import DataOptions
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.market_data_permissions import Permission
from ib_simulator.market_phases import EventKind, MarketEvent
from ib_simulator.pacing import PacingLimits
from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop
from tests.ib_simulator.wire_client import DAY, WireClient, in_simulated_time, simulated_gateway

OPEN_S = 1_759_843_800  # 2025-10-07 13:30 UTC, 09:30 in New York
AAA = [0, "AAA", "STK", "", 0, "", "", "SMART", "", "USD", "", ""]
LIVE_UPDATES = GatewayOptions(data=DataOptions(bar_update_s=5))
PACED = GatewayOptions(data=DataOptions(pacing=PacingLimits(enforced=True)))


class World(NamedTuple):
    """A running gateway and one client of it."""

    gateway: Gateway
    clock: SimulatedClock
    client: WireClient
    port: int

    async def until(self, second: float) -> None:
        """Wait for a second from the open; a little later, so that what happens then was heard."""
        await self.clock.sleep_until(datetime.fromtimestamp(OPEN_S + second + 0.4, self.clock.now().tzinfo))

    def heard(self, *kinds: int) -> list[list[str]]:
        """Messages of these kinds since the last call, without the kind; all other ones are dropped."""
        messages, self.client.heard[:] = list(self.client.heard), []
        return [message[1:] for message in messages if int(message[0]) in kinds]

    def events(self, second: int, kind: EventKind, **more: Any) -> None:
        self.gateway.schedule(MarketEvent(second=OPEN_S + second, symbol="AAA", kind=kind, **more))


def play(
    scenario: Callable[[World], Awaitable[None]], options: GatewayOptions | None = None, versions: str = "v157..176"
) -> None:
    async def run(loop: SimulatedTimeLoop) -> None:
        async with simulated_gateway(loop, options=options) as (gateway, port, clock):
            client = await WireClient.connect(port, versions=versions)
            await scenario(World(gateway, clock, client, port))

    in_simulated_time(run)


def quotes(client: WireClient, req_id: int, generic: str = "", snapshot: int = 0, regulatory: int = 0) -> None:
    client.send(1, 11, req_id, *AAA, 0, generic, snapshot, regulatory, "")


def history(
    client: WireClient,
    req_id: int,
    size: str,
    duration: str = "1 D",
    what: str = "TRADES",
    end: str = "",
    update: int = 0,
    form: int = 2,
) -> None:
    client.send(20, req_id, *AAA, 0, end, size, duration, 1, what, form, update, "")


def bars_of(message: list[str]) -> list[list[str]]:
    """The rows of a historicalData message without its kind: time, open, high, low, close, volume, average, count."""
    n, rows = int(message[3]), message[4:]
    assert len(rows) == 8 * n
    return [rows[8 * k : 8 * k + 8] for k in range(n)]


# Quotes


def test_a_line_starts_as_on_a_real_gateway() -> None:
    async def scenario(world: World) -> None:
        await world.until(90)
        world.heard()
        quotes(world.client, 7)
        await world.until(91)
        messages, world.client.heard[:] = list(world.client.heard), []
        kinds = [(message[0], message[3] if message[0] in "1 2 45 46" else "") for message in messages]
        assert kinds[:13] == [
            *(("58", ""), ("81", "")),
            *(("1", "1"), ("2", "0"), ("1", "2"), ("2", "3"), ("46", "45"), ("1", "4"), ("2", "5")),
            *(("1", "6"), ("1", "7"), ("2", "8"), ("46", "32")),
        ]

    play(scenario)


def test_sizes_repeat_and_vary_and_the_day_volume_comes_with_each_minute() -> None:
    async def scenario(world: World) -> None:
        await world.until(1)
        quotes(world.client, 7)
        await world.until(305)
        ticks = world.heard(1, 2)
        bids = [(tick[2], tick[4]) for tick in ticks if len(tick) == 6 and tick[2] == "1"]
        assert len({size for _, size in bids}) > 3
        assert all(int(size) % 100 == 0 and int(size) > 0 for _, size in bids)
        volumes = [int(tick[3]) for tick in ticks if len(tick) == 4 and tick[2] == "8"]
        market = world.gateway.exchange.markets["AAA"]
        totals = [sum(bar.volume for bar in market.published[:n]) for n in range(6)]
        assert volumes == totals  # the first one at the subscription

    play(scenario)


def test_sizes_are_in_lots_for_clients_below_159() -> None:
    async def scenario(world: World) -> None:
        await world.until(61)
        quotes(world.client, 7)
        await world.until(62)
        sizes = [int(tick[3]) for tick in world.heard(2) if tick[2] in "035"]
        assert len(sizes) == 3
        assert all(1 <= size <= 16 for size in sizes)

    play(scenario, versions="v100..157")


def test_generic_ticks_are_told_when_asked_for() -> None:
    async def scenario(world: World) -> None:
        await world.until(61)
        quotes(world.client, 7, "233,236,232")
        await world.until(85)
        heard = world.heard(1, 2, 45, 46)
        (shortable,) = [tick[3] for tick in heard if tick[2] == "46" and len(tick) == 4]
        assert float(shortable) == 3.0
        volumes = [tick[3].split(";") for tick in heard if tick[2] == "48"]
        market = world.gateway.exchange.markets["AAA"]
        price, size, ms, total, vwap, single = volumes[-1]
        assert (float(price), int(ms), int(total), single) == (
            market.last / 10_000,
            market.last_at_s * 1000,
            market.published[0].volume,
            "true",
        )
        assert int(size) % 100 == 0
        assert float(vwap) == pytest.approx(market.published[0].close / 10_000)
        (*_, mark) = [float(tick[3]) for tick in heard if tick[2] == "37"]
        assert mark == pytest.approx((market.bid + market.ask) / 20_000)

    play(scenario)


@pytest.mark.parametrize(
    ("generic", "snapshot", "regulatory", "text"),
    [
        ("999", 0, 0, "Incorrect generic tick list of 999"),
        ("233", 1, 0, "Snapshot market data subscription is not applicable to generic ticks"),
        ("", 1, 1, "Regulatory snapshots are not served"),
    ],
)
def test_subscriptions_that_are_none_are_refused(generic: str, snapshot: int, regulatory: int, text: str) -> None:
    async def scenario(world: World) -> None:
        world.heard()
        quotes(world.client, 7, generic, snapshot, regulatory)
        await world.until(1)
        (error,) = world.heard(4)
        assert error[1:3] == ["7", "321"]
        assert text in error[3]

    play(scenario)


def test_a_snapshot_ends_and_does_not_go_on() -> None:
    async def scenario(world: World) -> None:
        await world.until(61)
        quotes(world.client, 7, snapshot=1)
        await world.until(62)
        assert world.client.heard[-1] == ["57", "1", "7"]
        world.heard()
        await world.until(200)
        assert world.heard(1, 2, 45, 46) == []

    play(scenario)


def test_a_second_line_with_the_same_id_is_refused_and_the_first_lives() -> None:
    async def scenario(world: World) -> None:
        quotes(world.client, 7)
        quotes(world.client, 7)
        await world.until(30)
        assert [error[2] for error in world.heard(4) if error[1] == "7"] == ["322"]
        await world.until(100)
        assert world.heard(1)

    play(scenario)


# Permissions


def test_delayed_data_is_what_the_market_was_fifteen_minutes_ago() -> None:
    async def scenario(world: World) -> None:
        world.client.send(59, 1, 3)
        quotes(world.client, 7)
        await world.until(899)
        heard = world.heard(1, 4, 58)
        assert [error[2] for error in heard if error[1] == "7" and error[0] == "2"] == ["10167"]
        assert [message for message in heard if message[0] == "1"] == [["1", "7", "3"]]
        assert all(tick[2] == "75" for tick in heard if len(tick) == 6)  # the close of the day before
        await world.until(960)
        ticks = world.heard(1, 2, 46)
        assert {tick[2] for tick in ticks} == {"66", "67", "68", "69", "70", "71", "72", "73", "74", "76", "88"}
        lasts = [float(tick[3]) for tick in ticks if tick[2] == "68"]
        seen = world.gateway.exchange.markets["AAA"].seen()
        # points of seconds 0, 20, 40 and 60; the one of second 59 is over by the next point of the grid
        assert lasts == [seen.price_before(OPEN_S + second + 1) / 10_000 for second in (0, 20, 40, 60)]

    play(scenario, GatewayOptions(data=DataOptions(permission=Permission.DELAYED)))


@pytest.mark.parametrize(
    ("permission", "wanted", "code"), [("none", 3, "10168"), ("delayed", 1, "354"), ("no_api", 1, "10089")]
)
def test_without_permission_there_are_no_ticks(permission: str, wanted: int, code: str) -> None:
    async def scenario(world: World) -> None:
        world.client.send(59, 1, wanted)
        quotes(world.client, 7)
        await world.until(120)
        heard = world.heard(1, 2, 4, 46)
        assert [message[2] for message in heard if message[1] == "7" or len(message) == 6] == [code]

    play(scenario, GatewayOptions(data=DataOptions(permission=Permission(permission))))


def test_partial_permission_leaves_ticks_that_need_no_subscription() -> None:
    async def scenario(world: World) -> None:
        quotes(world.client, 7)
        await world.until(120)
        heard = world.heard(1, 2, 4, 46)
        assert [message[2] for message in heard if message[1] == "7"] == ["10090", "9"]

    play(scenario, GatewayOptions(data=DataOptions(permission=Permission.PARTIAL)))


def test_a_competing_session_stops_ticks_until_it_ends() -> None:
    async def scenario(world: World) -> None:
        quotes(world.client, 7)
        world.events(60, EventKind.PERMISSION, permission="competing_session")
        world.events(180, EventKind.PERMISSION, permission="live")
        await world.until(59)
        world.heard()
        await world.until(170)
        assert [message[2] for message in world.heard(1, 2, 4, 46)] == ["10197"]
        await world.until(190)
        heard = world.heard(1, 58)
        assert heard[0] == ["1", "7", "1"]
        assert len(heard) > 2

    play(scenario)


def test_other_services_refuse_without_permission_too() -> None:
    async def scenario(world: World) -> None:
        world.client.send(50, 3, 1, *AAA, 5, "TRADES", 1, "")
        world.client.send(97, 2, *AAA, "Last", 0, 0)
        history(world.client, 3, "1 min")
        await world.until(1)
        errors = [message[1:3] for message in world.heard(4) if message[1] in "123"]
        assert errors == [["1", "420"], ["2", "10189"], ["3", "162"]]

    play(scenario, GatewayOptions(data=DataOptions(permission=Permission.NO_API)))


# Halts


def test_a_halt_is_told_and_quotes_freeze_until_the_reopening() -> None:
    async def scenario(world: World) -> None:
        quotes(world.client, 7)
        world.events(125, EventKind.PAUSE, duration_s=300, jump_bps=-500)
        await world.until(125)
        assert [float(tick[3]) for tick in world.heard(45)] == [2.0]
        before = world.gateway.exchange.markets["AAA"].last
        await world.until(424)
        assert [tick[2] for tick in world.heard(1, 2, 46, 45)] == ["8"]  # the minute that had begun is published
        await world.until(425)
        heard = world.heard(1, 45)
        assert [float(tick[3]) for tick in heard if len(tick) == 4] == [0.0]
        (last,) = [float(tick[3]) for tick in heard if tick[2] == "4"]
        assert last < before / 10_000 * 0.98

    play(scenario)


def test_an_order_during_a_halt_is_held_with_a_warning_and_fills_at_the_reopening() -> None:
    async def scenario(world: World) -> None:
        world.events(60, EventKind.HALT)
        world.events(120, EventKind.RESUME)
        await world.until(61)
        world.heard()
        world.client.place(1, "AAA", "BUY", 10)
        await world.until(119)
        heard = world.heard(4, 11)
        assert [message[1:3] for message in heard] == [["1", "2128"]]
        await world.until(121)
        assert len(world.heard(11)) == 1

    play(scenario)


def test_an_order_during_a_halt_is_refused_where_that_is_the_rule() -> None:
    async def scenario(world: World) -> None:
        world.events(60, EventKind.HALT)
        await world.until(61)
        world.heard()
        world.client.place(1, "AAA", "BUY", 10)
        await world.until(62)
        assert [message[1:3] for message in world.heard(4)] == [["1", "154"]]

    play(scenario, GatewayOptions(refuses_when_halted=True))


def test_stale_quotes_stop_while_the_market_goes_on() -> None:
    async def scenario(world: World) -> None:
        quotes(world.client, 7)
        world.events(60, EventKind.STALE_QUOTES, duration_s=60)
        await world.until(61)
        world.heard()
        world.client.place(1, "AAA", "BUY", 10)
        await world.until(119)
        assert len(world.heard(1, 2, 46, 11)) == 1  # the execution
        await world.until(141)
        assert world.heard(1)

    play(scenario)


# Real-time bars and ticks


@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT", "BID", "ASK"])
def test_real_time_bars_come_every_five_seconds_on_the_grid(what: str) -> None:
    async def scenario(world: World) -> None:
        await world.until(62)
        world.client.send(50, 3, 5, *AAA, 5, what, 1, "")
        await world.until(240)
        bars = [message[2:] for message in world.heard(50)]
        assert [int(bar[0]) - OPEN_S for bar in bars] == list(range(60, 240, 5))
        if what == "TRADES":
            minute = [bar for bar in bars if 120 <= int(bar[0]) - OPEN_S < 180]
            published = world.gateway.exchange.markets["AAA"].published[2]
            assert sum(int(bar[5]) for bar in minute) == published.volume
            assert float(minute[0][1]) == published.open / 10_000
            assert max(float(bar[2]) for bar in minute) == published.high / 10_000
            assert float(minute[-1][4]) == published.close / 10_000
        else:
            assert all(bar[5:] == ["-1", "-1.0", "-1"] for bar in bars)

    play(scenario)


def test_bid_bars_lie_below_ask_bars() -> None:
    async def scenario(world: World) -> None:
        world.client.send(50, 3, 5, *AAA, 5, "BID", 1, "")
        world.client.send(50, 3, 6, *AAA, 5, "ASK", 1, "")
        await world.until(60)
        bars = world.heard(50)
        closes = {req_id: [float(bar[6]) for bar in bars if bar[1] == req_id] for req_id in ("5", "6")}
        assert len(closes["5"]) == len(closes["6"]) == 12
        assert all(bid < ask for bid, ask in zip(closes["5"], closes["6"], strict=True))

    play(scenario)


def test_cancelled_real_time_bars_stop_and_unknown_ones_are_named() -> None:
    async def scenario(world: World) -> None:
        world.client.send(50, 3, 5, *AAA, 5, "TRADES", 1, "")
        await world.until(20)
        world.client.send(51, 1, 5)
        world.client.send(51, 1, 6)
        await world.until(21)
        assert [message[1:3] for message in world.heard(4) if message[1] in "56"] == [["6", "300"]]
        await world.until(60)
        assert world.heard(50) == []

    play(scenario)


@pytest.mark.parametrize(("kind", "number"), [("Last", "1"), ("AllLast", "2"), ("BidAsk", "3"), ("MidPoint", "4")])
def test_ticks_come_with_each_print_after_the_past_ones(kind: str, number: str) -> None:
    async def scenario(world: World) -> None:
        await world.until(130)
        world.client.send(97, 5, *AAA, kind, 4, 0)
        await world.until(131)
        (past,) = world.heard(96, 97, 98)
        assert past[:2] == ["5", "4"]
        assert past[-1] == "1"
        await world.until(190)
        ticks = world.heard(99)
        assert {tick[1] for tick in ticks} == {number}
        points = list(world.gateway.exchange.markets["AAA"].seen().prints(OPEN_S + 131, OPEN_S + 191))
        if "Last" in kind:
            assert [(int(tick[2]), float(tick[3])) for tick in ticks] == [(at, price / 10_000) for at, price in points]
        world.client.send(98, 5)
        await world.until(250)
        world.heard()
        await world.until(300)
        assert world.heard(99) == []

    play(scenario)


# History


def test_bars_of_every_size_cover_the_same_prices() -> None:
    sizes = ["1 secs", "5 secs", "10 secs", "15 secs", "30 secs", "1 min", "2 mins", "3 mins", "5 mins", "10 mins"]
    sizes += ["15 mins", "20 mins", "30 mins", "1 hour", "2 hours", "3 hours", "4 hours", "8 hours", "1 day"]

    async def scenario(world: World) -> None:
        await world.until(3_600)
        world.heard()
        for n, size in enumerate(sizes):
            history(world.client, n, size)
        await world.until(3_605)
        answers = {int(message[0]): bars_of(message) for message in world.heard(17)}
        assert sorted(answers) == list(range(len(sizes)))
        minutes = answers[5]
        for rows in answers.values():
            assert rows[0][1] == minutes[0][1]
            assert max(float(row[2]) for row in rows) == max(float(row[2]) for row in minutes)
            assert rows[-1][4] == minutes[-1][4]
        # seconds sum to minutes; the running minute has had none of its volume yet
        assert sum(int(row[5]) for row in answers[0]) == sum(int(row[5]) for row in minutes)
        hours = answers[sizes.index("1 hour")]
        assert [int(row[0]) - OPEN_S for row in hours] == [0, 1_800]  # 09:30 and 10:00
        assert [int(row[0]) - OPEN_S for row in answers[sizes.index("20 mins")]] == [0, 600, 1_800, 3_000]

    play(scenario)


def test_weeks_and_months_start_on_their_first_session() -> None:
    async def scenario(world: World) -> None:
        world.heard()
        history(world.client, 1, "1 week", "4 W")
        history(world.client, 2, "1 month", "3 M")
        history(world.client, 3, "1 day", "3 M")
        await world.until(1)
        weeks, months, days = (bars_of(message) for message in world.heard(17))
        assert [row[0] for row in weeks][-2:] == ["20250929", "20251006"]
        assert [row[0] for row in months][-2:] == ["20250902", "20251001"]
        september = [row for row in days if row[0].startswith("202509")]
        assert months[-2][1] == september[0][1]
        assert months[-2][4] == september[-1][4]
        assert int(months[-2][5]) == sum(int(row[5]) for row in september)

    play(scenario)


@pytest.mark.parametrize("what", ["MIDPOINT", "BID", "ASK", "BID_ASK"])
def test_quote_bars_have_no_volume(what: str) -> None:
    async def scenario(world: World) -> None:
        await world.until(600)
        world.heard()
        history(world.client, 1, "1 min", what=what)
        history(world.client, 2, "1 min")
        await world.until(601)
        shown, trades = (bars_of(message) for message in world.heard(17))
        assert all(row[5:] == ["-1", "-1.0", "-1"] for row in shown)
        away = float(shown[0][3]) - float(trades[0][3])
        assert {"MIDPOINT": away == 0, "BID": away < 0, "ASK": away > 0, "BID_ASK": away < 0}[what]

    play(scenario)


def test_a_request_that_ends_earlier_gives_bars_before_its_end() -> None:
    async def scenario(world: World) -> None:
        await world.until(1_200)
        world.heard()
        history(world.client, 1, "1 min", "300 S", end="20251007 09:45:00 US/Eastern")
        history(world.client, 2, "1 min", "300 S", end="20251007-13:45:00")
        history(world.client, 3, "1 min", "300 S", end="20251007 09:45:00 US/Eastern", form=1)
        await world.until(1_201)
        first, second, text = world.heard(17)
        rows = bars_of(first)
        assert [int(row[0]) - OPEN_S for row in rows] == [600, 660, 720, 780, 840]
        assert bars_of(second) == rows
        assert first[1:3] == ["20251007 09:40:00 US/Eastern", "20251007 09:45:00 US/Eastern"]
        assert bars_of(text)[0][0] == "20251007 09:40:00 US/Eastern"

    play(scenario)


@pytest.mark.parametrize(
    ("size", "duration", "what", "end", "update", "code", "text"),
    [
        ("7 mins", "1 D", "TRADES", "", 0, "321", "bar size setting is invalid"),
        ("1 min", "1 D", "HISTORICAL_VOLATILITY", "", 0, "321", "type is invalid"),
        ("1 min", "1 D", "TRADES", "yesterday", 0, "321", "yesterday"),
        ("1 min", "1 D", "TRADES", "20251007-13:45:00", 1, "321", "End Date not allowed"),
        ("1 min", "1 D", "ADJUSTED_LAST", "20251007-13:45:00", 0, "321", "adjusted last"),
        ("1 secs", "60 S", "TRADES", "", 1, "321", "5 secs or more"),
        ("1 min", "60 S", "TRADES", "20251007-08:00:00", 0, "162", "HMDS query returned no data: AAA@SMART Trades"),
    ],
)
def test_requests_without_an_answer_get_their_error(
    size: str, duration: str, what: str, end: str, update: int, code: str, text: str
) -> None:
    async def scenario(world: World) -> None:
        await world.until(60)
        world.heard()
        history(world.client, 9, size, duration, what, end, update)
        await world.until(61)
        (error,) = world.heard(4, 17)
        assert error[1:3] == ["9", code]
        assert text in error[3]

    play(scenario)


def test_unfinished_bars_are_updated_every_five_seconds_with_the_volume_so_far() -> None:
    async def scenario(world: World) -> None:
        await world.until(62)
        history(world.client, 1, "1 min", update=1)
        await world.until(179)
        updates = [message for message in world.heard(90) if int(message[2]) - OPEN_S == 120]
        assert len(updates) == 12  # at 2:00, 2:05 .. 2:55
        volumes = [int(update[8]) for update in updates]
        assert volumes[0] == 0
        assert volumes == sorted(volumes)
        await world.until(180)
        final = next(message for message in world.heard(90) if int(message[2]) - OPEN_S == 120)
        published = world.gateway.exchange.markets["AAA"].published[2]
        assert int(final[8]) == published.volume > volumes[-1]

    play(scenario, LIVE_UPDATES)


def test_an_embedded_gateway_updates_a_minute_at_its_start_and_at_its_end_only() -> None:
    async def scenario(world: World) -> None:
        await world.until(62)
        history(world.client, 1, "1 min", update=1)
        await world.until(185)
        assert [int(message[2]) - OPEN_S for message in world.heard(90)] == [60, 120, 120, 180]

    play(scenario)


@pytest.mark.parametrize("options", [None, LIVE_UPDATES])
def test_longer_bars_grow_from_where_the_answer_left_them(options: GatewayOptions | None) -> None:
    async def scenario(world: World) -> None:
        await world.until(7 * 60 + 10)  # two minutes of the bar that began at 09:35 are published
        history(world.client, 1, "5 mins", update=1)
        history(world.client, 2, "1 day", update=1)
        await world.until(8 * 60)
        updates = world.heard(90)
        published = world.gateway.exchange.markets["AAA"].published
        five, day = (next(m for m in reversed(updates) if m[0] == req_id and m[8] != "0") for req_id in ("1", "2"))
        if options is not None:  # an unfinished minute follows at once
            five, day = ([m for m in updates if m[0] == req_id][-2] for req_id in ("1", "2"))
        assert int(five[2]) - OPEN_S == 300
        assert (int(five[8]), float(five[3])) == (sum(bar.volume for bar in published[5:8]), published[5].open / 10_000)
        assert (day[2], int(day[8])) == ("20251007", sum(bar.volume for bar in published))

    play(scenario, options)


@pytest.mark.parametrize(("size", "starts"), [("5 secs", [60, 65, 70, 75]), ("15 secs", [60, 60, 60, 75])])
def test_bars_shorter_than_a_minute_are_updated_on_the_grid(size: str, starts: list[int]) -> None:
    async def scenario(world: World) -> None:
        await world.until(61)
        history(world.client, 1, size, update=1)
        await world.until(80)
        assert [int(message[2]) - OPEN_S for message in world.heard(90)] == starts

    play(scenario)


def test_a_cancelled_subscription_says_so_and_stops() -> None:
    async def scenario(world: World) -> None:
        await world.until(62)
        history(world.client, 1, "1 min", update=1)
        await world.until(70)
        world.heard()
        world.client.send(25, 1, 1)
        world.client.send(25, 1, 2)
        await world.until(300)
        heard = world.heard(4, 90)
        assert [message[1:3] for message in heard] == [["1", "162"], ["2", "366"]]
        assert heard[0][3].endswith("API historical data query cancelled: 1")

    play(scenario)


# Single answers


def test_historical_ticks_end_where_asked() -> None:
    async def scenario(world: World) -> None:
        await world.until(600)
        world.heard()
        world.client.send(96, 1, *AAA, 0, "", "20251007 09:35:00 US/Eastern", 6, "TRADES", 1, 0, "")
        world.client.send(96, 2, *AAA, 0, "20251007 09:35:00 US/Eastern", "", 6, "MIDPOINT", 1, 0, "")
        world.client.send(96, 3, *AAA, 0, "20251007 09:35:00 US/Eastern", "20251007-14:00:00", 6, "TRADES", 1, 0, "")
        await world.until(601)
        last, mid, error = world.heard(4, 96, 98)
        points = list(world.gateway.exchange.markets["AAA"].seen().prints(OPEN_S, OPEN_S + 600))
        before = [(at_s, price / 10_000) for at_s, price in points if at_s < OPEN_S + 300][-6:]
        after = [point for point in points if point[0] >= OPEN_S + 300][:6]
        assert [(int(last[2 + 6 * n]), float(last[4 + 6 * n])) for n in range(6)] == before
        assert [int(mid[2 + 4 * n]) for n in range(6)] == [at for at, _ in after]
        assert error[1:3] == ["3", "321"]

    play(scenario)


def test_a_histogram_counts_the_volume_of_its_period() -> None:
    async def scenario(world: World) -> None:
        await world.until(600)
        world.heard()
        world.client.send(88, 1, *AAA, 0, 1, "10 minutes")
        world.client.send(88, 2, *AAA, 0, 1, "soon")
        await world.until(601)
        rows, error = world.heard(4, 89)
        assert error[1:3] == ["2", "321"]
        total = sum(int(size) for size in rows[3::2])
        assert total == sum(bar.volume for bar in world.gateway.exchange.markets["AAA"].published)

    play(scenario)


def test_the_first_date_of_a_symbol_is_known() -> None:
    async def scenario(world: World) -> None:
        world.heard()
        world.client.send(87, 1, *AAA, 0, 1, "TRADES", 2)
        await world.until(1)
        (answer,) = world.heard(88)
        assert datetime.fromtimestamp(int(answer[1]), UTC).year < 2025

    play(scenario)


def test_every_question_without_data_has_an_answer() -> None:
    async def scenario(world: World) -> None:
        world.heard()
        world.client.send(14, 1, 5)
        for fields in ((79, 1), (80,), (82,), (83, 2, "9c0001"), (85,), (91, 26), (81, 3, "AA"), (90, 4)):
            world.client.send(*fields)
        world.client.send(91, 999)
        await world.until(1)
        assert [message[0] for message in world.client.heard] == ["77", "78", "80", "82", "85", "93", "79", "4"]

    play(scenario)


# Limits


def test_a_client_above_the_message_rate_is_warned_then_refused_then_closed() -> None:
    async def scenario(world: World) -> None:
        world.heard()
        for _ in range(160):
            world.client.send(49, 1)
        await world.until(1)
        assert [message[2] for message in world.heard(4)] == ["0", "100", "100", "100"]
        assert world.client.is_closed

    play(scenario, PACED)


def test_the_hundred_and_first_line_is_refused() -> None:
    async def scenario(world: World) -> None:
        await world.until(1)
        world.heard()
        for n in range(101):
            await world.clock.sleep_until(world.clock.now() + timedelta(milliseconds=50))
            quotes(world.client, n)
        await world.until(10)
        assert [message[1:3] for message in world.heard(4)] == [["100", "101"]]

    play(scenario, PACED)


def test_historical_pacing_is_enforced_where_it_is_on() -> None:
    async def scenario(world: World) -> None:
        await world.until(60)
        world.heard()
        history(world.client, 1, "5 secs", "60 S")
        history(world.client, 2, "5 secs", "60 S")
        await world.until(61)
        heard = world.heard(4, 17)
        assert heard[1][1:] == ["2", "162", "Historical Market Data Service error message:"
                                "Historical data request pacing violation", ""]  # fmt: skip

    play(scenario, PACED)


def test_two_runs_of_one_day_tell_the_same() -> None:
    async def stream(loop: SimulatedTimeLoop) -> list[list[str]]:
        async with simulated_gateway(loop, options=LIVE_UPDATES) as (gateway, port, clock):
            client = await WireClient.connect(port)
            quotes(client, 1, "233")
            client.send(50, 3, 2, *AAA, 5, "TRADES", 1, "")
            gateway.schedule(MarketEvent(second=OPEN_S + 200, symbol="AAA", kind=EventKind.HALT, duration_s=90))
            await clock.sleep_until(datetime.fromtimestamp(OPEN_S + 600, clock.now().tzinfo))
            return client.heard

    assert in_simulated_time(stream) == in_simulated_time(stream)


def test_the_played_day_is_the_one_that_these_tests_count_from() -> None:
    assert date(2025, 10, 7) == DAY
