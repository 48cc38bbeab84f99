from __future__ import annotations

import asyncio

import pytest

from ib_simulator.requests import UnreadableRequest, decode
from ib_simulator.simulated_time import SimulatedTimeLoop
from ib_simulator.unserved import UNSERVED, NotServed
from tests.ib_simulator.wire_client import WireClient, in_simulated_time, simulated_gateway

CONTRACT = [0, "AAA", "STK", "", 0, "", "", "SMART", "", "USD", "", ""]
REQUESTS: list[list[object]] = [  # as ib_insync sends them, request id 77 where there is one
    [10, 5, 77, *CONTRACT, 5, 0, ""],
    [18, 1, 1],
    [19, 1, 1, "<xml/>", 77],
    [21, 2, 77, *CONTRACT, 1, 1, "DU1000001", 0],
    [22, 77, 50, "STK", "STK.US", "TOP_PERC_GAIN"],
    [24, 1],
    [52, 2, 77, *CONTRACT, "ReportSnapshot", ""],
    [54, 3, 77, *CONTRACT, 1.0, 2.0, ""],
    [55, 3, 77, *CONTRACT, 1.0, 2.0, ""],
    [67, 1, 77],
    [68, 1, 77, 1],
    [74, 1, 77, "DU1000001", ""],
    [78, 77, "AAA", "", "STK", 1],
    [84, 77, "BRFG", "x", ""],
    [86, 77, 1, "BRFG", "", "", 5, ""],
    [100, 77],
    [102, 77, 1],
    [104, 77],
]
WITHOUT_ID = (18, 19, 24)


def test_every_unserved_request_is_among_the_examples() -> None:
    assert sorted(UNSERVED) == [request[0] for request in REQUESTS]


@pytest.mark.parametrize("version", [157, 176])
@pytest.mark.parametrize("fields", REQUESTS, ids=lambda fields: UNSERVED[fields[0]].name)
def test_an_unserved_request_is_known_by_name_and_id(fields: list[object], version: int) -> None:
    message_id = int(str(fields[0]))
    expected = NotServed(name=UNSERVED[message_id].name, req_id=-1 if message_id in WITHOUT_ID else 77)
    assert decode([str(field) for field in fields], version) == expected


def test_an_unserved_request_without_its_id_is_unreadable() -> None:
    with pytest.raises(UnreadableRequest):
        decode(["74", "1"], 176)


def test_the_client_hears_which_request_is_not_served() -> None:
    async def scenario(loop: SimulatedTimeLoop) -> list[list[str]]:
        async with simulated_gateway(loop) as (_, port, _clock):
            client = await WireClient.connect(port)
            client.take()
            client.send(74, 1, 77, "DU1000001", "")
            await asyncio.sleep(0.1)
            return client.take()

    (message,) = in_simulated_time(scenario)
    cause = "reqPositionsMulti is not served by the simulated gateway"
    assert message[:4] == ["4", "2", "77", "321"]
    assert message[4].endswith(cause)
