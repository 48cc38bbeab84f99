"""The page of a day: its curve worked by hand, and its numbers those of the day's report and of the database."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from day_trading.day_curve import day_curve
from day_trading.day_page import day_page, page_path, write_day_page
from observability import TradingHistory
from records.rows import TradeRow
from tests.gateway_world import MONDAY, HandMadeFeed, minute, play_day, warm_up
from tests.simulated_runs import rows, run
from trading.bars import Bar
from trading.orders import Action, Reason

ENTERED = [*warm_up(), minute("09:50", 100.00, 100.20, 99.98, 100.18, 6_000)]  # 249 bought at 9:50:40 for 100.21
STOPPED = minute("09:55", 99.80, 99.90, 99.00, 99.10, 6_000)
SMALL = {"WATCHLIST_UNIVERSE": "AMZN,COIN,CRM,TSLA", "WATCHLIST_SIZE": "4"}


class Content(HTMLParser):
    """The texts of a page, its tables row by row, and whether anything is fetched or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.rows: list[list[str]] = []
        self.outside: list[str] = []
        self.points: list[str] = []
        self._in: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        names = {name for name, _ in attributes}
        if tag in ("script", "link", "img", "iframe") or names & {"src", "href", "onclick", "onload"}:
            self.outside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._in and self._in[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        elif self._in and self._in[-1] in ("h1", "h2"):
            self.headings.append(data)
        elif self._in and self._in[-1] == "title" and "svg" in self._in:
            self.points.append(data)

    def facts(self) -> dict[str, str]:
        return {row[0]: row[1] for row in self.rows if len(row) == 2}


def trade(second: int, action: str, quantity: int, price_usd: float, commission_usd: float | None = 1.0) -> TradeRow:
    return TradeRow(
        exec_id=f"e{second}",
        session_date="2025-10-07",
        timestamp=datetime.fromtimestamp(second, UTC),
        symbol="AAA",
        action=Action(action),
        quantity=quantity,
        price_usd=price_usd,
        reason=Reason.ENTRY,
        commission_usd=commission_usd,
    )


def bar(start_s: int, close_usd: float) -> Bar:
    price = round(close_usd * 10_000)
    return Bar(start_s, price, price, price, price, 1_000)


def test_a_curve_is_money_in_and_out_and_shares_at_the_last_close() -> None:
    executed = [trade(70, "BUY", 100, 10.0), trade(200, "SELL", 100, 10.5, None)]
    curve = day_curve(executed, {"AAA": [bar(0, 9.0), bar(60, 10.2), bar(120, 9.8)]}, 0, 240)
    assert curve.at_s == [0, 60, 120, 180, 240]
    # bought for 1,000 and a fee of 1; worth 1,020 and 980; sold for 1,050, its fee not reported yet
    assert curve.pnl_usd == pytest.approx([0, 0, 19, -21, 49])
    assert curve.drawdown_usd == pytest.approx([0, 0, 0, -40, 0])


def test_shares_that_the_day_began_with_are_worth_what_was_paid_until_there_is_a_bar() -> None:
    curve = day_curve([trade(-90_000, "BUY", 10, 10.0)], {"AAA": [bar(0, 11.0)]}, 0, 60)
    assert curve.pnl_usd == pytest.approx([-1, 9])


def test_a_page_has_the_numbers_of_the_report_and_needs_nothing_from_outside(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": [*ENTERED, STOPPED]}), tmp_path, stop_at="10:00")
    bars = {"AAA": [*ENTERED, STOPPED]}
    html = day_page(day.report, MONDAY, bars, day.trades)
    content = Content(html)
    assert content.outside == []
    assert content.headings[0] == "Monday 2026-09-28: -207.23 USD"
    (trip,) = [row for row in content.rows if row[0] == "AAA"]
    assert trip == ["AAA", "249", "09:50", "100.21", "09:55", "99.39", "5", "3.05", "-207.23", "stop loss"]
    assert "09:50:40 bought 249 at 100.21, entry" in content.points
    assert "09:55:40 sold 249 at 99.39, stop loss: -207.23 USD" in content.points
    assert [row[0] for row in content.rows if row[0] == "not above VWAP"] == ["not above VWAP"]
    assert "flat, no resting orders" in html


def test_texts_of_others_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": ENTERED}), tmp_path, stop_at="09:51")
    report = replace(day.report, warnings=("<script>alert(1)</script>",), ended_because="<img src=x>")
    content = Content(day_page(report, MONDAY, {"AAA": ENTERED}, day.trades))
    assert content.outside == []


def test_what_is_left_at_the_broker_is_listed_leg_by_leg(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": ENTERED}), tmp_path, stop_at="09:52")
    content = Content(day_page(day.report, MONDAY, {"AAA": ENTERED}, day.trades))
    left = [row for row in content.rows if row[:2] == ["AAA", "249"] and row[2] == "sell"]
    assert [(row[4], row[5], row[6]) for row in left] == [
        ("stop", "99.40", "GTC"),
        ("limit", "101.62", "DAY"),
        ("market", "", "GTC"),
    ]


def test_a_session_without_anything_still_has_a_page(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": ENTERED}), tmp_path, world={"begins": "16:10"})
    assert "Monday 2026-09-28: +0.00 USD" in day_page(day.report, MONDAY, {}, [])


def test_simulated_days_never_replace_the_page_of_a_real_one(tmp_path: Path) -> None:
    day = play_day(HandMadeFeed({"AAA": ENTERED}), tmp_path, world={"begins": "16:10"})
    assert page_path(day.report, Path("reports")) == Path("reports/daily/day_2026-09-28_simulated.html")
    live = replace(day.report, mode="live")
    assert page_path(live, Path("reports")) == Path("reports/daily/day_2026-09-28.html")


def test_a_folder_that_cannot_be_written_costs_the_page_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    day = play_day(HandMadeFeed({"AAA": ENTERED}), tmp_path, world={"begins": "16:10"})
    (tmp_path / "reports").write_text("a file where a folder should be")
    with TradingHistory(tmp_path / "history.db", bot="day_trader", mode="simulated") as history:
        assert write_day_page(day.report, MONDAY, {}, history, tmp_path / "reports") is None
    assert "was not written" in caplog.text


def test_a_simulated_day_leaves_its_page_and_names_it(tmp_path: Path) -> None:
    done = run(tmp_path, "2025-10-07", settings=SMALL)
    assert done.returncode == 0, done.stderr
    (named,) = re.findall(r"^day page      (.*)$", done.stdout, re.MULTILINE)
    content = Content((tmp_path / named).read_text(encoding="utf-8"))
    (log,) = [json.loads(path.read_text()) for path in (tmp_path / "logs").glob("*.json")]
    result_usd: Any = log["metrics"]["total_pnl_usd"]
    assert content.headings[0] == f"Tuesday 2025-10-07: {result_usd:+,.2f} USD"
    trips = [row for row in content.rows if len(row) == 10 and row[0] != "symbol"]
    assert [(row[0], row[8]) for row in trips] == [(t["symbol"], f"{t['pnl_usd']:+,.2f}") for t in log["round_trips"]]
    fills = rows(tmp_path, "SELECT symbol, quantity FROM trades")
    marked = [point for point in content.points if " bought " in point or " sold " in point]
    assert len(marked) == len(fills) > 4
