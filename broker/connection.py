"""Connecting to the gateway: errors with their likely cause, the account to trade, and the account guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broker.client_library import IB, Contract
from broker.settings import BrokerSettings
from broker.translate import money_from_ib
from broker.values import AccountState
from trading.errors import BrokerUnavailable, ClientIdTaken
from utils import HaltTrading, Misconfigured

CLIENT_ID_IN_USE = 326
PORTS = "IB Gateway listens on 4001 (live) or 4002 (paper), TWS on 7496 (live) or 7497 (paper)"


async def open_connection(ib: IB, settings: BrokerSettings, client_id: int) -> None:
    """Connect and synchronise. Raises BrokerUnavailable, naming host, port and the likely cause."""
    async with _named_errors(ib, settings, client_id):
        await ib.connectAsync(
            settings.ib_host,
            settings.ib_port,
            clientId=client_id,
            timeout=settings.ib_connect_timeout_s,
            account=settings.ib_account,
        )


async def is_free(settings: BrokerSettings, client_id: int) -> bool:
    """Whether the gateway lets this client id in: it is tried and left at once. False also without an answer."""
    probe = IB()
    try:
        async with _named_errors(probe, settings, client_id):
            limit_s = settings.ib_connect_timeout_s
            await probe.client.connectAsync(settings.ib_host, settings.ib_port, client_id, limit_s)
    except BrokerUnavailable:
        return False
    finally:
        probe.disconnect()
    return True


@asynccontextmanager
async def _named_errors(ib: IB, settings: BrokerSettings, client_id: int) -> AsyncIterator[None]:
    """What goes wrong while connecting, as BrokerUnavailable; ClientIdTaken as soon as the gateway says so."""
    where = f"{settings.ib_host}:{settings.ib_port}"
    loop = asyncio.get_running_loop()
    id_in_use = False

    def on_error(_request_id: int, code: int, _text: str, _contract: Contract | None) -> None:
        nonlocal id_in_use
        if code == CLIENT_ID_IN_USE and not id_in_use:
            id_in_use = True
            attempt.reschedule(loop.time())  # the library would wait for its limit

    ib.errorEvent += on_error
    try:
        async with asyncio.timeout(None) as attempt:
            yield
    except ConnectionRefusedError as error:
        raise BrokerUnavailable(
            f"connection refused at {where}: is IB Gateway or TWS running, with its API enabled? {PORTS}"
        ) from error
    except TimeoutError as error:
        if id_in_use:
            raise ClientIdTaken(f"client id {client_id} is already in use at {where}") from error
        raise BrokerUnavailable(
            f"no answer from {where} within {settings.ib_connect_timeout_s:g} s: not logged in, client id {client_id} "
            f"already in use, or this address is not among the gateway's trusted ones"
        ) from error
    except OSError as error:
        raise BrokerUnavailable(f"cannot connect to {where}: {error.strerror or error}") from error
    finally:
        ib.errorEvent -= on_error


def choose_account(accounts: list[str], wanted: str) -> str:
    """The account to trade. Raises Misconfigured when it is not clear which."""
    if wanted:
        if wanted not in accounts:
            raise Misconfigured(f"IB_ACCOUNT={wanted} is not an account of this login ({', '.join(accounts)})")
        return wanted
    if len(accounts) != 1:
        raise Misconfigured(f"this login has {len(accounts)} accounts ({', '.join(accounts)}): set IB_ACCOUNT")
    return accounts[0]


def account_state(ib: IB, account_id: str) -> AccountState:
    """The account's values as last reported. Raises BrokerUnavailable when they are missing: unknown is not zero."""
    values = [value for value in ib.accountValues(account_id) if not value.modelCode]
    amounts = {value.tag: value.value for value in values if value.currency == "USD"}
    words = {value.tag: value.value for value in values if not value.currency}
    missing = [tag for tag in ("NetLiquidation", "AvailableFunds") if tag not in amounts]
    if missing:
        raise BrokerUnavailable(f"the gateway did not report {' and '.join(missing)} of {account_id} in USD")
    settled, cash = amounts.get("SettledCash"), amounts.get("TotalCashValue")
    return AccountState(
        account_id,
        money_from_ib(float(amounts["NetLiquidation"])),
        money_from_ib(float(amounts["AvailableFunds"])),
        is_cash="CASH" in words.get("TradingType-S", ""),
        settled_cash=None if settled is None else money_from_ib(float(settled)),
        day_trades_left=day_trades_from_ib(words.get("DayTradesRemaining", "")),
        cash=None if cash is None else money_from_ib(float(cash)),
    )


def day_trades_from_ib(text: str) -> int:
    """`DayTradesRemaining` as a number, -1 (not limited) where the account has no such flag."""
    try:
        return max(int(float(text)), -1)
    except (ValueError, OverflowError):
        return -1


def guard_account(account: AccountState, *, live_allowed: bool) -> None:
    """Refuse a live account unless `--live` was given. Raises HaltTrading."""
    if not account.is_paper and not live_allowed:
        raise HaltTrading(
            f"{account.account_id} is a live account (paper ids start with D): give --live to trade real money"
        )
