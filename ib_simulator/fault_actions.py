"""What each kind of fault does to the gateway."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import TYPE_CHECKING, Any

from ib_simulator import replies
from ib_simulator.client import ClientConnection
from ib_simulator.fault_kinds import (
    ClientIdInUse,
    ClockJump,
    Connectivity,
    Crash,
    Delay,
    Drop,
    Duplicate,
    Farm,
    Fault,
    FillAfterCancel,
    Halt,
    Login,
    Lose,
    LoseAcknowledgement,
    NextValidId,
    Notice,
    Reject,
    Reorder,
    Restart,
    Segmented,
    Silent,
    Slow,
    StaleQuotes,
)
from ib_simulator.market_phases import ALL_SYMBOLS, EventKind, MarketEvent
from ib_simulator.message_names import GROUPS, REPLIES, REQUESTS, Direction, message_ids
from ib_simulator.message_rules import Action, Message, MessageRule

if TYPE_CHECKING:
    from ib_simulator.faults import FaultInjector

IN, OUT = Direction.IN, Direction.OUT
LOST_TEXTS = {
    1100: "Connectivity between IBKR and Trader Workstation has been lost.",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
}
RESTORED_TEXTS = {
    1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
}


def _replies(names: str) -> frozenset[int]:
    return frozenset([REPLIES[name] for name in names.split()])


def _requests(names: str) -> frozenset[int]:
    return frozenset([REQUESTS[name] for name in names.split()])


TICKS = frozenset([REPLIES[name] for name in (*GROUPS["ticks"], *GROUPS["bars"])])
SERVER_REPLIES = _replies(
    "orderStatus openOrder openOrderEnd execDetails execDetailsEnd commissionReport completedOrder completedOrdersEnd "
    "position positionEnd updateAccountValue updateAccountTime accountDownloadEnd updatePortfolio accountUpdateMulti "
    "accountUpdateMultiEnd accountSummary accountSummaryEnd pnl pnlSingle"
)
CONTRACT_REQUESTS = _requests("reqContractDetails reqMatchingSymbols reqMarketRule")
HISTORY_REQUESTS = _requests("reqHistoricalData reqHeadTimestamp reqHistogramData reqHistoricalTicks")
STREAM_REQUESTS = _requests("reqMktData reqRealTimeBars reqTickByTickData")
ORDER_REQUESTS = _requests("placeOrder")
CANCEL_REQUESTS = _requests("cancelOrder reqGlobalCancel")
SERVER_ERRORS = (201, 202, 399, 404)  # order messages that come from IBKR's servers and not from the gateway
FARMS = {  # name -> code and text when broken, code and text when back
    "market": (2103, "Market data farm connection is broken:usfarm", 2104, "Market data farm connection is OK:usfarm"),
    "history": (2105, "HMDS data farm connection is broken:ushmds", 2106, "HMDS data farm connection is OK:ushmds"),
    "contracts": (
        2157,
        "Sec-def data farm connection is broken:secdefil",
        2158,
        "Sec-def data farm connection is OK:secdefil",
    ),
}


def _drop(injector: FaultInjector, fault: Drop) -> None:
    for client in injector.clients(fault.client):
        injector.tell(fault, f"client {client.client_id}: {'RST' if fault.reset else 'FIN'}")
        client.break_off(reset=fault.reset)


def _silent(injector: FaultInjector, fault: Silent) -> None:
    clients = injector.clients(fault.client)

    def speak() -> None:
        for client in clients:
            injector.tell(fault, f"client {client.client_id}: speaks again")
            client.speak_again()

    for client in clients:
        injector.tell(fault, f"client {client.client_id}: silent")
        client.fall_silent()
    if fault.seconds is not None:
        injector.after(fault.seconds, speak)


def _connectivity(injector: FaultInjector, fault: Connectivity) -> None:
    _notice_to_all(injector, fault.code, LOST_TEXTS[fault.code])
    injector.tell(fault, f"{fault.code}: lost")
    injector.outage_codes.append(fault.code)
    orders = Action.LOSE if fault.orders == "lost" else Action.HOLD
    if fault.orders == "refused":
        injector.orders.refuse_unresolved += 1
    rules = [
        MessageRule(action=Action.LOSE, direction=OUT, ids=TICKS),
        MessageRule(action=orders, direction=IN, ids=CANCEL_REQUESTS),
        MessageRule(action=Action.HOLD, direction=IN, ids=CONTRACT_REQUESTS | HISTORY_REQUESTS | STREAM_REQUESTS),
        MessageRule(action=Action.HOLD, direction=OUT, ids=SERVER_REPLIES),
        MessageRule(action=Action.HOLD, direction=OUT, ids=_replies("error"), concerns=_is_from_server),
    ]
    if fault.orders != "refused":
        rules.insert(1, MessageRule(action=orders, direction=IN, ids=ORDER_REQUESTS | CANCEL_REQUESTS))
    for rule in rules:
        injector.add_rule(rule, fault)

    def restore() -> None:
        injector.tell(fault, f"{fault.restored}: restored")
        injector.outage_codes.remove(fault.code)
        if fault.orders == "refused":
            injector.orders.refuse_unresolved -= 1
        if fault.restored == 1101:
            for client in list(injector.gateway.clients):
                injector.gateway.data.forget(client)
        else:
            _schedule(injector, ALL_SYMBOLS, EventKind.FRESH_QUOTES)
        _notice_to_all(injector, fault.restored, RESTORED_TEXTS[fault.restored])
        for rule in reversed(rules):  # reports first: they are older than the answers to what waited
            injector.lift(rule)

    if fault.seconds is not None:
        injector.after(fault.seconds, restore)


def _farm(injector: FaultInjector, fault: Farm) -> None:
    broken, broken_text, fine, fine_text = FARMS[fault.farm]
    _notice_to_all(injector, broken, broken_text)
    injector.tell(fault, f"{broken}: broken")
    if fault.farm == "market":
        rule = MessageRule(action=Action.LOSE, direction=OUT, ids=TICKS)
    else:
        waiting = HISTORY_REQUESTS if fault.farm == "history" else CONTRACT_REQUESTS
        rule = MessageRule(action=Action.HOLD, direction=IN, ids=waiting)
    injector.add_rule(rule, fault)

    def mend() -> None:
        injector.tell(fault, f"{fine}: mended")
        if fault.farm == "market":
            _schedule(injector, ALL_SYMBOLS, EventKind.FRESH_QUOTES)
        _notice_to_all(injector, fine, fine_text)
        injector.lift(rule)

    if fault.seconds is not None:
        injector.after(fault.seconds, mend)


def _restart(injector: FaultInjector, fault: Restart) -> None:
    injector.tell(fault, f"{len(injector.gateway.listener.sockets)} sockets closed, port refused {fault.refused_s} s")
    for client in list(injector.gateway.listener.sockets):
        client.break_off(reset=False)
    injector.close_port(fault.refused_s)


def _login(injector: FaultInjector, fault: Login) -> None:
    gateway = injector.gateway
    _restart(injector, Restart(refused_s=fault.refused_s))
    injector.login_answers = fault.answers
    gateway.listener.is_mute = fault.answers == "nothing"

    def log_in() -> None:
        injector.tell(fault, "logged in")
        injector.login_answers = ""
        gateway.listener.speak()
        for client in list(gateway.listener.sockets):
            if client.client_id is None:
                client.break_off(reset=False)

    injector.tell(fault, "a human has to log in")
    if fault.seconds is not None:
        injector.after(fault.refused_s + fault.seconds, log_in)


def _crash(injector: FaultInjector, fault: Crash) -> None:
    injector.tell(fault, f"{len(injector.gateway.listener.sockets)} sockets reset, keeps {fault.keeps}")
    for client in list(injector.gateway.listener.sockets):
        client.break_off(reset=True)
    if fault.keeps != "servers":
        injector.gateway.begin_anew(from_file=fault.keeps == "file")
    injector.close_port(fault.refused_s)


def _message_rule(action: Action) -> Callable[[FaultInjector, Any], None]:
    def start(injector: FaultInjector, fault: Lose | Delay | Duplicate | Reorder) -> None:
        direction = Direction(fault.direction)
        left = fault.count if fault.count is not None or fault.seconds is not None else 1
        rule = MessageRule(
            action=action,
            direction=direction,
            ids=message_ids(direction, fault.message),
            client_id=fault.client,
            left=left,
            delay_s=fault.delay_s if isinstance(fault, Delay) else 0.0,
        )
        injector.add_rule(rule, fault, fault.seconds)
        injector.tell(fault, f"{fault.message} {direction}: {'all' if left is None else left}")

    return start


def _slow(injector: FaultInjector, fault: Slow) -> None:
    rule = MessageRule(action=Action.DELAY, direction=OUT, ids=None, client_id=fault.client, delay_s=fault.delay_s)
    injector.add_rule(rule, fault, fault.seconds)
    injector.tell(fault, f"everything {fault.delay_s} s late")


def _segmented(injector: FaultInjector, fault: Segmented) -> None:
    injector.segmented.append(fault)
    injector.tell(fault, f"{fault.bytes} bytes every {fault.gap_s} s")
    for client in injector.clients(fault.client):
        injector.cut(client)

    def end() -> None:
        injector.segmented.remove(fault)
        injector.tell(fault, "over")
        for client in injector.clients(fault.client):
            injector.cut(client)

    if fault.seconds is not None:
        injector.after(fault.seconds, end)


def _clock_jump(injector: FaultInjector, fault: ClockJump) -> None:
    injector.clock_off_s += fault.by_s
    injector.tell(fault, f"the gateway's clock is {injector.clock_off_s:+g} s off")

    def set_right() -> None:
        injector.clock_off_s -= fault.by_s
        injector.tell(fault, f"the gateway's clock is {injector.clock_off_s:+g} s off")

    if fault.seconds is not None:
        injector.after(fault.seconds, set_right)


def _stale_quotes(injector: FaultInjector, fault: StaleQuotes) -> None:
    for symbol in fault.symbols or (ALL_SYMBOLS,):
        _schedule(injector, symbol, EventKind.STALE_QUOTES, fault.seconds)
    injector.tell(fault, f"ticks of {', '.join(fault.symbols) or 'all symbols'} stop")


def _client_id_in_use(injector: FaultInjector, fault: ClientIdInUse) -> None:
    injector.held_client_ids.append(fault.client)
    injector.tell(fault, f"client id {fault.client} is refused with 326")
    if fault.seconds is not None:
        injector.after(fault.seconds, lambda: injector.held_client_ids.remove(fault.client))


def _next_valid_id(injector: FaultInjector, fault: NextValidId) -> None:
    def told(truth: int) -> int:
        return fault.value if fault.value is not None else max(truth - fault.back_by, 1)

    injector.next_valid_ids.append((fault.client, told))


def _notice(injector: FaultInjector, fault: Notice) -> None:
    injector.tell(fault, f"{fault.code} to {'all' if fault.client is None else fault.client}")
    for client in injector.clients(fault.client):
        client.transmit([replies.error(client.version, fault.id, fault.code, fault.text)])


def _halt(injector: FaultInjector, fault: Halt) -> None:
    _schedule(injector, fault.symbol, EventKind.PAUSE if fault.volatility else EventKind.HALT, fault.seconds)
    injector.tell(fault, f"{fault.symbol} halted")


def _schedule(injector: FaultInjector, symbol: str, kind: EventKind, seconds: float | None = None) -> None:
    """Let something happen to the market at the next whole second."""
    event = MarketEvent(second=ceil(injector.now_s), symbol=symbol, kind=kind, duration_s=ceil(seconds or 0))
    injector.gateway.schedule(event)


def _notice_to_all(injector: FaultInjector, code: int, text: str) -> None:
    """Past the queue and the rules: what the gateway says about itself."""
    for client in injector.clients(None):
        client.transmit([replies.error(client.version, -1, code, text)])


def _is_from_server(client: ClientConnection, message: Message) -> bool:
    fields = message[4:].split(b"\0") if isinstance(message, bytes) else []
    return len(fields) > 3 and fields[3].decode() in map(str, SERVER_ERRORS)


ACTIONS: dict[type[Fault], Callable[[FaultInjector, Any], None]] = {
    Drop: _drop,
    Silent: _silent,
    Connectivity: _connectivity,
    Farm: _farm,
    Restart: _restart,
    Login: _login,
    Crash: _crash,
    Lose: _message_rule(Action.LOSE),
    Delay: _message_rule(Action.DELAY),
    Duplicate: _message_rule(Action.DUPLICATE),
    Reorder: _message_rule(Action.REORDER),
    Slow: _slow,
    Segmented: _segmented,
    ClockJump: _clock_jump,
    StaleQuotes: _stale_quotes,
    LoseAcknowledgement: lambda injector, fault: injector.orders.lose_acknowledgements(fault),
    FillAfterCancel: lambda injector, fault: injector.orders.fill_after_cancel(fault),
    Reject: lambda injector, fault: injector.orders.reject(fault),
    ClientIdInUse: _client_id_in_use,
    NextValidId: _next_valid_id,
    Notice: _notice,
    Halt: _halt,
}
