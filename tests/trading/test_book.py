"""The book of a session: money is conserved, latches hold, capital is never promised twice."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.trading.examples import (
    BOOK,
    CLOSE_S,
    LIMITS,
    OPEN_S,
    PROPERTY,
    RATES,
    USD,
    WANTED,
    execution,
    session_book,
)
from trading.book import DayMarks, PendingEntry, Recorded, RoundTrip, SessionBook
from trading.costs import BUY, SELL, fill_fees
from trading.funds import Funds
from trading.indicators import VwapState
from trading.judgement import judge_entry
from trading.ledger import Position
from trading.money import notional
from trading.orders import Action, Reason
from trading.risk import SymbolState, check_book
from trading.rules import Rule
from trading.strategy import Parameters


@pytest.fixture
def book() -> SessionBook:
    return session_book()


def lose(book: SessionBook, number: int, *, at_s: int, by: int = 100) -> None:
    """One share bought at 100.00 and sold `by` (1e-4 USD) lower."""
    book.on_execution(execution(f"b{number}", Action.BUY, 1, 1_000_000, at_s=at_s - 60), Reason.ENTRY)
    book.on_execution(execution(f"s{number}", Action.SELL, 1, 1_000_000 - by, at_s=at_s), Reason.STOP_LOSS)


# Executions and fees


def test_a_round_trip_realises_its_difference_less_all_fees(book: SessionBook) -> None:
    # 10 at 100.00, 1.00 of fees: cost 1,001.00
    assert book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY) is None
    assert book.on_fee("b", USD) is None
    assert book.positions == {"AAA": Position(10, 1_001 * USD)}
    assert book.realised == 0
    # 4 at 101.00: 404.00 - 400.40 = 3.60, and 1.20 of fees
    first = book.on_execution(execution("s1", Action.SELL, 4, 1_010_000, at_s=OPEN_S + 60), Reason.PROFIT_TARGET)
    assert first is not None
    assert first.pnl == 3_600_000
    assert first.pnl_pct == pytest.approx(100 * 3.6 / 400.4)
    corrected = book.on_fee("s1", 1_200_000)
    assert corrected is not None
    assert corrected.pnl == 2_400_000
    assert corrected.pnl_pct == pytest.approx(100 * 2.4 / 400.4)
    # 6 at 99.00: 594.00 - 600.60 = -6.60, and 1.30 of fees
    last = book.on_execution(execution("s2", Action.SELL, 6, 990_000, at_s=OPEN_S + 120), Reason.TIME_EXIT)
    assert last is not None
    assert last.pnl == -6_600_000
    book.on_fee("s2", 1_300_000)
    assert book.realised == 2_400_000 - 7_900_000
    assert book.positions == {}
    assert book.closed_round_trips() == (
        RoundTrip("AAA", OPEN_S, OPEN_S + 120, 10, 1_000 * USD, 998 * USD, 3_500_000, -5_500_000, "time_exit"),
    )


def test_a_fee_that_comes_after_the_shares_are_gone_is_realised_at_once(book: SessionBook) -> None:
    lose(book, 1, at_s=OPEN_S + 60)
    book.on_fee("b1", USD)
    assert book.realised == -10_000 - USD
    assert book.closed_round_trips()[0].pnl == -10_000 - USD


def test_a_late_fee_does_not_touch_a_newer_position_in_the_symbol(book: SessionBook) -> None:
    lose(book, 1, at_s=OPEN_S + 60)
    book.on_execution(execution("b2", Action.BUY, 1, 1_000_000), Reason.ENTRY)
    book.on_fee("b1", USD)
    assert book.positions["AAA"] == Position(1, 100 * USD)
    assert book.realised == -10_000 - USD


def test_a_repeated_fee_counts_once_and_a_revised_one_replaces_it(book: SessionBook) -> None:
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    for fee in (USD, USD, 1_100_000):
        book.on_fee("b", fee)
    assert book.positions["AAA"].cost == 1_001_100_000
    book.on_execution(execution("s", Action.SELL, 10, 1_000_000), Reason.MANUAL)
    for fee in (USD, USD):
        book.on_fee("s", fee)
    assert book.realised == -2_100_000
    assert book.closed_round_trips()[0].fees == 2_100_000


def test_executions_are_known_by_their_id(book: SessionBook) -> None:
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    assert book.knows("b")
    assert not book.knows("s")


def test_selling_more_than_is_owned_raises_and_counts_nothing(book: SessionBook) -> None:
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    with pytest.raises(ValueError, match="sold 11 shares of 10 owned"):
        book.on_execution(execution("s", Action.SELL, 11, 1_000_000), Reason.MANUAL)
    assert not book.knows("s")
    assert (book.positions["AAA"].quantity, book.realised) == (10, 0)


# Capital


def test_positions_and_pending_entries_take_capital(book: SessionBook) -> None:
    assert book.free_capital == 25_000 * USD
    book.add_pending("BBB", PendingEntry("e", 10, 500_500))  # 500.50
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY)
    book.on_fee("b", USD)  # cost 1,001.00
    assert book.free_capital == 23_498_500_000
    # at a bid of 101.00 the position gains 9.00: a quarter of it is capital too
    book.mark({"AAA": 1_010_000})
    assert book.free_capital == 23_500_750_000


def test_a_filling_entry_hands_its_capital_to_the_position(book: SessionBook) -> None:
    book.add_pending("AAA", PendingEntry("e", 10, 1_000_000))
    book.on_execution(execution("b", Action.BUY, 4, 1_000_000, ref="e"), Reason.ENTRY)
    assert book.pending == {"AAA": PendingEntry("e", 6, 1_000_000)}
    assert book.free_capital == 24_000 * USD
    book.on_execution(execution("c", Action.BUY, 6, 1_000_000, ref="e"), Reason.ENTRY)
    assert book.pending == {}
    assert book.free_capital == 24_000 * USD


def test_an_expired_entry_frees_its_capital_but_only_its_own(book: SessionBook) -> None:
    book.add_pending("AAA", PendingEntry("e2", 10, 1_000_000))
    book.drop_pending("AAA", "e1")  # a late report about an earlier entry
    assert book.free_capital == 24_000 * USD
    book.drop_pending("AAA", "e2")
    assert book.free_capital == 25_000 * USD


def test_a_purchase_of_another_order_takes_nothing_from_an_entry_on_its_way(book: SessionBook) -> None:
    book.add_pending("AAA", PendingEntry("e", 10, 1_000_000))
    book.on_execution(execution("b", Action.BUY, 4, 1_000_000, ref="by hand"), Reason.MANUAL)
    assert book.pending["AAA"].quantity == 10


def test_an_entry_of_which_one_share_is_missing_waits_for_it(book: SessionBook) -> None:
    book.add_pending("AAA", PendingEntry("e", 10, 1_000_000))
    book.on_execution(execution("b", Action.BUY, 9, 1_000_000, ref="e"), Reason.ENTRY)
    assert book.pending["AAA"].quantity == 1


@pytest.mark.parametrize(
    ("filled", "left"),
    [
        (4, None),  # its executions are all here
        (0, None),  # or more of them than its state says
        (5, 1),
        (10, 6),
        (99, 6),  # never more than was still to come
    ],
)
def test_an_entry_that_is_over_keeps_capital_for_the_executions_still_to_come(
    book: SessionBook, filled: int, left: int | None
) -> None:
    book.add_pending("AAA", PendingEntry("e", 10, 1_000_000))
    book.on_execution(execution("b1", Action.BUY, 3, 1_000_000, ref="e"), Reason.ENTRY)
    book.on_execution(execution("b2", Action.BUY, 1, 1_000_000, ref="e"), Reason.ENTRY)
    book.on_execution(execution("b3", Action.BUY, 5, 1_000_000, ref="another"), Reason.MANUAL)
    book.drop_pending("AAA", "e", filled)
    assert book.pending.get("AAA") == (None if left is None else PendingEntry("e", left, 1_000_000))


def test_fees_of_an_entry_on_its_way_take_capital_too(book: SessionBook) -> None:
    book.add_pending("AAA", PendingEntry("e", 10, 1_000_000, 1_500_000))
    assert book.committed == 1_001_500_000


def test_every_entry_of_a_symbol_is_counted(book: SessionBook) -> None:
    for number in range(3):
        book.add_pending("AAA", PendingEntry(f"e{number}", 1, 1_000_000))
        book.drop_pending("AAA", f"e{number}")
    assert book.symbol_state("AAA").entries == 3


def test_shares_that_cost_nothing_have_no_result_in_percent(book: SessionBook) -> None:
    book.on_execution(execution("b", Action.BUY, 1, 0), Reason.SYNC)
    assert book.on_execution(execution("s", Action.SELL, 1, 10_000), Reason.MANUAL) == (USD, 0.0)


def test_the_price_paid_is_the_average_rounded_up_and_zero_when_flat(book: SessionBook) -> None:
    assert book.price_paid("AAA") == 0
    book.on_execution(execution("b1", Action.BUY, 2, 1_000_000), Reason.ENTRY)
    book.on_execution(execution("b2", Action.BUY, 1, 1_000_001), Reason.ENTRY)
    assert book.price_paid("AAA") == 1_000_001  # 100.0000333…


# Marks and latches


def test_loss_latches_for_the_session(book: SessionBook) -> None:
    # limit 500: 100 shares at 100.00, bid 95.01 loses 499, 95.00 loses 500
    book.on_execution(execution("b", Action.BUY, 100, 1_000_000), Reason.ENTRY)
    book.mark({"AAA": 950_100})
    assert not book.loss_latched
    book.mark({"AAA": 950_000})
    assert book.loss_latched
    book.mark({"AAA": 1_100_000})
    assert book.pnl == 1_000 * USD
    assert check_book(book.book_state(OPEN_S, 0), LIMITS).rule == Rule.DAILY_LOSS


def test_loss_is_seen_at_marks_only(book: SessionBook) -> None:
    book.on_execution(execution("b", Action.BUY, 100, 1_000_000), Reason.ENTRY)
    book.on_execution(execution("s", Action.SELL, 100, 900_000), Reason.STOP_LOSS)
    assert book.realised == -1_000 * USD
    assert not book.loss_latched
    book.mark({})
    assert book.loss_latched


def test_drawdown_is_measured_from_the_peak_and_latches(book: SessionBook) -> None:
    # limit 750: peak +600 at 106.00, then -149 is a fall of 749, -150 one of 750
    book.on_execution(execution("b", Action.BUY, 100, 1_000_000), Reason.ENTRY)
    for bid, latched in ((1_060_000, False), (985_100, False), (985_000, True), (1_060_000, True)):
        book.mark({"AAA": bid})
        assert book.drawdown_latched is latched
    assert not book.loss_latched
    assert (book.peak, book.trough) == (600 * USD, -750 * USD)


def test_realised_losses_count_towards_the_limits_with_unrealised_ones(book: SessionBook) -> None:
    lose(book, 1, at_s=OPEN_S + 60, by=1_000_000 - 1)  # loses 99.9999 of 100.00 with one share
    book.on_execution(execution("b", Action.BUY, 100, 1_000_000), Reason.ENTRY)
    book.mark({"AAA": 959_999})  # 400.01 more
    assert book.pnl == -499_999_900 - 10_000
    assert book.loss_latched


def test_a_position_without_a_bid_is_worth_its_cost(book: SessionBook) -> None:
    book.on_execution(execution("b", Action.BUY, 100, 1_000_000), Reason.ENTRY)
    book.mark({"AAA": 900_000})
    book.mark({})
    assert book.unrealised == 0


# What rules see


def test_a_symbol_with_position_and_pending_rest_counts_once(book: SessionBook) -> None:
    book.add_pending("AAA", PendingEntry("e", 10, 1_000_000))
    book.on_execution(execution("b", Action.BUY, 4, 1_000_000, ref="e"), Reason.ENTRY)
    book.add_pending("BBB", PendingEntry("f", 10, 1_000_000))
    state = book.book_state(OPEN_S + 5, 2)
    assert (state.open_positions, state.entries, state.entries_this_tick) == (2, 2, 2)
    assert (state.now_s, state.close_s) == (OPEN_S + 5, CLOSE_S)
    symbol = book.symbol_state("AAA")
    assert (symbol.quantity, symbol.pending, symbol.entries, symbol.last_exit_s) == (4, True, 1, 0)


def test_the_latches_are_told_to_the_rules_each_by_its_own_name(book: SessionBook) -> None:
    book.drawdown_latched = True
    state = book.book_state(OPEN_S, 0)
    assert (state.loss_latched, state.drawdown_latched) == (False, True)
    assert check_book(state, LIMITS).rule == Rule.DRAWDOWN


def test_a_symbol_that_nobody_touched_is_told_with_its_margin(book: SessionBook) -> None:
    book.buying_power.margin_ppm["AAA"] = 250_000
    assert book.symbol_state("AAA") == SymbolState(0, False, 0, 0, False, 250_000)
    assert book.symbol_state("BBB") == SymbolState(0, False, 0, 0, False, 1_000_000)


def test_a_symbol_cools_down_from_the_moment_it_is_flat(book: SessionBook) -> None:
    lose(book, 1, at_s=OPEN_S + 600)
    assert book.symbol_state("AAA").last_exit_s == OPEN_S + 600
    assert book.symbol_state("BBB").last_exit_s == 0


def test_entries_stopped_by_hand_are_told_to_the_rules(book: SessionBook) -> None:
    book.entries_stopped = "kill switch"
    assert check_book(book.book_state(OPEN_S, 0), LIMITS).rule == Rule.ENTRIES_STOPPED


def test_a_streak_of_losses_pauses_entries_from_the_last_one() -> None:
    book = session_book(LIMITS._replace(loss_streak=2, loss_streak_pause_s=600))
    lose(book, 1, at_s=OPEN_S + 100)
    assert book.book_state(OPEN_S + 100, 0).pause_until_s == 0
    lose(book, 2, at_s=OPEN_S + 200)
    assert book.book_state(OPEN_S + 200, 0).pause_until_s == OPEN_S + 800


def test_a_round_trip_that_did_not_lose_ends_the_streak() -> None:
    book = session_book(LIMITS._replace(loss_streak=2))
    lose(book, 1, at_s=OPEN_S + 100)
    lose(book, 2, at_s=OPEN_S + 200, by=0)
    lose(book, 3, at_s=OPEN_S + 300)
    assert book.book_state(OPEN_S + 300, 0).pause_until_s == 0


def test_fees_can_make_a_round_trip_a_loss() -> None:
    book = session_book(LIMITS._replace(loss_streak=1, loss_streak_pause_s=600))
    lose(book, 1, at_s=OPEN_S + 100, by=-100)  # gains 0.01
    assert book.book_state(OPEN_S + 100, 0).pause_until_s == 0
    book.on_fee("s1", USD)
    assert book.book_state(OPEN_S + 100, 0).pause_until_s == OPEN_S + 700


# What an earlier run left


def test_what_earlier_runs_of_the_day_recorded_counts_as_if_this_run_had_seen_it(book: SessionBook) -> None:
    # bought 10 at 100.00 for a fee of 1.00, 4 of them sold at 101.00 for 1.00: 4 − 0.40 − 1.00 = 2.60
    bought = execution("b", Action.BUY, 10, 1_000_000, ref="e")
    sold = execution("s", Action.SELL, 4, 1_010_000, at_s=OPEN_S + 60)
    book.restore([], [Recorded(bought, Reason.ENTRY, USD), Recorded(sold, Reason.STOP_LOSS, USD)])
    assert book.knows("b")
    assert book.positions == {"AAA": Position(6, 600_600_000)}
    assert book.realised == 2_600_000
    assert book.price_paid("AAA") == 1_000_000
    book.on_execution(execution("t", Action.SELL, 6, 1_010_000, at_s=OPEN_S + 120), Reason.STOP_LOSS)
    (trip,) = book.closed_round_trips()
    assert (trip.quantity, trip.fees, trip.pnl) == (10, 2 * USD, 8 * USD)


def test_a_loss_of_an_earlier_run_of_the_day_latches_here(book: SessionBook) -> None:
    bought = execution("b", Action.BUY, 10, 1_000_000)
    sold = execution("s", Action.SELL, 10, 500_000, at_s=OPEN_S + 60)
    book.restore([], [Recorded(bought, Reason.ENTRY, 0), Recorded(sold, Reason.STOP_LOSS, 0)])
    assert book.symbol_state("AAA").last_exit_s == OPEN_S + 60
    book.mark({})
    assert book.loss_latched


def test_a_later_run_of_the_day_has_the_marks_entries_and_refusals_of_the_former(book: SessionBook) -> None:
    former = session_book()
    former.add_pending("AAA", PendingEntry("e1", 10, 1_000_000))
    former.drop_pending("AAA", "e1")  # it did not fill: tried all the same
    former.reject("BBB", "no permission")
    former.realised = 400 * USD
    former.mark({})
    former.realised = -360 * USD  # 760 under the day's peak of 400: more than the 750 allowed
    former.mark({})
    former.realised = 0
    former.mark({})
    book.resume(former.marks, former.entries, former.rejected)
    book.mark({})
    assert (book.loss_latched, book.drawdown_latched) == (False, True)
    assert (book.peak, book.trough) == (400 * USD, -760 * USD)
    assert book.symbol_state("AAA").entries == 1
    assert book.symbol_state("BBB").rejected
    assert book.book_state(OPEN_S, 0) == former.book_state(OPEN_S, 0)


def test_executions_that_are_late_keep_the_capital_of_their_entry(book: SessionBook) -> None:
    book.add_pending("AAA", PendingEntry("e1", 10, 1_000_000))
    free = book.free_capital
    book.drop_pending("AAA", "e1", filled=4)  # filled, says its state; the executions are on their way
    assert book.free_capital == free + 600 * USD
    assert book.symbol_state("AAA").pending
    book.on_execution(execution("b", Action.BUY, 4, 1_000_000, ref="e1"), Reason.ENTRY)
    assert (book.free_capital, book.pending) == (free + 600 * USD, {})


def test_capital_is_never_more_than_the_account_is_worth(book: SessionBook) -> None:
    # another bot lost 20,000: a quarter of (80,000 + 0.5 % of 100,000 for what the report may lag behind)
    assert book.free_capital == 25_000 * USD
    book.buying_power.on_report(Funds(net_liquidation=80_000 * USD))
    assert book.free_capital == 20_125 * USD
    book.equity_at_open += 199  # 0.5 % of it are 500.000000995 USD, down to a whole millionth
    assert (book.free_capital, type(book.free_capital)) == (20_125 * USD, int)


def test_shares_that_cost_more_than_the_allocation_leave_no_capital(book: SessionBook) -> None:
    book.on_execution(execution("sync", Action.BUY, 1_000, 300_000), Reason.SYNC)  # 30,000 adopted, 25,000 allowed
    assert book.free_capital == 0


def test_available_funds_are_those_of_the_report_less_what_came_after_it(book: SessionBook) -> None:
    book.buying_power.margin_ppm["AAA"] = 250_000
    book.buying_power.on_report(Funds(available=10_000 * USD))
    book.add_pending("AAA", PendingEntry("e1", 100, 1_000_000))  # a quarter of 10,000
    assert book.book_state(OPEN_S, 0).available_funds == 7_500 * USD
    book.on_execution(execution("b", Action.BUY, 100, 1_000_000, ref="e1"), Reason.ENTRY)
    book.add_pending("BBB", PendingEntry("e2", 10, 1_000_000))  # no what-if: all of its 1,000
    assert book.book_state(OPEN_S, 0).available_funds == 6_500 * USD
    book.buying_power.on_report(Funds(available=7_490 * USD))
    assert book.book_state(OPEN_S, 0).available_funds == 6_490 * USD


def test_day_trades_are_positions_and_entries_of_today_and_what_the_account_does_not_count_yet(
    book: SessionBook,
) -> None:
    book.buying_power.on_report(Funds(day_trades_left=3))
    book.on_execution(execution("old", Action.BUY, 5, 1_000_000, symbol="OLD", at_s=OPEN_S - 86_400), Reason.ENTRY)
    for symbol in ("AAA", "BBB"):
        book.add_pending(symbol, PendingEntry(symbol, 10, 1_000_000))
    book.on_execution(execution("b", Action.BUY, 10, 1_000_000, ref="AAA"), Reason.ENTRY)
    state = book.book_state(OPEN_S, 0)
    assert (state.day_trades_left, state.day_trades_begun) == (3, 2)
    book.on_execution(execution("s", Action.SELL, 10, 1_000_000), Reason.STOP_LOSS)
    assert book.book_state(OPEN_S, 0).day_trades_begun == 2
    book.add_pending("CCC", PendingEntry("CCC", 10, 1_000_000))
    book.on_execution(execution("c", Action.BUY, 10, 1_000_000, symbol="CCC", ref="CCC"), Reason.ENTRY)
    book.on_execution(execution("d", Action.SELL, 10, 1_000_000, symbol="CCC"), Reason.STOP_LOSS)
    book.on_execution(execution("o", Action.SELL, 5, 1_000_000, symbol="OLD"), Reason.STOP_LOSS)  # bought before
    assert (book.buying_power.day_trades_made, book.book_state(OPEN_S, 0).day_trades_begun) == (2, 3)
    book.buying_power.on_report(Funds(day_trades_left=1))
    assert book.book_state(OPEN_S, 0).day_trades_begun == 1


def test_of_earlier_sessions_only_what_is_still_owned_counts(book: SessionBook) -> None:
    yesterday = OPEN_S - 86_400
    earlier = [
        Recorded(execution("b0", Action.BUY, 10, 1_000_000, at_s=yesterday), Reason.ENTRY, USD),
        Recorded(execution("s0", Action.SELL, 10, 500_000, at_s=yesterday + 60), Reason.STOP_LOSS, USD),
        Recorded(execution("b1", Action.BUY, 10, 1_000_000, at_s=yesterday + 3_600), Reason.ENTRY, USD),
    ]
    book.restore(earlier, [])
    assert book.positions == {"AAA": Position(10, 1_001 * USD)}
    assert (book.realised, book.closed_round_trips(), book.entries, book.last_exit_s) == (0, (), {}, {})
    closing = book.on_execution(execution("s1", Action.SELL, 10, 1_010_000, at_s=OPEN_S + 60), Reason.STOP_LOSS)
    assert closing is not None
    assert closing.pnl == 9 * USD
    assert book.closed_round_trips()[0].opened_s == yesterday + 3_600


def test_a_fee_that_no_earlier_run_heard_of_is_booked_when_it_comes(book: SessionBook) -> None:
    book.restore([], [Recorded(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY, None)])
    book.on_fee("b", USD)
    assert book.positions == {"AAA": Position(10, 1_001 * USD)}


def test_a_recorded_sale_of_more_than_the_ledger_has_is_booked_as_far_as_it_goes(book: SessionBook) -> None:
    # 10 bought at 100.00; 15 sold at 101.00, of which 10 were ours; then 5 more, none of them ours
    bought, sold = execution("b", Action.BUY, 10, 1_000_000), execution("s", Action.SELL, 15, 1_010_000)
    more = execution("t", Action.SELL, 5, 1_020_000)
    recorded = [(bought, Reason.ENTRY), (sold, Reason.MANUAL), (more, Reason.MANUAL)]
    book.restore([], [Recorded(each, reason, USD) for each, reason in recorded])
    (trip,) = book.closed_round_trips()
    assert (trip.quantity, trip.sold_for, trip.fees, trip.pnl) == (10, 1_010 * USD, 2 * USD, 8 * USD)
    assert trip.exit_reason == "manual"
    assert (book.realised, book.positions) == (8 * USD, {})
    assert book.knows("s")
    assert book.knows("t")


def test_what_an_earlier_run_bought_is_in_the_figures_of_the_account_already(book: SessionBook) -> None:
    book.restore([], [Recorded(execution("b", Action.BUY, 10, 1_000_000), Reason.ENTRY, None)])
    book.buying_power.reported = Funds(available=5_000 * USD)
    assert book.book_state(OPEN_S, 0).available_funds == 5_000 * USD


def test_results_of_earlier_sessions_are_gone_before_those_of_today_are_counted(book: SessionBook) -> None:
    def round_trip(name: str, at_s: int, sold_at: int) -> list[Recorded]:
        return [
            Recorded(execution(f"b{name}", Action.BUY, 1, 1_000_000, at_s=at_s), Reason.ENTRY, None),
            Recorded(execution(f"s{name}", Action.SELL, 1, sold_at, at_s=at_s + 60), Reason.EOD, None),
        ]

    book.restore(round_trip("1", OPEN_S - 86_400, 900_000), round_trip("2", OPEN_S, 1_010_000))
    assert (book.realised, len(book.round_trips)) == (USD, 1)
    assert book.last_exit_s == {"AAA": OPEN_S + 60}


# Earlier sessions


def test_an_execution_of_an_earlier_session_changes_shares_and_cost_but_no_result_of_this_one(
    book: SessionBook,
) -> None:
    yesterday = OPEN_S - 86_400
    bought_then = execution("b", Action.BUY, 10, 1_000_000, at_s=yesterday, ref="e")
    assert book.on_earlier_execution(bought_then, Reason.ENTRY) is None
    book.on_fee("b", USD)
    assert book.positions == {"AAA": Position(10, 1_001 * USD)}
    # 4 at 101.00: 404.00 - 400.40 = 3.60, told to whoever asks and not of this session
    part = book.on_earlier_execution(execution("s1", Action.SELL, 4, 1_010_000, at_s=yesterday), Reason.PROFIT_TARGET)
    assert part is not None
    assert (part.pnl, book.realised) == (3_600_000, 0)
    corrected = book.on_fee("s1", 1_200_000)
    assert corrected is not None
    assert (corrected.pnl, book.realised) == (2_400_000, 0)
    assert (book.positions, book.opened_s("AAA")) == ({"AAA": Position(6, 600_600_000)}, yesterday)
    rest = book.on_earlier_execution(execution("s2", Action.SELL, 6, 1_010_000, at_s=yesterday + 60), Reason.EOD)
    assert rest is not None
    assert rest.pnl == 5_400_000
    assert (book.positions, book.realised, book.round_trips, book.last_exit_s) == ({}, 0, [], {})
    assert book.knows("s2")


def test_a_fee_of_an_earlier_session_that_comes_after_the_shares_are_gone_is_no_loss_of_this_one(
    book: SessionBook,
) -> None:
    book.on_earlier_execution(execution("b", Action.BUY, 1, 1_000_000), Reason.ENTRY)
    book.on_earlier_execution(execution("s", Action.SELL, 1, 1_000_000), Reason.EOD)
    assert book.on_fee("b", USD) is None
    assert book.realised == 0


def test_an_earlier_session_takes_nothing_from_the_results_and_the_cool_down_of_this_one(book: SessionBook) -> None:
    lose(book, 1, at_s=OPEN_S + 60)
    book.on_earlier_execution(execution("b", Action.BUY, 1, 1_000_000, at_s=OPEN_S - 86_400), Reason.ENTRY)
    book.on_earlier_execution(execution("s", Action.SELL, 1, 900_000, at_s=OPEN_S - 80_000), Reason.STOP_LOSS)
    assert (book.realised, len(book.round_trips)) == (-10_000, 1)
    assert book.last_exit_s == {"AAA": OPEN_S + 60}


def test_an_execution_that_is_only_noted_is_known_and_books_nothing_not_even_its_fee(book: SessionBook) -> None:
    book.note(execution("s", Action.SELL, 10, 1_000_000, ref="e"))
    assert book.knows("s")
    assert book.filled_by("e") == (10, 1_000_000)  # its order sold them, whoever they belonged to
    assert book.on_fee("s", USD) is None
    assert (book.positions, book.realised) == ({}, 0)


def test_what_an_order_filled_is_its_shares_and_their_average_price(book: SessionBook) -> None:
    # (3 x 100.0001 + 1 x 100.0006) / 4 = 100.000225, down to a ten-thousandth
    for number, (quantity, price, ref) in enumerate(((3, 1_000_001, "e"), (1, 1_000_006, "e"), (5, 2_000_000, "f"))):
        book.on_execution(execution(f"b{number}", Action.BUY, quantity, price, ref=ref), Reason.ENTRY)
    assert book.filled_by("e") == (4, 1_000_002)
    assert book.filled_by("unknown") == (0, 0)


def test_shares_were_held_before_an_instant_when_they_were_bought_before_it_sold_since_or_not(
    book: SessionBook,
) -> None:
    lose(book, 1, at_s=OPEN_S + 60)  # bought at the open
    book.on_execution(execution("b", Action.BUY, 1, 1_000_000, symbol="BBB", at_s=OPEN_S + 10), Reason.ENTRY)
    assert book.symbols_held_before(OPEN_S) == ()
    assert book.symbols_held_before(OPEN_S + 1) == ("AAA",)
    assert book.symbols_held_before(OPEN_S + 11) == ("AAA", "BBB")
    assert (book.opened_s("AAA"), book.opened_s("BBB")) == (0, OPEN_S + 10)


def test_only_the_first_refusal_of_a_symbol_is_news_and_its_reason_stays(book: SessionBook) -> None:
    assert book.reject("AAA", "no shares to trade") is True
    assert book.reject("AAA", "something else") is False
    assert book.rejected == {"AAA": "no shares to trade"}


def test_the_marks_of_a_book_are_those_that_a_later_run_takes_up(book: SessionBook) -> None:
    marks = DayMarks(90_000 * USD, 5 * USD, -7 * USD, True, True)
    book.resume(marks, {"AAA": 2}, {"BBB": "why"})
    assert book.marks == marks
    assert (book.equity_at_open, book.entries, book.rejected) == (90_000 * USD, {"AAA": 2}, {"BBB": "why"})
    book.resume(marks._replace(loss_latched=False), {}, {})
    assert book.marks == marks._replace(loss_latched=False)


def test_entries_are_forbidden_by_the_first_of_fault_operator_health_and_broker(book: SessionBook) -> None:
    assert book.why_no_entries == ""
    book.entries_waiting = "the broker is asked"
    assert book.why_no_entries == "the broker is asked"
    book.entries_paused = "memory"
    assert book.why_no_entries == "memory"
    book.entries_held = "by hand"
    assert book.why_no_entries == "by hand"
    book.entries_stopped = "shares are missing"
    assert book.why_no_entries == "shares are missing"


# Properties


@PROPERTY
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["AAA", "BBB"]),
            st.sampled_from(["buy", "sell"]),
            st.integers(1, 500),
            st.integers(1, 10_000_000),
            st.integers(0, 10**7),
            st.booleans(),
        ),
        max_size=25,
    )
)
def test_cash_cost_and_result_always_add_up(steps: list[tuple[str, str, int, int, int, bool]]) -> None:
    book, cash, late = session_book(), 0, []
    for number, (symbol, side, quantity, price, fee, fee_is_late) in enumerate(steps):
        owned = book.positions.get(symbol, Position()).quantity
        if side == "sell":
            quantity = min(quantity, owned)
        if quantity == 0:
            continue
        action = Action.BUY if side == "buy" else Action.SELL
        book.on_execution(execution(str(number), action, quantity, price, symbol=symbol), Reason.MANUAL)
        cash += notional(price, quantity) * (1 if action is Action.SELL else -1)
        if fee_is_late:
            late.append((str(number), fee))
        else:
            book.on_fee(str(number), fee)
            cash -= fee
        assert cash + sum(position.cost for position in book.positions.values()) == book.realised
    for exec_id, fee in late:
        book.on_fee(exec_id, fee)
        cash -= fee
    assert cash + sum(position.cost for position in book.positions.values()) == book.realised
    if not book.positions:
        assert sum(trip.pnl for trip in book.closed_round_trips()) == book.realised == cash


@PROPERTY
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["AAA", "BBB", "CCC", "DDD"]),
            st.integers(100, 50_000).map(lambda cents: cents * 100),
            st.sampled_from(["enter", "fill", "expire", "sell"]),
            st.integers(0, 100_000),
        ),
        max_size=40,
    )
)
def test_capital_is_never_promised_twice(steps: list[tuple[str, int, str, int]]) -> None:
    book = session_book(LIMITS._replace(max_daily_loss=10**15, max_drawdown=10**15, cool_down_s=0, loss_streak=10**6))
    bids: dict[str, int] = {}
    numbers = itertools.count()
    approvals = 0
    for symbol, price, step, volume in steps:
        bids[symbol] = price - 100
        pending = book.pending.get(symbol)
        position = book.positions.get(symbol)
        exec_id = f"x{next(numbers)}"
        if step == "enter":
            book.mark(bids)
            market = WANTED._replace(
                last=price, bid=price - 100, ask=price + 100, minute_volume=volume, vwap=VwapState(3 * price - 3, 1)
            )
            state = book.book_state(BOOK.now_s, 0)
            judgement = judge_entry(
                market,
                book.symbol_state(symbol),
                state,
                12_000 * USD,
                book.free_capital,
                Parameters(),
                book.limits._replace(max_spread_bps=10_000, max_cost_pct_of_target=10_000),
                RATES,
            )
            if judgement.rule == Rule.APPROVED:
                approvals += 1
                fees = judgement.capital - notional(judgement.collar, judgement.quantity)
                book.add_pending(symbol, PendingEntry(exec_id, judgement.quantity, judgement.collar, fees))
                taken = sum(held.cost for held in book.positions.values())
                taken += sum(entry.capital for entry in book.pending.values())
                assert taken <= (book.equity_at_open + book.pnl) * book.allocation_ppm // 1_000_000
        elif step == "fill" and pending:
            quantity = max(pending.quantity - volume % 7, 1)
            book.on_execution(
                execution(exec_id, Action.BUY, quantity, pending.collar, symbol=symbol, ref=pending.intent_id),
                Reason.ENTRY,
            )
            book.on_fee(exec_id, fill_fees(BUY, quantity, pending.collar, 0, RATES))
        elif step == "expire" and pending:
            book.drop_pending(symbol, pending.intent_id)
        elif step == "sell" and position:
            quantity = max(position.quantity - volume % 3, 1)
            book.on_execution(execution(exec_id, Action.SELL, quantity, price, symbol=symbol), Reason.MANUAL)
            book.on_fee(exec_id, fill_fees(SELL, quantity, price, 0, RATES))
        assert book.free_capital >= 0
    assert approvals > 0 or not any(step == "enter" for _, _, step, _ in steps)


def test_entries_wait_for_an_answer_of_the_broker_and_go_on() -> None:
    book = session_book()
    book.entries_waiting = "the broker does not list AAA"
    assert book.book_state(OPEN_S, 0).entries_stopped
    book.entries_waiting = ""
    assert not book.book_state(OPEN_S, 0).entries_stopped
