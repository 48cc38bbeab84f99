"""The weekly report: well-formed, self-contained, with the numbers of the cycle, also of one that did nothing."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from observability import TradingHistory
from portfolio.calibration import CalibrationRow
from portfolio.curves import Curves
from portfolio.refusal import Refusal
from portfolio.survivorship import SurvivorshipWarning
from tests.weekly.market import market
from tests.weekly.test_years import play
from utils import Misconfigured
from weekly.__main__ import Simulation
from weekly.cycles import latest_cycles
from weekly.digest import digest_of, digest_of_past
from weekly.report import report_page, write_page_of, write_report
from weekly.report_tables import refused_table
from weekly.results import CycleResult, Stage
from weekly.years import YearsOfCycles


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Simulation, YearsOfCycles, Path]:
    folder = tmp_path_factory.mktemp("played")
    return *play(folder, market(), weeks=3, attribute_sources=True), folder


@pytest.fixture
def latest(played: tuple[Simulation, YearsOfCycles, Path]) -> CycleResult:
    found = played[1].latest
    assert found is not None
    return found


def body(html: str) -> ElementTree.Element:
    assert "http" not in html and "<script" not in html and "src=" not in html
    return ElementTree.fromstring(html[html.index("<body>") : html.index("</html>")])


def headings(html: str) -> list[str]:
    return [heading.text or "" for heading in body(html).iter("h2")]


def test_a_cycle_is_told_on_a_page_and_in_json_beside_it(latest: CycleResult, tmp_path: Path) -> None:
    path = write_report((latest,), tmp_path / "reports")
    assert path == tmp_path / "reports" / "weekly_report_2024-06-24.html"
    html = path.read_text()
    for wanted in ("Orders of 2024-06-24: intended and done", "Holdings", "Sectors", "Risk", "Cycles"):
        assert wanted in headings(html)
    told = json.loads(path.with_suffix(".json").read_text())
    assert told["mode"] == "simulated"
    assert told["cycle"]["net_liquidation_usd"] == latest.after.funds.net_liquidation / 1e6
    assert {each["symbol"]: each["shares"] for each in told["holdings"]} == latest.after.owned
    assert latest.plan is not None
    assert [each["planned"] for each in told["orders"]] == [order.quantity for order in latest.plan.orders]
    assert sum(told["cycle"]["by_source_usd"].values()) == pytest.approx(sum(told["cycle"]["by_name_usd"].values()))


def test_cycles_on_record_are_part_of_the_next_report(
    played: tuple[Simulation, YearsOfCycles, Path], latest: CycleResult, tmp_path: Path
) -> None:
    _, years, folder = played
    with TradingHistory(folder / "history.db", bot="weekly", mode="simulated") as history:
        past = latest_cycles(history, 50)
    html = write_report((latest,), tmp_path, past).read_text()
    assert "Account after each cycle" in headings(html)
    assert all(digest.cycle_id in html for digest in years.digests)
    on_record = digest_of_past(past[-1])
    assert on_record.net_liquidation_usd == years.digests[0].net_liquidation_usd
    assert on_record.weights == pytest.approx(years.digests[0].weights, rel=1e-3)
    assert on_record.slippage_usd == pytest.approx(years.digests[0].slippage_usd, abs=0.02)


def test_a_run_begins_with_its_comparison_and_pictures(
    played: tuple[Simulation, YearsOfCycles, Path], latest: CycleResult
) -> None:
    simulation, years, _ = played
    run = simulation.told(years)
    html = report_page(latest, years.digests, run)
    assert headings(html)[:4] == [
        "Beside what needed no bot",
        "Equity of the account",
        "Drawdown from the highest close",
        "Costs",
    ]
    assert run.curves.bot_usd[0] == run.curves.others_usd["equal weight, held"][0] == 1_000_000
    assert "a line, held" in run.curves.others_usd
    lines = [path for path in body(html).iter("path") if path.get("class", "").startswith("line ")]
    assert len(lines) == 6  # three curves in two pictures


def test_a_bot_that_lost_to_everything_is_told_so_first(
    played: tuple[Simulation, YearsOfCycles, Path], latest: CycleResult
) -> None:
    simulation, years, _ = played
    run = simulation.told(years)
    up, down = np.linspace(100, 120, len(run.sessions)), np.linspace(100, 90, len(run.sessions))
    lost = replace(
        run,
        curves=Curves(bot_usd=down, others_usd={"equal weight, held": up, "index, held": up}),
        warning=SurvivorshipWarning(names=8, sessions=600),
    )
    html = report_page(latest, years.digests, lost)
    assert "The bot earned less than equal weight, held and index, held." in html
    assert "the universe was chosen with hindsight" in html


def emptied(result: CycleResult, **changes: Any) -> CycleResult:
    nothing = dict.fromkeys(("analysis", "target", "plan", "fulfilment", "exposures", "risk", "attribution"))
    return replace(result, stage=Stage.ANALYSED, why="it was <interrupted>", **{**nothing, **changes})


def test_a_cycle_that_came_to_nothing_is_a_page_as_well(latest: CycleResult, tmp_path: Path) -> None:
    html = write_report((emptied(latest),), tmp_path).read_text()
    assert "it was &lt;interrupted&gt;" in html
    assert "Nothing is owned." in html
    assert digest_of(emptied(latest)).weights == {}


def test_calibration_is_drawn_where_there_is_any(latest: CycleResult) -> None:
    row = CalibrationRow(low=0.4, high=0.6, forecasts=40, said=0.5, came=0.45, came_low=0.3, came_high=0.6)
    assert "Too few forecasts" in report_page(latest, [digest_of(latest)])
    assert "said 50%, came 45% of 40" in report_page(replace(latest, calibration=(row,)), [digest_of(latest)])


def test_a_simulation_never_takes_the_place_of_a_report_on_an_account(latest: CycleResult, tmp_path: Path) -> None:
    paper = write_report((replace(latest, mode="paper"),), tmp_path)
    simulated = write_page_of(latest, [digest_of(latest)], tmp_path)
    assert simulated.name == "weekly_report_2024-06-24_simulated.html"
    assert json.loads(paper.with_suffix(".json").read_text())["mode"] == "paper"
    assert write_report((replace(latest, mode="paper"),), tmp_path) == paper


def test_a_folder_that_cannot_be_written_is_one_line(latest: CycleResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="the report cannot be written"):
        write_report((latest,), tmp_path / "file" / "reports")


def test_refusals_are_told_by_rule_with_money_as_money() -> None:
    refusals = [
        Refusal(symbol="A", rule="min_trade", limit=200_000_000, actual=151_090_000),
        Refusal(symbol="B", rule="loss_probability", limit=0.1, actual=0.13149),
        *(Refusal(symbol=f"S{number}", rule="no_price") for number in range(20)),
    ]
    cells = [cell.text for cell in ElementTree.fromstring(refused_table(refusals)).iter("td")]
    assert cells[:2] == ["no_price", "20"]
    assert cells[2] == ", ".join(f"S{number}" for number in range(12)) + " and 8 more"
    assert cells[5] == "A (200.00 USD, 151.09 USD)"
    assert cells[8] == "B (0.1, 0.1315)"
