"""Pages of runs: well-formed, self-contained, with what happened in them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from datetime import date

import numpy as np
import pytest

pytest.importorskip("numba", reason="requirements-research.txt is not installed")

from research.backtest import backtest
from research.engine import simulate, sweep
from research.report import backtest_page, search_page, walk_page
from research.search import search_listed
from research.source import Bars
from research.stored import MinuteTape
from research.tapes import END_BAR, FIRST_BAR
from research.walk_forward import walk, windows
from tests.research.rough_feed import Roughness
from tests.research.test_engine import EAGER, LOOSE, SYMBOLS, bars_of, plan
from trading.bar_columns import BarColumns

ON = plan(1_000_000, 0.25, LOOSE)


@pytest.fixture(scope="module")
def bars() -> Bars:
    return bars_of(SYMBOLS[:2], Roughness(swing=3.0))


def tape_of(bars: Bars, symbol: str, day: date) -> MinuteTape:
    """The bars of a symbol in a session."""
    (tape,) = (
        tape
        for tape in range(bars.n_tapes)
        if (bars.symbol_of(tape), bars.dates[bars.session_of(tape)]) == (symbol, day)
    )
    first, end = bars.tapes.tapes[tape, [FIRST_BAR, END_BAR]]
    return MinuteTape(**BarColumns(*bars.tapes.bars[:, first:end])._asdict())


def pictures(html: str) -> ElementTree.Element:
    """The body of a page, which must be well-formed; nothing may come from outside."""
    assert "http" not in html and "<script" not in html and "src=" not in html
    return ElementTree.fromstring(html[html.index("<body>") : html.index("</html>")])


def test_a_backtest_shows_every_round_trip_of_its_busiest_days(bars: Bars) -> None:
    outcome = simulate(bars, EAGER, ON)
    run = backtest([bars], EAGER, ON, "here")
    html = backtest_page(
        run, ON, [("won", "all")], "prices <of> a test", lambda symbol, day: tape_of(bars, symbol, day)
    )
    dots = [path for path in pictures(html).iter("path") if path.get("class", "").startswith("dot ")]
    counts = np.sort(np.bincount(outcome.trips[:, 0], minlength=bars.n_tapes))[::-1]
    assert len(dots) == counts[:6].sum() > 0
    assert "&lt;of&gt;" in html


def test_a_search_and_a_walk_forward_show_their_sets_and_windows(bars: Bars) -> None:
    points = [{"stop": stop, "rsi": rsi} for stop in (60, 80) for rsi in (60.0, 70.0, 75.0)]

    def to_parameters(point: object) -> object:
        values = dict(point)  # type: ignore[call-overload]
        return EAGER._replace(stop_loss_bps=values.get("stop", 60), rsi_cap=values.get("rsi", 75.0))

    found = search_listed(points, to_parameters, lambda sets: sweep(bars, sets, ON), ON.equity)  # type: ignore[arg-type]
    heat = pictures(search_page(found, bars, ON, [("trials", "6")], "here")).find(".//table[@class='heat']")
    assert heat is not None and len(list(heat.iter("td"))) == 6
    steps = list(walk(bars, found, ON, windows(6, 2, 1, 1, anchored=True)))
    assert len(list(pictures(walk_page(steps, bars, ON, "here")).iter("rect"))) == len(steps) == 3
