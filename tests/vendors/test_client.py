"""One vendor's client against a server that misbehaves: classes, tries, deadlines, cache, budget, pages, the key."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ib_simulator.simulated_time import SimulatedClock, simulated_loop
from market_hours import LiveClock
from tests.vendors.doubles import KEY, Fault, FmpDouble, PolygonDouble, StillClock, VendorDouble, serving
from tests.vendors.harness import FAST, client_of, probe
from vendors import fmp, polygon
from vendors.cache import LIFETIMES, DiskCache, Entry, Kind
from vendors.client import Reply
from vendors.failures import Failure, KeyRefused, PlanRefused, QuotaSpent, SymbolRefused, VendorError, VendorUnavailable
from vendors.ledger import DayLedger, Priority
from vendors.pacing import MARGIN, Pacer, Rate

EXPECTED = {
    Fault.BAD_KEY: Failure.AUTH,
    Fault.PLAN: Failure.PLAN,
    Fault.SYMBOL: Failure.SYMBOL,
    Fault.QUOTA: Failure.QUOTA,
    Fault.SERVER_ERROR: Failure.TRANSIENT,
    Fault.TRUNCATED: Failure.TRANSIENT,
    Fault.DRIBBLE: Failure.TRANSIENT,
    Fault.HANGS_UP: Failure.TRANSIENT,
    Fault.HTML: Failure.MALFORMED,
    Fault.HALF_JSON: Failure.MALFORMED,
    Fault.WRONG_SHAPE: Failure.MALFORMED,
    Fault.REPEATS_KEY: Failure.MALFORMED,
}
TRIED_AGAIN = {Failure.TRANSIENT, Failure.MALFORMED}
DOUBLES = [FmpDouble, PolygonDouble]


def fetch(double: VendorDouble, folder: Path, **changes: Any) -> Reply[Any] | VendorError:
    """One question of the double's probe."""
    endpoint, arguments = probe(double)

    async def run() -> Reply[Any] | VendorError:
        async with client_of(double, folder, StillClock(), **changes) as client:
            try:
                return await client.fetch(endpoint, **arguments)
            except VendorError as error:
                return error

    with serving(double):
        return asyncio.run(run())


@pytest.mark.parametrize("make", DOUBLES)
@pytest.mark.parametrize("fault", EXPECTED)
def test_each_fault_is_told_by_its_class_and_tried_again_only_where_that_may_help(
    fault: Fault, make: type[VendorDouble], tmp_path: Path
) -> None:
    double = make()
    double.faults[""] = fault
    found = fetch(double, tmp_path, vendor_timeout_s=0.2, vendor_retries=2)
    assert isinstance(found, VendorError)
    assert found.failure is EXPECTED[fault]
    assert len(double.asked) == (3 if found.failure in TRIED_AGAIN else 1)
    assert KEY not in f"{found}{found!r}{found.__dict__}{found.__cause__!r}{found.__context__!r}"
    assert "http" not in str(found)


@pytest.mark.parametrize("make", DOUBLES)
def test_rows_of_wrong_types_are_dropped_and_named_and_no_failure(
    make: type[VendorDouble], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    double = make()
    double.faults[""] = Fault.WRONG_TYPES
    found = fetch(double, tmp_path)
    assert not isinstance(found, VendorError)
    assert (found.rows, found.dropped) == ((), 14)  # sessions of 2026-11-01 .. 19
    assert "row 0" in found.named[0]
    assert "14 rows dropped" in caplog.text


@pytest.mark.parametrize("make", DOUBLES)
def test_key_travels_in_a_header_and_never_in_a_url(make: type[VendorDouble], tmp_path: Path) -> None:
    double = make()
    assert not isinstance(fetch(double, tmp_path), VendorError)
    [asked] = double.asked
    assert KEY not in f"{asked.path}{asked.query}"
    assert KEY in str(asked.headers)


def test_redirect_is_not_followed_so_the_key_stays(tmp_path: Path) -> None:
    double, other = FmpDouble(), FmpDouble()
    with serving(other):
        double.answers["/stable/historical-price-eod/full"] = (302, "text/plain", f"{other.url}/elsewhere")
        found = fetch(double, tmp_path, vendor_retries=0)
    assert isinstance(found, VendorError)
    assert found.failure is Failure.MALFORMED
    assert other.asked == []


def test_nobody_listening_is_transient(tmp_path: Path) -> None:
    double = FmpDouble()
    double.url = "http://127.0.0.1:9/stable"

    async def run() -> None:
        async with client_of(double, tmp_path, StillClock()) as client:
            with pytest.raises(VendorUnavailable, match="no connection"):
                await client.fetch(fmp.QUOTE, {"symbol": "S000"})

    asyncio.run(run())


def test_dribble_ends_at_the_deadline_in_simulated_time_too(tmp_path: Path) -> None:
    double = FmpDouble()
    double.faults[""] = Fault.DRIBBLE
    loop = simulated_loop()
    clock = SimulatedClock(loop, datetime(2026, 11, 20, 13, tzinfo=UTC))

    async def run() -> None:
        async with client_of(double, tmp_path, clock, vendor_timeout_s=0.2, vendor_retries=0) as client:
            with pytest.raises(VendorUnavailable, match=r"no whole reply within 0\.2 s"):
                await client.fetch(fmp.QUOTE, {"symbol": "S000"})
        assert clock.now() - datetime(2026, 11, 20, 13, tzinfo=UTC) < timedelta(seconds=1)  # it stood still

    try:
        with serving(double):
            loop.run_until_complete(run())
    finally:
        loop.close()


# Refusals


def test_after_a_refused_key_nothing_is_asked_any_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    double = FmpDouble()
    double.faults["quote"] = Fault.BAD_KEY

    async def run() -> None:
        async with client_of(double, tmp_path, StillClock()) as client:
            for _ in range(3):
                with pytest.raises(KeyRefused):
                    await client.fetch(fmp.QUOTE, {"symbol": "S000"})
            with pytest.raises(KeyRefused):
                await client.fetch(fmp.PROFILE, {"symbol": "S000"})

    with serving(double):
        asyncio.run(run())
    assert len(double.asked) == 1
    assert [record.levelname for record in caplog.records if "check its key" in record.message] == ["ERROR"]


def test_plan_refuses_an_endpoint_and_a_symbol_only_itself_for_the_day_over_restarts(tmp_path: Path) -> None:
    double = FmpDouble()
    clock = StillClock()

    async def run() -> None:
        for _ in range(2):  # the second client reads what the first remembered
            async with client_of(double, tmp_path, clock) as client:
                for symbol in ("S000", "S001"):
                    with pytest.raises(PlanRefused):
                        await client.fetch(fmp.PROFILE, {"symbol": symbol}, symbol=symbol)
                with pytest.raises(SymbolRefused):
                    await client.fetch(fmp.QUOTE, {"symbol": "S000"}, symbol="S000")
                await client.fetch(fmp.QUOTE, {"symbol": "S001"}, symbol="S001")
            clock.advance(timedelta(minutes=1))
            double.faults.clear()
        clock.advance(timedelta(days=1))
        async with client_of(double, tmp_path, clock) as client:
            await client.fetch(fmp.PROFILE, {"symbol": "S000"}, symbol="S000")

    async def refuse_one_symbol() -> None:
        async with client_of(double, tmp_path, clock) as client:
            with pytest.raises(SymbolRefused):
                await client.fetch(fmp.QUOTE, {"symbol": "S000"}, symbol="S000")

    with serving(double):
        double.faults["quote"] = Fault.SYMBOL
        asyncio.run(refuse_one_symbol())
        double.faults = {"profile": Fault.PLAN}
        asyncio.run(run())
    paths = double.paths()
    assert paths.count("/stable/profile") == 2  # once refused, once on the next day
    assert paths.count("/stable/quote") == 3  # once refused, then only the other symbol


def test_quota_closes_the_vendor_for_a_minute(tmp_path: Path) -> None:
    double = PolygonDouble()
    double.faults[""] = Fault.QUOTA
    clock = StillClock()
    endpoint, arguments = probe(double)

    async def run() -> None:
        async with client_of(double, tmp_path, clock) as client:
            for _ in range(2):
                with pytest.raises(QuotaSpent):
                    await client.fetch(endpoint, **arguments)
            double.faults.clear()
            clock.advance(timedelta(seconds=59))
            with pytest.raises(QuotaSpent):
                await client.fetch(endpoint, **arguments)
            clock.advance(timedelta(seconds=2))
            await client.fetch(endpoint, **arguments)

    with serving(double):
        asyncio.run(run())
    assert len(double.asked) == 2


def test_vendor_rests_after_three_failures_in_a_row_so_that_many_symbols_do_not_wait_for_it(tmp_path: Path) -> None:
    double = FmpDouble()
    double.faults[""] = Fault.DRIBBLE
    clock = StillClock()
    outcomes: list[str] = []

    async def run() -> None:
        async with client_of(double, tmp_path, clock, vendor_timeout_s=0.05, vendor_retries=0) as client:
            for number in range(50):
                try:
                    await client.fetch(fmp.QUOTE, {"symbol": f"S{number}"})
                except VendorUnavailable as error:
                    outcomes.append(str(error).rpartition(":")[2].strip())
            double.faults.clear()
            clock.advance(timedelta(seconds=61))
            await client.fetch(fmp.QUOTE, {"symbol": "S000"})

    with serving(double):
        asyncio.run(run())
    assert len(double.asked) == 4
    assert outcomes[2:4] == ["no whole reply within 0.1 s", "not asked for a while after 3 failures in a row"]


# Budget and pace


def test_daily_budget_is_kept_over_restarts_leaves_a_share_for_what_is_needed_and_begins_anew(tmp_path: Path) -> None:
    double = FmpDouble()
    clock = StillClock()
    rate = Rate(1_000, 60.0, calls_a_day=10)
    results: list[str] = []

    async def ask(symbol: str, priority: Priority) -> None:
        async with client_of(double, tmp_path, clock, rate) as client:
            try:
                await client.fetch(fmp.QUOTE, {"symbol": symbol}, priority=priority)
                results.append("asked")
            except QuotaSpent:
                results.append("refused")

    with serving(double):
        for number in range(7):
            asyncio.run(ask(f"A{number}", Priority.OPTIONAL))  # 60 %: six
        for number in range(3):
            asyncio.run(ask(f"B{number}", Priority.NORMAL))  # 85 %: two more
        for number in range(3):
            asyncio.run(ask(f"C{number}", Priority.NEEDED))  # all: two more
        clock.advance(timedelta(days=1))
        asyncio.run(ask("D", Priority.OPTIONAL))
    yes, no = "asked", "refused"
    assert results == [yes] * 6 + [no] + [yes] * 2 + [no] + [yes] * 2 + [no] + [yes]
    assert len(double.asked) == 11


def test_two_programs_never_spend_more_than_the_day_has(tmp_path: Path) -> None:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    ledgers = [DayLedger(tmp_path / "calls.db") for _ in range(2)]
    spent = [ledgers[number % 2].spend("FMP", now, 7, Priority.NEEDED) for number in range(20)]
    assert spent == [True] * 7 + [False] * 13
    assert ledgers[0].spent("FMP", now) == 7
    for ledger in ledgers:
        ledger.close()


def test_damaged_count_is_put_aside_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "calls.db").write_bytes(b"this is no database " * 100)
    ledger = DayLedger(tmp_path / "calls.db")
    assert ledger.spend("FMP", datetime(2026, 11, 20, tzinfo=UTC), 1, Priority.NEEDED)
    ledger.close()
    assert "is damaged" in caplog.text
    assert (tmp_path / "calls.damaged").exists()


@pytest.mark.parametrize(("rate", "per_hour"), [(Rate(5, 60.0), 300), (Rate(300, 60.0), 2_000)])
def test_no_window_of_a_simulated_hour_holds_more_requests_than_the_plan_allows(
    rate: Rate, per_hour: int, tmp_path: Path
) -> None:
    double = FmpDouble()
    loop = simulated_loop()
    clock = SimulatedClock(loop, datetime(2026, 11, 20, 13, tzinfo=UTC))
    begun = clock.now()
    double.now = loop.time

    async def run() -> None:
        async with client_of(double, tmp_path, clock, rate, vendor_deadline_s=600, vendor_timeout_s=30) as client:
            numbers = iter(range(2_000))

            async def work() -> None:
                for number in numbers:
                    if clock.now() - begun > timedelta(hours=1):
                        return
                    try:
                        await client.fetch(fmp.QUOTE_SHORT, {"symbol": f"S{number}"})
                    except QuotaSpent:
                        await clock.sleep_until(clock.now() + timedelta(seconds=7))

            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    group.create_task(work())

    try:
        with serving(double):
            loop.run_until_complete(run())
    finally:
        loop.close()
    at = sorted(each.at for each in double.asked)
    most = max(sum(start <= other < start + rate.period_s for other in at) for start in at)
    assert most <= rate.calls
    assert len(at) >= min(per_hour * 0.9, 1_900)  # and the plan is used


def test_two_programs_with_one_key_keep_the_plans_pace_together(tmp_path: Path) -> None:
    rate, clock, period = Rate(10, 60.0), StillClock(), timedelta(seconds=60 * MARGIN)
    ledgers = [DayLedger(tmp_path / "calls.db") for _ in range(2)]
    pacers = [Pacer("FMP", rate, clock, ledger) for ledger in ledgers]
    given: list[datetime] = []

    async def turn(pacer: Pacer) -> None:
        wait_s = pacer.wait_s()
        await pacer.turn()
        given.append(clock.now())
        assert wait_s == pytest.approx(0.0)  # the clock sleeps until the turn has come

    async def run() -> None:
        for number in range(45):
            pacer = pacers[number % 3 % 2]
            clock.advance(timedelta(seconds=pacer.wait_s()))
            await turn(pacer)

    begun = clock.now()
    asyncio.run(run())
    assert max(sum(start <= other < start + timedelta(seconds=60) for other in given) for start in given) == 10
    assert given[-1] - begun == pytest.approx(4 * period, abs=timedelta(milliseconds=1))  # and nothing is wasted
    clock.advance(-timedelta(days=1))  # a clock that is set back does not stop anybody for a day
    assert Pacer("FMP", rate, clock, ledgers[0]).wait_s() == 0.0
    for ledger in ledgers:
        ledger.close()


def test_a_program_keeps_its_own_pace_while_the_shared_count_cannot_be_written(tmp_path: Path) -> None:
    clock, ledger = StillClock(), DayLedger(tmp_path / "calls.db")
    pacer = Pacer("FMP", Rate(3, 60.0), clock, ledger)
    ledger._database.execute("DROP TABLE turns")
    for _ in range(3):
        assert pacer.wait_s() == 0.0
        asyncio.run(pacer.turn())
    assert pacer.wait_s() == pytest.approx(60 * MARGIN)
    ledger.close()


# Cache


def test_reply_is_kept_for_its_lifetime_and_a_damaged_one_is_asked_for_again(tmp_path: Path) -> None:
    double = FmpDouble()
    clock = StillClock()
    endpoint, arguments = probe(double)
    replies: list[Reply[Any]] = []

    async def ask() -> None:
        async with client_of(double, tmp_path, clock) as client:
            replies.append(await client.fetch(endpoint, **arguments))

    with serving(double):
        for _ in range(2):
            asyncio.run(ask())
            clock.advance(LIFETIMES[Kind.HISTORY] - timedelta(seconds=1))
        clock.advance(timedelta(seconds=2))
        asyncio.run(ask())
        [file] = (tmp_path / "vendor_cache" / "fmp" / "history").glob("*.json")
        content = file.read_text()
        for damage in (content[:-20], content.replace("100", "999", 1), "[]", "\x00", '{"text": 5}'):
            file.write_text(damage)
            asyncio.run(ask())
    assert [each.from_cache for each in replies] == [False, True, False, *[False] * 5]
    assert {each.rows for each in replies} == {replies[0].rows}
    assert not [each for each in file.parent.iterdir() if each.name.startswith(".")]  # no half-written file is left


def test_replies_that_are_too_old_are_removed_and_nothing_else(tmp_path: Path) -> None:
    cache, now = DiskCache(tmp_path), datetime.now(UTC)
    for kind in (Kind.QUOTE, Kind.REFERENCE):
        cache.write("FMP", kind, "question", Entry("[]", now))
    (tmp_path / "calls.db").write_text("not a reply")
    assert cache.prune(now) == 0
    assert cache.prune(now + timedelta(hours=1)) == 1
    assert cache.read("FMP", Kind.REFERENCE, "question", now) == Entry("[]", now)
    assert cache.prune(now + timedelta(days=8)) == 1
    assert (tmp_path / "calls.db").exists()


def test_refusals_and_replies_that_repeat_the_key_are_not_kept(tmp_path: Path) -> None:
    for fault in (Fault.QUOTA, Fault.REPEATS_KEY, Fault.HTML, Fault.HALF_JSON):
        double = FmpDouble()
        double.faults[""] = fault
        fetch(double, tmp_path / fault.name)
        assert not list((tmp_path / fault.name).rglob("*.json"))


def test_full_disk_costs_the_cache_and_not_the_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "vendor_cache").write_text("a file where the folder should be")
    assert not isinstance(fetch(FmpDouble(), tmp_path), VendorError)
    assert "cannot be kept" in caplog.text


# Pages


def page(symbols: list[str], following: str) -> tuple[int, str, str]:
    rows = [{"ticker": symbol, "name": symbol} for symbol in symbols]
    return 200, "application/json", json.dumps({"status": "OK", "results": rows, "next_url": following})


def pages(double: PolygonDouble, folder: Path, most: int) -> list[str]:
    async def run() -> list[str]:
        async with client_of(double, folder, StillClock()) as client:
            reply = await polygon.Polygon(client).tickers(most)
            return [row.ticker for row in reply.rows]

    return asyncio.run(run())


def test_pages_are_followed_on_the_vendors_hosts_with_its_key_in_the_header_only(tmp_path: Path) -> None:
    double = PolygonDouble()
    with serving(double):
        double.answers["/v3/reference/tickers"] = page(
            ["A"], f"https://api.massive.com:443/page/2?cursor=x&apiKey={KEY[:5]}"
        )
        double.answers["/page/2"] = page(["B"], f"{double.url}/page/3?cursor=y")
        double.answers["/page/3"] = page(["C"], "")
        assert pages(double, tmp_path, 5) == ["A", "B", "C"]
    assert double.paths() == ["/v3/reference/tickers", "/page/2", "/page/3"]
    assert double.asked[1].query == {"cursor": "x"}


@pytest.mark.parametrize(
    "following",
    [
        "https://evil.example/v3/reference/tickers?cursor=x",
        "http://api.polygon.io/v3/reference/tickers?cursor=x",
        "https://api.polygon.io:8443/v3?cursor=x",
        "https://api.polygon.io.evil.example/?cursor=x",
        "https://user@api.polygon.io/?cursor=x",
        "http://[broken",
    ],
)
def test_page_elsewhere_is_not_followed(following: str, tmp_path: Path) -> None:
    double = PolygonDouble()
    with serving(double):
        double.answers["/v3/reference/tickers"] = page(["A"], following)
        assert pages(double, tmp_path, 5) == ["A"]
    assert len(double.asked) == 1


def test_pages_end_at_a_repeated_cursor_and_at_the_cap(tmp_path: Path) -> None:
    double = PolygonDouble()
    with serving(double):
        double.answers["/v3/reference/tickers"] = page(["A"], f"{double.url}/again?cursor=x")
        double.answers["/again"] = page(["B"], f"{double.url}/again?cursor=x")
        assert pages(double, tmp_path / "a", 5) == ["A", "B"]
        assert pages(double, tmp_path / "b", 1) == ["A"]


def test_large_reply_is_read_off_the_event_loop_and_whole(tmp_path: Path) -> None:
    double = PolygonDouble(symbols=900)

    async def run() -> tuple[int, int]:
        async with client_of(double, tmp_path, LiveClock(), FAST, vendor_timeout_s=10) as client:
            reply = await polygon.Polygon(client).grouped(datetime(2026, 11, 19, tzinfo=UTC).date())
            return len(reply.rows), reply.dropped

    with serving(double):
        many = json.dumps({"status": "OK", "results": double.rows("/v2/aggs/grouped/x/2026-11-19", {})["results"] * 14})
        double.answers["/v2/aggs/grouped/locale/us/market/stocks/2026-11-19"] = (200, "application/json", many)
        assert asyncio.run(run()) == (12_600, 0)


def test_logs_of_all_this_never_hold_the_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for number, fault in enumerate(Fault):
        for make in DOUBLES:
            double = make()
            double.faults[""] = fault
            fetch(double, tmp_path / f"{number}{make.__name__}", vendor_timeout_s=0.1, vendor_retries=1)
    assert caplog.records
    assert KEY not in caplog.text
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
