"""How to reach the gateway."""

from __future__ import annotations

from datetime import time
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MARKET_AROUND = (time(9, 0), time(16, 30))  # New York; a restart planned in there is a mistake


class BrokerSettings(BaseModel):
    """Connection settings. Gateway listens on 4001 live and 4002 paper, TWS on 7496 live and 7497 paper."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("IB_",)

    ib_host: str = Field("127.0.0.1", description="host of IB Gateway or TWS", min_length=1)
    ib_port: int = Field(4001, description="port of IB Gateway or TWS", ge=1, le=65_535)
    ib_client_library: Literal["ib_insync", "ib_async"] = Field(
        "ib_insync", description="client of the TWS protocol; ib_async needs `make ib_async` once"
    )
    ib_account: str = Field("", description="account to trade, needed when the login has several")
    ib_connect_timeout_s: float = Field(
        15.0, description="limit for the connection and its first answers", ge=1, le=120
    )
    ib_request_timeout_s: float = Field(30.0, description="limit for one historical or contract request", ge=1, le=300)
    ib_history_at_once: int = Field(20, description="historical requests in flight, IB allows 50", ge=1, le=50)
    ib_restart_time: time | None = Field(
        None, description="daily restart of the gateway in New York time, such as 23:45; nothing is sent around it"
    )

    ib_lock_folder: str = Field(
        "", description="folder of the locks that keep two programs off one account; empty: the user's own"
    )

    @field_validator("ib_restart_time")
    @classmethod
    def _outside_the_session(cls, value: time | None) -> time | None:
        if value is not None and MARKET_AROUND[0] <= value <= MARKET_AROUND[1]:
            raise ValueError("a restart between 09:00 and 16:30 New York time would meet open positions")
        return value
