"""Which requests are looked at: the guard's rules applied to what aiohttp received."""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from dashboard.guard import Guard

log = logging.getLogger(__name__)

REFUSED_WAITS_S = 1.0
JSON = "application/json"
OUR_PAGE = frozenset({"same-origin", "none"})  # of Sec-Fetch-Site: our own script, or the person themselves
METHODS = frozenset({"GET", "HEAD", "POST"})
OPEN_PATHS = frozenset({"/", "/healthz", "/openapi.json"})  # with the page's files: what tells nothing of the account
OPEN_FOLDER = "/static/"


class Refusal(Exception):
    """A request that is not answered: status and one line."""

    def __init__(self, status: int, words: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(words)
        self.status = status
        self.words = words
        self.retry_after_s = retry_after_s


class Admission:
    """Refuses requests before anything of them is read but their head."""

    def __init__(self, guard: Guard, *, has_controls: bool, reading_needs_token: bool) -> None:
        self._guard = guard
        self._has_controls = has_controls
        self._reading_needs_token = reading_needs_token

    async def admit(self, request: web.Request) -> None:
        """Raises Refusal. The cheapest tests come first."""
        guard, address = self._guard, request.remote or "?"
        if not guard.may_ask(address):
            await self._make_wait(request, address)
        host = request.headers.get("Host", "")
        if not guard.is_our_host(host):
            raise Refusal(403, "this name is not the dashboard's: see DASHBOARD_NAMES")
        if not guard.is_our_origin(request.headers.get("Origin"), host):
            raise Refusal(403, "requests of other sites are refused")
        if request.method not in METHODS:
            raise Refusal(405, "method not allowed")
        if request.method == "POST":
            self._admit_command(request, address)
        elif self._reading_needs_token and not _is_open(request.path):
            self._admit_token(request, address)

    def _admit_command(self, request: web.Request, address: str) -> None:
        if request.headers.get("Sec-Fetch-Site", "none") not in OUR_PAGE:
            raise Refusal(403, "commands of other sites are refused")
        if not self._has_controls:
            raise Refusal(403, "nothing can be commanded here: no trading program runs behind this page")
        self._admit_token(request, address)
        if request.content_type != JSON:
            raise Refusal(415, f"the body must be {JSON}")
        if request.query_string:
            raise Refusal(400, "a command takes no parameters in its address")

    def _admit_token(self, request: web.Request, address: str) -> None:
        if (locked_s := self._guard.locked_s(address)) > 0:
            raise Refusal(429, "too many wrong tokens", retry_after_s=locked_s)
        authorization = request.headers.get("Authorization")
        if self._guard.knows(address, authorization):
            return
        if not authorization:
            raise Refusal(401, "a token is needed: Authorization: Bearer ...")
        log.warning("the dashboard was given a wrong token by %s", address)
        raise Refusal(401, "the token is wrong")

    async def _make_wait(self, request: web.Request, address: str) -> None:
        """Whoever asks too fast waits for the refusal, or is cut off."""
        if not self._guard.begin_waiting(address):
            if request.transport is not None:
                request.transport.abort()
            raise Refusal(429, "too many requests")  # to nobody any more
        try:
            await asyncio.sleep(REFUSED_WAITS_S)
        finally:
            self._guard.end_waiting(address)
        raise Refusal(429, "too many requests", retry_after_s=REFUSED_WAITS_S)


def _is_open(path: str) -> bool:
    """Whether a path may be read without a token wherever the page is served: the page asks for the token itself."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDER)
