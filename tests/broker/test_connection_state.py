"""The connection's state machine: only READY may trade, and READY is reached through SYNCING alone."""

from __future__ import annotations

from itertools import product

import pytest

from broker.connection_state import TRANSITIONS, Link, LinkEvent, next_link


def test_ready_is_reached_only_from_a_synchronisation_that_agreed() -> None:
    into_ready = [key for key, state in TRANSITIONS.items() if state is Link.READY]
    assert into_ready == [(Link.SYNCING, LinkEvent.SYNCED)]


@pytest.mark.parametrize("state", [Link.CONNECTING, Link.SYNCING, Link.READY, Link.WATCHING, Link.DEGRADED])
def test_a_lost_socket_always_means_disconnected(state: Link) -> None:
    assert next_link(state, LinkEvent.SOCKET_LOST) is Link.DISCONNECTED


@pytest.mark.parametrize("back", [LinkEvent.SERVER_BACK])
def test_a_restored_server_is_synchronised_before_anything_trades(back: LinkEvent) -> None:
    assert next_link(Link.DEGRADED, back) is Link.SYNCING
    assert next_link(Link.READY, back) is Link.SYNCING


def test_an_event_without_meaning_leaves_the_state() -> None:
    unknown = [pair for pair in product(Link, LinkEvent) if pair not in TRANSITIONS]
    assert all(next_link(state, event) is state for state, event in unknown)


def test_connecting_goes_on_after_entries_were_given_up() -> None:
    assert next_link(Link.HALTED, LinkEvent.ATTEMPT) is Link.CONNECTING


def test_a_temporary_client_id_only_watches_and_is_left_through_a_new_connection() -> None:
    leaving = {event: state for (before, event), state in TRANSITIONS.items() if before is Link.WATCHING}
    assert set(leaving.values()) == {Link.CONNECTING, Link.DISCONNECTED}
