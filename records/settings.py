"""What the user may say about the keeping of records."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class RecordsSettings(BaseModel):
    """Backups, retention, and the journal that takes rows while the database does not."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("RECORDS_",)

    records_backups: int = Field(default=14, description="backups to keep, one a session; 0 makes none", ge=0, le=1_000)
    records_keep_days: int = Field(
        default=365, description="days that decisions and health samples are kept", ge=7, le=36_500
    )
    records_fallback_dir: str = Field(
        default="", description="directory of the fallback journal; empty is beside the database"
    )
    records_reserve_mb: int = Field(
        default=8, description="disk space reserved for the fallback journal", ge=0, le=1_024
    )

    records_bar_store: str = Field(
        default="bars", description="folder that takes the bars of live and paper sessions; empty keeps none"
    )

    @property
    def keep(self) -> timedelta:
        """How long short-lived rows are kept."""
        return timedelta(days=self.records_keep_days)

    @property
    def fallback_dir(self) -> Path | None:
        """Where the fallback journal is; None: beside the database."""
        return Path(self.records_fallback_dir) if self.records_fallback_dir else None
