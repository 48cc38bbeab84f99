"""The keys and values that a gateway reports about an account, in its alphabetical order."""

from __future__ import annotations

from ib_simulator.account import Account

ValueRow = tuple[str, str, str]  # key, value, currency
USD = "USD"
BASE = "BASE"

# keys that come as a total, for commodities (nothing here) and for securities
_SEGMENTED_ZERO = ("AccruedDividend", "PostExpirationExcess", "PostExpirationMargin")
# keys that come in the base currency and in USD
_PER_CURRENCY_ZERO = (
    *("CorporateBondValue", "FundValue", "FutureOptionValue", "FuturesPNL", "FxCashBalance", "MoneyMarketFundValue"),
    *("MutualFundValue", "NetDividend", "OptionMarketValue", "WarrantValue"),
)


def is_total(row: ValueRow) -> bool:
    """Whether a value follows every fill; segments and forecasts repeat the totals and wait for the next refresh."""
    return not row[0].endswith(("-S", "-C")) and not row[0].startswith(("Full", "LookAhead"))


def value_rows(account: Account) -> list[ValueRow]:
    """All values, sorted by key. Amounts in USD with two digits."""
    net = account.net_liquidation()
    gross = account.gross_position_value()
    margin = account.maintenance_margin()
    available = account.available_funds()
    segmented = {
        "AvailableFunds": available,
        "EquityWithLoanValue": account.cash if account.is_cash else net,
        "ExcessLiquidity": available,
        "FullAvailableFunds": available,
        "FullExcessLiquidity": available,
        "FullInitMarginReq": margin,
        "FullMaintMarginReq": margin,
        "InitMarginReq": margin,
        "LookAheadAvailableFunds": available,
        "LookAheadExcessLiquidity": available,
        "LookAheadInitMarginReq": margin,
        "LookAheadMaintMarginReq": margin,
        "MaintMarginReq": margin,
        "NetLiquidation": net,
        "TotalCashValue": account.cash,
    }
    per_currency = {
        "CashBalance": account.cash,
        "NetLiquidationByCurrency": net,
        "RealizedPnL": account.realised(),
        "StockMarketValue": net - account.cash,
        "TotalCashBalance": account.cash,
        "UnrealizedPnL": account.unrealised(),
    }
    rows = list(_CONSTANT)
    for key, amount in segmented.items():
        text = _usd(amount)
        rows += [(key, text, USD), (f"{key}-S", text, USD)]
        if not key.startswith(("Full", "LookAhead")):
            rows.append((f"{key}-C", "0.00", USD))
    for key, amount in per_currency.items():
        text = _usd(amount)
        rows += [(key, text, BASE), (key, text, USD)]
    gross_text = _usd(gross)
    rows += [
        ("AccountCode", account.account_id, ""),
        ("AccountOrGroup", account.account_id, BASE),
        ("AccountOrGroup", account.account_id, USD),
        ("BuyingPower", _usd(account.buying_power()), USD),
        ("Cushion", f"{available / net:.6f}" if net else "0", ""),
        *[(f"DayTradesRemaining{day}", str(account.day_trades_left), "") for day in ("", "T+1", "T+2", "T+3", "T+4")],
        ("GrossPositionValue", gross_text, USD),
        ("GrossPositionValue-S", gross_text, USD),
        ("Leverage-S", f"{gross / net:.2f}" if net > 0 else "0.00", ""),
        ("SettledCash", _usd(account.settled_cash()), USD),
        ("TradingType-S", "STKCASH" if account.is_cash else "STKNOPT", ""),
    ]
    rows.sort()
    return rows


def _usd(amount: int) -> str:
    return f"{amount / 1_000_000:.2f}"


_CONSTANT: tuple[ValueRow, ...] = (
    *[(f"{key}{segment}", "0.00", USD) for key in _SEGMENTED_ZERO for segment in ("", "-C", "-S")],
    *[(key, "0.00", currency) for key in _PER_CURRENCY_ZERO for currency in (BASE, USD)],
    ("AccountReady", "true", ""),
    ("AccountType", "INDIVIDUAL", ""),
    ("AccruedCash", "0.00", BASE),
    ("AccruedCash", "0.00", USD),
    ("AccruedCash-S", "0.00", USD),
    ("Currency", BASE, BASE),
    ("Currency", USD, USD),
    ("ExchangeRate", "1.00", BASE),
    ("ExchangeRate", "1.00", USD),
    ("LookAheadNextChange", "0", ""),
    ("NLVAndMarginInReview", "false", ""),
    ("RealCurrency", BASE, BASE),
    ("RealCurrency", USD, USD),
    ("SegmentTitle-C", "US Commodities", ""),
    ("SegmentTitle-S", "US Securities", ""),
    ("WhatIfPMEnabled", "true", ""),
)
