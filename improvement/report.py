"""The report of a cycle, as JSON and as a page, from its steps on record alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from improvement.experiment import BASELINE
from records.rows import ImprovementStepRow
from reporting.bars import Bar, rows
from reporting.page import page, paragraph, table
from trading.broker_result import comparison_words

MOST_BARS = 30


def improvement_report(session_date: str, steps: Mapping[str, ImprovementStepRow]) -> dict[str, Any]:
    """Everything that a cycle found and decided. The same steps give the same report."""
    analysis, plan, gate = steps["analyse"].detail, steps["plan"].detail, steps["suggestions"].detail
    return {
        "session_date": session_date,
        "mode": steps["plan"].mode,
        "metrics": analysis["metrics"],
        "session": {name: value for name, value in analysis.items() if name != "metrics"},
        "insights": steps["insights"].detail["found"],
        "present": gate["present"],
        "suggestions": [_told(judged) for judged in gate["judged"]],
        "refused_suggestions": steps["insights"].detail["refused"],
        "applied_changes": [] if plan["change"] is None else [plan["change"]],
        "probation": gate["watched"],
        "next_regime": steps["regime"].detail,
        "experiment": {**steps["experiment"].detail, "next_variant": plan["variant"]},
        "next_session": {name: plan[name] for name in ("parameters", "variant", "notes", "frozen")},
    }


def _told(judged: Mapping[str, Any]) -> dict[str, Any]:
    """A candidate with its verdict and evidence, flat."""
    candidate = judged["candidate"]
    return {**candidate, **{name: value for name, value in judged.items() if name != "candidate"}}


def improvement_page(report: Mapping[str, Any]) -> str:
    """The report as a self-contained page."""
    facts = [
        ("Session", str(report["session_date"])),
        ("Mode", str(report["mode"])),
        ("Next session trades with", _set(report["next_session"]["parameters"])),
        ("Variant of the next session", str(report["next_session"]["variant"])),
        ("Expected regime", _words(report["next_regime"]["next"] or "too little is known")),
    ]
    sections = [
        ("What changes", _changes(report)),
        ("The session", _session(report)),
        ("What was found", _insights(report)),
        ("What was considered", _suggestions(report)),
        ("Experiment", _experiment(report["experiment"])),
        ("After the last change", _probation(report["probation"])),
        ("Regime", _regime(report["next_regime"])),
    ]
    frozen = report["next_session"]["frozen"]
    notes = [f"frozen: {frozen}"] if frozen else []
    notes += [f"no suggestion, {words}" for words in report["refused_suggestions"]]
    return page(f"Improvement after {report['session_date']}", facts, sections, notes)


def _changes(report: Mapping[str, Any]) -> str:
    following = report["next_session"]
    notes = "".join(paragraph(note) for note in following["notes"])
    if following["variant"] != BASELINE:
        notes += paragraph(f"The next session tries the rival of the experiment: {_set(following['parameters'])}.")
    if not report["applied_changes"]:
        return paragraph("Nothing: no change was shown to be better.") + notes
    told = []
    for change in report["applied_changes"]:
        moved = [
            [_words(name), _value(change["old"][name]), _value(value)]
            for name, value in change["new"].items()
            if value != change["old"][name]
        ]
        told.append(table(["parameter", "before", "from the next session on"], moved))
        told.append(paragraph(f"{change['source']}: {change['reason']}"))
    return "".join(told) + notes


def _session(report: Mapping[str, Any]) -> str:
    session, metrics = report["session"], report["metrics"] or {}
    replay = session["replay"]
    lines = [
        ["result", _usd(metrics.get("total_pnl_usd")), _bps(session["live_bps"])],
        ["the same session in replay", *((_usd(replay["pnl_usd"]), _bps(replay["result_bps"])) if replay else "––")],
        ["result less replay", "", _bps(session["gap_bps"])],
    ]
    told = table(["", "USD", "of equity"], lines)
    if (by_broker := session["broker_result"]) is not None:
        told += paragraph(f"By the broker's own count: {comparison_words(by_broker)}.")
    enough = f"{session['recorded_sessions']} recorded sessions, {session['needed_sessions']} are needed to judge."
    return told + paragraph(f"Traded with {_set(session['parameters'])} as {session['variant']}. {enough}", quiet=True)


def _insights(report: Mapping[str, Any]) -> str:
    lines = [[str(found["source"]), line] for found in report["insights"] for line in str(found["words"]).splitlines()]
    return table(["source", "finding"], lines, ["finding"]) if lines else paragraph("Nothing stood out.")


def _suggestions(report: Mapping[str, Any]) -> str:
    judged = report["suggestions"]
    if not judged:
        return paragraph("No candidate.")
    known = [each for each in judged if each["effect_bps"] is not None]
    known.sort(key=lambda each: -each["effect_bps"])
    picture = ""
    if known:
        bars = [Bar(_moved(each, report), each["effect_bps"], each["verdict"]) for each in known[:MOST_BARS]]
        picture = paragraph("Mean difference a session in replay, in bps of equity, costs included:")
        picture += rows(bars, "bps")
    suggested = [each for each in judged if each["suggested"]]
    told = ""
    if suggested:
        lines = [[_moved(each, report), _words(each["verdict"]), "; ".join(each["reasons"])] for each in suggested]
        told = paragraph("Suggested for the next session:") + table(["candidate", "verdict", "why"], lines, ["why"])
    head = ["candidate", "verdict", "priority", "effect", "after all trials", "costs doubled", "differ"]
    lines = [
        [
            _moved(each, report),
            _words(each["verdict"]),
            str(each["priority"]),
            _number(each["effect_bps"]),
            _interval(each["interval_bps"]),
            _number(each["stressed_effect_bps"]),
            f"{each['differing']} of {each['sessions']}",
        ]
        for each in sorted(judged, key=lambda each: -(each["effect_bps"] or 0.0))
    ]
    trials = paragraph(f"Judged after {judged[0]['trials']} trials. Effects in bps of equity a session.", quiet=True)
    return told + picture + table(head, lines) + trials


def _experiment(experiment: Mapping[str, Any]) -> str:
    if experiment["running"] is None:
        return paragraph("None is running.")
    standing, promised = experiment["standing"], experiment["registration"]
    lines = [
        ["sessions", f"{standing['days']} of {promised['horizon_days']}"],
        [
            "effect",
            f"{_number(standing['effect_bps'])} bps a session, at least {promised['least_effect_bps']:g} wanted",
        ],
        ["interval", _interval(standing["interval_bps"])],
        ["verdict", _words(standing["verdict"])],
        ["sessions still needed", _count(standing["days_still_needed"])],
        ["next variant", str(experiment["next_variant"])],
    ]
    return paragraph(str(experiment["running"])) + table(["", "replayed, both variants on every session"], lines)


def _probation(watched: Mapping[str, Any] | None) -> str:
    if watched is None:
        return paragraph("No change is on probation.")
    words = (
        f"{watched['sessions']} sessions since the change: {_number(watched['advantage_bps'])} bps a session against "
        f"the set before, {_interval(watched['interval_bps'])}; {watched['promised_bps']:+.2f} were promised."
    )
    return paragraph(words + (" The promise is broken: the change is taken back." if watched["is_broken"] else ""))


def _regime(regime: Mapping[str, Any]) -> str:
    reading = regime["reading"]
    if reading is None:
        return paragraph("Too little is known.")
    bars = [Bar(_words(name), 100 * share) for name, share in reading["probabilities"].items()]
    words = f"Of the watchlist's mean, by minutes: {reading['bars_in_regime']} minutes in it at the close."
    return paragraph(words) + rows(bars, "%", 0)


def _moved(judged: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    present = report["present"]
    moved = [_named(name, value) for name, value in judged["parameters"].items() if value != present[name]]
    return ", ".join(moved) or "the set before"


def _set(parameters: Mapping[str, Any]) -> str:
    return ", ".join(_named(name, value) for name, value in parameters.items())


def _named(name: str, value: float | None) -> str:
    """`profit target 1.4 %`."""
    return f"{_words(name).removesuffix(' pct')} {_value(value)}" + " %" * (name.endswith("_pct") and value is not None)


def _value(value: float | None) -> str:
    return "equal share" if value is None else f"{value:g}"


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def _count(value: int | None) -> str:
    return "more than can be planned" if value is None else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _usd(value: float | None) -> str:
    return "–" if value is None else f"{value:+,.2f}"


def _bps(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f} bps"


def _interval(interval: Sequence[float] | None) -> str:
    if interval is None or interval[0] is None or interval[1] is None:
        return "–"
    return f"{interval[0]:+.2f} … {interval[1]:+.2f}"
