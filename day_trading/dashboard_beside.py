"""The dashboard beside a running day trader: a thread that trading does not wait for, and can do without."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from dashboard.token_file import Token, token_of
from day_trading.board import Board
from day_trading.operator_control import OperatorControl, Perform
from day_trading.options import TraderOptions
from day_trading.parameter_commands import Parameters, parameter_commands
from day_trading.research_runs import ResearchRuns
from day_trading.seen_bars import seen_bars
from market_hours import LiveClock
from observability import TradingHistory
from operating_system import state_folder
from telemetry.run import exposition
from trading.commands import CommandKind
from utils import Redaction

log = logging.getLogger(__name__)

RESEARCH_FOLDER = Path("reports/research")
TOKEN_FILE = Path("ibkr-autonomous-traders") / "dashboard_token"


@contextmanager
def dashboard_beside(
    options: TraderOptions,
    board: Board | None,
    history: TradingHistory,
    log_file: Path,
    secrets: Sequence[str],
    unwell: Callable[[], str] = str,
    *,
    parameters: Parameters | None = None,
    bars: str = "",
) -> Iterator[None]:
    """Serve the run while the block lasts, where the options want it. What goes wrong is warned of: trading goes on.

    With `parameters` they can be frozen and rolled back; `bars` are those of research, the bar store when empty.
    Raises Misconfigured for settings that would be unsafe.
    """
    settings = options.dashboard
    if settings is None or board is None:
        yield
        return
    from dashboard.program import Program
    from dashboard.server import DashboardThread

    now = LiveClock().now
    beside: dict[CommandKind, Perform] = {}
    if parameters is not None:  # their record is in the session's time, which is not the wall's in a simulated one
        beside |= parameter_commands(parameters, lambda: board.view.at if board.view is not None else now())
    if source := bars or options.records.records_bar_store:
        beside[CommandKind.RESEARCH] = ResearchRuns(source, RESEARCH_FOLDER, now)
    control = OperatorControl(board, history, now, beside)
    with ExitStack() as opened:
        opened.callback(control.close)
        try:
            chosen = settings.dashboard_token.get_secret_value() if settings.dashboard_token is not None else ""
            token = token_of(chosen, state_folder() / TOKEN_FILE)
            program = Program(
                database=history.path,
                bot=history.bot,
                mode=history.mode,
                now=now,
                started_at=now(),
                live=board,
                control=control,
                bars_of=partial(seen_bars, options.records.records_bar_store),
                log_file=log_file,
                blank=Redaction((*secrets, token.secret)),
                unwell=unwell,
                metrics=exposition,
            )
            thread = opened.enter_context(DashboardThread(program, settings, token.secret))
        except OSError as error:
            where = f"{settings.dashboard_host}:{settings.dashboard_port}"
            log.warning("no dashboard at %s, the program goes on without it: %s", where, error.strerror or error)
        else:
            _tell(thread.url, token)
        yield


def _tell(url: str, token: Token) -> None:
    """Where it is. A new token is shown once, and only to a person: what is no terminal keeps what it gets."""
    shown = f" and is {token.secret}" if token.is_new and sys.stdout.isatty() else ""
    print(f"Dashboard: {url} (the token for commands is in {token.where}{shown})", flush=True)  # noqa: T201 (for the user)
