"""Nothing stands in the product that nobody uses, but for what is kept here with a reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from vulture import Vulture

from tests.house import ROOT, product_sources

CALLED_BY_PYDANTIC = ["@field_validator*", "@model_validator*"]
KEPT = {  # reason -> names that nothing in the product mentions a second time
    "a library calls or reads it": """
        CACHE_DIR RaiseRequestErrors SLP_VECTORIZE __call__ __dict__ _clock_resolution generate_span_id
        generate_trace_id get_protocol goodAfterTime goodTillDate justify ocaGroup ocaType on_end pnlEvent row_factory
        socket_read_timeout writeable writelines""",
    "a vendor's menu, held by tests to its description whether or not we order from it": """
        BALANCE BALANCE_GROWTH BATCH_QUOTE_SHORT CASH_FLOW CASH_FLOW_GROWTH DAILY_LIGHT DIVIDENDS ENDPOINTS
        ENTERPRISE_VALUES EXCHANGE_QUOTE FILINGS GENERAL_LATEST HOLIDAYS INCOME INCOME_GROWTH MARKET_CAP MARKET_HOURS
        METRICS OPEN_CLOSE PRESS_LATEST PREVIOUS PRICE_CHANGE QUOTE_SHORT RATINGS RELATED SEARCH_SYMBOL SMA SNAPSHOT
        STOCK_LATEST STOCK_LIST TARGET_NEWS TARGET_SUMMARY TREASURY UNIFIED UPCOMING""",
    "what the simulated exchange saw and what a person at its terminal does: for those who test programs with it": """
        keep_journal place_manual""",
    "lists by which tests compare the documents with the program": "INSTRUMENTS OF_DAYS",
    "counts by which tests see that something happened": "pings rows_written",
    "queries of the indexes that a user asks with, measured in tests/test_optimizations.py": """
        health_between latest_trades""",
    "documented in METRICS.md for a user's own questions": "metrics_by",
    "measured by benchmarks/bench_evidence.py and bench_weekly_years.py": "dwell_times price_policy",
    "part of the tree of errors, for feeds of others: ours refuse stale data by a rule": "FeedStale",
}


def unused() -> Iterator[tuple[str, str]]:
    """Where, and the name. A field of a class is used when the whole value is: told as JSON, a row, a frame."""
    finder = Vulture(ignore_decorators=CALLED_BY_PYDANTIC)
    finder.scavenge([ROOT / source.path for source in product_sources()])
    fields = {source.path: set(lines_of_fields(source.tree)) for source in product_sources()}
    for item in finder.get_unused_code():
        path = Path(item.filename).relative_to(ROOT).as_posix()
        if item.typ != "variable" or item.first_lineno not in fields[path]:
            yield f"{path}:{item.first_lineno}: {item.message}", item.name


def lines_of_fields(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (each.lineno for each in node.body if isinstance(each, ast.AnnAssign | ast.Assign))


def test_everything_is_used_or_kept_for_a_reason() -> None:
    found = list(unused())
    kept = set(" ".join(KEPT.values()).split())
    assert [where for where, name in found if name not in kept] == []
    assert kept - {name for _, name in found} == set(), "used again or gone: no reason is needed"


def test_names_are_kept_once() -> None:
    names = " ".join(KEPT.values()).split()
    assert len(names) == len(set(names))
