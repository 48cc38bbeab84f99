"""A user's own `.env` meets the day trader: keys are known and never shown, settings of the real account stay there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KEY = "k3y-0f-the-user-1234"
ENV = f"""
FMP_API_KEY={KEY}
POLYGON_API_KEY=
GOOGLE_CLOUD_PROJECT=project-of-the-user
IB_ACCOUNT=U7654321
WATCHLIST_UNIVERSE=AAPL,AMD
WATCHLIST_SIZE=1
FMP_API_KEI=near-miss-5678
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One simulated day in a folder with that `.env`, told with `--verbose`."""
    folder = tmp_path_factory.mktemp("user")
    (folder / ".env").write_text(ENV, encoding="utf-8")
    command = [sys.executable, str(ROOT / "day_trader.py"), "--allocation", "0.25", "--simulate", "--verbose"]
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("IB_", "WATCHLIST_", "FMP_"))}
    done = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, timeout=60, check=False)
    return done, folder


def test_account_of_the_real_gateway_does_not_hinder_a_simulation(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = run
    assert done.returncode == 0, done.stderr
    assert "DU1000001" in done.stdout


def test_the_users_keys_are_settings_and_a_near_miss_is_named(
    run: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, _ = run
    unknown = [line.partition("WARNING ")[2] for line in done.stderr.splitlines() if "is not a setting" in line]
    assert unknown == ["configuration: FMP_API_KEI (from .env) is not a setting; did you mean FMP_API_KEY?"]


def test_no_key_reaches_a_file_or_the_terminal(run: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, folder = run
    assert KEY not in done.stdout + done.stderr
    written = [path for path in folder.rglob("*") if path.is_file() and path.name != ".env"]
    assert any(path.name == "day_trader.log" for path in written)
    assert [path.name for path in written if KEY.encode() in path.read_bytes()] == []
