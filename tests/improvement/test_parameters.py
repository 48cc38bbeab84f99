"""No source can move a parameter out of its bounds or faster than a step."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.regime import Regime
from evidence.suggestions import BOUNDS, Priority, Suggestion
from improvement.candidates import FAMILY_SIZE, candidates
from improvement.deciding import decide
from improvement.decision import Memory
from improvement.material import suggestions_of
from improvement.parameters import NAMES, ParameterSet, towards
from records.rows import EvaluationRow
from tests.improvement.replays import BASE, EQUAL_SHARE_PCT, SaidReplays, date_of
from tests.trading.examples import PROPERTY
from trading.settings import StrategySettings

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
REPLY = ANYTHING | st.fixed_dictionaries(
    {
        "parameter": st.sampled_from([*BOUNDS, "allocation", "risk_max_daily_loss_pct"]) | ANYTHING,
        "new_value": st.floats() | st.sampled_from(["1e9", "nan", "-0.0", 0.5, 2.0, 1e308]) | ANYTHING,
        "source": st.sampled_from(["rule", "llm", "manual", "rollback"]) | ANYTHING,
        "reason": st.text(max_size=20) | ANYTHING,
        "priority": st.sampled_from(["high", "medium", "low", "urgent"]) | ANYTHING,
    }
)
SUGGESTION = st.builds(
    lambda name, share, priority, source: Suggestion(
        parameter=name,
        new_value=BOUNDS[name].low + share * (BOUNDS[name].high - BOUNDS[name].low),
        source=source,
        reason="because",
        priority=priority,
        evidence={},
    ),
    st.sampled_from(list(BOUNDS)),
    st.floats(0, 1),
    st.sampled_from(list(Priority)),
    st.sampled_from(["rule", "llm"]),
)


def is_within(parameters: ParameterSet) -> bool:
    return all(
        value is None or BOUNDS[name].low <= value <= BOUNDS[name].high for name, value in parameters.values().items()
    )


def is_a_step(before: ParameterSet, after: ParameterSet) -> bool:
    there = after.numbers(EQUAL_SHARE_PCT)
    steps = {name: abs(there[name] - value) for name, value in before.numbers(EQUAL_SHARE_PCT).items()}
    return all(moved <= BOUNDS[name].step + 1e-9 for name, moved in steps.items())


def test_the_parameters_are_those_of_the_bounds_and_of_the_settings() -> None:
    assert set(NAMES) == set(BOUNDS)
    assert ParameterSet.of_settings(StrategySettings()) == BASE
    assert BASE.settings(StrategySettings()) == StrategySettings()
    assert BASE.rules() == StrategySettings().parameters()


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), st.floats(-1e6, 1e6)), max_size=30))
@PROPERTY
def test_whatever_is_wanted_each_move_is_a_step_within_the_bounds(wanted: list[dict[str, float]]) -> None:
    present = BASE
    for each in wanted:
        moved = towards(present, each, EQUAL_SHARE_PCT)
        assert is_within(moved)
        assert is_a_step(present, moved)
        present = moved


@given(st.lists(SUGGESTION, max_size=12), st.sampled_from([None, *Regime]))
@PROPERTY
def test_suggestions_never_enlarge_the_family_and_its_members_are_a_step_away(
    suggestions: list[Suggestion], regime: Regime | None
) -> None:
    alone = {each.parameters for each in candidates(BASE, (), None, EQUAL_SHARE_PCT)}
    family = candidates(BASE, suggestions, regime, EQUAL_SHARE_PCT)
    assert {each.parameters for each in family} == alone
    assert len(family) == len(alone) <= FAMILY_SIZE
    assert all(is_within(each.parameters) and is_a_step(BASE, each.parameters) for each in family)


@given(st.lists(REPLY, max_size=6))
@PROPERTY
def test_adversarial_replies_on_record_become_bounded_suggestions_or_words(replies: list[Any]) -> None:
    row = EvaluationRow(
        timestamp=datetime(2026, 9, 28, tzinfo=UTC),
        session_date="2026-09-28",
        source="a-model",
        insights="",
        recommendations=tuple(replies),
    )
    made, refused = suggestions_of([row])
    assert len(made) + len(refused) == len(replies)
    for each in made:
        assert BOUNDS[each.parameter].low <= each.new_value <= BOUNDS[each.parameter].high
        assert each.source in ("rule", "llm")


@given(
    st.lists(st.lists(SUGGESTION, max_size=4), min_size=22, max_size=24),
    st.sampled_from(NAMES),
    st.sampled_from([-1.0, 1.0]),
)
@PROPERTY.__class__(PROPERTY, max_examples=6)
def test_no_sequence_of_sessions_moves_the_set_in_force_faster_than_the_step_or_out_of_the_bounds(
    days: list[list[Suggestion]], liked: str, direction: float
) -> None:
    """The market pays whoever goes further in one direction: every session wants another step."""

    @cache
    def gain(parameters: ParameterSet) -> float:
        distance = parameters.numbers(EQUAL_SHARE_PCT)[liked] - BASE.numbers(EQUAL_SHARE_PCT)[liked]
        return 40.0 * direction * distance / BOUNDS[liked].step

    def result(parameters: ParameterSet, session: int) -> float:
        return gain(parameters) + math.sin(session)

    memory, present, seen = Memory(), BASE, [BASE]
    for session, suggestions in enumerate(days):
        decision = decide(
            memory,
            session_date=date_of(session),
            present=present,
            suggestions=suggestions,
            regime=None,
            replays=SaidReplays(result, session + 1),
            live_bps={},
            equal_share_pct=EQUAL_SHARE_PCT,
        )
        following = decision.next
        assert is_within(following.present)
        assert is_within(following.parameters)
        assert is_a_step(present, following.parameters)
        if following.change is None or following.change.source != "rollback":
            assert is_a_step(present, following.present)
        memory, present = following.memory, following.present
        seen.append(present)
    has_nowhere_to_go = (liked, direction) == ("position_size_pct", -1.0)  # an equal share is below the bounds
    assert (seen[-1] == BASE) == has_nowhere_to_go


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="is no number"):
        towards(BASE, {"rsi_cap": value}, EQUAL_SHARE_PCT)
    assert json.dumps(BASE.values())
