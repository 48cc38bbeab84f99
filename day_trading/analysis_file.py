"""`day_trading_watchlist.json` as the analyst writes it: the list, why each symbol is on it or not, what was missing.

A reader of the list alone needs `session_date` and `symbols`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from day_trading.evidence import Gathered
from day_trading.universe import Universe
from trading.advice import View
from trading.watchlist import Candidate, Watchlist


def analysis_content(
    watchlist: Watchlist,
    universe: Universe,
    gathered: Gathered,
    candidates: Sequence[Candidate],
    views: Mapping[str, View],
    missing: Sequence[str],
) -> dict[str, Any]:
    """The file's content. It holds no instant and no age: the same answers give the same file."""
    return {
        "session_date": watchlist.session_date,
        "source": watchlist.source,
        "universe": {"symbols": len(universe.symbols), "from": universe.source},
        "evidence": gathered.sources,
        "symbols": [asdict(entry) for entry in watchlist.entries],
        "refused": {candidate.symbol: candidate.refusal for candidate in candidates if candidate.refusal},
        "advice": {symbol: {"stance": view.stance, "reason": view.reason} for symbol, view in views.items()},
        "missing": list(dict.fromkeys(missing)),
    }
