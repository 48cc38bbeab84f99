"""Forks gateways and daemons off one process that has imported everything: `python -m tests.fork_server`.

It reads one JSON object a line and answers with one. A start of the daemon takes seconds, a fork milliseconds.

    {"gateway": {"folder": ..., "settings": ...}}   -> {"pid": ..., "port": ...}
    {"daemon": {...}, "death": [point, passage], "limit_s": ..., "told_after_s": ...}
                                                     -> {"status": exit code or -signal, "by": "itself" | "limit"}
    {"stop": pid}                                    -> {"status": exit code}
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NoReturn

_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
import day_trader  # noqa: E402 (the client library takes the loop that is set at its import)
import day_trading_agents  # noqa: E402, F401 (imported once for all children)
import main as weekly_bot  # noqa: E402
from broker import order_desk, portfolio_desk, supervisor  # noqa: E402
from day_trading import settings as _settings  # noqa: E402, F401
from ib_simulator.data_service import DataOptions  # noqa: E402
from ib_simulator.gateway import Gateway, GatewayOptions  # noqa: E402
from ib_simulator.pacing import PacingLimits  # noqa: E402
from ib_simulator.shifted_clock import ShiftedClock  # noqa: E402
from ib_simulator.simulated_time import SimulatedClock, SimulatedTimeLoop  # noqa: E402
from market_hours import new_york_calendar, new_york_date  # noqa: E402
from tests.gateway_world import HandMadeFeed, calendar, daily_history, session_on  # noqa: E402
from tests.kill_points import Death, arm  # noqa: E402
from tests.restless_market import restless_minutes  # noqa: E402

asyncio.set_event_loop(None)
_loop.close()

POLL_S = 0.005
OTHERS_EVERY_S, OTHERS_SHARE = 0.2, 0.3  # of wall time, of the symbols
JOURNAL, RESULT = "journal.db", "result.json"


def main() -> None:
    """Serve until stdin ends."""
    for line in sys.stdin:
        match json.loads(line):
            case {"gateway": about}:
                if about["bot"] == "weekly":
                    _load_slow_libraries()
                answer = start_gateway(about)
            case {"daemon": about, "death": death, "limit_s": limit_s, "told_after_s": told_after_s}:
                answer = run_daemon(about, death, limit_s, told_after_s)
            case {"stop": pid}:
                os.kill(pid, signal.SIGTERM)
                answer = {"status": _wait(pid, 60.0)}
            case other:
                raise ValueError(f"not understood: {other}")
        print(json.dumps(answer), flush=True)  # noqa: T201 (the protocol)


def _load_slow_libraries() -> None:
    """Before children are forked: each would take seconds to do so."""
    import arch.bootstrap  # noqa: F401
    import skfolio.optimization  # noqa: F401
    import skfolio.prior  # noqa: F401

    import agents  # noqa: F401
    import tests.weekly.world  # noqa: F401


# Gateway


def start_gateway(about: dict[str, Any]) -> dict[str, Any]:
    """Fork a gateway that stays up, whoever dies in front of it."""
    reading, writing = os.pipe()
    pid = _fork(lambda: asyncio.run(_serve(about, writing)), Path(about["folder"]) / "gateway.log")
    os.close(writing)
    with os.fdopen(reading) as told:
        return {"pid": pid, "port": int(told.readline())}


async def _serve(about: dict[str, Any], telling: int) -> int:
    folder = Path(about["folder"])
    clock = ShiftedClock(datetime.fromisoformat(about["start"]), about["speed"])
    clock._since_s = about["since_s"]
    session = session_on(new_york_date(clock.now()))
    symbols = about["symbols"]
    feed = _feed(about, session)
    options = GatewayOptions(
        cash=about["cash"], speed=about["speed"], data=DataOptions(pacing=PacingLimits(enforced=False))
    )
    gateway = Gateway(feed, calendar(), clock, symbols, options)
    journal = gateway.keep_journal(folder / JOURNAL)
    gateway.begin(session)
    os.write(telling, f"{await gateway.start()}\n".encode())
    os.close(telling)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    playing = asyncio.create_task(_play(gateway, session, Random(about["seed"])))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((playing, stopped), return_when=asyncio.FIRST_COMPLETED)
    if playing.done():
        playing.result()
    playing.cancel()
    await gateway.stop()
    account = gateway.accounts.first
    held = {symbol: holding.quantity for symbol, holding in account.holdings.items() if holding.quantity}
    (folder / RESULT).write_text(json.dumps({"cash": account.cash, "held": held, "at": clock.now().isoformat()}))
    journal.close()
    return 0


def _feed(about: dict[str, Any], session: Any) -> HandMadeFeed:
    minutes = {symbol: restless_minutes(session, symbol, about["seed"]) for symbol in about["symbols"]}
    if about["bot"] == "day_trader":
        return HandMadeFeed(minutes, {symbol: daily_history(session) for symbol in minutes})
    from tests.weekly.world import years_before

    return HandMadeFeed(minutes, {symbol: years_before(session, bars[0].open) for symbol, bars in minutes.items()})


async def _play(gateway: Gateway, session: Any, others: Random) -> None:
    async with asyncio.TaskGroup() as group:
        crowd = group.create_task(_trade_of_others(gateway, others))
        await gateway.play((session,))
        crowd.cancel()
    await gateway.idle()


async def _trade_of_others(gateway: Gateway, rng: Random) -> None:
    """Somebody takes what may be traded in a minute: entries fill in part, and their exits must be fitted."""
    while True:
        await asyncio.sleep(OTHERS_EVERY_S)
        now_s = int(gateway.now().timestamp())
        for market in gateway.player.open_markets():
            if (left := market.volume_left(now_s)) and rng.random() < OTHERS_SHARE:
                market.take_volume(now_s, rng.randint(left // 2, left))


# Daemon


def run_daemon(about: dict[str, Any], death: Any, limit_s: float, told_after_s: float | None) -> dict[str, Any]:
    """Fork the daemon and wait for its end: its own, SIGTERM after `told_after_s`, or SIGKILL at the limit."""
    pid = _fork(lambda: _daemon(about, death), Path(about["folder"]) / "daemon.log")
    if told_after_s is not None:
        time.sleep(told_after_s)
        os.kill(pid, signal.SIGTERM)
    status = _wait(pid, limit_s)
    if status is not None:
        return {"status": status, "by": "itself"}
    os.kill(pid, signal.SIGKILL)
    return {"status": _wait(pid, 60.0), "by": "limit"}


def _daemon(about: dict[str, Any], death: Any) -> int:
    """The whole program, in the time of its gateway."""
    os.chdir(about["folder"])
    os.environ.update(about["settings"])
    if death is not None:
        arm(Death(*death))
    _keep_limits_in_wall_time(about["speed"])
    loop = SimulatedTimeLoop(about["speed"])
    now_s = time.monotonic()
    loop._paced_from_s = now_s  # virtual 0 is now, not when the loop waits first
    now = datetime.fromisoformat(about["start"]) + timedelta(seconds=(now_s - about["since_s"]) * about["speed"])
    asyncio.Runner = functools.partial(asyncio.Runner, loop_factory=lambda: loop)  # type: ignore[assignment,misc]
    asyncio.set_event_loop(loop)
    program = day_trader if about["bot"] == "day_trader" else weekly_bot
    return program.main(about["arguments"], SimulatedClock(loop, now))


def _keep_limits_in_wall_time(speed: float) -> None:
    """Answers take the machine's time: their limits do not shrink with the clock."""
    order_desk.READ_LIMIT_S *= speed
    portfolio_desk.QUOTE_PATIENCE *= speed
    supervisor.HEARTBEAT_LIMIT_S *= speed
    supervisor.SYNC_LIMIT_S *= speed


# Processes


def _fork(program: Callable[[], int], log: Path) -> int:
    """A child that runs `program` and ends with what it returns; what it prints goes to `log`."""
    pid = os.fork()
    return pid if pid else _as_child(program, log)


def _as_child(program: Callable[[], int], log: Path) -> NoReturn:
    code = 1
    try:
        with log.open("ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        code = program()
        logging.shutdown()
    except BaseException:  # noqa: BLE001 (a child must never go on as a second server; its log tells why it ended)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int, limit_s: float) -> int | None:
    """The exit code of a child, -signal when one ended it, None when it still lives at the limit."""
    give_up_s = time.monotonic() + limit_s
    while time.monotonic() < give_up_s:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(POLL_S)
    return None


if __name__ == "__main__":
    new_york_calendar(session_on(datetime(2026, 9, 28).date()).date)  # noqa: DTZ001 (kept for the children)
    main()
