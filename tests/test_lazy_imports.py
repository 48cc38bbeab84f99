"""`--help` is quick: an entry parses its arguments before it loads a library or another room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("day_trader.py", "main.py", "performance_config.py")
PACKAGES = ("research", "dashboard", "ib_simulator")
LIGHT = {"utils", "commands", "day_trading", "weekly"}  # of rooms their command line, which is stdlib and `commands`

RUN_HELP = """
import json, runpy, sys
before = set(sys.modules)  # the interpreter's own start, and what .pth files load
entry, sys.argv = sys.argv[1], [sys.argv[1], "--help"]
try:
    (runpy.run_path if entry.endswith(".py") else runpy.run_module)(entry, run_name="__main__")
    code = "returned"
except SystemExit as stop:
    code = stop.code
print()
print(json.dumps({"code": code, "loaded": sorted(set(sys.modules) - before)}))
"""


def modules_loaded_by_help(entry: str, folder: Path) -> set[str]:
    """Modules outside the standard library that `entry --help` loads: top-level names, without its own."""
    command = [sys.executable, "-c", RUN_HELP, entry]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["code"] in (0, None), f"--help ended with {result['code']}"
    loaded = {name.partition(".")[0] for name in result["loaded"]}
    return loaded - sys.stdlib_module_names - {entry.removesuffix(".py")}


def entries() -> list[str]:
    """The known entries, and every other package that runs with `python -m`."""
    found = sorted(path.parent.name for path in ROOT.glob("[!.]*/__main__.py"))
    return list(dict.fromkeys([*SCRIPTS, *PACKAGES, *found]))


@pytest.mark.parametrize("entry", entries())
def test_help_loads_no_library_and_no_room(entry: str) -> None:
    if not (ROOT / entry).is_file() and not (ROOT / entry / "__main__.py").is_file():
        pytest.skip(f"{entry} is not there")
    assert modules_loaded_by_help(entry, ROOT) <= LIGHT


def test_check_sees_a_library_and_a_room_loaded_too_early(tmp_path: Path) -> None:
    (tmp_path / "room.py").write_text("", encoding="utf-8")
    entry = "import argparse, numpy, room\nargparse.ArgumentParser().parse_args()\nimport pydantic\n"
    (tmp_path / "entry.py").write_text(entry, encoding="utf-8")
    loaded = modules_loaded_by_help("entry.py", tmp_path)
    assert {"numpy", "room"} <= loaded
    assert "pydantic" not in loaded
