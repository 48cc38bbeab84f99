"""Everything that `.env` may say to the day trader, checked together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from broker.settings import BrokerSettings
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
from utils import Environment, Misconfigured, load_settings

SETTINGS_CLASSES: tuple[type[BaseModel], ...] = (  # every class whose fields are variables of `.env`
    StrategySettings,
    RiskSettings,
    SafetySettings,
    BrokerSettings,
    VendorSettings,
    LlmSettings,
    PerformanceSettings,
    TelemetrySettings,
    RecordsSettings,
    AllocationSettings,
    ImprovementSettings,
    NotificationSettings,
    TelegramSettings,
    DashboardSettings,
)


def secrets_of(environment: Environment) -> tuple[str, ...]:
    """Everything that must never be shown: keys and tokens, headers of collectors, parts of addresses."""
    return (*environment.secrets(SETTINGS_CLASSES), *header_secrets(environment), *url_secrets(environment))


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTraderConfiguration:
    """One checked value of each class that the day trader reads."""

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

    @classmethod
    def load(cls, environment: Environment) -> DayTraderConfiguration:
        """Raises Misconfigured with the first fault, in one line."""
        return cls(
            strategy=load_settings(StrategySettings, environment),
            risk=load_settings(RiskSettings, environment),
            safety=load_settings(SafetySettings, environment),
            broker=load_settings(BrokerSettings, environment),
            performance=load_settings(PerformanceSettings, environment),
            records=load_settings(RecordsSettings, environment),
            llm=load_settings(LlmSettings, environment),
            vendors=load_settings(VendorSettings, environment),
            allocation=load_settings(AllocationSettings, environment),
            improvement=load_settings(ImprovementSettings, environment),
            dashboard=load_settings(DashboardSettings, environment),
            telegram=load_settings(TelegramSettings, environment),
        )

    def refuse_contradictions(self, allocation: float, consents: Mapping[str, int]) -> None:
        """What is wrong with the settings together and with the command line. Raises Misconfigured, in one line."""
        KillSwitch(Path(self.safety.kill_switch_file)).refuse_nonsense()
        faults = [
            *contradictions(self.strategy, self.risk, self.safety, allocation, consents),
            *self.allocation.contradictions_of_day_trader(allocation),
        ]
        if faults:
            raise Misconfigured(" | ".join(faults))
