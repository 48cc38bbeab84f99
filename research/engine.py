"""Simulating sessions: bars, parameters and an account in; round trips, session results and judgements out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from research import sessions as plain
from research import skipping
from research.board import Board, new_board
from research.compiled import compiled
from research.indicators import Scratch, new_scratch
from research.sessions import DAY_COLUMNS, RULES, TRIP_COLUMNS, Account, Counts, Log
from research.source import Bars
from research.tapes import END_BAR, END_TAPE, FIRST_BAR, FIRST_TAPE, Int64s
from research.trips import FILL_COLUMNS, REASONS
from trading.book import RoundTrip
from trading.rules import rule_name
from trading.settings import RiskSettings
from trading.strategy import Parameters
from utils import Misconfigured

LARGEST_INT = 2**63 - 1
LEAST_ROOM = 4_096  # rows of a log; a session that needs more is played again
EQUITY_MAY_GROW = 2  # times: room for sums in 64 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run did. `fills`, `trips` and `days` are rows of `research.trips` and `research.sessions`.

    `judgements` has shape (n_tapes, RULES); only `simulate_every_instant` fills it.
    """

    bars: Bars
    fills: Int64s
    trips: Int64s
    days: Int64s
    judgements: Int64s

    def round_trips(self) -> list[RoundTrip]:
        """All closed round trips in the order in which they closed, as the day trader's book tells them."""
        return [
            RoundTrip(
                symbol=self.bars.symbol_of(row[plain.TRIP_TAPE]),
                opened_s=row[plain.OPENED_S],
                closed_s=row[plain.CLOSED_S],
                quantity=row[plain.TRIP_QUANTITY],
                bought_for=row[plain.BOUGHT_FOR],
                sold_for=row[plain.SOLD_FOR],
                fees=row[plain.FEES],
                pnl=row[plain.PNL],
                exit_reason=REASONS[row[plain.EXIT_REASON]],
            )
            for row in self.trips.tolist()
        ]

    def denials(self, tape: int | None = None) -> dict[str, int]:
        """rule name -> judgements, of one tape or of all; empty unless judgements were counted."""
        counts = self.judgements.sum(axis=0) if tape is None else self.judgements[tape]
        return {rule_name(rule): int(count) for rule, count in enumerate(counts) if count}

    @property
    def pnl(self) -> int:
        """Net result of all sessions in 1e-6 USD."""
        return int(self.days[:, plain.RESULT].sum())


class Plan(NamedTuple):
    """An account: its money in 1e-6 USD and what the day trader may do with it."""

    equity: int
    account: Account


def plan(equity_usd: float, allocation: float, risk: RiskSettings, *, minute_atr: bool = False) -> Plan:
    """An account with the limits of `risk`. Raises Misconfigured when its sums would not fit into 64 bits."""
    equity, ppm = round(equity_usd * 1_000_000), round(allocation * 1_000_000)
    if equity <= 0 or equity * EQUITY_MAY_GROW * ppm > LARGEST_INT:
        most = LARGEST_INT // EQUITY_MAY_GROW // ppm // 1_000_000
        raise Misconfigured(f"an equity of {equity_usd:,.0f} USD is not within 1 … {most:,} USD")
    account = Account(
        allocation_ppm=ppm,
        limits=risk.fixed_limits(),
        shares=risk.money_shares(),
        minute_atr=minute_atr,
    )
    return Plan(equity, account)


def simulate(bars: Bars, parameters: Parameters, on: Plan) -> Outcome:
    """All sessions one after the other on one account, as fast as can be; judgements are not counted."""
    play = compiled(skipping.play_all)
    scratch, board = buffers(bars)

    def run(log: Log) -> Counts:
        return play(bars.tapes, on.equity, _typed(parameters), on.account, log, scratch, board)

    return _with_room(bars, run)


def simulate_plainly(bars: Bars, parameters: Parameters, on: Plan) -> Outcome:
    """The same without compiling anything: for a session or two, which take less time than the compiler."""
    scratch, board = buffers(bars)
    return _with_room(
        bars, lambda log: skipping.play_all(bars.tapes, on.equity, _typed(parameters), on.account, log, scratch, board)
    )


def buffers(bars: Bars) -> tuple[Scratch, Board]:
    """What the quick form works in, for all sessions of these bars."""
    columns = bars.tapes.tapes
    longest = int((columns[:, END_BAR] - columns[:, FIRST_BAR]).max())
    most = int((bars.tapes.sessions[:, END_TAPE] - bars.tapes.sessions[:, FIRST_TAPE]).max())
    return new_scratch(most + skipping.BLOCK_TAPES, longest), new_board(most)


def simulate_every_instant(bars: Bars, parameters: Parameters, on: Plan) -> Outcome:
    """The same, looking at every 5-second instant: slower, with all judgements counted and every mark made."""
    play = compiled(plain.play_every_instant)
    return _with_room(bars, lambda log: play(bars.tapes, on.equity, _typed(parameters), on.account, log))


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOutcome:
    """What each set of parameters brought: `results` (n_sets, n_sessions) in 1e-6 USD, `trips` (n_sets,)."""

    results: Int64s
    trips: Int64s


def sweep(bars: Bars, sets: Sequence[Parameters], on: Plan) -> SweepOutcome:
    """All sessions under each set of parameters, each on an account of its own; equal sets are played once."""
    distinct = {parameters: number for number, parameters in enumerate(dict.fromkeys(map(_typed, sets)))}
    play = compiled(skipping.play_sets)
    scratch, board = buffers(bars)
    rows = np.array(list(distinct), dtype=np.float64)
    room = LEAST_ROOM
    while True:
        results = np.zeros((len(rows), len(bars.dates)), np.int64)
        trips = np.zeros(len(rows), np.int64)
        log = _new_log(bars, room, room)
        needed = play(bars.tapes, on.equity, rows, on.account, log, scratch, board, results, trips)
        if needed <= room:
            break
        room = 2 * needed
    places = [distinct[_typed(parameters)] for parameters in sets]
    return SweepOutcome(results=results[places], trips=trips[places])


def _new_log(bars: Bars, fills: int, trips: int) -> Log:
    return Log(
        fills=np.empty((fills, FILL_COLUMNS), np.int64),
        trips=np.empty((trips, TRIP_COLUMNS), np.int64),
        days=np.zeros((len(bars.dates), DAY_COLUMNS), np.int64),
        judgements=np.zeros((bars.n_tapes, RULES), np.int64),
    )


def _typed(parameters: Parameters) -> Parameters:
    """With the number types that compiled code was made for."""
    return Parameters(
        int(parameters.profit_target_bps),
        int(parameters.stop_loss_bps),
        float(parameters.rsi_cap),
        float(parameters.atr_floor_pct),
        int(parameters.position_bps),
    )


def _with_room(bars: Bars, run: Callable[[Log], Counts]) -> Outcome:
    """The outcome of a run, which is repeated with more room when its log was full."""
    fills_room = trips_room = LEAST_ROOM + bars.n_bars // 32
    while True:
        log = _new_log(bars, fills_room, trips_room)
        used = run(log)
        if used.fills <= fills_room and used.trips <= trips_room:
            break
        fills_room, trips_room = 2 * max(used.fills, fills_room), 2 * max(used.trips, trips_room)
    return Outcome(
        bars=bars,
        fills=log.fills[: used.fills],
        trips=log.trips[: used.trips],
        days=log.days,
        judgements=log.judgements,
    )
