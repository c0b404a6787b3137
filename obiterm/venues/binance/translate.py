"""Account payloads of Binance as events, with exact numbers (binance.md §6.3, §7).

Orders on symbols that the session does not know belong to somebody else and are
left out: their ticks and lots are unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from obiterm.core.errors import DataError
from obiterm.core.events import (
    AccountEvent,
    BalanceChanged,
    CancelRefused,
    Filled,
    OrderNotFound,
    OrderOutcomeLost,
    OrderRefused,
    OrderReported,
)
from obiterm.core.instruments import Instrument
from obiterm.core.orders import LiveOrder
from obiterm.core.values import (
    NS_PER_MS,
    ClientOrderId,
    OrderKind,
    OrderState,
    RefusalKind,
    Side,
    Symbol,
    VenueOrderId,
)
from obiterm.venues.binance.errors import NO_SUCH_ORDER, classify, refusal_kind
from obiterm.venues.binance.messages import (
    AccountPosition,
    Balance,
    ExecutionReport,
    OrderReply,
    TradeRow,
)
from obiterm.venues.binance.scale import amount, decimal, exact_lots, lots_down, near_ticks
from obiterm.venues.common.refusals import Verdict

_STATES = {
    "NEW": OrderState.OPEN,
    "PENDING_NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.PARTIAL,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "PENDING_CANCEL": OrderState.CANCELLING,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}

_KINDS = {
    "MARKET": OrderKind.MARKET,
    "STOP_LOSS": OrderKind.STOP_MARKET,
    "TAKE_PROFIT": OrderKind.STOP_MARKET,
}

_SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}

_NO_TRADE = "0"
_MET_OWN = "EXPIRED_IN_MATCH"


class Translator:
    """Turns payloads of one account into events."""

    def __init__(self, instruments: Mapping[Symbol, Instrument]) -> None:
        self._instruments = instruments

    def order(self, reply: OrderReply, received_ns: int) -> list[AccountEvent]:
        """Return the fills in an order reply and then its state; nothing for a bare ACK."""
        instrument = self._instruments.get(Symbol(reply.symbol))
        if instrument is None or not reply.status:
            return []
        client_id = ClientOrderId(reply.orig_client_order_id or reply.client_order_id)
        venue_id = VenueOrderId(str(reply.order_id))
        side = _side(reply.side)
        event_ns = (reply.transact_time or reply.update_time or reply.time) * NS_PER_MS
        events: list[AccountEvent] = [
            Filled(
                symbol=instrument.symbol,
                client_id=client_id,
                venue_id=venue_id,
                trade_id=fill.trade_id,
                side=side,
                price_ticks=near_ticks(instrument, fill.price, "fills.price"),
                lots=exact_lots(instrument, fill.qty, "fills.qty"),
                fee=decimal(fill.commission, "fills.commission"),
                fee_asset=fill.commission_asset,
                is_maker=False,
                event_ns=event_ns,
                received_ns=received_ns,
            )
            for fill in reply.fills
        ]
        events.append(
            OrderReported(
                symbol=instrument.symbol,
                client_id=client_id,
                venue_id=venue_id,
                state=_STATES.get(reply.status, OrderState.UNKNOWN),
                side=side,
                kind=_KINDS.get(reply.type, OrderKind.LIMIT),
                lots=lots_down(instrument, reply.orig_qty, "origQty"),
                filled_lots=lots_down(instrument, reply.executed_qty, "executedQty"),
                price_ticks=near_ticks(instrument, reply.price, "price"),
                trigger_ticks=near_ticks(instrument, reply.stop_price, "stopPrice"),
                event_ns=event_ns,
                received_ns=received_ns,
                code=reply.expiry_reason,
                refusal=_refusal_of(reply.status),
            )
        )
        return events

    def execution(self, report: ExecutionReport, received_ns: int) -> list[AccountEvent]:
        """Return the fill, if there is one, and then the order's state."""
        instrument = self._instruments.get(Symbol(report.symbol))
        if instrument is None:
            return []
        client_id = ClientOrderId(report.original_client_id or report.client_id)
        venue_id = VenueOrderId(str(report.order_id))
        side = _side(report.side)
        event_ns = report.transaction_ms * NS_PER_MS
        events: list[AccountEvent] = []
        if report.execution == "TRADE":
            events.append(
                Filled(
                    symbol=instrument.symbol,
                    client_id=client_id,
                    venue_id=venue_id,
                    trade_id=report.trade_id,
                    side=side,
                    price_ticks=near_ticks(instrument, report.last_price, "L"),
                    lots=exact_lots(instrument, report.last_quantity, "l"),
                    fee=decimal(report.commission, "n"),
                    fee_asset=report.commission_asset or "",
                    is_maker=report.is_maker,
                    event_ns=event_ns,
                    received_ns=received_ns,
                )
            )
        refused = report.reject_reason if report.reject_reason != "NONE" else ""
        events.append(
            OrderReported(
                symbol=instrument.symbol,
                client_id=client_id,
                venue_id=venue_id,
                state=_STATES.get(report.status, OrderState.UNKNOWN),
                side=side,
                kind=_KINDS.get(report.type, OrderKind.LIMIT),
                lots=lots_down(instrument, report.quantity, "q"),
                filled_lots=lots_down(instrument, report.filled_quantity, "z"),
                price_ticks=near_ticks(instrument, report.price, "p"),
                trigger_ticks=near_ticks(instrument, report.stop_price, "P"),
                event_ns=event_ns,
                received_ns=received_ns,
                code=refused or report.expiry_reason,
                refusal=_refusal_of(report.status),
            )
        )
        return events

    def live_orders(self, replies: list[OrderReply]) -> list[LiveOrder]:
        """Return the open orders on the symbols we know, everybody's."""
        live: list[LiveOrder] = []
        for reply in replies:
            instrument = self._instruments.get(Symbol(reply.symbol))
            if instrument is None:
                continue
            live.append(
                LiveOrder(
                    symbol=instrument.symbol,
                    client_id=ClientOrderId(reply.client_order_id),
                    venue_id=VenueOrderId(str(reply.order_id)),
                    side=_side(reply.side),
                    kind=_KINDS.get(reply.type, OrderKind.LIMIT),
                    lots=lots_down(instrument, reply.orig_qty, "origQty"),
                    filled_lots=lots_down(instrument, reply.executed_qty, "executedQty"),
                    price_ticks=near_ticks(instrument, reply.price, "price"),
                    trigger_ticks=near_ticks(instrument, reply.stop_price, "stopPrice"),
                    created_ns=reply.time * NS_PER_MS,
                )
            )
        return live

    def trades(
        self,
        rows: list[TradeRow],
        client_ids: Mapping[VenueOrderId, ClientOrderId],
        received_ns: int,
    ) -> list[Filled]:
        """Return rows of myTrades as fills.

        The venue leaves the client id out: it comes from ``client_ids`` and is empty for
        orders that are not in it.
        """
        fills: list[Filled] = []
        for row in rows:
            instrument = self._instruments.get(Symbol(row.symbol))
            if instrument is None:
                continue
            venue_id = VenueOrderId(str(row.order_id))
            fills.append(
                Filled(
                    symbol=instrument.symbol,
                    client_id=client_ids.get(venue_id, ClientOrderId("")),
                    venue_id=venue_id,
                    trade_id=row.id,
                    side=Side.BUY if row.is_buyer else Side.SELL,
                    price_ticks=near_ticks(instrument, row.price, "price"),
                    lots=exact_lots(instrument, row.qty, "qty"),
                    fee=decimal(row.commission, "commission"),
                    fee_asset=row.commission_asset,
                    is_maker=row.is_maker,
                    event_ns=row.time * NS_PER_MS,
                    received_ns=received_ns,
                )
            )
        return fills


def changed_balances(position: AccountPosition, received_ns: int) -> list[BalanceChanged]:
    """Return the balances of an ``outboundAccountPosition``."""
    event_ns = position.update_ms * NS_PER_MS
    return [
        BalanceChanged(
            balance.asset,
            amount(balance.free, "f"),
            amount(balance.locked, "l"),
            event_ns,
            received_ns,
        )
        for balance in position.balances
    ]


def listed_balances(balances: list[Balance], received_ns: int) -> list[BalanceChanged]:
    """Return the balances of an account reply, which has no time per asset."""
    return [
        BalanceChanged(
            balance.asset,
            amount(balance.free, "free"),
            amount(balance.locked, "locked"),
            received_ns,
            received_ns,
        )
        for balance in balances
    ]


class Failure(msgspec.Struct, frozen=True):
    """A failed request: HTTP status (0 = no answer), the venue's code and words."""

    status: int
    code: int
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
        return str(self.code or self.status or "")


def place_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> OrderRefused | OrderOutcomeLost:
    """Return what a failed placement means: refused, or nobody knows."""
    if failure.verdict is Verdict.UNKNOWN:
        words = f"{failure.shown_code} {failure.msg}".strip()
        return OrderOutcomeLost(symbol, client_id, words, received_ns)
    return OrderRefused(
        symbol, client_id, failure.shown_code, failure.msg, received_ns, failure.refusal
    )


def cancel_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> CancelRefused:
    """Return what a failed or unanswered cancel means: ask for the order's state."""
    return CancelRefused(symbol, client_id, failure.shown_code, failure.msg, received_ns)


def query_failed(
    symbol: Symbol, client_id: ClientOrderId, failure: Failure, received_ns: int
) -> OrderNotFound | OrderOutcomeLost:
    """Return what a failed query means: no such order, or still unknown."""
    if failure.code == NO_SUCH_ORDER:
        return OrderNotFound(symbol, client_id, received_ns)
    words = f"query: {failure.shown_code} {failure.msg}".strip()
    return OrderOutcomeLost(symbol, client_id, words, received_ns)


def _refusal_of(status: str) -> RefusalKind:
    """Tell an order that the venue ended because it met one of our own (§6.4)."""
    return RefusalKind.SELF_TRADE if status == _MET_OWN else RefusalKind.ORDER


def _side(text: str) -> Side:
    side = _SIDES.get(text)
    if side is None:
        raise DataError(f"side = {text!r} is neither BUY nor SELL")
    return side
