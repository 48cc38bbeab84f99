"""A real HTTP server that speaks the chat completions of DeepSeek and of local servers, and breaks on purpose.

Shapes: the vendor's public reference and error texts. Each request's body and headers are kept.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
MODELS = ("deepseek-flash", "deepseek-v4-pro")
USAGE = {
    "prompt_tokens": 1000,
    "completion_tokens": 200,
    "total_tokens": 1200,
    "prompt_tokens_details": {"cached_tokens": 400},
    "completion_tokens_details": {"reasoning_tokens": 12},
    "prompt_cache_hit_tokens": 400,
    "prompt_cache_miss_tokens": 600,
}


def completion(
    content: str | None, *, finish_reason: str = "stop", usage: dict[str, Any] | None = USAGE, **message: Any
) -> dict[str, Any]:
    """The body of a 200."""
    body: dict[str, Any] = {
        "id": "930c60df",
        "object": "chat.completion",
        "created": 1758600000,
        "model": "deepseek-flash",
        "system_fingerprint": "fp_x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, **message},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
    }
    return body | ({"usage": usage} if usage is not None else {})


def says(content: str | None, **rest: Any) -> Answer:
    """A 200 with this content."""

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion(content, **rest))

    return answer


def refuses(status: int, message: str, **headers: str) -> Answer:
    """An error in the vendor's form."""

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        error = {"message": message, "type": "some_error", "param": None, "code": "some_error"}
        return web.json_response({"error": error}, status=status, headers=headers)

    return answer


def sends(text: str, content_type: str, status: int = 200) -> Answer:
    """Anything else."""

    async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        return web.Response(text=text, content_type=content_type, status=status)

    return answer


async def dribbles(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Blank lines for ever, as a busy service does: each resets the client's read timeout."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b"\n")
        await asyncio.sleep(0.02)


async def hangs_up(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """The connection closes without an answer."""
    assert request.transport is not None
    request.transport.close()
    return web.Response()


@dataclass
class ChatServer:
    """`answers` are used in order, the last one for ever."""

    answers: list[Answer]
    models: tuple[str, ...] | None = MODELS
    url: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.text())
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await answer(request, body)

    async def list_models(self, request: web.Request) -> web.StreamResponse:
        if self.models is None:
            return web.Response(status=404)
        data = [{"id": name, "object": "model", "owned_by": "someone", "created": 0} for name in self.models]
        return web.json_response({"object": "list", "data": data})


@asynccontextmanager
async def serving(*answers: Answer, models: tuple[str, ...] | None = MODELS) -> AsyncIterator[ChatServer]:
    """The server on a free port of loopback."""
    server = ChatServer(list(answers), models)
    app = web.Application()
    app.router.add_post("/chat/completions", server.chat)
    app.router.add_get("/models", server.list_models)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()
