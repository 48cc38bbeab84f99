"""Pure trading rules: no clock, no IO, no randomness. Everything here can be tested without an event loop.

Rules are plain functions over ints, floats and NamedTuples, so that the research engine can compile the
same function objects. Prices are int in 1e-4 USD, money is int in 1e-6 USD, times are int epoch seconds (UTC).
"""
