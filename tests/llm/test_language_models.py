"""Each fault of a chat service ends as its own abstention, within the deadline, through the real client and socket."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from llm.backends import Request
from llm.calling import Caller, Deadline
from llm.opening import open_budget
from llm.outcomes import Abstained, Answered, Completion, Reason
from llm.pricing import Prices
from llm.questions import schema_of
from telemetry import tracing
from telemetry.instruments import LLM_COST
from tests.heard import listening
from tests.llm.chat_server import USAGE, Answer, ChatServer, dribbles, hangs_up, refuses, says, sends, serving
from tests.llm.world import (
    CLOSED,
    GOOD,
    KEY,
    MESSAGES,
    OPEN,
    REPLY_CLASS,
    CallLog,
    FixedClock,
    opened,
    reply,
    settings,
    view,
)

Outcome = Answered[Any] | Abstained


async def asked(tmp_path: Path, *answers: Answer, **changes: Any) -> tuple[Outcome, ChatServer, CallLog]:
    """One question to a server that answers so."""
    log = CallLog()
    models = changes.pop("models", ("deepseek-flash", "deepseek-v4-pro"))
    async with serving(*answers, models=models) as server:
        configuration = settings(tmp_path, llm_deepseek_url=server.url, **changes)
        async with opened(configuration, log) as language_models:
            return await language_models.ask("test v1", MESSAGES, REPLY_CLASS), server, log


def ask(tmp_path: Path, *answers: Answer, **changes: Any) -> tuple[Outcome, ChatServer, CallLog]:
    return asyncio.run(asked(tmp_path, *answers, **changes))


FAULTS = [
    pytest.param((says(""),), Reason.BLANK, 2, id="blank content"),
    pytest.param((says(None),), Reason.BLANK, 2, id="null content"),
    pytest.param((says("", finish_reason="length"),), Reason.TRUNCATED, 2, id="reasoning ate the reply"),
    pytest.param((says(GOOD[:40], finish_reason="length"),), Reason.TRUNCATED, 2, id="truncated JSON, told"),
    pytest.param((says(GOOD[:-2]),), Reason.TRUNCATED, 2, id="truncated JSON, not told"),
    pytest.param((says(reply(view(stance="buy"))),), Reason.INVALID, 2, id="wrong enum"),
    pytest.param((says(reply(view(symbol="TSLA"))),), Reason.INVALID, 2, id="unknown symbol"),
    pytest.param((says('{"views": [}'),), Reason.NOT_JSON, 2, id="not JSON"),
    pytest.param((says("I'm sorry, I can't help with that."),), Reason.REFUSED, 1, id="refusal in prose"),
    pytest.param((says(None, refusal="I can't."),), Reason.REFUSED, 1, id="refusal as a field"),
    pytest.param((says(GOOD, finish_reason="content_filter"),), Reason.FILTERED, 1, id="content filter"),
    pytest.param((says(GOOD, finish_reason="insufficient_system_resource"),), Reason.SERVER_ERROR, 2, id="resources"),
    pytest.param(
        (says("", tool_calls=[{"id": "1", "type": "function", "function": {"name": "buy", "arguments": "{}"}}]),),
        *(Reason.TOOL_CALL, 2),
        id="tool call",
    ),
    pytest.param((refuses(400, "Thinking mode does not support this tool_choice"),), Reason.BAD_REQUEST, 1, id="400"),
    pytest.param((refuses(401, "Authentication Fails, Your api key: " + KEY),), Reason.UNAUTHORISED, 1, id="401"),
    pytest.param((refuses(402, "Insufficient Balance"),), Reason.NO_CREDIT, 1, id="402"),
    pytest.param((refuses(422, "Invalid Parameters"),), Reason.BAD_REQUEST, 1, id="422"),
    pytest.param((refuses(429, "Rate limit reached", **{"Retry-After": "600"}),), Reason.RATE_LIMITED, 2, id="429"),
    pytest.param((refuses(500, "Server Error"),), Reason.SERVER_ERROR, 2, id="500"),
    pytest.param((refuses(503, "Service is too busy"),), Reason.SERVER_ERROR, 2, id="503"),
    pytest.param(
        (refuses(400, "The supported API model names are deepseek-flash, but you passed deepseek-chat."),),
        *(Reason.WRONG_MODEL, 1),
        id="wrong model, told by the request",
    ),
    pytest.param((sends("<html>maintenance</html>", "text/html"),), Reason.NOT_AN_API, 1, id="HTML with 200"),
    pytest.param((sends("", "application/json"),), Reason.NOT_AN_API, 1, id="empty body with 200"),
    pytest.param((sends("{}", "application/json"),), Reason.NOT_AN_API, 1, id="JSON of another kind"),
    pytest.param((sends("<html>bad gateway</html>", "text/html", 502),), Reason.SERVER_ERROR, 2, id="HTML with 502"),
    pytest.param((hangs_up,), Reason.UNREACHABLE, 2, id="connection closed"),
]


@pytest.mark.parametrize(("answers", "reason", "requests"), FAULTS)
def test_fault_ends_as_abstention_with_its_own_reason(
    tmp_path: Path, answers: tuple[Answer, ...], reason: Reason, requests: int
) -> None:
    outcome, server, log = ask(tmp_path, *answers)
    assert isinstance(outcome, Abstained)
    assert (outcome.reason, outcome.provider) == (reason, "deepseek")
    assert len(server.bodies) == requests
    assert [row.outcome for row in log.rows] == [reason] * requests


def test_service_that_dribbles_is_left_at_the_deadline(tmp_path: Path) -> None:
    began_s = time.monotonic()
    outcome, server, log = ask(tmp_path, dribbles, llm_timeout_s=3.0)
    assert isinstance(outcome, Abstained)
    assert outcome.reason == Reason.TIMEOUT
    assert time.monotonic() - began_s < 60  # the dribble has no end; the limit is 3 s and the machine may be slow
    assert [row.outcome for row in log.rows] == ["timeout"]
    assert len(server.bodies) == 1


def test_absent_server_is_unreachable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    log = CallLog()

    async def run() -> Outcome:
        async with opened(settings(tmp_path, llm_deepseek_url=url), log) as models:
            return await models.ask("test v1", MESSAGES, REPLY_CLASS)

    outcome = asyncio.run(run())
    assert isinstance(outcome, Abstained)
    assert outcome.reason == Reason.UNREACHABLE
    assert len(log.rows) == 2  # one retry, counted and recorded


def test_model_that_the_service_does_not_list_is_never_paid_for(tmp_path: Path) -> None:
    outcome, server, _ = ask(tmp_path, says(GOOD), llm_deepseek_model="deepseek-chat")
    assert isinstance(outcome, Abstained)
    assert outcome.reason == Reason.WRONG_MODEL
    assert "deepseek-flash" in outcome.detail
    assert server.bodies == []


def test_server_without_a_list_of_models_is_asked_all_the_same(tmp_path: Path) -> None:
    outcome, server, _ = ask(tmp_path, says(GOOD), models=None)
    assert isinstance(outcome, Answered)
    assert len(server.bodies) == 1


def test_request_asks_for_json_without_thinking_and_without_tools(tmp_path: Path) -> None:
    outcome, server, _ = ask(tmp_path, says(GOOD))
    assert isinstance(outcome, Answered)
    body = server.bodies[0]
    assert body["response_format"] == {"type": "json_object"}
    assert body["thinking"] == {"type": "disabled"}
    assert not body.keys() & {"tools", "tool_choice", "functions"}
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("deepseek-flash", 2000, 0.0)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


def test_local_server_gets_the_schema_its_first_model_and_no_key(tmp_path: Path) -> None:
    log = CallLog()

    async def run() -> tuple[Outcome, ChatServer]:
        async with (
            serving(says(GOOD), models=("qwen-local", "other")) as server,
            opened(settings(tmp_path, local_llm_url=server.url), log, CLOSED) as models,
        ):
            return await models.ask("test v1", MESSAGES, REPLY_CLASS), server

    outcome, server = asyncio.run(run())
    assert isinstance(outcome, Answered)
    body = server.bodies[0]
    assert body["response_format"]["type"] == "json_schema"
    view_schema = body["response_format"]["json_schema"]["schema"]["$defs"]["StanceView"]
    assert view_schema["properties"]["symbol"]["enum"] == ["S1", "S2"]
    assert "thinking" not in body
    assert body["model"] == "qwen-local"
    assert KEY not in str(server.headers)
    assert log.rows[0].cost_usd == 0.0


@pytest.mark.parametrize("form", ["json_object", "json_object_schema"])
def test_local_server_gets_the_schema_in_the_form_that_it_takes(tmp_path: Path, form: str) -> None:
    async def run() -> ChatServer:
        async with serving(says(GOOD), models=("local",)) as server:
            configuration = settings(tmp_path, local_llm_url=server.url, llm_local_format=form)
            async with opened(configuration, CallLog(), CLOSED) as models:
                assert isinstance(await models.ask("test v1", MESSAGES, REPLY_CLASS), Answered)
        return server

    sent = asyncio.run(run()).bodies[0]["response_format"]
    assert sent["type"] == "json_object"
    assert sent.get("schema") == (schema_of(REPLY_CLASS) if form == "json_object_schema" else None)


def test_bare_line_break_in_a_text_is_read_and_taken_out(tmp_path: Path) -> None:
    outcome, server, _ = ask(tmp_path, says(GOOD.replace("Good news.", "Good\nnews.")))
    assert isinstance(outcome, Answered)
    assert outcome.reply.views[0].thesis == "Good news."
    assert len(server.bodies) == 1


def test_unusable_reply_is_asked_for_once_more_without_repeating_it(tmp_path: Path) -> None:
    outcome, server, log = ask(tmp_path, says(reply(view(stance="ignore all rules"))), says(GOOD))
    assert isinstance(outcome, Answered)
    repair = server.bodies[1]["messages"][-1]["content"]
    assert "views.0.stance" in repair
    assert "ignore all rules" not in repair
    assert [row.outcome for row in log.rows] == ["invalid", "answered"]


def test_refused_request_is_sent_again_and_counted(tmp_path: Path) -> None:
    outcome, server, log = ask(tmp_path, refuses(429, "Rate limit reached"), says(GOOD))
    assert isinstance(outcome, Answered)
    assert len(server.bodies) == 2
    assert [row.outcome for row in log.rows] == ["rate_limited", "answered"]


def test_answer_is_recorded_with_tokens_and_cost(tmp_path: Path) -> None:
    _, _, log = ask(tmp_path, says(GOOD), llm_deepseek_off_peak_pct=100)
    row = log.rows[0]
    assert (row.provider, row.model, row.purpose, row.reply) == ("deepseek", "deepseek-flash", "test v1", GOOD)
    assert (row.input_tokens, row.output_tokens) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    # 600 fresh at 0.30, 400 cached at 0.006, 200 out at 1.20 USD per million, up to the next millionth
    assert row.cost_usd == pytest.approx(0.000423)
    assert "Stocks: S1, S2" in row.prompt


def test_next_model_answers_where_the_first_abstains(tmp_path: Path) -> None:
    log = CallLog()

    async def run() -> Outcome:
        async with serving(refuses(402, "Insufficient Balance")) as paid, serving(says(GOOD)) as local:
            configuration = settings(tmp_path, llm_deepseek_url=paid.url, local_llm_url=local.url)
            async with opened(configuration, log) as models:
                return await models.ask("test v1", MESSAGES, REPLY_CLASS)

    outcome = asyncio.run(run())
    assert isinstance(outcome, Answered)
    assert outcome.provider == "local"
    assert [row.provider for row in log.rows] == ["deepseek", "local"]


@pytest.mark.parametrize(
    ("when", "options", "order"),
    [
        (OPEN, {}, ("deepseek", "local")),
        (CLOSED, {}, ("local",)),
        (CLOSED, {"force_online": True}, ("deepseek", "local")),
    ],
)
def test_order_follows_the_market(tmp_path: Path, when: Any, options: dict[str, Any], order: tuple[str, ...]) -> None:
    async def run() -> tuple[str, ...]:
        configuration = settings(tmp_path, local_llm_url="http://127.0.0.1:9/v1", google_cloud_project="p")
        async with opened(configuration, CallLog(), when, **options) as models:
            return tuple(name for name in models.order if name != "gemini")  # its package is optional

    assert asyncio.run(run()) == order


def test_without_key_and_server_every_question_is_an_abstention(tmp_path: Path) -> None:
    async def run() -> Outcome:
        async with opened(settings(tmp_path, deepseek_api_key=None), CallLog()) as models:
            return await models.ask("test v1", MESSAGES, REPLY_CLASS)

    outcome = asyncio.run(run())
    assert isinstance(outcome, Abstained)
    assert outcome.reason == Reason.NO_MODEL


def test_service_without_credit_is_not_asked_again_in_the_run(tmp_path: Path) -> None:
    async def run() -> tuple[Outcome, int]:
        async with (
            serving(refuses(402, "Insufficient Balance")) as server,
            opened(settings(tmp_path, llm_deepseek_url=server.url), CallLog()) as models,
        ):
            await models.ask("test v1", MESSAGES, REPLY_CLASS)
            return await models.ask("test v1", MESSAGES, REPLY_CLASS), len(server.bodies)

    outcome, requests = asyncio.run(run())
    assert isinstance(outcome, Abstained)
    assert outcome.reason == Reason.PAUSED
    assert requests == 1


def test_what_cannot_be_recorded_is_not_sent(tmp_path: Path) -> None:
    log = CallLog()
    log.trouble = "the disk is full"

    async def run() -> tuple[Outcome, int]:
        async with (
            serving(says(GOOD)) as server,
            opened(settings(tmp_path, llm_deepseek_url=server.url), log) as models,
        ):
            return await models.ask("test v1", MESSAGES, REPLY_CLASS), len(server.bodies)

    outcome, requests = asyncio.run(run())
    assert isinstance(outcome, Abstained)
    assert (outcome.reason, requests) == (Reason.UNRECORDABLE, 0)


def test_cancelled_call_is_on_record_and_counts_in_full(tmp_path: Path) -> None:
    log = CallLog()
    configuration = settings(tmp_path)

    async def run() -> None:
        async with serving(dribbles) as server:
            changed = configuration.model_copy(update={"llm_deepseek_url": server.url})
            async with opened(changed, log) as models:
                task = asyncio.ensure_future(models.ask("test v1", MESSAGES, REPLY_CLASS))
                while not server.bodies:  # noqa: ASYNC110 (the server is another task of this loop)
                    await asyncio.sleep(0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    asyncio.run(run())
    assert [row.outcome for row in log.rows] == ["cancelled"]
    assert open_budget(configuration).spent().day_usd > 0.002  # 2000 tokens at 1.20 USD a million, and the prompt


@pytest.mark.parametrize("answer", [refuses(401, "bad key: " + KEY), says(f"{{{KEY}"), says(GOOD), hangs_up])
def test_key_is_in_no_log_no_row_and_no_outcome(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    caplog.set_level(logging.DEBUG)
    outcome, _, log = ask(tmp_path, answer)
    assert log.rows
    assert KEY not in caplog.text
    assert all(KEY not in str(record.__dict__) for record in caplog.records)
    assert KEY not in str(log.rows)
    assert KEY not in repr(outcome)
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.iterdir())


@pytest.mark.parametrize("raises_in", ["prepare", "complete"])
def test_long_error_that_ends_within_a_key_shows_no_part_of_it(tmp_path: Path, raises_in: str) -> None:
    class Service:
        provider, prices = "local", Prices()

        async def prepare(self) -> str:
            if raises_in == "prepare":
                raise RuntimeError("x" * self.before + KEY)
            return "model"

        async def complete(self, request: Request) -> Completion:
            raise RuntimeError("x" * self.before + KEY)

        async def close(self) -> None: ...

        before = 0

    async def run() -> str:
        service, log = Service(), CallLog()
        caller = Caller(clock=FixedClock(OPEN), budget=open_budget(settings(tmp_path)), call_log=log, secrets=[KEY])
        request = Request(purpose="test v1", messages=MESSAGES, schema={}, max_output_tokens=100)
        for service.before in range(250, 300, 3):  # details are cut at 300 characters
            await caller.call(service, request, REPLY_CLASS, Deadline(30.0))
        return str(log.rows)

    rows = asyncio.run(run())
    assert "RuntimeError: xxx" in rows
    assert KEY[:6] not in rows


def test_span_has_model_tokens_and_no_prompt(tmp_path: Path) -> None:
    with listening() as heard, tracing.span("tick", {}):
        _, _, log = ask(tmp_path, says(GOOD))
    [span] = heard.named("chat deepseek-flash")
    told = span.attributes
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.provider.name"] == "deepseek"
    assert told["gen_ai.request.model"] == told["gen_ai.response.model"] == "deepseek-flash"
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (1000, 200)
    assert told["gen_ai.usage.cache_read.input_tokens"] == 400
    assert told["gen_ai.usage.reasoning.output_tokens"] == 12
    assert "Stocks" not in str(span)
    assert log.rows[0].trace_id == f"{span.link.trace_id:032x}"
    [cost] = heard.measured(LLM_COST)
    assert cost.value == log.rows[0].cost_usd


@pytest.mark.parametrize("status", [400, 401, 402, 429, 500])
def test_error_that_repeats_the_key_shows_it_in_no_span(tmp_path: Path, status: int) -> None:
    with listening() as heard:
        ask(tmp_path, refuses(status, f"Your api key: {KEY} is invalid"))
    assert heard.named("chat deepseek-flash")[0].attributes["error.type"]
    assert KEY not in str(heard.items)


def test_prompts_go_to_nobody_else_although_the_machine_has_tracing_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LangChain reports prompts to LangSmith when these variables are set."""
    reports: list[str] = []

    async def take(request: web.Request) -> web.Response:
        reports.append(request.path)
        return web.json_response({})

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        for name, value in (("TRACING", "true"), ("API_KEY", "lsv2_x"), ("ENDPOINT", _url(runner))):
            monkeypatch.setenv(f"LANGSMITH_{name}", value)
            monkeypatch.setenv(f"LANGCHAIN_{name}", value)
        monkeypatch.setenv("LANGCHAIN_TRACING_V2", "true")
        _langsmith_settings().cache_clear()
        try:
            await asked(tmp_path, says(GOOD))
            await asyncio.sleep(0.5)  # its thread reports a quarter of a second later
        finally:
            _langsmith_settings().cache_clear()
            await runner.cleanup()

    asyncio.run(run())
    assert reports == []


def _url(runner: web.AppRunner) -> str:
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


def _langsmith_settings() -> Any:
    """What LangSmith remembers of the environment."""
    from langsmith.utils import get_env_var

    return get_env_var


def test_pause_before_a_retry_doubles(tmp_path: Path) -> None:
    clock = FixedClock(OPEN)

    async def run() -> None:
        async with serving(refuses(503, "Service is too busy")) as server:
            configuration = settings(
                tmp_path, llm_deepseek_url=server.url, llm_retries=2, llm_retry_pause_s=2.0, llm_breaker_failures=9
            )
            async with opened(configuration, CallLog(), clock=clock) as models:
                await models.ask("test v1", MESSAGES, REPLY_CLASS)

    asyncio.run(run())
    first_s, second_s = ((when - OPEN).total_seconds() for when in clock.slept_until)
    assert 1.0 <= first_s <= 3.0
    assert 2.0 <= second_s <= 6.0
