"""The day trader's session at every 5-second instant, for all symbols in rank order: the engine's plain form.

It looks at everything the daemon looks at, so it counts every judgement. `research.skipping` gives the same round
trips and visits only the instants that can matter; tests hold the two together, and both to the daemon.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.tapes import (
    Flags,
    Floats,
    Int64s,
    Tapes,
    known_s,
    point,
    point_second,
    published_s,
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
from trading.risk import BookState, RiskLimits, SymbolState, money_share
from trading.rules import Rule
from trading.sizing import symbol_budget
from trading.strategy import Market, Parameters

STALE_S = 90  # quotes without a tick are asked for again (broker: STALE_S)
SWEEP_AFTER_EOD_S = 20  # the session may end from here on (broker: SWEEP_AFTER_EOD_S)
RULES = 64  # room for the numbers of all rules

# columns of a round trip
TRIP_TAPE, OPENED_S, CLOSED_S, TRIP_QUANTITY, BOUGHT_FOR, SOLD_FOR, FEES, PNL, EXIT_REASON, ENTRY_PRICE = range(10)
TRIP_COLUMNS = 10
# columns of a session's outcome
EQUITY, RESULT, PEAK, TROUGH, LOSS_LATCHED, DRAWDOWN_LATCHED, LEFT_SHARES, BARS_VISITED = range(8)
DAY_COLUMNS = 8


class Account(NamedTuple):
    """What the day trader may do with the account. `limits` holds 0 for both loss limits: they follow the capital."""

    allocation_ppm: int
    max_daily_loss_pct: float
    max_drawdown_pct: float
    limits: RiskLimits
    minute_atr: bool


class Log(NamedTuple):
    """Where a run writes. Rows past the room are counted and not written: the caller asks again with more room."""

    fills: Int64s  # (room, FILL_COLUMNS)
    trips: Int64s  # (room, TRIP_COLUMNS)
    days: Int64s  # (n_sessions, DAY_COLUMNS)
    judgements: Int64s  # (n_tapes, RULES), counted by the plain form only


class Counts(NamedTuple):
    """Rows of a log that are in use."""

    fills: int
    trips: int


def session_limits(account: Account, equity: int) -> RiskLimits:
    """The limits of a session that begins with `equity` (1e-6 USD)."""
    capital = equity * account.allocation_ppm // 1_000_000
    fixed = account.limits
    return RiskLimits(
        money_share(capital, account.max_daily_loss_pct),
        money_share(capital, account.max_drawdown_pct),
        fixed.max_order_value,
        fixed.max_open_positions,
        fixed.max_entries_per_session,
        fixed.max_entries_per_symbol,
        fixed.max_entries_per_tick,
        fixed.cool_down_s,
        fixed.loss_streak,
        fixed.loss_streak_pause_s,
        fixed.last_entry_s,
        fixed.max_quote_age_s,
        fixed.max_spread_bps,
        fixed.max_cost_pct_of_target,
        fixed.volume_share_bps,
        fixed.collar_bps,
    )


def session_rates(tapes: Tapes, session: int) -> FeeSchedule:
    """The fees in force in a session."""
    row = tapes.rates[session]
    return FeeSchedule(row[0], row[1], row[2], row[3], row[4], row[5], row[6])


def equity_told(cash: int) -> int:
    """What the broker reports of an account that holds nothing: its cash in whole cents, ties to even."""
    cents, rest = cash // 10_000, cash % 10_000
    if rest > 5_000 or (rest == 5_000 and cents % 2 == 1):
        cents += 1
    return cents * 10_000


class Desk(NamedTuple):
    """State of each symbol of the running session; arrays of shape (n_symbols,) unless said otherwise."""

    next_point: Int64s
    published: Int64s  # bars published by now
    known: Int64s  # bars that the day trader has
    last: Int64s
    half: Int64s
    news_s: Int64s  # when its quote last said something new
    renewed_s: Int64s
    quiet: Flags  # its quotes were asked for again, and nothing has differed since
    sum_pv3: Int64s
    sum_volume: Int64s
    last_volume: Int64s
    rsi_ints: Int64s  # (n_symbols, 3) changes, bars, previous close
    rsi_floats: Floats  # (n_symbols, 3) average gain, average loss, value
    atr_ints: Int64s  # (n_symbols, 3) ranges, bars, previous close: of minute bars
    atr_average: Floats
    quantity: Int64s
    cost: Int64s
    entries: Int64s
    last_exit_s: Int64s
    next_sale: Int64s  # rows of the log: the sales to come of its open trip
    end_sale: Int64s
    trip_bought: Int64s
    trip_sold: Int64s
    trip_fees: Int64s
    trip_shares: Int64s
    trip_opened_s: Int64s
    trip_price: Int64s


def new_desk(symbols: int) -> Desk:
    """A flat desk before the open."""

    return Desk(
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.bool_),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros((symbols, 3), np.int64),
        np.full((symbols, 3), np.nan),
        np.zeros((symbols, 3), np.int64),
        np.zeros(symbols),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
    )


def see_market(desk: Desk, tapes: Tapes, tape: int, s: int, now_s: int) -> None:
    """Path points and publications until `now_s`, in their order: the standing price and the quote's age."""
    while True:
        at_point = point_second(tapes, tape, desk.next_point[s])
        at_bar = published_s(tapes, tape, desk.published[s])
        if min(at_point, at_bar) > now_s:
            return
        if at_point <= at_bar:
            here = point(tapes, tape, desk.next_point[s])
            desk.next_point[s] += 1
            is_news = not desk.quiet[s] or here.price != desk.last[s] or here.half != desk.half[s]
            desk.last[s] = here.price
            desk.half[s] = here.half
        else:
            volume = tapes.volume[tapes.first_bar[tape] + desk.published[s]]
            desk.published[s] += 1
            is_news = not desk.quiet[s] or volume > 0
        if is_news:
            desk.quiet[s] = False
            desk.news_s[s] = min(at_point, at_bar)


def take_bars(desk: Desk, tapes: Tapes, tape: int, s: int, now_s: int) -> None:
    """Indicators over the bars that the day trader has by `now_s`."""
    while known_s(tapes, tape, desk.known[s]) <= now_s:
        bar = tapes.first_bar[tape] + desk.known[s]
        entering = typical_volume3(tapes.high[bar], tapes.low[bar], tapes.close[bar], tapes.volume[bar])
        leaving, leaving_volume = 0, 0
        if desk.known[s] >= VWAP_BARS:
            old = bar - VWAP_BARS
            leaving = typical_volume3(tapes.high[old], tapes.low[old], tapes.close[old], tapes.volume[old])
            leaving_volume = tapes.volume[old]
        sums = vwap_step(
            VwapState(desk.sum_pv3[s], desk.sum_volume[s]), entering, tapes.volume[bar], leaving, leaving_volume
        )
        desk.sum_pv3[s], desk.sum_volume[s] = sums.sum_pv3, sums.sum_volume
        ints, floats = desk.rsi_ints[s], desk.rsi_floats[s]
        if desk.known[s] == 0:
            floats[0], floats[1] = 0.0, 0.0
        rsi = rsi_step(RsiState(ints[0], ints[1], ints[2], floats[0], floats[1]), tapes.close[bar])
        ints[0], ints[1], ints[2] = rsi.changes, rsi.bars, rsi.previous_close
        floats[0], floats[1], floats[2] = rsi.average_gain, rsi.average_loss, rsi_value(rsi)
        ranges = desk.atr_ints[s]
        atr = atr_step(
            AtrState(ranges[0], ranges[1], ranges[2], desk.atr_average[s]),
            tapes.high[bar],
            tapes.low[bar],
            tapes.close[bar],
        )
        ranges[0], ranges[1], ranges[2] = atr.ranges, atr.bars, atr.previous_close
        desk.atr_average[s] = atr.average
        desk.last_volume[s] = tapes.volume[bar]
        desk.known[s] += 1


def market_of(desk: Desk, tapes: Tapes, account: Account, tape: int, s: int, now_s: int) -> Market:
    """One symbol as the rules see it."""
    last, half = desk.last[s], desk.half[s]
    bid, ask = 0, 0
    if last > 0:
        bid, ask = bid_at(last, half), ask_at(last, half)
    if account.minute_atr:
        atr = AtrState(desk.atr_ints[s, 0], 0, 0, desk.atr_average[s])
    else:
        atr = AtrState(tapes.atr_ranges[tape], 0, 0, tapes.atr_average[tape])
    return Market(
        last,
        bid,
        ask,
        desk.known[s],
        desk.last_volume[s],
        VwapState(desk.sum_pv3[s], desk.sum_volume[s]),
        desk.rsi_floats[s, 2],
        atr_pct(atr, last),
        now_s - desk.news_s[s],
        False,
        False,
    )


def play_session(
    tapes: Tapes, session: int, equity: int, parameters: Parameters, account: Account, log: Log, counts: Counts
) -> Counts:
    """One session from the open to the end; what happened is in the log."""
    first = tapes.first_tape[session]
    symbols = tapes.first_tape[session + 1] - first
    open_s, eod_s, close_s = tapes.open_s[session], tapes.eod_s[session], tapes.close_s[session]
    limits, rates = session_limits(account, equity), session_rates(tapes, session)
    budget = symbol_budget(equity, account.allocation_ppm, symbols)
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
                if desk.next_sale[s] < desk.end_sale[s] and log.fills[desk.next_sale[s], SECOND] < due_s:
                    due, due_s = s, log.fills[desk.next_sale[s], SECOND]
            if due < 0:
                break
            s = due
            row = log.fills[desk.next_sale[s]]
            desk.next_sale[s] += 1
            sale = sold(Position(desk.quantity[s], desk.cost[s]), row[QUANTITY], row[PRICE])
            desk.quantity[s], desk.cost[s] = sale.position.quantity, sale.position.cost
            realised += sale.realised - row[FEE]
            desk.trip_sold[s] += notional(row[PRICE], row[QUANTITY])
            desk.trip_fees[s] += row[FEE]
            if desk.quantity[s] == 0:
                pnl = desk.trip_sold[s] - desk.trip_bought[s] - desk.trip_fees[s]
                losses = losses + 1 if pnl < 0 else 0
                last_closed_s = row[SECOND]
                desk.last_exit_s[s] = last_closed_s
                open_positions -= 1
                if n_trips < len(log.trips):
                    trip = log.trips[n_trips]
                    trip[TRIP_TAPE], trip[OPENED_S], trip[CLOSED_S] = first + s, desk.trip_opened_s[s], last_closed_s
                    trip[TRIP_QUANTITY], trip[BOUGHT_FOR] = desk.trip_shares[s], desk.trip_bought[s]
                    trip[SOLD_FOR], trip[FEES], trip[PNL] = desk.trip_sold[s], desk.trip_fees[s], pnl
                    trip[EXIT_REASON], trip[ENTRY_PRICE] = row[REASON], desk.trip_price[s]
                n_trips += 1
        if now_s >= eod_s + SWEEP_AFTER_EOD_S and open_positions == 0:
            break
        for s in range(symbols):
            see_market(desk, tapes, first + s, s, now_s)
            take_bars(desk, tapes, first + s, s, now_s)
        # the day trader now
        standing = 0
        for s in range(symbols):
            if desk.quantity[s] > 0:
                standing += unrealised(Position(desk.quantity[s], desk.cost[s]), bid_at(desk.last[s], desk.half[s]))
        money = marked(money, realised + standing, limits.max_daily_loss, limits.max_drawdown)
        for s in range(symbols):
            if now_s - max(desk.news_s[s], desk.renewed_s[s], open_s) > STALE_S:
                desk.renewed_s[s] = now_s
                desk.quiet[s] = True
        if now_s >= eod_s:
            continue
        committed = 0
        for s in range(symbols):
            committed += desk.cost[s]
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
            )
            market = market_of(desk, tapes, account, tape, s, now_s)
            state = SymbolState(desk.quantity[s], False, desk.entries[s], desk.last_exit_s[s])
            verdict = judge_entry(market, state, book, budget, free, parameters, limits, rates)
            log.judgements[tape, verdict.rule] += 1
            if verdict.rule != Rule.APPROVED:
                continue
            at_once += 1
            entries += 1
            open_positions += 1
            desk.entries[s] += 1
            committed += notional(verdict.collar, verdict.quantity)
            free = free_capital(equity, money.pnl, account.allocation_ppm, committed)
            entry = Entry(
                tape,
                now_s,
                verdict.quantity,
                market.ask,
                market.last,
                desk.half[s],
                desk.next_point[s],
                desk.published[s],
            )
            before = n_fills
            n_fills = follow_trip(tapes, entry, parameters, eod_s, close_s, rates, log.fills, n_fills)
            if n_fills > len(log.fills):
                return Counts(n_fills, n_trips)  # no room: the caller asks again
            fee = log.fills[before, FEE]
            held = with_fee(bought(Position(0, 0), verdict.quantity, market.ask), fee)
            desk.quantity[s], desk.cost[s] = held.quantity, held.cost
            desk.next_sale[s], desk.end_sale[s] = before + 1, n_fills
            desk.trip_bought[s], desk.trip_sold[s] = notional(market.ask, verdict.quantity), 0
            desk.trip_fees[s], desk.trip_shares[s] = fee, verdict.quantity
            desk.trip_opened_s[s], desk.trip_price[s] = now_s, market.ask
    day = log.days[session]
    day[EQUITY], day[RESULT], day[PEAK], day[TROUGH] = equity, realised, money.peak, money.trough
    day[LOSS_LATCHED], day[DRAWDOWN_LATCHED] = money.loss_latched, money.drawdown_latched
    day[LEFT_SHARES] = desk.quantity.sum()
    day[BARS_VISITED] = tapes.first_bar[first + symbols] - tapes.first_bar[first]
    return Counts(n_fills, n_trips)


def play_every_instant(
    tapes: Tapes, equity: int, parameters: Parameters, account: Account, log: Log
) -> Counts:
    """All sessions, one after the other on one account; the rows that the log needs."""
    counts = Counts(0, 0)
    cash = equity
    for session in range(len(tapes.open_s)):
        counts = play_session(tapes, session, equity_told(cash), parameters, account, log, counts)
        if counts.fills > len(log.fills):
            return counts
        cash += log.days[session, RESULT]
    return counts
