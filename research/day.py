"""A session as the quick form plays it: what does not change in it, and how the rules see its market and its book."""

from __future__ import annotations

from typing import NamedTuple

from research.board import (
    AT_ONCE,
    BAR,
    ENTRIES_TODAY,
    LAST_CLOSED_S,
    LOSSES_IN_A_ROW,
    OPEN_POSITIONS,
    WINDOW,
    Board,
)
from research.indicators import GAIN, LOSS, PV3, SEED_BARS, Scratch
from research.indicators import SHARES as SUM_OF_SHARES
from research.sessions import (
    Account,
    Log,
    account_limits,
    session_rates,
)
from research.tapes import (
    ATR_RANGES,
    CLOSE,
    CLOSE_S,
    END_TAPE,
    EOD_S,
    FIRST_BAR,
    FIRST_TAPE,
    HIGH,
    LOW,
    OPEN,
    OPEN_S,
    VOLUME,
    Int64s,
    Tapes,
)
from research.windows import IN_GAP, news_s, shown_price
from trading.costs import FeeSchedule
from trading.day_money import Marked, pause_end
from trading.indicators import RSI_BARS, AtrState, RsiState, VwapState, atr_pct, rsi_value
from trading.matching import ask_at, bid_at
from trading.risk import NO_LIMIT, BookState, RiskLimits
from trading.sizing import symbol_budget
from trading.strategy import Market, Parameters


class Desk(NamedTuple):
    """What a session is played on: the market, its indicators (from row `first_row` on), the board and the log."""

    tapes: Tapes
    scratch: Scratch
    first_row: int
    board: Board
    log: Log


class Day(NamedTuple):
    """What does not change in a session. Instants in epoch seconds, money in 1e-6 USD."""

    first: int  # its first tape
    symbols: int
    open_s: int
    eod_s: int
    close_s: int
    last_s: int  # no entry from here on
    equity: int
    budget: int
    allocation_ppm: int
    limits: RiskLimits
    rates: FeeSchedule
    parameters: Parameters
    marks: bool  # whether every mark is made


def day_of(tapes: Tapes, session: int, equity: int, account: Account, parameters: Parameters, marks: bool) -> Day:
    """A session that begins with `equity`."""
    row = tapes.sessions[session]
    limits = account_limits(account, equity)
    symbols = row[END_TAPE] - row[FIRST_TAPE]
    return Day(
        row[FIRST_TAPE],
        symbols,
        row[OPEN_S],
        row[EOD_S],
        row[CLOSE_S],
        min(row[EOD_S], row[CLOSE_S] - limits.last_entry_s),
        equity,
        symbol_budget(equity, account.allocation_ppm, symbols, parameters.position_bps),
        account.allocation_ppm,
        limits,
        session_rates(tapes, session),
        parameters,
        marks,
    )


def market_of(desk: Desk, day: Day, s: int, now_s: int) -> Market:
    """A symbol as the rules see it in the window where it stands."""
    tapes, scratch = desk.tapes, desk.scratch
    tape, row = day.first + s, desk.first_row + s
    i, window = desk.board.symbols[s, BAR], desk.board.symbols[s, WINDOW]
    begin = tapes.tapes[tape, FIRST_BAR]
    bar = begin + i
    last = shown_price(
        tapes.bars[OPEN, bar], tapes.bars[HIGH, bar], tapes.bars[LOW, bar], tapes.bars[CLOSE, bar], window
    )
    known = known_bars(i, window)
    at = known - 1
    return Market(
        last,
        bid_at(last, 0),
        ask_at(last, 0),
        known,
        tapes.bars[VOLUME, begin + at],
        VwapState(scratch.sums[row, PV3, at], scratch.sums[row, SUM_OF_SHARES, at]),
        rsi_value(RsiState(RSI_BARS, SEED_BARS, 0, scratch.averages[row, GAIN, at], scratch.averages[row, LOSS, at])),
        atr_pct(AtrState(tapes.tapes[tape, ATR_RANGES], 0, 0, tapes.atr[tape]), last),
        now_s - news_s(tapes, begin, i, window),
        False,
        False,
    )


def known_bars(i: int, window: int) -> int:
    """How many bars are published in a window of bar i."""
    return i if window < IN_GAP else i + 1


def book_state(book: Int64s, day: Day, now_s: int, money: Marked) -> BookState:
    """The account as the rules see it."""
    limits = day.limits
    return BookState(
        now_s,
        day.close_s,
        book[OPEN_POSITIONS],
        book[ENTRIES_TODAY],
        book[AT_ONCE],
        pause_end(book[LOSSES_IN_A_ROW], book[LAST_CLOSED_S], limits.loss_streak, limits.loss_streak_pause_s),
        money.loss_latched,
        money.drawdown_latched,
        False,
        NO_LIMIT,
        -1,
        book[OPEN_POSITIONS],
    )
