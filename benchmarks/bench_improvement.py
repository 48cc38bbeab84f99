"""Whether improvement improves: the decisions of the cycle, driven over years of sessions without the daemon.

`PYTHONPATH=. python benchmarks/bench_improvement.py [--seeds N] [--processes N]`. Sessions are played by the engine
that makes the day trader's round trips; candidates, gate, experiments and rollback are those of `improvement/`. Prints

- adaptive against frozen on a market whose drift and volatility switch,
- how often a planted improvement is adopted within 60 sessions,
- how often anything is changed on a market without an edge, and what the changes were worth.

The exit code is 1 when a goal is missed. What it found is in `Documentation/IMPROVEMENT.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import TypeVar

import numpy as np
from scipy import stats

from benchmarks.switching_market import NO_EDGE, SWITCHING, SYMBOLS, Kind, SwitchingMarket
from continuous_improvement import MarketRegimeDetector
from evidence.bootstrap import Floats
from evidence.regime import Regime, watchlist_index
from improvement.deciding import decide
from improvement.decision import Change, Memory
from improvement.experiment import BASELINE
from improvement.gate import WINDOW
from improvement.parameters import ParameterSet
from research.engine import plan, sweep
from research.source import Bars, fixed_watchlist, load
from research.stress import with_doubled_costs
from trading.settings import RiskSettings, StrategySettings

FROZEN = ParameterSet.of_settings(StrategySettings())
PLANTED = FROZEN.with_values({"atr_floor_pct": 2.0})
EQUITY_USD, ALLOCATION = 1e6, 0.25
EQUAL_SHARE_PCT = 100 * ALLOCATION / len(SYMBOLS)
TRAPS = 4
SESSIONS = 120  # of a comparison
NULL_RUNS, NULL_SEEDS = 200, 8  # runs of `WINDOW` sessions each, drawn from those of so many markets without an edge
LEAST_LOWER_BPS, LEAST_PLANTED_BPS, LEAST_ADOPTED, MOST_FALSE = -2.0, 5.0, 0.60, 0.05  # the goals

R = TypeVar("R")


class Results:
    """What sessions bring under any set, in bps of the equity at their open. Each set is played once.

    `centred`: less each set's mean over all sessions, so that no set is better than another.
    """

    def __init__(self, markets: Sequence[Bars], *, centred: bool = False) -> None:
        self._markets = {False: list(markets)}
        self._centred = centred
        self._known: dict[tuple[ParameterSet, bool], Floats] = {}

    def of(self, sets: Sequence[ParameterSet], *, stressed: bool = False) -> Floats:
        """(n_sets, n_sessions); `stressed`: all costs doubled."""
        new = [each for each in dict.fromkeys(sets) if (each, stressed) not in self._known]
        if new:
            if stressed and stressed not in self._markets:
                self._markets[stressed] = [with_doubled_costs(bars) for bars in self._markets[False]]
            played = np.concatenate([_played(bars, new) for bars in self._markets[stressed]], axis=1)
            if self._centred:
                played -= played.mean(axis=1, keepdims=True)
            self._known |= {(each, stressed): row for each, row in zip(new, played, strict=True)}
        return np.stack([self._known[each, stressed] for each in sets])


def _played(bars: Bars, sets: Sequence[ParameterSet]) -> Floats:
    on = plan(EQUITY_USD, ALLOCATION, RiskSettings())
    results = sweep(bars, [each.rules() for each in sets], on).results
    return np.asarray(results / (on.equity + results.cumsum(axis=1) - results) * 1e4, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Past:
    """`improvement.gate.Replays`: the sessions until now, which are `places` of `results` in their order."""

    results: Results
    places: Sequence[int]

    @property
    def sessions(self) -> tuple[str, ...]:
        return tuple(f"{number:05}" for number in range(len(self.places)))[-WINDOW:]

    def bps(self, sets: Sequence[ParameterSet], *, stressed: bool = False) -> Floats:
        return np.asarray(self.results.of(sets, stressed=stressed)[:, list(self.places[-WINDOW:])])


@dataclass(slots=True)
class Adapted:
    """A run of sessions that improvement decided on: their results, and what was changed after which session."""

    bps: list[float] = field(default_factory=list)
    changes: list[tuple[int, Change]] = field(default_factory=list)
    tried: int = 0  # sessions under the variant of an experiment


def adapt(
    results: Results, places: Sequence[int], regimes: Sequence[Regime | None], *, until_changed: bool = False
) -> Adapted:
    """Live through the sessions `places` as the cycle does, from the frozen set."""
    memory, present, traded, variant = Memory(), FROZEN, FROZEN, BASELINE
    live: list[tuple[str, ParameterSet, float]] = []  # sessions of the set in force
    run = Adapted()
    for number, place in enumerate(places):
        day, result = f"{number:05}", float(results.of([traded])[0, place])
        run.bps.append(result)
        run.tried += variant != BASELINE
        if variant == BASELINE:
            live.append((day, traded, result))
        decision = decide(
            memory,
            session_date=day,
            present=present,
            suggestions=(),
            regime=regimes[place],
            replays=Past(results, places[: number + 1]),
            live_bps={day: bps for day, under, bps in live if under == present},
            equal_share_pct=EQUAL_SHARE_PCT,
        )
        following = decision.next
        if following.change is not None:
            run.changes.append((number + 1, following.change))
            if until_changed:
                break
        memory, present, traded, variant = following.memory, following.present, following.parameters, following.variant
    return run


def market(seed: int, sessions: int, kinds: Sequence[Kind], traps: int = 0) -> tuple[Bars, list[Regime | None]]:
    """Bars of a market, and its regime at each close, as the cycle reads it."""
    source = SwitchingMarket(seed, sessions, kinds, traps)
    detector, regimes = MarketRegimeDetector(), list[Regime | None]()
    for session in source.sessions:
        closes = np.stack([source.tape(symbol, session).close for symbol in SYMBOLS], axis=1)
        reading = detector.minutes(watchlist_index(closes.astype(np.float64)).tolist())
        regimes.append(reading.regime if reading is not None else None)
    return load(source, source.sessions, fixed_watchlist(SYMBOLS)), regimes


# The three questions


@dataclass(frozen=True, slots=True)
class Comparison:
    """Adaptive against frozen on one seed, in bps of equity a session."""

    seed: int
    frozen_bps: float
    difference_bps: float
    changes: tuple[str, ...]
    rollbacks: int
    tried: int


def compare(seed: int, kinds: Sequence[Kind] = SWITCHING, traps: int = 0) -> Comparison:
    """One seed of `SESSIONS` sessions."""
    bars, regimes = market(seed, SESSIONS, kinds, traps)
    results = Results([bars])
    run, frozen = adapt(results, range(SESSIONS), regimes), results.of([FROZEN])[0]
    return Comparison(
        seed=seed,
        frozen_bps=float(frozen.mean()),
        difference_bps=float(np.mean(np.array(run.bps) - frozen)),
        changes=tuple(f"{after}: {_words(change)}" for after, change in run.changes),
        rollbacks=sum(change.source == "rollback" for _, change in run.changes),
        tried=run.tried,
    )


@dataclass(frozen=True, slots=True)
class Adoption:
    """What became of a planted improvement on one seed. `adopted_after` is None when it was not, within `WINDOW`."""

    seed: int
    planted_bps: float
    adopted_after: int | None
    changes: tuple[str, ...]


def adopt(seed: int) -> Adoption:
    """A market in which a higher ATR floor is better: adopted is any step there that keeps to the end."""
    bars, regimes = market(seed, SESSIONS, NO_EDGE, TRAPS)
    results = Results([bars])
    planted = results.of([PLANTED])[0] - results.of([FROZEN])[0]
    run = adapt(results, range(WINDOW), regimes)
    there = [after for after, change in run.changes if change.new.atr_floor_pct >= PLANTED.atr_floor_pct]
    return Adoption(
        seed=seed,
        planted_bps=float(planted.mean()),
        adopted_after=there[0] if there else None,
        changes=tuple(f"{after}: {_words(change)}" for after, change in run.changes),
    )


def changed_without_merit(bars: Sequence[Bars], regimes: Sequence[Regime | None], runs: int) -> list[int | None]:
    """After which session each of `runs` runs of `WINDOW` sessions was first changed, None for never.

    Sessions are drawn with replacement from a market without an edge; each set's mean is taken off its results, so that
    costs favour none either: whatever is changed is changed by luck.
    """
    results, rng = Results(bars, centred=True), np.random.default_rng(0)
    first: list[int | None] = []
    for _ in range(runs):
        places = rng.integers(0, len(regimes), WINDOW).tolist()
        run = adapt(results, places, regimes, until_changed=True)
        first.append(run.changes[0][0] if run.changes else None)
    return first


def _words(change: Change) -> str:
    moved = change.new.differences(change.old)
    return f"{change.source} " + ", ".join(f"{name} {old} to {new}" for name, (new, old) in moved.items())


# Telling


def told_comparison(title: str, found: Sequence[Comparison]) -> float:
    """Print the table; the lower end of the 95 % interval of the mean difference, seeds being independent."""
    differences = np.array([each.difference_bps for each in found])
    print(f"\n{title}: {len(found)} seeds x {SESSIONS} sessions, bps of equity a session")
    print("  seed   frozen  adaptive - frozen  changes  rollbacks  sessions of a variant")
    for each in found:
        numbers = f"{each.frozen_bps:8.2f} {each.difference_bps:+18.2f} {len(each.changes):8} {each.rollbacks:10}"
        print(f"  {each.seed:4} {numbers} {each.tried:22}")
    mean, error = float(differences.mean()), float(stats.sem(differences))
    low, high = stats.t.interval(0.95, len(differences) - 1, mean, error) if error else (mean, mean)
    quantiles = ", ".join(f"{value:+.2f}" for value in np.quantile(differences, [0, 0.25, 0.5, 0.75, 1]))
    print(f"  mean {mean:+.2f}, 95 % between {low:+.2f} and {high:+.2f}; least, quartiles, most: {quantiles}")
    return float(low)


def told_adoptions(found: Sequence[Adoption]) -> tuple[float, float]:
    """Print the table; what was planted on average and the share of seeds that adopted it."""
    planted_bps = float(np.mean([each.planted_bps for each in found]))
    after = [each.adopted_after for each in found if each.adopted_after is not None]
    print(f"\nplanted improvement: atr_floor_pct 1.5 to 2, worth {planted_bps:+.2f} bps a session on average")
    for each in found:
        print(f"  {each.seed:4} {each.planted_bps:+6.2f} bps  {'; '.join(each.changes) or 'nothing changed'}")
    share = len(after) / len(found)
    median = f", half of them after session {np.median(after):.0f}" if after else ""
    print(f"  adopted within {WINDOW} sessions in {share:.0%} of {len(found)} seeds{median}")
    return planted_bps, share


def told_changes(first: Sequence[int | None]) -> float:
    """Print how often something was changed without merit; the share."""
    changed = [each for each in first if each is not None]
    share = len(changed) / len(first)
    low, high = stats.binomtest(len(changed), len(first)).proportion_ci(0.95)
    print(f"\nno edge and no costs to save: changed in {len(changed)} of {len(first)} runs of {WINDOW} sessions")
    print(f"  {share:.2%}, 95 % between {low:.2%} and {high:.2%}")
    return share


def ask_switching(args: argparse.Namespace) -> dict[str, bool]:
    low = told_comparison("drift and volatility switch", of_seeds(compare, args))
    return {f"lower end of adaptive - frozen at least {LEAST_LOWER_BPS:+.1f} bps": low >= LEAST_LOWER_BPS}


def ask_planted(args: argparse.Namespace) -> dict[str, bool]:
    planted_bps, adopted = told_adoptions(of_seeds(adopt, args))
    return {
        f"at least {LEAST_PLANTED_BPS:g} bps planted": planted_bps >= LEAST_PLANTED_BPS,
        f"adopted in at least {LEAST_ADOPTED:.0%} of seeds": adopted >= LEAST_ADOPTED,
    }


def ask_luck(args: argparse.Namespace) -> dict[str, bool]:
    markets = [market(seed, SESSIONS, NO_EDGE) for seed in range(1, NULL_SEEDS + 1)]
    regimes = [regime for _, of_seed in markets for regime in of_seed]
    false = told_changes(changed_without_merit([bars for bars, _ in markets], regimes, args.null_runs))
    return {f"changed without merit in at most {MOST_FALSE:.0%} of runs": false <= MOST_FALSE}


def ask_costs(args: argparse.Namespace) -> dict[str, bool]:
    """No goal: with costs a set that trades less is better, and improvement may find it."""
    told_comparison("no edge, but costs", of_seeds(partial(compare, kinds=NO_EDGE), args))
    return {}


QUESTIONS = {"switching": ask_switching, "planted": ask_planted, "luck": ask_luck, "costs": ask_costs}


def of_seeds(work: Callable[[int], R], args: argparse.Namespace) -> list[R]:
    """`work` of every seed, in their order."""
    seeds = range(1, args.seeds + 1)
    if args.processes == 1:
        return [work(seed) for seed in seeds]
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, seeds))


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether improvement improves.")
    parser.add_argument("--only", choices=QUESTIONS, help="one of the questions")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="markets of each kind")
    parser.add_argument("--null-runs", type=int, default=NULL_RUNS, metavar="N", help="runs without an edge")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="at once")
    args = parser.parse_args()
    goals: dict[str, bool] = {}
    for name in [args.only] if args.only else QUESTIONS:
        goals |= QUESTIONS[name](args)
    print()
    for goal, is_met in goals.items():
        print(f"{'met' if is_met else 'MISSED':<7} {goal}")
    return int(not all(goals.values()))


if __name__ == "__main__":
    sys.exit(main())
