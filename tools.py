"""The menu of outside market data that agents call, one function a need.

No tool is part of this version: the day trader takes its prices and history from the gateway, and uses no data
vendor. What stands here already are the settings under which the user's keys are known, so
that `.env` is checked against them and their values are blanked in logs.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class VendorSettings(BaseModel):
    """The user's keys for data vendors. None of them is needed, or used, by this version."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("FMP_", "POLYGON_")

    fmp_api_key: SecretStr | None = Field(None, description="key of Financial Modeling Prep (not used yet)")
    polygon_api_key: SecretStr | None = Field(None, description="key of Polygon (not used yet)")
