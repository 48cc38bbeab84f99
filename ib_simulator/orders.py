"""An order at the simulated exchange, and what the exchange tells about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

BUY = 1
SELL = -1


class Status(StrEnum):
    """Order statuses as the gateway reports them."""

    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    PENDING_CANCEL = "PendingCancel"
    CANCELLED = "Cancelled"
    FILLED = "Filled"
    INACTIVE = "Inactive"


DONE = frozenset({Status.CANCELLED, Status.FILLED, Status.INACTIVE})


class Auction(StrEnum):
    """The auction an order waits for; NONE trades in between."""

    NONE = ""
    OPENING = "opening"
    CLOSING = "closing"


class ConditionRule(NamedTuple):
    """One condition. `bound`: 1e-4 USD, epoch seconds, shares of the day or percent since the close before."""

    kind: str
    symbol: str  # empty for a time
    is_more: bool  # at or above the bound, else at or below
    bound: float
    joins_and: bool  # to the next one: and, else or


@dataclass(slots=True, kw_only=True, eq=False)
class SimOrder:
    """One order. Prices in 1e-4 USD (0: none), instants in epoch seconds (0: none), sizes in shares.

    `marketable` is set once an order could have filled but for lack of volume: what remains of it takes
    the standing quote at later points. `request` is the message that placed it, echoed in openOrder.
    `stop` of a trailing order moves; its distance is `trail` (1e-4 USD) or `trail_ppm` (millionths of the price).
    """

    perm_id: int
    client_id: int
    order_id: int
    account: str
    symbol: str
    side: int
    quantity: int
    order_type: str
    limit: int = 0
    stop: int = 0
    tif: str = "DAY"
    good_after_s: int = 0
    good_till_s: int = 0
    oca_group: str = ""
    oca_type: int = 3
    order_ref: str = ""
    trail: int = 0
    trail_ppm: int = 0
    limit_offset: int = 0  # of a TRAIL LIMIT: how far the limit lies behind the stop
    all_or_none: bool = False
    min_quantity: int = 0  # of the first fill
    auction: Auction = Auction.NONE
    outside_rth: bool = False
    conditions: tuple[ConditionRule, ...] = ()
    conditions_cancel: bool = False  # they end the order; else it waits for them
    conditions_ignore_rth: bool = False
    conditions_met: bool = False
    parent: SimOrder | None = None
    children: list[SimOrder] = field(default_factory=list)
    transmitted: bool = False
    status: Status = Status.PRE_SUBMITTED
    active: bool = False  # may match: transmitted, parent filled, good-after time reached
    triggered: bool = False
    trailed: bool = False  # the stop moved and nobody was told yet
    marketable: bool = False
    cancel_at_s: int = 0  # when a requested cancel takes effect, 0 when none was requested
    filled: int = 0
    filled_value: int = 0  # Σ price × shares, 1e-4 USD
    last_fill_price: int = 0
    fees: int = 0  # Σ of its executions, 1e-6 USD
    request: object = None

    @property
    def remaining(self) -> int:
        return self.quantity - self.filled

    @property
    def is_done(self) -> bool:
        return self.status in DONE

    def has_expired(self, second: int) -> bool:
        """Whether its good-till time is reached."""
        return self.tif == "GTD" and 0 < self.good_till_s <= second

    @property
    def fillable(self) -> int:
        """Shares it may still fill: a bracket's children together sell no more than their parent bought."""
        if self.parent is None:
            return self.remaining
        return min(self.remaining, self.parent.filled - sum(child.filled for child in self.parent.children))

    @property
    def told_status(self) -> Status:
        """What reports say: an order whose cancel is on its way is pending, whatever else happens to it."""
        return Status.PENDING_CANCEL if self.cancel_at_s and self.status not in DONE else self.status

    @property
    def average_price_usd(self) -> float:
        """Mean fill price in USD, 0.0 before the first fill."""
        return self.filled_value / self.filled / 10_000 if self.filled else 0.0

    @property
    def why_held(self) -> str:
        """Why it is not at the exchange: a child of an unfilled parent, an untriggered stop, or both."""
        if self.is_done:
            return ""
        reasons = []
        if self.parent is not None and not self.active and self.parent.filled == 0:
            reasons.append("child")
        if self.order_type in ("STP", "STP LMT", "TRAIL", "TRAIL LIMIT") and not self.triggered:
            reasons.append("trigger")
        return ",".join(reasons)


class SimExecution(NamedTuple):
    """One fill. Price in 1e-4 USD, fees and realised P&L in 1e-6 USD, `at_s` in epoch seconds."""

    exec_id: str
    order: SimOrder
    side: int
    quantity: int
    price: int
    at_s: int
    cumulative: int
    average_price_usd: float
    fees: int
    realised: int | None  # None on opening fills


class Refusal(NamedTuple):
    """Why an order or a cancel was not taken: IB's code and text."""

    code: int
    text: str


class ExchangeListener(Protocol):
    """What the exchange reports, in the order in which it happens."""

    def on_order(self, order: SimOrder) -> None:
        """The order was taken, or its state or size changed."""

    def on_modified(self, order: SimOrder) -> None:
        """The order has new terms. What they match follows."""

    def on_execution(self, execution: SimExecution) -> None:
        """The order executed. `on_order` follows."""

    def on_cancelled(self, order: SimOrder, reason: str) -> None:
        """The order is cancelled, by request, by its group, by expiry."""

    def on_refused(self, order: SimOrder, refusal: Refusal) -> None:
        """The order is dead on arrival: Inactive."""
