"""What follows from the verdicts: changes, experiments, probation, and nothing without grounds."""

from __future__ import annotations

from dataclasses import dataclass, field

from evidence.experiments import Verdict as Conclusion
from improvement.deciding import Decision, decide
from improvement.decision import Memory
from improvement.experiment import BASELINE
from improvement.gate import WINDOW
from improvement.parameters import ParameterSet
from improvement.remembering import memory_from_json, memory_to_json
from tests.improvement.replays import BASE, EQUAL_SHARE_PCT, Result, SaidReplays, date_of, noise

WIDER = BASE.with_values({"stop_loss_pct": 1.0})


def liking(liked: ParameterSet, gain_bps: float, spread_bps: float = 3.0) -> Result:
    """`liked` brings `gain_bps` more; every set has a noise of its own."""

    def result(parameters: ParameterSet, session: int) -> float:
        own = 0.0 if parameters == BASE else noise(session, str(parameters), spread_bps)
        return noise(session) + own + (gain_bps if parameters == liked else 0.0)

    return result


@dataclass
class Run:
    """Sessions one after the other; `live` is what trading really brings, the replay's result by default."""

    result: Result
    live: Result | None = None
    memory: Memory = field(default_factory=Memory)
    present: ParameterSet = BASE
    traded: ParameterSet = BASE
    variant: str = BASELINE
    decisions: list[Decision] = field(default_factory=list)
    live_bps: dict[str, float] = field(default_factory=dict)
    session: int = 0

    def play(self, sessions: int, frozen: str = "", *, experiments: bool = True) -> Decision:
        for _ in range(sessions):
            if self.variant == BASELINE:
                self.live_bps[date_of(self.session)] = (self.live or self.result)(self.traded, self.session)
            decision = decide(
                self.memory,
                session_date=date_of(self.session),
                present=self.present,
                suggestions=(),
                regime=None,
                replays=SaidReplays(self.result, self.session + 1),
                live_bps=dict(self.live_bps),
                equal_share_pct=EQUAL_SHARE_PCT,
                frozen=frozen,
                experiments=experiments,
            )
            following = decision.next
            if following.present != self.present:
                self.live_bps = {}
            self.memory = memory_from_json(memory_to_json(following.memory))
            self.present, self.traded, self.variant = following.present, following.parameters, following.variant
            self.decisions.append(decision)
            self.session += 1
        return self.decisions[-1]

    @property
    def changes(self) -> list[tuple[int, str]]:
        return [(number, each.next.change.source) for number, each in enumerate(self.decisions) if each.next.change]


def test_a_strong_improvement_is_applied_once_twenty_sessions_are_there() -> None:
    run = Run(liking(WIDER, 12.0))
    run.play(20)
    assert run.changes == [(19, "rule")]
    assert run.present == WIDER
    assert run.memory.probation is not None
    assert run.memory.probation.before == BASE


def test_without_an_edge_nothing_changes_although_variants_are_tried() -> None:
    for seed in range(3):
        run = Run(lambda parameters, session, seed=seed: liking(BASE, 0.0)(parameters, session + 1_000 * seed))  # type: ignore[misc]
        run.play(60)
        assert run.changes == []
        assert run.present == BASE


def test_a_promising_candidate_is_tried_in_turns_and_adopted_by_its_shadow_not_by_its_live_result() -> None:
    run = Run(liking(WIDER, 2.2), live=lambda parameters, session: -30.0 if parameters == WIDER else 0.0)
    run.play(20)
    assert run.memory.experiment is not None
    assert run.memory.experiment.candidate == WIDER
    variants = []
    while not run.changes and run.session < 100:
        variants.append(run.variant)
        run.play(1)
    tried = "stop_loss_pct=1"
    assert variants[:4] == [tried, BASELINE, tried, BASELINE]
    assert run.changes[0][1] in ("experiment", "rule")
    assert run.present == WIDER


def test_an_experiment_without_gain_ends_and_its_candidate_is_left_alone() -> None:
    def result(parameters: ParameterSet, session: int) -> float:
        luck = 1.2 if session < 20 else -2.5
        return noise(session) + (luck + noise(session, "own", 3.0) if parameters == WIDER else 0.0)

    run = Run(result)
    run.play(20)
    assert run.memory.experiment is not None
    while run.memory.experiment is not None:
        last = run.play(1)
    assert last.standing is not None
    assert last.standing.verdict is Conclusion.NO_GAIN
    assert run.memory.bars(WIDER)
    assert run.changes == []
    assert run.memory.slot_free_at == 20 + WINDOW


def test_a_change_whose_live_results_break_the_promise_is_taken_back_and_not_tried_again_soon() -> None:
    def live(parameters: ParameterSet, session: int) -> float:
        return noise(session) + noise(session, "live", 2.0) - (9.0 if parameters == WIDER else 0.0)

    run = Run(liking(WIDER, 12.0), live=live)
    run.play(45)
    assert run.changes[0] == (19, "rule")
    assert run.changes[1][1] == "rollback"
    assert run.changes[1][0] <= 32
    assert run.present == BASE
    assert run.memory.bars(WIDER)
    assert len(run.changes) == 2


def test_a_change_that_keeps_its_promise_stands_and_probation_ends() -> None:
    run = Run(liking(WIDER, 12.0))
    run.play(20 + WINDOW + 1)
    assert "rollback" not in [source for _, source in run.changes]
    assert run.memory.probation is None or run.memory.probation.before != BASE


def test_what_live_trading_always_loses_against_replay_is_no_broken_promise() -> None:
    run = Run(liking(WIDER, 12.0), live=lambda parameters, session: liking(WIDER, 12.0)(parameters, session) - 20.0)
    run.play(60)
    assert "rollback" not in [source for _, source in run.changes]


def test_frozen_nothing_changes_and_no_session_is_tried() -> None:
    run = Run(liking(WIDER, 12.0))
    run.play(30, frozen="by hand")
    assert run.changes == []
    assert run.variant == BASELINE
    assert run.play(1).next.change is not None


def test_without_experiments_sessions_do_not_alternate() -> None:
    run = Run(liking(WIDER, 2.0))
    run.play(30, experiments=False)
    assert run.memory.experiment is None
    assert {each.next.variant for each in run.decisions} == {BASELINE}


def test_a_set_changed_from_outside_ends_what_was_meant_for_another_one() -> None:
    run = Run(liking(WIDER, 2.2))
    run.play(20)
    assert run.memory.experiment is not None
    assert run.memory.knowing(WIDER).experiment is None
    assert run.memory.knowing(BASE) == run.memory


def test_a_change_taken_back_by_hand_is_not_made_again_the_next_day() -> None:
    run = Run(liking(WIDER, 12.0))
    run.play(20)
    assert run.present == WIDER
    run.present = run.traded = BASE
    run.play(20)
    assert run.memory.bars(WIDER)
    assert WIDER not in [each.next.present for each in run.decisions[20:]]
