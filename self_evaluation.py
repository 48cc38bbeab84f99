"""How the program itself is doing: `HealthMonitor`."""

from __future__ import annotations

from datetime import datetime

import psutil

from records.rows import HealthRow, HealthStatus

MEMORY_WARNING_PCT = 85.0
MEMORY_CRITICAL_PCT = 95.0
DATA_AGE_WARNING_S = 60.0
LOOP_LAG_WARNING_MS = 1_000.0


class HealthMonitor:
    """Samples the process and judges what the agent says about its data and its connection."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only starts the measurement

    def sample(self, now: datetime, *, ib_connected: bool, data_age_s: float | None, loop_lag_ms: float) -> HealthRow:
        """One row of `agent_health`. `data_age_s` is the oldest quote's age while the market is open, else None."""
        memory = self._process.memory_info().rss
        memory_pct = self._process.memory_percent()
        status: HealthStatus = "normal"
        detail = None
        if not ib_connected:
            status, detail = "critical", "not connected to the gateway"
        elif memory_pct >= MEMORY_CRITICAL_PCT:
            status, detail = "critical", f"{memory_pct:.0f} % of memory in use"
        elif data_age_s is not None and data_age_s > DATA_AGE_WARNING_S:
            status, detail = "warning", f"oldest quote is {data_age_s:.0f} s old"
        elif loop_lag_ms > LOOP_LAG_WARNING_MS:
            status, detail = "warning", f"event loop {loop_lag_ms:.0f} ms late"
        elif memory_pct >= MEMORY_WARNING_PCT:
            status, detail = "warning", f"{memory_pct:.0f} % of memory in use"
        return HealthRow(
            timestamp=now,
            agent=self._agent,
            status=status,
            cpu_pct=self._process.cpu_percent(),
            memory_mb=round(memory / 1e6, 1),
            memory_pct=round(memory_pct, 2),
            ib_connected=ib_connected,
            data_age_s=data_age_s,
            loop_lag_ms=round(loop_lag_ms, 3),
            detail=detail,
        )
