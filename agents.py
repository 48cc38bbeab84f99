"""The agents of the weekly portfolio bot: gather data, analyse, manage the portfolio, monitor it.

None of them is part of this version. The module stands so that its name and its floor are fixed; it holds nothing,
and nothing imports it. The day trader's agents are in `day_trading_agents`.
"""
