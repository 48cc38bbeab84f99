"""What a run of everything proves: each function names what does not hold, from evidence of two sides at least.

The exchange's own journal and account against the database, the collector's spans against its rows, what the web hook
was told against both.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date, datetime, timedelta

from ib_simulator.journal import JournalEntry
from market_hours import NEW_YORK, new_york_calendar
from tests.everything_world import Everything
from tests.exchange_judge import ExchangeJudge, Window
from tests.simulated_runs import rows

START_CASH = 1_000_000_000_000  # of the simulated account, 1e-6 USD
BOT_OF_CLIENT = {1: "weekly", 2: "day_trader"}
DAY_TRADER = 2
ALLOCATION_PPM = 250_000
FILL = re.compile(r"^\d\d:\d\d:\d\d (?:bought|sold) [^:]*")  # without the result of a sale
SUMMARY = re.compile(r"^\d\d:\d\d:\d\d \w+ (\d{4}-\d\d-\d\d)$")
CYCLE = re.compile(r"^\d\d:\d\d:\d\d Weekly bot (\S+):")
UNTOLD = re.compile(r"earlier ones\)|not told one by one")
CENT = 10_000  # 1e-6 USD


def sessions(run: Everything) -> list[date]:
    """The sessions that were played, in order."""
    return [date.fromisoformat(line["session"]) for line in run.lines("sessions.jsonl")]


def journal(run: Everything) -> list[JournalEntry]:
    """All that happened at the exchange."""
    with closing(sqlite3.connect(run.folder / "journal.db")) as connection:
        return [JournalEntry(*row) for row in connection.execute("SELECT * FROM journal ORDER BY number")]


def not_flat(run: Everything) -> list[str]:
    """Shares and orders of the day trader that outlived a session, by the exchange."""
    net: Counter[tuple[str, str]] = Counter()  # (session, symbol) -> shares bought and not sold
    for entry in journal(run):
        if entry.event == "execution" and entry.client_id == DAY_TRADER:
            net[_new_york_day(entry.at), entry.symbol] += entry.side * entry.shares
    broken = [f"{session}: {shares} {symbol} left" for (session, symbol), shares in net.items() if shares]
    for line in run.lines("sessions.jsonl"):
        broken += [f"{line['session']}: an order of {s} rests" for client, s in line["resting"] if client == DAY_TRADER]
    return broken


def ledger_differs(run: Everything) -> list[str]:
    """Where the database of a bot and the broker's cash and shares are not the same after a session, to the cent."""
    broken = []
    for line in run.lines("sessions.jsonl"):
        day = line["session"]
        trades = rows(
            run.folder,
            "SELECT bot, symbol, IIF(action = 'BUY', quantity, -quantity), price, commission FROM trades "
            f"WHERE session_date <= '{day}'",
        )
        cash = START_CASH / 1e6 - sum(shares * price + fees for _, _, shares, price, fees in trades)
        if abs(cash - line["cash"] / 1e6) >= 0.005:
            broken.append(f"{day}: cash {line['cash'] / 1e6:.4f} USD at the broker, {cash:.4f} on record")
        held: Counter[str] = Counter()
        for _, symbol, shares, _, _ in trades:
            held[symbol] += shares
        if (owned := {symbol: shares for symbol, shares in held.items() if shares}) != line["held"]:
            broken.append(f"{day}: {line['held']} at the broker, {owned} on record")
    return broken + _bots_differ(run)


def _bots_differ(run: Everything) -> list[str]:
    """Each bot's cash and shares of each session: by the exchange's executions, and by its ledger."""
    exchange: Counter[tuple[str, str, str]] = Counter()  # (session, bot, symbol or "cash") -> shares, or 1e-6 USD
    for entry in journal(run):
        if entry.event == "execution":
            day, bot = _new_york_day(entry.at), BOT_OF_CLIENT[entry.client_id]
            exchange[day, bot, entry.symbol] += entry.side * entry.shares
            exchange[day, bot, "cash"] -= entry.side * entry.shares * entry.price * 100 + entry.fees
    record: Counter[tuple[str, str, str]] = Counter()
    query = "SELECT session_date, bot, symbol, IIF(action = 'BUY', quantity, -quantity), price, commission FROM trades"
    for day, bot, symbol, shares, price, fees in rows(run.folder, query):
        record[day, bot, symbol] += shares
        record[day, bot, "cash"] -= round((shares * price + fees) * 1e6)
    return [
        f"{key}: {exchange[key]} at the exchange, {record[key]} on record"
        for key in exchange.keys() | record.keys()
        if abs(exchange[key] - record[key]) >= (CENT // 2 if key[2] == "cash" else 1)
    ]


def unprotected(run: Everything) -> tuple[list[str], float]:
    """Shares without a stop for longer than a program that could act may leave them; the longest such time, seconds."""
    played = sessions(run)
    days = new_york_calendar(played[-1]).sessions_between(played[0], played[-1])
    judge = ExchangeJudge(
        client_id=DAY_TRADER,
        allocation_ppm=ALLOCATION_PPM,
        sessions=[Window(session.open.timestamp(), session.eod.timestamp()) for session in days],
        unreachable=[Window(line["start_s"], line["end_s"]) for line in run.lines("blind.jsonl")],
    )
    judge.hear(journal(run))
    judge.advance((days[-1].close + timedelta(hours=1)).timestamp())
    return judge.broken, judge.longest_naked_s


def rows_lost(run: Everything) -> list[str]:
    """What happened and is not on record exactly once."""
    made = Counter(entry.exec_id for entry in journal(run) if entry.event == "execution")
    recorded = Counter(exec_id for (exec_id,) in rows(run.folder, "SELECT exec_id FROM trades"))
    broken = [f"execution {each}: {recorded[each]} rows" for each in _differing(made, recorded)]
    placed = {entry.order_ref for entry in journal(run) if entry.event == "order"}
    intents = dict(rows(run.folder, "SELECT intent_id, state FROM order_intents"))
    broken += [f"order {ref} has no intent" for ref in placed - intents.keys()]
    over = {"filled", "cancelled", "rejected", "expired"}
    broken += [f"intent {ref} is {state} in the end" for ref, state in intents.items() if state not in over]
    for table, least in (("daily_metrics WHERE bot = 'day_trader'", 1), ("equity_minutes", 380), ("decisions", 1)):
        counts = rows(run.folder, f"SELECT session_date, COUNT(*) FROM {table} GROUP BY session_date")
        by_day = Counter(dict(counts))
        broken += [f"{day}: {by_day[str(day)]} rows of {table}" for day in sessions(run) if by_day[str(day)] < least]
    return broken


def traces_broken(run: Everything) -> list[str]:
    """Spans whose parent never came, spans told twice, and rows that no trace ends in."""
    traces = run.collector.by_trace
    broken = [
        f"{span.name} of {trace} hangs under nothing"
        for trace, spans in traces.items()
        for span in spans.values()
        if span.parent_id and span.parent_id not in spans
    ]
    for table in ("trades", "decisions"):
        written = dict(rows(run.folder, f"SELECT trace_id, COUNT(*) FROM {table} GROUP BY trace_id"))
        for trace, count in written.items():
            told = sum(span.name == f"INSERT {table}" for span in traces.get(trace, {}).values())
            if told < count:
                broken.append(f"{trace}: {count} rows of {table}, {told} spans")
    if run.collector.twice:
        broken.append(f"{run.collector.twice} spans came twice")
    if lost := run.collector.total("trading.telemetry.lost"):
        broken.append(f"{lost} spans or measurements were lost")
    return broken


def notices_broken(run: Everything) -> list[str]:
    """Fills, days and cycles that were not told exactly once."""
    lines = [line for message in run.messages for line in message.splitlines()]
    told = Counter(match[0] for line in lines if (match := FILL.match(line)))
    query = "SELECT timestamp, action, quantity, symbol, price, reason FROM trades"
    booked = Counter(_fill_words(*row) for row in rows(run.folder, query))
    broken = [f"told {told[each]} times, booked {booked[each]}: {each}" for each in _differing(told, booked)]
    days = Counter(match[1] for line in lines if (match := SUMMARY.match(line)))
    broken += [f"the day {day} was told {days[str(day)]} times" for day in sessions(run) if days[str(day)] != 1]
    cycles = Counter(match[1] for line in lines if (match := CYCLE.match(line)))
    on_record = [cycle for (cycle,) in rows(run.folder, "SELECT cycle_id FROM weekly_cycles")]
    broken += [f"the cycle {cycle} was told {cycles[cycle]} times" for cycle in on_record if cycles[cycle] != 1]
    return broken + [line for line in lines if UNTOLD.search(line)]


def _fill_words(timestamp: str, action: str, quantity: int, symbol: str, price: float, reason: str) -> str:
    at = datetime.fromisoformat(timestamp).astimezone(NEW_YORK)
    verb = "bought" if action == "BUY" else "sold"
    return f"{at:%H:%M:%S} {verb} {quantity:,} {symbol} at {price:,.2f}, {reason.replace('_', ' ')}"


def order_latencies_ms(run: Everything) -> dict[str, list[float]]:
    """Session -> for each entry the time from its judging until its four orders were on the socket, rising."""
    found: dict[str, list[float]] = {str(day): [] for day in sessions(run)}
    for day, trace in rows(run.folder, "SELECT session_date, trace_id FROM decisions WHERE kind = 'enter'"):
        spans = run.collector.by_trace[trace]
        (judged_ns,) = [span.start_ns for span in spans.values() if span.name == "risk"]
        intents = [key for key, span in spans.items() if span.name == "intent" and spans[span.parent_id].name == "risk"]
        first = min(intents, key=lambda key: spans[key].start_ns, default=b"")  # later ones place exits anew
        sent_ns = [span.end_ns for span in spans.values() if span.name == "order" and span.parent_id == first]
        found[day] += [(max(sent_ns) - judged_ns) / 1e6] if sent_ns else []
    return {day: sorted(values) for day, values in found.items()}


def _differing(one: Counter[str], other: Counter[str]) -> list[str]:
    return sorted(each for each in one.keys() | other.keys() if one[each] != other[each])


def _new_york_day(at: str) -> str:
    return f"{datetime.fromisoformat(at).astimezone(NEW_YORK):%Y-%m-%d}"
