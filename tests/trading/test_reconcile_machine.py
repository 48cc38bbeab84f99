"""Orders that are lost, late and filled unseen, and a desk that asks again: it never believes more than is true."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from tests.trading.examples import PROPERTY
from trading.orders import TERMINAL, TRANSITIONS, IntentState, follow
from trading.reconcile import UNKNOWN_GRACE_S, IntentFact, reconcile_intents


@dataclass
class Order:
    """An intent as it is on record, and the order as it is at the broker."""

    intent_id: str
    quantity: int
    written_s: int
    believed: IntentState = IntentState.CREATED
    is_there: bool = False  # it reached the broker
    is_alive: bool = False
    executed: int = 0

    @property
    def truth(self) -> IntentState:
        if self.executed >= self.quantity:
            return IntentState.FILLED
        if self.is_alive:
            return IntentState.WORKING
        return IntentState.CANCELLED if self.is_there else IntentState.EXPIRED


class OrdersAndWhatIsKnownOfThem(RuleBasedStateMachine):
    """`ask` is a reconciliation with complete answers; nothing else corrects what is believed."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1_000
        self.all: list[Order] = []

    @rule(target=orders, quantity=st.integers(1, 500))
    def commit(self, quantity: int) -> Order:
        order = Order(f"i{len(self.all)}", quantity, self.now_s)
        self.all.append(order)
        return order

    @rule(order=orders, arrives=st.booleans(), heard=st.booleans())
    def send(self, order: Order, arrives: bool, heard: bool) -> None:
        """Once: nothing is ever sent again."""
        if order.believed is not IntentState.CREATED:
            return
        order.believed = follow(order.believed, IntentState.SENT)
        if arrives:
            order.is_there = order.is_alive = True
            if heard:
                order.believed = follow(order.believed, IntentState.WORKING)

    @rule(order=orders, quantity=st.integers(1, 500), heard=st.booleans())
    def fill(self, order: Order, quantity: int, heard: bool) -> None:
        if not order.is_alive:
            return
        order.executed = min(order.executed + quantity, order.quantity)
        order.is_alive = order.executed < order.quantity
        if heard and not order.is_alive:
            order.believed = follow(order.believed, IntentState.FILLED)

    @rule(order=orders, heard=st.booleans())
    def cancel(self, order: Order, heard: bool) -> None:
        if not order.is_alive:
            return
        order.is_alive = False
        if heard:
            order.believed = follow(order.believed, IntentState.CANCELLED)

    @rule(order=orders, state=st.sampled_from(IntentState))
    def hear_something_old_or_foolish(self, order: Order, state: IntentState) -> None:
        """A duplicate of an earlier report never moves a state backwards."""
        before = order.believed
        after = follow(before, state)
        assert after is before or after in TRANSITIONS[before]
        if before is IntentState.FILLED:
            assert after is IntentState.FILLED

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.now_s += seconds

    @rule()
    def ask(self) -> None:
        self._ask()

    @invariant()
    def an_order_that_may_still_buy_is_never_believed_dead_after_asking(self) -> None:
        for order in self.all:
            if order.is_alive and order.believed in TERMINAL:
                raise AssertionError(f"{order} is alive")

    def teardown(self) -> None:
        """After the grace, what is believed is what is true."""
        self.now_s += UNKNOWN_GRACE_S
        self._ask()
        for order in self.all:
            assert order.believed is order.truth, order

    def _ask(self) -> None:
        known = {order.intent_id: order for order in self.all}
        found = reconcile_intents(
            [IntentFact(o.intent_id, "AAA", o.believed, o.quantity, o.written_s) for o in self.all],
            {o.intent_id: IntentState.WORKING for o in self.all if o.is_alive},
            {o.intent_id: o.truth for o in self.all if o.is_there and not o.is_alive},
            {o.intent_id: o.executed for o in self.all if o.executed},
            self.now_s,
        )
        assert len({resolution.intent_id for resolution in found}) == len(found)
        for resolution in found:
            order = known[resolution.intent_id]
            assert order.believed not in TERMINAL
            if not order.is_there:
                is_young = self.now_s - order.written_s < UNKNOWN_GRACE_S
                assert resolution.state is (IntentState.UNKNOWN if is_young else IntentState.EXPIRED)
            order.believed = follow(order.believed, resolution.state)


OrdersAndWhatIsKnownOfThem.TestCase.settings = PROPERTY
TestOrdersAndWhatIsKnownOfThem = OrdersAndWhatIsKnownOfThem.TestCase
