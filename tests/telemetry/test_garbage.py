"""Garbage collection in quiet moments."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from telemetry.garbage import NET_THRESHOLD, YOUNG_OBJECTS, quiet_collection, session_is_over
from telemetry.instruments import GC_PAUSE
from telemetry.quiet import quiet
from tests.heard import listening


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Nothing is left behind."""
    before = gc.get_threshold(), sys.getswitchinterval(), len(gc.callbacks)
    yield
    assert (gc.get_threshold(), sys.getswitchinterval(), len(gc.callbacks)) == before
    assert gc.get_freeze_count() == 0


def collections() -> list[int]:
    return [generation["collections"] for generation in gc.get_stats()]


def pile_up(count: int) -> list[list[int]]:
    return [[] for _ in range(count)]


def test_what_is_alive_at_the_first_quiet_moment_is_never_walked_again() -> None:
    with quiet_collection():
        gc.unfreeze()  # Python 3.12 begins with some objects frozen
        quiet()
        assert gc.get_freeze_count() > 10_000


def test_busy_moments_are_not_interrupted_by_what_would_have_interrupted_them() -> None:
    usual = gc.get_threshold()[0]
    with quiet_collection():
        quiet()
        before = collections()
        kept = pile_up(20 * usual)
        assert collections() == before
        assert len(kept) < NET_THRESHOLD[0]


def test_a_quiet_moment_collects_what_has_piled_up_and_only_then() -> None:
    with quiet_collection():
        quiet()
        before = collections()
        quiet()
        assert collections() == before
        kept = pile_up(YOUNG_OBJECTS + 100)
        quiet()
        assert collections() != before
        assert kept


def test_the_interpreters_own_collection_stays_as_a_net() -> None:
    with quiet_collection():
        quiet()
        before = collections()
        kept = pile_up(NET_THRESHOLD[0] + 1_000)
        assert collections() != before
        assert kept


def test_what_a_session_leaves_is_collected_when_it_is_over() -> None:
    with quiet_collection():
        quiet()
        circle: list[object] = []
        circle.append(circle)
        gc.collect(1)  # now it is old, and no quiet moment of the next minute looks at it
        before = collections()
        session_is_over()
        assert collections()[2] == before[2] + 1


def test_pauses_are_measured() -> None:
    with listening() as heard, quiet_collection():
        gc.collect(1)
    assert [pause.attributes for pause in heard.measured(GC_PAUSE)] == [{"generation": 1}]
    assert heard.measured(GC_PAUSE)[0].value > 0


def test_outside_of_its_block_a_quiet_moment_is_none() -> None:
    before = collections()
    quiet()
    assert collections() == before
