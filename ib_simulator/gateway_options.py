"""How a simulated gateway is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ib_simulator.account import AccountKind
from ib_simulator.data_service import DataOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """How the simulated accounts and socket are set up. Money in 1e-6 USD.

    All accounts start with the same cash. Paper accounts are named `DU...`, live ones `U...`.
    """

    account_id: str = "DU1000001"
    other_accounts: tuple[str, ...] = ()
    account_kind: AccountKind = AccountKind.MARGIN
    cash: int = 1_000_000_000_000
    master_client_id: int | None = None  # this client hears of the orders of all clients
    cancel_delay_s: int = 0  # until a cancel reaches the exchange
    state_file: Path | None = None  # orders, positions and ids live on in it from one run to the next
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free port
    speed: float = 1.0  # seconds of the clock that pass in one second of the event loop
    data: DataOptions = field(default_factory=DataOptions)
    limit_bands: bool = False  # limit up, limit down: see `market_phases`
    splits_cancel_orders: bool = False  # resting orders at a split: cancelled as IBKR does, else adjusted
    refuses_when_halted: bool = False  # orders for a halted symbol: refused (154), else held with a warning (2128)
    stop_on_error: bool = True  # a request that cannot be served ends `play`; else the client alone hears of it
