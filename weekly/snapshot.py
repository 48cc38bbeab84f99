"""The evidence of one cycle: dated, hashed, and all that the agents after it may use."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from portfolio.history import PriceHistory
from portfolio.screening import Candidate
from trading.money import price_from_usd
from utils import Misconfigured, read_json, write_json_atomically
from vendors.facts import Fundamentals, NewsItem, Opinion
from weekly.universe import SECTOR_OF

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NameEvidence:
    """What was said of one company; None where nobody could say it."""

    symbol: str
    name: str = ""
    sector: str = ""
    fundamentals: Fundamentals | None = None
    opinion: Opinion | None = None
    news: tuple[NewsItem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What was known when a cycle decided about `session_date`: nothing of that session or after it.

    `history` holds daily closes of candidates, of names held, and of those whose forecasts are still open.
    """

    session_date: date
    taken_at: datetime
    candidates: tuple[Candidate, ...]
    own_names: frozenset[str] = frozenset()  # the user's own, for which no vendor's screen was asked
    names: Mapping[str, NameEvidence] = field(default_factory=dict)  # symbol -> what was said of it
    history: PriceHistory
    sources: Mapping[str, str] = field(default_factory=dict)  # need -> who answered
    missing: tuple[str, ...] = ()  # what could not be had, in words

    def sectors(self) -> dict[str, str]:
        """symbol -> sector, where somebody said it."""
        listed = {row.symbol: row.sector or "" for row in self.candidates}
        told = {symbol: about.sector for symbol, about in self.names.items() if about.sector}
        known = {symbol: SECTOR_OF.get(symbol, "") for symbol in self.history.symbols}
        return {symbol: sector for symbol, sector in (known | listed | told).items() if sector}

    def last_close(self, symbol: str) -> int:
        """The last close of a name in 1e-4 USD; 0 where none is known."""
        if symbol not in self.history.symbols:
            return 0
        closes = self.history.closes_usd[:, self.history.symbols.index(symbol)]
        known = closes[np.isfinite(closes) & (closes > 0)]
        return price_from_usd(float(known[-1])) if len(known) else 0

    @cached_property
    def content(self) -> dict[str, Any]:
        """The snapshot as plain JSON: the same evidence gives the same text."""
        closes = self.history.closes_usd
        return {
            "version": VERSION,
            "session_date": self.session_date.isoformat(),
            "taken_at": self.taken_at.isoformat(),
            "candidates": [asdict(each) for each in self.candidates],
            "own_names": sorted(self.own_names),
            "names": {symbol: _plain_name(self.names[symbol]) for symbol in sorted(self.names)},
            "sessions": [day.isoformat() for day in self.history.sessions],
            "closes_usd": {
                symbol: [None if math.isnan(price) else price for price in closes[:, column].tolist()]
                for column, symbol in enumerate(self.history.symbols)
            },
            "sources": dict(self.sources),
            "missing": list(self.missing),
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content."""
        return _digest(self.content)

    def write(self, folder: Path) -> Path:
        """Keep it as `weekly_snapshot_<date>_<digest>.json`; the path."""
        path = folder / f"weekly_snapshot_{self.session_date}_{self.digest[:12]}.json"
        write_json_atomically(path, {"sha256": self.digest, "content": self.content})
        return path


def read_snapshot(path: Path) -> Snapshot:
    """The snapshot in a file. Raises Misconfigured when there is none, or when it was changed after it was made."""
    found = read_json(path)
    try:
        content = found["content"]
        if _digest(content) != found["sha256"]:
            raise Misconfigured(f"{path}: the evidence was changed after it was gathered")
        return _snapshot(content)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Misconfigured(f"{path}: not a snapshot of the weekly bot: {type(error).__name__} {error}") from error


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _snapshot(content: Mapping[str, Any]) -> Snapshot:
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']!r}, not {VERSION}")
    sessions = tuple(date.fromisoformat(day) for day in content["sessions"])
    closes = content["closes_usd"]
    columns = [[math.nan if price is None else float(price) for price in closes[symbol]] for symbol in closes]
    return Snapshot(
        session_date=date.fromisoformat(content["session_date"]),
        taken_at=datetime.fromisoformat(content["taken_at"]),
        candidates=tuple(Candidate(**row) for row in content["candidates"]),
        own_names=frozenset(content["own_names"]),
        names={symbol: _name(row) for symbol, row in content["names"].items()},
        history=PriceHistory(
            symbols=tuple(closes),
            sessions=sessions,
            closes_usd=np.array(columns, dtype=np.float64).reshape(len(closes), len(sessions)).T.copy(),
        ),
        sources=content["sources"],
        missing=tuple(content["missing"]),
    )


def _plain_name(evidence: NameEvidence) -> dict[str, Any]:
    plain = asdict(evidence)
    for item in plain["news"]:
        published = item["published_at"]
        item["published_at"] = published.isoformat() if published is not None else None
        item["symbols"], item["sentiment"] = list(item["symbols"]), [list(each) for each in item["sentiment"]]
    plain["news"] = list(plain["news"])
    return plain


def _name(row: Mapping[str, Any]) -> NameEvidence:
    return NameEvidence(
        symbol=row["symbol"],
        name=row["name"],
        sector=row["sector"],
        fundamentals=Fundamentals(**row["fundamentals"]) if row["fundamentals"] is not None else None,
        opinion=Opinion(**row["opinion"]) if row["opinion"] is not None else None,
        news=tuple(_news_item(item) for item in row["news"]),
    )


def _news_item(item: Mapping[str, Any]) -> NewsItem:
    published = item["published_at"]
    return NewsItem(
        **{
            **item,
            "symbols": tuple(item["symbols"]),
            "published_at": datetime.fromisoformat(published) if published is not None else None,
            "sentiment": tuple((symbol, mood) for symbol, mood in item["sentiment"]),
        }
    )
