"""Whose turn is next: a second for each symbol of a session, and who is due first, without asking all of them.

A tournament in an array: the second half holds the symbols' seconds in rank order, each node before them the earlier
of its two, and EARLIEST the first of all. To set one and to find one takes as many steps as the number of symbols
has binary digits.
"""

from __future__ import annotations

import numpy as np

from research.tapes import NEVER_S, Int64s

EARLIEST = 1  # the place of the earliest second of all


def new_turns(most_symbols: int) -> Int64s:
    """Turns of up to `most_symbols` symbols; none has one yet."""
    leaves = 1 << (most_symbols - 1).bit_length()
    return np.full(2 * leaves, NEVER_S, np.int64)


def call_off(turns: Int64s) -> None:
    """Nobody has a turn any more."""
    for node in range(len(turns)):
        turns[node] = NEVER_S


def turn_of(turns: Int64s, s: int) -> int:
    """When the symbol of rank `s` is due; NEVER_S when it has no turn."""
    return turns[len(turns) // 2 + s]


def set_turn(turns: Int64s, s: int, second: int) -> None:
    """The symbol of rank `s` is due at `second` (NEVER_S: not again)."""
    node = len(turns) // 2 + s
    turns[node] = second
    while node > EARLIEST:
        second = min(second, turns[node ^ 1])
        node //= 2
        if turns[node] == second:
            break
        turns[node] = second


def first_due(turns: Int64s, second: int) -> int:
    """The first symbol by rank that is due at `second` or before, which one of them must be."""
    leaves = len(turns) // 2
    node = EARLIEST
    while node < leaves:
        node *= 2
        if turns[node] > second:
            node += 1
    return node - leaves
