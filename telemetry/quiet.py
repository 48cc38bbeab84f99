"""Quiet moments: who trades says when nothing is urgent, and who has work that may wait does it then."""

from __future__ import annotations

from collections.abc import Callable

_at_quiet: list[Callable[[], None]] = []


def quiet() -> None:
    """Nothing is to be done for some milliseconds at least. Called from the event loop's thread."""
    for act in tuple(_at_quiet):
        act()


def at_quiet(act: Callable[[], None]) -> Callable[[], None]:
    """From now on `act` is called at every quiet moment, after those that asked before; calling the result ends it."""
    _at_quiet.append(act)
    return lambda: _at_quiet.remove(act)
