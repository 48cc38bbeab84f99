"""Bars that a session saw go into the store, and what cannot be kept costs nothing else."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pytest

from day_trading.seen_bars import keep_seen_bars
from research.store import BarStore
from tests.gateway_world import MONDAY
from trading.bars import Bar

OPEN_S = MONDAY.open_s
RISING = [Bar(OPEN_S + 60 * minute, 10_000, 10_100, 9_900, 10_050, 300) for minute in range(5)]


def test_bars_of_the_session_are_kept_and_a_second_run_of_the_day_adds_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "bars"
    early = Bar(OPEN_S - 60, 10_000, 10_000, 10_000, 10_000, 1)
    assert keep_seen_bars({"AAA": [early, *RISING[:3]], "BBB": []}, MONDAY, str(folder)) == 3
    assert keep_seen_bars({"AAA": RISING}, MONDAY, str(folder)) == 2
    store = BarStore(str(folder))
    assert store.symbols("minute") == ("AAA",)
    assert store.sessions("minute", "AAA", "2026-09") == {date(2026, 9, 28): 5}


def test_nothing_is_kept_where_the_user_wants_none_or_nothing_was_seen(tmp_path: Path) -> None:
    assert keep_seen_bars({"AAA": RISING}, MONDAY, "") == 0
    assert keep_seen_bars({"AAA": []}, MONDAY, str(tmp_path / "bars")) == 0
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_kept_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = Bar(OPEN_S, 10_000, 9_000, 11_000, 10_050, 300)  # its high is below its low
    with caplog.at_level(logging.WARNING):
        assert keep_seen_bars({"AAA": [broken], "BBB": RISING}, MONDAY, str(tmp_path / "bars")) == 5
        (tmp_path / "file").write_text("")
        assert keep_seen_bars({"AAA": RISING}, MONDAY, str(tmp_path / "file")) == 0
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the bars of AAA are not kept",
        "the bars of 2026-09-28 are not kept",
    ]
