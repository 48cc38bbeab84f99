"""`make mutation`: mutmut over the rooms that decide about money, with the properties that it passes by.

    python -P tests/mutation.py [--max-children N] [MUTANT ...]

As a script and with -P, for the package `tests` must be the copy that stands among the mutants. Results stand in
`.mutation/mutants/`; `python -m tests.mutation_report` makes Documentation/MUTATION_TESTING.md of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import libcst as cst
from mutmut.__main__ import run
from mutmut.mutation import file_mutation

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / ".mutation"  # hidden: mutmut puts `mutants/` where it works, and no other tool shall read that


def go_to_work() -> None:
    """Into a folder where the project stands by links."""
    WORK.mkdir(exist_ok=True)
    for path in ROOT.iterdir():
        link = WORK / path.name
        if not path.name.startswith(".") and not link.is_symlink():
            link.symlink_to(path)
    os.chdir(WORK)


def is_property(node: cst.CSTNode) -> bool:
    """Whether it is a function that is a property and nothing else."""
    return isinstance(node, cst.FunctionDef) and [
        d.decorator.value for d in node.decorators if isinstance(d.decorator, cst.Name)
    ] == ["property"]


def include_properties() -> None:
    """Let mutmut 3.8.1 change properties too: it skips them, as its copies of a function keep the decorators."""
    skips = file_mutation.MutationVisitor._skip_node_and_children
    arranged = file_mutation.function_trampoline_arrangement

    def skips_no_property(visitor: file_mutation.MutationVisitor, node: cst.CSTNode) -> bool:
        return not is_property(node) and skips(visitor, node)

    def arranged_bare(
        function: cst.FunctionDef, mutants: Iterable[file_mutation.Mutation], class_name: str | None
    ) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any], Sequence[str]]:
        if not is_property(function):
            return arranged(function, mutants, class_name)
        declared, (switch, *copies), filled, names = arranged(function.with_changes(decorators=[]), mutants, class_name)
        switch = switch.with_changes(decorators=[*function.decorators, *switch.decorators])
        return declared, [switch, *copies], filled, names

    file_mutation.MutationVisitor._skip_node_and_children = skips_no_property  # type: ignore[method-assign]
    file_mutation.function_trampoline_arrangement = arranged_bare


if __name__ == "__main__":
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    go_to_work()
    include_properties()
    run()
