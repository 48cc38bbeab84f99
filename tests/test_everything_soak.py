"""Everything at once: both bots on one account, a gateway that fails, dashboard, telemetry and notifications.

Forty sessions of it: `make soak`, or `SOAK_FIGURES=DIR python -m pytest -m soak tests/test_everything_soak.py -n 0`,
which leaves a table and a picture in DIR. Two small sessions belong to every run of the tests.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import pytest

from tests import everything_judge as judge
from tests.everything_world import Everything, everything
from tests.exchange_judge import AFTER_ENTRY_S, REPAIR_S
from tests.simulated_runs import ROOT, rows
from tests.soak_figures import write_figures

Record = Callable[[str, object], None]

SETTLED = 20  # sessions: with the twentieth the improvement cycle begins to replay, and loads its compiler
PART = 10  # sessions that are compared with as many later ones
MEMORY_GROWTH_MB = 50.0  # from ten sessions to the ten after them, of some 700: caches grow with the database
CORE_GROWTH, WALL_GROWTH = 1.5, 2.0  # times that of the first sessions; on the wall other programs count as well
LATENCY_SLACK_MS = 0.5  # steps of the measurement are no trend
ANSWER_LIMIT_S = 1.0
DATABASE_MB_PER_DAY = 3.0


@dataclass(frozen=True, kw_only=True)
class Form:
    """How long and how large a run is. The first session of the short one has a weekly cycle."""

    first: str
    days: int
    faults_a_day: int
    limit_s: float
    settings: dict[str, str]


SOME = "AAPL,AMZN,AVGO,BA,BAC,CRM,CVX,DIS,GOOGL,GS"
MORE = f"{SOME},JPM,META,MSFT,NFLX,NVDA,QCOM,TSLA,XOM"  # both bots trade them
SHORT = Form(
    first="2025-09-08",
    days=2,
    faults_a_day=4,
    limit_s=240,
    settings={
        "WATCHLIST_UNIVERSE": SOME,
        "WATCHLIST_SIZE": "3",
        "WEEKLY_UNIVERSE": SOME,
        "WEEKLY_HISTORY_DAYS": "400",
    },
)
LONG = Form(
    first="2025-09-02",
    days=40,
    faults_a_day=6,
    limit_s=5_400,
    settings={"WATCHLIST_SIZE": "32", "WEEKLY_UNIVERSE": MORE},
)

long = pytest.param(LONG, id="forty-sessions", marks=pytest.mark.soak)
either = pytest.mark.parametrize("run", [pytest.param(SHORT, id="two-sessions"), long], indirect=True)
only_long = pytest.mark.parametrize("run", [long], indirect=True)


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Everything:
    form: Form = request.param
    folder = tmp_path_factory.mktemp("everything")
    done = everything(
        folder,
        form.first,
        form.days,
        seed=11,
        faults_a_day=form.faults_a_day,
        settings={"SHARED_SYMBOLS": "share", **form.settings},
        limit_s=form.limit_s,
    )
    assert done.done.returncode == 0, done.done.stderr[-3_000:]
    assert len(judge.sessions(done)) == form.days
    write_figures(done)
    return done


@either
def test_every_session_is_flat_when_it_is_over(run: Everything) -> None:
    assert judge.not_flat(run) == []


@either
def test_each_bots_ledger_is_the_brokers_to_the_cent_after_every_session(run: Everything) -> None:
    assert judge.ledger_differs(run) == []


@either
def test_no_share_is_unprotected_while_the_program_can_act(run: Everything) -> None:
    broken, longest_s = judge.unprotected(run)
    assert broken == []
    assert longest_s <= max(AFTER_ENTRY_S, REPAIR_S)


@either
def test_nothing_that_happened_is_missing_on_record(run: Everything) -> None:
    assert judge.rows_lost(run) == []
    command = [sys.executable, "-m", "records", "check", "--db", str(run.folder / "history.db")]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@either
def test_every_trace_is_whole(run: Everything) -> None:
    assert len(run.collector.by_trace) > 100
    assert judge.traces_broken(run) == []


@either
def test_everything_is_told_once(run: Everything) -> None:
    assert judge.notices_broken(run) == []


@either
def test_the_weekly_bot_has_a_cycle_on_each_of_its_days(run: Everything) -> None:
    wanted = [str(day) for day in judge.sessions(run) if day.weekday() in (0, 3)]
    done = {day for (day,) in rows(run.folder, "SELECT session_date FROM weekly_cycles WHERE stage = 'done'")}
    assert [day for day in wanted if day not in done] == []
    assert rows(run.folder, "SELECT COUNT(*) FROM trades WHERE bot = 'weekly'")[0][0] > 0


@either
def test_each_session_is_learned_from(run: Everything) -> None:
    reports = run.folder / "reports" / "improvement"
    assert [day for day in judge.sessions(run) if not (reports / f"improvement_report_{day}.json").exists()] == []


@either
def test_the_gateway_failed_and_both_bots_traded(run: Everything) -> None:
    """Without it the other tests would prove nothing."""
    days = len(judge.sessions(run))
    assert Counter(line["kind"] for line in run.lines("faults.jsonl")).total() > 100 * days
    assert rows(run.folder, "SELECT COUNT(*) FROM round_trips WHERE bot = 'day_trader'")[0][0] > 2 * days


@either
def test_the_dashboard_answers_every_question_and_its_stream_never_breaks(run: Everything) -> None:
    assert {answer.status for answer in run.visitor.answers} == {200}
    assert run.visitor.streams == 1
    assert set(run.visitor.views) == {str(day) for day in judge.sessions(run)}


@only_long
def test_the_dashboard_answers_within_a_second_throughout(run: Everything, record_property: Record) -> None:
    """But for one answer in a thousand: whoever asks is a thread that a busy machine keeps waiting, too."""
    slow = [answer for answer in run.visitor.answers if answer.seconds >= ANSWER_LIMIT_S]
    record_property("survived", f"{len(slow)} of {len(run.visitor.answers)} answers took longer: {slow}")
    assert len(slow) * 1_000 <= len(run.visitor.answers)


@only_long
def test_memory_does_not_grow(run: Everything, record_property: Record) -> None:
    by_session_mb = [line["rss_mb"] for line in run.lines("sessions.jsonl")]
    record_property("survived", f"memory by session, MB: {[round(mb) for mb in by_session_mb]}")
    settled = by_session_mb[SETTLED:]
    assert median(settled[-PART:]) - median(settled[:PART]) < MEMORY_GROWTH_MB


@only_long
@pytest.mark.parametrize("what", ["threads", "handles"])
def test_threads_and_handles_stay_as_many(run: Everything, what: str) -> None:
    by_session = [line[what] for line in run.lines("sessions.jsonl")]
    settled = by_session[SETTLED:-1]  # when the last one is over its database and dashboard are closed already
    assert max(settled) <= max(by_session[:SETTLED]) + 1


@only_long
@pytest.mark.parametrize("what", ["loop_core_p50_ms", "loop_core_p99_ms"])
def test_the_event_loop_does_not_become_slower(run: Everything, what: str, record_property: Record) -> None:
    by_session_ms = [line[what] for line in run.lines("sessions.jsonl")]
    record_property("survived", f"{what} by session: {by_session_ms}")
    _has_no_trend(by_session_ms, CORE_GROWTH)


@only_long
def test_the_way_from_judging_to_the_socket_does_not_become_longer(run: Everything, record_property: Record) -> None:
    by_session = [values for values in judge.order_latencies_ms(run).values() if len(values) >= PART]
    middle_ms, worst_ms = [median(values) for values in by_session], [values[-1] for values in by_session]
    record_property("survived", f"judging to orders, ms by session: median {middle_ms}, longest {worst_ms}")
    _has_no_trend(middle_ms, WALL_GROWTH)


@only_long
def test_the_database_grows_by_the_same_every_day(run: Everything, record_property: Record) -> None:
    by_session_mb = [line["database_mb"] for line in run.lines("sessions.jsonl")]
    per_day_mb = (by_session_mb[-1] - by_session_mb[0]) / (len(by_session_mb) - 1)
    record_property("survived", f"database: {by_session_mb[-1]:.1f} MB, {per_day_mb:.2f} MB a session")
    assert per_day_mb < DATABASE_MB_PER_DAY


def _has_no_trend(by_session_ms: list[float], growth: float) -> None:
    """The middle of the last sessions is not above that of the first: single ones are the machine's doing."""
    first, last = median(by_session_ms[:PART]), median(by_session_ms[-PART:])
    assert last <= first * growth + LATENCY_SLACK_MS
