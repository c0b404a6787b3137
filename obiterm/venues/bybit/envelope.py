"""The shape that every REST answer of Bybit stands in (bybit.md §3).

An answer is judged by its code, never by its words: HTTP is 200 for refusals too, and the
words of a success are ``OK``, ``success`` or empty. A body without a code comes from the
gateway in front; then the HTTP status speaks.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import DataError
from obiterm.venues.bybit.errors import NOT_MODIFIED, as_error
from obiterm.venues.bybit.messages import Envelope, lenient
from obiterm.venues.bybit.translate import Failure

_HTTP_OK = 200
_PAGE_SHOWN = 200
"""Bytes of a page that is no JSON that are repeated in an error."""

_read_envelope = lenient(Envelope)


def check(status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Raise the venue's refusal unless the answer is a success; header names are lower-case.

    A setting that is so already is a success.
    """
    envelope = open_envelope(body)
    checked(failure_of(status, envelope), envelope, headers)


def result_of(status: int, body: bytes, what: str) -> bytes | msgspec.Raw:
    """Return the result of an answer; raise the venue's refusal or ``DataError``."""
    envelope = open_envelope(body)
    result = checked(failure_of(status, envelope), envelope, {})
    if not result:
        raise DataError(f"{what}: the answer has no result")
    return result


def checked(
    failure: Failure | None, envelope: Envelope, headers: Mapping[str, str]
) -> bytes | msgspec.Raw:
    """Return the result of a success; raise the refusal."""
    if failure is None:
        return envelope.payload
    reset_ms = headers.get("x-bapi-limit-reset-timestamp", "")
    wait_ms = int(reset_ms) - envelope.time_ms if reset_ms.isdigit() and envelope.time_ms else 0
    retry_after_ms = max(0, wait_ms)
    raise as_error(failure.status, failure.code, failure.msg, retry_after_ms=retry_after_ms)


def open_envelope(body: bytes) -> Envelope:
    """Read the outer shape; gateways answer with pages that are not JSON (trap 24)."""
    try:
        return _read_envelope.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        text = " ".join(body[:_PAGE_SHOWN].decode(errors="replace").split())
        return Envelope(ret_msg=text)


def failure_of(status: int, envelope: Envelope) -> Failure | None:
    """Return what went wrong; None for a success. Without a code only the status speaks.

    A page without a code and with status 200 is no answer of the venue: nobody knows.
    """
    code = envelope.code
    if code is None:
        words = f"HTTP {status} {envelope.words}".strip()
        return Failure(0 if status == _HTTP_OK else status, 0, words)
    if code == 0 or code in NOT_MODIFIED:
        return None
    return Failure(status, code, envelope.words)
