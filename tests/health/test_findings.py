"""From readings to findings: one table, and what of it holds in simulated time."""

from __future__ import annotations

import math

import pytest

from health.findings import THRESHOLDS, Action, Finding, Measure, Reading, Severity, examine, severity_of, worst


@pytest.mark.parametrize("measure", Measure)
def test_every_measure_has_a_threshold_an_action_and_words(measure: Measure) -> None:
    threshold = THRESHOLDS[measure]
    assert threshold.ladder
    assert len(set(threshold.ladder)) == len(threshold.ladder)
    assert Finding(measure, "AAA", Severity.WARNING, 12.0).words
    worse = threshold.critical <= threshold.warning if threshold.is_floor else threshold.critical >= threshold.warning
    assert worse or threshold.critical == threshold.warning


def test_every_action_is_the_answer_to_something() -> None:
    assert {action for threshold in THRESHOLDS.values() for action in threshold.ladder} == set(Action)


@pytest.mark.parametrize(
    ("measure", "value", "severity"),
    [
        (Measure.CLOCK_DRIFT, 1.9, Severity.NORMAL),
        (Measure.CLOCK_DRIFT, 2.0, Severity.WARNING),
        (Measure.CLOCK_DRIFT, 5.0, Severity.CRITICAL),
        (Measure.DISK, 1_025.0, Severity.NORMAL),
        (Measure.DISK, 1_024.0, Severity.WARNING),
        (Measure.DISK, 0.0, Severity.CRITICAL),
        (Measure.CONNECTION, 0.0, Severity.WARNING),
        (Measure.CONNECTION, 60.0, Severity.CRITICAL),
        (Measure.DATA_AGE, 1e9, Severity.WARNING),
        (Measure.CPU, math.inf, Severity.CRITICAL),
    ],
)
def test_a_value_is_judged_by_the_table(measure: Measure, value: float, severity: Severity) -> None:
    assert severity_of(measure, value) is severity


def test_a_busy_machine_is_no_finding_where_it_must_not_matter() -> None:
    readings = [Reading(Measure.CPU, 100), Reading(Measure.MEMORY, 99), Reading(Measure.CLOCK_DRIFT, 3)]
    assert [f.measure for f in examine(readings, judges_machine=True)] == [
        Measure.CPU,
        Measure.MEMORY,
        Measure.CLOCK_DRIFT,
    ]
    assert [f.measure for f in examine(readings, judges_machine=False)] == [Measure.CLOCK_DRIFT]


def test_a_dead_feed_is_one_finding_and_not_one_a_symbol() -> None:
    ages = [Reading(Measure.DATA_AGE, 100, symbol) for symbol in ("AAA", "BBB", "CCC")]
    assert len(examine(ages, judges_machine=False)) == 3
    (found,) = examine([*ages, Reading(Measure.FEED_AGE, 100)], judges_machine=False)
    assert (found.measure, found.words) == (Measure.FEED_AGE, "no tick of any symbol for 100 s")


def test_the_worst_finding_is_the_status() -> None:
    assert worst(()) is Severity.NORMAL
    found = examine([Reading(Measure.DATA_AGE, 100, "A"), Reading(Measure.CLOCK_DRIFT, 9)], judges_machine=False)
    assert worst(found) is Severity.CRITICAL
