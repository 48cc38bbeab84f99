"""What the user may say about continuous improvement."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field


class ImprovementSettings(BaseModel):
    """How far the program may go in changing itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("IMPROVEMENT_",)

    improvement_mode: Literal["apply", "observe", "off"] = Field(
        default="apply", description="after the close: apply what the tests allow, observe and report only, or off"
    )
    improvement_experiments: Literal["alternate", "off"] = Field(
        default="alternate", description="let sessions alternate between two variants while an experiment runs, or off"
    )
