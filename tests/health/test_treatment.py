"""From findings to actions: tried, judged, tried again, escalated, and over when the finding is."""

from __future__ import annotations

from collections.abc import Sequence

from health.findings import Action, Finding, Measure, Severity
from health.treatment import NOTHING_WRONG, Plan, Treatment, Verdict, treat

FEED = Finding(Measure.FEED_AGE, "", Severity.WARNING, 100.0)
DRIFT = Finding(Measure.CLOCK_DRIFT, "", Severity.WARNING, 3.0)
MEMORY = Finding(Measure.MEMORY, "", Severity.WARNING, 90.0)
MINUTE = 60.0


def checks(*found: Sequence[Finding], every_s: float = MINUTE) -> list[Plan]:
    """The plans of checks that find these, one after the other."""
    plans = [NOTHING_WRONG]
    for number, findings in enumerate(found):
        plans.append(treat(findings, plans[-1].treatments, number * every_s))
    return plans[1:]


def actions(plans: Sequence[Plan]) -> list[list[Action]]:
    return [[step.action for step in plan.steps] for plan in plans]


def test_nothing_found_is_nothing_done() -> None:
    assert checks([]) == [NOTHING_WRONG]


def test_an_action_that_fails_three_times_escalates_to_the_next() -> None:
    plans = checks(*[[FEED]] * 9)
    assert actions(plans) == [
        *[[Action.RESUBSCRIBE]] * 3,
        *[[Action.RECONNECT]] * 3,
        [Action.PAUSE_ENTRIES],
        [],  # in force: nothing else is left to try
        [],
    ]
    assert [plan.pause for plan in plans[:6]] == [""] * 6
    assert [plan.pause for plan in plans[6:]] == ["no tick of any symbol for 100 s"] * 3
    assert [step.number for plan in plans[:6] for step in plan.steps] == [1, 2, 3, 1, 2, 3]


def test_each_try_is_judged_at_the_next_check() -> None:
    first, second, third = checks([FEED], [FEED], [])
    assert first.verdicts == ()
    assert second.verdicts == (Verdict(FEED, Action.RESUBSCRIBE, 1, healed=False),)
    assert third.verdicts == (Verdict(FEED, Action.RESUBSCRIBE, 2, healed=True),)
    assert (third.steps, third.pause) == ((), "")
    assert third.verdicts[0].words == "feed_age: healed by resubscribe (try 2)"


def test_an_action_is_given_its_time_before_it_is_judged() -> None:
    """Checks that an event brings forward do not exhaust a ladder."""
    plans = checks(*[[FEED]] * 4, every_s=7.0)
    assert actions(plans) == [[Action.RESUBSCRIBE], [], [], []]
    assert [plan.verdicts for plan in plans] == [()] * 4
    assert actions(checks(*[[FEED]] * 4, every_s=15.0)) == [[Action.RESUBSCRIBE], [], [Action.RESUBSCRIBE], []]


def test_healing_is_seen_at_any_check() -> None:
    first = treat([FEED], {}, 0.0)
    assert treat([], first.treatments, 1.0).verdicts[0].healed


def test_what_comes_back_soon_was_not_healed() -> None:
    """A feed that shows a picture for each new subscription and falls silent again comes to its reconnection."""
    plans = checks([FEED], [], [FEED], [], [FEED], [], [FEED])
    tried = [step for plan in plans for step in plan.steps]
    assert [step.action for step in tried] == [*[Action.RESUBSCRIBE] * 3, Action.RECONNECT]
    assert [[verdict.healed for verdict in plan.verdicts] for plan in plans] == [
        *([], [True], [False], [True], [False], [True], [False])
    ]


def test_what_comes_back_later_is_treated_from_the_beginning() -> None:
    plans = checks(*[[FEED]] * 4, *[[]] * 4, [FEED])
    assert actions(plans)[3:] == [[Action.RECONNECT], [], [], [], [], [Action.RESUBSCRIBE]]
    assert plans[7].treatments == {}


def test_what_is_unknown_is_neither_healed_nor_ill() -> None:
    critical = DRIFT._replace(severity=Severity.CRITICAL)
    first = treat([critical], {}, 0.0)
    second = treat([], first.treatments, MINUTE, frozenset({Measure.CLOCK_DRIFT}))
    assert (second.treatments, second.pause, second.verdicts) == (first.treatments, critical.words, ())
    assert treat([], second.treatments, 2 * MINUTE).verdicts[0].words == "clock_drift: over"


def test_a_critical_finding_pauses_entries_at_once_and_a_milder_one_lets_them_go_on() -> None:
    critical = DRIFT._replace(severity=Severity.CRITICAL, value=9.0)
    plans = checks([DRIFT], [critical], [DRIFT], [])
    words = "this machine's clock and the gateway's differ by 9.0 s"
    assert [plan.pause for plan in plans] == ["", words, "", ""]


def test_two_findings_pause_for_both_reasons() -> None:
    critical = [found._replace(severity=Severity.CRITICAL) for found in (DRIFT, MEMORY)]
    (plan,) = checks(critical)
    assert plan.pause == f"{DRIFT.words}; {MEMORY.words}"


def test_work_stays_shed_until_the_finding_is_over() -> None:
    plans = checks(*[[MEMORY]] * 5, [])
    assert [plan.sheds for plan in plans] == [True] * 5 + [False]
    assert actions(plans)[3] == [Action.PAUSE_ENTRIES]  # shedding did not help three times


def test_the_last_action_of_a_ladder_is_repeated_for_as_long_as_it_takes() -> None:
    quiet = Finding(Measure.DATA_AGE, "AAA", Severity.WARNING, 100.0)
    plans = checks(*[[quiet]] * 6)
    assert actions(plans) == [[Action.RESUBSCRIBE]] * 6
    assert plans[-1].steps[0].number == 6


def test_symbols_are_treated_each_for_itself() -> None:
    one, other = (Finding(Measure.DATA_AGE, symbol, Severity.WARNING, 100.0) for symbol in ("AAA", "BBB"))
    plans = checks([one], [one, other], [other])
    assert [(step.finding.subject, step.number) for step in plans[1].steps] == [("AAA", 2), ("BBB", 1)]
    assert [(v.finding.subject, v.healed) for v in plans[2].verdicts] == [("BBB", False), ("AAA", True)]


def test_deciding_changes_nothing_that_was_given() -> None:
    before = {(FEED.measure, ""): Treatment(FEED, 0, 1, 0.0)}
    treat([FEED], before, MINUTE)
    assert before == {(FEED.measure, ""): Treatment(FEED, 0, 1, 0.0)}
