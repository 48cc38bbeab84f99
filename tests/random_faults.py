"""Any fault of the simulated gateway, drawn by chance, with a length that a day survives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from ib_simulator.fault_kinds import (
    ClientIdInUse,
    ClockJump,
    Connectivity,
    Crash,
    Delay,
    Drop,
    Duplicate,
    Farm,
    Fault,
    FillAfterCancel,
    Halt,
    Login,
    Lose,
    LoseAcknowledgement,
    NextValidId,
    Notice,
    Reject,
    Reorder,
    Restart,
    Segmented,
    Silent,
    Slow,
    StaleQuotes,
)
from ib_simulator.fault_plan import AfterMessage
from ib_simulator.message_names import Direction

CLIENT = 2
PLACE_ORDER = 3
REPORTS = (3, 5, 11, 59)  # orderStatus, openOrder, execDetails, commissionReport
NOTICES = (  # what a gateway says that changes nothing
    (2107, "HMDS data farm connection is inactive but should be available upon demand.ushmds"),
    (2119, "Market data farm is connecting:usfarm"),
    (2148, "A notice of the trading platform"),
    (10197, "No market data during competing live session"),
    (1300, "TWS socket port has been reset and this connection is being dropped"),
)
LOSABLE = (
    *("orderStatus", "openOrder", "execDetails", "commissionReport", "ticks", "currentTime"),
    *("position", "positionEnd", "openOrderEnd", "execDetailsEnd", "completedOrdersEnd", "nextValidId"),
)

Maker = Callable[[Random, Sequence[str]], Fault]


def _connectivity(rng: Random, _: Sequence[str]) -> Fault:
    seconds = rng.choice((rng.uniform(2, 90), rng.uniform(300, 900)))
    orders = rng.choice(("refused", "queued", "lost"))
    code = rng.choice((1100, 1100, 2110))
    return Connectivity(seconds=seconds, code=code, restored=rng.choice((1101, 1102)), orders=orders)


def _lose(rng: Random, _: Sequence[str]) -> Fault:
    """A few messages of a kind; of positions so many rows that several complete answers in a row lack them."""
    message = rng.choice(LOSABLE)
    return Lose(message=message, count=rng.randint(1, 20 if message == "position" else 3))


MAKERS: Mapping[type[Fault], Maker] = {  # every kind that the gateway knows; a test compares the two lists
    Drop: lambda rng, _: Drop(reset=rng.random() < 0.5),
    Silent: lambda rng, _: Silent(seconds=rng.choice((rng.uniform(5, 120), rng.uniform(300, 900)))),
    Connectivity: _connectivity,
    Farm: lambda rng, _: Farm(farm=rng.choice(("market", "history", "contracts")), seconds=rng.uniform(5, 60)),
    Restart: lambda rng, _: Restart(refused_s=rng.choice((rng.uniform(5, 90), rng.uniform(300, 900)))),
    Login: lambda rng, _: Login(
        refused_s=rng.uniform(5, 60), seconds=rng.uniform(10, 300), answers=rng.choice(("version", "nothing", "close"))
    ),
    Segmented: lambda rng, _: Segmented(bytes=rng.randint(20, 500), gap_s=0.001, seconds=rng.uniform(5, 20)),
    ClockJump: lambda rng, _: ClockJump(by_s=rng.uniform(-3_600, 3_600), seconds=rng.uniform(60, 900)),
    Crash: lambda rng, _: Crash(refused_s=rng.uniform(5, 60)),
    Lose: _lose,
    Delay: lambda rng, _: Delay(message="orderReports", delay_s=rng.uniform(0.1, 8), seconds=rng.uniform(5, 60)),
    Duplicate: lambda rng, _: Duplicate(message="orderReports", count=rng.randint(1, 6)),
    Reorder: lambda rng, _: Reorder(message="orderStatus", count=rng.randint(1, 3)),
    Slow: lambda rng, _: Slow(delay_s=rng.uniform(0.1, 2), seconds=rng.uniform(5, 60)),
    StaleQuotes: lambda rng, _: StaleQuotes(seconds=rng.uniform(10, 120)),
    LoseAcknowledgement: lambda rng, _: LoseAcknowledgement(count=rng.randint(1, 3), from_trigger=False),
    FillAfterCancel: lambda rng, _: FillAfterCancel(count=1, report_after_s=rng.uniform(0.2, 5)),
    Reject: lambda rng, _: Reject(code=201, count=rng.randint(1, 2)),
    ClientIdInUse: lambda rng, _: ClientIdInUse(client=CLIENT, seconds=rng.uniform(10, 120)),
    NextValidId: lambda rng, _: NextValidId(back_by=rng.randint(1, 50)),
    Notice: lambda rng, _: Notice(**dict(zip(("code", "text"), rng.choice(NOTICES), strict=True))),
    Halt: lambda rng, symbols: Halt(
        symbol=rng.choice(symbols), seconds=rng.uniform(30, 900), volatility=rng.random() < 0.5
    ),
}
BLINDING = (Silent, Connectivity, Delay, Slow, Segmented)  # while they last the client cannot know, or cannot act


def random_fault(rng: Random, symbols: Sequence[str]) -> Fault:
    """A fault of any kind, all kinds alike."""
    return rng.choice(list(MAKERS.values()))(rng, symbols)


def random_trigger(rng: Random) -> AfterMessage:
    """A moment that hurts: around an order on its way in, or a report about one on its way out."""
    if rng.random() < 0.4:
        return AfterMessage(direction=Direction.IN, ids=frozenset({PLACE_ORDER}), count=rng.randint(1, 60))
    return AfterMessage(direction=Direction.OUT, ids=frozenset({rng.choice(REPORTS)}), count=rng.randint(1, 60))


def blind_s(fault: Fault) -> float:
    """How long a fault keeps a client that is connected from knowing or doing anything; 0 when it does not."""
    if not isinstance(fault, BLINDING):
        return 0.0
    return float(getattr(fault, "seconds", None) or 0.0) + float(getattr(fault, "delay_s", 0.0))
