"""One GET: a status and a text within a deadline, or VendorUnavailable. The key travels in a header, nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from yarl import URL

from market_hours import Clock
from telemetry.conventions import http_call
from vendors.failures import MalformedReply, VendorUnavailable

MOST_BYTES = 64 * 1024 * 1024  # the whole market's day is 5 MB
CHUNK_BYTES = 256 * 1024
MOST_CONNECTIONS = 32


class Received(NamedTuple):
    """A reply as it came. `retry_after_s` is 0 where the vendor names none."""

    status: int
    text: str
    retry_after_s: float


class Transport:
    """Connections to one vendor. Redirects are not followed: the key would go with them."""

    def __init__(self, vendor: str, headers: Mapping[str, str], clock: Clock) -> None:
        self._vendor = vendor
        self._headers = dict(headers)
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Transport({self._vendor})"

    async def get(self, endpoint: str, url: URL, limit_s: float) -> Received:
        """Ask once; the reply must be whole within `limit_s` seconds of wall time. Raises VendorUnavailable,
        MalformedReply.
        """
        words = ""
        try:
            async with self._clock.outside(limit_s):
                with http_call("GET", str(url.with_query(None))) as call:
                    received = await self._get(endpoint, url)
                    call.answered(received.status)
                return received
        except TimeoutError:
            words = f"no whole reply within {limit_s:.1f} s"
        except aiohttp.ClientPayloadError:
            words = "the reply was cut off"
        except aiohttp.ClientConnectionError as error:
            words = f"no connection ({type(error).__name__})"
        except (aiohttp.ClientError, OSError, ssl.SSLError, ValueError) as error:
            words = f"no reply ({type(error).__name__})"
        # outside the handler: aiohttp's errors hold the request with its headers
        raise VendorUnavailable(self._vendor, endpoint, words)

    async def _get(self, endpoint: str, url: URL) -> Received:
        ask = self._opened().get(url, headers=self._headers, allow_redirects=False, middlewares=(_Once(),))
        async with ask as response:
            body = bytearray()
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise MalformedReply(self._vendor, endpoint, f"more than {MOST_BYTES} bytes")
            return Received(response.status, body.decode("utf-8", "replace"), _seconds(response.headers))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=MOST_CONNECTIONS),
                timeout=aiohttp.ClientTimeout(total=None),  # deadlines are the clock's
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


class _Once:
    """aiohttp repeats a GET by itself when a connection ends: that would be a request that nobody counted."""

    def __init__(self) -> None:
        self._sent = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._sent:
            raise aiohttp.ClientConnectionResetError("the connection ended")
        self._sent = True
        return await handler(request)


def _seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "")
    return float(text) if text.isdecimal() and len(text) < 7 else 0.0
