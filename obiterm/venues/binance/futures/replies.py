"""What an answer to a request about orders means, whichever way it came (binance.md §10).

The WebSocket API wraps the same results that REST sends bare, so both ways end here.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from obiterm.core.events import AccountEvent, OrderOutcomeLost
from obiterm.core.values import ClientOrderId, OrderState, Symbol, VenueOrderId
from obiterm.venues.binance.futures.conditional import READS_LAG_NS
from obiterm.venues.binance.futures.errors import NO_SUCH_ORDER, Failure
from obiterm.venues.binance.futures.messages import AlgoReply, OrderReply
from obiterm.venues.binance.futures.translate import Translator
from obiterm.venues.binance.messages import read
from obiterm.venues.binance.translate import cancel_failed, place_failed, query_failed
from obiterm.venues.common.refusals import Verdict


class Ask(Enum):
    """What was asked; the values are methods of the WebSocket API, or REST calls it lacks."""

    LOGON = "session.logon"
    PLACE = "order.place"
    MODIFY = "order.modify"
    CANCEL = "order.cancel"
    QUERY = "order.status"
    PLACE_ALGO = "algoOrder.place"
    CANCEL_ALGO = "algoOrder.cancel"
    QUERY_ALGO = "GET algoOrder"
    BALANCE = "v2/account.balance"
    POSITIONS = "v2/account.position"


class Asked(msgspec.Struct, frozen=True):
    """One request, remembered until its answer."""

    what: Ask
    symbol: Symbol = Symbol("")
    client_id: ClientOrderId = ClientOrderId("")
    """The order placed, changed, cancelled or asked about."""


class Outcome(msgspec.Struct, frozen=True):
    """What an answer told."""

    events: list[AccountEvent] = []
    next_order: VenueOrderId = VenueOrderId("")
    """A conditional order fired: how its normal order stands must be asked for."""


_read_order = msgspec.json.Decoder(OrderReply, strict=False)
_read_algo = msgspec.json.Decoder(AlgoReply, strict=False)

_ORDERS = frozenset({Ask.PLACE, Ask.MODIFY, Ask.CANCEL, Ask.QUERY})
_PLACINGS = frozenset({Ask.PLACE, Ask.PLACE_ALGO})
_CHANGES = frozenset({Ask.MODIFY, Ask.CANCEL, Ask.CANCEL_ALGO})
_QUERIES = frozenset({Ask.QUERY, Ask.QUERY_ALGO})


def succeeded(
    asked: Asked, result: bytes | msgspec.Raw, translator: Translator, received_ns: int
) -> Outcome:
    """Read the result of a request that went well; raise ``DataError`` if it is damaged."""
    what = asked.what
    if what in _ORDERS:
        reply = read(_read_order, result, what.value)
        return Outcome(translator.order(reply, received_ns))
    if what is Ask.CANCEL_ALGO:
        cancelled = read(_read_algo, result, what.value)
        return Outcome(translator.algo_cancelled(cancelled, received_ns))
    if what in (Ask.PLACE_ALGO, Ask.QUERY_ALGO):
        told = read(_read_algo, result, what.value)
        events = translator.algo(told, received_ns)
        stop = translator.conditionals.of_client(told.client_algo_id)
        if stop is not None and stop.fired and not stop.state.is_final:
            return Outcome(events, stop.venue_id)
        return Outcome(events)
    return Outcome()


def failed(asked: Asked, failure: Failure, translator: Translator, received_ns: int) -> Outcome:
    """Say what a refusal means for the order that was meant.

    A change that failed in whatever way is ``CancelRefused``: ask how the order stands.
    """
    symbol, client_id = asked.symbol, asked.client_id
    if asked.what in _PLACINGS:
        if asked.what is Ask.PLACE_ALGO and failure.verdict is not Verdict.UNKNOWN:
            never_lived(client_id, translator, received_ns)
        return Outcome([place_failed(symbol, client_id, failure, received_ns)])
    if asked.what in _CHANGES:
        return Outcome([cancel_failed(symbol, client_id, failure, received_ns)])
    if asked.what in _QUERIES:
        return Outcome([_query_failed(asked, failure, translator, received_ns)])
    return Outcome()


def unanswered(
    asked: Asked, why: str, translator: Translator, received_ns: int
) -> list[AccountEvent]:
    """Say what it means that no answer came: whatever was meant may have happened."""
    failure = Failure(0, 0, f"{asked.what.value}: {why}")
    return failed(asked, failure, translator, received_ns).events


def never_lived(client_id: ClientOrderId, translator: Translator, received_ns: int) -> None:
    """Take that a conditional order does not exist at the venue and never did."""
    stop = translator.conditionals.of_client(client_id)
    if stop is not None and not stop.algo_id:
        stop.told(OrderState.REJECTED, 0, received_ns)


def _query_failed(
    asked: Asked, failure: Failure, translator: Translator, received_ns: int
) -> AccountEvent:
    """Take "no such order" for a fact only if the venue has not shown the stop lately.

    Reads of conditional orders lag under load; a stop taken for gone would be placed twice
    or missed (§10.4, §15).
    """
    symbol, client_id = asked.symbol, asked.client_id
    stop = translator.conditionals.of_client(client_id)
    if failure.code == NO_SUCH_ORDER and stop is not None and stop.algo_id:
        recent = received_ns - stop.seen_ns < READS_LAG_NS
        if recent and not stop.state.is_final:
            text = "the venue does not find a conditional order that it showed just now"
            return OrderOutcomeLost(symbol, client_id, text, received_ns)
    return query_failed(symbol, client_id, failure, received_ns)
