"""The worked examples of `Documentation/ARCHITECTURE.md` still fit the code, and touch three files of it at most."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ARCHITECTURE = ROOT / "Documentation" / "ARCHITECTURE.md"
MOST_FILES = 3


def examples() -> dict[str, str]:
    """Heading -> the patch under it."""
    chapter = ARCHITECTURE.read_text(encoding="utf-8").split("## Worked examples\n")[1]
    return dict(re.findall(r"^### (.+?)\n.*?^```diff\n(.*?)^```$", chapter, re.MULTILINE | re.DOTALL))


def complaint(patch: str) -> str:
    """What `git apply` finds wrong: empty where every line that the patch stands between or takes away is there."""
    command = ["git", "apply", "--check", "-"]
    return subprocess.run(command, cwd=ROOT, input=patch, capture_output=True, text=True, check=False).stderr


def test_there_are_four_examples() -> None:
    assert list(examples()) == ["An exit rule", "A risk limit", "A data provider", "A metric"]


@pytest.mark.parametrize("name", examples())
def test_example_touches_three_files_at_most(name: str) -> None:
    assert 1 <= len(re.findall(r"^\+\+\+ b/", examples()[name], re.MULTILINE)) <= MOST_FILES


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("name", examples())
def test_example_fits_the_code(name: str) -> None:
    assert complaint(examples()[name]) == ""


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_example_of_other_code_is_told() -> None:
    assert "patch does not apply" in complaint(examples()["A metric"].replace(" worst_trade_usd", " worst_usd"))
