"""Why it did not trade, counted."""

from __future__ import annotations

from trading.funnel import DecisionFunnel, entries_in
from trading.rules import Rule


def counted() -> DecisionFunnel:
    funnel = DecisionFunnel()
    for symbol, rule in (
        ("BBB", Rule.RSI_NOT_BELOW_CAP),
        ("AAA", Rule.WARMING_UP),
        ("AAA", Rule.NOT_ABOVE_VWAP),
        ("AAA", Rule.APPROVED),
        ("BBB", Rule.WARMING_UP),
        ("AAA", Rule.APPROVED),
    ):
        funnel.count(symbol, rule)
    return funnel


def test_judgements_are_counted_by_symbol_and_rule_in_the_order_of_the_rules() -> None:
    by_symbol = counted().by_symbol()
    assert {symbol: list(rules.items()) for symbol, rules in by_symbol.items()} == {
        "BBB": [("warming_up", 1), ("rsi_not_below_cap", 1)],
        "AAA": [("approved", 2), ("warming_up", 1), ("not_above_vwap", 1)],
    }


def test_totals_add_up_over_symbols() -> None:
    funnel = counted()
    expected = [("approved", 2), ("warming_up", 2), ("not_above_vwap", 1), ("rsi_not_below_cap", 1)]
    assert list(funnel.totals().items()) == expected
    assert funnel.judgements() == 6
    assert entries_in(funnel.totals()) == 2


def test_only_a_change_of_a_symbols_own_verdict_is_worth_a_row() -> None:
    funnel = DecisionFunnel()
    assert funnel.count("AAA", Rule.WARMING_UP)
    assert not funnel.count("AAA", Rule.WARMING_UP)
    assert funnel.count("BBB", Rule.WARMING_UP)
    assert funnel.count("AAA", Rule.NOT_ABOVE_VWAP)
    assert funnel.count("AAA", Rule.WARMING_UP)


def test_a_day_without_judgements_has_no_entries() -> None:
    assert DecisionFunnel().totals() == {}
    assert entries_in({}) == 0


def test_the_latest_rule_of_a_symbol_is_known_and_none_before_its_first_judgement() -> None:
    assert counted().last("BBB") == Rule.WARMING_UP
    assert counted().last("CCC") is None
