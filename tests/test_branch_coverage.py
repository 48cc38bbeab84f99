"""The gate of `make coverage` counts branches, not lines, of started programs too, and fails where a room is low."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.branch_coverage import Branches, read_branches, taken_pct, told
from tests.house import FLOORS, ROOT

MODULE = """
import subprocess, sys

def halves(n):
    if n > 0:
        return 1
    return 2

if __name__ == "__main__":
    halves(int(sys.argv[1]))
    if len(sys.argv) > 2:
        subprocess.run([sys.executable, __file__, sys.argv[2]], check=True)
"""


def measured(folder: Path, *arguments: str) -> list[Branches]:
    """A program of its own, measured with the settings of the product but for the rooms."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["run"]
    lines = ["[run]", "source_dirs = .", "branch = true", "patch =", *(f"    {patch}" for patch in settings["patch"])]
    (folder / ".coveragerc").write_text("\n".join(lines), encoding="utf-8")
    (folder / "program.py").write_text(MODULE, encoding="utf-8")
    for command in (["run", "program.py", *arguments], ["combine", "-q"], ["json", "-q", "-o", "found.json"]):
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=folder, check=True, timeout=60)
    return read_branches(json.loads((folder / "found.json").read_text(encoding="utf-8")))


def test_a_branch_that_only_a_started_program_takes_counts(tmp_path: Path) -> None:
    (alone,) = measured(tmp_path, "1")
    assert (alone.total, alone.missing) == (6, ((5, 7), (9, -1), (11, 12)))
    (both,) = measured(tmp_path, "1", "-1")
    assert both.missing == ((9, -1),)


def branches(path: str, total: int, missing: int) -> Branches:
    return Branches(path=path, total=total, missing=tuple((line, -1) for line in range(missing)))


def test_a_room_is_as_good_as_all_its_modules_together() -> None:
    modules = [branches("trading/a.py", 10, 1), branches("trading/b.py", 30, 0), branches("agents.py", 10, 1)]
    words, low = told(modules)
    assert low == ["agents.py"]
    assert [line.split() for line in words.splitlines()[1:4]] == [
        ["agents.py", "10", "90.0%"],
        ["trading/", "40", "97.5%"],
        ["all", "50", "96.0%"],
    ]
    assert "  trading/a.py: 0->end" in words


def test_a_room_without_branches_is_no_fault() -> None:
    assert taken_pct([branches("trading/a.py", 0, 0)]) == 100.0


def test_a_report_of_lines_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="no branches"):
        read_branches({"meta": {"branch_coverage": False}, "files": {"a.py": {}}})


def test_what_is_measured_is_there() -> None:
    run = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]["run"]
    assert {*run["source_dirs"], *run["source_pkgs"]} <= set(FLOORS)
    assert [path for path in run["omit"] if not list(ROOT.glob(path.removeprefix("*/")))] == []
