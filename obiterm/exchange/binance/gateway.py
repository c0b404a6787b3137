"""What happens to every request, whichever wire it came over.

Order: ban and weight, fault, key and signature and time, order count, the
operation itself, faults on the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

from obiterm.core.values import NS_PER_MS
from obiterm.exchange.api import Refusal
from obiterm.exchange.binance import errors
from obiterm.exchange.binance.auth import KeyRing, Stamp
from obiterm.exchange.binance.backoffice import Call
from obiterm.exchange.binance.errors import ApiError
from obiterm.exchange.binance.fault_words import status_error
from obiterm.exchange.binance.operation import COMMON_PARAMS, OfficeT, Operation
from obiterm.exchange.binance.params import Params
from obiterm.exchange.wire.faults import FaultKind, FaultRequest, Faults
from obiterm.exchange.wire.keys import Credential


class ReplyDropped(Exception):
    """The request acted, but its answer is lost (a fault that somebody asked for)."""


@dataclass(frozen=True, slots=True)
class Asked(Generic[OfficeT]):
    """A request as it arrived."""

    operation: Operation[OfficeT]
    params: Params
    address: str
    labels: tuple[str, ...]
    """Names by which faults may hit it."""
    authenticate: Callable[[Params], Credential]
    """Return the key that signed, or raise ``ApiError``; called for signed operations only."""
    api_key: str | None = None
    """The key as it was told, for operations that want no signature."""
    session: object = None


class Gateway(Generic[OfficeT]):
    """Runs operations under the venue's rules.

    ``explain`` turns the core's reason for a refusal into the venue's code and words.
    """

    def __init__(
        self,
        office: OfficeT,
        keys: KeyRing,
        faults: Faults,
        explain: Callable[[Refusal], ApiError] = errors.from_refusal,
    ) -> None:
        self.office = office
        self.keys = keys
        self.faults = faults
        self._explain = explain

    def now_ns(self) -> int:
        """Return the exchange's clock as callers see it."""
        return self.office.clock_ns()

    async def perform(self, asked: Asked[OfficeT]) -> tuple[object, Credential | None]:
        """Run one request and return its result and the key that signed it.

        Raises ``ApiError`` for a refusal, ``ReplyDropped`` when a fault eats the answer.
        """
        operation, params, labels = asked.operation, asked.params, asked.labels
        address = self.office.limits.address(asked.address)
        weight = operation.weight(params)
        address.admit(weight, self.now_ns())
        credential, stamp = None, None
        if operation.signed:
            credential = asked.authenticate(params)
            stamp = Stamp(params)
            stamp.check(self.now_ns())
            if operation.order_call and not credential.may_trade:
                raise errors.no_permission()
        elif operation.keyed:
            credential = self.keys.find(asked.api_key)
        delay = self._fault(FaultKind.DELAY, labels)
        if delay is not None and delay.when != "reply":
            await asyncio.sleep(delay.ms / 1000)
        broken = self._fault(FaultKind.STATUS, labels)
        if broken is not None and not broken.executed:
            raise status_error(broken)
        if stamp is not None:
            # The second look, just before the matching engine (binance.md §3.1).
            stamp.check(self.now_ns())
        dropped = self._fault(FaultKind.DROP_REPLY, labels) is not None
        try:
            result = self._act(asked, credential)
        except ApiError as refused:
            if dropped:
                raise ReplyDropped from refused
            raise
        if operation.order_call and not operation.keeps_weight:
            address.give_back(weight)
        if delay is not None and delay.when == "reply":
            await asyncio.sleep(delay.ms / 1000)
        if broken is not None:
            raise status_error(broken)
        if dropped:
            raise ReplyDropped
        return result, credential

    def _fault(self, kind: FaultKind, labels: tuple[str, ...]) -> FaultRequest | None:
        return self.faults.take(kind, labels, self.office.market_ns())

    def _act(self, asked: Asked[OfficeT], credential: Credential | None) -> object:
        operation = asked.operation
        asked.params.check_known(operation.known | COMMON_PARAMS)
        now_ns = self.office.market_ns()
        counts = None
        if operation.new_orders and credential is not None:
            counts = self.office.limits.orders(credential.account)
            counts.admit(operation.new_orders, now_ns)
        self.office.venue.advance(now_ns)
        call = Call(asked.params, now_ns, asked.address, credential, asked.session)
        try:
            return operation.handler(self.office, call)
        except (ApiError, Refusal) as refused:
            if counts is not None and not operation.counted_always:
                counts.give_back(operation.new_orders)
            if isinstance(refused, Refusal):
                raise self._explain(refused) from refused
            raise
        finally:
            self.office.flush(now_ns)


def retry_after_ms(error: ApiError, now_ns: int) -> int:
    """Return the epoch millisecond at which a limit opens again."""
    return now_ns // NS_PER_MS + error.retry_after_s * 1000
