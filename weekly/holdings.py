"""The weekly bot's book beside the account, as the plan and the report need it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from broker.portfolio_desk import PortfolioDesk
from market_hours import Clock, Session
from portfolio.rebalance import PPM, Funds, Position
from trading.ledger import Position as Owned
from trading.money import notional
from weekly.options import CycleOptions
from weekly.results import Holdings


async def look(
    desk: PortfolioDesk,
    clock: Clock,
    session: Session,
    options: CycleOptions,
    symbols: Iterable[str],
    close_of: Callable[[str], int],
) -> Holdings:
    """What is owned, and the market of that and of `symbols`. Without a quote a price is the last close known.

    While the session runs, a name without a quote is not traded: nobody knows what it costs.
    """
    owned, of_others = desk.owned, desk.owned_by_others()
    wanted = sorted({*owned, *symbols})
    quotes = await desk.quotes(sorted({*wanted, *of_others}))
    is_open = session.open <= clock.now() < session.close
    positions = tuple(
        Position(
            symbol=symbol,
            owned=owned.get(symbol, Owned()).quantity,
            price=quote.last or close_of(symbol),
            bid=quote.bid,
            ask=quote.ask,
            is_tradable=not quote.halted and (quote.last > 0 or not is_open),
        )
        for symbol, quote in quotes.items()
        if symbol in wanted
    )
    prices = {symbol: quote.last or close_of(symbol) for symbol, quote in quotes.items()}
    value_of_others = sum(notional(prices[symbol], shares) for symbol, shares in of_others.items())
    return Holdings(
        at=clock.now(),
        account_id=desk.account.account_id,
        positions=positions,
        costs={symbol: position.cost for symbol, position in sorted(owned.items())},
        funds=funds_of(desk, options, value_of_others),
        of_others=of_others,
    )


def funds_of(desk: PortfolioDesk, options: CycleOptions, value_of_others: int) -> Funds:
    """What a plan may spend: settled, not borrowed, and not what the day trader has not used of its share.

    External holdings are no cash, and nothing is borrowed on them.
    """
    account = desk.account
    share = round(options.allocation.day_trader_allocation * PPM)
    unused = max(max(account.net_liquidation, 0) * share // PPM - value_of_others, 0)
    return Funds(
        net_liquidation=account.net_liquidation,
        settled_buying_power=account.unborrowed,
        reserved=unused,
        proceeds_usable=not account.is_cash,
    )


def untradable(holdings: Holdings, desk: PortfolioDesk, options: CycleOptions) -> frozenset[str]:
    """Names that keep their shares in this cycle, whatever is thought of them."""
    stuck = {each.symbol for each in holdings.positions if not each.is_tradable or not each.price}
    if options.safety.shared_symbols == "exclude":
        stuck |= {symbol for symbol, shares in holdings.of_others.items() if shares}
    return frozenset({*stuck, *desk.missing, *desk.doubtful, *options.safety.never_trade})


def capital_of(holdings: Holdings, options: CycleOptions) -> int:
    """What the bot's weights are fractions of, in 1e-6 USD."""
    return max(holdings.funds.net_liquidation, 0) * round(options.allocation.weekly_allocation * PPM) // PPM


def weights_of(holdings: Holdings, capital: int) -> dict[str, float]:
    """symbol -> weight of what is owned; above one together where holdings exceed the capital (1e-6 USD)."""
    owned = [each for each in holdings.positions if each.owned]
    return {each.symbol: notional(each.price, each.owned) / capital for each in owned} if capital > 0 else {}
