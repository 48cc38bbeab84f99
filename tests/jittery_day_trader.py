"""The day trader with chance in its threads: `python jittery_day_trader.py SEED ARGUMENTS`.

Every job of a thread pool and every turn of the database's writer waits up to 2 ms, before its work and after it.
The last line on stderr says how often that happened.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of tests/, whose packages are named like ours

import day_trader  # noqa: E402
from records.writer import Writer  # noqa: E402

LONGEST_DELAY_S = 0.002

chance = random.Random(sys.argv[1])
delays = 0
submit = ThreadPoolExecutor.submit


def late(work: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    global delays
    delays += 1
    time.sleep(chance.random() * LONGEST_DELAY_S)
    result = work(*arguments, **options)
    time.sleep(chance.random() * LONGEST_DELAY_S)
    return result


def submit_late(pool: ThreadPoolExecutor, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
    return submit(pool, late, work, *arguments, **options)


def made_late(work: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: late(work, *arguments)


ThreadPoolExecutor.submit = submit_late  # type: ignore[method-assign]
Writer._write_rows = made_late(Writer._write_rows)  # type: ignore[method-assign]
Writer._write_durable = made_late(Writer._write_durable)  # type: ignore[method-assign]

code = day_trader.main(sys.argv[2:])
sys.stderr.write(f"{delays} delays\n")
sys.exit(code)
