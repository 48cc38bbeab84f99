"""An experiment: the set in force against one other, promised beforehand, compared on the same sessions.

Live sessions alternate between the two variants. The verdict never rests on them: both variants are replayed on every
recorded session since the registration, so that each session gives one paired difference.
"""

from __future__ import annotations

from dataclasses import dataclass

from evidence.bootstrap import Floats
from evidence.experiments import Registration, Standing, standing
from improvement.gate import ALPHA, LEAST_EFFECT_BPS, WINDOW, Replays
from improvement.parameters import ParameterSet

BASELINE = "baseline"  # the name of the set in force among variants


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """What was registered after session number `registered_at` (`Memory.sessions`), on the date `registered_on`."""

    baseline: ParameterSet
    candidate: ParameterSet
    reasons: tuple[str, ...]
    registered_on: str
    registered_at: int

    @property
    def name(self) -> str:
        """Unique: one experiment at most is registered after a session."""
        return f"{self.registered_on} {self.variant}"

    @property
    def variant(self) -> str:
        """What the candidate is called: by what differs."""
        moved = self.candidate.differences(self.baseline)
        return " ".join(f"{name}={'equal' if value is None else f'{value:g}'}" for name, (value, _) in moved.items())

    @property
    def registration(self) -> Registration:
        """The promise. `Registration.alpha` is of both sides, an adoption errs on one."""
        return Registration(
            name=self.name,
            baseline=str(self.baseline),
            candidate=str(self.candidate),
            horizon_days=WINDOW,
            least_effect_bps=LEAST_EFFECT_BPS,
            alpha=2 * ALPHA,
        )

    def variant_after(self, sessions: int) -> str:
        """The variant of the session that follows `sessions` sessions: the candidate first, then in turns."""
        return self.variant if (sessions - self.registered_at) % 2 == 0 else BASELINE

    def set_of(self, variant: str) -> ParameterSet:
        """The parameters of a variant."""
        return self.candidate if variant == self.variant else self.baseline

    def shadow_bps(self, replays: Replays) -> Floats:
        """Results (2, n_sessions) of baseline and candidate on the recorded sessions since the registration."""
        since = [number for number, day in enumerate(replays.sessions) if day > self.registered_on]
        return replays.bps([self.baseline, self.candidate])[:, since]

    def standing(self, replays: Replays) -> Standing:
        """Where it is now."""
        baseline, candidate = self.shadow_bps(replays)
        return standing(self.registration, candidate - baseline)
