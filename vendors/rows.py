"""What a row of a vendor must be. A row that is not is dropped, counted and named; nothing in it is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

NAMEABLE = re.compile(r"[A-Z0-9.^-]{1,12}")  # nothing else of a bad row is repeated in a log
MIDNIGHT = re.compile(r"T00:00:00(\.0+)?Z$")  # the form of a day in the examples of Polygon's description
MOST_NAMED = 20  # dropped rows that are named; all are counted


def _day(value: Any) -> Any:
    return date.fromisoformat(MIDNIGHT.sub("", value)) if isinstance(value, str) else value


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    when = datetime.fromisoformat(value)
    if when.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return when.astimezone(UTC)


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value  # 99.0 is the number 99


Symbol = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[A-Z0-9^][A-Za-z0-9.\-^=:/]*$")]
Text = Annotated[str, Field(max_length=50_000)]
Day = Annotated[date, BeforeValidator(_day)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Stamp = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d:\d\d\S*)?$", max_length=40)]  # zone or none
LocalTime = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")]  # without an offset
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e18, le=1e18)]
Price = Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e8)]
Volume = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e13)]
Whole = Annotated[int, BeforeValidator(_whole)]
Count = Annotated[Whole, Field(ge=0)]
Year = Annotated[str, Field(pattern=r"^\d{4}$")]
MaybeDay = Annotated[date | None, BeforeValidator(lambda value: _day(_blank_is_none(value)))]


class Row(BaseModel):
    """Strict: a number in quotes is no number, a flag is no number. Unknown keys are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", alias_generator=to_camel)


class Figures(Row):
    """A wide row of numbers under the vendor's own names; those that the program uses are fields."""

    model_config = ConfigDict(extra="allow")

    @model_validator(mode="after")
    def _figures_are_plain(self) -> Figures:
        for name, value in (self.model_extra or {}).items():
            if isinstance(value, bool | list | dict):
                raise ValueError(f"{name} is no number or text")
            if isinstance(value, int | float) and not -1e18 <= value <= 1e18:
                raise ValueError(f"{name} is absurd")
        return self

    def figure(self, name: str) -> float | None:
        """The number under the vendor's name; None when it is absent, null or a text."""
        value = (self.model_extra or {}).get(name)
        return float(value) if isinstance(value, int | float) else None


R = TypeVar("R", bound=Row)


class Checked(NamedTuple, Generic[R]):
    """Rows that are what they must be, how many were not, and the first of those by name and fault."""

    rows: tuple[R, ...]
    dropped: int
    named: tuple[str, ...]


def check_rows(model: type[R], raw: Sequence[Any]) -> Checked[R]:
    """Keep the batch, drop the bad rows."""
    rows: list[R] = []
    named: list[str] = []
    dropped = 0
    for number, item in enumerate(raw):
        try:
            rows.append(model.model_validate(item))
        except ValidationError as error:
            dropped += 1
            if len(named) < MOST_NAMED:
                named.append(_name(number, item, error))
    return Checked(tuple(rows), dropped, tuple(named))


def _name(number: int, item: Any, error: ValidationError) -> str:
    """`row 3 (AAPL): price: input should be greater than 0`, without the value: that may be anything."""
    symbol = next((item[key] for key in ("symbol", "ticker", "T") if key in item), "") if isinstance(item, dict) else ""
    who = f" ({symbol})" if isinstance(symbol, str) and NAMEABLE.fullmatch(symbol) else ""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"row {number}{who}: {where or 'the row'}: {fault['type'].replace('_', ' ')}"
