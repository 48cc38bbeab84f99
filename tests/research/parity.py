"""The research engine against the full daemon: the same round trips and the same judgements, or the differences.

`make parity` runs this file: at least 100 real symbol-days (where the recordings are there) and 500 synthetic ones,
with random parameters and limits, and counts exit reasons and refusals.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from random import Random

from market_hours import FULL_SESSION, Session, new_york_calendar
from trading.rules import Rule, rule_name
from trading.settings import RiskSettings, StrategySettings

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "data"
LATEST = date(2026, 9, 30)
CALENDAR = new_york_calendar(LATEST)
SYMBOLS = ("AAPL", "AMD", "BAC", "COIN", "F", "HOOD", "INTC", "META", "MU", "NVDA")
KINDS = ("early close", "cheap", "thin", "fading", "losing", "falling", "crowded", "dear", "fading", "fading")
REASONS = ("profit_target", "stop_loss", "time_exit", "eod")
# Refusals that no fault-free simulated day of a margin account can meet: they need a halt, delayed data, a stop from
# outside, a dry run, a refusal by the broker, a limited account, or an entry on its way at the next instant.
NEED_A_FAULT = (
    *(Rule.ENTRY_PENDING, Rule.ENTRIES_STOPPED, Rule.DELAYED_DATA, Rule.HALTED, Rule.DRY_RUN),
    *(Rule.REJECTED_BY_BROKER, Rule.DAY_TRADES, Rule.BUYING_POWER),
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One session of one market under one set of parameters. `recorded` is a folder, or empty: synthetic."""

    name: str
    recorded: str
    seed: int
    roughness: dict[str, float | int | bool]
    session_date: date
    symbols: tuple[str, ...]
    strategy: dict[str, float | str]
    risk: dict[str, float | int]
    allocation: float
    cash_usd: int


@dataclass(kw_only=True)
class Tally:
    """What was compared so far."""

    symbol_days: int = 0
    round_trips: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    partial_exits: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.symbol_days += other.symbol_days
        self.round_trips += other.round_trips
        self.reasons.update(other.reasons)
        self.rules.update(other.rules)
        self.partial_exits += other.partial_exits
        self.differences += other.differences

    def lines(self) -> Iterator[str]:
        """The table that `make parity` prints."""
        yield f"{self.symbol_days} symbol-days, {self.round_trips} round trips, {self.partial_exits} exits in parts"
        yield "exit reasons: " + ", ".join(f"{reason} {self.reasons[reason]}" for reason in REASONS)
        tested = [rule for rule in Rule if rule not in NEED_A_FAULT]
        yield "judgements: " + ", ".join(f"{rule_name(rule)} {self.rules[rule_name(rule)]}" for rule in tested)
        yield f"{len(self.differences)} differences"
        yield from self.differences[:20]

    def gaps(self, least: int) -> list[str]:
        """Exit reasons and refusals that occurred fewer than `least` times."""
        short = [reason for reason in REASONS if self.reasons[reason] < least]
        names = [rule_name(rule) for rule in Rule if rule not in NEED_A_FAULT]
        return short + [name for name in names if self.rules[name] < least]


def compare(case: Case) -> Tally:
    """Play the case with both, and count what happened."""
    from ib_simulator.feeds.replay import ReplayFeed
    from ib_simulator.feeds.research_source import FeedSource
    from tests.research.rough_feed import RoughFeed, Roughness

    _import_client_library()
    from research.engine import plan, simulate, simulate_every_instant
    from research.source import fixed_watchlist, load
    from tests.research.daemon import play_daemon

    session = _session(case.session_date)
    if case.recorded:
        feed = _recorded_feed(case.recorded)
        assert isinstance(feed, ReplayFeed)
    else:
        feed = RoughFeed(case.seed, case.symbols, CALENDAR, LATEST, Roughness(**case.roughness))  # type: ignore[arg-type, assignment]
    strategy, risk = StrategySettings(**case.strategy), RiskSettings(**case.risk)  # type: ignore[arg-type]
    daemon = play_daemon(
        feed,
        session,
        case.symbols,
        strategy=strategy,
        risk=risk,
        allocation=case.allocation,
        cash=case.cash_usd * 1_000_000,
    )
    bars = load(FeedSource(feed), [session], fixed_watchlist(case.symbols))
    account = plan(case.cash_usd, case.allocation, risk, minute_atr=strategy.atr_timeframe == "minute")
    engine = simulate_every_instant(bars, strategy.parameters(), account)
    quick = simulate(bars, strategy.parameters(), account)
    tally = Tally(symbol_days=bars.n_tapes, round_trips=len(daemon.round_trips))
    expected = sorted(daemon.round_trips, key=lambda trip: (trip.closed_s, trip.symbol))
    found = sorted(engine.round_trips(), key=lambda trip: (trip.closed_s, trip.symbol))
    for trip in expected:
        tally.reasons[trip.exit_reason] += 1
        if trip not in found:
            tally.differences.append(f"{case.name}: only the daemon: {trip}")
    tally.differences += [f"{case.name}: only the engine: {trip}" for trip in found if trip not in expected]
    told = {bars.symbol_of(tape): engine.denials(tape) for tape in range(bars.n_tapes)}
    for symbol, counts in daemon.judgements.items():
        tally.rules.update(counts)
        if told.get(symbol) != counts:
            tally.differences.append(f"{case.name}: {symbol}: daemon {counts}, engine {told.get(symbol)}")
    day = engine.days[0].tolist()
    if not daemon.left and (daemon.result, daemon.peak, daemon.trough) != tuple(day[1:4]):
        words = f"daemon {(daemon.result, daemon.peak, daemon.trough)}, engine {tuple(day[1:4])}"
        tally.differences.append(f"{case.name}: result, peak, trough: {words}")
    if sum(daemon.left.values()) != day[6]:
        tally.differences.append(f"{case.name}: left {daemon.left}, engine {day[6]}")
    if daemon.warnings:
        tally.differences.append(f"{case.name}: the daemon warned: {daemon.warnings}")
    if quick.round_trips() != engine.round_trips():
        tally.differences.append(f"{case.name}: the quick form {quick.round_trips()}, the plain {engine.round_trips()}")
    tally.partial_exits = len(engine.fills) - 2 * len(engine.trips)
    return tally


def _import_client_library() -> None:
    """With a loop that is set meanwhile, as it demands; then without one."""
    if "broker.client_library" in sys.modules:
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        import broker.client_library  # noqa: F401
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def synthetic_cases(symbol_days: int, first_seed: int = 1) -> list[Case]:
    """Random markets, parameters and limits: sessions of `len(SYMBOLS)` symbols until there are enough."""
    return [_synthetic_case(first_seed + number) for number in range(-(-symbol_days // len(SYMBOLS)))]


def recorded_cases(symbol_days: int, folder: Path = RECORDED) -> list[Case]:
    """Recorded sessions, those with 5-second bars, gaps and early closes among them; empty without recordings."""
    if not folder.is_dir():
        return []
    feed = _recorded_feed(str(folder))
    known = feed.session_dates()
    dates = [day for day in known if len(feed.symbols(day)) >= 3]
    rng = Random(6)
    rng.shuffle(dates)
    dates.sort(key=lambda day: not _has_atr(day, known))
    dates.insert(3, date(2019, 12, 24))  # an early close, with missing minutes
    cases: list[Case] = []
    count = 0
    for number, day in enumerate(dates):
        if count >= symbol_days:
            break
        traded = list(feed.symbols(day))
        symbols = tuple(rng.sample(traded, min(len(SYMBOLS), len(traded))))
        count += len(symbols)
        drawn = _synthetic_case(10_000 + number)
        cases.append(
            Case(
                name=f"recorded {day}",
                recorded=str(folder),
                seed=0,
                roughness={},
                session_date=day,
                symbols=symbols,
                strategy=drawn.strategy
                | {
                    "atr_timeframe": "day" if _has_atr(day, known) else "minute",
                    "strategy_atr_floor_pct": 0.5 if number % 3 == 0 else 0.0,
                },
                risk={} if number % 3 == 0 else drawn.risk,
                allocation=0.25 if number % 3 == 0 else drawn.allocation,
                cash_usd=1_000_000 if number % 3 == 0 else drawn.cash_usd,
            )
        )
    return cases


def _has_atr(day: date, known: tuple[date, ...]) -> bool:
    """Whether the recordings hold enough sessions before it for a daily ATR."""
    return sum(0 < (day - other).days <= 45 for other in known) >= 5


def _synthetic_case(seed: int) -> Case:
    rng = Random(seed)
    dates = CALENDAR.sessions_between(date(2024, 6, 3), LATEST)
    session = rng.choice(dates)
    kind = KINDS[seed % len(KINDS)]
    if kind == "early close":
        session = rng.choice([day for day in dates if day.close - day.open < FULL_SESSION])
    cheap = kind == "cheap"
    roughness: dict[str, float | int | bool] = {
        "price_scale": {"cheap": rng.choice([0.004, 0.01, 0.05]), "dear": 10.0}.get(kind, 1.0),
        "volume_scale": rng.choice([0.005, 0.02]) if kind == "thin" else 1.0,
        "fade": 0.002 if kind == "fading" else 1.0,
        "missing": rng.choice([0.0, 0.0, 0.05, 0.4]),
        "hole_minutes": rng.choice([0, 0, 4, 30]),
        "quiet": rng.choice([0.0, 0.0, 0.1, 0.3]),
        "swing": rng.choice([0.5, 1.0, 2.0, 3.0, 4.0]) if kind != "fading" else 0.2,
        "fine": rng.random() < 0.06,
        "spreads": rng.random() < 0.15,
    }
    strategy: dict[str, float | str] = {
        "strategy_profit_target_pct": round(rng.uniform(0.8, 3.0), 2),
        "strategy_stop_loss_pct": round(rng.uniform(0.5, 2.0), 2),
        "strategy_rsi_cap": round(rng.uniform(52, 90), 1),
        "strategy_atr_floor_pct": rng.choice([0.0, 0.0, 0.5, 1.5]),
        "atr_timeframe": "day",
    }
    sizes = Random(f"position size {seed}")
    if sizes.random() < 0.3:
        strategy["strategy_position_size_pct"] = round(sizes.uniform(3, 10), 2)
    if rng.random() < 0.15:
        strategy |= {"atr_timeframe": "minute", "strategy_atr_floor_pct": rng.choice([0.05, 0.1])}
    usual: dict[str, float | int] = {
        "risk_max_daily_loss_pct": 20.0,
        "risk_max_drawdown_pct": 30.0,
        "risk_max_entries_per_symbol": rng.choice([5, 20]),
        "risk_cool_down_s": rng.choice([60, 97, 300]),
        "risk_max_spread_bps": 500 if cheap else 30,
        "risk_max_cost_pct_of_target": 100 if cheap else 20,
        "risk_loss_streak": rng.choice([4, 50]),
    }
    tight: dict[str, list[float | int]] = {
        "risk_max_daily_loss_pct": [0.02, 0.1, 0.5],
        "risk_max_drawdown_pct": [0.03, 0.15, 0.5],
        "risk_max_order_value_usd": [1_000.0, 10_000.0],
        "risk_max_open_positions": [1, 3],
        "risk_max_entries_per_session": [3, 15],
        "risk_max_entries_per_symbol": [1, 2],
        "risk_max_entries_per_tick": [1, 2],
        "risk_cool_down_s": [1_000, 3_600],
        "risk_loss_streak": [2],
        "risk_loss_streak_pause_s": [0, 333],
        "risk_last_entry_s": [600, 5_000],
        "risk_max_quote_age_s": [5, 19, 20, 300],
        "risk_max_spread_bps": [1, 3],
        "risk_max_cost_pct_of_target": [5],
        "risk_max_volume_share_pct": [1.0],
        "risk_collar_bps": [0, 100],
    }
    risk = usual | {name: rng.choice(values) for name, values in tight.items() if rng.random() < 0.15}
    risk |= {
        "losing": {"risk_max_daily_loss_pct": 0.02, "risk_cool_down_s": 60},
        "falling": {"risk_max_drawdown_pct": 0.03, "risk_cool_down_s": 60},
        "crowded": {"risk_max_entries_per_tick": 1, "risk_max_open_positions": 10},
    }.get(kind, {})
    return Case(
        name=f"synthetic {seed} ({kind})",
        recorded="",
        seed=seed,
        roughness=roughness,
        session_date=session.date,
        symbols=SYMBOLS,
        strategy=strategy,
        risk=risk,
        allocation=rng.choice([0.25, 0.25, 1.0]),
        cash_usd=3_000 if kind == "dear" else rng.choice([100_000, 1_000_000, 1_000_000, 1_000_000, 4_000_000]),
    )


def _session(day: date) -> Session:
    session = CALENDAR.session_on(day)
    assert session is not None
    return session


@lru_cache(maxsize=1)
def _recorded_feed(folder: str):  # type: ignore[no-untyped-def]
    from ib_simulator.feeds.replay import ReplayFeed

    return ReplayFeed(Path(folder), CALENDAR)


def compare_all(cases: Iterable[Case], workers: int = 2) -> Tally:
    """All cases, in processes of their own."""
    total = Tally()
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for number, tally in enumerate(pool.map(compare, cases), start=1):
            total.add(tally)
            print(f"\r{number} sessions, {len(total.differences)} differences", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return total


def main() -> int:
    recorded, synthetic = recorded_cases(100), synthetic_cases(500)
    if not recorded:
        print(f"no recordings in {RECORDED}: the real symbol-days are skipped")
    total = compare_all([*recorded, *synthetic])
    for line in total.lines():
        print(line)
    gaps = total.gaps(20)
    if gaps:
        print("fewer than 20 times:", ", ".join(gaps))
    return 1 if total.differences or gaps or total.round_trips < 300 else 0


if __name__ == "__main__":
    sys.exit(main())
