"""Evidence for a model: other people's texts, without what could pass for more than text, inside a fence.

The fence carries a nonce that the author of a text cannot know: it is a hash over all evidence, his own included. It
is the same for the same evidence, so that recorded replies can be found again.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

LONGEST_ITEM = 800  # characters of one text
NONCE_CHARS = 16

_FENCE_MARKS = re.compile(r"<{2,}|>{2,}")
_SINGLE_LETTER = r"(?:(?<=\$)|(?<=:)|(?<=\()){symbol}\b"  # "$F", "NYSE:F", "(F)": a bare F is a letter


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One text from outside: news, figures. No `symbol`: it concerns all of them."""

    source: str
    text: str
    day: date
    symbol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A symbol to be judged, and the names under which texts speak of it."""

    symbol: str
    names: tuple[str, ...] = ()


def cleaned(text: str, limit: int = LONGEST_ITEM) -> str:
    """One line of visible characters, without fence marks, at most `limit` long."""
    plain = unicodedata.normalize("NFKC", text)
    shown = "".join(" " if unicodedata.category(char)[0] in "ZC" else char for char in plain)
    return " ".join(_FENCE_MARKS.sub("", shown).split())[:limit]


def distinct(evidence: Sequence[Evidence], limit_chars: int) -> tuple[Evidence, ...]:
    """Cleaned, without repetitions, the first ones up to `limit_chars` in all. Order stays."""
    kept: list[Evidence] = []
    seen: set[tuple[str, str]] = set()
    used = 0
    for item in evidence:
        text = cleaned(item.text)
        key = item.symbol, re.sub(r"[\W_]+", "", text.casefold())
        if not key[1] or key in seen:
            continue
        if used + len(text) > limit_chars:
            break
        seen.add(key)
        used += len(text)
        kept.append(Evidence(source=cleaned(item.source, 40), text=text, day=item.day, symbol=item.symbol))
    return tuple(kept)


def anonymised(
    evidence: Sequence[Evidence], subjects: Sequence[Subject], alias_of: Mapping[str, str]
) -> list[Evidence]:
    """The same texts with every name of a subject replaced by its alias; so memory of a company cannot speak."""
    patterns = [(_names(subject), alias_of[subject.symbol]) for subject in subjects]
    found = []
    for item in evidence:
        text = item.text
        for pattern, alias in patterns:
            text = pattern.sub(alias, text)
        found.append(Evidence(source=item.source, text=text, day=item.day, symbol=alias_of.get(item.symbol, "")))
    return found


def fenced(evidence: Sequence[Evidence]) -> str:
    """The block that goes into a prompt."""
    lines = [f"[E{number}] {_label(item)}: {item.text}" for number, item in enumerate(evidence, 1)]
    body = "\n".join(lines)
    nonce = hashlib.sha256(body.encode()).hexdigest()[:NONCE_CHARS]
    return f"<<<evidence {nonce}\n{body}\nevidence {nonce}>>>"


def _label(item: Evidence) -> str:
    return ", ".join(part for part in (item.symbol, item.source, item.day.isoformat()) if part)


def _names(subject: Subject) -> re.Pattern[str]:
    """Long names before short ones; a symbol only as a whole word in capitals, a name in any case."""
    names = sorted((cleaned(name) for name in subject.names if len(name.strip()) > 2), key=len, reverse=True)
    symbol = re.escape(subject.symbol)
    as_symbol = _SINGLE_LETTER.format(symbol=symbol) if len(subject.symbol) == 1 else rf"\b{symbol}\b"
    in_any_case = [rf"(?i:\b{re.escape(name)}(?!\w))" for name in names]
    return re.compile("|".join([*in_any_case, as_symbol]))
