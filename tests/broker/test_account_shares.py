"""What the account holds beside the ledger: what is told is believed, what is merely absent is not."""

from __future__ import annotations

from broker.account_shares import AccountShares
from broker.values import FinishedSale
from trading.ledger import Position

OWNED = {"AAA": Position(quantity=249, cost=24_952_290_000)}
BY_HAND = FinishedSale(perm_id=7, order_ref="", symbol="AAA", quantity=249)


def test_shares_beyond_all_ledgers_are_external() -> None:
    shares = AccountShares()
    shares.compare({"AAA": 299.0, "BBB": 12.0, "CCC": -5.0}, OWNED, {"AAA": 40, "BBB": 20})
    assert shares.external == {"AAA": 10.0, "BBB": 0.0, "CCC": -5.0}


def test_a_row_that_tells_fewer_shares_is_believed() -> None:
    shares = AccountShares()
    assert shares.compare({"AAA": 149.0}, OWNED, {}) == (("AAA",), ())
    assert shares.missing == {"AAA": 100}


def test_an_absent_row_is_no_evidence() -> None:
    shares = AccountShares()
    assert shares.compare({}, OWNED, {}) == ((), ("AAA",))
    assert shares.missing == {"AAA": 0}


def test_a_row_of_zero_is_evidence_until_our_own_next_execution() -> None:
    shares = AccountShares()
    shares.on_row("AAA", 0.0)
    assert shares.compare({}, OWNED, {}) == (("AAA",), ())
    shares.traded_by_us("AAA")
    assert shares.compare({}, OWNED, {}) == ((), ("AAA",))


def test_the_last_row_stands_where_the_next_answer_lacks_it() -> None:
    shares = AccountShares()
    shares.on_row("AAA", 149.0)
    assert shares.compare({}, OWNED, {}) == (("AAA",), ("AAA",))
    assert shares.missing == {"AAA": 100}


def test_a_finished_sale_explains_an_absent_row_but_for_what_its_executions_told() -> None:
    shares = AccountShares()
    assert shares.compare({}, OWNED, {}, [BY_HAND]) == (("AAA",), ())
    shares.told_of(BY_HAND.perm_id, 249)  # its shares were taken from the ledger then
    assert shares.compare({}, OWNED, {}, [BY_HAND]) == ((), ("AAA",))
