"""The setting that chooses the client library: what is imported, what is said when it is absent, and that it trades."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker import client_library

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300
INSTALLED = (client_library.APART / "ib_async").is_dir()
needs_ib_async = pytest.mark.skipif(not INSTALLED, reason="ib_async is not installed (make ib_async)")
MUST_PASS_WITH_BOTH = ("test_order_desk.py", "test_connection.py", "test_ibkr_failures.py")
SHOW = (
    "import broker.client_library as chosen; print(chosen.NAME, chosen.IB.__module__, chosen.RequestError.__module__)"
)


def run(library: str, *command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "IB_CLIENT_LIBRARY": library, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )


def test_the_default_is_ib_insync(tmp_path: Path) -> None:
    for unset in ("", "ib_insync"):
        assert run(unset, "-c", SHOW, folder=tmp_path).stdout == "ib_insync ib_insync.ib ib_insync.wrapper\n"


def stand_in(folder: Path) -> Path:
    """A package that has the names which are taken from ib_async, as `make ib_async` leaves it in a folder."""
    package = folder / "ib_async"
    package.mkdir(parents=True)
    names = [name for name in client_library.__all__ if name not in ("NAME", "CommissionReport", "RequestError")]
    for module, own in (("__init__", names), ("objects", ["CommissionReport"]), ("wrapper", ["RequestError"])):
        (package / f"{module}.py").write_text("".join(f"class {name}: pass\n" for name in own), encoding="utf-8")
    return folder


def test_the_successor_is_taken_whole_and_the_default_is_left_alone(tmp_path: Path) -> None:
    """Of two libraries in one program each would see half of the events."""
    stand_in(tmp_path / "clients" / "ib_async")
    asked = (
        f"import sys; sys.prefix = {str(tmp_path)!r}; import broker.client_library as chosen; print(chosen.NAME, "
        "{getattr(chosen, name).__module__.partition('.')[0] for name in chosen.__all__ if name != 'NAME'}, "
        "[name for name in sys.modules if name.startswith('ib_insync')])"
    )
    ended = run("ib_async", "-c", asked, folder=tmp_path)
    assert (ended.stdout, ended.stderr) == ("ib_async {'ib_async'} []\n", "")


def test_a_successor_that_is_installed_beside_the_program_needs_no_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(stand_in(tmp_path))
    before = list(sys.path)
    client_library._make_importable(tmp_path / "nothing")
    assert sys.path == before


def test_a_library_that_nobody_knows_is_refused_with_the_choice() -> None:
    ended = run("ibapi", "-c", "import broker.client_library")
    assert ended.returncode == 1
    refusal = "Misconfigured: IB_CLIENT_LIBRARY=ibapi: choose ib_insync or ib_async"
    assert ended.stderr.splitlines()[-1].endswith(refusal)


@needs_ib_async
def test_ib_async_is_taken_from_its_own_folder_with_its_own_events(tmp_path: Path) -> None:
    events = f"{SHOW}; import eventkit; print(eventkit.__file__)"
    shown = run("ib_async", "-c", events, folder=tmp_path).stdout.splitlines()
    assert shown[0] == "ib_async ib_async.ib ib_async.wrapper"
    assert Path(shown[1]).is_relative_to(client_library.APART)


@needs_ib_async
def test_the_setting_may_stand_in_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IB_CLIENT_LIBRARY=ib_async\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "IB_CLIENT_LIBRARY"}
    environment["PYTHONPATH"] = str(ROOT)
    shown = subprocess.run(
        [sys.executable, "-c", SHOW], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert shown.stdout.startswith("ib_async ")


def test_an_absent_library_is_one_line_with_the_remedy_and_exit_2(tmp_path: Path) -> None:
    """Another prefix: nothing is installed beside it."""
    program = (
        "import sys; sys.prefix = '/nowhere'; sys.argv[0] = 'day_trader.py'; import day_trader; "
        "sys.exit(day_trader.main(['--allocation', '0.25', '--simulate']))"
    )
    ended = run("ib_async", "-c", program, folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == (
        "day_trader.py: IB_CLIENT_LIBRARY=ib_async is not installed: "
        "`make ib_async` puts it into /nowhere/clients/ib_async\n"
    )


def test_an_unknown_library_is_one_line_and_exit_2(tmp_path: Path) -> None:
    ended = run("ibapi", str(ROOT / "day_trader.py"), "--allocation", "0.25", "--simulate", folder=tmp_path)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "IB_CLIENT_LIBRARY=ibapi" in ended.stderr


def passes_with_ib_async(*tests: str) -> None:
    ended = run("ib_async", "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-m", "soak or not soak", *tests)
    assert ended.returncode == 0, ended.stdout[-4_000:]


@needs_ib_async
def test_orders_connections_and_failures_pass_with_ib_async() -> None:
    folder = Path("tests", "broker")
    passes_with_ib_async(*(str(folder / name) for name in MUST_PASS_WITH_BOTH))


@needs_ib_async
@pytest.mark.soak
def test_all_of_the_broker_passes_with_ib_async() -> None:
    names = sorted(path.name for path in (ROOT / "tests" / "broker").glob("test_*.py"))
    names.remove(Path(__file__).name)
    passes_with_ib_async(*(f"tests/broker/{name}" for name in names))


@needs_ib_async
@pytest.mark.soak
def test_the_chaos_journey_passes_with_ib_async() -> None:
    passes_with_ib_async("tests/test_chaos.py", "-k", "two_days or same_seed or 101", "-x")
