"""Pictures: well-formed, at round numbers, whatever the values are."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reporting.bars import Bar, columns, rows
from reporting.calibration import Group, calibration
from reporting.figure import SPAN, Scale, scale, spaced
from reporting.heat_map import heat_map
from reporting.lines import MOST_POINTS, Marker, Series, lines, stacked

NAN = math.nan
finite = st.floats(-1e12, 1e12, allow_subnormal=False)
with_gaps = finite | st.just(NAN)


def drawn(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html)


def points_of(html: str, kind: str) -> list[tuple[float, float]]:
    """Every point of the paths of a class."""
    paths = [path.get("d", "") for path in drawn(html).iter("path") if path.get("class", "").startswith(kind)]
    numbers = [re.findall(r"-?[\d.]+(?:e[+-]?\d+)?", path) for path in paths]
    return [(float(x), float(y)) for each in numbers for x, y in zip(each[::2], each[1::2], strict=True)]


@settings(derandomize=True, deadline=None)
@given(st.lists(finite, min_size=1, max_size=20))
def test_a_scale_holds_every_value_between_labels_at_even_steps(values: list[float]) -> None:
    found = scale(values)
    slack = 1e-6 * max(1.0, *(abs(value) for value in values))
    assert found.low <= min(values) + slack
    assert found.high >= max(values) - slack
    assert 2 <= len(found.ticks) <= 8


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0, 1.0], ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        ([0.0, 12.5], ["0.0", "2.5", "5.0", "7.5", "10.0", "12.5"]),
        ([98_000.0, 121_000.0], ["95,000", "100,000", "105,000", "110,000", "115,000", "120,000", "125,000"]),
        ([-0.31, 0.0], ["-0.4", "-0.3", "-0.2", "-0.1", "0.0"]),
        ([0.0, 0.012], ["0.0000", "0.0025", "0.0050", "0.0075", "0.0100", "0.0125"]),
        ([7.0], ["6.0", "6.5", "7.0", "7.5", "8.0"]),
        ([NAN], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
    ],
)
def test_an_axis_is_labelled_at_round_numbers(values: list[float], texts: list[str]) -> None:
    found = scale(values)
    assert [found.text(tick) for tick in found.ticks] == texts


@settings(derandomize=True, deadline=None)
@given(st.lists(with_gaps, min_size=1, max_size=30), st.lists(with_gaps, min_size=30, max_size=30))
def test_lines_stay_inside_the_plot_whatever_the_values(first: list[float], second: list[float]) -> None:
    series = [Series("a <b>", first), Series("c & d", second[: len(first)])]
    html = lines(range(len(first)), series, ["x"], "USD", fill=True, markers=[Marker(0, 5.0, "here")])
    for x, y in [*points_of(html, "line"), *points_of(html, "area")]:
        assert -0.1 <= x <= SPAN + 0.1
        assert -0.1 <= y <= SPAN + 0.1


def test_a_gap_interrupts_a_line() -> None:
    path = drawn(lines(range(5), [Series("a", [1.0, 2.0, NAN, 2.0, 1.0])], [], "")).find(".//path[@class='line c0']")
    assert path is not None
    assert path.get("d", "").count("M") == 2


def test_a_line_of_many_points_is_thinned_and_keeps_its_end() -> None:
    count = 50_000
    points = points_of(lines(range(count), [Series("a", [*([0.0] * (count - 1)), 1.0])], [], ""), "line")
    assert len(points) <= MOST_POINTS + 1
    assert points[-1] == (SPAN, 0.0)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(with_gaps, min_size=4, max_size=4), min_size=1, max_size=12))
def test_stacked_areas_stay_inside_the_plot(values: list[list[float]]) -> None:
    html = stacked(range(4), [Series(f"s{i}", each) for i, each in enumerate(values)], ["x"], "%")
    assert all(-0.1 <= number <= SPAN + 0.1 for point in points_of(html, "layer") for number in point)


def test_stacked_areas_reach_their_sum() -> None:
    html = stacked([0, 1], [Series("a", [0.25, 0.25]), Series("b", [0.75, 0.5])], [], "")
    tops = points_of(html, "layer")[4:6]  # of the second area
    assert tops == [(0.0, 0.0), (SPAN, 250.0)]


def test_series_of_another_length_and_empty_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="b has 1 values for 2 xs"):
        lines([0, 1], [Series("a", [1, 2]), Series("b", [1])], [], "")
    with pytest.raises(ValueError, match="needs a series and an x"):
        stacked([], [Series("a", [])], [], "")


@settings(derandomize=True, deadline=None)
@given(st.lists(finite, min_size=0, max_size=12))
def test_bars_stay_inside_the_plot_and_tell_gains_from_losses(values: list[float]) -> None:
    bars = [Bar(f"<{i}>", value) for i, value in enumerate(values)]
    for html in (columns(bars, "%"), rows(bars, "%")):
        rects = list(drawn(html).iter("rect"))
        assert [rect.get("class") for rect in rects] == ["up" if value >= 0 else "down" for value in values]
        for rect in rects:
            x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
            assert x >= -0.1 and x + width <= SPAN + 1.1
            assert y >= -0.1 and y + height <= SPAN + 1.1


def test_rows_share_one_zero() -> None:
    loss, gain = drawn(rows([Bar("a", -1.0), Bar("b", 3.0)], "%")).iter("rect")
    assert float(loss.get("x", "")) + float(loss.get("width", "")) == float(gain.get("x", "")) == 250.0


def test_a_calibrated_forecast_lies_on_the_diagonal() -> None:
    html = calibration([Group(0.25, 0.25, 0.1, 0.5, 8)])
    assert points_of(html, "fair") == [(0.0, SPAN), (SPAN, 0.0)]
    assert "M250 750" in html
    assert "said 25%, came 25% of 8 (10% to 50%)" in html


def test_a_heat_map_leaves_out_what_it_does_not_know() -> None:
    cells = list(drawn(heat_map(["1"], ["a", "b", "c"], [[0.5, NAN, -1.0]], ("x", "y"))).iter("td"))
    assert [cell.text for cell in cells] == ["0.50", None, "-1.00"]
    assert "26,140,80" in cells[0].get("style", "") and "190,60,50" in cells[2].get("style", "")


def test_spaced_keeps_both_ends() -> None:
    assert spaced([str(number) for number in range(101)]) == ("0", "25", "50", "75", "100")
    assert spaced(["a", "b"]) == ("a", "b")
    assert Scale(0.0, 1.0, 0.5).ticks == (0.0, 0.5, 1.0)
