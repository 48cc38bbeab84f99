"""The strategy in other people's engines; runs in an environment of its own and knows nothing of the product.

`python research_peers.py vectorbt|backtesting FILE.npz`: prints seconds and round trips as JSON. Conventions: signals
at the close of a bar, fills at the next open (vectorbt: the same close), stop and target inside the bar, no spread,
no volume, no account limits, an exit five minutes before the end of each day.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

TARGET, STOP, RSI_CAP = 0.014, 0.008, 60.0
BARS_A_DAY, LAST_ENTRY, EXIT = 390, 374, 385


def signals(high: Any, low: Any, close: Any, volume: Any) -> tuple[Any, Any]:
    """Entries and end-of-day exits, vectorised: rolling VWAP(20) and Wilder's RSI(14), new every day."""
    days = len(close) // BARS_A_DAY

    def by_day(values: Any) -> pd.DataFrame:
        return pd.DataFrame(values.reshape(days, BARS_A_DAY).T)

    typical = by_day((high + low + close) / 3 * volume).rolling(20).sum() / by_day(volume).rolling(20).sum()
    changes = by_day(close).diff()
    gain = changes.clip(lower=0).ewm(alpha=1 / 14, adjust=False, min_periods=14).mean()
    loss = (-changes.clip(upper=0)).ewm(alpha=1 / 14, adjust=False, min_periods=14).mean()
    rsi = 100 * gain / (gain + loss)
    minute = np.arange(BARS_A_DAY)[:, None]
    entries = (by_day(close) > typical) & (rsi < RSI_CAP) & (minute < LAST_ENTRY)
    exits = np.broadcast_to(minute >= EXIT, entries.shape)
    return entries.to_numpy().T.ravel(), np.ascontiguousarray(exits.T).ravel()


def run_vectorbt(data: dict[str, Any]) -> Callable[[], int]:
    import vectorbt as vbt

    frame = {name: pd.Series(data[name]) for name in ("open", "high", "low", "close")}

    def run() -> int:
        entries, exits = signals(data["high"], data["low"], data["close"], data["volume"])
        portfolio = vbt.Portfolio.from_signals(
            frame["close"],
            pd.Series(entries),
            pd.Series(exits),
            open=frame["open"],
            high=frame["high"],
            low=frame["low"],
            sl_stop=STOP,
            tp_stop=TARGET,
            size=100,
            init_cash=1e9,
            freq="1min",
        )
        return int(portfolio.trades.count())

    return run


def run_backtesting(data: dict[str, Any]) -> Callable[[], int]:
    import warnings

    from backtesting import Backtest, Strategy

    warnings.simplefilter("ignore")
    columns = {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Volume": "volume"}
    frame = pd.DataFrame({name: data[key] for name, key in columns.items()})
    frame.index = pd.date_range("2020-01-01", periods=len(frame), freq="min")

    class VwapPullback(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            close, high, low, volume = self.data.Close, self.data.High, self.data.Low, self.data.Volume
            self.signal = self.I(lambda: signals(high, low, close, volume)[0].astype(float), plot=False)

        def next(self) -> None:
            minute = (len(self.data) - 1) % BARS_A_DAY
            if self.position:
                if minute >= EXIT - 1:
                    self.position.close()
            elif self.signal[-1] > 0:
                price = self.data.Close[-1]
                self.buy(size=100, sl=price * (1 - STOP), tp=price * (1 + TARGET))

    def run() -> int:
        return int(Backtest(frame, VwapPullback, cash=1e9, finalize_trades=True).run()["# Trades"])

    return run


def main(engine: str, file: str) -> None:
    with np.load(file) as stored:
        data = {name: stored[name].astype(np.float64) for name in stored.files}
    run = {"vectorbt": run_vectorbt, "backtesting": run_backtesting}[engine](data)
    times = []
    repeats = 4 if engine == "vectorbt" else 2
    for _ in range(repeats):  # the first one compiles
        began = time.process_time()
        trades = run()
        times.append(time.process_time() - began)
    print(json.dumps({"seconds": min(times[1:]), "bars": len(data["close"]), "round_trips": trades}))


if __name__ == "__main__":
    main(*sys.argv[1:])
