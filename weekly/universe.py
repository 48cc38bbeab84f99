"""Sectors of well-known companies (GICS), for runs in which no data vendor tells them."""

from __future__ import annotations

SECTORS = {
    "Communication Services": "DIS GOOGL META NFLX T VZ",
    "Consumer Discretionary": "AMZN BBY HD MCD NKE TSLA",
    "Consumer Staples": "COST KO PEP PG WMT",
    "Energy": "CVX RRC XOM",
    "Financials": "BAC GS JPM MA V",
    "Health Care": "ABBV JNJ LLY MRK PFE UNH",
    "Industrials": "BA CAT GE HON UNP",
    "Information Technology": "AAPL AMD AVGO CRM IBM MSFT NVDA ORCL QCOM",
    "Materials": "LIN",
    "Utilities": "NEE",
}
SECTOR_OF = {symbol: sector for sector, symbols in SECTORS.items() for symbol in symbols.split()}
