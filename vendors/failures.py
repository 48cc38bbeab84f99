"""The six ways in which a vendor fails, as one error tree, and how status and body tell which one it is.

    VendorError
    ├── KeyRefused         AUTH: stop asking this vendor, tell the operator
    ├── PlanRefused        PLAN: remember, do not retry
    ├── SymbolRefused      SYMBOL: skip this symbol
    ├── QuotaSpent         QUOTA: ask nothing until it is reset
    ├── VendorUnavailable  TRANSIENT: retried, bounded, with jitter
    └── MalformedReply     MALFORMED: a reply that is no reply; single bad rows are dropped instead

No text of a vendor is repeated in an error, and no URL: a key may stand in either.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

from utils import Retryable, TradingError

QUOTA_MINUTE_S = 60.0
QUOTA_LONG_S = 86_400.0  # FMP's bandwidth is counted over 30 days: ask again tomorrow


class Failure(StrEnum):
    AUTH = "AUTH"
    PLAN = "PLAN"
    SYMBOL = "SYMBOL"
    QUOTA = "QUOTA"
    TRANSIENT = "TRANSIENT"
    MALFORMED = "MALFORMED"


class VendorError(TradingError):
    """A vendor did not give what it was asked for."""

    failure: ClassVar[Failure]

    def __init__(self, vendor: str, endpoint: str, words: str, wait_s: float = 0.0) -> None:
        super().__init__(f"{vendor} {endpoint}: {words}")
        self.vendor = vendor
        self.endpoint = endpoint
        self.wait_s = wait_s  # QUOTA: how long nothing should be asked


class KeyRefused(VendorError):
    failure = Failure.AUTH


class PlanRefused(VendorError):
    failure = Failure.PLAN


class SymbolRefused(VendorError):
    failure = Failure.SYMBOL


class QuotaSpent(VendorError, Retryable):
    failure = Failure.QUOTA


class VendorUnavailable(VendorError, Retryable):
    failure = Failure.TRANSIENT


class MalformedReply(VendorError, Retryable):
    failure = Failure.MALFORMED


ERRORS: dict[Failure, type[VendorError]] = {
    each.failure: each
    for each in (KeyRefused, PlanRefused, SymbolRefused, QuotaSpent, VendorUnavailable, MalformedReply)
}


class Verdict(NamedTuple):
    """What a refusing reply means. `words` are ours, never the vendor's."""

    failure: Failure
    words: str
    wait_s: float = 0.0


Classify = Callable[[int, Any], Verdict | None]  # (status, parsed body or plain text) -> None when it is an answer


def parsed(text: str) -> Any:
    """The JSON value in `text`; the text itself when it is none, or holds NaN or infinity."""
    try:
        return json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return text


def _refuse_constant(constant: str) -> None:
    raise ValueError(constant)


def message_of(body: Any) -> str:
    """The vendor's own words in a refusal, in lower case: of an object's usual keys, or a plain text."""
    if isinstance(body, dict):
        for key in ("Error Message", "error", "message"):
            if isinstance(words := body.get(key), str):
                return words.strip().lower()
        return ""
    return body.strip().lower() if isinstance(body, str) else ""


def fmp_verdict(status: int, body: Any) -> Verdict | None:
    """FMP decides by text before status: a spent quota also says "upgrade your plan", some refusals come with 200."""
    words = message_of(body)
    if words.startswith("bandwidth limit reach"):
        return Verdict(Failure.QUOTA, "the 30-day bandwidth of the plan is spent", QUOTA_LONG_S)
    if words.startswith("limit reach"):
        return Verdict(Failure.QUOTA, "the plan's number of calls is spent", QUOTA_MINUTE_S)
    if words.startswith("invalid api key"):
        return Verdict(Failure.AUTH, "the key is refused")
    if words.startswith("legacy endpoint"):
        return Verdict(Failure.PLAN, "a path of the former API, closed to today's keys")
    if words.startswith(("restricted endpoint", "exclusive endpoint")):
        return Verdict(Failure.PLAN, "the endpoint is not part of the plan")
    if words.startswith(("premium query parameter", "special endpoint", "special parameters")):
        if "'symbol" in words:
            return Verdict(Failure.SYMBOL, "the symbol is not part of the plan")
        return Verdict(Failure.PLAN, "a parameter is not part of the plan")
    if status == 200 and isinstance(body, list):
        return None
    return _by_status(status, body)


def polygon_verdict(status: int, body: Any) -> Verdict | None:
    """Polygon's refusals name themselves in `status`; the text is in `error` or in `message`."""
    words = message_of(body)
    said = str(body.get("status", "")).upper() if isinstance(body, dict) else ""
    if "maximum requests per minute" in words:
        return Verdict(Failure.QUOTA, "the plan's number of calls a minute is spent", QUOTA_MINUTE_S)
    if "api key" in words and (said == "ERROR" or status == 401):
        return Verdict(Failure.AUTH, "the key is refused")
    if said == "NOT_AUTHORIZED" or "not entitled" in words:
        return Verdict(Failure.PLAN, "the plan does not include this data")
    if said == "NOT_FOUND" or status == 404:
        return Verdict(Failure.SYMBOL, "nothing is known under this name")
    if status == 200 and isinstance(body, dict | list) and said not in ("ERROR", "NOT_OK"):
        return None
    return _by_status(status, body)


def _by_status(status: int, body: Any) -> Verdict:
    if status == 401:
        return Verdict(Failure.AUTH, "the key is refused")
    if status in (402, 403, 404):
        return Verdict(Failure.PLAN, f"refused with status {status}")
    if status == 429:
        return Verdict(Failure.QUOTA, "too many calls", QUOTA_MINUTE_S)
    if status in (408, 425) or status >= 500:
        return Verdict(Failure.TRANSIENT, f"status {status}")
    what = "no JSON" if isinstance(body, str) else "JSON of another shape"
    return Verdict(Failure.MALFORMED, f"status {status} with {what}")
