"""The plan of a cycle: whole shares, sells first, within money and capital, only what the bot owns; resumed once."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolio.rebalance import Funds, Plan, PlannedOrder, PlanRules, Position, affordable, make_plan, plan_from_json
from portfolio.resume import Progress, intent_id, is_done, what_is_left
from trading.costs import BUY, SELL, fee_schedule_on, fill_fees
from trading.money import money_from_usd, notional, price_from_usd

RATES = fee_schedule_on(date(2026, 9, 1))
RULES = PlanRules(rates=RATES, allocation_ppm=500_000, min_trade=money_from_usd(200), band_bps=50, collar_bps=100)
RICH = Funds(net_liquidation=money_from_usd(200_000), settled_buying_power=money_from_usd(200_000))  # capital 100,000


def position(symbol: str, owned: int, usd: float, **changes: Any) -> Position:
    return Position(symbol=symbol, owned=owned, price=price_from_usd(usd), **changes)


def plan(weights: dict[str, float], *positions: Position, funds: Funds = RICH, rules: PlanRules = RULES) -> Plan:
    return make_plan("2026-W40", weights, positions, funds, rules)


def told(made: Plan) -> list[tuple[str, int, int, str]]:
    return [(order.symbol, order.side, order.quantity, order.reason) for order in made.orders]


def test_sells_come_before_buys_and_larger_buys_before_smaller() -> None:
    made = plan(
        {"OUT": 0.0, "LESS": 0.1, "NEW": 0.1, "MORE": 0.4},
        *(position("OUT", 10, 50), position("LESS", 300, 100), position("NEW", 0, 33), position("MORE", 100, 100)),
    )
    assert told(made) == [
        ("LESS", SELL, 200, "reduce"),
        ("OUT", SELL, 10, "exit"),
        ("MORE", BUY, 300, "increase"),
        ("NEW", BUY, 303, "enter"),  # 10,000 ÷ 33, rounded down
    ]


def test_limits_are_collars_around_the_quote() -> None:
    made = plan(
        {"A": 0.0, "B": 0.5},
        position("A", 100, 50, bid=price_from_usd(49.99)),
        position("B", 0, 20, ask=price_from_usd(20.03)),
    )
    assert [order.limit_price for order in made.orders] == [price_from_usd(49.50), price_from_usd(20.23)]


def test_small_steps_are_left_alone_and_exits_are_not() -> None:
    made = plan(
        {"BAND": 0.104, "TINY": 0.001, "GONE": 0.0},
        *(position("BAND", 100, 100), position("TINY", 0, 10), position("GONE", 1, 10)),
    )
    assert {refusal.symbol: refusal.rule for refusal in made.refused} == {"BAND": "drift_band", "TINY": "min_trade"}
    assert told(made) == [("GONE", SELL, 1, "exit")]


def test_holdings_above_the_capital_are_reduced_whatever_the_band() -> None:
    made = plan({"A": 0.998}, position("A", 1_001, 100))
    assert told(made) == [("A", SELL, 3, "reduce")]


def test_never_trade_halted_and_unpriced_names_are_refused_and_kept() -> None:
    made = plan(
        {"MINE": 0.0, "HALT": 0.0, "BLANK": 0.2, "GHOST": 0.2},
        *(position("MINE", 9, 90), position("HALT", 9, 90, is_tradable=False), position("BLANK", 9, 0)),
        rules=replace(RULES, never_trade=frozenset({"MINE"})),
    )
    assert made.orders == ()
    assert {refusal.symbol: refusal.rule for refusal in made.refused} == {
        "GHOST": "no_quote",
        "BLANK": "no_price",
        "HALT": "not_tradable",
        "MINE": "never_trade",
    }


def test_what_cannot_be_sold_uses_up_capital() -> None:
    made = plan({"HALT": 0.0, "B": 0.6}, position("HALT", 700, 100, is_tradable=False), position("B", 0, 100))
    assert told(made) == [("B", BUY, 297, "enter")]  # 30,000 left; 297 × 101.00 and 1.49 of fees


def test_position_without_a_target_is_left_alone() -> None:
    assert plan({}, position("A", 10, 100)).orders == ()


@pytest.mark.parametrize(("usable", "bought"), [(False, 9), (True, 102)])
def test_proceeds_pay_for_purchases_only_where_the_account_says_so(usable: bool, bought: int) -> None:
    funds = replace(
        RICH, settled_buying_power=money_from_usd(1_500), reserved=money_from_usd(500), proceeds_usable=usable
    )
    made = plan({"A": 0.0, "B": 0.2}, position("A", 95, 100), position("B", 0, 100), funds=funds)
    assert [order.quantity for order in made.buys] == [bought]


def test_purchase_that_no_money_is_left_for_is_refused() -> None:
    funds = replace(RICH, settled_buying_power=money_from_usd(150))
    made = plan({"B": 0.2}, position("B", 0, 100), funds=funds)
    assert [(refusal.rule, refusal.actual) for refusal in made.refused] == [("funds", money_from_usd(150))]


def test_affordable_shares_leave_room_for_fees() -> None:
    price, money = price_from_usd(100), money_from_usd(1_000)
    assert affordable(10, price, money, RATES) == 9
    assert affordable(10, price, money + fill_fees(BUY, 10, price, 0, RATES), RATES) == 10
    assert affordable(10, price, -5, RATES) == 0


def test_same_input_gives_the_same_ids_and_another_cycle_others() -> None:
    positions = [position("A", 0, 100), position("B", 0, 50)]
    first = make_plan("2026-W40", {"A": 0.3, "B": 0.2}, positions, RICH, RULES)
    again = make_plan("2026-W40", {"B": 0.2, "A": 0.3}, positions[::-1], RICH, RULES)
    other = make_plan("2026-W41", {"A": 0.3, "B": 0.2}, positions, RICH, RULES)
    assert first == again
    assert {order.order_id for order in first.orders}.isdisjoint(order.order_id for order in other.orders)


def test_plan_survives_its_file_and_a_changed_one_is_refused() -> None:
    made = plan({"A": 0.3, "TINY": 0.0001}, position("A", 0, 100), position("TINY", 0, 1))
    assert plan_from_json(made.to_json()) == made
    with pytest.raises(ValueError, match="was changed"):
        plan_from_json(made.to_json().replace('"quantity": 300', '"quantity": 900'))


@pytest.mark.parametrize("weight", [float("nan"), -0.1, 1.1])
def test_weight_that_is_none_is_refused_before_anything_is_planned(weight: float) -> None:
    with pytest.raises(ValueError, match="is not in 0 to 1"):
        plan({"A": weight}, position("A", 1, 100))


NAMES = tuple("ABCDEF")
money = st.integers(0, 300_000).map(money_from_usd)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    positions = [
        Position(
            symbol=symbol,
            owned=draw(st.integers(0, 900)),
            price=draw(st.integers(0, 5_000_000)),
            bid=draw(st.sampled_from([0, 123_400])),
            ask=draw(st.sampled_from([0, 987_600])),
            is_tradable=draw(st.booleans()),
        )
        for symbol in draw(st.sets(st.sampled_from(NAMES)))
    ]
    return {
        "weights": draw(st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1))),
        "positions": positions,
        "funds": Funds(
            net_liquidation=draw(money),
            settled_buying_power=draw(money),
            reserved=draw(money),
            proceeds_usable=draw(st.booleans()),
        ),
        "never": frozenset(draw(st.sets(st.sampled_from(NAMES), max_size=2))),
    }


@settings(max_examples=300, deadline=None)
@given(worlds())
def test_no_plan_sells_what_is_not_owned_or_spends_what_is_not_there(world: dict[str, Any]) -> None:
    rules = replace(RULES, never_trade=world["never"])
    made = make_plan("c", world["weights"], world["positions"], world["funds"], rules)
    owned = {each.symbol: each for each in world["positions"]}
    for order in made.orders:
        assert order.quantity > 0
        assert order.limit_price > 0
        assert order.symbol not in world["never"]
        assert owned[order.symbol].is_tradable
    assert all(order.quantity <= owned[order.symbol].owned for order in made.sells)
    cost = sum(
        notional(o.limit_price, o.quantity) + fill_fees(BUY, o.quantity, o.limit_price, 0, RATES) for o in made.buys
    )
    kept = made.invested - sum(notional(order.price, order.quantity) for order in made.sells)
    if made.buys:
        assert kept + cost <= world["funds"].net_liquidation // 2
    proceeds = sum(notional(order.limit_price, order.quantity) for order in made.sells)
    assert cost <= world["funds"].spendable + (proceeds if world["funds"].proceeds_usable else 0)


# resuming


class Exchange:
    """Fills what it is sent in pieces, takes an intent once, and pays in settled money; it outlives the program."""

    def __init__(self, made: Plan, spendable: int, seed: int) -> None:
        self.plan, self.cash, self._dice = made, spendable, random.Random(seed)
        self.intents: dict[str, tuple[str, int]] = {}  # intent id -> order id, shares
        self.executed: dict[str, int] = {}  # order id -> shares
        self.working: dict[str, int] = {}  # order id -> shares

    def send(self, order: PlannedOrder) -> None:
        tries = sum(order_id == order.order_id for order_id, _ in self.intents.values())
        self.intents[intent_id(order, tries)] = (order.order_id, order.quantity)
        self.working[order.order_id] = order.quantity

    def happen(self) -> None:
        """Each working order executes some shares; now and then the rest expires."""
        limits = {order.order_id: order for order in self.plan.orders}
        for order_id, shares in list(self.working.items()):
            order, done = limits[order_id], self._dice.randint(0, shares)
            self.executed[order_id] = self.executed.get(order_id, 0) + done
            self.cash += -order.side * notional(order.limit_price, done) - (
                fill_fees(order.side, done, order.limit_price, 0, RATES) if done else 0
            )
            self.working[order_id] = 0 if self._dice.random() < 0.4 else shares - done

    @property
    def progress(self) -> Progress:
        return Progress(executed=dict(self.executed), working=dict(self.working))


def run_until_killed(made: Plan, exchange: Exchange, dice: random.Random) -> None:
    """The program: looks at what is left, sends it, and dies anywhere."""
    for _ in range(200):
        for order in what_is_left(made, exchange.progress, exchange.cash, RATES):
            if dice.random() < 0.2:
                return
            exchange.send(order)
        exchange.happen()
        if is_done(made, exchange.progress) or dice.random() < 0.2:
            return


def test_five_hundred_random_kills_never_duplicate_an_order() -> None:
    weights = {"A": 0.0, "B": 0.1, "C": 0.3, "D": 0.2}
    positions = [position("A", 50, 100), position("B", 400, 100), position("C", 0, 50), position("D", 10, 200)]
    dice, kills = random.Random(4), 0
    while kills < 500:
        made = make_plan(f"cycle {kills}", weights, positions, RICH, RULES)
        exchange = Exchange(made, RICH.spendable, seed=kills)
        while not is_done(made, exchange.progress):
            run_until_killed(made, exchange, dice)
            kills += 1
            assert all(exchange.executed.get(order.order_id, 0) <= order.quantity for order in made.orders)
        assert exchange.executed == {order.order_id: order.quantity for order in made.orders}
        assert what_is_left(made, exchange.progress, exchange.cash, RATES) == ()


def two_sided() -> tuple[Plan, PlannedOrder, PlannedOrder]:
    made = plan({"A": 0.0, "B": 0.8}, position("A", 500, 100), position("B", 0, 100))
    return made, made.sells[0], made.buys[0]


def left(made: Plan, spendable: int = RICH.spendable, **progress: Any) -> list[tuple[str, int]]:
    return [(o.symbol, o.quantity) for o in what_is_left(made, Progress(**progress), spendable, RATES)]


def test_a_buy_of_which_not_one_share_can_be_paid_is_left_out() -> None:
    made, sell, _ = two_sided()
    assert (
        left(made, spendable=money_from_usd(100), executed={sell.order_id: 500}) == []
    )  # a share and its fee are more


def test_buys_wait_for_sells_that_are_open_or_working() -> None:
    made, sell, _ = two_sided()
    assert left(made) == [("A", 500)]
    assert left(made, executed={sell.order_id: 200}) == [("A", 300)]
    assert left(made, executed={sell.order_id: 200}, working={sell.order_id: 300}) == []
    assert left(made, executed={sell.order_id: 500}) == [("B", 800)]


def test_sell_that_was_given_up_still_uses_its_capital() -> None:
    made, sell, buy = two_sided()
    assert left(made, given_up=frozenset({sell.order_id})) == [("B", 495)]  # 50,000 at 101.00 with fees
    assert left(made, executed={sell.order_id: 500}, given_up=frozenset({buy.order_id})) == []


def test_buys_are_cut_to_the_money_that_is_there_now() -> None:
    made, sell, _ = two_sided()
    assert left(made, money_from_usd(1_015), executed={sell.order_id: 500}) == [("B", 10)]


def test_more_executions_than_shares_planned_are_a_fault_and_not_ignored() -> None:
    made, sell, _ = two_sided()
    with pytest.raises(ValueError, match="501 shares executed or working of 500"):
        left(made, executed={sell.order_id: 501})


def test_intent_ids_repeat_for_the_same_try_alone() -> None:
    _, sell, buy = two_sided()
    ids: Mapping[str, None] = dict.fromkeys(intent_id(order, n) for order in (sell, buy) for n in (0, 1))
    assert len(ids) == 4
    assert intent_id(sell, 0) in ids
