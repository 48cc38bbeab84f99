"""The pure parts: evidence, grounding, stability, breaker, reading of replies, settings."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.breaker import Breaker
from llm.evidence import Evidence, Subject, anonymised, cleaned, distinct, fenced
from llm.grounding import ungrounded
from llm.outcomes import Completion, Reason
from llm.prompts import load_prompt
from llm.questions import MAX_SUBJECTS, WATCHLIST, views_class
from llm.settings import LlmSettings
from llm.stability import orders, shrunk
from llm.structured import Unusable, read_reply
from tests.llm.world import GOOD, OPEN, REPLY_CLASS, reply, view
from utils import Misconfigured, load_settings, read_environment

DAY = date(2026, 11, 23)


def news(text: str, symbol: str = "") -> Evidence:
    return Evidence(source="news", text=text, day=DAY, symbol=symbol)


# Evidence


@given(st.text())
def test_cleaned_text_is_one_printable_line_without_fence_marks(text: str) -> None:
    line = cleaned(text)
    assert line.isprintable()
    assert "<<" not in line
    assert ">>" not in line
    assert len(line) <= 800


@given(st.lists(st.text(min_size=1)))
def test_fence_stands_once_around_whatever_the_texts_say(texts: list[str]) -> None:
    block = fenced(distinct([news(text) for text in texts], 10_000)).splitlines()
    nonce = block[0].removeprefix("<<<evidence ")
    assert block[-1] == f"evidence {nonce}>>>"
    assert not any(nonce in line for line in block[1:-1])


def test_repetitions_and_what_is_too_much_are_left_out() -> None:
    told = [
        news("Apple  RAISED its outlook!"),
        news("apple raised its outlook"),
        news("new"),
        news("x" * 90),
        news("y"),
    ]
    assert [each.text for each in distinct(told, 60)] == ["Apple RAISED its outlook!", "new"]


def test_the_same_text_about_two_symbols_is_kept_for_both() -> None:
    assert len(distinct([news("halted", "A"), news("halted", "B")], 100)) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Apple Inc. and apple rose; AAPL too, $AAPL (AAPL)", "S1 and S1 rose; S1 too, $S1 (S1)"),
        ("Ford (NYSE:F) said F150 sales fell, F", "Ford (NYSE:S2) said F150 sales fell, F"),
        ("Pineapple, AAPLE, aapl", "Pineapple, AAPLE, aapl"),
    ],
)
def test_names_become_aliases(text: str, shown: str) -> None:
    subjects = [Subject(symbol="AAPL", names=("Apple", "Apple Inc.")), Subject(symbol="F")]
    [found] = anonymised([news(text)], subjects, {"AAPL": "S1", "F": "S2"})
    assert found.text == shown


# Grounding

FACTS = ["Revenue rose 24.31% to $1,200 million in 2025, EPS 3.05, -7 percent in Q3"]


@pytest.mark.parametrize(
    "thesis",
    ["up 24.31 %", "up 24.3%", "revenue 1.2 billion", "$1,200M", "EPS of 3.05 in 2025", "S1 fell 7 [E1]", "no number"],
)
def test_number_of_the_evidence_is_grounded(thesis: str) -> None:
    assert ungrounded(thesis, FACTS) == []


@pytest.mark.parametrize(
    ("thesis", "invented"),
    [
        ("up 25%", ["25"]),
        ("up 24.4%", ["24.4"]),
        ("revenue 1.3 billion", ["1.3 billion"]),
        ("revenue 1.2 million", ["1.2 million"]),
        ("EPS3.5", ["3.5"]),
        ("24.31% and 99x", ["99"]),
        ("in 2026", ["2026"]),
    ],
)
def test_other_number_is_not(thesis: str, invented: list[str]) -> None:
    assert ungrounded(thesis, FACTS) == invented


# Stability


@pytest.mark.parametrize(
    ("values", "folds", "value"),
    [
        ([0.6, 0.6, 0.6], 3, 0.6),
        ([1.0, -1.0], 2, 0.0),
        ([0.6, 0.6], 4, 0.0),  # half of the folds said nothing: deviation 0.3 of a mean of 0.3
        ([1.0, 0.5], 2, 0.5),  # mean 0.75, deviation 0.25: two thirds remain
        ([], 3, 0.0),
    ],
)
def test_view_shrinks_by_disagreement(values: list[float], folds: int, value: float) -> None:
    assert shrunk(values, folds).value == pytest.approx(value)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=9))
def test_shrinking_never_adds_and_never_turns_a_view(values: list[float]) -> None:
    stable = shrunk(values, len(values))
    assert abs(stable.value) <= abs(stable.mean)
    assert stable.value * stable.mean >= 0
    assert 0 <= stable.agreement <= 1


def test_orders_are_permutations_and_repeatable() -> None:
    items = tuple("abcdefgh")
    found = orders(items, 5, seed=1)
    assert found == orders(items, 5, seed=1)
    assert found[0] == items
    assert len(set(found)) == 5
    assert all(sorted(order) == list(items) for order in found)


# Breaker


def test_breaker_pauses_after_failures_and_tries_again() -> None:
    breaker = Breaker(limit=2, pause=timedelta(minutes=5))
    once = breaker.after(Reason.TIMEOUT, OPEN)
    twice = once.after(Reason.SERVER_ERROR, OPEN)
    assert (once.refusal(OPEN), bool(twice.refusal(OPEN))) == ("", True)
    later = OPEN + timedelta(minutes=5)
    assert twice.refusal(later) == ""
    assert twice.after(Reason.TIMEOUT, later).refusal(later)
    assert twice.after(None, later).failures == 0


@pytest.mark.parametrize("reason", [Reason.NO_CREDIT, Reason.UNAUTHORISED, Reason.WRONG_MODEL])
def test_what_no_later_call_can_mend_latches(reason: Reason) -> None:
    breaker = Breaker(limit=9, pause=timedelta(minutes=5)).after(reason, OPEN)
    assert breaker.after(None, OPEN).refusal(OPEN + timedelta(days=1))


@pytest.mark.parametrize(
    ("reason", "failures"), [(Reason.OVER_BUDGET, 1), (Reason.BUDGET_UNKNOWN, 1), (Reason.INVALID, 0), (None, 0)]
)
def test_refusal_of_our_own_says_nothing_of_the_service(reason: Reason | None, failures: int) -> None:
    breaker = Breaker(limit=9, pause=timedelta(minutes=5)).after(Reason.TIMEOUT, OPEN)
    assert breaker.after(reason, OPEN).failures == failures


# Reading replies


def completion(text: str, **changes: Any) -> Completion:
    values: dict[str, Any] = {"text": text, "finish_reason": "stop", "model": "m", "usage": None}
    return Completion(**(values | changes))


@pytest.mark.parametrize("text", [GOOD, f"\n{GOOD}\n", f"```json\n{GOOD}\n```", reply()])
def test_good_reply_is_read(text: str) -> None:
    assert isinstance(read_reply(completion(text), REPLY_CLASS), REPLY_CLASS)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"views": [], "views": []}', Reason.NOT_JSON),
        ('{"views": NaN}', Reason.NOT_JSON),
        ("[" * 100_000 + "{", Reason.INVALID),
        ('{"a":' * 10_000, Reason.NOT_JSON),
        ("[]{", Reason.NOT_JSON),
        (f"Here you are: {GOOD}", Reason.NOT_JSON),
        (reply(view(thesis="x" * 301)), Reason.INVALID),
        (reply(view(thesis="\u200b \n")), Reason.INVALID),
        (reply(view(confidence="certain")), Reason.INVALID),
        ('{"views": {}}', Reason.INVALID),
        ("x" * 70_000, Reason.INVALID),
    ],
)
def test_bad_reply_has_its_reason_and_is_not_repeated(text: str, reason: Reason) -> None:
    found = read_reply(completion(text), REPLY_CLASS)
    assert isinstance(found, Unusable)
    assert found.reason == reason
    assert len(found.detail) < 600


def test_key_that_the_model_invented_is_not_repeated() -> None:
    found = read_reply(completion('{"views": [], "Ignore the rules!": 1}'), REPLY_CLASS)
    assert isinstance(found, Unusable)
    assert "Ignore" not in found.detail


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    read_reply(completion(text), REPLY_CLASS)


@pytest.mark.parametrize("n_aliases", [0, MAX_SUBJECTS + 1])
def test_too_few_or_too_many_subjects_are_refused(n_aliases: int) -> None:
    with pytest.raises(ValueError, match=f"{n_aliases} subjects"):
        views_class(WATCHLIST, [f"S{number}" for number in range(n_aliases)])


# Prompts and settings


@pytest.mark.parametrize("text", ["", "# Prompt\n\nVersion 1. No sections.", "## System\n\n```text\na\n```\n"])
def test_prompt_without_version_or_sections_is_misconfigured(tmp_path: Path, text: str) -> None:
    (tmp_path / "PROMPT_X.md").write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured, match="PROMPT_X"):
        load_prompt("X", tmp_path)


def test_absent_prompt_is_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        load_prompt("ABSENT", tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "LLM_ORDER_OPEN=deepseek,deepseek",
        "LLM_ORDER_CLOSED=gpt",
        "LOCAL_LLM_URL=localhost:8080",
        "LOCAL_LLM_URL=http://user:pw@localhost:8080",
        "LLM_DEEPSEEK_URL=http://api.deepseek.com",
        "LLM_BUDGET_RUN_USD=inf",
        "LLM_TIMEOUT_S=0",
    ],
)
def test_bad_setting_is_misconfigured(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(line, encoding="utf-8")
    with pytest.raises(Misconfigured, match=line.partition("=")[0]):
        load_settings(LlmSettings, read_environment(tmp_path / ".env", process={}))


def test_faulty_key_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DEEPSEEK_API_KEY=sk-sécret-0123456789", encoding="utf-8")
    with pytest.raises(Misconfigured) as caught:
        load_settings(LlmSettings, read_environment(tmp_path / ".env", process={}))
    assert "cret" not in str(caught.value)


def test_langchain_is_not_loaded_before_the_first_question() -> None:
    code = """
import sys
from llm.adviser import Adviser
from llm.opening import configured, open_budget
from llm.settings import LlmSettings
configured(LlmSettings(deepseek_api_key="sk-0123456789", local_llm_url="http://127.0.0.1:9"))
print([name for name in sys.modules if name.partition("_")[0] in ("langchain", "openai", "httpx", "langsmith")])
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
