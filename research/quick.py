"""One session in the quick form: from one window or sale that matters to the next. See `research.skipping`."""

from __future__ import annotations

from research.board import (
    AT_ONCE,
    BAR,
    CANDIDATE_S,
    COMMITTED,
    COST,
    END_SALE,
    ENTRIES,
    ENTRIES_TODAY,
    FILLS_USED,
    FIRST_OF_TRIP,
    HELD_COST,
    HIGH_BID,
    JUDGED_S,
    LAST_CLOSED_S,
    LAST_EXIT_S,
    LOSSES_IN_A_ROW,
    LOW_BID,
    MARKED_S,
    NEXT_SALE,
    OPEN_POSITIONS,
    REALISED,
    SHARES,
    SHUT_UNTIL_S,
    TRIPS_USED,
    WINDOW,
    bound,
    let_go,
    may_latch,
    take_in,
)
from research.day import Day, Desk, book_state, market_of
from research.marks import held_between, mark_until, standing
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
    TRIP_COLUMNS,
    TRIP_QUANTITY,
    TRIP_TAPE,
    Counts,
)
from research.tapes import (
    END_BAR,
    FIRST_BAR,
    NEVER_S,
    POINTS_A_BAR,
    START,
    Int64s,
    bar_at,
)
from research.trips import FEE, PRICE, QUANTITY, REASON, SECOND, TICK_S, Entry, follow_trip
from research.turns import EARLIEST, call_off, first_due, set_turn, turn_of
from research.windows import WINDOW_S, on_grid, seek
from trading.day_money import Marked, free_capital
from trading.indicators import VWAP_BARS
from trading.judgement import judge_entry
from trading.ledger import Position, bought, sold, with_fee
from trading.matching import half_spread
from trading.money import notional
from trading.risk import NO_LIMIT, PPM, SymbolState, check_size
from trading.rules import Rule
from trading.sizing import collar_price, entry_quantity
from trading.strategy import Market

PLAYED, NEEDS_MARKS, NEEDS_ROOM = 0, 1, 2


def play_quickly(desk: Desk, day: Day, session: int, counts: Counts) -> tuple[int, int, int]:
    """One session: PLAYED, NEEDS_MARKS or NEEDS_ROOM, and the rows of the log that are in use."""
    board, book = desk.board, desk.board.book
    candidates, sales = board.candidates, board.sales
    open_board(desk, day, counts)
    money = Marked(0, 0, 0, False, False)
    outcome = PLAYED
    while outcome == PLAYED:
        due_s, sale_s = max(candidates[EARLIEST], book[SHUT_UNTIL_S]), sales[EARLIEST]
        if sale_s <= due_s:
            if sale_s == NEVER_S:
                break
            if day.marks and sale_s < day.eod_s:
                until_s = on_grid(sale_s, day.open_s) - TICK_S
                money = mark_until(desk.tapes, day.first, board, money, until_s, day.limits)
            outcome = sell(desk, day, first_due(sales, sale_s), sale_s)
        elif due_s >= day.last_s:  # no more entries today: what is left are sales
            call_off(candidates)
        else:
            s = first_due(candidates, due_s)
            if turn_of(candidates, s) < due_s:  # its turn came while nobody could be bought
                seek_next(desk, day, s, due_s)
                continue
            begin_instant(book, due_s)
            if day.marks:
                money = mark_until(desk.tapes, day.first, board, money, due_s, day.limits)
            outcome = consider(desk, day, s, due_s, sale_s, money)
    if outcome == PLAYED:
        tell_day(desk, day, session, money)
    return outcome, book[FILLS_USED], book[TRIPS_USED]


def open_board(desk: Desk, day: Day, counts: Counts) -> None:
    """A flat board at the open, each symbol at its first window that the strategy may like."""
    board, book = desk.board.symbols, desk.board.book
    for place in range(len(book)):
        book[place] = 0
    book[FILLS_USED], book[TRIPS_USED] = counts.fills, counts.trips
    book[MARKED_S] = day.open_s - TICK_S
    call_off(desk.board.candidates)
    call_off(desk.board.sales)
    for s in range(day.symbols):
        board[s, BAR], board[s, WINDOW] = VWAP_BARS - 1, 0
        board[s, SHARES] = board[s, COST] = board[s, ENTRIES] = board[s, LAST_EXIT_S] = 0
        seek_next(desk, day, s, day.open_s)


def seek_next(desk: Desk, day: Day, s: int, ready_s: int) -> None:
    """Move a symbol to its next window from where it stands, not before `ready_s`."""
    place, row = desk.board.symbols[s], desk.first_row + s
    seek(desk.tapes, day.first + s, row, desk.scratch, place, ready_s, day.last_s, day.parameters.rsi_cap)
    set_turn(desk.board.candidates, s, place[CANDIDATE_S])


def begin_instant(book: Int64s, second: int) -> None:
    """At an instant that was not judged yet: nothing bought at it, and capital is bound by what is held."""
    if second != book[JUDGED_S]:
        book[JUDGED_S], book[AT_ONCE], book[COMMITTED] = second, 0, book[HELD_COST]


def sell(desk: Desk, day: Day, s: int, second: int) -> int:
    """The next sale of a symbol, as the log holds it: PLAYED or NEEDS_MARKS."""
    place, book = desk.board.symbols[s], desk.board.book
    row = desk.log.fills[place[NEXT_SALE]]
    place[NEXT_SALE] += 1
    sale = sold(Position(place[SHARES], place[COST]), row[QUANTITY], row[PRICE])
    bound(book, place, -1)
    book[REALISED] += sale.realised - row[FEE]
    book[HELD_COST] += sale.position.cost - place[COST]
    place[SHARES], place[COST] = sale.position.quantity, sale.position.cost
    bound(book, place, 1)
    trip = place[FIRST_OF_TRIP:]
    trip[SOLD_FOR] += notional(row[PRICE], row[QUANTITY])
    trip[FEES] += row[FEE]
    await_sale(desk, s)
    if place[SHARES] == 0:
        close_trip(desk, place, second, row[REASON])
        let_go(desk.board, s)
        watch_again(desk, day, s, second)
    if not day.marks and second < day.eod_s and may_latch(book, day.limits.max_daily_loss, day.limits.max_drawdown):
        return NEEDS_MARKS
    return PLAYED


def await_sale(desk: Desk, s: int) -> None:
    """A symbol is due when the log has its next sale, if it has any."""
    place = desk.board.symbols[s]
    more = place[NEXT_SALE] < place[END_SALE]
    set_turn(desk.board.sales, s, desk.log.fills[place[NEXT_SALE], SECOND] if more else NEVER_S)


def close_trip(desk: Desk, place: Int64s, second: int, reason: int) -> None:
    """A position was sold to the last share: its round trip goes to the log."""
    book, trips = desk.board.book, desk.log.trips
    trip = place[FIRST_OF_TRIP:]
    trip[PNL] = trip[SOLD_FOR] - trip[BOUGHT_FOR] - trip[FEES]
    trip[CLOSED_S], trip[EXIT_REASON] = second, reason
    place[LAST_EXIT_S] = book[LAST_CLOSED_S] = second
    book[LOSSES_IN_A_ROW] = book[LOSSES_IN_A_ROW] + 1 if trip[PNL] < 0 else 0
    if book[TRIPS_USED] < len(trips):
        for column in range(TRIP_COLUMNS):
            trips[book[TRIPS_USED], column] = trip[column]
    book[TRIPS_USED] += 1


def watch_again(desk: Desk, day: Day, s: int, sold_s: int) -> None:
    """A symbol that was sold is a candidate again when its cool-down is over, unless its entries are used up."""
    place = desk.board.symbols[s]
    ready_s = on_grid(sold_s + day.limits.cool_down_s, day.open_s)
    if ready_s >= day.last_s or place[ENTRIES] >= day.limits.max_entries_per_symbol:
        return
    tape = desk.tapes.tapes[day.first + s]
    start_s = desk.tapes.bars[START, tape[FIRST_BAR] : tape[END_BAR]]
    place[BAR] = max(bar_at(start_s, ready_s), VWAP_BARS - 1)
    place[WINDOW] = 0
    seek_next(desk, day, s, ready_s)


def consider(desk: Desk, day: Day, s: int, now_s: int, sale_s: int, money: Marked) -> int:
    """Judge a candidate and do what follows: PLAYED, NEEDS_MARKS or NEEDS_ROOM. `sale_s` is the next sale's second."""
    place, book = desk.board.symbols[s], desk.board.book
    market = market_of(desk, day, s, now_s)
    pnl = book[REALISED]
    if book[OPEN_POSITIONS] > book[AT_ONCE]:  # what was bought at this instant was not there when it was marked
        pnl += standing(desk.tapes, day.first, desk.board, now_s)
    free = free_capital(day.equity, pnl, day.allocation_ppm, book[COMMITTED])
    state = book_state(book, day, now_s, money)
    symbol = SymbolState(0, False, place[ENTRIES], place[LAST_EXIT_S], False, PPM)
    verdict = judge_entry(market, symbol, state, day.budget, free, day.parameters, day.limits, day.rates)
    rule = verdict.rule
    if rule == Rule.APPROVED:
        book[COMMITTED] += verdict.capital
        return buy(desk, day, s, now_s, market, verdict.quantity)
    if ends_the_day(rule):
        call_off(desk.board.candidates)
    elif rule == Rule.ENTRIES_PER_SYMBOL:
        set_turn(desk.board.candidates, s, NEVER_S)
    elif rule == Rule.ENTRIES_PER_TICK:
        book[SHUT_UNTIL_S] = now_s + TICK_S
    elif rule == Rule.LOSS_STREAK_PAUSE or rule == Rule.OPEN_POSITIONS:
        again_s = NEVER_S if rule == Rule.OPEN_POSITIONS else on_grid(state.pause_until_s, day.open_s)
        book[SHUT_UNTIL_S] = max(min(again_s, on_grid(sale_s, day.open_s)), now_s + TICK_S)
    elif not depends_on_capital(rule) or is_too_dear(market, day, NO_LIMIT):
        place[WINDOW] += 1
        seek_next(desk, day, s, now_s)
    elif book[AT_ONCE] == 0 and is_too_dear(market, day, free):  # positions are worth something else then, not before
        news_s = min(now_s + WINDOW_S - now_s % WINDOW_S, on_grid(sale_s, day.open_s))
        seek_next(desk, day, s, max(news_s, now_s + TICK_S))
    else:
        seek_next(desk, day, s, now_s + TICK_S)
    return PLAYED


def buy(desk: Desk, day: Day, s: int, now_s: int, market: Market, quantity: int) -> int:
    """An approved entry, followed to its end in the log: PLAYED, NEEDS_MARKS or NEEDS_ROOM."""
    place, book, fills = desk.board.symbols[s], desk.board.book, desk.log.fills
    book[AT_ONCE] += 1
    book[ENTRIES_TODAY] += 1
    take_in(desk.board, s)
    place[ENTRIES] += 1
    next_point = POINTS_A_BAR * place[BAR] + place[WINDOW] + 1
    entry = Entry(day.first + s, now_s, quantity, market.ask, market.last, 0, next_point, market.bars)
    before = book[FILLS_USED]
    after = follow_trip(desk.tapes, entry, day.parameters, day.eod_s, day.close_s, day.rates, fills, before)
    book[FILLS_USED] = after
    if after > len(fills):
        return NEEDS_ROOM
    fee = fills[before, FEE]
    held = with_fee(bought(Position(0, 0), quantity, market.ask), fee)
    place[SHARES], place[COST] = held.quantity, held.cost
    place[NEXT_SALE], place[END_SALE] = before + 1, after
    book[HELD_COST] += held.cost
    await_sale(desk, s)
    set_turn(desk.board.candidates, s, NEVER_S)
    trip = place[FIRST_OF_TRIP:]
    trip[TRIP_TAPE], trip[OPENED_S], trip[TRIP_QUANTITY] = entry.tape, now_s, quantity
    trip[BOUGHT_FOR], trip[SOLD_FOR] = notional(market.ask, quantity), 0
    trip[FEES], trip[ENTRY_PRICE] = fee, market.ask
    if not day.marks:
        low, high = held_between(desk.tapes, entry, day.parameters, fills[before:after])
        place[LOW_BID], place[HIGH_BID] = low - half_spread(high), high
        bound(book, place, 1)
        if may_latch(book, day.limits.max_daily_loss, day.limits.max_drawdown):
            return NEEDS_MARKS
    return PLAYED


def depends_on_capital(rule: int) -> bool:
    """Whether a refusal may be lifted by what other positions are worth at the next instant."""
    return rule == Rule.CAPITAL or rule == Rule.ZERO_SHARES or rule == Rule.ROUND_TRIP_COST


def is_too_dear(market: Market, day: Day, free: int) -> bool:
    """Whether an entry with so much free capital is refused for its size or cost, and with less capital too.

    What a share costs in fees never grows with the number of shares, but for rounding: that is less than the
    unit (1e-4 USD a share) by which the spread is taken to be narrower here.
    """
    limits = day.limits
    collar = collar_price(market.ask, limits.collar_bps)
    volume = market.minute_volume
    most = entry_quantity(day.budget, collar, limits.max_order_value, volume, limits.volume_share_bps, free)
    narrower = Market(
        market.last,
        market.bid + 1,
        market.ask,
        market.bars,
        volume,
        market.vwap,
        market.rsi,
        market.atr_pct,
        market.quote_age_s,
        market.halted,
        market.delayed,
    )
    verdict = check_size(most, narrower, free, day.parameters.profit_target_bps, day.rates, limits)
    return verdict.rule != Rule.APPROVED


def ends_the_day(rule: int) -> bool:
    """Whether no entry can follow this refusal in the session."""
    if rule == Rule.DAILY_LOSS or rule == Rule.DRAWDOWN:
        return True
    return rule == Rule.LAST_MINUTES or rule == Rule.ENTRIES_PER_SESSION


def tell_day(desk: Desk, day: Day, session: int, money: Marked) -> None:
    """The session's outcome, in its row of the log."""
    row, tapes = desk.log.days[session], desk.tapes.tapes
    row[EQUITY], row[RESULT] = day.equity, desk.board.book[REALISED]
    row[LOSS_LATCHED], row[DRAWDOWN_LATCHED] = money.loss_latched, money.drawdown_latched
    left = 0
    for number in range(desk.board.book[OPEN_POSITIONS]):
        left += desk.board.symbols[desk.board.held[number], SHARES]
    row[LEFT_SHARES] = left
    row[BARS_VISITED] = tapes[day.first + day.symbols - 1, END_BAR] - tapes[day.first, FIRST_BAR]
