"""Plumbing of the entries: settings from `.env`, logging set-up, atomic JSON files, and the error tree.

    TradingError
    ├── Misconfigured    wrong usage or configuration: one clear line, exit 2
    ├── Retryable        may succeed when tried again; bounded and jittered by the caller, then escalates
    └── HaltTrading      a safety rule stopped the program: exit 3

The class of an error states the policy. It is handled in one place per entry script.
Only the standard library is imported here at module level, so that `--help` stays quick.
"""

from __future__ import annotations

import io
import json
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

SECRET_SUFFIXES = ("_KEY", "_TOKEN", "_SECRET", "_PASSWORD")
STANDARDS = ("OTEL_",)  # prefixes of variables that a standard defines and its own library reads
SHORTEST_REDACTED = 8  # characters; shorter values would blank ordinary words
QUIET_LOGGERS = ("ib_insync", "ib_async", "eventkit")  # they log each message of the wire at INFO
STDERR_HANDLER = "utils.stderr"
HANDLER_NAMES = (STDERR_HANDLER, "utils.file")  # ours, replaced when the set-up is repeated

S = TypeVar("S", bound="BaseModel")


class TradingError(Exception):
    """A fault that the program names. Anything else that reaches an entry is a bug: exit 1."""


class Misconfigured(TradingError):
    """The user's command line, settings or files are wrong. The text is the one line they will read."""


class Retryable(TradingError):
    """The same call may succeed later."""


class HaltTrading(TradingError):
    """A safety rule ended the program: kill switch, loss limit, account mismatch, broken invariant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment(Mapping[str, str]):
    """Variables of the process over those of an `.env` file, and where each came from.

    The process wins, also with an empty value: that unsets what the file says. Values are not in the repr.
    """

    process: Mapping[str, str] = field(repr=False)
    file: Mapping[str, str] = field(repr=False)
    env_file: Path

    def __getitem__(self, name: str) -> str:
        return self.process[name] if name in self.process else self.file[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.file, **self.process})

    def __len__(self) -> int:
        return len({**self.file, **self.process})

    def origin(self, name: str) -> str:
        """Where the value of `name` comes from, as words for a message."""
        return "from the environment" if name in self.process else f"from {self.env_file}"

    def secrets(self, classes: Iterable[type[BaseModel]] = ()) -> tuple[str, ...]:
        """Values that must never be shown: by the name's ending, or typed SecretStr in a settings class."""
        declared = [(name, info) for each in classes for name, info in each.model_fields.items()]
        typed = {name.upper() for name, info in declared if _is_secret(name, info)}
        values = [
            value.strip()
            for name, value in (*self.file.items(), *self.process.items())  # an overridden one is a secret too
            if name in typed or name.upper().endswith(SECRET_SUFFIXES)
        ]
        return tuple(dict.fromkeys(value for value in values if value))


def read_environment(env_file: Path = Path(".env"), process: Mapping[str, str] | None = None) -> Environment:
    """The `.env` file under the variables of the process (default: of this one). An absent file is empty.

    Raises Misconfigured on an unreadable file or a line that is not NAME=value. `${NAME}` is not expanded.
    """
    from dotenv.parser import parse_stream  # what dotenv_values uses, which drops a bad line with a warning

    variables: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(_read_text(env_file, absent=""))):
        if binding.error or (binding.key is not None and binding.value is None):
            raise Misconfigured(f"{env_file}: line {binding.original.line} is not NAME=value")
        if binding.key is not None:
            variables[binding.key] = binding.value or ""
    return Environment(process=dict(os.environ if process is None else process), file=variables, env_file=env_file)


def load_settings(settings_class: type[S], environment: Environment) -> S:
    """An instance of a frozen pydantic model from the variables named like its fields in upper case.

    An empty value counts as unset; a tuple, list or frozenset is written `A,B,C`. Raises Misconfigured with one
    line that names each faulty variable, where it came from and what is allowed, never the value of a secret.
    """
    from pydantic import ValidationError

    given = {
        name: _field_input(environment[name.upper()].strip(), info)
        for name, info in settings_class.model_fields.items()
        if environment.get(name.upper(), "").strip()
    }
    try:
        settings = settings_class.model_validate(given)
        faults = [
            _fault_line(name, "Input should be a finite number", settings_class, environment)
            for name in given
            if isinstance(number := getattr(settings, name), float) and not math.isfinite(number)
        ]
        if not faults:
            return settings
    except ValidationError as error:
        faults = [
            _fault_line(str((*fault["loc"], "")[0]), fault["msg"], settings_class, environment)
            for fault in error.errors(include_url=False, include_input=False)
        ]
    raise Misconfigured(" | ".join(faults))  # outside the handler: pydantic's error shows the values, secrets too


def unknown_variables(environment: Environment, settings_classes: Sequence[type[BaseModel]]) -> list[str]:
    """One line per variable that looks like a setting but is none, with the nearest known name.

    Looked at are all variables of the `.env` file but those of other programs' standards, and those of the process
    that start with one of a class's `ENV_PREFIXES: ClassVar[tuple[str, ...]]`.
    """
    from difflib import get_close_matches

    known = [name.upper() for each in settings_classes for name in each.model_fields]
    prefixes = tuple(prefix for each in settings_classes for prefix in getattr(each, "ENV_PREFIXES", ()))
    candidates = [*environment.file, *sorted(name for name in environment.process if name.startswith(prefixes))]
    lines = []
    for name in dict.fromkeys(each for each in candidates if each not in known and not each.startswith(STANDARDS)):
        nearest = get_close_matches(name.upper(), known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        lines.append(f"{name} ({environment.origin(name)}) is not a setting{hint}")
    return lines


def _is_secret(name: str, info: FieldInfo) -> bool:
    types = {getattr(each, "__name__", "") for each in (info.annotation, *get_args(info.annotation))}
    return name.upper().endswith(SECRET_SUFFIXES) or not types.isdisjoint({"SecretStr", "SecretBytes"})


def _field_input(text: str, info: FieldInfo) -> str | list[str]:
    if get_origin(info.annotation) in (tuple, list, frozenset):
        return [part for part in map(str.strip, text.split(",")) if part]
    return text


def _fault_line(name: str, message: str, settings_class: type[BaseModel], environment: Environment) -> str:
    """`IB_PORT=abc (from .env): what is wrong; allowed 1..65535`, on one line."""
    message = " ".join(message.removeprefix("Value error, ").split())
    for secret in environment.secrets((settings_class,)):
        if len(secret) >= SHORTEST_REDACTED:
            message = message.replace(secret, "***")  # a validator's own words may quote its input
    info = settings_class.model_fields.get(name)
    if info is None:
        return f"{settings_class.__name__}: {message}"
    variable = name.upper()
    if not (value := environment.get(variable, "").strip()):
        purpose = f": {info.description}" if info.description else ""
        return f"{variable} is not set, neither in the environment nor in {environment.env_file}{purpose}"
    shown = "***" if _is_secret(name, info) else value if value.isprintable() else repr(value)
    return f"{variable}={shown} ({environment.origin(variable)}): {message}{_bounds(info)}"


def _bounds(info: FieldInfo) -> str:
    """The bounds of a field: `; allowed 1..65535`, `; allowed > 0 and <= 1`, or nothing."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = {
        sign: getattr(rule, kind) for kind, sign in signs.items() for rule in info.metadata if hasattr(rule, kind)
    }
    if bounds.keys() == {">=", "<="}:
        return f"; allowed {bounds['>=']}..{bounds['<=']}"
    return "; allowed " * bool(bounds) + " and ".join(f"{sign} {bound}" for sign, bound in bounds.items())


def setup_logging(
    log_file: Path | None,
    level: int | str = logging.WARNING,
    *,
    secrets: Iterable[str] | None = None,
    file_only: Iterable[str] = (),
) -> None:
    """Readable lines to stderr from `level`, and to `log_file` from INFO (from `level` if that is lower). UTC.

    What the terminal's encoding cannot say (cp1252 under Windows) is printed as a question mark from now on.

    `secrets` (default: those of `read_environment()`) are blanked in messages and exception texts. Loggers of
    QUIET_LOGGERS are held at WARNING, those in `file_only` never reach stderr. A repeated call replaces the set-up.
    Raises Misconfigured on an unknown level or a file that cannot be written.
    """
    if isinstance(level, str):
        levels = logging.getLevelNamesMapping()
        if level.upper() not in levels:
            raise Misconfigured(f"log level {level!r} is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
        level = levels[level.upper()]
    redact = _Redact(Redaction(read_environment().secrets() if secrets is None else secrets))
    handlers: list[logging.Handler] = [logging.StreamHandler()]
    handlers[0].setLevel(level)
    unseen = frozenset(file_only)
    handlers[0].addFilter(lambda record: record.name not in unseen)
    if log_file is not None:
        try:
            log_file.parent.mkdir(parents=True, exist_ok=True)
            handlers.append(_LogFile(log_file, encoding="utf-8"))
        except OSError as error:
            raise Misconfigured(f"cannot write the log file {log_file}: {error.strerror}") from error
        handlers[1].setLevel(min(level, logging.INFO))
    root = logging.getLogger()
    for former in [handler for handler in root.handlers if handler.name in HANDLER_NAMES]:
        root.removeHandler(former)
        former.close()
    for handler, name in zip(handlers, HANDLER_NAMES, strict=False):
        handler.name = name
        handler.addFilter(redact)
        handler.setFormatter(_PlainLines())
        root.addHandler(handler)
    root.setLevel(min(handler.level for handler in handlers))
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


class Redaction:
    """Blanks secrets in texts, also as they stand in a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {secret for secret in secrets if len(secret) >= SHORTEST_REDACTED}
        written = known | {form for secret in known for form in (quote(secret), quote_plus(secret), quote(secret, ""))}
        self._secrets = sorted(written, key=lambda secret: (-len(secret), secret))  # a secret may hold another

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


class _LogFile(logging.FileHandler):
    """A log file. When it takes no more lines (a full disk) that is said once, in one line."""

    _is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._is_told:
            self._is_told = True
            sys.stderr.write(f"the log file {self.baseFilename} takes no more lines: {error.strerror}\n")

    def close(self) -> None:
        with suppress(OSError):  # what waits has been told of
            super().close()


class _Redact(logging.Filter):
    """Blanks secrets in a record before any handler formats it."""

    def __init__(self, blank: Redaction) -> None:
        super().__init__()
        self._blank = blank

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            text = record.getMessage()
        except Exception as error:  # noqa: BLE001 (a log call must not break its caller: the line says what happened)
            text = f"{record.pathname}:{record.lineno}: log message cannot be formatted: {type(error).__name__}"
        record.msg, record.args = self._blank(text), None
        if record.exc_info and not record.exc_text:
            record.exc_text = _PlainLines().formatException(record.exc_info)
        record.exc_text = self._blank(record.exc_text) if record.exc_text else None
        record.stack_info = self._blank(record.stack_info) if record.stack_info else None
        return True


class _PlainLines(logging.Formatter):
    """`2025-11-28T14:31:07.123Z WARNING broker.connection: text`, and `trace=...` where a decision is traced."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s%(trace)s")

    def format(self, record: logging.LogRecord) -> str:
        trace_id = getattr(record, "trace_id", "")
        record.trace = f" trace={trace_id}" if trace_id else ""
        return super().format(record)


def json_text(value: Any, indent: int | None = None) -> str:
    """`value` as JSON: dataclasses, NamedTuples, pydantic models, aware datetimes (as UTC), dates, paths, enums,
    decimals and numpy values in plain forms.

    Raises ValueError naming the key path on NaN, infinity or a naive datetime, TypeError on what has no JSON form.
    """
    return json.dumps(_plain(value, ""), indent=indent, ensure_ascii=False, allow_nan=False)


def write_json_atomically(path: Path, value: Any) -> None:
    """Replace `path` by `json_text(value)`: a reader or a power cut sees the old file or the new one, whole."""
    text = json_text(value, indent=2) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    # not tempfile: its files are private (0600), and a report is for others to read
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name is durable only once its directory is
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises Misconfigured with one line when it is missing, unreadable or malformed."""
    try:
        return json.loads(_read_text(path), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise Misconfigured(f"{path}: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise Misconfigured(f"{path}: {error}") from error


def _read_text(path: Path, absent: str | None = None) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors write a byte order mark
    except FileNotFoundError as error:
        if absent is not None:
            return absent
        raise Misconfigured(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise Misconfigured(f"{path}: not a UTF-8 text file") from error
    except OSError as error:
        raise Misconfigured(f"{path}: cannot be read: {error.strerror}") from error


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _plain(value: Any, where: str) -> Any:
    """`value` in the types of JSON. `where` is its key path, for messages."""
    here = where or "the value"
    if isinstance(value, Enum):
        return _plain(value.value, where)
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{here} is {value}: JSON has no such number")
        return float(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{here} is a naive datetime: {value!r}")
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path | Decimal):
        return str(value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return _plain(value.tolist(), where)
    if hasattr(value, "get_secret_value"):
        return "***"
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    elif is_dataclass(value) and not isinstance(value, type):
        value = {each.name: getattr(value, each.name) for each in fields(value)}
    elif hasattr(value, "model_dump") and not isinstance(value, type):
        value = value.model_dump()
    if isinstance(value, Mapping):
        return _plain_mapping(value, where)
    if isinstance(value, list | tuple):
        return [_plain(each, f"{where}[{index}]") for index, each in enumerate(value)]
    raise TypeError(f"{here} is a {type(value).__name__}: it has no JSON form")


def _plain_mapping(value: Mapping[Any, Any], where: str) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = _plain(key, where)
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise TypeError(f"{where or 'the value'} has the key {key!r}: a JSON key is a text")
        if (text := str(name)) in plain:
            raise ValueError(f"{where or 'the value'} has two keys written {text!r}")
        plain[text] = _plain(item, f"{where}.{text}" if where else text)
    return plain
