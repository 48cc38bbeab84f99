"""A real local model: a tiny llama of random weights behind llama-cpp-python's server, held to a schema by its grammar.

Needs `llama-cpp-python[server]` and `gguf`, here or in the environment whose Python is `LLAMA_CPP_PYTHON`.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from llm.outcomes import Abstained, Answered, Reason
from llm.questions import WATCHLIST, Views, views_class
from tests.llm.world import CLOSED, CallLog, opened, settings

PYTHON = os.environ.get("LLAMA_CPP_PYTHON", sys.executable)
HAS_BOTH = "from importlib.util import find_spec; raise SystemExit(not (find_spec('llama_cpp') and find_spec('gguf')))"
MAKER = Path(__file__).with_name("tiny_llama.py")
READY = re.compile(r"running on (http://127\.0\.0\.1:\d+)")
REPLY_CLASS: type[Views] = views_class(WATCHLIST, ("S1",))
NEWS = ("Apple raised its outlook", "Trading halted", "A new chief", "Dividend cut", "Nothing at all")

Outcome = Answered[Any] | Abstained


class LongReply(BaseModel):
    """More than a hundred tokens: this model's tokens are bytes."""

    text: Annotated[str, Field(min_length=150, max_length=200)]


@pytest.fixture(scope="module")
def local_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of its own process."""
    if subprocess.run([PYTHON, "-c", HAS_BOTH], check=False).returncode:
        pytest.skip("llama-cpp-python and gguf are not installed (LLAMA_CPP_PYTHON may name a Python that has them)")
    folder = tmp_path_factory.mktemp("llama")
    model, told = folder / "tiny.gguf", folder / "server.log"
    subprocess.run([PYTHON, MAKER, model], check=True)
    command = [PYTHON, "-m", "llama_cpp.server", "--model", model, "--host", "127.0.0.1", "--port", "0"]
    with told.open("w") as log:
        server = subprocess.Popen([*command, "--n_ctx", "8192", "--n_threads", "1"], stdout=log, stderr=log)
    try:
        yield f"{_address(server, told)}/v1"
    finally:
        server.terminate()
        server.wait(10)


def _address(server: subprocess.Popen[bytes], told: Path) -> str:
    for _ in range(600):  # a minute on a busy machine
        if (found := READY.search(told.read_text(encoding="utf-8"))) is not None:
            return found[1]
        assert server.poll() is None, told.read_text(encoding="utf-8")
        time.sleep(0.1)
    raise TimeoutError(told.read_text(encoding="utf-8"))


def ask(
    tmp_path: Path, url: str, news: str, reply_class: type[BaseModel] = REPLY_CLASS, **changes: Any
) -> tuple[Outcome, CallLog]:
    log = CallLog()
    messages = (("system", "Judge S1. Answer in json."), ("user", news))

    async def run() -> Outcome:
        async with opened(settings(tmp_path, local_llm_url=url, **changes), log, CLOSED) as models:
            return await models.ask("test v1", messages, reply_class)

    return asyncio.run(run()), log


def test_random_model_held_by_the_schema_answers_validly(local_url: str, tmp_path: Path) -> None:
    outcomes = [ask(tmp_path, local_url, news, llm_local_format="json_object_schema")[0] for news in NEWS]
    assert any(isinstance(each, Answered) and each.reply.views for each in outcomes)
    assert {each.reason for each in outcomes if isinstance(each, Abstained)} <= {Reason.TRUNCATED}


def test_the_same_model_without_a_schema_abstains(local_url: str, tmp_path: Path) -> None:
    outcome, log = ask(tmp_path, local_url, NEWS[0], llm_local_format="json_object")
    assert isinstance(outcome, Abstained)
    assert outcome.reason is Reason.INVALID
    assert [row.outcome for row in log.rows] == ["invalid", "invalid"]


def test_reply_cut_off_at_the_token_limit_abstains_for_that(local_url: str, tmp_path: Path) -> None:
    limits = {"llm_local_format": "json_object_schema", "llm_max_output_tokens": 100}
    outcome, log = ask(tmp_path, local_url, NEWS[0], LongReply, **limits)
    assert isinstance(outcome, Abstained)
    assert outcome.reason is Reason.TRUNCATED
    assert [row.outcome for row in log.rows] == ["truncated", "truncated"]


def test_form_that_this_server_refuses_abstains_with_its_words(local_url: str, tmp_path: Path) -> None:
    outcome, _ = ask(tmp_path, local_url, NEWS[0], llm_local_format="json_schema")
    assert isinstance(outcome, Abstained)
    assert outcome.reason is Reason.SERVER_ERROR
    assert "json_object" in outcome.detail
