"""Everything that `.env` may say to the day trader, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from broker.settings import BrokerSettings
from configuration import Configuration
from dashboard.settings import DashboardSettings
from day_trading.telegram_settings import TelegramSettings
from health.kill_switch import KillSwitch
from improvement.settings import ImprovementSettings
from llm.settings import LlmSettings
from notifications.settings import NotificationSettings, url_secrets
from performance_config import PerformanceSettings
from records.settings import RecordsSettings
from telemetry.settings import TelemetrySettings, header_secrets
from tools import VendorSettings
from trading.contradictions import contradictions
from trading.settings import AllocationSettings, RiskSettings, SafetySettings, StrategySettings
from utils import Environment, Misconfigured


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTraderConfiguration(Configuration):
    """One checked value of each class that the day trader reads."""

    READ_BESIDE = (TelemetrySettings, NotificationSettings)

    strategy: StrategySettings
    risk: RiskSettings
    safety: SafetySettings
    broker: BrokerSettings
    performance: PerformanceSettings
    records: RecordsSettings
    llm: LlmSettings
    vendors: VendorSettings
    allocation: AllocationSettings
    improvement: ImprovementSettings
    dashboard: DashboardSettings
    telegram: TelegramSettings

    def refuse_contradictions(self, allocation: float, consents: Mapping[str, int]) -> None:
        """What is wrong with the settings together and with the command line. Raises Misconfigured, in one line."""
        KillSwitch(Path(self.safety.kill_switch_file)).refuse_nonsense()
        faults = [
            *contradictions(self.strategy, self.risk, self.safety, allocation, consents),
            *self.allocation.contradictions_of_day_trader(allocation),
        ]
        if faults:
            raise Misconfigured(" | ".join(faults))


def secrets_of(environment: Environment) -> tuple[str, ...]:
    """Everything that must never be shown: keys and tokens, headers of collectors, parts of addresses."""
    return (
        *environment.secrets(DayTraderConfiguration.settings_classes()),
        *header_secrets(environment),
        *url_secrets(environment),
    )
