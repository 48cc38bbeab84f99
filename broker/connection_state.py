"""The connection's state machine, as a table: what may follow what, and on which event.

DISCONNECTED  no socket; the next attempt waits for its back-off
CONNECTING    a socket is being opened and logged in
SYNCING       logged in; executions, orders and positions are being read, nothing may trade
READY         entries and exits may be sent
WATCHING      our client id is taken: logged in under a temporary one, which sees our orders and cannot change them
DEGRADED      socket alive, IBKR behind it is not: nothing is sent, resting orders work at the exchange
HALTED        given up for this session: entries stay off, connecting goes on so that exits can be watched
"""

from __future__ import annotations

from enum import StrEnum


class Link(StrEnum):
    """Where the connection stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    SYNCING = "syncing"
    READY = "ready"
    WATCHING = "watching"
    DEGRADED = "degraded"
    HALTED = "halted"


class LinkEvent(StrEnum):
    """What happened to the connection."""

    ATTEMPT = "attempt"  # the back-off is over
    OPENED = "opened"  # socket open and logged in
    OPENED_TO_WATCH = "opened_to_watch"  # logged in under the temporary client id
    FAILED = "failed"  # the attempt failed
    SYNCED = "synced"  # executions, orders and positions agree with the ledger
    SOCKET_LOST = "socket_lost"
    SILENT = "silent"  # no answer to a heartbeat within its deadline
    SERVER_LOST = "server_lost"  # codes 1100, 2110
    SERVER_BACK = "server_back"  # codes 1101, 1102
    RENEWAL = "renewal"  # alive, but of no use: a new one is wanted
    DOUBT = "doubt"  # ledger and broker seem to differ
    GIVEN_UP = "given_up"  # down for longer than the limit while the exchange is open


TRANSITIONS: dict[tuple[Link, LinkEvent], Link] = {  # (state, event) -> next state; anything else is ignored
    (Link.DISCONNECTED, LinkEvent.ATTEMPT): Link.CONNECTING,
    (Link.HALTED, LinkEvent.ATTEMPT): Link.CONNECTING,
    (Link.CONNECTING, LinkEvent.OPENED): Link.SYNCING,
    (Link.CONNECTING, LinkEvent.FAILED): Link.DISCONNECTED,
    (Link.CONNECTING, LinkEvent.SOCKET_LOST): Link.DISCONNECTED,
    (Link.CONNECTING, LinkEvent.OPENED_TO_WATCH): Link.WATCHING,
    (Link.WATCHING, LinkEvent.ATTEMPT): Link.CONNECTING,
    (Link.WATCHING, LinkEvent.FAILED): Link.DISCONNECTED,
    (Link.WATCHING, LinkEvent.SOCKET_LOST): Link.DISCONNECTED,
    (Link.SYNCING, LinkEvent.SYNCED): Link.READY,
    (Link.SYNCING, LinkEvent.FAILED): Link.DISCONNECTED,
    (Link.SYNCING, LinkEvent.SOCKET_LOST): Link.DISCONNECTED,
    (Link.SYNCING, LinkEvent.SILENT): Link.DISCONNECTED,
    (Link.SYNCING, LinkEvent.SERVER_LOST): Link.DEGRADED,
    (Link.READY, LinkEvent.SOCKET_LOST): Link.DISCONNECTED,
    (Link.READY, LinkEvent.SILENT): Link.DISCONNECTED,
    (Link.READY, LinkEvent.SERVER_LOST): Link.DEGRADED,
    (Link.READY, LinkEvent.SERVER_BACK): Link.SYNCING,
    (Link.READY, LinkEvent.DOUBT): Link.SYNCING,
    (Link.READY, LinkEvent.RENEWAL): Link.DISCONNECTED,
    (Link.DEGRADED, LinkEvent.SERVER_BACK): Link.SYNCING,
    (Link.DEGRADED, LinkEvent.SOCKET_LOST): Link.DISCONNECTED,
    (Link.DEGRADED, LinkEvent.SILENT): Link.DISCONNECTED,
    (Link.DEGRADED, LinkEvent.GIVEN_UP): Link.HALTED,
    (Link.DISCONNECTED, LinkEvent.GIVEN_UP): Link.HALTED,
}


def next_link(state: Link, event: LinkEvent) -> Link:
    """The state after an event. An event that means nothing in a state leaves it."""
    return TRANSITIONS.get((state, event), state)
