"""What happens to every request, whichever wire it came over.

Order: address, key and signature and time, quota, faults, the operation itself,
faults on the answer.
"""

from __future__ import annotations

import asyncio

import msgspec

from obiterm.exchange.api import Refusal
from obiterm.exchange.bybit import errors, limits
from obiterm.exchange.bybit.auth import KeyRing, Stamp
from obiterm.exchange.bybit.category import Category
from obiterm.exchange.bybit.errors import ApiError
from obiterm.exchange.bybit.limits import Rolling
from obiterm.exchange.bybit.office import BackOffice, Call
from obiterm.exchange.bybit.operations import Operation
from obiterm.exchange.bybit.params import Params
from obiterm.exchange.wire.faults import FaultKind, FaultRequest, Faults
from obiterm.exchange.wire.keys import Credential


class ReplyDropped(Exception):
    """The request acted, but its answer is lost (a fault that somebody asked for)."""


class Asked(msgspec.Struct, frozen=True):
    """A request that passed the door: who asks for what."""

    operation: Operation
    params: Params
    labels: tuple[str, ...]
    """Names by which faults may hit it."""
    credential: Credential | None = None
    stamp: Stamp | None = None


class Gateway:
    """Runs operations under the venue's rules."""

    def __init__(self, office: BackOffice, keys: KeyRing, faults: Faults) -> None:
        self.office = office
        self.keys = keys
        self.faults = faults

    def now_ns(self) -> int:
        """Return the exchange's clock as callers see it."""
        return self.office.clock_ns()

    def quota(self, operation: Operation, params: Params, account: str) -> Rolling | None:
        """Return the account's counter of an operation, if it has one."""
        category = params.get("category") or Category.LINEAR.value
        per_second = operation.per_second(category)
        if not per_second:
            return None
        if operation.trades:
            per_second = max(1, int(per_second * self.office.limits.options.orders_scale))
        return self.office.limits.quota(account, f"{operation.path}/{category}", per_second)

    async def perform(self, asked: Asked) -> object:
        """Run one request and return its result.

        Raises ``ApiError`` for a refusal, ``ReplyDropped`` when a fault eats the answer.
        """
        operation, labels, stamp = asked.operation, asked.labels, asked.stamp
        if stamp is not None:
            stamp.check(self.now_ns())
        if asked.credential is not None:
            self._admit(operation, asked.params, asked.credential)
        delay = self._fault(FaultKind.DELAY, labels)
        if delay is not None and delay.when != "reply":
            await asyncio.sleep(delay.ms / 1000)
        broken = self._fault(FaultKind.STATUS, labels)
        if broken is not None and not broken.executed:
            raise status_error(broken)
        if stamp is not None and delay is not None:
            stamp.check(self.now_ns())
        dropped = self._fault(FaultKind.DROP_REPLY, labels) is not None
        try:
            result = self._act(asked)
        except ApiError as refused:
            if dropped:
                raise ReplyDropped from refused
            raise
        if delay is not None and delay.when == "reply":
            await asyncio.sleep(delay.ms / 1000)
        if broken is not None:
            raise status_error(broken)
        if dropped:
            raise ReplyDropped
        return result

    def _admit(self, operation: Operation, params: Params, credential: Credential) -> None:
        quota = self.quota(operation, params, credential.account)
        if quota is not None:
            limits.admit(quota, operation.cost(params), self.now_ns())
        if operation.trades and not credential.may_trade:
            raise ApiError(
                errors.NO_PERMISSION,
                "Permission denied, please check your API key permissions.",
            )

    def _fault(self, kind: FaultKind, labels: tuple[str, ...]) -> FaultRequest | None:
        return self.faults.take(kind, labels, self.office.market_ns())

    def _act(self, asked: Asked) -> object:
        now_ns = self.office.market_ns()
        self.office.venue.advance(now_ns)
        try:
            return asked.operation.handler(
                self.office, Call(asked.params, now_ns, asked.credential)
            )
        except Refusal as refusal:
            spot = asked.params.get("category") == Category.SPOT.value
            category = Category.SPOT if spot else Category.LINEAR
            raise errors.from_refusal(refusal, category) from refusal
        finally:
            self.office.flush(now_ns)


def status_error(request: FaultRequest) -> ApiError:
    """Return the answer that a ``status`` fault gives; status 200 is a business refusal."""
    words = "Server Timeout" if request.code in (None, 10000) else "Refused"
    code = 10000 if request.code is None else request.code
    return ApiError(code, request.msg or words, status=request.status or 500)
