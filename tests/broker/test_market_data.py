"""Bars and quotes from the gateway: when a bar is complete, what is asked again, what a quote shows."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ib_insync import BarData, BarDataList

from broker.broker import Broker
from broker.market_data import BAR_GRACE_S, MinuteBars
from broker.values import Quote
from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.request_types import ReqContractDetails, ReqHistoricalData, ReqMktData, Request
from market_hours import utc_from_epoch
from tests.gateway_world import MONDAY, HandMadeFeed, World, in_world, minute, second, session_on, warm_up
from trading.bars import Bar
from trading.errors import BrokerUnavailable, HistoryUnavailable

OPEN_S = MONDAY.open_s


# When a minute bar is complete


class Followed:
    """A subscription to minute bars as the library keeps it, and what was handed on of it."""

    def __init__(self, *starts_s: int, now_s: int) -> None:
        self.now_s = now_s
        self.handed_on: list[tuple[int, int]] = []  # (start relative to the open, close)
        self.bars = BarDataList()
        self.bars.extend(self._bar(start_s, 100.0) for start_s in starts_s)
        self.minutes = MinuteBars("AAA", OPEN_S, lambda: self.now_s, self._take)
        self.minutes.start(self.bars)

    def update(self, start_s: int, close: float, now_s: int) -> None:
        """A message about the bar that starts at `start_s`, at `now_s` (both relative to the open)."""
        self.now_s = OPEN_S + now_s
        bar = self._bar(OPEN_S + start_s, close)
        is_new = bar.date > self.bars[-1].date
        if is_new:
            self.bars.append(bar)
        else:
            self.bars[-1] = bar
        self.bars.updateEvent.emit(self.bars, is_new)

    def flush(self, now_s: int) -> None:
        self.now_s = OPEN_S + now_s
        self.minutes.flush(self.now_s)

    def _take(self, symbol: str, bar: Bar) -> None:
        assert symbol == "AAA"
        self.handed_on.append((bar.start_s - OPEN_S, bar.close // 10_000))

    @staticmethod
    def _bar(start_s: int, close: float) -> BarData:
        return BarData(date=utc_from_epoch(start_s), open=100.0, high=200.0, low=50.0, close=close, volume=10)


def test_a_bar_is_complete_when_a_newer_one_follows() -> None:
    followed = Followed(OPEN_S, now_s=OPEN_S + 30)
    assert followed.handed_on == []
    followed.update(60, 101.0, now_s=59)  # the gateway is a second ahead of us
    assert followed.handed_on == [(0, 100)]


def test_a_bar_is_complete_when_its_message_comes_after_its_end() -> None:
    followed = Followed(OPEN_S, now_s=OPEN_S + 30)
    followed.update(0, 102.0, now_s=59)
    assert followed.handed_on == []
    followed.update(0, 103.0, now_s=60)
    assert followed.handed_on == [(0, 103)]


def test_a_quiet_symbols_bar_is_complete_after_a_grace() -> None:
    followed = Followed(OPEN_S, now_s=OPEN_S + 30)
    followed.flush(now_s=60)
    followed.flush(now_s=60 + BAR_GRACE_S - 1)
    assert followed.handed_on == []
    followed.flush(now_s=60 + BAR_GRACE_S)
    followed.flush(now_s=60 + BAR_GRACE_S + 5)
    assert followed.handed_on == [(0, 100)]


def test_what_is_corrected_later_is_not_used() -> None:
    followed = Followed(OPEN_S, now_s=OPEN_S + 60)
    assert followed.handed_on == [(0, 100)]
    followed.update(0, 150.0, now_s=61)
    followed.update(60, 101.0, now_s=62)
    assert followed.handed_on == [(0, 100)]


def test_a_missing_minute_is_no_bar() -> None:
    followed = Followed(OPEN_S, now_s=OPEN_S + 30)
    followed.update(300, 105.0, now_s=301)
    followed.flush(now_s=360 + BAR_GRACE_S)
    assert followed.handed_on == [(0, 100), (300, 105)]


def test_bars_of_earlier_sessions_are_passed_over() -> None:
    followed = Followed(OPEN_S - 86_400, OPEN_S - 60, OPEN_S, OPEN_S + 60, now_s=OPEN_S + 90)
    assert followed.handed_on == [(0, 100)]


def test_nothing_is_handed_on_once_it_is_stopped() -> None:
    followed = Followed(OPEN_S, now_s=OPEN_S + 30)
    assert followed.minutes.stop() is followed.bars
    followed.update(60, 101.0, now_s=61)
    followed.flush(now_s=200)
    assert followed.handed_on == []
    assert followed.minutes.stop() is None


# History over TCP


async def connected(world: World, **settings: Any) -> Broker:
    broker = world.broker(**settings)
    await broker.open()
    return broker


def test_daily_bars_are_those_of_earlier_sessions_within_the_days_asked_for(tmp_path: Path) -> None:
    async def main(world: World) -> list[Bar]:
        await world.until("11:00")  # today's bar is being made
        return await (await connected(world)).data.daily_bars("AAA", MONDAY.date, 10)

    bars = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    dates = [utc_from_epoch(bar.start_s).date() for bar in bars]
    # ten calendar days before Monday the 28th begin on Friday the 18th
    assert [day.day for day in dates] == [18, 21, 22, 23, 24, 25]
    assert {bar[1:] for bar in bars} == {(1_000_000, 1_010_000, 990_000, 1_000_000, 2_000_000)}


def test_a_symbol_nobody_knows_has_no_history_and_says_why(tmp_path: Path) -> None:
    async def main(world: World) -> bool:
        data = (await connected(world)).data
        assert await data.contract("NOPE") is None
        with pytest.raises(HistoryUnavailable, match="no history for NOPE: 200 unknown contract") as caught:
            await data.daily_bars("NOPE", MONDAY.date, 10)
        assert caught.value.code == 200
        with pytest.raises(HistoryUnavailable, match="unknown contract"):
            await data.follow_quotes("NOPE")
        return await data.is_unknown("NOPE")

    assert in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)


def test_a_contract_is_asked_for_once(tmp_path: Path) -> None:
    async def main(world: World) -> int:
        asked: list[Request] = []

        def count(client: ClientConnection, request: ReqContractDetails) -> None:
            asked.append(request)
            world.as_usual(client, request)

        world.answer(ReqContractDetails, count)
        data = (await connected(world)).data
        first = await data.contract("AAA")
        assert first is not None
        assert first.conId > 0
        assert await data.contract("AAA") is first
        return len(asked)

    assert in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path) == 1


def test_an_answer_without_a_contract_is_unknown_and_is_not_kept(tmp_path: Path) -> None:
    async def main(world: World) -> list[bool]:
        data = (await connected(world)).data
        world.answer(
            ReqContractDetails, lambda client, request: client.send(replies.contract_details_end(request.req_id))
        )
        told = [await data.is_unknown("AAA")]
        world.answer(ReqContractDetails, world.as_usual)
        return [*told, await data.is_unknown("AAA")]

    assert in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path) == [True, False]


def test_a_refused_contract_request_says_nothing_about_the_stock(tmp_path: Path) -> None:
    """Shares of a stock that is taken for unknown are written off."""

    async def main(world: World) -> tuple[bool, HistoryUnavailable]:
        data = (await connected(world)).data
        world.answer(ReqContractDetails, lambda client, request: client.error(request.req_id, 322, "Error processing"))
        with pytest.raises(HistoryUnavailable) as caught:
            await data.contract("AAA")
        return await data.is_unknown("AAA"), caught.value

    is_unknown, fault = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert not is_unknown
    assert fault.code == 322
    assert "Error processing" in str(fault)


@pytest.mark.parametrize("request_type", [ReqContractDetails, ReqHistoricalData])
def test_a_request_without_an_answer_is_unknown_after_its_limit(tmp_path: Path, request_type: type[Request]) -> None:
    async def main(world: World) -> tuple[HistoryUnavailable, float]:
        data = (await connected(world, ib_request_timeout_s=30)).data
        world.answer(request_type, lambda _client, _request: None)
        began = world.clock.now()
        with pytest.raises(HistoryUnavailable) as caught:
            await data.daily_bars("AAA", MONDAY.date, 10)
        if request_type is ReqContractDetails:
            assert not await data.is_unknown("AAA")  # no answer is not a no
            began += timedelta(seconds=30)
        return caught.value, (world.clock.now() - began).total_seconds()

    fault, waited_s = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert fault.code == 0
    assert "no answer" in str(fault)
    assert waited_s == 30


@pytest.mark.parametrize("request_type", [ReqContractDetails, ReqHistoricalData])
def test_a_connection_lost_over_a_request_is_the_brokers_fault(tmp_path: Path, request_type: type[Request]) -> None:
    async def main(world: World) -> None:
        data = (await connected(world)).data
        world.answer(request_type, lambda client, _request: client.close())
        for _ in range(2):  # the second time there is no socket at all
            with pytest.raises(BrokerUnavailable, match="the connection was lost"):
                await data.daily_bars("AAA", MONDAY.date, 10)

    in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)


def test_at_most_the_set_number_of_history_requests_is_in_flight(tmp_path: Path) -> None:
    symbols = [f"S{n}" for n in range(7)]

    async def main(world: World) -> tuple[int, int]:
        waiting: list[tuple[ClientConnection, ReqHistoricalData]] = []
        most = 0

        def hold(client: ClientConnection, request: ReqHistoricalData) -> None:
            waiting.append((client, request))

        world.answer(ReqHistoricalData, hold)
        data = (await connected(world, ib_history_at_once=3)).data
        answered = 0
        async with asyncio.TaskGroup() as group:
            for symbol in symbols:
                group.create_task(data.daily_bars(symbol, MONDAY.date, 10))
            while answered < len(symbols):
                await asyncio.sleep(1)
                most = max(most, len(waiting))
                world.as_usual(*waiting.pop(0))
                world.gateway.flush()
                answered += 1
        return most, answered

    assert in_world(main, HandMadeFeed({symbol: warm_up() for symbol in symbols}), tmp_path) == (3, 7)


# Minute bars over TCP


def test_minutes_that_are_not_there_yet_are_followed_when_asked_again(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[bool, bool, list[int]]:
        handed_on: list[int] = []
        data = (await connected(world)).data
        await world.until("09:29")
        before = await data.follow_minutes("AAA", OPEN_S, lambda _, bar: handed_on.append(bar.start_s - OPEN_S))
        await world.until("09:32:30")
        after = await data.follow_minutes("AAA", OPEN_S, lambda _, bar: handed_on.append(bar.start_s - OPEN_S))
        assert handed_on == [0, 60]  # of the running minute nothing yet
        await world.until("09:35")
        await asyncio.sleep(0.5)
        return before, after, handed_on

    before, after, handed_on = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert (before, after) == (False, True)  # 162 is "no data yet"
    assert handed_on == [0, 60, 120, 180, 240]


def test_a_bar_arrives_with_its_published_volume_at_the_second_of_its_end(tmp_path: Path) -> None:
    async def main(world: World) -> list[tuple[str, Bar]]:
        handed_on: list[tuple[str, Bar]] = []
        data = (await connected(world)).data
        await world.until("09:30:30")
        await data.follow_minutes(
            "AAA", OPEN_S, lambda _, bar: handed_on.append((f"{world.clock.now():%H:%M:%S}", bar))
        )
        await world.until("09:32:30")
        return handed_on

    told = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert told == [("13:31:00", warm_up()[0]), ("13:32:00", warm_up()[1])]


def test_the_last_bar_of_a_symbol_that_falls_silent_is_complete_with_its_own_message(tmp_path: Path) -> None:
    async def main(world: World) -> list[int]:
        handed_on: list[int] = []
        data = (await connected(world)).data
        await world.until("09:49")
        await data.follow_minutes("AAA", OPEN_S, lambda _, bar: handed_on.append(bar.start_s - OPEN_S))
        await world.until("09:50:00.500")
        return handed_on

    assert in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)[-1] == 19 * 60


def test_a_refusal_that_is_not_about_missing_data_is_a_fault(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        data = (await connected(world)).data
        world.answer(
            ReqHistoricalData, lambda client, request: client.error(request.req_id, 366, "No historical data query")
        )
        with pytest.raises(HistoryUnavailable, match="366"):
            await data.follow_minutes("AAA", OPEN_S, lambda _symbol, _bar: None)

    in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)


# Quotes


def test_a_quote_follows_the_price_and_remembers_when(tmp_path: Path) -> None:
    bars = [minute("09:30", 100.00, 100.20, 99.98, 100.18, 6_000)]

    async def main(world: World) -> list[Quote]:
        seen = []
        data = (await connected(world)).data
        assert data.quote("AAA") == Quote()
        await data.follow_quotes("AAA")
        await world.until("09:29:59")
        seen.append(data.quote("AAA"))
        for clock_text in ("09:30:00.500", "09:30:40.500", "09:35:00"):
            await world.until(clock_text)
            seen.append(data.quote("AAA"))
        return seen

    before, at_open, at_high, later = in_world(main, HandMadeFeed({"AAA": bars}), tmp_path)
    assert before[:3] == (0, 0, 0)
    assert at_open == Quote(999_900, 1_000_100, 1_000_000, second("09:30"))
    assert at_high == Quote(1_001_900, 1_002_100, 1_002_000, second("09:30:40"))
    assert later == Quote(1_001_700, 1_001_900, 1_001_800, second("09:31:00"))


def subscriptions(world: World) -> tuple[int, int]:
    """Market data lines and followed histories that the gateway keeps for its clients."""
    data = world.gateway.data
    return len(data._quotes._lines), sum(len(lines) for lines in data._history._lines.values())


async def synchronise(_world: World, broker: Broker) -> None:
    """As after 1102, or when ledger and broker seem to differ: the connection is the same."""
    await broker.data.resubscribe()


async def connect_on_lost_data(_world: World, broker: Broker) -> None:
    """A new connection begins with 2104: that is no reason to ask for what it was not asked for yet."""
    broker.data.distrust()
    await broker.open()
    await asyncio.sleep(1)
    await broker.data.resubscribe()


@pytest.mark.parametrize("happens", [synchronise, connect_on_lost_data])
def test_what_is_subscribed_again_takes_no_second_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, happens: Callable[[World, Broker], Awaitable[None]]
) -> None:
    async def main(world: World) -> tuple[tuple[int, int], list[int], Quote]:
        handed_on: list[int] = []
        broker = await connected(world)
        await broker.data.follow_quotes("AAA")
        await world.until("09:35:00")
        await broker.data.follow_minutes("AAA", OPEN_S, lambda _symbol, bar: handed_on.append(bar.start_s - OPEN_S))
        for _ in range(3):
            await happens(world, broker)
            await asyncio.sleep(60)
        await world.until("09:40:01")
        return subscriptions(world), handed_on, broker.data.quote("AAA")

    bars = warm_up()
    lines, handed_on, quote = in_world(main, HandMadeFeed({"AAA": bars}), tmp_path)
    assert lines == (1, 1)
    assert handed_on == [60 * number for number in range(10)]
    assert quote.at_s >= second("09:39")
    assert "No reqId found" not in caplog.text


async def ask_again(world: World, broker: Broker) -> None:
    broker.data.renew_quotes("AAA")


async def connect_again(world: World, broker: Broker) -> None:
    await broker.open()
    await broker.data.resubscribe()


@pytest.mark.parametrize("anew", [ask_again, connect_again])
def test_a_standing_quote_that_is_shown_again_keeps_its_age_until_something_is_new(
    tmp_path: Path, anew: Callable[[World, Broker], Awaitable[None]]
) -> None:
    # the volume of 9:30 comes at 9:31:00; then nothing is heard until 9:40:00
    bars = [
        minute("09:30", 100.00, 100.20, 99.98, 100.18, 6_000),
        minute("09:40", 100.18, 100.18, 100.18, 100.18, 3_000),
    ]

    async def main(world: World) -> list[Quote]:
        broker = await connected(world)
        await broker.data.follow_quotes("AAA")
        seen = []
        for clock_text in ("09:35:00", "09:36:00"):
            await world.until(clock_text)
            await anew(world, broker)
            await asyncio.sleep(2)
            seen.append(broker.data.quote("AAA"))
        await world.until("09:41:00.500")
        return [*seen, broker.data.quote("AAA")]

    standing = Quote(1_001_700, 1_001_900, 1_001_800, second("09:31:00"))
    fresh = standing._replace(at_s=second("09:41:00"))
    assert in_world(main, HandMadeFeed({"AAA": bars}), tmp_path) == [standing, standing, fresh]


def test_halts_and_delayed_data_show_in_the_quote(tmp_path: Path) -> None:
    from ib_simulator.replies import market_data_type, tick_generic, tick_price

    async def main(world: World) -> list[Quote]:
        data = (await connected(world)).data
        asked: list[ReqMktData] = []
        world.answer(ReqMktData, lambda _, request: asked.append(request))
        await data.follow_quotes("AAA")
        await asyncio.sleep(1)
        client = world.client(2)
        assert client is not None
        seen = []
        request_id = asked[0].req_id
        for messages in (
            [market_data_type(request_id, 3), tick_price(request_id, 1, 100.0, 1)],
            [market_data_type(request_id, 1), tick_generic(request_id, 49, 1.0)],
            [tick_generic(request_id, 49, 0.0)],
        ):
            client.send(*messages)
            client.write()
            await asyncio.sleep(1)
            seen.append(data.quote("AAA"))
        return seen

    delayed, halted, resumed = in_world(main, HandMadeFeed({"AAA": warm_up()}), tmp_path)
    assert (delayed.delayed, delayed.halted) == (True, False)
    assert (halted.delayed, halted.halted) == (False, True)
    assert (resumed.delayed, resumed.halted) == (False, False)
    assert not math.isnan(resumed.bid)


def test_stopping_cancels_every_subscription_at_the_gateway(tmp_path: Path) -> None:
    async def main(world: World) -> tuple[list[int], list[int]]:
        def lines() -> list[int]:
            service = world.gateway.data
            return [len(service._quotes.followed()), len(service._history.followed())]

        data = (await connected(world)).data
        await world.until("09:40")
        for symbol in ("AAA", "BBB"):
            await data.follow_quotes(symbol)
            await data.follow_minutes(symbol, OPEN_S, lambda _symbol, _bar: None)
        await asyncio.sleep(1)
        before = lines()
        data.stop()
        await asyncio.sleep(1)
        assert data.quote("AAA") == Quote()
        return before, lines()

    feed = HandMadeFeed({"AAA": warm_up(), "BBB": warm_up()})
    assert in_world(main, feed, tmp_path) == ([2, 2], [0, 0])


def test_the_previous_sessions_minutes_start_a_subscription_before_the_open(tmp_path: Path) -> None:
    friday = session_on(MONDAY.date - timedelta(days=3))
    bars = [minute("15:59", 90.0, 90.0, 90.0, 90.0, 100, friday), *warm_up()]

    async def main(world: World) -> tuple[bool, list[int]]:
        handed_on: list[int] = []
        data = (await connected(world)).data
        followed = await data.follow_minutes("AAA", OPEN_S, lambda _, bar: handed_on.append(bar.start_s - OPEN_S))
        await world.until("09:32:30")
        return followed, handed_on

    assert in_world(main, HandMadeFeed({"AAA": bars}), tmp_path) == (True, [0, 60])
