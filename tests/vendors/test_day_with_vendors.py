"""A day of the trader that asks vendors before the open: the list is theirs, the key stays where it belongs."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from telemetry import tracing
from tests.gateway_world import HandMadeFeed, daily_history, play_day, warm_up
from tests.vendors.doubles import KEY, Fault, FmpDouble, PolygonDouble, serving
from tests.vendors.harness import settings


class Told:
    """Keeps all spans and measurements."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def put(self, item: Any) -> None:
        self.items.append(item)


@pytest.mark.parametrize("fault", [None, Fault.BAD_KEY, Fault.REPEATS_KEY, Fault.HANGS_UP])
def test_key_is_in_no_log_span_file_or_row_of_a_day(
    fault: Fault | None, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    doubles = [FmpDouble(symbols=4), PolygonDouble(symbols=4)]
    for double in doubles:
        double.faults |= {"": fault} if fault else {}
    names = doubles[0].symbols
    feed = HandMadeFeed({name: warm_up() for name in names}, {name: daily_history() for name in names})
    told = Told()
    tracing.tell(told)
    try:
        with serving(*doubles):
            vendors = settings(tmp_path, *doubles)
            play_day(feed, tmp_path, universe=names[:2], stop_at="09:31", vendors=vendors)
    finally:
        tracing.tell(None)
    content = json.loads((tmp_path / "watchlist.json").read_text())
    assert content["symbols"]
    assert (content["evidence"].get("quotes") == "FMP") is (fault is None)
    asked = [each for each in told.items if isinstance(each, tracing.SpanRecord) and each.name == "GET"]
    assert asked
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {".db", ".json"} <= {file.suffix for file in files}
    seen = capfd.readouterr()
    everything = [caplog.text, seen.out, seen.err, repr(told.items)]
    assert [text for text in everything if KEY in text] == []
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []
    assert any(KEY in str(each.headers) for each in doubles[0].asked)  # it did travel
