"""Calls to others under the names of OpenTelemetry's semantic conventions, and no key in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from telemetry import tracing
from telemetry.conventions import chat_call, database_call, http_call
from telemetry.instruments import DATABASE_DURATION, HTTP_DURATION, LLM_COST, LLM_DURATION, LLM_TOKENS
from telemetry.tracing import Kind, Link
from tests.heard import Heard, listening


@pytest.fixture
def heard() -> Iterator[Heard]:
    with listening() as heard:
        yield heard


@pytest.mark.parametrize(
    ("sql", "name", "table"),
    [
        ("INSERT INTO trades (a) VALUES (?)", "INSERT trades", "trades"),
        ("UPDATE order_intents SET a = ?", "UPDATE order_intents", "order_intents"),
        ("DELETE FROM decisions WHERE a < ?", "DELETE decisions", "decisions"),
    ],
)
def test_a_transaction_is_named_by_operation_and_table(heard: Heard, sql: str, name: str, table: str) -> None:
    database_call(Link(5, 6), sql, namespace="history.db", start_ns=10, end_ns=2_000_000_010, rows=4)
    (span,) = heard.spans
    assert (span.name, span.kind, span.link.trace_id, span.parent_id) == (name, Kind.CLIENT, 5, 6)
    assert span.attributes == {
        "db.system.name": "sqlite",
        "db.namespace": "history.db",
        "db.operation.name": name.split()[0],
        "db.collection.name": table,
        "db.query.summary": name,
        "db.operation.batch.size": 4,
    }
    assert [each.value for each in heard.measured(DATABASE_DURATION)] == [2.0]


def test_of_a_url_only_server_and_path_are_told(heard: Heard) -> None:
    with http_call("get", "https://user:secret@api.example.com:8443/v3/quote/AAPL?apikey=secret#secret") as call:
        call.answered(200, resend_count=2)
    (span,) = heard.spans
    assert (span.name, span.kind, span.error) == ("GET", Kind.CLIENT, "")
    assert span.attributes == {
        "http.request.method": "GET",
        "server.address": "api.example.com",
        "server.port": 8443,
        "url.path": "/v3/quote/AAPL",
        "url.scheme": "https",
        "http.response.status_code": 200,
        "http.request.resend_count": 2,
    }
    assert "secret" not in repr(heard.items)


def test_a_refused_request_and_one_without_an_answer_tell_their_error(heard: Heard) -> None:
    with http_call("GET", "https://api.example.com/a") as call:
        call.answered(429)
    with pytest.raises(TimeoutError), http_call("GET", "https://api.example.com/b"):
        raise TimeoutError
    refused, silent = heard.spans
    assert refused.attributes["error.type"] == "429"
    assert (silent.attributes["error.type"], silent.error) == ("TimeoutError", "TimeoutError")
    assert [each.attributes.get("error.type") for each in heard.measured(HTTP_DURATION)] == ["429", "TimeoutError"]


def test_a_models_call_tells_model_tokens_and_cost_and_no_prompt(heard: Heard) -> None:
    with chat_call("deepseek-chat", provider="deepseek") as call:
        call.answered(
            model="deepseek-chat-0925",
            finish_reason="stop",
            input_tokens=900,
            output_tokens=100,
            cached_tokens=640,
            reasoning_tokens=30,
            cost_usd=0.0004,
        )
    (span,) = heard.spans
    assert (span.name, span.kind) == ("chat deepseek-chat", Kind.CLIENT)
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "deepseek",
        "gen_ai.request.model": "deepseek-chat",
        "gen_ai.response.model": "deepseek-chat-0925",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 640,
        "gen_ai.usage.reasoning.output_tokens": 30,
    }
    tokens = {each.attributes["gen_ai.token.type"]: each.value for each in heard.measured(LLM_TOKENS)}
    assert tokens == {"input": 900, "output": 100}
    assert [each.value for each in heard.measured(LLM_COST)] == [0.0004]
    assert len(heard.measured(LLM_DURATION)) == 1


def test_a_models_call_that_fails_tells_its_error(heard: Heard) -> None:
    with pytest.raises(TimeoutError), chat_call("deepseek-chat", provider="deepseek"):
        raise TimeoutError
    assert heard.spans[0].attributes["error.type"] == "TimeoutError"
    assert heard.measured(LLM_DURATION)[0].attributes["error.type"] == "TimeoutError"


def test_while_nobody_listens_calls_go_on_as_usual() -> None:
    with http_call("GET", "https://api.example.com") as request, chat_call("m", provider="p") as chat:
        request.answered(200)
        chat.answered(model="m", finish_reason="stop", input_tokens=1, output_tokens=1)
    assert tracing.current() is None
