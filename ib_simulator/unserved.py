"""Requests that the protocol knows and this gateway does not serve: refused by name, or their client would wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ib_simulator.fields import FieldReader
from ib_simulator.request_types import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class NotServed(Request):
    """A request of the protocol that is not served here. `req_id` is -1 for those that have none."""

    name: str
    req_id: int = -1


class Unserved(NamedTuple):
    """`n_before_id` is the number of fields between the message id and the request id; None: it has no id."""

    name: str
    n_before_id: int | None

    def layout(self, reader: FieldReader, version: int) -> NotServed:
        """Reads no more than the request id."""
        if self.n_before_id is None:
            return NotServed(name=self.name)
        reader.skip(self.n_before_id)
        return NotServed(name=self.name, req_id=reader.identity("req_id"))


UNSERVED = {  # message id -> the request. Their cancels and reqNewsBulletins await no answer and get none
    10: Unserved("reqMktDepth", 1),
    18: Unserved("requestFA", None),
    19: Unserved("replaceFA", None),
    21: Unserved("exerciseOptions", 1),
    22: Unserved("reqScannerSubscription", 0),
    24: Unserved("reqScannerParameters", None),
    52: Unserved("reqFundamentalData", 1),
    54: Unserved("calculateImpliedVolatility", 1),
    55: Unserved("calculateOptionPrice", 1),
    67: Unserved("queryDisplayGroups", 1),
    68: Unserved("subscribeToGroupEvents", 1),
    74: Unserved("reqPositionsMulti", 1),
    78: Unserved("reqSecDefOptParams", 0),
    84: Unserved("reqNewsArticle", 0),
    86: Unserved("reqHistoricalNews", 0),
    100: Unserved("reqWshMetaData", 0),
    102: Unserved("reqWshEventData", 0),
    104: Unserved("reqUserInfo", 0),
}
