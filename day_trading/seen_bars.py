"""The minute bars that a session saw, kept in the bar store for research."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from market_hours import Session
from trading.bars import Bar
from utils import Misconfigured

log = logging.getLogger(__name__)

MARK = "store.json"  # of a bar store
DAY_S = 86_400


def keep_seen_bars(seen: Mapping[str, Sequence[Bar]], session: Session, folder: str) -> int:
    """Add the session's bars to the store in `folder` and return how many are new; an empty `folder` keeps none.

    The day is over and told: what cannot be kept is warned of, symbol by symbol, and costs nothing else.
    """
    if not folder or not any(seen.values()):
        return 0
    import numpy as np

    from research.store import BarStore
    from trading.bar_columns import BarColumns

    new = 0
    try:
        store = BarStore.at(Path(folder))
    except (Misconfigured, OSError) as error:
        log.warning("the bars of %s are not kept: %s", session.date, error)
        return 0
    for symbol, bars in seen.items():
        if not bars:
            continue
        columns = BarColumns(*(np.array(column, dtype=np.int64) for column in zip(*bars, strict=True)))
        try:
            done = store.append("minute", symbol, columns.between(session.open_s, session.close_s))
        except (Misconfigured, OSError) as error:
            log.warning("the bars of %s are not kept: %s", symbol, error)
            continue
        new += done.new
        if done.different:
            log.info("%s: %s bars differ from those in %s, which stay", symbol, done.different, folder)
    log.info("%s new bars of %s in %s", new, session.date, folder)
    return new


def forget_seen_bars(folder: Path) -> None:
    """Remove the store of an earlier simulated run: its account begins anew, and so do its recordings.

    Anything that is not such a store stays.
    """
    if (folder / MARK).is_file():
        shutil.rmtree(folder)


def seen_bars(folder: str, session_date: str, symbol: str) -> list[Bar]:
    """The minute bars of a finished session. Raises LookupError in words where nobody kept them."""
    from datetime import date, datetime

    from market_hours import NEW_YORK
    from research.store import BarStore

    day = date.fromisoformat(session_date)
    midnight_s = int(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK).timestamp())
    try:
        columns = BarStore(folder).bars("minute", symbol, day, day).between(midnight_s, midnight_s + DAY_S)
    except Misconfigured as error:
        raise LookupError(f"no bars are kept: {error}") from error
    if not len(columns.start_s):
        raise LookupError(f"{folder} has no bars of {symbol} on {session_date}")
    return [Bar(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]
