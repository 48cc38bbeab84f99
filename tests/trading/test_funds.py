"""What the account can still carry between two of its reports."""

from __future__ import annotations

from trading.funds import BuyingPower, Funds
from trading.risk import NO_LIMIT, PPM

USD = 1_000_000


def test_an_account_that_has_said_nothing_limits_nothing() -> None:
    power = BuyingPower()
    assert (power.available({}), power.reported.day_trades_left) == (NO_LIMIT, -1)
    assert power.margin_of("AAA") == PPM


def test_purchases_since_the_report_and_entries_on_their_way_bind_their_margin() -> None:
    power = BuyingPower(margin_ppm={"AAA": 250_000})
    power.on_report(Funds(available=10_000 * USD))
    power.on_bought("AAA", 1_000 * USD)
    power.on_bought("AAA", 3_000 * USD)  # a quarter of 4,000 together
    power.on_bought("BBB", 500 * USD)  # all of it: nobody told less
    assert power.available({}) == 8_500 * USD
    assert power.available({"AAA": 2_000 * USD, "CCC": 100 * USD}) == 7_900 * USD


def test_a_report_knows_what_happened_before_it() -> None:
    power = BuyingPower(margin_ppm={"AAA": 250_000}, day_trades_made=2)
    power.on_bought("AAA", 1_000 * USD)
    power.on_report(Funds(available=9_000 * USD, net_liquidation=50_000 * USD, day_trades_left=1))
    assert (power.available({}), power.day_trades_made) == (9_000 * USD, 0)
    assert power.reported == Funds(9_000 * USD, 50_000 * USD, 1)
    assert power.margin_of("AAA") == 250_000  # margins stay


def test_what_is_bound_is_rounded_down_to_a_millionth_of_a_dollar() -> None:
    power = BuyingPower(margin_ppm={"AAA": 333_333})
    power.on_report(Funds(available=100))
    power.on_bought("AAA", 10)  # 3.33333
    assert power.available({"AAA": 10}) == 94
