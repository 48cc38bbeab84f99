"""From the bytes of a tick on the socket to the bytes of the order on the socket, for the whole day trader.

    make bench    or    PYTHONPATH=. python benchmarks/bench_tick_to_order.py [--rounds 300]

The real program (ib_insync over loopback TCP, bookkeeping, SQLite) watches ten symbols of a simulated gateway in the
same process and event loop. One symbol's price rises; the gateway notes when it gave the tick to the socket and when
it read the order from its own. What happens in between is one agent instant as in a session: decode, quote, marking,
kill switch, resting stops, ten symbols judged, decision on record, intents committed, four orders (entry, stop,
target, time exit) written. Measured is the arrival of the entry and that of its last leg, with which all of them
become active. Each round takes every way once, so that what else the machine does hits all of them alike:

    bare              ib_insync alone: its ticker event, then placeOrder of one order
    volatile          the day trader, its intents not waited for
    durable           the day trader as it is: its intents on disk before the order is sent
    ... traced        the same with a collector in another process

A bare loop under the interpreter's own garbage collection is measured on its own, before: its maximum is the pauses.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from day_trading_agents import IntradayTrader
    from ib_simulator.client import ClientConnection
    from ib_simulator.gateway import Gateway
    from telemetry.pump import Pump

SYMBOLS = tuple(f"SYM{number}" for number in range(10))
QUIET_USD, RISEN_USD = 100.04, 100.08  # under and over the VWAP of the warm-up, which is 100.05
ENTRY_LEGS = 4
SETTLE_S = 0.004
GOALS = {"volatile": 0.4, "durable": 0.7}  # ms, median
P99_MS, MOST_MS, TRACING_MS = 2.0, 10.0, 0.1


class Took(NamedTuple):
    """From a tick given to one end of a socket until all order messages were given to the other.

    `cpu_ms` is the processor time of the event loop's thread in it: without the disk, and without other programs.
    """

    wall_ms: float
    cpu_ms: float


class Stopwatch:
    """Takes the time of one tick after the other."""

    def __init__(self) -> None:
        from ib_insync.connection import Connection

        self._began_s = self._cpu_s = 0.0
        self._missing = 0
        self.took = Took(0.0, 0.0)
        self.done = asyncio.Event()
        send = Connection.sendMsg

        def send_and_look(connection: Connection, message: bytes) -> None:
            send(connection, message)
            self._sent(message)

        Connection.sendMsg = send_and_look

    def start(self, orders: int) -> None:
        self.done.clear()
        self._missing = orders
        self._began_s, self._cpu_s = time.perf_counter(), time.thread_time()

    def _sent(self, frames: bytes) -> None:
        now_s, cpu_s = time.perf_counter(), time.thread_time()
        while frames:
            end = 4 + int.from_bytes(frames[:4])
            self._missing -= frames[4:6] == b"3\0"
            frames = frames[end:]
        if self._missing == 0 and not self.done.is_set():
            self.took = Took((now_s - self._began_s) * 1e3, (cpu_s - self._cpu_s) * 1e3)
            self.done.set()


class Market:
    """The ticks of the gateway, told by hand to the one client that is measured."""

    def __init__(self, gateway: Gateway, watch: Stopwatch) -> None:
        self._gateway = gateway
        self._watch = watch
        self._requests: dict[tuple[int, str], int] = {}  # (client id, symbol) -> request id of its quotes

    def follow(self) -> None:
        """Note who subscribes to what, from now on."""
        from ib_simulator.request_types import ReqMktData

        usual = self._gateway._handlers[ReqMktData]

        def on_request(client: ClientConnection, request: Any) -> None:
            self._requests[client.client_id or 0, request.contract.symbol] = request.req_id
            usual(client, request)

        self._gateway._handlers[ReqMktData] = on_request

    def tell(self, client_id: int, symbol: str, price_usd: float, *, expected: int = 0) -> None:
        """Bid, ask and last of a symbol, in one write."""
        from ib_simulator import replies

        request_id = self._requests[client_id, symbol]
        client = next(each for each in self._gateway.clients if each.client_id == client_id)
        prices = ((1, 0, price_usd - 0.01), (2, 3, price_usd + 0.01), (4, 5, price_usd))
        client.send(*(replies.tick_price_and_size(request_id, *kinds, round(usd, 2), 500) for *kinds, usd in prices))
        if expected:
            self._watch.start(expected)
        client.write()


class Bare:
    """ib_insync alone."""

    def __init__(self, market: Market, watch: Stopwatch) -> None:
        self._market = market
        self._watch = watch

    async def connect(self, port: int) -> None:
        from broker.client_library import IB, Order, Stock, Ticker

        self._ib = ib = IB()
        await ib.connectAsync("127.0.0.1", port, clientId=9)
        ib.client.MaxRequests = 0
        contract = (await ib.reqContractDetailsAsync(Stock(SYMBOLS[0], "SMART", "USD")))[0].contract
        assert contract is not None
        ticker = ib.reqMktData(contract, "", False, False)

        def on_tick(ticker: Ticker) -> None:
            if ticker.last > RISEN_USD - 0.01:
                ib.placeOrder(contract, Order(action="BUY", totalQuantity=10, orderType="LMT", lmtPrice=ticker.ask))

        ticker.updateEvent += on_tick
        await asyncio.sleep(0.5)

    async def round(self) -> Took:
        with _library_as_it_comes():
            return await self._round()

    async def _round(self) -> Took:
        self._market.tell(9, SYMBOLS[0], RISEN_USD, expected=1)
        await asyncio.wait_for(self._watch.done.wait(), 5)
        took = self._watch.took
        self._market.tell(9, SYMBOLS[0], QUIET_USD)
        return took

    def close(self) -> None:
        self._ib.disconnect()


@contextmanager
def _library_as_it_comes() -> Iterator[None]:
    """Without what the day trader's `broker/` changes in it."""
    from ib_insync import Trade
    from ib_insync.client import Client

    from broker import library_speed

    changed = Trade.__repr__, Client.send, Trade.__post_init__
    Trade.__repr__, Client.send = library_speed._describe_in_full, library_speed._send_slowly
    Trade.__post_init__ = library_speed._make_events
    try:
        yield
    finally:
        Trade.__repr__, Client.send, Trade.__post_init__ = changed


class Whole:
    """The day trader, one instant of it after each tick."""

    def __init__(self, trader: IntradayTrader, market: Market, watch: Stopwatch) -> None:
        from tests.gateway_world import MemoryStore

        self._trader = trader
        self._market = market
        self._watch = watch
        self._ticked = asyncio.Event()
        self._no_disk = MemoryStore()
        trader._desk.broker._ib.client.MaxRequests = 0  # the pace of requests is not what is measured
        trader._desk.broker._ib.pendingTickersEvent += lambda _: self._ticked.set()

    async def round(self, symbol: str, *, durable: bool) -> Took:
        desk = self._trader._desk
        desk.broker.orders._store = desk.intents if durable else self._no_disk
        self._ticked.clear()
        self._market.tell(2, symbol, RISEN_USD, expected=ENTRY_LEGS)
        await self._ticked.wait()
        await self._trader._tick(int(self._trader._clock.now().timestamp()))
        await asyncio.wait_for(self._watch.done.wait(), 5)
        took = self._watch.took
        self._forget(symbol)
        self._market.tell(2, symbol, QUIET_USD)
        return took

    def _forget(self, symbol: str) -> None:
        """Nobody answers these orders: the next round finds the book as this one did."""
        keeper = self._trader._desk.keeper
        keeper.book.pending.clear()
        keeper.book.entries.clear()
        keeper.brackets.clear()
        keeper.tracked._by_id.clear()


async def _measure(rounds: int, folder: Path, collector: str) -> dict[str, list[Took]]:
    from telemetry.garbage import quiet_collection
    from telemetry.quiet import quiet

    gateway, clock = _gateway()
    watch = Stopwatch()
    market = Market(gateway, watch)
    market.follow()
    _answer_nothing(gateway)
    port = await gateway.start()
    bare = Bare(market, watch)
    took: dict[str, list[Took]] = {"bare, unmanaged": []}

    async def rounds_of(trader: IntradayTrader) -> None:
        whole = Whole(trader, market, watch)
        with quiet_collection(), _tracing(collector) as (traced, pump):
            for number in range(-20, rounds):  # the first ones warm caches
                for name, measured in _ways(bare, whole, traced, SYMBOLS[number % len(SYMBOLS)]).items():
                    result = await measured()
                    if number >= 0:
                        took.setdefault(name, []).append(result)
                    await asyncio.sleep(SETTLE_S)
                    quiet()
                    while history._writer._log.is_due or pump.is_due:  # in a session seconds pass here
                        await asyncio.sleep(SETTLE_S)
                        quiet()
        trader.stop("measured")

    with _history(folder) as history:
        trader = _trader(history, clock, port, folder)
        trader._monitor = lambda: rounds_of(trader)  # type: ignore[method-assign]
        await bare.connect(port)
        for _ in range(rounds):
            took["bare, unmanaged"].append(await bare.round())
            await asyncio.sleep(SETTLE_S)
        await trader.run(SYMBOLS)
    bare.close()
    await gateway.stop()
    return took


def _ways(bare: Bare, whole: Whole, traced: Callable[[bool], None], symbol: str) -> dict[str, Callable[[], Any]]:
    async def one(durable: bool, tells: bool) -> Took:
        traced(tells)
        try:
            return await whole.round(symbol, durable=durable)
        finally:
            traced(False)

    return {
        "bare": bare.round,
        "volatile": lambda: one(False, False),
        "volatile, traced": lambda: one(False, True),
        "durable": lambda: one(True, False),
        "durable, traced": lambda: one(True, True),
    }


@contextmanager
def _tracing(collector: str) -> Iterator[tuple[Callable[[bool], None], Pump]]:
    """A switch: whether what happens next is told to the collector; and who hands it on."""
    from observability import Telemetry
    from telemetry import tracing
    from telemetry.pump import Pump
    from telemetry.settings import TelemetrySettings
    from utils import read_environment

    environment = read_environment(process={"OTEL_EXPORTER_OTLP_ENDPOINT": collector})
    with Telemetry(TelemetrySettings(), environment, bot="day_trader", mode="simulated"):
        pump = tracing._sink
        assert isinstance(pump, Pump)
        tracing.tell(None)
        yield lambda on: tracing.tell(pump if on else None), pump


def _gateway() -> tuple[Gateway, Any]:
    """A gateway at 09:51 of a session whose first twenty minutes make every symbol a candidate but for its price."""
    from ib_simulator.gateway import Gateway, GatewayOptions
    from ib_simulator.shifted_clock import ShiftedClock
    from tests import gateway_world as world

    clock = ShiftedClock(world.at("09:51"))
    feed = world.HandMadeFeed({symbol: world.warm_up() for symbol in SYMBOLS})
    options = GatewayOptions(cash=10**12)
    gateway = Gateway(feed, world.calendar(), clock, SYMBOLS, options)  # type: ignore[arg-type]
    gateway.begin(world.MONDAY)
    gateway.player.act(world.MONDAY, world.second("09:50"))
    return gateway, clock


def _answer_nothing(gateway: Gateway) -> None:
    """Orders are read and left alone: their answers are not what is measured."""
    from ib_simulator.request_types import PlaceOrder

    gateway._handlers[PlaceOrder] = lambda *_: None
    gateway.data.pacing.message = lambda _: None  # type: ignore[method-assign,assignment,return-value]


def _history(folder: Path) -> Any:
    from observability import TradingHistory
    from records.log_file import LOG_MB

    return TradingHistory(folder / "history.db", bot="day_trader", mode="simulated", log_mb=LOG_MB)


def _trader(history: Any, clock: Any, port: int, folder: Path) -> IntradayTrader:
    from tests import gateway_world as world
    from trading.settings import RiskSettings

    place = world.World(None, port, clock, world.MONDAY, folder)  # type: ignore[arg-type]
    return place.trader(history, risk=RiskSettings(risk_max_entries_per_session=1_000, risk_max_quote_age_s=600))


def _collect(pipe: Connection) -> None:
    """A process of its own: take what comes, until told to end."""
    from tests.otlp_receiver import grpc_receiver

    with grpc_receiver() as received:
        pipe.send(received.endpoint)
        pipe.recv()
        pipe.send(len(received.spans))


def _report(took: dict[str, list[Took]], spans: int, disk_ms: tuple[float, float, float]) -> bool:
    good = True
    print(f"{'':18}{'p50':>8} {'p99':>8} {'max':>8} {'cpu p50':>9}   goals of p50, p99, max")
    for name, results in took.items():
        p50, p99, most = _spread([result.wall_ms for result in results])
        goal_ms = GOALS.get(name.partition(",")[0], 0.0) + TRACING_MS * name.endswith("traced")
        words = ""
        if name.partition(",")[0] in GOALS:
            within = p50 <= goal_ms and p99 <= P99_MS and most < MOST_MS
            good = good and within
            words = f"{goal_ms:.1f}, {P99_MS:g}, {MOST_MS:g}: {'yes' if within else 'NO'}"
        cpu_ms = median(result.cpu_ms for result in results)
        print(f"{name:18}{p50:8.3f} {p99:8.3f} {most:8.3f} {cpu_ms:9.3f}   {words}")
    p50, p99, most = disk_ms
    print(f"{'SQLite alone':18}{p50:8.3f} {p99:8.3f} {most:8.3f}{'':13}one row on this disk, with fsync")
    for name in GOALS:
        pairs = zip(took[f"{name}, traced"], took[name], strict=True)
        adds_ms = median(traced.wall_ms - plain.wall_ms for traced, plain in pairs)
        good = good and adds_ms <= TRACING_MS
        print(f"tracing adds {adds_ms:.3f} ms to {name} (median of the rounds' differences; goal <= {TRACING_MS})")
    print(f"{spans:,} spans arrived at the collector")
    return good


def _disk_ms(folder: Path) -> tuple[float, float, float]:
    """A durable commit, without anything around it: p50, p99, maximum."""
    with closing(sqlite3.connect(folder / "disk.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE t (a TEXT)")
        took_ms = []
        for _ in range(300):
            started_s = time.perf_counter()
            connection.execute("INSERT INTO t VALUES ('x')")
            took_ms.append((time.perf_counter() - started_s) * 1e3)
            time.sleep(SETTLE_S)
    return _spread(took_ms)


def _spread(values: list[float]) -> tuple[float, float, float]:
    return median(values), quantiles(values, n=100)[98], max(values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    asyncio.set_event_loop(loop := asyncio.new_event_loop())  # before the client library is imported
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_collect, args=(theirs,), daemon=True)
    process.start()
    with tempfile.TemporaryDirectory() as folder:
        took = loop.run_until_complete(_measure(rounds, Path(folder), ours.recv()))
        disk_ms = _disk_ms(Path(folder))
    ours.send("end")
    spans = ours.recv()
    process.join()
    print(f"{rounds} rounds each; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; times in ms")
    return 0 if _report(took, spans, disk_ms) else 1


if __name__ == "__main__":
    sys.exit(main())
