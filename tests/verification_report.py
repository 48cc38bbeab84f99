"""What a real run of the tests showed, written into `Documentation/TESTING_VERIFICATION_REPORT.md`.

`python -m tests.verification_report FILE` reads the JUnit XML that `python -m pytest --junitxml=FILE` wrote and
replaces what stands between the two marks of the document; `make verification` does both. With `--beside` before FILE,
run by another Python, only that version's row in the table of other versions is replaced. The exit code is 1 when the
run was not clean: the report then says what failed.
"""

from __future__ import annotations

import platform
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "Documentation" / "TESTING_VERIFICATION_REPORT.md"
BEGIN, END = "<!-- run -->", "<!-- end -->"
OTHERS_BEGIN, OTHERS_END = "<!-- other versions -->", "<!-- end of other versions -->"
WHOLE_PROGRAM = "the whole program"  # files directly in tests/


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One test of the run. `outcome` is passed, failed or skipped; `words` says why it was not passed."""

    module: str
    name: str
    outcome: str
    took_s: float
    words: str = ""

    @property
    def room(self) -> str:
        """The room whose tests these are."""
        parts = self.module.split(".")
        return f"`{parts[1]}/`" if len(parts) > 2 and not parts[1].startswith("test_") else WHOLE_PROGRAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of the tests. `began` is its first instant as pytest wrote it, `took_s` wall time."""

    began: str
    took_s: float
    cases: tuple[Case, ...]

    def count(self, outcome: str) -> int:
        return sum(case.outcome == outcome for case in self.cases)


def read_run(file: Path) -> Run:
    """The run that pytest wrote to `file`. Raises ValueError when no test ran."""
    suites = ElementTree.parse(file).getroot().iter("testsuite")
    began, took_s, cases = "", 0.0, []
    for suite in suites:
        began = began or suite.get("timestamp", "")
        took_s += float(suite.get("time", "0"))
        cases += [_case(element) for element in suite.iter("testcase")]
    if not cases:
        raise ValueError(f"{file}: no test ran")
    return Run(began=began, took_s=took_s, cases=tuple(cases))


def _case(element: ElementTree.Element) -> Case:
    outcome, words = "passed", ""
    for child in element:
        if child.tag in ("failure", "error"):
            outcome, words = "failed", child.get("message", "")
        elif child.tag == "skipped" and outcome == "passed":
            outcome, words = "skipped", child.get("message", "")
    return Case(
        module=element.get("classname", ""),
        name=element.get("name", ""),
        outcome=outcome,
        took_s=float(element.get("time", "0")),
        words=" ".join(words.split()).replace(f"{ROOT}/", ""),
    )


def told(run: Run, machine: str) -> str:
    """The run as Markdown: its sums, each room, what was skipped and why, what failed."""
    lines = [
        f"Begun {run.began[:19]}, {run.took_s:,.0f} s of wall time, {machine}.",
        "",
        f"**{len(run.cases):,} tests: {run.count('passed'):,} passed, {run.count('failed'):,} failed, "
        f"{run.count('skipped'):,} skipped.**",
        "",
        *("| tests of | tests | passed | failed | skipped | s, all processes |", "|---|---|---|---|---|---|"),
        *(_room_row(room, run.cases) for room in sorted({case.room for case in run.cases})),
        "",
        *_listed("Skipped, and why", Counter(case.words for case in run.cases if case.outcome == "skipped")),
        *_listed("Failed", Counter(f"`{c.module}.{c.name}`: {c.words}" for c in run.cases if c.outcome == "failed")),
    ]
    return "\n".join(lines).rstrip()


def _room_row(room: str, cases: Iterable[Case]) -> str:
    its = [case for case in cases if case.room == room]
    outcomes = Counter(case.outcome for case in its)
    counts = " | ".join(f"{outcomes[outcome]:,}" for outcome in ("passed", "failed", "skipped"))
    return f"| {room} | {len(its):,} | {counts} | {sum(case.took_s for case in its):,.1f} |"


def _listed(heading: str, found: Counter[str]) -> list[str]:
    return [f"{heading}:", "", *(f"- {n:,} × {words}" for words, n in sorted(found.items())), ""] if found else []


def with_run(document: str, words: str) -> str:
    """`document` with `words` between its marks. Raises ValueError when they are not there once each."""
    before, _, after = _parts(document, BEGIN, END)
    return f"{before}{BEGIN}\n{words}\n{END}{after}"


def with_row(document: str, run: Run, version: str, machine: str) -> str:
    """`document` with the run's sums in the row of a Python version such as 3.12.1, one row for 3.12. ValueError."""
    before, table, after = _parts(document, OTHERS_BEGIN, OTHERS_END)
    head, rows = table.strip().splitlines()[:2], table.strip().splitlines()[2:]
    counts = " | ".join(f"{run.count(outcome):,}" for outcome in ("passed", "failed", "skipped"))
    row = f"| {version} | {machine} | {run.began[:10]} | {len(run.cases):,} | {counts} | {run.took_s:,.0f} |"
    feature = f"| {version.rpartition('.')[0]}."
    rows = sorted([*(other for other in rows if not other.startswith(feature)), row])
    return "\n".join([before + OTHERS_BEGIN, *head, *rows, OTHERS_END + after])


def _parts(document: str, begin: str, end: str) -> tuple[str, str, str]:
    """What stands before, between and after two marks. Raises ValueError when they are not there once each."""
    if document.count(begin) != 1 or document.count(end) != 1:
        raise ValueError(f"the document needs the marks {begin} and {end}, once each")
    before, _, rest = document.partition(begin)
    between, _, after = rest.partition(end)
    return before, between, after


def main(arguments: Sequence[str]) -> int:
    beside = arguments[:1] == ["--beside"]
    if len(arguments) != 1 + beside:
        sys.exit("usage: python -m tests.verification_report [--beside] FILE")
    run = read_run(Path(arguments[-1]))
    version, machine = platform.python_version(), platform.system()
    document = REPORT.read_text(encoding="utf-8")
    if beside:
        document = with_row(document, run, version, machine)
    else:
        document = with_run(document, told(run, f"Python {version} on {machine}"))
    REPORT.write_text(document, encoding="utf-8")
    return int(run.count("failed") > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
