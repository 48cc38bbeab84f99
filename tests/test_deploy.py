"""What is copied to other machines is in order: units, tasks, settings, the image's description."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from commands import DONE, WRONG_USAGE
from day_trading.command_line import build_parser
from day_trading.settings import DayTraderConfiguration
from utils import read_environment, unknown_variables
from weekly import command_line as weekly

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
TASK = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
PARSERS = {"day_trader.py": build_parser, "main.py": weekly.build_parser}


def command_lines() -> list[tuple[str, str]]:
    """File and command line of everything in deploy/ that starts a program."""
    found = [
        (unit.name, line.partition("=")[2].partition("python ")[2])
        for unit in sorted(DEPLOY.glob("*.service"))
        for line in unit.read_text().splitlines()
        if line.startswith("ExecStart=")
    ]
    for file in sorted(DEPLOY.glob("*.task.xml")):
        task = ElementTree.parse(file)
        assert task.findtext(f".//{TASK}Command", "").endswith("python.exe")
        found.append((file.name, task.findtext(f".//{TASK}Arguments", "")))
    return found


@pytest.mark.parametrize(("file", "line"), command_lines())
def test_commands_are_understood(file: str, line: str) -> None:
    program, *arguments = line.split()
    PARSERS[program]().parse_args(arguments)


def test_settings_for_a_beginning_on_paper_are_valid(tmp_path: Path) -> None:
    environment = read_environment(DEPLOY / "paper.env", process={})
    assert environment["IB_PORT"] == "4002"
    assert list(unknown_variables(environment, DayTraderConfiguration.settings_classes())) == []
    DayTraderConfiguration.load(environment).refuse_contradictions(0.25, {})


# The image


def test_files_that_the_image_copies_are_there() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copied = [word for line in text.splitlines() if line.startswith("COPY") for word in line.split()[1:-1]]
    assert "requirements.txt" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_image_gets_every_room_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    named = {line[1:] for line in lines if line.startswith("!")}
    rooms = {path.parent.name for path in ROOT.glob("[!.]*/__init__.py")} - {"tests", "benchmarks"}
    assert "*" in lines
    assert named == rooms | {"*.py", "*requirements*.txt", "Documentation/PROMPT_*.md"}


@pytest.fixture
def container() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Runs a command in the image that TRADERS_IMAGE names, with podman or docker; its container goes afterwards."""
    image, tool = os.environ.get("TRADERS_IMAGE"), shutil.which("podman") or shutil.which("docker")
    if image is None or tool is None:
        pytest.skip("no TRADERS_IMAGE, or neither podman nor docker")
    name = f"traders-{uuid4()}"

    def run(*words: str, settings: Mapping[str, str] = MappingProxyType({})) -> subprocess.CompletedProcess[str]:
        given = [f"--env={key}={value}" for key, value in settings.items()]
        create = [tool, "run", "--name", name, "--network", "none", "--read-only", *given, image, *words]
        return subprocess.run(create, capture_output=True, text=True, timeout=240, check=False)

    yield run
    subprocess.run([tool, "rm", "--force", "--volumes", name], capture_output=True, timeout=60, check=False)


def test_image_trades_a_simulated_day_without_a_network_as_an_ordinary_user(
    container: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    small = {"WATCHLIST_UNIVERSE": "AMZN,CRM,MSFT"}
    done = container("day_trader", "--allocation", "0.25", "--simulate", "2025-10-07", settings=small)
    assert done.returncode == DONE, done.stderr
    assert "at broker     flat, no resting orders" in done.stdout


def test_image_tells_wrong_usage_in_one_line(container: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = container("day_trader", "--simulate")
    assert done.returncode == WRONG_USAGE
    assert done.stderr == (
        "day_trader.py: the following arguments are required: --allocation (--help shows all options)\n"
    )


# systemd


@pytest.mark.parametrize(
    "unit", sorted(path.name for kind in ("service", "timer") for path in DEPLOY.glob(f"*.{kind}"))
)
def test_systemd_accepts_the_unit(unit: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    for file in DEPLOY.glob("*.service"):  # the paths of another machine, as they would be there
        text = file.read_text().replace("/opt/ibkr-traders/.venv/bin/python", "/bin/true").replace("User=trader", "")
        (tmp_path / file.name).write_text(text)
    for file in DEPLOY.glob("*.timer"):
        (tmp_path / file.name).write_text(file.read_text())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    assert [line for line in done.stderr.splitlines() if unit in line] == []
    assert done.returncode == 0, done.stderr
