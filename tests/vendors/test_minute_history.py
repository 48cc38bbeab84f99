"""Past minute bars of vendors into the bar store, over real sockets: as traded, paced, resumable."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from market_hours import Session
from research.__main__ import main
from research.store import BarStore
from tests.vendors.doubles import CALENDAR, KEY, Fault, FmpDouble, PolygonDouble, StillClock, VendorDouble, serving
from tests.vendors.harness import settings
from trading.bars import Bar
from trading.errors import HistoryUnavailable
from vendors.failures import KeyRefused, QuotaSpent, VendorUnavailable
from vendors.setup import minute_history

OCTOBER = CALENDAR.sessions_between(date(2026, 10, 1), date(2026, 10, 30))
DOUBLES = [FmpDouble, PolygonDouble]


def name_of(double: VendorDouble) -> str:
    return "fmp" if double.is_fmp else "polygon"


def ask(
    double: VendorDouble, folder: Path, clock: StillClock, asked: list[tuple[str, Session]], **changes: Any
) -> list[list[Bar] | Exception]:
    """The answers in order; the last is an error when it ended the questions."""

    async def run() -> list[list[Bar] | Exception]:
        answers: list[list[Bar] | Exception] = []
        chosen = settings(folder, double, **({"vendor_timeout_s": 30.0} | changes))  # a month is long to make
        async with minute_history(name_of(double), chosen, clock) as history:
            for symbol, session in asked:
                try:
                    answers.append(await history.session_minutes(symbol, session))
                except HistoryUnavailable as error:
                    answers.append(error)
                except (KeyRefused, QuotaSpent, VendorUnavailable) as error:
                    return [*answers, error]
        return answers

    with serving(double):
        return asyncio.run(run())


@pytest.mark.parametrize("make", DOUBLES)
def test_a_days_minutes_come_as_they_were_traded(make: type[VendorDouble], tmp_path: Path) -> None:
    double = make()
    (bars,) = ask(double, tmp_path, StillClock(), [("S001", OCTOBER[0])])
    assert isinstance(bars, list)
    assert len(bars) == 392  # three before the open, one missing
    assert [bar.start_s for bar in bars[:3]] == [OCTOBER[0].open_s - 60 * minutes for minutes in (3, 2, 1)]
    first = bars[3]
    assert (first.high - first.open, first.open - first.low, first.close - first.open) == (200, 100, 100)
    assert first.volume == 700
    query = double.asked[0].query
    assert query.get("nonadjusted", "true") == "true" and query.get("adjusted", "false") == "false"
    assert not list((tmp_path / "vendor_cache").glob("*/*/*"))  # the bar store is where bars are kept


def test_polygon_is_asked_once_a_month_and_fmp_once_a_day(tmp_path: Path) -> None:
    asked = [("S001", session) for session in OCTOBER[:5]] + [("S002", OCTOBER[3])]
    counts = {}
    for make in DOUBLES:
        double = make()
        answers = ask(double, tmp_path / name_of(double), StillClock(), asked)
        assert all(isinstance(bars, list) and len(bars) == 392 for bars in answers)
        counts[name_of(double)] = len(double.asked)
    assert counts == {"fmp": 6, "polygon": 2}


def test_the_plans_pace_is_waited_for(tmp_path: Path) -> None:
    clock, double = StillClock(), PolygonDouble()
    double.now = lambda: clock.now().timestamp()
    asked = [(f"S00{number}", OCTOBER[0]) for number in range(8)]
    answers = ask(double, tmp_path, clock, asked, polygon_plan="basic")
    assert all(isinstance(bars, list) for bars in answers)
    times = [each.at for each in double.asked]
    assert min(late - early for early, late in zip(times, times[5:], strict=False)) >= 60


@pytest.mark.parametrize(
    ("fault", "answers", "requests", "slept_s"),
    [
        (Fault.BAD_KEY, ["KeyRefused"], 1, 0),
        (Fault.QUOTA, ["QuotaSpent"], 4, 180),  # waited for three times
        (Fault.SERVER_ERROR, ["HistoryUnavailable", "HistoryUnavailable", "VendorUnavailable"], 6, 0),
        (Fault.SYMBOL, ["HistoryUnavailable"] * 4, 1, 0),  # refused once, not asked again
    ],
)
def test_a_refusal_ends_a_download_or_only_passes_over_a_session(
    fault: Fault, answers: list[str], requests: int, slept_s: int, tmp_path: Path
) -> None:
    double, clock = FmpDouble(), StillClock()
    double.faults[""] = fault
    found = ask(double, tmp_path, clock, [("S001", session) for session in OCTOBER[:4]])
    assert [type(each).__name__ for each in found] == answers
    assert len(double.asked) == requests
    assert slept_s <= clock.slept_s < slept_s + 5  # and short pauses between tries
    assert KEY not in "".join(str(each) for each in found)


def download(double: VendorDouble, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """The command, with this double's address in the settings."""
    name = name_of(double)
    monkeypatch.setenv(f"{name.upper()}_BASE_URL", double.url)
    span = ("--from", "2026-10-29", "--to", "2026-11-03")
    return main(["download", "--source", name, "--symbols", "S001,S002", *span, *options])


@pytest.mark.parametrize("make", DOUBLES)
def test_the_command_brings_what_is_missing_and_only_that(
    make: type[VendorDouble], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    double = make()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("market_hours.LiveClock.now", lambda _: StillClock().now())
    monkeypatch.setenv(f"{name_of(double).upper()}_API_KEY", KEY)
    monkeypatch.setenv("FMP_PLAN", "ultimate")
    with serving(double):
        assert download(double, monkeypatch) == 0
        assert "3,112 new bars of 8 symbol-sessions in bars" in capsys.readouterr().out
        asked = len(double.asked)
        assert download(double, monkeypatch) == 0
        assert "nothing to download: bars has all of it" in capsys.readouterr().out
        assert len(double.asked) == asked
    kept = BarStore("bars").bars("minute", "S001", date(2026, 10, 29), date(2026, 10, 29))
    assert len(kept.start_s) == 2 * 389  # of the 29th and 30th, the session's minutes alone


def test_a_download_without_a_key_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("market_hours.LiveClock.now", lambda _: StillClock().now())
    monkeypatch.delenv("POLYGON_API_KEY", raising=False)
    options = ("--symbols", "AAPL", "--from", "2026-10-29", "--to", "2026-10-29")
    assert main(["download", "--source", "polygon", *options]) == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "",
        "python -m research: POLYGON_API_KEY is not set: nothing can be asked of polygon\n",
    )
