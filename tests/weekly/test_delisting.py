"""Shares whose stock exists no more leave the ledger; shares that are merely absent, or renamed, do not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.gateway_world import MONDAY
from tests.weekly.world import CALENDAR, NAMES, WeeklyWorld, in_weekly_world, market
from weekly.results import CycleResult

TUESDAY = CALENDAR.next_session(MONDAY.date)
NEW_NAME = "NEW"  # a stock that the market has and the bot does not look at


def after_a_night(
    tmp_path: Path, *, is_known: bool, new_name: str = "", lost: int = 0, dearer_pct: int = 0
) -> tuple[str, CycleResult, list[tuple[str, str, int, float]]]:
    """A cycle, then a holding disappears without an execution; the next session's cycle."""

    async def main(world: WeeklyWorld) -> tuple[str, CycleResult, list[tuple[str, str, int, float]]]:
        first = await world.cycle()
        symbol = min(first.after.owned)
        gateway = world.world.gateway
        await world.world.clock.sleep_until(TUESDAY.open + timedelta(minutes=5))
        holdings = gateway.accounts.first.holdings
        holding = holdings.pop(symbol)
        if new_name:
            holding.quantity -= lost
            holding.cost += holding.cost * dearer_pct // 100
            holdings[new_name] = holding
        if not is_known:
            gateway.day._stocks.delist(symbol)
        second = await world.cycle(TUESDAY)
        with world.history() as history:
            made = [row for row in history.trades(bot="weekly") if row.exec_id.startswith("delisted-")]
        return symbol, second, [(row.symbol, row.action, row.quantity, row.pnl_usd or 0.0) for row in made]

    return in_weekly_world(
        main, tmp_path, feed=market((*NAMES, NEW_NAME), sessions=(MONDAY, TUESDAY)), following=(TUESDAY,)
    )


def test_shares_of_a_stock_that_the_broker_does_not_know_are_booked_as_worthless(tmp_path: Path) -> None:
    symbol, second, made = after_a_night(tmp_path, is_known=False)
    assert [(name, action) for name, action, _, _ in made] == [(symbol, "SELL")]
    assert made[0][3] < -1_000
    assert symbol not in second.after.owned
    assert any(f"{symbol} exists no more" in warning for warning in second.warnings)


def test_shares_that_are_merely_not_listed_stay_in_the_ledger_and_are_not_sold(tmp_path: Path) -> None:
    symbol, second, made = after_a_night(tmp_path, is_known=True)
    assert made == []
    assert symbol in second.after.owned
    assert second.plan is not None
    assert symbol not in {order.symbol for order in second.plan.sells}


def test_shares_that_came_under_another_name_are_not_booked_as_worthless(tmp_path: Path) -> None:
    symbol, second, made = after_a_night(tmp_path, is_known=False, new_name=NEW_NAME)
    assert made == []
    assert symbol in second.after.owned
    assert any(f"as many {NEW_NAME} at the same cost" in warning for warning in second.warnings)
    assert second.plan is not None
    assert not {symbol, NEW_NAME} & {order.symbol for order in second.plan.sells}


def test_another_count_of_shares_is_no_new_name(tmp_path: Path) -> None:
    symbol, second, made = after_a_night(tmp_path, is_known=False, new_name=NEW_NAME, lost=1)
    assert [(name, action) for name, action, _, _ in made] == [(symbol, "SELL")]
    assert symbol not in second.after.owned


def test_as_many_shares_that_cost_something_else_are_no_new_name(tmp_path: Path) -> None:
    symbol, second, made = after_a_night(tmp_path, is_known=False, new_name=NEW_NAME, dearer_pct=10)
    assert [(name, action) for name, action, _, _ in made] == [(symbol, "SELL")]
    assert symbol not in second.after.owned
