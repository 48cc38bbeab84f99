"""Which histories are believed: holes, halts, splits and disappearance are refusals with a name."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from portfolio.history import Floats, PriceHistory, believable_returns

DAYS = 300
SESSIONS = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(DAYS))


def walk(seed: int) -> Floats:
    return np.asarray(50.0 * np.exp(np.random.default_rng(seed).normal(0, 0.01, DAYS).cumsum()))


def history(**columns: Floats) -> PriceHistory:
    return PriceHistory(symbols=tuple(columns), sessions=SESSIONS, closes_usd=np.column_stack(list(columns.values())))


def test_faulty_histories_are_refused_by_name() -> None:
    split, gone, frozen, young = walk(1), walk(2), walk(3), walk(4)
    split[200:] /= 4
    gone[-3:] = np.nan
    frozen[-6:] = frozen[-6]
    young[:250] = np.nan
    done = believable_returns(history(OK=walk(5), SPLIT=split, GONE=gone, FROZEN=frozen, YOUNG=young))
    assert done.symbols == ("OK",)
    assert {refusal.symbol: refusal.rule for refusal in done.refused} == {
        "SPLIT": "unadjusted_split",
        "GONE": "no_price",
        "FROZEN": "frozen_price",
        "YOUNG": "history_days",
    }


def test_returns_are_of_days_that_all_names_have() -> None:
    holed = walk(1)
    holed[100] = np.nan
    done = believable_returns(history(A=walk(2), B=holed))
    assert done.daily.shape == (DAYS - 3, 2)
    assert np.isfinite(done.daily).all()


def test_name_with_most_holes_goes_when_no_days_are_common() -> None:
    even, odd = walk(1), walk(2)
    even[0:-2:4] = np.nan
    odd[2:-2:4] = np.nan
    odd[3:60:4] = np.nan
    done = believable_returns(history(A=walk(3), EVEN=even, ODD=odd))
    assert done.symbols == ("A", "EVEN")
    assert [(refusal.symbol, refusal.rule) for refusal in done.refused] == [("ODD", "common_days")]


def test_history_cut_at_a_session_knows_nothing_after_it_and_cannot_be_written() -> None:
    cut = history(A=walk(1)).first(100)
    assert (len(cut.sessions), cut.closes_usd.shape) == (100, (100, 1))
    with pytest.raises(ValueError, match="read-only"):
        cut.closes_usd[0, 0] = 1.0


def test_history_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="sessions and symbols say"):
        PriceHistory(symbols=("A",), sessions=SESSIONS, closes_usd=np.ones((3, 1)))
