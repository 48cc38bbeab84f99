"""Where the dashboard is served, and who may command."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from utils import Misconfigured

SHORTEST_TOKEN = 16  # characters


class DashboardSettings(BaseModel):
    """The page and the API. On this machine alone unless told otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    ENV_PREFIXES: ClassVar[tuple[str, ...]] = ("DASHBOARD_",)

    dashboard_port: int = Field(8765, description="port of the web page", ge=1, le=65_535)
    dashboard_host: str = Field("127.0.0.1", description="address of the web page", min_length=1)
    dashboard_token: SecretStr | None = Field(
        None,
        description="what must be known to command; unset: one is made and kept in a file of yours",
        min_length=SHORTEST_TOKEN,
    )
    dashboard_names: tuple[str, ...] = Field(
        (), description="names under which browsers reach the page, separated by commas; addresses need no name"
    )
    dashboard_tls_cert: str = Field("", description="certificate file for https")
    dashboard_tls_key: str = Field("", description="key file of that certificate")
    dashboard_without_tls: Literal["refuse", "allow"] = Field(
        "refuse", description="plain http on an address that others reach: refuse or allow"
    )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.dashboard_host == "localhost":
            return True
        try:
            return ip_address(self.dashboard_host).is_loopback
        except ValueError:
            return False

    @property
    def has_tls(self) -> bool:
        """Whether the page is served by https."""
        return bool(self.dashboard_tls_cert)

    def refuse_unsafe(self) -> None:
        """Raises Misconfigured for what would let others read or command without a secret that is kept one."""
        if bool(self.dashboard_tls_cert) != bool(self.dashboard_tls_key):
            raise Misconfigured("DASHBOARD_TLS_CERT and DASHBOARD_TLS_KEY need each other")
        for file in filter(None, (self.dashboard_tls_cert, self.dashboard_tls_key)):
            if not Path(file).is_file():
                raise Misconfigured(f"DASHBOARD_TLS_CERT, DASHBOARD_TLS_KEY: {file}: no such file")
        if self.is_local:
            return
        where = f"DASHBOARD_HOST={self.dashboard_host} can be reached by others"
        if self.dashboard_token is None:
            raise Misconfigured(f"{where}: set DASHBOARD_TOKEN")
        if not self.has_tls and self.dashboard_without_tls == "refuse":
            raise Misconfigured(
                f"{where}: set DASHBOARD_TLS_CERT and DASHBOARD_TLS_KEY, or DASHBOARD_WITHOUT_TLS=allow behind a proxy"
            )
