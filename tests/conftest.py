"""Before any test module is imported: the client library takes the event loop that is set at its first import."""

from __future__ import annotations

import asyncio

_loop = asyncio.new_event_loop()
asyncio.set_event_loop(_loop)
try:
    import broker.client_library  # noqa: F401
finally:
    asyncio.set_event_loop(None)
    _loop.close()
