"""Cash, average cost, realised and unrealised profit of the simulated account. Money in 1e-6 USD."""

from __future__ import annotations

from datetime import date

import pytest

from ib_simulator.account import Account, AccountKind
from ib_simulator.account_values import value_rows
from ib_simulator.orders import BUY, SELL

CASH = 100_000_000_000  # 100,000.00 USD
FEE = 1_000_300  # a small purchase: the minimum of 1.00 USD and 0.0003 USD
TEN, ELEVEN, NINE = 100_000, 110_000, 90_000  # prices in 1e-4 USD


@pytest.fixture
def prices() -> dict[str, int]:
    return {}


@pytest.fixture
def account(prices: dict[str, int]) -> Account:
    return Account("DU1", CASH, lambda symbol: prices.get(symbol, 0))


def test_a_purchase_costs_its_value_and_its_fee(account: Account) -> None:
    assert account.execute("AAA", BUY, 100, TEN, FEE) is None
    assert account.cash == CASH - 1_000_000_000 - FEE
    assert (account.holdings["AAA"].quantity, account.holdings["AAA"].cost) == (100, 1_001_000_300)
    assert account.fees_paid == FEE


def test_average_cost_contains_the_fee(account: Account) -> None:
    account.execute("AAA", BUY, 100, TEN, FEE)
    assert account.holdings["AAA"].average_cost_usd == pytest.approx(10.010003, abs=1e-12)


def test_a_second_purchase_averages_the_cost(account: Account) -> None:
    account.execute("AAA", BUY, 100, TEN, 1_000_000)
    account.execute("AAA", BUY, 300, ELEVEN, 3_000_000)
    # 1,001 + 3,303 = 4,304 USD over 400 shares
    assert account.holdings["AAA"].average_cost_usd == pytest.approx(10.76, abs=1e-12)


def test_realised_profit_is_net_of_the_fees_of_both_legs(account: Account) -> None:
    account.execute("AAA", BUY, 100, TEN, 1_000_000)
    assert account.execute("AAA", SELL, 100, ELEVEN, 1_500_000) == 97_500_000  # 100 - 1.00 - 1.50
    assert account.cash == CASH + 97_500_000
    assert (account.holdings["AAA"].quantity, account.holdings["AAA"].cost) == (0, 0)
    assert account.holdings["AAA"].average_cost_usd == 0.0


def test_recorded_round_trip_of_one_share() -> None:
    account = Account("DU1", CASH, lambda _: 0)
    account.execute("AAPL", BUY, 1, 3_405_200, 1_000_003)
    assert account.execute("AAPL", SELL, 1, 3_404_500, 1_007_211) == -2_077_214


def test_a_partial_sale_realises_its_share_and_keeps_the_average_cost(account: Account) -> None:
    account.execute("AAA", BUY, 100, TEN, 2_000_000)  # 10.02 a share
    assert account.execute("AAA", SELL, 25, ELEVEN, 1_000_000) == 23_500_000  # 275 - 250.50 - 1.00
    assert account.holdings["AAA"].average_cost_usd == pytest.approx(10.02, abs=1e-12)
    assert account.holdings["AAA"].realised == 23_500_000


def test_a_short_sale_brings_cash_and_costs_less_than_nothing(account: Account) -> None:
    assert account.execute("AAA", SELL, 100, TEN, 1_000_000) is None
    assert account.cash == CASH + 999_000_000
    assert (account.holdings["AAA"].quantity, account.holdings["AAA"].cost) == (-100, -999_000_000)
    assert account.holdings["AAA"].average_cost_usd == pytest.approx(9.99, abs=1e-12)


def test_covering_a_short_lower_is_a_profit(account: Account) -> None:
    account.execute("AAA", SELL, 100, TEN, 1_000_000)
    assert account.execute("AAA", BUY, 50, NINE, 500_000) == 49_000_000  # 499.50 - 450 - 0.50
    assert (account.holdings["AAA"].quantity, account.holdings["AAA"].cost) == (-50, -499_500_000)


def test_a_sale_through_zero_closes_the_long_and_opens_a_short(account: Account) -> None:
    account.execute("AAA", BUY, 100, TEN, 1_000_000)
    # 250 at 11: two fifths of the fee of 5 USD close, three fifths open
    assert account.execute("AAA", SELL, 250, ELEVEN, 5_000_000) == 97_000_000  # 1,100 - 1,001 - 2
    assert (account.holdings["AAA"].quantity, account.holdings["AAA"].cost) == (-150, -1_647_000_000)  # 1,650 - 3
    assert account.cash == CASH - 1_001_000_000 + 2_745_000_000


def test_a_purchase_through_zero_closes_the_short_and_opens_a_long(account: Account) -> None:
    account.execute("AAA", SELL, 100, TEN, 1_000_000)
    assert account.execute("AAA", BUY, 200, NINE, 2_000_000) == 98_000_000  # 999 - 900 - 1
    assert (account.holdings["AAA"].quantity, account.holdings["AAA"].cost) == (100, 901_000_000)


def test_cost_that_does_not_divide_is_not_lost(account: Account) -> None:
    account.execute("AAA", BUY, 3, TEN, 1_000_000)  # 31 USD over three shares
    realised = [account.execute("AAA", SELL, 1, TEN, 0) for _ in range(3)]
    assert realised == [-333_333, -333_333, -333_334]
    assert account.holdings["AAA"].cost == 0


def test_net_liquidation_is_cash_and_the_value_of_longs_and_shorts(account: Account, prices: dict[str, int]) -> None:
    account.execute("AAA", BUY, 100, TEN, 0)
    account.execute("BBB", SELL, 50, TEN, 0)
    prices.update(AAA=ELEVEN, BBB=90_000)
    assert account.cash == CASH - 500_000_000
    assert account.net_liquidation() == CASH - 500_000_000 + 1_100_000_000 - 450_000_000
    assert account.gross_position_value() == 1_550_000_000


def test_without_a_price_a_holding_is_worth_its_cost(account: Account) -> None:
    account.execute("AAA", BUY, 100, TEN, FEE)
    assert account.net_liquidation() == CASH


def test_buying_power_is_four_times_what_margin_leaves(account: Account, prices: dict[str, int]) -> None:
    account.execute("AAA", BUY, 1_000, TEN, 0)
    prices["AAA"] = TEN
    # 100,000 - a quarter of 10,000 = 97,500
    assert (account.maintenance_margin(), account.available_funds()) == (2_500_000_000, 97_500_000_000)
    assert account.buying_power() == 390_000_000_000


def test_buying_power_is_never_negative(account: Account, prices: dict[str, int]) -> None:
    account.execute("AAA", SELL, 10_000, TEN, 0)
    prices["AAA"] = 400_000  # 200,000 of cash against a debt of 400,000
    assert account.available_funds() < 0
    assert account.buying_power() == 0


def test_reported_values_are_sorted_and_agree_with_each_other(account: Account, prices: dict[str, int]) -> None:
    account.execute("AAA", BUY, 100, TEN, 1_000_000)
    account.execute("AAA", SELL, 40, ELEVEN, 1_000_000)  # realised 440 - 400.40 - 1 = 38.60
    prices["AAA"] = 105_000
    rows = value_rows(account)
    told = {key: value for key, value, _ in rows}
    assert rows == sorted(rows)
    assert told["TotalCashValue"] == "99438.00"  # 100,000 - 1,001 + 439
    assert told["StockMarketValue"] == "630.00"
    assert told["NetLiquidation"] == "100068.00"
    assert told["UnrealizedPnL"] == "29.40"  # 630 - 600.60
    assert told["RealizedPnL"] == "38.60"
    assert told["MaintMarginReq"] == "157.50"
    assert told["AvailableFunds"] == "99910.50"
    assert told["BuyingPower"] == "399642.00"
    assert told["AccountCode"] == "DU1"


def test_profit_and_loss_explain_the_change_of_net_liquidation(account: Account, prices: dict[str, int]) -> None:
    prices.update(AAA=ELEVEN, BBB=NINE)
    account.execute("AAA", BUY, 77, TEN, 1_000_231)
    account.execute("AAA", SELL, 30, ELEVEN, 1_012_345)
    account.execute("BBB", SELL, 13, TEN, 1_000_777)
    account.execute("BBB", BUY, 20, NINE, 1_000_060)
    profit = sum(
        holding.realised + account.market_value(symbol) - holding.cost for symbol, holding in account.holdings.items()
    )
    assert account.net_liquidation() - CASH == profit


def test_a_new_session_forgets_realised_profit_and_flat_holdings(account: Account) -> None:
    account.execute("AAA", BUY, 100, TEN, FEE)
    account.execute("AAA", SELL, 100, ELEVEN, FEE)
    account.execute("BBB", BUY, 100, TEN, FEE)
    account.execute("BBB", SELL, 40, ELEVEN, FEE)
    account.new_session(date(2025, 10, 8))
    assert list(account.holdings) == ["BBB"]
    assert (account.holdings["BBB"].quantity, account.holdings["BBB"].realised) == (60, 0)


def test_a_new_day_begins_once(account: Account) -> None:
    account.new_session(date(2025, 10, 8))
    account.execute("AAA", BUY, 100, TEN, FEE)
    account.execute("AAA", SELL, 100, ELEVEN, FEE)
    account.new_session(date(2025, 10, 8))  # as after a restart at noon
    assert account.realised() == 100_000_000 - 2 * FEE


def test_the_profit_of_the_day_is_the_change_of_net_liquidation(account: Account, prices: dict[str, int]) -> None:
    prices["AAA"] = TEN
    account.execute("AAA", BUY, 100, TEN, FEE)
    account.new_session(date(2025, 10, 8))
    start = account.net_liquidation()
    prices.update(AAA=ELEVEN, BBB=NINE)
    account.execute("AAA", SELL, 60, ELEVEN, FEE)
    account.execute("BBB", SELL, 10, TEN, FEE)
    assert account.day_profit("AAA") == 100_000_000 - FEE  # 100 shares a dollar up
    assert account.day_profit("BBB") == 10_000_000 - FEE
    assert account.net_liquidation() - start == account.day_profit("AAA") + account.day_profit("BBB")


def test_a_cash_account_buys_with_settled_cash_only() -> None:
    account = Account("U1", CASH, lambda _: TEN, kind=AccountKind.CASH)
    account.execute("AAA", BUY, 1_000, TEN, 0)
    account.execute("AAA", SELL, 400, TEN, 1_000_000)
    assert account.cash == CASH - 6_000_000_000 - 1_000_000
    assert account.buying_power() == account.settled_cash() == CASH - 10_000_000_000
    account.new_session(date(2025, 10, 8))
    assert account.buying_power() == account.cash


def test_88_keys_are_reported(account: Account) -> None:
    rows = value_rows(account)
    assert len({key for key, _, _ in rows}) == 88
    assert ("AccountReady", "true", "") in rows
    assert [value for key, value, _ in rows if key == "CashBalance"] == ["100000.00", "100000.00"]  # BASE and USD
