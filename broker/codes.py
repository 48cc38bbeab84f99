"""IB's message codes as data: what each means and what is done about it.

Sources: IBKR's message code list, and behaviour seen at gateways 2023-2026.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Policy(StrEnum):
    """What a code asks for."""

    IGNORE = "ignore"  # a notice; nothing is wrong
    LOG = "log"  # worth reading, changes nothing
    DEGRADE_DATA = "degrade_data"  # market data cannot be trusted: entries stop, exits go on
    DEGRADE_CONNECTION = "degrade_connection"  # orders cannot be trusted either: resynchronise first
    RECONNECT = "reconnect"  # this connection is given up by the gateway, whether its socket goes or not
    RESTORE = "restore"  # a connection or farm is back
    REJECT_ORDER = "reject_order"  # the order with this id is dead
    CANCEL_ANSWER = "cancel_answer"  # the reply to a cancel; the order's own status tells the rest
    HALT = "halt"  # nothing useful can be done any more


class Code(NamedTuple):
    """One message code."""

    policy: Policy
    meaning: str


CODES: dict[int, Code] = {  # IB's message code -> what it means and what is done
    100: Code(Policy.LOG, "message rate exceeded"),
    101: Code(Policy.DEGRADE_DATA, "no market data line left"),
    102: Code(Policy.LOG, "duplicate ticker id"),
    103: Code(Policy.REJECT_ORDER, "duplicate order id"),
    104: Code(Policy.LOG, "a filled order cannot be modified"),
    105: Code(Policy.LOG, "modification does not match the original order"),
    106: Code(Policy.REJECT_ORDER, "order cannot be transmitted"),
    107: Code(Policy.REJECT_ORDER, "incomplete order"),
    109: Code(Policy.REJECT_ORDER, "price outside the percentage preset"),
    110: Code(Policy.REJECT_ORDER, "price off the minimum variation"),
    111: Code(Policy.REJECT_ORDER, "order type and time in force do not go together"),
    113: Code(Policy.REJECT_ORDER, "time in force must be DAY"),
    135: Code(Policy.REJECT_ORDER, "no such order, such as the parent of a bracket leg"),
    136: Code(Policy.CANCEL_ANSWER, "order cannot be cancelled"),
    154: Code(Policy.REJECT_ORDER, "security is halted"),
    161: Code(Policy.CANCEL_ANSWER, "order is not in a cancellable state"),
    162: Code(Policy.LOG, "historical data: pacing, no data, no permission or cancelled"),
    163: Code(Policy.REJECT_ORDER, "price outside the preset"),
    165: Code(Policy.LOG, "historical data service query message"),
    200: Code(Policy.REJECT_ORDER, "unknown contract"),
    201: Code(Policy.REJECT_ORDER, "order rejected"),
    202: Code(Policy.CANCEL_ANSWER, "order cancelled"),
    203: Code(Policy.REJECT_ORDER, "security not available for this account"),
    300: Code(Policy.LOG, "no such market data request"),
    320: Code(Policy.LOG, "request could not be read"),
    321: Code(Policy.REJECT_ORDER, "request could not be validated"),
    322: Code(Policy.LOG, "request could not be processed"),
    326: Code(Policy.HALT, "client id in use"),
    327: Code(Policy.LOG, "only client 0 may bind orders"),
    354: Code(Policy.DEGRADE_DATA, "market data not subscribed"),
    366: Code(Policy.LOG, "no such historical request"),
    383: Code(Policy.REJECT_ORDER, "size outside the preset"),
    399: Code(Policy.LOG, "order warning, the order lives"),
    404: Code(Policy.LOG, "order held while shares are located"),
    420: Code(Policy.DEGRADE_DATA, "real-time query refused"),
    434: Code(Policy.REJECT_ORDER, "size is zero"),
    460: Code(Policy.REJECT_ORDER, "no trading permission"),
    481: Code(Policy.LOG, "order size was reduced"),
    1100: Code(Policy.DEGRADE_CONNECTION, "connection of the gateway to IBKR lost"),
    1101: Code(Policy.RESTORE, "connection restored, data subscriptions lost"),
    1102: Code(Policy.RESTORE, "connection restored, data subscriptions kept"),
    1300: Code(Policy.RECONNECT, "gateway socket was reset"),
    2100: Code(Policy.LOG, "unsubscribed from account data"),
    2101: Code(Policy.LOG, "another client is subscribed to account data"),
    2102: Code(Policy.LOG, "order is still being processed"),
    2103: Code(Policy.DEGRADE_DATA, "market data farm disconnected"),
    2104: Code(Policy.RESTORE, "market data farm connected"),
    2105: Code(Policy.LOG, "historical data farm disconnected"),
    2106: Code(Policy.IGNORE, "historical data farm connected"),
    2107: Code(Policy.IGNORE, "historical data farm inactive, available upon demand"),
    2108: Code(Policy.IGNORE, "market data farm inactive, available upon demand"),
    2109: Code(Policy.LOG, "order attribute ignored"),
    2110: Code(Policy.DEGRADE_CONNECTION, "connection of TWS to its server broken"),
    2119: Code(Policy.IGNORE, "market data farm is connecting"),
    2128: Code(Policy.LOG, "order for a halted security is held"),
    2157: Code(Policy.LOG, "security definition farm disconnected"),
    2158: Code(Policy.IGNORE, "security definition farm connected"),
    2159: Code(Policy.IGNORE, "security definition farm inactive"),
    2161: Code(Policy.LOG, "price was capped"),
    2176: Code(Policy.LOG, "fractional sizes are trimmed for this API version"),
    10089: Code(Policy.DEGRADE_DATA, "market data needs a subscription for the API"),
    10090: Code(Policy.LOG, "part of the market data is not subscribed"),
    10091: Code(Policy.LOG, "part of the market data needs a subscription for the API"),
    10119: Code(Policy.HALT, "the API is read-only"),
    10141: Code(Policy.HALT, "the paper trading disclaimer must be accepted first"),
    10147: Code(Policy.CANCEL_ANSWER, "order to cancel was not found"),
    10148: Code(Policy.CANCEL_ANSWER, "order cannot be cancelled in its state"),
    10149: Code(Policy.REJECT_ORDER, "invalid order id"),
    10167: Code(Policy.DEGRADE_DATA, "delayed market data instead of live"),
    10168: Code(Policy.DEGRADE_DATA, "delayed market data not enabled"),
    10197: Code(Policy.DEGRADE_DATA, "competing live session takes the market data"),
    10225: Code(Policy.LOG, "bust event, bars are requested again"),
    10268: Code(Policy.REJECT_ORDER, "eTradeOnly is not supported"),
    10269: Code(Policy.REJECT_ORDER, "firmQuoteOnly is not supported"),
    10326: Code(Policy.LOG, "OCA group cannot be revised"),
    10328: Code(Policy.REJECT_ORDER, "connection lost, order data could not be resolved"),
    10341: Code(Policy.LOG, "parent order id cannot be modified"),
    10349: Code(Policy.LOG, "time in force was set by a preset, the order lives"),
}

# The account may not buy this stock (now): asking again every five seconds would change nothing.
NOT_FOR_THIS_ACCOUNT = (201, 203, 460)

NOT_BEFORE = 399  # also told of an order that waits for the open

UNKNOWN_CODE = Code(Policy.LOG, "unknown code")


def code(number: int) -> Code:
    """What `number` means. An unknown code is logged and changes nothing."""
    return CODES.get(number, UNKNOWN_CODE)
