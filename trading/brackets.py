"""An entry and its resting exits as one thing: what each leg's state is, and what must change after fills."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from trading.matching import entry_stop_price, entry_target_price
from trading.orders import TERMINAL, IntentState, OrderIntent, OrderReport, OrderTerms, Role, follow
from trading.strategy import Parameters


class LegChange(NamedTuple):
    """A modification of a live leg. `quantity` counts what the leg has filled too, as a broker's order size does.

    Prices in 1e-4 USD, 0: unchanged.
    """

    intent_id: str
    quantity: int
    limit_price: int
    stop_price: int


@dataclass(slots=True)
class Leg:
    """One order of a bracket as last reported. `quantity` is its whole size, `filled` what of it has executed."""

    intent: OrderIntent
    quantity: int
    state: IntentState = IntentState.CREATED
    limit_price: int = 0
    stop_price: int = 0
    filled: int = 0
    held: bool = True  # not at the exchange yet: a stop that has not triggered

    @classmethod
    def of(cls, intent: OrderIntent) -> Leg:
        """The leg as it was decided, before any report."""
        return cls(intent, intent.quantity, limit_price=intent.limit_price, stop_price=intent.stop_price)

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL


@dataclass(slots=True)
class LiveBracket:
    """The orders of one position. `bought` and `bought_value` (Σ price × shares, 1e-4 USD) are its entry's fills."""

    symbol: str
    parameters: Parameters
    legs: dict[Role, Leg] = field(default_factory=dict)
    bought: int = 0
    bought_value: int = 0

    @classmethod
    def of(cls, intents: Iterable[OrderIntent], parameters: Parameters) -> LiveBracket:
        """The bracket of these intents, none of them reported yet."""
        legs = {intent.role: Leg.of(intent) for intent in intents}
        symbol = next(iter(legs.values())).intent.symbol
        return cls(symbol=symbol, parameters=parameters, legs=legs)

    def join(self, intent: OrderIntent) -> None:
        """An order of this bracket that was not followed until now."""
        self.legs.setdefault(intent.role, Leg.of(intent))

    def on_report(self, role: Role, report: OrderReport) -> None:
        """A leg's state as the broker tells it."""
        leg = self.legs[role]
        leg.state = follow(leg.state, report.state)
        leg.held = report.held
        leg.filled = max(leg.filled, report.filled)
        if report.filled + report.remaining > 0 and not leg.is_over:
            leg.quantity = report.filled + report.remaining

    def on_terms(self, role: Role, terms: OrderTerms) -> None:
        """What a leg asks for now, as the broker tells it: also after a modification that it refused."""
        leg = self.legs[role]
        leg.quantity, leg.limit_price, leg.stop_price = terms.quantity, terms.limit_price, terms.stop_price

    def on_bought(self, quantity: int, price: int) -> None:
        """The entry executed."""
        self.bought += quantity
        self.bought_value += quantity * price

    def restate(self, owned: int, price: int) -> None:
        """The position is `owned` shares bought for `price` each from now on, as after a split: exits follow it."""
        self.bought, self.bought_value = owned, owned * price

    @property
    def decision_id(self) -> str:
        """The decision that all of its orders stem from; empty where there was none."""
        return next(iter(self.legs.values())).intent.decision_id

    @property
    def entry_is_over(self) -> bool:
        """Whether the entry can buy no more."""
        entry = self.legs.get(Role.ENTRY)
        return entry is None or entry.is_over

    def live_exits(self) -> list[Leg]:
        """Exits that may still sell."""
        return [leg for role, leg in self.legs.items() if role is not Role.ENTRY and not leg.is_over]

    def has_live(self, role: Role) -> bool:
        """Whether a leg of this role may still sell."""
        leg = self.legs.get(role)
        return leg is not None and not leg.is_over

    def changes(self, owned: int) -> list[LegChange]:
        """What live exits need once the entry is over: what is left to sell = owned, prices from the real fill.

        While nothing was sold yet, stop and target move to the average fill; a leg never sells more than is owned.
        """
        if not self.entry_is_over or owned <= 0:
            return []
        ahead = self._reports_are_ahead(owned)
        wanted_stop = wanted_target = 0
        if self.bought and owned == self.bought and not ahead:
            average = -(-self.bought_value // self.bought)
            wanted_stop = entry_stop_price(average, self.parameters.stop_loss_bps)
            wanted_target = entry_target_price(average, self.parameters.profit_target_bps)
        result = []
        for leg in self.live_exits():
            stop = wanted_stop if leg.intent.role is Role.STOP and wanted_stop else leg.stop_price
            limit = wanted_target if leg.intent.role is Role.TARGET and wanted_target else leg.limit_price
            size = owned + leg.filled
            if ahead:  # `owned` is too high: the broker's own group keeps sizes right, only a smaller one is safe
                size = min(size, leg.quantity)
            if (leg.quantity, leg.limit_price, leg.stop_price) != (size, limit, stop):
                result.append(LegChange(leg.intent.intent_id, size, limit, stop))
        return result

    def _reports_are_ahead(self, owned: int) -> bool:
        """Whether exits reported fills that `owned` does not show: their executions are still to come."""
        reported = sum(leg.filled for role, leg in self.legs.items() if role is not Role.ENTRY)
        return reported > max(self.bought - owned, 0)

    def apply(self, change: LegChange) -> None:
        """A modification was sent."""
        for leg in self.legs.values():
            if leg.intent.intent_id == change.intent_id:
                leg.quantity, leg.limit_price, leg.stop_price = change.quantity, change.limit_price, change.stop_price
