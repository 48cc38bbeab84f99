"""Spans and metrics of calls to others, under the names of OpenTelemetry's semantic conventions.

The names are written out: the constants of the Python package are deprecated, and differ between its releases. No
key can get in: of a URL only server and path are taken, of a statement only operation and table, of a model's call
no prompt. And no `traceparent` is sent to a vendor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from urllib.parse import urlsplit

from telemetry import tracing
from telemetry.instruments import DATABASE_DURATION, HTTP_DURATION, LLM_COST, LLM_DURATION, LLM_TOKENS
from telemetry.metering import measure
from telemetry.tracing import AttributeValue, Kind, Link

NS_PER_S = 1e9


def database_call(
    under: Link,
    sql: str,
    *,
    namespace: str,
    start_ns: int,
    end_ns: int,
    rows: int = 1,
    error: BaseException | None = None,
) -> None:
    """Tell one transaction that wrote for the span `under`. `rows` are those of the same statement."""
    operation, table = _summary(sql)
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "sqlite",
        "db.namespace": namespace,
        "db.operation.name": operation,
        "db.collection.name": table,
        "db.query.summary": f"{operation} {table}",
    }
    if rows > 1:
        attributes["db.operation.batch.size"] = rows
    failure = type(error).__name__ if error else ""
    if failure:
        attributes["error.type"] = failure
    link = tracing.child_of(under)
    tracing.emit(
        f"{operation} {table}",
        link,
        under.span_id,
        start_ns,
        end_ns,
        attributes,
        kind=Kind.CLIENT,
        error=failure,
        detail=str(error) if error else "",
    )
    labels = {name: attributes[name] for name in ("db.system.name", "db.operation.name", "db.collection.name")}
    measure(DATABASE_DURATION, (end_ns - start_ns) / NS_PER_S, **labels)


@lru_cache(maxsize=256)
def _summary(sql: str) -> tuple[str, str]:
    """(operation, table) of a statement of ours: INSERT INTO t, UPDATE t, DELETE FROM t."""
    words = sql.split(maxsplit=3)
    operation = words[0].upper()
    return operation, words[1] if operation == "UPDATE" else words[2]


class HttpCall:
    """A request under way. Say what came of it; saying nothing means that no answer came."""

    def __init__(self) -> None:
        self.status = 0
        self.resend_count = 0

    def answered(self, status: int, *, resend_count: int = 0) -> None:
        """The status code of the answer, and how often the request was repeated for it."""
        self.status = status
        self.resend_count = resend_count


@contextmanager
def http_call(method: str, url: str) -> Iterator[HttpCall]:
    """Trace one request to a vendor. An exception is told by its class and goes on."""
    call = HttpCall()
    if not tracing.is_on():
        yield call
        return
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    server: dict[str, AttributeValue] = {
        "http.request.method": method.upper(),
        "server.address": parts.hostname or "",
        "server.port": port,
    }
    began_ns, failure = tracing.now_ns(), ""
    try:
        told = {**server, "url.path": parts.path, "url.scheme": parts.scheme}
        with tracing.span(method.upper(), told, kind=Kind.CLIENT) as span:
            try:
                yield call
            except BaseException as error:
                failure = type(error).__name__
                span.set("error.type", failure)
                raise
            finally:
                if call.status:
                    span.set("http.response.status_code", call.status)
                if call.status >= 400:
                    failure = str(call.status)
                    span.set("error.type", failure)
                if call.resend_count:
                    span.set("http.request.resend_count", call.resend_count)
    finally:
        labels = dict(server)
        if call.status:
            labels["http.response.status_code"] = call.status
        if failure:
            labels["error.type"] = failure
        measure(HTTP_DURATION, (tracing.now_ns() - began_ns) / NS_PER_S, **labels)


class ChatCall:
    """A call of a language model under way."""

    def __init__(self, span: tracing.Span | tracing._NoSpan, labels: dict[str, AttributeValue]) -> None:
        self._span = span
        self._labels = labels

    def answered(
        self,
        *,
        model: str,
        finish_reason: str,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        reasoning_tokens: int = 0,
        cost_usd: float = 0.0,
    ) -> None:
        """What the model answered with, as it reported it, and what that costs."""
        told: dict[str, AttributeValue] = {
            "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": (finish_reason,),
            "gen_ai.usage.input_tokens": input_tokens,
            "gen_ai.usage.output_tokens": output_tokens,
            "gen_ai.usage.cache_read.input_tokens": cached_tokens,
            "gen_ai.usage.reasoning.output_tokens": reasoning_tokens,
        }
        for name, value in told.items():
            self._span.set(name, value)
        self._labels["gen_ai.response.model"] = model
        for direction, tokens in (("input", input_tokens), ("output", output_tokens)):
            measure(LLM_TOKENS, tokens, **self._labels, **{"gen_ai.token.type": direction})
        measure(LLM_COST, cost_usd, **{"gen_ai.request.model": self._labels["gen_ai.request.model"]})


@contextmanager
def chat_call(model: str, *, provider: str) -> Iterator[ChatCall]:
    """Trace one call of a language model. An exception is told by its class and goes on."""
    labels: dict[str, AttributeValue] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }
    began_ns = tracing.now_ns()
    try:
        with tracing.span(f"chat {model}", labels, kind=Kind.CLIENT) as span:
            try:
                yield ChatCall(span, labels)
            except BaseException as error:
                labels["error.type"] = type(error).__name__
                span.set("error.type", type(error).__name__)
                raise
    finally:
        measure(LLM_DURATION, (tracing.now_ns() - began_ns) / NS_PER_S, **labels)
