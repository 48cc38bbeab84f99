"""The TypeScript client @stoqey/ib, in real time against `python -m ib_simulator`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.ib_simulator.standalone_peer import CLIENTS, run_journey, standalone_gateway
from tests.ib_simulator.test_clients_ibapi import MARKET

MODULES = CLIENTS / "stoqey" / "node_modules"
JOURNEY = Path(__file__).parent / "stoqey" / "journey.js"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed")
@pytest.mark.skipif(not (MODULES / "@stoqey" / "ib").is_dir(), reason=f"@stoqey/ib is not in {MODULES} (make stoqey)")
def test_stoqey_completes_its_journey() -> None:
    with standalone_gateway(*MARKET, "--speed", "60") as port:
        printed = run_journey([str(NODE), str(JOURNEY), str(port)], {"NODE_PATH": str(MODULES)})
    assert printed.startswith("@stoqey/ib: ")
