"""The six steps of the cycle as functions: what is known in, what goes on record out. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from evidence.plain import plain
from evidence.regime import Regime, RegimeReading
from improvement.deciding import Decision
from improvement.decision import Change
from improvement.experiment import BASELINE, Experiment
from improvement.gate import LEAST_SESSIONS
from improvement.ledger import last_step, rows_of, undoing
from improvement.material import Material
from improvement.parameters import ParameterSet
from improvement.remembering import memory_to_json
from records.rows import ChangeSource, ExperimentDayRow, ImprovementStep, ParameterChangeRow

STEPS: tuple[ImprovementStep, ...] = ("analyse", "insights", "regime", "suggestions", "experiment", "plan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step found, and the rows that go with it in one transaction."""

    detail: dict[str, Any]
    changes: Sequence[ParameterChangeRow] = field(default=())
    experiment_days: Sequence[ExperimentDayRow] = field(default=())


def analyse(material: Material) -> Outcome:
    """The session's metrics, and its result beside that of the replay: the gap is what replay does not know."""
    live_bps = material.result_bps(material.session_date)
    replayed = material.replays.last(material.traded) if material.is_recorded else None
    metrics = material.metrics.get(material.session_date)
    detail = {
        "metrics": metrics,
        "variant": material.plan.variant,
        "parameters": material.traded,
        "live_bps": live_bps,
        "replay": replayed,
        "broker_result": None if metrics is None else (metrics.detail or {}).get("broker_result"),
        "gap_bps": None if replayed is None or live_bps is None else live_bps - replayed.result_bps,
        "recorded_sessions": len(material.replays.sessions),
        "needed_sessions": LEAST_SESSIONS,
    }
    return Outcome(detail=cast(dict[str, Any], plain(detail)))


def insights(material: Material) -> Outcome:
    """What rules and models found, and what they suggest."""
    detail = {
        "found": [
            {"source": row.source, "words": row.insights, "llm_call_id": row.llm_call_id}
            for row in material.evaluations
        ],
        "suggestions": material.suggestions,
        "refused": material.refused,
    }
    return Outcome(detail=cast(dict[str, Any], plain(detail)))


def regime(reading: RegimeReading | None) -> Outcome:
    """The regime that the next session is expected to begin in: that of the last minute."""
    return Outcome(detail={"next": None if reading is None else reading.regime.value, "reading": plain(reading)})


def regime_of(detail: Mapping[str, Any]) -> Regime | None:
    """What the step `regime` said of the next session."""
    return None if detail["next"] is None else Regime(detail["next"])


def suggestions(decision: Decision) -> Outcome:
    """Every candidate with its verdict and its evidence."""
    present = _present(decision)
    judged, watched = plain(decision.judged), plain(decision.watched)
    return Outcome(detail={"present": present.values(), "judged": judged, "watched": watched})


def experiment(material: Material, decision: Decision) -> Outcome:
    """Where the experiment is; its rows are the session's replay of both variants."""
    running = material.memory.experiment
    if running is None:
        return Outcome(detail={"running": None})
    detail = {"running": running.name, "registration": running.registration, "standing": decision.standing}
    days = _experiment_days(material, running) if material.is_recorded else ()
    return Outcome(detail=cast(dict[str, Any], plain(detail)), experiment_days=days)


def _experiment_days(material: Material, running: Experiment) -> list[ExperimentDayRow]:
    live = material.plan.variant
    rows = []
    for variant in (BASELINE, running.variant):
        replayed = material.replays.last(running.set_of(variant))
        rows.append(
            ExperimentDayRow(
                experiment=running.name,
                session_date=material.session_date,
                variant=variant,
                round_trips=replayed.round_trips,
                pnl_usd=replayed.pnl_usd,
                return_pct=replayed.result_bps / 100.0,
                detail={"replayed": True, "live_bps": material.result_bps(material.session_date)}
                if variant == live
                else {"replayed": True},
            )
        )
    return rows


def plan(
    material: Material, decision: Decision, known: Sequence[ParameterChangeRow], now: datetime, frozen: str
) -> Outcome:
    """The next session's parameters and variant, the change if there is one, and every suggestion that was not taken.

    `known` are all changes on record.
    """
    following = decision.next
    detail = {
        "change": following.change,
        "present": following.present,
        "parameters": following.parameters,
        "variant": following.variant,
        "notes": following.notes,
        "frozen": frozen,
        "memory": memory_to_json(following.memory),
    }
    rows = _taken(following.change, material.session_date, known, now) + _untaken(material, decision, now)
    return Outcome(detail=cast(dict[str, Any], plain(detail)), changes=rows)


def _taken(
    change: Change | None, session_date: str, known: Sequence[ParameterChangeRow], now: datetime
) -> list[ParameterChangeRow]:
    if change is None:
        return []
    evidence = {**change.evidence, **(undoing(last_step(change.old, known)) if change.source == "rollback" else {})}
    return rows_of(
        change.old,
        change.new,
        source=cast(ChangeSource, change.source),
        reason=change.reason,
        evidence=evidence,
        session_date=session_date,
        now=now,
    )


def _untaken(material: Material, decision: Decision, now: datetime) -> list[ParameterChangeRow]:
    """What was suggested for the next session and not taken, with its verdict."""
    return [
        row
        for judged in decision.judged
        if judged.candidate.suggested and judged.candidate.parameters != decision.next.parameters
        for row in rows_of(
            _present(decision),
            judged.candidate.parameters,
            source=cast(ChangeSource, judged.candidate.source),
            reason=f"not applied, {judged.verdict.value}: {'; '.join(judged.candidate.reasons)}",
            evidence=cast(dict[str, Any], plain({"gate": judged})),
            session_date=material.session_date,
            now=now,
            applied=False,
        )
    ]


def _present(decision: Decision) -> ParameterSet:
    """What was in force when the decision was made."""
    change = decision.next.change
    return decision.next.present if change is None else change.old
