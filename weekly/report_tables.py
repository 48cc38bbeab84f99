"""The tables of the weekly report: orders, holdings, risk, forecasts, refusals, baselines, cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from portfolio.attribution import SOURCES
from portfolio.curves import comparison, verdict
from portfolio.exposures import RiskNumbers
from portfolio.fulfilment import Fulfilment, OrderOutcome
from portfolio.refusal import Refusal
from portfolio.skill import MeasuredSkill
from reporting.page import paragraph, table
from trading.costs import BUY
from trading.money import MONEY_PER_PRICE_UNIT, notional, price_to_usd, usd_text
from weekly.analysis import Analysis
from weekly.digest import CycleDigest
from weekly.results import CycleResult
from weekly.simulated_run import SimulatedRun

IN_MONEY = frozenset({"drift_band", "min_trade", "funds"})  # rules whose numbers are in 1e-6 USD
MOST_REFUSED = 12  # symbols named for each rule
SHOWN_FROM = 5e-5  # parts of a weight: a source that changes less has no column
MOST_CYCLES = 60  # told line by line; more are in the JSON


def orders_table(done: Fulfilment) -> str:
    """What was intended and what was done, order by order."""
    if not done.outcomes:
        return paragraph("The plan had no orders.")
    head = ["order", "why", "planned", "done", "price at plan", "average price", "slippage", "fees USD"]
    return table(head, [_order_row(each) for each in done.outcomes])


def _order_row(each: OrderOutcome) -> list[str]:
    order = each.order
    average = each.value / each.executed / MONEY_PER_PRICE_UNIT if each.executed else None
    return [
        f"{'buy' if order.side == BUY else 'sell'} {order.symbol}",
        order.reason,
        str(order.quantity),
        str(each.executed),
        f"{price_to_usd(order.price):,.2f}",
        "" if average is None else f"{average / 10_000:,.4f}",
        "" if each.slippage_bps is None else f"{each.slippage_bps:+.1f} bps",
        usd_text(each.fees),
    ]


def holdings_table(result: CycleResult) -> str:
    """What is owned: weight, target, where the weight comes from, cost and unrealised result."""
    exposures, target = result.exposures, result.target
    if exposures is None or not exposures.weights:
        return paragraph("Nothing is owned.")
    sources = target.sources if target is not None else {}
    named = [source for source in SOURCES if any(abs(part) > SHOWN_FROM for part in sources.get(source, {}).values())]
    head = ["name", "weight", "drift", *named, "shares", "price", "value USD", "cost USD", "unrealised USD"]
    positions = {each.symbol: each for each in result.after.positions}
    lines = []
    for symbol, weight in sorted(exposures.weights.items(), key=lambda item: (-item[1], item[0])):
        position = positions[symbol]
        value, cost = notional(position.price, position.owned), result.after.costs.get(symbol, 0)
        lines.append(
            [
                symbol,
                f"{weight:.2%}",
                f"{exposures.drift.get(symbol, 0.0):+.2%}",
                *(f"{sources[source].get(symbol, 0.0):+.2%}" for source in named),
                str(position.owned),
                f"{price_to_usd(position.price):,.2f}",
                usd_text(value),
                usd_text(cost),
                usd_text(value - cost),
            ]
        )
    return table(head, lines)


def risk_table(risk: RiskNumbers | None) -> str:
    """Today's weights over past days."""
    if risk is None:
        return paragraph("Too few days of common history for a number.")
    rows = [
        ["volatility a year", f"{risk.volatility:.1%}"],
        ["value at risk of a day (95 %)", f"{risk.value_at_risk:.2%}"],
        ["expected shortfall of a day (95 %)", f"{risk.expected_shortfall:.2%}"],
        ["deepest fall of these weights", f"{risk.max_drawdown:.1%}"],
        ["beta to the mean of the names", "" if risk.beta is None else f"{risk.beta:.2f}"],
        ["weight without a history", f"{risk.uncovered:.1%}"],
    ]
    said = f"Fractions of the bot's capital, from {risk.days} past days with today's weights."
    return table(["measure", "value"], rows) + paragraph(said, quiet=True)


def skill_table(analysis: Analysis) -> str:
    """What each source of forecasts has earned so far."""
    rows = [_skill_row("factor score", analysis.factor_skill, ""), _skill_row("language model", analysis.skill)]
    said = (
        "Brier skill against climatology, 1 is perfect, 0 is none; influence follows from the lower 95 % bound and the "
        "number of cycles, and is zero before eight."
    )
    if analysis.said.abstained:
        said += f" The model's view of this cycle: {analysis.said.abstained}."
    return table(["source", "cycles", "forecasts", "skill", "lower bound", "influence"], rows) + paragraph(
        said, quiet=True
    )


def _skill_row(name: str, skill: MeasuredSkill, influence: str | None = None) -> list[str]:
    if not skill.cycles:
        return [name, "0", "0", "", "", "0.0 %" if influence is None else influence]
    earned = f"{skill.influence:.1%}" if influence is None else influence
    return [name, str(skill.cycles), str(skill.forecasts), f"{skill.skill:+.3f}", f"{skill.lower:+.3f}", earned]


def refused_table(refusals: Iterable[Refusal]) -> str:
    """Names and orders that a rule refused, by rule."""
    by_rule: dict[str, list[Refusal]] = {}
    for refusal in refusals:
        by_rule.setdefault(refusal.rule, []).append(refusal)
    if not by_rule:
        return paragraph("Nothing was refused.")
    counts = Counter({rule: len(found) for rule, found in by_rule.items()})
    rows = [[rule, str(count), _named(by_rule[rule])] for rule, count in counts.most_common()]
    return table(["rule", "names", "which (limit, actual)"], rows, texts=["which (limit, actual)"])


def _named(refusals: Sequence[Refusal]) -> str:
    words = [each.symbol + _numbers(each) for each in refusals[:MOST_REFUSED]]
    more = len(refusals) - MOST_REFUSED
    return ", ".join(words) + (f" and {more} more" if more > 0 else "")


def _numbers(refusal: Refusal) -> str:
    known = [each for each in (refusal.limit, refusal.actual) if each is not None]
    return f" ({', '.join(_number(each, refusal.rule) for each in known)})" if known else ""


def _number(value: float | str, rule: str) -> str:
    if rule in IN_MONEY and isinstance(value, int):
        return f"{usd_text(value)} USD"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def baselines_table(run: SimulatedRun) -> str:
    """The verdict in one line, and the bot beside what needed none."""
    rows = [
        [
            numbers.name,
            f"{numbers.final_usd:,.0f}",
            numbers.return_text,
            f"{numbers.volatility:.2%}",
            f"{numbers.max_drawdown:.2%}",
            "" if numbers.return_over_volatility is None else f"{numbers.return_over_volatility:.2f}",
        ]
        for numbers in comparison(run.curves)
    ]
    head = ["account", "at the end, USD", "return", "volatility", "deepest fall", "return ÷ volatility"]
    said = (
        f"All began with {run.start_usd:,.0f} USD and put {run.allocation:.0%} of it to work; the rest stayed cash, "
        "which earns nothing here."
    )
    line = verdict(run.curves)
    return paragraph(line[0].upper() + line[1:] + ".") + table(head, rows) + paragraph(said, quiet=True)


def costs_table(cycles: Sequence[CycleDigest], years: float) -> str:
    """What trading cost over all cycles."""
    traded = sum(each.traded_usd for each in cycles)
    capital = sum(each.capital_usd for each in cycles) / max(len(cycles), 1)
    slippage, fees = sum(each.slippage_usd for each in cycles), sum(each.fees_usd for each in cycles)
    orders = sum(each.orders for each in cycles)
    rows = [
        ["cycles, orders", f"{len(cycles)}, {orders}"],
        ["traded", f"{traded:,.0f} USD" + (f", {traded / capital / years:.1f} × capital a year" if capital else "")],
        ["fees", f"{fees:,.2f} USD" + _bps(fees, traded)],
        ["slippage", f"{slippage:,.2f} USD" + _bps(slippage, traded)],
    ]
    return table(["costs", "value"], rows, texts=["value"])


def _bps(cost_usd: float, traded_usd: float) -> str:
    return f", {10_000 * cost_usd / traded_usd:.1f} bps of what was traded" if traded_usd else ""


def cycles_table(cycles: Sequence[CycleDigest]) -> str:
    """One line for each of the last cycles, the newest first."""
    head = ["cycle", "stage", "account USD", "invested", "orders", "done", "slippage USD", "fees USD", "method", "why"]
    lines = [
        [
            each.cycle_id,
            each.stage,
            f"{each.net_liquidation_usd:,.2f}",
            f"{each.invested:.1%}",
            str(each.orders),
            "" if each.done_share is None else f"{each.done_share:.1%}",
            f"{each.slippage_usd:,.2f}",
            f"{each.fees_usd:,.2f}",
            each.method.replace("_", " "),
            each.why,
        ]
        for each in reversed(cycles[-MOST_CYCLES:])
    ]
    older = len(cycles) - MOST_CYCLES
    said = paragraph(f"{older} earlier cycles are in the JSON beside this page.", quiet=True) if older > 0 else ""
    return table(head, lines, texts=["why"]) + said
