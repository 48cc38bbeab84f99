"""Before any test module is imported: the client library takes the event loop that is set at its first import."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import Phase, settings

# the same examples in every run, and no time limit: a busy machine breaks no test
settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")
# for mutants: few examples, for there are thousands of mutants, and the first that fails need not become the simplest
settings.register_profile(
    "mutation", settings.get_profile("house"), phases=(Phase.explicit, Phase.generate), max_examples=20
)

_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
try:
    import broker.client_library  # noqa: F401
finally:
    asyncio.set_event_loop(None)
    _loop.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what a run survived, where a test says so."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, ()):
            for name, told in getattr(report, "user_properties", ()):
                if name == "survived" and report.when == "call":
                    terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {told}")
