"""Spans as the trading side makes them: a name, two instants, what it belongs to. Without a sink nothing is made.

Instants are wall time in nanoseconds since the epoch, in simulated days too: they tell what the program did and how
long that took, which simulated time, standing still meanwhile, cannot. Nothing here is ever read by a decision.

Ids are derived from ids that are on record. So the span of an order can be named by whoever knows the order: by the
thread that writes it down, by the fill that comes later, and by the next run of the program after a crash. The same
simulated day has the same trace ids, traced or not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from random import Random
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from telemetry.instruments import Instrument

AttributeValue = str | int | float | bool | tuple[str, ...]
Attributes = Mapping[str, AttributeValue]


class Link(NamedTuple):
    """One span: the trace it belongs to (128 bits) and itself (64 bits)."""

    trace_id: int
    span_id: int


class Kind(IntEnum):
    """OpenTelemetry's kinds that occur here. CLIENT: somebody else does the work."""

    INTERNAL = 0
    CLIENT = 2


class SpanRecord(NamedTuple):
    """A span that is over. `parent_id` 0: a root. `error` is an exception's class, empty when all went well."""

    name: str
    kind: Kind
    link: Link
    parent_id: int
    start_ns: int
    end_ns: int
    attributes: Attributes
    error: str = ""
    detail: str = ""


class Measurement(NamedTuple):
    """One value of one instrument, in its unit."""

    instrument: Instrument
    value: float
    attributes: Attributes


class Sink(Protocol):
    """Who takes what is told. Called from any thread, and never blocks."""

    def put(self, item: SpanRecord | Measurement) -> None: ...


_sink: Sink | None = None
_current: ContextVar[Link | None] = ContextVar("current span", default=None)
_chance = Random()  # of spans that nobody has to find again; no other generator is touched
now_ns = time.time_ns


def tell(sink: Sink | None) -> None:
    """From now on `sink` is told everything; None: nobody."""
    global _sink
    _sink = sink


def is_on() -> bool:
    """Whether somebody listens."""
    return _sink is not None


def current() -> Link | None:
    """The span that the caller works under; None outside of any, and while nobody listens."""
    return _current.get() if _sink is not None else None


def trace_id_text(trace_key: str) -> str:
    """The trace that belongs to an id on record, as rows, logs and OpenTelemetry write it: 32 hex digits."""
    return f"{_digest(trace_key, 16):032x}"


def derived(trace_key: str, span_key: str) -> Link:
    """The span that two ids on record name."""
    return Link(_digest(trace_key, 16), _digest(span_key, 8))


@lru_cache(maxsize=4_096)
def _digest(key: str, n_bytes: int) -> int:
    return int.from_bytes(blake2b(key.encode(), digest_size=n_bytes).digest()) or 1


class Span:
    """A block that is told when it ends. Inside it, it is the current span of this task or thread."""

    __slots__ = ("_attributes", "_kind", "_link", "_name", "_parent_id", "_start_ns", "_token")

    def __init__(
        self,
        name: str,
        kind: Kind,
        link: Link | None,
        parent: Link | None,
        attributes: Attributes | None,
    ) -> None:
        above = parent or _current.get()
        if link is None:
            link = child_of(above) if above else new_trace()
        self._name = name
        self._kind = kind
        self._link = link
        self._parent_id = above.span_id if above else 0
        self._attributes: dict[str, AttributeValue] = dict(attributes or {})

    def set(self, attribute: str, value: AttributeValue) -> None:
        """What is only known inside the block."""
        self._attributes[attribute] = value

    def __enter__(self) -> Self:
        self._token = _current.set(self._link)
        self._start_ns = now_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end_ns = now_ns()
        _current.reset(self._token)
        emit(
            self._name,
            self._link,
            self._parent_id,
            self._start_ns,
            end_ns,
            self._attributes,
            kind=self._kind,
            error=kind.__name__ if kind else "",
            detail=str(error) if error else "",
        )


class _NoSpan:
    """The block while nobody listens."""

    __slots__ = ()

    def set(self, attribute: str, value: AttributeValue) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


NO_SPAN = _NoSpan()


def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: Kind = Kind.INTERNAL,
    link: Link | None = None,
    parent: Link | None = None,
) -> Span | _NoSpan:
    """A block to trace. Without `link` its ids are chance, without `parent` it belongs to the current span.

    Start no task and open no connection inside: they would belong to the span for as long as they live.
    """
    return NO_SPAN if _sink is None else Span(name, kind, link, parent, attributes)


@contextmanager
def under(link: Link | None) -> Iterator[None]:
    """What is done in the block belongs to the span `link`, which is told elsewhere; None: to nothing."""
    token = _current.set(link)
    try:
        yield
    finally:
        _current.reset(token)


def emit(
    name: str,
    link: Link,
    parent_id: int,
    start_ns: int,
    end_ns: int,
    attributes: Attributes,
    *,
    kind: Kind = Kind.INTERNAL,
    error: str = "",
    detail: str = "",
) -> None:
    """Tell a span that is over already."""
    if _sink is not None:
        _sink.put(SpanRecord(name, kind, link, parent_id, start_ns, end_ns, attributes, error, detail))


def child_of(parent: Link) -> Link:
    """A new span of the parent's trace, with an id that nobody has to find again."""
    return Link(parent.trace_id, _chance.getrandbits(64) or 1)


def new_trace() -> Link:
    """The root of a trace that nobody has to find again."""
    return Link(_chance.getrandbits(128) or 1, _chance.getrandbits(64) or 1)
