"""What the user may say about the Telegram bot."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class TelegramSettings(BaseModel):
    """The bot that answers and obeys. Without a token there is none; messages of `NOTIFY_URLS` do not need it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("TELEGRAM_",)

    telegram_token: SecretStr | None = Field(None, description="token of the Telegram bot that takes commands")
    telegram_chats: tuple[int, ...] = Field((), description="ids of the chats that it obeys, no others")
    telegram_api_url: str = Field(
        "https://api.telegram.org", description="where Telegram answers; https, or http on this machine"
    )

    @property
    def is_on(self) -> bool:
        """Whether there is a bot."""
        return self.telegram_token is not None

    @field_validator("telegram_api_url")
    @classmethod
    def _is_safe(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)):
            return url.rstrip("/")
        raise ValueError("an address with https:// is needed, or http:// on this machine")

    @model_validator(mode="after")
    def _obeys_somebody(self) -> TelegramSettings:
        if self.telegram_token is not None and not self.telegram_chats:
            raise ValueError("TELEGRAM_TOKEN is set and TELEGRAM_CHATS is not: the bot would obey nobody")
        return self
