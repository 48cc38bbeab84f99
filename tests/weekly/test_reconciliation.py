"""Records and account are compared to the cent, and a difference ends everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from portfolio.rebalance import Funds, Position
from records.rows import TradeRow
from utils import HaltTrading
from weekly.reconciliation import Truth, cash_flow, reconcile
from weekly.results import Holdings

USD = 1_000_000
NOW = datetime(2024, 6, 3, 13, 35, tzinfo=UTC)
HOLDINGS = Holdings(
    at=NOW,
    account_id="DU1",
    positions=(Position(symbol="A", owned=10, price=1_000_000), Position(symbol="B", owned=0, price=1)),
    costs={"A": 990 * USD},
    funds=Funds(net_liquidation=2_000 * USD, settled_buying_power=1_000 * USD),
    of_others={},
)
TRUTH = Truth(cash=1_000 * USD, net_liquidation=2_000 * USD, holdings={"A": (10, 990 * USD)})


def row(exec_id: str, action: str, quantity: int, price_usd: float, fee_usd: float | None) -> TradeRow:
    given: dict[str, Any] = {"action": action, "quantity": quantity, "price_usd": price_usd}
    return TradeRow(
        exec_id=exec_id,
        session_date="2024-06-03",
        timestamp=NOW,
        symbol="A",
        reason="rebalance",
        commission_usd=fee_usd,
        **given,
    )


def test_cash_follows_executions_and_fees_but_not_rows_that_moved_none() -> None:
    rows = [
        row("1", "BUY", 10, 100.0, 1.0),
        row("2", "SELL", 4, 101.5, None),
        row("split-1-sell", "SELL", 6, 100.0, 0.0),
        row("delisted-1", "SELL", 6, 0.0001, 0.0),
    ]
    assert cash_flow(rows) == -1_001 * USD + 406 * USD


def test_agreement_within_a_cent_is_agreement() -> None:
    reconcile(HOLDINGS, TRUTH.cash + 9_999, TRUTH)


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (replace(TRUTH, cash=TRUTH.cash + 10_000), "cash 1,000.00 on record, 1,000.01 in the account"),
        (replace(TRUTH, net_liquidation=0), "net liquidation 2,000.00 on record, 0.00 in the account"),
        (replace(TRUTH, holdings={"A": (9, 990 * USD)}), "A: 10 shares on record, 9 in the account"),
        (replace(TRUTH, holdings={"A": (10, 991 * USD)}), "A: cost 990.00 on record, 991.00 in the account"),
        (replace(TRUTH, holdings={**TRUTH.holdings, "C": (1, USD)}), "C: 0 shares on record, 1 in the account"),
    ],
)
def test_each_difference_is_named_and_halts(truth: Truth, words: str) -> None:
    with pytest.raises(HaltTrading, match=r"records and account differ after the cycle of 2024-06-03") as stop:
        reconcile(HOLDINGS, TRUTH.cash, truth)
    assert words in str(stop.value)
