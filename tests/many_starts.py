"""Starts of the day trader one after the other in one process: `python -m tests.many_starts < cases.json`.

A case is an environment; answered are, as JSON, the exit code, both outputs and the addresses that it would have
connected to. Nobody is connected to.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import os
import sys
from datetime import datetime
from typing import Any

import day_trader
from market_hours import NEW_YORK, LiveClock

IN_SESSION = datetime(2026, 9, 28, 10, 0, tzinfo=NEW_YORK)
dialled: list[str] = []


class SessionClock(LiveClock):
    """A clock that stands in a session: a program that may begin connects at once."""

    def now(self) -> datetime:
        return IN_SESSION


async def refuse(_loop: Any, _protocol: Any, host: str, port: int, **_: Any) -> Any:
    dialled.append(f"{host}:{port}")
    raise ConnectionRefusedError(111, "nobody is connected to in this test")


def start(settings: dict[str, str]) -> dict[str, Any]:
    """What one start did."""
    dialled.clear()
    out, err = io.StringIO(), io.StringIO()
    kept = dict(os.environ)
    os.environ.update(settings)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = day_trader.main(["--allocation", "0.25", "--no-dashboard"], SessionClock())
    finally:
        os.environ.clear()
        os.environ.update(kept)
        for handler in list(logging.getLogger().handlers):
            logging.getLogger().removeHandler(handler)
            handler.close()
    return {"code": code, "out": out.getvalue(), "err": err.getvalue(), "dialled": list(dialled)}


if __name__ == "__main__":
    asyncio.BaseEventLoop.create_connection = refuse  # type: ignore[method-assign,assignment]
    print(json.dumps([start(case) for case in json.load(sys.stdin)]))  # noqa: T201 (the answer)
