"""Orders and fills of Backpack as events, with exact numbers (backpack.md §7.5, §8.4).

Orders on symbols that the account does not trade belong to somebody else and are left out:
their ticks and lots are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import (
    AccountEvent,
    CancelRefused,
    Filled,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import (
    NS_PER_US,
    ClientOrderId,
    OrderKind,
    OrderState,
    RefusalKind,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.backpack.client_ids import LIMIT, ClientIds
from obiterm.venues.backpack.errors import (
    classify,
    expiry_kind,
    explain_expiry,
    refusal_kind,
)
from obiterm.venues.backpack.messages import FillRow, Id, OrderRow, OrderUpdate, Text
from obiterm.venues.backpack.times import moment_ns
from obiterm.venues.common.refusals import Verdict
from obiterm.venues.common.scale import decimal, exact_lots, lots_down, near_ticks

_STATES = {
    "New": OrderState.OPEN,
    "TriggerPending": OrderState.OPEN,
    "Triggered": OrderState.OPEN,
    "PartiallyFilled": OrderState.PARTIAL,
    "Filled": OrderState.FILLED,
    "Cancelled": OrderState.CANCELLED,
    "Expired": OrderState.EXPIRED,
    "TriggerFailed": OrderState.EXPIRED,
}
_SIDES = {"Bid": Side.BUY, "Ask": Side.SELL}
_FILL = "orderFill"
_TRIGGER_FAILED = "TriggerFailed"
_USER = "USER"


class Failure(msgspec.Struct, frozen=True):
    """A failed request: HTTP status (0 = no answer), the venue's code and words."""

    status: int
    code: str
    msg: str

    @property
    def verdict(self) -> Verdict:
        """What the failure means."""
        return classify(self.status, self.code, self.msg)

    @property
    def refusal(self) -> RefusalKind:
        """Why an order was refused by it."""
        return refusal_kind(self.status, self.code, self.msg)

    @property
    def shown_code(self) -> str:
        """The venue's code, else the HTTP status, as text."""
        return self.code or (str(self.status) if self.status else "")

    @property
    def words(self) -> str:
        """Code and message in one line."""
        return f"{self.shown_code} {self.msg}".strip()


class Translator:
    """Turns payloads of one account into events."""

    def __init__(self, instruments: Mapping[Symbol, Instrument], ids: ClientIds) -> None:
        self._instruments = instruments
        self._ids = ids

    def client_id(self, told: Id) -> ClientOrderId:
        """Return our text of the venue's client id; empty when it has none."""
        number = int(told) if isinstance(told, int) or (told and told.isdigit()) else None
        return self._ids.text(number if number is not None and 0 <= number < LIMIT else None)

    def order(self, row: OrderRow, received_ns: int) -> OrderReported | None:
        """Return an order's state; ``None`` for a market that is not traded here.

        An answer tells how much was filled but not by which trades: these come on the stream.
        ``event_ns`` is when the order was created, the venue tells no later time.
        """
        instrument = self._instruments.get(Symbol(row.symbol))
        if instrument is None:
            return None
        reason = row.expiry_reason or row.system_order_type or ""
        return OrderReported(
            symbol=instrument.symbol,
            client_id=self.client_id(row.client_id),
            venue_id=_venue_id(row.id),
            state=_STATES.get(row.status, OrderState.UNKNOWN),
            side=side_of(row.side),
            kind=_kind(row.order_type, row.trigger_price),
            lots=_lots(instrument, row.quantity, row.trigger_quantity),
            filled_lots=lots_down(instrument, row.executed_quantity or "0", "executedQuantity"),
            price_ticks=near_ticks(instrument, row.price or "0", "price"),
            trigger_ticks=near_ticks(instrument, row.trigger_price or "0", "triggerPrice"),
            event_ns=moment_ns(row.created_at, "createdAt"),
            received_ns=received_ns,
            code=reason or (row.status if row.status == _TRIGGER_FAILED else ""),
            text=explain_expiry(reason),
            refusal=expiry_kind(reason),
        )

    def live_orders(self, rows: list[OrderRow]) -> list[LiveOrder]:
        """Return the open orders on the symbols we know, everybody's."""
        live: list[LiveOrder] = []
        for row in rows:
            told = self.order(row, 0)
            if told is None:
                continue
            live.append(
                LiveOrder(
                    symbol=told.symbol,
                    client_id=told.client_id,
                    venue_id=told.venue_id,
                    side=told.side,
                    kind=told.kind,
                    lots=told.lots,
                    filled_lots=told.filled_lots,
                    price_ticks=told.price_ticks,
                    trigger_ticks=told.trigger_ticks,
                    created_ns=told.event_ns,
                    reduce_only=row.reduce_only is True,
                    post_only=row.post_only is True,
                )
            )
        return live

    def update(self, told: OrderUpdate, received_ns: int) -> list[AccountEvent]:
        """Return the fill of an order update, if there is one, and then the order's state."""
        instrument = self._instruments.get(Symbol(told.symbol))
        if instrument is None:
            return []
        events: list[AccountEvent] = []
        client_id = self.client_id(told.client_id)
        venue_id = _venue_id(told.order_id)
        side = side_of(told.side)
        event_ns = (told.engine_us or told.event_us) * NS_PER_US
        if told.event == _FILL:
            events.append(self._fill(instrument, told, client_id, venue_id, side, received_ns))
        reason = told.expiry_reason or ""
        failed = told.status == _TRIGGER_FAILED and not reason
        system = told.origin if told.origin not in (None, _USER) else ""
        events.append(
            OrderReported(
                symbol=instrument.symbol,
                client_id=client_id,
                venue_id=venue_id,
                state=_STATES.get(told.status, OrderState.UNKNOWN),
                side=side,
                kind=_kind(told.order_type, told.trigger_price),
                lots=_lots(instrument, told.quantity, told.trigger_quantity),
                filled_lots=lots_down(instrument, told.filled_quantity or "0", "z"),
                price_ticks=near_ticks(instrument, told.price or "0", "p"),
                trigger_ticks=near_ticks(instrument, told.trigger_price or "0", "P"),
                event_ns=event_ns,
                received_ns=received_ns,
                code=_TRIGGER_FAILED if failed else reason,
                text=explain_expiry(reason) or system or "",
                refusal=expiry_kind(reason),
            )
        )
        return events

    def fills(
        self,
        rows: list[FillRow],
        client_ids: Mapping[VenueOrderId, ClientOrderId],
        received_ns: int,
    ) -> list[Filled]:
        """Return rows of the fill history, in the venue's order.

        A row that does not tell our id takes it from ``client_ids``.
        """
        fills: list[Filled] = []
        for row in rows:
            instrument = self._instruments.get(Symbol(row.symbol))
            if instrument is None:
                continue
            venue_id = _venue_id(row.order_id)
            known = client_ids.get(venue_id)
            fills.append(
                Filled(
                    symbol=instrument.symbol,
                    client_id=self.client_id(row.client_id) if known is None else known,
                    venue_id=venue_id,
                    trade_id=row.trade_id or _made_trade_id(row),
                    side=side_of(row.side),
                    price_ticks=near_ticks(instrument, row.price, "price"),
                    lots=exact_lots(instrument, row.quantity, "quantity"),
                    fee=decimal(row.fee, "fee"),
                    fee_asset=row.fee_symbol,
                    is_maker=row.is_maker,
                    event_ns=moment_ns(row.timestamp, "timestamp"),
                    received_ns=received_ns,
                )
            )
        return fills

    def _fill(
        self,
        instrument: Instrument,
        told: OrderUpdate,
        client_id: ClientOrderId,
        venue_id: VenueOrderId,
        side: Side,
        received_ns: int,
    ) -> Filled:
        if told.trade_id is None or told.last_price is None or told.last_quantity is None:
            raise DataError(f"{told.symbol}: a fill without trade id, price or quantity")
        return Filled(
            symbol=instrument.symbol,
            client_id=client_id,
            venue_id=venue_id,
            trade_id=told.trade_id,
            side=side,
            price_ticks=near_ticks(instrument, told.last_price, "L"),
            lots=exact_lots(instrument, told.last_quantity, "l"),
            fee=decimal(told.fee or "0", "n"),
            fee_asset=told.fee_asset or "",
            is_maker=told.is_maker is True,
            event_ns=(told.engine_us or told.event_us) * NS_PER_US,
            received_ns=received_ns,
        )


def side_of(text: str) -> Side:
    """Read a side; raise ``DataError`` for anything but Bid and Ask."""
    side = _SIDES.get(text)
    if side is None:
        raise DataError(f"side = {text!r} is neither Bid nor Ask")
    return side


def place_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> OrderRefused | OrderOutcomeLost:
    """Return what a failed placement means: refused, or nobody knows."""
    if failure.verdict is Verdict.UNKNOWN:
        return OrderOutcomeLost(symbol, client_id, failure.words, received_ns)
    return OrderRefused(
        symbol, client_id, failure.shown_code, failure.msg, received_ns, failure.refusal
    )


def cancel_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> CancelRefused:
    """Return what a failed or unanswered cancel means: ask for the order's state."""
    return CancelRefused(symbol, client_id, failure.shown_code, failure.msg, received_ns)


def _venue_id(told: Id) -> VenueOrderId:
    return VenueOrderId("" if told is None else str(told))


def _kind(order_type: str, trigger_price: Text) -> OrderKind:
    """Return the kind; REST says ``Market``, the stream ``MARKET`` (§1.11)."""
    if order_type.upper() != "MARKET":
        return OrderKind.LIMIT
    return OrderKind.STOP_MARKET if trigger_price is not None else OrderKind.MARKET


def _lots(instrument: Instrument, quantity: Text, trigger_quantity: Text) -> int:
    """Return the size. A waiting trigger order has none but in its trigger; a percentage of
    a position is not known before it fires and counts as 0."""
    lots = lots_down(instrument, quantity or "0", "quantity")
    if lots or not trigger_quantity or trigger_quantity.endswith("%"):
        return lots
    return lots_down(instrument, trigger_quantity, "triggerQuantity")


def _made_trade_id(row: FillRow) -> int:
    """Return an id for a fill that has none, below all of the venue's and always the same."""
    text = f"{row.order_id}|{row.timestamp}|{row.side}|{row.price}|{row.quantity}"
    digest = blake2b(text.encode(), digest_size=6).digest()
    return -2 - int.from_bytes(digest, "big")
