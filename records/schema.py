"""What the database looks like: tables, indexes and views, as the statements of numbered migrations.

A published migration never changes; a change of the schema is a new entry of `MIGRATIONS`. That is why the
allowed values are spelled out here and not taken from the Python types (a test holds the two together).
"""

from __future__ import annotations

from records.shares import SHARES

APPLICATION_ID = 0x49425448  # "IBTH"; marks the file as ours, see `PRAGMA application_id`


def _time(column: str) -> str:
    return f"{column} TEXT CHECK ({column} GLOB '????-??-??T??:??:??.??????+00:00')"


def _day(column: str) -> str:
    digit = "[0-9]"
    return f"{column} TEXT NOT NULL CHECK ({column} GLOB '{digit * 4}-{digit * 2}-{digit * 2}')"


def _json(column: str) -> str:
    return f"{column} TEXT CHECK ({column} IS NULL OR json_valid({column}))"  # json_valid(NULL) is 0 in SQLite 3.40


def _flag(column: str) -> str:
    return f"{column} INTEGER CHECK ({column} IN (0, 1))"


def _one_of(column: str, *values: str) -> str:
    allowed = ", ".join(f"'{value}'" for value in values)
    return f"{column} TEXT NOT NULL CHECK ({column} IN ({allowed}))"


def _who() -> str:
    return "bot TEXT NOT NULL CHECK (bot <> ''), mode TEXT NOT NULL CHECK (mode <> '')"


_META = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT"

# One row per execution. `pnl` stands on the closing side, net of commissions; NULL until it is known.
_TRADES = f"""
CREATE TABLE trades (
    trade_id INTEGER PRIMARY KEY,
    exec_id TEXT NOT NULL UNIQUE,
    order_ref TEXT,
    {_who()},
    {_day("session_date")},
    {_time("timestamp")} NOT NULL,
    symbol TEXT NOT NULL,
    {_one_of("action", "BUY", "SELL")},
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price REAL NOT NULL CHECK (price > 0),
    commission REAL,
    pnl REAL,
    pnl_pct REAL,
    {_one_of("reason", "entry", "profit_target", "stop_loss", "time_exit", "eod", "sync", "rebalance", "manual")},
    rsi REAL,
    vwap REAL,
    atr REAL,
    atr_pct REAL,
    regime TEXT,
    variant TEXT,
    {_json("parameters")},
    trace_id TEXT,
    intent_id TEXT,
    order_id INTEGER,
    perm_id INTEGER
) STRICT
"""

_ORDER_INTENTS = f"""
CREATE TABLE order_intents (
    intent_id TEXT PRIMARY KEY,
    bracket_id TEXT,
    {_one_of("role", "entry", "stop", "target", "time_exit", "close")},
    {_who()},
    {_day("session_date")},
    {_time("created_at")} NOT NULL,
    symbol TEXT NOT NULL,
    {_one_of("action", "BUY", "SELL")},
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    order_type TEXT NOT NULL,
    limit_price REAL,
    stop_price REAL,
    tif TEXT NOT NULL,
    {_time("good_till")},
    {_time("good_after")},
    oca_group TEXT,
    parent_intent_id TEXT,
    reason TEXT,
    decision_id TEXT,
    {_one_of("state", "created", "sent", "working", "filled", "cancelled", "rejected", "expired", "unknown")},
    order_id INTEGER,
    client_id INTEGER,
    perm_id INTEGER,
    filled_quantity INTEGER NOT NULL CHECK (filled_quantity >= 0),
    avg_fill_price REAL,
    {_time("updated_at")} NOT NULL,
    detail TEXT
) STRICT
"""

# `limit_value` and `actual_value` share the unit of the rule, which its name says.
_DECISIONS = f"""
CREATE TABLE decisions (
    decision_id TEXT PRIMARY KEY,
    {_time("timestamp")} NOT NULL,
    {_day("session_date")},
    {_who()},
    symbol TEXT NOT NULL,
    {_one_of("kind", "enter", "exit", "deny", "sync")},
    rule TEXT,
    limit_value REAL,
    actual_value REAL,
    price REAL,
    bid REAL,
    ask REAL,
    rsi REAL,
    vwap REAL,
    atr REAL,
    atr_pct REAL,
    volume INTEGER,
    bars INTEGER,
    quantity INTEGER,
    {_json("detail")},
    trace_id TEXT
) STRICT
"""

_DAILY_METRICS = f"""
CREATE TABLE daily_metrics (
    {_day("session_date")},
    {_who()},
    trades INTEGER NOT NULL,
    round_trips INTEGER NOT NULL,
    wins INTEGER NOT NULL,
    losses INTEGER NOT NULL,
    win_rate_pct REAL,
    total_pnl REAL NOT NULL,
    gross_profit REAL NOT NULL,
    gross_loss REAL NOT NULL,
    profit_factor REAL,
    average_win REAL,
    average_loss REAL,
    risk_reward REAL,
    expectancy REAL,
    max_drawdown REAL,
    sharpe REAL,
    sortino REAL,
    average_duration_s REAL,
    median_duration_s REAL,
    average_position REAL,
    capital_used REAL,
    capital_efficiency_pct REAL,
    turnover REAL,
    commissions REAL,
    slippage_bps REAL,
    exposure_s REAL,
    best_trade REAL,
    worst_trade REAL,
    {_json("exit_reasons")},
    {_json("detail")},
    PRIMARY KEY (session_date, bot, mode)
) STRICT
"""

_AGENT_HEALTH = f"""
CREATE TABLE agent_health (
    health_id INTEGER PRIMARY KEY,
    {_time("timestamp")} NOT NULL,
    {_who()},
    agent TEXT NOT NULL,
    {_one_of("status", "normal", "warning", "critical")},
    cpu_pct REAL,
    memory_mb REAL,
    memory_pct REAL,
    {_flag("ib_connected")},
    data_age_s REAL,
    loop_lag_ms REAL,
    healing_action TEXT,
    detail TEXT
) STRICT
"""

_PARAMETER_CHANGES = f"""
CREATE TABLE parameter_changes (
    change_id INTEGER PRIMARY KEY,
    {_time("timestamp")} NOT NULL,
    {_day("session_date")},
    {_who()},
    parameter TEXT NOT NULL,
    old_value ANY,
    new_value ANY,
    {_one_of("source", "rule", "llm", "regime", "experiment", "rollback", "manual")},
    reason TEXT NOT NULL,
    {_json("evidence")},
    {_flag("applied")} NOT NULL
) STRICT
"""

_EVALUATIONS = f"""
CREATE TABLE evaluations (
    evaluation_id INTEGER PRIMARY KEY,
    {_time("timestamp")} NOT NULL,
    {_day("session_date")},
    {_who()},
    source TEXT NOT NULL,
    insights TEXT NOT NULL,
    {_json("recommendations")},
    {_json("metrics")},
    llm_call_id TEXT
) STRICT
"""

# `hash` covers the row and `previous_hash`: a changed or missing call breaks the chain.
_LLM_CALLS = f"""
CREATE TABLE llm_calls (
    llm_call_id TEXT PRIMARY KEY,
    {_time("timestamp")} NOT NULL,
    {_day("session_date")},
    {_who()},
    purpose TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt TEXT NOT NULL,
    reply TEXT,
    outcome TEXT NOT NULL,
    error TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cost REAL,
    duration_s REAL,
    trace_id TEXT,
    previous_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT
"""

_FORECASTS = f"""
CREATE TABLE forecasts (
    forecast_id TEXT PRIMARY KEY,
    {_time("timestamp")} NOT NULL,
    {_day("session_date")},
    {_who()},
    source TEXT NOT NULL,
    subject TEXT NOT NULL,
    question TEXT NOT NULL,
    {_time("due_at")} NOT NULL,
    probability REAL CHECK (probability BETWEEN 0 AND 1),
    value REAL,
    baseline REAL,
    outcome REAL,
    {_time("resolved_at")},
    score REAL,
    llm_call_id TEXT,
    {_json("detail")}
) STRICT
"""

_EXPERIMENT_DAYS = f"""
CREATE TABLE experiment_days (
    experiment TEXT NOT NULL,
    {_day("session_date")},
    {_who()},
    variant TEXT NOT NULL,
    round_trips INTEGER NOT NULL,
    pnl REAL NOT NULL,
    return_pct REAL,
    {_json("detail")},
    PRIMARY KEY (experiment, session_date, bot, mode, variant)
) STRICT
"""

_INDEXES = (
    "CREATE INDEX trades_timestamp ON trades (timestamp)",
    "CREATE INDEX trades_symbol_timestamp ON trades (symbol, timestamp)",
    "CREATE INDEX trades_session_date_bot ON trades (session_date, bot)",
    "CREATE INDEX agent_health_timestamp ON agent_health (timestamp)",
)

# Executions with the shares owned after each one (`owned`) and the number of the flat-to-flat trip they belong
# to: a trip ends on the one row after which nothing is owned.
_EXECUTIONS = """
executions AS (
    SELECT
        bot, mode, symbol, timestamp, trade_id, session_date, action, quantity, price, pnl, commission, reason,
        SUM(IIF(action = 'BUY', quantity, -quantity)) OVER (
            PARTITION BY bot, mode, symbol ORDER BY timestamp, trade_id
            ROWS UNBOUNDED PRECEDING) AS owned
    FROM trades
), numbered AS (
    SELECT *, COALESCE(SUM(owned = 0) OVER (
        PARTITION BY bot, mode, symbol ORDER BY timestamp, trade_id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) + 1 AS trip
    FROM executions
)
"""

# Bought is entry and sold is exit: the program never goes short. A sum that misses a part is NULL, not smaller.
_ROUND_TRIPS = f"""
CREATE VIEW round_trips AS
WITH {_EXECUTIONS}
SELECT
    bot, mode, symbol, trip,
    MAX(IIF(owned = 0, session_date, NULL)) AS session_date,
    MIN(timestamp) AS opened_at,
    MAX(IIF(owned = 0, timestamp, NULL)) AS closed_at,
    SUM(IIF(action = 'BUY', quantity, 0)) AS quantity,
    SUM(IIF(action = 'BUY', quantity * price, 0)) / SUM(IIF(action = 'BUY', quantity, 0)) AS avg_entry_price,
    SUM(IIF(action = 'SELL', quantity * price, 0)) / SUM(IIF(action = 'SELL', quantity, 0)) AS avg_exit_price,
    IIF(MAX(action = 'SELL' AND pnl IS NULL), NULL, SUM(pnl)) AS pnl,
    IIF(COUNT(commission) = COUNT(*), SUM(commission), NULL) AS commission,
    MAX(IIF(owned = 0, reason, NULL)) AS exit_reason,
    ROUND((julianday(MAX(timestamp)) - julianday(MIN(timestamp))) * 86400, 3) AS duration_s,
    COUNT(*) AS executions
FROM numbered
GROUP BY bot, mode, symbol, trip
HAVING MAX(owned = 0) = 1
"""

# `avg_price` is the mean price of all shares bought since the last flat moment, without commissions.
_OPEN_POSITIONS = f"""
CREATE VIEW open_positions AS
WITH {_EXECUTIONS}, trips AS (
    SELECT
        bot, mode, symbol, MIN(timestamp) AS opened_at,
        SUM(IIF(action = 'BUY', quantity, -quantity)) AS quantity,
        SUM(IIF(action = 'BUY', quantity, 0)) AS bought, SUM(IIF(action = 'BUY', quantity * price, 0)) AS paid,
        SUM(IIF(action = 'SELL', quantity, 0)) AS sold, SUM(IIF(action = 'SELL', quantity * price, 0)) AS received
    FROM numbered
    GROUP BY bot, mode, symbol, trip
    HAVING MAX(owned = 0) = 0
), priced AS (
    SELECT *, IIF(quantity > 0, paid / bought, received / sold) AS avg_price FROM trips
)
SELECT bot, mode, symbol, quantity, quantity * avg_price AS cost_basis, avg_price, opened_at FROM priced
"""

_TODAY = "CREATE VIEW today AS SELECT * FROM trades WHERE session_date = (SELECT MAX(session_date) FROM trades)"

# One row per cycle of the weekly bot: its plan is here before its first order is sent.
_WEEKLY_CYCLES = f"""
CREATE TABLE weekly_cycles (
    cycle_id TEXT NOT NULL,
    {_who()},
    {_day("session_date")},
    {_time("started_at")} NOT NULL,
    {_time("updated_at")} NOT NULL,
    {_one_of("stage", "analysed", "planned", "queued", "trading", "done")},
    why TEXT,
    snapshot_sha256 TEXT,
    snapshot_file TEXT,
    net_liquidation REAL,
    capital REAL,
    {_json("plan")},
    {_json("target")},
    {_json("positions")},
    {_json("summary")},
    PRIMARY KEY (cycle_id, bot, mode)
) STRICT
"""

# What the health monitor samples, finds and does. `findings` is a list of {measure, subject, severity, value}.
_HEALTH_COLUMNS = (
    "disk_free_mb REAL",
    "worker_queue INTEGER",
    "database_queue INTEGER",
    "clock_drift_s REAL",
    "unprotected_s REAL",
    _json("findings"),
    "healing_result TEXT",
)

# What a session of the day trader began with: enough to replay it. `watchlist` is a list of
# [symbol, ranges in its daily ATR, their average in 1e-4 USD], in rank order.
_IMPROVEMENT_SESSIONS = f"""
CREATE TABLE improvement_sessions (
    {_day("session_date")},
    {_who()},
    equity REAL NOT NULL,
    allocation REAL NOT NULL,
    {_json("watchlist")} NOT NULL,
    {_json("parameters")} NOT NULL,
    variant TEXT NOT NULL,
    PRIMARY KEY (session_date, bot, mode)
) STRICT
"""

# A step of the improvement cycle that is done, written in one transaction with all that it changed.
_IMPROVEMENT_STEPS = f"""
CREATE TABLE improvement_steps (
    {_day("session_date")},
    {_who()},
    {_one_of("step", "analyse", "insights", "regime", "suggestions", "experiment", "plan")},
    {_time("timestamp")} NOT NULL,
    {_json("detail")} NOT NULL,
    PRIMARY KEY (session_date, bot, mode, step)
) STRICT
"""

# What operators told the program to do. `asked_at` and `answered_at` are wall time, also in a simulated session.
_CONTROL_ACTIONS = f"""
CREATE TABLE control_actions (
    command_id TEXT PRIMARY KEY,
    {_time("asked_at")} NOT NULL,
    {_day("session_date")},
    {_who()},
    who TEXT NOT NULL CHECK (who <> ''),
    kind TEXT NOT NULL CHECK (kind <> ''),
    symbol TEXT,
    detail TEXT,
    {_one_of("state", "waiting", "done", "refused")},
    words TEXT,
    {_time("answered_at")}
) STRICT
"""

# The account once a minute while a session runs: what its executions do not tell.
_EQUITY_MINUTES = f"""
CREATE TABLE equity_minutes (
    bot TEXT NOT NULL CHECK (bot <> ''),
    mode TEXT NOT NULL CHECK (mode <> ''),
    {_day("session_date")},
    {_time("timestamp")} NOT NULL,
    equity REAL NOT NULL,
    pnl REAL NOT NULL,
    unrealised REAL NOT NULL,
    drawdown REAL NOT NULL,
    committed REAL NOT NULL,
    positions INTEGER NOT NULL,
    PRIMARY KEY (bot, mode, session_date, timestamp)
) STRICT, WITHOUT ROWID
"""

MIGRATIONS: tuple[tuple[str, ...], ...] = (  # entry n brings a database from version n to n + 1
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        _META,
        _TRADES,
        _ORDER_INTENTS,
        _DECISIONS,
        _DAILY_METRICS,
        _AGENT_HEALTH,
        _PARAMETER_CHANGES,
        _EVALUATIONS,
        _LLM_CALLS,
        _FORECASTS,
        _EXPERIMENT_DAYS,
        *_INDEXES,
        _ROUND_TRIPS,
        _OPEN_POSITIONS,
        _TODAY,
    ),
    SHARES,
    tuple(f"ALTER TABLE agent_health ADD COLUMN {column}" for column in _HEALTH_COLUMNS),
    (  # what a later run of the same session asks for when it starts
        "CREATE INDEX order_intents_entries ON order_intents (session_date, bot, mode) WHERE role = 'entry'",
        "CREATE INDEX decisions_refused ON decisions (session_date, bot, mode) "
        "WHERE rule = 'rejected_by_broker' AND detail IS NOT NULL",
    ),
    (
        _WEEKLY_CYCLES,
        "CREATE INDEX weekly_cycles_session ON weekly_cycles (bot, mode, session_date, started_at)",
        "CREATE INDEX forecasts_open ON forecasts (bot, mode) WHERE resolved_at IS NULL",
        "CREATE INDEX forecasts_settled ON forecasts (bot, mode, timestamp) WHERE outcome IS NOT NULL",
    ),
    (_IMPROVEMENT_SESSIONS, _IMPROVEMENT_STEPS),
    (  # what an operator sees and does; pages of a million rows are read through indexes
        _CONTROL_ACTIONS,
        _EQUITY_MINUTES,
        "DROP INDEX decisions_refused",  # the next one answers its question as well
        "CREATE INDEX decisions_session ON decisions (bot, mode, session_date, timestamp)",
        "CREATE INDEX llm_calls_cost ON llm_calls "
        "(bot, mode, session_date, model, outcome, input_tokens, output_tokens, cost)",
    ),
)
