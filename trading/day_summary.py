"""A session told in plain lines: no colours, fit for a narrow terminal and for a pipe."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from trading.broker_result import comparison_words
from trading.day_report import DayReport
from trading.funnel import entries_in

STRATEGY_RULES = ("no_price", "warming_up", "atr_not_above_floor", "not_above_vwap", "rsi_not_below_cap")
HOLDING_RULES = ("position_open", "entry_pending")
INDICATORS = ("atr", "rsi", "vwap")
UNTOLD_GROUPS = frozenset({"unknown", "none", "baseline"})  # what every trade of an ordinary session is in
LABEL_WIDTH = 14
LINE_WIDTH = 80
ORDER_TYPES = {"STP": "stop", "LMT": "limit"}


def summary_lines(report: DayReport, files: Mapping[str, str], zone: tzinfo) -> list[str]:
    """The day for the terminal; clock times are those of `zone`, the exchange's. `files`: what each is -> its path."""
    title = f"Day trader, {report.mode} session {report.session_date:%A %Y-%m-%d}"
    blocks = [
        [title, "=" * len(title), *_account_lines(report)],
        _trip_lines(report, zone),
        [*_result_lines(report), *_evaluation_lines(report.metrics)],
        _funnel_lines(report),
        _insight_lines(report),
        _left_lines(report),
        [
            *_connection_lines(report),
            *(_labelled("warning", warning) for warning in report.warnings),
            _labelled("ended", f"{report.ended_at.astimezone(zone):%H:%M}, {report.ended_because}"),
            *(_labelled(what, path) for what, path in files.items()),
        ],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block).splitlines()


def short_summary(report: DayReport) -> str:
    """The day in a few lines, for a message."""
    lines = [
        f"{report.session_date:%A %Y-%m-%d}",
        *(_result_lines(report) or ["no round trips"]),
        *_left_lines(report),
        *[_labelled("warnings", f"{len(report.warnings)}")] * bool(report.warnings),
        _labelled("ended", report.ended_because),
    ]
    return "\n".join(" ".join(line.split()) for line in lines)


def _labelled(label: str, text: str) -> str:
    return f"{label:<{LABEL_WIDTH}}{text}"


def _wrapped(label: str, text: str) -> list[str]:
    """Lines of `text` with the label before the first; none of an empty text."""
    lines = textwrap.wrap(text, LINE_WIDTH - LABEL_WIDTH)
    return [_labelled("" if n else label, line) for n, line in enumerate(lines)]


def _account_lines(report: DayReport) -> list[str]:
    lines = [_labelled("account", report.account_id or "none: the gateway was not reached")]
    if report.account_id:
        lines.append(
            _labelled(
                "capital",
                f"{100 * report.allocation:.4g} % of {report.equity_at_open_usd:,.2f} USD, "
                f"{report.symbol_budget_usd:,.2f} a symbol",
            )
        )
    lines.append(_labelled("prices", report.prices_from))
    return lines + _wrapped("watchlist", " ".join(report.watchlist) or "empty")


def _trip_lines(report: DayReport, zone: tzinfo) -> list[str]:
    if not report.round_trips:
        return ["no round trips"]
    lines = [f"{'symbol':<7}{'shares':>8}  {'entry':<17}{'exit':<16}{'P&L':>12}  reason"]
    for trip in report.round_trips:
        opened = _clock_text(trip["opened_s"], zone, report.session_date)
        closed = _clock_text(trip["closed_s"], zone, report.session_date)
        lines.append(
            f"{trip['symbol']:<7}{trip['quantity']:>8,}  "
            f"{opened} {_price_text(trip['entry_price_usd']):>10} {closed} {_price_text(trip['exit_price_usd']):>10} "
            f"{trip['pnl_usd']:>+11,.2f}  {words_of(trip['exit_reason'])}"
        )
    return lines


def _clock_text(second: int, zone: tzinfo, session_date: date) -> str:
    """`09:51`, or `10-06` when it was another day."""
    when = datetime.fromtimestamp(second, UTC).astimezone(zone)
    return f"{when:%H:%M}" if when.date() == session_date else f"{when:%m-%d}"


def _price_text(price_usd: float) -> str:
    """Four digits where an average needs them, else cents, with the points under each other."""
    text = f"{price_usd:,.4f}"
    return text[:-2] + "  " if text.endswith("00") else text


def _result_lines(report: DayReport) -> list[str]:
    metrics = report.metrics
    if not metrics["round_trips"] and not report.positions_left:
        return []
    realised_usd, open_usd = metrics["total_pnl_usd"], report.unrealised_pnl_usd
    fees = f"after {metrics['commissions_usd']:,.2f} of fees"
    words = f"{realised_usd:+,.2f} USD {fees}"
    if report.positions_left:
        words = f"{realised_usd + open_usd:+,.2f} USD: {realised_usd:+,.2f} {fees}, {open_usd:+,.2f} open at the bid"
    lines = [_labelled("day's P&L", words)]
    if report.broker_result is not None:
        lines += _wrapped("broker's P&L", comparison_words(report.broker_result))
    if metrics["round_trips"]:
        factor = metrics["profit_factor"]
        lines.append(
            _labelled(
                "round trips",
                f"{metrics['round_trips']:,}: {metrics['wins']:,} won, {metrics['losses']:,} lost"
                + (f", profit factor {factor:.2f}" if factor is not None else ""),
            )
        )
        lines.append(
            _labelled("exits", ", ".join(f"{words_of(reason)} {n:,}" for reason, n in metrics["exit_reasons"].items()))
        )
    lines.append(_labelled("max drawdown", f"{metrics['max_drawdown_usd']:,.2f} USD"))
    return lines


def _evaluation_lines(metrics: Mapping[str, Any]) -> list[str]:
    """What the evaluation adds; nothing while the session was not evaluated, or had no round trip."""
    if metrics.get("expectancy_usd") is None:
        return []
    sizes = [
        f"{name} {metrics[key]:+,.2f}"
        for name, key in (("win", "average_win_usd"), ("loss", "average_loss_usd"), ("trip", "expectancy_usd"))
        if metrics[key] is not None
    ]
    lines = [
        _labelled("on average", f"{', '.join(sizes)} USD; {metrics['average_duration_s'] / 60:,.0f} min in a position"),
        _labelled("at work", f"at most {metrics['capital_used_usd']:,.2f} USD, {_return_text(metrics)}"),
    ]
    if metrics["slippage_bps"] is not None:
        lines.append(_labelled("slippage", f"{metrics['slippage_bps']:+.2f} bps of turnover"))
    lines += _wrapped("by regime", _groups_text(metrics, "regime")) + _wrapped(
        "by variant", _groups_text(metrics, "variant")
    )
    sharpe = metrics["detail"]["sharpe"]
    if isinstance(sharpe, Mapping):
        low, high = sharpe["interval"][:2]
        days = _count(sharpe["days"], "day")
        sharpe = f"{sharpe['sharpe']:.2f} a year, 95 % between {low:.2f} and {high:.2f}, of {days}"
    return [*lines, _labelled("Sharpe", sharpe)]


def _groups_text(metrics: Mapping[str, Any], by: str) -> str:
    """Results of each regime or variant; empty where there is one group that says nothing."""
    groups = metrics["detail"]["by"][by]
    if groups.keys() <= UNTOLD_GROUPS:
        return ""
    return ", ".join(
        f"{words_of(name)} {group['total_pnl_usd']:+,.2f} in {group['round_trips']:,}" for name, group in groups.items()
    )


def _return_text(metrics: Mapping[str, Any]) -> str:
    efficiency = metrics["capital_efficiency_pct"]
    return f"{efficiency:+.3f} % an hour" if efficiency is not None else "no time"


def _insight_lines(report: DayReport) -> list[str]:
    """What stood out, wrapped."""
    lines: list[str] = []
    for insight in report.insights:
        by_whom = f" ({model})" if (model := insight["numbers"].get("model")) else ""
        wrapped = textwrap.wrap(insight["words"] + by_whom, LINE_WIDTH - 2)
        lines += [f"{'- ' if n == 0 else '  '}{line}" for n, line in enumerate(wrapped)]
    return ["what stood out", *lines] if lines else []


def _funnel_lines(report: DayReport) -> list[str]:
    """Why it did not trade, from the widest refusal to the narrowest."""
    totals = report.funnel_totals
    if not totals:
        return []
    wanted = sum(n for rule, n in totals.items() if rule not in STRATEGY_RULES + HOLDING_RULES)
    lines = [
        _labelled("judged", f"{_count(report.judgements, 'time')} at {_count(report.ticks, 'instant')}"),
        _labelled("wanted", f"to buy {_count(wanted, 'time')}; entries sent: {entries_in(totals):,}"),
        "no entry because of",
    ]
    for rule, count in sorted(totals.items(), key=lambda item: -item[1]):
        if rule == "approved":
            continue
        symbols = sorted(report.funnel, key=lambda s: -report.funnel[s].get(rule, 0))
        most = ", ".join(f"{s} {report.funnel[s][rule]:,}" for s in symbols[:3] if report.funnel[s].get(rule))
        lines.append(f"  {words_of(rule):<22}{count:>9,}   most: {most}")
    return lines


def _left_lines(report: DayReport) -> list[str]:
    """What this bot owns and what of its orders rests at the broker, symbol by symbol."""
    positions, orders = report.positions_left, report.resting_orders
    if orders is None:
        owned = ", ".join(f"{quantity:,} {symbol}" for symbol, quantity in positions.items())
        return [_labelled("at broker", "unknown, it could not be asked" + f"; the ledger has {owned}" * bool(owned))]
    if not positions and not orders:
        return [_labelled("at broker", "flat, no resting orders")]
    lines = ["left at the broker"]
    for symbol in dict.fromkeys([*positions, *(order["symbol"] for order in orders)]):
        owned_shares = positions.get(symbol, 0)
        resting = [order for order in orders if order["symbol"] == symbol]
        texts = [_order_text(order, owned_shares) for order in resting]
        if owned_shares and not any(order["order_type"] == "STP" for order in resting):
            texts.append("NO STOP RESTS")
        lines.append(f"  {symbol:<7}{owned_shares:>8,} shares   {', '.join(texts)}")
    return lines


def _connection_lines(report: DayReport) -> list[str]:
    return [_labelled("connection", f"restored {_count(report.reconnects, 'time')}")] if report.reconnects else []


def _order_text(order: Mapping[str, Any], owned: int) -> str:
    """`stop 216.55 GTC`, with side and size where they are not those of selling what is owned."""
    kind = ORDER_TYPES.get(order["order_type"])
    if kind is None:  # a market order that rests waits for its time
        kind = "time exit" if order["action"] == "SELL" else "market"
    text = f"{kind} {_price_text(order['price_usd']).rstrip()}" if order["price_usd"] else kind
    odd = order["action"] != "SELL" or order["quantity"] != owned
    size = f"{order['action']} {order['quantity']:,g} " if odd else ""
    return f"{size}{text} {order['tif']}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + "s" * (number != 1)


def words_of(name: str) -> str:
    """A rule's or a reason's name as a reader says it: `not above VWAP`."""
    return " ".join(word.upper() if word in INDICATORS else word for word in name.split("_"))
