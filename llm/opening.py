"""From settings to models: which there are, in which order they are asked, with what limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from llm.adviser import Adviser
from llm.backends import Backend, Trace
from llm.breaker import Breaker
from llm.budget import Budget, Spending
from llm.calling import Caller, CallLog
from llm.chat_completions import ChatCompletions
from llm.gemini import PACKAGE, Gemini, is_installed
from llm.language_models import LanguageModels, Limits
from llm.pricing import Prices
from llm.replay import RecordedReplies
from llm.settings import LlmSettings
from market_hours import Clock, new_york_calendar, new_york_date
from telemetry.conventions import chat_call


def open_models(
    settings: LlmSettings,
    *,
    clock: Clock,
    call_log: CallLog,
    force_online: bool = False,
    replay: Path | None = None,
    trace: Trace = chat_call,
) -> LanguageModels:
    """The models of this run; nothing is connected or imported yet. Raises Misconfigured on a bad `replay` file.

    While the market is closed `LLM_ORDER_CLOSED` is asked, else, or with `force_online`, `LLM_ORDER_OPEN`; with
    `replay` only the recording.
    """
    backends = configured(settings) if replay is None else [RecordedReplies(replay)]
    order = (lambda: [RecordedReplies.provider]) if replay is not None else market_order(settings, clock, force_online)
    return LanguageModels(
        backends,
        order,
        Caller(clock=clock, budget=open_budget(settings), call_log=call_log, secrets=secrets_of(settings), trace=trace),
        clock=clock,
        limits=Limits(
            timeout_s=settings.llm_timeout_s,
            retries=settings.llm_retries,
            retry_pause_s=settings.llm_retry_pause_s,
            max_output_tokens=settings.llm_max_output_tokens,
        ),
        breaker=Breaker(limit=settings.llm_breaker_failures, pause=timedelta(seconds=settings.llm_breaker_pause_s)),
    )


def open_adviser(models: LanguageModels, settings: LlmSettings) -> Adviser:
    """The adviser over `models`."""
    return Adviser(models, folds=settings.llm_folds, evidence_chars=settings.llm_evidence_chars)


@asynccontextmanager
async def advising(
    settings: LlmSettings, *, clock: Clock, call_log: CallLog, force_online: bool = False, replay: Path | None = None
) -> AsyncIterator[Adviser | None]:
    """An adviser for the block, None when there is neither a model nor a recording. Raises like `open_models`."""
    if replay is None and not configured(settings):
        yield None
        return
    models = open_models(settings, clock=clock, call_log=call_log, force_online=force_online, replay=replay)
    try:
        yield open_adviser(models, settings)
    finally:
        await models.close()


def open_budget(settings: LlmSettings) -> Budget:
    """This run's access to the purse."""
    limits = Spending(
        run_usd=settings.llm_budget_run_usd,
        day_usd=settings.llm_budget_day_usd,
        month_usd=settings.llm_budget_month_usd,
    )
    return Budget(settings.llm_budget_file, limits)


def market_order(settings: LlmSettings, clock: Clock, force_online: bool) -> Callable[[], Sequence[str]]:
    """The order of the hour, asked anew each time."""

    def order() -> Sequence[str]:
        online = force_online or market_is_open(clock)
        return settings.llm_order_open if online else settings.llm_order_closed

    return order


def market_is_open(clock: Clock) -> bool:
    """Whether the exchange is in session now."""
    now = clock.now()
    day = new_york_date(now)
    session = new_york_calendar(day).session_on(day)
    return session is not None and session.open <= now < session.close


def configured(settings: LlmSettings) -> list[Backend]:
    """The models that have what they need: a key, a URL, a project with its package."""
    found: list[Backend] = []
    if settings.deepseek_api_key is not None:
        found.append(
            ChatCompletions(
                provider="deepseek",
                base_url=settings.llm_deepseek_url,
                api_key=settings.deepseek_api_key,
                model=settings.llm_deepseek_model,
                prices=Prices(
                    input_usd=settings.llm_deepseek_input_usd,
                    cached_usd=settings.llm_deepseek_cached_usd,
                    output_usd=settings.llm_deepseek_output_usd,
                    off_peak=settings.llm_deepseek_off_peak_pct / 100,
                ),
                response_format="json_object",  # the only one that DeepSeek has
                thinking=settings.llm_deepseek_thinking,
            )
        )
    if settings.google_cloud_project is not None and is_installed():
        found.append(
            Gemini(
                project=settings.google_cloud_project,
                location=settings.llm_gemini_location,
                model=settings.llm_gemini_model,
                prices=Prices(
                    input_usd=settings.llm_gemini_input_usd,
                    cached_usd=settings.llm_gemini_input_usd,
                    output_usd=settings.llm_gemini_output_usd,
                ),
            )
        )
    if settings.local_llm_url is not None:
        found.append(
            ChatCompletions(
                provider="local",
                base_url=settings.local_llm_url,
                api_key=None,
                model=settings.llm_local_model,
                prices=Prices(),
                response_format=settings.llm_local_format,
            )
        )
    return found


def not_configured(settings: LlmSettings) -> dict[str, str]:
    """What each absent model lacks: provider -> one line."""
    lacks = {}
    if settings.deepseek_api_key is None:
        lacks["deepseek"] = "DEEPSEEK_API_KEY is not set"
    if settings.google_cloud_project is None:
        lacks["gemini"] = "GOOGLE_CLOUD_PROJECT is not set"
    elif not is_installed():
        lacks["gemini"] = f"the package {PACKAGE.replace('_', '-')} is not installed"
    if settings.local_llm_url is None:
        lacks["local"] = "LOCAL_LLM_URL is not set"
    return lacks


def secrets_of(settings: LlmSettings) -> tuple[str, ...]:
    """Values that must never be shown."""
    return () if settings.deepseek_api_key is None else (settings.deepseek_api_key.get_secret_value(),)
