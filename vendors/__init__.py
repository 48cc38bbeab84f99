"""Outside market data: clients of FMP and Polygon, and the one interface through which the agents ask.

failures    the six ways in which a vendor fails, and how a reply is told to be one of them
rows        what a row must be; what is not is dropped, counted and named
client      one request: cache, remembered refusals, budget, pace, deadline, bounded tries, pages
fmp, polygon    their endpoints
sources     who answers a need, in order: FMP, Polygon, IBKR, the offline sample
"""
