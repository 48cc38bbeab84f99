"""The only module that imports Apprise: one address, and whether it took a message."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat, NotifyType

from notifications.message import Message, Weight
from utils import Misconfigured

TYPES = {Weight.INFO: NotifyType.INFO, Weight.WARNING: NotifyType.WARNING, Weight.FAILURE: NotifyType.FAILURE}
READ_LIMIT_S = 10.0  # Apprise gives 4 s; a message whose answer comes later would be told twice


class AppriseService:
    """A `Service` behind an Apprise address. `blank` removes secrets from what the library says about it."""

    def __init__(self, plugin: NotifyBase, name: str, blank: Callable[[str], str]) -> None:
        self.name = name
        self.longest = plugin.body_maxlen - plugin.title_maxlen
        self._plugin = plugin
        self._blank = blank

    def send(self, message: Message) -> str:
        said = _last_words()
        said.forget()
        arrived = self._plugin.notify(
            body=message.body,
            title=message.title,
            notify_type=TYPES[message.weight],
            body_format=NotifyFormat.TEXT,
        )
        return "" if arrived else self._blank(said.words()) or "no reason was given"


def services(urls: tuple[str, ...], blank: Callable[[str], str]) -> list[AppriseService]:
    """One for each address. Raises Misconfigured for one that Apprise cannot use, without showing it."""
    _last_words()
    asset = AppriseAsset(app_id="Day trader", app_desc="Day trader", async_mode=False)
    made = []
    for number, url in enumerate(urls, 1):
        plugin = Apprise.instantiate(url, asset=asset)
        if not isinstance(plugin, NotifyBase):
            scheme = url.partition("://")[0] if "://" in url else ""
            words = f"{scheme}:// is unknown, or something is missing behind it" if scheme else "it has no ://"
            raise Misconfigured(f"NOTIFY_URLS: Apprise cannot use address {number}: {words}")
        if "rto=" not in url:
            plugin.socket_read_timeout = READ_LIMIT_S
        made.append(AppriseService(plugin, f"{plugin.service_name} (address {number})", blank))
    return made


class _LastWords(logging.Handler):
    """What the library logged last, thread by thread: it gives its reasons nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        self._said.words = record.getMessage()

    def forget(self) -> None:
        self._said.words = ""

    def words(self) -> str:
        return " ".join(getattr(self._said, "words", "").split()).rstrip(".")


def _last_words() -> _LastWords:
    """The library's log, which names addresses and repeats itself, goes here and nowhere else."""
    logger = logging.getLogger("apprise")
    for handler in logger.handlers:
        if isinstance(handler, _LastWords):
            return handler
    handler = _LastWords()
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.WARNING)
    return handler
