"""A session's messages on disk, and served again."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, time
from pathlib import Path

import pytest

from ib_simulator.recording import Recorder, read_recording
from ib_simulator.replaying import ReplayServer, steps_of
from ib_simulator.simulated_time import SimulatedTimeLoop
from market_hours import NEW_YORK
from tests.ib_simulator.wire_client import DAY, WireClient, in_simulated_time, simulated_gateway
from utils import Misconfigured

CONTRACT = [0, "AAA", "STK", "", 0, "", "", "SMART", "", "USD", "", ""]


async def _journey(client: WireClient, first_id: int = 1) -> list[list[str]]:
    """What a small program hears. Its request ids start at `first_id`."""
    client.send(61, 1)
    client.send(9, 8, first_id, *CONTRACT, 0, "", "", "")
    client.send(20, first_id + 1, *CONTRACT, 0, "", "1 min", "1800 S", 1, "TRADES", 1, 0, "")
    await asyncio.sleep(1)
    client.follow_quotes(first_id + 2, "AAA")
    client.place(1, "AAA", "BUY", 10, "MKT", order_ref="recorded")
    await asyncio.sleep(65)
    client.send(2, 2, first_id + 2)
    client.send(7, 3, first_id + 3, 0, "", "", "", "", "", "")
    await asyncio.sleep(1)
    return client.heard


def _recorded(path: Path) -> list[list[str]]:
    async def scenario(loop: SimulatedTimeLoop) -> list[list[str]]:
        async with simulated_gateway(loop) as (gateway, port, clock):
            gateway.witness = recorder = Recorder(path, lambda: clock.now().timestamp())
            await clock.sleep_until(datetime.combine(DAY, time(10, 0), NEW_YORK))
            heard = await _journey(await WireClient.connect(port))
        await asyncio.sleep(0.1)
        recorder.close()
        return heard

    return in_simulated_time(scenario)


def _replayed(path: Path, first_id: int = 1, versions: str = "v157..176") -> list[list[str]]:
    async def scenario(loop: SimulatedTimeLoop) -> list[list[str]]:
        server = ReplayServer(read_recording(path))
        client = await WireClient.connect(await server.start(), versions=versions)
        heard = await _journey(client, first_id) if not client.is_closed else []
        await server.stop()
        return heard

    return in_simulated_time(scenario)


def test_a_replay_answers_as_recorded(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    heard = _recorded(path)
    assert len([message for message in heard if message[0] == "1"]) > 3
    assert _replayed(path) == heard


def test_a_replay_answers_under_the_clients_own_request_ids(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    heard, replayed = _recorded(path), _replayed(path, first_id=50)
    assert len(replayed) == len(heard)
    assert [message[:2] for message in replayed if message[0] == "10"] == [["10", "50"]]
    assert [message[1] for message in replayed if message[0] == "17"] == ["51"]
    assert {message[2] for message in replayed if message[0] == "1"} == {"52"}
    assert [message[1] for message in replayed if message[0] == "11"] == ["-1", "53"]
    assert {message[1] for message in replayed if message[0] in ("3", "5")} == {"1"}


def test_a_replay_refuses_versions_and_requests_that_were_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    _recorded(path)
    assert _replayed(path, versions="v157..157") == []

    async def scenario(loop: SimulatedTimeLoop) -> None:
        server = ReplayServer(read_recording(path))
        client = await WireClient.connect(await server.start())
        client.send(91, 26)
        client.send(87, 9, *CONTRACT, 0, 1, "TRADES", 1)
        await asyncio.sleep(1)
        assert client.errors()[-2:] == [(-1, 321), (9, 321)]
        await server.stop()

    in_simulated_time(scenario)


def test_answers_are_given_to_the_request_that_asked(tmp_path: Path) -> None:
    path = tmp_path / "session.jsonl"
    lines = [
        {"format": "ib_simulator recording", "version": 1},
        {"t": 0, "c": 1, "open": {"version": 176, "minimum": 157, "maximum": 176, "options": "", "time": "now"}},
        {"t": 1, "c": 1, "in": ["71", "2", "1", ""]},
        {"t": 1, "c": 1, "in": ["61", "1"]},
        {"t": 1, "c": 1, "in": ["20", "4", "0", "AAA"]},
        {"t": 1, "c": 1, "out": ["15", "1", "DU1"]},
        {"t": 2, "c": 1, "out": ["17", "4", "", "", "0"]},
        {"t": 2, "c": 1, "out": ["62", "1"]},
        {"t": 3, "c": 1, "out": ["4", "2", "-1", "1100", "lost", ""]},
        {"t": 4, "c": 1, "close": True},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (recorded,) = read_recording(path)
    assert [[int(answer.fields[0]) for answer in step.answers] for step in steps_of(recorded)] == [[15], [62], [17, 4]]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "not a recording"),
        ("hello\n", "line 1 is not of a recording"),
        ('{"format": "ib_simulator recording", "version": 2}\n', "version 2, this program reads 1"),
        ('{"format": "ib_simulator recording", "version": 1}\n{"t": 0, "c": 1, "in": []}\n', "line 2 is not"),
        ('{"format": "ib_simulator recording", "version": 1}\n[1]\n', "line 2 is not"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_in_one_line(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "session.jsonl"
    path.write_text(content)
    with pytest.raises(Misconfigured, match=complaint) as refused:
        read_recording(path)
    assert "\n" not in str(refused.value)
