"""A sink for tests: everything that is told, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from telemetry import tracing
from telemetry.instruments import Instrument
from telemetry.tracing import Measurement, SpanRecord


class Heard:
    """What was told while it listened."""

    def __init__(self) -> None:
        self.items: list[SpanRecord | Measurement] = []

    def put(self, item: SpanRecord | Measurement) -> None:
        self.items.append(item)

    @property
    def spans(self) -> list[SpanRecord]:
        return [item for item in self.items if isinstance(item, SpanRecord)]

    def named(self, name: str) -> list[SpanRecord]:
        return [span for span in self.spans if span.name == name]

    def measured(self, instrument: Instrument) -> list[Measurement]:
        return [item for item in self.items if isinstance(item, Measurement) and item.instrument is instrument]

    def above(self, span: SpanRecord) -> list[str]:
        """Names from a span's parent up to its root; `lost` where a parent was never told."""
        by_id = {each.link: each for each in self.spans}
        names = []
        while span.parent_id:
            parent = by_id.get(tracing.Link(span.link.trace_id, span.parent_id))
            if parent is None:
                return [*names, "lost"]
            span = parent
            names.append(span.name)
        return names


@contextmanager
def listening() -> Iterator[Heard]:
    """Everything told in the block."""
    heard = Heard()
    tracing.tell(heard)
    try:
        yield heard
    finally:
        tracing.tell(None)
