"""The page in a browser, over a simulated day at human speed: its numbers, its controls, and what it does when lost.

One day and one page serve all tests: what is bought and sold in one is seen in the next, and the last but one ends it.
"""

from __future__ import annotations

import csv
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("playwright", reason="playwright is not installed: requirements-dev.txt")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.dashboard.browsing import DESKTOP, PHONE, PICTURES, eventually, headless_browser, open_page, pictures
from tests.dashboard.contrast import contrasts
from tests.dashboard.relay import Relay, relayed
from tests.dashboard.running_day import SESSION, TOKEN, Served, page_over, running_day

FAST_UNTIL_S = 9_300.0  # 155 minutes after 8:45; at 11:20 eight positions are open
SPEED = "10"
A_MINUTE_MS = 75_000  # until the clock shows a full one, also at speed 1
NEW_YORK = ZoneInfo("America/New_York")
SIZES = {"desktop": DESKTOP, "phone": PHONE}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with headless_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def day(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The running day; `browser` comes first, so that nothing is started where there is none."""
    folder = tmp_path_factory.mktemp("running_day")
    with running_day(folder, fast_until_s=FAST_UNTIL_S, speed=SPEED) as served:
        yield served


@pytest.fixture(scope="module")
def wire(day: Served) -> Iterator[Relay]:
    with relayed(day.port) as relay:
        yield relay


@pytest.fixture(scope="module")
def shared_page(browser: Browser, wire: Relay) -> Iterator[Page]:
    with open_page(browser, f"http://127.0.0.1:{wire.port}/") as page:
        yield page


@pytest.fixture
def page(shared_page: Page) -> Page:
    """The one page of all tests, without a dialog and with nothing remembered."""
    shared_page.keyboard.press("Escape")
    shared_page.evaluate("sessionStorage.clear(); localStorage.clear()")
    expect(shared_page.locator("#sign-page")).to_contain_text("live")
    return shared_page


def number_in(text: str) -> float | None:
    """The first number of a text of the page, which writes a real minus sign."""
    found = re.search(r"[−+]?[\d,]+(\.\d+)?", text)
    return float(found.group().replace("−", "-").replace(",", "")) if found else None


def figure(page: Page, name: str) -> float | None:
    return number_in(page.locator(f"[data-figure={name}]").inner_text())


def test_figures_equal_the_database(page: Page, day: Served) -> None:
    def on_record() -> tuple[Any, ...]:
        [(executions, realised)] = day.rows("SELECT COUNT(*), SUM(pnl) FROM trades WHERE session_date = ?", SESSION)
        return executions, round(realised, 2)

    eventually(lambda: (figure(page, "fills"), figure(page, "realised")) == on_record(), True)


FULL_MINUTE = """() => {
    const text = (selector) => document.querySelector(selector).textContent;
    const names = ["equity", "pnl", "unrealised"];
    return text("#clock").endsWith(":00") && [text("#clock"), ...names.map((name) => text(`[data-figure=${name}]`))];
}"""


def test_equity_and_result_of_the_day_are_those_on_record_at_that_minute(page: Page, day: Served) -> None:
    clock, *figures = page.wait_for_function(FULL_MINUTE, timeout=A_MINUTE_MS).json_value()
    minute = (datetime.fromisoformat(f"{SESSION}T{clock}").replace(tzinfo=NEW_YORK).astimezone(UTC)).isoformat(
        timespec="microseconds"
    )
    query = "SELECT ROUND(equity, 2), ROUND(pnl, 2), ROUND(unrealised, 2) FROM equity_minutes WHERE timestamp = ?"
    eventually(lambda: day.rows(query, minute), [tuple(map(number_in, figures))])


def test_positions_equal_the_database_and_their_exits_rest_at_the_broker(page: Page, day: Served) -> None:
    def shown() -> list[tuple[Any, ...]]:
        found = []
        for row in page.locator(".position").all():
            shares, cost = row.locator(".size").inner_text().split(" @ ")
            found.append((row.get_attribute("data-symbol"), number_in(shares), number_in(cost)))
        return sorted(found)

    def owned() -> list[tuple[Any, ...]]:
        return day.rows(
            "SELECT held.symbol, held.quantity, "
            "ROUND(SUM(bought.quantity * price + commission) / SUM(bought.quantity), 2) "
            "FROM open_positions AS held JOIN trades AS bought ON bought.symbol = held.symbol AND action = 'BUY' "
            "AND bought.timestamp >= held.opened_at GROUP BY held.symbol ORDER BY held.symbol"
        )

    eventually(lambda: shown() == owned() != [], True)
    resting = page.locator(".position").first.locator(".badge")
    expect(resting).to_contain_text([re.compile("✓ stop"), re.compile("✓ target"), re.compile("✓ time exit 15:55")])


def test_chart_marks_every_execution_of_its_symbol(page: Page, day: Served) -> None:
    [(symbol, buys, sells)] = day.rows(
        "SELECT symbol, SUM(action = 'BUY'), SUM(action = 'SELL') FROM trades "
        "GROUP BY symbol ORDER BY COUNT(*) DESC LIMIT 1"
    )
    page.locator(f"#watchlist tr[data-symbol={symbol}] button").click()
    told = re.compile(rf"of {symbol}: \d+ minute bars .*; {buys} purchases and {sells} sales")
    expect(page.locator("#price-chart")).to_have_attribute("aria-label", told)
    expect(page.locator("#chart-figures")).to_contain_text("VWAP")


def test_decisions_are_those_on_record_also_why_nothing_was_bought(page: Page, day: Served) -> None:
    def shown() -> list[str]:
        return page.locator(".decision").evaluate_all("rows => rows.slice(0, 40).map((row) => row.dataset.id)")

    def on_record() -> list[str]:
        query = "SELECT decision_id FROM decisions WHERE session_date = ? ORDER BY timestamp DESC LIMIT 60"
        return [decision for (decision,) in day.rows(query, SESSION)]

    eventually(lambda: len(shown()) == 40 and set(shown()) <= set(on_record()), True)
    page.get_by_role("button", name="Not entered").click()
    expect(page.locator(".decision").first).to_contain_text("No entry")
    page.get_by_role("button", name="Trades", exact=True).click()
    expect(page.locator(".decision").first).to_contain_text(re.compile("Buy|Sold"))
    page.locator("#decisions").get_by_role("button", name="All").click()


def test_round_trips_are_filtered_sorted_paged_and_downloaded(page: Page, day: Served, tmp_path: Path) -> None:
    table = page.locator("#trips-table tbody tr")

    def results() -> list[float | None]:
        return [number_in(text) for text in table.locator("td:last-child").all_inner_texts()]

    def on_record(order: str, where: str = "TRUE", offset: int = 0) -> list[float]:
        query = f"SELECT pnl FROM round_trips WHERE {where} ORDER BY {order} LIMIT 12 OFFSET {offset}"
        return [round(pnl, 2) for (pnl,) in day.rows(query)]

    sort = page.get_by_role("columnheader", name="Result").get_by_role("button")
    sort.click()
    eventually(lambda: results() == on_record("pnl DESC"), True)
    expect(page.get_by_role("columnheader", name="Result")).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="Next page").click()
    eventually(lambda: results() == on_record("pnl DESC", offset=12), True)
    sort.click()
    eventually(lambda: results() == on_record("pnl"), True)
    page.select_option("[name=exit_reason]", "profit_target")
    eventually(lambda: results() == on_record("pnl", "exit_reason = 'profit_target'"), True)

    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    download.value.save_as(tmp_path / "trips.csv")
    with (tmp_path / "trips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    wanted = on_record("pnl", "exit_reason = 'profit_target'")
    assert sorted(round(float(row["pnl_usd"]), 2) for row in rows) == wanted != []
    page.select_option("[name=exit_reason]", "")
    page.get_by_role("columnheader", name="Closed").get_by_role("button").click()


CONTROLS = ("#pause", "#flatten", "#kill", ".position .button", "#freeze", "#rollback", "#research")


@pytest.mark.parametrize("control", CONTROLS)
def test_control_is_refused_without_the_token(page: Page, day: Served, control: str) -> None:
    page.locator(control).first.click()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("#confirm-outcome")).to_contain_text("Not authorised")
    page.keyboard.press("Escape")
    assert day.state()["view"]["held_by_operator"] is False
    assert day.rows("SELECT COUNT(*) FROM trades WHERE reason = 'manual'") == [(0,)]


def test_a_wrong_token_is_refused_and_not_kept(page: Page, day: Served) -> None:
    page.click("#pause")
    page.get_by_label("Token of the dashboard").fill("a wrong one, of the right length at least")
    page.keyboard.press("Enter")
    expect(page.locator("#confirm-outcome")).to_contain_text("Not authorised")
    assert page.evaluate("sessionStorage.getItem('dashboard-token')") is None
    assert day.state()["view"]["held_by_operator"] is False


def command(page: Page, control: str) -> None:
    """Press a control, give the token where it is asked for, confirm, and see that it was done."""
    page.locator(control).first.click()
    token = page.get_by_label("Token of the dashboard")
    go = page.locator("#confirm-go")
    if token.is_visible():
        token.fill(TOKEN)
        page.get_by_label("Your name").fill("a tester")
        go.click()
    expect(go).not_to_have_text("Continue")
    go.click()
    expect(page.locator("#confirm-outcome")).to_contain_text("Done")
    page.locator("#confirm-cancel").click()


def test_entries_are_paused_and_resumed(page: Page, day: Served) -> None:
    command(page, "#pause")
    expect(page.locator("#sign-entries")).to_contain_text("stopped")
    expect(page.locator("#pause")).to_have_text("Resume entries")
    assert day.state()["view"]["held_by_operator"] is True
    command(page, "#pause")
    expect(page.locator("#pause")).to_have_text("Pause entries")
    assert day.state()["view"]["held_by_operator"] is False


def test_one_position_is_closed(page: Page, day: Served) -> None:
    symbol = page.locator(".position").first.get_attribute("data-symbol")
    others = page.locator(".position").count() - 1
    assert others > 0
    command(page, f".position[data-symbol={symbol}] .button")
    expect(page.locator(f".position[data-symbol={symbol}]")).to_have_count(0)
    assert day.rows("SELECT DISTINCT symbol FROM trades WHERE reason = 'manual'") == [(symbol,)]


BESIDE = {"freeze": "#freeze", "rollback": "#rollback", "research": "#research"}


def test_only_what_the_program_offers_can_be_pressed(page: Page, day: Served) -> None:
    offered = day.state()["server"]["kinds"]
    expect(page.locator("#pause")).to_be_enabled()
    assert {kind: page.locator(control).is_enabled() for kind, control in BESIDE.items()} == {
        kind: kind in offered for kind in BESIDE
    }


def test_parameters_are_frozen_and_unfrozen(page: Page, day: Served) -> None:
    command(page, "#freeze")
    expect(page.locator("#freeze")).to_have_text("Unfreeze")
    command(page, "#freeze")
    expect(page.locator("#freeze")).to_have_text("Freeze")


CHANGE = """
INSERT INTO parameter_changes
    (timestamp, session_date, bot, mode, parameter, old_value, new_value, source, reason, evidence, applied)
SELECT timestamp, session_date, bot, mode, 'profit_target_pct', 1.4, 1.5, 'rule', 'for this test', '{}', 1
FROM trades ORDER BY trade_id LIMIT 1
"""
LAST_CHANGE = "SELECT old_value, new_value, source FROM parameter_changes ORDER BY change_id DESC LIMIT 1"


def test_the_last_change_of_a_parameter_is_taken_back(page: Page, day: Served) -> None:
    with closing(sqlite3.connect(day.database, timeout=10)) as connection, connection:
        connection.execute(CHANGE)
    command(page, "#rollback")
    assert day.rows(LAST_CHANGE) == [(1.5, 1.4, "rollback")]
    expect(page.locator("#parameter-history")).to_contain_text("rollback")


def test_a_research_run_is_started_in_a_process_of_its_own(page: Page, day: Served) -> None:
    page.click("#research")
    page.get_by_label("What to run").fill("backtest")
    if page.get_by_label("Your name").is_visible():
        page.get_by_label("Your name").fill("a tester")
    page.locator("#confirm-go").click()
    expect(page.locator("#confirm-go")).not_to_have_text("Continue")
    page.locator("#confirm-go").click()
    expect(page.locator("#confirm-outcome")).to_contain_text("Done")
    page.locator("#confirm-cancel").click()
    assert len(list((day.database.parent / "reports" / "research").glob("backtest_*.txt"))) == 1


def test_every_command_is_on_record_with_who_asked(page: Page, day: Served) -> None:
    who = [name for (name,) in day.rows("SELECT DISTINCT who FROM control_actions")]
    assert len(who) == 1
    assert "a tester" in who[0]
    recorded = {kind for (kind,) in day.rows("SELECT kind FROM control_actions WHERE state = 'done'")}
    assert recorded >= {"pause", "resume", "close"}


def test_a_page_that_needs_the_token_to_read_asks_for_it(browser: Browser, day: Served) -> None:
    def guarded(route: Route) -> None:
        if route.request.headers.get("authorization") == f"Bearer {TOKEN}":
            route.continue_()
        else:
            route.fulfill(status=401, json={"error": "a token is needed"})

    context = browser.new_context(viewport=PHONE)
    page = context.new_page()
    page.route("**/api/**", guarded)
    page.goto(day.url)
    page.get_by_label("Token of the dashboard").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator(".position").first).to_be_visible()
    expect(page.get_by_role("dialog")).to_be_hidden()
    context.close()


def test_a_lost_connection_is_told_and_what_happened_meanwhile_is_shown_afterwards(
    page: Page, day: Served, wire: Relay
) -> None:
    wire.cut()
    expect(page.locator("#sign-page")).to_contain_text("stale since")
    expect(page.locator("[data-notice=page]")).to_contain_text("Orders that rest at the broker stay there")
    expect(page.locator("#pause")).to_be_disabled()
    before = page.locator("#clock").inner_text()
    wire.mend()
    expect(page.locator("#sign-page")).to_contain_text("live")
    expect(page.locator("#clock")).not_to_have_text(before)
    expect(page.locator("[data-notice=page]")).to_have_count(0)
    test_figures_equal_the_database(page, day)


def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    page.locator("body").press("Tab")
    page.evaluate("document.querySelector('.skip').focus()")
    reached = []
    for _ in range(8):
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        page.keyboard.press("Tab")
    assert reached[:5] == ["skip", "theme", "pause", "flatten", "kill"]
    page.focus("#pause")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "pause"


def test_theme_is_chosen_and_kept(page: Page) -> None:
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.click("#theme")
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    assert page.evaluate(ground) == light
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate("localStorage.getItem('theme')") is None


def test_page_fits_and_is_accessible_on_desk_and_phone_dark_and_light(
    browser: Browser, day: Served, tmp_path: Path
) -> None:
    folder = pictures(tmp_path)
    with open_page(browser, day.url, bypass_csp=True) as page:  # axe is a script that the policy would refuse
        expect(page.locator(".position").first).to_be_visible()
        expect(page.locator("#trips-table tbody tr").first).to_be_visible()
        expect(page.locator("#price-chart")).to_have_attribute("aria-label", re.compile("minute bars"))
        expect(page.locator("#money")).not_to_have_attribute("data-empty", "")
        for name, size in SIZES.items():
            for theme in ("dark", "light"):
                page.set_viewport_size(size)
                page.emulate_media(color_scheme=theme)
                page.screenshot(path=folder / f"{name}-{theme}.png")
                if PICTURES in os.environ:
                    page.screenshot(path=folder / f"{name}-{theme}-whole.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_words_stand_out_from_their_ground(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    weak = {pair: ratio for pair, ratio in contrasts(page).items() if ratio < 4.5}
    page.emulate_media(color_scheme="dark")
    assert weak == {}


def test_events_are_read_however_they_are_torn(page: Page) -> None:
    events = ': alive\n\nid: 1\nevent: view\ndata: {"at":\ndata: "now"}\n\nevent: server\ndata: {}\n\n'
    stream = events + 'event: view\ndata: {"half'
    read = """async (text) => {
        const { eventReader } = await import("/static/scripts/stream.js");
        return Array.from({ length: text.length }, (_, cut) => {
            const told = [];
            const read = eventReader((name, data) => told.push([name, data]));
            read(text.slice(0, cut));
            read(text.slice(cut));
            return told;
        });
    }"""
    for told in page.evaluate(read, stream):
        assert told == [["view", {"at": "now"}], ["server", {}]]


def test_everything_is_sold_then_the_program_is_ended(page: Page, day: Served) -> None:
    command(page, "#flatten")
    expect(page.locator(".position")).to_have_count(0)
    assert day.rows("SELECT COUNT(*) FROM open_positions") == [(0,)]
    expect(page.locator("#sign-entries")).to_contain_text("stopped")
    page.click("#kill")
    page.get_by_label("Sell everything at once and end the program").check()
    page.locator("#confirm-go").click()
    expect(page.locator("#confirm-go")).to_have_text("Throw the kill switch and sell everything")
    page.locator("#confirm-go").click()
    assert day.process.wait(timeout=30) == 3
    expect(page.locator("#sign-page")).to_contain_text("stale since")


def test_page_over_a_database_survives_a_restart_of_its_server(browser: Browser, day: Served, tmp_path: Path) -> None:
    with page_over(day.database, tmp_path / "first") as served, open_page(browser, served.url) as page:
        expect(page.locator("#clock")).to_have_text("Fri 20 Nov 2026")
        [(trips, result)] = day.rows("SELECT COUNT(*), SUM(pnl) FROM round_trips")
        eventually(lambda: (figure(page, "pnl"), figure(page, "trips")), (round(result, 2), trips))
        expect(page.locator("#pause")).to_be_disabled()
        served.process.terminate()
        expect(page.locator("#sign-page")).to_contain_text("stale since")
        served.process.wait()
        with page_over(day.database, tmp_path / "second", served.port):
            expect(page.locator("#sign-page")).to_contain_text("live")
            expect(page.locator("[data-notice=page]")).to_have_count(0)
