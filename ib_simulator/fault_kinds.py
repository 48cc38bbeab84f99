"""The faults of the simulated gateway as values: what can go wrong, and how much of it.

Seconds are seconds of the session, and None is for ever. `client` is a client id, None any client. `message` is a
name of `message_names`, a group of them or `all`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Any fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Fault):
    """Close sockets without a message; what was queued for them is lost. `reset`: RST instead of FIN."""

    client: int | None = None
    reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent(Fault):
    """Half-open: the socket stays, nothing is read or written; afterwards both come late. No `seconds`: for ever.

    A silent client keeps its client id: a second connection under it is refused with 326.
    """

    client: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connectivity(Fault):
    """The gateway loses IBKR: `code` 1100 or 2110, and after `seconds` `restored` 1101 or 1102.

    Meanwhile ticks and bars are lost, answers and reports of orders, positions and accounts come with the restore,
    data requests wait. `orders` placed or cancelled meanwhile: "refused" with 10328, "queued" until then, or "lost".
    After 1101 all market data subscriptions are gone. The exchange goes on throughout. No `seconds`: no restore.
    """

    seconds: float | None = None
    code: int = 1100
    restored: int = 1102
    orders: str = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Farm(Fault):
    """A data farm breaks: `farm` "market" (2103), "history" (2105) or "contracts" (2157), later 2104, 2106, 2158.

    Ticks are lost, answers of the other two wait.
    """

    farm: str = "market"
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(Fault):
    """The nightly restart: sockets closed without a message, the port refused, then the same orders and ids."""

    refused_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Login(Fault):
    """The weekly restart: as `restart`, but then a human has to log in, for `seconds`. No `seconds`: nobody does.

    Until then the port accepts connections and `answers` "version": the handshake and no more; "nothing": not even
    that; "close": the socket is closed half a second after startApi. With the login, who waited is disconnected.
    """

    refused_s: float = 120.0
    seconds: float | None = None
    answers: str = "version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(Fault):
    """The gateway process dies between two messages: sockets reset, queued frames lost, the port refused.

    `keeps` "servers": orders live on at IBKR, as on the real gateway; "file": what was last saved to the state
    file; "nothing": an account without orders, positions and history.
    """

    refused_s: float = 30.0
    keeps: str = "servers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lose(Fault):
    """Messages of a kind vanish: the next `count` of them, or all of `seconds`."""

    message: str
    direction: str = "out"
    count: int | None = None
    seconds: float | None = None
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Fault):
    """Messages of a kind come `delay_s` late; others overtake them, those delayed alike keep their order."""

    message: str
    delay_s: float
    direction: str = "out"
    count: int | None = None
    seconds: float | None = None
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(Fault):
    """Messages of a kind come twice."""

    message: str
    direction: str = "out"
    count: int | None = None
    seconds: float | None = None
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(Fault):
    """A message of a kind comes after the next message to (or from) the same client."""

    message: str
    direction: str = "out"
    count: int | None = 1
    seconds: float | None = None
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow(Fault):
    """Everything the gateway writes comes `delay_s` late, in order."""

    delay_s: float
    seconds: float | None = None
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmented(Fault):
    """Frames are cut by TCP: what the gateway writes arrives in pieces of `bytes`, one every `gap_s`, in order.

    1 splits every frame byte by byte; a large number merges what was written within `gap_s`.
    """

    bytes: int = 1
    gap_s: float = 0.001
    seconds: float | None = None
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockJump(Fault):
    """The gateway's clock is wrong by `by_s`, ahead or (negative) behind.

    It shows in `currentTime` and in the time of the handshake; market, orders and executions keep the right time.
    """

    by_s: float
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleQuotes(Fault):
    """Ticks of all symbols, or of `symbols`, stop while orders fill on. No code is sent."""

    seconds: float | None = None
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoseAcknowledgement(Fault):
    """The next `count` new orders are accepted, and nothing written about them in that instant arrives.

    Later reports (a fill, a cancel) do. `from_trigger`: the order whose message fired this fault counts as well.
    """

    count: int = 1
    symbol: str = ""
    client: int | None = None
    from_trigger: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class FillAfterCancel(Fault):
    """The next `count` orders at work that are cancelled are reported so with 202, and filled `report_after_s` later.

    At the exchange the fill happened first: at the standing quote, whole, whatever the volume.
    """

    count: int = 1
    report_after_s: float = 1.0
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject(Fault):
    """New orders are rejected: with 201 they end Inactive, with any other code there is only the error.

    The next `count` of them, or all of `seconds`.
    """

    code: int = 201
    text: str = "Order rejected - reason:Rejected by the simulated exchange"
    count: int | None = None
    seconds: float | None = None
    symbol: str = ""
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdInUse(Fault):
    """Connections under this client id are refused with 326, as after a client that was killed."""

    client: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextValidId(Fault):
    """The next nextValidId says `value`, or `back_by` less than the truth."""

    value: int | None = None
    back_by: int = 10
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Fault):
    """A message of any code (10197, 1300, 2119, ...) to the clients; nothing else changes."""

    code: int
    text: str
    id: int = -1
    client: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Halt(Fault):
    """Trading in a symbol stops (`volatility`: a five-minute kind of pause, tick 49 = 2), and resumes if `seconds`."""

    symbol: str
    seconds: float | None = None
    volatility: bool = True


KINDS: dict[str, type[Fault]] = {
    "drop": Drop,
    "silent": Silent,
    "connectivity": Connectivity,
    "farm": Farm,
    "restart": Restart,
    "login": Login,
    "crash": Crash,
    "lose": Lose,
    "delay": Delay,
    "duplicate": Duplicate,
    "reorder": Reorder,
    "slow": Slow,
    "segmented": Segmented,
    "clock_jump": ClockJump,
    "stale_quotes": StaleQuotes,
    "lose_acknowledgement": LoseAcknowledgement,
    "fill_after_cancel": FillAfterCancel,
    "reject": Reject,
    "client_id_in_use": ClientIdInUse,
    "next_valid_id": NextValidId,
    "notice": Notice,
    "halt": Halt,
}
CHOICES: dict[tuple[type[Fault], str], tuple[Any, ...]] = {
    (Connectivity, "code"): (1100, 2110),
    (Connectivity, "restored"): (1101, 1102),
    (Connectivity, "orders"): ("refused", "queued", "lost"),
    (Farm, "farm"): ("market", "history", "contracts"),
    (Login, "answers"): ("version", "nothing", "close"),
    (Crash, "keeps"): ("servers", "file", "nothing"),
}
SIGNED_FIELDS = ("id", "by_s")  # all other numbers are zero or more
NAME_OF = {kind: name for name, kind in KINDS.items()}
