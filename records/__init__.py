"""The database of a trading account: schema, numbered migrations, typed rows, and the one thread that writes.

The rest of the program speaks to it through `observability.TradingHistory`. Money and prices are REAL in USD,
times are ISO-8601 text in UTC with microseconds (fixed width, so that text order is time order), a session
is the exchange's date as YYYY-MM-DD.
"""
