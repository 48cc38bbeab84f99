"""The mutation report tells what mutmut wrote, and lets a reason count only for the change it was given for."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.mutation_report import (
    REASONS,
    REPORT,
    Reason,
    Reasons,
    change_of,
    missing,
    mutants_of,
    read_reasons,
    told,
)
from tests.verification_report import with_run

MUTATED = """
class Till:
    def xǁTillǁtakes__mutmut_orig(self, usd):
        if usd < 0:
            raise ValueError("less than nothing")
        return usd + 1

    def xǁTillǁtakes__mutmut_1(self, usd):
        if usd <= 0:
            raise ValueError("less than nothing")
        return usd + 1

    def xǁTillǁtakes__mutmut_2(self, usd):
        if usd < 0:
            raise ValueError("XXless than nothingXX")
        return usd + 1

    def xǁTillǁtakes__mutmut_3(self, usd):
        if usd < 0:
            raise ValueError("less than nothing")
        return usd - 1
"""
KINDS = {"equal": "No difference.", "words": "Words."}
EDGE = "trading.till.Till.takes:1"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A survivor at the edge, one that changes words, and one that was killed."""
    (tmp_path / "trading").mkdir()
    (tmp_path / "trading" / "till.py").write_text(MUTATED, encoding="utf-8")
    prefix = "trading.till.xǁTillǁtakes__mutmut_"
    meta = {
        "exit_code_by_key": {f"{prefix}1": 0, f"{prefix}2": 33, f"{prefix}3": 1},
        "durations_by_key": {f"{prefix}1": 0.5, f"{prefix}3": 0.75},
    }
    (tmp_path / "trading" / "till.py.meta").write_text(json.dumps(meta), encoding="utf-8")
    return tmp_path


def reasons(change: str) -> Reasons:
    """One, for the survivor at the edge."""
    return Reasons(kinds=KINDS, by_mutant={EDGE: Reason(change=change, kind="equal", why="nobody pays nothing")})


def test_mutants_are_told_by_their_function_and_their_smallest_change(results: Path) -> None:
    mutants = list(mutants_of(results))
    assert [(mutant.name, mutant.survived, mutant.took_s, mutant.is_words) for mutant in mutants] == [
        (EDGE, True, 0.5, False),
        ("trading.till.Till.takes:2", True, 0.0, True),
        ("trading.till.Till.takes:3", False, 0.75, False),
    ]
    assert [mutant.change for mutant in mutants] == [
        "usd < 0 → usd <= 0",
        "'less than nothing' → 'XXless than nothingXX'",
        "usd + 1 → usd - 1",
    ]


def test_the_score_is_told_with_and_without_words_and_survivors_with_their_reasons(results: Path) -> None:
    words = told(list(mutants_of(results)), reasons("usd < 0 → usd <= 0"), "a machine")
    assert "**33.3% killed: 1, 2 survived. Without the 1 that change words only: 50.0%.** None of the" in words
    assert "| `trading/till.py` | 3 | 1 | 2 | 33.3% | 50.0% | 1 |" in words
    assert f"### Equal: 1\n\nNo difference.\n\n- `{EDGE}`: `usd < 0 → usd <= 0`: nobody pays nothing" in words
    assert "### Not explained" not in words


def test_a_reason_for_another_change_is_none(results: Path) -> None:
    mutants = list(mutants_of(results))
    (entry,) = missing(mutants, reasons("usd < 5 → usd <= 5"))
    assert entry.startswith(f'[[survivor]]\nmutant = "{EDGE}"\nchange = "usd < 0 → usd <= 0"\n')
    words = told(mutants, reasons("usd < 5 → usd <= 5"), "a machine")
    assert f"### Not explained\n\n- `{EDGE}`: `usd < 0 → usd <= 0`" in words


@pytest.mark.parametrize(
    ("before", "after", "changes_words"),
    [
        ("log.info('one', n)", "log.info('one')", True),
        ("log.info('one', n)", "log.info(None, n)", True),
        ("raise ValueError(n)", "raise ValueError(None)", True),
        ("x = 'two words'", "x = 'TWO WORDS'", True),
        ("x = 'two words'", "x = None", False),
        ("x = 'word'", "x = 'WORD'", False),
        ("x = f(n, 'two words')", "x = f('two words')", False),
        ("catalog(n)", "catalog(None)", False),
    ],
)
def test_words_are_lines_of_the_log_exceptions_and_sentences(before: str, after: str, changes_words: bool) -> None:
    assert change_of(ast.parse(before), ast.parse(after))[1] is changes_words


def test_a_long_change_is_shortened_around_what_differs() -> None:
    ones, others = "a" * 60, "b" * 60
    before, after = (ast.parse(f"x = [{ones}, {between}{others}]") for between in ("c, ", ""))
    assert change_of(before, after)[0] == f"…{'a' * 22}, c, {'b' * 24}… → …{'a' * 22}, {'b' * 24}…"
    before, after = (ast.parse(f"x = {ones} + ({compared}) * {others}") for compared in ("c < d", "c <= d"))
    assert change_of(before, after)[0] == "c < d → c <= d"


def test_a_folder_without_results_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run `make mutation` first"):
        list(mutants_of(tmp_path))


def test_a_reason_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "reasons.toml"
    file.write_text('[kinds]\n[[survivor]]\nmutant = "m"\nchange = "c"\nkind = "odd"\nwhy = "w"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="kind 'odd' is not explained"):
        read_reasons(file)


def test_the_reasons_that_are_written_down_can_be_read_and_the_report_has_a_place_for_a_run() -> None:
    assert all(reason.why for reason in read_reasons(REASONS).by_mutant.values())
    assert "new" in with_run(REPORT.read_text(encoding="utf-8"), "new")
