"""The weekly bot's judgement, pure: from frozen evidence to target weights, a plan of orders, and numbers about it.

No clock, no IO, no network; randomness comes from a seed that is an argument. Weights and probabilities are fractions
of one, prices that are traded are int in 1e-4 USD and money is int in 1e-6 USD as in `trading/`; prices that are only
studied are float USD. Heavy libraries are imported by the functions that need them.
"""
