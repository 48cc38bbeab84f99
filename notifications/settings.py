"""What the user may say about notifications and the dead-man switch, and what of that is secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from notifications.notices import Kind

LOOPBACK = ("127.0.0.1", "::1", "localhost")
BETWEEN_URLS = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9]*://)")  # a comma inside an address divides nothing


class NotificationSettings(BaseModel):
    """Where notices go and which. Without an address nobody is told anything, and Apprise is not even imported."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("NOTIFY_EVENT", "NOTIFY_URL", "NOTIFY_AFTER", "NOTIFY_P", "HEARTBEAT_")

    notify_urls: SecretStr | None = Field(
        None, description="Apprise addresses to tell, such as tgram://TOKEN/CHAT, with commas between them"
    )
    notify_events: tuple[Kind, ...] = Field(tuple(Kind), description="what is told")
    notify_after_disconnected_s: int = Field(60, description="outage that is told", ge=5, le=3_600)
    notify_pause_s: float = Field(
        10.0, description="least time between two messages; what happens meanwhile is one message", ge=0, le=3_600
    )
    notify_per_hour: int = Field(
        60, description="most notices of one kind in an hour; more are counted", ge=1, le=3_600
    )
    notify_simulated: Literal["no", "yes"] = Field("no", description="whether simulated sessions are told, too")
    heartbeat_url: SecretStr | None = Field(
        None,
        description="address of a dead-man switch, pinged while trading makes progress; https, or http on this machine",
    )
    heartbeat_every_s: int = Field(60, description="time between two pings", ge=1, le=3_600)

    @field_validator("heartbeat_url")
    @classmethod
    def _is_safe(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        parts = urlsplit(url.get_secret_value())
        if parts.scheme == "https" and parts.hostname:
            return url
        if parts.scheme == "http" and parts.hostname in LOOPBACK:
            return url
        raise ValueError("an address with https:// is needed, or http:// on this machine")

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses, one by one."""
        return split_urls(self.notify_urls.get_secret_value()) if self.notify_urls is not None else ()


def split_urls(text: str) -> tuple[str, ...]:
    """Addresses written with commas or blanks between them."""
    return tuple(url.strip(" ,") for url in BETWEEN_URLS.split(text) if url.strip(" ,"))


def url_secrets(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Everything in the addresses that may be a token, a password or a name of somebody: never to be shown."""
    urls = [*split_urls(variables.get("NOTIFY_URLS", "")), variables.get("HEARTBEAT_URL", "").strip()]
    return tuple(dict.fromkeys(part for url in urls if url for part in (url, *_parts(url))))


def _parts(url: str) -> list[str]:
    """What stands between the signs of an address. Only names of hosts are known to everybody."""
    rest = url.partition("://")[2]
    parts = [part for part in re.split(r"[/?&=#@:,]", rest) if part]
    whole = [part for part in re.split(r"[/?&#@]", rest) if part]  # a token with a colon, such as Telegram's
    hosts = {part for part in (*parts, *whole) if re.fullmatch(r"(localhost|[\w-]+(\.[\w-]+)+)(:\d+)?", part)}
    return [form for part in (*whole, *parts) if part not in hosts for form in dict.fromkeys((part, unquote(part)))]
