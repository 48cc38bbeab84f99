"""How a program's settings are loaded: one `.env` serves all bots, and each gives the model of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import ClassVar, Self, TypeVar, get_type_hints

from pydantic import BaseModel

from utils import Environment, load_settings, unknown_variables

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """One checked value of each settings class that a program reads: a field of the subclass each, in their order."""

    READ_BESIDE: ClassVar[tuple[type[BaseModel], ...]] = ()  # by other parts of the program, from the same variables

    @classmethod
    def load(cls, environment: Environment) -> Self:
        """Raises Misconfigured with the first faulty class, in one line."""
        return cls(**{name: load_settings(each, environment) for name, each in cls._fields().items()})

    @classmethod
    def settings_classes(cls) -> tuple[type[BaseModel], ...]:
        """Every class whose fields are variables of `.env` for this program."""
        return (*cls._fields().values(), *cls.READ_BESIDE)

    @classmethod
    def _fields(cls) -> dict[str, type[BaseModel]]:
        types = get_type_hints(cls)
        return {field.name: types[field.name] for field in fields(cls)}


C = TypeVar("C", bound=Configuration)


def read_configuration(environment: Environment, own: type[C], *others: type[Configuration]) -> C:
    """The settings of the program `own`; a variable that no program knows is warned of. Raises Misconfigured."""
    known = [*own.settings_classes(), *(each for other in others for each in other.settings_classes())]
    for line in unknown_variables(environment, tuple(dict.fromkeys(known))):
        log.warning(line)
    return own.load(environment)
