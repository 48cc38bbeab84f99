"""Rows to the database's types and back."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from records.tables import json_text, utc_text


def test_times_are_utc_text_whose_order_is_time_order() -> None:
    new_york = timezone(timedelta(hours=-4))
    whole = utc_text(datetime(2025, 10, 7, 9, 30, tzinfo=new_york))
    later = utc_text(datetime(2025, 10, 7, 13, 30, 0, 1, tzinfo=UTC))
    assert whole == "2025-10-07T13:30:00.000000+00:00"
    assert whole < later < utc_text(datetime(2025, 10, 7, 13, 30, 1, tzinfo=UTC))


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="naive"):
        utc_text(datetime(2025, 10, 7, 9, 30))  # noqa: DTZ001 (the point of the test)


def test_json_is_compact_sorted_and_has_null_for_not_a_number() -> None:
    assert json_text({"b": 1, "a": [math.nan, {"c": math.inf}], "d": 1.5}) == '{"a":[null,{"c":null}],"b":1,"d":1.5}'
