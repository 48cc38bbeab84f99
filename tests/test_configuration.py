"""One `.env` for all bots: each loads its own settings, and knows the others' names."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field

from configuration import Configuration, read_configuration
from utils import Environment, Misconfigured


class MillSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("MILL_",)

    mill_sails: int = Field(4, ge=2, le=6)


class BakerySettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("BAKERY_",)

    bakery_ovens: int = Field(1, ge=1)


class BeltSettings(BaseModel):
    belt_width_mm: int = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Mill(Configuration):
    READ_BESIDE = (BeltSettings,)

    mill: MillSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Bakery(Configuration):
    bakery: BakerySettings
    mill: MillSettings


def variables(**values: str) -> Environment:
    return Environment(process={}, file=values, env_file=Path(".env"))


def test_each_program_loads_its_own_classes_and_names_what_is_read_beside_them() -> None:
    bakery = Bakery.load(variables(MILL_SAILS="6", BAKERY_OVENS="2"))
    assert (bakery.bakery.bakery_ovens, bakery.mill.mill_sails) == (2, 6)
    assert (Bakery.settings_classes(), Mill.settings_classes()) == (
        (BakerySettings, MillSettings),
        (MillSettings, BeltSettings),
    )


def test_the_first_faulty_class_is_told() -> None:
    with pytest.raises(Misconfigured, match=r"^BAKERY_OVENS=0 "):
        Bakery.load(variables(MILL_SAILS="60", BAKERY_OVENS="0"))


def test_variables_of_the_other_program_are_known_and_others_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    environment = variables(MILL_SAILS="5", BAKERY_OVENS="2", BELT_WIDTH_MM="70", BAKERY_OVEN="3")
    with caplog.at_level(logging.WARNING):
        assert read_configuration(environment, Mill, Bakery).mill.mill_sails == 5
    assert [record.message for record in caplog.records] == [
        "BAKERY_OVEN (from .env) is not a setting; did you mean BAKERY_OVENS?"
    ]
