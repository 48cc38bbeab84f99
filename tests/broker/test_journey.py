"""The trace of one decision, from the tick to the row: whole through a day, a crash, and orders placed later."""

from __future__ import annotations

from pathlib import Path

import pytest

from telemetry.instruments import DECISIONS, EQUITY, FILLS, LOOP_LAG, ORDERS, RECONNECTS, REJECTS, TICK_TO_ORDER
from tests.gateway_world import (
    HandMadeFeed,
    Played,
    World,
    in_world,
    minute,
    play_day,
    run_until,
    run_until_killed,
    warm_up,
    what_is_left,
)
from tests.heard import Heard, listening
from trading.bars import Bar
from trading.errors import BrokerUnavailable

ENTERED = [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]  # bought at 9:50:40
RISE = minute("11:30", 101.00, 102.00, 100.90, 101.90, 6_000)  # sold at its target at 11:30:40
FROM_THE_ROW_UP = ["fill", "order", "intent", "risk", "decision", "tick"]


def rows_of_trades(heard: Heard) -> list[list[str]]:
    return [heard.above(span) for span in heard.named("INSERT trades")]


def feed(*bars: Bar) -> HandMadeFeed:
    return HandMadeFeed({"AAA": [*ENTERED, *bars]})


def test_a_round_trip_is_one_trace_from_the_tick_to_both_rows(tmp_path: Path) -> None:
    with listening() as heard:
        day = play_day(feed(RISE), tmp_path)
    assert [row.reason for row in day.trades] == ["entry", "profit_target"]
    assert rows_of_trades(heard) == [FROM_THE_ROW_UP, FROM_THE_ROW_UP]
    assert not any("lost" in heard.above(span) for span in heard.spans)
    trace_ids = {row.trace_id for row in day.trades}
    assert trace_ids == {decision["trace_id"] for decision in day.decisions if decision["kind"] in ("enter", "exit")}
    assert {f"{span.link.trace_id:032x}" for span in heard.named("order")} == trace_ids
    assert {span.attributes["trading.order.role"] for span in heard.named("order")} == {
        *("entry", "stop", "target", "time_exit")
    }


def test_rows_have_the_same_trace_ids_when_nobody_listens(tmp_path: Path) -> None:
    for name in ("heard", "quiet"):
        (tmp_path / name).mkdir()
    with listening():
        heard_day = play_day(feed(RISE), tmp_path / "heard")
    quiet_day = play_day(feed(RISE), tmp_path / "quiet")
    assert quiet_day.trades == heard_day.trades
    assert quiet_day.decisions == heard_day.decisions
    assert all(decision["trace_id"] for decision in quiet_day.decisions)


def test_a_fill_after_a_crash_hangs_under_the_order_of_the_run_before(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "11:00")
            await world.until("11:05")
            report = await run_until(world, world.trader(history), ["AAA"])
        return what_is_left(world, report)

    with listening() as heard:
        day = in_world(main, feed(RISE), tmp_path)
    assert [row.reason for row in day.trades] == ["entry", "profit_target"]
    assert rows_of_trades(heard) == [FROM_THE_ROW_UP, FROM_THE_ROW_UP]
    assert len({row.trace_id for row in day.trades}) == 1


def test_exits_that_are_placed_again_belong_to_the_decision_that_bought(tmp_path: Path) -> None:
    async def main(world: World) -> Played:
        with world.history() as history:
            await run_until_killed(world, world.trader(history), ["AAA"], "10:00")
            for order in world.resting():
                world.gateway.exchange.cancel(order, 0)
            await world.until("10:05")
            report = await run_until(world, world.trader(history), ["AAA"])
        return what_is_left(world, report)

    with listening() as heard:
        day = in_world(main, feed(RISE), tmp_path)
    assert len(day.intents) == 7
    assert [row.reason for row in day.trades] == ["entry", "profit_target"]
    assert len({row.trace_id for row in day.trades}) == 1
    assert rows_of_trades(heard) == [FROM_THE_ROW_UP, FROM_THE_ROW_UP]


def test_adopted_shares_have_a_trace_of_their_own(tmp_path: Path) -> None:
    quiet = HandMadeFeed({"AAA": [*warm_up(), minute("09:50", 100.00, 100.02, 99.98, 100.00, 6_000)]})
    with listening() as heard:
        day = play_day(quiet, tmp_path, prepare=lambda world: world.hold("AAA", 50, 100.0))
    (sync,) = [row for row in day.trades if row.reason == "sync"]
    (decision,) = [row for row in day.decisions if row["kind"] == "sync"]
    assert sync.trace_id == decision["trace_id"]
    assert ["decision"] in [heard.above(span) for span in heard.named("INSERT decisions")]


def test_a_session_measures_what_it_does(tmp_path: Path) -> None:
    with listening() as heard:
        play_day(feed(RISE), tmp_path)
    assert [each.attributes["role"] for each in heard.measured(ORDERS)] == ["entry", "stop", "target", "time_exit"]
    assert [each.attributes["reason"] for each in heard.measured(FILLS)] == ["entry", "profit_target"]
    assert {each.attributes["kind"] for each in heard.measured(DECISIONS)} == {"enter", "exit", "deny"}
    assert len(heard.measured(TICK_TO_ORDER)) == 1
    assert max(each.value for each in heard.measured(LOOP_LAG)) <= 0.001  # a landing in simulated time
    assert heard.measured(EQUITY)[0].value == 100_000
    assert heard.measured(REJECTS) == heard.measured(RECONNECTS) == []


def test_ticks_are_only_stamped_while_somebody_listens(tmp_path: Path) -> None:
    async def main(world: World) -> list[int]:
        with world.history() as history:
            trader = world.trader(history)
            await run_until(world, trader, ["AAA"], "09:55")
            return [trader._desk.broker.data.heard_ns("AAA")]

    assert in_world(main, feed(), tmp_path) == [0]


def test_questions_to_the_gateway_are_traces_of_their_own(tmp_path: Path) -> None:
    with listening() as heard:
        play_day(feed(), tmp_path, stop_at="09:40")
    asked = [span for span in heard.spans if span.name in ("connect", "read orders", "read positions", "read history")]
    assert {span.name for span in asked} == {"connect", "read orders", "read positions", "read history"}
    assert {heard.above(span) == [] for span in asked} == {True}
    assert not any(span.parent_id == each.link.span_id for each in asked for span in heard.spans)


def test_a_question_without_an_answer_tells_its_error(tmp_path: Path) -> None:
    async def main(world: World) -> None:
        world.gateway.listener.close()
        with pytest.raises(BrokerUnavailable):
            await world.broker().open()

    with listening() as heard:
        in_world(main, feed(), tmp_path)
    (refused,) = heard.named("connect")
    assert refused.error == "BrokerUnavailable"
    assert "connection refused" in refused.detail
