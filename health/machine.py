"""What the machine says about this process: cores, memory, disk, and how late the event loop is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psutil

MIB = 1 << 20
PROBE_S = 0.1  # a block of the loop is seen but for this much of it


class MachineState(NamedTuple):
    """One look. `cpu_pct` is of one core since the look before; memory and disk in MB of 2**20 bytes."""

    cpu_pct: float
    memory_mb: float  # of this process
    memory_pct: float  # of this process, of all memory that there is
    memory_used_pct: float  # of all processes
    disk_free_mb: float


class Machine:
    """Looks at this process and at the disk below `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = str(directory)
        self._process = psutil.Process()
        self._process.cpu_percent()  # the first call only starts the measurement

    def look(self) -> MachineState:
        """The state now. Takes some 0.1 ms."""
        memory = psutil.virtual_memory()
        own = self._process.memory_info().rss
        return MachineState(
            cpu_pct=self._process.cpu_percent(),
            memory_mb=own / MIB,
            memory_pct=100.0 * own / memory.total,
            memory_used_pct=memory.percent,
            disk_free_mb=psutil.disk_usage(self._directory).free / MIB,
        )


class LoopLag:
    """How late the event loop runs its timers: the worst of all probes since it was last asked.

    `on_spike` hears at once of a lag of `spike_ms` or more.
    """

    def __init__(self, spike_ms: float, on_spike: Callable[[], None]) -> None:
        self._spike_ms = spike_ms
        self._on_spike = on_spike
        self._worst_ms = 0.0

    def saw(self, lag_ms: float) -> None:
        """Something was this late."""
        self._worst_ms = max(self._worst_ms, lag_ms)
        if lag_ms >= self._spike_ms:
            self._on_spike()

    def take_worst_ms(self) -> float:
        """The worst lag since the last call."""
        worst_ms, self._worst_ms = self._worst_ms, 0.0
        return worst_ms

    async def probe(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + PROBE_S
            await asyncio.sleep(PROBE_S)
            self.saw(max(loop.time() - due_s, 0.0) * 1_000)
