"""Spans as the trading side makes them: ids, what is under what, across tasks and threads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from telemetry import tracing
from telemetry.instruments import INSTRUMENTS, ORDERS, InstrumentKind
from telemetry.log_lines import correlate
from telemetry.metering import measure
from telemetry.tracing import NO_SPAN, Kind, Link
from tests.heard import Heard, listening
from utils import setup_logging


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as heard:
        yield heard


def test_while_nobody_listens_a_span_is_the_same_empty_block_and_nothing_is_current() -> None:
    block = tracing.span("order", {"n": 1}, kind=Kind.CLIENT)
    assert block is NO_SPAN
    with block:
        block.set("late", 1)
        measure(ORDERS, role="entry")
        assert tracing.current() is None


def test_a_span_inside_another_belongs_to_it(heard: Heard) -> None:
    with tracing.span("outer"), tracing.span("inner", {"n": 1}, kind=Kind.CLIENT) as inner:
        inner.set("late", 2)
    inner_span, outer_span = heard.spans
    assert (inner_span.name, outer_span.name) == ("inner", "outer")
    assert inner_span.parent_id == outer_span.link.span_id
    assert inner_span.link.trace_id == outer_span.link.trace_id
    assert outer_span.parent_id == 0
    assert inner_span.attributes == {"n": 1, "late": 2}
    assert inner_span.kind is Kind.CLIENT
    assert outer_span.start_ns <= inner_span.start_ns <= inner_span.end_ns <= outer_span.end_ns


def test_an_exception_is_told_and_goes_on(heard: Heard) -> None:
    with pytest.raises(ValueError, match="no"), tracing.span("order"):
        raise ValueError("no")
    assert (heard.spans[0].error, heard.spans[0].detail) == ("ValueError", "no")
    assert tracing.current() is None


def test_ids_derive_from_ids_on_record_and_differ_for_each_span() -> None:
    one, other = tracing.derived("decision", "order 1"), tracing.derived("decision", "order 2")
    assert one == tracing.derived("decision", "order 1")
    assert one.trace_id == other.trace_id
    assert one.span_id != other.span_id
    assert f"{one.trace_id:032x}" == tracing.trace_id_text("decision")
    assert 0 < one.span_id < 2**64


def test_a_trace_id_is_the_digest_that_the_documentation_names() -> None:
    """BLAKE2b of the decision's id with 16 bytes, from b2sum --length=128."""
    assert tracing.trace_id_text("abc") == "cf4ab791c62b8d2b2109c90275287816"


def test_a_parent_known_by_its_ids_need_not_be_in_this_process(heard: Heard) -> None:
    with tracing.span("fill", parent=Link(7, 9)):
        pass
    assert (heard.spans[0].link.trace_id, heard.spans[0].parent_id) == (7, 9)


def test_a_task_inherits_the_span_it_was_started_in_and_tasks_do_not_mix(heard: Heard) -> None:
    async def step(name: str) -> None:
        await asyncio.sleep(0)
        with tracing.span(f"step of {name}"):
            await asyncio.sleep(0)

    async def decide(name: str) -> None:
        with tracing.span(name):
            async with asyncio.TaskGroup() as group:
                group.create_task(step(name))
                group.create_task(step(name))

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(decide("one"))
            group.create_task(decide("two"))

    asyncio.run(both())
    for name in ("one", "two"):
        assert [heard.above(span) for span in heard.named(f"step of {name}")] == [[name], [name]]


def test_a_thread_has_no_current_span_until_it_is_given_one(heard: Heard) -> None:
    def work(link: Link | None) -> tuple[Link | None, Link | None]:
        before = tracing.current()
        with tracing.under(link):
            return before, tracing.current()

    with tracing.span("order"), ThreadPoolExecutor(1) as pool:
        here = tracing.current()
        assert pool.submit(work, here).result() == (None, here)


def test_log_lines_say_their_trace_inside_a_span_only(heard: Heard, tmp_path: Path) -> None:
    file = tmp_path / "program.log"
    setup_logging(file, logging.INFO, secrets=())
    stop = correlate()
    try:
        log = logging.getLogger("broker")
        with tracing.span("order", link=Link(0xABC, 0xDEF)):
            log.info("inside")
        log.info("outside")
    finally:
        stop()
        root = logging.getLogger()
        for handler in [each for each in root.handlers if (each.name or "").startswith("utils.")]:
            root.removeHandler(handler)
            handler.close()
    inside, outside = file.read_text().splitlines()
    assert inside.endswith(f"INFO broker: inside trace={0xABC:032x}")
    assert outside.endswith("INFO broker: outside")


def test_the_document_lists_every_instrument_as_it_is() -> None:
    document = Path(__file__).resolve().parents[2] / "Documentation" / "OBSERVABILITY.md"
    rows = [line for line in document.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    metrics = [row for row in rows if row.split(" | ")[1] in tuple(InstrumentKind)]
    assert metrics == [f"| `{i.name}` | {i.kind.value} | {i.unit} | {i.meaning} |" for i in INSTRUMENTS]


def test_instruments_are_named_once_and_histograms_have_buckets_in_order() -> None:
    names = [instrument.name for instrument in INSTRUMENTS]
    assert len(set(names)) == len(names) > 15
    for instrument in INSTRUMENTS:
        assert bool(instrument.buckets) == (instrument.kind is InstrumentKind.HISTOGRAM), instrument.name
        assert list(instrument.buckets) == sorted(set(instrument.buckets)), instrument.name
