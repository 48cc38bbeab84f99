"""What went wrong outside, told from the exceptions of three client libraries without importing one of them."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from llm.outcomes import Reason

LONGEST_DETAIL = 300  # characters; a vendor's error can be a page of HTML

_OF_STATUS = {
    HTTPStatus.UNAUTHORIZED: Reason.UNAUTHORISED,
    HTTPStatus.FORBIDDEN: Reason.UNAUTHORISED,
    HTTPStatus.PAYMENT_REQUIRED: Reason.NO_CREDIT,
    HTTPStatus.REQUEST_TIMEOUT: Reason.SERVER_ERROR,
    HTTPStatus.TOO_MANY_REQUESTS: Reason.RATE_LIMITED,
}
_NO_SUCH_MODEL = ("supported api model names", "model not found", "model not exist", "model does not exist")


def reason_of(error: BaseException) -> Reason:
    """The class of a failed request. What is not known is an answer that no chat service gives."""
    if isinstance(error, TimeoutError):
        return Reason.TIMEOUT
    if (status := status_of(error)) is not None:
        return _reason_of_status(status, str(error).lower())
    names = {each.__name__ for cause in _causes(error) for each in type(cause).__mro__}
    if "APITimeoutError" in names or "TimeoutException" in names:
        return Reason.TIMEOUT
    if names & {"APIConnectionError", "ConnectError", "ConnectionError", "TransportError"}:
        return Reason.UNREACHABLE
    if "GoogleAuthError" in names or "MutualTLSChannelError" in names:
        return Reason.UNAUTHORISED
    return Reason.NOT_AN_API


def detail_of(error: BaseException) -> str:
    """The error in one bounded line. Secrets are blanked by whoever knows them."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    return (f"{name}: {text}" if text else name)[:LONGEST_DETAIL]


def _reason_of_status(status: int, text: str) -> Reason:
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND):
        absent = "model" in text and ("not found" in text or "not exist" in text)
        if absent or any(words in text for words in _NO_SUCH_MODEL):
            return Reason.WRONG_MODEL
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Reason.SERVER_ERROR
    return _OF_STATUS.get(HTTPStatus(status), Reason.BAD_REQUEST) if status in set(HTTPStatus) else Reason.BAD_REQUEST


def status_of(error: BaseException) -> int | None:
    """The HTTP status behind an error: `status_code` of openai's, `code` of Google's."""
    for cause in _causes(error):
        for name in ("status_code", "code"):
            status = getattr(cause, name, None)
            if isinstance(status, int) and status >= HTTPStatus.BAD_REQUEST:
                return status
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__
