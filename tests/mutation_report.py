"""Documentation/MUTATION_TESTING.md from the results of `make mutation` and the reasons in mutation_survivors.toml.

    python -m tests.mutation_report [--missing]

`--missing` prints the survivors that have no reason yet, as entries to be filled in. Exit code 1 when there are any.
"""

from __future__ import annotations

import ast
import json
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import commonprefix
from pathlib import Path

RESULTS = Path("mutants")
REASONS = Path("tests/mutation_survivors.toml")
GUIDE = Path("tests/mutation_guide.md")
DOCUMENT = Path("Documentation/MUTATION_TESTING.md")
GOAL = 0.85
SURVIVED = {0: "survived", 5: "no test", 33: "no test"}  # exit code of the tests -> what it means; all others kill
TIMEOUTS = {24, -24, 36, 152, 255}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one function. `seconds` is what its tests took; `change` is the smallest part that differs."""

    name: str  # module.Class.function:number
    module: str
    exit_code: int | None
    seconds: float
    change: str
    is_text: bool

    @property
    def survived(self) -> bool:
        """Whether no test failed; a mutant that was not tried counts as alive."""
        return self.exit_code is None or self.exit_code in SURVIVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a survivor may live: the kind it belongs to and a line about it alone."""

    change: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Mutants of a module, or of all. `texts` and `texts_alive` are those that only change words."""

    mutants: int
    alive: int
    texts: int
    texts_alive: int
    seconds: float

    @property
    def killed_share(self) -> float:
        """Of all mutants."""
        return 1 - self.alive / self.mutants if self.mutants else 1.0

    @property
    def killed_share_without_texts(self) -> float:
        """Of those that change more than words."""
        judged = self.mutants - self.texts
        return 1 - (self.alive - self.texts_alive) / judged if judged else 1.0


def score_of(mutants: Iterable[Mutant]) -> Score:
    """Counts of these mutants."""
    listed = list(mutants)
    return Score(
        mutants=len(listed),
        alive=sum(m.survived for m in listed),
        texts=sum(m.is_text for m in listed),
        texts_alive=sum(m.is_text and m.survived for m in listed),
        seconds=sum(m.seconds for m in listed),
    )


# What a mutant changed


def down_to_the_change(before: ast.AST, after: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """The pairs of nodes that differ, from the function down to the smallest part."""
    ours, theirs = list(ast.iter_child_nodes(before)), list(ast.iter_child_nodes(after))
    pairs = [pair for pair in zip(ours, theirs, strict=False) if ast.dump(pair[0]) != ast.dump(pair[1])]
    if type(before) is type(after) and len(ours) == len(theirs) and len(pairs) == 1:
        return [(before, after), *down_to_the_change(*pairs[0])]
    return [(before, after)]


def is_words(before: ast.AST, after: ast.AST) -> bool:
    """Whether both are literals, and the first is a sentence: a name or a key has no space."""
    texts = [node.value for node in (before, after) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return len(texts) == 2 and " " in texts[0]


def is_told(node: ast.AST) -> bool:
    """Whether it only tells a reader: a line of the log, or an exception being raised."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return isinstance(node.func.value, ast.Name) and node.func.value.id == "log"
    return isinstance(node, ast.Raise)


def shortened(before: str, after: str, around: int = 24) -> str:
    """Both in one line: what they share is left out beyond `around` characters."""
    start = len(commonprefix([before, after]))
    end = len(commonprefix([before[start:][::-1], after[start:][::-1]]))
    first, last = max(0, start - around), max(0, end - around)
    head, tail = "…" if first else "", "…" if last else ""
    return " → ".join(f"{head}{' '.join(text[first : len(text) - last].split())}{tail}" for text in (before, after))


def change_of(before: ast.AST, after: ast.AST) -> tuple[str, bool]:
    """The change in words of the language, and whether it changes nothing but words."""
    pairs = down_to_the_change(before, after)
    shown = [pair for pair in pairs if all(isinstance(node, ast.expr | ast.stmt) for node in pair)][-1]
    is_text = is_words(*pairs[-1]) or any(is_told(ours) for ours, _ in pairs)
    return shortened(ast.unparse(shown[0]), ast.unparse(shown[1])), is_text


def functions_of(module: Path) -> dict[str, ast.AST]:
    """Every function and method of a mutated module by its own name; names are told by mutmut and occur once."""
    found = {}
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name:
            name, node.name = node.name, ""
            found[name] = node
    return found


def mutants_of(results: Path) -> Iterator[Mutant]:
    """All mutants of which mutmut has written results, in the order of the source."""
    for meta in sorted(results.rglob("*.py.meta")):
        told = json.loads(meta.read_text(encoding="utf-8"))
        functions = functions_of(meta.with_suffix(""))
        module = meta.relative_to(results).with_suffix("").as_posix()
        for key, exit_code in told["exit_code_by_key"].items():
            own_name = key.rpartition(".")[2]
            mangled, _, number = own_name.partition("__mutmut_")
            function = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
            change, is_text = change_of(functions[f"{mangled}__mutmut_orig"], functions[own_name])
            yield Mutant(
                name=f"{module.removesuffix('.py').replace('/', '.')}.{function}:{number}",
                module=module,
                exit_code=exit_code,
                seconds=told["durations_by_key"].get(key) or 0.0,
                change=change,
                is_text=is_text,
            )
