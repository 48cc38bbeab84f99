"""The names of all reasons for which an entry is refused, and the verdict that carries one."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Rule(IntEnum):
    """Every test that an entry must pass, in the order in which they are made. APPROVED passed them all."""

    APPROVED = 0
    # what the strategy wants to see
    NO_PRICE = 1
    WARMING_UP = 2
    ATR_NOT_ABOVE_FLOOR = 3
    NOT_ABOVE_VWAP = 4
    RSI_NOT_BELOW_CAP = 5
    # state of the book
    POSITION_OPEN = 10
    ENTRY_PENDING = 11
    # account-wide stops, latched for the session
    ENTRIES_STOPPED = 20
    DAILY_LOSS = 21
    DRAWDOWN = 22
    # time and count
    LAST_MINUTES = 30
    LOSS_STREAK_PAUSE = 31
    COOL_DOWN = 32
    ENTRIES_PER_SESSION = 33
    ENTRIES_PER_SYMBOL = 34
    OPEN_POSITIONS = 35
    ENTRIES_PER_TICK = 36
    REJECTED_BY_BROKER = 37
    DAY_TRADES = 38
    # market condition
    STALE_QUOTE = 40
    DELAYED_DATA = 41
    HALTED = 42
    SPREAD = 43
    LIMIT_STATE = 44
    # size and capital
    ZERO_SHARES = 50
    CAPITAL = 51
    ROUND_TRIP_COST = 52
    BUYING_POWER = 53
    DRY_RUN = 60


class Verdict(NamedTuple):
    """The outcome of a rule. `limit` and `actual` share the rule's own unit (1e-4 USD, seconds, counts …)."""

    rule: int
    limit: float
    actual: float


def approved() -> Verdict:
    """The verdict of a test that was passed."""
    return Verdict(Rule.APPROVED, 0.0, 0.0)


def rule_name(rule: int) -> str:
    """The rule's name as the database, the day log and the summary show it."""
    return Rule(rule).name.lower()
