"""What a run tells its user: the day's log file and summary, and times as they are read on two clocks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TextIO

from market_hours import NEW_YORK
from trading.day_report import DayReport
from trading.day_summary import summary_lines
from utils import json_text, write_json_atomically


def tell(report: DayReport, log_dir: Path, page: Path | None, json_to: TextIO | None) -> None:
    """Write the day log, and print the summary, which names it and the `page` of the day, or the report as JSON."""
    ended = report.ended_at.astimezone(NEW_YORK)
    path = log_dir / f"day_trader_run_{report.session_date}_{ended:%H%M%S}.json"
    write_json_atomically(path, report)
    if json_to is not None:
        print(json_text(report), file=json_to, flush=True)
        return
    files = {"day log": str(path)} | ({"day page": str(page)} if page is not None else {})
    print("\n".join(summary_lines(report, files, NEW_YORK)))  # noqa: T201 (the summary is for the terminal)


def clock_text(when: datetime) -> str:
    """`09:30 in New York (Mon 15:30 CET here)`."""
    there, here = when.astimezone(NEW_YORK), when.astimezone()
    elsewhere = there.utcoffset() != here.utcoffset()
    return f"{there:%H:%M} in New York" + f" ({here:%a %H:%M %Z} here)" * elsewhere
