"""`Notifications`: notices put together with those who bring them, for one run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Self

from endings import wait_at_end
from notifications.courier import Courier, Service
from notifications.notices import Kind, Notice, listen, notify
from notifications.settings import NotificationSettings


class Notifications:
    """While the block runs, notices of the chosen kinds go to every address; one thread each.

    An error that ends the block is told as a fault. What the last notices may cost: see `endings`.
    Raises Misconfigured for an address that cannot be used.
    """

    def __init__(
        self,
        settings: NotificationSettings,
        *,
        who: str,
        zone: tzinfo,
        blank: Callable[[str], str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`who` heads each message, times are told in `zone`; `blank` takes secrets out, `now` dates a fault."""
        self._settings = settings
        self._who = who
        self._zone = zone
        self._blank = blank
        self._now = now
        self._kinds = frozenset(settings.notify_events)
        self._couriers: list[Courier] = []

    @classmethod
    def of(
        cls, settings: NotificationSettings, *, bot: str, mode: str, zone: tzinfo, blank: Callable[[str], str]
    ) -> Notifications:
        """Those of one run of a bot; a simulated one is silent unless the settings say otherwise."""
        if mode == "simulated" and settings.notify_simulated == "no":
            settings = settings.model_copy(update={"notify_urls": None})
        return cls(settings, who=f"{bot} ({mode})", zone=zone, blank=blank)

    def __enter__(self) -> Self:
        if urls := self._settings.urls:
            from notifications.apprise_service import services  # loads the library

            self._couriers = [self._courier(service) for service in services(urls, self._blank)]
            listen(self._hear)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and not isinstance(error, KeyboardInterrupt):
            words = f"the program ended: {self._blank(str(error) or type(error).__name__)}"
            notify(Notice(kind=Kind.FAULT, words=words, at=self._now()))
        if self._couriers:
            listen(None)
        for courier in self._couriers:
            courier.close()
        for courier in self._couriers:
            wait_at_end(courier.join)

    def _courier(self, service: Service) -> Courier:
        pause_s, per_hour = self._settings.notify_pause_s, self._settings.notify_per_hour
        return Courier(service, who=self._who, zone=self._zone, pause_s=pause_s, per_hour=per_hour)

    def _hear(self, notice: Notice) -> None:
        if notice.kind in self._kinds:
            for courier in self._couriers:
                courier.put(notice)
