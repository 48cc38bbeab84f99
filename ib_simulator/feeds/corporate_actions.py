"""Splits, dividends and delistings of a directory of bar files: DIR/splits_dividends.csv, where there is one.

Columns `symbol`, `ex_date`, `kind` (split, dividend or delisted), `value` (new shares per old, USD per share, or USD
per share that the holders of a stock got in the end) and, for dividends, `prev_close` (USD, the unadjusted close
before the ex-date). Prices of the bars are as traded.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from trading.money import money_from_usd
from utils import Misconfigured

LARGEST_DENOMINATOR = 1000  # vendors derive ratios from prices: 1.999996 is 2
COLUMNS = ("symbol", "ex_date", "kind", "value")


class Action(NamedTuple):
    """What happens to a stock before the open of `ex_date`.

    `split` is new shares per old (1 for anything else), `keeps` the share of the price before that a dividend leaves.
    `dividend` is paid on a share; `payout` is what the holders of a delisted stock get for it, None for any other.
    Both are in 1e-6 USD.
    """

    ex_date: date
    split: Fraction = Fraction(1)
    keeps: float = 1.0
    dividend: int = 0
    payout: int | None = None


def read_actions(path: Path) -> dict[str, tuple[Action, ...]]:
    """Actions by symbol, in order of their dates; empty without the file. Raises Misconfigured on a bad row."""
    if not path.exists():
        return {}
    found: dict[str, list[Action]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines)
            missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise Misconfigured(f"{path}: column {missing[0]!r} is missing")
            for number, row in enumerate(rows, start=1):
                try:
                    found.setdefault(row["symbol"], []).append(_action(row))
                except (ValueError, TypeError, ZeroDivisionError) as error:
                    raise Misconfigured(f"{path}: row {number}: {error}") from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Misconfigured(f"{path}: not a readable csv file: {error}") from error
    return {symbol: tuple(sorted(actions)) for symbol, actions in found.items()}


def split_ratio(actions: Iterable[Action], after: date, until: date) -> Fraction:
    """New shares per old of all splits with `after` < ex-date <= `until`; 1 when there is none."""
    ratio = Fraction(1)
    for action in actions:
        if after < action.ex_date <= until:
            ratio *= action.split
    return ratio


def dividend_factor(actions: Iterable[Action], after: date, until: date) -> float:
    """What prices on `after` are multiplied with for the dividends with `after` < ex-date <= `until`."""
    factor = 1.0
    for action in actions:
        if after < action.ex_date <= until:
            factor *= action.keeps
    return factor


def _action(row: dict[str, str]) -> Action:
    ex_date, value = date.fromisoformat(row["ex_date"]), float(row["value"])
    kind = row["kind"]
    if kind == "delisted" and 0 <= value < 1e6:
        return Action(ex_date, payout=money_from_usd(value))
    if not 0 < value < 1e6:
        raise ValueError(f"the value {row['value']!r} is not a positive number")
    if kind == "split":
        return Action(ex_date, Fraction(value).limit_denominator(LARGEST_DENOMINATOR))
    if kind != "dividend":
        raise ValueError(f"the kind is {kind!r}, neither split, dividend nor delisted")
    previous = float(row.get("prev_close") or 0)
    keeps = 1 - value / previous if previous > value else 1.0
    return Action(ex_date, keeps=keeps, dividend=money_from_usd(value))
