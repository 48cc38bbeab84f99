"""Gemini on Vertex AI, where its optional package `langchain-google-genai` is installed.

Credentials are Google's application default ones; the program never sees them.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from typing import Any

from llm.backends import Request
from llm.chat_completions import LONGEST_READ_S, completion_of
from llm.outcomes import Completion
from llm.pricing import Prices

PACKAGE = "langchain_google_genai"  # 4.0 or newer: earlier ones do not know Vertex AI

_FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter", "PROHIBITED_CONTENT": "content_filter"}


def is_installed() -> bool:
    """Whether the optional package is there, without importing it."""
    return importlib.util.find_spec(PACKAGE) is not None


class Gemini:
    """One model of a Google Cloud project."""

    provider = "gemini"

    def __init__(self, *, project: str, location: str, model: str, prices: Prices) -> None:
        self.prices = prices
        self.model = model
        self._project = project
        self._location = location
        self._chat: Any = None

    async def prepare(self) -> str:
        """Load the library in a thread. Vertex AI has no list of models to look into."""
        if self._chat is None:
            self._chat = await asyncio.to_thread(self._load)
        return self.model

    async def complete(self, request: Request) -> Completion:
        """Send one request with the schema enforced by the service."""
        from langsmith import tracing_context

        with tracing_context(enabled=False):
            message = await self._chat.ainvoke(
                list(request.messages),
                max_output_tokens=request.max_output_tokens,
                response_mime_type="application/json",
                response_json_schema=request.schema,
            )
        completion = completion_of(message, self.model)
        finish = _FINISH.get(completion.finish_reason.upper(), completion.finish_reason.lower())
        return Completion(
            text=completion.text,
            finish_reason=finish,
            model=completion.model,
            usage=completion.usage,
            refusal=completion.refusal,
            tool_calls=completion.tool_calls,
        )

    async def close(self) -> None:
        """The library owns its connections."""
        self._chat = None

    def _load(self) -> Any:
        library = importlib.import_module(PACKAGE)
        return library.ChatGoogleGenerativeAI(
            model=self.model,
            vertexai=True,
            project=self._project,
            location=self._location,
            temperature=0.0,
            timeout=LONGEST_READ_S,
            max_retries=1,  # attempts, of which the first is one
        )
