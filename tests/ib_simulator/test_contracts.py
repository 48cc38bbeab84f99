"""The stocks of the simulated gateway and the trading hours it tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from ib_simulator.contracts import StockList, hours_text
from market_hours import Session, new_york_calendar


def sessions(first: date, last: date) -> Sequence[Session]:
    return new_york_calendar(first).sessions_between(first, last)


def test_a_stock_is_found_by_symbol_and_by_the_id_it_was_given() -> None:
    stocks = StockList(["MSFT", "AAPL", "AAPL"])
    apple = stocks.find(0, "AAPL")
    assert apple is not None
    assert stocks.find(apple.con_id, "") == apple
    assert stocks.symbols() == ("AAPL", "MSFT")


def test_the_id_wins_over_the_symbol() -> None:
    stocks = StockList(["AAPL", "MSFT"])
    apple = stocks.find(0, "AAPL")
    assert apple is not None
    assert stocks.find(apple.con_id, "MSFT") == apple
    assert stocks.find(1, "MSFT") is None


@pytest.mark.parametrize(("security_type", "currency"), [("OPT", "USD"), ("CASH", "USD"), ("STK", "EUR")])
def test_only_stocks_in_dollars_are_known(security_type: str, currency: str) -> None:
    assert StockList(["AAPL"]).find(0, "AAPL", security_type, currency) is None


def test_type_and_currency_may_be_left_out() -> None:
    assert StockList(["AAPL"]).find(0, "AAPL", "", "") is not None


def test_an_id_does_not_depend_on_the_other_symbols() -> None:
    assert StockList(["AAPL"]).find(0, "AAPL") == StockList(["AAPL", "MSFT", "A"]).find(0, "AAPL")


def test_ids_are_unique() -> None:
    symbols = [f"{a}{b}{c}" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJ" for c in "ABCDEFGHIJ"]
    stocks = StockList(symbols)
    assert len({stock.con_id for symbol in symbols if (stock := stocks.find(0, symbol))}) == 1_000


def test_matching_takes_the_start_of_a_symbol_in_any_case() -> None:
    stocks = StockList(["AA", "AAPL", "BAA"])
    assert [stock.symbol for stock in stocks.matching("aa")] == ["AA", "AAPL"]


def test_at_most_sixteen_stocks_match() -> None:
    assert len(StockList([f"A{number:02}" for number in range(20)]).matching("A")) == 16


def test_liquid_hours_name_closed_days() -> None:
    assert hours_text(sessions(date(2025, 10, 3), date(2025, 10, 7)), extended=False) == (
        "20251003:0930-20251003:1600;20251004:CLOSED;20251005:CLOSED;"
        "20251006:0930-20251006:1600;20251007:0930-20251007:1600"
    )


def test_a_holiday_is_closed_and_the_day_after_thanksgiving_ends_at_one() -> None:
    assert hours_text(sessions(date(2025, 11, 26), date(2025, 11, 28)), extended=False) == (
        "20251126:0930-20251126:1600;20251127:CLOSED;20251128:0930-20251128:1300"
    )


def test_trading_hours_run_from_four_to_four_hours_after_the_close() -> None:
    assert hours_text(sessions(date(2025, 11, 26), date(2025, 11, 28)), extended=True) == (
        "20251126:0400-20251126:2000;20251127:CLOSED;20251128:0400-20251128:1700"
    )


def test_hours_stay_in_new_york_time_when_the_clocks_change() -> None:
    assert hours_text(sessions(date(2025, 10, 31), date(2025, 11, 3)), extended=False) == (
        "20251031:0930-20251031:1600;20251101:CLOSED;20251102:CLOSED;20251103:0930-20251103:1600"
    )


def test_six_days_are_told_at_most() -> None:
    text = hours_text(sessions(date(2025, 10, 6), date(2025, 10, 17)), extended=False)
    assert [part[:8] for part in text.split(";")] == [f"202510{day:02}" for day in range(6, 12)]


def test_no_sessions_have_no_hours() -> None:
    assert hours_text([], extended=False) == ""
