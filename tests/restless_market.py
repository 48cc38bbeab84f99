"""Minute bars that give a day trader no rest: prices that reach targets and stops within minutes."""

from __future__ import annotations

from random import Random

from market_hours import Session
from trading.bars import Bar

TICK = 100  # 1e-4 USD
STEP_BPS = 90  # typical move of a minute


def restless_minutes(session: Session, symbol: str, seed: int) -> list[Bar]:
    """Every minute of the session. Deterministic in its arguments."""
    rng = Random(f"{symbol} {seed}")
    anchor = price = rng.randrange(60, 160) * 10_000
    bars = []
    for start_s in range(session.open_s, session.close_s, 60):
        pull_bps = (anchor - price) * 10_000 // anchor // 20  # back to where it came from
        close = _moved(price, rng.gauss(pull_bps, STEP_BPS))
        high = _moved(max(price, close), abs(rng.gauss(0, STEP_BPS / 3)))
        low = _moved(min(price, close), -abs(rng.gauss(0, STEP_BPS / 3)))
        bars.append(Bar(start_s, price, high, low, close, rng.randrange(1_500, 12_000)))
        price = close
    return bars


def _moved(price: int, by_bps: float) -> int:
    return round(price * (1 + by_bps / 10_000) / TICK) * TICK
