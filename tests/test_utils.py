"""Settings, logging and JSON files as the user meets them: what is read, what is refused, what is never shown."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from utils import (
    QUIET_LOGGERS,
    Environment,
    Misconfigured,
    load_settings,
    read_environment,
    read_json,
    setup_logging,
    unknown_variables,
    write_json_atomically,
)

ROOT = Path(__file__).resolve().parents[1]
KEY = "s3cr3t-0123456789"


class GatewaySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("IB_",)

    ib_host: str = "127.0.0.1"
    ib_port: int = Field(4001, ge=1, le=65535, description="socket port of the gateway")
    max_loss_usd: float = Field(500.0, gt=0)
    share: float = Field(0.1, gt=0, le=1)
    never_trade: tuple[str, ...] = ()
    fmp_api_key: SecretStr = SecretStr("")
    login: SecretStr = Field(SecretStr(""), min_length=8)


def environment(env_file: str = "", **process: str) -> Environment:
    lines = (line.partition("=") for line in env_file.splitlines())
    return Environment(process=process, file={name: value for name, _, value in lines}, env_file=Path(".env"))


# --- settings ---------------------------------------------------------------------------------------------------


def test_absent_env_file_leaves_the_process_alone(tmp_path: Path) -> None:
    assert dict(read_environment(tmp_path / ".env", process={"IB_PORT": "4002"})) == {"IB_PORT": "4002"}


def test_process_wins_over_env_file_and_each_origin_is_known(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("IB_PORT=4002\nexport IB_HOST='10.0.0.1'  # the office\n", encoding="utf-8")
    read = read_environment(tmp_path / ".env", process={"IB_PORT": "7496"})
    assert dict(read) == {"IB_PORT": "7496", "IB_HOST": "10.0.0.1"}
    assert read.origin("IB_PORT") == "from the environment"
    assert read.origin("IB_HOST") == f"from {tmp_path / '.env'}"


def test_process_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IB_PORT", "4003")
    assert read_environment(tmp_path / ".env")["IB_PORT"] == "4003"


def test_env_file_may_start_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfIB_PORT=4002\n")
    assert read_environment(tmp_path / ".env", process={})["IB_PORT"] == "4002"


@pytest.mark.parametrize("line", ["IB_PORT 4002", "IB_PORT", "IB_HOST='open"])
def test_line_that_is_no_assignment_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / ".env").write_text(f"# comment\n{line}\n", encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"\.env: line 2 is not NAME=value$"):
        read_environment(tmp_path / ".env", process={})


def test_env_file_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_environment(tmp_path, process={})


def test_values_are_not_in_the_repr_of_an_environment() -> None:
    assert KEY not in repr(environment(f"FMP_API_KEY={KEY}", DEEPSEEK_API_KEY=KEY))


def test_fields_take_the_variables_of_their_name_in_upper_case() -> None:
    settings = load_settings(GatewaySettings, environment("IB_PORT=4002\nSHARE= 0.5 ", IB_HOST="10.0.0.1"))
    assert (settings.ib_port, settings.share, settings.ib_host, settings.max_loss_usd) == (
        4002,
        0.5,
        "10.0.0.1",
        500.0,
    )


def test_list_is_written_with_commas() -> None:
    assert load_settings(GatewaySettings, environment("NEVER_TRADE=GME, AMC,")).never_trade == ("GME", "AMC")


def test_empty_value_counts_as_unset() -> None:
    assert load_settings(GatewaySettings, environment("IB_PORT=")).ib_port == 4001


def test_empty_value_in_the_process_unsets_the_file() -> None:
    assert load_settings(GatewaySettings, environment("IB_PORT=4002", IB_PORT="")).ib_port == 4001


@pytest.mark.parametrize(
    ("file", "line"),
    [
        (
            "IB_PORT=abc",
            "IB_PORT=abc (from .env): Input should be a valid integer, unable to parse string as an integer; "
            "allowed 1..65535",
        ),
        ("IB_PORT=0", "IB_PORT=0 (from .env): Input should be greater than or equal to 1; allowed 1..65535"),
        ("MAX_LOSS_USD=-1", "MAX_LOSS_USD=-1 (from .env): Input should be greater than 0; allowed > 0"),
        ("SHARE=2", "SHARE=2 (from .env): Input should be less than or equal to 1; allowed > 0 and <= 1"),
        ("MAX_LOSS_USD=inf", "MAX_LOSS_USD=inf (from .env): Input should be a finite number; allowed > 0"),
    ],
)
def test_fault_is_one_line_with_value_origin_and_bounds(file: str, line: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(GatewaySettings, environment(file))
    assert str(caught.value) == line


def test_not_a_number_is_refused_as_a_bound() -> None:
    with pytest.raises(Misconfigured, match="MAX_LOSS_USD=nan"):
        load_settings(GatewaySettings, environment("MAX_LOSS_USD=nan"))


def test_all_faults_stand_on_the_one_line() -> None:
    with pytest.raises(Misconfigured) as caught:
        load_settings(GatewaySettings, environment("IB_PORT=abc", SHARE="x\ny"))
    first, second = str(caught.value).split(" | ")
    assert first.startswith("IB_PORT=abc (from .env)")
    assert second.startswith(r"SHARE='x\ny' (from the environment)")
    assert "\n" not in str(caught.value)


def test_required_variable_that_is_absent_is_named_with_its_purpose() -> None:
    class VendorSettings(BaseModel):
        polygon_api_key: SecretStr = Field(description="market data")

    with pytest.raises(Misconfigured) as caught:
        load_settings(VendorSettings, environment())
    assert str(caught.value) == "POLYGON_API_KEY is not set, neither in the environment nor in .env: market data"


def test_rule_between_fields_names_the_settings_class() -> None:
    class Limits(BaseModel):
        low: int = 1
        high: int = 2

        @model_validator(mode="after")
        def _ordered(self) -> Limits:
            if self.low > self.high:
                raise ValueError("LOW must not be above HIGH")
            return self

    with pytest.raises(Misconfigured, match=r"^Limits: LOW must not be above HIGH$"):
        load_settings(Limits, environment("LOW=3"))


def test_value_of_a_secret_is_never_shown() -> None:
    class VendorSettings(BaseModel):
        fmp_api_key: int = 0
        login: SecretStr = Field(SecretStr(""), max_length=2)

        @model_validator(mode="before")
        @classmethod
        def _quotes_its_input(cls, given: dict[str, Any]) -> dict[str, Any]:
            if "quote" in given.get("fmp_api_key", ""):
                raise ValueError(f"odd: {given}")
            return given

    for variables in ({"FMP_API_KEY": KEY}, {"LOGIN": KEY}, {"FMP_API_KEY": f"quote-{KEY}"}):
        with pytest.raises(Misconfigured) as caught:
            load_settings(VendorSettings, environment(**variables))
        assert KEY not in str(caught.value)
        assert "***" in str(caught.value)
        assert caught.value.__context__ is None  # pydantic's own error would show it in a traceback


def test_secrets_are_known_by_ending_or_by_type_in_file_and_process() -> None:
    read = environment("FMP_API_KEY=in-file\nIB_PORT=1", FMP_API_KEY="in-process", LOGIN="typed", X_TOKEN="")
    assert read.secrets() == ("in-file", "in-process")
    assert read.secrets([GatewaySettings]) == ("in-file", "in-process", "typed")


def test_unknown_variables_of_the_file_are_reported_with_the_nearest_name() -> None:
    lines = unknown_variables(environment("IB_PROT=4002\nib_port=1\nIB_HOST=x\nZZZ=1"), [GatewaySettings])
    assert lines == [
        "IB_PROT (from .env) is not a setting; did you mean IB_PORT?",
        "ib_port (from .env) is not a setting; did you mean IB_PORT?",
        "ZZZ (from .env) is not a setting",
    ]


def test_variables_of_a_standard_may_stand_in_the_file() -> None:
    assert unknown_variables(environment("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317"), [GatewaySettings]) == []


def test_unknown_variables_of_the_process_are_reported_only_under_a_known_prefix() -> None:
    lines = unknown_variables(environment(IB_PROT="1", PATH="/bin", IB_PORT="2"), [GatewaySettings])
    assert lines == ["IB_PROT (from the environment) is not a setting; did you mean IB_PORT?"]


def test_no_settings_class_means_no_word_about_the_process() -> None:
    assert unknown_variables(environment(PATH="/bin"), []) == []


# --- logging ----------------------------------------------------------------------------------------------------


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Puts the loggers back, and closes the files that the test opened."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    quiet = {name: logging.getLogger(name).level for name in QUIET_LOGGERS}
    yield
    for handler in [each for each in root.handlers if each not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    for name, was in quiet.items():
        logging.getLogger(name).setLevel(was)


@pytest.mark.usefixtures("restored_logging")
class TestLogging:
    log = logging.getLogger("tests.utils")

    def test_file_gets_info_and_stderr_warnings(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = tmp_path / "logs" / "day.log"
        setup_logging(file, secrets=())
        self.log.debug("wire")
        self.log.info("tick %d", 7)
        self.log.warning("late")
        assert [line.split(" ", 1)[1] for line in file.read_text(encoding="utf-8").splitlines()] == [
            "INFO tests.utils: tick 7",
            "WARNING tests.utils: late",
        ]
        (shown,) = capsys.readouterr().err.splitlines()
        assert shown.endswith("Z WARNING tests.utils: late")

    def test_time_stamps_are_utc(self, tmp_path: Path) -> None:
        setup_logging(tmp_path / "log", secrets=())
        record = self.log.makeRecord("x", logging.WARNING, "f", 1, "text", (), None)
        record.created, record.msecs = 1764340267.25, 250.0  # 2025-11-28 14:31:07.25 UTC
        self.log.handle(record)
        assert (tmp_path / "log").read_text(encoding="utf-8") == "2025-11-28T14:31:07.250Z WARNING x: text\n"

    def test_a_logger_for_the_file_only_is_silent_on_the_terminal(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        setup_logging(tmp_path / "log", secrets=(), file_only=("tests.library",))
        logging.getLogger("tests.library").error("told twice")
        logging.getLogger("tests.library.deeper").error("told once")
        assert [line.split(": ")[1] for line in (tmp_path / "log").read_text(encoding="utf-8").splitlines()] == [
            "told twice",
            "told once",
        ]
        assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == ["told once"]

    def test_lower_level_reaches_both(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        setup_logging(tmp_path / "log", "debug", secrets=())
        self.log.debug("wire")
        assert "wire" in (tmp_path / "log").read_text(encoding="utf-8")
        assert "wire" in capsys.readouterr().err

    def test_secret_is_blanked_in_message_arguments_exception_and_stack(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        setup_logging(tmp_path / "log", secrets=(KEY, "short"))
        try:
            try:
                raise KeyError(f"inner {KEY}")
            except KeyError as inner:
                raise RuntimeError(f"outer {KEY}") from inner
        except RuntimeError:
            self.log.exception("url?apikey=%s short", KEY, stack_info=True)
        for text in ((tmp_path / "log").read_text(encoding="utf-8"), capsys.readouterr().err):
            assert KEY not in text
            assert "url?apikey=*** short" in text  # a value under 8 characters is an ordinary word
            assert "inner ***" in text
            assert "outer ***" in text

    def test_secret_that_holds_another_is_blanked_whole(self, tmp_path: Path) -> None:
        setup_logging(tmp_path / "log", secrets=(KEY, f"{KEY}-and-more"))
        self.log.warning("%s-and-more", KEY)
        assert (tmp_path / "log").read_text(encoding="utf-8").endswith(" tests.utils: ***\n")

    def test_secrets_of_env_file_are_the_default(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / ".env").write_text(f"FMP_API_KEY={KEY}\n", encoding="utf-8")
        setup_logging(tmp_path / "log")
        self.log.warning("key %s", KEY)
        assert (tmp_path / "log").read_text(encoding="utf-8").endswith("key ***\n")

    def test_message_that_cannot_be_formatted_does_not_break_its_caller(self, tmp_path: Path) -> None:
        setup_logging(tmp_path / "log", secrets=())
        record = self.log.makeRecord("x", logging.WARNING, "day.py", 7, "%d shares", ("many",), None)
        logging.getLogger().handlers[-1].handle(record)  # only ours: pytest's own handler raises
        line = (tmp_path / "log").read_text(encoding="utf-8")
        assert line.endswith("x: day.py:7: log message cannot be formatted: TypeError\n")

    def test_wire_loggers_are_held_at_warning(self, tmp_path: Path) -> None:
        setup_logging(tmp_path / "log", secrets=())
        logging.getLogger("ib_insync.client").info("each message")
        logging.getLogger("ib_insync.client").warning("lost")
        assert "each message" not in (tmp_path / "log").read_text(encoding="utf-8")
        assert "lost" in (tmp_path / "log").read_text(encoding="utf-8")

    def test_repeated_set_up_replaces_the_former(self, tmp_path: Path) -> None:
        setup_logging(tmp_path / "first", secrets=())
        setup_logging(tmp_path / "second", secrets=())
        self.log.warning("once")
        assert (tmp_path / "first").read_text(encoding="utf-8") == ""
        assert (tmp_path / "second").read_text(encoding="utf-8").count("once") == 1

    def test_unknown_level_and_unwritable_file_are_misconfigured(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match="'loud' is not one of DEBUG, INFO"):
            setup_logging(None, "loud", secrets=())
        with pytest.raises(Misconfigured, match="cannot write the log file"):
            setup_logging(tmp_path, secrets=())


# --- JSON files -------------------------------------------------------------------------------------------------


class Side(StrEnum):
    BUY = "BUY"


class Level(Enum):
    HIGH = 2


class Point(NamedTuple):
    at: date
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    points: tuple[Point, ...]
    side: Side


def test_values_of_the_program_are_written_as_plain_json_in_their_order(tmp_path: Path) -> None:
    new_york = timezone(timedelta(hours=-5))
    value = {
        "z": Report(points=(Point(at=date(2025, 11, 28), price=1.5),), side=Side.BUY),
        "a": datetime(2025, 11, 28, 9, 31, tzinfo=new_york),
        "path": Path("reports/x.html"),
        "numpy": [np.float64(0.5), np.int64(3), np.bool_(True), np.array([1, 2])],
        "enum": Level.HIGH,
        "secret": SecretStr(KEY),
        date(2025, 11, 28): {1: None},
    }
    write_json_atomically(tmp_path / "new" / "report.json", value)
    text = (tmp_path / "new" / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == {
        "z": {"points": [{"at": "2025-11-28", "price": 1.5}], "side": "BUY"},
        "a": "2025-11-28T14:31:00+00:00",
        "path": "reports/x.html",
        "numpy": [0.5, 3, True, [1, 2]],
        "enum": 2,
        "secret": "***",
        "2025-11-28": {"1": None},
    }
    assert list(json.loads(text))[:2] == ["z", "a"]
    assert text.startswith('{\n  "z": {\n')
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ({"days": [{"sharpe": float("nan")}]}, ValueError, r"days\[0\]\.sharpe is nan"),
        ([np.float32("inf")], ValueError, r"\[0\] is inf"),
        (float("-inf"), ValueError, "the value is -inf"),
        ({"at": datetime(2025, 11, 28)}, ValueError, "at is a naive datetime"),  # noqa: DTZ001 (the fault)
        ({"symbols": {"AAPL", "MSFT"}}, TypeError, "symbols is a set"),
        ({"key": {(1, 2): 3}}, TypeError, r"key has the key \(1, 2\)"),
        ({"key": {1: "a", "1": "b"}}, ValueError, "key has two keys written '1'"),
    ],
)
def test_value_without_a_json_form_is_refused_with_its_key_path(
    tmp_path: Path, value: Any, error: type[Exception], words: str
) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(error, match=words):
        write_json_atomically(path, value)
    assert path.read_text(encoding="utf-8") == "old"


def test_failed_replacement_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.json"
    write_json_atomically(path, {"day": 1})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_json_atomically(path, {"day": 2})
    assert read_json(path) == {"day": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_written_file_is_as_readable_as_any_other_of_the_user(tmp_path: Path) -> None:
    write_json_atomically(tmp_path / "report.json", {})
    (tmp_path / "plain").write_text("", encoding="utf-8")
    assert (tmp_path / "report.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": 1,\n  b: 2}', r"x\.json: line 2, column 3: Expecting property name"),
        (b"", r"x\.json: line 1, column 1: Expecting value$"),
        (b"[NaN]", r"x\.json: NaN is not JSON$"),
        (b"\xff\xfe", r"x\.json: not a UTF-8 text file$"),
    ],
)
def test_malformed_file_is_misconfigured_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(Misconfigured, match=words) as caught:
        read_json(tmp_path / "x.json")
    assert "\n" not in str(caught.value)


def test_missing_file_and_directory_are_misconfigured(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"x\.json: no such file$"):
        read_json(tmp_path / "x.json")
    with pytest.raises(Misconfigured, match="cannot be read: Is a directory"):
        read_json(tmp_path)


def test_import_of_utils_loads_nothing_but_the_standard_library() -> None:
    code = "import json, sys; before = set(sys.modules); import utils; print(json.dumps([*sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"pydantic", "dotenv", "numpy", "pandas", "ib_insync", "asyncio", "difflib"}
