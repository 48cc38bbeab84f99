"""What the product's commands share: exit codes, wrong usage in one line, errors told in one place.

Only the standard library and `utils` are imported here, so that `--help` and typing mistakes are answered at once.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

from utils import HaltTrading, Misconfigured, TradingError

if TYPE_CHECKING:
    from datetime import date

log = logging.getLogger(__name__)

CLIENT_LIBRARIES = ("ib_insync", "ib_async")
TOLD_BY_US = tuple(f"{library}.{part}" for library in CLIENT_LIBRARIES for part in ("wrapper", "client"))  # told again
LATEST = "latest"  # a session: the last one of the data
DONE, FAULT, WRONG_USAGE, STOPPED_BY_RULE = 0, 1, 2, 3


class CommandParser(argparse.ArgumentParser):
    """Wrong usage is one clear line and exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"{self.prog}: {message}{self._meant(message)} (--help shows all options)\n")

    def options(self) -> Iterator[str]:
        """`--name` of every option, those of commands included."""
        yield from (option for option in self._option_string_actions if option.startswith("--"))
        for action in self._actions:
            commands = action.choices if isinstance(action, argparse._SubParsersAction) else {}
            for command in commands.values():
                yield from command.options()

    def _meant(self, message: str) -> str:
        """The option that was meant, where the message names one that is none."""
        unknown = [word.partition("=")[0] for word in message.split() if word.startswith("--")]
        if not unknown or not message.startswith("unrecognized arguments"):
            return ""
        from difflib import get_close_matches

        nearest = get_close_matches(unknown[0], self.options(), n=1)
        return f"; did you mean {nearest[0]}?" if nearest else ""


def number(text: str) -> float:
    """A type of argparse: any number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def positive(text: str) -> float:
    """A type of argparse: a finite number above zero."""
    value = number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def whole(least: int, most: int) -> Callable[[str], int]:
    """A type of argparse: whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        digits = text.lstrip("0") or "0"
        if text.isdecimal() and len(digits) <= len(str(most)) and least <= int(digits) <= most:
            return int(digits)
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")

    return parse


def session_date(text: str) -> date | str:
    """A type of argparse: a date like 2025-10-07, or LATEST."""
    from datetime import date

    if text == LATEST:
        return LATEST
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # other ISO forms (20251007, 2025-W41-2) are typing mistakes here
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2025-10-07")
    return day


def loudness(verbose: bool) -> tuple[int, tuple[str, ...]]:
    """From which level the terminal is told, and the loggers of which it never is."""
    return (logging.INFO, ()) if verbose else (logging.WARNING, TOLD_BY_US)


def known_error(error: BaseException) -> TradingError | OSError | None:
    """The error itself, or the first one of a group, that has its place in one line; None for a bug."""
    if isinstance(error, TradingError | OSError):
        return error
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if (known := known_error(member)) is not None:
            return known
    return None


def fail(program: str, error: Exception, blank: Callable[[str], str] = str) -> int:
    """Tell an error in one line and return its exit code; the log gets the trace. `blank` takes secrets out."""
    code = FAULT
    if isinstance(error, Misconfigured | HaltTrading):
        code = WRONG_USAGE if isinstance(error, Misconfigured) else STOPPED_BY_RULE
    words = str(error)
    if isinstance(error, OSError) and error.strerror:
        file = error.filename2 or error.filename
        words = f"{file}: {error.strerror}" if file else error.strerror
    log.info("%s ended with exit code %s", program, code, exc_info=error)
    print(f"{program}:", *blank(words).split(), file=sys.stderr)  # noqa: T201 (errors are for the terminal)
    return code
