"""The verification report says what a run of pytest showed: also what failed, and why something was skipped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.verification_report import (
    BEGIN,
    END,
    OTHERS_BEGIN,
    OTHERS_END,
    REPORT,
    Run,
    read_run,
    told,
    with_row,
    with_run,
)

TESTS = """
import pytest

def test_holds(): pass

@pytest.mark.parametrize("n", [1, 2])
def test_is_skipped(n): pytest.skip("no recordings here")

def test_breaks(): assert 1 == 2, "one is not two"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A real run of four tests of a room."""
    folder = tmp_path_factory.mktemp("run")
    room = folder / "tests" / "trading"
    room.mkdir(parents=True)
    (room / "test_rules.py").write_text(TESTS, encoding="utf-8")
    options = ("-q", "-p", "no:cacheprovider", f"--rootdir={folder}", "--junitxml=r.xml")
    command = [sys.executable, "-m", "pytest", *options]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False)
    return read_run(folder / "r.xml")


def test_sums_are_those_of_the_run(run: Run) -> None:
    assert "**4 tests: 1 passed, 1 failed, 2 skipped.**" in told(run, "here")
    assert "| `trading/` | 4 | 1 | 1 | 2 |" in told(run, "here")


def test_failures_and_reasons_of_skips_are_named(run: Run) -> None:
    words = told(run, "here")
    assert "- 2 × no recordings here" in words
    assert "`tests.trading.test_rules.test_breaks`: AssertionError: one is not two" in words


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    assert with_run(f"before\n{BEGIN}\nold\n{END}\nafter", "new") == f"before\n{BEGIN}\nnew\n{END}\nafter"


def test_row_of_a_version_takes_the_place_of_its_last_one(run: Run) -> None:
    rows = ["| 3.12.0 | old |", "| 3.13.0 | stays |"]
    document = "\n".join(["before", OTHERS_BEGIN, "| head |", "|---|", *rows, OTHERS_END, "after"])
    found = with_row(document, run, "3.12.1", "Linux").splitlines()
    assert found[:4] == ["before", OTHERS_BEGIN, "| head |", "|---|"]
    assert found[4].startswith("| 3.12.1 | Linux | 2") and " | 4 | 1 | 1 | 2 | " in found[4]
    assert found[5:] == ["| 3.13.0 | stays |", OTHERS_END, "after"]
    assert "| 3.12.1 | " in with_row(REPORT.read_text(encoding="utf-8"), run, "3.12.1", "Linux")


def test_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_run("no marks", "new")


def test_report_has_a_place_for_the_run() -> None:
    assert "new" in with_run(REPORT.read_text(encoding="utf-8"), "new")


def test_run_without_tests_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.xml").write_text("<testsuites><testsuite tests='0'/></testsuites>", encoding="utf-8")
    with pytest.raises(ValueError, match="no test ran"):
        read_run(tmp_path / "empty.xml")
