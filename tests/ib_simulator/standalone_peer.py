"""A standalone gateway in a process of its own, and programs that connect to it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import environ
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CLIENTS = Path(sys.prefix) / "clients"  # where `make` installs what does not fit into the environment itself
LIMIT_S = 60


@contextmanager
def standalone_gateway(*arguments: str) -> Iterator[int]:
    """The port of `python -m ib_simulator` with these arguments; it is stopped by SIGTERM and must exit with 0."""
    command = [sys.executable, "-m", "ib_simulator", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as gateway:
        try:
            assert gateway.stdout is not None
            assert gateway.stderr is not None
            first = gateway.stdout.readline()
            found = re.search(r"127\.0\.0\.1:(\d+)", first)
            assert found, first + gateway.stderr.read()
            yield int(found[1])
        except BaseException:
            gateway.kill()
            print(gateway.communicate()[1], file=sys.stderr)  # noqa: T201 (what pytest shows of a failure)
            raise
        gateway.terminate()
        _, told = gateway.communicate(timeout=LIMIT_S)
        assert gateway.returncode == 0, told


def run_journey(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """What the program printed. It must exit with 0."""
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
