"""What the research commands take at the command line; each wrong argument is one clear line."""

from __future__ import annotations

import argparse
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING

from utils import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trading.settings import StrategySettings

PARAMETERS = {  # name at the command line -> setting
    "profit_target_pct": "strategy_profit_target_pct",
    "stop_loss_pct": "strategy_stop_loss_pct",
    "rsi_cap": "strategy_rsi_cap",
    "atr_floor_pct": "strategy_atr_floor_pct",
}


def day(text: str) -> date:
    """A date like 2025-10-07, in this form alone."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.isoformat() != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2025-10-07")
    return found


def symbols(text: str) -> tuple[str, ...]:
    """Symbols separated by commas, each once."""
    found = tuple(symbol.strip().upper() for symbol in text.split(","))
    for symbol in found:
        if not symbol or found.count(symbol) > 1:
            raise argparse.ArgumentTypeError(f"{text!r} has {f'{symbol} twice' if symbol else 'an empty symbol'}")
    return found


def setting(text: str) -> tuple[str, str]:
    """NAME=VALUE of a parameter."""
    name, given, value = text.partition("=")
    if not given or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    if name not in PARAMETERS:
        close = get_close_matches(name, PARAMETERS, 1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(PARAMETERS)}"
        raise argparse.ArgumentTypeError(f"{name!r} is not a parameter; {hint}")
    return name, value


def values(text: str) -> tuple[str, tuple[float, ...]]:
    """NAME=A,B,C or NAME=FIRST:LAST:STEP of a parameter."""
    name, listed = setting(text)
    if ":" not in listed:
        return name, tuple(number(each) for each in listed.split(","))
    parts = [number(each) for each in listed.split(":")]
    if len(parts) != 3 or parts[2] <= 0 or parts[1] < parts[0]:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FIRST:LAST:STEP")
    count = int((parts[1] - parts[0]) / parts[2] + 1e-9) + 1
    return name, tuple(round(parts[0] + step * parts[2], 9) for step in range(count))


def share(text: str) -> float:
    """A share of the account."""
    value = number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not in (0, 1]: it is the share of the account that may be used")
    return value


def usd(text: str) -> float:
    """An amount of money."""
    value = number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not an amount of money")
    return value


def positive(text: str) -> int:
    """A whole number from 1."""
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 999999999")
    return int(text)


def number(text: str) -> float:
    """Any finite number."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value - value != 0:  # not a number, or infinite
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return value


def changed(strategy: StrategySettings, values: Mapping[str, object], option: str = "--set") -> StrategySettings:
    """The settings with parameters by their names here. Raises Misconfigured for a value out of bounds."""
    from pydantic import ValidationError

    settings = {PARAMETERS[name]: value for name, value in values.items()}
    try:
        return type(strategy)(**(strategy.model_dump() | settings))
    except ValidationError as error:
        fault = error.errors()[0]
        name = next(name for name, setting in PARAMETERS.items() if setting == fault["loc"][0])
        raise Misconfigured(f"{option} {name}={fault['input']}: {fault['msg']}") from error
