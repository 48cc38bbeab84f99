"""The client library of the TWS API, in one place. Everything else in `broker/` takes it from here.

`IB_CLIENT_LIBRARY` chooses between `ib_insync` and its successor `ib_async`; both speak the same protocol. It is
chosen when this module is first imported. Both bind to the event loop that is set then: set the loop before.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from utils import Misconfigured, read_environment

DEFAULT = "ib_insync"
SUCCESSOR = "ib_async"
NAME = read_environment().get("IB_CLIENT_LIBRARY", DEFAULT) or DEFAULT
APART = Path(sys.prefix) / "clients" / SUCCESSOR  # its events come as a package `eventkit` too, see requirements


def _make_importable(folder: Path) -> None:
    """Let ib_async and its own `eventkit` be found before those of ib_insync. Raises Misconfigured without it."""
    if (folder / SUCCESSOR).is_dir():
        sys.path.insert(0, str(folder))
    elif find_spec(SUCCESSOR) is None:
        raise Misconfigured(f"IB_CLIENT_LIBRARY={SUCCESSOR} is not installed: `make {SUCCESSOR}` puts it into {folder}")


if NAME == SUCCESSOR:
    _make_importable(APART)
elif NAME != DEFAULT:
    raise Misconfigured(f"IB_CLIENT_LIBRARY={NAME}: choose {DEFAULT} or {SUCCESSOR}")

if TYPE_CHECKING or NAME == DEFAULT:
    from ib_insync import (
        IB,
        AccountValue,
        BarData,
        BarDataList,
        Contract,
        Fill,
        Order,
        Position,
        Stock,
        Ticker,
        Trade,
    )
    from ib_insync.objects import CommissionReport
    from ib_insync.wrapper import RequestError
else:
    from ib_async import (
        IB,
        AccountValue,
        BarData,
        BarDataList,
        Contract,
        Fill,
        Order,
        Position,
        Stock,
        Ticker,
        Trade,
    )
    from ib_async.objects import CommissionReport
    from ib_async.wrapper import RequestError

__all__ = [
    "IB",
    "NAME",
    "AccountValue",
    "BarData",
    "BarDataList",
    "CommissionReport",
    "Contract",
    "Fill",
    "Order",
    "Position",
    "RequestError",
    "Stock",
    "Ticker",
    "Trade",
]

if NAME == DEFAULT:
    from broker import library_speed

    library_speed.quicken()
