"""The figures of a run of everything: a table in Markdown and a picture, for the documents."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from statistics import median
from typing import NamedTuple

from reporting.figure import scale, spaced
from reporting.lines import Series, lines
from tests import everything_judge as judge
from tests.everything_world import Everything

FOLDER = "SOAK_FIGURES"  # a folder where a person wants to find them
WIDTH, PANEL, PLOT, LEFT, RIGHT, TOP = 900, 230, 150, 70, 20, 44  # pixels
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #5c6878; } .title { font-size: 14px; fill: #1c2430; }
path { fill: none; vector-effect: non-scaling-stroke; } .grid { stroke: #e3e8ee; } .zero { stroke: #5c6878; }
.line { stroke-width: 1.7; stroke-linejoin: round; } .c0 { stroke: #2563a8; } .c1 { stroke: #d9822b; }
.c2 { stroke: #3f9c6b; }
"""
TONES = ("#2563a8", "#d9822b", "#3f9c6b")  # of the series in order, as in STYLE


class Panel(NamedTuple):
    """One picture of several below each other."""

    title: str
    series: Sequence[Series]


class SessionFigures(NamedTuple):
    """What a session took. Times in ms but for the dashboard's."""

    day: str
    rss_mb: float
    threads: int
    handles: int
    loop_p50_ms: float
    loop_p99_ms: float
    order_p50_ms: float
    order_p99_ms: float
    entries: int
    answers: int
    slowest_answer_s: float
    database_mb: float
    faults: int


def of_sessions(run: Everything) -> list[SessionFigures]:
    """A line for each session. With less than a hundred entries the 99th percentile is the slowest."""
    latencies = judge.order_latencies_ms(run)
    faults = [line["at"][:10] for line in run.lines("faults.jsonl") if line["kind"] != "notice"]
    found = []
    for line in run.lines("sessions.jsonl"):
        day = line["session"]
        orders_ms = latencies[day] or [float("nan")]
        answers_s = [answer.seconds for answer in run.visitor.answers if answer.session == day]
        found.append(
            SessionFigures(
                day=day,
                rss_mb=line["rss_mb"],
                threads=line["threads"],
                handles=line["handles"],
                loop_p50_ms=line["loop_core_p50_ms"],
                loop_p99_ms=line["loop_core_p99_ms"],
                order_p50_ms=median(orders_ms),
                order_p99_ms=orders_ms[-1 - len(orders_ms) // 100],
                entries=len(latencies[day]),
                answers=len(answers_s),
                slowest_answer_s=max(answers_s, default=float("nan")),
                database_mb=line["database_mb"],
                faults=faults.count(day),
            )
        )
    return found


def write_figures(run: Everything) -> None:
    """Into the folder that `SOAK_FIGURES` names; nothing where it is not set."""
    if not (folder := os.environ.get(FOLDER)):
        return
    sessions = of_sessions(run)
    Path(folder, "soak.svg").write_text(_picture(sessions), encoding="utf-8")
    Path(folder, "soak.md").write_text("\n".join([*_table(sessions), "", _summary(run), ""]), encoding="utf-8")


HEADINGS = (
    *("session", "memory, MB", "threads", "handles", "loop p50, p99, ms", "judging to orders p50, p99, ms (entries)"),
    *("slowest of the dashboard's answers, s", "database, MB", "faults"),
)


def _table(sessions: Sequence[SessionFigures]) -> Iterator[str]:
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|" + "---|" * len(HEADINGS)
    for each in sessions:
        yield (
            f"| {each.day} | {each.rss_mb:.0f} | {each.threads} | {each.handles} | {each.loop_p50_ms:.2f}, "
            f"{each.loop_p99_ms:.2f} | {each.order_p50_ms:.1f}, {each.order_p99_ms:.1f} ({each.entries}) | "
            f"{each.slowest_answer_s:.2f} of {each.answers} | {each.database_mb:.1f} | {each.faults} |"
        )


def _summary(run: Everything) -> str:
    """What there was of everything, in one sentence."""
    traces, told = run.collector.by_trace, "\n".join(run.messages)
    executions = sum(entry.event == "execution" for entry in judge.journal(run))
    return (
        f"{run.took_s:.0f} s of wall time: {executions:,} executions; {sum(map(len, traces.values())):,} spans in "
        f"{len(traces):,} traces; {len(run.visitor.answers):,} answers and {run.visitor.views.total():,} views over "
        f"{run.visitor.streams} stream; {told.count(chr(10)) + 1:,} lines in {len(run.messages):,} messages; longest "
        f"time without a stop {judge.unprotected(run)[1]:.2f} s."
    )


def _picture(sessions: Sequence[SessionFigures]) -> str:
    def of(name: str, field: str) -> Series:
        return Series(name, [float(getattr(each, field)) for each in sessions])

    panels = (
        Panel("Memory of the process when a session is over, MB", [of("resident", "rss_mb")]),
        Panel("One turn of the event loop, ms of its core", [of("p50", "loop_p50_ms"), of("p99", "loop_p99_ms")]),
        Panel("From judging to four orders on the socket, ms of wall time", [of("p50", "order_p50_ms")]),
        Panel("Slowest answer of the dashboard, s", [of("slowest", "slowest_answer_s")]),
    )
    height = len(panels) * PANEL
    days = spaced([each.day for each in sessions])
    drawn = "".join(_panel(panel, number * PANEL, days) for number, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
        f'<style>{STYLE}</style><rect width="{WIDTH}" height="{height}" fill="#fff"/>{drawn}</svg>\n'
    )


def _panel(panel: Panel, top: int, days: Sequence[str]) -> str:
    """A plot as `reporting` draws it, with labels as text, since a picture of its own has no page around it."""
    values = [value for each in panel.series for value in each.values]
    heights = scale([0.0, *values])
    xs = list(range(len(panel.series[0].values)))
    zero = Series("zero", [0.0] * len(xs))  # draws the axis from zero on, and nothing else
    figure = lines(xs, [*panel.series, zero], days, "")
    plot = re.search(r"<svg [^>]*>(.*)</svg>", figure, re.DOTALL)
    assert plot is not None
    wide = WIDTH - LEFT - RIGHT
    texts = [f'<text class="title" x="{LEFT}" y="{top + 24}">{escape(panel.title)}</text>']
    for number, each in enumerate(panel.series if len(panel.series) > 1 else ()):
        place = WIDTH - RIGHT - 60 * (len(panel.series) - number)
        texts.append(f'<text x="{place}" y="{top + 24}" style="fill: {TONES[number]}">{escape(each.name)}</text>')
    for tick in heights.ticks:
        y = top + TOP + heights.down(tick) / 1_000 * PLOT + 4
        texts.append(f'<text x="{LEFT - 8}" y="{y:.0f}" text-anchor="end">{heights.text(tick)}</text>')
    for number, day in enumerate(days):
        x, anchor = LEFT + wide * number / max(len(days) - 1, 1), ("start", "middle", "end")
        at = anchor[0 if number == 0 else 2 if number == len(days) - 1 else 1]
        texts.append(f'<text x="{x:.0f}" y="{top + TOP + PLOT + 18}" text-anchor="{at}">{day}</text>')
    inner = re.sub(r'<path class="line c\d" d="[^"]*"><title>zero</title></path>', "", plot[1])
    return (
        f'{"".join(texts)}<svg x="{LEFT}" y="{top + TOP}" width="{wide}" height="{PLOT}" viewBox="0 0 1000 1000" '
        f'preserveAspectRatio="none" overflow="visible">{inner}</svg>'
    )
