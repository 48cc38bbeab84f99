"""Which service of the gateway answers which request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ib_simulator import replies
from ib_simulator.account_service import AccountService
from ib_simulator.accounts import Accounts
from ib_simulator.client import ClientConnection
from ib_simulator.data_service import DataService
from ib_simulator.order_service import OrderService
from ib_simulator.pnl_service import PnLService
from ib_simulator.request_types import (
    CancelAccountSummary,
    CancelAccountUpdatesMulti,
    CancelOrder,
    CancelPnL,
    CancelPnLSingle,
    CancelPositions,
    PlaceOrder,
    ReqAccountSummary,
    ReqAccountUpdates,
    ReqAccountUpdatesMulti,
    ReqAllOpenOrders,
    ReqAutoOpenOrders,
    ReqCompletedOrders,
    ReqCurrentTime,
    ReqExecutions,
    ReqGlobalCancel,
    ReqIds,
    ReqManagedAccounts,
    ReqOpenOrders,
    ReqPnL,
    ReqPnLSingle,
    ReqPositions,
    Request,
)

Handler = Callable[[ClientConnection, Any], None]


def request_handlers(
    now: Callable[[], datetime],
    accounts: Accounts,
    orders: OrderService,
    data: DataService,
    account_service: AccountService,
    pnl: PnLService,
) -> dict[type[Request], Handler]:
    """A handler by type of request. What is not in it is refused with 321."""
    return {
        ReqCurrentTime: lambda client, _: client.send(replies.current_time(int(now().timestamp()))),
        ReqManagedAccounts: lambda client, _: client.send(replies.managed_accounts(list(accounts))),
        ReqIds: lambda client, _: client.send(replies.next_valid_id(orders.next_valid_id(client.client_id or 0))),
        **data.handlers(),
        PlaceOrder: orders.place,
        CancelOrder: orders.cancel,
        ReqGlobalCancel: lambda _client, _: orders.cancel_all(),
        ReqOpenOrders: lambda client, _: orders.queries.tell_open(client, all_clients=False),
        ReqAllOpenOrders: lambda client, _: orders.queries.tell_open(client, all_clients=True),
        ReqAutoOpenOrders: lambda client, request: orders.queries.auto_bind(client, request.auto_bind),
        ReqCompletedOrders: lambda client, request: orders.queries.tell_completed(client, api_only=request.api_only),
        ReqExecutions: orders.queries.tell_executions,
        ReqPositions: lambda client, _: account_service.tell_positions(client),
        CancelPositions: lambda client, _: account_service.stop_positions(client),
        ReqAccountUpdates: account_service.follow_updates,
        ReqAccountUpdatesMulti: account_service.tell_multi,
        ReqAccountSummary: account_service.follow_summary,
        CancelAccountUpdatesMulti: lambda client, request: None,  # the first answer was all
        CancelAccountSummary: lambda client, request: account_service.stop_summary(client, request.req_id),
        ReqPnL: pnl.follow,
        CancelPnL: pnl.unfollow,
        ReqPnLSingle: pnl.follow_single,
        CancelPnLSingle: pnl.unfollow,
    }
