"""What happens to every request: limits, faults, key and signature and time, the call itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from obiterm.exchange.api import Refusal
from obiterm.exchange.backpack.errors import ApiError
from obiterm.exchange.backpack.office import BackpackOffice, Call
from obiterm.exchange.backpack.operations import Operation
from obiterm.exchange.backpack.params import Params
from obiterm.exchange.backpack.signing import (
    Stamp,
    check_signature,
    find_key,
    signed_text,
    stamp_of,
)
from obiterm.exchange.wire.faults import FaultKind, FaultRequest, Faults
from obiterm.exchange.wire.keys import Credential, Keys


class ReplyDropped(Exception):
    """The request acted, but its answer is lost (a fault that somebody asked for)."""


class Asked(msgspec.Struct, frozen=True):
    """A request as it arrived."""

    operation: Operation
    parts: tuple[Params, ...]
    """One, or one for each order of a batch."""
    headers: Mapping[str, str]
    address: str
    labels: tuple[str, ...]
    """Names by which faults may hit it."""


_FAULT_WORDS: dict[int, tuple[str, str]] = {
    401: ("UNAUTHORIZED", "Unauthorized"),
    403: ("FORBIDDEN", "Forbidden"),
    429: ("TOO_MANY_REQUESTS", "Too many requests"),
    503: ("MAINTENANCE", "The exchange is under maintenance"),
    504: ("TIMEOUT", "Request timed out"),
}


def fault_error(request: FaultRequest) -> ApiError:
    """Return the answer that a ``status`` fault gives."""
    code, words = _FAULT_WORDS.get(request.status, ("SERVER_ERROR", "Internal server error"))
    retry_after_s = max(1, request.ms // 1000) if request.status == 429 else 0
    return ApiError(request.status or 500, code, request.msg or words, retry_after_s=retry_after_s)


class Gateway:
    """Runs operations under the venue's rules."""

    def __init__(self, office: BackpackOffice, keys: Keys, faults: Faults) -> None:
        self.office = office
        self.keys = keys
        self.faults = faults

    async def perform(self, asked: Asked) -> object:
        """Run one request and return its result.

        Raises ``ApiError`` for a refusal, ``ReplyDropped`` when a fault eats the answer.
        """
        operation, office = asked.operation, self.office
        credential, stamp = None, None
        if operation.instruction:
            credential, stamp = self._authenticate(asked)
        who = asked.address if credential is None else f"account {credential.account}"
        office.limits.admit(who, office.clock_ns(), historical=operation.historical)
        delay = self._fault(FaultKind.DELAY, asked)
        if delay is not None and delay.when != "reply":
            await asyncio.sleep(delay.ms / 1000)
        broken = self._fault(FaultKind.STATUS, asked)
        if broken is not None and not broken.executed:
            raise fault_error(broken)
        if stamp is not None:
            stamp.check(office.clock_ns())
        dropped = self._fault(FaultKind.DROP_REPLY, asked) is not None
        try:
            result = self._act(asked, credential)
        except ApiError as refused:
            if dropped:
                raise ReplyDropped from refused
            raise
        if delay is not None and delay.when == "reply":
            await asyncio.sleep(delay.ms / 1000)
        if broken is not None:
            raise fault_error(broken)
        if dropped:
            raise ReplyDropped
        return result

    def _fault(self, kind: FaultKind, asked: Asked) -> FaultRequest | None:
        return self.faults.take(kind, asked.labels, self.office.market_ns())

    def _authenticate(self, asked: Asked) -> tuple[Credential, Stamp]:
        operation = asked.operation
        stamp = stamp_of(asked.headers)
        credential = find_key(self.keys, stamp.api_key)
        stamp.check(self.office.clock_ns())
        text = signed_text(operation.instruction, asked.parts, stamp)
        check_signature(credential, text, stamp.signature)
        if operation.trades and not credential.may_trade:
            raise ApiError(403, "FORBIDDEN", "Forbidden")
        return credential, stamp

    def _act(self, asked: Asked, credential: Credential | None) -> object:
        office, operation = self.office, asked.operation
        now_ns = office.market_ns()
        office.venue.advance(now_ns)
        call = Call(asked.parts[0], now_ns, credential, asked.parts if operation.batch else ())
        try:
            return operation.handler(office, call)
        except Refusal as refused:
            symbol = call.params.get("symbol") or ""
            raise office.refused(refused, symbol) from refused
        finally:
            office.flush(now_ns)
