"""What was changed, why, and the way back: `python continuous_improvement.py --status|--history|--rollback|...`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from commands import DONE, CommandParser, fail

if TYPE_CHECKING:
    from continuous_improvement import AdaptiveParameters
    from observability import TradingHistory
    from records.rows import ParameterChangeRow

PROGRAM = "continuous_improvement.py"
DATABASES = (Path("trading_history.db"), Path("simulated_history.db"))
BOT = "day_trader"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = CommandParser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    what = parser.add_mutually_exclusive_group()
    add = what.add_argument
    add("--status", action="store_true", help="what is in force, on trial and on probation (default)")
    add(
        "--history", action="store_true", help="every change and every suggestion that was not applied, with its reason"
    )
    words = "take the newest change back, or all of them (back to .env); in force when the next session begins"
    add("--rollback", nargs="?", const="last", choices=("last", "all"), help=words)
    add("--freeze", nargs="?", const="by hand", metavar="WHY", help="nothing changes until --unfreeze")
    add("--unfreeze", action="store_true", help="changes may happen again")
    words = f"the database; default {DATABASES[0]}, without one {DATABASES[1]}"
    parser.add_argument("--db", type=Path, metavar="FILE", help=words)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and return the exit code: 0 done, 1 a fault, 2 wrong usage or no such database, 3 the database is damaged."""
    args = build_parser().parse_args(arguments)
    from utils import TradingError, setup_logging

    try:
        setup_logging(None)
        _run(args)
    except (TradingError, OSError) as error:
        return fail(PROGRAM, error)
    return DONE


def _run(args: argparse.Namespace) -> None:
    from continuous_improvement import AdaptiveParameters
    from improvement.parameters import ParameterSet
    from observability import TradingHistory
    from trading.settings import StrategySettings
    from utils import load_settings, read_environment

    database = args.db or next((path for path in DATABASES if path.exists()), DATABASES[0])
    mode, last_session = _last_session(database)
    base = ParameterSet.of_settings(load_settings(StrategySettings, read_environment()))
    with TradingHistory(database, bot=BOT, mode=mode) as history:
        parameters = AdaptiveParameters(history, base)
        print(f"{database}: {mode} sessions until {last_session}")
        if args.rollback is not None:
            _roll_back(parameters, last_session, everything=args.rollback == "all")
        elif args.freeze is not None or args.unfreeze:
            parameters.freeze(args.freeze or "")
            print(
                f"Frozen: {args.freeze}. Nothing changes until --unfreeze." if args.freeze else "Not frozen any more."
            )
        elif args.history:
            _tell_history(parameters.changes())
        else:
            _tell_status(history, parameters)


def _last_session(database: Path) -> tuple[str, str]:
    """The mode and the date of the last session on record. Raises Misconfigured without one."""
    import sqlite3

    from records.connections import open_for_reading
    from utils import Misconfigured

    if not database.is_file():
        raise Misconfigured(f"{database}: no such file; name the database with --db")
    query = "SELECT mode, session_date FROM improvement_sessions WHERE bot = ? ORDER BY session_date DESC LIMIT 1"
    try:
        with closing(open_for_reading(database)) as connection:
            found = connection.execute(query, [BOT]).fetchone()
    except sqlite3.DatabaseError as error:
        raise Misconfigured(f"{database}: has no improvement cycle on record: {error}") from error
    if found is None:
        raise Misconfigured(f"{database}: no session of the day trader is on record yet")
    return found[0], found[1]


def _roll_back(parameters: AdaptiveParameters, last_session: str, *, everything: bool) -> None:
    from market_hours import LiveClock

    rows = parameters.roll_back(last_session, LiveClock().now(), everything=everything)
    if not rows:
        print("Nothing to take back: what .env says is in force.")
        return
    _table(["parameter", "until now", "from the next session on"], [_moved(row) for row in rows])


def _tell_history(changes: Sequence[ParameterChangeRow]) -> None:
    if not changes:
        print("No change was ever applied or suggested.")
        return
    head = ["session", "parameter", "from", "to", "source", "applied", "reason"]
    _table(
        head,
        [[row.session_date, *_moved(row), row.source, "yes" if row.applied else "no", row.reason] for row in changes],
    )


def _tell_status(history: TradingHistory, parameters: AdaptiveParameters) -> None:
    from continuous_improvement import StrategyExperiment
    from evidence.suggestions import BOUNDS

    present = parameters.present()
    base = parameters.base.values()
    rows = [
        [
            name,
            _value(value),
            _value(base[name]),
            f"{BOUNDS[name].low:g} to {BOUNDS[name].high:g}, {BOUNDS[name].step:g}",
        ]
        for name, value in present.values().items()
    ]
    _table(["parameter", "in force", ".env", "bounds, step a session"], rows)
    if parameters.frozen:
        print(f"Frozen: {parameters.frozen}. Nothing changes until --unfreeze.")
    experiment = StrategyExperiment(history, present)
    if experiment.running is None:
        print("No experiment is running.")
    else:
        standing = experiment.status()
        print(f"Experiment {experiment.running.name}; the next session trades {experiment.next_variant()}.")
        names = {
            "days": "sessions",
            "effect_bps": "effect, bps a session",
            "interval_bps": "interval",
            "days_still_needed": "sessions still needed",
            "verdict": "verdict",
        }
        told = [[words, _plain(standing[name])] for name, words in names.items()] if standing else []
        _table(["", "both variants replayed on every session"], told or [["sessions", "0"]])
    if (probation := experiment.memory.probation) is not None:
        print(
            f"On probation since {probation.changed_on}: at least {probation.promised_bps:+.2f} bps a session promised."
        )


def _moved(row: ParameterChangeRow) -> list[str]:
    return [row.parameter, _value(row.old_value), _value(row.new_value)]


def _value(value: float | str | None) -> str:
    return "equal share" if value is None else f"{float(value):g}"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return " to ".join(f"{each:+.2f}" if isinstance(each, float) else "?" for each in value[:2])
    return "unknown" if value is None else f"{value:+.2f}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their longest cell; the last one goes on as far as it needs."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())
