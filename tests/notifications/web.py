"""A web server on loopback for tests: it keeps what it is asked and answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

LIMIT_S = 20.0  # for what must happen; nothing is asserted about how long it took


class Asked(NamedTuple):
    method: str
    path: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Web:
    """`status` answers every request, after `held` was released."""

    def __init__(self) -> None:
        self.address = ""  # host:port
        self.status = 200
        self.asked: list[Asked] = []
        self.held = threading.Event()
        self.held.set()
        self._news = threading.Condition()

    def keep(self, asked: Asked) -> None:
        with self._news:
            self.asked.append(asked)
            self._news.notify_all()

    def wait_for(self, count: int) -> list[Asked]:
        """The requests, once there are at least `count`."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.asked) >= count, LIMIT_S), self.asked
            return list(self.asked)

    def idle(self, seconds: float) -> bool:
        """Whether nothing is asked for so long, from when what was on its way has arrived."""
        time.sleep(0.2)
        with self._news:
            before = len(self.asked)
            return not self._news.wait_for(lambda: len(self.asked) > before, seconds)


@contextmanager
def web() -> Iterator[Web]:
    server = Web()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            server.keep(Asked(self.command, self.path, body))
            server.held.wait(LIMIT_S)
            try:
                self.send_response(server.status)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # who asked is gone

        do_GET = do_POST = answer  # noqa: N815 (the names that the base class calls)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    listening.handle_error = lambda *_: None  # type: ignore[method-assign]  # as above
    server.address = f"127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.held.set()
        listening.shutdown()
        listening.server_close()
        thread.join()


def until(condition: Any) -> None:
    """Wait until `condition()` holds."""
    end_s = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end_s, "it never happened"
        time.sleep(0.005)
