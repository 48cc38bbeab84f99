"""The client library takes seconds to load on a busy machine: before the tests, not within their deadlines."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session", autouse=True)
def loaded_library() -> None:
    import langchain_deepseek  # noqa: F401
