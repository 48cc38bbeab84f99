"""The gate of `make coverage`: which branches of the rooms of money the tests take.

`python -m tests.branch_coverage FILE` reads what `coverage json -o FILE` wrote, tells of each room, names the branches
that were not taken, and ends with 1 where a room has less than LEAST_PCT of its branches taken. What counts as a room
of money stands in pyproject.toml.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

LEAST_PCT = 95.0
SEES_COROUTINES = (3, 12)  # an earlier Python traces no more of a coroutine after a wait inside it has timed out


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """The branches of a module. `missing`: (line, line it never went to; below 0: out of the function)."""

    path: str
    total: int
    missing: tuple[tuple[int, int], ...]

    @property
    def room(self) -> str:
        """Its folder, or itself where it stands alone."""
        parts = PurePosixPath(self.path).parts
        return f"{parts[0]}/" if len(parts) > 1 else self.path

    @property
    def words(self) -> str:
        """The module and the ways that were not gone."""
        ways = ", ".join(f"{line}->{to if to > 0 else 'end'}" for line, to in self.missing)
        return f"{self.path}: {ways}"


def read_branches(report: Mapping[str, Any]) -> list[Branches]:
    """Of every module in a JSON report. Raises ValueError when branches were not counted."""
    if not report["meta"]["branch_coverage"] or not report["files"]:
        raise ValueError("no branches were counted: run the tests with `coverage run`")
    return [
        Branches(
            path=PurePosixPath(path.replace("\\", "/")).as_posix(),
            total=found["summary"]["num_branches"],
            missing=tuple((line, to) for line, to in found["missing_branches"]),
        )
        for path, found in report["files"].items()
    ]


def taken_pct(modules: Iterable[Branches]) -> float:
    """Share of the branches that were taken, in percent; 100 where there are none."""
    modules = list(modules)
    total = sum(each.total for each in modules)
    return 100.0 - 100.0 * sum(len(each.missing) for each in modules) / total if total else 100.0


def told(modules: Sequence[Branches]) -> tuple[str, list[str]]:
    """Words for a person, and the rooms that are below LEAST_PCT."""
    rooms = {room: [each for each in modules if each.room == room] for room in sorted({each.room for each in modules})}
    lines = [f"{'room':<24}{'branches':>9}{'taken':>9}"]
    for room, its in [*rooms.items(), ("all", list(modules))]:
        lines.append(f"{room:<24}{sum(each.total for each in its):>9,}{taken_pct(its):>8.1f}%")
    lines += ["", "not taken:", *(f"  {each.words}" for each in modules if each.missing)]
    return "\n".join(lines), [room for room, its in rooms.items() if taken_pct(its) < LEAST_PCT]


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        sys.exit("usage: python -m tests.branch_coverage FILE")
    words, low = told(read_branches(json.loads(Path(arguments[0]).read_text(encoding="utf-8"))))
    print(words)  # noqa: T201 (a command)
    if sys.version_info < SEES_COROUTINES:
        print("Python 3.11 sees too little: measure with 3.12 or newer", file=sys.stderr)  # noqa: T201 (a command)
    for room in low:
        print(f"{room} has less than {LEAST_PCT:g} % of its branches taken", file=sys.stderr)  # noqa: T201 (a command)
    return int(bool(low))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
