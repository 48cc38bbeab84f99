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

from research.board import Board, lent_board
from research.day import Desk, day_of
from research.indicators import Scratch, lent_scratch, look_at_tapes
from research.quick import NEEDS_MARKS, play_quickly
from research.sessions import RESULT, Account, Counts, Log, equity_told, lent_log, play_session
from research.tapes import (
    END_BAR,
    END_TAPE,
    FIRST_BAR,
    FIRST_TAPE,
    Flags,
    Floats,
    Int64s,
    Tapes,
    follows_from_minutes,
    lent,
)
from trading.strategy import Parameters

BLOCK_TAPES = 4  # at least so many tapes have their indicators made together


def is_quick(tapes: Tapes, session: int, minute_atr: bool, usual: Flags) -> bool:
    """Whether a session can be played in the quick form; `usual` (n_tapes,) is of its tapes (see `Scratch`)."""
    first = tapes.sessions[session, FIRST_TAPE]
    quick = not minute_atr
    for tape in range(first, tapes.sessions[session, END_TAPE]):
        has_bars = tapes.tapes[tape, FIRST_BAR] < tapes.tapes[tape, END_BAR]
        quick = quick and has_bars and follows_from_minutes(tapes, tape) and usual[tape - first]
    return quick


def block_end(tapes: Tapes, session: int, most_symbols: int) -> int:
    """The session after those that have their indicators made together with those of `session`."""
    first_tape = tapes.sessions[session, FIRST_TAPE]
    after = session + 1
    while after < len(tapes.sessions) and tapes.sessions[after - 1, END_TAPE] - first_tape < BLOCK_TAPES:
        if tapes.sessions[after, END_TAPE] - first_tape > most_symbols + BLOCK_TAPES:
            break
        after += 1
    return after


def look_at_block(tapes: Tapes, session: int, after: int, minute_atr: bool, scratch: Scratch, quick: Flags) -> int:
    """Indicators of the sessions from `session` until `after`, and whether each is `quick`; their first tape."""
    first_tape = tapes.sessions[session, FIRST_TAPE]
    look_at_tapes(tapes, first_tape, tapes.sessions[after - 1, END_TAPE] - first_tape, scratch)
    for number in range(session, after):
        row = tapes.sessions[number, FIRST_TAPE] - first_tape
        quick[number] = is_quick(tapes, number, minute_atr, scratch.usual[row:])
    return first_tape


def play_all(
    tapes: Tapes, equity: int, parameters: Parameters, account: Account, log: Log, scratch: Scratch, board: Board
) -> Counts:
    """All sessions, one after the other on one account; the rows that the log needs."""
    tapes, log, scratch, board = lent(tapes), lent_log(log), lent_scratch(scratch), lent_board(board)
    sessions = len(tapes.sessions)
    quick = np.zeros(sessions, np.bool_)
    counts = Counts(0, 0)
    cash = equity
    session = 0
    while session < sessions:
        after = block_end(tapes, session, len(board.symbols))
        first_tape = look_at_block(tapes, session, after, account.minute_atr, scratch, quick)
        for played in range(session, after):
            desk = Desk(tapes, scratch, tapes.sessions[played, FIRST_TAPE] - first_tape, board, log)
            counts = play_either(desk, quick[played], played, equity_told(cash), parameters, account, counts)
            if counts.fills > len(log.fills):
                return counts
            cash += log.days[played, RESULT]
        session = after
    return counts


def play_either(
    desk: Desk, quick: bool, session: int, equity: int, parameters: Parameters, account: Account, counts: Counts
) -> Counts:
    """One session in the quickest form that is right for it."""
    if not quick:
        return play_session(desk.tapes, session, equity, parameters, account, desk.log, counts)
    day = day_of(desk.tapes, session, equity, account, parameters, False)
    outcome, fills, trips = play_quickly(desk, day, session, counts)
    if outcome == NEEDS_MARKS:
        day = day_of(desk.tapes, session, equity, account, parameters, True)
        outcome, fills, trips = play_quickly(desk, day, session, counts)
    return Counts(fills, trips)


def play_sets(
    tapes: Tapes,
    equity: int,
    sets: Floats,
    account: Account,
    log: Log,
    scratch: Scratch,
    board: Board,
    results: Int64s,
    trips: Int64s,
) -> int:
    """All sessions under many sets of parameters; the indicators are made once for all of them.

    `sets` has a row of parameters for each set, `results` (n_sets, n_sessions) takes what each session brought in
    1e-6 USD, `trips` (n_sets,) counts round trips. The log holds one session at a time. Returns the rows of fills
    that a session needs: where they are more than the log has, the caller asks again.
    """
    tapes, log, scratch, board = lent(tapes), lent_log(log), lent_scratch(scratch), lent_board(board)
    sessions = len(tapes.sessions)
    quick = np.zeros(sessions, np.bool_)
    cash = np.full(len(sets), equity)
    session = 0
    while session < sessions:
        after = block_end(tapes, session, len(board.symbols))
        first_tape = look_at_block(tapes, session, after, account.minute_atr, scratch, quick)
        for number in range(len(sets)):
            row = sets[number]
            parameters = Parameters(int(row[0]), int(row[1]), row[2], row[3], int(row[4]))
            for played in range(session, after):
                desk = Desk(tapes, scratch, tapes.sessions[played, FIRST_TAPE] - first_tape, board, log)
                equity_now = equity_told(cash[number])
                counts = play_either(desk, quick[played], played, equity_now, parameters, account, Counts(0, 0))
                if counts.fills > len(log.fills):
                    return counts.fills
                result = log.days[played, RESULT]
                results[number, played] = result
                trips[number] += counts.trips
                cash[number] += result
        session = after
    return 0
