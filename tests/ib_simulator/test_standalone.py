"""`python -m ib_simulator`: a gateway in real time, from the command line."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ib_simulator import shifted_clock
from ib_simulator.__main__ import main
from ib_simulator.shifted_clock import ShiftedClock
from ib_simulator.standalone import StandaloneOptions, serve
from tests.ib_simulator.wire_client import DAY, WireClient
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
LIMIT_S = 60.0  # ends a test that has failed anyway


@asynccontextmanager
async def _served(**options: Any) -> AsyncIterator[tuple[int, list[str]]]:
    """A standalone gateway in this process: its port and its screen."""
    stop, ready, screen = asyncio.Event(), asyncio.Event(), []

    def say(line: str) -> None:
        screen.append(line)
        if line.startswith("Ctrl-C"):
            ready.set()

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve(StandaloneOptions(port=0, **options), stop, say))
        await asyncio.wait_for(ready.wait(), LIMIT_S)
        match = re.search(r":(\d+)", screen[0])
        assert match is not None
        yield int(match[1]), screen
        stop.set()
        await asyncio.wait_for(serving, LIMIT_S)


async def _until(condition: Any) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():  # noqa: ASYNC110 (what is waited for happens in another program)
            await asyncio.sleep(0.01)


def test_prices_move_and_orders_fill_in_scaled_real_time() -> None:
    async def scenario() -> None:
        async with _served(symbols=("AAA", "BBB"), speed=60.0, accounts=("DU1", "DU2")) as (port, screen):
            client = await WireClient.connect(port)
            assert ["15", "1", "DU1,DU2"] in client.heard
            assert any("2 symbols (AAA, BBB)" in line for line in screen)
            client.follow_quotes(1, "AAA")
            await _until(lambda: sum(message[0] == "1" for message in client.heard) > 8)
            client.send(49, 1)
            await _until(lambda: any(message[0] == "49" for message in client.heard))
            client.close()
            await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_a_cash_account_in_the_pre_market_without_market_data() -> None:
    async def scenario() -> None:
        options = {"cash_account": True, "data": "none", "extended_hours": True, "at": time(7, 30), "day": DAY}
        async with _served(symbols=("AAA",), **options) as (port, screen):
            assert any(line.endswith("each, cash account") for line in screen)
            assert any("pre-market from 04:00, post-market until 20:00" in line for line in screen)
            client = await WireClient.connect(port)
            client.follow_quotes(7, "AAA")
            client.place(1, "AAA", "SELL", 10, "LMT", 1.0, outside_rth=1)
            client.place(2, "AAA", "BUY", 10, "LMT", 9_999.0, outside_rth=1)
            await _until(lambda: any(message[0] == "11" for message in client.heard))  # bought before the open
            assert {(7, 354), (1, 201)} <= set(client.errors())
            client.close()
            await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_several_accounts_are_named_with_spaces_or_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[StandaloneOptions] = []

    def run(options: StandaloneOptions) -> int:
        seen.append(options)
        return 0

    monkeypatch.setattr("ib_simulator.__main__._run", run)
    for ids in (["--account", "DU1", "DU2"], ["--accounts", "DU1,DU2"], ["--account", "DU1,DU2", "DU1"]):
        assert main(["--port", "0", *ids]) == 0
    assert [options.accounts for options in seen] == [("DU1", "DU2")] * 3


def test_the_control_port_fires_faults_and_tells_the_log() -> None:
    async def scenario() -> None:
        async with _served(symbols=("AAA",), control_port=free_port()) as (port, screen):
            control_port = int(next(line for line in screen if line.startswith("control")).split(":")[1].split(",")[0])
            reader, writer = await asyncio.open_connection("127.0.0.1", control_port)

            async def ask(line: str) -> dict[str, Any]:
                writer.write(line.encode() + b"\n")
                answer: dict[str, Any] = json.loads(await asyncio.wait_for(reader.readline(), LIMIT_S))
                return answer

            client = await WireClient.connect(port, 4)
            status = await ask('{"status": true}')
            assert status["clients"] == [{"client_id": 4, "version": 176, "silent": False}]
            assert (await ask('{"fault": {"kind": "nonsense"}}'))["ok"] is False
            assert (await ask('{"other": 1}'))["ok"] is False
            assert await ask('{"fault": {"kind": "drop", "client": 4, "reset": true}}') == {"ok": True}
            await _until(lambda: client.is_closed)
            assert (await ask('{"status": true}'))["log"][0]["text"] == "client 4: RST"
            writer.write(b"POST / HTTP/1.1\r\n")
            assert await asyncio.wait_for(reader.read(), LIMIT_S) == b""
            writer.close()
            await writer.wait_closed()

    asyncio.run(scenario())


def test_a_recorded_session_is_replayed_from_the_command_line(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "session.jsonl"
        async with _served(symbols=("AAA",), record=path) as (port, _):
            client = await WireClient.connect(port)
            greeting = client.take()
            client.close()
            await asyncio.sleep(0.05)
        async with _served(replay=path) as (port, screen):
            client = await WireClient.connect(port)
            assert client.take() == greeting
            assert any("1 connections" in line for line in screen)
            client.close()
            await asyncio.sleep(0.05)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "--port"),
        (["--port", "70000"], "not a port"),
        (["--port", "0", "--speed", "0"], "not a positive number"),
        (["--port", "0", "--date", "2025-10-04"], "the exchange is closed that day"),
        (["--port", "0", "--date", "2025-10-07", "--at", "17:00"], "not before the close"),
        (["--port", "0", "--market-data", "/absent"], "does not exist"),
        (["--port", "0", "--market-data", "/absent", "--seed", "1"], "--seed"),
        (["--port", "0", "--faults", "/absent.toml"], "cannot be read"),
        (["--port", "0", "--replay", "/absent.jsonl"], "cannot be read"),
        (["--port", "0", "--replay", "x", "--record", "y"], "exclude each other"),
        (["--port", "0", "--record", "/absent/x.jsonl"], "cannot write"),
        (["--port", "0", "--account", "X1"], "not an account id"),
        (["--port", "0", "--accounts", "DU1,"], "not an account id"),
        (["--port", "0", "--account", "DU1", "U2"], "paper and live accounts"),
        (["--port", "0", "--replay", "x", "--cash-account"], "exclude each other"),
        (["--port", "0", "--data", "dead"], "invalid choice"),
        (["--port", "0", "--cancel-delay", "-1"], "whole number of seconds"),
        (["--port", "0", "--date", "2025-10-07", "--at", "20:00", "--extended-hours"], "end of the post-market"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(str(end.code))
    told = capsys.readouterr()
    assert code == 2 and complaint in told.err and told.err.count("\n") == 1 and told.out == ""


def test_a_taken_port_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1]), "--symbols", "AAA"]) == 2
    assert capsys.readouterr().err.endswith(": another program listens there\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "ib_simulator", "--port", "0", "--symbols", "AAA,BBB", "--at", "09:45"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
        process.send_signal(number)
        _, errors = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, errors) == (0, "")


def test_recorded_bars_are_served_from_a_chosen_time() -> None:
    if not DATA.is_dir():
        pytest.skip(f"no recorded market data in {DATA}")

    async def scenario() -> None:
        from datetime import date, time

        options = {"market_data": DATA, "day": date(2025, 10, 7), "at": time(10, 30), "symbols": ("AAPL",)}
        async with _served(**options) as (port, screen):
            assert any("2025-10-07, it is 10:30:00 in New York" in line for line in screen)
            client = await WireClient.connect(port)
            client.follow_quotes(1, "AAPL")
            await _until(lambda: any(message[0] == "1" and float(message[4]) > 100 for message in client.heard))
            client.close()
            await asyncio.sleep(0.05)

    asyncio.run(scenario())


def test_a_shifted_clock_starts_where_it_is_told_and_runs_at_its_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    start, wall_s = datetime(2025, 10, 7, 14, 0, tzinfo=UTC), [50.0]

    async def sleep(seconds: float) -> None:
        wall_s[0] += seconds

    monkeypatch.setattr(shifted_clock, "time", SimpleNamespace(monotonic=lambda: wall_s[0]))
    monkeypatch.setattr(shifted_clock, "asyncio", SimpleNamespace(sleep=sleep))
    clock = ShiftedClock(start, speed=1000.0)
    assert clock.now() == start
    asyncio.run(clock.sleep_until(start + timedelta(seconds=100)))
    assert clock.now() == start + timedelta(seconds=100)
    assert wall_s == [50.1]
    with pytest.raises(ValueError, match="naive"):
        ShiftedClock(datetime(2025, 10, 7))  # noqa: DTZ001
    with pytest.raises(ValueError, match="positive"):
        ShiftedClock(datetime(2025, 10, 7, tzinfo=UTC), 0.0)
