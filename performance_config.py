"""What the machine allows: workers, cache sizes and intervals, chosen once and passed down frozen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceConfig:
    """The tuned configuration. Intervals are part of the trading rules and do not depend on the machine."""

    watchlist_workers: int = 6
    sqlite_cache_mb: int = 10
    monitor_interval_s: int = 5
    health_interval_s: int = 60
