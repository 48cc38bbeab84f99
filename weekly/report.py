"""What a cycle, or years of them, came to: one page for a person, and the same as JSON for a program."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from portfolio.curves import BOT, comparison, verdict
from portfolio.fulfilment import OrderOutcome
from reporting.page import Section, page, paragraph, write_page
from trading.costs import BUY
from trading.money import money_to_usd, price_to_usd, usd_text
from utils import Misconfigured, read_json, write_json_atomically
from weekly.cycles import PastCycle
from weekly.digest import CycleDigest, digest_of, digest_of_past, summed
from weekly.report_pictures import (
    account_picture,
    attribution_pictures,
    calibration_picture,
    run_pictures,
    sector_picture,
    weights_picture,
)
from weekly.report_tables import (
    baselines_table,
    costs_table,
    cycles_table,
    holdings_table,
    orders_table,
    refused_table,
    risk_table,
    skill_table,
)
from weekly.results import CycleResult
from weekly.simulated_run import SimulatedRun

SIMULATED = "simulated"
SESSIONS_A_YEAR = 252
SPLIT_NOTE = (
    "A name's result is what its price and its orders made, fees included. A stock that exists no more counts as "
    "worthless there; what was paid for it is among the payouts. Sources explain weights times price moves; execution "
    "is the rest: whole shares, fees, slippage, orders left undone, and stocks that ended."
)


def write_report(results: Sequence[CycleResult], folder: Path, past: Iterable[PastCycle] = ()) -> Path:
    """Write `weekly_report_<date>.html` and `.json` of the last of `results`; the path of the page.

    `past` are cycles on record before them, in any order. Raises Misconfigured when nothing can be written there, and
    `ValueError` without a result.
    """
    *earlier, latest = results
    told = {result.cycle_id for result in results}
    known = [digest_of_past(each) for each in past if each.row.cycle_id not in told]
    known.sort(key=lambda digest: (digest.session_date, digest.cycle_id))
    return write_page_of(latest, [*known, *map(digest_of, earlier), digest_of(latest)], folder)


def write_page_of(
    latest: CycleResult, cycles: Sequence[CycleDigest], folder: Path, run: SimulatedRun | None = None
) -> Path:
    """The same of a cycle whose earlier ones, it included, are digests; with the run that they belong to.

    Raises Misconfigured when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _free_path(folder, latest)
        write_json_atomically(path.with_suffix(".json"), report_json(latest, cycles, run))
    except OSError as error:
        raise Misconfigured(f"{folder}: the report cannot be written: {error.strerror}") from error
    write_page(path, report_page(latest, cycles, run))
    return path


def _free_path(folder: Path, latest: CycleResult) -> Path:
    """Where the page belongs. A simulation never takes the place of a report on real money."""
    path = folder / f"weekly_report_{latest.session_date}.html"
    beside = path.with_suffix(".json")
    if latest.mode == SIMULATED and beside.exists() and read_json(beside).get("mode") != SIMULATED:
        return folder / f"weekly_report_{latest.session_date}_simulated.html"
    return path


def report_page(latest: CycleResult, cycles: Sequence[CycleDigest], run: SimulatedRun | None = None) -> str:
    """The page: the run first where there is one, then the last cycle, then what led to it."""
    what = f"{len(cycles)} simulated cycles" if run is not None else f"cycle {latest.cycle_id}"
    sections = [
        *_run_sections(run, cycles),
        *_cycle_sections(latest),
        *_forecast_sections(latest),
        *_past_sections(cycles, run),
    ]
    return page(f"Weekly portfolio, {what}", _facts(latest, run), sections, _notes(latest, run))


def _facts(latest: CycleResult, run: SimulatedRun | None) -> list[tuple[str, str]]:
    done, exposures, capital = latest.fulfilment, latest.exposures, latest.plan.capital if latest.plan else 0
    facts = [("account", f"{latest.after.account_id}, {latest.mode}")]
    if run is not None:
        facts += [("prices", run.prices_from), ("sessions", f"{run.sessions[0]} to {run.sessions[-1]}")]
        facts.append(("reconciled", f"cash, positions and cost to the cent after {run.reconciled} cycles"))
    facts += [
        ("last cycle" if run is not None else "cycle", f"{latest.cycle_id}, {latest.stage.value}"),
        ("net liquidation", f"{usd_text(latest.after.funds.net_liquidation)} USD"),
        ("the bot's capital", f"{usd_text(capital)} USD"),
    ]
    if exposures is not None:
        invested = sum(exposures.weights.values())
        facts.append(
            ("invested", f"{invested:.1%} in {len(exposures.weights)} names (as {exposures.effective_names:.1f} equal)")
        )
    if latest.attribution is not None:
        facts.append(("since the cycle before", f"{usd_text(latest.attribution.total)} USD"))
    if done is not None and done.outcomes:
        slippage = "" if done.slippage_bps is None else f", slippage {done.slippage_bps:+.1f} bps"
        share = done.done_share or 0.0
        facts.append(("done", f"{share:.1%} of {len(done.outcomes)} orders{slippage}, fees {usd_text(done.fees)} USD"))
    if latest.why:
        facts.append(("why it did not trade" if not (done and done.outcomes) else "said", latest.why))
    if latest.target is not None:
        facts.append(("weights by", latest.target.method.replace("_", " ")))
    return facts


def _notes(latest: CycleResult, run: SimulatedRun | None) -> list[str]:
    notes = [str(run.warning)] if run is not None and run.warning is not None else []
    notes += list(run.notes) if run is not None else []
    failed = [] if latest.target is None else [each for each in latest.target.attempts if each.failure]
    notes += [f"{each.method.replace('_', ' ')} gave no weights: {each.failure}" for each in failed]
    return [*notes, *latest.warnings]


def _run_sections(run: SimulatedRun | None, cycles: Sequence[CycleDigest]) -> list[Section]:
    if run is None:
        return []
    years = max(len(run.sessions) / SESSIONS_A_YEAR, 1 / SESSIONS_A_YEAR)
    gained = float(run.curves.bot_usd[-1]) - run.start_usd
    by_name, by_source = summed([each.by_name_usd for each in cycles]), summed([each.by_source_usd for each in cycles])
    rest = gained - sum(by_name.values()) - run.distributions_usd  # what no cycle looked back on
    by_name |= {"dividends, payouts": run.distributions_usd, "after the last cycle": rest}
    return [
        ("Beside what needed no bot", baselines_table(run)),
        *run_pictures(run),
        ("Costs", costs_table(cycles, years)),
        *attribution_pictures(by_name, by_source, "of the whole run"),
        ("How the result is split", paragraph(SPLIT_NOTE, quiet=True)),
    ]


def _cycle_sections(latest: CycleResult) -> list[Section]:
    sections: list[Section] = []
    if latest.fulfilment is not None:
        sections.append((f"Orders of {latest.session_date}: intended and done", orders_table(latest.fulfilment)))
    sections.append(("Holdings", holdings_table(latest)))
    if latest.exposures is not None:
        sections += sector_picture(latest.exposures.sectors)
    if latest.attribution is not None:
        parts = latest.attribution
        by_name = {name: money_to_usd(money) for name, money in parts.by_name.items()}
        by_source = {name: money_to_usd(money) for name, money in parts.by_source.items()}
        sections += attribution_pictures(by_name, by_source, "since the cycle before")
    sections.append(("Risk", risk_table(latest.risk)))
    return sections


def _forecast_sections(latest: CycleResult) -> list[Section]:
    analysis = latest.analysis
    if analysis is None:
        return []
    refused = [*analysis.refused, *(latest.plan.refused if latest.plan is not None else ())]
    refused += latest.target.refused if latest.target is not None else ()
    return [
        ("Forecasts and what they earned", skill_table(analysis) + calibration_picture(latest.calibration)),
        ("What was refused, and by which rule", refused_table(dict.fromkeys(refused))),
    ]


def _past_sections(cycles: Sequence[CycleDigest], run: SimulatedRun | None) -> list[Section]:
    sections = [] if run is not None else account_picture(cycles)
    return [*sections, *weights_picture(cycles), ("Cycles", cycles_table(cycles))]


def report_json(latest: CycleResult, cycles: Sequence[CycleDigest], run: SimulatedRun | None = None) -> dict[str, Any]:
    """The numbers of the page and some more; amounts are in USD, weights and shares of one."""
    done, analysis = latest.fulfilment, latest.analysis
    return {
        "session_date": latest.session_date,
        "mode": latest.mode,
        "account": latest.after.account_id,
        "cycle": digest_of(latest),
        "orders": [_order_json(each) for each in done.outcomes] if done is not None else [],
        "strangers": list(done.strangers) if done is not None else [],
        "holdings": _holdings_json(latest),
        "exposures": latest.exposures,
        "risk": latest.risk,
        "weights": None if latest.target is None else latest.target,
        "skill": None if analysis is None else {"llm": analysis.skill, "factor": analysis.factor_skill},
        "calibration": list(latest.calibration),
        "forecasts": {"made": latest.forecasts_made, "settled": latest.forecasts_settled},
        "refused": [] if analysis is None else list(analysis.refused),
        "evidence": {"sha256": latest.snapshot_digest, "file": latest.snapshot_file},
        "notes": _notes(latest, run),
        "cycles": list(cycles),
        "run": None if run is None else _run_json(run),
    }


def _order_json(each: OrderOutcome) -> dict[str, Any]:
    order = each.order
    return {
        "symbol": order.symbol,
        "action": "BUY" if order.side == BUY else "SELL",
        "reason": order.reason,
        "planned": order.quantity,
        "done": each.executed,
        "price_at_plan_usd": price_to_usd(order.price),
        "limit_usd": price_to_usd(order.limit_price),
        "value_usd": money_to_usd(each.value),
        "fees_usd": money_to_usd(each.fees),
        "slippage_bps": each.slippage_bps,
    }


def _holdings_json(latest: CycleResult) -> list[dict[str, Any]]:
    return [
        {
            "symbol": each.symbol,
            "shares": each.owned,
            "price_usd": price_to_usd(each.price),
            "cost_usd": money_to_usd(latest.after.costs.get(each.symbol, 0)),
        }
        for each in latest.after.positions
        if each.owned
    ]


def _run_json(run: SimulatedRun) -> dict[str, Any]:
    curves = {BOT: run.curves.bot_usd, **run.curves.others_usd}
    return {
        "prices_from": run.prices_from,
        "start_usd": run.start_usd,
        "allocation": run.allocation,
        "distributions_usd": run.distributions_usd,
        "reconciled_cycles": run.reconciled,
        "verdict": verdict(run.curves, run.warning),
        "comparison": list(comparison(run.curves)),
        "sessions": list(run.sessions),
        "equity_usd": {name: [round(value, 2) for value in curve.tolist()] for name, curve in curves.items()},
    }
