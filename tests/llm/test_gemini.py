"""Gemini through its real client library against a server of ours; skipped where the optional package is absent."""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
from typing import Any

import pytest
from aiohttp import web

from llm.faults import reason_of
from llm.gemini import PACKAGE, Gemini, is_installed
from llm.outcomes import Completion, Reason
from llm.pricing import Prices
from llm.questions import schema_of
from llm.structured import Unusable, read_reply
from tests.llm.world import GOOD, MESSAGES, REPLY_CLASS

pytestmark = [
    pytest.mark.skipif(not is_installed(), reason=f"the optional package {PACKAGE} is not installed"),
    pytest.mark.filterwarnings("ignore"),  # other people's deprecations
]


def asked(monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], status: int = 200) -> tuple[Any, list[dict[str, Any]]]:
    """The completion or the reason of the exception, and what was sent."""
    from llm.backends import Request

    auth = importlib.import_module("google.auth")
    base = importlib.import_module("google.auth.credentials").Credentials
    credentials = type("Token", (base,), {"refresh": lambda self, request: None})()
    credentials.token = "t"  # without an expiry it is valid
    monkeypatch.setattr(auth, "default", lambda *_, **__: (credentials, "project"))
    sent: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(await request.json())
        return web.json_response(body, status=status)

    async def run() -> Any:
        app = web.Application()
        app.router.add_post("/{path:.*}", answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv("GOOGLE_VERTEX_BASE_URL", f"http://127.0.0.1:{runner.addresses[0][1]}")
        model = Gemini(project="project", location="global", model="gemini-2.5-flash", prices=Prices())
        try:
            await model.prepare()
            schema = schema_of(REPLY_CLASS)
            return await model.complete(
                Request(purpose="test v1", messages=MESSAGES, schema=schema, max_output_tokens=500)
            )
        except Exception as error:  # noqa: BLE001 (its class is what is tested)
            return reason_of(error)
        finally:
            await model.close()
            await runner.cleanup()

    outcome = asyncio.run(run())
    gc.collect()  # the library forgets a coroutine on its error path: that is warned of here and not at the end
    return outcome, sent


def says(text: str, finish: str = "STOP") -> dict[str, Any]:
    content = {"content": {"role": "model", "parts": [{"text": text}]}} if text else {}
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 20, "totalTokenCount": 120}
    return {"candidates": [content | {"finishReason": finish}], "usageMetadata": usage}


def test_request_carries_the_schema_and_the_reply_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    completion, [sent] = asked(monkeypatch, says(GOOD))
    assert isinstance(completion, Completion)
    assert isinstance(read_reply(completion, REPLY_CLASS), REPLY_CLASS)
    assert completion.usage is not None
    assert (completion.usage.input_tokens, completion.usage.output_tokens) == (100, 20)
    told = sent["generationConfig"]
    assert (told["responseMimeType"], told["maxOutputTokens"], told["temperature"]) == ("application/json", 500, 0.0)
    assert told["responseJsonSchema"] == json.loads(json.dumps(schema_of(REPLY_CLASS)))
    assert "tools" not in sent


@pytest.mark.parametrize(
    ("body", "reason"),
    [(says(GOOD[:20], "MAX_TOKENS"), Reason.TRUNCATED), (says("", "SAFETY"), Reason.FILTERED)],
)
def test_unusable_reply_has_its_reason(monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], reason: Reason) -> None:
    completion, _ = asked(monkeypatch, body)
    found = read_reply(completion, REPLY_CLASS)
    assert isinstance(found, Unusable)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, Reason.UNAUTHORISED),
        (403, Reason.UNAUTHORISED),
        (404, Reason.WRONG_MODEL),
        (429, Reason.RATE_LIMITED),
        (500, Reason.SERVER_ERROR),
    ],
)
def test_error_is_sent_once_and_has_its_reason(monkeypatch: pytest.MonkeyPatch, status: int, reason: Reason) -> None:
    body = {"error": {"code": status, "message": "Publisher Model was not found", "status": "X"}}
    found, sent = asked(monkeypatch, body, status)
    assert found == reason
    assert len(sent) == 1
