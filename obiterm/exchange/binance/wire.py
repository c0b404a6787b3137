"""The venue's spelling of prices, sizes, orders and fills (binance.md §6)."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from obiterm.core.values import NS_PER_MS, Side
from obiterm.exchange.api import Candle, Fill, Kind, MarketSpec, Order, PublicTrade
from obiterm.exchange.wire.office import Json

PLACES = 8
_UNITS = tuple(10**places for places in range(PLACES + 1))
ZERO = "0.00000000"

TYPE_NAMES: dict[Kind, str] = {
    Kind.LIMIT: "LIMIT",
    Kind.LIMIT_MAKER: "LIMIT_MAKER",
    Kind.MARKET: "MARKET",
    Kind.STOP_MARKET: "STOP_LOSS",
    Kind.STOP_LIMIT: "STOP_LOSS_LIMIT",
    Kind.TAKE_PROFIT_MARKET: "TAKE_PROFIT",
    Kind.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}
KINDS: dict[str, Kind] = {name: kind for kind, name in TYPE_NAMES.items()}


def ms(time_ns: int) -> int:
    """Return Unix milliseconds; a negative time (never) stays -1."""
    return time_ns // NS_PER_MS if time_ns >= 0 else -1


def amount(value: Decimal) -> str:
    """Write a balance, fee or quote amount with eight places."""
    return f"{value:.8f}"


class Scale:
    """Writes ticks and lots of one market as the venue's decimal texts.

    Whole-number arithmetic: one price or size costs well under a microsecond.
    """

    __slots__ = ("_lot", "_places", "_tick", "lot_size", "spec", "tick_size")

    def __init__(
        self, spec: MarketSpec, price_places: int = PLACES, size_places: int = PLACES
    ) -> None:
        self.spec = spec
        self.tick_size = spec.tick_size
        self.lot_size = spec.lot_size
        self._places = price_places, size_places
        self._tick = int(spec.tick_size.scaleb(price_places))
        self._lot = int(spec.lot_size.scaleb(size_places))

    def price(self, ticks: int) -> str:
        """Write a price."""
        places = self._places[0]
        whole, rest = divmod(ticks * self._tick, _UNITS[places])
        return f"{whole}.{rest:0{places}d}" if places else str(whole)

    def size(self, lots: int) -> str:
        """Write a base quantity."""
        places = self._places[1]
        whole, rest = divmod(lots * self._lot, _UNITS[places])
        return f"{whole}.{rest:0{places}d}" if places else str(whole)

    def quote(self, ticks: int, lots: int) -> str:
        """Write price x quantity."""
        return amount(self.tick_size * self.lot_size * (ticks * lots))

    def levels(self, levels: list[tuple[int, int]]) -> list[list[str]]:
        """Write book levels as ``[price, quantity]``."""
        price, size = self.price, self.size
        return [[price(ticks), size(lots)] for ticks, lots in levels]


class Extras(msgspec.Struct, frozen=True):
    """Fields of an order that the venue only echoes; the core does not know them."""

    strategy_id: int | None = None
    strategy_type: int | None = None

    def rest(self) -> Json:
        """Return the fields as REST replies spell them."""
        out: Json = {}
        if self.strategy_id is not None:
            out["strategyId"] = self.strategy_id
        if self.strategy_type is not None:
            out["strategyType"] = self.strategy_type
        return out

    def event(self) -> Json:
        """Return the fields as ``executionReport`` spells them."""
        out: Json = {}
        if self.strategy_id is not None:
            out["j"] = self.strategy_id
        if self.strategy_type is not None:
            out["J"] = self.strategy_type
        return out


NO_EXTRAS = Extras()


def ack(order: Order) -> Json:
    """Write the short answer to a new order."""
    return {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
        "transactTime": ms(order.updated_ns),
    }


def _body(order: Order, scale: Scale) -> Json:
    body: Json = {
        "price": scale.price(order.price_ticks),
        "origQty": scale.size(order.lots),
        "executedQty": scale.size(order.filled_lots),
        "origQuoteOrderQty": amount(order.quote_qty),
        "cummulativeQuoteQty": amount(order.filled_quote),
        "status": order.status.value,
        "timeInForce": order.tif.value,
        "type": TYPE_NAMES[order.kind],
        "side": order.side.value,
    }
    if order.trigger_ticks:
        body["stopPrice"] = scale.price(order.trigger_ticks)
    return body


def result(order: Order, scale: Scale, extras: Extras = NO_EXTRAS) -> Json:
    """Write the ``RESULT`` answer to a new order, also the report of an order list."""
    out = ack(order) | _body(order, scale)
    out["workingTime"] = ms(order.working_ns)
    out["selfTradePreventionMode"] = order.stp.value
    if order.expiry_reason:
        out["expiryReason"] = order.expiry_reason
    return out | extras.rest()


def full(order: Order, scale: Scale, fills: list[Fill], extras: Extras = NO_EXTRAS) -> Json:
    """Write the ``FULL`` answer to a new order: with the fills it caused at once."""
    out = result(order, scale, extras)
    out["fills"] = [
        {
            "price": scale.price(fill.price_ticks),
            "qty": scale.size(fill.lots),
            "commission": amount(fill.fee),
            "commissionAsset": fill.fee_asset,
            "tradeId": fill.trade_id,
        }
        for fill in fills
    ]
    return out


def cancelled(order: Order, scale: Scale, cancel_id: str, extras: Extras = NO_EXTRAS) -> Json:
    """Write the answer to a cancel: ``clientOrderId`` is the id of the cancel itself."""
    out: Json = {
        "symbol": order.symbol,
        "origClientOrderId": order.client_id,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": cancel_id,
        "transactTime": ms(order.updated_ns),
    }
    out |= _body(order, scale)
    out["selfTradePreventionMode"] = order.stp.value
    return out | extras.rest()


def queried(order: Order, scale: Scale, extras: Extras = NO_EXTRAS) -> Json:
    """Write the answer to an order query."""
    out: Json = {
        "symbol": order.symbol,
        "orderId": order.order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_id,
    }
    out |= _body(order, scale)
    out.setdefault("stopPrice", ZERO)
    out["icebergQty"] = ZERO
    out["time"] = ms(order.created_ns)
    out["updateTime"] = ms(order.updated_ns)
    out["isWorking"] = order.working_ns >= 0
    out["workingTime"] = ms(order.working_ns)
    out["selfTradePreventionMode"] = order.stp.value
    if order.expiry_reason:
        out["expiryReason"] = order.expiry_reason
    return out | extras.rest()


def my_trade(fill: Fill, scale: Scale, list_id: int) -> Json:
    """Write a row of ``myTrades``."""
    return {
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": list_id,
        "price": scale.price(fill.price_ticks),
        "qty": scale.size(fill.lots),
        "quoteQty": amount(fill.quote),
        "commission": amount(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": ms(fill.time_ns),
        "isBuyer": fill.side is Side.BUY,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def trade_row(trade: PublicTrade, scale: Scale) -> Json:
    """Write a row of ``trades``; ``isBuyerMaker`` means that the aggressor sold."""
    return {
        "id": trade.trade_id,
        "price": scale.price(trade.price_ticks),
        "qty": scale.size(trade.lots),
        "quoteQty": scale.quote(trade.price_ticks, trade.lots),
        "time": ms(trade.time_ns),
        "isBuyerMaker": trade.aggressor is Side.SELL,
        "isBestMatch": True,
    }


def kline_row(candle: Candle, scale: Scale) -> list[object]:
    """Write a row of ``klines``."""
    return [
        candle.open_ms,
        scale.price(candle.open_ticks),
        scale.price(candle.high_ticks),
        scale.price(candle.low_ticks),
        scale.price(candle.close_ticks),
        scale.size(candle.lots),
        candle.open_ms + candle.interval_ms - 1,
        amount(candle.quote),
        candle.trades,
        scale.size(candle.taker_buy_lots),
        amount(candle.taker_buy_quote),
        "0",
    ]
