"""Instants as clients write them in orders."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from market_hours import NEW_YORK


def instant(text: str) -> int | None:
    """`20260928 15:55:00 US/Eastern`, `20260928-19:55:00` (UTC) or New York time; 0 for empty, None for nonsense."""
    if not text:
        return 0
    try:
        if text[8:9] == "-":
            return int(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp())
        day_and_time, zone = text[:17], text[17:].strip()
        where = ZoneInfo(zone) if zone else NEW_YORK
        return int(datetime.strptime(day_and_time, "%Y%m%d %H:%M:%S").replace(tzinfo=where).timestamp())
    except (ValueError, ZoneInfoNotFoundError, OSError, OverflowError):  # OSError: a zone named like a directory
        return None
