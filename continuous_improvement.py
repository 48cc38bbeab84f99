"""The improvement cycle: market regime, adaptive parameters, experiments, each change only on evidence.

None of it is part of this version. The module stands so that its name and its floor are fixed; it holds nothing, and
nothing imports it. The day trader trades every session with the parameters of `.env`, unchanged.
"""
