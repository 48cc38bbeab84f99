"""A question to one vendor: cache, remembered refusals, the day's budget, pace, deadline, bounded tries, pages."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from yarl import URL

from market_hours import Clock
from utils import SHORTEST_REDACTED
from vendors.cache import DiskCache, Entry, Kind
from vendors.failures import (
    ERRORS,
    Classify,
    Failure,
    KeyRefused,
    MalformedReply,
    QuotaSpent,
    VendorError,
    VendorUnavailable,
    parsed,
)
from vendors.ledger import DayLedger, Priority
from vendors.pacing import Pacer, Rate
from vendors.rows import Row, check_rows
from vendors.transport import Received, Transport

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Row)
LARGE_TEXT = 200_000  # characters; longer replies are read off the event loop
BACKOFF_S = 0.25  # before the second try, doubled before each further one, jittered by half
LONGEST_QUOTA_S = 86_400.0
MOST_PAGES = 20
FAILURES_TO_REST = 3  # questions in a row that failed with all their tries
REST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Generic[R]):
    """A path and what it answers with.

    `path` holds `{name}`s that are filled in. `rows_in` is the key under which the rows stand ("" : the reply is the
    list, "." : the reply is one row).
    """

    name: str
    path: str
    row: type[R]
    kind: Kind
    rows_in: str = ""


class Reply(NamedTuple, Generic[R]):
    """Validated rows, how many were dropped and the first of those in words, and when all was fetched."""

    rows: tuple[R, ...]
    dropped: int
    named: tuple[str, ...]
    fetched_at: datetime
    from_cache: bool


class _Page(NamedTuple):
    reply: Reply[Any]
    next_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How one vendor is asked. `hosts`: where the key may be sent when a reply names the next page."""

    vendor: str
    base_url: str
    hosts: tuple[str, ...]
    rate: Rate
    timeout_s: float = 10.0  # of one try
    deadline_s: float = 30.0  # of a page, with its tries and waits
    retries: int = 2


class VendorClient:
    """Asks one vendor. Raises VendorError of the class that says what to do; never shows a URL or the key."""

    def __init__(
        self,
        options: ClientOptions,
        headers: Mapping[str, str],
        secret: str,
        classify: Classify,
        clock: Clock,
        cache: DiskCache,
        ledger: DayLedger,
        random: Random | None = None,
    ) -> None:
        self.options = options
        self.counts: Counter[str] = Counter()  # requests, cached, dropped rows, and failures by class
        self._secret = secret
        self._classify = classify
        self._clock = clock
        self._cache = cache
        self._ledger = ledger
        self._random = random or Random(0)
        self._base = URL(options.base_url.rstrip("/"))
        self._transport = Transport(options.vendor, headers, clock)
        self._pacer = Pacer(options.vendor, options.rate, clock, ledger)
        self._refused_on = clock.now().date()
        self._refused = dict(ledger.refusals(options.vendor, clock.now()))  # (endpoint, symbol or "") -> failure
        self._key_is_bad = False
        self._quota_until = clock.now()
        self._failures = 0  # in a row, of TRANSIENT and MALFORMED
        self._rests_until = clock.now()

    def __repr__(self) -> str:
        return f"VendorClient({self.options.vendor})"

    async def close(self) -> None:
        await self._transport.close()

    async def fetch(
        self,
        endpoint: Endpoint[R],
        params: Mapping[str, str | int | bool | None] | None = None,
        *,
        path: Mapping[str, str] | None = None,
        symbol: str = "",
        priority: Priority = Priority.NORMAL,
        pages: int = 1,
    ) -> Reply[R]:
        """Rows of an endpoint, over at most `pages` pages. `symbol` is what a refusal is remembered for.

        Raises VendorError.
        """
        url = self._url(endpoint, path or {}, params or {})
        replies: list[Reply[R]] = []
        asked: set[URL] = set()
        while url not in asked and len(replies) < min(pages, MOST_PAGES):
            asked.add(url)
            page = await self._page(endpoint, url, symbol, priority)
            replies.append(page.reply)
            if not page.next_url or (following := self._next_page(page.next_url)) is None:
                break
            url = following
        return joined(replies)

    # One page

    async def _page(self, endpoint: Endpoint[R], url: URL, symbol: str, priority: Priority) -> _Page:
        question = str(url.relative())
        entry = self._cache.read(self.options.vendor, endpoint.kind, question, self._clock.now())
        if entry is not None:
            self.counts["cached"] += 1
            try:
                return await self._understood(endpoint, Received(200, entry.text, 0.0), entry.fetched_at, cached=True)
            except VendorError:
                pass  # what was kept is no answer any more: ask again
        self._refuse_at_once(endpoint.name, symbol)
        try:
            page, text = await self._ask(endpoint, url, priority)
        except VendorError as error:
            self._remember(error, symbol)
            raise
        self._failures = 0
        self._cache.write(self.options.vendor, endpoint.kind, question, Entry(text, page.reply.fetched_at))
        return page

    async def _ask(self, endpoint: Endpoint[R], url: URL, priority: Priority) -> tuple[_Page, str]:
        """Try, and try again what may succeed then, until an answer, the last try or the deadline."""
        options = self.options
        give_up = self._clock.now() + timedelta(seconds=options.deadline_s)
        for attempt in range(options.retries + 1):
            await self._turn(endpoint.name, give_up, priority)
            left_s = (give_up - self._clock.now()).total_seconds()
            self.counts["requests"] += 1
            try:
                received = await self._transport.get(endpoint.name, url, max(min(options.timeout_s, left_s), 0.001))
                return await self._understood(endpoint, received, self._clock.now()), received.text
            except (VendorUnavailable, MalformedReply) as error:
                wait_s = BACKOFF_S * 2**attempt * self._random.uniform(0.5, 1.5)
                after = self._clock.now() + timedelta(seconds=wait_s)
                if attempt == options.retries or after >= give_up:
                    raise
                log.info("%s; asked again in %.1f s", error, wait_s)
                await self._clock.sleep_until(after)
        raise AssertionError("the last try returns or raises")

    async def _turn(self, name: str, give_up: datetime, priority: Priority) -> None:
        """Budget and pace of one request. Raises QuotaSpent when either has no room before `give_up`."""
        vendor, rate, now = self.options.vendor, self.options.rate, self._clock.now()
        if now + timedelta(seconds=self._pacer.wait_s()) >= give_up:
            raise QuotaSpent(vendor, name, "the plan has no call left before the deadline")
        if not self._ledger.spend(vendor, now, rate.calls_a_day, priority):
            raise QuotaSpent(vendor, name, f"no call is left today for priority {priority.name.lower()}")
        await self._pacer.turn()

    async def _understood(
        self, endpoint: Endpoint[R], received: Received, fetched_at: datetime, *, cached: bool = False
    ) -> _Page:
        if len(received.text) > LARGE_TEXT:
            read = asyncio.get_running_loop().run_in_executor
            return await read(None, self._read, endpoint, received, fetched_at, cached)
        return self._read(endpoint, received, fetched_at, cached)

    def _read(self, endpoint: Endpoint[R], received: Received, fetched_at: datetime, cached: bool) -> _Page:
        """A reply as rows. Raises VendorError of the class that the vendor's verdict names."""
        vendor = self.options.vendor
        if len(self._secret) >= SHORTEST_REDACTED and self._secret in received.text:
            raise MalformedReply(vendor, endpoint.name, "the reply repeats the key and is thrown away")
        body = parsed(received.text)
        if (verdict := self._classify(received.status, body)) is not None:
            wait_s = min(received.retry_after_s, LONGEST_QUOTA_S) or verdict.wait_s
            raise ERRORS[verdict.failure](vendor, endpoint.name, verdict.words, wait_s)
        raw = _raw_rows(body, endpoint.rows_in)
        if raw is None:
            raise MalformedReply(vendor, endpoint.name, "the reply has another shape")
        checked = check_rows(endpoint.row, raw)
        if checked.dropped and not cached:
            self.counts["dropped"] += checked.dropped
            log.warning("%s %s: %s rows dropped: %s", vendor, endpoint.name, checked.dropped, "; ".join(checked.named))
        following = body.get("next_url") if isinstance(body, dict) else None
        reply = Reply(checked.rows, checked.dropped, checked.named, fetched_at, cached)
        return _Page(reply, following if isinstance(following, str) else "")

    # Refusals

    def _refuse_at_once(self, name: str, symbol: str) -> None:
        """Raise what is known without asking."""
        vendor, now = self.options.vendor, self._clock.now()
        if self._key_is_bad:
            raise KeyRefused(vendor, name, "the key was refused before")
        if now < self._quota_until:
            raise QuotaSpent(vendor, name, "the quota was spent before, nothing is asked until it is reset")
        if now < self._rests_until:
            raise VendorUnavailable(vendor, name, f"not asked for a while after {FAILURES_TO_REST} failures in a row")
        if now.date() != self._refused_on:
            self._refused_on, self._refused = now.date(), {}
        for key in ((name, ""), (name, symbol)):
            if failure := self._refused.get(key):
                raise ERRORS[Failure(failure)](vendor, name, "refused before, not asked again today")

    def _remember(self, error: VendorError, symbol: str) -> None:
        self.counts[error.failure] += 1
        now = self._clock.now()
        if isinstance(error, VendorUnavailable | MalformedReply):
            self._failures += 1
            if self._failures >= FAILURES_TO_REST:
                self._rests_until = now + timedelta(seconds=REST_S)
                log.warning("%s; %s rests for %.0f s", error, self.options.vendor, REST_S)
            return
        self._failures = 0
        if error.failure is Failure.AUTH:
            tell = log.info if self._key_is_bad else log.error  # calls that were under way are refused as well
            self._key_is_bad = True
            tell("%s: nothing more is asked of %s; check its key", error, self.options.vendor)
        elif error.failure is Failure.QUOTA and error.wait_s:
            self._quota_until = now + timedelta(seconds=error.wait_s)
            log.warning("%s; nothing is asked for %.0f s", error, error.wait_s)
        elif error.failure is Failure.PLAN or (error.failure is Failure.SYMBOL and symbol):
            key = (error.endpoint, symbol if error.failure is Failure.SYMBOL else "")
            self._refused[key] = error.failure
            self._ledger.refuse(self.options.vendor, *key, error.failure, now)
            log.info("%s; remembered for today", error)

    # URLs

    def _url(
        self, endpoint: Endpoint[R], path: Mapping[str, str], params: Mapping[str, str | int | bool | None]
    ) -> URL:
        filled = endpoint.path.format(**{name: quote(value, safe="") for name, value in path.items()})
        url = URL(f"{self._base}/{filled.lstrip('/')}", encoded=True)
        return url.with_query({name: _param(value) for name, value in params.items() if value is not None})

    def _next_page(self, text: str) -> URL | None:
        """The vendor's link to the next page; None when it leads to another host. A key in it is removed."""
        try:
            url = URL(text)
            port = url.explicit_port
        except ValueError:
            return None
        here = url.scheme == self._base.scheme and url.host == self._base.host and url.port == self._base.port
        known = url.scheme == "https" and url.host in self.options.hosts and port in (None, 443)
        if not (here or known) or url.user is not None:
            log.warning("%s names a next page on another host: not followed", self.options.vendor)
            return None
        query = [(name, value) for name, value in url.query.items() if name.lower() != "apikey"]
        return self._base.with_path(url.path).with_query(query)


def _param(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _raw_rows(body: Any, rows_in: str) -> list[Any] | None:
    """The rows of a reply; None when it has another shape. Absent rows are no rows."""
    if rows_in == ".":
        return [body] if isinstance(body, dict) else None
    if not rows_in:
        return body if isinstance(body, list) else None
    for key in rows_in.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(key, [])
    if isinstance(body, dict):
        return [body]
    return body if isinstance(body, list) else None


def joined(replies: Sequence[Reply[R]]) -> Reply[R]:
    """Several pages as one reply, as old as the oldest of them."""
    return Reply(
        tuple(row for reply in replies for row in reply.rows),
        sum(reply.dropped for reply in replies),
        tuple(words for reply in replies for words in reply.named),
        min(reply.fetched_at for reply in replies),
        all(reply.from_cache for reply in replies),
    )
