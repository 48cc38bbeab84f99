"""A headless Chromium of the system, and what every test asks of a page."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage"),
)
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PATIENCE_S = 20.0
PICTURES = "DASHBOARD_SCREENSHOTS"  # a folder where a person wants to find the screenshots


@contextmanager
def headless_browser() -> Iterator[Browser]:
    """The browser of the system; the test is skipped where there is none that starts."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no chromium here: `make chromium` installs it where it can")
    if subprocess.run([program, "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip(f"{program} does not start")
    expect.set_options(timeout=PATIENCE_S * 1_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """A page in a tab of its own. What it complains about on its console fails the test."""
    made: BrowserContext = browser.new_context(**{"viewport": DESKTOP, "color_scheme": "dark", **context})
    made.set_default_timeout(PATIENCE_S * 1_000)
    page = made.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
    page.goto(url)
    yield page
    made.close()
    assert complaints == []


def _is_complaint(message: Any) -> bool:
    """Errors, and not those of the network: the browser itself reports every refusal and every lost connection."""
    return message.type == "error" and "Failed to load resource" not in message.text


def eventually(question: Callable[[], Any], wanted: Any) -> None:
    """Ask until the answer is the wanted one: the page follows the program, and neither waits for the other."""
    give_up_s = time.monotonic() + PATIENCE_S
    while (found := question()) != wanted and time.monotonic() < give_up_s:
        time.sleep(0.05)
    assert found == wanted


def pictures(otherwise: Path) -> Path:
    """Where screenshots go: the folder of the environment, else the given one."""
    folder = Path(os.environ.get(PICTURES) or otherwise)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
