"""DeepSeek, and any server that speaks its dialect of OpenAI's chat completions: Ollama, llama.cpp, vLLM.

What is sent is chosen here and not by the library: its structured output forces a tool call, which models that think
refuse (400), and which local servers ignore. `response_format` goes through `extra_body`, past the library's own
parser, which would turn a reply that was cut off into an exception without the reply.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from http import HTTPStatus
from typing import Any, Literal

from pydantic import SecretStr

from llm.backends import Request, WrongModel
from llm.faults import status_of
from llm.outcomes import Completion, Usage
from llm.pricing import Prices

log = logging.getLogger(__name__)

NO_KEY = "none"  # local servers want a header, and take any
LONGEST_READ_S = 600.0  # of one read; the caller's deadline is shorter and counts

Format = Literal["json_object", "json_schema", "json_object_schema"]

_importing = threading.Lock()  # two threads that import one package can see it half made


class ChatCompletions:
    """A model behind `base_url`. `model` None takes the first that the server lists.

    `thinking` is only sent where it is understood (DeepSeek); None leaves it out. `json_object_schema` is the form of
    llama-cpp-python's server, which refuses `json_schema`: the schema within `json_object`.
    """

    def __init__(
        self,
        *,
        provider: str,
        base_url: str,
        api_key: SecretStr | None,
        model: str | None,
        prices: Prices,
        response_format: Format,
        thinking: str | None = None,
    ) -> None:
        self.provider = provider
        self.prices = prices
        self.model = model
        self._base_url = base_url
        self._api_key = api_key or SecretStr(NO_KEY)
        self._format = response_format
        self._thinking = thinking
        self._chat: Any = None
        self._model_is_checked = False

    async def prepare(self) -> str:
        """Load the library in a thread (over a second of imports), look for the model in `/models` once.

        Raises WrongModel when the server does not have it.
        """
        if self._chat is None:
            self._chat = await asyncio.to_thread(self._load)
        if not self._model_is_checked:
            self.model = self._found(await self._served())
            self._model_is_checked = True
        if self.model is None:  # `_found` gives a name or raises
            raise WrongModel("(first of the server)", [])
        return self.model

    async def complete(self, request: Request) -> Completion:
        """Send one request. Tracing of LangChain's own, which would send prompts to a third party, is off."""
        from langsmith import tracing_context

        body: dict[str, Any] = {"response_format": self._response_format(request.schema)}
        if self._thinking is not None:
            body["thinking"] = {"type": self._thinking}
        with tracing_context(enabled=False):
            message = await self._chat.ainvoke(
                list(request.messages), model=self.model, max_tokens=request.max_output_tokens, extra_body=body
            )
        return completion_of(message, self.model or "")

    async def close(self) -> None:
        """Close the connections that are kept alive."""
        if self._chat is not None:
            chat, self._chat = self._chat, None
            await chat.root_async_client.close()
            chat.root_client.close()

    def _load(self) -> Any:
        with _importing:
            library = importlib.import_module("langchain_deepseek")
        return library.ChatDeepSeek(
            model=self.model or "unknown",
            base_url=self._base_url,
            api_key=self._api_key,
            temperature=0.0,
            timeout=LONGEST_READ_S,
            max_retries=0,  # the caller counts and pays for each request
        )

    async def _served(self) -> list[str]:
        """Names in `/models`; empty where the server has no such list."""
        try:
            return [each.id async for each in self._chat.root_async_client.models.list()]
        except Exception as error:
            if status_of(error) == HTTPStatus.NOT_FOUND:
                return []
            raise

    def _found(self, served: list[str]) -> str:
        if self.model is None:
            if not served:
                raise WrongModel("(first of the server)", served)
            log.info("%s: the server's model is %s", self.provider, served[0])
            return served[0]
        if served and self.model not in served:
            raise WrongModel(self.model, served)
        return self.model

    def _response_format(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self._format == "json_object":
            return {"type": "json_object"}
        if self._format == "json_object_schema":
            return {"type": "json_object", "schema": schema}
        return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": schema}}


def completion_of(message: Any, model: str) -> Completion:
    """LangChain's message as ours. Token counts are taken only where they are counts."""
    told = message.response_metadata
    text = message.content if isinstance(message.content, str) else str(message.text)
    return Completion(
        text=text,
        finish_reason=str(told.get("finish_reason") or ""),
        model=str(told.get("model_name") or model),
        usage=_usage(message.usage_metadata),
        refusal=str(message.additional_kwargs.get("refusal") or ""),
        tool_calls=len(message.tool_calls) + len(message.invalid_tool_calls),
    )


def _usage(told: Any) -> Usage | None:
    if not told:
        return None
    counts = {
        "input_tokens": told.get("input_tokens"),
        "output_tokens": told.get("output_tokens"),
        "cached_tokens": (told.get("input_token_details") or {}).get("cache_read") or 0,
        "reasoning_tokens": (told.get("output_token_details") or {}).get("reasoning") or 0,
    }
    if not all(isinstance(count, int) and count >= 0 for count in counts.values()):
        return None
    return Usage(**counts)
