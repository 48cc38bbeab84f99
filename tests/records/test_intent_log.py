"""The life of intents on record: durable before they are sent, then followed whatever order reports come in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from records.intent_log import IntentLog
from records.rows import IntentRow
from trading.orders import IntentState, OrderIntent, OrderReport, OrderTerms, entry_bracket
from trading.strategy import Parameters

NOW = datetime(2026, 9, 28, 13, 50, 40, 500_000, tzinfo=UTC)
WRITTEN_S = int(NOW.timestamp()) - 300
EOD = datetime(2026, 9, 28, 19, 55, tzinfo=UTC)


class Records:
    """Implements `IntentRecords`; commits complete when the test says so."""

    def __init__(self) -> None:
        self.committed: list[Sequence[IntentRow]] = []
        self.updates: list[tuple[str, str, dict[str, Any]]] = []
        self.job: Future[None] = Future()

    def commit_intents(self, intents: Sequence[IntentRow]) -> Future[None]:
        self.committed.append(intents)
        return self.job

    def update_intent(self, intent_id: str, state: str, *, updated_at: datetime, **changes: Any) -> None:
        assert updated_at == NOW
        self.updates.append((intent_id, state, changes))


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
def log(records: Records) -> IntentLog:
    return IntentLog(records, now=lambda: NOW, await_off_loop=asyncio.wrap_future, session_date=lambda: "2026-09-28")


def intent(intent_id: str) -> OrderIntent:
    """A stop of some earlier run."""
    return replace(bracket()[1], intent_id=intent_id)


def bracket() -> tuple[OrderIntent, ...]:
    numbers = iter(range(1, 10))
    return entry_bracket(
        new_id=lambda: f"id{next(numbers)}",
        symbol="AAA",
        quantity=249,
        collar=1_003_100,
        expected_fill=1_002_100,
        parameters=Parameters(),
        good_till_s=int((NOW + timedelta(seconds=15)).timestamp()),
        eod_s=int(EOD.timestamp()),
        decision_id="d",
    )


def commit(log: IntentLog, records: Records, intents: Sequence[OrderIntent]) -> None:
    async def run() -> None:
        waiting = asyncio.ensure_future(log.commit(intents))
        await asyncio.sleep(0)
        assert not waiting.done()
        records.job.set_result(None)
        await waiting

    asyncio.run(run())


def report(state: IntentState, intent_id: str = "id2", *, filled: int = 0, price: int = 0) -> OrderReport:
    return OrderReport(intent_id, state, filled, 249 - filled, price, 10, 1_000_000_001, "")


def states(records: Records) -> list[str]:
    return [state for _, state, _ in records.updates]


def test_a_commit_is_one_transaction_and_waits_for_the_disk(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    ((entry, stop, target, time_exit),) = records.committed
    assert (entry.role, entry.state, entry.limit_price_usd, entry.stop_price_usd) == ("entry", "created", 100.31, None)
    assert (entry.good_till, entry.good_after) == (NOW.replace(microsecond=0) + timedelta(seconds=15), None)
    assert (stop.stop_price_usd, stop.tif, stop.parent_intent_id) == (99.40, "GTC", "id2")
    assert (target.limit_price_usd, target.tif, target.oca_group) == (101.62, "DAY", "exit-id1")
    assert (time_exit.good_after, time_exit.limit_price_usd) == (EOD, None)
    assert {row.bracket_id for row in (entry, stop, target, time_exit)} == {"id1"}
    assert {(row.session_date, row.created_at, row.decision_id) for row in records.committed[0]} == {
        ("2026-09-28", NOW, "d")
    }
    assert log.committed == 4


def test_a_commit_that_fails_is_told_to_who_waits(log: IntentLog, records: Records) -> None:
    async def run() -> None:
        waiting = asyncio.ensure_future(log.commit(bracket()))
        records.job.set_exception(OSError("disk full"))
        with pytest.raises(OSError, match="disk full"):
            await waiting

    asyncio.run(run())


def test_an_intent_is_sent_then_works_then_fills(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.sent("id2", order_id=10, client_id=2)
    log.reported(report(IntentState.WORKING))
    log.reported(report(IntentState.FILLED, filled=249, price=1_002_100))
    assert states(records) == ["sent", "working", "filled"]
    assert records.updates[0][2] == {"order_id": 10, "client_id": 2}
    assert records.updates[2][2] == {
        "perm_id": 1_000_000_001,
        "filled_quantity": 249,
        "avg_fill_price_usd": 100.21,
        "detail": None,
    }


def test_what_the_broker_said_before_the_sending_was_noted_stands(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.reported(report(IntentState.WORKING))
    log.sent("id2", order_id=10, client_id=2)
    assert states(records) == ["working", "working"]


@pytest.mark.parametrize("last", [IntentState.FILLED, IntentState.CANCELLED])
def test_a_late_report_brings_nothing_back_to_life(log: IntentLog, records: Records, last: IntentState) -> None:
    commit(log, records, bracket())
    log.reported(report(last))
    log.reported(report(IntentState.WORKING))
    log.reported(report(IntentState.SENT))
    assert states(records) == [last.value] * 3


def test_a_fill_after_a_cancel_is_believed(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.reported(report(IntentState.CANCELLED))
    log.reported(report(IntentState.FILLED, filled=249))
    assert states(records) == ["cancelled", "filled"]


def test_an_intent_of_an_earlier_run_goes_on_from_its_state_on_record(log: IntentLog, records: Records) -> None:
    log.adopt(intent("old"), IntentState.WORKING, WRITTEN_S)
    log.reported(report(IntentState.SENT, "old"))
    log.reported(report(IntentState.CANCELLED, "old"))
    assert states(records) == ["working", "cancelled"]


def test_adopting_again_does_not_overrule_what_was_reported(log: IntentLog, records: Records) -> None:
    log.adopt(intent("old"), IntentState.WORKING, WRITTEN_S)
    log.reported(report(IntentState.FILLED, "old", filled=249))
    log.adopt(intent("old"), IntentState.WORKING, WRITTEN_S)
    log.reported(report(IntentState.WORKING, "old"))
    assert states(records) == ["filled", "filled"]


def test_an_order_of_another_program_has_no_row_to_write(log: IntentLog, records: Records) -> None:
    """Its reference may be anything: an update of a row that is not there would be lost, and count as a fault."""
    log.reported(report(IntentState.WORKING, "stranger"))
    assert not log.knows("stranger")
    assert records.updates == []


def test_when_an_intent_was_written_is_known_of_this_run_and_of_earlier_ones(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.adopt(intent("old"), IntentState.WORKING, WRITTEN_S)
    log.adopt(intent("id2"), IntentState.WORKING, WRITTEN_S)  # its own commit stands
    assert [log.written_s(intent_id) for intent_id in ("id2", "old", "stranger")] == [
        int(NOW.timestamp()),
        WRITTEN_S,
        0,
    ]


def test_what_reconciliation_finds_out_is_written_when_it_is_news(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.sent("id2", order_id=10, client_id=2)
    log.resolved("id2", IntentState.SENT, "open at the broker")
    log.resolved("id2", IntentState.EXPIRED, "not known to the broker after 10 s")
    log.resolved("id2", IntentState.EXPIRED, "not known to the broker after 10 s")
    assert [(state, changes.get("detail")) for _, state, changes in records.updates] == [
        ("sent", None),
        ("expired", "not known to the broker after 10 s"),
    ]


def test_a_fill_after_an_intent_was_declared_expired_is_believed(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.resolved("id2", IntentState.EXPIRED, "not known to the broker after 10 s")
    log.reported(report(IntentState.FILLED, filled=249))
    assert states(records) == ["expired", "filled"]


def test_a_modification_is_written_with_its_new_terms_and_only_once(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.terms(OrderTerms("id3", 249, 0, 994_000))  # the stop as it was decided
    assert records.updates == []
    for _ in range(2):
        log.terms(OrderTerms("id3", 100, 0, 993_900))
    log.terms(OrderTerms("of-another-bot", 5, 0, 0))
    changes = {"quantity": 100, "limit_price_usd": None, "stop_price_usd": 99.39}
    assert records.updates == [("id3", "created", changes)]


def test_a_fill_of_an_order_believed_dead_is_written_with_its_average(log: IntentLog, records: Records) -> None:
    commit(log, records, bracket())
    log.reported(report(IntentState.CANCELLED))
    log.filled_late("id2", IntentState.FILLED, 249, 1_002_100)
    assert states(records) == ["cancelled", "filled"]
    assert records.updates[-1][2]["filled_quantity"] == 249
    assert records.updates[-1][2]["avg_fill_price_usd"] == 100.21
