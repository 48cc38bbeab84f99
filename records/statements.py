"""SQL with its parameters, performed one by one or many rows at once."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import chain, groupby
from typing import Any, NamedTuple

from records.faults import STATEMENT_ERRORS, is_of_one_row
from telemetry.tracing import Link

ROWS_AT_ONCE = (256, 16)  # of one INSERT; a row has some 30 parameters and SQLite takes 32,766

_ONE_ROW = re.compile(r"VALUES (\((?:\?, )*\?\))")


class Statement(NamedTuple):
    """SQL and its parameters. An UPDATE that finds no row is an error: it names a row that was never written."""

    sql: str
    parameters: Sequence[Any] = ()
    under: Link | None = None  # the span that it is written for


class Refused(NamedTuple):
    """A statement that the database did not take although it works."""

    statement: Statement
    error: BaseException

    def __str__(self) -> str:
        sql, parameters, _ = self.statement
        return f"{' '.join(sql.split()[:3])} ({parameters!r:.200}): {self.error}"


def perform(connection: sqlite3.Connection, statement: Statement) -> None:
    """One statement; raises what STATEMENT_ERRORS names."""
    cursor = connection.execute(statement.sql, statement.parameters)
    if cursor.rowcount == 0 and statement.sql.startswith("UPDATE"):
        raise ValueError("no such row")


def perform_all(connection: sqlite3.Connection, statements: Iterable[Statement]) -> list[Refused]:
    """All of `statements`, in order, inside the open transaction; those that are wrong are returned.

    Neighbours with the same INSERT become one statement of many rows: a row costs half as much, and the lock of
    the interpreter is taken once instead of for each row. When the database itself is at fault (full disk,
    damage), the error is raised.
    """
    refused: list[Refused] = []
    for sql, same in groupby(statements, key=lambda statement: statement.sql):
        rows = list(same)
        done = 0
        for size in ROWS_AT_ONCE:
            while len(rows) - done >= size and (many := _many_rows(sql, size)):
                group = rows[done : done + size]
                try:
                    _perform_many(connection, many, group)
                except STATEMENT_ERRORS as error:
                    if not is_of_one_row(error, connection):
                        raise
                    refused += _one_by_one(connection, group)  # the statement took none of them: find the wrong one
                done += size
        refused += _one_by_one(connection, rows[done:])
    return refused


def perform_together(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """All of `statements`, in order, or none: a transaction of its own. Raises what STATEMENT_ERRORS names.

    A bracket of orders becomes one INSERT, which is a transaction by itself: each call of SQLite takes the lock of
    the interpreter anew, while an order waits. The caller rolls back what an error left open.
    """
    groups = [list(same) for _, same in groupby(statements, key=lambda statement: statement.sql)]
    many = [_many_rows(group[0].sql, len(group)) if len(group) <= ROWS_AT_ONCE[0] else None for group in groups]
    if len(groups) == 1 and many[0]:
        _perform_many(connection, many[0], statements)
        return
    connection.execute("BEGIN IMMEDIATE")
    for group, sql in zip(groups, many, strict=True):
        if sql:
            _perform_many(connection, sql, group)
        else:
            for row in group:
                perform(connection, row)
    connection.execute("COMMIT")


def _perform_many(connection: sqlite3.Connection, sql: str, rows: Iterable[Statement]) -> None:
    connection.execute(sql, list(chain.from_iterable(row.parameters for row in rows)))


def _one_by_one(connection: sqlite3.Connection, statements: Iterable[Statement]) -> list[Refused]:
    refused = []
    for statement in statements:
        try:
            perform(connection, statement)
        except STATEMENT_ERRORS as error:
            if not is_of_one_row(error, connection):
                raise
            refused.append(Refused(statement, error))
    return refused


@lru_cache(maxsize=128)
def _many_rows(sql: str, count: int) -> str | None:
    """The INSERT `sql` with `count` rows; None when it is no INSERT of one row."""
    values = _ONE_ROW.search(sql)
    if values is None or not sql.startswith("INSERT"):
        return None
    return f"{sql[: values.start(1)]}{', '.join([values[1]] * count)}{sql[values.end(1) :]}"
