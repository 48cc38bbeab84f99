"""The broker's own count of the day beside the ledger's: equal, explained, or told as unexplained."""

from __future__ import annotations

from typing import Any

from trading.broker_result import BrokerResult, OwnDay, ToldSale, compared, comparison_words

USD = 1_000_000


def own(realised_usd: float, **causes: Any) -> OwnDay:
    nothing: dict[str, Any] = {"fees_owed": False, "carried": (), "open_symbols": (), "shared": ()}
    return OwnDay(bot="day_trader", realised=round(realised_usd * USD), **(nothing | causes))


def sale(symbol: str, realised_usd: float, owner: str = "day_trader", quantity: int = 100) -> ToldSale:
    return ToldSale(symbol, quantity, round(realised_usd * USD), owner)


def told(realised_usd: float, *sales: ToldSale) -> BrokerResult:
    return BrokerResult(round(realised_usd * USD), 0, sales)


def test_equal_results_say_so() -> None:
    result = compared(own(-12.34), told(-12.34, sale("AAA", -12.34)))
    assert (result["difference_usd"], result["explained"], result["unexplained_usd"]) == (0.0, [], 0.0)
    assert comparison_words(result) == "-12.34 USD, as in the ledger"


def test_sales_of_others_explain_what_they_realised() -> None:
    sales = (sale("AAA", 50.0), sale("BBB", -20.0, "weekly"), sale("CCC", 5.0, ""), sale("DDD", 1.0, "weekly"))
    result = compared(own(50.0), told(36.0, *sales))
    assert result["explained"] == [
        {"words": "sales of weekly: BBB, DDD", "usd": -19.0},
        {"words": "sales of somebody else: CCC", "usd": 5.0},
    ]
    assert result["unexplained_usd"] == 0.0
    assert comparison_words(result) == (
        "+36.00 USD, -14.00 from the ledger: -19.00 sales of weekly: BBB, DDD, +5.00 sales of somebody else: CCC"
    )


def test_causes_that_hold_explain_what_the_broker_counts_differently() -> None:
    day = own(50.0, fees_owed=True, carried=("AAA",))
    result = compared(day, told(47.5, sale("AAA", 47.5)))
    words = "our sales, counted differently: fees are not reported yet; bought on an earlier day or adopted AAA"
    assert result["explained"] == [{"words": words, "usd": -2.5}]
    assert result["unexplained_usd"] == 0.0


def test_what_nothing_explains_is_said() -> None:
    """The broker counts 3 dollars that no sale of today told, and another 2 in a sale of ours without a cause."""
    result = compared(own(50.0), told(55.0, sale("AAA", 52.0)))
    assert (result["explained"], result["unexplained_usd"]) == ([], 5.0)
    assert comparison_words(result) == "+55.00 USD, +5.00 from the ledger: +5.00 unexplained"


def test_only_the_part_that_sales_do_not_tell_is_unexplained_when_a_cause_holds() -> None:
    result = compared(own(50.0, open_symbols=("AAA",)), told(55.0, sale("AAA", 52.0)))
    assert [each["usd"] for each in result["explained"]] == [2.0]
    assert result["unexplained_usd"] == 3.0


def test_rounded_average_costs_explain_a_ten_thousandth_a_share_and_no_more() -> None:
    near, far = (compared(own(50.0), told(usd, sale("AAA", usd, quantity=500))) for usd in (50.05, 50.06))
    assert near["explained"] == [{"words": "average costs, rounded", "usd": 0.05}]
    assert near["unexplained_usd"] == 0.0
    assert far["unexplained_usd"] == 0.06


def test_both_results_are_told_in_dollars() -> None:
    result = compared(own(50.0), BrokerResult(52 * USD, -3 * USD, (sale("AAA", 52.0),)))
    assert result == {
        "ledger_usd": 50.0,
        "broker_usd": 52.0,
        "broker_unrealised_usd": -3.0,
        "difference_usd": 2.0,
        "explained": [],
        "unexplained_usd": 2.0,
    }


def test_half_a_cent_is_told_and_less_is_no_difference() -> None:
    half, less = (compared(own(0.0), told(usd)) for usd in (0.005, 0.004999))
    assert (half["unexplained_usd"], less["unexplained_usd"]) == (0.005, 0.0)
    by_others = [compared(own(0.0), told(usd, sale("AAA", usd, "weekly"))) for usd in (0.005, 0.004999)]
    assert [len(result["explained"]) for result in by_others] == [1, 0]
    assert comparison_words(less) == "+0.00 USD, as in the ledger"
    assert comparison_words(half) == "+0.01 USD, +0.01 from the ledger: +0.01 unexplained"


def test_a_rounding_that_is_explained_leaves_nothing_unexplained() -> None:
    result = compared(own(0.0), told(0.01, sale("AAA", 0.01, quantity=100)))
    assert (result["explained"], result["unexplained_usd"]) == ([{"words": "average costs, rounded", "usd": 0.01}], 0.0)


def test_every_cause_names_its_symbols_and_shares_of_others_those_that_others_sold_too() -> None:
    day = own(50.0, carried=("AAA", "BBB"), open_symbols=("CCC",), shared=("DDD", "BBB"))
    sales = (sale("AAA", 53.0), sale("BBB", 0.0), sale("BBB", 1.0, "weekly"), sale("EEE", 2.0, "weekly"))
    (of_weekly, of_ours) = compared(day, told(56.0, *sales))["explained"]
    assert of_weekly == {"words": "sales of weekly: BBB, EEE", "usd": 3.0}
    assert of_ours == {
        "words": "our sales, counted differently: bought on an earlier day or adopted AAA, BBB; "
        "shares of others in DDD, BBB; still open CCC",
        "usd": 3.0,
    }


def test_what_others_sold_of_what_we_did_not_sell_is_no_cause() -> None:
    result = compared(own(50.0), told(53.0, sale("AAA", 52.0), sale("BBB", 1.0, "weekly")))
    assert [each["words"] for each in result["explained"]] == ["sales of weekly: BBB"]
    assert result["unexplained_usd"] == 2.0
