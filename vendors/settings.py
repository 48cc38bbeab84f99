"""What `.env` says about the data vendors. Keys are secrets: they are sent in headers and shown nowhere."""

from __future__ import annotations

from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class VendorSettings(BaseModel):
    """Keys, plans and limits. Without a key a vendor is not asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("FMP_", "POLYGON_", "VENDOR_")

    fmp_api_key: SecretStr | None = Field(None, description="key of Financial Modeling Prep")
    fmp_plan: Literal["basic", "starter", "premium", "ultimate"] = Field(
        "basic", description="plan of that key: decides calls a minute and a day"
    )
    fmp_base_url: str = Field(
        "https://financialmodelingprep.com/stable", description="where FMP answers; https, or http on this machine"
    )
    polygon_api_key: SecretStr | None = Field(None, description="key of Polygon, now Massive")
    polygon_plan: Literal["basic", "starter", "developer", "advanced"] = Field(
        "basic", description="plan of that key: decides calls a minute"
    )
    polygon_base_url: str = Field(
        "https://api.polygon.io", description="where Polygon answers; https, or http on this machine"
    )
    vendor_cache_dir: str = Field("vendor_cache", description="directory of kept replies and of the count of calls")
    vendor_timeout_s: float = Field(10.0, description="limit of one try of a vendor's call", gt=0, le=120)
    vendor_deadline_s: float = Field(
        30.0, description="limit of a vendor's call with its tries and waits", gt=0, le=600
    )
    vendor_retries: int = Field(2, description="further tries of a vendor's call that may succeed then", ge=0, le=5)

    @field_validator("fmp_base_url", "polygon_base_url")
    @classmethod
    def _key_is_safe_there(cls, text: str) -> str:
        """A key is never sent in the clear over a network."""
        url = urlsplit(text)
        if url.username or url.query or url.fragment or not url.hostname:
            raise ValueError("it must be a plain address such as https://api.polygon.io")
        if url.scheme != "https" and not (url.scheme == "http" and url.hostname in LOOPBACK):
            raise ValueError("it must begin with https:// (http:// only on this machine)")
        return text

    @field_validator("fmp_api_key", "polygon_api_key")
    @classmethod
    def _key_fits_a_header(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not ((text := key.get_secret_value()).isascii() and text.isprintable()):
            raise ValueError("it holds characters that no key has")
        return key
