"""Figures of recorded minute bars: what the synthetic market was fitted to.

45 symbols of 18 sessions from 2025-08-29 to 2025-10-08, Interactive Brokers TRADES bars of the regular session;
measured by `benchmarks/market_shape.py`.
"""

from datetime import date

FIRST = date(2025, 8, 1)
LAST = date(2025, 10, 8)

RECORDED = {
    "volume, first minute / mean minute": 11.0,
    "volume, first 5 minutes / mean minute": 4.72,
    "volume, first half hour / mean minute": 2.4,
    "volume, second half hour / mean minute": 1.4,
    "volume, 11:30-13:30 / mean minute": 0.674,
    "volume, last half hour / mean minute": 1.91,
    "volume, last 5 minutes / mean minute": 5.05,
    "volume, last minute / mean minute": 9.91,
    "variance, first minute / mean minute": 19.1,
    "variance, first 5 minutes / mean minute": 10.9,
    "variance, first half hour / mean minute": 4.55,
    "variance, second half hour / mean minute": 1.72,
    "variance, 11:30-13:30 / mean minute": 0.58,
    "variance, last half hour / mean minute": 0.625,
    "variance, last 5 minutes / mean minute": 0.972,
    "variance, last minute / mean minute": 0.964,
    "kurtosis of minute moves": 11.1,
    "the same without time of day": 4.04,
    "minutes beyond 4 sd, per mille": 1.63,
    "minutes beyond 6 sd, per mille": 0.21,
    "minutes beyond 10 sd, per mille": 0.0263,
    "span of a minute / sd of its move": 1.28,
    "autocorrelation of moves, lag 1": -0.0257,
    "autocorrelation of moves, lag 2": -0.00716,
    "autocorrelation of moves, lag 5": 0.00314,
    "autocorrelation of |moves|, lag 1": 0.0831,
    "autocorrelation of |moves|, lag 5": 0.041,
    "autocorrelation of |moves|, lag 15": 0.0281,
    "autocorrelation of |moves|, lag 60": 0.00369,
    "sd of log volume without time of day, median": 0.621,
    "autocorrelation of log volume, lag 1": 0.356,
    "autocorrelation of log volume, lag 5": 0.213,
    "autocorrelation of log volume, lag 15": 0.121,
    "autocorrelation of log volume, lag 60": 0.0199,
    "correlation of log volume and |move|": 0.317,
    "correlation of minute moves of two symbols": 0.116,
    "the same, sd over pairs": 0.151,
    "correlation of 5-minute moves of two symbols": 0.14,
    "correlation of |minute moves| of two symbols": 0.244,
    "daily true range, % of price, 10 % of symbols below": 1.58,
    "daily true range, % of price, median symbol": 3.47,
    "daily true range, % of price, 10 % of symbols above": 5.74,
    "sd of minute moves, 1e-4, median symbol": 9.07,
    "mean |overnight gap| / mean |open to close|": 0.6,
    "sd of log volatility over a symbol's sessions": 0.188,
    "sd of log volume over a symbol's sessions": 0.343,
    "correlation of the two": 0.73,
    "shares per minute, 10 % of symbols below": 7_840.0,
    "shares per minute, median symbol": 31_000.0,
    "shares per minute, 10 % of symbols above": 143_000.0,
}
