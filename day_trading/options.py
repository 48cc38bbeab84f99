"""What a run of the day trader was asked to do, and the watchlist that it finds on file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TextIO

from broker.trading_desk import DeskOptions
from dashboard.settings import DashboardSettings
from day_trading.telegram_settings import TelegramSettings
from improvement.settings import ImprovementSettings
from llm.settings import LlmSettings
from market_hours import Session, TradingCalendar
from performance_config import PerformanceConfig
from records.settings import RecordsSettings
from tools import VendorSettings
from trading.settings import RiskSettings, StrategySettings
from trading.watchlist import Watchlist, watchlist_from_json
from utils import Misconfigured, read_json

Shows = Literal["nothing", "live_view", "progress_bar"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TraderOptions:
    """What a run of the day trader was asked to do."""

    allocation: float
    flatten_on_exit: bool
    analyse: bool
    load_watchlist: bool
    watchlist_file: Path
    prices_from: str
    versions: Mapping[str, str]
    strategy: StrategySettings
    risk: RiskSettings
    performance: PerformanceConfig
    desk: DeskOptions
    records: RecordsSettings = field(default_factory=RecordsSettings)
    dashboard: DashboardSettings | None = None  # None: there is none
    vendors: VendorSettings | None = None  # None: none is asked, as in a simulated session
    llm: LlmSettings | None = None  # None: no model is asked, as in a simulated session without a recording
    figures_llm: LlmSettings | None = None  # of the models that read a session's figures; None: none does
    llm_replay: Path | None = None
    improvement: ImprovementSettings = field(default_factory=ImprovementSettings)
    variant: str = "baseline"  # of the session, as `trades.variant` has it
    tell_outage_after_s: int = 60
    telegram: TelegramSettings | None = None  # None: no bot
    shows: Shows = "nothing"  # in the terminal, beside what is printed
    json_to: TextIO | None = None  # takes each session's report as one line of JSON; None: the summary is printed

    @property
    def improves(self) -> bool:
        """Whether the program learns from its sessions; dry runs have no results to learn from."""
        return self.improvement.improvement_mode != "off" and not self.desk.dry_run

    @property
    def is_shown(self) -> bool:
        """Whether somebody may look at the session while it runs."""
        return self.dashboard is not None or self.telegram is not None or self.shows == "live_view"


def known_watchlist(options: TraderOptions, session: Session, calendar: TradingCalendar) -> Watchlist | None:
    """The list on file; None when a new one must be made: there is none, or it was made for another time.

    Raises Misconfigured for a malformed file, and where a new one is needed but not allowed.
    """
    file, may_analyse = options.watchlist_file, options.analyse
    if not options.load_watchlist:
        return None
    if not file.exists():
        if may_analyse:
            return None
        raise Misconfigured(f"{file} does not exist and --no-analyse forbids to make it")
    try:
        known = watchlist_from_json(read_json(file))
    except ValueError as error:
        raise Misconfigured(f"{file}: {error}") from error
    made_for = known.session_date
    if made_for is None or calendar.previous_session(session.date).date <= made_for <= session.date:
        return known
    if may_analyse:
        return None
    when = f"after {session.date}" if made_for > session.date else f"more than a session before {session.date}"
    raise Misconfigured(f"{file} was made for {made_for}, {when}: leave --no-analyse out to make a new one")
