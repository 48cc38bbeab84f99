"""What a session trades with, as continuous improvement tells it."""

from __future__ import annotations

from dataclasses import dataclass

from improvement.parameters import ParameterSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The parameters of a session, the name of its variant, and what its user should know."""

    parameters: ParameterSet
    variant: str
    notes: tuple[str, ...] = ()
