"""The same session as `research.sessions`, visiting only what can matter: the engine's quick form.

Why nothing is lost:
- A flat symbol can only be bought in a window of constant price (a bar shows three before the next one replaces the
  last) whose price is above the VWAP while the RSI is below the cap. `Scratch.heat` tells bars without such a window.
- A verdict that depends on the clock alone (cool-down, pause) is asked again when its time is over; one that depends
  on the account (positions, pause) also when something was sold; all others when the price has changed.
- The fate of a position depends on its own tape, so it is followed to its end at once (`research.trips`). Bars that
  touch neither stop nor target change nothing.
- Loss and drawdown latch on the sum of all positions. While every open position is between its stop and its target
  the sum is bounded; as long as no bound reaches a limit there is no instant to look at. Where one does, the session
  is played again with every mark made.
Sessions with a path of their own, prices near a dollar (where the tick changes) or bars without trades are played
in the plain form.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.indicators import SEED_BARS, Scratch, look_at_tapes, new_scratch
from research.sessions import (
    BARS_VISITED,
    BOUGHT_FOR,
    CLOSED_S,
    DRAWDOWN_LATCHED,
    ENTRY_PRICE,
    EQUITY,
    EXIT_REASON,
    FEES,
    LEFT_SHARES,
    LOSS_LATCHED,
    OPENED_S,
    PNL,
    RESULT,
    SOLD_FOR,
    STALE_S,
    TRIP_QUANTITY,
    TRIP_TAPE,
    Account,
    Counts,
    Log,
    equity_told,
    play_session,
    session_limits,
    session_rates,
)
from research.tapes import NEVER_S, Flags, Floats, Int64s, Tapes, follows_from_minutes
from research.trips import FEE, PRICE, QUANTITY, REASON, SECOND, TICK_S, Entry, follow_trip
from trading.day_money import Marked, free_capital, marked, pause_end, unrealised
from trading.indicators import RSI_BARS, VWAP_BARS, AtrState, RsiState, VwapState, atr_pct, rsi_value
from trading.judgement import judge_entry
from trading.ledger import Position, bought, sold, with_fee
from trading.matching import (
    BAR_SECONDS,
    ask_at,
    bid_at,
    entry_stop_price,
    entry_target_price,
    half_spread,
    path_prices,
    volume_left,
)
from trading.money import notional
from trading.risk import BookState, SymbolState
from trading.rules import Rule
from trading.sizing import symbol_budget
from trading.strategy import Market, Parameters

WINDOW_S = 20  # how long a bar shows each of its first three prices
IN_GAP = 3  # the window after a bar that no other follows at once: its close stands
BLOCK_TAPES = 4  # at least so many tapes have their indicators made together
LOWEST_PRICE = 11_000  # 1.10 USD: half-spreads grow with the price above it
PLAYED, NEEDS_MARKS, NEEDS_ROOM = 0, 1, 2


class Board(NamedTuple):
    """State of each symbol of the running session, used again in every one; arrays of shape (n_symbols,)."""

    bar: Int64s  # the window to look at next: bar and place in it
    window: Int64s
    candidate_s: Int64s  # when that window may be judged; NEVER_S: not again today
    sale_s: Int64s  # second of its next sale; NEVER_S: none to come
    next_sale: Int64s  # rows of the log
    end_sale: Int64s
    quantity: Int64s
    cost: Int64s
    entries: Int64s
    last_exit_s: Int64s
    trip: Int64s  # (n_symbols, TRIP_COLUMNS): its open round trip
    lowest: Int64s  # bounds of what its position is worth at bid, less its cost
    highest: Int64s


def new_board(symbols: int) -> Board:
    """Room for sessions of up to `symbols` symbols."""
    return Board(
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
        np.zeros((symbols, ENTRY_PRICE + 1), np.int64),
        np.zeros(symbols, np.int64),
        np.zeros(symbols, np.int64),
    )


def can_skip(tapes: Tapes, tape: int) -> bool:
    """Whether a tape is of the kind that the quick form knows."""
    if not follows_from_minutes(tapes, tape):
        return False
    for i in range(tapes.first_bar[tape], tapes.first_bar[tape + 1]):
        if tapes.low[i] < LOWEST_PRICE or (tapes.volume[i] == 0 and tapes.low[i] == tapes.high[i]):
            return False
    return True


def quick_sessions(tapes: Tapes, minute_atr: bool) -> Flags:
    """Which sessions can be played in the quick form, (n_sessions,)."""
    quick = np.ones(len(tapes.open_s), np.bool_)
    for session in range(len(tapes.open_s)):
        for tape in range(tapes.first_tape[session], tapes.first_tape[session + 1]):
            if minute_atr or not can_skip(tapes, tape):
                quick[session] = False
    return quick


def on_grid(second: int, open_s: int) -> int:
    """The day trader's first instant at or after `second`."""
    return open_s + -((open_s - second) // TICK_S) * TICK_S


def bar_at(start_s: Int64s, second: int) -> int:
    """Number of the last bar that started at or before `second`; -1 before the first."""
    guess = (second - start_s[0]) // BAR_SECONDS
    if 0 <= guess < len(start_s) and start_s[guess] == start_s[0] + guess * BAR_SECONDS:
        return guess
    low, high = 0, len(start_s)
    while low < high:
        middle = (low + high) // 2
        if start_s[middle] <= second:
            low = middle + 1
        else:
            high = middle
    return low - 1


def shown_price(open_: int, high: int, low: int, close: int, window: int) -> int:
    """The price that stands in a window of a bar."""
    return path_prices(open_, high, low, close)[window]


def price_at(tapes: Tapes, tape: int, second: int) -> int:
    """The standing price at one of the day trader's instants; 0 before the first bar."""
    begin, end = tapes.first_bar[tape], tapes.first_bar[tape + 1]
    i = bar_at(tapes.start_s[begin:end], second)
    if i < 0:
        return 0
    bar = begin + i
    window = min((second - tapes.start_s[bar]) // WINDOW_S, IN_GAP)
    return shown_price(tapes.open[bar], tapes.high[bar], tapes.low[bar], tapes.close[bar], window)


def seek(
    tapes: Tapes, tape: int, row: int, scratch: Scratch, board: Board, s: int, ready_s: int, last_s: int, cap: float
) -> None:
    """Move a symbol to its next window that the strategy may like, from where it stands and not before `ready_s`."""
    begin, end = tapes.first_bar[tape], tapes.first_bar[tape + 1]
    start_s = tapes.start_s[begin:end]
    heat = scratch.heat[row]
    count = end - begin
    i, window = board.bar[s], board.window[s]
    board.candidate_s[s] = NEVER_S
    gapless = start_s[count - 1] - start_s[0] == (count - 1) * BAR_SECONDS
    while i < count:
        if gapless:
            while i < count - 1 and not heat[i] < cap:
                i += 1
                window = 0
        begins_s = start_s[i]
        if begins_s >= last_s:
            break
        bar = begin + i
        if heat[i] < cap:
            sum_pv3, sum_volume = scratch.sum_pv3[row, i - 1], scratch.sum_volume[row, i - 1]
            prices = path_prices(tapes.open[bar], tapes.high[bar], tapes.low[bar], tapes.close[bar])
            while window < IN_GAP:
                above = prices[window] * 3 * sum_volume > sum_pv3
                if above and begins_s + (window + 1) * WINDOW_S > ready_s:
                    board.bar[s], board.window[s] = i, window
                    board.candidate_s[s] = max(begins_s + window * WINDOW_S, ready_s)
                    return
                window += 1
        follows_s = start_s[i + 1] if i + 1 < count else NEVER_S
        if follows_s > begins_s + BAR_SECONDS and window <= IN_GAP and i + 1 >= VWAP_BARS and follows_s > ready_s:
            above = tapes.close[bar] * 3 * scratch.sum_volume[row, i] > scratch.sum_pv3[row, i]
            rsi = rsi_value(RsiState(RSI_BARS, SEED_BARS, 0, scratch.gain[row, i], scratch.loss[row, i]))
            if above and rsi < cap:
                board.bar[s], board.window[s] = i, IN_GAP
                board.candidate_s[s] = max(begins_s + BAR_SECONDS, ready_s)
                return
        i += 1
        window = 0
    board.bar[s] = count


def news_s(tapes: Tapes, begin: int, i: int, window: int) -> int:
    """When the quote that stands in a window last said something new. `begin` is the tape's first bar.

    After a gap in which its quotes were asked for again, a price that was known before is no news.
    """
    bar = begin + i
    starts_s = tapes.start_s[bar]
    if window == IN_GAP:
        return starts_s + BAR_SECONDS  # the volume of the minute
    if i > 0:
        known_s = tapes.start_s[bar - 1] + BAR_SECONDS
        if starts_s - known_s > STALE_S:
            prices = path_prices(tapes.open[bar], tapes.high[bar], tapes.low[bar], tapes.close[bar])
            differs = False
            for place in range(window + 1):
                differs = differs or prices[place] != tapes.close[bar - 1]
            if not differs:
                return known_s
    return starts_s + window * WINDOW_S


def standing(tapes: Tapes, first: int, symbols: int, board: Board, second: int) -> int:
    """Unrealised result at bid at one of the day trader's instants, of what was bought before it."""
    total = 0
    for s in range(symbols):
        if board.quantity[s] > 0 and board.trip[s, OPENED_S] < second:
            bid = bid_at(price_at(tapes, first + s, second), 0)
            total += unrealised(Position(board.quantity[s], board.cost[s]), bid)
    return total


def mark_until(
    tapes: Tapes,
    first: int,
    symbols: int,
    board: Board,
    money: Marked,
    realised: int,
    marked_s: int,
    until_s: int,
    max_daily_loss: int,
    max_drawdown: int,
) -> Marked:
    """All marks after the instant `marked_s` until `until_s` that can differ, with the positions of now."""
    held = False
    for s in range(symbols):
        held = held or board.quantity[s] > 0
    if not held:
        return marked(money, realised, max_daily_loss, max_drawdown) if until_s > marked_s else money
    second = marked_s + TICK_S
    while second <= until_s:
        pnl = realised + standing(tapes, first, symbols, board, second)
        money = marked(money, pnl, max_daily_loss, max_drawdown)
        if money.loss_latched or money.drawdown_latched:
            return money
        second += WINDOW_S - second % WINDOW_S  # prices change on multiples of it
    return money


def ends_the_day(rule: int) -> bool:
    """Whether no entry can follow this refusal in the session."""
    if rule == Rule.DAILY_LOSS or rule == Rule.DRAWDOWN:
        return True
    return rule == Rule.LAST_MINUTES or rule == Rule.ENTRIES_PER_SESSION


def play_quickly(
    tapes: Tapes,
    session: int,
    first_row: int,
    scratch: Scratch,
    board: Board,
    equity: int,
    parameters: Parameters,
    account: Account,
    log: Log,
    counts: Counts,
    marks: bool,
) -> tuple[int, int, int]:
    """One session: PLAYED, NEEDS_MARKS or NEEDS_ROOM, and the rows of the log that are in use."""
    first = tapes.first_tape[session]
    symbols = tapes.first_tape[session + 1] - first
    open_s, eod_s, close_s = tapes.open_s[session], tapes.eod_s[session], tapes.close_s[session]
    limits, rates = session_limits(account, equity), session_rates(tapes, session)
    budget = symbol_budget(equity, account.allocation_ppm, symbols)
    last_s = min(eod_s, close_s - limits.last_entry_s)
    cap = parameters.rsi_cap
    n_fills, n_trips = counts.fills, counts.trips
    for s in range(symbols):
        board.bar[s], board.window[s] = VWAP_BARS - 1, 0
        board.sale_s[s] = NEVER_S
        board.quantity[s] = board.cost[s] = board.entries[s] = board.last_exit_s[s] = 0
        board.lowest[s] = board.highest[s] = 0
        seek(tapes, first + s, first_row + s, scratch, board, s, open_s, last_s, cap)
    realised, committed, entries, losses, last_closed_s, open_positions = 0, 0, 0, 0, 0, 0
    money = Marked(0, 0, 0, False, False)
    marked_s = open_s - TICK_S
    lowest, highest, peak = 0, 0, 0  # bounds of the session's result and of its peak
    judged_s, at_once = 0, 0
    while True:
        s, due_s = 0, NEVER_S
        seller, sale_s = 0, NEVER_S
        for other in range(symbols):
            if board.candidate_s[other] < due_s:
                s, due_s = other, board.candidate_s[other]
            if board.sale_s[other] < sale_s:
                seller, sale_s = other, board.sale_s[other]
        if sale_s <= due_s:
            if sale_s == NEVER_S:
                break
            s = seller
            if marks and sale_s < eod_s:
                until_s = on_grid(sale_s, open_s) - TICK_S
                money = mark_until(
                    tapes,
                    first,
                    symbols,
                    board,
                    money,
                    realised,
                    marked_s,
                    until_s,
                    limits.max_daily_loss,
                    limits.max_drawdown,
                )
                marked_s = max(marked_s, until_s)
            row = log.fills[board.next_sale[s]]
            board.next_sale[s] += 1
            sale = sold(Position(board.quantity[s], board.cost[s]), row[QUANTITY], row[PRICE])
            realised += sale.realised - row[FEE]
            board.quantity[s], board.cost[s] = sale.position.quantity, sale.position.cost
            trip = board.trip[s]
            trip[SOLD_FOR] += notional(row[PRICE], row[QUANTITY])
            trip[FEES] += row[FEE]
            board.sale_s[s] = NEVER_S
            if board.next_sale[s] < board.end_sale[s]:
                board.sale_s[s] = log.fills[board.next_sale[s], SECOND]
            if board.quantity[s] == 0:
                open_positions -= 1
                lowest -= board.lowest[s]
                highest -= board.highest[s]
                trip[PNL] = trip[SOLD_FOR] - trip[BOUGHT_FOR] - trip[FEES]
                losses = losses + 1 if trip[PNL] < 0 else 0
                last_closed_s = sale_s
                board.last_exit_s[s] = sale_s
                trip[CLOSED_S], trip[EXIT_REASON] = sale_s, row[REASON]
                if n_trips < len(log.trips):
                    for column in range(ENTRY_PRICE + 1):
                        log.trips[n_trips, column] = trip[column]
                n_trips += 1
                ready_s = on_grid(sale_s + limits.cool_down_s, open_s)
                if ready_s < last_s and board.entries[s] < limits.max_entries_per_symbol:
                    begin, end = tapes.first_bar[first + s], tapes.first_bar[first + s + 1]
                    board.bar[s] = max(bar_at(tapes.start_s[begin:end], ready_s), VWAP_BARS - 1)
                    board.window[s] = 0
                    seek(tapes, first + s, first_row + s, scratch, board, s, ready_s, last_s, cap)
            if not marks and sale_s < eod_s:
                peak = max(peak, realised + highest)
                floor = realised + lowest
                if floor <= -limits.max_daily_loss or peak - floor >= limits.max_drawdown:
                    return NEEDS_MARKS, n_fills, n_trips
            continue
        if due_s >= last_s:  # no more entries today: what is left are sales
            for other in range(symbols):
                board.candidate_s[other] = NEVER_S
            continue
        if due_s != judged_s:
            judged_s, at_once, committed = due_s, 0, 0
            for other in range(symbols):
                committed += board.cost[other]
        if marks:
            money = mark_until(
                tapes,
                first,
                symbols,
                board,
                money,
                realised,
                marked_s,
                due_s,
                limits.max_daily_loss,
                limits.max_drawdown,
            )
            marked_s = max(marked_s, due_s)
        tape, i, window = first + s, board.bar[s], board.window[s]
        begin = tapes.first_bar[tape]
        bar = begin + i
        row = first_row + s
        last = shown_price(tapes.open[bar], tapes.high[bar], tapes.low[bar], tapes.close[bar], window)
        ask = ask_at(last, 0)
        known = i if window < IN_GAP else i + 1
        market = Market(
            last,
            bid_at(last, 0),
            ask,
            known,
            tapes.volume[begin + known - 1],
            VwapState(scratch.sum_pv3[row, known - 1], scratch.sum_volume[row, known - 1]),
            rsi_value(RsiState(RSI_BARS, SEED_BARS, 0, scratch.gain[row, known - 1], scratch.loss[row, known - 1])),
            atr_pct(AtrState(tapes.atr_ranges[tape], 0, 0, tapes.atr_average[tape]), last),
            due_s - news_s(tapes, begin, i, window),
            False,
            False,
        )
        pnl = realised
        if open_positions > at_once:  # what was bought at this instant was not there when it was marked
            pnl += standing(tapes, first, symbols, board, due_s)
        free = free_capital(equity, pnl, account.allocation_ppm, committed)
        book = BookState(
            due_s,
            close_s,
            open_positions,
            entries,
            at_once,
            pause_end(losses, last_closed_s, limits.loss_streak, limits.loss_streak_pause_s),
            money.loss_latched,
            money.drawdown_latched,
            False,
        )
        state = SymbolState(0, False, board.entries[s], board.last_exit_s[s])
        verdict = judge_entry(market, state, book, budget, free, parameters, limits, rates)
        rule = verdict.rule
        if rule == Rule.APPROVED:
            at_once += 1
            entries += 1
            open_positions += 1
            board.entries[s] += 1
            next_point = 4 * i + window + 1
            entry = Entry(tape, due_s, verdict.quantity, ask, last, 0, next_point, known)
            before = n_fills
            n_fills = follow_trip(tapes, entry, parameters, eod_s, close_s, rates, log.fills, n_fills)
            if n_fills > len(log.fills):
                return NEEDS_ROOM, n_fills, n_trips
            fee = log.fills[before, FEE]
            held = with_fee(bought(Position(0, 0), verdict.quantity, ask), fee)
            board.quantity[s], board.cost[s] = held.quantity, held.cost
            committed += notional(verdict.collar, verdict.quantity)
            board.next_sale[s], board.end_sale[s] = before + 1, n_fills
            board.sale_s[s] = log.fills[before + 1, SECOND] if n_fills > before + 1 else NEVER_S
            board.candidate_s[s] = NEVER_S
            trip = board.trip[s]
            trip[TRIP_TAPE], trip[OPENED_S], trip[TRIP_QUANTITY] = tape, due_s, verdict.quantity
            trip[BOUGHT_FOR], trip[SOLD_FOR] = notional(ask, verdict.quantity), 0
            trip[FEES], trip[ENTRY_PRICE] = fee, ask
            stop = entry_stop_price(ask, parameters.stop_loss_bps)
            limit = entry_target_price(ask, parameters.profit_target_bps)
            board.lowest[s] = notional(stop - half_spread(limit), verdict.quantity) - held.cost
            board.highest[s] = notional(limit, verdict.quantity) - held.cost
            lowest += board.lowest[s]
            highest += board.highest[s]
            if not marks:
                peak = max(peak, realised + highest)
                floor = realised + lowest
                in_parts = n_fills != before + 2 or verdict.quantity >= volume_left(market.minute_volume, 0)
                if in_parts or floor <= -limits.max_daily_loss or peak - floor >= limits.max_drawdown:
                    return NEEDS_MARKS, n_fills, n_trips
        elif ends_the_day(rule):
            for other in range(symbols):
                board.candidate_s[other] = NEVER_S
        elif rule == Rule.ENTRIES_PER_SYMBOL:
            board.candidate_s[s] = NEVER_S
        elif rule == Rule.ENTRIES_PER_TICK or rule == Rule.CAPITAL or rule == Rule.ZERO_SHARES:
            seek(tapes, tape, row, scratch, board, s, due_s + TICK_S, last_s, cap)
        elif rule == Rule.ROUND_TRIP_COST and open_positions > 0:
            seek(tapes, tape, row, scratch, board, s, due_s + TICK_S, last_s, cap)
        elif rule == Rule.LOSS_STREAK_PAUSE or rule == Rule.OPEN_POSITIONS:
            again_s = NEVER_S if rule == Rule.OPEN_POSITIONS else on_grid(book.pause_until_s, open_s)
            again_s = max(min(again_s, on_grid(sale_s, open_s)), due_s + TICK_S)
            seek(tapes, tape, row, scratch, board, s, again_s, last_s, cap)
        else:
            board.window[s] += 1
            seek(tapes, tape, row, scratch, board, s, due_s, last_s, cap)
    day = log.days[session]
    day[EQUITY], day[RESULT] = equity, realised
    day[LOSS_LATCHED], day[DRAWDOWN_LATCHED] = money.loss_latched, money.drawdown_latched
    left = 0
    for s in range(symbols):
        left += board.quantity[s]
    day[LEFT_SHARES] = left
    day[BARS_VISITED] = tapes.first_bar[first + symbols] - tapes.first_bar[first]
    return PLAYED, n_fills, n_trips


def play_all(
    tapes: Tapes, quick: Flags, equity: int, parameters: Parameters, account: Account, log: Log
) -> Counts:
    """All sessions, one after the other on one account; the rows that the log needs."""
    sessions = len(tapes.open_s)
    longest, most = 1, 1
    for tape in range(len(tapes.symbol)):
        longest = max(longest, tapes.first_bar[tape + 1] - tapes.first_bar[tape])
    for session in range(sessions):
        most = max(most, tapes.first_tape[session + 1] - tapes.first_tape[session])
    scratch, board = new_scratch(most + BLOCK_TAPES, longest), new_board(most)
    counts = Counts(0, 0)
    cash = equity
    session = 0
    while session < sessions:
        after = session + 1
        first_tape = tapes.first_tape[session]
        while after < sessions and tapes.first_tape[after] - first_tape < BLOCK_TAPES:
            if tapes.first_tape[after + 1] - first_tape > most + BLOCK_TAPES:
                break
            after += 1
        look_at_tapes(tapes, first_tape, tapes.first_tape[after] - first_tape, scratch)
        for played in range(session, after):
            counts = play_either(
                tapes,
                quick[played],
                played,
                tapes.first_tape[played] - first_tape,
                scratch,
                board,
                equity_told(cash),
                parameters,
                account,
                log,
                counts,
            )
            if counts.fills > len(log.fills):
                return counts
            cash += log.days[played, RESULT]
        session = after
    return counts


def play_either(
    tapes: Tapes,
    quick: bool,
    session: int,
    first_row: int,
    scratch: Scratch,
    board: Board,
    equity: int,
    parameters: Parameters,
    account: Account,
    log: Log,
    counts: Counts,
) -> Counts:
    """One session in the quickest form that is right for it."""
    if not quick:
        return play_session(tapes, session, equity, parameters, account, log, counts)
    outcome, fills, trips = play_quickly(
        tapes, session, first_row, scratch, board, equity, parameters, account, log, counts, False
    )
    if outcome == NEEDS_MARKS:
        outcome, fills, trips = play_quickly(
            tapes, session, first_row, scratch, board, equity, parameters, account, log, counts, True
        )
    return Counts(fills, trips)
