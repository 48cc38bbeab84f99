"""Who may ask what: hosts, origins, pace, tokens. Everything that is refused is refused before it is looked at.

| danger | what stops it |
|---|---|
| DNS rebinding | the Host must be an address, localhost or a name of the settings |
| other sites' scripts and forms | a foreign Origin is refused; commands need a header that no form can send |
| guessing the token | compared in constant time; after five wrong ones a client is not listened to for a while |
| tokens in addresses, which logs and histories keep | a question takes no parameters but its own |
| a flood | a pace for each client; who goes on waits a second for each refusal, and then is cut off |
"""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

PACE = 30.0  # requests a second, for as long as one likes
BURST = 300.0  # ten pages that open at once
MOST_WAITING = 16  # refused requests of one client that wait; further ones are cut off
MOST_CLIENTS = 1_024  # addresses that are remembered
WRONG_TOKENS = 5
FIRST_LOCK_S, LONGEST_LOCK_S = 30.0, 480.0
FORGET_S = 600.0  # after it wrong tokens count anew


@dataclass(slots=True)
class _Client:
    """What is known of one address."""

    credit: float = BURST
    seen_s: float = 0.0
    waiting: int = 0
    wrong: int = 0
    locks: int = 0
    wrong_s: float = 0.0
    locked_until_s: float = 0.0


@dataclass(slots=True)
class Guard:
    """Keeps the state of all clients. For one thread. `secret` empty: nobody may command."""

    secret: str
    scheme: str
    names: tuple[str, ...] = ()
    clients: OrderedDict[str, _Client] = field(default_factory=OrderedDict)  # address -> the least recent first

    def is_our_host(self, host: str) -> bool:
        """Whether a Host header can be ours: a name that only we know of, or no name at all."""
        name = _name_of(host)
        return name == "localhost" or name in self.names or _is_address(name)

    def is_our_origin(self, origin: str | None, host: str) -> bool:
        """Whether a request comes from our own page, or from no page."""
        return origin is None or origin == f"{self.scheme}://{host}"

    def may_ask(self, address: str) -> bool:
        """Whether a client is within its pace; counts the request."""
        client, now_s = self._client(address), time.monotonic()
        client.credit = min(BURST, client.credit + (now_s - client.seen_s) * PACE)
        client.seen_s = now_s
        if client.credit < 1:
            return False
        client.credit -= 1
        return True

    def begin_waiting(self, address: str) -> bool:
        """A refused request waits. False when so many of this client do that it is cut off."""
        client = self._client(address)
        if client.waiting >= MOST_WAITING:
            return False
        client.waiting += 1
        return True

    def end_waiting(self, address: str) -> None:
        self._client(address).waiting -= 1

    def locked_s(self, address: str) -> float:
        """Seconds for which this client's tokens are not looked at."""
        return max(self._client(address).locked_until_s - time.monotonic(), 0.0)

    def knows(self, address: str, authorization: str | None) -> bool:
        """Whether a request brings the token. A wrong one counts, a missing one does not."""
        kind, _, given = (authorization or "").partition(" ")
        if not self.secret or kind.lower() != "bearer" or not given:
            return False
        if hmac.compare_digest(given.strip().encode(), self.secret.encode()):
            self._client(address).wrong = 0
            return True
        self._count_wrong(self._client(address))
        return False

    def _count_wrong(self, client: _Client) -> None:
        now_s = time.monotonic()
        if now_s - client.wrong_s > FORGET_S:
            client.wrong = client.locks = 0
        client.wrong, client.wrong_s = client.wrong + 1, now_s
        if client.wrong >= WRONG_TOKENS:
            client.locked_until_s = now_s + min(FIRST_LOCK_S * 2**client.locks, LONGEST_LOCK_S)
            client.wrong, client.locks = 0, client.locks + 1

    def _client(self, address: str) -> _Client:
        client = self.clients.get(address)
        if client is None:
            client = self.clients[address] = _Client(seen_s=time.monotonic())
            if len(self.clients) > MOST_CLIENTS:
                self._forget_one()
        self.clients.move_to_end(address)
        return client

    def _forget_one(self) -> None:
        """The least recent client of whom nothing has to be remembered; failing that, the least recent."""
        now_s = time.monotonic()
        free = (a for a, c in self.clients.items() if not c.waiting and c.locked_until_s < now_s)
        del self.clients[next(free, next(iter(self.clients)))]


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
