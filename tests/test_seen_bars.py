"""Bars that a session saw go into the store, and what cannot be kept costs nothing else."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path

import pytest

from day_trading.seen_bars import forget_seen_bars, keep_seen_bars, seen_bars
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


def test_bars_that_differ_from_those_on_file_stay_as_they_were(tmp_path: Path) -> None:
    folder = str(tmp_path / "bars")
    keep_seen_bars({"AAA": RISING}, MONDAY, folder)
    assert keep_seen_bars({"AAA": [bar._replace(close=10_060) for bar in RISING]}, MONDAY, folder) == 0
    assert seen_bars(folder, "2026-09-28", "AAA") == RISING


def test_a_session_that_nobody_kept_is_said_in_words(tmp_path: Path) -> None:
    folder = str(tmp_path / "bars")
    keep_seen_bars({"AAA": RISING}, MONDAY, folder)
    with pytest.raises(LookupError, match="has no bars of AAA on 2026-09-29"):
        seen_bars(folder, "2026-09-29", "AAA")
    with pytest.raises(LookupError, match="no bars are kept"):
        seen_bars(str(tmp_path / "nowhere"), "2026-09-28", "AAA")


def test_the_store_of_an_earlier_simulation_is_forgotten_and_nothing_else_is(tmp_path: Path) -> None:
    store, other = tmp_path / "bars", tmp_path / "mine"
    keep_seen_bars({"AAA": RISING}, MONDAY, str(store))
    other.mkdir()
    (other / "letter.txt").write_text("mine", encoding="utf-8")
    for folder in (store, other, tmp_path / "nowhere"):
        forget_seen_bars(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
