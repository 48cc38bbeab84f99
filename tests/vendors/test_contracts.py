"""Every recorded reply is understood whole: rows kept, refusals told by class. Skipped where there are none."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.vendors.doubles import FmpDouble, PolygonDouble, StillClock, VendorDouble, serving
from tests.vendors.harness import client_of, rows_in
from vendors import fmp, polygon
from vendors.client import Endpoint, Reply
from vendors.failures import Failure, VendorError

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "fixtures"
FILES = [each for vendor in ("fmp", "polygon") for each in sorted((FIXTURES / vendor).glob("*.json"))]
FILES = [each for each in FILES if each.name != "INDEX.json"]
REFUSED = {
    "fmp/error.200-limit-reach": Failure.QUOTA,
    "fmp/error.401-invalid-key": Failure.AUTH,
    "fmp/error.402-restricted-endpoint": Failure.PLAN,
    "fmp/error.402-symbol-gate": Failure.SYMBOL,
    "fmp/error.403-legacy": Failure.PLAN,
    "fmp/error.429-limit-reach": Failure.QUOTA,
    "polygon/error.401-unknown-key": Failure.AUTH,
    "polygon/error.403-not-authorized": Failure.PLAN,
    "polygon/error.429-rate": Failure.QUOTA,
}

pytestmark = pytest.mark.skipif(not FILES, reason="the recorded replies are not here")


def endpoint_of(vendor: str, path: str) -> tuple[Endpoint[Any], dict[str, str]]:
    """The endpoint whose path this is, and what fills its path."""
    name = path.removeprefix("/stable/").removeprefix("/api/v3/").lstrip("/")
    endpoints = fmp.ENDPOINTS if vendor == "fmp" else polygon.ENDPOINTS
    exact = sorted(endpoints.values(), key=lambda each: each.path.count("{"))
    for each in exact:
        here, there = each.path.split("/"), name.split("/")
        if len(here) == len(there) and all(a == b or a.startswith("{") for a, b in zip(here, there, strict=True)):
            return each, {a[1:-1]: b for a, b in zip(here, there, strict=True) if a.startswith("{")}
    assert name == "quote/AAPL", f"no endpoint for {path}"  # the one recorded call of the former API
    return fmp.QUOTE, {}


def ask(file: Path, folder: Path, change: Any = None) -> tuple[Reply[Any] | VendorError, Any, VendorDouble]:
    """What a client makes of the recorded reply, and the reply's raw rows."""
    content = json.loads(file.read_text(encoding="utf-8"))
    vendor = file.parent.name
    endpoint, path = endpoint_of(vendor, content["path"])
    body = content.get("body", content.get("body_text"))
    if change is not None:
        body = change(body)
    text = body if isinstance(body, str) else json.dumps(body)
    double: VendorDouble = FmpDouble() if vendor == "fmp" else PolygonDouble()
    prefix = "/stable/" if vendor == "fmp" else "/"
    double.answers[prefix + endpoint.path.format(**path)] = (content["status"], content["content_type"], text)

    async def run() -> Reply[Any] | VendorError:
        async with client_of(double, folder, StillClock()) as client:
            try:
                return await client.fetch(
                    endpoint, content["query"], path=path, symbol=content["query"].get("symbol", "")
                )
            except VendorError as error:
                return error

    with serving(double):
        return asyncio.run(run()), rows_in(body, endpoint), double


def key_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


@pytest.mark.parametrize("file", FILES, ids=key_of)
def test_recorded_reply_is_understood_whole(file: Path, tmp_path: Path) -> None:
    found, raw, double = ask(file, tmp_path)
    if (failure := REFUSED.get(key_of(file))) is not None:
        assert isinstance(found, VendorError)
        assert found.failure is failure
        assert len(double.asked) == 1  # none of these is tried again
    else:
        assert not isinstance(found, VendorError)
        assert (len(found.rows), found.named) == (len(raw), ())


@pytest.mark.parametrize("file", [each for each in FILES if "error" not in each.name], ids=key_of)
def test_a_bad_row_among_good_ones_costs_only_itself(file: Path, tmp_path: Path) -> None:
    def spoil(body: Any) -> Any:
        rows = body
        for key in ("results", "tickers", "values"):
            if isinstance(rows, dict) and isinstance(rows.get(key), dict | list):
                rows = rows[key]
        if isinstance(rows, list):
            rows[1:1] = [None, ["x"], {name: [[]] for name in rows[0]}]
        return body

    found, raw, _ = ask(file, tmp_path, spoil)
    assert not isinstance(found, VendorError)
    spoiled = 3 * isinstance(raw, list) * (len(raw) > 1)
    assert (len(found.rows), found.dropped) == (len(raw) - spoiled, spoiled)


def test_paths_that_the_reference_names_are_all_served() -> None:
    assert {"company-screener", "profile", "batch-quote", "most-actives", "ratios", "key-metrics"} <= set(fmp.ENDPOINTS)
    assert {"financial-growth", "analyst-estimates", "price-target-consensus", "grades-consensus"} <= set(fmp.ENDPOINTS)
    assert {"earnings-calendar", "news/stock", "historical-price-eod/full"} <= set(fmp.ENDPOINTS)
    assert {"aggs", "grouped", "snapshots", "tickers", "news", "market status"} <= set(polygon.ENDPOINTS)
