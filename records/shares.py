"""Version 2 of the schema: the database itself keeps how many shares are owned after each execution.

So neither a restart nor a view has to add up all executions ever. Triggers do it, whoever writes: an execution
that is recorded late, corrected or deleted changes the executions after it, too.
"""

from __future__ import annotations

_SHARES = "IIF({row}.action = 'BUY', {row}.quantity, -{row}.quantity)"
_SAME_BOOK = "{other}.symbol = {row}.symbol AND {other}.bot = {row}.bot AND {other}.mode = {row}.mode"
_MOMENT = "({row}.timestamp, {row}.trade_id)"  # executions are in this order


def _shares(row: str) -> str:
    return _SHARES.format(row=row)


def _same_book(row: str, other: str) -> str:
    return _SAME_BOOK.format(row=row, other=other)


def _moment(row: str) -> str:
    return _MOMENT.format(row=row)


_HOLDINGS = """
CREATE TABLE holdings (
    bot TEXT NOT NULL,
    mode TEXT NOT NULL,
    symbol TEXT NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (bot, mode, symbol)
) STRICT, WITHOUT ROWID
"""

_COUNT_OLD_EXECUTIONS = f"""
UPDATE trades SET owned = counted.owned FROM (
    SELECT trade_id, SUM({_shares("trades")}) OVER (
        PARTITION BY bot, mode, symbol ORDER BY timestamp, trade_id ROWS UNBOUNDED PRECEDING) AS owned
    FROM trades
) AS counted WHERE counted.trade_id = trades.trade_id
"""
_COUNT_OLD_HOLDINGS = f"""
INSERT INTO holdings (bot, mode, symbol, quantity)
SELECT bot, mode, symbol, SUM({_shares("trades")}) FROM trades GROUP BY bot, mode, symbol
"""


def _move(row: str, sign: str) -> str:
    """Add (or take, with a minus) the shares of `row` to the holding and to all executions after it."""
    return f"""
    INSERT INTO holdings (bot, mode, symbol, quantity)
    VALUES ({row}.bot, {row}.mode, {row}.symbol, {sign}{_shares(row)})
    ON CONFLICT (bot, mode, symbol) DO UPDATE SET quantity = quantity + excluded.quantity;
    UPDATE trades SET owned = owned + {sign}{_shares(row)}
    WHERE {_same_book(row, "trades")} AND {_moment("trades")} > {_moment(row)};
    """


_TAKE_PLACE = f"""
    UPDATE trades SET owned = {_shares("NEW")} + COALESCE((
        SELECT before.owned FROM trades AS before
        WHERE {_same_book("NEW", "before")} AND {_moment("before")} < {_moment("NEW")}
        ORDER BY before.timestamp DESC, before.trade_id DESC LIMIT 1), 0)
    WHERE trade_id = NEW.trade_id;
"""

_ADDED = f"CREATE TRIGGER trades_added AFTER INSERT ON trades BEGIN {_TAKE_PLACE} {_move('NEW', '')} END"
_REMOVED = f"CREATE TRIGGER trades_removed AFTER DELETE ON trades BEGIN {_move('OLD', '-')} END"
_CORRECTED = f"""
CREATE TRIGGER trades_corrected AFTER UPDATE OF bot, mode, symbol, action, quantity, timestamp ON trades BEGIN
    {_move("OLD", "-")} {_TAKE_PLACE} {_move("NEW", "")}
END
"""


def _last_flat(row: str, before: str = "") -> str:
    """The last execution of `row`'s book after which nothing was owned."""
    return f"""(
        SELECT flat.trade_id FROM trades AS flat
        WHERE {_same_book(row, "flat")} {before} AND flat.owned = 0
        ORDER BY flat.timestamp DESC, flat.trade_id DESC LIMIT 1)"""


_AFTER_FLAT = f"{_moment('part')} > (COALESCE(flat.timestamp, ''), COALESCE(flat.trade_id, 0))"
_BOUGHT = "SUM(IIF(part.action = 'BUY', part.quantity{times}, 0))"
_SOLD = "SUM(IIF(part.action = 'SELL', part.quantity{times}, 0))"
_MEAN_BOUGHT = f"{_BOUGHT.format(times=' * part.price')} / {_BOUGHT.format(times='')}"
_MEAN_SOLD = f"{_SOLD.format(times=' * part.price')} / {_SOLD.format(times='')}"

# Bought is entry and sold is exit: the program never goes short. A sum that misses a part is NULL, not smaller.
# `trip` is the trade_id of the execution that closed it. The columns of GROUP BY may be asked for without a scan.
_ROUND_TRIPS = f"""
CREATE VIEW round_trips AS
WITH closings AS (
    SELECT *, {_last_flat("trades", f"AND {_moment('flat')} < {_moment('trades')}")} AS flat_id
    FROM trades WHERE owned = 0
)
SELECT
    closing.bot AS bot, closing.mode AS mode, closing.symbol AS symbol, closing.trade_id AS trip,
    closing.session_date AS session_date,
    MIN(part.timestamp) AS opened_at,
    closing.timestamp AS closed_at,
    {_BOUGHT.format(times="")} AS quantity,
    {_MEAN_BOUGHT} AS avg_entry_price,
    {_MEAN_SOLD} AS avg_exit_price,
    IIF(MAX(part.action = 'SELL' AND part.pnl IS NULL), NULL, SUM(part.pnl)) AS pnl,
    IIF(COUNT(part.commission) = COUNT(*), SUM(part.commission), NULL) AS commission,
    closing.reason AS exit_reason,
    ROUND((julianday(closing.timestamp) - julianday(MIN(part.timestamp))) * 86400, 3) AS duration_s,
    COUNT(*) AS executions
FROM closings AS closing
LEFT JOIN trades AS flat ON flat.trade_id = closing.flat_id
JOIN trades AS part
    ON {_same_book("closing", "part")} AND {_moment("part")} <= {_moment("closing")} AND {_AFTER_FLAT}
GROUP BY closing.trade_id, closing.bot, closing.mode, closing.symbol, closing.session_date
"""

# `avg_price` is the mean price of all shares bought since the last flat moment, without commissions.
_OPEN_POSITIONS = f"""
CREATE VIEW open_positions AS
WITH held AS (
    SELECT *, {_last_flat("holdings")} AS flat_id FROM holdings WHERE quantity <> 0
), priced AS (
    SELECT
        held.bot AS bot, held.mode AS mode, held.symbol AS symbol, held.quantity AS quantity,
        IIF(held.quantity > 0, {_MEAN_BOUGHT}, {_MEAN_SOLD}) AS avg_price,
        MIN(part.timestamp) AS opened_at
    FROM held
    LEFT JOIN trades AS flat ON flat.trade_id = held.flat_id
    JOIN trades AS part ON {_same_book("held", "part")} AND {_AFTER_FLAT}
    GROUP BY held.bot, held.mode, held.symbol
)
SELECT bot, mode, symbol, quantity, quantity * avg_price AS cost_basis, avg_price, opened_at FROM priced
"""

SHARES: tuple[str, ...] = (
    "ALTER TABLE trades ADD COLUMN owned INTEGER NOT NULL DEFAULT 0",
    _COUNT_OLD_EXECUTIONS,
    _HOLDINGS,
    _COUNT_OLD_HOLDINGS,
    _ADDED,
    _REMOVED,
    _CORRECTED,
    "DROP VIEW round_trips",
    "DROP VIEW open_positions",
    _ROUND_TRIPS,
    _OPEN_POSITIONS,
    "CREATE INDEX order_intents_open ON order_intents (bot, mode) "
    "WHERE state IN ('created', 'sent', 'working', 'unknown')",
    "CREATE INDEX order_intents_client_order ON order_intents (client_id, order_id) WHERE order_id IS NOT NULL",
)
