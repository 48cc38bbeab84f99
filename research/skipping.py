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

import numpy as np

from research.indicators import GAIN, HEAT, LOSS, PV3, SEED_BARS, Scratch, lent_scratch, look_at_tapes
from research.indicators import SHARES as SUM_OF_SHARES
from research.sessions import (
    BARS_VISITED,
    BOUGHT_FOR,
    CLOSED_S,
    DRAWDOWN_LATCHED,
    ENTRY_PRICE,
    EQUITY,
    EXIT_REASON,
    FEES,
    HEALTH_CHECK_S,
    LEFT_SHARES,
    LOSS_LATCHED,
    OPENED_S,
    PNL,
    RESULT,
    SOLD_FOR,
    STALE_S,
    TRIP_COLUMNS,
    TRIP_QUANTITY,
    TRIP_TAPE,
    Account,
    Counts,
    Log,
    equity_told,
    lent_log,
    play_session,
    session_limits,
    session_rates,
)
from research.tapes import (
    ATR_RANGES,
    CLOSE,
    CLOSE_S,
    END_BAR,
    END_TAPE,
    EOD_S,
    FIRST_BAR,
    FIRST_TAPE,
    HIGH,
    LOW,
    NEVER_S,
    OPEN,
    OPEN_S,
    START,
    VOLUME,
    Flags,
    Floats,
    Int64s,
    Tapes,
    bar_at,
    follows_from_minutes,
    lent,
    unowned,
)
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
from trading.risk import NO_LIMIT, PPM, BookState, SymbolState
from trading.rules import Rule
from trading.sizing import symbol_budget
from trading.strategy import Market, Parameters

WINDOW_S = 20  # how long a bar shows each of its first three prices
IN_GAP = 3  # the window after a bar that no other follows at once: its close stands
BLOCK_TAPES = 4  # at least so many tapes have their indicators made together
LOWEST_PRICE = 11_000  # 1.10 USD: half-spreads grow with the price above it
PLAYED, NEEDS_MARKS, NEEDS_ROOM = 0, 1, 2


# columns of the board: the window to look at next (bar and place in it) and when it may be judged (NEVER_S: not again
# today); second and rows of the log of the sales to come (NEVER_S: none); position; bounds of its bid while
# it is held; and its open round trip
BAR, WINDOW, CANDIDATE_S, SALE_S, NEXT_SALE, END_SALE = range(6)
SHARES, COST, ENTRIES, LAST_EXIT_S, LOW_BID, HIGH_BID, FIRST_OF_TRIP = range(6, 13)
BOARD_COLUMNS = FIRST_OF_TRIP + TRIP_COLUMNS


def can_skip(tapes: Tapes, tape: int) -> bool:
    """Whether a tape is of the kind that the quick form knows."""
    if not follows_from_minutes(tapes, tape) or tapes.tapes[tape, FIRST_BAR] == tapes.tapes[tape, END_BAR]:
        return False
    for i in range(tapes.tapes[tape, FIRST_BAR], tapes.tapes[tape, END_BAR]):
        if tapes.bars[LOW, i] < LOWEST_PRICE or (
            tapes.bars[VOLUME, i] == 0 and tapes.bars[LOW, i] == tapes.bars[HIGH, i]
        ):
            return False
    return True


def quick_sessions(tapes: Tapes, minute_atr: bool) -> Flags:
    """Which sessions can be played in the quick form, (n_sessions,)."""
    quick = np.ones(len(tapes.sessions), np.bool_)
    for session in range(len(tapes.sessions)):
        for tape in range(tapes.sessions[session, FIRST_TAPE], tapes.sessions[session, END_TAPE]):
            if minute_atr or not can_skip(tapes, tape):
                quick[session] = False
    return quick


def on_grid(second: int, open_s: int) -> int:
    """The day trader's first instant at or after `second`."""
    return open_s + -((open_s - second) // TICK_S) * TICK_S


def shown_price(open_: int, high: int, low: int, close: int, window: int) -> int:
    """The price that stands in a window of a bar."""
    return path_prices(open_, high, low, close)[window]


def price_at(tapes: Tapes, tape: int, second: int) -> int:
    """The standing price at one of the day trader's instants; 0 before the first bar."""
    begin, end = tapes.tapes[tape, FIRST_BAR], tapes.tapes[tape, END_BAR]
    i = bar_at(tapes.bars[START, begin:end], second)
    if i < 0:
        return 0
    bar = begin + i
    window = min((second - tapes.bars[START, bar]) // WINDOW_S, IN_GAP)
    return shown_price(
        tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar], window
    )


def first_below(heat: Floats, first: int, last: int, cap: float) -> int:
    """The first bar from `first` on whose heat is below the cap; `last` when none is before it."""
    for i in range(first, last):
        if heat[i] < cap:
            return i
    return max(first, last)


def seek(
    tapes: Tapes, tape: int, row: int, scratch: Scratch, board: Int64s, s: int, ready_s: int, last_s: int, cap: float
) -> None:
    """Move a symbol to its next window that the strategy may like, from where it stands and not before `ready_s`."""
    begin, end = tapes.tapes[tape, FIRST_BAR], tapes.tapes[tape, END_BAR]
    start_s = tapes.bars[START, begin:end]
    heat = scratch.averages[row, HEAT]
    count = end - begin
    i, window = board[s, BAR], board[s, WINDOW]
    board[s, CANDIDATE_S] = NEVER_S
    gapless = start_s[count - 1] - start_s[0] == (count - 1) * BAR_SECONDS
    while i < count:
        if gapless:
            warm = first_below(heat, i, count - 1, cap)
            if warm > i:
                i, window = warm, 0
        begins_s = start_s[i]
        if begins_s >= last_s:
            break
        bar = begin + i
        if heat[i] < cap:
            sum_pv3, sum_volume = scratch.sums[row, PV3, i - 1], scratch.sums[row, SUM_OF_SHARES, i - 1]
            prices = path_prices(
                tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar]
            )
            while window < IN_GAP:
                above = prices[window] * 3 * sum_volume > sum_pv3
                if above and begins_s + (window + 1) * WINDOW_S > ready_s:
                    board[s, BAR], board[s, WINDOW] = i, window
                    board[s, CANDIDATE_S] = max(begins_s + window * WINDOW_S, ready_s)
                    return
                window += 1
        follows_s = start_s[i + 1] if i + 1 < count else NEVER_S
        if follows_s > begins_s + BAR_SECONDS and window <= IN_GAP and i + 1 >= VWAP_BARS and follows_s > ready_s:
            above = tapes.bars[CLOSE, bar] * 3 * scratch.sums[row, SUM_OF_SHARES, i] > scratch.sums[row, PV3, i]
            rsi = rsi_value(
                RsiState(RSI_BARS, SEED_BARS, 0, scratch.averages[row, GAIN, i], scratch.averages[row, LOSS, i])
            )
            if above and rsi < cap:
                board[s, BAR], board[s, WINDOW] = i, IN_GAP
                board[s, CANDIDATE_S] = max(begins_s + BAR_SECONDS, ready_s)
                return
        i += 1
        window = 0
    board[s, BAR] = count


def news_s(tapes: Tapes, begin: int, i: int, window: int) -> int:
    """When the quote that stands in a window last said something new. `begin` is the tape's first bar.

    After a gap in which its quotes were asked for again, a price that was known before is no news.
    """
    bar = begin + i
    starts_s = tapes.bars[START, bar]
    if window == IN_GAP:
        return starts_s + BAR_SECONDS  # the volume of the minute
    if i > 0:
        known_s = tapes.bars[START, bar - 1] + BAR_SECONDS
        if starts_s - known_s >= STALE_S + HEALTH_CHECK_S:  # a check within the gap found its quotes too old
            prices = path_prices(
                tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar]
            )
            differs = False
            for place in range(window + 1):
                differs = differs or prices[place] != tapes.bars[CLOSE, bar - 1]
            if not differs:
                return known_s
    return starts_s + window * WINDOW_S


def standing(tapes: Tapes, first: int, symbols: int, board: Int64s, second: int) -> int:
    """Unrealised result at bid at one of the day trader's instants, of what was bought before it."""
    total = 0
    for s in range(symbols):
        if board[s, SHARES] > 0 and board[s, FIRST_OF_TRIP + OPENED_S] < second:
            bid = bid_at(price_at(tapes, first + s, second), 0)
            total += unrealised(Position(board[s, SHARES], board[s, COST]), bid)
    return total


def mark_until(
    tapes: Tapes,
    first: int,
    symbols: int,
    board: Int64s,
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
        held = held or board[s, SHARES] > 0
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


def worth(board: Int64s, s: int, bid: int) -> int:
    """Unrealised result of a symbol's position at a bid; 0 when there is none."""
    return notional(bid, board[s, SHARES]) - board[s, COST]


def held_between(tapes: Tapes, entry: Entry, parameters: Parameters, fills: Int64s) -> tuple[int, int]:
    """Bounds of the last price while the position of a trip is held, from its fills.

    Where one sale ended it, it was the first touch of stop or target, unless the entry had used up its minute's
    volume; else all bars until the last sale count.
    """
    stop = entry_stop_price(entry.price, parameters.stop_loss_bps)
    limit = entry_target_price(entry.price, parameters.profit_target_bps)
    at = tapes.tapes[entry.tape, FIRST_BAR] + entry.n_published
    volume = tapes.bars[VOLUME, at - 1]
    if len(fills) == 2 and entry.quantity < volume_left(volume, 0):
        return stop, limit
    begin, end = at - 1, tapes.tapes[entry.tape, END_BAR]
    ended_s = fills[len(fills) - 1, SECOND] if len(fills) > 1 else NEVER_S
    low, high = entry.last, entry.last
    for i in range(begin, end):
        if tapes.bars[START, i] > ended_s:
            break
        low, high = min(low, tapes.bars[LOW, i]), max(high, tapes.bars[HIGH, i])
    return low, high


def depends_on_capital(rule: int) -> bool:
    """Whether a refusal may be lifted by what other positions are worth at the next instant."""
    return rule == Rule.CAPITAL or rule == Rule.ZERO_SHARES or rule == Rule.ROUND_TRIP_COST


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
    board: Int64s,
    equity: int,
    parameters: Parameters,
    account: Account,
    log: Log,
    counts: Counts,
    marks: bool,
) -> tuple[int, int, int]:
    """One session: PLAYED, NEEDS_MARKS or NEEDS_ROOM, and the rows of the log that are in use."""
    first = tapes.sessions[session, FIRST_TAPE]
    symbols = tapes.sessions[session, END_TAPE] - first
    open_s, eod_s, close_s = (
        tapes.sessions[session, OPEN_S],
        tapes.sessions[session, EOD_S],
        tapes.sessions[session, CLOSE_S],
    )
    limits, rates = session_limits(account, equity), session_rates(tapes, session)
    budget = symbol_budget(equity, account.allocation_ppm, symbols)
    last_s = min(eod_s, close_s - limits.last_entry_s)
    cap = parameters.rsi_cap
    n_fills, n_trips = counts.fills, counts.trips
    for s in range(symbols):
        board[s, BAR], board[s, WINDOW] = VWAP_BARS - 1, 0
        board[s, SALE_S] = NEVER_S
        board[s, SHARES] = board[s, COST] = board[s, ENTRIES] = board[s, LAST_EXIT_S] = 0
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
            if board[other, CANDIDATE_S] < due_s:
                s, due_s = other, board[other, CANDIDATE_S]
            if board[other, SALE_S] < sale_s:
                seller, sale_s = other, board[other, SALE_S]
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
            row = log.fills[board[s, NEXT_SALE]]
            board[s, NEXT_SALE] += 1
            sale = sold(Position(board[s, SHARES], board[s, COST]), row[QUANTITY], row[PRICE])
            realised += sale.realised - row[FEE]
            lowest -= worth(board, s, board[s, LOW_BID])
            highest -= worth(board, s, board[s, HIGH_BID])
            board[s, SHARES], board[s, COST] = sale.position.quantity, sale.position.cost
            lowest += worth(board, s, board[s, LOW_BID])
            highest += worth(board, s, board[s, HIGH_BID])
            trip = board[s, FIRST_OF_TRIP:]
            trip[SOLD_FOR] += notional(row[PRICE], row[QUANTITY])
            trip[FEES] += row[FEE]
            board[s, SALE_S] = NEVER_S
            if board[s, NEXT_SALE] < board[s, END_SALE]:
                board[s, SALE_S] = log.fills[board[s, NEXT_SALE], SECOND]
            if board[s, SHARES] == 0:
                open_positions -= 1
                trip[PNL] = trip[SOLD_FOR] - trip[BOUGHT_FOR] - trip[FEES]
                losses = losses + 1 if trip[PNL] < 0 else 0
                last_closed_s = sale_s
                board[s, LAST_EXIT_S] = sale_s
                trip[CLOSED_S], trip[EXIT_REASON] = sale_s, row[REASON]
                if n_trips < len(log.trips):
                    for column in range(TRIP_COLUMNS):
                        log.trips[n_trips, column] = trip[column]
                n_trips += 1
                ready_s = on_grid(sale_s + limits.cool_down_s, open_s)
                if ready_s < last_s and board[s, ENTRIES] < limits.max_entries_per_symbol:
                    begin, end = tapes.tapes[first + s, FIRST_BAR], tapes.tapes[first + s, END_BAR]
                    board[s, BAR] = max(bar_at(tapes.bars[START, begin:end], ready_s), VWAP_BARS - 1)
                    board[s, WINDOW] = 0
                    seek(tapes, first + s, first_row + s, scratch, board, s, ready_s, last_s, cap)
            if not marks and sale_s < eod_s:
                peak = max(peak, realised + highest)
                floor = realised + lowest
                if floor <= -limits.max_daily_loss or peak - floor >= limits.max_drawdown:
                    return NEEDS_MARKS, n_fills, n_trips
            continue
        if due_s >= last_s:  # no more entries today: what is left are sales
            for other in range(symbols):
                board[other, CANDIDATE_S] = NEVER_S
            continue
        if due_s != judged_s:
            judged_s, at_once, committed = due_s, 0, 0
            for other in range(symbols):
                committed += board[other, COST]
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
        tape, i, window = first + s, board[s, BAR], board[s, WINDOW]
        begin = tapes.tapes[tape, FIRST_BAR]
        bar = begin + i
        row = first_row + s
        last = shown_price(
            tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar], window
        )
        ask = ask_at(last, 0)
        known = i if window < IN_GAP else i + 1
        market = Market(
            last,
            bid_at(last, 0),
            ask,
            known,
            tapes.bars[VOLUME, begin + known - 1],
            VwapState(scratch.sums[row, PV3, known - 1], scratch.sums[row, SUM_OF_SHARES, known - 1]),
            rsi_value(
                RsiState(
                    RSI_BARS,
                    SEED_BARS,
                    0,
                    scratch.averages[row, GAIN, known - 1],
                    scratch.averages[row, LOSS, known - 1],
                )
            ),
            atr_pct(AtrState(tapes.tapes[tape, ATR_RANGES], 0, 0, tapes.atr[tape]), last),
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
            NO_LIMIT,
            -1,
            open_positions,
        )
        state = SymbolState(0, False, board[s, ENTRIES], board[s, LAST_EXIT_S], False, PPM)
        verdict = judge_entry(market, state, book, budget, free, parameters, limits, rates)
        rule = verdict.rule
        if rule == Rule.APPROVED:
            at_once += 1
            entries += 1
            open_positions += 1
            board[s, ENTRIES] += 1
            next_point = 4 * i + window + 1
            entry = Entry(tape, due_s, verdict.quantity, ask, last, 0, next_point, known)
            before = n_fills
            n_fills = follow_trip(tapes, entry, parameters, eod_s, close_s, rates, log.fills, n_fills)
            if n_fills > len(log.fills):
                return NEEDS_ROOM, n_fills, n_trips
            fee = log.fills[before, FEE]
            held = with_fee(bought(Position(0, 0), verdict.quantity, ask), fee)
            board[s, SHARES], board[s, COST] = held.quantity, held.cost
            committed += verdict.capital
            board[s, NEXT_SALE], board[s, END_SALE] = before + 1, n_fills
            board[s, SALE_S] = log.fills[before + 1, SECOND] if n_fills > before + 1 else NEVER_S
            board[s, CANDIDATE_S] = NEVER_S
            trip = board[s, FIRST_OF_TRIP:]
            trip[TRIP_TAPE], trip[OPENED_S], trip[TRIP_QUANTITY] = tape, due_s, verdict.quantity
            trip[BOUGHT_FOR], trip[SOLD_FOR] = notional(ask, verdict.quantity), 0
            trip[FEES], trip[ENTRY_PRICE] = fee, ask
            if not marks:
                low, high = held_between(tapes, entry, parameters, log.fills[before:n_fills])
                board[s, LOW_BID], board[s, HIGH_BID] = low - half_spread(high), high
                lowest += worth(board, s, board[s, LOW_BID])
                highest += worth(board, s, board[s, HIGH_BID])
                peak = max(peak, realised + highest)
                floor = realised + lowest
                if floor <= -limits.max_daily_loss or peak - floor >= limits.max_drawdown:
                    return NEEDS_MARKS, n_fills, n_trips
        elif ends_the_day(rule):
            for other in range(symbols):
                board[other, CANDIDATE_S] = NEVER_S
        elif rule == Rule.ENTRIES_PER_SYMBOL:
            board[s, CANDIDATE_S] = NEVER_S
        elif rule == Rule.ENTRIES_PER_TICK or depends_on_capital(rule):
            seek(tapes, tape, row, scratch, board, s, due_s + TICK_S, last_s, cap)
        elif rule == Rule.LOSS_STREAK_PAUSE or rule == Rule.OPEN_POSITIONS:
            again_s = NEVER_S if rule == Rule.OPEN_POSITIONS else on_grid(book.pause_until_s, open_s)
            again_s = max(min(again_s, on_grid(sale_s, open_s)), due_s + TICK_S)
            seek(tapes, tape, row, scratch, board, s, again_s, last_s, cap)
        else:
            board[s, WINDOW] += 1
            seek(tapes, tape, row, scratch, board, s, due_s, last_s, cap)
    day = log.days[session]
    day[EQUITY], day[RESULT] = equity, realised
    day[LOSS_LATCHED], day[DRAWDOWN_LATCHED] = money.loss_latched, money.drawdown_latched
    left = 0
    for s in range(symbols):
        left += board[s, SHARES]
    day[LEFT_SHARES] = left
    day[BARS_VISITED] = tapes.tapes[first + symbols - 1, END_BAR] - tapes.tapes[first, FIRST_BAR]
    return PLAYED, n_fills, n_trips


def play_all(
    tapes: Tapes,
    quick: Flags,
    equity: int,
    parameters: Parameters,
    account: Account,
    log: Log,
    scratch: Scratch,
    board: Int64s,
) -> Counts:
    """All sessions, one after the other on one account; the rows that the log needs."""
    tapes, log, scratch, board = lent(tapes), lent_log(log), lent_scratch(scratch), unowned(board)
    sessions, most = len(tapes.sessions), len(board)
    counts = Counts(0, 0)
    cash = equity
    session = 0
    while session < sessions:
        after = session + 1
        first_tape = tapes.sessions[session, FIRST_TAPE]
        while after < sessions and tapes.sessions[after - 1, END_TAPE] - first_tape < BLOCK_TAPES:
            if tapes.sessions[after, END_TAPE] - first_tape > most + BLOCK_TAPES:
                break
            after += 1
        look_at_tapes(tapes, first_tape, tapes.sessions[after - 1, END_TAPE] - first_tape, scratch)
        for played in range(session, after):
            counts = play_either(
                tapes,
                quick[played],
                played,
                tapes.sessions[played, FIRST_TAPE] - first_tape,
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
    board: Int64s,
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


def play_sets(
    tapes: Tapes,
    quick: Flags,
    equity: int,
    sets: Floats,
    account: Account,
    log: Log,
    scratch: Scratch,
    board: Int64s,
    results: Int64s,
    trips: Int64s,
) -> int:
    """All sessions under many sets of parameters; the indicators are made once for all of them.

    `sets` has a row of parameters for each set, `results` (n_sets, n_sessions) takes what each session brought in
    1e-6 USD, `trips` (n_sets,) counts round trips. The log holds one session at a time. Returns the rows of fills
    that a session needs: where they are more than the log has, the caller asks again.
    """
    tapes, log, scratch, board = lent(tapes), lent_log(log), lent_scratch(scratch), unowned(board)
    sessions, most = len(tapes.sessions), len(board)
    cash = np.full(len(sets), equity)
    session = 0
    while session < sessions:
        after = session + 1
        first_tape = tapes.sessions[session, FIRST_TAPE]
        while after < sessions and tapes.sessions[after - 1, END_TAPE] - first_tape < BLOCK_TAPES:
            if tapes.sessions[after, END_TAPE] - first_tape > most + BLOCK_TAPES:
                break
            after += 1
        look_at_tapes(tapes, first_tape, tapes.sessions[after - 1, END_TAPE] - first_tape, scratch)
        for number in range(len(sets)):
            row = sets[number]
            parameters = Parameters(int(row[0]), int(row[1]), row[2], row[3])
            for played in range(session, after):
                counts = play_either(
                    tapes,
                    quick[played],
                    played,
                    tapes.sessions[played, FIRST_TAPE] - first_tape,
                    scratch,
                    board,
                    equity_told(cash[number]),
                    parameters,
                    account,
                    log,
                    Counts(0, 0),
                )
                if counts.fills > len(log.fills):
                    return counts.fills
                result = log.days[played, RESULT]
                results[number, played] = result
                trips[number] += counts.trips
                cash[number] += result
        session = after
    return 0
