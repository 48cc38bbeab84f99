"""A set of strategy parameters in the units of suggestions, and how far it may move in a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from evidence.suggestions import bounded
from trading.settings import StrategySettings
from trading.strategy import Parameters

PERCENT_BPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    """What may change. The fields are the names of `evidence.suggestions.BOUNDS`.

    `position_size_pct` is of the account; None gives each symbol an equal share of the allocation.
    """

    profit_target_pct: float
    stop_loss_pct: float
    rsi_cap: float
    atr_floor_pct: float
    position_size_pct: float | None = None

    @classmethod
    def of_settings(cls, strategy: StrategySettings) -> ParameterSet:
        """What `.env` says."""
        return cls(**{name: getattr(strategy, f"strategy_{name}") for name in NAMES})

    def settings(self, strategy: StrategySettings) -> StrategySettings:
        """`strategy` with these parameters instead of its own."""
        return strategy.model_copy(update={f"strategy_{name}": value for name, value in self.values().items()})

    def rules(self) -> Parameters:
        """The set in the units of the rules."""
        return Parameters(
            profit_target_bps=round(self.profit_target_pct * PERCENT_BPS),
            stop_loss_bps=round(self.stop_loss_pct * PERCENT_BPS),
            rsi_cap=self.rsi_cap,
            atr_floor_pct=self.atr_floor_pct,
            position_bps=round((self.position_size_pct or 0.0) * PERCENT_BPS),
        )

    def values(self) -> dict[str, float | None]:
        """name -> value, in a fixed order."""
        return {name: getattr(self, name) for name in NAMES}

    def numbers(self, equal_share_pct: float) -> dict[str, float]:
        """name -> value as a number; an equal share is worth `equal_share_pct` of the account."""
        return {name: equal_share_pct if value is None else value for name, value in self.values().items()}

    def differences(self, other: ParameterSet) -> dict[str, tuple[float | None, float | None]]:
        """name -> value here and there, of what differs."""
        there = other.values()
        return {name: (value, there[name]) for name, value in self.values().items() if value != there[name]}

    def with_values(self, values: Mapping[str, float | None]) -> ParameterSet:
        """Another set; an unknown name raises TypeError."""
        return replace(self, **values)  # type: ignore[arg-type]  # names are checked by `replace`

    def __str__(self) -> str:
        """The set in a line that is the same for equal sets, and its key where sets are counted."""
        return " ".join(f"{name}={'equal' if value is None else f'{value:g}'}" for name, value in self.values().items())


NAMES = tuple(field.name for field in fields(ParameterSet))


def towards(present: ParameterSet, wanted: Mapping[str, float], equal_share_pct: float) -> ParameterSet:
    """`present`, each parameter of `wanted` moved towards its value: at most a step, never out of bounds.

    The only way by which any source moves a parameter. `equal_share_pct` is what a position without a size of its own
    is worth, percent of the account. Raises KeyError for an unknown parameter, ValueError for what is no number.
    """
    moved: dict[str, float | None] = {}
    for name, value in wanted.items():
        now = getattr(present, name, None)
        stepped = bounded(name, equal_share_pct if now is None else now, value)
        if stepped is not None:
            moved[name] = stepped
    return present.with_values(moved)
