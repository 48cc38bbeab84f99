"""Whatever an adviser says, no symbol moves by more than a band, and none comes or goes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trading.advice import RANK_BAND, Stance, View, advised_order

SYMBOLS = [f"S{number:02}" for number in range(12)]


@given(st.lists(st.sampled_from(Stance), min_size=12, max_size=12))
def test_no_symbol_ends_more_than_a_band_from_its_rank(stances: list[Stance]) -> None:
    order = advised_order(SYMBOLS, {symbol: View(stance) for symbol, stance in zip(SYMBOLS, stances, strict=True)})
    assert sorted(order) == SYMBOLS
    assert max(abs(order.index(symbol) - rank) for rank, symbol in enumerate(SYMBOLS)) <= RANK_BAND


def test_one_boost_and_one_veto_move_by_the_whole_band() -> None:
    order = advised_order(SYMBOLS, {"S05": View(Stance.BOOST)})
    assert order.index("S05") == 5 - RANK_BAND
    order = advised_order(SYMBOLS, {"S05": View(Stance.VETO)})
    assert order.index("S05") == 5 + RANK_BAND


def test_without_views_and_with_abstentions_nothing_moves() -> None:
    assert advised_order(SYMBOLS, {}) == SYMBOLS
    assert advised_order(SYMBOLS, {symbol: View(Stance.ABSTAIN, "no key") for symbol in SYMBOLS}) == SYMBOLS
    assert advised_order([], {}) == []
