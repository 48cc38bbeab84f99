"""What a cycle tells its user: the log file, a summary for the terminal, one line for a notification."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from market_hours import NEW_YORK
from portfolio.fulfilment import Fulfilment, OrderOutcome
from portfolio.rebalance import Plan
from trading.costs import BUY
from trading.money import money_to_usd, notional, price_to_usd, usd_text
from utils import write_json_atomically
from weekly.results import CycleResult, Holdings, Stage

LABEL_WIDTH = 14
MOST_REFUSALS = 6
HAPPENED = {
    Stage.ANALYSED: "no plan",
    Stage.PLANNED: "a plan, nothing was sent",
    Stage.QUEUED: "orders wait for the open",
    Stage.TRADING: "it was interrupted",
    Stage.DONE: "rebalanced",
}


def tell(result: CycleResult, log_dir: Path, versions: Mapping[str, str]) -> Path:
    """Write the cycle's log and print its summary; the log's path."""
    ended = result.ended_at.astimezone(NEW_YORK)
    path = log_dir / f"weekly_run_{result.session_date}_{ended:%H%M%S}.json"
    write_json_atomically(path, run_log(result) | {"versions": dict(versions)})
    print("\n".join([*summary_lines(result), _labelled("run log", str(path))]))  # noqa: T201 (for the terminal)
    return path


def notice(result: CycleResult) -> str:
    """The cycle in one line."""
    done = result.fulfilment
    orders = f"{len(result.plan.orders)} orders" if result.plan is not None else "no plan"
    words = f", {100 * done.done_share:.1f} % done" if done is not None and done.done_share is not None else ""
    worth = usd_text(result.after.funds.net_liquidation)
    alarm = f", {len(result.warnings)} warnings" if result.warnings else ""
    return f"Weekly bot {result.cycle_id}: {HAPPENED[result.stage]}, {orders}{words}, account {worth} USD{alarm}"


# For the terminal


def summary_lines(result: CycleResult) -> list[str]:
    """The cycle in plain lines."""
    title = f"Weekly bot, {result.mode} cycle {result.cycle_id}"
    blocks = [
        [title, "=" * len(title), *_account_lines(result)],
        list(_evidence_lines(result)),
        list(_plan_lines(result)),
        list(_standing_lines(result)),
        [*(_labelled("warning", warning) for warning in result.warnings), *_end_lines(result)],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block).splitlines()


def _labelled(label: str, text: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{text}"


def _account_lines(result: CycleResult) -> Iterator[str]:
    funds = result.after.funds
    yield _labelled("account", result.after.account_id)
    capital = result.plan.capital if result.plan is not None else 0
    yield _labelled("capital", f"{usd_text(capital)} of {usd_text(funds.net_liquidation)} USD")


def _evidence_lines(result: CycleResult) -> Iterator[str]:
    yield _labelled("evidence", f"{result.snapshot_digest[:12]} {result.snapshot_file}".strip())
    analysis = result.analysis
    if analysis is None:
        return
    yield _labelled("names", f"{analysis.screened} looked at, {len(analysis.returns.symbols)} fit to be weighed")
    rules: dict[str, int] = {}
    for refusal in analysis.refused:
        rules[refusal.rule] = rules.get(refusal.rule, 0) + 1
    most = sorted(rules.items(), key=lambda item: (-item[1], item[0]))[:MOST_REFUSALS]
    if most:
        yield _labelled("refused", ", ".join(f"{rule.replace('_', ' ')} {count}" for rule, count in most))
    said = analysis.said
    if said.model:
        influence = f"influence {analysis.skill.influence:.3f} after {analysis.skill.cycles} settled cycles"
        yield _labelled("model", f"{said.model}: {len(said.probabilities)} views, {influence}")
    else:
        yield _labelled("model", said.abstained)


def _plan_lines(result: CycleResult) -> Iterator[str]:
    target, plan = result.target, result.plan
    if target is not None:
        held = sum(1 for weight in target.weights.values() if weight > 0)
        turnover = f"turnover {100 * target.turnover:.1f} % of {100 * target.turnover_allowed:.1f} % allowed"
        invested = f"{100 * sum(target.weights.values()):.1f} % invested"
        yield _labelled("target", f"{target.method.replace('_', ' ')}: {held} names, {invested}, {turnover}")
    if plan is None or not plan.orders:
        yield _labelled("plan", "no orders")
        return
    yield from _order_lines(plan, result.fulfilment)


def _order_lines(plan: Plan, done: Fulfilment | None) -> Iterator[str]:
    yield f"{'order':<6}{'symbol':<8}{'shares':>8}{'limit':>11}{'USD':>14}{'done':>8}{'slippage':>10}  reason"
    outcomes = {each.order.order_id: each for each in done.outcomes} if done is not None else {}
    for order in plan.orders:
        outcome = outcomes.get(order.order_id)
        yield (
            f"{'buy' if order.side == BUY else 'sell':<6}{order.symbol:<8}{order.quantity:>8,}"
            f"{price_to_usd(order.limit_price):>11,.2f}{money_to_usd(notional(order.price, order.quantity)):>14,.2f}"
            f"{outcome.executed if outcome else 0:>8,}{_slippage(outcome):>10}  {order.reason}"
        )


def _slippage(outcome: OrderOutcome | None) -> str:
    return "" if outcome is None or outcome.slippage_bps is None else f"{outcome.slippage_bps:+.1f} bps"


def _standing_lines(result: CycleResult) -> Iterator[str]:
    done = result.fulfilment
    if done is not None and done.done_share is not None:
        slippage = f", slippage {done.slippage_bps:+.1f} bps" if done.slippage_bps is not None else ""
        yield _labelled("done", f"{100 * done.done_share:.1f} % of the plan{slippage}, fees {usd_text(done.fees)} USD")
    exposure, risk = result.exposures, result.risk
    if exposure is not None:
        yield _labelled(
            "portfolio",
            f"{len(exposure.weights)} names worth {exposure.effective_names:.1f}, cash {100 * exposure.cash:.1f} %, "
            f"largest drift {100 * exposure.largest_drift:.2f} %",
        )
    if risk is not None:
        beta = f", beta {risk.beta:.2f}" if risk.beta is not None else ""
        yield _labelled(
            "risk",
            f"volatility {100 * risk.volatility:.1f} % a year, 95 % of days lose less than "
            f"{100 * risk.value_at_risk:.2f} %{beta}",
        )
    if (explained := result.attribution) is not None:
        parts = ", ".join(f"{source} {usd_text(part)}" for source, part in explained.by_source.items() if part)
        yield _labelled("since last", f"{usd_text(explained.total)} USD" + (f" ({parts})" if parts else ""))


def _end_lines(result: CycleResult) -> Iterator[str]:
    ended = result.ended_at.astimezone(NEW_YORK)
    words = HAPPENED[result.stage] + (f": {result.why}" if result.why else "")
    yield _labelled("ended", f"{ended:%H:%M} in New York, {words}")


# For the log


def run_log(result: CycleResult) -> dict[str, Any]:
    """The cycle as JSON, without the returns of all days, which the snapshot has."""
    analysis, target = result.analysis, result.target
    return {
        "cycle_id": result.cycle_id,
        "session_date": result.session_date,
        "mode": result.mode,
        "started_at": result.started_at,
        "ended_at": result.ended_at,
        "stage": result.stage,
        "why": result.why,
        "snapshot": {"sha256": result.snapshot_digest, "file": result.snapshot_file},
        "account_id": result.after.account_id,
        "funds": asdict(result.after.funds),
        "analysis": None
        if analysis is None
        else {
            "screened": analysis.screened,
            "weighed": analysis.returns.symbols,
            "refused": analysis.refused,
            "outlooks": analysis.outlooks,
            "scores": [{**asdict(score), "parts": dict(score.parts)} for score in analysis.scores],
            "said": analysis.said,
            "skill": analysis.skill,
            "influence": analysis.skill.influence,
            "views": analysis.views.views,
        },
        "target": None
        if target is None
        else {
            "method": target.method,
            "attempts": target.attempts,
            "weights": dict(target.weights),
            "locked": target.locked,
            "turnover": target.turnover,
        },
        "plan": result.plan,
        "fulfilment": result.fulfilment,
        "before": _holdings_log(result.before),
        "after": _holdings_log(result.after),
        "exposures": result.exposures,
        "risk": result.risk,
        "attribution": result.attribution,
        "calibration": result.calibration,
        "forecasts": {"made": result.forecasts_made, "settled": result.forecasts_settled},
        "warnings": result.warnings,
    }


def _holdings_log(holdings: Holdings) -> dict[str, Any]:
    return {
        "at": holdings.at,
        "owned": holdings.owned,
        "prices_usd": {each.symbol: price_to_usd(each.price) for each in holdings.positions if each.price},
        "costs_usd": {symbol: money_to_usd(cost) for symbol, cost in holdings.costs.items()},
        "of_others": dict(holdings.of_others),
    }
