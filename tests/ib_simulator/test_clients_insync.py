"""ib_insync and its successor ib_async over TCP in simulated time, each in a process of its own."""

from __future__ import annotations

import sys

import pytest

from tests.ib_simulator.standalone_peer import CLIENTS, run_journey

JOURNEY = [sys.executable, "-m", "tests.ib_simulator.client_journey"]


def test_ib_insync_completes_its_journey() -> None:
    assert run_journey([*JOURNEY, "ib_insync"]).startswith("ib_insync 0.9.86: ")


@pytest.mark.skipif(
    not (CLIENTS / "ib_async" / "ib_async").is_dir(), reason=f"ib_async is not in {CLIENTS} (make test installs it)"
)
def test_ib_async_completes_its_journey() -> None:
    printed = run_journey([*JOURNEY, "ib_async"], {"PYTHONPATH": str(CLIENTS / "ib_async")})
    assert printed.startswith("ib_async 2.1.0: ")
