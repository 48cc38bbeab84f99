"""Faults of trading that stop entries while exits go on. The tree they belong to is drawn in `utils`."""

from __future__ import annotations

from utils import Retryable


class FeedStale(Retryable):
    """Market data of `symbol` is `age_s` seconds old: entries stop, exits go on."""

    def __init__(self, symbol: str, age_s: float) -> None:
        super().__init__(f"market data of {symbol} is {age_s:.0f} s old")
        self.symbol = symbol
        self.age_s = age_s


class BrokerUnavailable(Retryable):
    """The gateway cannot be reached or did not answer in time: entries stop, resting exits stay."""


class ClientIdTaken(BrokerUnavailable):
    """The gateway believes that this client id is connected already (code 326)."""


class HistoryUnavailable(Retryable):
    """The broker delivered no bars for a request; `code` is IB's error code, 0 when it did not answer."""

    def __init__(self, symbol: str, code: int, text: str) -> None:
        super().__init__(f"no history for {symbol}: {code} {text}".strip())
        self.symbol = symbol
        self.code = code
