"""Every limit of every setting, passed by one: a clear line, exit 2, and nobody is connected to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from day_trading.settings import DayTraderConfiguration
from tests.terminal import ROOT, inherited_environment
from tools import VendorSettings

NUMBERS = (int, float)
SMALLEST = Decimal("0.001")
BESIDE_BOUNDS = (  # what no bound of a number says
    ("WATCHLIST_UNIVERSE", "AAPL,AAPL"),
    ("WATCHLIST_UNIVERSE", "AAPL,not a symbol"),
    ("NEVER_TRADE", "$$$"),
    ("ATR_TIMEFRAME", "week"),
    ("EXTERNAL_POSITIONS", "yes"),
    ("SHARED_SYMBOLS", "maybe"),
    ("IB_RESTART_TIME", "12:00"),
    ("IB_RESTART_TIME", "midnight"),
)


def bad_values(info: FieldInfo) -> Iterator[str]:
    """Values beyond each bound of a number, and what is no number at all."""
    kind = next((each for each in (info.annotation, *get_args(info.annotation)) if each in NUMBERS), None)
    if kind is None or get_origin(info.annotation) in (tuple, list):
        return
    step = Decimal(1) if kind is int else SMALLEST
    for rule in info.metadata:
        for name, beyond in (("ge", -step), ("gt", Decimal(0)), ("le", step), ("lt", Decimal(0))):
            if (bound := getattr(rule, name, None)) is not None:
                yield str(Decimal(str(bound)) + beyond)
    yield from ("a lot", "nan", "inf", "1,5")


CASES = [
    (name.upper(), value)
    for settings_class in DayTraderConfiguration.settings_classes()
    if settings_class is not VendorSettings  # keys of vendors are read by whoever asks them
    for name, info in settings_class.model_fields.items()
    for value in bad_values(info)
] + list(BESIDE_BOUNDS)


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    """What every case did, and one with good settings."""
    folder = tmp_path_factory.mktemp("starts")
    done = subprocess.run(
        [sys.executable, "-m", "tests.many_starts"],
        cwd=folder,
        env={**inherited_environment(), "PYTHONPATH": str(ROOT)},
        input=json.dumps([{name: value} for name, value in [*CASES, ("IB_PORT", "4001")]]),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    left = {path.name for path in Path(folder).rglob("*") if path.is_file()}
    assert left <= {"day_trader.log", "trading_history.db", "trading_history.db-wal", "trading_history.db-shm"}
    return dict(zip([*CASES, ("good", "")], json.loads(done.stdout), strict=True))


@pytest.mark.parametrize(("variable", "value"), CASES)
def test_a_limit_that_cannot_be_is_one_line_and_exit_2_before_anything_is_connected(
    starts: dict[tuple[str, str], dict[str, Any]], variable: str, value: str
) -> None:
    told = starts[variable, value]
    assert (told["code"], told["out"], told["dialled"]) == (2, "", [])
    assert told["err"].startswith(f"day_trader.py: {variable}={value} (")
    assert told["err"].count("\n") == 1


def test_with_good_settings_the_same_start_connects(starts: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert starts["good", ""]["dialled"] == ["127.0.0.1:4001"]
    assert starts["good", ""]["code"] == 1


def test_every_number_of_risk_and_strategy_is_bounded_on_both_sides() -> None:
    limits = [
        (name, {sign for rule in info.metadata for sign in ("ge", "gt", "le", "lt") if hasattr(rule, sign)})
        for settings_class in DayTraderConfiguration.settings_classes()
        for name, info in settings_class.model_fields.items()
        if name.startswith(("risk_", "strategy_"))
    ]
    assert [name for name, signs in limits if not (signs & {"ge", "gt"} and signs & {"le", "lt"})] == []
