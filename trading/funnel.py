"""Why it did not trade: every judgement counted by symbol and rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from trading.rules import Rule, rule_name


class DecisionFunnel:
    """Counts judgements and notices where a symbol's verdict changes, so that a day is told in episodes."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[int]] = {}  # symbol -> rule -> judgements
        self._last: dict[str, int] = {}  # symbol -> rule of its latest judgement

    def count(self, symbol: str, rule: int) -> bool:
        """Count one judgement. True when it differs from the symbol's previous one: worth a row."""
        counts = self._counts.get(symbol)
        if counts is None:
            counts = self._counts[symbol] = Counter()
        counts[rule] += 1
        changed = self._last.get(symbol) != rule
        self._last[symbol] = rule
        return changed

    def last(self, symbol: str) -> int | None:
        """The rule of a symbol's latest judgement; None before the first."""
        return self._last.get(symbol)

    def by_symbol(self) -> dict[str, dict[str, int]]:
        """symbol -> rule name -> number of judgements, in the order in which the rules are tested."""
        return {
            symbol: {rule_name(rule): counts[rule] for rule in sorted(counts)}
            for symbol, counts in self._counts.items()
        }

    def totals(self) -> dict[str, int]:
        """rule name -> number of judgements over all symbols, in the order in which the rules are tested."""
        total: Counter[int] = Counter()
        for counts in self._counts.values():
            total.update(counts)
        return {rule_name(rule): total[rule] for rule in sorted(total)}

    def judgements(self) -> int:
        """All judgements made."""
        return sum(sum(counts.values()) for counts in self._counts.values())


def entries_in(totals: Mapping[str, int]) -> int:
    """How many judgements approved an entry."""
    return totals.get(rule_name(Rule.APPROVED), 0)
