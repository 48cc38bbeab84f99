"""What target weights may be, and the one function that makes any weights obey.

Weights are fractions of the capital that the weekly bot may use. The name, sector and cash limits are hard. The
turnover limit yields only to them: what has to be traded so that they hold is traded in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from portfolio.history import Floats

TOLERANCE = 1e-9
BISECTIONS = 60
FILLINGS = 40
MOST_SCALING = 1e6  # of a step: weights of almost nothing must not overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightLimits:
    """Fractions of one. Turnover is Σ|new − previous| of one cycle, purchases and sales both counted."""

    max_weight: float = 0.10
    max_sector_weight: float = 0.30
    min_cash: float = 0.02
    max_turnover: float = 0.60

    def __post_init__(self) -> None:
        for name in ("max_weight", "max_sector_weight", "min_cash"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}, not in 0 to 1")
        if not self.max_turnover >= 0.0:
            raise ValueError(f"max_turnover is {self.max_turnover}, not at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The names a portfolio may hold, in order, and what binds them.

    `locked` names are held and cannot be traded now (halted, no price, NEVER_TRADE): they keep their previous weight,
    and use up sector and capital, but are not measured against the name limit.
    """

    symbols: tuple[str, ...]
    sectors: tuple[str, ...]
    previous: Floats  # (n_names,), >= 0
    locked: tuple[bool, ...]
    limits: WeightLimits

    def __post_init__(self) -> None:
        count = len(self.symbols)
        if not count == len(self.sectors) == len(self.previous) == len(self.locked):
            raise ValueError("symbols, sectors, previous weights and locks differ in number")
        if not (np.isfinite(self.previous).all() and (self.previous >= 0).all()):
            raise ValueError("previous weights must be finite and not below zero")
        self.previous.flags.writeable = False

    @property
    def free(self) -> Floats:
        """1 for names that can be traded, 0 for locked ones (n_names,)."""
        return 1.0 - np.array(self.locked, dtype=np.float64)

    @property
    def room(self) -> float:
        """What tradable names may weigh together."""
        return max(1.0 - self.limits.min_cash - float(self._held_locked().sum()), 0.0)

    def sector_rooms(self) -> Mapping[str, float]:
        """What tradable names of each sector may weigh together."""
        held = self._held_locked()
        rooms = {}
        for sector in dict.fromkeys(self.sectors):
            members = np.array([other == sector for other in self.sectors])
            rooms[sector] = max(self.limits.max_sector_weight - float(held[members].sum()), 0.0)
        return MappingProxyType(rooms)

    def _held_locked(self) -> Floats:
        return np.asarray(self.previous * (1.0 - self.free))

    @property
    def turnover_allowed(self) -> float:
        """The turnover limit, or what the hard limits force where that is more."""
        return max(self.limits.max_turnover, turnover(lowered(self.previous, self), self.previous))


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A limit that weights do not obey."""

    rule: str
    subject: str
    limit: float
    actual: float


def turnover(weights: Floats, previous: Floats) -> float:
    """Σ|new − previous|: buying and selling everything is 2."""
    return float(np.abs(weights - previous).sum())


def lowered(wanted: Floats, bounds: Bounds) -> Floats:
    """`wanted` made to obey the hard limits by lowering tradable names only. NaN and short weights become zero."""
    sane = np.where(np.isfinite(wanted), wanted, 0.0)
    weights = np.clip(sane, 0.0, bounds.limits.max_weight) * bounds.free
    for sector, room in bounds.sector_rooms().items():
        members = np.array([other == sector for other in bounds.sectors])
        total = float(weights[members].sum())
        if total > room:
            weights[members] *= room / total
    total = float(weights.sum())
    if total > bounds.room:
        weights *= bounds.room / total
    return np.asarray(np.where(np.array(bounds.locked), bounds.previous, weights))


def filled(wanted: Floats, bounds: Bounds) -> Floats:
    """`wanted` made to obey the hard limits and scaled towards all the room there is, in its own proportions."""
    weights = lowered(wanted, bounds) * bounds.free
    for _ in range(FILLINGS):
        total = float(weights.sum())
        if total <= 0.0 or total >= bounds.room - TOLERANCE:
            break
        weights = lowered(weights * min(bounds.room / total, MOST_SCALING), bounds) * bounds.free
    return lowered(weights, bounds)


def obeying(wanted: Floats, bounds: Bounds) -> Floats:
    """The weights nearest to `wanted`, on the way there from today's, that obey every limit.

    Weights that obey the hard limits form a convex set, and turnover is convex along the line from what those limits
    make of today's weights (which the turnover allows by definition) to what they make of the wanted ones.
    """
    goal, start = lowered(wanted, bounds), lowered(bounds.previous, bounds)
    allowed = bounds.turnover_allowed
    if turnover(goal, bounds.previous) <= allowed:
        return goal
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2.0
        if turnover(start + middle * (goal - start), bounds.previous) <= allowed:
            low = middle
        else:
            high = middle
    weights = start + low * (goal - start)
    return np.asarray(np.where(np.array(bounds.locked), bounds.previous, weights))


def breaches(weights: Floats, bounds: Bounds) -> tuple[Breach, ...]:
    """Every limit that `weights` break by more than rounding; judged name by name, apart from `obeying`."""
    found = []
    for i, symbol in enumerate(bounds.symbols):
        weight, before = float(weights[i]), float(bounds.previous[i])
        if bounds.locked[i]:
            if abs(weight - before) > TOLERANCE:
                found.append(Breach(rule="locked", subject=symbol, limit=before, actual=weight))
        elif not 0.0 <= weight <= bounds.limits.max_weight + TOLERANCE:
            found.append(Breach(rule="max_weight", subject=symbol, limit=bounds.limits.max_weight, actual=weight))
    for sector in sorted(set(bounds.sectors)):
        members = [i for i, other in enumerate(bounds.sectors) if other == sector]
        held = sum(float(weights[i]) for i in members)
        stuck = sum(float(bounds.previous[i]) for i in members if bounds.locked[i])
        limit = max(bounds.limits.max_sector_weight, stuck)
        if held > limit + TOLERANCE:
            found.append(Breach(rule="max_sector_weight", subject=sector, limit=limit, actual=held))
    stuck = sum(float(w) for w, locked in zip(bounds.previous, bounds.locked, strict=True) if locked)
    invested, most = float(weights.sum()), max(1.0 - bounds.limits.min_cash, stuck)
    if invested > most + TOLERANCE:
        found.append(Breach(rule="min_cash", subject="portfolio", limit=most, actual=invested))
    traded = turnover(weights, bounds.previous)
    if traded > bounds.turnover_allowed + TOLERANCE:
        found.append(Breach(rule="max_turnover", subject="portfolio", limit=bounds.turnover_allowed, actual=traded))
    return tuple(found)
