"""Analyses as values that JSON can say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

from evidence.too_few import TooFew

KEPT_DIGITS = 6  # of floats in the database and the reports: sums of floats differ beyond


def plain(value: Any) -> Any:
    """`value` as dicts, lists, words and numbers of `KEPT_DIGITS`; NaN and infinity become None."""
    if isinstance(value, float):
        return round(value, KEPT_DIGITS) + 0.0 if isfinite(value) else None  # no -0.0
    if isinstance(value, TooFew):
        return str(value)
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
