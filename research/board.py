"""What the quick form keeps of a running session: a row for each symbol, and the account's book."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from research.sessions import TRIP_COLUMNS
from research.tapes import Int64s, unowned
from research.turns import new_turns
from trading.money import notional

# columns of `Board.symbols`: the window to look at next (bar and place in it) and when it may be judged (NEVER_S: not
# again today); rows of the log of the sales to come; position; bounds of its bid while it is held; its open round trip
BAR, WINDOW, CANDIDATE_S, NEXT_SALE, END_SALE = range(5)
SHARES, COST, ENTRIES, LAST_EXIT_S, LOW_BID, HIGH_BID, FIRST_OF_TRIP = range(5, 12)
BOARD_COLUMNS = FIRST_OF_TRIP + TRIP_COLUMNS
# places of `Board.book`: the account; what open positions cost; the instant that is judged, the entries at it and the
# capital bound by then; until when nobody can be bought; the last mark that was made; bounds of what open positions
# are worth and of the result's peak; rows of the log in use. Money in 1e-6 USD
REALISED, HELD_COST, ENTRIES_TODAY, LOSSES_IN_A_ROW, LAST_CLOSED_S, OPEN_POSITIONS = range(6)
JUDGED_S, AT_ONCE, COMMITTED, SHUT_UNTIL_S, MARKED_S = range(6, 11)
LOWEST, HIGHEST, HIGHEST_PEAK, FILLS_USED, TRIPS_USED = range(11, 16)
BOOK_PLACES = 16


class Board(NamedTuple):
    """The state of a session, used again for the next.

    `symbols` (n_symbols, BOARD_COLUMNS) and `book` (BOOK_PLACES,). `candidates` and `sales`: when each symbol may be
    judged and when it is sold next (`research.turns`). `held` (n_symbols,): the symbols of the open positions.
    """

    symbols: Int64s
    book: Int64s
    candidates: Int64s
    sales: Int64s
    held: Int64s


def new_board(most_symbols: int) -> Board:
    """A board for sessions of up to `most_symbols` symbols."""
    return Board(
        np.zeros((most_symbols, BOARD_COLUMNS), np.int64),
        np.zeros(BOOK_PLACES, np.int64),
        new_turns(most_symbols),
        new_turns(most_symbols),
        np.zeros(most_symbols, np.int64),
    )


def lent_board(board: Board) -> Board:
    """The same board for the time of one call: see `tapes.unowned`."""
    return Board(
        unowned(board.symbols),
        unowned(board.book),
        unowned(board.candidates),
        unowned(board.sales),
        unowned(board.held),
    )


def take_in(board: Board, s: int) -> None:
    """A symbol is held from now on."""
    book = board.book
    board.held[book[OPEN_POSITIONS]] = s
    book[OPEN_POSITIONS] += 1


def let_go(board: Board, s: int) -> None:
    """A symbol is not held any more: the last of the others takes its place."""
    book = board.book
    book[OPEN_POSITIONS] -= 1
    last = book[OPEN_POSITIONS]
    place = 0
    while board.held[place] != s:
        place += 1
    board.held[place] = board.held[last]


def worth(place: Int64s, bid: int) -> int:
    """Unrealised result of the position in a row of the board at a bid; 0 when there is none."""
    return notional(bid, place[SHARES]) - place[COST]


def bound(book: Int64s, place: Int64s, sign: int) -> None:
    """Add (1) or take away (-1) a position's part of the bounds of what all are worth."""
    book[LOWEST] += sign * worth(place, place[LOW_BID])
    book[HIGHEST] += sign * worth(place, place[HIGH_BID])


def may_latch(book: Int64s, max_daily_loss: int, max_drawdown: int) -> bool:
    """Whether some instant may reach a limit, after the bounds have changed; carries the peak on."""
    book[HIGHEST_PEAK] = max(book[HIGHEST_PEAK], book[REALISED] + book[HIGHEST])
    floor = book[REALISED] + book[LOWEST]
    return floor <= -max_daily_loss or book[HIGHEST_PEAK] - floor >= max_drawdown
