"""Plumbing of the entries: settings from `.env`, logging set-up, atomic JSON files, and the error tree.

    TradingError
    ├── Misconfigured    wrong usage or configuration: one clear line, exit 2
    ├── Retryable        may succeed when tried again; bounded and jittered by the caller, then escalates
    └── HaltTrading      a safety rule stopped the program: exit 3

The class of an error states the policy. It is handled in one place per entry script.
"""

from __future__ import annotations


class TradingError(Exception):
    """A fault that the program names. Anything else that reaches an entry is a bug: exit 1."""


class Misconfigured(TradingError):
    """The user's command line, settings or files are wrong. The text is the one line they will read."""


class Retryable(TradingError):
    """The same call may succeed later."""


class HaltTrading(TradingError):
    """A safety rule ended the program: kill switch, loss limit, account mismatch, broken invariant."""
