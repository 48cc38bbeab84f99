"""What differs between operating systems changes no trade and breaks no run: text, locks, signals, sockets."""

from __future__ import annotations

import io
import logging
import os
import sys
from pathlib import Path

import pytest

from tests.simulated_runs import ROOT, records, run
from utils import setup_logging

SMALL = {"WATCHLIST_UNIVERSE": "AMZN,CRM,MSFT"}
DAY = ("2025-10-07", "--plain")
AS_ON_WINDOWS = SMALL | {
    "PYTHONIOENCODING": "cp1252",  # of a pipe or a file there
    "PYTHONWARNDEFAULTENCODING": "1",
    "PYTHONWARNINGS": "error::EncodingWarning,ignore::EncodingWarning:numba.core.config",
}


@pytest.mark.skipif(os.name != "posix", reason="takes away what is not here")
def test_a_day_without_means_of_posix_has_the_same_trades(tmp_path: Path) -> None:
    usual = run(tmp_path / "usual", *DAY, settings=SMALL)
    other = run(tmp_path / "other", *DAY, settings=AS_ON_WINDOWS, program=(str(ROOT / "tests" / "without_posix.py"),))
    assert (other.returncode, other.stderr) == (0, "")
    assert other.stdout == usual.stdout
    found = records(tmp_path / "other")
    assert found["trades"]
    assert found == records(tmp_path / "usual")


def test_what_the_encoding_of_the_output_lacks_is_a_question_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding="cp1252"))
    setup_logging(tmp_path / "run.log", secrets=())
    print("a loss of −2 % – 東京", flush=True)  # noqa: T201 (the words of a headline)
    assert file.getvalue().decode("cp1252").rstrip() == "a loss of ?2 % – ??"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_log_file_on_a_full_disk_is_told_of_once(capfd: pytest.CaptureFixture[str]) -> None:
    setup_logging(Path("/dev/full"), secrets=())
    try:
        for _ in range(3):
            logging.getLogger("tests").info("a line that has no place")
    finally:
        setup_logging(None, secrets=())
    assert capfd.readouterr().err == "the log file /dev/full takes no more lines: No space left on device\n"
