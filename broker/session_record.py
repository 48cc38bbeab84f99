"""What one session puts on record: executions with their indicators, fees, decisions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from broker import journey
from observability import TradingHistory
from records.rows import DecisionKind, DecisionRow, TradeRow
from records.trade_rows import decision_row, trade_row
from telemetry import tracing
from telemetry.instruments import DECISIONS
from telemetry.metering import measure
from telemetry.tracing import Link
from trading.book import Closing, Recorded
from trading.judgement import Judgement
from trading.live_view import DecisionView
from trading.money import money_from_usd, money_to_usd, price_from_usd
from trading.orders import Action, ExecutionReport, Reason
from trading.rules import Rule, rule_name
from trading.strategy import Market, Parameters

LATEST = 30  # decisions that an operator sees


class SessionRecord:
    """Writes for one session of one bot. `decisions` counts what was decided.

    `regime_at` tells the market's regime as known at a second, `variant` names what is tried: labels of trades.
    """

    def __init__(
        self,
        history: TradingHistory,
        session_date: str,
        market_of: Callable[[str], Market | None],
        new_id: Callable[[], str],
    ) -> None:
        self.session_date = session_date
        self.decisions = 0
        self.regime_at: Callable[[int], str | None] = lambda _second: None
        self.variant: str | None = None
        self._history = history
        self._market_of = market_of
        self._new_id = new_id
        self.latest: deque[DecisionView] = deque(maxlen=LATEST)  # of this run, the newest last
        self._noted: deque[tuple[Callable[[], DecisionRow], Link | None]] = deque()  # rows to make, their spans

    def trade(
        self,
        execution: ExecutionReport,
        reason: Reason,
        closing: Closing | None,
        parameters: Parameters,
        *,
        trace: str,
    ) -> None:
        """One execution of this session, with what is known of the market now; `trace` names its trace."""
        self._history.record_trade(
            trade_row(
                execution,
                session_date=self.session_date,
                reason=reason,
                closing=closing,
                market=self._market_of(execution.symbol),
                parameters=parameters,
                trace_id=journey.trace_id_of(trace),
                regime=self.regime_at(execution.at_s),
                variant=self.variant,
            )
        )

    def fee(self, exec_id: str, fee: int, closing: Closing | None) -> None:
        """Commission and fees (1e-6 USD) of a recorded execution, and the result that they correct."""
        self._history.record_commission(
            exec_id,
            money_to_usd(fee),
            money_to_usd(closing.pnl) if closing else None,
            closing.pnl_pct if closing else None,
        )

    def judgement(
        self,
        symbol: str,
        kind: DecisionKind,
        judgement: Judgement,
        market: Market | None,
        now_s: int,
        look: journey.Look = journey.UNTRACED,
    ) -> str:
        """One judgement, noted until `write`; returns the id of its row, which names its trace."""
        decision_id = self._new_id()
        rule = rule_name(judgement.rule)
        self._decision(decision_id, symbol, kind, rule, judgement, market, now_s, look=look)
        return decision_id

    def write(self) -> None:
        """Put on record what was noted. Orders go first: the database's thread must not hold them up."""
        while self._noted:
            make_row, span = self._noted.popleft()
            row = make_row()
            self.latest.append(_view(row))
            with tracing.under(span):
                self._history.record_decision(row)

    def exit(self, execution: ExecutionReport, reason: Reason, *, trace: str) -> None:
        """A sale is a decision, too: its rule is its reason, its id that of the execution."""
        sale = Judgement(Rule.APPROVED, 0.0, 0.0, execution.quantity)
        market, symbol = self._market_of(execution.symbol), execution.symbol
        self._decision(execution.exec_id, symbol, "exit", reason.value, sale, market, execution.at_s, trace=trace)
        self.write()

    def found(self, symbol: str, rule: str, quantity: int, now_s: int, detail: Mapping[str, Any]) -> None:
        """Shares that were found to have changed hands while nobody listened."""
        found = Judgement(Rule.APPROVED, 0.0, 0.0, quantity)
        self._decision(self._new_id(), symbol, "sync", rule, found, None, now_s, detail)
        self.write()

    def refused(self, symbol: str, why: str, now_s: int) -> None:
        """The broker will not let a symbol be bought."""
        refusal = Judgement(Rule.REJECTED_BY_BROKER, 0.0, 1.0)
        rule, market = rule_name(refusal.rule), self._market_of(symbol)
        self._decision(self._new_id(), symbol, "deny", rule, refusal, market, now_s, {"why": why})
        self.write()

    def _decision(
        self,
        decision_id: str,
        symbol: str,
        kind: DecisionKind,
        rule: str,
        judgement: Judgement,
        market: Market | None,
        now_s: int,
        detail: Mapping[str, Any] | None = None,
        *,
        trace: str = "",
        look: journey.Look = journey.UNTRACED,
    ) -> None:
        """Note a decision. Its trace is its own, or that of the order which it is about."""
        self.decisions += 1
        trace = trace or decision_id
        make_row = partial(
            decision_row,
            decision_id=decision_id,
            now_s=now_s,
            session_date=self.session_date,
            symbol=symbol,
            kind=kind,
            rule=rule,
            limit=judgement.limit,
            actual=judgement.actual,
            market=market,
            quantity=judgement.quantity or None,
            detail=detail,
            trace_id=journey.trace_id_of(trace),
        )
        quantity = judgement.quantity
        span = journey.decided(decision_id, trace, look, symbol=symbol, kind=kind, rule=rule, quantity=quantity)
        self._noted.append((make_row, span))
        measure(DECISIONS, kind=kind, rule=rule)


def _view(row: DecisionRow) -> DecisionView:
    """A decision as an operator sees it."""
    return DecisionView(
        decision_id=row.decision_id,
        at=row.timestamp,
        symbol=row.symbol,
        kind=row.kind,
        rule=row.rule or "",
        limit=row.limit_value,
        actual=row.actual_value,
        price_usd=row.price_usd,
        quantity=row.quantity,
        trace_id=row.trace_id or "",
    )


def recorded(row: TradeRow) -> Recorded:
    """A row of `trades` as the book counts it again."""
    execution = ExecutionReport(
        exec_id=row.exec_id,
        order_ref=row.order_ref or "",
        symbol=row.symbol,
        action=Action(row.action),
        quantity=row.quantity,
        price=price_from_usd(row.price_usd),
        at_s=int(row.timestamp.timestamp()),
        order_id=row.order_id or 0,
        perm_id=row.perm_id or 0,
    )
    fee = None if row.commission_usd is None else money_from_usd(row.commission_usd)
    return Recorded(execution, Reason(row.reason), fee)
