"""What a ``status`` fault answers, in the venue's words."""

from __future__ import annotations

from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.wire.faults import FaultRequest

_STATUS_WORDS: dict[int, tuple[int, str]] = {
    418: (-1003, "Way too much request weight used; IP banned."),
    429: (-1003, "Too much request weight used."),
    500: (-1000, "An unknown error occurred while processing the request."),
    502: (-1000, "An unknown error occurred while processing the request."),
    503: (-1008, "Server is currently overloaded with other requests. Please try again later."),
    504: (
        -1007,
        "Timeout waiting for response from backend server. Send status unknown; "
        "execution status unknown.",
    ),
}


def status_error(request: FaultRequest) -> ApiError:
    """Return the answer that a ``status`` fault gives."""
    code, msg = _STATUS_WORDS.get(request.status, (-1001, "Internal error; unable to process."))
    retry_after_s = max(1, request.ms // 1000) if request.status in (418, 429) else 0
    return ApiError(
        request.status or 500,
        code if request.code is None else request.code,
        request.msg or msg,
        retry_after_s=retry_after_s,
    )
