"""The only room that knows the IBKR client library. It speaks to the rest of the house in domain values."""
