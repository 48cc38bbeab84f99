"""Who may enter now: the watchlist judged in rank order, verdicts on record, capital of the approved taken at once."""

from __future__ import annotations

from collections.abc import Callable

from broker.journey import Look
from broker.trading_desk import TradingDesk
from market_hours import Session
from records.rows import DecisionKind
from trading.book import PendingEntry
from trading.costs import fee_schedule_on
from trading.funnel import DecisionFunnel
from trading.judgement import Judgement, judge_entry
from trading.money import notional
from trading.orders import OrderIntent, entry_bracket
from trading.rules import Rule
from trading.strategy import Market, Parameters

ENTRY_LIFETIME_S = 15  # an entry that did not fill expires by itself


class EntryJudge:
    """Judges the symbols of one session. `funnel` counts every verdict, the record gets each change of one."""

    def __init__(
        self,
        desk: TradingDesk,
        session: Session,
        parameters: Parameters,
        new_id: Callable[[], str],
        *,
        dry_run: bool,
    ) -> None:
        self.funnel = DecisionFunnel()
        self._desk = desk
        self._eod_s = int(session.eod.timestamp())
        self._parameters = parameters
        self._rates = fee_schedule_on(session.date)
        self._new_id = new_id
        self._dry_run = dry_run
        self._records_refusals = True

    def shed_optional_work(self, sheds: bool) -> None:
        """While the machine is short of something refusals are counted and not put on record."""
        self._records_refusals = not sheds

    def judge(self, symbols: tuple[str, ...], budget: int, now_s: int) -> list[tuple[OrderIntent, ...]]:
        """The brackets of those that may enter at `now_s`, in rank order. `budget` per symbol in 1e-6 USD."""
        book, desk = self._desk.keeper.book, self._desk
        approved: list[tuple[OrderIntent, ...]] = []
        state, free = book.book_state(now_s, 0), book.free_capital
        for symbol in symbols:
            market = desk.view.market(symbol, now_s)
            look = Look.now(desk.broker.data.heard_ns(symbol))
            judgement = judge_entry(
                market, desk.symbol_state(symbol), state, budget, free, self._parameters, book.limits, self._rates
            )
            if judgement.rule == Rule.APPROVED and self._dry_run:
                judgement = judgement._replace(rule=Rule.DRY_RUN)
            changed = self.funnel.count(symbol, judgement.rule)
            if judgement.rule == Rule.APPROVED:
                intents = self._bracket(symbol, judgement, market, now_s, look)
                fees = judgement.capital - notional(judgement.collar, judgement.quantity)
                entry = PendingEntry(intents[0].intent_id, judgement.quantity, judgement.collar, fees)
                book.add_pending(symbol, entry)
                approved.append(intents)
                state, free = book.book_state(now_s, len(approved)), book.free_capital
            elif changed and (self._records_refusals or judgement.rule == Rule.DRY_RUN):
                kind: DecisionKind = "enter" if judgement.rule == Rule.DRY_RUN else "deny"
                desk.keeper.record_judgement(symbol, kind, judgement, market, now_s, look)
        return approved

    def _bracket(
        self, symbol: str, judgement: Judgement, market: Market, now_s: int, look: Look
    ) -> tuple[OrderIntent, ...]:
        return entry_bracket(
            new_id=self._new_id,
            symbol=symbol,
            quantity=judgement.quantity,
            collar=judgement.collar,
            expected_fill=market.ask,
            parameters=self._parameters,
            good_till_s=now_s + ENTRY_LIFETIME_S,
            eod_s=self._eod_s,
            decision_id=self._desk.keeper.record_judgement(symbol, "enter", judgement, market, now_s, look),
        )
