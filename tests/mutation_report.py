"""What `make mutation` showed, written into `Documentation/MUTATION_TESTING.md`.

`python -m tests.mutation_report` reads the results of mutmut and the reasons of `tests/mutation_survivors.toml`, and
replaces what stands between the two marks of the document. `--missing` prints the survivors without a reason instead,
as entries to be filled in. The exit code is 1 while there are such, or fewer mutants are killed than must be.
"""

from __future__ import annotations

import ast
import json
import platform
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.verification_report import ROOT, with_run

RESULTS = ROOT / ".mutation" / "mutants"
REASONS = ROOT / "tests" / "mutation_survivors.toml"
REPORT = ROOT / "Documentation" / "MUTATION_TESTING.md"
MUST_BE_KILLED = 0.85
SURVIVED = (None, 0, 5, 33)  # exit code of the tests of a mutant: not tried, passed, and two ways to have no test
WORDS_ONLY = "words"  # the kind that the rule below finds by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change of one function. `change` is the smallest part that differs, `took_s` wall time of its tests."""

    name: str  # module.Class.function:number
    module: str
    survived: bool
    took_s: float
    change: str
    is_words: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a survivor may live: the kind it belongs to, and a line about it alone."""

    change: str
    kind: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasons:
    """All that was written down about survivors. `kinds` says what each kind means."""

    kinds: Mapping[str, str]
    by_mutant: Mapping[str, Reason]

    def of(self, mutant: Mutant) -> Reason | None:
        """The reason that was given for this very change; None where there is none, or the function has changed."""
        reason = self.by_mutant.get(mutant.name)
        if reason is not None and reason.change == mutant.change:
            return reason
        return Reason(change=mutant.change, kind=WORDS_ONLY, why="") if mutant.is_words else None


def read_reasons(file: Path) -> Reasons:
    """The reasons in `file`. Raises ValueError for a mutant that stands there twice, and for an unknown kind."""
    told = tomllib.loads(file.read_text(encoding="utf-8"))
    by_mutant: dict[str, Reason] = {}
    for entry in told["survivor"]:
        name = entry.pop("mutant")
        if name in by_mutant or entry["kind"] not in told["kinds"]:
            raise ValueError(f"{file.name}: {name} stands there twice, or its kind {entry['kind']!r} is not explained")
        by_mutant[name] = Reason(**entry)
    return Reasons(kinds=told["kinds"], by_mutant=by_mutant)


# What a mutant changed


def down_to_the_change(before: ast.AST, after: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
    """The pairs of nodes that differ, from the function down to the smallest part."""
    ours, theirs = list(ast.iter_child_nodes(before)), list(ast.iter_child_nodes(after))
    pairs = [pair for pair in zip(ours, theirs, strict=False) if ast.dump(pair[0]) != ast.dump(pair[1])]
    if type(before) is type(after) and len(ours) == len(theirs) and len(pairs) == 1:
        return [(before, after), *down_to_the_change(*pairs[0])]
    return [(before, after)]


def is_sentence(before: ast.AST, after: ast.AST) -> bool:
    """Whether one text literal became another, and the first has a space in it: names and keys have none."""
    texts = [node.value for node in (before, after) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return len(texts) == 2 and " " in texts[0]


def only_tells(node: ast.AST) -> bool:
    """Whether it is there for a reader alone: a line of the log, or an exception as it is raised."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return isinstance(node.func.value, ast.Name) and node.func.value.id == "log"
    return isinstance(node, ast.Raise)


def shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (ours, theirs) in pairs if ours != theirs), min(len(one), len(other)))


def shortened(before: str, after: str, around: int = 24) -> str:
    """`before → after` in one line; what both share is left out beyond `around` characters."""
    start = shared(before, after)
    end = shared(before[start:][::-1], after[start:][::-1])
    first, last = max(0, start - around), max(0, end - around)
    head, tail = "…" if first else "", "…" if last else ""
    return " → ".join(f"{head}{' '.join(text[first : len(text) - last].split())}{tail}" for text in (before, after))


def change_of(before: ast.AST, after: ast.AST) -> tuple[str, bool]:
    """The change between two versions of a function, and whether it changes nothing but words for a reader."""
    pairs = down_to_the_change(before, after)
    shown = [pair for pair in pairs if all(isinstance(node, ast.expr | ast.stmt) for node in pair)][-1]
    is_words = is_sentence(*pairs[-1]) or any(only_tells(ours) for ours, _ in pairs)
    return shortened(ast.unparse(shown[0]), ast.unparse(shown[1])), is_words


# What mutmut wrote


def functions_of(module: Path) -> dict[str, ast.AST]:
    """The versions of all functions in a module as mutmut wrote it, by the names it gave them."""
    found: dict[str, ast.AST] = {}
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "__mutmut_" in node.name:
            name, node.name = node.name, ""  # versions differ in their mutation alone
            found[name] = node
    return found


def mutants_of(results: Path) -> Iterator[Mutant]:
    """All mutants of which mutmut wrote results, module by module. Raises ValueError when there are none."""
    metas = sorted(results.rglob("*.py.meta"))
    if not metas:
        raise ValueError(f"{results}: no results, run `make mutation` first")
    for meta in metas:
        told = json.loads(meta.read_text(encoding="utf-8"))
        functions = functions_of(meta.with_suffix(""))
        module = meta.relative_to(results).with_suffix("").as_posix()
        for key, exit_code in told["exit_code_by_key"].items():
            version = key.rpartition(".")[2]
            mangled, _, number = version.partition("__mutmut_")
            function = mangled.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
            change, is_words = change_of(functions[f"{mangled}__mutmut_orig"], functions[version])
            yield Mutant(
                name=f"{module.removesuffix('.py').replace('/', '.')}.{function}:{number}",
                module=module,
                survived=exit_code in SURVIVED,
                took_s=told["durations_by_key"].get(key) or 0.0,
                change=change,
                is_words=is_words,
            )


# What is told


def killed_share(mutants: Sequence[Mutant]) -> float:
    """Of 1; 1 where there are none."""
    return 1 - sum(mutant.survived for mutant in mutants) / len(mutants) if mutants else 1.0


def told(mutants: Sequence[Mutant], reasons: Reasons, machine: str) -> str:
    """The results as Markdown: the sums, each module, each survivor with its reason."""
    judged = [mutant for mutant in mutants if not mutant.is_words]
    alive = [mutant for mutant in mutants if mutant.survived]
    unexplained = [mutant for mutant in alive if reasons.of(mutant) is None]
    lines = [
        f"{len(mutants):,} mutants on {machine}, {sum(mutant.took_s for mutant in mutants):,.0f} s of tests.",
        "",
        f"**{killed_share(mutants):.1%} killed: {len(mutants) - len(alive):,}, {len(alive):,} survived. "
        f"Without the {len(mutants) - len(judged):,} that change words only: {killed_share(judged):.1%}.** "
        f"{len(unexplained) or 'None'} of the survivors without an explanation.",
        "",
        "| module | mutants | killed | survived | killed, all | killed, without words | s |",
        "|---|---|---|---|---|---|---|",
        *(_row(module, mutants) for module in sorted({mutant.module for mutant in mutants})),
        "",
        *_survivors(alive, reasons),
    ]
    if unexplained:
        lines += ["### Not explained", "", *(f"- `{mutant.name}`: {_code(mutant.change)}" for mutant in unexplained)]
    return "\n".join(lines).rstrip()


def _row(module: str, mutants: Iterable[Mutant]) -> str:
    its = [mutant for mutant in mutants if mutant.module == module]
    survived = sum(mutant.survived for mutant in its)
    judged = [mutant for mutant in its if not mutant.is_words]
    return (
        f"| `{module}` | {len(its):,} | {len(its) - survived:,} | {survived} | {killed_share(its):.1%} | "
        f"{killed_share(judged):.1%} | {sum(mutant.took_s for mutant in its):,.0f} |"
    )


def _survivors(alive: Sequence[Mutant], reasons: Reasons) -> list[str]:
    """Each kind with what it means, and each survivor of it on a line."""
    explained = [(mutant, reason) for mutant in alive if (reason := reasons.of(mutant)) is not None]
    counts = Counter(reason.kind for _, reason in explained)
    lines = []
    for kind, meaning in reasons.kinds.items():
        if counts[kind]:
            its = [f"- `{m.name}`: {_code(m.change)}{r.why and f': {r.why}'}" for m, r in explained if r.kind == kind]
            lines += [f"### {kind.capitalize()}: {counts[kind]}", "", meaning, "", *its, ""]
    return lines


def _code(text: str) -> str:
    return f"``{text}``" if "`" in text else f"`{text}`"


def missing(mutants: Iterable[Mutant], reasons: Reasons) -> Iterator[str]:
    """Entries to be filled in."""
    for mutant in mutants:
        if mutant.survived and reasons.of(mutant) is None:
            change = json.dumps(mutant.change, ensure_ascii=False)
            yield f'[[survivor]]\nmutant = "{mutant.name}"\nchange = {change}\nkind = ""\nwhy = ""\n'


def main(arguments: Sequence[str]) -> int:
    if arguments not in ([], ["--missing"]):
        sys.exit("usage: python -m tests.mutation_report [--missing]")
    mutants, reasons = list(mutants_of(RESULTS)), read_reasons(REASONS)
    entries = list(missing(mutants, reasons))
    if arguments:
        print("\n".join(entries))  # noqa: T201 - what was asked for
    else:
        words = told(mutants, reasons, f"Python {platform.python_version()} on {platform.system()}")
        REPORT.write_text(with_run(REPORT.read_text(encoding="utf-8"), words), encoding="utf-8")
    return int(bool(entries) or killed_share(mutants) < MUST_BE_KILLED)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
