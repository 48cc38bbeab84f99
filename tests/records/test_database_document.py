"""`Documentation/DATABASE.md` names exactly what the database has."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from records.connections import open_for_writing
from records.faults import Unavailability
from records.queue import MOST_WAITING, PRESSED_FROM, RELAXED_FROM
from records.settings import RecordsSettings

DOCUMENT = (Path(__file__).resolve().parents[2] / "Documentation" / "DATABASE.md").read_text(encoding="utf-8")
VIEWS_WITHOUT_TYPES = ("round_trips", "open_positions")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = open_for_writing(tmp_path / "history.db")
    yield connection
    connection.close()


def documented() -> dict[str, list[tuple[str, str]]]:
    """Table or view -> its columns with their types, in the order of the document."""
    found = {}
    for part in DOCUMENT.split("\n### `")[1:]:
        rows = re.findall(r"^\| `(\w+)` \| ([\w–]+) \| \S.* \|$", part, re.MULTILINE)
        found[part.partition("`")[0]] = rows
    return found


def test_every_table_and_view_stands_in_the_document_with_its_columns_and_nothing_else_does(
    connection: sqlite3.Connection,
) -> None:
    names = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
    there = {}
    for (name,) in connection.execute(names).fetchall():
        columns = connection.execute(f"SELECT name, type FROM pragma_table_info('{name}')").fetchall()
        there[name] = [(column, "–" if name in VIEWS_WITHOUT_TYPES else kind.lower()) for column, kind in columns]
    there["today"] = []  # the document refers to `trades`
    assert documented() == there


def test_the_latest_session_has_the_columns_of_all_executions(connection: sqlite3.Connection) -> None:
    columns = [
        [column for (column,) in connection.execute(f"SELECT name FROM pragma_table_info('{name}')")]
        for name in ("today", "trades")
    ]
    assert columns[0] == columns[1]


def test_figures_and_settings_are_those_of_the_program() -> None:
    for rows in (PRESSED_FROM, RELAXED_FROM, MOST_WAITING):
        assert f"{rows:,}" in DOCUMENT
    for setting in RecordsSettings.model_fields:
        assert f"`{setting.upper()}`" in DOCUMENT


def test_each_reason_for_which_the_database_takes_nothing_has_its_line() -> None:
    words = {
        Unavailability.LOCKED: "keeps the database locked",
        Unavailability.FULL: "the disk is full",
        Unavailability.READ_ONLY: "cannot be written",
        Unavailability.IO: "reading or writing fails",
        Unavailability.DAMAGED: "the file is damaged",
        Unavailability.GONE: "the file is moved or deleted",
    }
    assert set(words) == set(Unavailability)
    table = [line for line in DOCUMENT.splitlines() if line.count("|") == 4]
    for reason in words.values():
        assert any(reason in line.split("|")[1] for line in table), reason
