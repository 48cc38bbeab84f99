"""A session drawn for a terminal: a pure function from its view and the room there is to what rich prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from market_hours import NEW_YORK
from trading.day_summary import HOLDING_RULES, words_of
from trading.live_view import DecisionView, LimitUse, PositionView, SessionView, Watched

WIDE = 100  # columns from which on everything has room
HEAD_LINES = 2  # of a table
MOST_DECISIONS = 6
MOST_WARNINGS = 2
HEALTH_STYLES = {"normal": "green", "warning": "yellow", "critical": "bold red"}
KIND_STYLES = {"enter": "green", "exit": "cyan", "sync": "magenta"}


def drawn(view: SessionView, width: int, height: int) -> Group:
    """The session in at most `height` lines of at most `width` columns; what matters least is left out first."""
    above = [_status(view), _money(view), *_no_entries(view, width), _limits(view.limits)]
    warnings = [_one_line(f"! {warning}", "yellow", width) for warning in view.warnings[:MOST_WARNINGS]]
    room = height - len(above) - len(warnings)
    positions = view.positions[: max(room - HEAD_LINES, 0)]
    room -= _lines(positions)
    decisions = view.decisions[: max(min(MOST_DECISIONS, room - _lines(view.watchlist) - 1), 0)]
    watched = view.watchlist[: max(room - len(decisions) - bool(decisions) - HEAD_LINES, 0)]
    parts: list[RenderableType] = [*above]
    if positions:
        parts += [Text(), _positions(positions, width)]
    if watched:
        parts += [Text(), _watchlist(watched, width)]
    if decisions:
        parts += [Text(), *(_decision(decision, width) for decision in decisions)]
    return Group(*parts, *warnings)


def _lines(rows: Sequence[object]) -> int:
    """What a table takes: a blank line, its head, its rows."""
    return len(rows) + HEAD_LINES if rows else 0


def _status(view: SessionView) -> Text:
    now = view.at.astimezone(NEW_YORK)
    connected = "green" if view.connection == "ready" else "bold red"
    return _joined(
        [
            (f"{now:%H:%M:%S} New York", "bold"),
            (f"{view.mode} {view.account.account_id}", "bold red" if view.mode == "live" else "bold"),
            (view.phase.replace("_", " "), ""),
            (f"connection {view.connection}", connected),
            (f"health {view.health}", HEALTH_STYLES.get(view.health, "")),
        ]
    )


def _money(view: SessionView) -> Text:
    account = view.account
    return _joined(
        [
            (f"{account.equity_usd:,.2f} USD", ""),
            (f"day {account.pnl_usd:+,.2f}", _style(account.pnl_usd)),
            (f"open {account.unrealised_usd:+,.2f}", _style(account.unrealised_usd)),
            (f"drawdown {account.drawdown_usd:,.2f}", ""),
            (f"{view.n_fills} fills", ""),
        ]
    )


def _no_entries(view: SessionView, width: int) -> list[Text]:
    if not view.no_entries or view.phase == "over":
        return []
    return [_one_line(f"no entries: {'; '.join(view.no_entries)}", "bold red" if view.killed else "yellow", width)]


def _positions(positions: Sequence[PositionView], width: int) -> Table:
    table = _table(
        "position", "shares", "cost", "bid", "result", "to stop", "to target", "rests" if width >= WIDE else ""
    )
    for each in positions:
        rests = ", ".join(leg.role.replace("_", " ") for leg in each.resting) or Text("NOTHING RESTS", "bold red")
        table.add_row(
            Text(each.symbol, "bold"),
            f"{each.quantity:,}",
            f"{each.average_cost_usd:,.2f}",
            _number(each.bid_usd),
            Text(f"{each.unrealised_usd:+,.2f}", _style(each.unrealised_usd)),
            _number(each.to_stop_pct, " %"),
            _number(each.to_target_pct, " %"),
            *([rests] if width >= WIDE else [""] if each.resting else [Text("!", "bold red")]),
        )
    return table


def _watchlist(watched: Sequence[Watched], width: int) -> Table:
    wide = width >= WIDE
    table = _table("watched", "last", "VWAP", "RSI", "ATR %", *(["bars", "quote s"] if wide else []), "last judgement")
    table.columns[-1].justify = "left"
    for each in watched:
        more = [f"{each.bars}", "" if each.quote_age_s is None else f"{each.quote_age_s}"] if wide else []
        held = each.position or each.pending
        table.add_row(
            Text(each.symbol, "bold" if held else ""),
            _number(each.last_usd),
            _number(each.vwap_usd),
            _number(each.rsi, digits=1),
            _number(each.atr_pct),
            *more,
            Text(words_of(each.rule), "green" if each.rule == "approved" else "dim", overflow="ellipsis"),
        )
    return table


def _decision(decision: DecisionView, width: int) -> Text:
    at = decision.at.astimezone(NEW_YORK)
    words = f"{at:%H:%M:%S} {decision.symbol:<6}{decision.kind:<6}{words_of(decision.rule)}"
    if decision.quantity and decision.price_usd:
        words += f", {decision.quantity:,} at {decision.price_usd:,.2f}"
    elif decision.limit is not None and decision.actual is not None and decision.rule not in HOLDING_RULES:
        words += f", {decision.actual:,.2f} (limit {decision.limit:,.2f})"
    return _one_line(words, KIND_STYLES.get(decision.kind, "dim"), width)


def _limits(limits: Iterable[LimitUse]) -> Text:
    """Each limit with the share of it that is used."""
    return _joined(
        [
            (f"{each.name.replace('_', ' ')} {_used(each)}", "bold red" if each.reached else "dim")
            for each in limits
            if each.allowed
        ]
    )


def _used(limit: LimitUse) -> str:
    return f"{limit.used:g}/{limit.allowed:g}" if not limit.unit else f"{100 * limit.used / limit.allowed:.0f} %"


def _table(*head: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number == 0 else "right", no_wrap=True)
    return table


def _joined(parts: Iterable[tuple[str, str]]) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for number, (words, style) in enumerate(parts):
        text.append("  " if number else "").append(words, style)
    return text


def _one_line(words: str, style: str, width: int) -> Text:
    text = Text(words, style, no_wrap=True, overflow="ellipsis")
    text.truncate(width, overflow="ellipsis")
    return text


def _number(value: float | None, unit: str = "", *, digits: int = 2) -> str:
    return "–" if value is None else f"{value:,.{digits}f}{unit}"


def _style(amount_usd: float) -> str:
    return "green" if amount_usd > 0 else "red" if amount_usd < 0 else ""
