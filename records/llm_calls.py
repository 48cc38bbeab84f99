"""The chain of `llm_calls`: each row's hash covers the row and the hash before it.

The database computes it while it inserts, so two programs that write one file, and rows that wait in the journal,
make one chain. A changed, missing, added or moved call breaks it; calls cut off at the end show only against a
`Chain.head` that was noted before.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from typing import Any, NamedTuple

from records.rows import LlmCallRow
from records.tables import Table

LLM_CALLS = Table("llm_calls", LlmCallRow)
HASH_FUNCTION = "llm_call_hash"
FIRST = ""  # stands before the first call

_COLUMNS = ", ".join(LLM_CALLS.columns)
# not VALUES: neighbours with VALUES become one statement, whose rows would all follow the same call
_GIVEN = ", ".join(f"? AS {column}" for column in LLM_CALLS.columns)
INSERT_LLM_CALL = f"""
INSERT INTO llm_calls ({_COLUMNS}, previous_hash, hash)
SELECT {_COLUMNS}, previous, {HASH_FUNCTION}(previous, {_COLUMNS})
FROM (SELECT {_GIVEN}),
  (SELECT COALESCE((SELECT hash FROM llm_calls ORDER BY rowid DESC LIMIT 1), '{FIRST}') AS previous)
""".strip()
SELECT_CHAIN = f"SELECT previous_hash, hash, {_COLUMNS} FROM llm_calls ORDER BY rowid"
SELECT_LLM_CALLS = "SELECT * FROM llm_calls WHERE mode = ? AND session_date = COALESCE(?, session_date) ORDER BY rowid"


class Chain(NamedTuple):
    """What a check found. `broken` names the first call that does not fit, and is empty when all do."""

    calls: int
    head: str
    broken: str


def call_hash(previous: str, *values: Any) -> str:
    """SHA-256 over the hash before and the row's values, in the order of `LLM_CALLS.columns`."""
    plain = [float(value) if isinstance(value, int | float) else value for value in values]  # as the columns keep them
    return hashlib.sha256(json.dumps([previous, *plain], separators=(",", ":")).encode()).hexdigest()


def know_hash(connection: sqlite3.Connection) -> None:
    """Let statements of `connection` compute the chain."""
    connection.create_function(HASH_FUNCTION, -1, call_hash, deterministic=True)


def verify_chain(connection: sqlite3.Connection) -> Chain:
    """Follow the chain from its beginning. Raises sqlite3.Error as it comes."""
    previous, calls = FIRST, 0
    for row in connection.execute(SELECT_CHAIN):
        said_previous, said_hash, *values = row
        if said_previous != previous:
            return Chain(calls, previous, f"call {values[0]}: a call before it is missing, added or moved")
        if call_hash(previous, *values) != said_hash:
            return Chain(calls, previous, f"call {values[0]}: its row was changed")
        previous, calls = said_hash, calls + 1
    return Chain(calls, previous, "")
