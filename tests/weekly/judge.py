"""What the gateway's own journal proves of the weekly bot, and whether its books agree with the account to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ib_simulator.journal import JournalEntry
from observability import TradingHistory

CENT_USD = 0.005


def broken_invariants(entries: Iterable[JournalEntry], client_id: int = 1) -> list[str]:
    """Short symbols, orders sent twice, fills beyond an order's size: of one client, from the journal alone."""
    broken: list[str] = []
    net: Counter[str] = Counter()
    perm_ids: dict[str, int] = {}  # order reference -> the one order that carried it
    filled: Counter[int] = Counter()
    sizes: dict[int, int] = {}
    for entry in entries:
        if entry.client_id != client_id or not entry.perm_id:
            continue
        sizes[entry.perm_id] = max(sizes.get(entry.perm_id, 0), entry.quantity)
        if perm_ids.setdefault(entry.order_ref, entry.perm_id) != entry.perm_id:
            broken.append(f"{entry.order_ref} was sent twice")
        if entry.event != "execution":
            continue
        filled[entry.perm_id] += entry.shares
        net[entry.symbol] += entry.side * entry.shares
        if net[entry.symbol] < 0:
            broken.append(f"{entry.at}: {entry.symbol} went short by {-net[entry.symbol]}")
        if filled[entry.perm_id] > sizes[entry.perm_id]:
            broken.append(f"order {entry.perm_id} of {sizes[entry.perm_id]} filled {filled[entry.perm_id]}")
    return broken


def differences(
    history: TradingHistory, entries: Iterable[JournalEntry], held: dict[str, float], cash_change_usd: float
) -> list[str]:
    """Where the bot's record disagrees with the exchange and the account: shares, executions, cash to the cent."""
    found: list[str] = []
    trades = history.trades(bot=history.bot)
    owned = {row.symbol: row.quantity for row in history.open_positions(history.bot)}
    if owned != held:
        found.append(f"ledger {owned}, account {held}")
    recorded = Counter(row.exec_id for row in trades)
    made = Counter(entry.exec_id for entry in entries if entry.event == "execution")
    found += [
        f"execution {each} recorded {recorded[each]} times, made {made[each]} times"
        for each in {**recorded, **made}
        if recorded[each] != made[each]
    ]
    if unpaid := [row.exec_id for row in trades if row.commission_usd is None]:
        found.append(f"no fee on record of {unpaid}")
    spent = sum(row.quantity * row.price_usd * (1 if row.action == "BUY" else -1) for row in trades)
    fees = sum(row.commission_usd or 0.0 for row in trades)
    if abs(cash_change_usd + spent + fees) >= CENT_USD:
        found.append(f"cash changed by {cash_change_usd:.6f} USD, on record {-spent:.6f} less {fees:.6f} of fees")
    return found
