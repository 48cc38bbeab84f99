"""The day trader at a gateway that fails: `python faulty_day_trader.py FAULTS.toml ARGUMENTS` of day_trader.py.

What happened at the exchange goes to `journal.db` in the working directory, what the gateway was asked, in order, to
`requests.txt` (time and kind), the faults that fired to `faults.txt`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of tests/, whose packages are named like ours

import day_trader  # noqa: E402
from ib_simulator.fault_plan import read_fault_plan  # noqa: E402
from ib_simulator.faults import FaultInjector  # noqa: E402
from ib_simulator.gateway import Gateway  # noqa: E402

planned = read_fault_plan(Path(sys.argv[1]))
requests: list[str] = []
start, on_request = Gateway.start, Gateway.on_request


async def start_with_faults(gateway: Gateway, *arguments: Any) -> int:
    gateway.inject(FaultInjector(gateway, planned))
    gateway.keep_journal(Path("journal.db"))
    return await start(gateway, *arguments)


def note_request(gateway: Gateway, client: Any, request: Any) -> None:
    requests.append(f"{gateway._clock.now():%H:%M:%S} {type(request).__name__}")
    on_request(gateway, client, request)


Gateway.start = start_with_faults  # type: ignore[method-assign,assignment]
Gateway.on_request = note_request  # type: ignore[method-assign]

code = day_trader.main(sys.argv[2:])
Path("requests.txt").write_text("\n".join(requests), encoding="utf-8")
sys.exit(code)
