"""Clients from settings: a vendor whose key is set becomes a source."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from market_hours import Clock
from utils import Misconfigured
from vendors import fmp, polygon
from vendors.cache import DiskCache, NothingKept
from vendors.client import ClientOptions, VendorClient
from vendors.failures import fmp_verdict, polygon_verdict
from vendors.from_fmp import FmpSource
from vendors.from_polygon import PolygonSource
from vendors.ledger import LEDGER_FILE, DayLedger
from vendors.minute_history import FmpMinutes, MinuteHistory, PolygonMinutes
from vendors.pacing import FMP_PLANS, MARGIN, POLYGON_PLANS, Rate
from vendors.settings import VendorSettings
from vendors.sources import Source


def vendor_sources(settings: VendorSettings, clock: Clock, ledger: DayLedger) -> list[Source]:
    """FMP, then Polygon, each if it has a key."""
    cache = DiskCache(Path(settings.vendor_cache_dir))
    cache.prune(clock.now())
    sources: list[Source] = []
    if settings.fmp_api_key is not None:
        sources.append(FmpSource(fmp.Fmp(fmp_client(settings, clock, cache, ledger))))
    if settings.polygon_api_key is not None:
        sources.append(PolygonSource(polygon.Polygon(polygon_client(settings, clock, cache, ledger)), clock))
    return sources


def fmp_client(settings: VendorSettings, clock: Clock, cache: DiskCache, ledger: DayLedger) -> VendorClient:
    """The key goes in the header `apikey`. Raises ValueError without a key."""
    key = _secret(settings.fmp_api_key)
    options = _options(settings, fmp.VENDOR, settings.fmp_base_url, fmp.HOSTS, FMP_PLANS[settings.fmp_plan])
    return VendorClient(options, {"apikey": key}, key, fmp_verdict, clock, cache, ledger, Random())


def polygon_client(settings: VendorSettings, clock: Clock, cache: DiskCache, ledger: DayLedger) -> VendorClient:
    """The key goes in the header `Authorization`. Raises ValueError without a key."""
    key = _secret(settings.polygon_api_key)
    rate = POLYGON_PLANS[settings.polygon_plan]
    options = _options(settings, polygon.VENDOR, settings.polygon_base_url, polygon.HOSTS, rate)
    headers = {"Authorization": f"Bearer {key}"}
    return VendorClient(options, headers, key, polygon_verdict, clock, cache, ledger, Random())


@asynccontextmanager
async def minute_history(vendor: str, settings: VendorSettings, clock: Clock) -> AsyncIterator[MinuteHistory]:
    """Past minute bars of "polygon" or "fmp". Waits for the plan's pace instead of failing; keeps no replies.

    Raises Misconfigured without the vendor's key, or where calls cannot be counted.
    """
    is_polygon = vendor == "polygon"
    if (settings.polygon_api_key if is_polygon else settings.fmp_api_key) is None:
        raise Misconfigured(f"{vendor.upper()}_API_KEY is not set: nothing can be asked of {vendor}")
    plan = POLYGON_PLANS[settings.polygon_plan] if is_polygon else FMP_PLANS[settings.fmp_plan]
    patience_s = plan.period_s * MARGIN + settings.vendor_deadline_s
    patient = settings.model_copy(update={"vendor_deadline_s": patience_s})
    folder = Path(settings.vendor_cache_dir)
    try:
        ledger = DayLedger(folder / LEDGER_FILE)
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(f"{folder}: calls cannot be counted: {error}") from error
    client = (polygon_client if is_polygon else fmp_client)(patient, clock, NothingKept(folder), ledger)
    try:
        source = PolygonMinutes(polygon.Polygon(client)) if is_polygon else FmpMinutes(fmp.Fmp(client))
        yield MinuteHistory(source, clock)
    finally:
        await client.close()
        ledger.close()


def _options(settings: VendorSettings, vendor: str, base_url: str, hosts: tuple[str, ...], rate: Rate) -> ClientOptions:
    return ClientOptions(
        vendor=vendor,
        base_url=base_url,
        hosts=hosts,
        rate=rate,
        timeout_s=settings.vendor_timeout_s,
        deadline_s=settings.vendor_deadline_s,
        retries=settings.vendor_retries,
    )


def _secret(key: object) -> str:
    reveal = getattr(key, "get_secret_value", None)
    if reveal is None:
        raise ValueError("there is no key")
    return str(reveal())
