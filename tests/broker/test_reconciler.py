"""What the reconciler asks for, how often, and what it believes. Its days at a gateway stand in `test_reconcile`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from broker.bookkeeper import Bookkeeper
from broker.broker import Broker
from broker.order_desk import OrderFacts
from broker.reconcile import MOST_READS, Reconciler
from broker.values import BrokerPosition
from market_hours import Clock
from records.intent_log import IntentLog
from trading.errors import BrokerUnavailable
from trading.orders import IntentState
from trading.reconcile import IntentFact

START = datetime(2026, 9, 28, 14, 0, tzinfo=UTC)
START_S = int(START.timestamp())
NOTHING = OrderFacts({}, {}, {})
WRITTEN_LONG_AGO_S = START_S - 60


@dataclass
class JumpingClock:
    """Sleeps by telling a later time."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    async def sleep_until(self, when: datetime) -> None:
        self.at = when


@dataclass
class Told:
    """A broker that tells one answer after another, the last of them for ever; `events` is what it was asked."""

    facts: list[OrderFacts] = field(default_factory=lambda: [NOTHING])
    holdings: list[dict[str, float]] = field(default_factory=lambda: [{}])
    options: frozenset[str] = frozenset()
    events: list[str] = field(default_factory=list)

    @property
    def orders(self) -> Told:
        return self

    async def read(self) -> OrderFacts:
        self.events.append("orders")
        return self.facts.pop(0) if len(self.facts) > 1 else self.facts[0]

    def replay_executions(self) -> None:
        self.events.append("replay")

    async def positions(self) -> list[BrokerPosition]:
        self.events.append("positions")
        held = self.holdings.pop(0) if len(self.holdings) > 1 else self.holdings[0]
        return [
            BrokerPosition(symbol, shares, 1_000_000, symbol not in self.options) for symbol, shares in held.items()
        ]


@dataclass
class Ledger:
    """Intents of earlier runs and shares, and what the reconciler said about them."""

    intents: dict[str, IntentState] = field(default_factory=dict)
    owned: tuple[str, ...] = ()
    fewer: list[bool] = field(default_factory=list)  # answers to `lacks`, then it is False
    written_s: int = WRITTEN_LONG_AGO_S
    looked_back: list[tuple[list[str], Any, int]] = field(default_factory=list)
    believed: list[tuple[dict[str, float], Any]] = field(default_factory=list)
    on_record: list[tuple[str, IntentState, str]] = field(default_factory=list)

    def intent_facts(self) -> list[IntentFact]:
        return [IntentFact(name, "AAA", state, 100, self.written_s) for name, state in self.intents.items()]

    def on_resolved(self, intent_id: str, state: IntentState) -> None:
        self.intents[intent_id] = state

    def resolved(self, intent_id: str, state: IntentState, why: str) -> None:
        self.on_record.append((intent_id, state, why))

    def look_back(self, stocks: Sequence[BrokerPosition], filled: Mapping[str, Any], now_s: int) -> None:
        self.looked_back.append(([position.symbol for position in stocks], filled, now_s))

    def unlisted(self, told: set[str]) -> list[str]:
        return [symbol for symbol in self.owned if symbol not in told]

    def lacks(self, held: dict[str, float]) -> bool:
        return bool(self.fewer) and self.fewer.pop(0)

    def on_positions(self, held: dict[str, float], sales: Any) -> None:
        self.believed.append((held, sales))


def reconciler(told: Told, ledger: Ledger, clock: JumpingClock) -> Reconciler:
    return Reconciler(cast(Broker, told), cast(Bookkeeper, ledger), cast(IntentLog, ledger), cast(Clock, clock))


def reconciled(told: Told, ledger: Ledger) -> timedelta:
    """Run it once; how long it took on the clock."""
    clock = JumpingClock()
    asyncio.run(reconciler(told, ledger, clock).run())
    return clock.at - START


# Intents


def test_an_order_at_the_broker_is_put_on_record_as_the_broker_tells_it_and_asked_for_once() -> None:
    told = Told([NOTHING._replace(working={"e": IntentState.WORKING}, completed={"x": IntentState.CANCELLED})])
    ledger = Ledger({"e": IntentState.SENT, "x": IntentState.WORKING})
    took = reconciled(told, ledger)
    assert ledger.on_record == [
        ("e", IntentState.WORKING, "open at the broker"),
        ("x", IntentState.CANCELLED, "completed at the broker"),
    ]
    assert ledger.intents == {"e": IntentState.WORKING, "x": IntentState.CANCELLED}
    assert told.events == ["orders", "replay", "positions", "positions"]
    assert took == timedelta(seconds=0.5)  # between the two reads of the positions


def test_an_order_whose_executions_cover_it_is_filled() -> None:
    ledger = Ledger({"e": IntentState.UNKNOWN})
    reconciled(Told([NOTHING._replace(executed={"e": 100})]), ledger)
    assert ledger.intents == {"e": IntentState.FILLED}


def test_an_order_that_was_never_acknowledged_is_gone_when_two_reads_ten_seconds_apart_lack_it() -> None:
    told, ledger = Told(), Ledger({"e": IntentState.SENT})
    took = reconciled(told, ledger)
    assert ledger.on_record == [("e", IntentState.EXPIRED, "not known to the broker after 10 s")]
    assert told.events.count("orders") == 2
    assert took == timedelta(seconds=10.5)


@pytest.mark.parametrize("state", [IntentState.WORKING, IntentState.UNKNOWN])
def test_an_order_that_was_acknowledged_is_gone_only_when_three_reads_lack_it(state: IntentState) -> None:
    told, ledger = Told(), Ledger({"stop": state})
    took = reconciled(told, ledger)
    assert ledger.intents == {"stop": IntentState.EXPIRED}
    assert told.events.count("orders") == told.events.count("replay") == 3
    assert took == timedelta(seconds=20.5)


def test_an_order_that_one_late_answer_lacks_is_kept() -> None:
    works = NOTHING._replace(working={"stop": IntentState.WORKING})
    told, ledger = Told([NOTHING, NOTHING, works]), Ledger({"stop": IntentState.WORKING})
    reconciled(told, ledger)
    assert ledger.on_record == [("stop", IntentState.WORKING, "open at the broker")]


def test_each_intent_is_waited_for_by_its_own_count_and_one_that_waits_keeps_nobody_from_being_resolved() -> None:
    works = NOTHING._replace(working={"target": IntentState.WORKING})
    told = Told([works, works, works])
    ledger = Ledger({"entry": IntentState.SENT, "stop": IntentState.WORKING, "target": IntentState.WORKING})
    reconciled(told, ledger)
    assert [(intent_id, state) for intent_id, state, _ in ledger.on_record] == [
        ("target", IntentState.WORKING),
        ("entry", IntentState.EXPIRED),
        ("target", IntentState.WORKING),
        ("stop", IntentState.EXPIRED),
        ("target", IntentState.WORKING),
    ]


def test_an_intent_that_was_just_written_is_waited_for() -> None:
    told, ledger = Told(), Ledger({"e": IntentState.SENT}, written_s=START_S)
    took = reconciled(told, ledger)
    assert ledger.intents == {"e": IntentState.EXPIRED}
    assert told.events.count("orders") == 3  # the first, at age 0, is no evidence of absence
    assert took == timedelta(seconds=20.5)


def test_an_order_that_its_list_lacks_and_its_reports_left_alive_is_no_agreement() -> None:
    told = Told([NOTHING._replace(reported=frozenset({"stop"}))])
    ledger = Ledger({"stop": IntentState.WORKING})
    with pytest.raises(BrokerUnavailable, match=r"^the gateway's list of orders and its reports disagree$"):
        reconciled(told, ledger)
    assert told.events == ["orders", "replay"] * 3
    assert (ledger.on_record, ledger.believed) == ([], [])


def test_reports_of_other_orders_do_not_keep_an_absent_one() -> None:
    ledger = Ledger({"stop": IntentState.WORKING})
    reconciled(Told([NOTHING._replace(reported=frozenset({"another"}))]), ledger)
    assert ledger.intents == {"stop": IntentState.EXPIRED}


# Positions


def test_positions_are_believed_when_two_reads_agree_and_the_ledger_hears_them_with_the_sales() -> None:
    sales, filled = cast(Any, ("a sale",)), cast(Any, {"e": "what it filled"})
    told = Told([NOTHING._replace(sales=sales, filled=filled)], [{"AAA": 249.0, "BBB": -5.0}])
    ledger = Ledger()
    assert reconciled(told, ledger) == timedelta(seconds=0.5)
    assert ledger.believed == [({"AAA": 249.0, "BBB": -5.0}, sales)]
    assert ledger.looked_back == [(["AAA", "BBB"], filled, START_S)]


def test_earlier_sessions_are_looked_at_once_and_positions_after_every_reconnect() -> None:
    told, ledger, clock = Told(holdings=[{"AAA": 1.0}]), Ledger(), JumpingClock()
    both = reconciler(told, ledger, clock)

    async def twice() -> None:
        await both.run()
        await both.run()

    asyncio.run(twice())
    assert (len(ledger.looked_back), len(ledger.believed)) == (1, 2)


def test_what_is_no_stock_is_nothing_to_the_ledger() -> None:
    ledger = Ledger()
    reconciled(Told(holdings=[{"AAA": 10.0, "AAA call": 2.0}], options=frozenset({"AAA call"})), ledger)
    assert ledger.believed == [({"AAA": 10.0}, ())]


def test_an_option_of_an_owned_symbol_is_no_row_of_its_shares() -> None:
    told, ledger = Told(holdings=[{"AAA": 2.0}], options=frozenset({"AAA"})), Ledger(owned=("AAA",))
    reconciled(told, ledger)
    assert told.events.count("positions") == MOST_READS + 1
    assert ledger.believed == [({}, ())]


def test_positions_that_change_between_reads_are_read_until_two_agree() -> None:
    """A sale fills in parts while it is asked: what changed them is booked before they are believed."""
    told, ledger = Told(holdings=[{"AAA": 249.0}, {"AAA": 149.0}, {"AAA": 49.0}, {}]), Ledger()
    assert reconciled(told, ledger) == timedelta(seconds=2)
    assert ledger.believed == [({}, ())]
    assert told.events == ["orders", "replay", "positions", *["positions", "replay"] * 3, "positions"]


def test_an_absent_row_of_shares_that_are_owned_is_asked_for_until_every_read_lacks_it() -> None:
    told, ledger = Told(holdings=[{}, {}, {}, {"AAA": 249.0}]), Ledger(owned=("AAA",))
    reconciled(told, ledger)
    assert ledger.believed == [({"AAA": 249.0}, ())]
    always = Told()
    reconciled(always, ledger)
    assert ledger.believed[1:] == [({}, ())]
    assert always.events == ["orders", "replay", *["positions"] * 6]  # reads that agree need nothing booked


def test_shares_that_rows_tell_to_be_gone_are_asked_for_once_more_with_the_executions() -> None:
    """Executions are answered before positions: a fill between them is in neither or, now, in both."""
    told, ledger = Told(holdings=[{"AAA": 0.0}]), Ledger(fewer=[True, True])
    reconciled(told, ledger)
    assert ledger.believed == [({"AAA": 0.0}, ())]
    assert told.events == ["orders", "replay", "positions", "positions"] * 2  # and no more: two rounds are believed


def test_positions_that_never_come_to_rest_are_no_agreement() -> None:
    told, ledger = Told(holdings=[{"AAA": float(shares)} for shares in range(20)]), Ledger()
    with pytest.raises(BrokerUnavailable, match=r"^positions kept changing while they were read$"):
        reconciled(told, ledger)
    assert told.events.count("positions") == MOST_READS + 1
    assert ledger.believed == []
