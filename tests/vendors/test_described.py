"""Polygon as its public OpenAPI description has it: a server made of that answers what is valid by it, however odd."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate

from tests.vendors.doubles import StillClock, VendorDouble, serving
from tests.vendors.harness import client_of, rows_in
from tests.vendors.openapi import Operation, bodies, is_valid, operations, with_nulls
from vendors import polygon
from vendors.client import Endpoint, Reply
from vendors.facts import Screen
from vendors.failures import VendorError
from vendors.from_polygon import PolygonSource
from vendors.polygon import Polygon

EXCERPT = Path(__file__).with_name("polygon_openapi.json")
DESCRIBED = operations(EXCERPT)
UNDESCRIBED = {  # endpoints that the excerpt leaves out: no part of the program asks them
    *("unified snapshot", "ticker types", "exchanges", "dividends", "splits", "related companies", "sma"),
}
# Words that make a refusal of an answer with status 200, as a `status` or as the name of a field.
REFUSALS = frozenset({"ERROR", "NOT_OK", "NOT_AUTHORIZED", "NOT_FOUND", "MESSAGE", "ERROR MESSAGE", "STATUS"})
DAY = date(2020, 1, 4)  # the first after the bars of the description's example
AT = datetime(2020, 1, 4, 15, tzinfo=UTC)
PATHS = {"ticker": "AAPL", "step": "1", "unit": "day", "first": "2020-01-01", "last": "2020-01-03", "day": "2020-01-03"}
SCREEN = Screen(min_price_usd=1.0, min_volume=1000.0, min_market_cap_usd=0.0, most=50)
often = settings(derandomize=True, deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))

METHODS: dict[str, Callable[[Polygon], Any]] = {
    "daily": lambda api: api.daily("AAPL", DAY - timedelta(days=9), DAY),
    "minutes": lambda api: api.minutes("AAPL", DAY - timedelta(days=9), DAY),
    "grouped": lambda api: api.grouped(DAY),
    "snapshots": lambda api: api.snapshots([f"S{number}" for number in range(300)]),
    "movers": lambda api: api.movers(polygon.LOSERS),
    "details": lambda api: api.details("BRK.B"),
    "tickers": lambda api: api.tickers(pages=3),
    "news": lambda api: api.news(AT, pages=3),
    "market_status": lambda api: api.market_status(),
}
QUESTIONS: dict[str, tuple[Endpoint[Any], Callable[[PolygonSource], Any]]] = {
    "screen": (polygon.GROUPED, lambda source: source.screen(SCREEN)),
    "movers": (polygon.GAINERS, lambda source: source.movers()),
    "quotes": (polygon.SNAPSHOTS, lambda source: source.quotes(["BCAT"])),
    "fundamentals": (polygon.DETAILS, lambda source: source.fundamentals("AAPL")),
    "news": (polygon.NEWS, lambda source: source.news(["DDD"], DAY)),
    "history": (polygon.BARS, lambda source: source.history("AAPL", DAY, 30)),
    "market status": (polygon.STATUS, lambda source: source.market_status()),
}


class DescribedPolygon(VendorDouble):
    """Answers every described path with its example, or with `body`; keeps what is asked beyond the description."""

    is_fmp = False

    def __init__(self) -> None:
        super().__init__()
        self.body: Callable[[Operation], Any] = lambda operation: operation.example
        self.strays: list[str] = []

    def rows(self, path: str, query: dict[str, str]) -> Any:
        operation = operation_of(path)
        if operation is None:
            self.strays.append(path)
            return {"status": "NOT_FOUND"}
        self.strays += operation.faults(path, {name: value for name, value in query.items() if name != "cursor"})
        return self.body(operation)


def operation_of(path: str) -> Operation | None:
    return next((each for each in DESCRIBED.values() if each.filled(path) is not None), None)


def described(endpoint: Endpoint[Any]) -> Operation | None:
    return operation_of("/" + endpoint.path.format(**PATHS))


ENDPOINTS = [each for each in polygon.ENDPOINTS.values() if each.name not in UNDESCRIBED]


@pytest.fixture(scope="module")
def double() -> Iterator[DescribedPolygon]:
    made = DescribedPolygon()
    with serving(made):
        yield made


@pytest.fixture
def ask(double: DescribedPolygon, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Ask an API with an empty cache; the double answers with `body`, or with its examples."""

    def run(question: Callable[[Polygon], Any], body: Any = None) -> Any:
        double.body = (lambda operation: operation.example) if body is None else lambda _: body

        async def go() -> Any:
            async with client_of(double, tmp_path_factory.mktemp("vendors"), StillClock(AT)) as client:
                return await question(Polygon(client))

        return asyncio.run(go())

    return run


def test_the_excerpt_is_a_description() -> None:
    validate(json.loads(EXCERPT.read_text()))


def test_every_endpoint_is_described_or_known_not_to_be() -> None:
    assert set(polygon.ENDPOINTS) >= UNDESCRIBED
    assert all(described(each) for each in ENDPOINTS)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_the_published_example_is_understood_whole(endpoint: Endpoint[Any], ask: Any) -> None:
    operation = described(endpoint)
    assert operation is not None
    reply = ask(lambda api: api.client.fetch(endpoint, path=PATHS))
    assert (len(reply.rows), reply.named) == (len(rows_in(operation.example, endpoint)), ())


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: each.name)
def test_of_any_valid_body_each_row_is_kept_or_counted(endpoint: Endpoint[Any], ask: Any) -> None:
    operation = described(endpoint)
    assert operation is not None

    @often
    @given(body=bodies(operation.schema, operation.example, without=REFUSALS))
    def holds(body: Any) -> None:
        assert is_valid(body, operation.schema)
        reply: Reply[Any] = ask(lambda api: api.client.fetch(endpoint, path=PATHS), body)
        assert len(reply.rows) + reply.dropped == len(rows_in(body, endpoint))

    holds()


@pytest.mark.parametrize("need", QUESTIONS)
def test_any_body_also_with_nulls_is_an_answer_or_a_refusal(need: str, ask: Any) -> None:
    endpoint, question = QUESTIONS[need]
    operation = described(endpoint)
    assert operation is not None

    @often
    @given(body=bodies(with_nulls(operation.schema), operation.example, without=REFUSALS))
    def holds(body: Any) -> None:
        async def answer(api: Polygon) -> None:
            try:
                found = await question(PolygonSource(api, StillClock(AT)))
            except VendorError:
                return
            assert found.dropped_rows >= 0

        ask(answer, body)

    holds()


@pytest.mark.parametrize("name", METHODS)
def test_what_the_client_asks_is_in_the_description(name: str, ask: Any, double: DescribedPolygon) -> None:
    double.strays.clear()
    reply = ask(METHODS[name])
    assert double.strays == []
    assert reply.rows


def test_every_method_of_the_client_is_among_those_asked() -> None:
    public = {name for name, each in inspect.getmembers(Polygon, inspect.iscoroutinefunction) if name[0] != "_"}
    assert set(METHODS) == public
