"""A gateway of its own, in real time: what `python -m ib_simulator` runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ib_simulator.account import AccountKind
from ib_simulator.control import LOOPBACK, open_control_port
from ib_simulator.data_service import DataOptions
from ib_simulator.embedded import RecordedOrSynthetic, recorded_feed, synthetic_feed
from ib_simulator.fault_plan import AfterMessage, read_fault_plan
from ib_simulator.faults import FaultInjector
from ib_simulator.feeds.replay import ReplayFeed
from ib_simulator.gateway import Gateway, GatewayOptions
from ib_simulator.market_data_permissions import Permission
from ib_simulator.pacing import PacingLimits
from ib_simulator.recording import Recorder, read_recording
from ib_simulator.replaying import ReplayServer
from ib_simulator.shifted_clock import ShiftedClock
from ib_simulator.trading_hours import extended_bounds
from ib_simulator.wire import MAX_VERSION, MIN_VERSION
from market_hours import NEW_YORK, Session, TradingCalendar, new_york_calendar, new_york_date
from utils import Misconfigured

SYNTHETIC_AHEAD = timedelta(days=365)
BAR_UPDATE_S = 5  # of the unfinished bar, as on the real gateway
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StandaloneOptions:
    """What the command line says. Cash in USD; `day` None is the latest session, `at` None its open."""

    port: int
    host: str = LOOPBACK
    market_data: Path | None = None
    day: date | None = None
    at: time | None = None
    seed: int = 0
    speed: float = 1.0
    accounts: tuple[str, ...] = ("DU1000001",)
    cash_usd: float = 1_000_000.0
    symbols: tuple[str, ...] = ()
    faults: Path | None = None
    control_port: int | None = None
    state: Path | None = None
    record: Path | None = None
    replay: Path | None = None
    master_client: int | None = None
    pacing: bool = True
    extended_hours: bool = False
    cash_account: bool = False
    data: str = "live"  # a value of Permission
    limit_bands: bool = False
    cancel_delay_s: int = 0
    splits_cancel_orders: bool = False
    halts_refuse_orders: bool = False


async def serve(options: StandaloneOptions, stop: asyncio.Event, say: Say) -> None:
    """Serve until `stop` is set. Raises Misconfigured before the port opens, or when it is taken."""
    if options.replay is not None:
        await _serve_recording(options, stop, say)
        return
    today = new_york_date(datetime.now(UTC))
    calendar = new_york_calendar(today)
    feed = _feed(options, calendar, today)
    first = _first_session(options, feed, calendar, today)
    start = datetime.combine(first.date, options.at, NEW_YORK) if options.at is not None else first.open
    last = extended_bounds(first)[1] if options.extended_hours else first.close
    if start >= last:
        end = "end of the post-market" if options.extended_hours else "close"
        raise Misconfigured(f"--at {options.at:%H:%M} is not before the {end} of {first.date}")
    symbols = _symbols(options, feed, first)
    planned = read_fault_plan(options.faults) if options.faults is not None else ()
    clock = ShiftedClock(start, options.speed)
    gateway = Gateway(feed, calendar, clock, symbols, gateway_options(options))
    recorder = None
    if options.record is not None:
        recorder = gateway.witness = Recorder(options.record, lambda: clock.now().timestamp())
    injector = FaultInjector(gateway, planned)
    gateway.begin(first)
    if planned or options.control_port is not None:
        gateway.inject(injector)
    control = None
    try:
        port = await gateway.start()
        if options.control_port is not None:
            control = await open_control_port(injector, options.control_port)
        for line in screen(options, port, feed.name, first, start, symbols):
            say(line)
        if planned:
            waiting = sum(isinstance(entry.when, AfterMessage) for entry in planned)
            say(f"faults       {len(planned) - waiting} at their times, {waiting} after messages ({options.faults})")
        say("Ctrl-C stops it.")
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(_play(gateway, _sessions(feed, calendar, first)), name="market")
            await stop.wait()
            playing.cancel()
    finally:
        if control is not None:
            control.close()
        await gateway.stop()
        if recorder is not None:
            recorder.close()


def gateway_options(options: StandaloneOptions) -> GatewayOptions:
    """The gateway's share of the command line."""
    return GatewayOptions(
        account_id=options.accounts[0],
        other_accounts=options.accounts[1:],
        account_kind=AccountKind.CASH if options.cash_account else AccountKind.MARGIN,
        master_client_id=options.master_client,
        cancel_delay_s=options.cancel_delay_s,
        state_file=options.state,
        data=DataOptions(
            bar_update_s=BAR_UPDATE_S,
            permission=Permission(options.data),
            pacing=PacingLimits(enforced=options.pacing),
        ),
        limit_bands=options.limit_bands,
        splits_cancel_orders=options.splits_cancel_orders,
        refuses_when_halted=options.halts_refuse_orders,
        cash=round(options.cash_usd * 1_000_000),
        host=options.host,
        port=options.port,
        speed=options.speed,
        stop_on_error=False,
    )


def screen(
    options: StandaloneOptions, port: int, prices: str, first: Session, start: datetime, symbols: tuple[str, ...]
) -> Iterator[str]:
    """What a user sees of a gateway that has started."""
    shown = ", ".join(symbols[:8]) + (", ..." if len(symbols) > 8 else "")
    local = start.astimezone(NEW_YORK)
    yield f"Simulated IB Gateway on {options.host}:{port}, server versions {MIN_VERSION}..{MAX_VERSION}"
    kind = "cash account" if options.cash_account else "margin account"
    kind += "s" if len(options.accounts) > 1 else ""
    yield f"accounts     {', '.join(options.accounts)} with {options.cash_usd:,.2f} USD each, {kind}"
    yield f"prices       {prices}: {len(symbols)} symbols ({shown})"
    yield f"session      {first.date:%A %Y-%m-%d}, it is {local:%H:%M:%S} in New York, {options.speed:g} x real time"
    if options.extended_hours:
        opens, closes = extended_bounds(first)
        yield f"hours        pre-market from {opens:%H:%M}, post-market until {closes:%H:%M}"
    if options.master_client is not None:
        yield f"master       client id {options.master_client} sees all orders"
    for name, path in (("state", options.state), ("recording", options.record)):
        if path is not None:
            yield f"{name:<12} {path}"
    if options.control_port is not None:
        yield f"control      {LOOPBACK}:{options.control_port}, lines of JSON"


async def _play(gateway: Gateway, sessions: Iterator[Session]) -> None:
    await gateway.play(sessions)
    await gateway.idle()


def _feed(options: StandaloneOptions, calendar: TradingCalendar, today: date) -> RecordedOrSynthetic:
    if options.market_data is not None:
        return recorded_feed(options.market_data, calendar, extended_hours=options.extended_hours)
    from trading.settings import StrategySettings

    symbols = options.symbols or StrategySettings.model_validate({}).watchlist_universe
    latest = today + SYNTHETIC_AHEAD
    return synthetic_feed(options.seed, symbols, calendar, latest, extended_hours=options.extended_hours)


def _first_session(
    options: StandaloneOptions, feed: RecordedOrSynthetic, calendar: TradingCalendar, today: date
) -> Session:
    if options.day is not None:
        return feed.require_session(options.day)
    return feed.latest_session() if isinstance(feed, ReplayFeed) else calendar.previous_session(today)


def _symbols(options: StandaloneOptions, feed: RecordedOrSynthetic, first: Session) -> tuple[str, ...]:
    known = feed.symbols(first.date)
    missing = [symbol for symbol in options.symbols if symbol not in known]
    if missing:
        raise Misconfigured(f"--symbols: no prices for {', '.join(missing)} on {first.date}")
    return tuple(sorted(options.symbols)) or known


def _sessions(feed: RecordedOrSynthetic, calendar: TradingCalendar, first: Session) -> Iterator[Session]:
    """`first` and all later sessions of the feed."""
    if isinstance(feed, ReplayFeed):
        for day in feed.session_dates():
            if day >= first.date:
                yield feed.require_session(day)
        return
    session, last = first, feed.latest_session()
    while session.date <= last.date:
        yield session
        session = calendar.next_session(session.date)


async def _serve_recording(options: StandaloneOptions, stop: asyncio.Event, say: Say) -> None:
    assert options.replay is not None
    recorded = read_recording(options.replay)
    if not recorded:
        raise Misconfigured(f"{options.replay}: no connection was recorded")
    server = ReplayServer(recorded, options.host, options.port, options.speed)
    port = await server.start()
    say(f"Recorded IB Gateway on {options.host}:{port}")
    say(f"recording    {options.replay}: {len(recorded)} connections, {options.speed:g} x recorded time")
    say("Ctrl-C stops it.")
    try:
        await stop.wait()
    finally:
        await server.stop()
