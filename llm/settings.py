"""What the user may say about language models."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PROVIDERS = ("deepseek", "gemini", "local")


class LlmSettings(BaseModel):
    """Keys, the order of the models, limits of time and money. Without a key or a URL no model is ever asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("LLM_", "DEEPSEEK_", "LOCAL_LLM_", "GOOGLE_CLOUD_P")

    deepseek_api_key: SecretStr | None = Field(None, description="key of DeepSeek")
    local_llm_url: str | None = Field(
        None, description="base URL of a local OpenAI-compatible server, such as http://127.0.0.1:11434/v1"
    )
    google_cloud_project: str | None = Field(None, description="Google Cloud project for Gemini on Vertex AI")
    llm_order_open: tuple[str, ...] = Field(
        ("deepseek", "gemini", "local"), description="models to ask while the market is open or with --force-online"
    )
    llm_order_closed: tuple[str, ...] = Field(("local",), description="models to ask while the market is closed")
    llm_timeout_s: float = Field(60.0, description="limit for all one model is asked for one answer", ge=1, le=600)
    llm_retries: int = Field(1, description="times a refused or failed request is sent again", ge=0, le=5)
    llm_retry_pause_s: float = Field(2.0, description="pause before that, doubled each time", ge=0, le=60)
    llm_max_output_tokens: int = Field(2000, description="longest reply", ge=100, le=32000)
    llm_breaker_failures: int = Field(3, description="failures in a row that pause a model", ge=1, le=100)
    llm_breaker_pause_s: float = Field(300.0, description="length of that pause", ge=1, le=86400)
    llm_folds: int = Field(3, description="times a question is asked with the evidence in another order", ge=1, le=9)
    llm_evidence_chars: int = Field(12000, description="most characters of evidence in a prompt", ge=500, le=200000)
    llm_budget_run_usd: float = Field(0.25, description="most to spend in one run", ge=0, le=1000)
    llm_budget_day_usd: float = Field(0.5, description="most to spend in a day, UTC", ge=0, le=1000)
    llm_budget_month_usd: float = Field(5.0, description="most to spend in a month, UTC", ge=0, le=10000)
    llm_budget_file: Path = Field(Path("llm_budget.db"), description="where spending is kept, for all bots together")
    llm_deepseek_model: str = Field("deepseek-flash", description="DeepSeek's model", min_length=1)
    llm_deepseek_url: str = Field("https://api.deepseek.com", description="base URL of DeepSeek", min_length=1)
    llm_deepseek_thinking: Literal["disabled", "enabled"] = Field(
        "disabled", description="DeepSeek's reasoning before the reply"
    )
    llm_deepseek_input_usd: float = Field(
        0.3, description="DeepSeek's peak price of a million input tokens", ge=0, le=1000
    )
    llm_deepseek_cached_usd: float = Field(
        0.006, description="DeepSeek's price of a million cached ones", ge=0, le=1000
    )
    llm_deepseek_output_usd: float = Field(
        1.2, description="DeepSeek's peak price of a million output tokens", ge=0, le=1000
    )
    llm_deepseek_off_peak_pct: float = Field(
        50.0, description="DeepSeek's price outside peak hours, percent", gt=0, le=100
    )
    llm_local_model: str | None = Field(None, description="name of the local model; empty is the server's first")
    llm_local_format: Literal["json_schema", "json_object", "json_object_schema"] = Field(
        "json_schema", description="how a local model is asked for JSON"
    )
    llm_gemini_model: str = Field("gemini-2.5-flash", description="Gemini's model", min_length=1)
    llm_gemini_location: str = Field("global", description="region of Vertex AI", min_length=1)
    llm_gemini_input_usd: float = Field(0.3, description="Gemini's price of a million input tokens", ge=0, le=1000)
    llm_gemini_output_usd: float = Field(2.5, description="Gemini's price of a million output tokens", ge=0, le=1000)

    @field_validator("llm_order_open", "llm_order_closed")
    @classmethod
    def _check_providers(cls, order: tuple[str, ...]) -> tuple[str, ...]:
        for name in order:
            if name not in PROVIDERS:
                raise ValueError(f"{name!r} is not one of {', '.join(PROVIDERS)}")
            if order.count(name) > 1:
                raise ValueError(f"{name!r} is named twice")
        return order

    @field_validator("local_llm_url", "llm_deepseek_url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is None:
            return None
        scheme, _, rest = url.partition("://")
        if scheme not in ("http", "https") or not rest:
            raise ValueError("is not a URL such as http://127.0.0.1:11434/v1")
        if "@" in rest or "?" in rest:
            raise ValueError("has a password or a query in it: keys belong in DEEPSEEK_API_KEY")
        return url.rstrip("/")

    @field_validator("llm_deepseek_url")
    @classmethod
    def _check_key_is_safe(cls, url: str) -> str:
        """The key is never sent in the clear over a network."""
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise ValueError("must begin with https:// (http:// only on this machine)")
        return url

    @field_validator("deepseek_api_key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not ((text := key.get_secret_value()).isascii() and text.isprintable()):
            raise ValueError("holds characters that no key has")
        return key
