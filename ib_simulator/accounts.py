"""The accounts of one login: which are there, and which one a request means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

from ib_simulator.account import Account
from ib_simulator.orders import Refusal

ALL = ("", "All")


class Accounts(Mapping[str, Account]):
    """Accounts by id, in the order in which the gateway lists them; at least one."""

    def __init__(self, *accounts: Account) -> None:
        self._by_id = {account.account_id: account for account in accounts}
        self.first = accounts[0]

    def __getitem__(self, account_id: str) -> Account:
        return self._by_id[account_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def for_order(self, account_id: str) -> Account | Refusal:
        """The account that an order names; one that names none means the only one."""
        if not account_id and len(self) > 1:
            return _invalid("bH", "You must specify an account.")
        account = self._by_id.get(account_id) if account_id else self.first
        return account if account is not None else _invalid("bH", f"Invalid account code '{account_id}'.")

    def for_request(self, account_id: str) -> Account | Refusal:
        """The account that a request for data names, the first one when it names none."""
        account = self._by_id.get(account_id) if account_id else self.first
        return account if account is not None else _invalid("bJ", f"Invalid account code '{account_id}'.")

    def in_group(self, group: str) -> list[Account]:
        """The accounts of a group: `All` or empty for all, or one account's id."""
        return [account for account in self.values() if group in ALL or account.account_id == group]

    def new_session(self, day: date) -> None:
        """Begin a day in all accounts."""
        for account in self.values():
            account.new_session(day)


def _invalid(message_kind: str, cause: str) -> Refusal:
    return Refusal(321, f"Error validating request.-'{message_kind}' : cause - {cause}")
