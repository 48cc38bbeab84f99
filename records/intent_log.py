"""Order intents as the broker room needs them: written durably before they are sent, followed afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol, Unpack

from records.rows import IntentChange, IntentRow
from records.rows import IntentState as StateName
from trading.money import price_to_usd
from trading.orders import IntentState, OrderIntent, OrderReport, OrderTerms, follow, terms_of


class IntentRecords(Protocol):
    """The part of the trading history that keeps intents."""

    def commit_intents(self, intents: Sequence[IntentRow]) -> Future[None]: ...

    def update_intent(
        self, intent_id: str, state: StateName, *, updated_at: datetime, **changes: Unpack[IntentChange]
    ) -> None: ...


class IntentLog:
    """Implements the broker's `IntentStore` over the database.

    `await_off_loop` awaits a job of the writer thread (the clock's `off_loop`); `now` says when.
    """

    def __init__(
        self,
        records: IntentRecords,
        *,
        now: Callable[[], datetime],
        await_off_loop: Callable[[Future[None]], Awaitable[None]],
        session_date: Callable[[], str],
    ) -> None:
        self._records = records
        self._now = now
        self._await_off_loop = await_off_loop
        self._session_date = session_date
        self._states: dict[str, IntentState] = {}  # intent_id -> state as last written
        self._written_s: dict[str, int] = {}  # intent_id -> epoch second of its commit
        self._terms: dict[str, OrderTerms] = {}  # intent_id -> size and prices as last written
        self.committed = 0

    def commit(self, intents: Sequence[OrderIntent]) -> Awaitable[None]:
        """Write the intents in one transaction; complete once they are on disk."""
        now = self._now()
        rows = [self._row(intent, now) for intent in intents]
        self.committed += len(rows)
        for intent in intents:
            self._states[intent.intent_id] = IntentState.CREATED
            self._written_s[intent.intent_id] = int(now.timestamp())
            self._terms[intent.intent_id] = terms_of(intent)
        return self._await_off_loop(self._records.commit_intents(rows))

    def sent(self, intent_id: str, order_id: int, client_id: int) -> None:
        """The intent went out. What the broker said meanwhile stands."""
        state = self._follow(intent_id, IntentState.SENT)
        self._records.update_intent(
            intent_id, state.value, updated_at=self._now(), order_id=order_id, client_id=client_id
        )

    def reported(self, report: OrderReport) -> None:
        """The broker told the state of an intent of this run, or of one that was adopted. Others are not ours."""
        if not self.knows(report.order_ref):
            return
        state = self._follow(report.order_ref, report.state)
        self._records.update_intent(
            report.order_ref,
            state.value,
            updated_at=self._now(),
            perm_id=report.perm_id,
            filled_quantity=report.filled,
            avg_fill_price_usd=price_to_usd(report.average_price) if report.average_price else None,
            detail=report.detail or None,
        )

    def terms(self, terms: OrderTerms) -> None:
        """The broker shows size and prices of a live order; written when they are news."""
        if self._terms.get(terms.order_ref, terms) == terms:  # no news, or not ours
            return
        self._terms[terms.order_ref] = terms
        state = self._states.get(terms.order_ref, IntentState.UNKNOWN)
        self._records.update_intent(
            terms.order_ref,
            state.value,
            updated_at=self._now(),
            quantity=terms.quantity,
            limit_price_usd=price_to_usd(terms.limit_price) if terms.limit_price else None,
            stop_price_usd=price_to_usd(terms.stop_price) if terms.stop_price else None,
        )

    def filled_late(self, intent_id: str, state: IntentState, filled: int, average_price: int) -> None:
        """An order that was believed dead executed `filled` shares at an average of `average_price` (1e-4 USD)."""
        self._records.update_intent(
            intent_id,
            self._follow(intent_id, state).value,
            updated_at=self._now(),
            filled_quantity=filled,
            avg_fill_price_usd=price_to_usd(average_price),
            detail="filled after it was believed dead",
        )

    def adopt(self, intent: OrderIntent, state: IntentState, written_s: int) -> None:
        """An intent of an earlier run, with the state on record."""
        self._states.setdefault(intent.intent_id, state)
        self._written_s.setdefault(intent.intent_id, written_s)
        self._terms.setdefault(intent.intent_id, terms_of(intent))

    def resolved(self, intent_id: str, state: IntentState, why: str) -> None:
        """What reconciliation found out; written when it is news."""
        if self._states.get(intent_id) is not state:
            followed = self._follow(intent_id, state)
            self._records.update_intent(intent_id, followed.value, updated_at=self._now(), detail=why)

    def now_s(self) -> int:
        """The epoch second in which something is written now."""
        return int(self._now().timestamp())

    def written_s(self, intent_id: str) -> int:
        """When the intent was committed; 0 when that is not known."""
        return self._written_s.get(intent_id, 0)

    def knows(self, intent_id: str) -> bool:
        """Whether this intent is one of ours."""
        return intent_id in self._states

    def _follow(self, intent_id: str, reported: IntentState) -> IntentState:
        state = follow(self._states.get(intent_id, IntentState.UNKNOWN), reported)
        self._states[intent_id] = state
        return state

    def _row(self, intent: OrderIntent, now: datetime) -> IntentRow:
        return IntentRow(
            intent_id=intent.intent_id,
            bracket_id=intent.bracket_id,
            role=intent.role.value,
            reason=intent.reason.value,
            session_date=self._session_date(),
            created_at=now,
            updated_at=now,
            symbol=intent.symbol,
            action=intent.action.value,
            quantity=intent.quantity,
            order_type=intent.order_type,
            tif=intent.tif,
            limit_price_usd=price_to_usd(intent.limit_price) if intent.limit_price else None,
            stop_price_usd=price_to_usd(intent.stop_price) if intent.stop_price else None,
            good_till=_instant(intent.good_till_s, now),
            good_after=_instant(intent.good_after_s, now),
            oca_group=intent.oca_group or None,
            parent_intent_id=intent.parent_intent_id or None,
            decision_id=intent.decision_id or None,
        )


def _instant(second: int, now: datetime) -> datetime | None:
    return datetime.fromtimestamp(second, now.tzinfo) if second else None
