"""Splits and dividends: the file, the history, positions and resting orders overnight."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path

import pytest

from ib_simulator.account import Account, Holding
from ib_simulator.bar_store import adjusted, split_price
from ib_simulator.embedded import build_world, running_gateway, synthetic_feed
from ib_simulator.feeds.corporate_actions import Action, dividend_factor, read_actions, split_ratio
from ib_simulator.feeds.synthetic import SyntheticFeed
from ib_simulator.gateway import GatewayOptions
from ib_simulator.simulated_time import SimulatedTimeLoop
from ib_simulator.splits import split_position
from market_hours import new_york_calendar
from tests.ib_simulator.wire_client import WireClient, in_simulated_time
from trading.bars import Bar
from utils import Misconfigured

FIRST, SECOND = date(2025, 10, 7), date(2025, 10, 8)
TWO_FOR_ONE = Action(SECOND, Fraction(2))
OPEN_S = 1_759_843_800  # the open of FIRST


def file_of(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "splits_dividends.csv"
    path.write_text("\n".join(["symbol,ex_date,kind,value,prev_close", *rows]) + "\n")
    return path


def test_ratios_that_vendors_derive_from_prices_become_whole(tmp_path: Path) -> None:
    rows = (
        "AAPL,2014-06-09,split,6.999997,645.57",
        "AAPL,2012-08-09,dividend,2.65,619.86",
        "LCID,2025-09-02,split,0.1,",
    )
    actions = read_actions(file_of(tmp_path, *rows))
    dividend, split = actions["AAPL"]
    assert (split.ex_date, split.split) == (date(2014, 6, 9), 7)
    assert dividend.keeps == pytest.approx(1 - 2.65 / 619.86)
    assert actions["LCID"][0].split == Fraction(1, 10)


def test_no_file_means_no_actions(tmp_path: Path) -> None:
    assert read_actions(tmp_path / "splits_dividends.csv") == {}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("AAPL,tomorrow,split,2,", "row 1: Invalid isoformat string"),
        ("AAPL,2014-06-09,merger,2,", "row 1: the kind is 'merger', neither split, dividend nor delisted"),
        ("AAPL,2014-06-09,split,-2,", "row 1: the value '-2' is not a positive number"),
        ("AAPL,2014-06-09,split,many,", "row 1: could not convert"),
        ("AAPL,2014-06-09", "row 1:"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, text: str) -> None:
    with pytest.raises(Misconfigured, match=text):
        read_actions(file_of(tmp_path, row))


def test_only_actions_between_the_two_days_count() -> None:
    actions = (TWO_FOR_ONE, Action(date(2025, 10, 20), Fraction(1, 4), 0.5))
    assert split_ratio(actions, FIRST, SECOND) == 2
    assert split_ratio(actions, SECOND, SECOND) == 1
    assert split_ratio(actions, FIRST, date(2025, 12, 1)) == Fraction(1, 2)
    assert dividend_factor(actions, FIRST, date(2025, 12, 1)) == 0.5


def test_history_before_a_split_reads_as_if_it_had_been_there() -> None:
    bars = [
        Bar(OPEN_S, 100_100, 100_300, 99_900, 100_000, 501),
        Bar(OPEN_S + 86_400, 50_000, 50_100, 49_900, 50_000, 9),
    ]
    assert adjusted(bars, (TWO_FOR_ONE,), SECOND, dividends=False) == [
        Bar(OPEN_S, 50_000, 50_100, 49_900, 50_000, 1_002),  # 5.005 becomes 5.00: prices stay on the tick
        bars[1],
    ]


def test_adjusted_last_also_shrinks_with_dividends() -> None:
    bar = Bar(OPEN_S, 100_000, 100_000, 100_000, 100_000, 100)
    (told,) = adjusted([bar], (Action(SECOND, Fraction(1), 0.98),), SECOND, dividends=True)
    assert (told.close, told.volume) == (98_000, 100)


def test_a_reverse_split_raises_prices() -> None:
    assert split_price(21_300, Fraction(1, 10)) == 213_000


def account(quantity: int, cost: int) -> Account:
    found = Account("DU1", 1_000_000, lambda _: 200_000)
    found.holdings["AAA"] = Holding(quantity=quantity, cost=cost)
    return found


def test_a_position_doubles_at_the_same_cost() -> None:
    owner = account(10, 401_000_000)
    split_position(owner, "AAA", Fraction(2))
    assert (owner.holdings["AAA"].quantity, owner.holdings["AAA"].cost, owner.cash) == (20, 401_000_000, 1_000_000)


def test_a_fraction_of_a_share_is_paid_out() -> None:
    owner = account(15, 300_000_000)
    split_position(owner, "AAA", Fraction(1, 10))  # 1.5 shares: half a share at 20 USD is 10 USD
    assert (owner.holdings["AAA"].quantity, owner.cash) == (1, 11_000_000)
    assert owner.holdings["AAA"].cost == 200_000_000  # a third of 1.5 shares went


class SplittingFeed(SyntheticFeed):
    """AAA splits two for one before the second session. Its prices are what they are."""

    def actions(self, symbol: str) -> tuple[Action, ...]:
        return (TWO_FOR_ONE,) if symbol == "AAA" else ()


@pytest.mark.parametrize("cancels", [False, True])
def test_overnight_a_split_doubles_the_position_and_halves_the_resting_order(cancels: bool) -> None:
    async def scenario(loop: SimulatedTimeLoop) -> None:
        calendar = new_york_calendar(FIRST)
        plain = synthetic_feed(7, ["AAA"], calendar, SECOND)
        feed = SplittingFeed(7, ["AAA"], calendar, plain.latest_session().date)
        sessions = tuple(calendar.sessions_between(FIRST, SECOND))
        world = build_world(loop, feed, calendar, sessions)
        async with running_gateway(world, GatewayOptions(splits_cancel_orders=cancels)) as (gateway, port):
            client = await WireClient.connect(port)
            await world.clock.sleep_until(sessions[0].open + timedelta(minutes=5))
            client.place(1, "AAA", "BUY", 10)
            await world.clock.sleep_until(sessions[0].open + timedelta(minutes=6))
            client.place(2, "AAA", "SELL", 10, "LMT", 999.01, tif="GTC")
            await world.clock.sleep_until(sessions[0].close + timedelta(minutes=1))
            client.take()
            await world.clock.sleep_until(sessions[1].open - timedelta(hours=1))
            (holding,) = [owner.holdings["AAA"].quantity for owner in gateway.accounts.values()]
            assert holding == 20
            heard = client.take()
            if cancels:
                assert [(message[2], message[3]) for message in heard if message[0] == "4"] == [("2", "202")]
            else:
                (order,) = gateway.exchange.orders.values()
                assert (order.quantity, order.limit) == (20, 4_995_000)  # 499.505 on the tick
                assert [message[1] for message in heard if message[0] == "5"] == ["2"]

    in_simulated_time(scenario)
