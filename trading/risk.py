"""Risk rules: what may refuse an entry. None of them ever sees an order that reduces exposure."""

from __future__ import annotations

from typing import NamedTuple

from trading.costs import BUY, FeeSchedule, fill_fees, round_trip_fees
from trading.matching import entry_target_price
from trading.money import BPS, notional
from trading.rules import Rule, Verdict, approved
from trading.strategy import Market

PPM = 1_000_000
NO_LIMIT = 1 << 62  # more than any money in 1e-6 USD
THREE_USD, THREE_QUARTERS_USD = 30_000, 7_500  # 1e-4 USD


class RiskLimits(NamedTuple):
    """Limits of one session. Money in 1e-6 USD. The first three follow its capital: see `session_limits`."""

    max_daily_loss: int
    max_drawdown: int
    max_order_value: int
    max_open_positions: int = 10
    max_entries_per_session: int = 50
    max_entries_per_symbol: int = 5
    max_entries_per_tick: int = 5
    cool_down_s: int = 300
    loss_streak: int = 4
    loss_streak_pause_s: int = 1_800
    last_entry_s: int = 900  # no entry in the last 15 minutes before the close
    max_quote_age_s: int = 60
    max_spread_bps: int = 30
    max_cost_pct_of_target: int = 20
    volume_share_bps: int = 1_000
    collar_bps: int = 10


class MoneyShares(NamedTuple):
    """What money limits are percent of something: 0 is none of it."""

    max_daily_loss_pct: float  # of the capital
    max_drawdown_pct: float  # of the capital
    max_position_pct: float  # of the account; 0: an order is limited by its value alone


def session_limits(fixed: RiskLimits, shares: MoneyShares, capital: int, equity: int) -> RiskLimits:
    """`fixed` with the money limits of a session that may use `capital` of an account worth `equity` (1e-6 USD).

    What follows the three is taken over as it is: a new limit needs no word here.
    """
    largest = fixed.max_order_value
    if shares.max_position_pct > 0.0:
        largest = min(largest, money_share(equity, shares.max_position_pct))
    max_daily_loss = money_share(capital, shares.max_daily_loss_pct)
    max_drawdown = money_share(capital, shares.max_drawdown_pct)
    return RiskLimits(max_daily_loss, max_drawdown, largest, *fixed[3:])


def money_share(capital: int, pct: float) -> int:
    """`pct` percent of `capital` (1e-6 USD), rounded half-even: how loss limits follow from the allocated capital."""
    return round(capital * pct / 100)


class BookState(NamedTuple):
    """The account as the rules see it at one agent instant. Money in 1e-6 USD, times in epoch seconds."""

    now_s: int
    close_s: int
    open_positions: int  # with pending entries
    entries: int
    entries_this_tick: int
    pause_until_s: int
    loss_latched: bool
    drawdown_latched: bool
    entries_stopped: bool
    available_funds: int = NO_LIMIT  # what new positions may bind, less what is on its way
    day_trades_left: int = -1  # as the account reports it, -1: not limited
    day_trades_begun: int = 0  # positions and entries of today that will be one each once they are sold


class SymbolState(NamedTuple):
    """One symbol as the rules see it."""

    quantity: int
    pending: bool
    entries: int
    last_exit_s: int  # 0: none today
    rejected: bool = False  # the broker refused an entry today
    margin_ppm: int = PPM  # millionths of an order's value that it binds of the available funds


def check_book(book: BookState, limits: RiskLimits) -> Verdict:
    """Rules of the whole account."""
    if book.entries_stopped:
        return Verdict(Rule.ENTRIES_STOPPED, 0.0, 1.0)
    if book.loss_latched:
        return Verdict(Rule.DAILY_LOSS, float(limits.max_daily_loss), 0.0)
    if book.drawdown_latched:
        return Verdict(Rule.DRAWDOWN, float(limits.max_drawdown), 0.0)
    if book.now_s >= book.close_s - limits.last_entry_s:
        return Verdict(Rule.LAST_MINUTES, float(limits.last_entry_s), float(book.close_s - book.now_s))
    if book.now_s < book.pause_until_s:
        return Verdict(Rule.LOSS_STREAK_PAUSE, 0.0, float(book.pause_until_s - book.now_s))
    if book.entries >= limits.max_entries_per_session:
        return Verdict(Rule.ENTRIES_PER_SESSION, float(limits.max_entries_per_session), float(book.entries))
    if 0 <= book.day_trades_left <= book.day_trades_begun:
        return Verdict(Rule.DAY_TRADES, float(book.day_trades_left), float(book.day_trades_begun + 1))
    if book.open_positions >= limits.max_open_positions:
        return Verdict(Rule.OPEN_POSITIONS, float(limits.max_open_positions), float(book.open_positions))
    if book.entries_this_tick >= limits.max_entries_per_tick:
        return Verdict(Rule.ENTRIES_PER_TICK, float(limits.max_entries_per_tick), float(book.entries_this_tick))
    return approved()


def check_symbol(symbol: SymbolState, now_s: int, limits: RiskLimits) -> Verdict:
    """Rules of one symbol's own history today."""
    if symbol.quantity > 0:
        return Verdict(Rule.POSITION_OPEN, 0.0, float(symbol.quantity))
    if symbol.pending:
        return Verdict(Rule.ENTRY_PENDING, 0.0, 1.0)
    if symbol.rejected:
        return Verdict(Rule.REJECTED_BY_BROKER, 0.0, 1.0)
    if symbol.last_exit_s and now_s < symbol.last_exit_s + limits.cool_down_s:
        return Verdict(Rule.COOL_DOWN, float(limits.cool_down_s), float(now_s - symbol.last_exit_s))
    if symbol.entries >= limits.max_entries_per_symbol:
        return Verdict(Rule.ENTRIES_PER_SYMBOL, float(limits.max_entries_per_symbol), float(symbol.entries))
    return approved()


def check_market(market: Market, limits: RiskLimits) -> Verdict:
    """Rules of the data: fresh, live, not halted nor at a price band, and a spread that can be paid."""
    if market.quote_age_s > limits.max_quote_age_s:
        return Verdict(Rule.STALE_QUOTE, float(limits.max_quote_age_s), float(market.quote_age_s))
    if market.delayed:
        return Verdict(Rule.DELAYED_DATA, 0.0, 1.0)
    if market.halted:
        return Verdict(Rule.HALTED, 0.0, 1.0)
    spread = market.ask - market.bid
    if spread <= 0 or spread * BPS > limits.max_spread_bps * market.bid:
        return Verdict(Rule.SPREAD, float(limits.max_spread_bps), spread * BPS / market.bid)
    return check_price_band(market)


def check_price_band(market: Market) -> Verdict:
    """Limit up, limit down: no entry where the price is as far from its average as a limit state is.

    The bands themselves are not published. They lie 5 % (under 3 USD 20 %, under 0.75 USD up to 75 %) around the
    mean price of the last five minutes (Regulation NMS Plan to Address Extraordinary Market Volatility, tier 1);
    the VWAP of 20 minutes lags behind that mean, so that this rule sees a run into a band before it is there.
    """
    if market.vwap.sum_volume == 0:
        return approved()
    band_bps = 500 if market.last > THREE_USD else 2_000 if market.last >= THREE_QUARTERS_USD else 7_500
    away = market.last * 3 * market.vwap.sum_volume - market.vwap.sum_pv3
    if abs(away) < market.vwap.sum_pv3 // BPS * band_bps:
        return approved()
    return Verdict(Rule.LIMIT_STATE, float(band_bps), away * BPS / market.vwap.sum_pv3)


def check_size(
    quantity: int,
    market: Market,
    free_capital: int,
    profit_target_bps: int,
    rates: FeeSchedule,
    limits: RiskLimits,
) -> Verdict:
    """Rules of the order itself: at least one share, and costs that leave most of the target.

    Costs are the fees of both sides plus one full spread, against the money that the target would bring (1e-6 USD, as
    `free_capital` is).
    """
    if quantity <= 0:
        one_share = notional(market.ask, 1)
        if free_capital < one_share:
            return Verdict(Rule.CAPITAL, float(one_share), float(free_capital))
        return Verdict(Rule.ZERO_SHARES, 1.0, 0.0)
    cost = round_trip_fees(quantity, market.ask, rates) + notional(market.ask - market.bid, quantity)
    gain = notional(entry_target_price(market.ask, profit_target_bps) - market.ask, quantity)
    if cost * 100 > limits.max_cost_pct_of_target * gain:
        return Verdict(Rule.ROUND_TRIP_COST, float(limits.max_cost_pct_of_target), 100.0 * cost / max(gain, 1))
    return approved()


def capital_needed(quantity: int, collar: int, rates: FeeSchedule) -> int:
    """Most that an entry may cost in 1e-6 USD: all shares at the collar (1e-4 USD), and the fees."""
    return notional(collar, quantity) + fill_fees(BUY, quantity, collar, 0, rates)


def check_funds(needed: int, margin_ppm: int, available_funds: int) -> Verdict:
    """Buying power: what an entry that costs `needed` binds must be there now, at the broker. Money in 1e-6 USD."""
    binds = needed // 1_000 * margin_ppm // 1_000
    if binds > available_funds:
        return Verdict(Rule.BUYING_POWER, float(available_funds), float(binds))
    return approved()
