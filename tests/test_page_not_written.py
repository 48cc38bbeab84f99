"""A page of the day that cannot be written is told, and the day ends as it would have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from day_trading.day_page import write_day_page
from tests.gateway_world import MONDAY


def test_a_day_page_that_cannot_be_written_is_logged_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "reports").write_text("a file where a folder should be")
    report: Any = SimpleNamespace(session_date=MONDAY.date, mode="paper")
    nobody: Any = None
    assert write_day_page(report, MONDAY, {}, nobody, tmp_path / "reports") is None
    (record,) = caplog.records
    assert "was not written; the day log has the session" in record.getMessage()
