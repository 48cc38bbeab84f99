"""The day trader's session at every 5-second instant, for all symbols in rank order: the engine's plain form.

It looks at everything the daemon looks at, so it counts every judgement. `research.skipping` gives the same round
trips and visits only the instants that can matter; tests hold the two together, and both to the daemon.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.tapes import (
    ATR_RANGES,
    CLOSE,
    CLOSE_S,
    END_BAR,
    END_TAPE,
    EOD_S,
    FIRST_BAR,
    FIRST_RATE,
    FIRST_TAPE,
    HIGH,
    LOW,
    OPEN_S,
    VOLUME,
    Floats,
    Int64s,
    Tapes,
    known_s,
    lent,
    point,
    point_second,
    published_s,
    unowned,
)
from research.trips import FEE, PRICE, QUANTITY, REASON, SECOND, TICK_S, Entry, follow_trip
from trading.costs import FeeSchedule
from trading.day_money import Marked, free_capital, marked, pause_end, unrealised
from trading.indicators import (
    VWAP_BARS,
    AtrState,
    RsiState,
    VwapState,
    atr_pct,
    atr_step,
    rsi_step,
    rsi_value,
    typical_volume3,
    vwap_step,
)
from trading.judgement import judge_entry
from trading.ledger import Position, bought, sold, with_fee
from trading.matching import ask_at, bid_at
from trading.money import notional
from trading.risk import NO_LIMIT, PPM, BookState, MoneyShares, RiskLimits, SymbolState, session_limits
from trading.rules import Rule
from trading.sizing import symbol_budget
from trading.strategy import Market, Parameters

HEALTH_CHECK_S = 60  # the rhythm in which the day trader looks at its own health
STALE_S = 90  # quotes that are so old at a check are asked for again (health: DATA_AGE)
SWEEP_AFTER_EOD_S = 20  # the session may end from here on (broker: SWEEP_AFTER_EOD_S)
RULES = 64  # room for the numbers of all rules

# columns of a round trip
TRIP_TAPE, OPENED_S, CLOSED_S, TRIP_QUANTITY, BOUGHT_FOR, SOLD_FOR, FEES, PNL, EXIT_REASON, ENTRY_PRICE = range(10)
TRIP_COLUMNS = 10
# columns of a session's outcome
EQUITY, RESULT, PEAK, TROUGH, LOSS_LATCHED, DRAWDOWN_LATCHED, LEFT_SHARES, BARS_VISITED = range(8)
DAY_COLUMNS = 8


class Account(NamedTuple):
    """What the day trader may do with the account."""

    allocation_ppm: int
    limits: RiskLimits  # before the money of a session is known
    shares: MoneyShares
    minute_atr: bool


class Log(NamedTuple):
    """Where a run writes. Rows past the room are counted and not written: the caller asks again with more room."""

    fills: Int64s  # (room, FILL_COLUMNS)
    trips: Int64s  # (room, TRIP_COLUMNS)
    days: Int64s  # (n_sessions, DAY_COLUMNS)
    judgements: Int64s  # (n_tapes, RULES), counted by the plain form only


def lent_log(log: Log) -> Log:
    """The same log for the time of one call: see `tapes.unowned`."""
    return Log(unowned(log.fills), unowned(log.trips), unowned(log.days), unowned(log.judgements))


class Counts(NamedTuple):
    """Rows of a log that are in use."""

    fills: int
    trips: int


def account_limits(account: Account, equity: int) -> RiskLimits:
    """The limits of a session that begins with `equity` (1e-6 USD)."""
    capital = equity * account.allocation_ppm // 1_000_000
    return session_limits(account.limits, account.shares, capital, equity)


def session_rates(tapes: Tapes, session: int) -> FeeSchedule:
    """The fees in force in a session."""
    row = tapes.sessions[session, FIRST_RATE:]
    return FeeSchedule(row[0], row[1], row[2], row[3], row[4], row[5], row[6])


def equity_told(cash: int) -> int:
    """What the broker reports of an account that holds nothing: its cash in whole cents, ties to even."""
    cents, rest = cash // 10_000, cash % 10_000
    if rest > 5_000 or (rest == 5_000 and cents % 2 == 1):
        cents += 1
    return cents * 10_000


# columns of `Desk.ints`: what the market showed and the day trader has of it
NEXT_POINT, PUBLISHED, KNOWN, LAST, HALF, NEWS_S, QUIET, SUM_PV3, SUM_VOLUME, LAST_VOLUME = range(10)
RSI_CHANGES, RSI_SEEN, RSI_CLOSE, ATR_SEEN, ATR_BARS_SEEN, ATR_CLOSE = range(10, 16)
# the position, the rows of the log that hold its sales to come, and its open round trip
SHARES, COST, ENTRIES, LAST_EXIT_S, NEXT_SALE, END_SALE = range(16, 22)
OPEN_BOUGHT, OPEN_SOLD, OPEN_FEES, OPEN_SHARES, OPEN_SINCE_S, OPEN_PRICE = range(22, 28)
DESK_INTS = 28
# columns of `Desk.floats`
GAIN, LOSS, RSI, ATR = range(4)
DESK_FLOATS = 4


class Desk(NamedTuple):
    """State of each symbol of the running session: `ints` (n_symbols, DESK_INTS), `floats` (n_symbols, DESK_FLOATS).

    PUBLISHED counts the bars that are public, KNOWN those that the day trader has. QUIET: its quotes were asked for
    again, and nothing has differed since.
    """

    ints: Int64s
    floats: Floats


def new_desk(symbols: int) -> Desk:
    """A flat desk before the open."""
    desk = Desk(np.zeros((symbols, DESK_INTS), np.int64), np.zeros((symbols, DESK_FLOATS)))
    desk.floats[:, RSI] = np.nan
    return desk


def see_market(desk: Desk, tapes: Tapes, tape: int, s: int, now_s: int) -> None:
    """Path points and publications until `now_s`, in their order: the standing price and the quote's age."""
    while True:
        at_point = point_second(tapes, tape, desk.ints[s, NEXT_POINT])
        at_bar = published_s(tapes, tape, desk.ints[s, PUBLISHED])
        if min(at_point, at_bar) > now_s:
            return
        if at_point <= at_bar:
            here = point(tapes, tape, desk.ints[s, NEXT_POINT])
            desk.ints[s, NEXT_POINT] += 1
            is_news = desk.ints[s, QUIET] == 0 or here.price != desk.ints[s, LAST] or here.half != desk.ints[s, HALF]
            desk.ints[s, LAST] = here.price
            desk.ints[s, HALF] = here.half
        else:
            volume = tapes.bars[VOLUME, tapes.tapes[tape, FIRST_BAR] + desk.ints[s, PUBLISHED]]
            desk.ints[s, PUBLISHED] += 1
            is_news = desk.ints[s, QUIET] == 0 or volume > 0
        if is_news:
            desk.ints[s, QUIET] = 0
            desk.ints[s, NEWS_S] = min(at_point, at_bar)


def take_bars(desk: Desk, tapes: Tapes, tape: int, s: int, now_s: int) -> None:
    """Indicators over the bars that the day trader has by `now_s`."""
    while known_s(tapes, tape, desk.ints[s, KNOWN]) <= now_s:
        bar = tapes.tapes[tape, FIRST_BAR] + desk.ints[s, KNOWN]
        entering = typical_volume3(
            tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar], tapes.bars[VOLUME, bar]
        )
        leaving, leaving_volume = 0, 0
        if desk.ints[s, KNOWN] >= VWAP_BARS:
            old = bar - VWAP_BARS
            leaving = typical_volume3(
                tapes.bars[HIGH, old], tapes.bars[LOW, old], tapes.bars[CLOSE, old], tapes.bars[VOLUME, old]
            )
            leaving_volume = tapes.bars[VOLUME, old]
        sums = vwap_step(
            VwapState(desk.ints[s, SUM_PV3], desk.ints[s, SUM_VOLUME]),
            entering,
            tapes.bars[VOLUME, bar],
            leaving,
            leaving_volume,
        )
        desk.ints[s, SUM_PV3], desk.ints[s, SUM_VOLUME] = sums.sum_pv3, sums.sum_volume
        ints, floats = desk.ints[s], desk.floats[s]
        rsi = rsi_step(
            RsiState(ints[RSI_CHANGES], ints[RSI_SEEN], ints[RSI_CLOSE], floats[GAIN], floats[LOSS]),
            tapes.bars[CLOSE, bar],
        )
        ints[RSI_CHANGES], ints[RSI_SEEN], ints[RSI_CLOSE] = rsi.changes, rsi.bars, rsi.previous_close
        floats[GAIN], floats[LOSS], floats[RSI] = rsi.average_gain, rsi.average_loss, rsi_value(rsi)
        atr = atr_step(
            AtrState(ints[ATR_SEEN], ints[ATR_BARS_SEEN], ints[ATR_CLOSE], floats[ATR]),
            tapes.bars[HIGH, bar],
            tapes.bars[LOW, bar],
            tapes.bars[CLOSE, bar],
        )
        ints[ATR_SEEN], ints[ATR_BARS_SEEN], ints[ATR_CLOSE] = atr.ranges, atr.bars, atr.previous_close
        floats[ATR] = atr.average
        desk.ints[s, LAST_VOLUME] = tapes.bars[VOLUME, bar]
        desk.ints[s, KNOWN] += 1


def market_of(desk: Desk, tapes: Tapes, account: Account, tape: int, s: int, now_s: int) -> Market:
    """One symbol as the rules see it."""
    last, half = desk.ints[s, LAST], desk.ints[s, HALF]
    bid, ask = 0, 0
    if last > 0:
        bid, ask = bid_at(last, half), ask_at(last, half)
    if account.minute_atr:
        atr = AtrState(desk.ints[s, ATR_SEEN], 0, 0, desk.floats[s, ATR])
    else:
        atr = AtrState(tapes.tapes[tape, ATR_RANGES], 0, 0, tapes.atr[tape])
    return Market(
        last,
        bid,
        ask,
        desk.ints[s, KNOWN],
        desk.ints[s, LAST_VOLUME],
        VwapState(desk.ints[s, SUM_PV3], desk.ints[s, SUM_VOLUME]),
        desk.floats[s, RSI],
        atr_pct(atr, last),
        now_s - desk.ints[s, NEWS_S],
        False,
        False,
    )


def play_session(
    tapes: Tapes, session: int, equity: int, parameters: Parameters, account: Account, log: Log, counts: Counts
) -> Counts:
    """One session from the open to the end; what happened is in the log."""
    first = tapes.sessions[session, FIRST_TAPE]
    symbols = tapes.sessions[session, END_TAPE] - first
    open_s, eod_s, close_s = (
        tapes.sessions[session, OPEN_S],
        tapes.sessions[session, EOD_S],
        tapes.sessions[session, CLOSE_S],
    )
    limits, rates = account_limits(account, equity), session_rates(tapes, session)
    budget = symbol_budget(equity, account.allocation_ppm, symbols, parameters.position_bps)
    desk = new_desk(symbols)
    money = Marked(0, 0, 0, False, False)
    realised, entries, losses, last_closed_s = 0, 0, 0, 0
    n_fills, n_trips = counts.fills, counts.trips
    open_positions = 0
    for now_s in range(open_s, close_s, TICK_S):
        # the exchange until now
        while open_positions:
            due, due_s = -1, now_s + 1
            for s in range(symbols):
                if (
                    desk.ints[s, NEXT_SALE] < desk.ints[s, END_SALE]
                    and log.fills[desk.ints[s, NEXT_SALE], SECOND] < due_s
                ):
                    due, due_s = s, log.fills[desk.ints[s, NEXT_SALE], SECOND]
            if due < 0:
                break
            s = due
            row = log.fills[desk.ints[s, NEXT_SALE]]
            desk.ints[s, NEXT_SALE] += 1
            sale = sold(Position(desk.ints[s, SHARES], desk.ints[s, COST]), row[QUANTITY], row[PRICE])
            desk.ints[s, SHARES], desk.ints[s, COST] = sale.position.quantity, sale.position.cost
            realised += sale.realised - row[FEE]
            desk.ints[s, OPEN_SOLD] += notional(row[PRICE], row[QUANTITY])
            desk.ints[s, OPEN_FEES] += row[FEE]
            if desk.ints[s, SHARES] == 0:
                pnl = desk.ints[s, OPEN_SOLD] - desk.ints[s, OPEN_BOUGHT] - desk.ints[s, OPEN_FEES]
                losses = losses + 1 if pnl < 0 else 0
                last_closed_s = row[SECOND]
                desk.ints[s, LAST_EXIT_S] = last_closed_s
                open_positions -= 1
                if n_trips < len(log.trips):
                    trip = log.trips[n_trips]
                    trip[TRIP_TAPE], trip[OPENED_S], trip[CLOSED_S] = (
                        first + s,
                        desk.ints[s, OPEN_SINCE_S],
                        last_closed_s,
                    )
                    trip[TRIP_QUANTITY], trip[BOUGHT_FOR] = desk.ints[s, OPEN_SHARES], desk.ints[s, OPEN_BOUGHT]
                    trip[SOLD_FOR], trip[FEES], trip[PNL] = desk.ints[s, OPEN_SOLD], desk.ints[s, OPEN_FEES], pnl
                    trip[EXIT_REASON], trip[ENTRY_PRICE] = row[REASON], desk.ints[s, OPEN_PRICE]
                n_trips += 1
        if now_s >= eod_s + SWEEP_AFTER_EOD_S and open_positions == 0:
            break
        for s in range(symbols):
            see_market(desk, tapes, first + s, s, now_s)
            take_bars(desk, tapes, first + s, s, now_s)
        # the day trader now
        standing = 0
        for s in range(symbols):
            if desk.ints[s, SHARES] > 0:
                standing += unrealised(
                    Position(desk.ints[s, SHARES], desk.ints[s, COST]), bid_at(desk.ints[s, LAST], desk.ints[s, HALF])
                )
        money = marked(money, realised + standing, limits.max_daily_loss, limits.max_drawdown)
        if (now_s - open_s) % HEALTH_CHECK_S == 0:
            for s in range(symbols):
                if now_s - max(desk.ints[s, NEWS_S], open_s) >= STALE_S:
                    desk.ints[s, QUIET] = 1
        if now_s >= eod_s:
            continue
        committed = 0
        for s in range(symbols):
            committed += desk.ints[s, COST]
        free = free_capital(equity, money.pnl, account.allocation_ppm, committed)
        pause_s = pause_end(losses, last_closed_s, limits.loss_streak, limits.loss_streak_pause_s)
        at_once = 0
        for s in range(symbols):
            tape = first + s
            book = BookState(
                now_s,
                close_s,
                open_positions,
                entries,
                at_once,
                pause_s,
                money.loss_latched,
                money.drawdown_latched,
                False,
                NO_LIMIT,
                -1,
                open_positions,
            )
            market = market_of(desk, tapes, account, tape, s, now_s)
            state = SymbolState(
                desk.ints[s, SHARES], False, desk.ints[s, ENTRIES], desk.ints[s, LAST_EXIT_S], False, PPM
            )
            verdict = judge_entry(market, state, book, budget, free, parameters, limits, rates)
            log.judgements[tape, verdict.rule] += 1
            if verdict.rule != Rule.APPROVED:
                continue
            at_once += 1
            entries += 1
            open_positions += 1
            desk.ints[s, ENTRIES] += 1
            committed += verdict.capital
            free = free_capital(equity, money.pnl, account.allocation_ppm, committed)
            entry = Entry(
                tape,
                now_s,
                verdict.quantity,
                market.ask,
                market.last,
                desk.ints[s, HALF],
                desk.ints[s, NEXT_POINT],
                desk.ints[s, PUBLISHED],
            )
            before = n_fills
            n_fills = follow_trip(tapes, entry, parameters, eod_s, close_s, rates, log.fills, n_fills)
            if n_fills > len(log.fills):
                return Counts(n_fills, n_trips)  # no room: the caller asks again
            fee = log.fills[before, FEE]
            held = with_fee(bought(Position(0, 0), verdict.quantity, market.ask), fee)
            desk.ints[s, SHARES], desk.ints[s, COST] = held.quantity, held.cost
            desk.ints[s, NEXT_SALE], desk.ints[s, END_SALE] = before + 1, n_fills
            desk.ints[s, OPEN_BOUGHT], desk.ints[s, OPEN_SOLD] = notional(market.ask, verdict.quantity), 0
            desk.ints[s, OPEN_FEES], desk.ints[s, OPEN_SHARES] = fee, verdict.quantity
            desk.ints[s, OPEN_SINCE_S], desk.ints[s, OPEN_PRICE] = now_s, market.ask
    day = log.days[session]
    day[EQUITY], day[RESULT], day[PEAK], day[TROUGH] = equity, realised, money.peak, money.trough
    day[LOSS_LATCHED], day[DRAWDOWN_LATCHED] = money.loss_latched, money.drawdown_latched
    day[LEFT_SHARES] = desk.ints[:, SHARES].sum()
    day[BARS_VISITED] = tapes.tapes[first + symbols - 1, END_BAR] - tapes.tapes[first, FIRST_BAR]
    return Counts(n_fills, n_trips)


def play_every_instant(tapes: Tapes, equity: int, parameters: Parameters, account: Account, log: Log) -> Counts:
    """All sessions, one after the other on one account; the rows that the log needs."""
    tapes, log = lent(tapes), lent_log(log)
    counts = Counts(0, 0)
    cash = equity
    for session in range(len(tapes.sessions)):
        counts = play_session(tapes, session, equity_told(cash), parameters, account, log, counts)
        if counts.fills > len(log.fills):
            return counts
        cash += log.days[session, RESULT]
    return counts
