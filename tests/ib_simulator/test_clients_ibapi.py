"""IBKR's own client, ibapi, in threads and real time against `python -m ib_simulator`."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from tests.ib_simulator.standalone_peer import run_journey, standalone_gateway

MARKET = ("--symbols", "AAA,BBB", "--seed", "3", "--date", "2025-10-07", "--at", "10:00", "--cash", "1000000000")


@pytest.mark.skipif(importlib.util.find_spec("ibapi") is None, reason="ibapi is not installed (requirements-dev.txt)")
def test_ibapi_completes_its_journey() -> None:
    with standalone_gateway(*MARKET, "--speed", "60") as port:
        printed = run_journey([sys.executable, "-m", "tests.ib_simulator.ibapi_journey", str(port)])
    assert printed.startswith("ibapi: ")
