"""The analyst's verdict on a snapshot, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portfolio.factors import FactorScore
from portfolio.history import Returns
from portfolio.monte_carlo import Outlook
from portfolio.refusal import Refusal
from portfolio.skill import MeasuredSkill
from portfolio.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a language model said of the names: probabilities of beating the others, with its theses.

    `abstained` says why there is nothing, or less than was asked for; empty when all is there.
    """

    probabilities: Mapping[str, float]  # symbol -> probability over the horizon
    theses: Mapping[str, str]
    model: str = ""
    llm_call_ids: tuple[str, ...] = ()
    cost_usd: float = 0.0
    abstained: str = ""


NOTHING_SAID = Said(probabilities={}, theses={}, abstained="no language model was asked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """Names fit to be weighed, with what is thought of them, and why each other one is not."""

    screened: int  # candidates that were looked at
    returns: Returns  # of the names to be weighed
    refused: tuple[Refusal, ...]  # by screen, history, Monte Carlo filter and rank
    outlooks: tuple[Outlook, ...]
    mean_block_days: float
    scores: tuple[FactorScore, ...]  # of all names that passed the filter
    said: Said
    skill: MeasuredSkill  # of the model's settled forecasts
    factor_skill: MeasuredSkill  # of the deterministic score, on the same footing
    views: Views
    sectors: Mapping[str, str]
