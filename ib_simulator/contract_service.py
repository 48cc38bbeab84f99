"""Contracts at the gateway: details, symbol search, market rules, and lists that are empty for US stocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.contracts import EXCHANGES, NO_SECURITY, ORDER_TYPES, StockList, hours_text, smart_contract
from ib_simulator.request_types import ReqContractDetails, ReqMarketRule, ReqMatchingSymbols
from market_hours import Session, TradingCalendar

US_STOCK_RULE = 26
US_STOCK_INCREMENTS = [(0.0, 0.0001), (1.0, 0.01)]  # SEC Rule 612
HOURS_AHEAD = timedelta(days=6)


class ContractService:
    """What the gateway knows of stocks besides their prices. `session` gives the one whose hours come first."""

    def __init__(self, stocks: StockList, calendar: TradingCalendar, session: Callable[[], Session]) -> None:
        self._stocks = stocks
        self._calendar = calendar
        self._session = session
        self._hours: dict[date, tuple[str, str]] = {}  # session -> trading and liquid hours texts

    def tell_contract(self, client: ClientConnection, request: ReqContractDetails) -> None:
        """The one contract that fits, or code 200."""
        contract = request.contract
        stock = self._stocks.find(contract.con_id, contract.symbol, contract.sec_type, contract.currency)
        if stock is None:
            client.error(request.req_id, 200, NO_SECURITY)
            return
        trading, liquid = self._hours_texts()
        row = replies.ContractRow(
            contract=smart_contract(stock),
            min_tick=stock.min_tick,
            long_name=f"{stock.symbol} (SIMULATED)",
            order_types=ORDER_TYPES,
            valid_exchanges=EXCHANGES,
            trading_hours=trading,
            liquid_hours=liquid,
            market_rule_ids=",".join([str(US_STOCK_RULE)] * len(EXCHANGES.split(","))),
        )
        client.send(
            replies.contract_details(client.version, request.req_id, row), replies.contract_details_end(request.req_id)
        )

    def tell_symbols(self, client: ClientConnection, request: ReqMatchingSymbols) -> None:
        """Stocks whose symbol begins so, perhaps none."""
        rows = [
            replies.SymbolRow(
                con_id=stock.con_id,
                symbol=stock.symbol,
                sec_type="STK",
                primary_exchange=stock.primary_exchange,
                currency="USD",
                description=f"{stock.symbol} (SIMULATED)",
            )
            for stock in self._stocks.matching(request.pattern)
        ]
        client.send(replies.symbol_samples(client.version, request.req_id, rows))

    def tell_market_rule(self, client: ClientConnection, request: ReqMarketRule) -> None:
        """Price increments in USD by price; code 321 for a rule other than that of US stocks."""
        if request.market_rule_id != US_STOCK_RULE:
            cause = f"Unknown market rule {request.market_rule_id}"
            client.error(-1, 321, f"Error validating request.-'cl' : cause - {cause}")
            return
        client.send(replies.market_rule(US_STOCK_RULE, US_STOCK_INCREMENTS))

    def _hours_texts(self) -> tuple[str, str]:
        day = self._session().date
        if day not in self._hours:
            sessions = self._calendar.sessions_between(day, day + HOURS_AHEAD)
            self._hours = {day: (hours_text(sessions, extended=True), hours_text(sessions, extended=False))}
        return self._hours[day]
