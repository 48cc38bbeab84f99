"""The day's result by the broker's own count beside the ledger's, with what explains the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from trading.money import money_to_usd

HALF_A_CENT = 5_000  # 1e-6 USD: results that differ by less are the same in every report
COST_DIGIT = 100  # 1e-6 USD a share: average costs are told and kept in whole 1e-4 USD


class ToldSale(NamedTuple):
    """What the broker says a sale of today realised, in 1e-6 USD. `owner` is its bot, empty when it is nobody's."""

    symbol: str
    quantity: int
    realised: int
    owner: str


class BrokerResult(NamedTuple):
    """The account's day by the broker's own count, in 1e-6 USD: realised of all that traded on it, and each sale."""

    realised: int
    unrealised: int
    sales: tuple[ToldSale, ...]


class OwnDay(NamedTuple):
    """What the ledger of one bot has, in 1e-6 USD, and why the broker may count differently."""

    bot: str
    realised: int
    fees_owed: bool  # of some executions no fee was reported yet
    carried: tuple[str, ...]  # symbols of positions from an earlier session or adopted: their cost is told, not traded
    open_symbols: tuple[str, ...]  # positions left: fees that came late are in their cost, or in the result
    shared: tuple[str, ...]  # symbols in which the account holds shares of others: its average cost mixes both


def compared(own: OwnDay, told: BrokerResult) -> dict[str, Any]:
    """`broker_result` of the day report, in USD: both results, what explains the difference, and what nothing does.

    Sales of others on the account explain what they realised. A difference in our own sales is explained by the
    causes that hold, else by rounding up to a ten-thousandth of a dollar a share; the rest is `unexplained_usd`.
    """
    difference = told.realised - own.realised
    explained: list[dict[str, Any]] = []

    def explain(words: str, amount: int) -> None:
        if abs(amount) >= HALF_A_CENT:
            explained.append({"words": words, "usd": money_to_usd(amount)})

    ours = [sale for sale in told.sales if sale.owner == own.bot]
    for owner in dict.fromkeys(sale.owner for sale in told.sales if sale.owner != own.bot):
        of_owner = [sale for sale in told.sales if sale.owner == owner]
        symbols = ", ".join(dict.fromkeys(sale.symbol for sale in of_owner))
        explain(f"sales of {owner or 'somebody else'}: {symbols}", _realised(of_owner))
    unexplained = difference - (_realised(told.sales) - _realised(ours))
    if causes := _causes(own, told.sales):
        differently = _realised(ours) - own.realised
        explain(f"our sales, counted differently: {'; '.join(causes)}", differently)
        unexplained -= differently
    elif abs(unexplained) <= COST_DIGIT * sum(sale.quantity for sale in ours):
        explain("average costs, rounded", unexplained)
        unexplained = 0
    return {
        "ledger_usd": money_to_usd(own.realised),
        "broker_usd": money_to_usd(told.realised),
        "broker_unrealised_usd": money_to_usd(told.unrealised),
        "difference_usd": money_to_usd(difference),
        "explained": explained,
        "unexplained_usd": money_to_usd(unexplained) if abs(unexplained) >= HALF_A_CENT else 0.0,
    }


def comparison_words(result: Mapping[str, Any]) -> str:
    """One line for the summary."""
    words = f"{result['broker_usd']:+,.2f} USD"
    if abs(result["difference_usd"]) < 0.005:
        return f"{words}, as in the ledger"
    parts = [f"{each['usd']:+,.2f} {each['words']}" for each in result["explained"]]
    if result["unexplained_usd"]:
        parts.append(f"{result['unexplained_usd']:+,.2f} unexplained")
    return f"{words}, {result['difference_usd']:+,.2f} from the ledger: {', '.join(parts)}"


def _realised(sales: Sequence[ToldSale]) -> int:
    return sum(sale.realised for sale in sales)


def _causes(own: OwnDay, sales: Sequence[ToldSale]) -> list[str]:
    """Why the broker may count our own sales differently."""
    ours = {sale.symbol for sale in sales if sale.owner == own.bot}
    of_both = [sale.symbol for sale in sales if sale.owner != own.bot and sale.symbol in ours]
    known = (
        ("bought on an earlier day or adopted", own.carried),
        ("shares of others in", tuple(dict.fromkeys([*own.shared, *of_both]))),
        ("still open", own.open_symbols),
    )
    causes = [f"{words} {', '.join(symbols)}" for words, symbols in known if symbols]
    return ["fees are not reported yet"] * own.fees_owed + causes
