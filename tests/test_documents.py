"""What the documents say is true: settings, commands, queries, file names, links; and nothing of one machine in it."""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import time
from functools import cache
from itertools import pairwise
from pathlib import Path
from shutil import which
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import day_trader
import performance_config
from commands import DONE, FAULT, STOPPED_BY_RULE, WRONG_USAGE
from dashboard import __main__ as dashboard
from day_trading import __main__ as analysis
from day_trading.command_line import build_parser
from day_trading.settings import DayTraderConfiguration
from ib_simulator import __main__ as simulator
from improvement import __main__ as improvement
from llm import __main__ as llm
from observability import TradingHistory
from records import __main__ as records
from records.trade_rows import MONEY_RULES, PRICE_RULES
from reporting import __main__ as reporting
from research import command_line as research
from tests.house import product_sources
from trading.rules import Rule, rule_name
from trading.settings import RiskSettings
from utils import load_settings, read_environment, unknown_variables
from weekly import command_line as weekly
from weekly.settings import WeeklyConfiguration

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
ENV_EXAMPLE = ROOT / ".env.example"
HOOKS = ROOT / ".pre-commit-config.yaml"
RISK_RULES = ROOT / "Documentation" / "RISK_RULES.md"
CONFIGURATION = [ROOT / "Documentation" / name for name in ("DAY_TRADER_CONFIGURATION.md", "WEEKLY_BOT.md")]
SETTINGS_CLASSES = tuple(
    dict.fromkeys([*DayTraderConfiguration.settings_classes(), *WeeklyConfiguration.settings_classes()])
)
GATEWAY = ROOT / "Documentation" / "SIMULATED_GATEWAY.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "Documentation").glob("*.md"))]

ASSIGNMENT = re.compile(r"#?([A-Z][A-Z0-9_]*)=(.*)")  # `#IB_PORT=4001`; a sentence has a blank after the #
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
INLINE_CODE = re.compile(r"`([^`\n]+)`")
FILE_NAME = re.compile(r"[\w./-]*\.(?:py|md|txt|toml|json|db|log|env|example)|[\w./-]+/")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
SIMULATOR, RECORDS, RESEARCH, LLM = "-m ib_simulator", "-m records", "-m research", "-m llm"
REPORTING = "-m reporting"
DASHBOARD = "-m dashboard"
ENTRIES = {  # what follows `python` -> its command line
    "day_trader.py": build_parser(),
    "main.py": weekly.build_parser(),
    "performance_config.py": performance_config.build_parser(),
    SIMULATOR: simulator.build_parser(),
    RECORDS: records.build_parser(),
    RESEARCH: research.build_parser(),
    LLM: llm.build_parser(),
    REPORTING: reporting.build_parser(),
    DASHBOARD: dashboard.build_parser(),
}
ENTRIES["day_trading_agents.py"] = analysis.build_parser()
ENTRIES["continuous_improvement.py"] = improvement.build_parser()
WRITTEN_BY_THE_PROGRAM = {
    ".env",
    ".venv/clients/",  # by make
    "backups/",
    "bars/",
    "reports/weekly/",
    "reports/daily/",
    "vendor_cache/",
    "reports/research/",
    "logs/day_trader.log",
    "research.db",
    *(str(path) for path in (day_trader.LIVE_DATABASE, day_trader.SIMULATED_DATABASE)),
    *(str(path) for path in (day_trader.LIVE_WATCHLIST, day_trader.SIMULATED_WATCHLIST)),
    f"{day_trader.SIMULATED_DATABASE.stem}.previous.db",
    "reports/improvement/",
    f"{day_trader.SIMULATED_DATABASE.stem}_bars/",
    "llm_budget.db",
    "llm_history.db",
    "logs/weekly.log",
    "reports/weekly/snapshots/",
}
OF_THE_USER = ("DIR/", "minute/", "bars5s/", "daily/", "quotes/", "quotes5s/")  # folders of --market-data
SKIPPED_FOLDERS = {"logs", "reports", "__pycache__"}  # what runs leave behind
KNOWN_HIDDEN = {".ci", ".env.example", ".gitignore", ".pre-commit-config.yaml"}


# Settings


class Row(NamedTuple):
    """A row of a table in the configuration document."""

    default: str
    allowed: str
    meaning: str


@cache
def settings_in_the_source() -> list[type[BaseModel]]:
    """Every settings class of the product, found in the syntax trees: nobody needs to remember a list."""
    found = []
    for source in product_sources():
        for node in ast.parse(source.text).body:
            if isinstance(node, ast.ClassDef) and node.name.endswith("Settings"):
                module = importlib.import_module(source.path.removesuffix(".py").replace("/", "."))
                found.append(getattr(module, node.name))
    return found


def fields() -> dict[str, FieldInfo]:
    """All settings: variable -> field."""
    return {name.upper(): info for each in settings_in_the_source() for name, info in each.model_fields.items()}


def default_text(info: FieldInfo) -> str:
    """A default as `.env` writes it; empty where nothing is set."""
    if info.default is None:
        return ""
    if isinstance(info.default, tuple):
        return ",".join(info.default)
    return number_text(info.default) if isinstance(info.default, int | float) else str(info.default)


def number_text(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def allowed_text(info: FieldInfo) -> str:
    """What a field accepts, in the words of the configuration document."""
    bounds: dict[str, Any] = {}
    for rule in info.metadata:
        bounds |= {kind: getattr(rule, kind) for kind in ("ge", "gt", "le", "lt", "min_length") if hasattr(rule, kind)}
    if get_origin(info.annotation) is Literal:
        return " or ".join(get_args(info.annotation))
    if bounds.keys() == {"ge", "le"}:
        return f"{number_text(bounds['ge'])} to {number_text(bounds['le'])}"
    words = {"ge": "at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
    if time in get_args(info.annotation):
        return "a time, HH:MM"
    told = [words[kind].format(number_text(bounds[kind])) for kind in words if kind in bounds]
    if not told:
        shortest = bounds.get("min_length", 0)
        return f"at least {shortest} characters" if shortest > 1 else "not empty" if shortest else "any text"
    return ", ".join(told)


def example_lines() -> dict[str, str]:
    """`.env.example`: variable -> its value."""
    found = [ASSIGNMENT.fullmatch(line) for line in ENV_EXAMPLE.read_text(encoding="utf-8").splitlines()]
    return {match[1]: match[2] for match in found if match}


def configuration_rows() -> dict[str, Row]:
    """The tables of the configuration document: variable -> the rest of its row."""
    rows = {}
    for line in "".join(document.read_text(encoding="utf-8") for document in CONFIGURATION).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if match := re.fullmatch(r"`([A-Z][A-Z0-9_]*)`", cells[0]):
            default, allowed, meaning = cells[1:]
            rows[match[1]] = Row(default.strip("`").replace("unset", ""), allowed, meaning)
    return rows


def test_walk_finds_the_settings_classes() -> None:
    names = {each.__name__ for each in settings_in_the_source()}
    assert {"StrategySettings", "RiskSettings", "BrokerSettings", "VendorSettings"} <= names


def test_entry_knows_every_settings_class() -> None:
    assert set(SETTINGS_CLASSES) == set(settings_in_the_source())


def test_every_setting_stands_in_the_example_with_its_default_and_nothing_else_does() -> None:
    assert example_lines() == {variable: default_text(info) for variable, info in fields().items()}


def test_every_setting_of_the_example_has_its_meaning_above_it() -> None:
    lines = ENV_EXAMPLE.read_text(encoding="utf-8").splitlines()
    for before, line in pairwise(lines):
        if match := ASSIGNMENT.fullmatch(line):
            description = fields()[match[1]].description or ""
            assert description, f"{match[1]} has no description"
            assert before == f"# {description}", match[1]


def test_example_used_as_it_is_or_with_every_line_switched_on_is_the_default(tmp_path: Path) -> None:
    text = ENV_EXAMPLE.read_text(encoding="utf-8")
    for content in (text, re.sub(r"^#(?=[A-Z])", "", text, flags=re.MULTILINE)):
        (tmp_path / ".env").write_text(content, encoding="utf-8")
        environment = read_environment(tmp_path / ".env", process={})
        assert unknown_variables(environment, SETTINGS_CLASSES) == []
        for each in SETTINGS_CLASSES:
            assert load_settings(each, environment) == each()


def test_every_setting_stands_in_the_configuration_with_default_and_bounds_and_nothing_else_does() -> None:
    rows = configuration_rows()
    assert {variable: row.default for variable, row in rows.items()} == {
        variable: default_text(info) for variable, info in fields().items()
    }
    assert {variable: row.allowed for variable, row in rows.items()} == {
        variable: allowed_text(info) for variable, info in fields().items()
    }
    assert [variable for variable, row in rows.items() if not row.meaning] == []


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (FieldInfo.from_annotated_attribute(int, 5), "any text"),
        (FieldInfo(annotation=Literal["day", "minute"], default="day"), "day or minute"),
        (FieldInfo.from_annotation(time | None), "a time, HH:MM"),  # type: ignore[arg-type]
    ],
)
def test_allowed_text_of_fields_without_bounds(field: FieldInfo, words: str) -> None:
    assert allowed_text(field) == words


# The table of risk rules


class RuleRow(NamedTuple):
    """A row of the tables of rules."""

    rule: str
    refuses_when: str
    setting: str
    default: str
    bounds: str
    unit: str


def rule_tables() -> tuple[list[RuleRow], dict[str, tuple[str, str]]]:
    """RISK_RULES.md: the rows of rules, and setting -> (default, bounds) of what only makes entries smaller."""
    rules, sizes = [], {}
    for line in RISK_RULES.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if match := re.fullmatch(r"`([a-z_]+)`", cells[0]):
            rules.append(RuleRow(match[1], *(cell.strip("`") for cell in cells[1:])))
        elif (match := re.fullmatch(r"`([A-Z_]+)`", cells[0])) and len(cells) == 4:
            sizes[match[1]] = (cells[1].replace("unset", ""), cells[2])
    return rules, sizes


def test_every_rule_stands_in_the_table_once_in_the_order_of_the_program() -> None:
    rules, _ = rule_tables()
    assert [row.rule for row in rules] == [rule_name(rule) for rule in Rule if rule is not Rule.APPROVED]
    assert [row.rule for row in rules if not row.refuses_when] == []


def test_settings_of_the_rules_have_the_defaults_and_bounds_of_the_program() -> None:
    rules, sizes = rule_tables()
    told = {row.setting: (row.default, row.bounds) for row in rules if row.setting != "–"} | sizes
    known = fields()
    assert told == {name: (default_text(known[name]), allowed_text(known[name])) for name in told}
    assert {name.upper() for name in RiskSettings.model_fields} <= told.keys()


def test_money_in_the_table_is_money_on_record() -> None:
    rules, _ = rule_tables()
    assert {row.rule for row in rules if row.unit == "USD"} == MONEY_RULES | PRICE_RULES


# Commands, options and queries


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line in a fenced block of the documents: (document, words without the prompt)."""
    for document in DOCUMENTS:
        for language, block in FENCE.findall(document.read_text(encoding="utf-8")):
            if language not in ("console", "sh"):
                continue
            for line in block.replace("\\\n", " ").splitlines():
                if language == "sh" or line.startswith("$ "):
                    yield document.name, shlex.split(line.removeprefix("$ "), comments=True)


def test_hooks_run_what_make_lint_runs() -> None:
    hooks = re.findall(r"entry: python (-m [a-z]+(?: (?:check|format))?)", HOOKS.read_text(encoding="utf-8"))
    lint = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert lint is not None
    assert hooks == re.findall(r"python (-m [a-z]+(?: (?:check|format))?)", lint[1])


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z0-9_-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def is_accepted(words: list[str]) -> bool:
    """Whether our own parser or Makefile takes the command; foreign programs are taken as they are."""
    program, rest = words[0], words[1:]
    if program == "make":
        return {word for word in rest if "=" not in word} <= make_targets()
    n_name = 2 if rest[:1] == ["-m"] else 1
    entry = " ".join(rest[:n_name])
    if Path(program).name == "python" and entry in ENTRIES:
        try:
            ENTRIES[entry].parse_args(rest[n_name:])
        except SystemExit as stop:
            return stop.code in (0, None)
    return True


def test_commands_are_shown_and_accepted() -> None:
    shown = list(commands())
    assert {"make", ".venv/bin/python", "sqlite3"} <= {words[0] for _, words in shown if words}
    assert [(name, words) for name, words in shown if words and not is_accepted(words)] == []


@pytest.mark.parametrize(
    "command",
    [
        "make simulated",
        "python day_trader.py --allocation 0.25 --simulated",
        "python main.py --run-days Sunday",
        "python -m ib_simulator --port 4001 --no-pace",
        "python -m ib_simulator --market-data ../data",
        "python -m records mend --db trading_history.db",
    ],
)
def test_check_refuses_a_wrong_command(command: str) -> None:
    assert not is_accepted(command.split())


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Of the parser and of its commands."""
    found = {option for action in parser._actions for option in action.option_strings}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for command in action.choices.values() for option in options_of(command)}
    return found


def test_options_named_in_text_exist() -> None:
    known = set().union(*(options_of(parser) for parser in ENTRIES.values()))
    named = {
        (document.name, option)
        for document in DOCUMENTS
        for code in INLINE_CODE.findall(document.read_text(encoding="utf-8"))
        for option in OPTION.findall(code)
    }
    assert named
    assert {(name, option) for name, option in named if option not in known} == set()


def test_readme_names_every_option_of_the_day_trader() -> None:
    text = README.read_text(encoding="utf-8")
    assert {option for option in options_of(build_parser()) - {"-h"} if option not in text} == set()


def test_table_of_options_of_the_simulated_gateway_is_that_of_the_program() -> None:
    rows = re.findall(r"^\| `(--[a-z-]+)", GATEWAY.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(options_of(ENTRIES[SIMULATOR]) - {"-h", "--help"})


def test_queries_run_on_a_new_database(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    TradingHistory(file, bot="day_trader", mode="simulated").close()
    queries = [words[-1] for _, words in commands() if words and words[0] == "sqlite3"]
    assert len(queries) >= 3
    with closing(sqlite3.connect(file)) as connection:
        for query in queries:
            connection.execute(query).fetchall()


def test_readme_names_every_table_and_view(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    TradingHistory(file, bot="day_trader", mode="simulated").close()
    with closing(sqlite3.connect(file)) as connection:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
        ]
    text = README.read_text(encoding="utf-8")
    assert [name for name in names if f"`{name}`" not in text and not name.startswith("sqlite_")] == []


@pytest.mark.skipif(which("make") is None, reason="there is no make")
def test_make_help_lists_every_target_with_its_words() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = dict(re.findall(r"^([^\s:.]+):.*?## (.+)$", makefile, re.MULTILINE))
    command = ["make", "--no-print-directory", "help"]
    alone = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # `make test` runs us
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, timeout=60, check=True)
    assert dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[1:]) == words
    assert set(words) == make_targets()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert set(phony.split()) == make_targets()


def test_readme_names_every_make_target() -> None:
    text = README.read_text(encoding="utf-8")
    assert [target for target in sorted(make_targets()) if f"`make {target}`" not in text] == []


def test_readme_shows_the_exit_codes_of_the_program() -> None:
    shown = re.findall(r"^\| (\d) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    codes = (DONE, FAULT, WRONG_USAGE, STOPPED_BY_RULE)
    assert shown == [str(code) for code in codes]


def shape(lines: list[str]) -> list[str]:
    """What stays the same from day to day in a summary, in order: its labels and the head of its table."""
    found = []
    in_table = False
    for line in lines:
        in_table = bool(line.strip()) and (in_table or line.startswith("symbol "))
        if line.startswith("symbol "):
            found.append(line)
        elif line.startswith("- "):
            continue  # a finding: each day has its own
        elif not in_table and (match := re.match(r"(\S[^,\d]*?)(?:  |,| \d)", line)) and match[1] != "warning":
            found.append(match[1])
    return found


def test_summaries_in_the_readme_look_like_a_real_one(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "day_trader.py"), "--allocation", "0.25", "--simulate", "2025-10-07"]
    small = os.environ | {"WATCHLIST_UNIVERSE": "AMZN,CRM,MSFT"}
    done = subprocess.run(command, cwd=tmp_path, env=small, capture_output=True, text=True, timeout=60, check=True)
    real = shape(done.stdout.splitlines())
    assert len(real) > 8
    blocks = [block.splitlines() for _, block in FENCE.findall(README.read_text(encoding="utf-8"))]
    summaries = [block[block.index(title) :] for block in blocks for title in block if title.startswith("Day trader, ")]
    assert [shape(summary) for summary in summaries[1:]] == [real]
    assert is_excerpt(shape(summaries[0]), real)


def is_excerpt(part: list[str], whole: list[str]) -> bool:
    """Whether `part` is `whole` with something left out, in its order; `…` stands for what is left out."""
    rest = iter(whole)
    return all(label in rest for label in part if label != "…")


def test_excerpt_has_nothing_of_its_own_and_keeps_the_order() -> None:
    assert is_excerpt(["a", "…", "c"], ["a", "b", "c"])
    assert not is_excerpt(["a", "d"], ["a", "b", "c"])
    assert not is_excerpt(["c", "a"], ["a", "b", "c"])


# Files, links, machines


def test_files_named_in_text_exist() -> None:
    missing = []
    for document in DOCUMENTS:
        for code in INLINE_CODE.findall(document.read_text(encoding="utf-8")):
            if not FILE_NAME.fullmatch(code) or code in WRITTEN_BY_THE_PROGRAM or code.startswith(OF_THE_USER):
                continue
            if not (ROOT / code).exists():
                missing.append((document.name, code))
    assert missing == []


def anchors(document: Path) -> list[str]:
    """The anchors that a document's headings get."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.strip().lower()).replace(" ", "-") for heading in headings]


def test_links_resolve() -> None:
    links = [(document, target) for document in DOCUMENTS for target in LINK.findall(document.read_text("utf-8"))]
    assert any(document == README for document, _ in links)
    broken = []
    for document, target in links:
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append((document.name, target))
    assert broken == []


def files_of_the_project() -> Iterator[Path]:
    """Text files that are, or could be, under version control."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if any((part.startswith(".") and part not in KNOWN_HIDDEN) or part in SKIPPED_FOLDERS for part in parts):
            continue
        if path.is_file() and path.suffix not in {".db", ".db-wal", ".db-shm", ".parquet", ".pyc"}:
            yield path


def test_nothing_names_a_package_registry_or_a_path_of_one_machine() -> None:
    words = [  # written in two halves, so that this file does not name them either
        *(f"{name}.org" for name in ("py" + "pi", "python" + "hosted")),
        *("index" + "-url", "trusted" + "-host", "registry" + ".npmjs", str(ROOT) + "/"),
        *(f"/{folder}/" for folder in ("wo" + "rk", "ro" + "ot", "ho" + "me", "Us" + "ers")),
    ]
    found = [
        (path.relative_to(ROOT).as_posix(), word)
        for path in files_of_the_project()
        for word in words
        if word in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert found == []
