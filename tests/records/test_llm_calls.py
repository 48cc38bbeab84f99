"""The chain of `llm_calls`: what was changed after the fact is found."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from observability import TradingHistory
from records import __main__ as records
from records.connections import open_for_reading, open_for_writing
from records.llm_calls import Chain, verify_chain
from records.rows import LlmCallRow
from tests.llm.chat_server import says, serving
from tests.llm.world import GOOD, MESSAGES, REPLY_CLASS, opened, settings


def call(number: int) -> LlmCallRow:
    return LlmCallRow(
        llm_call_id=f"call {number}",
        timestamp=datetime(2026, 11, 23, 15, number, tzinfo=UTC),
        session_date="2026-11-23",
        purpose="watchlist v1",
        provider="deepseek",
        model="deepseek-flash",
        prompt="[]",
        reply='{"views": []}' if number % 2 else None,
        outcome="answered" if number % 2 else "timeout",
        cost_usd=number,  # an int, which the column keeps as 3.0
        input_tokens=100,
    )


def recorded(path: Path, numbers: range, bot: str = "day_trader") -> None:
    with TradingHistory(path, bot=bot, mode="paper") as history:
        for number in numbers:
            history.record_llm_call(call(number))


def chain(path: Path) -> Chain:
    with closing(open_for_reading(path)) as connection:
        return verify_chain(connection)


def test_calls_of_several_programs_and_runs_make_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    recorded(path, range(3))
    recorded(path, range(3, 5), bot="weekly")
    with TradingHistory(path, bot="a", mode="paper") as one, TradingHistory(path, bot="b", mode="paper") as other:
        for number in range(5, 25):
            (one if number % 2 else other).record_llm_call(call(number))
    found = chain(path)
    assert (found.calls, found.broken) == (25, "")
    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        assert [row.llm_call_id for row in history.llm_calls("2026-11-23")][:3] == ["call 0", "call 1", "call 2"]
        assert history.llm_calls("2026-11-24") == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE llm_calls SET reply = '{}' WHERE llm_call_id = 'call 1'", "call 1: its row was changed"),
        ("UPDATE llm_calls SET cost = 0.0 WHERE llm_call_id = 'call 2'", "call 2: its row was changed"),
        ("UPDATE llm_calls SET outcome = 'answered' WHERE llm_call_id = 'call 0'", "call 0: its row was changed"),
        ("DELETE FROM llm_calls WHERE llm_call_id = 'call 1'", "call 2: a call before it is missing"),
        ("DELETE FROM llm_calls WHERE llm_call_id = 'call 0'", "call 1: a call before it is missing"),
        ("UPDATE llm_calls SET rowid = -5 WHERE llm_call_id = 'call 3'", "call 3: a call before it is missing"),
        ("UPDATE llm_calls SET hash = 'x' WHERE llm_call_id = 'call 1'", "call 1: its row was changed"),
    ],
)
def test_change_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, words: str) -> None:
    path = tmp_path / "history.db"
    recorded(path, range(4))
    assert records.main(["check", "--db", str(path)]) == 0
    assert "4 call(s) of language models in an unbroken chain" in capsys.readouterr().out
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute(change).rowcount == 1
    assert words in chain(path).broken
    assert records.main(["check", "--db", str(path)]) == 1
    assert words in capsys.readouterr().err


def test_cut_off_end_shows_against_a_noted_head(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    recorded(path, range(4))
    noted = chain(path).head
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM llm_calls WHERE llm_call_id = 'call 3'")
    assert (chain(path).broken, chain(path).head == noted) == ("", False)


def test_calls_recorded_while_the_database_was_locked_join_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    recorded(path, range(2))
    history = TradingHistory(path, bot="day_trader", mode="paper")
    with closing(open_for_writing(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(2, 5):
            history.record_llm_call(call(number))
        history.flush().result(timeout=30)
        assert "keeps it locked" in history.trouble
        other.execute("ROLLBACK")
    history.close()
    found = chain(path)
    assert (found.calls, found.broken) == (5, "")


def test_check_of_a_foreign_database_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert records.main(["check", "--db", str(path)]) == 2
    assert "not a database of this program" in capsys.readouterr().err


def test_asking_writes_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "history.db"

    async def run(history: TradingHistory) -> None:
        async with serving(says("nonsense {"), says(GOOD)) as server:
            configuration = settings(tmp_path, llm_deepseek_url=server.url)
            async with opened(configuration, history) as models:  # type: ignore[arg-type]  # the real call log
                await models.ask("test v1", MESSAGES, REPLY_CLASS)

    with TradingHistory(path, bot="day_trader", mode="paper") as history:
        asyncio.run(run(history))
        assert [row.outcome for row in history.llm_calls()] == ["not_json", "answered"]
    assert (chain(path).calls, chain(path).broken) == (2, "")
