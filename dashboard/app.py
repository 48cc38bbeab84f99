"""The web application: routes over the table of questions, commands, the stream and the page, behind the guard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from aiohttp import web

from dashboard import csv_file
from dashboard.admission import JSON, Admission, Refusal
from dashboard.answers import CommandState, Fault, Health, Server, State
from dashboard.commanding import Commanding, Unfit
from dashboard.encoding import to_json
from dashboard.gauges import exposition
from dashboard.guard import Guard
from dashboard.openapi import API_VERSION, description
from dashboard.program import Program
from dashboard.questions import QUESTIONS, TRIPS, Asked, BadQuestion, Parameter, Question, trip_filter
from dashboard.reading import Readers, TooSlow
from dashboard.static_files import START, StaticFile, static_files
from dashboard.stream import Stream
from dashboard.wishes import COMMAND_BODY, CONFIRMATION_BODY, Body, body_of
from records.browsing import Unanswerable
from utils import TradingError

log = logging.getLogger(__name__)

LARGEST_BODY = 4_096  # bytes
BODY_LIMIT_S = 5.0
SEND_LIMIT_S = 10.0  # a page that takes nothing for so long is gone
EVENTS = "text/event-stream"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Server": "dashboard",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Dashboard:
    """One program's page and API. `application` is what aiohttp serves."""

    def __init__(self, program: Program, guard: Guard, *, reading_needs_token: bool) -> None:
        self._program = program
        self._reading_needs_token = reading_needs_token
        self._admission = Admission(
            guard, has_controls=program.control is not None, reading_needs_token=reading_needs_token
        )
        self._readers = Readers(program.database, bot=program.bot, mode=program.mode)
        self._stream = Stream(program.live)
        control = program.control
        self._commanding = Commanding(control, program.now, self._stream.told) if control is not None else None
        self._faults = 0  # requests that ended with an error of this program
        self._files = static_files()
        self._description = to_json(description())
        self.application = self._application()

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guarded], client_max_size=LARGEST_BODY)
        routes = application.router
        for question in QUESTIONS:
            routes.add_get(question.path, self._answering(question))
        routes.add_get("/api/state", self._state)
        routes.add_get("/api/stream", self._events, allow_head=False)
        routes.add_get("/api/round-trips.csv", self._csv, allow_head=False)
        routes.add_post("/api/confirmations", self._confirm)
        routes.add_post("/api/commands", self._command)
        routes.add_get("/api/commands/{command_id}", self._command_state)
        routes.add_get("/openapi.json", self._openapi)
        routes.add_get("/healthz", self._health)
        routes.add_get("/metrics", self._metrics)
        routes.add_get("/", self._start)
        routes.add_get("/static/{name:.+}", self._static)
        application.cleanup_ctx.append(self._running)
        application.on_shutdown.append(self._end_streams)
        return application

    async def _running(self, _: web.Application) -> AsyncIterator[None]:
        looking = asyncio.create_task(self._stream.run(), name="dashboard stream")
        yield
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
        self._readers.close()

    async def _end_streams(self, _: web.Application) -> None:
        self._stream.end()

    # The guard

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            await self._admission.admit(request)
            return await handler(request)
        except Refusal as refusal:
            return self._refused(refusal)
        except web.HTTPException as error:  # of aiohttp itself: no such path, method, body too large
            return self._refused(Refusal(error.status, error.reason.lower()))
        except ConnectionError:  # the client went
            return self._refused(Refusal(400, "the client went"))
        except TradingError as error:  # the database cannot be read now
            return self._refused(Refusal(503, str(error)))
        except Exception:
            self._faults += 1
            log.exception("a request of the dashboard failed, %d by now; trading is not affected", self._faults)
            return self._refused(Refusal(500, "a fault of the program; its log says more"))

    def _refused(self, refusal: Refusal) -> web.Response:
        response = _json(Fault(refusal.words), refusal.status)
        if refusal.retry_after_s:
            response.headers["Retry-After"] = str(int(refusal.retry_after_s) + 1)
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if refusal.status in (413, 429):
            response.force_close()
        return response

    # Reading

    def _answering(self, question: Question) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            values = _values(request, question.parameters)
            try:
                content = await self._readers.run(
                    lambda browsing: to_json(question.answer(Asked(browsing, self._program, values)))
                )
            except (BadQuestion, Unanswerable) as error:
                raise Refusal(400, str(error)) from error
            except TooSlow:
                raise Refusal(503, "this takes too long: ask for fewer sessions") from None
            return _body(content, JSON)

        return answer

    async def _state(self, request: web.Request) -> web.StreamResponse:
        _values(request, ())
        self._stream.look()
        return _json(State(self._program.live.view, self._server()))

    async def _events(self, request: web.Request) -> web.StreamResponse:
        _values(request, ())
        if self._stream.is_full:
            raise Refusal(503, "too many pages are open")
        response = web.StreamResponse(headers={**HEADERS, "Content-Type": EVENTS, "Cache-Control": "no-store"})
        await response.prepare(request)
        async with aclosing(self._stream.listen(self._server())) as events:
            with suppress(TimeoutError, ConnectionResetError):  # the page went away
                async for event in events:
                    async with asyncio.timeout(SEND_LIMIT_S):
                        await response.write(event)
        return response

    async def _csv(self, request: web.Request) -> web.StreamResponse:
        """Every round trip of a filter, some hundreds at a time: memory does not grow with history."""
        wanted = trip_filter(_values(request, TRIPS))
        part = await self._readers.run(partial(csv_file.part, wanted=wanted, after=""))
        headers = {**HEADERS, "Content-Type": "text/csv; charset=utf-8", "Cache-Control": "no-store"}
        headers["Content-Disposition"] = 'attachment; filename="round_trips.csv"'
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(csv_file.HEAD)
        while True:
            async with asyncio.timeout(SEND_LIMIT_S):
                await response.write(part.content)
            if (cursor := part.next) is None:
                return response
            part = await self._readers.run(partial(csv_file.part, wanted=wanted, after=cursor))

    async def _command_state(self, request: web.Request) -> web.StreamResponse:
        _values(request, ())
        state = self._commanding.state(request.match_info["command_id"]) if self._commanding is not None else None
        if state is None:
            raise Refusal(404, "no such command")
        return _json(state)

    # Commanding

    async def _confirm(self, request: web.Request) -> web.StreamResponse:
        body = await self._read_body(request, CONFIRMATION_BODY)
        assert self._commanding is not None  # else it was not admitted
        try:
            return _json(self._commanding.confirm(body.wish), 201)
        except ValueError as error:
            raise Refusal(409, str(error)) from error

    async def _command(self, request: web.Request) -> web.StreamResponse:
        body = await self._read_body(request, COMMAND_BODY)
        assert self._commanding is not None
        who = f"{body.name or 'somebody'} through the dashboard from {request.remote}"
        try:
            state: CommandState = self._commanding.command(body.confirmation_id, body.wish, who)
        except Unfit as error:
            raise Refusal(409, str(error)) from error
        log.info("%s commands: %s %s", who, state.kind, state.symbol or state.detail)
        return _json(state, 202)

    async def _read_body(self, request: web.Request, allowed: dict[str, Any]) -> Body:
        try:
            async with asyncio.timeout(BODY_LIMIT_S):
                return body_of(await request.read(), allowed)
        except TimeoutError:
            raise Refusal(408, "the body did not come") from None
        except ValueError as error:
            raise Refusal(400, str(error)) from error

    # The rest

    async def _openapi(self, request: web.Request) -> web.StreamResponse:
        return _body(self._description, JSON)

    async def _health(self, request: web.Request) -> web.StreamResponse:
        why = self._program.unwell()
        return _json(Health("unwell" if why else "ok", why), 503 if why else 200)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        metrics = self._program.metrics() or exposition(self._program.live.view)
        return _body(metrics, "text/plain; version=0.0.4; charset=utf-8")

    async def _start(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, START)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return self._file(request, request.match_info["name"])

    def _file(self, request: web.Request, name: str) -> web.Response:
        file: StaticFile | None = self._files.get(name)
        if file is None:
            raise Refusal(404, "not found")
        caching = {"ETag": file.etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers={**HEADERS, **caching})
        return web.Response(body=file.content, headers={**HEADERS, **caching, "Content-Type": file.content_type})

    def _server(self) -> Server:
        program = self._program
        return Server(
            api=API_VERSION,
            bot=program.bot,
            mode=program.mode,
            db=program.database.name,
            started_at=program.started_at,
            now=program.now(),
            control=program.control is not None,
            kinds=list(program.control.kinds) if program.control is not None else [],
            reading_needs_token=self._reading_needs_token,
        )


def _values(request: web.Request, parameters: tuple[Parameter, ...]) -> dict[str, Any]:
    """What a question names. Raises Refusal for what it does not take: a token in an address, for one."""
    known = {parameter.name: parameter for parameter in parameters}
    in_path = request.match_info
    for name in request.query:
        if name not in known or known[name].in_path or len(request.query.getall(name)) > 1:
            hint = "; a token belongs into the header Authorization" if "token" in name.lower() else ""
            raise Refusal(400, f"{name[:40]!r} is no parameter here, or was given twice{hint}")
    try:
        return {
            name: parameter.read(in_path[name] if parameter.in_path else request.query.get(name, ""))
            for name, parameter in known.items()
        }
    except BadQuestion as error:
        raise Refusal(400, str(error)) from error


def _json(value: Any, status: int = 200) -> web.Response:
    return _body(to_json(value), JSON, status)


def _body(content: bytes, content_type: str, status: int = 200) -> web.Response:
    headers = {**HEADERS, "Content-Type": content_type, "Cache-Control": "no-store"}
    return web.Response(body=content, status=status, headers=headers)
