"""Clients of the doubles, in a folder of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from market_hours import Clock
from tests.vendors.doubles import KEY, StillClock, VendorDouble
from vendors import fmp, polygon
from vendors.cache import DiskCache
from vendors.client import Endpoint, VendorClient
from vendors.failures import fmp_verdict, polygon_verdict
from vendors.ledger import DayLedger
from vendors.pacing import Rate
from vendors.settings import VendorSettings
from vendors.setup import fmp_client, polygon_client

FAST = Rate(100_000, 60.0)


def settings(folder: Path, *doubles: VendorDouble, **changes: Any) -> VendorSettings:
    """Keys and addresses of the doubles; plans without a daily limit."""
    given: dict[str, Any] = {"vendor_cache_dir": str(folder / "vendor_cache"), "fmp_plan": "ultimate"}
    given |= {"polygon_plan": "advanced", "vendor_timeout_s": 0.5, "vendor_deadline_s": 2.0, "vendor_retries": 1}
    for double in doubles:
        vendor = "fmp" if double.is_fmp else "polygon"
        given |= {f"{vendor}_api_key": KEY, f"{vendor}_base_url": double.url}
    return VendorSettings.model_validate(given | changes)


@asynccontextmanager
async def client_of(
    double: VendorDouble, folder: Path, clock: Clock, rate: Rate = FAST, **changes: Any
) -> AsyncIterator[VendorClient]:
    """A client of one double, at a rate of its own."""
    if isinstance(clock, StillClock):
        clock.watch(double)
    chosen = settings(folder, double, **changes)
    cache, ledger = DiskCache(Path(chosen.vendor_cache_dir)), DayLedger(folder / "calls.db")
    made = (fmp_client if double.is_fmp else polygon_client)(chosen, clock, cache, ledger)
    key = "apikey" if double.is_fmp else "Authorization"
    headers = {key: KEY if double.is_fmp else f"Bearer {KEY}"}
    verdict = fmp_verdict if double.is_fmp else polygon_verdict
    client = VendorClient(replace(made.options, rate=rate), headers, KEY, verdict, clock, cache, ledger, Random(1))
    try:
        yield client
    finally:
        await client.close()
        ledger.close()


def probe(double: VendorDouble) -> Any:
    """An endpoint of the double that takes one symbol, with its arguments, for tests that need just any."""
    if double.is_fmp:
        return fmp.DAILY, {"params": {"symbol": "S000", "from": "2026-11-01", "to": "2026-11-19"}, "symbol": "S000"}
    path = {"ticker": "S000", "step": "1", "unit": "day", "first": "2026-11-01", "last": "2026-11-19"}
    return polygon.BARS, {"path": path, "symbol": "S000"}


def rows_in(body: Any, endpoint: Endpoint[Any]) -> list[Any]:
    """The raw rows of a body; none of a text."""
    if isinstance(body, str):
        return []
    for key in endpoint.rows_in.split(".") if endpoint.rows_in not in ("", ".") else ():
        body = body.get(key, [])
    return body if isinstance(body, list) else [body]
