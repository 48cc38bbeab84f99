"""Whose turn is next: the tournament against a plain search, and a crowd of symbols against the plain form."""

from __future__ import annotations

import random

import pytest

from research.tapes import NEVER_S
from research.turns import EARLIEST, call_off, first_due, new_turns, set_turn, turn_of


@pytest.mark.parametrize("symbols", [1, 2, 3, 8, 13])
def test_the_first_by_rank_of_those_that_are_due_is_found(symbols: int) -> None:
    rng = random.Random(symbols)
    turns, plain = new_turns(symbols), [NEVER_S] * symbols
    for _ in range(500):
        s, second = rng.randrange(symbols), rng.choice([NEVER_S, rng.randrange(50)])
        set_turn(turns, s, second)
        plain[s] = second
        assert turns[EARLIEST] == min(plain)
        assert [turn_of(turns, each) for each in range(symbols)] == plain
        due_s = min(plain) + rng.randrange(3)
        assert first_due(turns, due_s) == next(each for each in range(symbols) if plain[each] <= due_s)
    call_off(turns)
    assert turns[EARLIEST] == NEVER_S
