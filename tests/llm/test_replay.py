"""Recorded replies, and the command line that asks."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm import __main__ as command
from llm.adviser import Advice
from llm.opening import open_adviser
from llm.outcomes import Abstained, Answered, Reason
from llm.questions import WATCHLIST
from observability import TradingHistory
from tests.llm.chat_server import Answer, refuses, says, serving
from tests.llm.world import EVIDENCE, KEY, MESSAGES, REPLY_CLASS, SUBJECTS, CallLog, opened, reply, settings, view
from utils import Misconfigured

ROOT = Path(__file__).resolve().parents[2]


def record(tmp_path: Path, *answers: Answer) -> tuple[Path, Any]:
    """A database of the calls of one question about symbols, and what came of it."""
    path = tmp_path / "calls.db"

    async def run(history: TradingHistory) -> Any:
        async with serving(*answers) as server:
            configuration = settings(tmp_path, llm_deepseek_url=server.url)
            async with opened(configuration, history) as models:  # type: ignore[arg-type]  # the real call log
                return await open_adviser(models, configuration).views(WATCHLIST, SUBJECTS, EVIDENCE)

    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        return path, asyncio.run(run(history))


def replayed(tmp_path: Path, path: Path) -> tuple[Any, CallLog]:
    """The same question to the recording: no key, no server."""
    log = CallLog()

    async def run() -> Any:
        configuration = settings(tmp_path, deepseek_api_key=None)
        async with opened(configuration, log, replay=path) as models:
            return await open_adviser(models, configuration).views(WATCHLIST, SUBJECTS, EVIDENCE)

    return asyncio.run(run()), log


def test_recorded_run_gives_the_same_views_without_key_and_network(tmp_path: Path) -> None:
    path, live = record(tmp_path, says("no json {"), says(reply(view("S1", "veto"))), says(reply(view("S2"))))
    again, log = replayed(tmp_path, path)
    assert isinstance(live, Advice)
    assert isinstance(again, Advice)
    assert again.views == live.views
    assert [row.outcome for row in log.rows] == ["not_json", "answered", "answered", "answered"]
    assert {row.provider for row in log.rows} == {"replay"}
    assert (again.cost_usd, live.cost_usd > 0) == (0.0, True)


def test_recorded_failure_fails_again_for_its_reason(tmp_path: Path) -> None:
    path, live = record(tmp_path, refuses(402, "Insufficient Balance"))
    again, _ = replayed(tmp_path, path)
    assert isinstance(live, Abstained)
    assert isinstance(again, Abstained)
    assert live.reason == again.reason == Reason.NO_CREDIT


def test_unknown_prompt_is_an_abstention(tmp_path: Path) -> None:
    path, _ = record(tmp_path, says(reply()))

    async def run() -> Answered[Any] | Abstained:
        async with opened(settings(tmp_path), CallLog(), replay=path) as models:
            return await models.ask("test v1", MESSAGES, REPLY_CLASS)

    outcome = asyncio.run(run())
    assert isinstance(outcome, Abstained)
    assert outcome.reason == Reason.NOT_RECORDED


@pytest.mark.parametrize("content", [None, "text", "empty"])
def test_file_that_is_no_recording_is_misconfigured(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "calls.db"
    if content == "text":
        path.write_text("no database" * 100, encoding="utf-8")
    elif content == "empty":
        TradingHistory(path, bot="day_trader", mode="paper").close()

    async def run() -> None:
        async with opened(settings(tmp_path), CallLog(), replay=path):
            pass

    with pytest.raises(Misconfigured, match=r"calls\.db"):
        asyncio.run(run())


# The command line


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without `.env`, and no setting of the machine."""
    monkeypatch.chdir(tmp_path)
    for name in ("DEEPSEEK_API_KEY", "LOCAL_LLM_URL", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    news = {
        "subjects": [{"symbol": each.symbol, "names": each.names} for each in SUBJECTS],
        "evidence": [
            {"source": each.source, "text": each.text, "day": each.day.isoformat(), "symbol": each.symbol}
            for each in EVIDENCE
        ],
    }
    (tmp_path / "news.json").write_text(json.dumps(news), encoding="utf-8")
    return tmp_path


def test_status_says_what_is_missing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["status"]) == 0
    told = capsys.readouterr().out
    assert "none: every step goes on without a model" in told
    assert "DEEPSEEK_API_KEY is not set" in told


def test_command_asks_records_and_replays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes are real; the server runs here."""

    async def run() -> None:
        async with serving(says(reply(view("S1"), view("S2", "veto")))) as server:
            env = f"DEEPSEEK_API_KEY={KEY}\nLLM_DEEPSEEK_URL={server.url}\n"
            (folder / ".env").write_text(env, encoding="utf-8")
            asked = await performed("ask", "--evidence", "news.json", "--db", "calls.db", "--force-online")
            assert len(server.bodies) == 3
        (folder / ".env").unlink()
        again = await performed("ask", "--evidence", "news.json", "--db", "new.db", "--llm-replay", "calls.db")
        assert [each["symbol"] for each in asked["views"]] == ["AAPL", "MSFT"]
        assert again["views"] == asked["views"]

    async def performed(*arguments: str) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "llm", *arguments),
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PATH": ""},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        assert KEY.encode() not in out + err
        told: dict[str, Any] = json.loads(out)
        return told

    asyncio.run(run())
    for file in folder.iterdir():
        assert KEY.encode() not in file.read_bytes(), file


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "news.json").write_text("[]"), "is not of the form"),
        (lambda folder: (folder / "news.json").write_text('{"subjects": 1}'), "news.json: list: "),
        (lambda folder: (folder / "news.json").unlink(), "no such file"),
        (
            lambda folder: (folder / ".env").write_text("LLM_ORDER_OPEN=deepsek"),
            "is not one of deepseek, gemini, local",
        ),
        (
            lambda folder: (folder / ".env").write_text("LLM_DEEPSEEK_URL=http://example.com"),
            "must begin with https://",
        ),
        (lambda folder: (folder / ".env").write_text("LLM_BUDGET_DAY_USD=-1"), "LLM_BUDGET_DAY_USD=-1"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], object], words: str
) -> None:
    spoil(folder)
    assert command.main(["ask", "--evidence", "news.json"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


def test_without_a_model_the_command_says_so_and_ends_with_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["ask", "--evidence", "news.json"]) == 1
    assert json.loads(capsys.readouterr().out)["reason"] == "no_model"
