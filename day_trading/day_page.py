"""A session as one self-contained HTML file: its result, its trades on the price, why it did not buy, what it left."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from day_trading.day_curve import DayCurve, day_curve
from day_trading.group_sections import group_sections
from market_hours import NEW_YORK, Session, utc_from_epoch
from observability import TradingHistory
from records.rows import TradeRow
from reporting.bars import Bar as Row
from reporting.bars import rows as bar_rows
from reporting.figure import spaced
from reporting.index import write_index
from reporting.lines import Marker, Series, lines
from reporting.page import Section, page, paragraph, table, write_page
from trading.bars import Bar
from trading.day_report import DayReport
from trading.day_summary import HOLDING_RULES, STRATEGY_RULES, words_of
from trading.funnel import entries_in
from trading.money import price_to_usd
from utils import Misconfigured

log = logging.getLogger(__name__)

VWAP_BARS = 20  # as the strategy's
DAILY = "daily"  # the folder below the reports'
ORDER_TYPES = {"STP": "stop", "LMT": "limit", "MKT": "market"}


def day_page(report: DayReport, session: Session, bars: Mapping[str, Sequence[Bar]], rows: Sequence[TradeRow]) -> str:
    """HTML. `rows` are the executions that the session's result follows from, `bars` its minute bars by symbol."""
    last_s = min(session.close_s, int(report.ended_at.timestamp()))
    curve = day_curve(rows, bars, session.open_s, last_s)
    sections = [
        *_curves(curve),
        *_insights(report),
        ("Round trips", _round_trips(report)),
        *group_sections(report.metrics.get("detail", {}).get("by", {})),
        *_prices(session, bars, rows),
        ("Why it did not buy", _funnel(report)),
        ("Limits", _limits(report, min(curve.pnl_usd, default=0.0))),
        ("Left at the broker", _left(report)),
        ("How it was run", _run(report)),
    ]
    title = f"{report.session_date:%A %Y-%m-%d}: {_usd(_result_usd(report))} USD"
    return page(title, _facts(report), sections, report.warnings)


def page_path(report: DayReport, report_dir: Path) -> Path:
    """Where the page of a session is. Simulated and dry ones never replace that of a real one."""
    kind = "" if report.mode in ("live", "paper") else f"_{report.mode}"
    return report_dir / DAILY / f"day_{report.session_date}{kind}.html"


def write_day_page(
    report: DayReport,
    session: Session,
    bars: Mapping[str, Sequence[Bar]],
    history: TradingHistory,
    report_dir: Path,
) -> Path | None:
    """Write the page and return its path; None, and a line in the log, when that went wrong: nothing depends on it."""
    path = page_path(report, report_dir)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = history.ledger(session.date.isoformat())
        write_page(path, day_page(report, session, bars, rows))
    except Exception:
        log.exception("%s was not written; the day log has the session, the next one is not affected", path)
        return None
    return path


def write_report_index(report_dir: Path) -> None:
    """Bring the index of all pages up to date. What goes wrong is logged: nothing depends on it."""
    try:
        if report_dir.is_dir():
            write_index(report_dir)
    except (Misconfigured, OSError) as error:
        log.warning("the index of the reports was not written: %s", error)


def _result_usd(report: DayReport) -> float:
    return float(report.metrics["total_pnl_usd"]) + report.unrealised_pnl_usd


def _facts(report: DayReport) -> list[tuple[str, str]]:
    metrics = report.metrics
    won = f"{metrics['round_trips']:,}: {metrics['wins']:,} won, {metrics['losses']:,} lost"
    factor = metrics["profit_factor"]
    facts = [
        ("account", f"{report.account_id or 'none'}, {report.mode}"),
        ("result", f"{_usd(_result_usd(report))} USD{_share(report)} after {metrics['commissions_usd']:,.2f} of fees"),
        ("round trips", won + (f", profit factor {factor:.2f}" if factor is not None else "")),
        ("deepest drawdown", f"{metrics['max_drawdown_usd']:,.2f} USD"),
    ]
    if report.unrealised_pnl_usd:
        facts.append(("of it open", f"{_usd(report.unrealised_pnl_usd)} USD at the bid"))
    if metrics.get("expectancy_usd") is not None:
        facts.append(("on average", _averages(metrics)))
    if metrics.get("slippage_bps") is not None:
        facts.append(("slippage", f"{metrics['slippage_bps']:+.2f} bps of {metrics['turnover_usd']:,.0f} USD turnover"))
    ended = report.ended_at.astimezone(NEW_YORK)
    return [*facts, ("ended", f"{ended:%H:%M} in New York, {report.ended_because}")]


def _share(report: DayReport) -> str:
    capital_usd = report.equity_at_open_usd * report.allocation
    return f", {100 * _result_usd(report) / capital_usd:+.2f} % of the capital," if capital_usd else ""


def _averages(metrics: Mapping[str, Any]) -> str:
    names = (("win", "average_win_usd"), ("loss", "average_loss_usd"), ("trip", "expectancy_usd"))
    told = [f"{name} {_usd(metrics[key])}" for name, key in names if metrics[key] is not None]
    return f"{', '.join(told)} USD; {metrics['average_duration_s'] / 60:,.0f} minutes in a position"


def _curves(curve: DayCurve) -> list[Section]:
    """Result and drawdown over the session; nothing when nothing was held."""
    if not any(curve.pnl_usd):
        return []
    labels = spaced([_clock(second) for second in curve.at_s])
    picture = lines(curve.at_s, [Series("result", curve.pnl_usd)], labels, "USD")
    below = lines(curve.at_s, [Series("drawdown", curve.drawdown_usd)], labels, "USD", fill=True)
    return [("Result over the day", picture), ("Drawdown", below)]


def _insights(report: DayReport) -> list[Section]:
    told = "".join(paragraph(f"– {insight['words']}") for insight in report.insights)
    return [("What stood out", told)] if told else []


def _round_trips(report: DayReport) -> str:
    if not report.round_trips:
        return paragraph("none")
    head = ("symbol", "shares", "bought", "at", "sold", "at", "minutes", "fees", "result USD", "reason")
    body = [
        (
            trip["symbol"],
            f"{trip['quantity']:,}",
            _clock(trip["opened_s"]),
            _price(trip["entry_price_usd"]),
            _clock(trip["closed_s"]),
            _price(trip["exit_price_usd"]),
            f"{(trip['closed_s'] - trip['opened_s']) / 60:,.0f}",
            f"{trip['fees_usd']:,.2f}",
            _usd(trip["pnl_usd"]),
            words_of(trip["exit_reason"]),
        )
        for trip in report.round_trips
    ]
    return table(head, body)


def _prices(session: Session, bars: Mapping[str, Sequence[Bar]], rows: Sequence[TradeRow]) -> list[Section]:
    """Each symbol that was traded: closes, VWAP, and the executions of the session."""
    today = session.date.isoformat()
    executed = [row for row in rows if row.session_date == today]
    symbols = sorted({row.symbol for row in executed if bars.get(row.symbol)})
    legend = paragraph("Points: blue where it bought, green where it sold at a gain, red at a loss.", quiet=True)
    return [
        (symbol, _price_picture(bars[symbol], [row for row in executed if row.symbol == symbol]) + legend)
        for symbol in symbols
    ]


def _price_picture(bars: Sequence[Bar], executed: Sequence[TradeRow]) -> str:
    ends_s = [bar.start_s + 60 for bar in bars]
    markers = [Marker(row.timestamp.timestamp(), row.price_usd, _execution(row), _tone(row)) for row in executed]
    series = [Series("close", [price_to_usd(bar.close) for bar in bars]), Series(f"VWAP({VWAP_BARS})", _vwap(bars))]
    return lines(ends_s, series, spaced([_clock(second) for second in ends_s]), "USD", markers=markers)


def _vwap(bars: Sequence[Bar]) -> list[float]:
    """VWAP of the last 20 bars in USD, NaN before the twentieth."""
    found, paid, volume = [], 0, 0
    for number, bar in enumerate(bars):
        paid, volume = paid + _typical(bar), volume + bar.volume
        if number >= VWAP_BARS:
            paid, volume = paid - _typical(bars[number - VWAP_BARS]), volume - bars[number - VWAP_BARS].volume
        complete = number >= VWAP_BARS - 1 and volume > 0
        found.append(paid / 3 / volume / 10_000 if complete else float("nan"))
    return found


def _typical(bar: Bar) -> int:
    """Three times the typical price times the volume."""
    return (bar.high + bar.low + bar.close) * bar.volume


def _execution(row: TradeRow) -> str:
    verb = "bought" if row.action == "BUY" else "sold"
    result = f": {_usd(row.pnl_usd)} USD" if row.pnl_usd is not None else ""
    when = row.timestamp.astimezone(NEW_YORK)
    return f"{when:%H:%M:%S} {verb} {row.quantity:,} at {_price(row.price_usd)}, {words_of(row.reason)}{result}"


def _tone(row: TradeRow) -> str:
    if row.pnl_usd is None:
        return "plain"
    return "up" if row.pnl_usd >= 0 else "down"


def _funnel(report: DayReport) -> str:
    """From every judgement to the entries that were sent, and which rule refused how often."""
    totals = report.funnel_totals
    wanted = sum(count for rule, count in totals.items() if rule not in STRATEGY_RULES + HOLDING_RULES)
    free = sum(count for rule, count in totals.items() if rule not in HOLDING_RULES)
    stages = [
        Row("judged", report.judgements),
        Row("nothing held", free),
        Row("wanted by the strategy", wanted),
        Row("entries sent", entries_in(totals)),
    ]
    body = []
    for rule, count in sorted(totals.items(), key=lambda item: -item[1]):
        if rule == "approved":
            continue
        symbols = sorted(report.funnel, key=lambda symbol: -report.funnel[symbol].get(rule, 0))
        most = ", ".join(f"{s} {report.funnel[s][rule]:,}" for s in symbols[:3] if report.funnel[s].get(rule))
        body.append((words_of(rule), f"{count:,}", most))
    pictured = bar_rows(stages, "times", digits=0, signed=False)
    return pictured + (table(("refused by", "times", "most"), body, texts=("most",)) if body else "")


def _limits(report: DayReport, lowest_usd: float) -> str:
    """What the day could have lost and done, and how far it went; `lowest_usd` is its worst result at a minute."""
    limits, metrics = report.limits, report.metrics
    opened = entries_in(report.funnel_totals)
    used = [
        ("daily loss USD", min(lowest_usd, 0.0), -limits["max_daily_loss"] / 1e6),
        ("drawdown USD", metrics["max_drawdown_usd"], -limits["max_drawdown"] / 1e6),
        ("entries", opened, limits["max_entries_per_session"]),
        ("entries of one symbol", _most_entries(report), limits["max_entries_per_symbol"]),
    ]
    body = [
        (name, f"{value:,.0f}", f"{limit:,.0f}", f"{100 * value / limit:.0f} %" if limit else "off")
        for name, value, limit in used
    ]
    return table(("limit", "reached", "allowed", "used"), body)


def _most_entries(report: DayReport) -> int:
    return max((entries_in(rules) for rules in report.funnel.values()), default=0)


def _left(report: DayReport) -> str:
    """What this bot owns and what of its orders rests at the broker."""
    if report.resting_orders is None:
        return paragraph("unknown: the broker could not be asked; the ledger has " + (_owned(report) or "nothing"))
    if not report.positions_left and not report.resting_orders:
        return paragraph("flat, no resting orders")
    body = [
        (
            order["symbol"],
            f"{report.positions_left.get(order['symbol'], 0):,}",
            str(order["action"]).lower(),
            f"{order['quantity']:,g}",
            ORDER_TYPES.get(order["order_type"], order["order_type"]),
            _price(order["price_usd"]) if order["price_usd"] else "",
            order["tif"],
        )
        for order in report.resting_orders
    ]
    bare = [
        symbol for symbol in report.positions_left if symbol not in {order["symbol"] for order in report.resting_orders}
    ]
    warning = paragraph(f"NO ORDER RESTS FOR {', '.join(bare)}") if bare else ""
    return warning + table(("symbol", "owned", "side", "shares", "order", "price", "in force"), body)


def _owned(report: DayReport) -> str:
    return ", ".join(f"{quantity:,} {symbol}" for symbol, quantity in report.positions_left.items())


def _run(report: DayReport) -> str:
    parameters = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in report.parameters.items())
    capital = f"{100 * report.allocation:.4g} % of {report.equity_at_open_usd:,.2f} USD"
    counts = f"{report.ticks:,} instants, {report.orders:,} orders, {report.executions:,} executions"
    rows = [
        ("watchlist", " ".join(report.watchlist)),
        ("capital", f"{capital}, {report.symbol_budget_usd:,.2f} a symbol"),
        ("parameters", parameters),
        ("prices", report.prices_from),
        ("activity", f"{counts}, connection restored {report.reconnects} times"),
        ("versions", ", ".join(f"{name} {version}" for name, version in report.versions.items())),
    ]
    return table(("", "told"), rows, texts=("told",))


def _clock(second: float) -> str:
    return f"{utc_from_epoch(second).astimezone(NEW_YORK):%H:%M}"


def _price(price_usd: float) -> str:
    text = f"{price_usd:,.4f}"
    return text[:-2] if text.endswith("00") else text


def _usd(amount_usd: float) -> str:
    return f"{amount_usd:+,.2f}"
