"""What open positions are worth from one instant to the next: marks where they are needed, bounds where they do."""

from __future__ import annotations

from research.board import COST, FIRST_OF_TRIP, MARKED_S, OPEN_POSITIONS, REALISED, SHARES, Board
from research.sessions import OPENED_S
from research.tapes import END_BAR, FIRST_BAR, HIGH, LOW, NEVER_S, START, VOLUME, Int64s, Tapes, bar_at
from research.trips import SECOND, TICK_S, Entry
from research.windows import WINDOW_S, price_at
from trading.day_money import Marked, marked, unrealised
from trading.ledger import Position
from trading.matching import bid_at, entry_stop_price, entry_target_price, volume_left
from trading.risk import RiskLimits
from trading.strategy import Parameters


def standing(tapes: Tapes, first: int, board: Board, second: int) -> int:
    """Unrealised result at bid at one of the day trader's instants, of what was bought before it."""
    total = 0
    for number in range(board.book[OPEN_POSITIONS]):
        s = board.held[number]
        place = board.symbols[s]
        if place[FIRST_OF_TRIP + OPENED_S] < second:
            bid = bid_at(price_at(tapes, first + s, second), 0)
            total += unrealised(Position(place[SHARES], place[COST]), bid)
    return total


def mark_until(tapes: Tapes, first: int, board: Board, money: Marked, until_s: int, limits: RiskLimits) -> Marked:
    """All marks after the last one until `until_s` that can differ, with the positions of now."""
    marked_s, realised = board.book[MARKED_S], board.book[REALISED]
    board.book[MARKED_S] = max(marked_s, until_s)
    if board.book[OPEN_POSITIONS] == 0:
        return marked(money, realised, limits.max_daily_loss, limits.max_drawdown) if until_s > marked_s else money
    second = marked_s + TICK_S
    while second <= until_s:
        pnl = realised + standing(tapes, first, board, second)
        money = marked(money, pnl, limits.max_daily_loss, limits.max_drawdown)
        if money.loss_latched or money.drawdown_latched:
            return money
        second += WINDOW_S - second % WINDOW_S  # prices change on multiples of it
    return money


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
    end = tapes.tapes[entry.tape, END_BAR]
    ended_s = fills[len(fills) - 1, SECOND] if len(fills) > 1 else NEVER_S
    count = bar_at(tapes.bars[START, at - 1 : end], ended_s) + 1
    lows, highs = tapes.bars[LOW, at - 1 : end], tapes.bars[HIGH, at - 1 : end]
    low, high = entry.last, entry.last
    for i in range(count):  # without a branch: eight bars in one go
        low, high = min(low, lows[i]), max(high, highs[i])
    return low, high
