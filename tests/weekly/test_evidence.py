"""The snapshot: what is gathered, that it can be replayed, and that a changed one is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gateway_world import MONDAY
from tests.vendors.doubles import Fault, FmpDouble, PolygonDouble, VendorDouble, price_of, serving
from tests.vendors.harness import settings as vendor_settings
from tests.weekly.world import CALENDAR, NAMES, WeeklyWorld, in_weekly_world, market
from utils import Misconfigured
from weekly.results import CycleResult, Stage
from weekly.snapshot import Snapshot, read_snapshot

COMPANIES = 12


def kept_snapshot(folder: Path) -> Path:
    (file,) = (folder / "snapshots").glob("weekly_snapshot_2026-09-28_*.json")
    return file


def dry_cycle(folder: Path, evidence: Snapshot | None = None) -> CycleResult:
    async def main(world: WeeklyWorld) -> CycleResult:
        return await world.cycle(dry_run=True, evidence=evidence, snapshot_folder=folder / "snapshots")

    return in_weekly_world(main, folder)


def test_a_cycle_by_the_evidence_of_another_decides_the_same(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "again").mkdir()
    first = dry_cycle(tmp_path / "first")
    evidence = read_snapshot(kept_snapshot(tmp_path / "first"))
    assert evidence.digest == first.snapshot_digest
    again = dry_cycle(tmp_path / "again", evidence)
    assert again.plan == first.plan
    assert again.target == first.target
    assert again.forecasts_made == 0  # what is replayed is no forecast


def test_orders_never_follow_from_the_evidence_of_another_session(tmp_path: Path) -> None:
    (tmp_path / "monday").mkdir()
    (tmp_path / "tuesday").mkdir()
    dry_cycle(tmp_path / "monday")
    evidence = read_snapshot(kept_snapshot(tmp_path / "monday"))
    tuesday = CALENDAR.next_session(MONDAY.date)

    async def main(world: WeeklyWorld) -> CycleResult:
        return await world.cycle(tuesday, evidence=evidence)

    result = in_weekly_world(main, tmp_path / "tuesday", feed=market(sessions=(tuesday,)), session=tuesday)
    assert result.plan is not None
    assert result.plan.orders
    assert result.stage is Stage.PLANNED
    assert result.why == "its evidence is that of 2026-09-28: the plan is not sent"


def test_a_snapshot_that_was_changed_is_refused(tmp_path: Path) -> None:
    dry_cycle(tmp_path)
    file = kept_snapshot(tmp_path)
    found = json.loads(file.read_text())
    found["content"]["closes_usd"]["W00"][-1] *= 2
    file.write_text(json.dumps(found))
    with pytest.raises(Misconfigured, match="the evidence was changed after it was gathered"):
        read_snapshot(file)


@pytest.mark.parametrize("text", ["[]", "{}", '{"sha256": "", "content": {}}', "no json"])
def test_what_is_no_snapshot_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "file.json"
    file.write_text(text)
    with pytest.raises(Misconfigured) as refusal:
        read_snapshot(file)
    assert str(file) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_nothing_of_the_session_is_in_its_evidence(tmp_path: Path) -> None:
    dry_cycle(tmp_path)
    evidence = read_snapshot(kept_snapshot(tmp_path))
    assert max(evidence.history.sessions) < MONDAY.date
    assert set(evidence.history.symbols) == set(NAMES)


def with_vendors(folder: Path, *doubles: VendorDouble) -> tuple[CycleResult, Snapshot]:
    symbols = doubles[0].symbols
    feed = market(symbols, prices=lambda symbol, _session, _last: price_of(symbol))

    async def main(world: WeeklyWorld) -> CycleResult:
        vendors = vendor_settings(folder, *doubles, vendor_timeout_s=10, vendor_deadline_s=20)
        return await world.cycle(dry_run=True, vendors=vendors, snapshot_folder=folder / "snapshots")

    with serving(*doubles):
        result = in_weekly_world(main, folder, feed=feed, settings={"weekly_universe": tuple(symbols[:8])})
    return result, read_snapshot(kept_snapshot(folder))


def test_a_vendors_screen_history_figures_estimates_and_news_are_in_the_snapshot(tmp_path: Path) -> None:
    result, evidence = with_vendors(tmp_path, FmpDouble(COMPANIES))
    assert result.stage is Stage.PLANNED
    assert len(evidence.candidates) == COMPANIES
    assert evidence.own_names == frozenset()
    assert set(evidence.sources.values()) == {"FMP"}
    assert set(evidence.sources) == {"screen", "history", "fundamentals", "opinion", "news"}
    about = evidence.names["S000"]
    assert about.fundamentals is not None
    assert about.fundamentals.price_to_earnings == 21.5
    assert about.opinion is not None
    assert about.opinion.buys == 30
    assert [item.title for item in about.news] == ["S000 moves"]
    assert evidence.sectors()["S000"] == "Technology"


def test_without_the_screen_of_a_vendor_the_users_own_names_are_looked_at(tmp_path: Path) -> None:
    fmp = FmpDouble(COMPANIES)
    fmp.faults["company-screener"] = Fault.PLAN
    _, evidence = with_vendors(tmp_path, fmp, PolygonDouble(COMPANIES))
    assert evidence.own_names == frozenset(fmp.symbols[:8])  # Polygon's says neither what is a fund nor its size
    assert any("company-screener" in words or "PLAN" in words for words in evidence.missing)
    assert evidence.sources["history"] == "FMP"
