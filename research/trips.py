"""What becomes of one entry: its exits at the exchange and the day trader's sweep after EOD time, fill by fill.

The exits of a position depend on its own symbol's tape alone, so a trip is followed to its end when it begins; the
book learns of each fill when its second has come. The order of events within a second is the exchange's: path
points, publications, time conditions; the day trader acts after them.
"""

from __future__ import annotations

from typing import NamedTuple

from research.tapes import (
    CLOSE,
    END_BAR,
    FIRST_BAR,
    HIGH,
    LOW,
    NEVER_S,
    POINTS_A_BAR,
    START,
    VOLUME,
    Int64s,
    Point,
    Tapes,
    bar_at,
    follows_from_minutes,
    point,
    point_second,
    published_s,
)
from trading.costs import BUY, SELL, FeeSchedule, fill_fees
from trading.matching import (
    BAR_SECONDS,
    NO_FILL,
    bid_at,
    entry_stop_price,
    entry_target_price,
    sell_limit_fill,
    sell_stop_fill,
    volume_left,
)
from trading.money import BPS, floor_to_tick
from trading.strategy import Parameters

ENTRY, PROFIT_TARGET, STOP_LOSS, TIME_EXIT, EOD = 0, 1, 2, 3, 4
REASONS = ("entry", "profit_target", "stop_loss", "time_exit", "eod")  # number -> name in `trades.reason`

TICK_S = 5  # the day trader's rhythm
PATIENCE_S = 120  # a time exit that is selling is left alone this long (broker: TIME_EXIT_PATIENCE_S)
CLOSE_COLLAR_BPS = 20  # how far under the bid a closing sale may go (broker: CLOSE_COLLAR_BPS)
MOST_REPRICINGS = 3  # then cancel and sell at market (broker: MOST_REPRICINGS)

STRIDE = 8  # bars that are looked at together

# columns of a fill in the log
TAPE, SECOND, SIDE, QUANTITY, PRICE, FEE, REASON = 0, 1, 2, 3, 4, 5, 6
FILL_COLUMNS = 7


class Entry(NamedTuple):
    """A filled entry. `price` is what was paid, `last` and `half` the standing price and half-spread (1e-4 USD).

    `next_point` and `n_published` are the numbers of the first point after it and of bars published by then.
    """

    tape: int
    second: int
    quantity: int
    price: int
    last: int
    half: int
    next_point: int
    n_published: int


def log_fill(
    fills: Int64s, count: int, tape: int, second: int, side: int, quantity: int, price: int, fee: int, reason: int
) -> int:
    """Append a fill where there is room; the number of fills afterwards, which may exceed the room."""
    if count < len(fills):
        fills[count, TAPE] = tape
        fills[count, SECOND] = second
        fills[count, SIDE] = side
        fills[count, QUANTITY] = quantity
        fills[count, PRICE] = price
        fills[count, FEE] = fee
        fills[count, REASON] = reason
    return count + 1


def log_sale(
    fills: Int64s,
    count: int,
    tape: int,
    second: int,
    quantity: int,
    price: int,
    before: int,
    reason: int,
    rates: FeeSchedule,
) -> int:
    """Append a sale of an order that sold `before` shares earlier; nothing when `quantity` is zero."""
    if quantity <= 0:
        return count
    fee = fill_fees(SELL, quantity, price, before, rates)
    return log_fill(fills, count, tape, second, SELL, quantity, price, fee, reason)


def untouched_bars(tapes: Tapes, tape: int, number: int, eod_s: int, stop: int, limit: int) -> int:
    """How many minute bars from that of the price `number` on, before EOD time, reach neither stop nor target.

    A bid is below the last price: a bar whose high is not above the limit cannot fill it.
    """
    begin, end = tapes.tapes[tape, FIRST_BAR] + number // POINTS_A_BAR, tapes.tapes[tape, END_BAR]
    start_s, high, low = tapes.bars[START, begin:end], tapes.bars[HIGH, begin:end], tapes.bars[LOW, begin:end]
    count = bar_at(start_s, eod_s - 1) + 1 if len(low) else 0
    done = 0
    while done + STRIDE <= count:  # eight bars in one go, without a branch
        touched = False
        for i in range(STRIDE):
            touched |= (low[done + i] <= stop) | (high[done + i] > limit)
        if touched:
            break
        done += STRIDE
    for i in range(done, count):
        if low[i] <= stop or high[i] > limit:
            return i
    return count


def follow_trip(
    tapes: Tapes,
    entry: Entry,
    parameters: Parameters,
    eod_s: int,
    close_s: int,
    rates: FeeSchedule,
    fills: Int64s,
    count: int,
) -> int:
    """Append the entry's fill and all its sales to the log; the number of fills afterwards.

    What is not sold by the close stays: the sales then add up to less than the entry. One long function on purpose:
    the state of five orders lives in local variables, which compiled code keeps in registers.
    """
    tape = entry.tape
    fee = fill_fees(BUY, entry.quantity, entry.price, 0, rates)
    count = log_fill(fills, count, tape, entry.second, BUY, entry.quantity, entry.price, fee, ENTRY)
    stop = entry_stop_price(entry.price, parameters.stop_loss_bps)
    limit = entry_target_price(entry.price, parameters.profit_target_bps)
    left = entry.quantity
    by_stop, by_target, by_time, by_close = 0, 0, 0, 0  # shares that each order sold
    triggered, marketable, timed, resting, closing = False, False, False, True, False
    target_reason = PROFIT_TARGET
    repricings = 0
    last, half = entry.last, entry.half
    looks_ahead = follows_from_minutes(tapes, tape)
    minute, taken = entry.second // BAR_SECONDS, entry.quantity
    number, published = entry.next_point, entry.n_published
    due_s = eod_s
    while left > 0:
        at_bar = number % POINTS_A_BAR == 0 or number == entry.next_point
        if looks_ahead and at_bar and not triggered and not marketable and not timed:
            skipped = untouched_bars(tapes, tape, number, eod_s, stop, limit)
            if skipped:
                number = (number // POINTS_A_BAR + skipped) * POINTS_A_BAR
                last = tapes.bars[CLOSE, tapes.tapes[tape, FIRST_BAR] + number // POINTS_A_BAR - 1]
                published = max(published, number // POINTS_A_BAR - 1)
        second = point_second(tapes, tape, number)
        at_point = second <= due_s
        if not at_point:
            second = due_s
        if second >= close_s:
            break
        here = Point(second, last, False, half)
        if at_point:
            here = point(tapes, tape, number)
            last, half = here.price, here.half
            number += 1
        while published_s(tapes, tape, published) < second + (not at_point):  # a point comes before publications
            published += 1
        if second // BAR_SECONDS != minute:
            minute, taken = second // BAR_SECONDS, 0
        volume = tapes.bars[VOLUME, tapes.tapes[tape, FIRST_BAR] + published - 1] if published > 0 else 0
        room = volume_left(volume, taken)
        bid = bid_at(last, half)
        if at_point:
            if resting:  # orders as old as the entry: the stop before the target before the time exit
                price = bid
                if not triggered:
                    price = sell_stop_fill(stop, here.price, here.jump, half)
                if price != NO_FILL:
                    triggered = True
                    sold = min(left, room)
                    count = log_sale(fills, count, tape, second, sold, price, by_stop, STOP_LOSS, rates)
                    by_stop, left, room, taken = by_stop + sold, left - sold, room - sold, taken + sold
                if left > 0:
                    if marketable:
                        price = bid if bid >= limit else NO_FILL
                        marketable = price != NO_FILL
                    else:
                        price = sell_limit_fill(limit, here.price, here.jump, half)
                    if price != NO_FILL:
                        sold = min(left, room)
                        count = log_sale(fills, count, tape, second, sold, price, by_target, target_reason, rates)
                        by_target, left, room, taken = by_target + sold, left - sold, room - sold, taken + sold
                        marketable = True
                if timed and left > 0:
                    sold = min(left, room)
                    count = log_sale(fills, count, tape, second, sold, bid, by_time, TIME_EXIT, rates)
                    by_time, left, room, taken = by_time + sold, left - sold, room - sold, taken + sold
            elif closing:
                sold = min(left, room)
                count = log_sale(fills, count, tape, second, sold, bid, by_close, EOD, rates)
                by_close, left, taken = by_close + sold, left - sold, taken + sold
            continue
        if not timed:  # EOD time: the time exit becomes a market order
            timed = True
            sold = min(left, room)
            count = log_sale(fills, count, tape, second, sold, bid, by_time, TIME_EXIT, rates)
            by_time, left, taken = by_time + sold, left - sold, taken + sold
            due_s = eod_s + PATIENCE_S
            continue
        if resting and repricings < MOST_REPRICINGS:  # the sweep takes the bid with the resting target
            repricings += 1
            target_reason = EOD
            limit = max(floor_to_tick(bid * (BPS - CLOSE_COLLAR_BPS) // BPS), 1)
            sold = min(left, room)
            count = log_sale(fills, count, tape, second, sold, bid, by_target, EOD, rates)
            by_target, left, taken = by_target + sold, left - sold, taken + sold
            marketable = True
            due_s += TICK_S
        elif resting:  # resting exits are withdrawn; the next instant sells at market
            resting = False
            due_s += TICK_S
        else:
            closing = True
            sold = min(left, room)
            count = log_sale(fills, count, tape, second, sold, bid, by_close, EOD, rates)
            by_close, left, taken = by_close + sold, left - sold, taken + sold
            due_s = NEVER_S
    return count
