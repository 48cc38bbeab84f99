"""Log lines that say which trace they belong to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from telemetry import tracing


def correlate() -> Callable[[], None]:
    """Give each log record from now on the `trace_id` and `span_id` it is made under; how to stop that."""
    former = logging.getLogRecordFactory()

    def make(*arguments: Any, **options: Any) -> logging.LogRecord:
        record = former(*arguments, **options)
        if (link := tracing.current()) is not None:
            record.trace_id, record.span_id = f"{link.trace_id:032x}", f"{link.span_id:016x}"
        return record

    logging.setLogRecordFactory(make)
    return lambda: logging.setLogRecordFactory(former)
